/* Credentials that were found good. Only their digests are kept, so that memory holds no secret longer than a request. */
#include "internal.h"

#include "mcpkit/cpu.h"

#include <stdlib.h>
#include <string.h>

static void digest_of(const uint8_t *text, size_t len, uint8_t out[MCK_SHA256_SIZE])
{
    mck_sha256_once(mck_sha256_pick(mck_cpu_features()), text, len, out);
}

static size_t slot_of(const uint8_t digest[MCK_SHA256_SIZE])
{
    uint32_t h;
    memcpy(&h, digest, sizeof h);
    return h % CREDENTIAL_SLOTS;
}

uint32_t credentials_find(const credential *table, const uint8_t *text, size_t len, uint64_t now_ns)
{
    uint8_t digest[MCK_SHA256_SIZE];
    if (!table || !len)
        return 0;
    digest_of(text, len, digest);
    const credential *c = &table[slot_of(digest)];
    if (!c->principal || c->until_ns <= now_ns)
        return 0;
    uint8_t differs = 0;
    for (size_t i = 0; i < sizeof digest; i++)
        differs |= (uint8_t)(c->digest[i] ^ digest[i]);
    return differs ? 0 : c->principal;
}

void credentials_add(credential *table, const uint8_t *text, size_t len, uint32_t principal, uint64_t until_ns)
{
    uint8_t digest[MCK_SHA256_SIZE];
    digest_of(text, len, digest);
    credential *c = &table[slot_of(digest)];
    memcpy(c->digest, digest, sizeof digest);
    c->principal = principal;
    c->until_ns = until_ns;
}

void mck_serve_forget_credentials(mck_serve_server *server)
{
    if (server->credentials)
        memset(server->credentials, 0, CREDENTIAL_SLOTS * sizeof *server->credentials);
}
