/* Line framing. Every byte is looked at once for its newline, however it arrives. */
#include "mcpkit/rpc.h"

#include <stdlib.h>
#include <string.h>

#define SMALLEST 4096u
#define KEEP ((size_t)1 << 20) /* what an empty buffer may keep of the memory one long line needed */

void mck_rpc_lines_init(mck_rpc_lines *l, size_t max_line)
{
    memset(l, 0, sizeof *l);
    l->max_line = max_line;
}

void mck_rpc_lines_free(mck_rpc_lines *l)
{
    free(l->buffer);
    mck_rpc_lines_init(l, l->max_line);
}

uint8_t *mck_rpc_lines_reserve(mck_rpc_lines *l, size_t want)
{
    if (l->taken) {
        size_t rest = l->len - l->taken;
        if (rest) {
            memmove(l->buffer, l->buffer + l->taken, rest);
        }
        l->scanned -= l->taken;
        l->len = rest;
        l->taken = 0;
    }
    if (l->len == 0 && l->cap > KEEP && want <= KEEP) {
        free(l->buffer);
        l->buffer = NULL;
        l->cap = 0;
    }
    if (l->cap - l->len < want || !l->buffer) {
        size_t cap = l->cap ? l->cap : SMALLEST;
        if (want > SIZE_MAX / 2 - l->len) {
            return NULL;
        }
        while (cap - l->len < want) {
            cap *= 2;
        }
        uint8_t *grown = realloc(l->buffer, cap);
        if (!grown) {
            return NULL;
        }
        l->buffer = grown;
        l->cap = cap;
    }
    return l->buffer + l->len;
}

void mck_rpc_lines_wrote(mck_rpc_lines *l, size_t n)
{
    l->len += n;
}

mck_rpc_line_status mck_rpc_lines_next(mck_rpc_lines *l, bool eof, const uint8_t **line, size_t *len)
{
    if (!l->buffer) {
        return MCK_RPC_LINE_MORE;
    }
    for (;;) {
        const uint8_t *newline = l->scanned < l->len ? memchr(l->buffer + l->scanned, '\n', l->len - l->scanned) : NULL;
        const uint8_t *start = l->buffer + l->taken;
        size_t size;
        if (newline) {
            size = (size_t)(newline - start);
            l->taken = l->scanned = (size_t)(newline - l->buffer) + 1;
        } else {
            l->scanned = l->len;
            size = l->len - l->taken;
            /* A carriage return that ends what has come so far may yet belong to the line's end. */
            bool too_long = size > l->max_line && !(size == l->max_line + 1 && start[size - 1] == '\r');
            if (!eof && !too_long && !l->discarding) {
                return MCK_RPC_LINE_MORE;
            }
            if (size == 0) {
                if (eof) {
                    l->discarding = false;
                }
                return MCK_RPC_LINE_MORE;
            }
            l->taken = l->len;
            if (!eof) {
                if (l->discarding) {
                    return MCK_RPC_LINE_MORE;
                }
                l->discarding = true;
                return MCK_RPC_LINE_TOO_LONG;
            }
        }
        if (l->discarding) {
            l->discarding = false;
            continue;
        }
        if (size && start[size - 1] == '\r') {
            size--;
        }
        if (size > l->max_line) {
            return MCK_RPC_LINE_TOO_LONG;
        }
        if (size) {
            *line = start;
            *len = size;
            return MCK_RPC_LINE;
        }
    }
}
