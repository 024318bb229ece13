/* The compression function with the x86 SHA extensions: two rounds an instruction, state kept as ABEF and CDGH. */
#include "sha256_kernels.h"

#if defined(MCK_SHA256_HAS_SHANI)

#include <immintrin.h>

/* Four rounds with the schedule words in `w`. */
#define FOUR_ROUNDS(i, w)                                                                                              \
    do {                                                                                                               \
        __m128i kw = _mm_add_epi32(w, _mm_loadu_si128((const __m128i *)(const void *)(mck_sha256_k + 4 * (i))));       \
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, kw);                                                                  \
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(kw, 0x0e));                                         \
    } while (0)

/* The same, then `w0` becomes the four words that follow those of `w3`. */
#define FOUR_ROUNDS_AND_EXTEND(i, w0, w1, w2, w3)                                                                      \
    do {                                                                                                               \
        FOUR_ROUNDS(i, w0);                                                                                            \
        w0 = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));                                  \
        w0 = _mm_sha256msg2_epu32(w0, w3);                                                                             \
    } while (0)

static inline __m128i load(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

void mck_sha256_compress_shani(uint32_t state[8], const uint8_t *data, size_t blocks)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    __m128i badc = _mm_shuffle_epi32(load(state), 0xb1), hgfe = _mm_shuffle_epi32(load(state + 4), 0x1b);
    __m128i abef = _mm_alignr_epi8(badc, hgfe, 8), cdgh = _mm_blend_epi16(hgfe, badc, 0xf0);

    for (; blocks; blocks--, data += MCK_SHA256_BLOCK) {
        __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w0 = _mm_shuffle_epi8(load(data), swap), w1 = _mm_shuffle_epi8(load(data + 16), swap);
        __m128i w2 = _mm_shuffle_epi8(load(data + 32), swap), w3 = _mm_shuffle_epi8(load(data + 48), swap);

        FOUR_ROUNDS_AND_EXTEND(0, w0, w1, w2, w3);
        FOUR_ROUNDS_AND_EXTEND(1, w1, w2, w3, w0);
        FOUR_ROUNDS_AND_EXTEND(2, w2, w3, w0, w1);
        FOUR_ROUNDS_AND_EXTEND(3, w3, w0, w1, w2);
        FOUR_ROUNDS_AND_EXTEND(4, w0, w1, w2, w3);
        FOUR_ROUNDS_AND_EXTEND(5, w1, w2, w3, w0);
        FOUR_ROUNDS_AND_EXTEND(6, w2, w3, w0, w1);
        FOUR_ROUNDS_AND_EXTEND(7, w3, w0, w1, w2);
        FOUR_ROUNDS_AND_EXTEND(8, w0, w1, w2, w3);
        FOUR_ROUNDS_AND_EXTEND(9, w1, w2, w3, w0);
        FOUR_ROUNDS_AND_EXTEND(10, w2, w3, w0, w1);
        FOUR_ROUNDS_AND_EXTEND(11, w3, w0, w1, w2);
        FOUR_ROUNDS(12, w0);
        FOUR_ROUNDS(13, w1);
        FOUR_ROUNDS(14, w2);
        FOUR_ROUNDS(15, w3);
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }

    __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)(void *)state, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)(void *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

#endif
