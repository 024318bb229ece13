/* rooms: rpc json cpu */

/* Request heads that trickle in, limits, chunked bodies in place, media types; then the fuzz seeds. The table of what
 * is refused is in tests/wire, as bytes. */
#include "fuzz/fuzz_http.c"

static const mck_http_limits usual = {16384, 8192, 4u << 20};

static uint16_t status_of(const char *text, size_t len, const mck_http_limits *with)
{
    mck_http_head h;
    h.scanned = 0;
    mck_http_progress progress = mck_http_parse((const uint8_t *)text, len, with, &h);
    return progress == MCK_HTTP_REFUSED ? h.status : progress == MCK_HTTP_DONE ? 200 : 0;
}

static bool is(const char *text, mck_span span, const char *expected)
{
    return span.end - span.start == strlen(expected) && memcmp(text + span.start, expected, strlen(expected)) == 0;
}

static void check_parts(void)
{
    const char *text =
        "\r\nPOST /mcp?q=/x HTTP/1.1\r\nHOST:\t localhost:3000 \t\r\nOrigin: http://a\r\nconnection: Keep-Alive , "
        "UPGRADE\r\nUpgrade: websocket\r\nOrigin: b\r\nExpect: 100-Continue\r\nContent-Length: 0012\r\n\r\nrest";
    mck_http_head h;
    h.scanned = 0;
    MCK_FUZZ_CHECK(mck_http_parse((const uint8_t *)text, strlen(text), &usual, &h) == MCK_HTTP_DONE);
    MCK_FUZZ_CHECK(h.method == MCK_HTTP_POST && is(text, h.target, "/mcp?q=/x") && is(text, h.path, "/mcp"));
    MCK_FUZZ_CHECK(h.minor == 1 && h.keep_alive && h.upgrade && h.expect_continue && !h.chunked);
    MCK_FUZZ_CHECK(h.has_length && h.content_length == 12 && h.head_len == strlen(text) - 4 && h.field_count == 7);
    MCK_FUZZ_CHECK(is(text, h.known[MCK_HTTP_F_HOST], "localhost:3000") && h.seen[MCK_HTTP_F_HOST] == 1);
    MCK_FUZZ_CHECK(is(text, h.known[MCK_HTTP_F_ORIGIN], "http://a") && h.seen[MCK_HTTP_F_ORIGIN] == 2);
    MCK_FUZZ_CHECK(h.known[MCK_HTTP_F_ACCEPT].end == 0 && h.seen[MCK_HTTP_F_ACCEPT] == 0);
}

/* A fresh buffer of `size` bytes: a request line with a target of `target` bytes, then one long field. */
static void check_limits(void)
{
    static char text[20000];
    int n = snprintf(text, sizeof text, "GET /%*d HTTP/1.1\r\nHost: a\r\n\r\n", 8191, 7);
    for (char *p = text + 5; *p == ' '; p++) {
        *p = 'a';
    }
    MCK_FUZZ_CHECK(status_of(text, (size_t)n, &usual) == 200);
    n = snprintf(text, sizeof text, "GET /%*d HTTP/1.1\r\nHost: a\r\n\r\n", 8192, 7);
    for (char *p = text + 5; *p == ' '; p++) {
        *p = 'a';
    }
    MCK_FUZZ_CHECK(status_of(text, (size_t)n, &usual) == 414);
    n = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\nX:%*d\r\n\r\n", 16384 - 31, 7);
    MCK_FUZZ_CHECK(n == 16384 && status_of(text, (size_t)n, &usual) == 200);
    MCK_FUZZ_CHECK(status_of(text, (size_t)n - 1, &usual) == 0);
    n = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\nX:%*d\r\n\r\n", 16384 - 30, 7);
    MCK_FUZZ_CHECK(status_of(text, (size_t)n, &usual) == 431);
    for (unsigned fields = 99; fields <= 101; fields++) {
        n = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n");
        for (unsigned i = 1; i < fields; i++) {
            n += snprintf(text + n, sizeof text - (size_t)n, "X-%u: y\r\n", i);
        }
        n += snprintf(text + n, sizeof text - (size_t)n, "\r\n");
        MCK_FUZZ_CHECK(status_of(text, (size_t)n, &usual) == (fields <= MCK_HTTP_MAX_FIELDS ? 200 : 431));
    }
}

