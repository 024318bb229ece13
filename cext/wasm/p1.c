/* Preview 1: the table of functions, and those that concern no file. */
#ifdef __linux__
#define _GNU_SOURCE
#include "p1.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_getrandom
#error "the kernel's headers are too old: they have no getrandom"
#endif

#define SECOND UINT64_C(1000000000)
#define MAX_SUBSCRIPTIONS 4096u
/* Shorter than the time that the ticker gives a slice after its call's end. */
#define PIECE_NS UINT64_C(10000000)

void p1_put16(uint8_t *at, uint16_t n)
{
    at[0] = (uint8_t)n;
    at[1] = (uint8_t)(n >> 8);
}

void p1_put32(uint8_t *at, uint32_t n)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(n >> 8 * i);
}

void p1_put64(uint8_t *at, uint64_t n)
{
    p1_put32(at, (uint32_t)n);
    p1_put32(at + 4, (uint32_t)(n >> 32));
}

uint32_t p1_get32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

uint64_t p1_get64(const uint8_t *at)
{
    return p1_get32(at) | (uint64_t)p1_get32(at + 4) << 32;
}

uint32_t p1_errno(int host_errno)
{
    switch (host_errno) {
    case 0: return P1_SUCCESS;
    case E2BIG: return P1_2BIG;
    case EACCES: return P1_ACCES;
    case EBADF: return P1_BADF;
    case EEXIST: return P1_EXIST;
    case EFAULT: return P1_FAULT;
    case EINVAL: return P1_INVAL;
    case EISDIR: return P1_ISDIR;
    case ELOOP: return P1_LOOP;
    case EMFILE:
    case ENFILE: return P1_MFILE;
    case ENAMETOOLONG: return P1_NAMETOOLONG;
    case ENOENT: return P1_NOENT;
    case ENOMEM: return P1_NOMEM;
    case EDQUOT:
    case ENOSPC: return P1_NOSPC;
    case ENOTDIR: return P1_NOTDIR;
    case ENOTEMPTY: return P1_NOTEMPTY;
    case ENOTSUP: return P1_NOTSUP;
    case EPERM: return P1_PERM;
    case EROFS: return P1_ROFS;
    case ESPIPE: return P1_SPIPE;
    case EXDEV: return P1_XDEV;
    default: return P1_IO;
    }
}

/* ---- arguments and environment ---- */

static uint32_t sizes(p1_guest *g, const wasmtime_val_raw_t *a, uint32_t count, size_t bytes)
{
    uint8_t *n = p1_at(g, (uint32_t)a[0].i32, 4), *size = p1_at(g, (uint32_t)a[1].i32, 4);
    if (n == NULL || size == NULL)
        return P1_FAULT;
    p1_put32(n, count);
    p1_put32(size, (uint32_t)bytes);
    return P1_SUCCESS;
}

/* The next text at *text, its address at *slot. */
static bool put_text(p1_guest *g, uint32_t *slot, uint32_t *text, const char *first, const char *second)
{
    size_t first_len = strlen(first), second_len = second != NULL ? strlen(second) + 1 : 0;
    uint32_t len = (uint32_t)(first_len + second_len + 1);
    uint8_t *pointer = p1_at(g, *slot, 4), *out = p1_at(g, *text, len);
    if (pointer == NULL || out == NULL)
        return false;
    p1_put32(pointer, *text);
    memcpy(out, first, first_len);
    if (second != NULL) {
        out[first_len] = '=';
        memcpy(out + first_len + 1, second, second_len - 1);
    }
    out[len - 1] = 0;
    *slot += 4;
    *text += len;
    return true;
}

static uint32_t args_sizes_get(p1_guest *g, const wasmtime_val_raw_t *a)
{
    const mck_wasm_tool *tool = g->call->tool;
    size_t bytes = 0;
    for (size_t i = 0; i < tool->argc; i++)
        bytes += strlen(tool->argv[i]) + 1;
    return sizes(g, a, (uint32_t)tool->argc, bytes);
}

