/* 16 bytes at a time with NEON. 32-bit machines have no table look-up of sixteen bytes: UTF-8 is checked there in plain
 * registers. Empty on other machines. */
#include "inline.h"
#include "kernels.h"

#ifdef MCK_JSON_HAVE_NEON_FILE
#if defined(__ARM_NEON) || defined(_M_ARM64)

#include <arm_neon.h>

/* Four bits for each byte that ends a plain run. */
static inline uint64_t plain_end(uint8x16_t v)
{
    uint8x16_t odd = vorrq_u8(vcltq_s8(vreinterpretq_s8_u8(v), vdupq_n_s8(0x20)),
                              vorrq_u8(vceqq_u8(v, vdupq_n_u8('"')), vceqq_u8(v, vdupq_n_u8('\\'))));
    return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(odd), 4)), 0);
}

static uint32_t string_run(const uint8_t *data, uint32_t pos, uint32_t len)
{
    for (; len - pos >= 16; pos += 16) {
        uint64_t mask = plain_end(vld1q_u8(data + pos));
        if (mask) {
            return pos + mck_lowest_bit(mask) / 4;
        }
    }
    if (pos == len) {
        return len;
    }
    if (len < 16) {
        return mck_plain_run(data, pos, len);
    }
    uint64_t mask = plain_end(vld1q_u8(data + len - 16)) >> (64 - 4 * (len - pos));
    return mask ? pos + mck_lowest_bit(mask) / 4 : len;
}

#if defined(__aarch64__) || defined(_M_ARM64)

static uint32_t utf8_run(const uint8_t *data, uint32_t pos, uint32_t len)
{
    static const char tables[3][16] = {{MCK_U8_HIGH_BEFORE}, {MCK_U8_LOW_BEFORE}, {MCK_U8_HIGH_OF}};
    const uint8x16_t high_before = vld1q_u8((const uint8_t *)tables[0]);
    const uint8x16_t low_before = vld1q_u8((const uint8_t *)tables[1]);
    const uint8x16_t high_of = vld1q_u8((const uint8_t *)tables[2]);
    uint8x16_t before = vdupq_n_u8(0);
    bool ascii_before = true;
    uint32_t at = pos;
    for (; len - at >= 16; at += 16) {
        uint8x16_t v = vld1q_u8(data + at);
        bool ascii = vmaxvq_u8(v) < 0x80;
        if (ascii && ascii_before) {
            continue;
        }
        uint8x16_t one = vextq_u8(before, v, 15);
        uint8x16_t faults = vandq_u8(vandq_u8(vqtbl1q_u8(high_before, vshrq_n_u8(one, 4)),
                                              vqtbl1q_u8(low_before, vandq_u8(one, vdupq_n_u8(0x0f)))),
                                     vqtbl1q_u8(high_of, vshrq_n_u8(v, 4)));
        uint8x16_t third = vqsubq_u8(vextq_u8(before, v, 14), vdupq_n_u8(0xe0 - 0x80));
        uint8x16_t fourth = vqsubq_u8(vextq_u8(before, v, 13), vdupq_n_u8(0xf0 - 0x80));
        uint8x16_t must = vandq_u8(vorrq_u8(third, fourth), vdupq_n_u8(0x80));
        if (vmaxvq_u8(veorq_u8(must, faults)) != 0) {
            break;
        }
        before = v;
        ascii_before = ascii;
    }
    return at == len && ascii_before ? len : mck_utf8_run(data, mck_utf8_back_up(data, pos, at), len);
}

#else

static uint32_t utf8_run(const uint8_t *data, uint32_t pos, uint32_t len)
{
    return mck_utf8_run(data, pos, len);
}

#endif

static const mck_json_kernels kernels = {"neon", string_run, utf8_run};

const mck_json_kernels *mck_json_neon(void)
{
    return &kernels;
}

#else

const mck_json_kernels *mck_json_neon(void)
{
    return NULL;
}

#endif
#endif
