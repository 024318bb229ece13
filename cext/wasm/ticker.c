/*
 * The ticker: a thread that advances wasmtime's epoch every millisecond while calls are active, ends calls whose time is over or
 * that were cancelled while nobody runs them, and replaces native threads that do not come back. It sleeps when nothing happens.
 */
#define _GNU_SOURCE
#include "internal.h"

#include <signal.h>
#include <time.h>

#define TICK_NS 1000000L
/* Quiet ticks before it sleeps: waking it costs the next call a system call, ticking costs a little processor time. */
#define QUIET_TICKS 100u
/* A slice ends about every millisecond. One that takes this long blocks, or is a bulk operation of tens of megabytes. */
#define OVERDUE_NS UINT64_C(10000000)
/* How long after its deadline or cancellation a call's slice may still end by itself. */
#define GRACE_NS UINT64_C(25000000)

static mck_wasm_call_status due(mck_wasm_call *call, uint64_t now)
{
    if (atomic_load_explicit(&call->cancelled, memory_order_relaxed))
        return MCK_WASM_CALL_CANCELLED;
    return now >= call->deadline_ns ? MCK_WASM_CALL_TIMEOUT : MCK_WASM_CALL_OK;
}

static void end_without_guest(mck_wasm_engine *engine, mck_wasm_call *call, mck_wasm_call_status status, uint64_t now)
{
    call->claimed = true;
    mck_meter_finish(&call->meter, call->meter.units, now);
    call->ended_ns = now;
    mck_outcome_stop(call, status);
    mck_publish(engine, call);
}

/* Calls without an instance leave their queue at once: the engine's (`tool` is NULL), or that of a tool. */
static void look_at_queue(mck_wasm_engine *engine, mck_call_queue *queue, mck_wasm_tool *tool, uint64_t now,
                          uint64_t *next)
{
    mck_call_queue kept = {NULL, NULL}, out = {NULL, NULL};
    mck_wasm_call *call;
    while ((call = mck_queue_pop(queue)) != NULL) {
        mck_wasm_call_status status = engine->stopping ? MCK_WASM_CALL_CANCELLED : due(call, now);
        if (status == MCK_WASM_CALL_OK) {
            if (call->deadline_ns < *next)
                *next = call->deadline_ns;
            mck_queue_push(&kept, call);
            continue;
        }
        atomic_fetch_sub(&engine->waiting, 1);
        if (tool != NULL)
            atomic_fetch_sub(&tool->waiting, 1);
        end_without_guest(engine, call, status, now);
        mck_queue_push(&out, call);
    }
    *queue = kept;
    /* Only now, when the queues are whole: a place that is given up may move other calls. */
    while ((call = mck_queue_pop(&out)) != NULL) {
        if (tool == NULL)
            mck_slot_forgo(engine, call->tool);
        mck_wasm_call *dead = mck_retire(call);
        if (dead != NULL)
            mck_call_free(dead); /* takes no lock */
    }
}

static void look_at_crowds(mck_wasm_engine *engine, uint64_t now, uint64_t *next)
{
    mck_wasm_tool *tool = engine->crowded;
    while (tool != NULL) {
        mck_wasm_tool *after = tool->next_crowded;
        /* Freeing its last call must not free the tool under our hands. */
        (void)atomic_fetch_add(&tool->references, 1);
        look_at_queue(engine, &tool->crowd, tool, now, next);
        if (tool->crowd.head == NULL)
            mck_crowd_over(engine, tool);
        mck_tool_release(tool);
        tool = after;
    }
}

/* Calls that wait for a thread are answered now and buried by the thread that takes them. */
static void look_at_ready(mck_wasm_engine *engine, const mck_call_queue *queue, uint64_t now, uint64_t *next)
{
    for (mck_wasm_call *call = queue->head; call != NULL; call = call->next) {
        if (call->claimed)
            continue;
        mck_wasm_call_status status = due(call, now);
        if (status != MCK_WASM_CALL_OK)
            end_without_guest(engine, call, status, now);
        else if (call->deadline_ns < *next)
            *next = call->deadline_ns;
    }
}

static void look_at_running(mck_wasm_engine *engine, uint64_t now, uint64_t *next)
{
    for (mck_worker *worker = engine->workers; worker != NULL; worker = worker->next) {
        mck_wasm_call *call = worker->call;
        if (call == NULL || call->claimed)
            continue;
        mck_wasm_call_status status = engine->stopping ? MCK_WASM_CALL_CANCELLED : due(call, now);
        uint64_t patience = worker->slice_ns + GRACE_NS;
        if (engine->stopping)
            atomic_store(&call->cancelled, true); /* wakes a guest that sleeps */
        if (status == MCK_WASM_CALL_OK) {
            uint64_t check = call->deadline_ns > patience ? call->deadline_ns : patience;
            if (check < *next)
                *next = check;
        } else if (now < patience) {
            if (patience < *next)
                *next = patience;
        } else {
            call->abandoned = true;
            engine->stuck++;
            (void)atomic_fetch_add(&call->tool->stuck, 1);
            end_without_guest(engine, call, status, now);
            (void)pthread_cond_broadcast(&engine->gone);
        }
    }
}

