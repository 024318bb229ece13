/*
 * Numbers as text, exactly. strtod and snprintf do the hard cases, but never see or print a decimal point that matters:
 * its character depends on the process's locale, which an embedding program may have set.
 */
#include "values_private.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A double's exact decimal expansion has at most 767 significant digits; beyond them only "more or nothing" can
 * matter. */
#define DIGITS_THAT_MATTER 780

typedef struct {
    const uint8_t *text;
    size_t len;
    bool negative;
    size_t first;     /* offset of the first significant digit */
    size_t digits;    /* significant digits, without trailing zeros; 0: the value is zero */
    int64_t exponent; /* value = digits as an integer × 10^exponent */
} decimal;

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* The text is a validated JSON number. */
static void read_decimal(decimal *d, const uint8_t *text, size_t len)
{
    size_t i = 0, seen = 0, zeros = 0;
    int64_t after_point = 0;
    bool point = false;
    memset(d, 0, sizeof *d);
    d->text = text;
    d->len = len;
    if (i < len && text[i] == '-') {
        d->negative = true;
        i++;
    }
    for (; i < len; i++) {
        if (text[i] == '.') {
            point = true;
            continue;
        }
        if (!is_digit(text[i])) {
            break;
        }
        if (point) {
            after_point++;
        }
        if (seen == 0 && text[i] == '0') {
            continue;
        }
        if (seen == 0) {
            d->first = i;
        }
        seen++;
        zeros = text[i] == '0' ? zeros + 1 : 0;
    }
    int64_t exponent = 0;
    if (i < len) { /* 'e' or 'E' */
        i++;
        bool minus = false;
        if (i < len && (text[i] == '+' || text[i] == '-')) {
            minus = text[i] == '-';
            i++;
        }
        for (; i < len && is_digit(text[i]); i++) {
            if (exponent < INT64_C(100000000000)) { /* saturated: far beyond any text's own digits */
                exponent = exponent * 10 + (text[i] - '0');
            }
        }
        if (minus) {
            exponent = -exponent;
        }
    }
    d->digits = seen - zeros;
    d->exponent = exponent - after_point + (int64_t)zeros;
}

/* Copies at most `most` significant digits; returns how many. */
static size_t copy_digits(const decimal *d, char *out, size_t most)
{
    size_t n = 0;
    for (size_t i = d->first; n < d->digits && n < most; i++) {
        if (is_digit(d->text[i])) {
            out[n++] = (char)d->text[i];
        }
    }
    return n;
}

mck_number_status mck_number_integer(const uint8_t *text, size_t len, bool *negative, uint64_t *magnitude)
{
    decimal d;
    read_decimal(&d, text, len);
    *negative = d.negative;
    *magnitude = 0;
    if (d.digits == 0) {
        *negative = false;
        return MCK_NUMBER_OK;
    }
    if (d.exponent < 0) {
        return MCK_NUMBER_FRACTION;
    }
    if (d.digits > 20 || d.exponent > 20) {
        return MCK_NUMBER_HUGE;
    }
    char digits[20];
    size_t n = copy_digits(&d, digits, sizeof digits);
    uint64_t value = 0;
    for (size_t i = 0; i < n + (size_t)d.exponent; i++) {
        uint64_t digit = i < n ? (uint64_t)(digits[i] - '0') : 0;
        if (value > (UINT64_MAX - digit) / 10) {
            return MCK_NUMBER_HUGE;
        }
        value = value * 10 + digit;
    }
    *magnitude = value;
    return MCK_NUMBER_OK;
}

static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
static const float POWERS_F[] = {1e0F, 1e1F, 1e2F, 1e3F, 1e4F, 1e5F, 1e6F, 1e7F, 1e8F, 1e9F, 1e10F};

static uint64_t few_digits(const decimal *d)
{
    char digits[19];
    uint64_t value = 0;
    size_t n = copy_digits(d, digits, sizeof digits);
    for (size_t i = 0; i < n; i++) {
        value = value * 10 + (uint64_t)(digits[i] - '0');
    }
    return value;
}

/* "12345e-3" for strtod: no decimal point, no more digits than can matter. `out` has room for DIGITS_THAT_MATTER +
 * 32. */
