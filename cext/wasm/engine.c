/* The wasmtime engine: its configuration, the pool it allocates from, and the life of the whole room. */
#define _GNU_SOURCE
#include "internal.h"
#include "mcpkit/cpu.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/eventfd.h>
#endif

#define DEFAULT_INSTANCES 256u
#define DEFAULT_QUEUED 4096u
#define DEFAULT_MEMORY (UINT64_C(512) << 20)
#define DEFAULT_SLICE_UNITS UINT64_C(100000)

/* What one memory of the pool reserves: 32-bit addresses whole, so that most bounds checks are page faults, and a guard. */
#define RESERVED_PER_MEMORY ((UINT64_C(4) << 30) + (UINT64_C(64) << 20))
#define MEMORIES_PER_INSTANCE 2u
#define SPARE_MEMORIES 14u
#define TABLES_PER_INSTANCE 4u
#define TABLE_ELEMENTS 100000u
#define RESERVED_PER_STACK (UINT64_C(4) << 20)

uint64_t mck_clock(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t mck_thread_clock(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void mck_error_set(mck_wasm_error *error, const char *format, ...)
{
    if (error == NULL)
        return;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
}

void mck_error_take(const mck_wasmtime_api *api, mck_wasm_error *error, const char *before, wasmtime_error_t *taken)
{
    wasm_byte_vec_t text;
    api->error_message(taken, &text);
    if (error != NULL) {
        int n = snprintf(error->message, sizeof error->message, "%s: ", before);
        size_t used = n > 0 && (size_t)n < sizeof error->message ? (size_t)n : 0;
        mck_outcome_text(error->message + used, sizeof error->message - used, text.data, text.size);
    }
    api->wasm_byte_vec_delete(&text);
    api->error_delete(taken);
}

/*
 * A library that cannot reserve its pool aborts the process, so the reservation is tried here first. Containers and `ulimit -v`
 * leave less room than the 64-bit address space suggests: then half the instances, and half again.
 */
static bool fits(uint32_t instances, uint32_t memories)
{
    uint64_t bytes = memories * RESERVED_PER_MEMORY +
                     instances * (RESERVED_PER_STACK + TABLES_PER_INSTANCE * TABLE_ELEMENTS * UINT64_C(8));
    bytes += bytes / 16;
    if (bytes > SIZE_MAX)
        return false;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
#ifdef MAP_NORESERVE
    flags |= MAP_NORESERVE;
#endif
    void *probe = mmap(NULL, (size_t)bytes, PROT_NONE, flags, -1, 0);
    if (probe == MAP_FAILED)
        return false;
    (void)munmap(probe, (size_t)bytes);
    return true;
}

typedef struct {
    uint32_t instances, memories;
} pool_size;

/* Most programs have one memory. Some spare ones let a few programs with many run even in a small pool. */
static pool_size size_that_fits(uint32_t wanted)
{
    for (uint32_t n = wanted; n > 0; n /= 2) {
        if (fits(n, n * MEMORIES_PER_INSTANCE + SPARE_MEMORIES))
            return (pool_size){n, n * MEMORIES_PER_INSTANCE + SPARE_MEMORIES};
        if (fits(n, n * MEMORIES_PER_INSTANCE))
            return (pool_size){n, n * MEMORIES_PER_INSTANCE};
    }
    return (pool_size){0, 0};
}

static void set_pool(const mck_wasmtime_api *api, wasm_config_t *config, pool_size size, uint64_t max_memory)
{
    wasmtime_pooling_allocation_config_t *pool = api->pooling_allocation_config_new();
    api->pooling_allocation_config_max_memory_size_set(pool, (size_t)max_memory);
    api->pooling_allocation_config_total_memories_set(pool, size.memories);
    api->pooling_allocation_config_total_tables_set(pool, size.instances * TABLES_PER_INSTANCE);
    api->pooling_allocation_config_total_stacks_set(pool,
                                                    size.instances + 1); /* one more: linking is tried out besides */
    api->pooling_allocation_config_total_component_instances_set(pool, size.instances + 1);
    api->pooling_allocation_config_total_core_instances_set(pool, (size.instances + 1) * 64);
    /* Room for what large language runtimes bring along; only limits, not reservations. */
    api->pooling_allocation_config_max_core_instances_per_component_set(pool, 64);
    api->pooling_allocation_config_max_memories_per_component_set(pool, 16);
    api->pooling_allocation_config_max_memories_per_module_set(pool, 4);
    api->pooling_allocation_config_max_tables_per_component_set(pool, 64);
    api->pooling_allocation_config_max_tables_per_module_set(pool, 16);
    api->pooling_allocation_config_table_elements_set(pool, TABLE_ELEMENTS);
    api->pooling_allocation_config_max_core_instance_size_set(pool, 4u << 20);
    api->pooling_allocation_config_max_component_instance_size_set(pool, 4u << 20);
    /* Pages kept and given back in batches: a fresh instance then costs no page fault and no address-space shoot-down. */
    api->pooling_allocation_config_linear_memory_keep_resident_set(pool, 128u << 10);
    api->pooling_allocation_config_table_keep_resident_set(pool, 64u << 10);
    api->pooling_allocation_config_async_stack_keep_resident_set(pool, 64u << 10);
    api->pooling_allocation_config_decommit_batch_size_set(pool, 32);
    api->pooling_allocation_strategy_set(config, pool);
    api->pooling_allocation_config_delete(pool);
}

static wasm_engine_t *make_wasm(const mck_wasmtime_api *api, pool_size size, uint64_t max_memory,
                                const mck_wasm_engine_config *wanted, mck_wasm_error *error)
{
    wasm_config_t *config = api->wasm_config_new();
    if (wanted->pulley) {
        wasmtime_error_t *failed = api->config_target_set(config, "pulley64");
        if (failed != NULL) {
            mck_error_take(api, error, "wasmtime refuses the Pulley interpreter", failed);
            api->wasm_config_delete(config);
            return NULL;
        }
    }
    api->config_consume_fuel_set(config, true);
    api->config_epoch_interruption_set(config, true);
    /* Off: a guest exporting a stream or a future would abort the process when its value is converted. */
    api->config_wasm_component_model_async_set(config, false);
    api->config_concurrency_support_set(config, false);
    api->config_wasm_component_model_map_set(config, true);
    api->config_wasm_threads_set(config, false);
    /* Off: 64-bit memories do not fit the pool's reservation, and their bounds checks cost every guest that has them. */
    api->config_wasm_memory64_set(config, false);
    api->config_parallel_compilation_set(config, wanted->parallel_compilation);
    set_pool(api, config, size, max_memory);
    wasm_engine_t *made = api->wasm_engine_new_with_config(config);
    if (made == NULL)
        mck_error_set(error, "wasmtime refuses the engine's configuration");
    return made;
}

static bool open_notification(mck_wasm_engine *engine)
{
#ifdef __linux__
    engine->notify_read = engine->notify_write = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return engine->notify_read >= 0;
#else
    int ends[2];
    if (pipe(ends) != 0)
        return false;
    engine->notify_read = ends[0];
    engine->notify_write = ends[1];
    for (int i = 0; i < 2; i++)
        if (fcntl(ends[i], F_SETFL, O_NONBLOCK) != 0 || fcntl(ends[i], F_SETFD, FD_CLOEXEC) != 0)
            return false;
    return true;
#endif
}

static void free_engine(mck_wasm_engine *engine)
{
    if (engine->wasm != NULL)
        engine->api.wasm_engine_delete(engine->wasm);
    if (engine->notify_read >= 0)
        (void)close(engine->notify_read);
    if (engine->notify_write >= 0 && engine->notify_write != engine->notify_read)
        (void)close(engine->notify_write);
    (void)pthread_cond_destroy(&engine->ended);
    (void)pthread_cond_destroy(&engine->gone);
    (void)pthread_cond_destroy(&engine->tick);
    (void)pthread_cond_destroy(&engine->work);
    (void)pthread_mutex_destroy(&engine->lock);
    free(engine);
}

void mck_engine_retain(mck_wasm_engine *engine)
{
    (void)atomic_fetch_add_explicit(&engine->references, 1, memory_order_relaxed);
}

void mck_engine_release(mck_wasm_engine *engine)
{
    if (atomic_fetch_sub_explicit(&engine->references, 1, memory_order_acq_rel) == 1)
        free_engine(engine);
}

static uint32_t processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 2 ? (uint32_t)n : 2;
}

mck_wasm_status mck_wasm_engine_new(const mck_wasm_engine_config *config, mck_wasm_engine **out, mck_wasm_error *error)
{
    *out = NULL;
    mck_wasm_engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL) {
        mck_error_set(error, "out of memory while making the engine");
        return MCK_WASM_E_MEMORY;
    }
    engine->notify_read = engine->notify_write = -1;
    engine->next_deadline = UINT64_MAX;
    atomic_init(&engine->references, 1);
    (void)pthread_mutex_init(&engine->lock, NULL);
    (void)pthread_cond_init(&engine->work, NULL);
    (void)pthread_cond_init(&engine->tick, NULL);
    (void)pthread_cond_init(&engine->gone, NULL);
    (void)pthread_cond_init(&engine->ended, NULL);

    char message[512];
    if (!mck_wasmtime_api_load(&engine->api, config->library_path, message, sizeof message)) {
        mck_error_set(error, "%s", message);
        free_engine(engine);
        return MCK_WASM_E_LIBRARY;
    }
    uint32_t wanted = config->max_instances != 0 ? config->max_instances : DEFAULT_INSTANCES;
    engine->max_queued = config->max_queued != 0 ? config->max_queued : DEFAULT_QUEUED;
    engine->max_memory = config->max_memory != 0 ? config->max_memory : DEFAULT_MEMORY;
    engine->max_threads = config->threads != 0 ? config->threads : processors();
    engine->slice_units = config->slice_units != 0 ? config->slice_units : DEFAULT_SLICE_UNITS;
    engine->slice_ticks = config->slice_ticks != 0 ? config->slice_ticks : 1;
    engine->kernels = mck_json_pick(mck_cpu_features());
    if (wanted > 10000 || engine->max_memory > UINT64_C(4) << 30) {
        mck_error_set(error, "at most 10000 instances and 4 GiB per memory can be had, not %u and %llu bytes",
                      (unsigned)wanted, (unsigned long long)engine->max_memory);
        free_engine(engine);
        return MCK_WASM_E_CONFIG;
    }
    pool_size size = size_that_fits(wanted);
    engine->max_instances = size.instances;
    if (engine->max_instances == 0) {
        mck_error_set(
            error,
            "the address space limit of this process (ulimit -v) leaves no room for one instance: about %llu GiB "
            "are reserved (not used) per instance",
            (unsigned long long)((MEMORIES_PER_INSTANCE * RESERVED_PER_MEMORY >> 30) + 1));
        free_engine(engine);
        return MCK_WASM_E_CONFIG;
    }
    engine->wasm = make_wasm(&engine->api, size, engine->max_memory, config, error);
    if (engine->wasm == NULL) {
        free_engine(engine);
        return MCK_WASM_E_CONFIG;
    }
    if (!mck_version_check(engine, config->library_path, error)) {
        free_engine(engine);
        return MCK_WASM_E_LIBRARY;
    }
    if (!open_notification(engine)) {
        mck_error_set(error, "cannot open a descriptor for notifications (error %d): too many files open?", errno);
        free_engine(engine);
        return MCK_WASM_E_CONFIG;
    }
    *out = engine;
    return MCK_WASM_OK;
}

