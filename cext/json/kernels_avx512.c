/* 64 bytes at a time with AVX-512 (F and BW); masked loads take the place of tails. Empty on other machines; compiled with
 * -mavx512f -mavx512bw. */
#if defined(__x86_64__) || defined(_M_X64)

#include "inline.h"
#include "kernels.h"

#include <immintrin.h>

static inline uint64_t plain_end(__m512i v)
{
    /* Signed comparison: below 0x20 are the control characters and everything from 0x80 on. */
    return _mm512_cmplt_epi8_mask(v, _mm512_set1_epi8(0x20)) | _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('"')) |
           _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\\'));
}

static inline __m512i load(const uint8_t *p)
{
    return _mm512_loadu_si512((const void *)p);
}

static uint32_t string_run(const uint8_t *data, uint32_t pos, uint32_t len)
{
    for (; len - pos >= 64; pos += 64) {
        uint64_t mask = plain_end(load(data + pos));
        if (mask) {
            return pos + mck_lowest_bit(mask);
        }
    }
    if (pos == len) {
        return len;
    }
    uint64_t some = UINT64_MAX >> (64 - (len - pos));
    uint64_t mask = plain_end(_mm512_maskz_loadu_epi8(some, data + pos)) & some;
    return mask ? pos + mck_lowest_bit(mask) : len;
}

#define BEFORE(v, lanes, n) _mm512_alignr_epi8(v, lanes, 16 - (n))

static inline __m512i table(__m128i sixteen)
{
    return _mm512_broadcast_i32x4(sixteen);
}

/* Not zero when `v`, coming after `before`, shows a fault. */
static inline uint64_t faulty(__m512i v, __m512i before)
{
    const __m512i high_before = table(_mm_setr_epi8(MCK_U8_HIGH_BEFORE));
    const __m512i low_before = table(_mm_setr_epi8(MCK_U8_LOW_BEFORE));
    const __m512i high_of = table(_mm_setr_epi8(MCK_U8_HIGH_OF));
    const __m512i nibble = _mm512_set1_epi8(0x0f);
    __m512i lanes = _mm512_alignr_epi64(v, before, 6);
    __m512i one = BEFORE(v, lanes, 1);
    __m512i faults = _mm512_and_si512(
        _mm512_and_si512(_mm512_shuffle_epi8(high_before, _mm512_and_si512(_mm512_srli_epi16(one, 4), nibble)),
                         _mm512_shuffle_epi8(low_before, _mm512_and_si512(one, nibble))),
        _mm512_shuffle_epi8(high_of, _mm512_and_si512(_mm512_srli_epi16(v, 4), nibble)));
    __m512i third = _mm512_subs_epu8(BEFORE(v, lanes, 2), _mm512_set1_epi8(0xe0 - 0x80));
    __m512i fourth = _mm512_subs_epu8(BEFORE(v, lanes, 3), _mm512_set1_epi8(0xf0 - 0x80));
    __m512i must = _mm512_and_si512(_mm512_or_si512(third, fourth), _mm512_set1_epi8((char)(uint8_t)0x80));
    return _mm512_test_epi8_mask(_mm512_xor_si512(must, faults), _mm512_set1_epi8((char)(uint8_t)0xff));
}

static uint32_t utf8_run(const uint8_t *data, uint32_t pos, uint32_t len)
{
    __m512i before = _mm512_setzero_si512();
    bool ascii_before = true;
    uint32_t at = pos;
    /* The last, partial block is filled up with zeros, and one block of nothing but zeros ends a sequence cut off. */
    for (;;) {
        uint32_t left = len - at;
        __m512i v = left >= 64  ? load(data + at)
                    : left != 0 ? _mm512_maskz_loadu_epi8(UINT64_MAX >> (64 - left), data + at)
                                : _mm512_setzero_si512();
        bool ascii = _mm512_movepi8_mask(v) == 0;
        if (!(ascii && ascii_before) && faulty(v, before)) {
            return mck_utf8_run(data, mck_utf8_back_up(data, pos, at), len);
        }
        if (left < 64) {
            return len;
        }
        before = v;
        ascii_before = ascii;
        at += 64;
    }
}

const mck_json_kernels mck_json_kernels_avx512 = {"avx512", string_run, utf8_run};

#else
typedef int mck_json_no_avx512;
#endif
