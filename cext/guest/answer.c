/* One message in, its answer out. */
#include "internal.h"

#include <stdlib.h>

static const char *const legacy[] = {"2024-11-05", BATCHES_IN, STRUCTURED_SINCE, NEWEST_LEGACY};

static void open_envelope(mcp_request *r, mck_buffer *out)
{
    const mck_span id = r->envelope->id;
    ADD(out, "{\"jsonrpc\":\"2.0\",\"id\":");
    if (id.end > id.start)
        mck_buffer_add(out, r->message + id.start, id.end - id.start);
    else
        ADD(out, "null");
}

static void deliver(mcp_request *r, mck_buffer *out)
{
    static const char no_memory[] =
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32603,\"message\":\"Internal error: out of memory\"}}";
    if (out->failed)
        r->send(r->to, (const uint8_t *)no_memory, sizeof no_memory - 1);
    else
        r->send(r->to, out->data, out->len);
    mck_buffer_free(out);
}

/* `members` (JSON members without braces) as the result of the request in its era. */
static void send_result(mcp_request *r, mck_buffer *members, bool cacheable)
{
    mck_buffer out = {.failed = members->failed};
    open_envelope(r, &out);
    ADD(&out, ",\"result\":{");
    mck_buffer_add(&out, members->data, members->len);
    if (r->modern) {
        mck_buffer_text(&out, members->len ? ",\"resultType\":\"complete\"" : "\"resultType\":\"complete\"");
        if (cacheable)
            ADD(&out, ",\"ttlMs\":60000,\"cacheScope\":\"public\"");
        ADD(&out, ",\"_meta\":{\"io.modelcontextprotocol/serverInfo\":");
        write_identity(r->server, &out);
        ADD(&out, "}");
    }
    ADD(&out, "}}");
    mck_buffer_free(members);
    deliver(r, &out);
}

/* `text` need not be NUL-terminated; `data` is JSON text or NULL. */
static void send_error_text(mcp_request *r, int code, const char *text, size_t len, const char *data)
{
    mck_buffer out = {0};
    open_envelope(r, &out);
    ADD(&out, ",\"error\":{\"code\":");
    mck_buffer_i64(&out, code);
    ADD(&out, ",\"message\":");
    write_text(&out, text, len);
    if (data) {
        ADD(&out, ",\"data\":");
        mck_buffer_text(&out, data);
    }
    ADD(&out, "}}");
    deliver(r, &out);
}

static void send_error(mcp_request *r, int code, const char *message)
{
    send_error_text(r, code, message, strlen(message), NULL);
}

/* An error about a name that the client gave. `about`: the member of the error's data that repeats it, or NULL. */
static void refuse_name(mcp_request *r, int code, const char *head, mcp_string name, const char *about)
{
    mck_buffer text = {0}, data = {0};
    mck_buffer_text(&text, head);
    mck_buffer_add(&text, name.data, name.len < 128 ? name.len : 128);
    if (about) {
        ADD(&data, "{");
        mck_buffer_text(&data, about);
        write_text(&data, name.data, name.len);
        mck_buffer_add(&data, "}", 2);
    }
    send_error_text(r, code, (const char *)text.data, text.len, data.failed ? NULL : (const char *)data.data);
    mck_buffer_free(&text);
    mck_buffer_free(&data);
}

static void initialize(mcp_request *r)
{
    mcp_server *server = r->server;
    mck_json_value value;
    mcp_string asked;
    if (!find_member(r, r->envelope->params, "protocolVersion", &value) || value.kind != MCK_JSON_STRING ||
        !decode(r, &value, &asked)) {
        send_error(r, E_PARAMS, "Invalid params: protocolVersion must be a string");
        return;
    }
    server->revision = NEWEST_LEGACY;
    for (size_t i = 0; i < sizeof legacy / sizeof *legacy; i++)
        if (strcmp(legacy[i], asked.data) == 0)
            server->revision = legacy[i];
    server->level = MCP_INFO;
    mck_buffer out = {0};
    write_member(&out, "\"protocolVersion\":", server->revision);
    ADD(&out, ",\"serverInfo\":");
    write_identity(server, &out);
    ADD(&out, ",");
    write_capabilities(server, &out);
    send_result(r, &out, false);
}

static void discover(mcp_request *r)
{
    mck_buffer out = {0};
    ADD(&out, "\"supportedVersions\":[\"" MODERN "\"],");
    write_capabilities(r->server, &out);
    send_result(r, &out, true);
}

