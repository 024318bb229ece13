/* rooms: wasm meter json buffer cpu */

/*
 * The engine from C, as the server uses it: calls of every kind at once, ended, cancelled, timed out and deleted at any moment,
 * with cancellation from another thread. Everything has to be answered once and given back; the sanitizers see the rest.
 */
#define _GNU_SOURCE
#include "mcpkit/wasm.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                    \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

#define MS UINT64_C(1000000)

static const char GUEST[] =
    "(component (core module $m (memory (export \"memory\") 2)"
    " (func (export \"add\") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))"
    " (func (export \"spin\") (loop $l (br $l)))"
    " (func (export \"fill\") (loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 131072)) (br $l))))"
    " (core instance $i (instantiate $m))"
    " (func (export \"add\") (param \"a\" s32) (param \"b\" s32) (result s32) (canon lift (core func $i \"add\")))"
    " (func (export \"spin\") (canon lift (core func $i \"spin\")))"
    " (func (export \"fill\") (canon lift (core func $i \"fill\"))))";

static const char SLEEPER[] =
    "(module (import \"wasi_snapshot_preview1\" \"poll_oneoff\" (func $poll (param i32 i32 i32 i32) (result i32)))"
    " (memory (export \"memory\") 1)"
    " (func (export \"_start\") (i32.store (i32.const 16) (i32.const 1)) (i64.store (i32.const 24) (i64.const "
    "60000000))"
    "  (drop (call $poll (i32.const 0) (i32.const 128) (i32.const 1) (i32.const 256)))))";

static mck_wasm_engine *engine;

static mck_wasm_program *compile(const char *text)
{
    mck_buffer binary = {0};
    mck_wasm_error error = {{0}};
    mck_wasm_program *program = NULL;
    CHECK(mck_wasm_from_text(engine, text, strlen(text), &binary, &error) == MCK_WASM_OK);
    CHECK(mck_wasm_program_compile(engine, binary.data, binary.len, &program, &error) == MCK_WASM_OK);
    mck_buffer_free(&binary);
    return program;
}

