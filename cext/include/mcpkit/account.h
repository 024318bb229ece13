/*
 * Accounts: what was used in the running minute, hour and day (UTC), of one server, one tool or one caller. An account is 64 bytes
 * of atomics in memory that several processes may share; a process that is killed in the middle leaves every number right. No
 * operating system, no allocation: the clock (seconds since 1970, UTC) and the memory are handed in.
 *
 * A window's number and its count share one word, so that a count and its beginning change together. When the clock has moved
 * to the next window the count starts again from 0. Clocks are read before the count: who comes with the last window's time
 * after somebody began the next window counts in the next.
 */
#ifndef MCPKIT_ACCOUNT_H
#define MCPKIT_ACCOUNT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MCK_ACCOUNT_MAX_CLAIMS 4u /* of one call */
#define MCK_ACCOUNT_PROBES 256u   /* places in a table that one key may have */

typedef enum { MCK_MINUTE = 0, MCK_HOUR, MCK_DAY, MCK_WINDOWS } mck_window;

typedef struct {
    _Atomic uint64_t key;                /* of whoever it belongs to; 0: nobody */
    _Atomic uint64_t units[MCK_WINDOWS]; /* compute units: window number modulo 2^16, then the count */
    _Atomic uint64_t calls[MCK_WINDOWS];
    uint64_t spare;
} mck_account;

/* What may be used of an account in each window; 0: no limit. */
typedef struct {
    uint64_t units[MCK_WINDOWS], calls[MCK_WINDOWS];
} mck_allowance;

typedef struct {
    mck_account *account;
    mck_allowance allowance;
} mck_claim;

/* Why something was refused. */
typedef struct {
    size_t claim; /* index of the claim whose allowance is used up */
    mck_window window;
    bool calls; /* calls, not compute units */
    uint64_t limit, used;
    uint64_t resets_s; /* when its next window begins, seconds since 1970 */
} mck_refusal;

/* Count one call in all `n` accounts, or in none. False: *why says which allowance is used up. */
bool mck_account_call(const mck_claim *claims, size_t n, uint64_t now_s, mck_refusal *why);
/*
 * Set aside up to `wanted` units in all `n` accounts: the most that every one of them has left, in all or in none. Returns how
 * many; *why says what there was too little of, when it is less than was wanted. Under concurrency the sum of what was granted never exceeds an allowance.
 */
uint64_t mck_account_reserve(const mck_claim *claims, size_t n, uint64_t wanted, uint64_t now_s, mck_refusal *why);
/* Give back what was set aside at `then_s` and not used. Windows that have ended since keep it. */
void mck_account_refund(const mck_claim *claims, size_t n, uint64_t units, uint64_t then_s);
/* Count units that were used without having been set aside (they may exceed an allowance: the next reservation finds none left). */
void mck_account_charge(const mck_claim *claims, size_t n, uint64_t units, uint64_t now_s);

/* What was used in the window that `now_s` lies in. */
uint64_t mck_account_used(const mck_account *account, mck_window window, bool calls, uint64_t now_s);
/* Make it at least `used` (what a store remembers after a power cut). */
void mck_account_restore(mck_account *account, mck_window window, bool calls, uint64_t used, uint64_t now_s);

/* The account of `key` (not 0) in a table of `count` (a power of two) accounts, made when there is none. Accounts whose windows
 * have all ended make room. NULL: the table is full. */
mck_account *mck_account_find(mck_account *table, size_t count, uint64_t key, uint64_t now_s);
uint64_t mck_account_key(const char *name, size_t len);

#endif
