/* A call as its owner sees it. */
#define _POSIX_C_SOURCE 200809L
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND UINT64_C(1000000000)
/* Converting more than this takes too long for the owner's thread. */
#define INLINE_ARGUMENT_BYTES ((size_t)64 << 10)
/* An epoch tick that falls into a short call must not send it to another thread: such a call is given the rest of its slice. */
#define EARLY_YIELD_NS UINT64_C(250000)

mck_wasm_call *mck_wasm_call_new(mck_wasm_tool *tool, const uint8_t *arguments, size_t len, void *user)
{
    size_t values = tool->signature != NULL ? tool->signature->param_count : 0;
    size_t head = sizeof(mck_wasm_call) + values * sizeof(wasmtime_component_val_t);
    if (len > SIZE_MAX - head)
        return NULL;
    mck_wasm_call *call = malloc(head + len);
    if (call == NULL)
        return NULL;
    memset(call, 0, offsetof(mck_wasm_call, run_detail));
    call->run_detail[0] = call->detail[0] = 0;
    call->tool = tool;
    call->engine = tool->program->engine;
    call->user = user;
    call->owner_holds = true;
    call->argument_len = len;
    call->arguments = (uint8_t *)call + head;
    memcpy(call->arguments, arguments, len);
    call->max_units = tool->limits.meter.max_units;
    call->stops = tool->limits.meter.enforcement == MCK_METER_STRICT;
    call->max_memory = tool->limits.max_memory;
    call->timeout_ns = tool->limits.timeout_ns;
    for (uint32_t i = 0; i < tool->claim_count; i++)
        mck_wasm_call_claim(call, &tool->claims[i], tool->scopes[i]);
    (void)atomic_fetch_add_explicit(&tool->references, 1, memory_order_relaxed);
    return call;
}

void mck_wasm_call_limit(mck_wasm_call *call, uint64_t max_units, uint64_t max_memory, uint64_t timeout_ns)
{
    if (max_units != 0 && (!call->stops || max_units < call->max_units)) {
        call->max_units = max_units;
        call->stops = true;
    }
    if (max_memory != 0 && max_memory < call->max_memory)
        call->max_memory = max_memory;
    if (timeout_ns != 0 && timeout_ns < call->timeout_ns)
        call->timeout_ns = timeout_ns;
}

void mck_call_free(mck_wasm_call *call)
{
    mck_wasm_tool *tool = call->tool;
    mck_run_release(call);
    mck_recall_free(call);
    mck_buffer_free(&call->output);
    mck_buffer_free(&call->errors);
    free(call);
    mck_tool_release(tool);
}

/* Refused, or ended before any guest code could run. Always true, the answer of start. */
static bool end_at_once(mck_wasm_call *call, mck_wasm_call_status status)
{
    call->status = status;
    call->ended = true;
    call->ended_ns = call->started_ns;
    mck_totals_add(call);
    return true;
}

static bool refuse(mck_wasm_call *call, const char *format, unsigned long long number)
{
    (void)snprintf(call->detail, sizeof call->detail, format, number);
    return end_at_once(call, MCK_WASM_CALL_BUSY);
}

/* Too many of its threads stuck, or too many of its calls alive. */
static bool tool_refuses(mck_wasm_call *call)
{
    mck_wasm_tool *tool = call->tool;
    unsigned stuck = atomic_load_explicit(&tool->stuck, memory_order_relaxed);
    if (stuck >= tool->limits.max_stuck)
        return refuse(call, "refused: %llu earlier calls of this tool are still stuck in the host; try again later",
                      stuck);
    if (tool->limits.max_concurrent == 0)
        return false;
    if (atomic_fetch_add_explicit(&tool->alive, 1, memory_order_relaxed) < tool->limits.max_concurrent)
        return false;
    (void)atomic_fetch_sub_explicit(&tool->alive, 1, memory_order_relaxed);
    return refuse(call, "refused: %llu calls of this tool are running already; try again later",
                  tool->limits.max_concurrent);
}

/* It is one call too many for an account. */
static bool rate_refuses(mck_wasm_call *call)
{
    if (call->claim_count == 0 || mck_quota_enter(call))
        return false;
    memcpy(call->detail, call->run_detail, strlen(call->run_detail) + 1);
    return end_at_once(call, call->run_status);
}

