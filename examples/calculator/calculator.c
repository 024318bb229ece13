/* The functions of calculator.wit, by hand against the canonical ABI. */
#include "component.h"

#define CALCULATOR "example:calculator/calculator@1.0.0#"

enum scale { CELSIUS, FAHRENHEIT, KELVIN };

typedef struct {
    uint32_t count;
    double mean, minimum, maximum, deviation;
} summary;

typedef struct {
    bool is_error;
    union {
        double ok;
        string error;
    };
} number_result;

typedef struct {
    bool is_error;
    union {
        summary ok;
        string error;
    };
} summary_result;

EXPORT(CALCULATOR "add") int64_t add(int32_t a, int32_t b)
{
    return (int64_t)a + b;
}

EXPORT(CALCULATOR "divide") const number_result *divide(double dividend, double divisor)
{
    static number_result result;
    result.is_error = divisor == 0;
    if (result.is_error) {
        result.error = STRING("division by zero");
    } else {
        result.ok = dividend / divisor;
    }
    return &result;
}

EXPORT(CALCULATOR "statistics") const summary_result *statistics(const double *values, uint32_t count)
{
    static summary_result result;
    if (count == 0) {
        result.is_error = true;
        result.error = STRING("an empty list has no statistics");
        return &result;
    }
    /* Welford's recurrence: one pass, and no difference of large numbers. */
    double mean = 0, squares = 0, minimum = values[0], maximum = values[0];
    for (uint32_t i = 0; i < count; i++) {
        double delta = values[i] - mean;
        mean += delta / (i + 1);
        squares += delta * (values[i] - mean);
        if (values[i] < minimum)
            minimum = values[i];
        if (values[i] > maximum)
            maximum = values[i];
    }
    result.is_error = false;
    result.ok = (summary){count, mean, minimum, maximum, __builtin_sqrt(squares / count)};
    return &result;
}

EXPORT("cabi_post_" CALCULATOR "statistics") void statistics_done(const summary_result *result)
{
    (void)result;
    release_all();
}

EXPORT(CALCULATOR "convert-temperature") double convert_temperature(double degrees, int32_t source, int32_t target)
{
    if (source == target)
        return degrees;
    double kelvin = source == CELSIUS ? degrees + 273.15 : source == FAHRENHEIT ? (degrees + 459.67) * 5 / 9 : degrees;
    return target == CELSIUS ? kelvin - 273.15 : target == FAHRENHEIT ? kelvin * 9 / 5 - 459.67 : kelvin;
}
