/*
 * The ladder: every check a message passes before it is served, in the order the specification's implementations agree on. Host and
 * Origin, HTTP method, Accept, Content-Type, JSON, single message, notification, repeated routing headers, `_meta`, agreement of
 * headers and body, version, parameters, dispatch. Each rung either passes or fills in a verdict.
 */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define E_REQUEST (-32600)
#define E_PARAMS (-32602)
#define E_HEADER (-32020)
#define E_VERSION (-32022)

#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
static void refuse(verdict *v, uint16_t status, int code, const char *format, ...)
{
    v->kind = VERDICT_REFUSE;
    v->status = status;
    v->code = code;
    va_list args;
    va_start(args, format);
    vsnprintf(v->message, sizeof v->message, format, args);
    va_end(args);
}

static void ask(verdict *v, mck_serve_question_kind kind)
{
    v->kind = VERDICT_ASK;
    v->question = kind;
}

/* Length of at most `max` bytes of valid UTF-8 that does not cut a character in two. */
static int shown(const uint8_t *text, size_t len, size_t max)
{
    if (len > max) {
        len = max;
        while (len && (text[len] & 0xc0) == 0x80)
            len--;
    }
    return (int)mck_json_utf8_fault(text, len, NULL);
}

static bool same(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    return a_len == b_len && memcmp(a, b, a_len) == 0;
}

/* A string value's text after decoding; `spare` holds it when it was escaped. */
static const uint8_t *text_of(mck_buffer *spare, const uint8_t *body, const mck_json_value *value, size_t *len)
{
    const uint8_t *raw = body + value->span.start;
    *len = value->span.end - value->span.start;
    if (!value->escaped)
        return raw;
    spare->len = 0;
    uint8_t *room = mck_buffer_reserve(spare, *len + 1);
    if (!room) {
        *len = 0;
        return (const uint8_t *)"";
    }
    *len = mck_json_decode_string(raw, *len, room);
    return room;
}

static const uint8_t *field(const request *r, mck_http_known which, size_t *len)
{
    mck_span s = r->head->known[which];
    *len = s.end - s.start;
    return r->head_bytes + s.start;
}

/* Decoded length, or SIZE_MAX: strict RFC 4648, padding needed. */
static size_t base64_decode(const uint8_t *in, size_t len, uint8_t *out)
{
    size_t n = 0;
    if (len % 4)
        return SIZE_MAX;
    for (size_t i = 0; i < len; i += 4) {
        uint32_t group = 0;
        size_t pad = 0;
        for (size_t j = 0; j < 4; j++) {
            uint8_t c = in[i + j];
            uint32_t six;
            if (c >= 'A' && c <= 'Z')
                six = c - 'A';
            else if (c >= 'a' && c <= 'z')
                six = c - 'a' + 26u;
            else if (c >= '0' && c <= '9')
                six = c - '0' + 52u;
            else if (c == '+')
                six = 62;
            else if (c == '/')
                six = 63;
            else if (c == '=' && i + 4 == len && j >= 2) {
                six = 0;
                pad++;
            } else
                return SIZE_MAX;
            if (pad && c != '=')
                return SIZE_MAX;
            group = group << 6 | six;
        }
        out[n++] = (uint8_t)(group >> 16);
        if (pad < 2)
            out[n++] = (uint8_t)(group >> 8);
        if (pad < 1)
            out[n++] = (uint8_t)group;
    }
    return n;
}

/* A routing header's value against the body's: as it stands, or written as =?base64?…?=. */
static bool routes_to(const uint8_t *value, size_t len, const uint8_t *text, size_t text_len)
{
    static const char prefix[] = "=?base64?";
    const size_t p = sizeof prefix - 1;
    if (len < p + 2 || memcmp(value, prefix, p) != 0 || memcmp(value + len - 2, "?=", 2) != 0)
        return same(value, len, text, text_len);
    mck_buffer decoded = {0};
    uint8_t *room = mck_buffer_reserve(&decoded, len);
    size_t n = room ? base64_decode(value + p, len - p - 2, room) : SIZE_MAX;
    bool ok = n != SIZE_MAX && same(room, n, text, text_len);
    mck_buffer_free(&decoded);
    return ok;
}