static mck_wasm_tool *tool(mck_wasm_program *program, const char *function, mck_meter_enforcement enforcement,
                           uint64_t timeout_ns)
{
    mck_wasm_error error = {{0}};
    mck_wasm_tool *made = NULL;
    mck_wasm_tool_config config = {
        .style = function ? MCK_WASM_FUNCTION : MCK_WASM_COMMAND,
        .function_name = function,
        .meter = {.enforcement = enforcement, .max_units = 3000000},
        .timeout_ns = timeout_ns,
        .max_stuck = 1000,
    };
    if (mck_wasm_tool_new(program, &config, &made, &error) != MCK_WASM_OK) {
        fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    return made;
}

static mck_wasm_call *call(mck_wasm_tool *of, const char *arguments, void *user)
{
    mck_wasm_call *made = mck_wasm_call_new(of, (const uint8_t *)arguments, strlen(arguments), user);
    CHECK(made != NULL);
    return made;
}

static void wait_readable(void)
{
    struct pollfd wait = {.fd = mck_wasm_engine_notify_fd(engine), .events = POLLIN, .revents = 0};
    CHECK(poll(&wait, 1, 20000) == 1);
}

/* ---- a canceller on another thread ---- */

enum { CALLS = 400 };
static mck_wasm_call *_Atomic victims[CALLS];
static atomic_bool stop;
static pthread_mutex_t no_deletion = PTHREAD_MUTEX_INITIALIZER; /* cancel is allowed before delete only */

static void *cancel_at_random(void *unused)
{
    (void)unused;
    unsigned seed = 1;
    while (!atomic_load(&stop)) {
        seed = seed * 1103515245u + 12345u;
        (void)pthread_mutex_lock(&no_deletion);
        mck_wasm_call *victim = atomic_load(&victims[seed >> 8 & 255]);
        if (victim)
            mck_wasm_call_cancel(victim);
        (void)pthread_mutex_unlock(&no_deletion);
        struct timespec pause = {0, 200000};
        (void)nanosleep(&pause, NULL);
    }
    return NULL;
}

static void take_done(unsigned *ended)
{
    mck_wasm_call *done;
    while ((done = mck_wasm_engine_next_done(engine))) {
        size_t index = (size_t)(uintptr_t)mck_wasm_call_user(done), len;
        mck_wasm_call_status status = mck_wasm_call_result(done);
        CHECK(atomic_load(&victims[index]) == done);
        CHECK(status == MCK_WASM_CALL_OK || *mck_wasm_call_detail(done) != 0);
        (void)mck_wasm_call_output(done, &len);
        CHECK(status == MCK_WASM_CALL_OK || len == 0);
        (void)pthread_mutex_lock(&no_deletion);
        atomic_store(&victims[index], NULL);
        mck_wasm_call_delete(done);
        (void)pthread_mutex_unlock(&no_deletion);
        ++*ended;
    }
}

static void storm(mck_wasm_tool **tools, size_t tool_count)
{
    pthread_t canceller;
    unsigned ended = 0, deleted = 0;
    CHECK(pthread_create(&canceller, NULL, cancel_at_random, NULL) == 0);
    for (size_t i = 0; i < CALLS; i++) {
        mck_wasm_call *made =
            call(tools[i % tool_count], i % tool_count ? "{}" : "{\"a\":1,\"b\":2}", (void *)(uintptr_t)i);
        if (mck_wasm_call_start(made)) {
            mck_wasm_call_delete(made);
            ended++;
        } else if (i % 11 == 0) {
            mck_wasm_call_delete(made); /* its owner does not wait */
            deleted++;
        } else {
            atomic_store(&victims[i], made);
        }
        if (i % 5 == 0)
            take_done(&ended);
    }
    while (ended + deleted < CALLS) {
        wait_readable();
        take_done(&ended);
    }
    atomic_store(&stop, true);
    (void)pthread_join(canceller, NULL);
}

static void settle(void)
{
    mck_wasm_engine_stats stats;
    for (int i = 0; i < 2000; i++) {
        mck_wasm_engine_read_stats(engine, &stats);
        if (stats.live == 0 && stats.queued == 0 && stats.stuck_threads == 0)
            return;
        struct timespec pause = {0, 5000000};
        (void)nanosleep(&pause, NULL);
    }
    fprintf(stderr, "live %u queued %u stuck %u\n", stats.live, stats.queued, stats.stuck_threads);
    exit(1);
}

int main(void)
{
    const char *library = getenv("MCPKIT_WASMTIME");
    if (!library) {
        fprintf(stderr, "the wasmtime package is not installed\n");
        return 77;
    }
    mck_wasm_error error = {{0}};
    mck_wasm_engine_config config = {.library_path = library, .max_instances = 24, .max_queued = 1000, .threads = 2};
    if (mck_wasm_engine_new(&config, &engine, &error) != MCK_WASM_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    mck_wasm_program *guest = compile(GUEST), *sleeper = compile(SLEEPER);
    mck_wasm_tool *tools[] = {
        tool(guest, "add", MCK_METER_STRICT, 0),          tool(guest, "spin", MCK_METER_STRICT, 0),
        tool(guest, "spin", MCK_METER_TRACKING, 20 * MS), tool(sleeper, NULL, MCK_METER_STRICT, 0),
        tool(guest, "fill", MCK_METER_TRACKING, 30 * MS), tool(sleeper, NULL, MCK_METER_STRICT, 10 * MS),
    };
    size_t count = sizeof tools / sizeof *tools;
    storm(tools, count);
    settle();

    mck_wasm_call *waited = call(tools[1], "{}", NULL);
    CHECK(!mck_wasm_call_start(waited));
    CHECK(mck_wasm_call_wait(waited, UINT64_C(20000) * MS));
    CHECK(mck_wasm_call_result(waited) == MCK_WASM_CALL_OUT_OF_UNITS);
    CHECK(mck_wasm_engine_next_done(engine) == NULL);
    mck_wasm_call_delete(waited);

    /* An engine may end before its calls, tools and programs are deleted: each holds what it needs. */
    mck_wasm_call *left[8];
    for (size_t i = 0; i < 8; i++) {
        left[i] = call(tools[2 + i % 3], "{}", NULL);
        CHECK(!mck_wasm_call_start(left[i]));
    }
    mck_wasm_engine_delete(engine);
    for (size_t i = 0; i < 8; i++)
        mck_wasm_call_delete(left[i]);
    for (size_t i = 0; i < count; i++)
        mck_wasm_tool_delete(tools[i]);
    mck_wasm_program_delete(guest);
    mck_wasm_program_delete(sleeper);
    /* The sleepers that were left behind come back and free the rest. */
    struct timespec pause = {0, 300000000};
    (void)nanosleep(&pause, NULL);
    return 0;
}