static void integer_and_exponent(const decimal *d, char *out)
{
    size_t n = copy_digits(d, out, DIGITS_THAT_MATTER);
    int64_t exponent = d->exponent + (int64_t)(d->digits - n);
    if (n < d->digits) { /* the cut digits end in one that is not zero: a last 1 stands for them */
        out[n++] = '1';
        exponent--;
    }
    if (exponent > 9999) {
        exponent = 9999;
    }
    if (exponent < -9999) {
        exponent = -9999;
    }
    (void)snprintf(out + n, 16, "e%d", (int)exponent);
}

bool mck_number_f64(const uint8_t *text, size_t len, double *out)
{
    decimal d;
    read_decimal(&d, text, len);
    double value = 0;
    if (d.digits != 0) {
        uint64_t whole = d.digits <= 19 ? few_digits(&d) : UINT64_MAX;
        /* Both operands exact, one rounding: exact (needs arithmetic in the type's own precision). */
        if (FLT_EVAL_METHOD == 0 && whole <= (UINT64_C(1) << 53) && d.exponent >= -22 && d.exponent <= 22) {
            value = d.exponent < 0 ? (double)whole / POWERS[-d.exponent] : (double)whole * POWERS[d.exponent];
        } else {
            char digits[DIGITS_THAT_MATTER + 32];
            integer_and_exponent(&d, digits);
            value = strtod(digits, NULL);
        }
    }
    *out = d.negative ? -value : value;
    return isfinite(value) != 0;
}

bool mck_number_f32(const uint8_t *text, size_t len, float *out)
{
    decimal d;
    read_decimal(&d, text, len);
    float value = 0;
    if (d.digits != 0) {
        uint64_t whole = d.digits <= 19 ? few_digits(&d) : UINT64_MAX;
        if (FLT_EVAL_METHOD == 0 && whole <= (UINT64_C(1) << 24) && d.exponent >= -10 && d.exponent <= 10) {
            value = d.exponent < 0 ? (float)whole / POWERS_F[-d.exponent] : (float)whole * POWERS_F[d.exponent];
        } else {
            char digits[DIGITS_THAT_MATTER + 32];
            integer_and_exponent(&d, digits);
            value = strtof(digits, NULL);
        }
    }
    *out = d.negative ? -value : value;
    return isfinite(value) != 0;
}

/* digits × 10^exponent, written the way people write it. */
static size_t layout(bool negative, const char *digits, int n, int exponent, char out[MCK_NUMBER_TEXT])
{
    size_t at = 0;
    int point = n + exponent; /* where the decimal point stands, counted from the first digit */
    if (negative) {
        out[at++] = '-';
    }
    if (exponent >= 0 && point <= 16) { /* 1200.0 */
        memcpy(out + at, digits, (size_t)n);
        at += (size_t)n;
        for (int i = 0; i < exponent; i++) {
            out[at++] = '0';
        }
        out[at++] = '.';
        out[at++] = '0';
        return at;
    }
    if (point > 0 && point <= 16) { /* 12.34 */
        memcpy(out + at, digits, (size_t)point);
        at += (size_t)point;
        out[at++] = '.';
        memcpy(out + at, digits + point, (size_t)(n - point));
        return at + (size_t)(n - point);
    }
    if (point > -5 && point <= 0) { /* 0.0012 */
        out[at++] = '0';
        out[at++] = '.';
        for (int i = point; i < 0; i++) {
            out[at++] = '0';
        }
        memcpy(out + at, digits, (size_t)n);
        return at + (size_t)n;
    }
    out[at++] = digits[0];
    if (n > 1) {
        out[at++] = '.';
        memcpy(out + at, digits + 1, (size_t)(n - 1));
        at += (size_t)(n - 1);
    }
    out[at++] = 'e';
    int written = point - 1;
    if (written < 0) {
        out[at++] = '-';
        written = -written;
    }
    if (written >= 100) {
        out[at++] = (char)('0' + written / 100);
    }
    if (written >= 10) {
        out[at++] = (char)('0' + written / 10 % 10);
    }
    out[at++] = (char)('0' + written % 10);
    return at;
}

static size_t layout_integer(bool negative, uint64_t whole, int exponent, char out[MCK_NUMBER_TEXT])
{
    char digits[20];
    int n = 0;
    while (whole != 0 && whole % 10 == 0) {
        whole /= 10;
        exponent++;
    }
    do {
        digits[sizeof digits - (size_t)++n] = (char)('0' + whole % 10);
        whole /= 10;
    } while (whole != 0);
    return layout(negative, digits + sizeof digits - (size_t)n, n, exponent, out);
}