/* HTTP: method, Accept, Content-Type. True: go on to the body. */
static bool check_http(mck_serve_server *server, const request *r, verdict *v)
{
    const mck_http_head *h = r->head;
    size_t len;
    const uint8_t *value = field(r, MCK_HTTP_F_MCP_PROTOCOL_VERSION, &len);
    int revision = mck_serve_revision_find(value, len);
    bool modern = h->seen[MCK_HTTP_F_MCP_PROTOCOL_VERSION] && (revision < 0 || revision == (int)REVISION_MODERN);
    if (!modern && (h->method == MCK_HTTP_DELETE || h->method == MCK_HTTP_GET)) {
        bool get = h->method == MCK_HTTP_GET;
        value = field(r, MCK_HTTP_F_ACCEPT, &len);
        if (get && !mck_http_accepts(value, len, "text/event-stream")) {
            refuse(v, 406, E_REQUEST, "the Accept header must admit text/event-stream");
            return false;
        }
        value = field(r, MCK_HTTP_F_MCP_SESSION_ID, &len);
        if (!len)
            refuse(v, 400, E_REQUEST, "no Mcp-Session-Id header: name the session to %s", get ? "listen to" : "end");
        else if (!(v->session = sessions_find(&server->sessions, value, len, r->principal, r->now_ns)))
            refuse(v, 404, E_REQUEST, "no such session: it has ended or never began");
        else {
            ask(v, get ? MCK_SERVE_Q_STREAM : MCK_SERVE_Q_END);
            v->revision = v->session->revision;
        }
        return false;
    }
    if (h->method != MCK_HTTP_POST) {
        v->allow = modern ? "allow: POST" : "allow: GET, POST, DELETE";
        refuse(v, 405, E_REQUEST, "this endpoint takes %s", modern ? "POST" : "GET, POST and DELETE");
        return false;
    }
    value = field(r, MCK_HTTP_F_ACCEPT, &len);
    if (!mck_http_accepts(value, len, "application/json") || !mck_http_accepts(value, len, "text/event-stream")) {
        refuse(v, 406, E_REQUEST, "the Accept header must admit both application/json and text/event-stream");
        return false;
    }
    value = field(r, MCK_HTTP_F_CONTENT_TYPE, &len);
    if (!mck_http_is_media_type(value, len, "application/json")) {
        refuse(v, 415, E_REQUEST, "the Content-Type must be application/json");
        return false;
    }
    value = field(r, MCK_HTTP_F_CONTENT_ENCODING, &len);
    if (len && !same(value, len, (const uint8_t *)"identity", 8)) {
        refuse(v, 415, E_REQUEST, "the body must not be encoded: send it without Content-Encoding");
        return false;
    }
    return true;
}

static bool known_level(const uint8_t *text, size_t len)
{
    static const char *const levels[] = {"debug", "info",     "notice", "warning",
                                         "error", "critical", "alert",  "emergency"};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (same(text, len, (const uint8_t *)levels[i], strlen(levels[i])))
            return true;
    return false;
}

static bool check_meta(mck_serve_server *server, const request *r, const mck_rpc_envelope *e, verdict *v)
{
    size_t len;
    const char *fault = NULL;
    if (!(e->flags & MCK_RPC_HAS_META) || e->meta.kind != MCK_JSON_OBJECT)
        fault = "params._meta is missing: revision 2026-07-28 wants it in every request";
    else if (!(e->flags & MCK_RPC_HAS_PROTOCOL_VERSION) || e->protocol_version.kind != MCK_JSON_STRING)
        fault = "params._meta must hold io.modelcontextprotocol/protocolVersion, a string";
    else if (!(e->flags & MCK_RPC_HAS_CLIENT_CAPABILITIES) || e->client_capabilities.kind != MCK_JSON_OBJECT)
        fault = "params._meta must hold io.modelcontextprotocol/clientCapabilities, an object";
    else if ((e->flags & MCK_RPC_HAS_CLIENT_INFO) && e->client_info.kind != MCK_JSON_OBJECT)
        fault = "io.modelcontextprotocol/clientInfo must be an object";
    else if ((e->flags & MCK_RPC_HAS_PROGRESS_TOKEN) && e->progress_token.kind != MCK_JSON_STRING &&
             (e->progress_token.kind != MCK_JSON_NUMBER || !e->progress_token.integral))
        fault = "progressToken must be a string or an integer";
    else if (e->flags & MCK_RPC_HAS_LOG_LEVEL) {
        const uint8_t *level = text_of(&server->scratch, r->body, &e->log_level, &len);
        if (e->log_level.kind != MCK_JSON_STRING || !known_level(level, len))
            fault = "io.modelcontextprotocol/logLevel must be one of debug, info, notice, warning, error, critical, "
                    "alert, emergency";
    }
    if (fault)
        refuse(v, 400, E_PARAMS, "%s", fault);
    return !fault;
}

