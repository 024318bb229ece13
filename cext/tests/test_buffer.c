/* rooms: buffer json cpu */

/* The buffer as answers are written with it: it grows, it is used again, and running out of memory is seen once, at the end. */
#include "mcpkit/buffer.h"

#include <stdio.h>
#include <string.h>

static int failures;

static void expect(const char *what, const mck_buffer *b, const char *text, size_t len)
{
    if (b->failed || b->len != len || (len && memcmp(b->data, text, len) != 0)) {
        fprintf(stderr, "%s: got %.*s\n", what, (int)b->len, b->data ? (const char *)b->data : "");
        failures++;
    }
}

static void check(const char *what, bool holds)
{
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        failures++;
    }
}

static void numbers(void)
{
    mck_buffer b = {0};
    mck_buffer_u64(&b, 0);
    mck_buffer_text(&b, " ");
    mck_buffer_u64(&b, UINT64_MAX);
    mck_buffer_text(&b, " ");
    mck_buffer_i64(&b, INT64_MIN);
    mck_buffer_text(&b, " ");
    mck_buffer_i64(&b, INT64_MAX);
    mck_buffer_text(&b, " ");
    mck_buffer_i64(&b, -1);
    const char *text = "0 18446744073709551615 -9223372036854775808 9223372036854775807 -1";
    expect("numbers", &b, text, strlen(text));
    mck_buffer_free(&b);
    check("a freed buffer is empty", b.data == NULL && b.len == 0 && b.cap == 0 && !b.failed);
}

static void strings(void)
{
    mck_buffer b = {0};
    mck_buffer_json_string(&b, "", 0);
    mck_buffer_json_string(&b, "a\"\\\n\0\x1f\xc3\xa9", 8);
    const char *text = "\"\"\"a\\\"\\\\\\n\\u0000\\u001f\xc3\xa9\"";
    expect("strings", &b, text, strlen(text));
    mck_buffer_free(&b);

    uint8_t controls[5000]; /* each becomes six bytes: more than the first guess leaves room for */
    memset(controls, 1, sizeof controls);
    mck_buffer_json_string(&b, controls, sizeof controls);
    check("the worst case of escaping fits", !b.failed && b.len == 6 * sizeof controls + 2);
    check("and is whole", memcmp(b.data + b.len - 7, "\\u0001\"", 7) == 0);
    mck_buffer_free(&b);
}

static void growth(void)
{
    mck_buffer b = {0};
    for (unsigned i = 0; i < 100000; i++)
        mck_buffer_add(&b, "0123456789", 10);
    check("a million bytes", b.len == 1000000 && memcmp(b.data + 999990, "0123456789", 10) == 0);
    mck_buffer_add(&b, NULL, 0);
    check("adding nothing changes nothing", b.len == 1000000);

    size_t cap = b.cap;
    mck_buffer_reset(&b, cap);
    check("reset keeps what it may keep", b.len == 0 && b.cap == cap && b.data != NULL);
    mck_buffer_add(&b, "x", 1);
    mck_buffer_reset(&b, 4096);
    check("and gives back what is too much", b.len == 0 && b.cap == 0 && b.data == NULL);
    check("a reservation of nothing is not a failure", mck_buffer_reserve(&b, 0) != NULL && !b.failed);
    mck_buffer_free(&b);
}

static void running_out(void)
{
    mck_buffer b = {0};
    mck_buffer_text(&b, "before");
    check("no room for everything there is", mck_buffer_reserve(&b, SIZE_MAX - 2) == NULL && b.failed);
    mck_buffer_text(&b, "after");
    mck_buffer_json_string(&b, "after", 5);
    mck_buffer_i64(&b, -5);
    check("nothing is written after the failure", b.len == 6 && memcmp(b.data, "before", 6) == 0 && b.failed);
    mck_buffer_reset(&b, SIZE_MAX);
    mck_buffer_text(&b, "again");
    expect("and a reset begins anew", &b, "again", 5);
    mck_buffer_free(&b);
}

int main(void)
{
    numbers();
    strings();
    growth();
    running_out();
    return failures != 0;
}
