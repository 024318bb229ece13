/* The kernels of this room and the constants they share. */
#ifndef MCKI_SHA256_KERNELS_H
#define MCKI_SHA256_KERNELS_H

#include "mcpkit/digest.h"

#if defined(__x86_64__) || defined(_M_X64)
#define MCK_SHA256_HAS_SHANI 1
#elif defined(__aarch64__) || defined(_M_ARM64)
#define MCK_SHA256_HAS_ARMV8 1
#endif

/* FIPS 180-4, section 4.2.2. */
extern const uint32_t mck_sha256_k[64];

void mck_sha256_compress_portable(uint32_t state[8], const uint8_t *data, size_t blocks);
#if defined(MCK_SHA256_HAS_SHANI)
void mck_sha256_compress_shani(uint32_t state[8], const uint8_t *data, size_t blocks);
#elif defined(MCK_SHA256_HAS_ARMV8)
void mck_sha256_compress_armv8(uint32_t state[8], const uint8_t *data, size_t blocks);
#endif

#endif
