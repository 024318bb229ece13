/*
 * What every kernel of the json room shares: eight bytes at a time in a plain register (SWAR), and one step of UTF-8.
 * Private to the room.
 */
#ifndef MCK_JSON_INLINE_H
#define MCK_JSON_INLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define MCK_ONES 0x0101010101010101u
#define MCK_HIGHS 0x8080808080808080u

/* The byte at the lowest address becomes the least significant one, whatever the machine's byte order. */
static inline uint64_t mck_load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
#if defined(__BYTE_ORDER__) && defined(__ORDER_BIG_ENDIAN__)
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
#endif
    return v;
}

/* Number of zero bits below the lowest one; `mask` is not 0. */
static inline uint32_t mck_lowest_bit(uint64_t mask)
{
#if defined(_MSC_VER) && !defined(__clang__)
    uint32_t n = 0;
    while (!(mask & 1u)) {
        mask >>= 1;
        n++;
    }
    return n;
#else
    return (uint32_t)__builtin_ctzll(mask);
#endif
}

/* High bits on '"', '\\' and control characters. Exact up to and including the lowest one set (a borrow can only travel
 * upwards), which is the only one that is looked at. */
static inline uint64_t mck_special_mask(uint64_t v)
{
    uint64_t quote = v ^ (MCK_ONES * '"');
    uint64_t slash = v ^ (MCK_ONES * '\\');
    uint64_t low = (v - MCK_ONES * 0x20u) & ~v;
    return (((quote - MCK_ONES) & ~quote) | ((slash - MCK_ONES) & ~slash) | low) & MCK_HIGHS;
}

/* The same, and on bytes >= 0x80 as well. */
static inline uint64_t mck_plain_end_mask(uint64_t v)
{
    uint64_t quote = (v ^ (MCK_ONES * '"')) - MCK_ONES;
    uint64_t slash = (v ^ (MCK_ONES * '\\')) - MCK_ONES;
    return (quote | slash | (v - MCK_ONES * 0x20u) | v) & MCK_HIGHS;
}

static inline bool mck_is_special(uint8_t b)
{
    return b < 0x20 || b == '"' || b == '\\';
}

/* First '"', '\\' or control character at or after `pos`, bytes >= 0x80 passed over; `len` when there is none. */
static inline uint32_t mck_special_run(const uint8_t *data, uint32_t pos, uint32_t len)
{
    for (; len - pos >= 8; pos += 8) {
        uint64_t mask = mck_special_mask(mck_load64(data + pos));
        if (mask) {
            return pos + mck_lowest_bit(mask) / 8;
        }
    }
    while (pos < len && !mck_is_special(data[pos])) {
        pos++;
    }
    return pos;
}

static inline uint32_t mck_plain_run(const uint8_t *data, uint32_t pos, uint32_t len)
{
    for (; len - pos >= 8; pos += 8) {
        uint64_t mask = mck_plain_end_mask(mck_load64(data + pos));
        if (mask) {
            return pos + mck_lowest_bit(mask) / 8;
        }
    }
    while (pos < len && data[pos] < 0x80 && !mck_is_special(data[pos])) {
        pos++;
    }
    return pos;
}

/* A first look at a run that is probably short: true when its end was found, `pos` then stands on it. Sixteen bytes
 * where the smallest machine of the family can compare them at once, else twice eight. */
static inline bool mck_plain_start(const uint8_t *data, uint32_t *pos, uint32_t len)
{
#if defined(__SSE2__)
    if (len >= 16) {
        /* Close to the end: the last sixteen bytes, and those before `pos` are shifted out. */
        uint32_t left = len - *pos, past = left < 16 ? 16 - left : 0;
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(data + *pos - past));
        /* Signed comparison: below 0x20 are the control characters and everything from 0x80 on. */
        __m128i low = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
        __m128i sign = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
        uint32_t mask = (uint32_t)_mm_movemask_epi8(_mm_or_si128(low, sign)) >> past;
        *pos += mask ? mck_lowest_bit(mask) : 16 - past;
        return mask != 0;
    }
#endif
    for (int i = 0; i < 2 && len - *pos >= 8; i++) {
        uint64_t mask = mck_plain_end_mask(mck_load64(data + *pos));
        if (mask) {
            *pos += mck_lowest_bit(mask) / 8;
            return true;
        }
        *pos += 8;
    }
    return false;
}

/* Length of the well-formed sequence that starts at `pos` (pos < len), or 0. Table 3-7 of the Unicode standard. */
static inline uint32_t mck_utf8_step(const uint8_t *data, uint32_t pos, uint32_t len)
{
    uint8_t a = data[pos];
    uint32_t left = len - pos;
    if (a < 0x80) {
        return 1;
    }
    if (a < 0xc2 || a > 0xf4 || left < 2) {
        return 0;
    }
    uint8_t b = data[pos + 1];
    if (a < 0xe0) {
        return (b & 0xc0) == 0x80 ? 2 : 0;
    }
    uint8_t low = a == 0xe0 ? 0xa0 : a == 0xf0 ? 0x90 : 0x80;
    uint8_t high = a == 0xed ? 0x9f : a == 0xf4 ? 0x8f : 0xbf;
    if (b < low || b > high || left < 3 || (data[pos + 2] & 0xc0) != 0x80) {
        return 0;
    }
    if (a < 0xf0) {
        return 3;
    }
    return left >= 4 && (data[pos + 3] & 0xc0) == 0x80 ? 4 : 0;
}

static inline uint32_t mck_utf8_run(const uint8_t *data, uint32_t pos, uint32_t len)
{
    while (pos < len) {
        if (len - pos >= 8 && !(mck_load64(data + pos) & MCK_HIGHS)) {
            pos += 8;
            continue;
        }
        uint32_t n = mck_utf8_step(data, pos, len);
        if (n == 0) {
            return pos;
        }
        pos += n;
    }
    return len;
}

/* Where to start again, byte by byte, after whole blocks up to `block` were found well-formed but for a sequence that
 * may reach over its end. */
static inline uint32_t mck_utf8_back_up(const uint8_t *data, uint32_t pos, uint32_t block)
{
    for (uint32_t back = 1; back <= 3 && block - pos >= back; back++) {
        uint8_t b = data[block - back];
        if (b < 0x80) {
            break;
        }
        if (b >= 0xc0) {
            return block - back;
        }
    }
    return block;
}

#endif
