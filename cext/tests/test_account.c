/* rooms: meter */

/* Accounts under a clock of our own and under threads: nothing is granted twice, nothing is lost. */
#include "mcpkit/account.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static int failures;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                    \
            failures++;                                                                                                \
        }                                                                                                              \
    } while (0)

#define NOON UINT64_C(1764072000) /* a full hour */

static void the_smallest_of_all_wins(void)
{
    mck_account server = {0}, tool = {0};
    mck_claim claims[2] = {{&server, {.units = {0, 1000, 0}}}, {&tool, {.units = {300, 0, 0}}}};
    mck_refusal why = {0};
    CHECK(mck_account_reserve(claims, 2, 250, NOON, &why) == 250);
    CHECK(mck_account_reserve(claims, 2, 250, NOON, &why) == 50);
    CHECK(mck_account_used(&server, MCK_HOUR, false, NOON) == 300); /* what the tool did not get was given back */
    CHECK(mck_account_reserve(claims, 2, 1, NOON + 59, &why) == 0);
    CHECK(why.claim == 1 && why.window == MCK_MINUTE && !why.calls && why.limit == 300 && why.used == 300);
    CHECK(why.resets_s == NOON + 60);
    CHECK(mck_account_used(&server, MCK_HOUR, false, NOON) == 300);
    CHECK(mck_account_reserve(claims, 2, 250, NOON + 60, &why) == 250); /* a new minute */
    CHECK(mck_account_used(&tool, MCK_MINUTE, false, NOON + 60) == 250);
    CHECK(mck_account_used(&tool, MCK_DAY, false, NOON + 60) == 550);
    CHECK(mck_account_reserve(claims, 2, 500, NOON + 120, &why) == 300);
    CHECK(mck_account_reserve(claims, 2, 500, NOON + 180, &why) == 150); /* the hour's last */
    CHECK(mck_account_reserve(claims, 2, 500, NOON + 240, &why) == 0);
    CHECK(why.claim == 0 && why.window == MCK_HOUR && why.resets_s == NOON + 3600);
}

static void refunds_and_charges(void)
{
    mck_account a = {0};
    mck_claim claim = {&a, {.units = {100, 0, 0}}};
    mck_refusal why;
    CHECK(mck_account_reserve(&claim, 1, 100, NOON, &why) == 100);
    mck_account_refund(&claim, 1, 60, NOON);
    CHECK(mck_account_used(&a, MCK_MINUTE, false, NOON) == 40);
    mck_account_charge(&claim, 1, 500, NOON); /* used already: counted whatever the allowance */
    CHECK(mck_account_used(&a, MCK_MINUTE, false, NOON) == 540);
    CHECK(mck_account_reserve(&claim, 1, 1, NOON, &why) == 0);
    mck_account_refund(&claim, 1, 10000, NOON);
    CHECK(mck_account_used(&a, MCK_MINUTE, false, NOON) == 0);
    CHECK(mck_account_reserve(&claim, 1, 10, NOON + 60, &why) == 10);
    mck_account_refund(&claim, 1, 10, NOON); /* of a minute that has ended */
    CHECK(mck_account_used(&a, MCK_MINUTE, false, NOON + 60) == 10);
}

static void calls_are_counted_whole(void)
{
    mck_account server = {0}, tool = {0};
    mck_claim claims[2] = {{&server, {.calls = {3, 0, 0}}}, {&tool, {.calls = {2, 0, 0}}}};
    mck_refusal why;
    CHECK(mck_account_call(claims, 2, NOON, &why) && mck_account_call(claims, 2, NOON, &why));
    CHECK(!mck_account_call(claims, 2, NOON, &why));
    CHECK(why.claim == 1 && why.calls && why.limit == 2 && why.used == 2);
    CHECK(mck_account_used(&server, MCK_MINUTE, true, NOON) == 2);
    CHECK(mck_account_call(claims, 1, NOON, &why) && !mck_account_call(claims, 1, NOON, &why));
    CHECK(mck_account_call(NULL, 0, NOON, &why));
}

static void no_count_overflows(void)
{
    mck_account a = {0};
    mck_claim claim = {.account = &a};
    mck_account_charge(&claim, 1, UINT64_MAX, NOON);
    mck_account_charge(&claim, 1, UINT64_MAX, NOON);
    CHECK(mck_account_used(&a, MCK_DAY, false, NOON) == (UINT64_C(1) << 48) - 1);
    CHECK(mck_account_used(&a, MCK_DAY, false, NOON + 86400) == 0);
}

static void restoring_only_adds(void)
{
    mck_account a = {0};
    mck_account_restore(&a, MCK_HOUR, false, 70, NOON);
    mck_account_restore(&a, MCK_HOUR, false, 50, NOON);
    CHECK(mck_account_used(&a, MCK_HOUR, false, NOON) == 70);
    CHECK(mck_account_used(&a, MCK_HOUR, true, NOON) == 0);
}

static void the_table_finds_and_makes_room(void)
{
    static mck_account table[64];
    memset(table, 0, sizeof table);
    for (uint64_t key = 1; key <= 64; key++) {
        mck_account *a = mck_account_find(table, 64, key * 1000003, NOON);
        CHECK(a != NULL);
        mck_claim claim = {.account = a};
        mck_account_charge(&claim, 1, key, NOON);
    }
    CHECK(mck_account_find(table, 64, 65, NOON) == NULL);
    for (uint64_t key = 1; key <= 64; key++)
        CHECK(mck_account_used(mck_account_find(table, 64, key * 1000003, NOON), MCK_DAY, false, NOON) == key);
    CHECK(mck_account_find(table, 64, 65, NOON + 86400) != NULL); /* yesterday's make room */
    CHECK(mck_account_key("a", 1) != mck_account_key("b", 1) && mck_account_key("", 0) != 0);
}

