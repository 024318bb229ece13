/* rooms: json cpu */

/* What strict JSON is, the cursor's ways through a document, strings in and out; then the fuzz seeds. */
#include "fuzz/fuzz_json.c"

typedef struct {
    const char *text;
    mck_json_status status;
    size_t position;
} verdict;

static const verdict verdicts[] = {
    {"{}", MCK_JSON_OK, 2},
    {" [1, 2.5, -0, 1e9, 1E-2] ", MCK_JSON_OK, 25},
    {"\"\\ud83d\\ude00\"", MCK_JSON_OK, 14},
    {"", MCK_JSON_E_EOF, 0},
    {"[1", MCK_JSON_E_EOF, 2},
    {"{\"a\"", MCK_JSON_E_EOF, 4},
    {"\"abc", MCK_JSON_E_EOF, 4},
    {"\"\\ud83d", MCK_JSON_E_EOF, 7},
    {"-", MCK_JSON_E_EOF, 1},
    {"1.", MCK_JSON_E_EOF, 2},
    {"tru", MCK_JSON_E_EOF, 3},
    {"trux", MCK_JSON_E_SYNTAX, 3},
    {"[1,]", MCK_JSON_E_SYNTAX, 3},
    {"[,1]", MCK_JSON_E_SYNTAX, 1},
    {"{\"a\":1,}", MCK_JSON_E_SYNTAX, 7},
    {"{a:1}", MCK_JSON_E_SYNTAX, 1},
    {"{\"a\" 1}", MCK_JSON_E_SYNTAX, 5},
    {"[1}", MCK_JSON_E_SYNTAX, 2},
    {"NaN", MCK_JSON_E_SYNTAX, 0},
    {"Infinity", MCK_JSON_E_SYNTAX, 0},
    {"+1", MCK_JSON_E_SYNTAX, 0},
    {"'a'", MCK_JSON_E_SYNTAX, 0},
    {"\xef\xbb\xbf{}", MCK_JSON_E_SYNTAX, 0},
    {"01", MCK_JSON_E_NUMBER, 1},
    {"-01", MCK_JSON_E_NUMBER, 2},
    {"1.x", MCK_JSON_E_NUMBER, 2},
    {"1e+ ", MCK_JSON_E_NUMBER, 3},
    {"-x", MCK_JSON_E_NUMBER, 1},
    {"1 2", MCK_JSON_E_TRAILING, 2},
    {"\"\t\"", MCK_JSON_E_STRING, 1},
    {"\"\\x\"", MCK_JSON_E_STRING, 1},
    {"\"\\u12g4\"", MCK_JSON_E_STRING, 1},
    {"\"\\ud800\"", MCK_JSON_E_STRING, 1},
    {"\"\\udc00\"", MCK_JSON_E_STRING, 1},
    {"\"\\ud800\\u0041\"", MCK_JSON_E_STRING, 1},
    {"\"a\xc3\"", MCK_JSON_E_UTF8, 2},
    {"\"\xed\xa0\x80\"", MCK_JSON_E_UTF8, 1},
    {"\"\xf4\x90\x80\x80\"", MCK_JSON_E_UTF8, 1},
    {"\xff", MCK_JSON_E_SYNTAX, 0},
};

static void check_verdicts(void)
{
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        const verdict *v = &verdicts[i];
        size_t position, len = strlen(v->text);
        mck_json_status status =
            mck_json_validate((const uint8_t *)v->text, len, 128, mck_json_pick(mck_cpu_features()), &position);
        if (status != v->status || position != v->position) {
            fprintf(stderr, "%s: status %d at %zu, expected %d at %zu\n", v->text, (int)status, position,
                    (int)v->status, v->position);
            abort();
        }
        LLVMFuzzerTestOneInput((const uint8_t *)v->text, len);
    }
}

