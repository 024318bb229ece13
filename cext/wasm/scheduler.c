/*
 * Queues, instance slots and native threads. A thread takes the first ready call, runs one slice of it and puts it back at the
 * end: round robin. Threads are made when there is work for them; one whose slice does not end (a blocking host call, a huge bulk
 * operation) is replaced by the ticker, and leaves when it comes back and its place is taken.
 */
#define _GNU_SOURCE
#include "internal.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/resource.h>
#include <sys/syscall.h>
#endif

/* ---- queues ---- */

void mck_queue_push(mck_call_queue *queue, mck_wasm_call *call)
{
    call->next = NULL;
    if (queue->tail != NULL)
        queue->tail->next = call;
    else
        queue->head = call;
    queue->tail = call;
}

mck_wasm_call *mck_queue_pop(mck_call_queue *queue)
{
    mck_wasm_call *call = queue->head;
    if (call == NULL)
        return NULL;
    queue->head = call->next;
    if (queue->head == NULL)
        queue->tail = NULL;
    call->next = NULL;
    return call;
}

/* ---- instance slots ---- */

/* A call needs one of its tool's instances, where those are limited, and then one of the engine's. */
static bool count_up(atomic_uint *count, unsigned most)
{
    unsigned now = atomic_load(count);
    do {
        if (now >= most)
            return false;
    } while (!atomic_compare_exchange_weak(count, &now, now + 1));
    return true;
}

static bool tool_slot_take(mck_wasm_tool *tool)
{
    return tool->limits.max_live == 0 || count_up(&tool->live, tool->limits.max_live);
}

bool mck_slot_take(mck_wasm_engine *engine, mck_wasm_tool *tool)
{
    if (!tool_slot_take(tool))
        return false;
    if (count_up(&engine->live, engine->max_instances))
        return true;
    if (tool->limits.max_live != 0)
        atomic_fetch_sub(&tool->live, 1);
    return false;
}

/* Sequentially consistent on purpose: either the giver sees the waiting call or the waiting call sees the free slot. */
static void dispatch(mck_wasm_engine *engine)
{
    while (engine->fifo.head != NULL && count_up(&engine->live, engine->max_instances)) {
        mck_wasm_call *call = mck_queue_pop(&engine->fifo);
        atomic_fetch_sub(&engine->waiting, 1);
        mck_ready_push(engine, call);
    }
}

/* Calls of one tool that waited for one another go on to wait for the engine, in their order. */
static void dispatch_crowd(mck_wasm_engine *engine, mck_wasm_tool *tool)
{
    while (tool->crowd.head != NULL && tool_slot_take(tool)) {
        mck_queue_push(&engine->fifo, mck_queue_pop(&tool->crowd));
        atomic_fetch_sub(&tool->waiting, 1);
    }
    if (tool->crowd.head == NULL)
        mck_crowd_over(engine, tool);
}

void mck_crowd_over(mck_wasm_engine *engine, mck_wasm_tool *tool)
{
    for (mck_wasm_tool **at = &engine->crowded; *at != NULL; at = &(*at)->next_crowded)
        if (*at == tool) {
            *at = tool->next_crowded;
            tool->next_crowded = NULL;
            return;
        }
}

void mck_slot_give_locked(mck_wasm_engine *engine, mck_wasm_tool *tool)
{
    atomic_fetch_sub(&engine->live, 1);
    if (tool->limits.max_live != 0) {
        atomic_fetch_sub(&tool->live, 1);
        dispatch_crowd(engine, tool);
    }
    dispatch(engine);
}

void mck_slot_give(mck_wasm_engine *engine, mck_wasm_tool *tool)
{
    atomic_fetch_sub(&engine->live, 1);
    if (tool->limits.max_live != 0)
        atomic_fetch_sub(&tool->live, 1);
    if (atomic_load(&engine->waiting) == 0)
        return;
    (void)pthread_mutex_lock(&engine->lock);
    if (atomic_load(&tool->waiting) != 0)
        dispatch_crowd(engine, tool);
    dispatch(engine);
    (void)pthread_mutex_unlock(&engine->lock);
}

/* A call that will not come to an instance gives its place up. */
void mck_slot_forgo(mck_wasm_engine *engine, mck_wasm_tool *tool)
{
    if (tool->limits.max_live == 0)
        return;
    atomic_fetch_sub(&tool->live, 1);
    dispatch_crowd(engine, tool);
    dispatch(engine);
}

static void note_deadline(mck_wasm_engine *engine, const mck_wasm_call *call)
{
    if (call->deadline_ns < engine->next_deadline)
        engine->next_deadline = call->deadline_ns;
}

void mck_ready_push(mck_wasm_engine *engine, mck_wasm_call *call)
{
    note_deadline(engine, call);
    mck_queue_push(&engine->ready, call);
    if (engine->idle > 0)
        (void)pthread_cond_signal(&engine->work);
    else if (engine->active < engine->max_threads)
        mck_worker_spawn(engine);
}

