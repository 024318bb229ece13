/* The growable buffer: doubling growth, and one failed flag to look at once in the end instead of after every append. */
#include "mcpkit/buffer.h"
#include "mcpkit/json.h"

#include <stdlib.h>
#include <string.h>

#define SMALLEST 256u

void mck_buffer_free(mck_buffer *b)
{
    free(b->data);
    *b = (mck_buffer){0};
}

void mck_buffer_reset(mck_buffer *b, size_t keep)
{
    if (b->cap > keep)
        mck_buffer_free(b);
    b->len = 0;
    b->failed = false;
}

uint8_t *mck_buffer_reserve(mck_buffer *b, size_t n)
{
    if (b->failed)
        return NULL;
    if (b->data && n <= b->cap - b->len)
        return b->data + b->len;

    size_t wanted = b->len + n, cap = b->cap <= SIZE_MAX / 2 ? 2 * b->cap : SIZE_MAX;
    if (cap < SMALLEST)
        cap = SMALLEST;
    if (cap < wanted)
        cap = wanted;
    uint8_t *data = wanted < n ? NULL : realloc(b->data, cap); /* wanted < n: the sum overflowed */
    if (!data) {
        b->failed = true;
        return NULL;
    }
    b->data = data;
    b->cap = cap;
    return data + b->len;
}

void mck_buffer_add(mck_buffer *b, const void *data, size_t n)
{
    uint8_t *out = n ? mck_buffer_reserve(b, n) : NULL;
    if (!out)
        return;
    memcpy(out, data, n);
    b->len += n;
}

void mck_buffer_text(mck_buffer *b, const char *text)
{
    mck_buffer_add(b, text, strlen(text));
}

void mck_buffer_u64(mck_buffer *b, uint64_t n)
{
    char digits[20]; /* 2^64 - 1 has twenty */
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    mck_buffer_add(b, digits + at, sizeof digits - at);
}

void mck_buffer_i64(mck_buffer *b, int64_t n)
{
    if (n >= 0) {
        mck_buffer_u64(b, (uint64_t)n);
        return;
    }
    uint8_t *out = mck_buffer_reserve(b, 21); /* the sign never stands alone when memory runs out */
    if (!out)
        return;
    *out = '-';
    b->len++;
    mck_buffer_u64(b, 0 - (uint64_t)n);
}

void mck_buffer_json_string(mck_buffer *b, const void *text, size_t n)
{
    size_t quotes = 2, inside = n; /* most text has nothing to escape: try with its own length first */

    for (;;) {
        uint8_t *out = inside > SIZE_MAX - quotes ? NULL : mck_buffer_reserve(b, inside + quotes);
        if (!out) {
            b->failed = true;
            return;
        }
        size_t room = b->cap - b->len - quotes;
        size_t needed = mck_json_escape(text, n, out + 1, room, NULL);
        if (needed <= room) {
            out[0] = '"';
            out[1 + needed] = '"';
            b->len += needed + quotes;
            return;
        }
        inside = needed;
    }
}
