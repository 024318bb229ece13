/*
 * wasmtime's C API with nothing around it: what a fresh, metered instance per call costs at least.
 *
 *   bare_capi LIBRARY ADD.wasm SPIN.wasm CALLS ROUNDS
 *
 * Prints one JSON object. Fresh calls (store, fuel, instantiate, look up, call, read fuel, drop) in nanoseconds each, the median of
 * ten batches, in two forms: `sync` (plain calls on an engine with fuel only) and `async` (epoch interruption on, fuel yields every
 * 100 000 units, as mcpkit calls). `spin` is one call of ROUNDS rounds in nanoseconds: `fuel` alone, `epoch` (fuel and epoch checks
 * compiled in, nothing yields), `yielding` (the async form). Component-model concurrency is off, which makes a call cheaper.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api.h" /* the structures, and the table of functions filled from the library */

enum { SLICE = 100000, BATCHES = 10 };

/* Calls that mcpkit never makes and its table therefore lacks. */
typedef wasmtime_error_t *(*instantiate_function)(const wasmtime_component_linker_t *, wasmtime_context_t *,
                                                  const wasmtime_component_t *, wasmtime_component_instance_t *);
typedef wasmtime_error_t *(*call_function)(const wasmtime_component_func_t *, wasmtime_context_t *,
                                           const wasmtime_component_val_t *, size_t, wasmtime_component_val_t *,
                                           size_t);

static mck_wasmtime_api w;
static instantiate_function instantiate;
static call_function call_plainly;
static void (*set_epoch_deadline)(wasmtime_context_t *, uint64_t);

typedef struct {
    wasm_engine_t *engine;
    wasmtime_component_t *component;
    wasmtime_component_linker_t *linker;
    wasmtime_component_export_index_t *function;
    bool async, epoch;
} guest;

static void check(wasmtime_error_t *error, const char *what)
{
    if (!error)
        return;
    wasm_byte_vec_t text;
    w.error_message(error, &text);
    fprintf(stderr, "bare_capi: %s: %.*s\n", what, (int)text.size, text.data);
    exit(1);
}

