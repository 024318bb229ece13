/* Which bytes may stand where in HTTP/1.1 (RFC 9110 §5.6.2, RFC 9112). Private to the rpc room. */
#ifndef MCK_HTTP_BYTES_H
#define MCK_HTTP_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Letters, digits and the signs of a token; nothing from 0x80 on is one. */
static const uint8_t mck_http_token[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 0x00 */
    0, 1, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, /* 0x20 */
    0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, /* 0x40 */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1, 0, /* 0x60 */
};

static inline bool mck_http_is_token(uint8_t b)
{
    return mck_http_token[b];
}

static inline bool mck_http_is_space(uint8_t b)
{
    return b == ' ' || b == '\t';
}

/* Visible, blank, tab or obs-text. */
static inline bool mck_http_is_text(uint8_t b)
{
    return (b >= 0x20 && b != 0x7f) || b == '\t';
}

/* Offset of the first byte that is not text; eight at a time as long as none of them is a control character. */
static inline uint32_t mck_http_text_run(const uint8_t *data, uint32_t pos, uint32_t end)
{
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    while (pos < end) {
        if (end - pos >= 8) {
            uint64_t v, del;
            memcpy(&v, data + pos, 8);
            del = v ^ (ones * 0x7f);
            if (!((((v - ones * 0x20) & ~v) | ((del - ones) & ~del)) & highs)) {
                pos += 8;
                continue;
            }
        }
        if (!mck_http_is_text(data[pos])) {
            return pos;
        }
        pos++;
    }
    return end;
}

static inline uint8_t mck_http_lower(uint8_t b)
{
    return b >= 'A' && b <= 'Z' ? (uint8_t)(b | 0x20) : b;
}

/* Equal but for the case of ASCII letters; `word` is in lower case and as long. */
static inline bool mck_http_same(const uint8_t *text, const char *word, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (mck_http_lower(text[i]) != (uint8_t)word[i]) {
            return false;
        }
    }
    return true;
}

#define MCK_HTTP_SAME(text, len, word) ((len) == sizeof(word) - 1 && mck_http_same(text, word, sizeof(word) - 1))

#endif
