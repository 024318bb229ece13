/*
 * Quotas: a call counts in the accounts of its server, its tool and its caller. Before each slice it has set aside as many units
 * as the slice may use, so that what runs never exceeds what was granted; what was set aside and not used is given back when the
 * call ends. A guest that is used little sets little aside: its slices are as long as its calls usually are.
 */
#define _GNU_SOURCE
#include "internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* The shortest slice of a call under quotas, in units. */
#define SHORTEST_STEP UINT64_C(4096)

static uint64_t wall_clock(void)
{
    struct timespec now;
#ifdef CLOCK_REALTIME_COARSE
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
#else
    (void)clock_gettime(CLOCK_REALTIME, &now);
#endif
    return (uint64_t)now.tv_sec;
}

void mck_wasm_call_claim(mck_wasm_call *call, const mck_claim *claim, mck_wasm_scope scope)
{
    if (call->claim_count == MCK_ACCOUNT_MAX_CLAIMS)
        return;
    call->scopes[call->claim_count] = scope;
    call->claims[call->claim_count] = *claim;
    /* Quotas of units are lifted where compute limits do not stop; what is used is counted all the same. */
    if (!call->stops)
        memset(call->claims[call->claim_count].allowance.units, 0, sizeof claim->allowance.units);
    call->claim_count++;
}

static bool refused(mck_wasm_call *call, mck_wasm_call_status status, const mck_refusal *why, uint64_t now_s)
{
    static const char *const WHOSE[] = {"the server's", "this tool's", "this caller's"};
    static const char *const WINDOW[] = {"minute", "hour", "day"};
    char when[24];
    struct tm tm;
    time_t resets = (time_t)why->resets_s;
    call->refusal = *why;
    call->refused_s = now_s;
    (void)gmtime_r(&resets, &tm);
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
    mck_outcome_set(call, status, "%s quota of %llu %s per %s is used up (%llu used); it begins anew at %s, in %llu s",
                    WHOSE[call->scopes[why->claim]], (unsigned long long)why->limit,
                    why->calls ? "calls" : "compute units", WINDOW[why->window], (unsigned long long)why->used, when,
                    (unsigned long long)(why->resets_s - now_s));
    return false;
}

bool mck_quota_enter(mck_wasm_call *call)
{
    mck_refusal why;
    uint64_t now = wall_clock();
    return mck_account_call(call->claims, call->claim_count, now, &why) || refused(call, MCK_WASM_CALL_RATE, &why, now);
}

uint64_t mck_quota_step(const mck_wasm_call *call)
{
    uint64_t slice = call->engine->slice_units;
    uint64_t usual = 2 * atomic_load_explicit(&call->tool->usual_units, memory_order_relaxed);
    if (usual < SHORTEST_STEP)
        usual = SHORTEST_STEP;
    return usual < slice ? usual : slice;
}

bool mck_quota_begin(mck_wasm_call *call)
{
    mck_refusal why;
    uint64_t wanted = mck_quota_step(call), now = wall_clock();
    if (call->given_units < wanted)
        wanted = call->given_units;
    call->step_units = wanted;
    call->reserved_s = now;
    call->reserved_units = mck_account_reserve(call->claims, call->claim_count, wanted, now, &why);
    if (call->reserved_units == 0 && wanted != 0) {
        call->settled = true; /* it uses nothing */
        call->given_units = 0;
        return refused(call, MCK_WASM_CALL_QUOTA, &why, now);
    }
    if (call->reserved_units < wanted) { /* the last of the quota: to be used to the unit */
        call->given_units = call->reserved_units;
        call->last_units = true;
    }
    return true;
}

bool mck_quota_ahead(mck_wasm_call *call)
{
    mck_refusal why;
    uint64_t ahead = mck_run_units(call) + call->step_units;
    if (ahead > call->given_units)
        ahead = call->given_units;
    if (ahead <= call->reserved_units)
        return true;
    uint64_t wanted = ahead - call->reserved_units, now = wall_clock();
    uint64_t got = mck_account_reserve(call->claims, call->claim_count, wanted, now, &why);
    if (got == wanted) {
        call->reserved_units += got;
        call->reserved_s = now;
        return true;
    }
    mck_account_refund(call->claims, call->claim_count, got, now); /* too little for a slice: for shorter calls */
    return refused(call, MCK_WASM_CALL_QUOTA, &why, now);
}

void mck_quota_ran_out(mck_wasm_call *call)
{
    mck_refusal why;
    uint64_t now = wall_clock();
    /* All that there was is used; asking for more says whose quota that was. A new window may have begun just now. */
    uint64_t got = mck_account_reserve(call->claims, call->claim_count, 1, now, &why);
    if (got != 0) {
        mck_account_refund(call->claims, call->claim_count, got, now);
        mck_outcome_set(call, MCK_WASM_CALL_QUOTA, "stopped at the end of a quota of compute units; try again");
        return;
    }
    (void)refused(call, MCK_WASM_CALL_QUOTA, &why, now);
}

void mck_quota_settle(mck_wasm_call *call, uint64_t units)
{
    if (call->claim_count == 0 || call->settled || call->reserved_s == 0)
        return;
    call->settled = true;
    if (units < call->reserved_units)
        mck_account_refund(call->claims, call->claim_count, call->reserved_units - units, call->reserved_s);
    else if (units > call->reserved_units) /* one instruction may overdraw: a bulk operation is charged when it ends */
        mck_account_charge(call->claims, call->claim_count, units - call->reserved_units, wall_clock());
    uint64_t usual = atomic_load_explicit(&call->tool->usual_units, memory_order_relaxed);
    usual = units > usual ? units : usual - usual / 16 + units / 16;
    atomic_store_explicit(&call->tool->usual_units, usual, memory_order_relaxed);
}