/* The value that Mcp-Name repeats, for the methods that have one. */
static const mck_json_value *routed_value(const mck_rpc_envelope *e)
{
    switch (e->method) {
    case MCK_RPC_M_TOOLS_CALL:
    case MCK_RPC_M_PROMPTS_GET: return e->flags & MCK_RPC_HAS_NAME ? &e->name : NULL;
    case MCK_RPC_M_RESOURCES_READ: return e->flags & MCK_RPC_HAS_URI ? &e->uri : NULL;
    case MCK_RPC_M_TASKS_GET:
    case MCK_RPC_M_TASKS_UPDATE:
    case MCK_RPC_M_TASKS_CANCEL: return e->flags & MCK_RPC_HAS_TASK_ID ? &e->task_id : NULL;
    default: return NULL;
    }
}

static bool check_agreement(mck_serve_server *server, const request *r, const mck_rpc_envelope *e, verdict *v)
{
    const mck_http_head *h = r->head;
    if (!h)
        return true;
    size_t len, text_len;
    const uint8_t *value = field(r, MCK_HTTP_F_MCP_PROTOCOL_VERSION, &len);
    const uint8_t *text = text_of(&server->scratch, r->body, &e->protocol_version, &text_len);
    if (!same(value, len, text, text_len)) {
        refuse(v, 400, E_HEADER, "the MCP-Protocol-Version header and _meta's protocolVersion differ");
        return false;
    }
    value = field(r, MCK_HTTP_F_MCP_METHOD, &len);
    text = text_of(&server->scratch, r->body, &e->method_name, &text_len);
    if (!h->seen[MCK_HTTP_F_MCP_METHOD]) {
        refuse(v, 400, E_HEADER, "no Mcp-Method header: it must repeat the method");
        return false;
    }
    if (!same(value, len, text, text_len)) {
        refuse(v, 400, E_HEADER, "the Mcp-Method header and the method differ");
        return false;
    }
    const mck_json_value *routed = routed_value(e);
    if (!routed || routed->kind != MCK_JSON_STRING)
        return true;
    if (!h->seen[MCK_HTTP_F_MCP_NAME]) {
        refuse(v, 400, E_HEADER, "no Mcp-Name header: it must repeat the name, uri or task id in params");
        return false;
    }
    value = field(r, MCK_HTTP_F_MCP_NAME, &len);
    text = text_of(&server->scratch, r->body, routed, &text_len);
    if (!routes_to(value, len, text, text_len)) {
        refuse(v, 400, E_HEADER, "the Mcp-Name header does not name what params names");
        return false;
    }
    return true;
}

