/* rooms: rpc json cpu */

/* Envelopes: what each message is taken for, where its parts are; lines; then the fuzz seeds. */
#include "fuzz/fuzz_rpc.c"

static mck_rpc_envelope scan(const char *text)
{
    mck_rpc_options options = {128, mck_json_pick(mck_cpu_features())};
    mck_rpc_envelope e;
    mck_rpc_scan((const uint8_t *)text, strlen(text), &options, &e);
    LLVMFuzzerTestOneInput((const uint8_t *)text, strlen(text));
    return e;
}

static bool is(const char *text, mck_span span, const char *expected)
{
    return span.end - span.start == strlen(expected) && memcmp(text + span.start, expected, strlen(expected)) == 0;
}

#define ENVELOPE(rest) "{\"jsonrpc\":\"2.0\"," rest "}"

static void check_request(void)
{
    const char *text =
        ENVELOPE("\"id\": \"a\\u0041\" ,\"method\":\"tools/call\",\"params\":{\"name\":\"x\",\"arguments\":{ \"b\" : "
                 "[1]},\"_meta\":{\"progressToken\":7,\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
                 "\"io.modelcontextprotocol/clientCapabilities\":{},\"io.modelcontextprotocol/"
                 "clientInfo\":null,\"io.modelcontextprotocol/logLevel\":\"info\"}}");
    mck_rpc_envelope e = scan(text);
    MCK_FUZZ_CHECK(e.status == MCK_RPC_OK && e.kind == MCK_RPC_REQUEST && e.method == MCK_RPC_M_TOOLS_CALL);
    MCK_FUZZ_CHECK(e.id_kind == MCK_RPC_ID_STRING && is(text, e.id, "\"a\\u0041\""));
    MCK_FUZZ_CHECK(is(text, e.name.span, "x") && is(text, e.arguments.span, "{ \"b\" : [1]}"));
    MCK_FUZZ_CHECK(is(text, e.progress_token.span, "7") && is(text, e.protocol_version.span, "2026-07-28"));
    MCK_FUZZ_CHECK(is(text, e.client_capabilities.span, "{}") && is(text, e.log_level.span, "info"));
    MCK_FUZZ_CHECK(e.client_info.kind == MCK_JSON_NULL && (e.flags & MCK_RPC_HAS_CLIENT_INFO));
    MCK_FUZZ_CHECK(!(e.flags & (MCK_RPC_HAS_URI | MCK_RPC_HAS_CURSOR)) && e.uri.span.end == 0);
    MCK_FUZZ_CHECK(text[e.meta.span.start] == '{' && text[e.meta.span.end - 1] == '}');
    MCK_FUZZ_CHECK(text[e.params.start] == '{' && e.params.end == strlen(text) - 1);
}

typedef struct {
    const char *text;
    mck_rpc_status status;
    mck_rpc_kind kind;
} verdict;

static const verdict verdicts[] = {
    {ENVELOPE("\"id\":1,\"method\":\"ping\""), MCK_RPC_OK, MCK_RPC_REQUEST},
    {ENVELOPE("\"method\":\"notifications/initialized\""), MCK_RPC_OK, MCK_RPC_NOTIFICATION},
    {ENVELOPE("\"id\":1,\"result\":{}"), MCK_RPC_OK, MCK_RPC_RESPONSE},
    {ENVELOPE("\"id\":1,\"error\":{}"), MCK_RPC_OK, MCK_RPC_RESPONSE},
    {ENVELOPE("\"error\":{}"), MCK_RPC_OK, MCK_RPC_RESPONSE}, /* an error whose request could not be named */
    {"[1]", MCK_RPC_OK, MCK_RPC_BATCH},
    {" { \"method\" : \"a\" , \"jsonrpc\" : \"\\u0032.0\" } ", MCK_RPC_OK, MCK_RPC_NOTIFICATION},
    {ENVELOPE("\"id\":1,\"method\":\"x\",\"params\":{\"_meta\":3}"), MCK_RPC_OK, MCK_RPC_REQUEST},
    {ENVELOPE("\"result\":{}"), MCK_RPC_E_ID, MCK_RPC_INVALID},
    {"[ ]", MCK_RPC_E_EMPTY_BATCH, MCK_RPC_INVALID},
    {"1", MCK_RPC_E_NOT_OBJECT, MCK_RPC_INVALID},
    {"\"a\"", MCK_RPC_E_NOT_OBJECT, MCK_RPC_INVALID},
    {"{", MCK_RPC_E_JSON, MCK_RPC_INVALID},
    {"1 2", MCK_RPC_E_JSON, MCK_RPC_INVALID},
    {"{}", MCK_RPC_E_VERSION, MCK_RPC_INVALID},
    {"{\"jsonrpc\":2.0,\"method\":\"a\"}", MCK_RPC_E_VERSION, MCK_RPC_INVALID},
    {"{\"jsonrpc\":\"2.0 \",\"method\":\"a\"}", MCK_RPC_E_VERSION, MCK_RPC_INVALID},
    {ENVELOPE("\"jsonrpc\":\"2.0\",\"method\":\"a\""), MCK_RPC_E_DUPLICATE, MCK_RPC_INVALID},
    {ENVELOPE("\"method\":\"a\",\"m\\u0065thod\":\"b\""), MCK_RPC_E_DUPLICATE, MCK_RPC_INVALID},
    {ENVELOPE("\"method\":\"a\",\"params\":{},\"params\":{}"), MCK_RPC_E_DUPLICATE, MCK_RPC_INVALID},
    {ENVELOPE("\"method\":\"a\",\"params\":{\"uri\":1, \"uri\":1}"), MCK_RPC_E_DUPLICATE, MCK_RPC_INVALID},
    {ENVELOPE("\"method\":\"a\",\"params\":{\"_meta\":{},\"_meta\":{}}"), MCK_RPC_E_DUPLICATE, MCK_RPC_INVALID},
    {ENVELOPE("\"method\":\"a\",\"params\":{\"_meta\":{\"progressToken\":1,\"progressToken\":1}}"), MCK_RPC_E_DUPLICATE,
     MCK_RPC_INVALID},
    {ENVELOPE("\"method\":\"a\",\"id\":null"), MCK_RPC_E_ID, MCK_RPC_INVALID},
    {ENVELOPE("\"method\":\"a\",\"id\":1.0"), MCK_RPC_E_ID, MCK_RPC_INVALID},
    {ENVELOPE("\"method\":\"a\",\"id\":[1]"), MCK_RPC_E_ID, MCK_RPC_INVALID},
    {ENVELOPE("\"id\":1"), MCK_RPC_E_METHOD, MCK_RPC_INVALID},
    {ENVELOPE("\"id\":1,\"method\":1"), MCK_RPC_E_METHOD, MCK_RPC_INVALID},
    {ENVELOPE("\"id\":1,\"method\":\"a\",\"params\":[]"), MCK_RPC_E_PARAMS, MCK_RPC_INVALID},
    {ENVELOPE("\"id\":1,\"method\":\"a\",\"params\":null"), MCK_RPC_E_PARAMS, MCK_RPC_INVALID},
    {ENVELOPE("\"id\":1,\"method\":\"a\",\"result\":1"), MCK_RPC_E_BOTH, MCK_RPC_INVALID},
    {ENVELOPE("\"id\":1,\"error\":1,\"result\":1"), MCK_RPC_E_BOTH, MCK_RPC_INVALID},
    /* Not JSON is not JSON, whatever else was wrong before. */
    {ENVELOPE("\"id\":null,\"method\":1,\"params\":[1,]"), MCK_RPC_E_JSON, MCK_RPC_INVALID},
};