static bool bad_size(mck_wasm_call *call)
{
    uint64_t limit = call->tool->limits.max_argument_bytes;
    if (call->tool->style != MCK_WASM_COMMAND || call->argument_len <= limit)
        return false;
    (void)snprintf(call->detail, sizeof call->detail, "the arguments have %zu bytes, more than the limit of %llu",
                   call->argument_len, (unsigned long long)limit);
    return end_at_once(call, MCK_WASM_CALL_ARGUMENT_TOO_LARGE);
}

static void ended_inline(mck_wasm_call *call, uint64_t units, uint64_t now)
{
    mck_wasm_engine *engine = call->engine;
    mck_meter_finish(&call->meter, units, now);
    mck_run_collect(call, now);
    mck_run_release(call);
    mck_slot_give(engine, call->tool);
    call->inlined = true;
    call->ended = true;
    mck_totals_add(call);
    if (call->tool->limits.max_concurrent != 0)
        (void)atomic_fetch_sub_explicit(&call->tool->alive, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&engine->inlined, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&engine->done_count, 1, memory_order_relaxed);
}

static void note_memory(mck_wasm_call *call)
{
    uint64_t soft = call->tool->limits.warn_memory;
    if (soft != 0 && call->memory_now >= soft)
        call->warned_memory = true;
}

/* The first slice, here and now. True: the call has ended. */
static bool first_slice(mck_wasm_call *call)
{
    mck_wasm_engine *engine = call->engine;
    mck_wasm_tool *tool = call->tool;
    uint64_t cpu = tool->measured ? mck_thread_clock() : 0;
    bool over = mck_run_slice(call);
    uint64_t now = mck_clock();
    uint64_t units = mck_run_units(call);
    if (!over && now - call->started_ns < EARLY_YIELD_NS && units < engine->slice_units / 2) {
        over = mck_run_slice(call);
        now = mck_clock();
        units = mck_run_units(call);
    }
    call->slice_count = 1;
    note_memory(call);
    if (over)
        ended_inline(call, units, now);
    else
        (void)mck_meter_observe(&call->meter, units, now);
    uint64_t wall = (over ? mck_clock() : now) - call->started_ns;
    mck_tool_judge(tool, wall, tool->measured && cpu != 0 ? mck_thread_clock() - cpu : UINT64_MAX);
    return over;
}

bool mck_wasm_call_start(mck_wasm_call *call)
{
    mck_wasm_engine *engine = call->engine;
    mck_wasm_tool *tool = call->tool;
    call->started_ns = mck_clock();
    call->deadline_ns = call->started_ns + call->timeout_ns;
    mck_meter_limits limits = tool->limits.meter;
    if (call->stops) {
        limits.enforcement = MCK_METER_STRICT;
        limits.max_units = call->max_units;
    }
    mck_meter_start(&call->meter, &limits, call->started_ns);
    atomic_fetch_add_explicit(&engine->started, 1, memory_order_relaxed);
    if (atomic_load_explicit(&call->cancelled, memory_order_relaxed)) {
        mck_outcome_stop(call, MCK_WASM_CALL_CANCELLED);
        return end_at_once(call, MCK_WASM_CALL_CANCELLED);
    }
    if (bad_size(call) || rate_refuses(call) || tool_refuses(call))
        return true;

    mck_ticker_wake(engine);
    bool slot = false;
    if (tool->may_inline && call->argument_len <= INLINE_ARGUMENT_BYTES && atomic_load(&engine->waiting) == 0)
        slot = mck_slot_take(engine, tool);
    if (slot && first_slice(call))
        return true;

    (void)pthread_mutex_lock(&engine->lock);
    if (engine->stopping || (!slot && atomic_load(&engine->waiting) >= engine->max_queued)) {
        bool stopping = engine->stopping;
        (void)pthread_mutex_unlock(&engine->lock);
        if (slot) {
            mck_run_release(call);
            mck_slot_give(engine, tool);
        }
        if (tool->limits.max_concurrent != 0)
            (void)atomic_fetch_sub_explicit(&tool->alive, 1, memory_order_relaxed);
        if (!stopping)
            return refuse(call, "refused: %llu calls are waiting for an instance already; try again later",
                          engine->max_queued);
        mck_outcome_stop(call, MCK_WASM_CALL_CANCELLED);
        return end_at_once(call, MCK_WASM_CALL_CANCELLED);
    }
    call->handed = true;
    call->engine_holds = true;
    if (slot)
        mck_ready_push(engine, call);
    else
        mck_fifo_push(engine, call); /* goes on to the ready queue at once when a slot is free */
    (void)pthread_mutex_unlock(&engine->lock);
    return false;
}

void mck_wasm_call_cancel(mck_wasm_call *call)
{
    atomic_store(&call->cancelled, true);
    atomic_store(&call->engine->attention, true);
}

