/* 16 bytes at a time in WebAssembly. Empty without -msimd128. */
#ifdef __wasm_simd128__

#include "inline.h"
#include "kernels.h"

#include <wasm_simd128.h>

static inline uint32_t plain_end(v128_t v)
{
    v128_t odd =
        wasm_v128_or(wasm_i8x16_lt(v, wasm_i8x16_splat(0x20)),
                     wasm_v128_or(wasm_i8x16_eq(v, wasm_i8x16_splat('"')), wasm_i8x16_eq(v, wasm_i8x16_splat('\\'))));
    return wasm_i8x16_bitmask(odd);
}

static uint32_t string_run(const uint8_t *data, uint32_t pos, uint32_t len)
{
    for (; len - pos >= 16; pos += 16) {
        uint32_t mask = plain_end(wasm_v128_load(data + pos));
        if (mask) {
            return pos + mck_lowest_bit(mask);
        }
    }
    return mck_plain_run(data, pos, len);
}

/* Bytes 16 - n … 31 - n of `before` and `v` laid side by side. */
#define BEFORE1(b, v) wasm_i8x16_shuffle(b, v, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30)
#define BEFORE2(b, v) wasm_i8x16_shuffle(b, v, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29)
#define BEFORE3(b, v) wasm_i8x16_shuffle(b, v, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28)

static uint32_t utf8_run(const uint8_t *data, uint32_t pos, uint32_t len)
{
    static const char tables[3][16] = {{MCK_U8_HIGH_BEFORE}, {MCK_U8_LOW_BEFORE}, {MCK_U8_HIGH_OF}};
    const v128_t high_before = wasm_v128_load(tables[0]);
    const v128_t low_before = wasm_v128_load(tables[1]);
    const v128_t high_of = wasm_v128_load(tables[2]);
    v128_t before = wasm_u8x16_splat(0);
    bool ascii_before = true;
    uint32_t at = pos;
    for (; len - at >= 16; at += 16) {
        v128_t v = wasm_v128_load(data + at);
        bool ascii = wasm_i8x16_bitmask(v) == 0;
        if (ascii && ascii_before) {
            continue;
        }
        v128_t one = BEFORE1(before, v);
        v128_t faults =
            wasm_v128_and(wasm_v128_and(wasm_i8x16_swizzle(high_before, wasm_u8x16_shr(one, 4)),
                                        wasm_i8x16_swizzle(low_before, wasm_v128_and(one, wasm_u8x16_splat(0x0f)))),
                          wasm_i8x16_swizzle(high_of, wasm_u8x16_shr(v, 4)));
        v128_t third = wasm_u8x16_sub_sat(BEFORE2(before, v), wasm_u8x16_splat(0xe0 - 0x80));
        v128_t fourth = wasm_u8x16_sub_sat(BEFORE3(before, v), wasm_u8x16_splat(0xf0 - 0x80));
        v128_t must = wasm_v128_and(wasm_v128_or(third, fourth), wasm_u8x16_splat(0x80));
        if (wasm_v128_any_true(wasm_v128_xor(must, faults))) {
            break;
        }
        before = v;
        ascii_before = ascii;
    }
    return at == len && ascii_before ? len : mck_utf8_run(data, mck_utf8_back_up(data, pos, at), len);
}

const mck_json_kernels mck_json_kernels_simd128 = {"simd128", string_run, utf8_run};

#else
typedef int mck_json_no_simd128;
#endif