static uint32_t args_get(p1_guest *g, const wasmtime_val_raw_t *a)
{
    const mck_wasm_tool *tool = g->call->tool;
    uint32_t slot = (uint32_t)a[0].i32, text = (uint32_t)a[1].i32;
    for (size_t i = 0; i < tool->argc; i++)
        if (!put_text(g, &slot, &text, tool->argv[i], NULL))
            return P1_FAULT;
    return P1_SUCCESS;
}

static uint32_t environ_sizes_get(p1_guest *g, const wasmtime_val_raw_t *a)
{
    const mck_wasm_tool *tool = g->call->tool;
    size_t bytes = 0;
    for (size_t i = 0; i < tool->env_count; i++)
        bytes += strlen(tool->env_names[i]) + strlen(tool->env_values[i]) + 2;
    return sizes(g, a, (uint32_t)tool->env_count, bytes);
}

static uint32_t environ_get(p1_guest *g, const wasmtime_val_raw_t *a)
{
    const mck_wasm_tool *tool = g->call->tool;
    uint32_t slot = (uint32_t)a[0].i32, text = (uint32_t)a[1].i32;
    for (size_t i = 0; i < tool->env_count; i++)
        if (!put_text(g, &slot, &text, tool->env_names[i], tool->env_values[i]))
            return P1_FAULT;
    return P1_SUCCESS;
}

/* ---- clocks, randomness ---- */

static const clockid_t CLOCKS[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};

