/* rooms: digest cpu */

/* Whatever the bytes and wherever they are cut, the machine's best kernel and the portable one agree. */
#include "mcpkit/cpu.h"
#include "mcpkit/digest.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t best[MCK_SHA256_SIZE], plain[MCK_SHA256_SIZE];
    size_t cut = len ? data[0] % len : 0;
    mck_sha256 h;

    mck_sha256_once(mck_sha256_pick(mck_cpu_features()), data, len, best);
    mck_sha256_init(&h, mck_sha256_pick(0));
    mck_sha256_update(&h, data, cut);
    mck_sha256_update(&h, data + cut, len - cut);
    mck_sha256_final(&h, plain);
    if (memcmp(best, plain, sizeof best) != 0)
        abort();
    return 0;
}