static void set_level(mcp_request *r)
{
    mck_json_value value;
    mcp_string name;
    if (find_member(r, r->envelope->params, "level", &value) && value.kind == MCK_JSON_STRING &&
        decode(r, &value, &name) && level_from(name.data, name.len, &r->server->level)) {
        send_result(r, &(mck_buffer){0}, false);
        return;
    }
    send_error(r, E_PARAMS,
               "Invalid params: level must be one of debug, info, notice, warning, error, critical, alert, emergency");
}

/* params.name or params.uri. */
static bool named(mcp_request *r, uint32_t flag, const mck_json_value *value, const char *fault, mcp_string *out)
{
    const mck_rpc_envelope *e = r->envelope;
    if (!(e->flags & flag) || value->kind != MCK_JSON_STRING)
        send_error(r, E_PARAMS, fault);
    else if ((e->flags & MCK_RPC_HAS_ARGUMENTS) && e->arguments.kind != MCK_JSON_OBJECT)
        send_error(r, E_PARAMS, "Invalid params: arguments must be an object");
    else if (!decode(r, value, out))
        send_error(r, E_INTERNAL, "Internal error: out of memory");
    else
        return true;
    return false;
}

static void call_tool(mcp_request *r)
{
    mcp_string name;
    if (!named(r, MCK_RPC_HAS_NAME, &r->envelope->name, "Invalid params: name must be a string", &name))
        return;
    mcp_tool *tool = strlen(name.data) == name.len ? tool_find(r->server, name.data) : NULL;
    if (!tool) {
        refuse_name(r, E_PARAMS, "unknown tool: ", name, NULL);
        return;
    }
    r->what = OF_TOOL;
    tool->run(r, tool->data);
    bool shaped = r->structured.len && !r->failed;
    if (r->failed) {
        r->content.len = 0;
        ADD(&r->content, "{\"type\":\"text\",\"text\":");
        write_text(&r->content, (const char *)r->failure.data, r->failure.len);
        ADD(&r->content, "}");
    } else if (shaped && !r->content.len)
        mcp_say(r, (const char *)r->structured.data, r->structured.len);
    mck_buffer out = {.failed = r->content.failed || r->structured.failed || r->failure.failed};
    ADD(&out, "\"content\":[");
    mck_buffer_add(&out, r->content.data, r->content.len);
    ADD(&out, "]");
    if (shaped && (r->modern || strcmp(r->server->revision, STRUCTURED_SINCE) >= 0)) {
        ADD(&out, ",\"structuredContent\":");
        mck_buffer_add(&out, r->structured.data, r->structured.len);
    }
    mck_buffer_text(&out, r->failed ? ",\"isError\":true" : ",\"isError\":false");
    send_result(r, &out, false);
}

/* The items that a resource or a prompt said, or its failure. */
static void send_items(mcp_request *r, const char *head, int code, bool cacheable)
{
    if (r->failed) {
        send_error_text(r, code, (const char *)r->failure.data, r->failure.len, NULL);
        return;
    }
    mck_buffer out = {.failed = r->content.failed};
    mck_buffer_text(&out, head);
    mck_buffer_add(&out, r->content.data, r->content.len);
    ADD(&out, "]");
    send_result(r, &out, cacheable);
}

static void read_resource(mcp_request *r)
{
    if (!named(r, MCK_RPC_HAS_URI, &r->envelope->uri, "Invalid params: uri must be a string", &r->uri))
        return;
    mcp_resource *found = strlen(r->uri.data) == r->uri.len ? resource_find(r->server, r->uri.data) : NULL;
    if (found && is_template(found->uri))
        found = NULL;
    for (size_t i = 0; !found && i < r->server->resource_count; i++) {
        mcp_resource *resource = &r->server->resources[i];
        if (is_template(resource->uri) && template_fits(r, resource->uri, r->uri))
            found = resource;
    }
    if (!found) {
        refuse_name(r, r->modern ? E_PARAMS : E_RESOURCE, "unknown resource: ", r->uri, "\"uri\":");
        return;
    }
    r->what = OF_RESOURCE;
    r->mime_type = found->mime_type;
    found->read(r, found->data);
    send_items(r, "\"contents\":[", E_INTERNAL, true);
}

