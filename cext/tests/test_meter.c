/* rooms: meter */

/* The ledger of one call: totals, rate samples, and each limit reported exactly when it is reached. */
#include "mcpkit/meter.h"

#include <stdio.h>

static int failures;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                    \
            failures++;                                                                                                \
        }                                                                                                              \
    } while (0)

#define MS UINT64_C(1000000)

static void samples_by_units_or_time(void)
{
    mck_meter m;
    mck_meter_limits limits = {.sample_units = 1000, .sample_ns = 10 * MS};
    mck_meter_start(&m, &limits, 5 * MS);
    CHECK(mck_meter_observe(&m, 999, 6 * MS) == MCK_METER_E_NONE);
    CHECK(mck_meter_observe(&m, 1000, 6 * MS) == MCK_METER_E_SAMPLE);
    CHECK(m.samples == 1);
    CHECK(m.rate == 1e6); /* 1000 units in a millisecond */
    CHECK(mck_meter_observe(&m, 1001, 16 * MS) == MCK_METER_E_SAMPLE);
    CHECK(m.rate == 100.0);
    CHECK(m.peak == 1e6);
    mck_meter_finish(&m, 1001, 105 * MS);
    CHECK(mck_meter_mean_rate(&m) == 10010.0);
}

static void a_short_call_has_a_peak(void)
{
    mck_meter m;
    mck_meter_limits limits = {0};
    mck_meter_start(&m, &limits, 0);
    mck_meter_finish(&m, 500, 5000);
    CHECK(m.samples == 1);
    CHECK(m.peak == 1e8);
    CHECK(mck_meter_mean_rate(&m) == 1e8);
    mck_meter_start(&m, &limits, 0);
    mck_meter_finish(&m, 5, 10); /* ten nanoseconds tell nothing */
    CHECK(m.peak == 0.0);
    CHECK(mck_meter_mean_rate(&m) == 0.0);
}

static void limits_are_reported(void)
{
    mck_meter m;
    mck_meter_limits limits = {.max_units = 100, .warn_units = 50, .sample_units = UINT64_MAX, .sample_ns = UINT64_MAX};
    mck_meter_start(&m, &limits, 0);
    CHECK(mck_meter_observe(&m, 49, 1) == MCK_METER_E_NONE);
    CHECK(mck_meter_observe(&m, 50, 2) == MCK_METER_E_WARNING);
    CHECK(mck_meter_observe(&m, 99, 3) == MCK_METER_E_NONE); /* once */
    CHECK(mck_meter_observe(&m, 100, 4) == MCK_METER_E_EXHAUSTED);

    limits.enforcement = MCK_METER_WARNING;
    limits.warn_units = 0;
    mck_meter_start(&m, &limits, 0);
    CHECK(mck_meter_observe(&m, 99, 1) == MCK_METER_E_NONE);
    CHECK(mck_meter_observe(&m, 200, 2) == MCK_METER_E_WARNING); /* the limit warns, and stops nothing */
    CHECK(mck_meter_observe(&m, 300, 3) == MCK_METER_E_NONE);

    limits.enforcement = MCK_METER_TRACKING;
    mck_meter_start(&m, &limits, 0);
    CHECK(mck_meter_observe(&m, UINT64_MAX / 2, 1) == MCK_METER_E_NONE);
}

/* One sample a tenth of a millisecond is more than was wanted; then the guest becomes slow. */
static void adaptive_samples_widen_and_narrow(void)
{
    mck_meter m;
    mck_meter_limits limits = {.sample_units = 1000, .sample_ns = MS, .adaptive = true};
    uint64_t units = 0, now = 0;
    mck_meter_start(&m, &limits, 0);
    for (int i = 0; i < 1000; i++)
        (void)mck_meter_observe(&m, units += 1000, now += MS / 10);
    CHECK(m.samples < 250);
    CHECK(m.span_units >= 4000);
    CHECK(m.peak == 1e7);
    for (int i = 0; i < 20; i++)
        (void)mck_meter_observe(&m, units += 1000, now += 10 * MS);
    CHECK(m.span_units == 1000);
    limits.adaptive = false;
    mck_meter_start(&m, &limits, 0);
    for (uint64_t i = 1; i <= 1000; i++)
        (void)mck_meter_observe(&m, i * 1000, i * MS / 10);
    CHECK(m.samples == 1000);
}

static void nothing_runs_backwards(void)
{
    mck_meter m;
    mck_meter_limits limits = {.sample_units = 1, .sample_ns = 1};
    mck_meter_start(&m, &limits, 10 * MS);
    (void)mck_meter_observe(&m, 1000, 20 * MS);
    (void)mck_meter_observe(&m, 10, 5 * MS);
    CHECK(m.units == 1000);
    CHECK(m.now_ns == 20 * MS);
    mck_meter_finish(&m, 0, 0);
    CHECK(m.units == 1000);
    CHECK(mck_meter_mean_rate(&m) == 1e5);
}

int main(void)
{
    samples_by_units_or_time();
    a_short_call_has_a_peak();
    limits_are_reported();
    adaptive_samples_widen_and_narrow();
    nothing_runs_backwards();
    return failures != 0;
}
