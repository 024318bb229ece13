/* The fuel ledger of one call. */
#include "mcpkit/meter.h"

#include <string.h>

#define DEFAULT_SAMPLE_UNITS UINT64_C(1000000)
#define DEFAULT_SAMPLE_NS UINT64_C(1000000)
/* Below this a clock reading says more about the clock than about the guest. */
#define SHORTEST_SAMPLE_NS UINT64_C(1000)

static double per_second(uint64_t units, uint64_t ns)
{
    return (double)units * 1e9 / (double)ns;
}

/* Samples that come faster than they are wanted span twice as much from now on; slow ones half, but never less than asked. */
static void adapt(mck_meter *m, uint64_t elapsed)
{
    if (elapsed < m->limits.sample_ns / 2 && m->span_units <= UINT64_MAX / 2)
        m->span_units *= 2;
    else if (elapsed >= m->limits.sample_ns && m->span_units / 2 >= m->limits.sample_units)
        m->span_units /= 2;
}

static void take_sample(mck_meter *m)
{
    if (m->limits.adaptive)
        adapt(m, m->now_ns - m->mark_ns);
    m->rate = per_second(m->units - m->mark_units, m->now_ns - m->mark_ns);
    if (m->rate > m->peak)
        m->peak = m->rate;
    m->mark_units = m->units;
    m->mark_ns = m->now_ns;
    m->samples++;
}

/* Totals only grow; a clock or counter that seems to run backwards is taken as standing still. */
static void advance(mck_meter *m, uint64_t units, uint64_t now_ns)
{
    if (units > m->units)
        m->units = units;
    if (now_ns > m->now_ns)
        m->now_ns = now_ns;
}

void mck_meter_start(mck_meter *m, const mck_meter_limits *limits, uint64_t now_ns)
{
    memset(m, 0, sizeof *m);
    m->limits = *limits;
    if (m->limits.sample_units == 0)
        m->limits.sample_units = DEFAULT_SAMPLE_UNITS;
    if (m->limits.sample_ns == 0)
        m->limits.sample_ns = DEFAULT_SAMPLE_NS;
    m->span_units = m->limits.sample_units;
    /* A limit that does not stop is a limit that warns. */
    if (m->limits.warn_units == 0 && m->limits.enforcement == MCK_METER_WARNING)
        m->limits.warn_units = m->limits.max_units;
    m->started_ns = m->now_ns = m->mark_ns = now_ns;
}

unsigned mck_meter_observe(mck_meter *m, uint64_t units, uint64_t now_ns)
{
    unsigned events = MCK_METER_E_NONE;
    advance(m, units, now_ns);
    uint64_t elapsed = m->now_ns - m->mark_ns;
    bool enough = m->units - m->mark_units >= m->span_units || elapsed >= m->limits.sample_ns;
    if (enough && elapsed >= SHORTEST_SAMPLE_NS) {
        take_sample(m);
        events |= MCK_METER_E_SAMPLE;
    }
    if (!m->warned && m->limits.warn_units != 0 && m->units >= m->limits.warn_units) {
        m->warned = true;
        events |= MCK_METER_E_WARNING;
    }
    if (m->limits.enforcement == MCK_METER_STRICT && m->limits.max_units != 0 && m->units >= m->limits.max_units)
        events |= MCK_METER_E_EXHAUSTED;
    return events;
}

void mck_meter_finish(mck_meter *m, uint64_t units, uint64_t now_ns)
{
    (void)mck_meter_observe(m, units, now_ns);
    /* A short remainder after longer samples would only add noise to the peak. */
    if (m->samples == 0 && m->units > m->mark_units && m->now_ns - m->mark_ns >= SHORTEST_SAMPLE_NS)
        take_sample(m);
}

double mck_meter_mean_rate(const mck_meter *m)
{
    uint64_t elapsed = m->now_ns - m->started_ns;
    return elapsed >= SHORTEST_SAMPLE_NS ? per_second(m->units, elapsed) : 0.0;
}