/* The digits and the exponent out of what "%.*e" printed, passing over the locale's decimal point. Returns the
 * digit count. */
static int take_scientific(const char *printed, char *digits, int *exponent)
{
    int n = 0;
    const char *c = printed;
    for (; *c != 'e' && *c != '\0'; c++) {
        if (is_digit((uint8_t)*c)) {
            digits[n++] = *c;
        }
    }
    *exponent = (*c == 'e' ? atoi(c + 1) : 0) - (n - 1);
    while (n > 1 && digits[n - 1] == '0') {
        n--;
        (*exponent)++;
    }
    return n;
}

/* "12345e-3" */
static void join(const char *digits, int n, int exponent, char *out)
{
    size_t at = (size_t)n;
    memcpy(out, digits, at);
    out[at++] = 'e';
    if (exponent < 0) {
        out[at++] = '-';
        exponent = -exponent;
    }
    out[at++] = (char)('0' + exponent / 100);
    out[at++] = (char)('0' + exponent / 10 % 10);
    out[at++] = (char)('0' + exponent % 10);
    out[at] = '\0';
}

size_t mck_number_print_f64(double value, char out[MCK_NUMBER_TEXT])
{
    bool negative = signbit(value) != 0;
    double size = fabs(value);
    if (size == 0) {
        return layout(negative, "0", 1, 0, out);
    }
    bool few_ruled_out = FLT_EVAL_METHOD == 0 && size < 1e15 && size >= 1e-4;
    /* At most 15 digits that read back the same are the only such digits, so the first power that works gives the
     * shortest. */
    if (few_ruled_out) {
        for (int power = 0; power <= 19; power++) {
            double scaled = size * POWERS[power];
            if (scaled >= 1e15) {
                break;
            }
            double whole = (double)(uint64_t)(scaled + 0.5);
            if (whole / POWERS[power] == size) {
                return layout_integer(negative, (uint64_t)whole, -power, out);
            }
        }
    }
    char printed[64], digits[64], again[64];
    int n = 0, exponent = 0;
    for (int precision = size < DBL_MIN ? 1 : few_ruled_out ? 16 : 15;; precision++) {
        (void)snprintf(printed, sizeof printed, "%.*e", precision - 1, size);
        n = take_scientific(printed, digits, &exponent);
        if (precision == 17) { /* always enough */
            break;
        }
        join(digits, n, exponent, again);
        if (strtod(again, NULL) == size) {
            break;
        }
    }
    return layout(negative, digits, n, exponent, out);
}

/* Exactly between two floats, where rounding twice could go the other way than rounding once. */
static bool is_float_midpoint(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & UINT64_C(0x1FFFFFFF)) == UINT64_C(0x10000000);
}

size_t mck_number_print_f32(float value, char out[MCK_NUMBER_TEXT])
{
    bool negative = signbit(value) != 0;
    float size = fabsf(value);
    if (size == 0) {
        return layout(negative, "0", 1, 0, out);
    }
    if (FLT_EVAL_METHOD == 0 && size < 1e6F && size >= 1e-3F) {
        for (int power = 0; power <= 12; power++) {
            double scaled = (double)size * POWERS[power];
            if (scaled >= 1e9) {
                break;
            }
            double whole = (double)(uint64_t)(scaled + 0.5), quotient = whole / POWERS[power];
            if (is_float_midpoint(quotient)) {
                break;
            }
            if ((float)quotient == size) {
                return layout_integer(negative, (uint64_t)whole, -power, out);
            }
        }
    }
    char printed[64], digits[64], again[64];
    int n = 0, exponent = 0;
    for (int precision = size < FLT_MIN ? 1 : 6;; precision++) {
        (void)snprintf(printed, sizeof printed, "%.*e", precision - 1, (double)size);
        n = take_scientific(printed, digits, &exponent);
        if (precision == 9) { /* always enough */
            break;
        }
        join(digits, n, exponent, again);
        if (strtof(again, NULL) == size) {
            break;
        }
    }
    return layout(negative, digits, n, exponent, out);
}