static bool read_clock(uint32_t id, bool resolution, uint64_t *out)
{
    struct timespec t;
    if (id >= sizeof CLOCKS / sizeof *CLOCKS)
        return false;
    if ((resolution ? clock_getres(CLOCKS[id], &t) : clock_gettime(CLOCKS[id], &t)) != 0)
        return false;
    *out = (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
    return true;
}

/* A clock's reading or resolution into the guest's memory. */
static uint32_t tell_clock(p1_guest *g, uint32_t id, bool resolution, uint8_t *out)
{
    uint64_t ns;
    uint8_t what = resolution ? 'C' : 'c';
    if (out == NULL)
        return P1_FAULT;
    if (id >= sizeof CLOCKS / sizeof *CLOCKS)
        return P1_INVAL;
    if (g->call->recall != NULL && mck_recall_again(g->call, what, out, 8))
        return P1_SUCCESS;
    if (!read_clock(id, resolution, &ns))
        return P1_INVAL;
    p1_put64(out, ns);
    if (g->call->recall != NULL)
        mck_recall_keep(g->call, what, out, 8);
    return P1_SUCCESS;
}

static uint32_t clock_res_get(p1_guest *g, const wasmtime_val_raw_t *a)
{
    return tell_clock(g, (uint32_t)a[0].i32, true, p1_at(g, (uint32_t)a[1].i32, 8));
}

static uint32_t clock_time_get(p1_guest *g, const wasmtime_val_raw_t *a)
{
    return tell_clock(g, (uint32_t)a[0].i32, false, p1_at(g, (uint32_t)a[2].i32, 8));
}

static uint32_t random_get(p1_guest *g, const wasmtime_val_raw_t *a)
{
    uint32_t len = (uint32_t)a[1].i32;
    uint8_t *out = p1_at(g, (uint32_t)a[0].i32, len);
    if (out == NULL)
        return P1_FAULT;
    if (len > P1_MAX_BYTES)
        return P1_INVAL;
    if (g->call->recall != NULL && mck_recall_again(g->call, 'r', out, len))
        return P1_SUCCESS;
    for (uint32_t got = 0; got < len;) {
        long n = syscall(SYS_getrandom, out + got, (size_t)(len - got), 0u);
        if (n < 0 && errno != EINTR)
            return P1_IO;
        if (n > 0)
            got += (uint32_t)n;
    }
    if (g->call->recall != NULL)
        mck_recall_keep(g->call, 'r', out, len);
    return P1_SUCCESS;
}

/* ---- waiting ---- */

static void event(uint8_t *at, const uint8_t *subscription, uint32_t error)
{
    memset(at, 0, 32);
    memcpy(at, subscription, 8);
    p1_put16(at + 8, (uint16_t)error);
    at[10] = subscription[8];
}

/* Nanoseconds until a clock's subscription is due; UINT64_MAX: it is none. */
static uint64_t due_in(const uint8_t *subscription)
{
    uint32_t id = p1_get32(subscription + 16);
    uint64_t timeout = p1_get64(subscription + 24), now;
    if (!(subscription[40] & 1))
        return timeout;
    if (!read_clock(id, false, &now))
        return 0;
    return timeout > now ? timeout - now : 0;
}

/* Sleeps, in pieces: a call that is cancelled or whose time is over gives its thread back. False: it has to end. */
static bool rest(mck_wasm_call *call, uint64_t ns)
{
    uint64_t now = mck_clock(), end = ns < UINT64_MAX - now ? now + ns : UINT64_MAX;
    while (now < end) {
        if (atomic_load_explicit(&call->cancelled, memory_order_relaxed) || now >= call->deadline_ns)
            return false;
        uint64_t piece = end - now < PIECE_NS ? end - now : PIECE_NS;
        if (call->deadline_ns - now < piece)
            piece = call->deadline_ns - now;
        struct timespec pause = {.tv_sec = 0, .tv_nsec = (long)piece};
        (void)nanosleep(&pause, NULL);
        now = mck_clock();
    }
    return true;
}

/* What is not a clock is always ready: stdin and files never make anybody wait. */
static uint32_t poll_oneoff(p1_guest *g, const wasmtime_val_raw_t *a)
{
    uint32_t count = (uint32_t)a[2].i32, told = 0;
    if (count == 0 || count > MAX_SUBSCRIPTIONS)
        return P1_INVAL;
    const uint8_t *in = p1_at(g, (uint32_t)a[0].i32, count * 48);
    uint8_t *out = p1_at(g, (uint32_t)a[1].i32, count * 32), *n = p1_at(g, (uint32_t)a[3].i32, 4);
    if (in == NULL || out == NULL || n == NULL)
        return P1_FAULT;
    /* A replay waits for nothing: which events came is in the record, as four bytes and then the events. */
    uint8_t number[4];
    if (g->call->recall != NULL && mck_recall_again(g->call, 'p', number, 4)) {
        told = p1_get32(number);
        if (told <= count && (told == 0 || mck_recall_again(g->call, 'p', out, (size_t)told * 32)))
            p1_put32(n, told);
        return P1_SUCCESS;
    }
    uint64_t shortest = UINT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *s = in + 48 * i;
        uint64_t wait = s[8] == 0 ? due_in(s) : 0;
        if (wait < shortest)
            shortest = wait;
    }
    if (!rest(g->call, shortest)) {
        g->call->halted = true;
        return P1_SUCCESS;
    }
    /* The subscriptions may lie where the events go. */
    uint8_t *copy = malloc((size_t)count * 48);
    if (copy == NULL)
        return P1_NOMEM;
    memcpy(copy, in, (size_t)count * 48);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *s = copy + 48 * i;
        uint32_t error = P1_SUCCESS;
        if (s[8] == 0) {
            if (!(s[40] & 1) ? p1_get64(s + 24) > shortest : due_in(s) > 0)
                continue;
            error = p1_get32(s + 16) < 2 ? P1_SUCCESS : P1_NOTSUP;
        } else if (s[8] > 2 || p1_find(g, p1_get32(s + 16)) == NULL) {
            error = s[8] > 2 ? P1_INVAL : P1_BADF;
        }
        event(out + (size_t)32 * told++, s, error);
    }
    free(copy);
    p1_put32(n, told);
    if (g->call->recall != NULL) {
        mck_recall_keep(g->call, 'p', n, 4);
        mck_recall_keep(g->call, 'p', out, (size_t)told * 32);
    }
    return P1_SUCCESS;
}

static uint32_t sched_yield_(p1_guest *g, const wasmtime_val_raw_t *a)
{
    (void)g;
    (void)a;
    return P1_SUCCESS;
}

/* ---- the end ---- */

static uint32_t proc_exit(p1_guest *g, const wasmtime_val_raw_t *a)
{
    g->call->exited = true;
    g->call->run_exit = a[0].i32;
    return P1_SUCCESS;
}

