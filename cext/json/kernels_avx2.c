/* 32 bytes at a time with AVX2. Empty on other machines; compiled with -mavx2. (64 at a time with AVX-512 were measured
 * to be no faster: what bounds a scan is where its strings end.) */
#if defined(__x86_64__) || defined(_M_X64)

#include "inline.h"
#include "kernels.h"

#include <immintrin.h>

/* Bit i: byte i ends a plain run. min_epu8(v, 0x1f) == v tests v < 0x20; the sign bits are the bytes >= 0x80. */
static inline uint32_t plain_end(__m256i v)
{
    __m256i low = _mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(0x1f)), v);
    __m256i quote = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('"'));
    __m256i slash = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\'));
    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(_mm256_or_si256(low, v), _mm256_or_si256(quote, slash)));
}

static inline __m256i load(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

static uint32_t string_run(const uint8_t *data, uint32_t pos, uint32_t len)
{
    for (; len - pos >= 32; pos += 32) {
        uint32_t mask = plain_end(load(data + pos));
        if (mask) {
            return pos + mck_lowest_bit(mask);
        }
    }
    if (pos == len) {
        return len;
    }
    if (len < 32) {
        return mck_plain_run(data, pos, len);
    }
    /* The last 32 bytes once more; those before `pos` are shifted out. */
    uint32_t mask = plain_end(load(data + len - 32)) >> (32 - (len - pos));
    return mask ? pos + mck_lowest_bit(mask) : len;
}

/* `v` moved up by n bytes, the last ones of `before` coming in. */
#define BEFORE(v, before, n) _mm256_alignr_epi8(v, _mm256_permute2x128_si256(before, v, 0x21), 16 - (n))

static inline __m256i look_up(__m256i table, __m256i nibbles)
{
    return _mm256_shuffle_epi8(table, nibbles);
}

static uint32_t utf8_run(const uint8_t *data, uint32_t pos, uint32_t len)
{
    const __m256i high_before = _mm256_setr_epi8(MCK_U8_HIGH_BEFORE, MCK_U8_HIGH_BEFORE);
    const __m256i low_before = _mm256_setr_epi8(MCK_U8_LOW_BEFORE, MCK_U8_LOW_BEFORE);
    const __m256i high_of = _mm256_setr_epi8(MCK_U8_HIGH_OF, MCK_U8_HIGH_OF);
    const __m256i nibble = _mm256_set1_epi8(0x0f);
    __m256i before = _mm256_setzero_si256();
    bool ascii_before = true;
    uint32_t at = pos;
    for (; len - at >= 32; at += 32) {
        __m256i v = load(data + at);
        bool ascii = _mm256_movemask_epi8(v) == 0;
        if (ascii && ascii_before) {
            continue;
        }
        __m256i one = BEFORE(v, before, 1);
        __m256i faults =
            _mm256_and_si256(_mm256_and_si256(look_up(high_before, _mm256_and_si256(_mm256_srli_epi16(one, 4), nibble)),
                                              look_up(low_before, _mm256_and_si256(one, nibble))),
                             look_up(high_of, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble)));
        __m256i third = _mm256_subs_epu8(BEFORE(v, before, 2), _mm256_set1_epi8(0xe0 - 0x80));
        __m256i fourth = _mm256_subs_epu8(BEFORE(v, before, 3), _mm256_set1_epi8(0xf0 - 0x80));
        __m256i must = _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)(uint8_t)0x80));
        __m256i wrong = _mm256_xor_si256(must, faults);
        if (!_mm256_testz_si256(wrong, wrong)) {
            break;
        }
        before = v;
        ascii_before = ascii;
    }
    return at == len && ascii_before ? len : mck_utf8_run(data, mck_utf8_back_up(data, pos, at), len);
}

const mck_json_kernels mck_json_kernels_avx2 = {"avx2", string_run, utf8_run};

#else
typedef int mck_json_no_avx2;
#endif