/* While calls wait, every thread that is late gets a replacement; it decides about itself when it comes back. */
static void replace_threads(mck_wasm_engine *engine, uint64_t now)
{
    if (engine->ready.head == NULL || engine->stopping)
        return;
    for (mck_worker *worker = engine->workers; worker != NULL; worker = worker->next) {
        if (worker->overdue || worker->call == NULL || now < worker->slice_ns + OVERDUE_NS)
            continue;
        worker->overdue = true;
        engine->active--;
    }
    if (engine->idle == 0 && engine->active < engine->max_threads)
        mck_worker_spawn(engine);
}

/* With the lock held. */
static void look(mck_wasm_engine *engine)
{
    uint64_t now = mck_clock();
    if (engine->parked.head != NULL)
        mck_share_wake(engine, now);
    replace_threads(engine, now);
    bool attention = atomic_exchange(&engine->attention, false);
    if (!attention && now < engine->next_deadline)
        return;
    uint64_t next = UINT64_MAX;
    look_at_crowds(engine, now, &next);
    look_at_queue(engine, &engine->fifo, NULL, now, &next);
    look_at_ready(engine, &engine->ready, now, &next);
    look_at_ready(engine, &engine->parked, now, &next);
    look_at_running(engine, now, &next);
    engine->next_deadline = next;
}

static bool quiet(mck_wasm_engine *engine, uint_fast64_t *seen, unsigned *ticks)
{
    uint_fast64_t activity = atomic_load(&engine->activity);
    if (activity != *seen || atomic_load(&engine->live) != 0 || atomic_load(&engine->waiting) != 0) {
        *seen = activity;
        *ticks = 0;
        return false;
    }
    return ++*ticks >= QUIET_TICKS;
}

static void tick(mck_wasm_engine *engine)
{
    uint_fast64_t seen = 0;
    unsigned ticks = 0;
    static const struct timespec PAUSE = {.tv_sec = 0, .tv_nsec = TICK_NS};
    (void)pthread_mutex_lock(&engine->lock);
    while (!engine->stopping || engine->worker_count > engine->stuck) {
        if (!engine->stopping && quiet(engine, &seen, &ticks)) {
            /* The order matters: first say that it sleeps, then look once more whether a call has come (see mck_ticker_wake). */
            atomic_store(&engine->ticker_awake, false);
            while (!engine->stopping && atomic_load(&engine->activity) == seen)
                (void)pthread_cond_wait(&engine->tick, &engine->lock);
            atomic_store(&engine->ticker_awake, true);
            ticks = 0;
        }
        (void)pthread_mutex_unlock(&engine->lock);
        (void)nanosleep(&PAUSE, NULL);
        engine->api.engine_increment_epoch(engine->wasm);
        (void)pthread_mutex_lock(&engine->lock);
        if (engine->stopping)
            atomic_store(&engine->attention, true);
        look(engine);
    }
    engine->ticker_running = false;
    (void)pthread_cond_broadcast(&engine->gone);
    (void)pthread_mutex_unlock(&engine->lock);
}

static void *thread_main(void *data)
{
    mck_wasm_engine *engine = data;
#ifdef __linux__
    (void)pthread_setname_np(pthread_self(), "mcpkit-ticker");
#endif
    tick(engine);
    mck_engine_release(engine);
    return NULL;
}

/* With the lock held. */
bool mck_ticker_start(mck_wasm_engine *engine)
{
    pthread_t thread;
    sigset_t all, before;
    if (engine->ticker_running)
        return true;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    mck_engine_retain(engine);
    engine->ticker_running = pthread_create(&thread, NULL, thread_main, engine) == 0;
    if (engine->ticker_running) {
        (void)pthread_detach(thread);
        atomic_store(&engine->ticker_awake, true);
    } else {
        mck_engine_release(engine);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return engine->ticker_running;
}

void mck_ticker_wake(mck_wasm_engine *engine)
{
    (void)atomic_fetch_add(&engine->activity, 1);
    if (atomic_load(&engine->ticker_awake))
        return;
    (void)pthread_mutex_lock(&engine->lock);
    if (mck_ticker_start(engine))
        (void)pthread_cond_signal(&engine->tick);
    (void)pthread_mutex_unlock(&engine->lock);
}
