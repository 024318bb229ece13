/* rooms: digest cpu */

/* Known answers of FIPS 180-4 and its examples, by every kernel this machine has, whole and cut at every place. */
#include "mcpkit/cpu.h"
#include "mcpkit/digest.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    const char *text;
    size_t repeat;
    const char *hex;
} known;

static const known vectors[] = {
    {"", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
     1, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    {"a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
};

static bool is(const uint8_t digest[MCK_SHA256_SIZE], const char *hex)
{
    char text[2 * MCK_SHA256_SIZE + 1];
    for (size_t i = 0; i < MCK_SHA256_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return strcmp(text, hex) == 0;
}

static int known_answers(const mck_sha256_kernel *kernel)
{
    uint8_t digest[MCK_SHA256_SIZE];

    for (size_t v = 0; v < sizeof vectors / sizeof *vectors; v++) {
        mck_sha256 h;
        mck_sha256_init(&h, kernel);
        for (size_t i = 0; i < vectors[v].repeat; i++)
            mck_sha256_update(&h, vectors[v].text, strlen(vectors[v].text));
        mck_sha256_final(&h, digest);
        if (!is(digest, vectors[v].hex)) {
            fprintf(stderr, "%s: wrong digest of vector %zu\n", kernel->name, v);
            return 1;
        }
    }
    return 0;
}

/* Each length up to four blocks: whole, and in two pieces cut at each place, from an odd address. */
static int cuts(const mck_sha256_kernel *kernel)
{
    uint8_t data[1 + 4 * MCK_SHA256_BLOCK], whole[MCK_SHA256_SIZE], pieces[MCK_SHA256_SIZE];

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 131 + 7);
    for (size_t len = 0; len < sizeof data; len++) {
        mck_sha256_once(kernel, data + 1, len, whole);
        for (size_t cut = 0; cut <= len; cut++) {
            mck_sha256 h;
            mck_sha256_init(&h, kernel);
            mck_sha256_update(&h, data + 1, cut);
            mck_sha256_update(&h, data + 1 + cut, len - cut);
            mck_sha256_final(&h, pieces);
            if (memcmp(whole, pieces, sizeof whole) != 0) {
                fprintf(stderr, "%s: %zu bytes cut at %zu differ\n", kernel->name, len, cut);
                return 1;
            }
        }
    }
    return 0;
}

int main(void)
{
    uint32_t mask = mck_cpu_features();
    int failed = 0;

    for (unsigned bit = 0; bit < 32; bit++) {
        const mck_sha256_kernel *kernel = mck_sha256_pick(mask & UINT32_C(1) << bit);
        failed |= known_answers(kernel);
        if (bit == 0 || strcmp(kernel->name, "portable") != 0)
            failed |= cuts(kernel);
    }
    failed |= known_answers(mck_sha256_pick(mask));
    return failed;
}