static void check_verdicts(void)
{
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        mck_rpc_envelope e = scan(verdicts[i].text);
        if (e.status != verdicts[i].status || e.kind != verdicts[i].kind) {
            fprintf(stderr, "%s: status %d kind %d\n", verdicts[i].text, (int)e.status, (int)e.kind);
            abort();
        }
        MCK_FUZZ_CHECK(mck_rpc_code(e.status) == (e.status == MCK_RPC_OK       ? 0
                                                  : e.status == MCK_RPC_E_JSON ? -32700
                                                                               : -32600));
        MCK_FUZZ_CHECK(mck_rpc_explain(e.status) != NULL);
    }
    const char *late = ENVELOPE("\"method\":1,\"id\":18446744073709551616000");
    mck_rpc_envelope e = scan(late);
    MCK_FUZZ_CHECK(e.status == MCK_RPC_E_METHOD && is(late, e.id, "18446744073709551616000"));
}

static void check_methods(void)
{
    for (int m = 1; m < MCK_RPC_M_COUNT; m++) {
        const char *name = mck_rpc_method_name((mck_rpc_method)m);
        MCK_FUZZ_CHECK(name && mck_rpc_method_from((const uint8_t *)name, strlen(name)) == (mck_rpc_method)m);
        MCK_FUZZ_CHECK(mck_rpc_method_from((const uint8_t *)name, strlen(name) - 1) == MCK_RPC_M_UNKNOWN);
    }
    MCK_FUZZ_CHECK(mck_rpc_method_name(MCK_RPC_M_UNKNOWN) == NULL && mck_rpc_method_name(MCK_RPC_M_COUNT) == NULL);
    MCK_FUZZ_CHECK(scan(ENVELOPE("\"method\":\"t\\u006fols/call\"")).method == MCK_RPC_M_TOOLS_CALL);
}

static void check_framing(void)
{
    mck_rpc_lines l;
    const uint8_t *line;
    size_t len;
    uint8_t log[200];
    mck_rpc_lines_init(&l, 5);
    feed(&l, (const uint8_t *)"one\r\n\n\r\n12345\r\n123456\nxy", 24);
    size_t used = drain(&l, false, log, 0);
    MCK_FUZZ_CHECK(used == 11 && memcmp(log, "one\n12345\n\r", 11) == 0);
    feed(&l, (const uint8_t *)"z456", 4);
    MCK_FUZZ_CHECK(mck_rpc_lines_next(&l, false, &line, &len) == MCK_RPC_LINE_TOO_LONG);
    feed(&l, (const uint8_t *)"89", 2); /* thrown away up to the end of its line, said once */
    MCK_FUZZ_CHECK(mck_rpc_lines_next(&l, false, &line, &len) == MCK_RPC_LINE_MORE);
    feed(&l, (const uint8_t *)"\nlast", 5);
    MCK_FUZZ_CHECK(mck_rpc_lines_next(&l, false, &line, &len) == MCK_RPC_LINE_MORE);
    MCK_FUZZ_CHECK(mck_rpc_lines_next(&l, true, &line, &len) == MCK_RPC_LINE && len == 4 &&
                   memcmp(line, "last", 4) == 0);
    MCK_FUZZ_CHECK(mck_rpc_lines_next(&l, true, &line, &len) == MCK_RPC_LINE_MORE);
    MCK_FUZZ_CHECK(mck_rpc_lines_reserve(&l, SIZE_MAX) == NULL);
    mck_rpc_lines_free(&l);
}

int main(void)
{
    check_request();
    check_verdicts();
    check_methods();
    check_framing();
    MCK_FUZZ_CHECK(mck_fuzz_replay("cext/fuzz/seeds/rpc") >= 15);
    return 0;
}