void mck_wasm_engine_delete(mck_wasm_engine *engine)
{
    if (engine == NULL)
        return;
    (void)pthread_mutex_lock(&engine->lock);
    engine->stopping = true;
    atomic_store(&engine->attention, true);
    (void)pthread_cond_broadcast(&engine->work);
    (void)pthread_cond_broadcast(&engine->tick);
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 2;
    /* Threads that are stuck in a host call do not count: nobody knows when they come back. */
    while (engine->ticker_running || engine->worker_count > engine->stuck)
        if (pthread_cond_timedwait(&engine->gone, &engine->lock, &until) == ETIMEDOUT)
            break;
    (void)pthread_mutex_unlock(&engine->lock);
    mck_engine_release(engine);
}

int mck_wasm_engine_notify_fd(const mck_wasm_engine *engine)
{
    return engine->notify_read;
}

void mck_wasm_engine_read_stats(const mck_wasm_engine *const_engine, mck_wasm_engine_stats *out)
{
    mck_wasm_engine *engine =
        (mck_wasm_engine *)(uintptr_t)const_engine; /* the lock is no part of what a reader sees */
    (void)pthread_mutex_lock(&engine->lock);
    out->live = atomic_load_explicit(&engine->live, memory_order_relaxed);
    out->queued = atomic_load_explicit(&engine->waiting, memory_order_relaxed);
    out->stuck_threads = engine->stuck;
    out->threads = engine->worker_count;
    (void)pthread_mutex_unlock(&engine->lock);
    out->started = atomic_load_explicit(&engine->started, memory_order_relaxed);
    out->inlined = atomic_load_explicit(&engine->inlined, memory_order_relaxed);
    out->slices = atomic_load_explicit(&engine->slices, memory_order_relaxed);
    out->done = atomic_load_explicit(&engine->done_count, memory_order_relaxed);
}

mck_wasm_status mck_wasm_from_text(mck_wasm_engine *engine, const char *text, size_t len, mck_buffer *out,
                                   mck_wasm_error *error)
{
    size_t fault = mck_json_utf8_fault((const uint8_t *)text, len, engine->kernels);
    if (fault < len) { /* the library would abort on it */
        mck_error_set(error, "the text is not valid UTF-8 at byte %zu", fault);
        return MCK_WASM_E_COMPILE;
    }
    wasm_byte_vec_t binary;
    wasmtime_error_t *failed = engine->api.wat2wasm(text, len, &binary);
    if (failed != NULL) {
        mck_error_take(&engine->api, error, "not WebAssembly text", failed);
        return MCK_WASM_E_COMPILE;
    }
    mck_buffer_add(out, binary.data, binary.size);
    engine->api.wasm_byte_vec_delete(&binary);
    return MCK_WASM_OK;
}
