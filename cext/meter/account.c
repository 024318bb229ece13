/* Accounts: counters of calendar windows in shared memory. A window's number and count are one word, changed by compare and swap. */
#include "mcpkit/account.h"

#define COUNT_BITS 48
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)

static const uint32_t SECONDS[MCK_WINDOWS] = {60, 3600, 86400};

static uint64_t number_of(mck_window window, uint64_t now_s)
{
    return now_s / SECONDS[window] & 0xffff;
}

/* The word's count in the window of that number; a word of another window counts nothing. */
static uint64_t count_in(uint64_t word, uint64_t number)
{
    return word >> COUNT_BITS == number ? word & COUNT_MASK : 0;
}

/* Somebody whose clock was read a moment later has begun the next window already. Only one window ahead: a clock that was set
 * back further begins its own window again. */
static bool is_next(uint64_t word, uint64_t number)
{
    return word >> COUNT_BITS == ((number + 1) & 0xffff);
}

/* Up to `wanted` more, none beyond `limit` (0: no limit). Returns how many; *used is what was there before, *number the window
 * that it was taken from: the next one when that has begun, whose count must not be lost. */
static uint64_t take(_Atomic uint64_t *word, uint64_t *number, uint64_t wanted, uint64_t limit, uint64_t *used)
{
    uint64_t before = atomic_load_explicit(word, memory_order_relaxed), asked = *number, got, after;
    do {
        *number = is_next(before, asked) ? before >> COUNT_BITS : asked;
        *used = count_in(before, *number);
        uint64_t room = COUNT_MASK - *used;
        if (limit != 0)
            room = *used < limit && limit - *used < room ? limit - *used : *used < limit ? room : 0;
        got = wanted < room ? wanted : room;
        if (got == 0)
            return 0;
        after = *number << COUNT_BITS | (*used + got);
    } while (!atomic_compare_exchange_weak_explicit(word, &before, after, memory_order_relaxed, memory_order_relaxed));
    return got;
}

/* What has ended since keeps what it has. */
static void give_back(_Atomic uint64_t *word, uint64_t number, uint64_t count)
{
    uint64_t before = atomic_load_explicit(word, memory_order_relaxed), left;
    do {
        uint64_t used = count_in(before, number);
        if (used == 0 || count == 0)
            return;
        left = used > count ? used - count : 0;
    } while (!atomic_compare_exchange_weak_explicit(word, &before, number << COUNT_BITS | left, memory_order_relaxed,
                                                    memory_order_relaxed));
}

static _Atomic uint64_t *words_of(mck_account *account, bool calls)
{
    return calls ? account->calls : account->units;
}

static const uint64_t *limits_of(const mck_allowance *allowance, bool calls)
{
    return calls ? allowance->calls : allowance->units;
}

/* The most, up to `wanted`, that every window of every account has left; with `whole`, all of it or none. */
static uint64_t take_all(const mck_claim *claims, size_t n, bool calls, bool whole, uint64_t wanted, uint64_t now_s,
                         mck_refusal *why)
{
    uint64_t granted = wanted, got[MCK_ACCOUNT_MAX_CLAIMS][MCK_WINDOWS] = {{0}};
    uint64_t numbers[MCK_ACCOUNT_MAX_CLAIMS][MCK_WINDOWS];
    size_t i;
    int w = 0;
    for (i = 0; i < n && granted != 0; i++)
        for (w = 0; w < MCK_WINDOWS; w++) {
            uint64_t used, limit = limits_of(&claims[i].allowance, calls)[w];
            numbers[i][w] = number_of((mck_window)w, now_s);
            got[i][w] = take(&words_of(claims[i].account, calls)[w], &numbers[i][w], granted, limit, &used);
            if (got[i][w] == granted)
                continue;
            granted = whole ? 0 : got[i][w];
            *why = (mck_refusal){.claim = i, .window = (mck_window)w, .calls = calls, .limit = limit, .used = used};
            why->resets_s = (now_s / SECONDS[w] + 1) * SECONDS[w];
            if (granted == 0)
                break;
        }
    for (size_t back = 0; back < i; back++)
        for (int v = 0; v < MCK_WINDOWS; v++)
            if (got[back][v] > granted)
                give_back(&words_of(claims[back].account, calls)[v], numbers[back][v], got[back][v] - granted);
    return granted;
}