static void check_body(const char *raw, mck_http_progress expected, const char *body)
{
    uint8_t buffer[400];
    mck_http_chunks c;
    size_t len = strlen(raw);
    memcpy(buffer, raw, len);
    mck_http_chunks_init(&c);
    mck_http_progress found = mck_http_chunks_feed(&c, buffer, len, &limits);
    if (found != expected || (body && (c.body_len != strlen(body) || memcmp(buffer, body, strlen(body)) != 0))) {
        fprintf(stderr, "%s: %d, %u, %s\n", raw, (int)found, (unsigned)c.body_len, c.reason ? c.reason : "");
        abort();
    }
    LLVMFuzzerTestOneInput((const uint8_t *)raw, len);
}

static void check_bodies(void)
{
    check_body("0\r\n\r\n", MCK_HTTP_DONE, "");
    check_body("3\r\nabc\r\nA;x=\"\\\"\"\r\n0123456789\r\n000\r\nA: b\r\nC:\r\n\r\nGET", MCK_HTTP_DONE,
               "abc0123456789");
    check_body("3\r\nab", MCK_HTTP_MORE, "ab");
    check_body("3\r\nabcd\r\n", MCK_HTTP_REFUSED, NULL);
    check_body("3\nabc\n0\n\n", MCK_HTTP_REFUSED, NULL);
    check_body("\r\n", MCK_HTTP_REFUSED, NULL);
    check_body("-1\r\n", MCK_HTTP_REFUSED, NULL);
    check_body("0x3\r\nabc", MCK_HTTP_REFUSED, NULL);
    check_body("3 \r\nabc", MCK_HTTP_REFUSED, NULL);
    check_body("10000000000000003\r\nabc", MCK_HTTP_REFUSED, NULL);
    check_body("c9\r\n", MCK_HTTP_REFUSED, NULL); /* 201 bytes, 200 are allowed */
    check_body("0\r\n folded\r\n\r\n", MCK_HTTP_REFUSED, NULL);
    check_body("0\r\nA: b\n\r\n", MCK_HTTP_REFUSED, NULL);
    check_body("3;\x01\r\nabc", MCK_HTTP_REFUSED, NULL);
    /* Extensions and trailers cannot go on for ever. */
    mck_http_chunks c;
    uint8_t endless[1000];
    memset(endless, 'x', sizeof endless);
    memcpy(endless, "1;", 2);
    mck_http_chunks_init(&c);
    MCK_FUZZ_CHECK(mck_http_chunks_feed(&c, endless, sizeof endless, &limits) == MCK_HTTP_REFUSED && c.status == 413);
}

static bool accepts(const char *value, const char *type)
{
    return mck_http_accepts((const uint8_t *)value, strlen(value), type);
}

static void check_media(void)
{
    const char *json = "application/json";
    static const char *const same[] = {"application/json", " Application/JSON ", "application/json;charset=utf-8",
                                       "application/json ; charset=\"a;b\""};
    static const char *const other[] = {"",    "application/jsonx",      "application/jso", "text/json",
                                        "*/*", "application/json,text/x"};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        MCK_FUZZ_CHECK(mck_http_is_media_type((const uint8_t *)same[i], strlen(same[i]), json));
    }
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        MCK_FUZZ_CHECK(!mck_http_is_media_type((const uint8_t *)other[i], strlen(other[i]), json));
    }
    MCK_FUZZ_CHECK(accepts("application/json, text/event-stream", json));
    MCK_FUZZ_CHECK(accepts("text/event-stream , APPLICATION/json;q=0.1", json));
    MCK_FUZZ_CHECK(accepts("*/*", json) && accepts("application/*;q=0.001", json));
    MCK_FUZZ_CHECK(!accepts("", json) && !accepts("text/event-stream", json) && !accepts("text/*", json));
    MCK_FUZZ_CHECK(!accepts("application/json;q=0, */*", json) && !accepts("*/*;q=1, application/*; q=0.000", json));
    MCK_FUZZ_CHECK(accepts("application/*;q=0, application/json", json));
    MCK_FUZZ_CHECK(accepts("text/x;a=\",application/json;q=0\", application/json", json));
    MCK_FUZZ_CHECK(!accepts("text/x;a=\", application/json\"", json));
}

int main(void)
{
    check_parts();
    check_limits();
    check_bodies();
    check_media();
    MCK_FUZZ_CHECK(mck_fuzz_replay("cext/fuzz/seeds/http") >= 15);
    return 0;
}
