/* What a call's end means in MCP: the CallToolResult object. */
#define _POSIX_C_SOURCE 200809L
#include "internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define CANCELLED_CODE 0 /* what the official SDKs answer a cancelled request with, where HTTP demands an answer */
#define INTERNAL_CODE (-32603)

static void text_block(mck_buffer *out, const void *text, size_t len)
{
    ADD(out, "{\"content\":[{\"type\":\"text\",\"text\":");
    mck_buffer_json_string(out, text, len);
    ADD(out, "}]");
}

/* A sub-millisecond duration matters to people who measure: three digits after the point. */
static void milliseconds(mck_buffer *out, uint64_t ns)
{
    char digits[8];
    mck_buffer_u64(out, ns / 1000000u);
    snprintf(digits, sizeof digits, ".%03u", (unsigned)(ns / 1000u % 1000u));
    mck_buffer_text(out, digits);
}

unsigned mck_serve_retry_after(const mck_wasm_call *call)
{
    mck_wasm_scope scope;
    uint64_t now;
    const mck_refusal *why = mck_wasm_call_refusal(call, &scope, &now);
    return why->resets_s > now ? (unsigned)(why->resets_s - now) : 1;
}

/* Which quota is used up, and when it begins anew. */
static void used_up(mck_buffer *out, const mck_wasm_call *call)
{
    static const char *const WINDOW[] = {"per_minute", "per_hour", "per_day"}, *const WHOSE[] = {"server", "tool",
                                                                                                 "caller"};
    mck_wasm_scope scope;
    uint64_t now;
    const mck_refusal *why = mck_wasm_call_refusal(call, &scope, &now);
    char when[24];
    struct tm tm;
    time_t resets = (time_t)why->resets_s;
    gmtime_r(&resets, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
    ADD(out, ",\"quota\":\"");
    mck_buffer_text(out, WINDOW[why->window]);
    ADD(out, "\",\"scope\":\"");
    mck_buffer_text(out, WHOSE[scope]);
    ADD(out, "\",\"limit\":");
    mck_buffer_u64(out, why->limit);
    ADD(out, ",\"used\":");
    mck_buffer_u64(out, why->used);
    ADD(out, ",\"resetsAt\":\"");
    mck_buffer_text(out, when);
    ADD(out, "\",\"retryAfterMs\":");
    mck_buffer_u64(out, mck_serve_retry_after(call) * UINT64_C(1000));
}

/* The soft limits that were crossed. */
static void warnings(mck_buffer *out, const mck_wasm_call *call, const mck_wasm_usage *usage)
{
    ADD(out, ",\"warnings\":[");
    if (usage->warned_units) {
        ADD(out, "{\"kind\":\"computeUnits\",\"softLimit\":");
        mck_buffer_u64(out, mck_wasm_call_meter(call)->limits.warn_units);
        ADD(out, "}");
    }
    if (usage->warned_memory) {
        mck_buffer_text(out, usage->warned_units ? ",{\"kind\":\"memory\",\"softLimit\":"
                                                 : "{\"kind\":\"memory\",\"softLimit\":");
        mck_buffer_u64(out, mck_wasm_tool_limits(mck_wasm_call_tool(call))->warn_memory);
        ADD(out, "}");
    }
    ADD(out, "]");
}

static void finish(mck_buffer *out, const mck_wasm_call *call, mck_serve_era era, const char *server_info,
                   bool is_error)
{
    mck_wasm_usage usage;
    mck_wasm_call_usage(call, &usage);
    mck_buffer_text(out, is_error ? ",\"isError\":true" : ",\"isError\":false");
    if (era == MCK_SERVE_MODERN)
        ADD(out, ",\"resultType\":\"complete\"");
    ADD(out, ",\"_meta\":{");
    if (era == MCK_SERVE_MODERN) {
        ADD(out, "\"io.modelcontextprotocol/serverInfo\":");
        mck_buffer_text(out, server_info);
        ADD(out, ",");
    }
    mck_wasm_call_status status = mck_wasm_call_result(call);
    if (status != MCK_WASM_CALL_OK && status != MCK_WASM_CALL_GUEST_ERROR) {
        ADD(out, "\"io.mcpkit/error\":{\"kind\":\"");
        mck_buffer_text(out, mck_wasm_call_status_name(status));
        ADD(out, "\"");
        if (status == MCK_WASM_CALL_QUOTA || status == MCK_WASM_CALL_RATE)
            used_up(out, call);
        ADD(out, "},");
    }
    ADD(out, "\"io.mcpkit/usage\":{\"computeUnits\":");
    mck_buffer_u64(out, usage.units);
    ADD(out, ",\"durationMs\":");
    milliseconds(out, usage.wall_ns);
    if (usage.memory_bytes) {
        ADD(out, ",\"memoryBytes\":");
        mck_buffer_u64(out, usage.memory_bytes);
    }
    if (usage.warned_units || usage.warned_memory)
        warnings(out, call, &usage);
    ADD(out, "}}}");
}

/* JSON text as the text of a content block: a JSON string speaks for itself, anything else is shown as JSON. */
static void json_as_text(mck_buffer *out, const uint8_t *json, const mck_json_value *value)
{
    const uint8_t *raw = json + value->span.start;
    size_t len = value->span.end - value->span.start;
    if (value->kind != MCK_JSON_STRING || !value->escaped) {
        text_block(out, raw, len);
        return;
    }
    mck_buffer plain = {0};
    uint8_t *room = mck_buffer_reserve(&plain, len + 1);
    if (room)
        text_block(out, room, mck_json_decode_string(raw, len, room));
    else
        out->failed = true;
    mck_buffer_free(&plain);
}

static bool read_whole(const uint8_t *json, size_t len, mck_json_value *value, mck_json_status *status,
                       uint32_t *position)
{
    mck_json_cursor c;
    *status = mck_json_open(&c, json, len, MCK_JSON_DEFAULT_DEPTH, NULL);
    if (*status == MCK_JSON_OK)
        *status = mck_json_read(&c, value);
    if (*status == MCK_JSON_OK)
        *status = mck_json_finish(&c);
    *position = c.pos;
    return *status == MCK_JSON_OK;
}

/* The only member of an object named `name`, if the object has exactly that one member. */
static bool sole_member(const uint8_t *json, size_t len, const char *name, mck_json_value *value)
{
    mck_json_cursor c;
    mck_json_value key;
    bool more = false;
    if (mck_json_open(&c, json, len, MCK_JSON_DEFAULT_DEPTH, NULL) != MCK_JSON_OK ||
        mck_json_enter_object(&c) != MCK_JSON_OK || mck_json_member(&c, true, &key, &more) != MCK_JSON_OK || !more ||
        !mck_json_string_is(json + key.span.start, key.span.end - key.span.start, key.escaped, name, strlen(name)) ||
        mck_json_read(&c, value) != MCK_JSON_OK)
        return false;
    return mck_json_member(&c, false, &key, &more) == MCK_JSON_OK && !more;
}

/* Guest text that claims to be for people may be any bytes: what is not UTF-8 is cut off before it reaches an answer. */
static size_t clean_length(const uint8_t *text, size_t len)
{
    size_t good = mck_json_utf8_fault(text, len, NULL);
    while (good && (text[good - 1] == '\n' || text[good - 1] == '\r' || text[good - 1] == ' '))
        good--;
    return good;
}

/* A guest's JSON may be spread over lines; a message may not. Line ends stand only between tokens there. */
static void add_on_one_line(mck_buffer *out, const uint8_t *json, size_t len)
{
    uint8_t *to = mck_buffer_reserve(out, len);
    if (!to)
        return;
    for (size_t i = 0; i < len; i++)
        to[i] = json[i] == '\n' || json[i] == '\r' ? ' ' : json[i];
    out->len += len;
}

static bool command_result(const mck_wasm_call *call, mck_buffer *out)
{
    size_t len, noise_len;
    const uint8_t *text = mck_wasm_call_output(call, &len);
    const uint8_t *noise = mck_wasm_call_stderr(call, &noise_len);
    bool failed = mck_wasm_call_result(call) == MCK_WASM_CALL_GUEST_ERROR;
    mck_json_value value, member;
    mck_json_status status;
    uint32_t position;
    if (read_whole(text, len, &value, &status, &position)) {
        if (value.kind == MCK_JSON_OBJECT) {
            if (sole_member(text, len, "error", &member)) {
                json_as_text(out, text, &member);
                return true;
            }
            if (!failed && sole_member(text, len, "content", &member)) {
                json_as_text(out, text, &member);
                return false;
            }
        }
        if (!failed) {
            json_as_text(out, text, &value);
            if (value.kind == MCK_JSON_OBJECT) {
                ADD(out, ",\"structuredContent\":");
                add_on_one_line(out, text + value.span.start, value.span.end - value.span.start);
            }
            return false;
        }
    }
    char message[160];
    if (failed)
        snprintf(message, sizeof message, "the tool ended with exit status %d", mck_wasm_call_exit_status(call));
    else if (!len)
        snprintf(message, sizeof message, "the tool printed nothing: its standard output must be one JSON value");
    else
        snprintf(message, sizeof message, "the tool's standard output is not one JSON value: %s at byte %u",
                 mck_json_explain(status), position);
    mck_buffer whole = {0};
    mck_buffer_text(&whole, message);
    noise_len = clean_length(noise, noise_len);
    if (noise_len) {
        mck_buffer_text(&whole, "\n");
        mck_buffer_add(&whole, noise, noise_len);
    }
    text_block(out, whole.data, whole.len);
    out->failed |= whole.failed;
    mck_buffer_free(&whole);
    return true;
}

static bool function_result(const mck_wasm_call *call, mck_buffer *out)
{
    size_t len;
    const uint8_t *json = mck_wasm_call_output(call, &len);
    if (mck_wasm_call_result(call) == MCK_WASM_CALL_GUEST_ERROR) {
        mck_json_value value;
        mck_json_status status;
        uint32_t position;
        if (read_whole(json, len, &value, &status, &position))
            json_as_text(out, json, &value);
        else
            text_block(out, json, len);
        return true;
    }
    ADD(out, "{\"content\":[{\"type\":\"text\",\"text\":\"{\\\"result\\\":");
    /* The same JSON once escaped for the text block and once as it is. */
    size_t room = len + len / 8 + 16;
    uint8_t *at = mck_buffer_reserve(out, room);
    size_t need = at ? mck_json_escape(json, len, at, room, NULL) : 0;
    if (need > room && (at = mck_buffer_reserve(out, need)))
        mck_json_escape(json, len, at, need, NULL);
    if (at)
        out->len += need;
    ADD(out, "}\"}],\"structuredContent\":{\"result\":");
    mck_buffer_add(out, json, len);
    ADD(out, "}");
    return false;
}

bool mck_serve_call_result(const mck_wasm_call *call, mck_serve_era era, const char *server_info, mck_buffer *out,
                           int *code, const char **message, uint16_t *status)
{
    bool is_error = true;
    switch (mck_wasm_call_result(call)) {
    case MCK_WASM_CALL_OK:
    case MCK_WASM_CALL_GUEST_ERROR:
        is_error = mck_wasm_tool_style(mck_wasm_call_tool(call)) == MCK_WASM_COMMAND ? command_result(call, out)
                                                                                     : function_result(call, out);
        break;
    case MCK_WASM_CALL_BUSY:
        *code = INTERNAL_CODE;
        *message = mck_wasm_call_detail(call);
        *status = 503;
        return false;
    case MCK_WASM_CALL_CANCELLED:
        *code = CANCELLED_CODE;
        *message = "request cancelled";
        *status = 200;
        return false;
    case MCK_WASM_CALL_INTERNAL:
        *code = INTERNAL_CODE;
        *message = mck_wasm_call_detail(call);
        *status = 200;
        return false;
    case MCK_WASM_CALL_BAD_ARGUMENTS:
    case MCK_WASM_CALL_ARGUMENT_TOO_LARGE:
    case MCK_WASM_CALL_RESULT_TOO_LARGE:
    case MCK_WASM_CALL_OUT_OF_UNITS:
    case MCK_WASM_CALL_QUOTA:
    case MCK_WASM_CALL_RATE:
    case MCK_WASM_CALL_OUT_OF_MEMORY:
    case MCK_WASM_CALL_TIMEOUT:
    case MCK_WASM_CALL_TRAP: {
        const char *detail = mck_wasm_call_detail(call);
        text_block(out, detail, strlen(detail));
        break;
    }
    }
    finish(out, call, era, server_info, is_error);
    return true;
}