static void get_prompt(mcp_request *r)
{
    mcp_string name;
    if (!named(r, MCK_RPC_HAS_NAME, &r->envelope->name, "Invalid params: name must be a string", &name))
        return;
    mcp_prompt *prompt = strlen(name.data) == name.len ? prompt_find(r->server, name.data) : NULL;
    if (!prompt) {
        refuse_name(r, E_PARAMS, "unknown prompt: ", name, NULL);
        return;
    }
    r->what = OF_PROMPT;
    for (const mcp_prompt_argument *a = prompt->arguments; a && a->name; a++) {
        mcp_string text;
        if (a->required)
            mcp_need_text(r, a->name, &text);
    }
    if (!r->failed)
        prompt->get(r, prompt->data);
    mck_buffer head = {0};
    write_member(&head, "\"description\":", prompt->description);
    mck_buffer_text(&head, prompt->description ? ",\"messages\":[" : "\"messages\":[");
    mck_buffer_add(&head, "", 1);
    if (head.failed)
        r->content.failed = true;
    send_items(r, head.failed ? "" : (const char *)head.data, E_PARAMS, false);
    mck_buffer_free(&head);
}

/* Everything is on one page: the cursor is absent or empty. */
static bool first_page(mcp_request *r)
{
    const mck_rpc_envelope *e = r->envelope;
    if (!(e->flags & MCK_RPC_HAS_CURSOR) ||
        (e->cursor.kind == MCK_JSON_STRING && e->cursor.span.start == e->cursor.span.end))
        return true;
    send_error(r, E_PARAMS, "Invalid params: unknown cursor; start again without one");
    return false;
}

typedef void lister(mcp_server *server, bool modern, mck_buffer *out);

static void list(mcp_request *r, lister *write)
{
    if (!first_page(r))
        return;
    mck_buffer out = {0};
    write(r->server, r->modern, &out);
    send_result(r, &out, true);
}

/* Methods of what a server does not have are none of its methods. */
static void dispatch(mcp_request *r)
{
    const mcp_server *server = r->server;
    switch (r->envelope->method) {
    case MCK_RPC_M_INITIALIZE:
        if (r->modern)
            break;
        initialize(r);
        return;
    case MCK_RPC_M_SERVER_DISCOVER:
        if (!r->modern)
            break;
        discover(r);
        return;
    case MCK_RPC_M_PING:
        if (r->modern)
            break;
        send_result(r, &(mck_buffer){0}, false);
        return;
    case MCK_RPC_M_LOGGING_SET_LEVEL:
        if (r->modern)
            break;
        set_level(r);
        return;
    case MCK_RPC_M_TOOLS_LIST:
        if (!server->tool_count)
            break;
        list(r, list_tools);
        return;
    case MCK_RPC_M_TOOLS_CALL:
        if (!server->tool_count)
            break;
        call_tool(r);
        return;
    case MCK_RPC_M_RESOURCES_LIST:
        if (!server->resource_count)
            break;
        list(r, list_resources);
        return;
    case MCK_RPC_M_RESOURCES_TEMPLATES_LIST:
        if (!server->resource_count)
            break;
        list(r, list_templates);
        return;
    case MCK_RPC_M_RESOURCES_READ:
        if (!server->resource_count)
            break;
        read_resource(r);
        return;
    case MCK_RPC_M_PROMPTS_LIST:
        if (!server->prompt_count)
            break;
        list(r, list_prompts);
        return;
    case MCK_RPC_M_PROMPTS_GET:
        if (!server->prompt_count)
            break;
        get_prompt(r);
        return;
    default: break;
    }
    mcp_string name;
    if (decode(r, &r->envelope->method_name, &name))
        refuse_name(r, E_METHOD, "Method not found: ", name, NULL);
    else
        send_error(r, E_METHOD, "Method not found");
}

/* What every request of revision 2026-07-28 carries. */
static bool check_meta(mcp_request *r)
{
    const mck_rpc_envelope *e = r->envelope;
    mcp_string version;
    if (!(e->flags & MCK_RPC_HAS_PROTOCOL_VERSION) || e->protocol_version.kind != MCK_JSON_STRING ||
        !decode(r, &e->protocol_version, &version))
        send_error(r, E_PARAMS, "params._meta must hold io.modelcontextprotocol/protocolVersion, a string");
    else if (strcmp(version.data, MODERN) != 0)
        refuse_name(r, E_VERSION, "unsupported protocol version: ", version,
                    "\"supported\":[\"" MODERN "\"],\"requested\":");
    else if (!(e->flags & MCK_RPC_HAS_CLIENT_CAPABILITIES) || e->client_capabilities.kind != MCK_JSON_OBJECT)
        send_error(r, E_PARAMS, "params._meta must hold io.modelcontextprotocol/clientCapabilities, an object");
    else
        return true;
    return false;
}

