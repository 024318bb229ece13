/* The functions of primes.wit: trial division and a sieve: something for compute and memory limits to bite on. */
#include "component.h"

#define PRIMES "example:primes/primes@1.0.0#"

typedef struct {
    const uint64_t *data;
    uint32_t length;
} numbers;

typedef struct {
    bool is_error;
    union {
        uint32_t ok;
        string error;
    };
} count_result;

/* Divisors after 2 and 3 are neighbours of multiples of 6. 0 when there is none up to the square root. */
static uint64_t smallest_factor(uint64_t n, uint64_t from)
{
    if (n % 2 == 0)
        return n == 2 ? 0 : 2;
    if (n % 3 == 0)
        return n == 3 ? 0 : 3;
    uint64_t d = from < 5 ? 5 : from - (from + 1) % 6;
    for (; d <= n / d; d += 6) {
        if (n % d == 0)
            return d;
        if (n % (d + 2) == 0 && n != d + 2)
            return d + 2;
    }
    return 0;
}

EXPORT(PRIMES "is-prime") bool is_prime(uint64_t n)
{
    return n >= 2 && smallest_factor(n, 0) == 0;
}

EXPORT(PRIMES "factors") const numbers *factors(uint64_t n)
{
    static uint64_t found[64];
    static numbers result = {found, 0};
    result.length = 0;
    uint64_t factor = 0;
    while (n > 1) {
        factor = smallest_factor(n, factor);
        if (factor == 0)
            factor = n;
        found[result.length++] = factor;
        n /= factor;
    }
    return &result;
}

EXPORT(PRIMES "count-below") const count_result *count_below(uint32_t bound)
{
    static count_result result;
    result.is_error = false;
    result.ok = bound > 2 ? 1 : 0;
    if (bound <= 3)
        return &result;

    uint32_t odd = bound / 2 - 1; /* bit i stands for 2 i + 3 */
    uint32_t bytes = (odd + 7) / 8;
    uint8_t *composite = allocate(bytes, 8);
    if (composite == NULL) {
        result.is_error = true;
        result.error = STRING("the sieve does not fit into the memory limit");
        return &result;
    }
    __builtin_memset(composite, 0, bytes);
    for (uint32_t i = 0; i < odd; i++) {
        if (composite[i / 8] >> (i % 8) & 1)
            continue;
        result.ok++;
        uint64_t prime = 2 * (uint64_t)i + 3;
        for (uint64_t j = (prime * prime - 3) / 2; j < odd; j += prime)
            composite[j / 8] |= (uint8_t)(1u << (j % 8));
    }
    return &result;
}

EXPORT("cabi_post_" PRIMES "count-below") void count_below_done(const count_result *result)
{
    (void)result;
    release_all();
}
