/* rooms: wasm meter json buffer cpu */

/*
 * Component values through real components: JSON becomes values, a guest hands them back, and they become JSON again.
 *
 * One core function echoes every type. The second parameter is so wide that the canonical ABI passes all parameters
 * through memory; the result, a pair of the same two types, has the same layout, so the guest returns the pointer it
 * was given.
 */
#include "wasm/values.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mck_wasmtime_api api;
static wasm_engine_t *engine;
static int failures;

typedef struct {
    wasmtime_component_t *component;
    wasmtime_component_export_index_t *index;
    mck_signature *signature;
} guest;

static void must(wasmtime_error_t *error, const char *what)
{
    if (error) {
        wasm_byte_vec_t text;
        api.error_message(error, &text);
        fprintf(stderr, "%s: %.*s\n", what, (int)text.size, text.data);
        exit(1);
    }
}

static const char core[] =
    "(core module $m (memory (export \"memory\") 64) (global $at (mut i32) (i32.const 4096))"
    " (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) (local $r i32)"
    "  (local.set $r (i32.and (i32.add (global.get $at) (i32.const 15)) (i32.const -16)))"
    "  (global.set $at (i32.add (local.get $r) (local.get 3))) (local.get $r))"
    " (func (export \"echo\") (param i32) (result i32) (local.get 0)))"
    "(core instance $i (instantiate $m))"
    "(type $wide (option (tuple u32 u32 u32 u32 u32 u32 u32 u32 u32 u32 u32 u32 u32 u32 u32 u32 u32)))";

static guest guest_new(const char *types, const char *type)
{
    static char wat[200000];
    wasm_byte_vec_t binary;
    guest g;

    snprintf(wat, sizeof wat,
             "(component %s %s (func (export \"f\") (param \"a\" %s) (param \"p\" $wide) (result (tuple %s $wide))"
             " (canon lift (core func $i \"echo\") (memory (core memory $i \"memory\"))"
             " (realloc (core func $i \"realloc\")))))",
             core, types, type, type);
    must(api.wat2wasm(wat, strlen(wat), &binary), type);
    must(api.component_new(engine, (const uint8_t *)binary.data, binary.size, &g.component), type);
    api.wasm_byte_vec_delete(&binary);
    g.index = api.component_get_export_index(g.component, NULL, "f", 1);

    wasmtime_component_type_t *outer = api.component_type(g.component);
    g.signature = NULL;
    for (size_t i = 0; i < api.component_type_export_count(outer, engine); i++) {
        const char *name;
        size_t len;
        wasmtime_component_extern_t *item;
        wasmtime_component_item_t what;
        api.component_type_export_nth(outer, engine, i, &name, &len, &item);
        api.component_extern_type(item, &what);
        if (what.kind == WASMTIME_COMPONENT_ITEM_COMPONENT_FUNC)
            g.signature = mck_signature_new(&api, what.of.component_func);
        api.component_item_delete(&what);
        api.component_extern_delete(item);
    }
    api.component_type_delete(outer);
    return g;
}

static void guest_delete(guest *g)
{
    mck_signature_delete(g->signature);
    api.component_export_index_delete(g->index);
    api.component_delete(g->component);
}

/* Through a fresh instance; `values` stay the caller's. */
static void call(const guest *g, const wasmtime_component_val_t *values, size_t count, wasmtime_component_val_t *result)
{
    wasmtime_error_t *error = NULL;
    wasmtime_component_instance_t instance;
    wasmtime_component_func_t function;
    wasmtime_component_linker_t *linker = api.component_linker_new(engine);
    wasmtime_store_t *store = api.store_new(engine, NULL, NULL);
    wasmtime_context_t *context = api.store_context(store);

    wasmtime_call_future_t *f =
        api.component_linker_instantiate_async(linker, context, g->component, &instance, &error);
    while (!api.call_future_poll(f))
        ;
    api.call_future_delete(f);
    must(error, "instantiate");
    if (!api.component_instance_get_func(&instance, context, g->index, &function))
        exit(1);
    f = api.component_func_call_async(&function, context, values, count, result, 1, &error);
    while (!api.call_future_poll(f))
        ;
    api.call_future_delete(f);
    must(error, "call");
    api.store_delete(store);
    api.component_linker_delete(linker);
}

