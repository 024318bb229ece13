/* CPU features, asked once and passed on as a mask, so that every kernel can be chosen (and tested) by a pure function. */
#ifndef MCPKIT_CPU_H
#define MCPKIT_CPU_H

#include <stdint.h>

enum {
    MCK_CPU_AVX2 = 1u << 0,
    MCK_CPU_AVX512 = 1u << 1, /* F, BW, VL, DQ usable (the operating system saves the registers too) */
    MCK_CPU_AVX512VNNI = 1u << 2,
    MCK_CPU_SHANI = 1u << 3, /* SHA extensions and SSE4.1 */
    MCK_CPU_NEON = 1u << 4,
    MCK_CPU_DOTPROD = 1u << 5,
    MCK_CPU_SHA2 = 1u << 6, /* ARMv8 SHA-256 instructions */
    MCK_CPU_SIMD128 = 1u << 7,
    MCK_CPU_PCLMUL = 1u << 8,
};

/* What this machine has. Pure: the same answer every time, no state. */
uint32_t mck_cpu_features(void);

#endif
