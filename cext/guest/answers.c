/* What is answered, and what is said meanwhile. */
#include "internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* The formatted text; memory ends with the request. */
static mcp_string format_text(mcp_request *r, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    char *text = len < 0 ? NULL : request_alloc(r, (size_t)len + 1);
    if (text)
        vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text ? (mcp_string){text, (size_t)len} : (mcp_string){"", 0};
}

static mck_buffer *next_item(mcp_request *r)
{
    if (r->content.len)
        ADD(&r->content, ",");
    return &r->content;
}

static void resource_head(mcp_request *r, mck_buffer *out)
{
    ADD(out, "{\"uri\":");
    write_text(out, r->uri.data, r->uri.len);
    write_member(out, ",\"mimeType\":", r->mime_type);
}

void mcp_say(mcp_request *r, const char *text, size_t len)
{
    if (r->failed)
        return;
    if (r->what == OF_PROMPT) {
        mcp_message(r, "user", text, len);
        return;
    }
    mck_buffer *out = next_item(r);
    if (r->what == OF_RESOURCE)
        resource_head(r, out);
    else
        ADD(out, "{\"type\":\"text\"");
    ADD(out, ",\"text\":");
    write_text(out, text, len);
    ADD(out, "}");
}

void mcp_sayf(mcp_request *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    mcp_string text = format_text(r, format, args);
    va_end(args);
    mcp_say(r, text.data, text.len);
}

static void media(mcp_request *r, const char *head, const void *bytes, size_t len, const char *mime_type)
{
    if (r->failed || r->what != OF_TOOL)
        return;
    mck_buffer *out = next_item(r);
    mck_buffer_text(out, head);
    ADD(out, ",\"data\":");
    write_base64(out, bytes, len);
    write_member(out, ",\"mimeType\":", mime_type);
    ADD(out, "}");
}

void mcp_image(mcp_request *r, const void *bytes, size_t len, const char *mime_type)
{
    media(r, "{\"type\":\"image\"", bytes, len, mime_type);
}

void mcp_audio(mcp_request *r, const void *bytes, size_t len, const char *mime_type)
{
    media(r, "{\"type\":\"audio\"", bytes, len, mime_type);
}

void mcp_link(mcp_request *r, const char *uri, const char *name)
{
    if (r->failed || r->what != OF_TOOL)
        return;
    mck_buffer *out = next_item(r);
    ADD(out, "{\"type\":\"resource_link\"");
    write_member(out, ",\"uri\":", uri);
    write_member(out, ",\"name\":", name);
    ADD(out, "}");
}

void mcp_structured(mcp_request *r, const char *json, size_t len)
{
    if (r->failed || r->what != OF_TOOL)
        return;
    size_t position;
    if (mck_json_validate((const uint8_t *)json, len, MCK_JSON_DEFAULT_DEPTH, NULL, &position) || *json != '{') {
        mcp_fail(r, "this tool's structured result is no JSON object");
        return;
    }
    r->structured.len = 0;
    mck_buffer_add(&r->structured, json, len);
}

void mcp_blob(mcp_request *r, const void *bytes, size_t len)
{
    if (r->failed || r->what != OF_RESOURCE)
        return;
    mck_buffer *out = next_item(r);
    resource_head(r, out);
    ADD(out, ",\"blob\":");
    write_base64(out, bytes, len);
    ADD(out, "}");
}

void mcp_message(mcp_request *r, const char *role, const char *text, size_t len)
{
    if (r->failed || r->what != OF_PROMPT)
        return;
    mck_buffer *out = next_item(r);
    ADD(out, "{\"role\":");
    write_text(out, role, strlen(role));
    ADD(out, ",\"content\":{\"type\":\"text\",\"text\":");
    write_text(out, text, len);
    ADD(out, "}}");
}

void mcp_fail(mcp_request *r, const char *format, ...)
{
    if (r->failed)
        return;
    va_list args;
    va_start(args, format);
    mcp_string text = format_text(r, format, args);
    va_end(args);
    r->failed = true;
    mck_buffer_add(&r->failure, text.data, text.len);
}

static const char *const levels[] = {"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"};

bool level_from(const char *name, size_t len, mcp_level *out)
{
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strlen(levels[i]) == len && memcmp(levels[i], name, len) == 0) {
            *out = (mcp_level)i;
            return true;
        }
    return false;
}

/* The least level that this client wants; false: none. */
static bool wanted_level(mcp_request *r, mcp_level *out)
{
    if (!r->modern) {
        *out = r->server->level;
        return true;
    }
    mcp_string name;
    const mck_rpc_envelope *e = r->envelope;
    return (e->flags & MCK_RPC_HAS_LOG_LEVEL) && decode(r, &e->log_level, &name) &&
           level_from(name.data, name.len, out);
}

void mcp_log(mcp_request *r, mcp_level level, const char *logger, const char *format, ...)
{
    mcp_level wanted;
    if (!wanted_level(r, &wanted) || level < wanted || level > MCP_EMERGENCY)
        return;
    va_list args;
    va_start(args, format);
    mcp_string text = format_text(r, format, args);
    va_end(args);
    mck_buffer out = {0};
    ADD(&out, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"");
    mck_buffer_text(&out, levels[level]);
    ADD(&out, "\"");
    write_member(&out, ",\"logger\":", logger);
    ADD(&out, ",\"data\":");
    write_text(&out, text.data, text.len);
    ADD(&out, "}}");
    if (!out.failed)
        r->send(r->to, out.data, out.len);
    mck_buffer_free(&out);
}

static void write_number(mck_buffer *out, double number)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%.15g", number);
    mck_buffer_add(out, text, (size_t)len);
}

void mcp_progress(mcp_request *r, double done, double total, const char *message)
{
    const mck_rpc_envelope *e = r->envelope;
    if (!(e->flags & MCK_RPC_HAS_PROGRESS_TOKEN) || !(done > r->progress) || !isfinite(done))
        return;
    r->progress = done;
    mck_buffer out = {0};
    ADD(&out, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":");
    uint32_t quote = e->progress_token.kind == MCK_JSON_STRING;
    mck_buffer_add(&out, r->message + e->progress_token.span.start - quote,
                   e->progress_token.span.end - e->progress_token.span.start + 2 * quote);
    ADD(&out, ",\"progress\":");
    write_number(&out, done);
    if (total > 0 && isfinite(total)) {
        ADD(&out, ",\"total\":");
        write_number(&out, total);
    }
    write_member(&out, ",\"message\":", message);
    ADD(&out, "}}");
    if (!out.failed)
        r->send(r->to, out.data, out.len);
    mck_buffer_free(&out);
}