bool mck_wasm_call_wait(mck_wasm_call *call, uint64_t timeout_ns)
{
    mck_wasm_engine *engine = call->engine;
    if (!call->handed)
        return call->ended;
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + timeout_ns % SECOND;
    until.tv_sec += (time_t)(timeout_ns / SECOND + ns / SECOND);
    until.tv_nsec = (long)(ns % SECOND);
    (void)pthread_mutex_lock(&engine->lock);
    engine->waiters++;
    while (!call->ended)
        if (pthread_cond_timedwait(&engine->ended, &engine->lock, &until) == ETIMEDOUT)
            break;
    engine->waiters--;
    bool ended = call->ended;
    if (call->in_done)
        mck_undone(engine, call);
    (void)pthread_mutex_unlock(&engine->lock);
    return ended;
}

void mck_wasm_call_delete(mck_wasm_call *call)
{
    if (call == NULL)
        return;
    if (!call->handed) {
        mck_call_free(call);
        return;
    }
    mck_wasm_engine *engine = call->engine;
    (void)pthread_mutex_lock(&engine->lock);
    call->owner_holds = false;
    if (call->in_done)
        mck_undone(engine, call);
    if (!call->ended)
        mck_wasm_call_cancel(call);
    bool dead = !call->engine_holds;
    (void)pthread_mutex_unlock(&engine->lock);
    if (dead)
        mck_call_free(call);
}

void *mck_wasm_call_user(const mck_wasm_call *call)
{
    return call->user;
}

void mck_wasm_call_set_user(mck_wasm_call *call, void *user)
{
    call->user = user;
}

mck_wasm_tool *mck_wasm_call_tool(const mck_wasm_call *call)
{
    return call->tool;
}

mck_wasm_call_status mck_wasm_call_result(const mck_wasm_call *call)
{
    return call->status;
}

static const uint8_t *content(const mck_buffer *buffer, size_t *len)
{
    static const uint8_t NOTHING[1] = {0};
    *len = buffer->len;
    return buffer->data != NULL ? buffer->data : NOTHING;
}

const uint8_t *mck_wasm_call_output(const mck_wasm_call *call, size_t *len)
{
    return content(&call->output, len);
}

void mck_wasm_call_look(mck_wasm_call *call, uint64_t *units, double *rate, size_t from, mck_buffer *noise)
{
    *units = 0;
    *rate = 0;
    (void)pthread_mutex_lock(&call->engine->lock);
    /* Between the claim and the end somebody is writing the results, without the lock. */
    if (call->ended || !call->claimed) {
        const mck_buffer *said = call->ended ? &call->errors : &call->err;
        *units = call->meter.units;
        *rate = call->meter.rate;
        if (noise != NULL && said->len > from)
            mck_buffer_add(noise, said->data + from, said->len - from);
    }
    (void)pthread_mutex_unlock(&call->engine->lock);
}

const uint8_t *mck_wasm_call_stderr(const mck_wasm_call *call, size_t *len)
{
    return content(&call->errors, len);
}

int mck_wasm_call_exit_status(const mck_wasm_call *call)
{
    return call->exit_status;
}

const char *mck_wasm_call_detail(const mck_wasm_call *call)
{
    return call->detail;
}

const mck_refusal *mck_wasm_call_refusal(const mck_wasm_call *call, mck_wasm_scope *scope, uint64_t *now_s)
{
    *scope = (mck_wasm_scope)call->scopes[call->refusal.claim];
    *now_s = call->refused_s;
    return &call->refusal;
}

const mck_meter *mck_wasm_call_meter(const mck_wasm_call *call)
{
    return &call->meter;
}

void mck_wasm_call_usage(const mck_wasm_call *call, mck_wasm_usage *out)
{
    out->units = call->meter.units;
    out->wall_ns = call->ended_ns - call->started_ns;
    out->memory_bytes = call->memory_bytes;
    out->slices = call->slice_count;
    out->inlined = call->inlined;
    out->warned_units = call->meter.warned;
    out->warned_memory = call->warned_memory;
}

const char *mck_wasm_call_status_name(mck_wasm_call_status status)
{
    static const char *const NAMES[] = {
        "ok",           "guest_error", "bad_arguments", "argument_too_large", "result_too_large",
        "out_of_units", "quota",       "rate",          "out_of_memory",      "timeout",
        "trap",         "cancelled",   "busy",          "internal",
    };
    return (size_t)status < sizeof NAMES / sizeof *NAMES ? NAMES[status] : "unknown";
}
