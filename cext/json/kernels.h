/* The kernel tables of the json room; each exists only where its instruction set does. Private to the room. */
#ifndef MCK_JSON_KERNELS_H
#define MCK_JSON_KERNELS_H

#include "mcpkit/json.h"

extern const mck_json_kernels mck_json_kernels_portable;
#if defined(__x86_64__) || defined(_M_X64)
extern const mck_json_kernels mck_json_kernels_avx2;
#elif defined(__aarch64__) || defined(_M_ARM64) || defined(__arm__)
/* A 32-bit machine's object is empty when its compiler was not told of NEON: then nothing but the portable table is
 * used. */
#define MCK_JSON_HAVE_NEON_FILE 1
#elif defined(__wasm_simd128__)
extern const mck_json_kernels mck_json_kernels_simd128;
#endif

#ifdef MCK_JSON_HAVE_NEON_FILE
/* NULL where the file was compiled without NEON. */
const mck_json_kernels *mck_json_neon(void);
#endif

/*
 * UTF-8 by three table look-ups (Keiser and Lemire, "Validating UTF-8 in less than one instruction per byte", 2020):
 * the high and low half of the byte before and the high half of the byte itself each say which faults they allow; a
 * fault is what all three allow. Two continuation bytes in a row are right only as third or fourth byte, which is
 * checked apart.
 */
enum {
    MCK_U8_SHORT = 1, /* a lead byte without its continuation */
    MCK_U8_LONG = 2,  /* a continuation after ASCII */
    MCK_U8_OVERLONG3 = 4,
    MCK_U8_LARGE = 8, /* above U+10FFFF, second byte 9x, Ax, Bx */
    MCK_U8_SURROGATE = 16,
    MCK_U8_OVERLONG2 = 32,
    MCK_U8_LARGE8_OR_OVERLONG4 = 64, /* second byte 8x after F5 and above, or after F0 */
    MCK_U8_TWO = 128,
    MCK_U8_CARRY = MCK_U8_SHORT | MCK_U8_LONG | MCK_U8_TWO,
};

#define MCK_U8_B(x) ((char)(uint8_t)(x))
#define MCK_U8_HIGH_BEFORE                                                                                             \
    MCK_U8_B(MCK_U8_LONG), MCK_U8_B(MCK_U8_LONG), MCK_U8_B(MCK_U8_LONG), MCK_U8_B(MCK_U8_LONG), MCK_U8_B(MCK_U8_LONG), \
        MCK_U8_B(MCK_U8_LONG), MCK_U8_B(MCK_U8_LONG), MCK_U8_B(MCK_U8_LONG), MCK_U8_B(MCK_U8_TWO),                     \
        MCK_U8_B(MCK_U8_TWO), MCK_U8_B(MCK_U8_TWO), MCK_U8_B(MCK_U8_TWO), MCK_U8_B(MCK_U8_SHORT | MCK_U8_OVERLONG2),   \
        MCK_U8_B(MCK_U8_SHORT), MCK_U8_B(MCK_U8_SHORT | MCK_U8_OVERLONG3 | MCK_U8_SURROGATE),                          \
        MCK_U8_B(MCK_U8_SHORT | MCK_U8_LARGE | MCK_U8_LARGE8_OR_OVERLONG4)

#define MCK_U8_BIG MCK_U8_B(MCK_U8_CARRY | MCK_U8_LARGE | MCK_U8_LARGE8_OR_OVERLONG4)
#define MCK_U8_LOW_BEFORE                                                                                              \
    MCK_U8_B(MCK_U8_CARRY | MCK_U8_OVERLONG2 | MCK_U8_OVERLONG3 | MCK_U8_LARGE8_OR_OVERLONG4),                         \
        MCK_U8_B(MCK_U8_CARRY | MCK_U8_OVERLONG2), MCK_U8_B(MCK_U8_CARRY), MCK_U8_B(MCK_U8_CARRY),                     \
        MCK_U8_B(MCK_U8_CARRY | MCK_U8_LARGE), MCK_U8_BIG, MCK_U8_BIG, MCK_U8_BIG, MCK_U8_BIG, MCK_U8_BIG, MCK_U8_BIG, \
        MCK_U8_BIG, MCK_U8_BIG, MCK_U8_B(MCK_U8_CARRY | MCK_U8_LARGE | MCK_U8_LARGE8_OR_OVERLONG4 | MCK_U8_SURROGATE), \
        MCK_U8_BIG, MCK_U8_BIG

#define MCK_U8_CONT (MCK_U8_LONG | MCK_U8_OVERLONG2 | MCK_U8_TWO)
#define MCK_U8_HIGH_OF                                                                                                 \
    MCK_U8_B(MCK_U8_SHORT), MCK_U8_B(MCK_U8_SHORT), MCK_U8_B(MCK_U8_SHORT), MCK_U8_B(MCK_U8_SHORT),                    \
        MCK_U8_B(MCK_U8_SHORT), MCK_U8_B(MCK_U8_SHORT), MCK_U8_B(MCK_U8_SHORT), MCK_U8_B(MCK_U8_SHORT),                \
        MCK_U8_B(MCK_U8_CONT | MCK_U8_OVERLONG3 | MCK_U8_LARGE8_OR_OVERLONG4),                                         \
        MCK_U8_B(MCK_U8_CONT | MCK_U8_OVERLONG3 | MCK_U8_LARGE),                                                       \
        MCK_U8_B(MCK_U8_CONT | MCK_U8_SURROGATE | MCK_U8_LARGE),                                                       \
        MCK_U8_B(MCK_U8_CONT | MCK_U8_SURROGATE | MCK_U8_LARGE), MCK_U8_B(MCK_U8_SHORT), MCK_U8_B(MCK_U8_SHORT),       \
        MCK_U8_B(MCK_U8_SHORT), MCK_U8_B(MCK_U8_SHORT)

#endif