/* The answer for {"a": argument}: the echoed value's JSON, or the refusal; in `out`, terminated. */
static mck_values_status echo(const guest *g, const char *argument, const mck_values_limits *limits,
                              uint64_t max_result, char *out, size_t size)
{
    mck_buffer json = {0}, answer = {0};
    wasmtime_component_val_t values[2], result;
    bool is_error;

    mck_buffer_text(&json, "{\"a\":");
    mck_buffer_text(&json, argument);
    mck_buffer_text(&json, "}");
    memset(values, 0, sizeof values);
    memset(&result, 0, sizeof result);
    mck_values_status status =
        mck_values_from_json(&api, g->signature, json.data, json.len, NULL, limits, values, out, size);
    if (!status) {
        call(g, values, 2, &result);
        status = mck_values_to_json(g->signature, &result, max_result, mck_json_pick(0), &answer, &is_error, out, size);
        api.component_val_delete(&result);
        api.component_val_delete(&values[0]);
        api.component_val_delete(&values[1]);
    }
    if (!status) {
        static const char before[] = "{\"val0\":", after[] = ",\"val1\":null}";
        size_t len = answer.len - strlen(before) - strlen(after);
        if (len >= size)
            len = size - 1;
        memcpy(out, answer.data + strlen(before), len);
        out[len] = '\0';
    }
    mck_buffer_free(&json);
    mck_buffer_free(&answer);
    return status;
}

typedef struct {
    const char *argument;
    const char *answer; /* what comes back, or how the refusal begins; NULL: the argument itself */
} example;

static void check(const char *types, const char *type, mck_values_status expected, const example *examples)
{
    guest g = guest_new(types, type);
    char answer[4096];

    for (; examples->argument; examples++) {
        const char *wanted = examples->answer ? examples->answer : examples->argument;
        mck_values_status status = echo(&g, examples->argument, NULL, 1 << 20, answer, sizeof answer);
        bool same = expected ? strncmp(answer, wanted, strlen(wanted)) == 0 : strcmp(answer, wanted) == 0;
        if (status != expected || !same) {
            fprintf(stderr, "%s of %.80s: status %d, %s\n   expected %s\n", type, examples->argument, (int)status,
                    answer, wanted);
            failures++;
        }
    }
    guest_delete(&g);
}

#define GIVES(types, type, ...) check(types, type, MCK_VALUES_OK, (const example[]){__VA_ARGS__, {0}})
#define REFUSES(types, type, ...) check(types, type, MCK_VALUES_MISMATCH, (const example[]){__VA_ARGS__, {0}})

#define RECORD                                                                                                         \
    "(type $r' (record (field \"name\" string) (field \"count\" u8) (field \"note\" (option string))))"                \
    "(export $r \"r\" (type $r'))"
#define VARIANT                                                                                                        \
    "(type $v' (variant (case \"none\") (case \"number\" s32) (case \"words\" (list string))))"                        \
    "(export $v \"v\" (type $v'))"
#define ENUM "(type $e' (enum \"red\" \"dark-green\" \"blue\")) (export $e \"e\" (type $e'))"
#define FLAGS "(type $f' (flags \"read\" \"write\" \"execute\")) (export $f \"f-lags\" (type $f'))"

