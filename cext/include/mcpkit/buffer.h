/* A growable byte buffer for what is written: answers, descriptions, messages. The one allocation helper the rooms share. */
#ifndef MCPKIT_BUFFER_H
#define MCPKIT_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint8_t *data;
    size_t len, cap;
    bool failed; /* memory ran out: everything appended since then is missing */
} mck_buffer;

void mck_buffer_free(mck_buffer *b);
/* Forget the content, keep the memory unless it is larger than `keep` bytes. */
void mck_buffer_reset(mck_buffer *b, size_t keep);
/* Room for `n` more bytes; NULL (and failed set) when memory ran out. */
uint8_t *mck_buffer_reserve(mck_buffer *b, size_t n);
void mck_buffer_add(mck_buffer *b, const void *data, size_t n);
void mck_buffer_text(mck_buffer *b, const char *text); /* NUL-terminated constant */
void mck_buffer_u64(mck_buffer *b, uint64_t n);        /* decimal */
void mck_buffer_i64(mck_buffer *b, int64_t n);
/* Valid UTF-8 as a JSON string, quotes included. */
void mck_buffer_json_string(mck_buffer *b, const void *text, size_t n);

#endif