/* `levels` arrays and objects inside one another are fine up to the limit, and the caller's levels count as well. */
static void check_depth(void)
{
    enum { LEVELS = 1500 };
    uint8_t *text = malloc(2 * LEVELS);
    size_t position;
    MCK_FUZZ_CHECK(text != NULL);
    for (uint32_t levels = 1; levels <= LEVELS; levels += levels < 200 ? 1 : 100) {
        memset(text, '[', levels);
        memset(text + levels, ']', levels);
        mck_json_status status = mck_json_validate(text, 2 * levels, 128, NULL, &position);
        MCK_FUZZ_CHECK(status == (levels <= 128 ? MCK_JSON_OK : MCK_JSON_E_DEPTH));
        MCK_FUZZ_CHECK(position == (levels <= 128 ? 2 * levels : 128));
        status = mck_json_validate(text, 2 * levels, UINT32_MAX, NULL, &position);
        MCK_FUZZ_CHECK(status == (levels <= 1024 ? MCK_JSON_OK : MCK_JSON_E_DEPTH));
    }
    mck_json_cursor c;
    mck_json_value value;
    bool more;
    const char *nested = "[[[]]]";
    for (uint32_t limit = 2; limit <= 3; limit++) {
        MCK_FUZZ_CHECK(mck_json_open(&c, (const uint8_t *)nested, 6, limit, NULL) == MCK_JSON_OK);
        MCK_FUZZ_CHECK(mck_json_enter_array(&c) == MCK_JSON_OK);
        MCK_FUZZ_CHECK(mck_json_element(&c, true, &more) == MCK_JSON_OK && more);
        MCK_FUZZ_CHECK(mck_json_read(&c, &value) == (limit == 3 ? MCK_JSON_OK : MCK_JSON_E_DEPTH));
    }
    free(text);
}

static void check_values(void)
{
    const char *text = "{\"a\\u0062\" : [1, 2.0] , \"c\":\"d\"}";
    mck_json_cursor c;
    mck_json_value v;
    bool more;
    MCK_FUZZ_CHECK(mck_json_open(&c, (const uint8_t *)text, strlen(text), 8, NULL) == MCK_JSON_OK);
    MCK_FUZZ_CHECK(mck_json_enter_object(&c) == MCK_JSON_OK && c.depth == 1);
    MCK_FUZZ_CHECK(mck_json_member(&c, true, &v, &more) == MCK_JSON_OK && more && v.escaped);
    MCK_FUZZ_CHECK(mck_json_string_is(c.data + v.span.start, v.span.end - v.span.start, true, "ab", 2));
    MCK_FUZZ_CHECK(!mck_json_string_is(c.data + v.span.start, v.span.end - v.span.start, true, "abc", 3));
    MCK_FUZZ_CHECK(mck_json_enter_array(&c) == MCK_JSON_OK && c.depth == 2);
    MCK_FUZZ_CHECK(mck_json_element(&c, true, &more) == MCK_JSON_OK && more);
    MCK_FUZZ_CHECK(mck_json_read(&c, &v) == MCK_JSON_OK && v.kind == MCK_JSON_NUMBER && v.integral);
    MCK_FUZZ_CHECK(mck_json_element(&c, false, &more) == MCK_JSON_OK && more);
    MCK_FUZZ_CHECK(mck_json_read(&c, &v) == MCK_JSON_OK && !v.integral && v.span.end - v.span.start == 3);
    MCK_FUZZ_CHECK(mck_json_element(&c, false, &more) == MCK_JSON_OK && !more && c.depth == 1);
    MCK_FUZZ_CHECK(mck_json_member(&c, false, &v, &more) == MCK_JSON_OK && more && !v.escaped);
    MCK_FUZZ_CHECK(mck_json_read(&c, &v) == MCK_JSON_OK && v.kind == MCK_JSON_STRING && v.span.end == v.span.start + 1);
    MCK_FUZZ_CHECK(mck_json_member(&c, false, &v, &more) == MCK_JSON_OK && !more && c.depth == 0);
    MCK_FUZZ_CHECK(mck_json_finish(&c) == MCK_JSON_OK);
}

static void check_escapes(void)
{
    const uint8_t text[] = "a\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9";
    const char *expected = "a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9";
    uint8_t out[100];
    memset(out, '?', sizeof out);
    size_t needed = mck_json_escape(text, sizeof text - 1, out, 10, NULL);
    MCK_FUZZ_CHECK(needed == strlen(expected) && out[0] == '?'); /* it does not fit: nothing is written */
    MCK_FUZZ_CHECK(mck_json_escape(text, sizeof text - 1, out, needed, NULL) == needed && out[needed] == '?');
    MCK_FUZZ_CHECK(memcmp(out, expected, needed) == 0);
}

int main(void)
{
    check_verdicts();
    check_depth();
    check_values();
    check_escapes();
    size_t position;
    MCK_FUZZ_CHECK(mck_json_validate(NULL, (size_t)MCK_JSON_MAX_LENGTH + 1, 8, NULL, &position) == MCK_JSON_E_LENGTH);
    for (int status = MCK_JSON_OK; status <= MCK_JSON_E_LENGTH + 1; status++) {
        MCK_FUZZ_CHECK(mck_json_explain((mck_json_status)status) != NULL);
    }
    MCK_FUZZ_CHECK(mck_fuzz_replay("cext/fuzz/seeds/json") >= 15);
    return 0;
}
