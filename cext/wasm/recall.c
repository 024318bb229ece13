/*
 * Recording and replaying: a log of answers, each a byte that says what was asked, its length, and the bytes. A replayed guest is
 * told the same again, so it does the same and uses the same units.
 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LOG ((size_t)1 << 20)

struct mck_recall {
    bool replays, whole, diverged;
    mck_buffer log;
    size_t at;
    char why[160];
};

bool mck_wasm_call_recall(mck_wasm_call *call, const uint8_t *log, size_t len)
{
    struct mck_recall *recall = calloc(1, sizeof *recall);
    if (recall == NULL)
        return false;
    recall->replays = log != NULL;
    recall->whole = true;
    if (log != NULL)
        mck_buffer_add(&recall->log, log, len);
    mck_recall_free(call);
    call->recall = recall;
    return !recall->log.failed;
}

void mck_recall_free(mck_wasm_call *call)
{
    if (call->recall == NULL)
        return;
    mck_buffer_free(&call->recall->log);
    free(call->recall);
    call->recall = NULL;
}

static const char *name_of(uint8_t what)
{
    switch (what) {
    case 'c': return "a clock";
    case 'C': return "a clock's resolution";
    case 'r': return "random bytes";
    case 'p': return "waiting";
    default: return "something unknown";
    }
}

bool mck_recall_again(mck_wasm_call *call, uint8_t what, void *bytes, size_t len)
{
    struct mck_recall *r = call->recall;
    if (!r->replays)
        return false;
    if (r->diverged)
        return true;
    size_t left = r->log.len - r->at;
    uint32_t kept = 0;
    if (left >= 5)
        memcpy(&kept, r->log.data + r->at + 1, 4);
    if (left < 5 || r->log.data[r->at] != what || kept != len || left - 5 < len) {
        r->diverged = true;
        (void)snprintf(r->why, sizeof r->why,
                       "the replay went another way: the guest asked for %s where the record has %s", name_of(what),
                       left < 5 ? "nothing more" : name_of(r->log.data[r->at]));
        return true;
    }
    memcpy(bytes, r->log.data + r->at + 5, len);
    r->at += 5 + len;
    return true;
}

void mck_recall_keep(mck_wasm_call *call, uint8_t what, const void *bytes, size_t len)
{
    struct mck_recall *r = call->recall;
    uint32_t kept = (uint32_t)len;
    if (r->replays || len > MAX_LOG || r->log.len + len + 5 > MAX_LOG) {
        r->whole = r->whole && r->replays;
        return;
    }
    mck_buffer_add(&r->log, &what, 1);
    mck_buffer_add(&r->log, &kept, 4);
    mck_buffer_add(&r->log, bytes, len);
    if (r->log.failed)
        r->whole = false;
}

void mck_recall_outside(mck_wasm_call *call)
{
    call->recall->whole = false;
}

bool mck_recall_diverged(const mck_wasm_call *call)
{
    return call->recall != NULL && call->recall->diverged;
}

const char *mck_recall_why(const mck_wasm_call *call)
{
    return call->recall->why;
}

const uint8_t *mck_wasm_call_recalled(const mck_wasm_call *call, size_t *len, bool *whole)
{
    static const uint8_t NOTHING[1] = {0};
    const struct mck_recall *r = call->recall;
    *len = r != NULL ? r->log.len : 0;
    *whole = r != NULL && (r->replays ? r->at == r->log.len : r->whole);
    return r != NULL && r->log.data != NULL ? r->log.data : NOTHING;
}