/* Two processes at the end of a minute: one read its clock just before, and counts just after the other. */
static void a_late_clock_loses_no_count(void)
{
    mck_account server = {0}, tool = {0};
    mck_claim claims[2] = {{&server, {.units = {100, 0, 0}, .calls = {2, 0, 0}}}, {&tool, {.units = {30, 0, 0}}}};
    mck_refusal why;
    CHECK(mck_account_reserve(claims, 1, 60, NOON + 60, &why) == 60);
    CHECK(mck_account_reserve(claims, 2, 60, NOON + 59, &why) == 30);
    CHECK(mck_account_used(&server, MCK_MINUTE, false, NOON + 60) == 90); /* what the tool refused was given back */
    CHECK(mck_account_reserve(claims, 1, 60, NOON + 59, &why) == 10);
    CHECK(mck_account_reserve(claims, 1, 60, NOON + 60, &why) == 0);
    CHECK(mck_account_call(claims, 1, NOON + 60, &why) && mck_account_call(claims, 1, NOON + 59, &why));
    CHECK(!mck_account_call(claims, 1, NOON + 60, &why) && why.calls && why.used == 2);
    mck_account_restore(&server, MCK_MINUTE, false, 5000, NOON + 59); /* of a minute that is over */
    CHECK(mck_account_used(&server, MCK_MINUTE, false, NOON + 60) == 100);
    mck_account_refund(claims, 1, 100, NOON + 59);
    CHECK(mck_account_used(&server, MCK_MINUTE, false, NOON + 60) == 100);
    mck_account_charge(claims, 1, 7, NOON - 120); /* a clock that was set back begins anew */
    CHECK(mck_account_used(&server, MCK_MINUTE, false, NOON - 120) == 7);

    mck_account busy[1] = {{0}};
    mck_claim today = {mck_account_find(busy, 1, 5, NOON), {{0}, {0}}};
    mck_account_charge(&today, 1, 1, NOON + 43200); /* the next day's first second */
    CHECK(mck_account_find(busy, 1, 6, NOON + 43199) == NULL);
}

/* ---- threads ---- */

#define THREADS 8
#define ROUNDS 50000

static mck_account shared[2];
static uint64_t granted[THREADS];

static void *hammer(void *number)
{
    size_t me = (size_t)number;
    mck_claim claims[2] = {{&shared[0], {.units = {0, 0, 40000000}}}, {&shared[1], {.units = {0, 30000000, 0}}}};
    mck_refusal why;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t now = NOON + i / 1000; /* minutes begin meanwhile */
        uint64_t got = mck_account_reserve(claims, 2, 100 + i % 7 * 100, now, &why);
        uint64_t back = i % 3 == 0 ? got / 2 : 0;
        mck_account_refund(claims, 2, back, now);
        granted[me] += got - back;
    }
    return NULL;
}

static void nothing_is_granted_twice(void)
{
    pthread_t threads[THREADS];
    uint64_t sum = 0;
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, hammer, (void *)i);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum += granted[i];
    }
    CHECK(sum <= 30000000);
    CHECK(sum == 30000000 || sum > 29000000); /* it was asked for more than there was */
    CHECK(mck_account_used(&shared[0], MCK_DAY, false, NOON) == sum);
    CHECK(mck_account_used(&shared[1], MCK_HOUR, false, NOON) == sum);
}

#define ROLLS 50

static mck_account rolling;
static uint64_t roll_minute;

/* Half of the threads read their clock before the minute began, as threads do that then had to wait. */
static void *roll(void *number)
{
    mck_claim claim = {&rolling, {.units = {1000, 0, 0}}};
    mck_refusal why;
    uint64_t begun = NOON + 60 * roll_minute;
    for (int i = 0; i < 400; i++)
        (void)mck_account_reserve(&claim, 1, 7, (size_t)number % 2 && i < 200 ? begun - 1 : begun, &why);
    return NULL;
}

static void nothing_is_granted_twice_as_minutes_begin(void)
{
    mck_claim claim = {&rolling, {.units = {1000, 0, 0}}};
    mck_refusal why;
    CHECK(mck_account_reserve(&claim, 1, 1000, NOON, &why) == 1000);
    for (roll_minute = 1; roll_minute <= ROLLS; roll_minute++) {
        pthread_t threads[THREADS];
        for (size_t i = 0; i < THREADS; i++)
            pthread_create(&threads[i], NULL, roll, (void *)i);
        for (size_t i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
    }
    CHECK(mck_account_used(&rolling, MCK_DAY, false, NOON) == (ROLLS + 1) * 1000);
}

int main(void)
{
    the_smallest_of_all_wins();
    refunds_and_charges();
    calls_are_counted_whole();
    no_count_overflows();
    restoring_only_adds();
    the_table_finds_and_makes_room();
    a_late_clock_loses_no_count();
    nothing_is_granted_twice();
    nothing_is_granted_twice_as_minutes_begin();
    return failures != 0;
}