/* tools/call with sound parameters, an answer that does not change, or a question. */
static void dispatch(mck_serve_server *server, const request *r, const mck_rpc_envelope *e, verdict *v)
{
    uint16_t bad_params = v->era == MCK_SERVE_MODERN ? 400 : 200;
    if (e->method == MCK_RPC_M_TOOLS_CALL) {
        if (!(e->flags & MCK_RPC_HAS_NAME) || e->name.kind != MCK_JSON_STRING) {
            refuse(v, bad_params, E_PARAMS, "params.name must be a string: the tool's name");
            return;
        }
        if ((e->flags & MCK_RPC_HAS_ARGUMENTS) && e->arguments.kind != MCK_JSON_OBJECT) {
            refuse(v, bad_params, E_PARAMS, "params.arguments must be an object");
            return;
        }
        size_t len;
        const uint8_t *name = text_of(&server->scratch, r->body, &e->name, &len);
        const tool_slot *slot = tools_find(&server->tools, name, len);
        uint32_t asking = MCK_RPC_HAS_TASK;
        if (server->live)
            asking |= MCK_RPC_HAS_PROGRESS_TOKEN | MCK_RPC_HAS_LOG_LEVEL;
        if (slot && slot->tool && !(e->flags & asking)) {
            v->kind = VERDICT_CALL;
            v->tool = slot->tool;
        } else if (slot)
            ask(v, MCK_SERVE_Q_REQUEST);
        else
            refuse(v, 200, E_PARAMS, "unknown tool: %.*s", shown(name, len, 128), (const char *)name);
        return;
    }
    const mck_buffer *fixed = &server->fixed[v->era][e->method];
    if (fixed->len && !(e->flags & MCK_RPC_HAS_CURSOR)) {
        v->kind = VERDICT_FIXED;
        v->fixed = fixed;
    } else
        ask(v, MCK_SERVE_Q_REQUEST);
}

static void climb_modern(mck_serve_server *server, const request *r, const mck_rpc_envelope *e, verdict *v)
{
    v->era = MCK_SERVE_MODERN;
    v->revision = REVISION_MODERN;
    if (e->kind == MCK_RPC_NOTIFICATION) {
        v->kind = VERDICT_ACCEPT;
        if (!r->head && e->method == MCK_RPC_M_N_CANCELLED)
            ask(v, MCK_SERVE_Q_NOTIFICATION);
        return;
    }
    if (e->kind == MCK_RPC_RESPONSE) {
        refuse(v, 400, E_REQUEST, "revision 2026-07-28 has no responses from the client: this server sent no request");
        return;
    }
    if (r->head && (r->head->seen[MCK_HTTP_F_MCP_PROTOCOL_VERSION] > 1 || r->head->seen[MCK_HTTP_F_MCP_METHOD] > 1 ||
                    r->head->seen[MCK_HTTP_F_MCP_NAME] > 1)) {
        refuse(v, 400, E_HEADER, "a routing header (MCP-Protocol-Version, Mcp-Method, Mcp-Name) stands twice");
        return;
    }
    if (!check_meta(server, r, e, v) || !check_agreement(server, r, e, v))
        return;
    size_t len;
    const uint8_t *version = text_of(&server->scratch, r->body, &e->protocol_version, &len);
    if (mck_serve_revision_find(version, len) != (int)REVISION_MODERN) {
        refuse(v, 400, E_VERSION, "unsupported protocol version");
        mck_buffer data = {0};
        ADD(&data, "{\"supported\":[\"2026-07-28\"],\"requested\":");
        mck_buffer_json_string(&data, version, (size_t)shown(version, len, 16));
        ADD(&data, "}");
        if (data.len < sizeof v->data && !data.failed) {
            memcpy(v->data, data.data, data.len);
            v->data[data.len] = 0;
        }
        mck_buffer_free(&data);
        return;
    }
    dispatch(server, r, e, v);
}

static bool check_session(mck_serve_server *server, const request *r, const mck_rpc_envelope *e, verdict *v)
{
    if (!r->head) {
        v->revision = r->revision;
        bool asks = e->kind == MCK_RPC_REQUEST || e->kind == MCK_RPC_BATCH;
        if (r->initialized || e->method == MCK_RPC_M_PING || !asks)
            return true;
        refuse(v, 400, E_REQUEST, "send initialize first, or put revision 2026-07-28's _meta into the request");
        return false;
    }
    size_t len;
    const uint8_t *id = field(r, MCK_HTTP_F_MCP_SESSION_ID, &len);
    if (!r->head->seen[MCK_HTTP_F_MCP_SESSION_ID]) {
        refuse(v, 400, E_REQUEST,
               "no Mcp-Session-Id header: send initialize first and repeat the header that its answer carries");
        return false;
    }
    v->session = r->head->seen[MCK_HTTP_F_MCP_SESSION_ID] == 1
                     ? sessions_find(&server->sessions, id, len, r->principal, r->now_ns)
                     : NULL;
    if (!v->session) {
        refuse(v, 404, E_REQUEST, "no such session: it has ended or never began; send initialize again");
        return false;
    }
    v->revision = v->session->revision;
    return true;
}