bool mck_account_call(const mck_claim *claims, size_t n, uint64_t now_s, mck_refusal *why)
{
    return n == 0 || take_all(claims, n, true, true, 1, now_s, why) == 1;
}

uint64_t mck_account_reserve(const mck_claim *claims, size_t n, uint64_t wanted, uint64_t now_s, mck_refusal *why)
{
    return take_all(claims, n, false, false, wanted, now_s, why);
}

void mck_account_refund(const mck_claim *claims, size_t n, uint64_t units, uint64_t then_s)
{
    for (size_t i = 0; i < n; i++)
        for (int w = 0; w < MCK_WINDOWS; w++)
            give_back(&claims[i].account->units[w], number_of((mck_window)w, then_s), units);
}

void mck_account_charge(const mck_claim *claims, size_t n, uint64_t units, uint64_t now_s)
{
    uint64_t used;
    for (size_t i = 0; i < n; i++)
        for (int w = 0; w < MCK_WINDOWS; w++) {
            uint64_t number = number_of((mck_window)w, now_s);
            (void)take(&claims[i].account->units[w], &number, units, 0, &used);
        }
}

uint64_t mck_account_used(const mck_account *account, mck_window window, bool calls, uint64_t now_s)
{
    const _Atomic uint64_t *words = calls ? account->calls : account->units;
    return count_in(atomic_load_explicit(&words[window], memory_order_relaxed), number_of(window, now_s));
}

void mck_account_restore(mck_account *account, mck_window window, bool calls, uint64_t used, uint64_t now_s)
{
    uint64_t number = number_of(window, now_s), wanted = used < COUNT_MASK ? used : COUNT_MASK;
    _Atomic uint64_t *word = &words_of(account, calls)[window];
    uint64_t before = atomic_load_explicit(word, memory_order_relaxed);
    do {
        if (is_next(before, number) || count_in(before, number) >= wanted)
            return;
    } while (!atomic_compare_exchange_weak_explicit(word, &before, number << COUNT_BITS | wanted, memory_order_relaxed,
                                                    memory_order_relaxed));
}

uint64_t mck_account_key(const char *name, size_t len)
{
    /* FNV-1a, whose bits are then mixed once more: neighbours in the table must not be neighbours by name. */
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)name[i]) * UINT64_C(0x100000001b3);
    h = (h ^ h >> 32) * UINT64_C(0xd6e8feb86659fd93);
    h ^= h >> 32;
    return h != 0 ? h : 1;
}

/* Nothing in it counts any more: its day has ended, and so have hour and minute. */
static bool is_stale(const mck_account *account, uint64_t now_s)
{
    for (int w = 0; w < MCK_WINDOWS; w++) {
        uint64_t number = number_of((mck_window)w, now_s);
        uint64_t words[] = {atomic_load_explicit(&account->units[w], memory_order_relaxed),
                            atomic_load_explicit(&account->calls[w], memory_order_relaxed)};
        for (int i = 0; i < 2; i++)
            if ((words[i] & COUNT_MASK) != 0 && (words[i] >> COUNT_BITS == number || is_next(words[i], number)))
                return false;
    }
    return true;
}

/* The place of `key`, or one that becomes its place: where nobody is, or with `stale` where nothing counts any more. */
static mck_account *claim_place(mck_account *table, size_t count, uint64_t key, bool stale, uint64_t now_s)
{
    size_t tries = count < MCK_ACCOUNT_PROBES ? count : MCK_ACCOUNT_PROBES;
    for (size_t i = 0; i < tries; i++) {
        mck_account *a = &table[(key + i) & (count - 1)];
        uint64_t owner = atomic_load_explicit(&a->key, memory_order_acquire);
        if (owner == key)
            return a;
        if (owner != 0 && !(stale && is_stale(a, now_s)))
            continue;
        if (atomic_compare_exchange_strong_explicit(&a->key, &owner, key, memory_order_acq_rel, memory_order_acquire) ||
            owner == key)
            return a;
    }
    return NULL;
}

mck_account *mck_account_find(mck_account *table, size_t count, uint64_t key, uint64_t now_s)
{
    mck_account *a = claim_place(table, count, key, false, now_s);
    return a != NULL ? a : claim_place(table, count, key, true, now_s);
}