static uint32_t not_supported(p1_guest *g, const wasmtime_val_raw_t *a)
{
    (void)g;
    (void)a;
    return P1_NOTSUP;
}

/* Guests have no sockets. */
static uint32_t no_socket(p1_guest *g, const wasmtime_val_raw_t *a)
{
    return p1_find(g, (uint32_t)a[0].i32) == NULL ? P1_BADF : P1_ACCES;
}

/* Parameters: i, an i32; I, an i64. All but proc_exit return an error number. */
static const struct entry {
    const char *name, *parameters;
    p1_function *run;
} ENTRIES[] = {
    {"args_get", "ii", args_get},
    {"args_sizes_get", "ii", args_sizes_get},
    {"clock_res_get", "ii", clock_res_get},
    {"clock_time_get", "iIi", clock_time_get},
    {"environ_get", "ii", environ_get},
    {"environ_sizes_get", "ii", environ_sizes_get},
    {"fd_advise", "iIIi", p1_fd_advise},
    {"fd_allocate", "iII", p1_fd_allocate},
    {"fd_close", "i", p1_fd_close},
    {"fd_datasync", "i", p1_fd_datasync},
    {"fd_fdstat_get", "ii", p1_fd_fdstat_get},
    {"fd_fdstat_set_flags", "ii", p1_fd_fdstat_set_flags},
    {"fd_fdstat_set_rights", "iII", p1_fd_fdstat_set_rights},
    {"fd_filestat_get", "ii", p1_fd_filestat_get},
    {"fd_filestat_set_size", "iI", p1_fd_filestat_set_size},
    {"fd_filestat_set_times", "iIIi", p1_fd_filestat_set_times},
    {"fd_pread", "iiiIi", p1_fd_pread},
    {"fd_prestat_dir_name", "iii", p1_fd_prestat_dir_name},
    {"fd_prestat_get", "ii", p1_fd_prestat_get},
    {"fd_pwrite", "iiiIi", p1_fd_pwrite},
    {"fd_read", "iiii", p1_fd_read},
    {"fd_readdir", "iiiIi", p1_fd_readdir},
    {"fd_renumber", "ii", p1_fd_renumber},
    {"fd_seek", "iIii", p1_fd_seek},
    {"fd_sync", "i", p1_fd_sync},
    {"fd_tell", "ii", p1_fd_tell},
    {"fd_write", "iiii", p1_fd_write},
    {"path_create_directory", "iii", p1_path_create_directory},
    {"path_filestat_get", "iiiii", p1_path_filestat_get},
    {"path_filestat_set_times", "iiiiIIi", p1_path_filestat_set_times},
    {"path_link", "iiiiiii", p1_path_link},
    {"path_open", "iiiiiIIii", p1_path_open},
    {"path_readlink", "iiiiii", p1_path_readlink},
    {"path_remove_directory", "iii", p1_path_remove_directory},
    {"path_rename", "iiiiii", p1_path_rename},
    {"path_symlink", "iiiii", p1_path_symlink},
    {"path_unlink_file", "iii", p1_path_unlink_file},
    {"poll_oneoff", "iiii", poll_oneoff},
    {"proc_exit", "i", proc_exit},
    {"proc_raise", "i", not_supported},
    {"random_get", "ii", random_get},
    {"sched_yield", "", sched_yield_},
    {"sock_accept", "iii", no_socket},
    {"sock_recv", "iiiiii", no_socket},
    {"sock_send", "iiiii", no_socket},
    {"sock_shutdown", "ii", no_socket},
};
#define ENTRY_COUNT (sizeof ENTRIES / sizeof *ENTRIES)

struct mck_p1_binding {
    const mck_wasmtime_api *api;
    const struct entry *entry;
};

static bool find_memory(p1_guest *g, wasmtime_caller_t *caller)
{
    struct mck_p1 *state = g->state;
    if (!state->has_memory) {
        wasmtime_extern_t found;
        if (!g->api->caller_export_get(caller, "memory", 6, &found) || found.kind != WASMTIME_EXTERN_MEMORY)
            return false;
        state->memory = found.of.memory;
        state->has_memory = true;
    }
    g->memory = g->api->memory_data(g->context, &state->memory);
    g->size = g->api->memory_data_size(g->context, &state->memory);
    return true;
}

