/* The compression function in plain C, for any machine and byte order (FIPS 180-4, section 6.2.2). */
#include "sha256_kernels.h"

const uint32_t mck_sha256_k[64] = {
    0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u, 0x3956c25bu, 0x59f111f1u, 0x923f82a4u, 0xab1c5ed5u,
    0xd807aa98u, 0x12835b01u, 0x243185beu, 0x550c7dc3u, 0x72be5d74u, 0x80deb1feu, 0x9bdc06a7u, 0xc19bf174u,
    0xe49b69c1u, 0xefbe4786u, 0x0fc19dc6u, 0x240ca1ccu, 0x2de92c6fu, 0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau,
    0x983e5152u, 0xa831c66du, 0xb00327c8u, 0xbf597fc7u, 0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u,
    0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu, 0x53380d13u, 0x650a7354u, 0x766a0abbu, 0x81c2c92eu, 0x92722c85u,
    0xa2bfe8a1u, 0xa81a664bu, 0xc24b8b70u, 0xc76c51a3u, 0xd192e819u, 0xd6990624u, 0xf40e3585u, 0x106aa070u,
    0x19a4c116u, 0x1e376c08u, 0x2748774cu, 0x34b0bcb5u, 0x391c0cb3u, 0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u,
    0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u, 0x90befffau, 0xa4506cebu, 0xbef9a3f7u, 0xc67178f2u,
};

static inline uint32_t rotr(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static inline uint32_t get_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

/* One round; the caller renames the eight variables instead of moving them. */
#define ROUND(a, b, c, d, e, f, g, h, kw)                                                                              \
    do {                                                                                                               \
        uint32_t t = h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + (g ^ (e & (f ^ g))) + (kw);                        \
        d += t;                                                                                                        \
        h = t + (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) | (c & (a | b)));                                  \
    } while (0)

#define EIGHT_ROUNDS(i)                                                                                                \
    ROUND(a, b, c, d, e, f, g, h, k[i] + w[i]);                                                                        \
    ROUND(h, a, b, c, d, e, f, g, k[i + 1] + w[i + 1]);                                                                \
    ROUND(g, h, a, b, c, d, e, f, k[i + 2] + w[i + 2]);                                                                \
    ROUND(f, g, h, a, b, c, d, e, k[i + 3] + w[i + 3]);                                                                \
    ROUND(e, f, g, h, a, b, c, d, k[i + 4] + w[i + 4]);                                                                \
    ROUND(d, e, f, g, h, a, b, c, k[i + 5] + w[i + 5]);                                                                \
    ROUND(c, d, e, f, g, h, a, b, k[i + 6] + w[i + 6]);                                                                \
    ROUND(b, c, d, e, f, g, h, a, k[i + 7] + w[i + 7])

/* The next sixteen words of the message schedule, in place of the last sixteen. */
static inline void extend(uint32_t w[16])
{
    for (unsigned i = 0; i < 16; i++) {
        uint32_t early = w[(i + 1) & 15], late = w[(i + 14) & 15];
        w[i] += w[(i + 9) & 15] + (rotr(early, 7) ^ rotr(early, 18) ^ early >> 3) +
                (rotr(late, 17) ^ rotr(late, 19) ^ late >> 10);
    }
}

void mck_sha256_compress_portable(uint32_t state[8], const uint8_t *data, size_t blocks)
{
    uint32_t w[16];

    for (; blocks; blocks--, data += MCK_SHA256_BLOCK) {
        uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
        uint32_t e = state[4], f = state[5], g = state[6], h = state[7];

        for (unsigned i = 0; i < 16; i++)
            w[i] = get_be32(data + 4 * i);
        for (const uint32_t *k = mck_sha256_k; k < mck_sha256_k + 64; k += 16) {
            if (k != mck_sha256_k)
                extend(w);
            EIGHT_ROUNDS(0);
            EIGHT_ROUNDS(8);
        }
        state[0] += a;
        state[1] += b;
        state[2] += c;
        state[3] += d;
        state[4] += e;
        state[5] += f;
        state[6] += g;
        state[7] += h;
    }
}
