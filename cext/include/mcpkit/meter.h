/*
 * The fuel ledger of one call: what was used, how fast, at most how fast, and whether a limit was crossed. Fed at the end of each
 * slice (and when a call ends) with fuel and clock; it decides nothing about time itself. No operating system, no allocation.
 * One compute unit (CU) is one unit of wasmtime's fuel.
 */
#ifndef MCPKIT_METER_H
#define MCPKIT_METER_H

#include <stdbool.h>
#include <stdint.h>

typedef enum { MCK_METER_STRICT = 0, MCK_METER_WARNING, MCK_METER_TRACKING } mck_meter_enforcement;

typedef struct {
    mck_meter_enforcement enforcement;
    uint64_t max_units;    /* stop at (STRICT); 0 = none */
    uint64_t warn_units;   /* report crossing once; 0 = none */
    uint64_t sample_units; /* a rate sample spans at least this many units … */
    uint64_t sample_ns;    /* … or this much time, whichever comes first */
    bool adaptive;         /* widen sample_units for a fast guest, until a sample takes about sample_ns */
} mck_meter_limits;

enum { MCK_METER_E_NONE = 0, MCK_METER_E_SAMPLE = 1, MCK_METER_E_WARNING = 2, MCK_METER_E_EXHAUSTED = 4 };

typedef struct {
    mck_meter_limits limits;
    uint64_t units;               /* used so far */
    uint64_t started_ns;          /* clock of the first slice */
    uint64_t now_ns;              /* clock of the last observation */
    uint64_t mark_units, mark_ns; /* where the current rate sample began */
    uint64_t span_units;          /* what a sample spans now; limits.sample_units unless it was widened */
    double rate, peak;            /* CU per second: last sample's, highest sample's */
    uint32_t samples;
    bool warned;
} mck_meter;

void mck_meter_start(mck_meter *m, const mck_meter_limits *limits, uint64_t now_ns);
/* Observe the total used so far. Returns MCK_METER_E_* flags of what this observation brought. */
unsigned mck_meter_observe(mck_meter *m, uint64_t units, uint64_t now_ns);
/* Close the last sample, so that short calls have a peak too. */
void mck_meter_finish(mck_meter *m, uint64_t units, uint64_t now_ns);
/* Mean rate in CU per second (0 for a call too short to tell). */
double mck_meter_mean_rate(const mck_meter *m);

#endif