static void finish(wasmtime_call_future_t *future)
{
    while (!w.call_future_poll(future)) {
    }
    w.call_future_delete(future);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static guest open_guest(const char *path, const char *name, bool async, bool epoch)
{
    static uint8_t bytes[1 << 20];
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    if (size == 0) {
        fprintf(stderr, "bare_capi: cannot read %s\n", path);
        exit(1);
    }
    fclose(file);
    guest g = {.async = async, .epoch = epoch};
    wasm_config_t *config = w.wasm_config_new();
    wasmtime_pooling_allocation_config_t *pool = w.pooling_allocation_config_new();
    w.config_consume_fuel_set(config, true);
    w.config_epoch_interruption_set(config, epoch);
    w.config_wasm_component_model_async_set(config, false);
    w.config_concurrency_support_set(config, false);
    w.pooling_allocation_config_linear_memory_keep_resident_set(pool, 1 << 16);
    w.pooling_allocation_config_table_keep_resident_set(pool, 1 << 16);
    w.pooling_allocation_config_async_stack_keep_resident_set(pool, 1 << 16);
    w.pooling_allocation_config_decommit_batch_size_set(pool, 32);
    w.pooling_allocation_strategy_set(config, pool);
    w.pooling_allocation_config_delete(pool);
    g.engine = w.wasm_engine_new_with_config(config);
    if (!g.engine) {
        fprintf(stderr, "bare_capi: the engine refuses this configuration\n");
        exit(1);
    }
    check(w.component_new(g.engine, bytes, size, &g.component), path);
    g.linker = w.component_linker_new(g.engine);
    g.function = w.component_get_export_index(g.component, NULL, name, strlen(name));
    return g;
}

static void close_guest(guest *g)
{
    w.component_export_index_delete(g->function);
    w.component_linker_delete(g->linker);
    w.component_delete(g->component);
    w.wasm_engine_delete(g->engine);
}

/* One fresh call; the fuel it used. */
static uint64_t call(const guest *g, wasmtime_component_val_t *arguments, size_t count, int32_t expected)
{
    const uint64_t given = (uint64_t)1 << 40;
    uint64_t left = 0;
    wasmtime_store_t *store = w.store_new(g->engine, NULL, NULL);
    wasmtime_context_t *context = w.store_context(store);
    wasmtime_error_t *error = NULL;
    check(w.context_set_fuel(context, given), "fuel");
    wasmtime_component_instance_t instance;
    wasmtime_component_func_t function;
    wasmtime_component_val_t result = {0};
    if (g->async) {
        check(w.context_fuel_async_yield_interval(context, SLICE), "yield interval");
        (void)w.context_epoch_deadline_async_yield_and_update(context, 1); /* declared with a result, gives none */
        finish(w.component_linker_instantiate_async(g->linker, context, g->component, &instance, &error));
        check(error, "instantiate");
        if (!w.component_instance_get_func(&instance, context, g->function, &function))
            exit(1);
        finish(w.component_func_call_async(&function, context, arguments, count, &result, 1, &error));
        check(error, "call");
    } else {
        if (g->epoch)
            set_epoch_deadline(context, 1);
        check(instantiate(g->linker, context, g->component, &instance), "instantiate");
        if (!w.component_instance_get_func(&instance, context, g->function, &function))
            exit(1);
        check(call_plainly(&function, context, arguments, count, &result, 1), "call");
    }
    if (result.of.s32 != expected) {
        fprintf(stderr, "bare_capi: wrong result %d\n", result.of.s32);
        exit(1);
    }
    check(w.context_get_fuel(context, &left), "fuel left");
    w.store_delete(store);
    return given - left;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double fresh(const char *path, bool async, long calls)
{
    guest g = open_guest(path, "add", async, async);
    double batches[BATCHES];
    for (int batch = -1; batch < BATCHES; batch++) { /* the first one warms up */
        double start = now();
        for (int32_t i = 0; i < calls / BATCHES; i++) {
            wasmtime_component_val_t arguments[2] = {{.kind = WASMTIME_COMPONENT_S32, .of.s32 = i},
                                                     {.kind = WASMTIME_COMPONENT_S32, .of.s32 = 2}};
            call(&g, arguments, 2, i + 2);
        }
        if (batch >= 0)
            batches[batch] = (now() - start) / (double)(calls / BATCHES);
    }
    close_guest(&g);
    qsort(batches, BATCHES, sizeof *batches, ascending);
    return (batches[BATCHES / 2 - 1] + batches[BATCHES / 2]) / 2;
}

static double spin(const char *path, bool async, bool epoch, uint32_t rounds, uint64_t *units)
{
    guest g = open_guest(path, "spin", async, epoch);
    uint32_t expected = (uint32_t)((uint64_t)rounds * ((uint64_t)rounds + 1) / 2);
    wasmtime_component_val_t argument = {.kind = WASMTIME_COMPONENT_S32, .of.s32 = (int32_t)rounds};
    double best = 0;
    for (int i = 0; i < 3; i++) {
        double start = now();
        *units = call(&g, &argument, 1, (int32_t)expected);
        double took = now() - start;
        if (i == 0 || took < best)
            best = took;
    }
    close_guest(&g);
    return best;
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    char message[256];
    if (!mck_wasmtime_api_load(&w, argv[1], message, sizeof message)) {
        fprintf(stderr, "bare_capi: %s\n", message);
        return 1;
    }
    *(void **)&instantiate = dlsym(w.library, "wasmtime_component_linker_instantiate");
    *(void **)&call_plainly = dlsym(w.library, "wasmtime_component_func_call");
    *(void **)&set_epoch_deadline = dlsym(w.library, "wasmtime_context_set_epoch_deadline");
    if (!instantiate || !call_plainly || !set_epoch_deadline)
        return 1;
    long calls = atol(argv[4]);
    uint32_t rounds = (uint32_t)atol(argv[5]);
    uint64_t units = 0;
    double sync = fresh(argv[2], false, calls), async = fresh(argv[2], true, calls);
    double fuel = spin(argv[3], false, false, rounds, &units), epoch = spin(argv[3], false, true, rounds, &units);
    double yielding = spin(argv[3], true, true, rounds, &units);
    printf("{\"fresh_sync_ns\": %.1f, \"fresh_async_ns\": %.1f, \"spin_fuel_ns\": %.0f, \"spin_epoch_ns\": %.0f, "
           "\"spin_yielding_ns\": %.0f, \"spin_units\": %llu}\n",
           sync, async, fuel, epoch, yielding, (unsigned long long)units);
    return 0;
}