static void integers(void)
{
    GIVES("", "bool", {"true", 0}, {"false", 0});
    GIVES("", "s8", {"-128", 0}, {"127", 0}, {"-0", "0"}, {"1e2", "100"}, {"12.0", "12"}, {"1200e-1", "120"});
    GIVES("", "u8", {"0", 0}, {"255", 0}, {"0.0e9999999999999999999", "0"});
    GIVES("", "s16", {"-32768", 0}, {"32767", 0});
    GIVES("", "u16", {"65535", 0});
    GIVES("", "s32", {"-2147483648", 0}, {"2147483647", 0});
    GIVES("", "u32", {"4294967295", 0});
    GIVES("", "s64", {"-9223372036854775808", 0}, {"9223372036854775807", 0}, {"-9007199254740993", 0});
    GIVES("", "u64", {"18446744073709551615", 0}, {"9007199254740993", 0},
          {"18446744073709551615.000", "18446744073709551615"}, {"1.8446744073709551615e19", "18446744073709551615"},
          {"1e19", "10000000000000000000"});
    REFUSES("", "bool", {"1", "a: expected true or false, got 1"}, {"null", "a: expected true or false, got null"});
    REFUSES("", "u8", {"300", "a: expected u8 (0 to 255), got 300"}, {"-1", "a: expected u8 (0 to 255), got -1"},
            {"1.5", "a: expected u8 (0 to 255), got 1.5"}, {"\"7\"", "a: expected u8 (0 to 255), got \"7\""},
            {"[7]", "a: expected u8 (0 to 255), got an array"}, {"1e400", "a: expected u8"}, {"{}", "a: expected u8"});
    REFUSES("", "s8", {"-129", "a: expected s8 (-128 to 127), got -129"}, {"128", "a: expected s8"});
    REFUSES("", "s64", {"9223372036854775808", "a: expected s64 (-9223372036854775808 to 9223372036854775807), got "},
            {"-9223372036854775809", "a: expected s64"});
    REFUSES("", "u64",
            {"18446744073709551616", "a: expected u64 (0 to 18446744073709551615), got 18446744073709551616"},
            {"100000000000000000000000000000000000000000000000000000000000000000000000", "a: expected u64"},
            {"1e99999999999999999999", "a: expected u64"});
}

static void floats(void)
{
    GIVES("", "f64", {"0.1", 0}, {"1.5e300", "1.5e300"}, {"-0.0", 0}, {"5", "5.0"}, {"5e-324", 0}, {"1e-400", "0.0"},
          {"1.7976931348623157e308", 0}, {"2.2250738585072014e-308", 0}, {"123456789.125", 0}, {"1e16", 0},
          {"9007199254740993", "9007199254740992.0"},
          {"9007199254740993.0000000000000000000000000000000001", "9007199254740994.0"}, {"0.00001", "0.00001"},
          {"0.000001", "1e-6"}, {"0.30000000000000004", 0}, {"4.35", 0}, {"\"NaN\"", 0}, {"\"-Infinity\"", 0},
          {"\"Infinity\"", 0}, {"1234567890123456.0", 0}, {"1e23", 0}, {"9.5e-3", "0.0095"});
    GIVES("", "f32", {"0.1", 0}, {"16777217", "16777216.0"}, {"3.4028235e38", 0}, {"1e-45", 0}, {"0.3", 0},
          {"\"NaN\"", 0}, {"1.00000017881393432617187499", "1.0000001"}, {"1.00000017881393432617187501", "1.0000002"},
          {"-2.5", 0});
    REFUSES("", "f64", {"1e309", "a: 1e309 is beyond the largest f64"},
            {"\"1\"", "a: expected a number (f64), got \"1\""}, {"null", "a: expected a number (f64), got null"},
            {"\"nan\"", "a: expected a number"});
    REFUSES("", "f32", {"3.5e38", "a: 3.5e38 is beyond the largest f32"},
            {"true", "a: expected a number (f32), got true"});
}

