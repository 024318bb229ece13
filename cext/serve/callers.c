/* Callers with accounts: a claim for each owner of credentials, and one for everybody else. */
#include "internal.h"

#include <stdlib.h>

static size_t place_of(const caller_table *t, uint32_t owner)
{
    size_t i = owner * 2654435761u & t->mask;
    while (t->slots[i].claim.account && t->slots[i].owner != owner)
        i = (i + 1) & t->mask;
    return i;
}

static bool grow(caller_table *t)
{
    caller_table larger = {.mask = t->slots ? 2 * t->mask + 1 : 63};
    larger.slots = calloc(larger.mask + 1, sizeof *larger.slots);
    if (!larger.slots)
        return false;
    for (size_t i = 0; t->slots && i <= t->mask; i++)
        if (t->slots[i].claim.account)
            larger.slots[place_of(&larger, t->slots[i].owner)] = t->slots[i];
    larger.count = t->count;
    free(t->slots);
    *t = larger;
    return true;
}

bool mck_serve_set_caller(mck_serve_server *server, uint32_t principal, const mck_claim *claim)
{
    caller_table *t = &server->callers;
    if ((!t->slots || t->count * 2 > t->mask) && !grow(t))
        return false;
    uint32_t owner = principal >> MCK_SERVE_GRANT_BITS;
    caller_slot *slot = &t->slots[place_of(t, owner)];
    t->count += slot->claim.account == NULL;
    slot->owner = owner;
    slot->claim = *claim;
    return true;
}

void callers_claim(const mck_serve_server *server, uint32_t principal, mck_wasm_call *call)
{
    const caller_table *t = &server->callers;
    if (!t->slots)
        return;
    const caller_slot *slot = &t->slots[place_of(t, principal >> MCK_SERVE_GRANT_BITS)];
    if (slot->claim.account)
        mck_wasm_call_claim(call, &slot->claim, MCK_WASM_OF_CALLER);
}

void callers_free(caller_table *t)
{
    free(t->slots);
}