/* It tells of folders and files, which nobody keeps. */
static bool looks_outside(const char *name, uint32_t descriptor)
{
    return strncmp(name, "path_", 5) == 0 || (strncmp(name, "fd_", 3) == 0 && descriptor > 2);
}

static wasm_trap_t *enter(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t count)
{
    const struct mck_p1_binding *binding = env;
    const mck_wasmtime_api *api = binding->api;
    (void)count;
    p1_guest g = {.api = api, .context = api->caller_context(caller)};
    g.call = api->context_get_data(g.context);
    g.state = g.call->p1;
    if (g.call->recall != NULL && g.call->tool->folder_count != 0 &&
        looks_outside(binding->entry->name, (uint32_t)values[0].i32))
        mck_recall_outside(g.call);
    uint32_t error = find_memory(&g, caller) ? binding->entry->run(&g, values) : P1_FAULT;
    if (g.call->exited || g.call->halted || mck_recall_diverged(g.call))
        return api->trap_new("exit", 4);
    values[0].i32 = (int32_t)error;
    return NULL;
}

static wasm_functype_t *type_of(const mck_wasmtime_api *api, const struct entry *entry)
{
    wasm_valtype_t *kinds[16];
    wasm_valtype_vec_t parameters, results;
    size_t n = strlen(entry->parameters);
    for (size_t i = 0; i < n; i++)
        kinds[i] = api->wasm_valtype_new(entry->parameters[i] == 'I' ? WASM_I64 : WASM_I32);
    api->wasm_valtype_vec_new(&parameters, n, kinds);
    if (entry->run == proc_exit) {
        api->wasm_valtype_vec_new(&results, 0, NULL);
    } else {
        wasm_valtype_t *one = api->wasm_valtype_new(WASM_I32);
        api->wasm_valtype_vec_new(&results, 1, &one);
    }
    return api->wasm_functype_new(&parameters, &results);
}

wasmtime_error_t *mck_p1_define(mck_wasm_program *program)
{
    static const char MODULE[] = "wasi_snapshot_preview1";
    const mck_wasmtime_api *api = &program->engine->api;
    program->p1_bindings = calloc(ENTRY_COUNT, sizeof *program->p1_bindings);
    wasmtime_error_t *failed = NULL;
    for (size_t i = 0; i < ENTRY_COUNT && failed == NULL && program->p1_bindings != NULL; i++) {
        struct mck_p1_binding *binding = &program->p1_bindings[i];
        *binding = (struct mck_p1_binding){api, &ENTRIES[i]};
        wasm_functype_t *type = type_of(api, &ENTRIES[i]);
        failed = api->linker_define_func_unchecked(program->linker, MODULE, sizeof MODULE - 1, ENTRIES[i].name,
                                                   strlen(ENTRIES[i].name), type, enter, binding, NULL);
        api->wasm_functype_delete(type);
    }
    return failed;
}

bool mck_p1_begin(mck_wasm_call *call)
{
    const mck_wasm_tool *tool = call->tool;
    struct mck_p1 *state = call->p1 = calloc(1, sizeof *state);
    if (state == NULL)
        return false;
    state->fds[0] = (p1_fd){.kind = P1_STDIN, .reads = true, .preopen = -1};
    state->fds[1] = (p1_fd){.kind = P1_STDOUT, .writes = true, .preopen = -1};
    state->fds[2] = (p1_fd){.kind = P1_STDERR, .writes = true, .preopen = -1};
    state->fd_count = 3;
    for (size_t i = 0; i < tool->folder_count && i + 3 < P1_MAX_FDS; i++) {
        int host = mck_p1_open_folder(tool->folders[i].host);
        if (host < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
            return false;
        if (host < 0) /* gone since the tool was made: the guest does not see it */
            continue;
        p1_count_open(1);
        state->fds[state->fd_count++] = (p1_fd){
            .kind = P1_FOLDER,
            .host = host,
            .preopen = (int)i,
            .reads = p1_allows(tool, tool->folders[i].host, P1_MAY_READ),
        };
    }
    return true;
}
#endif
