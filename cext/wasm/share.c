/*
 * A tool's share of a processor, over all its calls: a bucket of processor time that fills at the tool's rate and holds one second's
 * worth. Slices take out what they used; below zero the tool's calls are parked until it is full enough again.
 */
#include "internal.h"

#define SECOND UINT64_C(1000000000)

static void fill(mck_wasm_tool *tool, uint64_t now)
{
    uint64_t millis = tool->limits.cpu_millis;
    int64_t most = (int64_t)(millis * (SECOND / 1000));
    uint64_t elapsed = now > tool->cpu_mark ? now - tool->cpu_mark : 0;
    /* A bucket that was left alone for an hour is full whatever its size. */
    if (tool->cpu_mark == 0 || elapsed > 3600 * SECOND)
        tool->cpu_credit = most;
    else
        tool->cpu_credit += (int64_t)(elapsed * millis / 1000);
    if (tool->cpu_credit > most)
        tool->cpu_credit = most;
    tool->cpu_mark = now;
}

void mck_share_use(mck_wasm_tool *tool, uint64_t cpu_ns, uint64_t now)
{
    fill(tool, now);
    tool->cpu_credit -= (int64_t)cpu_ns;
}

uint64_t mck_share_wait(mck_wasm_tool *tool, uint64_t now)
{
    fill(tool, now);
    if (tool->cpu_credit >= 0)
        return 0;
    return now + (uint64_t)-tool->cpu_credit * 1000 / tool->limits.cpu_millis + 1;
}

void mck_share_wake(mck_wasm_engine *engine, uint64_t now)
{
    mck_call_queue kept = {NULL, NULL};
    mck_wasm_call *call;
    while ((call = mck_queue_pop(&engine->parked)) != NULL) {
        if (call->claimed || call->wake_ns <= now || engine->stopping)
            mck_ready_push(engine, call);
        else
            mck_queue_push(&kept, call);
    }
    engine->parked = kept;
}
