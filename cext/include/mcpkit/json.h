/*
 * Strict RFC 8259 JSON: validation, a pull cursor over the original bytes, string decoding and escaping.
 *
 * Nothing is copied and nothing is allocated: values are spans of the caller's buffer, numbers stay text, strings stay raw
 * until they are decoded into the caller's memory. Input is hostile: every function checks its bounds.
 * Refused: bytes after the value, invalid UTF-8, unescaped control characters, unknown escapes, lone surrogates (a guest must
 * never be handed them), leading zeros, NaN and Infinity, nesting beyond the limit. Duplicate keys are the caller's business:
 * it sees every key.
 */
#ifndef MCPKIT_JSON_H
#define MCPKIT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MCK_JSON_MAX_LENGTH 0x7fffffffu /* bytes in one document */
#define MCK_JSON_DEFAULT_DEPTH 128u     /* arrays and objects inside one another */

typedef enum {
    MCK_JSON_OK = 0,
    MCK_JSON_E_EOF,      /* the text ends inside a value */
    MCK_JSON_E_SYNTAX,   /* a byte that may not stand here */
    MCK_JSON_E_STRING,   /* unescaped control character, unknown escape, lone surrogate */
    MCK_JSON_E_UTF8,     /* not valid UTF-8 */
    MCK_JSON_E_NUMBER,   /* a malformed number */
    MCK_JSON_E_DEPTH,    /* nested too deep */
    MCK_JSON_E_TRAILING, /* something follows the value */
    MCK_JSON_E_LENGTH,   /* longer than MCK_JSON_MAX_LENGTH */
} mck_json_status;

typedef enum {
    MCK_JSON_NULL,
    MCK_JSON_FALSE,
    MCK_JSON_TRUE,
    MCK_JSON_NUMBER,
    MCK_JSON_STRING,
    MCK_JSON_ARRAY,
    MCK_JSON_OBJECT,
} mck_json_kind;

/* Half-open range of offsets into the buffer that was scanned. An absent span has start == end == 0. */
typedef struct {
    uint32_t start, end;
} mck_span;

/* One value. A string's span excludes its quotes and is raw: `escaped` says whether it has to be decoded. A number's
 * `integral` says that it has neither fraction nor exponent. Spans of arrays and objects include their brackets. */
typedef struct {
    mck_json_kind kind;
    mck_span span;
    bool escaped;
    bool integral;
} mck_json_value;

/* The vector kernels for this machine; a table chosen by a pure function from a mask of mck_cpu_features(). */
typedef struct {
    const char *name; /* "avx2", "neon", "portable", … */
    /* Offset of the first byte at or after `pos` that ends a run of plain string bytes: '"', '\\', < 0x20 or >= 0x80; `len`
     * when there is none. */
    uint32_t (*string_run)(const uint8_t *data, uint32_t pos, uint32_t len);
    /* Offset of the first byte at or after `pos` that is not valid UTF-8 when read from `pos` up to `len`; `len` when all is. */
    uint32_t (*utf8_run)(const uint8_t *data, uint32_t pos, uint32_t len);
} mck_json_kernels;

/* Best table for the features in `mask` (always succeeds: portable is the last resort). */
const mck_json_kernels *mck_json_pick(uint32_t mask);

typedef struct {
    const uint8_t *data;
    /* `pos` changes all the time: next to `depth` compilers would update both at once, and stall on every step. */
    uint32_t pos; /* next byte to read; after an error, where it was found */
    uint32_t len;
    const mck_json_kernels *kernels;
    uint32_t depth; /* arrays and objects that are open */
    uint32_t max_depth;
} mck_json_cursor;

/* Start at the first byte of `data`, which must outlive the cursor. `kernels` may be NULL for the portable ones. */
mck_json_status mck_json_open(mck_json_cursor *c, const uint8_t *data, size_t len, uint32_t max_depth,
                              const mck_json_kernels *kernels);

/* Read (and validate) the next value whole, nested ones included, and describe it. Leading white space is passed over. */
mck_json_status mck_json_read(mck_json_cursor *c, mck_json_value *out);

/* What kind of value comes next, without moving past it (white space is passed over). */
mck_json_status mck_json_peek(mck_json_cursor *c, mck_json_kind *out);

/* Step into an object or array. Then call mck_json_member or mck_json_element until *more is false, reading each value with
 * mck_json_read or by stepping into it. */
mck_json_status mck_json_enter_object(mck_json_cursor *c);
mck_json_status mck_json_enter_array(mck_json_cursor *c);
/* The next key (a string value, raw) with the cursor then at its value; *more false and the object closed at its end.
 * `first` must be true for the first call on an object and false after it. */
mck_json_status mck_json_member(mck_json_cursor *c, bool first, mck_json_value *key, bool *more);
mck_json_status mck_json_element(mck_json_cursor *c, bool first, bool *more);

/* Nothing but white space may be left. */
mck_json_status mck_json_finish(mck_json_cursor *c);

/* Whole document: valid or not, with *position of the first fault. */
mck_json_status mck_json_validate(const uint8_t *data, size_t len, uint32_t max_depth, const mck_json_kernels *kernels,
                                  size_t *position);

/* Decode the raw inside of a *validated* string into `out` (never longer than the input); returns the bytes written. */
size_t mck_json_decode_string(const uint8_t *raw, size_t len, uint8_t *out);

/* Is the validated raw string equal to `text` after decoding? */
bool mck_json_string_is(const uint8_t *raw, size_t len, bool escaped, const char *text, size_t text_len);

/* Escape valid UTF-8 for the inside of a JSON string. Returns the bytes needed; writes them only when they fit in `cap`.
 * Needed is at most 6 × len. Control characters become \n, \t, … or \u00XX; '"' and '\\' are escaped; the rest is copied. */
size_t mck_json_escape(const uint8_t *text, size_t len, uint8_t *out, size_t cap, const mck_json_kernels *kernels);

/* First byte that is not valid UTF-8, or `len`. */
size_t mck_json_utf8_fault(const uint8_t *text, size_t len, const mck_json_kernels *kernels);

/* A constant English sentence fragment: "nested too deep". Never NULL. */
const char *mck_json_explain(mck_json_status status);

#endif