static void texts(void)
{
    GIVES("", "char", {"\"x\"", 0}, {"\"\\u0000\"", 0}, {"\"\\ud83d\\ude00\"", "\"\xF0\x9F\x98\x80\""},
          {"\"\xC3\xA9\"", 0}, {"\"\xE2\x82\xAC\"", 0}, {"\"\\n\"", 0}, {"\"\\\"\"", 0},
          {"\"\\u20ac\"", "\"\xE2\x82\xAC\""});
    GIVES("", "string", {"\"\"", 0}, {"\"hello\"", 0}, {"\"a\\u0000b\"", 0},
          {"\"\\u00e9\\ud83d\\ude00\\t\"", "\"\xC3\xA9\xF0\x9F\x98\x80\\t\""}, {"\"\\\\\\\"\\/\"", "\"\\\\\\\"/\""});
    GIVES(ENUM, "$e", {"\"red\"", 0}, {"\"dark-green\"", 0}, {"\"\\u0062lue\"", "\"blue\""});
    GIVES(FLAGS, "$f", {"[]", 0}, {"[\"write\"]", 0}, {"[\"execute\",\"read\"]", "[\"read\",\"execute\"]"});
    REFUSES("", "char", {"\"\"", "a: expected a string of exactly one character, got \"\""},
            {"\"xy\"", "a: expected a string of"}, {"\"e\xCC\x81\"", "a: expected"},
            {"120", "a: expected a string of exactly one character, got 120"});
    REFUSES("", "string", {"5", "a: expected a string, got 5"}, {"\"\\ud800\"", "a: not valid JSON"},
            {"\"\xFF\"", "a: not valid JSON"}, {"\"\xED\xA0\x80\"", "a: not valid JSON"});
    REFUSES(ENUM, "$e", {"\"dark_green\"", "a: unknown name \"dark_green\"; did you mean \"dark-green\"?"},
            {"\"yellow\"", "a: unknown name \"yellow\"; known: \"red\", \"dark-green\", \"blue\""},
            {"0", "a: expected one of \"red\", \"dark-green\", \"blue\", got 0"});
    REFUSES(FLAGS, "$f", {"[\"reed\"]", "a[0]: unknown flag \"reed\"; did you mean \"read\"?"},
            {"[\"read\",\"read\"]", "a: \"read\" is given twice"}, {"{}", "a: expected an array with any of"},
            {"[1]", "a: expected"});
}

static void composites(void)
{
    GIVES("", "(list u8)", {"[]", 0}, {"[1,2,255]", 0});
    GIVES("", "(list (list string))", {"[[],[\"a\"],[\"b\",\"\"]]", 0});
    GIVES("", "(tuple u8 string)", {"[1,\"x\"]", "{\"val0\":1,\"val1\":\"x\"}"},
          {"{\"val1\":\"x\",\"val0\":1}", "{\"val0\":1,\"val1\":\"x\"}"});
    GIVES(RECORD, "$r", {"{\"name\":\"n\",\"count\":3,\"note\":null}", 0},
          {"{\"count\":3,\"na\\u006de\":\"n\"}", "{\"name\":\"n\",\"count\":3,\"note\":null}"},
          {" { \"note\" : \"x\" , \"count\" : 3 , \"name\" : \"n\" } ", "{\"name\":\"n\",\"count\":3,\"note\":\"x\"}"});
    GIVES(RECORD, "(list $r)",
          {"[{\"name\":\"n\",\"count\":3,\"note\":\"y\"},{\"name\":\"m\",\"count\":0,\"note\":null}]", 0});
    GIVES(VARIANT, "$v", {"{\"tag\":\"none\"}", 0}, {"{\"tag\":\"number\",\"val\":-5}", 0},
          {"{\"val\":[\"a\",\"b\"],\"tag\":\"words\"}", "{\"tag\":\"words\",\"val\":[\"a\",\"b\"]}"});
    GIVES("", "(option u8)", {"null", 0}, {"7", 0});
    GIVES("", "(option (option u8))", {"null", 0}, {"{\"some\":null}", 0}, {"{\"some\":7}", 0});
    GIVES("", "(option (option (option bool)))", {"{\"some\":{\"some\":true}}", 0}, {"{\"some\":{\"some\":null}}", 0});
    GIVES("", "(result string (error u8))", {"{\"ok\":\"fine\"}", 0}, {"{\"err\":4}", 0});
    GIVES("", "(result)", {"{\"ok\":null}", 0}, {"{\"err\":null}", 0});
    GIVES("", "(list (option (result (error string))))", {"[null,{\"ok\":null},{\"err\":\"x\"}]", 0});
    GIVES("", "(map string (list u8))", {"[]", 0}, {"[[\"a\",[1]],[\"b\",[]]]", 0});

    REFUSES("", "(list u8)", {"[1,2,256]", "a[2]: expected u8 (0 to 255), got 256"},
            {"\"AAE=\"", "a: expected an array, got \"AAE=\""});
    REFUSES("", "(tuple u8 string)", {"[1]", "a: expected an array of 2 or an object with val0 to val1, got an array"},
            {"[1,\"x\",2]", "a: expected an array of 2"}, {"{\"val0\":1}", "a.val1: missing; expected a string"},
            {"7", "a: expected an"});
    REFUSES(RECORD, "(list $r)", {"[{\"name\":\"n\",\"count\":300}]", "a[0].count: expected u8 (0 to 255), got 300"},
            {"[{\"name\":\"n\"}]", "a[0].count: missing; expected u8 (0 to 255)"},
            {"[{\"name\":\"n\",\"count\":1,\"cuont\":1}]", "a[0]: unknown field \"cuont\"; did you mean \"count\"?"},
            {"[{\"name\":\"n\",\"name\":\"m\",\"count\":1}]", "a[0]: \"name\" is given twice"},
            {"[{\"name\":[],\"count\":1}]", "a[0].name: expected a string, got an array"},
            {"[null]", "a[0]: expected an object, got null"});
    REFUSES(VARIANT, "$v", {"{\"tag\":\"none\",\"val\":1}", "a: case \"none\" takes no \"val\""},
            {"{\"tag\":\"number\"}", "a: case \"number\" needs \"val\""},
            {"{\"tag\":\"nomber\",\"val\":1}", "a.tag: unknown case \"nomber\"; did you mean \"number\"?"},
            {"{}", "a.tag: missing"}, {"{\"val\":true,\"tag\":\"number\"}", "a.val: expected s32"},
            {"{\"tag\":\"none\",\"tag\":\"none\"}", "a: \"tag\" is given twice"},
            {"{\"tag\":\"words\",\"val\":[\"a\",5]}", "a.val[1]: expected a string, got 5"},
            {"\"none\"", "a: expected an object with \"tag\""},
            {"{\"tag\":\"none\",\"value\":1}", "a: unknown member \"value\""});
    REFUSES("", "(option (option u8))", {"7", "a: expected an object with \"some\" or null, got 7"},
            {"{}", "a: expected"},
            {"{\"some\":1,\"more\":2}", "a: expected an object with \"some\" or null, got more than one member"});
    REFUSES("", "(result string (error u8))", {"{\"ok\":\"a\",\"err\":1}", "a: expected an object with either"},
            {"{}", "a: expected an object with either"}, {"{\"err\":\"x\"}", "a.err: expected u8"},
            {"{\"okay\":1}", "a: unknown member \"okay\"; did you mean \"ok\"?"});
    REFUSES("", "(result)", {"{\"ok\":1}", "a.ok: expected null"});
    REFUSES("", "(map string u8)", {"[[\"a\"]]", "a: expected an array of [key, value] pairs"},
            {"[[\"a\",1,2]]", "a: expected an array of"}, {"[[1,1]]", "a[0][0]: expected a string, got 1"},
            {"{\"a\":1}", "a: expected an array of [key, value] pairs, got an object"});
}

