/* Chunked bodies, decoded in place. Anything that two readers could see differently is refused (RFC 9112 §7.1). */
#include "mcpkit/http.h"

#include "http_bytes.h"

#include <string.h>

enum {
    SIZE_FIRST, /* the first digit of a size */
    SIZE,       /* more digits, ';' or the line's end */
    EXTENSION,  /* discarded */
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER, /* at the start of a trailer line */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF,
    FINISHED,
    FAILED,
};

void mck_http_chunks_init(mck_http_chunks *c)
{
    memset(c, 0, sizeof *c);
}

static mck_http_progress refuse(mck_http_chunks *c, uint16_t status, const char *reason)
{
    c->state = FAILED;
    c->status = status;
    c->reason = reason;
    return MCK_HTTP_REFUSED;
}

static int digit_of(uint8_t b)
{
    uint8_t lower = mck_http_lower(b);
    return b >= '0' && b <= '9' ? b - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* One byte of framing in any state but DATA. Returns a constant reason when it may not stand there. */
static const char *take(mck_http_chunks *c, uint8_t b)
{
    int digit;
    switch (c->state) {
    case SIZE_FIRST:
    case SIZE:
        digit = digit_of(b);
        if (digit >= 0 && !(c->chunk_left >> 60)) {
            c->chunk_left = c->chunk_left << 4 | (uint64_t)digit;
            c->state = SIZE;
            return NULL;
        }
        if (c->state == SIZE && (b == '\r' || b == ';')) {
            c->state = b == ';' ? EXTENSION : SIZE_LF;
            return NULL;
        }
        return "a malformed chunk size";
    case EXTENSION:
        if (b == '\r') {
            c->state = SIZE_LF;
            return NULL;
        }
        return mck_http_is_text(b) ? NULL : "a control character in a chunk extension";
    case SIZE_LF:
        c->state = c->chunk_left ? DATA : TRAILER;
        return b == '\n' ? NULL : "a carriage return without line feed";
    case DATA_CR: c->state = DATA_LF; return b == '\r' ? NULL : "a chunk that is longer than its size";
    case DATA_LF: c->state = SIZE_FIRST; return b == '\n' ? NULL : "a carriage return without line feed";
    case TRAILER:
        if (b == '\r') {
            c->state = END_LF;
            return NULL;
        }
        c->state = TRAILER_NAME;
        return mck_http_is_token(b) ? NULL : "a malformed trailer";
    case TRAILER_NAME:
        if (b == ':') {
            c->state = TRAILER_VALUE;
            return NULL;
        }
        return mck_http_is_token(b) ? NULL : "a malformed trailer";
    case TRAILER_VALUE:
        if (b == '\r') {
            c->state = TRAILER_LF;
            return NULL;
        }
        return mck_http_is_text(b) ? NULL : "a control character in a trailer";
    case TRAILER_LF: c->state = TRAILER; return b == '\n' ? NULL : "a carriage return without line feed";
    default: /* END_LF */ c->state = FINISHED; return b == '\n' ? NULL : "a carriage return without line feed";
    }
}

mck_http_progress mck_http_chunks_feed(mck_http_chunks *c, uint8_t *body, size_t len, const mck_http_limits *limits)
{
    /* Sizes, extensions and trailers together may take as many bytes again as the largest body, and a head's worth
     * more. */
    uint64_t framing =
        limits->max_body > UINT64_MAX - limits->max_head ? UINT64_MAX : limits->max_body + limits->max_head;
    if (c->state == FAILED) {
        return MCK_HTTP_REFUSED;
    }
    while (c->state != FINISHED) {
        if (c->consumed >= len) {
            return MCK_HTTP_MORE;
        }
        if (c->state == DATA) {
            uint64_t there = len - c->consumed;
            size_t n = (size_t)(there < c->chunk_left ? there : c->chunk_left);
            if (c->consumed != c->body_len) {
                memmove(body + c->body_len, body + c->consumed, n);
            }
            c->body_len += n;
            c->consumed += n;
            c->chunk_left -= n;
            if (c->chunk_left == 0) {
                c->state = DATA_CR;
            }
            continue;
        }
        const char *reason = take(c, body[c->consumed]);
        c->consumed++;
        if (reason) {
            return refuse(c, 400, reason);
        }
        if (c->state == SIZE && c->chunk_left > limits->max_body - c->body_len) {
            return refuse(c, 413, "the body is too large");
        }
        if (c->consumed - c->body_len > framing) {
            return refuse(c, 413, "the chunks have more framing than content");
        }
    }
    return MCK_HTTP_DONE;
}
