/* SHA-256 (FIPS 180-4), streaming and whole. No allocation, no global state. */
#ifndef MCPKIT_DIGEST_H
#define MCPKIT_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define MCK_SHA256_SIZE 32u
#define MCK_SHA256_BLOCK 64u

/* Compress `blocks` whole 64-byte blocks into the state. */
typedef void (*mck_sha256_compress)(uint32_t state[8], const uint8_t *data, size_t blocks);

typedef struct {
    const char *name; /* "shani", "armv8", "portable" */
    mck_sha256_compress compress;
} mck_sha256_kernel;

/* Best kernel for the features in `mask` of mck_cpu_features(). */
const mck_sha256_kernel *mck_sha256_pick(uint32_t mask);

typedef struct {
    uint32_t state[8];
    uint64_t total; /* bytes so far */
    uint8_t tail[MCK_SHA256_BLOCK];
    const mck_sha256_kernel *kernel;
} mck_sha256;

void mck_sha256_init(mck_sha256 *h, const mck_sha256_kernel *kernel);
void mck_sha256_update(mck_sha256 *h, const void *data, size_t len);
/* Leaves *h as it was: more may follow. */
void mck_sha256_final(const mck_sha256 *h, uint8_t out[MCK_SHA256_SIZE]);
void mck_sha256_once(const mck_sha256_kernel *kernel, const void *data, size_t len, uint8_t out[MCK_SHA256_SIZE]);

#endif