static void expect(const char *what, mck_values_status status, mck_values_status wanted, const char *text,
                   const char *begins)
{
    if (status != wanted || strncmp(text, begins, strlen(begins)) != 0) {
        fprintf(stderr, "%s: status %d, %s\n", what, (int)status, text);
        failures++;
    }
}

static char *repeated(const char *first, const char *more, size_t count, const char *last)
{
    char *text = malloc(strlen(first) + strlen(more) * count + strlen(last) + 1), *at = text;
    at += sprintf(at, "%s", first);
    for (size_t i = 0; i < count; i++)
        at += sprintf(at, "%s", more);
    sprintf(at, "%s", last);
    return text;
}

static void bounds(void)
{
    char answer[1024];
    const mck_values_limits small = {.max_bytes = 1000, .max_elements = 10};
    guest bytes = guest_new("", "(list u8)"), words = guest_new("", "(list string)"), text = guest_new("", "string");

    expect("10 elements", echo(&bytes, "[1,2,3,4,5,6,7,8,9,0]", &small, 1000, answer, sizeof answer), MCK_VALUES_OK,
           answer, "[1,");
    expect("12 elements", echo(&bytes, "[1,2,3,4,5,6,7,8,9,0,1,2]", &small, 1000, answer, sizeof answer),
           MCK_VALUES_TOO_LARGE, answer,
           "a: a list of 12 elements brings the arguments over their bound of 10 list elements");

    char *json = repeated("\"", "x", 1001, "\"");
    expect("a long string", echo(&text, json, &small, 2000, answer, sizeof answer), MCK_VALUES_TOO_LARGE, answer,
           "a: a string of 1001 bytes brings the arguments over their bound of 1000 bytes");
    expect("the same", echo(&text, json, NULL, 2000, answer, sizeof answer), MCK_VALUES_OK, answer, "\"xxx");
    expect("a long result", echo(&text, json, NULL, 500, answer, sizeof answer), MCK_VALUES_TOO_LARGE, answer,
           "val0: the result is larger than its bound of 500 bytes");
    free(json);

    json = repeated("[\"", "\\n", 990, "\",\"\"]"); /* counted as it is decoded: 990 + 2 × 32 */
    expect("strings in a list", echo(&words, json, &small, 2000, answer, sizeof answer), MCK_VALUES_TOO_LARGE, answer,
           "a[0]: a string of 990 bytes");
    expect("escapes grow", echo(&words, json, NULL, 1500, answer, sizeof answer), MCK_VALUES_TOO_LARGE, answer,
           "val0[0]: the result is larger than its bound of 1500 bytes");
    free(json);

    json = repeated("[0", ",0", 79999, "]");
    expect("80 000 elements", echo(&bytes, json, NULL, 1 << 20, answer, sizeof answer), MCK_VALUES_OK, answer, "[0,0,");
    free(json);
    json = repeated("[0", ",0", 80000, "]");
    expect("80 001 elements", echo(&bytes, json, NULL, 1 << 20, answer, sizeof answer), MCK_VALUES_TOO_LARGE, answer,
           "a: a list of 80001 elements brings the arguments over their bound of 80000 list elements");
    free(json);
    guest_delete(&bytes);
    guest_delete(&words);
    guest_delete(&text);

    /* Little JSON, many values: a hundred absent fields cost what a hundred values cost. */
    char *fields = repeated("(type $w' (record", "", 0, "");
    for (int i = 0; i < 100; i++) {
        char *grown = malloc(strlen(fields) + 64);
        sprintf(grown, "%s (field \"f%d\" (option u8))", fields, i);
        free(fields);
        fields = grown;
    }
    char *types = repeated(fields, "", 0, ")) (export $w \"w\" (type $w'))");
    guest wide = guest_new(types, "(list $w)");
    json = repeated("[{}", ",{}", 70000, "]");
    expect("wide records", echo(&wide, json, NULL, 1 << 20, answer, sizeof answer), MCK_VALUES_TOO_LARGE, answer,
           "a[3275]: this value brings the arguments over their bound of 16777216 bytes");
    free(json);
    free(fields);
    free(types);
    guest_delete(&wide);
}

