/* The compression function with the ARMv8 SHA-256 instructions: four rounds a pair. */
#include "sha256_kernels.h"

#if defined(MCK_SHA256_HAS_ARMV8)

#include <arm_neon.h>

/* Four rounds with the schedule words in `w`. */
#define FOUR_ROUNDS(i, w)                                                                                              \
    do {                                                                                                               \
        uint32x4_t kw = vaddq_u32(w, vld1q_u32(mck_sha256_k + 4 * (i))), before = abcd;                                \
        abcd = vsha256hq_u32(abcd, efgh, kw);                                                                          \
        efgh = vsha256h2q_u32(efgh, before, kw);                                                                       \
    } while (0)

/* The same, then `w0` becomes the four words that follow those of `w3`. */
#define FOUR_ROUNDS_AND_EXTEND(i, w0, w1, w2, w3)                                                                      \
    do {                                                                                                               \
        FOUR_ROUNDS(i, w0);                                                                                            \
        w0 = vsha256su1q_u32(vsha256su0q_u32(w0, w1), w2, w3);                                                         \
    } while (0)

static inline uint32x4_t load_be(const uint8_t *p)
{
    return vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(p)));
}

void mck_sha256_compress_armv8(uint32_t state[8], const uint8_t *data, size_t blocks)
{
    uint32x4_t abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4);

    for (; blocks; blocks--, data += MCK_SHA256_BLOCK) {
        uint32x4_t abcd_before = abcd, efgh_before = efgh;
        uint32x4_t w0 = load_be(data), w1 = load_be(data + 16), w2 = load_be(data + 32), w3 = load_be(data + 48);

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
        abcd = vaddq_u32(abcd, abcd_before);
        efgh = vaddq_u32(efgh, efgh_before);
    }
    vst1q_u32(state, abcd);
    vst1q_u32(state + 4, efgh);
}

#endif
