/* What the three halves of the values code share: the type tree, numbers as text, and the writer of error sentences. */
#ifndef MCPKIT_WASM_VALUES_PRIVATE_H
#define MCPKIT_WASM_VALUES_PRIVATE_H

#include "values.h"

/* A type tree deeper or larger than this cannot be a tool: conversion recurses over it, and types are shared inside
 * a component (a record of two records of two records …), so a small file can describe a huge tree. */
#define MCK_VALUES_MAX_DEPTH 64u
#define MCK_VALUES_MAX_NODES 20000u

typedef enum {
    MCK_T_BOOL,
    MCK_T_S8,
    MCK_T_U8,
    MCK_T_S16,
    MCK_T_U16,
    MCK_T_S32,
    MCK_T_U32,
    MCK_T_S64,
    MCK_T_U64,
    MCK_T_F32,
    MCK_T_F64,
    MCK_T_CHAR,
    MCK_T_STRING,
    MCK_T_LIST,    /* members[0] */
    MCK_T_RECORD,  /* members: fields */
    MCK_T_TUPLE,   /* members: val0, val1, … */
    MCK_T_VARIANT, /* members: cases; no type: no payload */
    MCK_T_ENUM,    /* members: names */
    MCK_T_OPTION,  /* members[0] */
    MCK_T_RESULT,  /* members[0]: ok, members[1]: err; no type: no payload */
    MCK_T_FLAGS,   /* members: names */
    MCK_T_MAP,     /* members[0]: key, members[1]: value */
    MCK_T_UNSUPPORTED,
} mck_type_kind;

typedef struct {
    const char *name; /* terminated too, for the signature's parameters */
    size_t name_len;
    struct mck_type *type; /* NULL: none */
} mck_type_member;

struct mck_type {
    mck_type_kind kind;
    const char *reason; /* UNSUPPORTED: a constant: "resource" */
    size_t count;
    mck_type_member *members;
};

/* "u8", "record", … as written in descriptions and messages. */
const char *mck_type_name(mck_type_kind kind);

/* Integer kinds only. */
bool mck_type_is_signed(mck_type_kind kind);
uint64_t mck_type_max(mck_type_kind kind);       /* largest value */
uint64_t mck_type_max_below(mck_type_kind kind); /* magnitude of the smallest; 0 for unsigned kinds */

/* A JSON number's text as an integer: exact, so "1.0" and "1e2" are integers and "1.5" is none. */
typedef enum { MCK_NUMBER_OK, MCK_NUMBER_FRACTION, MCK_NUMBER_HUGE } mck_number_status;
mck_number_status mck_number_integer(const uint8_t *text, size_t len, bool *negative, uint64_t *magnitude);

/* Correctly rounded (ties to even), whatever the process's locale. False: beyond the largest finite value. */
bool mck_number_f64(const uint8_t *text, size_t len, double *out);
bool mck_number_f32(const uint8_t *text, size_t len, float *out);

/* Fewest digits that read back as the same value, always with a fraction or an exponent ("5.0", "1e30"); for finite
 * values. Returns the length; nothing is terminated. */
#define MCK_NUMBER_TEXT 32
size_t mck_number_print_f64(double value, char out[MCK_NUMBER_TEXT]);
size_t mck_number_print_f32(float value, char out[MCK_NUMBER_TEXT]);

/* A bounded sentence: always terminated, cut between characters. */
typedef struct {
    char *data;
    size_t len, cap;
} mck_sentence;

void mck_sentence_open(mck_sentence *s, char *data, size_t cap);
void mck_sentence_add(mck_sentence *s, const void *text, size_t len);
void mck_sentence_text(mck_sentence *s, const char *text);
void mck_sentence_u64(mck_sentence *s, uint64_t n);
/* At most `most` bytes of a text that may be long, with "…" where it was cut. */
void mck_sentence_excerpt(mck_sentence *s, const void *text, size_t len, size_t most);

/* Where in the arguments or the result a value stands; frames live on the C stack of the conversion. */
typedef struct mck_path {
    const struct mck_path *parent; /* NULL: a parameter's name, or the whole */
    const char *name;              /* NULL: an index */
    size_t name_len;
    size_t index;
} mck_path;

/* "items[2].count", or `whole` where there is no path. */
void mck_sentence_path(mck_sentence *s, const mck_path *path, const char *whole);

/* The member whose name is closest to `name`, near enough to be a slip; SIZE_MAX: none. */
size_t mck_type_nearest(const mck_type_member *members, size_t count, const uint8_t *name, size_t len);

#endif