static void parameters(void)
{
    guest g = guest_new(RECORD, "$r");
    static const example examples[] = {
        {"[]", "arguments: expected an object, got an array"},
        {"{}", "a: missing; expected an object"},
        {"{\"b\":1}", "arguments: unknown parameter \"b\"; did you mean \"a\"?"},
        {"{\"a\":{\"name\":\"x\",\"count\":1},\"a\":{}}", "arguments: \"a\" is given twice"},
        {"{\"a\":{\"name\":\"x\",\"count\":1}", "arguments: not valid JSON"},
        {"{\"a\":{\"name\":\"x\",\"count\":1}} x", "arguments: not valid JSON"},
        {"{\"a\":{\"name\":\"x\",\"count\":1},\"p\":[1,2]}", "p: expected an array of 17"},
        {"", "arguments: not valid JSON"},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        char detail[300];
        wasmtime_component_val_t values[2];
        memset(values, 0, sizeof values);
        mck_values_status status =
            mck_values_from_json(&api, g.signature, (const uint8_t *)examples[i].argument, strlen(examples[i].argument),
                                 NULL, NULL, values, detail, sizeof detail);
        expect(examples[i].argument, status, MCK_VALUES_MISMATCH, detail, examples[i].answer);
    }
    /* However small the room for the sentence is, it is terminated and ends between characters. */
    for (size_t size = 0; size < 60; size++) {
        char detail[64] = "unset";
        wasmtime_component_val_t values[2];
        const char *json = "{\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xF0\x9F\x98\x80\":1}";
        memset(values, 0, sizeof values);
        mck_values_from_json(&api, g.signature, (const uint8_t *)json, strlen(json), NULL, NULL, values, detail, size);
        if (size && (strlen(detail) >= size || mck_json_utf8_fault((const uint8_t *)detail, strlen(detail),
                                                                   mck_json_pick(0)) != strlen(detail))) {
            fprintf(stderr, "a sentence cut at %zu: %s\n", size, detail);
            failures++;
        }
    }
    guest_delete(&g);
}

