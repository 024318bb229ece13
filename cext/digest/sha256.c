/* SHA-256 around its kernels: choosing one, cutting the message into blocks, padding (FIPS 180-4, sections 5 and 6.2). */
#include "mcpkit/cpu.h"
#include "mcpkit/digest.h"

#include "sha256_kernels.h"

#include <string.h>

#define LENGTH_SIZE 8u /* the message's length in bits closes the last block */

static const uint32_t initial[8] = {
    0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au, 0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u,
};

static const mck_sha256_kernel portable = {"portable", mck_sha256_compress_portable};
#if defined(MCK_SHA256_HAS_SHANI)
static const mck_sha256_kernel shani = {"shani", mck_sha256_compress_shani};
#elif defined(MCK_SHA256_HAS_ARMV8)
static const mck_sha256_kernel armv8 = {"armv8", mck_sha256_compress_armv8};
#endif

const mck_sha256_kernel *mck_sha256_pick(uint32_t mask)
{
#if defined(MCK_SHA256_HAS_SHANI)
    if (mask & MCK_CPU_SHANI)
        return &shani;
#elif defined(MCK_SHA256_HAS_ARMV8)
    if (mask & MCK_CPU_SHA2)
        return &armv8;
#endif
    (void)mask;
    return &portable;
}

static void put_be32(uint8_t *out, uint32_t word)
{
    out[0] = (uint8_t)(word >> 24);
    out[1] = (uint8_t)(word >> 16);
    out[2] = (uint8_t)(word >> 8);
    out[3] = (uint8_t)word;
}

/* The end of a message of `total` bytes, `rest` of which (less than a block) are still to be compressed. */
static void finish(const mck_sha256_kernel *kernel, uint32_t state[8], const uint8_t *rest_data, size_t rest,
                   uint64_t total, uint8_t out[MCK_SHA256_SIZE])
{
    uint8_t last[2 * MCK_SHA256_BLOCK];
    size_t size = rest + 1 + LENGTH_SIZE <= MCK_SHA256_BLOCK ? MCK_SHA256_BLOCK : sizeof last;

    if (rest)
        memcpy(last, rest_data, rest);
    last[rest] = 0x80;
    memset(last + rest + 1, 0, size - rest - 1 - LENGTH_SIZE);
    put_be32(last + size - 8, (uint32_t)(total >> 29));
    put_be32(last + size - 4, (uint32_t)(total << 3));
    kernel->compress(state, last, size / MCK_SHA256_BLOCK);
    for (size_t i = 0; i < 8; i++)
        put_be32(out + 4 * i, state[i]);
}

void mck_sha256_init(mck_sha256 *h, const mck_sha256_kernel *kernel)
{
    memcpy(h->state, initial, sizeof initial);
    h->total = 0;
    h->kernel = kernel;
}

void mck_sha256_update(mck_sha256 *h, const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t held = (size_t)(h->total % MCK_SHA256_BLOCK);

    if (len == 0)
        return;
    h->total += len;
    if (held) {
        size_t wanted = MCK_SHA256_BLOCK - held, taken = len < wanted ? len : wanted;
        memcpy(h->tail + held, p, taken);
        p += taken;
        len -= taken;
        if (taken < wanted)
            return;
        h->kernel->compress(h->state, h->tail, 1);
    }
    if (len >= MCK_SHA256_BLOCK) {
        h->kernel->compress(h->state, p, len / MCK_SHA256_BLOCK);
        p += len - len % MCK_SHA256_BLOCK;
        len %= MCK_SHA256_BLOCK;
    }
    if (len)
        memcpy(h->tail, p, len);
}

void mck_sha256_final(const mck_sha256 *h, uint8_t out[MCK_SHA256_SIZE])
{
    uint32_t state[8];
    memcpy(state, h->state, sizeof state);
    finish(h->kernel, state, h->tail, (size_t)(h->total % MCK_SHA256_BLOCK), h->total, out);
}

void mck_sha256_once(const mck_sha256_kernel *kernel, const void *data, size_t len, uint8_t out[MCK_SHA256_SIZE])
{
    uint32_t state[8];
    const uint8_t *p = data;
    size_t blocks = len / MCK_SHA256_BLOCK, rest = len % MCK_SHA256_BLOCK;

    memcpy(state, initial, sizeof state);
    if (blocks)
        kernel->compress(state, p, blocks);
    finish(kernel, state, rest ? p + (len - rest) : p, rest, len, out);
}