/* A token that could not be repeated is as good as none. */
static bool is_token(const mck_rpc_envelope *e)
{
    return e->progress_token.kind == MCK_JSON_STRING ||
           (e->progress_token.kind == MCK_JSON_NUMBER && e->progress_token.integral);
}

static void answer_one(mcp_server *server, const uint8_t *message, mck_rpc_envelope *e, mcp_send *send, void *to)
{
    mcp_request r = {
        .server = server, .message = message, .envelope = e, .uri = {"", 0}, .send = send, .to = to, .progress = -1};
    r.modern = (e->flags & MCK_RPC_HAS_PROTOCOL_VERSION) || e->method == MCK_RPC_M_SERVER_DISCOVER;
    if (!is_token(e))
        e->flags &= ~(uint32_t)MCK_RPC_HAS_PROGRESS_TOKEN;
    if (e->status != MCK_RPC_OK)
        send_error(&r, mck_rpc_code(e->status),
                   e->status == MCK_RPC_E_JSON ? mck_json_explain(e->json_status) : mck_rpc_explain(e->status));
    else if (e->kind != MCK_RPC_REQUEST)
        ; /* notifications and answers: nothing that is served here waits for one */
    else if (r.modern ? check_meta(&r) : true) {
        if (r.modern || server->revision || e->method == MCK_RPC_M_INITIALIZE || e->method == MCK_RPC_M_PING)
            dispatch(&r);
        else
            send_error(&r, E_REQUEST, "send initialize first, or put revision " MODERN "'s _meta into the request");
    }
    while (r.blocks) {
        block *next = r.blocks->next;
        free(r.blocks);
        r.blocks = next;
    }
    mck_buffer_free(&r.content);
    mck_buffer_free(&r.structured);
    mck_buffer_free(&r.failure);
}

typedef struct {
    mck_buffer out;
    mcp_send *send;
    void *to;
} batch;

/* Answers are gathered; notifications have no id and go out at once. */
static void gather(void *to, const uint8_t *message, size_t len)
{
    static const char answer[] = "{\"jsonrpc\":\"2.0\",\"id\":";
    batch *b = to;
    if (len < sizeof answer || memcmp(message, answer, sizeof answer - 1) != 0) {
        b->send(b->to, message, len);
        return;
    }
    mck_buffer_text(&b->out, b->out.len ? "," : "[");
    mck_buffer_add(&b->out, message, len);
}

static void answer_batch(mcp_server *server, const uint8_t *message, size_t len, mcp_send *send, void *to)
{
    mck_json_cursor c;
    mck_json_value value;
    batch b = {.send = send, .to = to};
    bool more;
    if (mck_json_open(&c, message, len, MCK_JSON_DEFAULT_DEPTH, NULL) || mck_json_enter_array(&c))
        return;
    for (bool first = true; !mck_json_element(&c, first, &more) && more; first = false) {
        mck_rpc_envelope e;
        mck_rpc_options options = {.max_depth = MCK_JSON_DEFAULT_DEPTH};
        if (mck_json_read(&c, &value))
            break;
        uint32_t quote = value.kind == MCK_JSON_STRING;
        const uint8_t *element = message + value.span.start - quote;
        mck_rpc_scan(element, value.span.end - value.span.start + 2 * quote, &options, &e);
        if (e.kind == MCK_RPC_BATCH)
            e.status = MCK_RPC_E_NOT_OBJECT;
        answer_one(server, element, &e, gather, &b);
    }
    if (b.out.len) {
        ADD(&b.out, "]");
        if (!b.out.failed)
            send(to, b.out.data, b.out.len);
    }
    mck_buffer_free(&b.out);
}

void mcp_answer(mcp_server *server, const uint8_t *message, size_t len, mcp_send *send, void *to)
{
    mck_rpc_envelope e;
    mck_rpc_options options = {.max_depth = MCK_JSON_DEFAULT_DEPTH};
    mck_rpc_scan(message, len, &options, &e);
    if (e.status == MCK_RPC_OK && e.kind == MCK_RPC_BATCH) {
        if (server->revision && strcmp(server->revision, BATCHES_IN) == 0) {
            answer_batch(server, message, len, send, to);
            return;
        }
        e.status = MCK_RPC_E_NOT_OBJECT;
    }
    answer_one(server, message, &e, send, to);
}