static void descriptions(void)
{
    static const struct {
        const char *types, *type, *json;
    } all[] = {
        {"", "(list (option char))", "{\"list\":{\"option\":\"char\"}}"},
        {"", "(tuple bool f32)", "{\"tuple\":[\"bool\",\"f32\"]}"},
        {"", "(result (error string))", "{\"result\":{\"ok\":null,\"err\":\"string\"}}"},
        {"", "(map string u64)", "{\"map\":[\"string\",\"u64\"]}"},
        {RECORD, "$r",
         "{\"record\":[{\"name\":\"name\",\"type\":\"string\"},{\"name\":\"count\",\"type\":\"u8\"},"
         "{\"name\":\"note\",\"type\":{\"option\":\"string\"}}]}"},
        {VARIANT, "$v",
         "{\"variant\":[{\"name\":\"none\",\"type\":null},{\"name\":\"number\",\"type\":\"s32\"},"
         "{\"name\":\"words\",\"type\":{\"list\":\"string\"}}]}"},
        {ENUM, "$e", "{\"enum\":[\"red\",\"dark-green\",\"blue\"]}"},
        {FLAGS, "$f", "{\"flags\":[\"read\",\"write\",\"execute\"]}"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        mck_buffer out = {0};
        char wanted[600];
        guest g = guest_new(all[i].types, all[i].type);
        mck_signature_describe(g.signature, &out);
        int n =
            snprintf(wanted, sizeof wanted, "\"params\":[{\"name\":\"a\",\"type\":%s},{\"name\":\"p\"", all[i].json);
        if (out.len < (size_t)n || memcmp(out.data, wanted, (size_t)n) != 0 || g.signature->unsupported) {
            fprintf(stderr, "description of %s: %.*s\n", all[i].type, (int)out.len, (const char *)out.data);
            failures++;
        }
        mck_buffer_free(&out);
        guest_delete(&g);
    }
}

/* What cannot be a tool says why; types that would fill the memory are cut. */
static void unsupported(void)
{
    guest g = guest_new("(type $h' (resource (rep i32))) (export $h \"h\" (type $h'))", "(list (own $h))");
    if (!g.signature->unsupported || strcmp(g.signature->unsupported, "resource in parameter \"a\"") != 0) {
        fprintf(stderr, "a resource: %s\n", g.signature->unsupported ? g.signature->unsupported : "supported");
        failures++;
    }
    guest_delete(&g);

    char types[8000], *at = types;
    at += sprintf(at, "(type $t0 (list u8))");
    for (int i = 1; i <= 14; i++)
        at += sprintf(at, "(type $t%d (tuple $t%d $t%d))", i, i - 1, i - 1);
    g = guest_new(types, "(list $t14)");
    if (!g.signature->unsupported || !strstr(g.signature->unsupported, "too large")) {
        fprintf(stderr, "a tree of 2^15 types: %s\n",
                g.signature->unsupported ? g.signature->unsupported : "supported");
        failures++;
    }
    guest_delete(&g);

    at = types + sprintf(types, "(type $t0 (list u8))");
    for (int i = 1; i <= 70; i++)
        at += sprintf(at, "(type $t%d (list $t%d))", i, i - 1);
    g = guest_new(types, "$t70");
    if (!g.signature->unsupported || !strstr(g.signature->unsupported, "too deep")) {
        fprintf(stderr, "70 lists inside one another: %s\n",
                g.signature->unsupported ? g.signature->unsupported : "supported");
        failures++;
    }
    guest_delete(&g);

    at = types + sprintf(types, "(type $t0 (option (option u8)))");
    for (int i = 1; i <= 60; i++)
        at += sprintf(at, "(type $t%d (list $t%d))", i, i - 1);
    g = guest_new(types, "$t60");
    char json[200] = "", answer[400];
    for (int i = 0; i < 60; i++)
        strcat(json, "[");
    strcat(json, "{\"some\":5}");
    for (int i = 0; i < 60; i++)
        strcat(json, "]");
    expect("60 lists", echo(&g, json, NULL, 10000, answer, sizeof answer), MCK_VALUES_OK, answer, json);
    guest_delete(&g);
}

/* Damaged arguments and random bounds: refused or converted, never read or written out of bounds, nothing left
 * behind (the sanitizers look). The text stands in memory of exactly its size. */
static void mutations(void)
{
    static const char seed[] = "{\"a\":[[{\"name\":\"n\\u00e9\\ud83d\\ude00\",\"count\":3,\"note\":null},{\"note\":"
                               "\"x\",\"count\":255,\"name\":\"\"}],"
                               "{\"val\":[\"a\",\"b\"],\"tag\":\"words\"},{\"some\":\"red\"},[\"read\",\"write\"],{"
                               "\"ok\":[1.5,-0.0,1e300,\"NaN\"]},"
                               "[[\"k\",[1,2,3]],[\"\",[]]],-9223372036854775808,3.25]}";
    static const char bytes[] = "{}[]\",:0123456789.eE+-\\untrfalsx \xff\xc3\xa9\xed\xa0";
    guest g = guest_new(RECORD VARIANT ENUM FLAGS,
                        "(tuple (list $r) $v (option (option $e)) $f (result (list f64) (error char))"
                        " (map string (list u8)) s64 f32)");
    uint64_t state = 88172645463325252U;
    size_t converted = 0;

    for (int round = 0; round < 20000; round++) {
        char text[sizeof seed + 8], detail[200];
        size_t len = sizeof seed - 1;
        memcpy(text, seed, len);
        for (unsigned changes = (unsigned)round % 4; changes > 0 && len > 1; changes--) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            size_t at = (size_t)(state >> 8) % len;
            char byte = bytes[(state >> 40) % (sizeof bytes - 1)];
            switch (state % 4) {
            case 0: text[at] = byte; break;
            case 1: memmove(text + at, text + at + 1, len-- - at - 1); break;
            case 2:
                memmove(text + at + 1, text + at, len++ - at);
                text[at] = byte;
                break;
            default: len = round % 16 ? len : at + 1; break;
            }
        }
        char *exact = malloc(len);
        memcpy(exact, text, len);
        mck_values_limits limits = {.max_bytes = round % 5 ? 0 : state % 1500,
                                    .max_elements = round % 7 ? 0 : 1 + (uint32_t)(state % 10)};
        wasmtime_component_val_t values[2];
        memset(values, 0, sizeof values);
        if (mck_values_from_json(&api, g.signature, (const uint8_t *)exact, len, NULL, &limits, values, detail,
                                 1 + state % sizeof detail) == MCK_VALUES_OK) {
            converted++;
            api.component_val_delete(&values[0]);
            api.component_val_delete(&values[1]);
        }
        free(exact);
    }
    if (converted < 1000 || converted > 19000) {
        fprintf(stderr, "%zu of 20000 damaged arguments were taken\n", converted);
        failures++;
    }
    guest_delete(&g);
}

/* The library of the `wasmtime` package, from the environment or the development environment. */
static const char *library(void)
{
    static glob_t found;
    const char *path = getenv("MCPKIT_WASMTIME");
    if (path)
        return path;
    if (glob(".venv/lib/python3*/site-packages/wasmtime/*/_libwasmtime.*", 0, NULL, &found) == 0)
        return found.gl_pathv[0];
    return NULL;
}

int main(void)
{
    char message[512];
    const char *path = library();

    if (!path) {
        fprintf(stderr, "skipped: no wasmtime library in .venv and none named by MCPKIT_WASMTIME\n");
        return 0;
    }
    if (!mck_wasmtime_api_load(&api, path, message, sizeof message)) {
        fprintf(stderr, "%s\n", message);
        return 1;
    }
    wasm_config_t *config = api.wasm_config_new();
    api.config_wasm_component_model_map_set(config, true);
    engine = api.wasm_engine_new_with_config(config);
    integers();
    floats();
    texts();
    composites();
    parameters();
    bounds();
    descriptions();
    unsupported();
    mutations();
    api.wasm_engine_delete(engine);
    return failures != 0;
}