void mck_fifo_push(mck_wasm_engine *engine, mck_wasm_call *call)
{
    mck_wasm_tool *tool = call->tool;
    note_deadline(engine, call);
    atomic_fetch_add(&engine->waiting, 1);
    if (tool->limits.max_live != 0) {
        if (tool->crowd.head == NULL) {
            tool->next_crowded = engine->crowded;
            engine->crowded = tool;
        }
        mck_queue_push(&tool->crowd, call);
        atomic_fetch_add(&tool->waiting, 1);
        dispatch_crowd(engine, tool);
    } else {
        mck_queue_push(&engine->fifo, call);
    }
    dispatch(engine);
}

/* ---- ending ---- */

static void notify(mck_wasm_engine *engine)
{
    if (engine->notified)
        return;
    static const uint64_t ONE = 1;
    engine->notified = write(engine->notify_write, &ONE, sizeof ONE) == (ssize_t)sizeof ONE;
}

void mck_publish(mck_wasm_engine *engine, mck_wasm_call *call)
{
    mck_totals_add(call);
    call->ended = true;
    atomic_fetch_add_explicit(&engine->done_count, 1, memory_order_relaxed);
    if (call->tool->limits.max_concurrent != 0)
        atomic_fetch_sub_explicit(&call->tool->alive, 1, memory_order_relaxed);
    if (engine->waiters > 0)
        (void)pthread_cond_broadcast(&engine->ended);
    if (!call->owner_holds)
        return;
    call->in_done = true;
    call->next_done = NULL;
    if (engine->done.tail != NULL)
        engine->done.tail->next_done = call;
    else
        engine->done.head = call;
    engine->done.tail = call;
    notify(engine);
}

void mck_undone(mck_wasm_engine *engine, mck_wasm_call *call)
{
    mck_wasm_call *before = NULL;
    for (mck_wasm_call *at = engine->done.head; at != call; at = at->next_done)
        before = at;
    if (before != NULL)
        before->next_done = call->next_done;
    else
        engine->done.head = call->next_done;
    if (engine->done.tail == call)
        engine->done.tail = before;
    call->next_done = NULL;
    call->in_done = false;
}

mck_wasm_call *mck_retire(mck_wasm_call *call)
{
    call->engine_holds = false;
    return call->owner_holds ? NULL : call;
}

mck_wasm_call *mck_wasm_engine_next_done(mck_wasm_engine *engine)
{
    (void)pthread_mutex_lock(&engine->lock);
    mck_wasm_call *call = engine->done.head;
    if (call != NULL) {
        mck_undone(engine, call);
    } else if (engine->notified) {
        uint64_t drained;
        engine->notified = read(engine->notify_read, &drained, sizeof drained) != (ssize_t)sizeof drained;
    }
    (void)pthread_mutex_unlock(&engine->lock);
    return call;
}

/* ---- threads ---- */

/* Why a call whose slice has ended may not go on; OK: it may. */
static mck_wasm_call_status must_stop(const mck_wasm_engine *engine, mck_wasm_call *call, uint64_t now)
{
    if (engine->stopping || atomic_load_explicit(&call->cancelled, memory_order_relaxed))
        return MCK_WASM_CALL_CANCELLED;
    if (now >= call->deadline_ns)
        return MCK_WASM_CALL_TIMEOUT;
    if (call->overflow)
        return MCK_WASM_CALL_RESULT_TOO_LARGE;
    return MCK_WASM_CALL_OK;
}

/* With the lock held, which is given up meanwhile: free what the guest used, and perhaps the call. */
static void bury(mck_wasm_engine *engine, mck_wasm_call *call)
{
    (void)pthread_mutex_unlock(&engine->lock);
    mck_run_release(call);
    (void)pthread_mutex_lock(&engine->lock);
    mck_slot_give_locked(engine, call->tool);
    mck_wasm_call *dead = mck_retire(call);
    if (dead == NULL)
        return;
    (void)pthread_mutex_unlock(&engine->lock);
    mck_call_free(dead);
    (void)pthread_mutex_lock(&engine->lock);
}

/* Back into the queue. A thread that stays takes the next call itself: waking another for a lone call would cost two
 * system calls per slice and gain nothing. */
static void requeue(mck_wasm_engine *engine, mck_wasm_call *call, bool stays)
{
    if (!stays || (engine->ready.head != NULL && engine->idle > 0)) {
        mck_ready_push(engine, call);
        return;
    }
    note_deadline(engine, call);
    mck_queue_push(&engine->ready, call);
}

/* False: its tool has used up its share of a processor, and the call was parked. */
static bool may_run(mck_wasm_engine *engine, mck_wasm_call *call, uint64_t now)
{
    if (call->tool->limits.cpu_millis == 0 || engine->stopping)
        return true;
    call->wake_ns = mck_share_wait(call->tool, now);
    if (call->wake_ns == 0)
        return true;
    note_deadline(engine, call);
    mck_queue_push(&engine->parked, call);
    return false;
}