static void climb_legacy(mck_serve_server *server, const request *r, const mck_rpc_envelope *e, verdict *v)
{
    v->era = MCK_SERVE_LEGACY;
    v->revision = REVISION_NEWEST_LEGACY;
    if (e->method == MCK_RPC_M_INITIALIZE && e->kind == MCK_RPC_REQUEST) {
        ask(v, MCK_SERVE_Q_REQUEST);
        return;
    }
    if (!check_session(server, r, e, v))
        return;
    if (e->kind == MCK_RPC_REQUEST)
        dispatch(server, r, e, v);
    else
        ask(v, e->kind == MCK_RPC_NOTIFICATION ? MCK_SERVE_Q_NOTIFICATION : MCK_SERVE_Q_RESPONSE);
}

/* Only revision 2025-03-26 had batches. */
static void climb_batch(mck_serve_server *server, const request *r, const mck_rpc_envelope *e, verdict *v)
{
    bool other = false;
    if (r->head && r->head->seen[MCK_HTTP_F_MCP_PROTOCOL_VERSION]) {
        size_t len;
        const uint8_t *version = field(r, MCK_HTTP_F_MCP_PROTOCOL_VERSION, &len);
        other = mck_serve_revision_find(version, len) != (int)REVISION_2025_03_26;
    }
    if (!other && !check_session(server, r, e, v))
        return;
    if (other || v->revision != REVISION_2025_03_26)
        refuse(v, 400, E_REQUEST, "batches belong to revision 2025-03-26 alone: send one message at a time");
    else
        ask(v, MCK_SERVE_Q_BATCH);
}

void ladder_climb(mck_serve_server *server, const request *r, mck_rpc_envelope *e, verdict *v)
{
    v->kind = VERDICT_REFUSE;
    v->era = MCK_SERVE_LEGACY;
    v->revision = REVISION_NEWEST_LEGACY;
    v->status = 200;
    v->code = 0;
    v->allow = NULL;
    v->message[0] = v->data[0] = 0;
    v->session = NULL;
    v->tool = NULL;
    v->fixed = NULL;
    if (r->head && !check_http(server, r, v)) {
        memset(e, 0, sizeof *e);
        return;
    }
    if (mck_rpc_scan(r->body, r->body_len, &server->rpc, e) != MCK_RPC_OK) {
        const char *why = e->status == MCK_RPC_E_JSON ? mck_json_explain(e->json_status) : mck_rpc_explain(e->status);
        refuse(v, 400, mck_rpc_code(e->status), "%s at byte %u", why, e->position);
        return;
    }
    if (e->kind == MCK_RPC_BATCH) {
        climb_batch(server, r, e, v);
        return;
    }
    bool enveloped = (e->flags & MCK_RPC_HAS_PROTOCOL_VERSION) != 0;
    if (!r->head) {
        if (enveloped || e->method == MCK_RPC_M_SERVER_DISCOVER)
            climb_modern(server, r, e, v);
        else
            climb_legacy(server, r, e, v);
        return;
    }
    size_t len;
    const uint8_t *version = field(r, MCK_HTTP_F_MCP_PROTOCOL_VERSION, &len);
    int revision = mck_serve_revision_find(version, len);
    if (r->head->seen[MCK_HTTP_F_MCP_PROTOCOL_VERSION] && (revision < 0 || revision == (int)REVISION_MODERN))
        climb_modern(server, r, e, v);
    else if (enveloped && e->kind == MCK_RPC_REQUEST) {
        v->era = MCK_SERVE_MODERN;
        refuse(v, 400, E_HEADER, "the body is of revision 2026-07-28 but the MCP-Protocol-Version header is not");
    } else
        climb_legacy(server, r, e, v);
}
