/* rooms: rpc json cpu */

/* A head or a chunked body that trickles in gets the verdict it gets whole, and nothing reaches beyond its bytes. */
#include "mcpkit/http.h"

#include "fuzz/replay.h"

static const mck_http_limits limits = {400, 60, 200};

static void check_span(mck_span span, uint32_t end)
{
    MCK_FUZZ_CHECK(span.start <= span.end && span.end <= end);
}

static void check_head(const uint8_t *data, size_t size)
{
    mck_http_head whole, piece;
    whole.scanned = piece.scanned = 0;
    mck_http_progress expected = mck_http_parse(data, size, &limits, &whole), found = MCK_HTTP_MORE;
    for (size_t len = 0; len <= size && found == MCK_HTTP_MORE; len++) {
        found = mck_http_parse(data, len, &limits, &piece);
    }
    MCK_FUZZ_CHECK(found == expected);
    if (expected == MCK_HTTP_REFUSED) {
        MCK_FUZZ_CHECK(whole.status == piece.status && whole.reason == piece.reason && whole.status >= 400);
        MCK_FUZZ_CHECK(!whole.keep_alive && !piece.keep_alive);
    }
    if (expected != MCK_HTTP_DONE) {
        return;
    }
    MCK_FUZZ_CHECK(whole.head_len == piece.head_len && whole.head_len <= size &&
                   whole.field_count == piece.field_count);
    MCK_FUZZ_CHECK(whole.content_length == piece.content_length && whole.keep_alive == piece.keep_alive);
    MCK_FUZZ_CHECK(!(whole.chunked && whole.has_length) && whole.content_length <= limits.max_body);
    check_span(whole.target, whole.head_len);
    MCK_FUZZ_CHECK(whole.path.start >= whole.target.start && whole.path.end <= whole.target.end);
    check_span(whole.path, whole.head_len);
    for (uint32_t i = 0; i < whole.field_count; i++) {
        mck_http_field field = whole.fields[i];
        check_span(field.name, whole.head_len);
        check_span(field.value, whole.head_len);
        MCK_FUZZ_CHECK(memcmp(&field, &piece.fields[i], sizeof field) == 0);
        const uint8_t *value = data + field.value.start;
        size_t n = field.value.end - field.value.start;
        bool is = mck_http_is_media_type(value, n, "application/json");
        MCK_FUZZ_CHECK(!is || n >= 16);
        mck_http_accepts(value, n, "text/event-stream");
    }
}

static void check_chunks(const uint8_t *data, size_t size)
{
    uint8_t *a = malloc(size + 1), *b = malloc(size + 1);
    mck_http_chunks whole, piece;
    mck_http_progress expected, found = MCK_HTTP_MORE;
    MCK_FUZZ_CHECK(a && b);
    mck_http_chunks_init(&whole);
    mck_http_chunks_init(&piece);
    if (size) {
        memcpy(a, data, size);
    }
    expected = mck_http_chunks_feed(&whole, a, size, &limits);
    for (size_t len = 0; len <= size && found == MCK_HTTP_MORE; len++) {
        if (len) {
            b[len - 1] = data[len - 1];
        }
        found = mck_http_chunks_feed(&piece, b, len, &limits);
    }
    MCK_FUZZ_CHECK(found == expected && whole.consumed == piece.consumed && whole.body_len == piece.body_len);
    MCK_FUZZ_CHECK(whole.status == piece.status && whole.body_len <= limits.max_body && whole.consumed <= size);
    MCK_FUZZ_CHECK(whole.body_len == 0 || memcmp(a, b, (size_t)whole.body_len) == 0);
    MCK_FUZZ_CHECK(memcmp(a + whole.consumed, data + whole.consumed, size - (size_t)whole.consumed) == 0);
    free(a);
    free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_head(data, size);
    check_chunks(data, size);
    return 0;
}
