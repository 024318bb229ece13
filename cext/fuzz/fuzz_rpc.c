/* rooms: rpc json cpu */

/* Envelopes are the same by every kernel, refused as JSON exactly when they are none, and keep to their bytes; lines
 * come out the same however they were cut. */
#include "mcpkit/cpu.h"
#include "mcpkit/rpc.h"

#include "fuzz/replay.h"

#define DEPTH 20u

static bool same_span(mck_span a, mck_span b)
{
    return a.start == b.start && a.end == b.end;
}

static bool same_value(const mck_json_value *a, const mck_json_value *b)
{
    return a->kind == b->kind && same_span(a->span, b->span) && a->escaped == b->escaped && a->integral == b->integral;
}

static bool same_envelope(const mck_rpc_envelope *a, const mck_rpc_envelope *b)
{
    return a->status == b->status && a->kind == b->kind && a->method == b->method && a->id_kind == b->id_kind &&
           a->flags == b->flags && a->json_status == b->json_status && a->position == b->position &&
           same_span(a->id, b->id) && same_value(&a->method_name, &b->method_name) && same_span(a->params, b->params) &&
           same_span(a->result, b->result) && same_span(a->error, b->error) && same_value(&a->name, &b->name) &&
           same_value(&a->uri, &b->uri) && same_value(&a->arguments, &b->arguments) &&
           same_value(&a->cursor, &b->cursor) && same_value(&a->meta, &b->meta) &&
           same_value(&a->request_id, &b->request_id) && same_value(&a->task_id, &b->task_id) &&
           same_value(&a->task, &b->task) && same_value(&a->input_responses, &b->input_responses) &&
           same_value(&a->request_state, &b->request_state) && same_value(&a->protocol_version, &b->protocol_version) &&
           same_value(&a->client_capabilities, &b->client_capabilities) &&
           same_value(&a->client_info, &b->client_info) && same_value(&a->log_level, &b->log_level) &&
           same_value(&a->progress_token, &b->progress_token);
}

static void check_span(mck_span span, size_t size)
{
    MCK_FUZZ_CHECK(span.start <= span.end && span.end <= size);
}

static void check_envelopes(const uint8_t *data, size_t size)
{
    uint32_t features = mck_cpu_features();
    mck_rpc_options options = {DEPTH, NULL};
    mck_rpc_envelope expected, found;
    size_t position;
    MCK_FUZZ_CHECK(mck_rpc_scan(data, size, &options, &expected) == expected.status);
    mck_json_status json = mck_json_validate(data, size, DEPTH, NULL, &position);
    MCK_FUZZ_CHECK((json == MCK_JSON_OK) == (expected.status != MCK_RPC_E_JSON));
    MCK_FUZZ_CHECK(json == MCK_JSON_OK || (expected.json_status == json && expected.position == position));
    MCK_FUZZ_CHECK((expected.kind == MCK_RPC_INVALID) == (expected.status != MCK_RPC_OK));
    if (json == MCK_JSON_OK) {
        check_span(expected.id, size);
        check_span(expected.params, size);
        check_span(expected.arguments.span, size);
        check_span(expected.meta.span, size);
        check_span(expected.method_name.span, size);
        MCK_FUZZ_CHECK(expected.method == MCK_RPC_M_UNKNOWN || mck_rpc_method_name(expected.method));
    }
    for (uint32_t bit = 0; bit < 32; bit++) {
        options.kernels = mck_json_pick(features & (uint32_t)1 << bit);
        mck_rpc_scan(data, size, &options, &found);
        MCK_FUZZ_CHECK(same_envelope(&expected, &found));
    }
}

/* Append what comes out, each with its length or a mark, to compare two ways of feeding. */
static size_t drain(mck_rpc_lines *l, bool eof, uint8_t *log, size_t used)
{
    const uint8_t *line;
    size_t len;
    for (;;) {
        mck_rpc_line_status status = mck_rpc_lines_next(l, eof, &line, &len);
        if (status == MCK_RPC_LINE) {
            memcpy(log + used, line, len);
            used += len;
            log[used++] = '\n';
        } else if (status == MCK_RPC_LINE_TOO_LONG) {
            log[used++] = '\r';
        } else {
            return used;
        }
    }
}

static void feed(mck_rpc_lines *l, const uint8_t *data, size_t size)
{
    uint8_t *room = mck_rpc_lines_reserve(l, size);
    MCK_FUZZ_CHECK(room != NULL);
    if (size) {
        memcpy(room, data, size);
    }
    mck_rpc_lines_wrote(l, size);
}

static void check_lines(const uint8_t *data, size_t size)
{
    mck_rpc_lines whole, pieces;
    uint8_t *a = malloc(2 * size + 16), *b = malloc(2 * size + 16);
    MCK_FUZZ_CHECK(a && b);
    mck_rpc_lines_init(&whole, 12);
    mck_rpc_lines_init(&pieces, 12);
    feed(&whole, data, size);
    size_t used_a = drain(&whole, true, a, 0), used_b = 0;
    for (size_t at = 0, n; at < size; at += n) {
        n = 1 + data[at] % 5u;
        n = n < size - at ? n : size - at;
        feed(&pieces, data + at, n);
        used_b = drain(&pieces, false, b, used_b);
    }
    used_b = drain(&pieces, true, b, used_b);
    MCK_FUZZ_CHECK(used_a == used_b && memcmp(a, b, used_a) == 0);
    mck_rpc_lines_free(&whole);
    mck_rpc_lines_free(&pieces);
    free(a);
    free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_envelopes(data, size);
    check_lines(data, size);
    return 0;
}