/* With the lock held. */
static void after_slice(mck_wasm_engine *engine, mck_wasm_call *call, bool ran, bool over, bool stays, uint64_t units,
                        uint64_t now)
{
    if (call->claimed) { /* the ticker has answered for it meanwhile */
        bury(engine, call);
        return;
    }
    if (ran)
        call->slice_count++;
    if (call->tool->limits.warn_memory != 0 && call->memory_now >= call->tool->limits.warn_memory)
        call->warned_memory = true;
    (void)mck_meter_observe(&call->meter, units, now);
    over = over && !call->halted;
    mck_wasm_call_status stop = over ? MCK_WASM_CALL_OK : must_stop(engine, call, now);
    if (!over && stop == MCK_WASM_CALL_OK) {
        requeue(engine, call, stays);
        return;
    }
    call->claimed = true;
    (void)pthread_mutex_unlock(&engine->lock);
    mck_meter_finish(&call->meter, units, now);
    if (!over)
        mck_outcome_set(call, stop, "%s", "");
    mck_run_collect(call, now);
    if (!over)
        mck_outcome_stop(call, stop);
    (void)pthread_mutex_lock(&engine->lock);
    mck_publish(engine, call);
    bury(engine, call);
}

/* With the lock held. A thread that was replaced stays only when its place is free again. */
static bool may_stay(mck_worker *self)
{
    mck_wasm_engine *engine = self->engine;
    if (!self->overdue)
        return true;
    self->overdue = false;
    if (engine->active >= engine->max_threads)
        return false;
    engine->active++;
    return true;
}

static void leave(mck_worker *self, bool counted)
{
    mck_wasm_engine *engine = self->engine;
    if (self->previous != NULL)
        self->previous->next = self->next;
    else
        engine->workers = self->next;
    if (self->next != NULL)
        self->next->previous = self->previous;
    engine->worker_count--;
    if (counted)
        engine->active--;
    (void)pthread_cond_broadcast(&engine->gone);
}

static void work(mck_worker *self)
{
    mck_wasm_engine *engine = self->engine;
    (void)pthread_mutex_lock(&engine->lock);
    for (;;) {
        mck_wasm_call *call = mck_queue_pop(&engine->ready);
        if (call == NULL) {
            if (engine->stopping)
                break;
            engine->idle++;
            (void)pthread_cond_wait(&engine->work, &engine->lock);
            engine->idle--;
            continue;
        }
        if (call->claimed) {
            bury(engine, call);
            continue;
        }
        uint64_t start = mck_clock();
        mck_wasm_call_status stop = must_stop(engine, call, start);
        if (stop == MCK_WASM_CALL_OK && !may_run(engine, call, start))
            continue;
        bool shared = call->tool->limits.cpu_millis != 0;
        uint64_t cpu = 0;
        self->call = call;
        self->slice_ns = start;
        bool over = false;
        uint64_t units = call->meter.units;
        if (stop == MCK_WASM_CALL_OK) {
            (void)pthread_mutex_unlock(&engine->lock);
            cpu = shared ? mck_thread_clock() : 0;
            over = mck_run_slice(call);
            units = mck_run_units(call);
            cpu = shared ? mck_thread_clock() - cpu : 0;
            (void)pthread_mutex_lock(&engine->lock);
            if (shared)
                mck_share_use(call->tool, cpu, mck_clock());
            atomic_fetch_add_explicit(&engine->slices, 1, memory_order_relaxed);
        }
        self->call = NULL;
        if (call->claimed && call->abandoned) {
            engine->stuck--;
            (void)atomic_fetch_sub(&call->tool->stuck, 1);
        }
        bool stays = may_stay(self);
        after_slice(engine, call, stop == MCK_WASM_CALL_OK, over, stays, units, mck_clock());
        if (!stays) {
            leave(self, false);
            (void)pthread_mutex_unlock(&engine->lock);
            return;
        }
    }
    leave(self, true);
    (void)pthread_mutex_unlock(&engine->lock);
}

static void *thread_main(void *data)
{
    mck_worker self = {.engine = data};
    mck_wasm_engine *engine = self.engine;
#ifdef __linux__
    /* A little less urgent than the event loop, which waits for short answers. */
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 5);
    (void)pthread_setname_np(pthread_self(), "mcpkit-guest");
#endif
    (void)pthread_mutex_lock(&engine->lock);
    self.next = engine->workers;
    if (self.next != NULL)
        self.next->previous = &self;
    engine->workers = &self;
    (void)pthread_mutex_unlock(&engine->lock);
    work(&self);
    mck_engine_release(engine);
    return NULL;
}

void mck_worker_spawn(mck_wasm_engine *engine)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    if (pthread_attr_init(&attributes) != 0)
        return;
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attributes, (size_t)1 << 20);
    /* Signals are the owner's business, but the ones that a guest's trap raises must reach wasmtime's handler here. */
    (void)sigfillset(&all);
    (void)sigdelset(&all, SIGSEGV);
    (void)sigdelset(&all, SIGBUS);
    (void)sigdelset(&all, SIGILL);
    (void)sigdelset(&all, SIGFPE);
    (void)sigdelset(&all, SIGTRAP);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    mck_engine_retain(engine);
    engine->worker_count++;
    engine->active++;
    if (pthread_create(&thread, &attributes, thread_main, engine) != 0) { /* the ticker tries again */
        engine->worker_count--;
        engine->active--;
        mck_engine_release(engine); /* never the last: the caller has one */
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
}
