/* What the calls of a tool amount to, for metrics: counted as calls end, on whatever thread that is. */
#include "internal.h"

static void add(atomic_uint_fast64_t *counter, uint64_t n)
{
    (void)atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void raise_to(atomic_uint_fast64_t *counter, uint64_t n)
{
    uint_fast64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    while (now < n &&
           !atomic_compare_exchange_weak_explicit(counter, &now, n, memory_order_relaxed, memory_order_relaxed))
        ;
}

void mck_totals_add(const mck_wasm_call *call)
{
    mck_wasm_tool *tool = call->tool;
    uint64_t wall = call->ended_ns - call->started_ns, limit = 100000;
    size_t bucket = 0;
    while (bucket < MCK_WASM_BUCKETS - 1 && wall > limit) {
        bucket++;
        limit *= 10;
    }
    add(&tool->totals.calls[call->status], 1);
    add(&tool->totals.buckets[bucket], 1);
    add(&tool->totals.wall_ns, wall);
    add(&tool->totals.units, call->meter.units);
    raise_to(&tool->totals.most_memory, call->memory_bytes);
    raise_to(&tool->totals.peak_rate, (uint64_t)call->meter.peak);
    if (call->meter.warned || call->warned_memory)
        add(&tool->totals.warned, 1);
}

typedef struct {
    uint32_t count;
    uint64_t units;
    double rate;
} running;

static void look_at(running *r, const mck_wasm_call *call)
{
    if (call->claimed)
        return;
    r->count++;
    r->units += call->meter.units;
    r->rate += call->meter.rate;
}

void mck_wasm_engine_running(mck_wasm_engine *engine, uint32_t *count, uint64_t *units, double *rate)
{
    running r = {0, 0, 0};
    (void)pthread_mutex_lock(&engine->lock);
    for (const mck_wasm_call *call = engine->ready.head; call != NULL; call = call->next)
        look_at(&r, call);
    for (const mck_wasm_call *call = engine->parked.head; call != NULL; call = call->next)
        look_at(&r, call);
    for (const mck_worker *worker = engine->workers; worker != NULL; worker = worker->next)
        if (worker->call != NULL)
            look_at(&r, worker->call);
    (void)pthread_mutex_unlock(&engine->lock);
    *count = r.count;
    *units = r.units;
    *rate = r.rate;
}

void mck_wasm_tool_totals(const mck_wasm_tool *tool, mck_wasm_totals *out)
{
    for (size_t i = 0; i < MCK_WASM_STATUSES; i++)
        out->calls[i] = atomic_load_explicit(&tool->totals.calls[i], memory_order_relaxed);
    for (size_t i = 0; i < MCK_WASM_BUCKETS; i++)
        out->buckets[i] = atomic_load_explicit(&tool->totals.buckets[i], memory_order_relaxed);
    out->units = atomic_load_explicit(&tool->totals.units, memory_order_relaxed);
    out->wall_ns = atomic_load_explicit(&tool->totals.wall_ns, memory_order_relaxed);
    out->most_memory = atomic_load_explicit(&tool->totals.most_memory, memory_order_relaxed);
    out->peak_rate = atomic_load_explicit(&tool->totals.peak_rate, memory_order_relaxed);
    out->warned = atomic_load_explicit(&tool->totals.warned, memory_order_relaxed);
}
