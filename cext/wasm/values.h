/*
 * Component types and values: a tool's type plan is built once from wasmtime's types; calls convert JSON to values and
 * back by it. Private to the wasm room.
 *
 * JSON ↔ value, exactly (and the same in schema.py, which describes it):
 *   bool; s8 … u64 (numbers without loss; s64 and u64 outside ±2^53 are accepted and written as numbers, digits kept;
 *   5.0 and 5e0 are the integer 5);
 *   f32, f64 (NaN and infinities of a result are written as strings "NaN", "Infinity", "-Infinity", accepted likewise;
 *   a number is rounded to the nearest value, one beyond the largest is refused);
 *   char (string of one scalar value); string; list → array; record → object, every field needed, unknown fields
 *   refused (option fields may be absent); tuple → {"val0": …, "val1": …} in results, the same or an array in
 *   arguments;
 *   variant → {"tag": "name", "val": …} ("val" only where the case has a payload); enum → its name;
 *   option → null or the value (option of option: {"some": …} or null); result → {"ok": …} or {"err": …} (null payloads
 *   written as null);
 *   flags → array of different names; map → array of [key, value].
 * A key given twice in one object is refused.
 */
#ifndef MCPKIT_WASM_VALUES_H
#define MCPKIT_WASM_VALUES_H

#include "api.h"
#include "mcpkit/buffer.h"
#include "mcpkit/json.h"

typedef struct mck_type mck_type; /* an immutable tree, one per function */

/* Plan for one function's parameters and result. */
typedef struct {
    size_t param_count;
    mck_type *params;        /* a record: one field per parameter */
    mck_type *result;        /* NULL: returns nothing */
    const char *unsupported; /* not NULL: this function cannot be a tool, and why ("resource in parameter \"file\"") */
} mck_signature;

/* Build from a function's type (wasmtime_component_func_type_t). NULL: out of memory. */
mck_signature *mck_signature_new(const mck_wasmtime_api *api, const wasmtime_component_func_type_t *type);
void mck_signature_delete(mck_signature *s);
/* The description format of mck_wasm_program_describe: `"params":[…],"result":…` (no braces around). */
void mck_signature_describe(const mck_signature *s, mck_buffer *out);

typedef enum {
    MCK_VALUES_OK = 0,
    MCK_VALUES_MISMATCH,  /* path and reason in `detail` */
    MCK_VALUES_TOO_LARGE, /* a bound was crossed; detail names path, bound and size */
    MCK_VALUES_NO_MEMORY,
} mck_values_status;

/* Bounds are on what conversion costs in the C API: 32 bytes for each value inside another one, whatever it is
 * (more with a name beside it, as in records and flags), and the bytes of strings. */
typedef struct {
    uint64_t max_bytes;    /* strings plus values, all arguments together; 0 = 16 MiB */
    uint32_t max_elements; /* elements of all lists together; 0 = 80 000: some 5 ms of conversion */
} mck_values_limits;

/* Convert a validated JSON object into `values[0 .. param_count)` (zeroed by the caller). On failure everything
 * made is freed. `detail` receives a terminated sentence. */
mck_values_status mck_values_from_json(const mck_wasmtime_api *api, const mck_signature *s, const uint8_t *json,
                                       size_t len, const mck_json_kernels *kernels, const mck_values_limits *limits,
                                       wasmtime_component_val_t *values, char *detail, size_t detail_size);

/* Append the JSON of a result. `max_bytes` bounds what is appended. A top-level result type gives its payload alone and
 * *is_error tells which side it was. */
mck_values_status mck_values_to_json(const mck_signature *s, const wasmtime_component_val_t *value, uint64_t max_bytes,
                                     const mck_json_kernels *kernels, mck_buffer *out, bool *is_error, char *detail,
                                     size_t detail_size);

#endif
