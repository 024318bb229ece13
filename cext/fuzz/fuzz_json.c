/* rooms: json cpu */

/* Every kernel gives the same answer, stepping through a document accepts what validation accepts, escaping can be
 * undone. */
#include "mcpkit/cpu.h"
#include "mcpkit/json.h"

#include "fuzz/replay.h"

#define DEPTH 20u

/* Walk the next value by stepping into everything. */
static mck_json_status walk(mck_json_cursor *c)
{
    mck_json_kind kind;
    mck_json_value value;
    mck_json_status status = mck_json_peek(c, &kind);
    bool more = true;
    if (status != MCK_JSON_OK) {
        return status;
    }
    if (kind != MCK_JSON_OBJECT && kind != MCK_JSON_ARRAY) {
        status = mck_json_read(c, &value);
        MCK_FUZZ_CHECK(status != MCK_JSON_OK || (value.kind == kind && value.span.start <= value.span.end));
        MCK_FUZZ_CHECK(c->pos <= c->len);
        return status;
    }
    bool object = kind == MCK_JSON_OBJECT;
    status = object ? mck_json_enter_object(c) : mck_json_enter_array(c);
    for (bool first = true; status == MCK_JSON_OK; first = false) {
        status = object ? mck_json_member(c, first, &value, &more) : mck_json_element(c, first, &more);
        if (status != MCK_JSON_OK || !more) {
            return status;
        }
        status = walk(c);
    }
    return status;
}

static void check_text(const uint8_t *data, size_t size, const mck_json_kernels *kernels)
{
    if (mck_json_utf8_fault(data, size, kernels) != size) {
        return;
    }
    size_t needed = mck_json_escape(data, size, NULL, 0, kernels);
    MCK_FUZZ_CHECK(needed >= size && needed <= 6 * size);
    uint8_t *escaped = malloc(needed + 2), *decoded = malloc(needed + 1);
    if (escaped && decoded) {
        size_t position;
        escaped[0] = escaped[needed + 1] = '"';
        MCK_FUZZ_CHECK(mck_json_escape(data, size, escaped + 1, needed, kernels) == needed);
        MCK_FUZZ_CHECK(mck_json_validate(escaped, needed + 2, DEPTH, kernels, &position) == MCK_JSON_OK);
        MCK_FUZZ_CHECK(mck_json_decode_string(escaped + 1, needed, decoded) == size);
        MCK_FUZZ_CHECK(size == 0 || memcmp(decoded, data, size) == 0);
        MCK_FUZZ_CHECK(mck_json_string_is(escaped + 1, needed, true, size ? (const char *)data : "", size));
    }
    free(escaped);
    free(decoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t features = mck_cpu_features();
    const mck_json_kernels *portable = mck_json_pick(0);
    size_t expected_position;
    mck_json_status expected = mck_json_validate(data, size, DEPTH, portable, &expected_position);
    mck_json_cursor c;
    MCK_FUZZ_CHECK(mck_json_open(&c, data, size, DEPTH, portable) == MCK_JSON_OK);
    mck_json_status stepped = walk(&c);
    if (stepped == MCK_JSON_OK) {
        stepped = mck_json_finish(&c);
    }
    MCK_FUZZ_CHECK(stepped == expected && c.pos == expected_position);
    for (uint32_t bit = 0; bit < 32; bit++) {
        const mck_json_kernels *kernels = mck_json_pick(features & (uint32_t)1 << bit);
        size_t position;
        if (kernels == portable) {
            continue;
        }
        MCK_FUZZ_CHECK(mck_json_validate(data, size, DEPTH, kernels, &position) == expected);
        MCK_FUZZ_CHECK(position == expected_position);
        for (uint32_t start = 0; start <= size; start += 1 + start / 8) {
            uint32_t len = (uint32_t)size;
            MCK_FUZZ_CHECK(kernels->string_run(data, start, len) == portable->string_run(data, start, len));
            MCK_FUZZ_CHECK(kernels->utf8_run(data, start, len) == portable->utf8_run(data, start, len));
        }
        check_text(data, size, kernels);
    }
    check_text(data, size, portable);
    return 0;
}
