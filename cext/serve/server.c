/* The server's tables: tools by name, answers that do not change, what runs, limits and allow-lists. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

static const char *const revisions[MCK_SERVE_REVISIONS] = {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25",
                                                           "2026-07-28"};

const char *mck_serve_revision_name(unsigned revision)
{
    return revision < MCK_SERVE_REVISIONS ? revisions[revision] : "";
}

int mck_serve_revision_find(const uint8_t *name, size_t len)
{
    if (len == 10)
        for (int i = MCK_SERVE_REVISIONS - 1; i >= 0; i--)
            if (memcmp(name, revisions[i], 10) == 0)
                return i;
    return -1;
}

static char *copy_text(const char *text, size_t len)
{
    char *out = malloc(len + 1);
    if (out) {
        if (len)
            memcpy(out, text, len);
        out[len] = 0;
    }
    return out;
}

static void free_list(char **list, size_t count)
{
    for (size_t i = 0; list && i < count; i++)
        free(list[i]);
    free(list);
}

static char **copy_list(const char *const *list, size_t count)
{
    char **out = calloc(count ? count : 1, sizeof *out);
    for (size_t i = 0; out && i < count; i++)
        if (!(out[i] = copy_text(list[i], strlen(list[i])))) {
            free_list(out, count);
            return NULL;
        }
    return out;
}

static size_t hash_name(const uint8_t *name, size_t len)
{
    uint64_t h = 14695981039346656037ull;
    for (size_t i = 0; i < len; i++)
        h = (h ^ name[i]) * 1099511628211ull;
    return (size_t)(h ^ h >> 29);
}

void tools_free(tool_table *t)
{
    for (size_t i = 0; t->slots && i <= t->mask; i++)
        free(t->slots[i].name);
    free(t->slots);
    memset(t, 0, sizeof *t);
}

bool tools_build(tool_table *t, const mck_serve_tool *tools, size_t count)
{
    size_t size = 8;
    while (size < 2 * count)
        size *= 2;
    t->mask = size - 1;
    t->slots = calloc(size, sizeof *t->slots);
    if (!t->slots)
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t at = hash_name((const uint8_t *)tools[i].name, tools[i].name_len) & t->mask;
        while (t->slots[at].name)
            at = (at + 1) & t->mask;
        t->slots[at].name = copy_text(tools[i].name, tools[i].name_len);
        if (!t->slots[at].name) {
            tools_free(t);
            return false;
        }
        t->slots[at].len = tools[i].name_len;
        t->slots[at].tool = tools[i].tool;
    }
    return true;
}

const tool_slot *tools_find(const tool_table *t, const uint8_t *name, size_t len)
{
    if (!t->slots)
        return NULL;
    for (size_t at = hash_name(name, len) & t->mask; t->slots[at].name; at = (at + 1) & t->mask)
        if (t->slots[at].len == len && memcmp(t->slots[at].name, name, len) == 0)
            return &t->slots[at];
    return NULL;
}

bool mck_serve_set_tools(mck_serve_server *server, const mck_serve_tool *tools, size_t count)
{
    tool_table fresh;
    memset(&fresh, 0, sizeof fresh);
    if (!tools_build(&fresh, tools, count))
        return false;
    tools_free(&server->tools);
    server->tools = fresh;
    return true;
}

bool mck_serve_set_static(mck_serve_server *server, mck_serve_era era, mck_rpc_method method, const uint8_t *result,
                          size_t len)
{
    mck_buffer *b = &server->fixed[era][method];
    b->len = 0;
    if (len)
        mck_buffer_add(b, result, len);
    return !b->failed;
}

static uint64_t or_default(uint64_t value, uint64_t fallback)
{
    return value ? value : fallback;
}

mck_serve_server *mck_serve_server_new(const mck_serve_config *config)
{
    mck_serve_server *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    const uint64_t second = 1000000000u;
    s->engine = config->engine;
    s->path_len = strlen(config->path);
    s->path = copy_text(config->path, s->path_len);
    s->server_info = copy_text(config->server_info, strlen(config->server_info));
    s->hosts = copy_list(config->hosts, config->host_count);
    s->host_count = config->host_count;
    s->origins = copy_list(config->origins, config->origin_count);
    s->origin_count = config->origin_count;
    s->cors = copy_list(config->cors, config->cors_count);
    s->cors_count = config->cors_count;
    s->websocket = config->websocket;
    s->access = config->access;
    s->access_env = config->access_env;
    s->http.max_head = (uint32_t)or_default(config->http.max_head, 16384);
    s->http.max_target = (uint32_t)or_default(config->http.max_target, 8192);
    s->http.max_body = or_default(config->http.max_body, 4u << 20);
    s->max_line = or_default(config->max_line, 4u << 20);
    s->rpc.max_depth = (uint32_t)or_default(config->max_depth, MCK_JSON_DEFAULT_DEPTH);
    s->rpc.kernels = NULL;
    s->read_timeout_ns = or_default(config->read_timeout_ns, 30 * second);
    s->idle_timeout_ns = or_default(config->idle_timeout_ns, 120 * second);
    s->authorize = config->authorize;
    s->live = config->live;
    s->date_second = -1;
    bool ok = sessions_init(&s->sessions, (uint32_t)or_default(config->max_sessions, 10000),
                            or_default(config->session_idle_ns, 1800 * second));
    if (!ok || !s->path || !s->server_info || !s->hosts || !s->origins || !s->cors) {
        mck_serve_server_delete(s);
        return NULL;
    }
    return s;
}

void mck_serve_server_delete(mck_serve_server *server)
{
    if (!server)
        return;
    while (server->pendings) {
        pending *p = server->pendings;
        mck_wasm_call_cancel(p->call);
        mck_wasm_call_delete(p->call);
        pending_delete(server, p);
    }
    mck_wasm_call_delete(server->told);
    sessions_free(&server->sessions);
    tools_free(&server->tools);
    callers_free(&server->callers);
    for (int era = 0; era < 2; era++)
        for (int m = 0; m < MCK_RPC_M_COUNT; m++)
            mck_buffer_free(&server->fixed[era][m]);
    mck_buffer_free(&server->scratch);
    mck_buffer_free(&server->news);
    mck_buffer_free(&server->noise);
    free(server->credentials);
    free_list(server->hosts, server->host_count);
    free_list(server->origins, server->origin_count);
    free_list(server->cors, server->cors_count);
    free(server->path);
    free(server->server_info);
    free(server);
}

void mck_serve_server_stats(const mck_serve_server *server, mck_serve_stats *out)
{
    *out = server->stats;
    out->sessions = server->sessions.count;
}

pending *pending_new(mck_serve_server *server, mck_wasm_call *call, mck_serve_era era, const uint8_t *id, size_t id_len,
                     const char *session_id)
{
    pending *p = calloc(1, sizeof *p + id_len);
    if (!p)
        return NULL;
    p->call = call;
    p->era = era;
    p->id_len = id_len;
    if (id_len)
        memcpy(p->id, id, id_len);
    if (session_id)
        memcpy(p->session, session_id, SESSION_ID_LEN);
    p->next = server->pendings;
    if (p->next)
        p->next->prev = p;
    server->pendings = p;
    server->stats.pending++;
    mck_wasm_call_set_user(call, p);
    return p;
}

void pending_delete(mck_serve_server *server, pending *p)
{
    *(p->prev ? &p->prev->next : &server->pendings) = p->next;
    if (p->next)
        p->next->prev = p->prev;
    server->stats.pending--;
    free(p);
}

void pending_cancel(mck_serve_server *server, const char *session_id, const mck_serve_channel *channel,
                    const uint8_t *id, size_t id_len)
{
    for (pending *p = server->pendings; p; p = p->next) {
        bool ours =
            channel ? p->channel == channel : !p->channel && session_id[0] && strcmp(p->session, session_id) == 0;
        if (!ours || p->user || p->id_len != id_len || memcmp(p->id, id, id_len) != 0)
            continue;
        p->silenced = channel != NULL;
        mck_wasm_call_cancel(p->call);
        return;
    }
}

const uint8_t *call_arguments(const mck_rpc_envelope *e, const uint8_t *body, size_t *len)
{
    if (!(e->flags & MCK_RPC_HAS_ARGUMENTS)) {
        *len = 2;
        return (const uint8_t *)"{}";
    }
    *len = e->arguments.span.end - e->arguments.span.start;
    return body + e->arguments.span.start;
}

void question_fill(mck_serve_question *q, const verdict *v, const mck_rpc_envelope *e, const uint8_t *body, size_t len)
{
    memset(q, 0, sizeof *q);
    q->kind = v->question;
    q->era = v->era;
    q->revision = v->revision;
    if (q->kind == MCK_SERVE_Q_STREAM || q->kind == MCK_SERVE_Q_END)
        return;
    q->message = body;
    q->message_len = len;
    if (q->kind == MCK_SERVE_Q_BATCH)
        return;
    q->id = body + e->id.start;
    q->id_len = e->id.end - e->id.start;
    if (q->kind == MCK_SERVE_Q_RESPONSE)
        return;
    q->method = body + e->method_name.span.start;
    q->method_len = e->method_name.span.end - e->method_name.span.start;
    if (e->flags & MCK_RPC_HAS_PARAMS) {
        q->params = body + e->params.start;
        q->params_len = e->params.end - e->params.start;
    }
}

mck_serve_task *mck_serve_task_new(mck_serve_server *server, mck_wasm_tool *tool, const uint8_t *arguments, size_t len,
                                   mck_serve_era era, uint32_t principal, bool record, void *user)
{
    mck_wasm_call *call = mck_wasm_call_new(tool, arguments, len, NULL);
    if (call && record && !mck_wasm_call_recall(call, NULL, 0)) {
        mck_wasm_call_delete(call);
        call = NULL;
    }
    pending *p = call ? pending_new(server, call, era, NULL, 0, NULL) : NULL;
    if (!p) {
        if (call)
            mck_wasm_call_delete(call);
        return NULL;
    }
    p->user = user;
    callers_claim(server, principal, call);
    server->stats.calls++;
    if (mck_wasm_call_start(call)) {
        p->at_once = true;
        server->at_once++;
    }
    return p;
}

void mck_serve_task_cancel(mck_serve_task *task)
{
    mck_wasm_call_cancel(task->call);
}

void mck_serve_task_look(mck_serve_task *task, uint64_t *units, double *rate, size_t from, mck_buffer *noise)
{
    mck_wasm_call_look(task->call, units, rate, from, noise);
}

/* The next ended call with somebody to tell, or NULL. */
static pending *next_ended(mck_serve_server *server)
{
    if (server->at_once) {
        pending *p = server->pendings;
        while (!p->at_once)
            p = p->next;
        server->at_once--;
        return p;
    }
    mck_wasm_call *call = mck_wasm_engine_next_done(server->engine);
    return call ? mck_wasm_call_user(call) : NULL;
}

static void task_news(mck_serve_server *server, const pending *p, mck_serve_news *news)
{
    int code = 0;
    const char *message = NULL;
    uint16_t status = 200;
    mck_buffer *out = &server->news;
    out->len = 0;
    news->task = p->user;
    news->call = p->call;
    if (!mck_serve_call_result(p->call, p->era, server->server_info, out, &code, &message, &status)) {
        news->failed = true;
        out->len = 0;
        ADD(out, "{\"code\":");
        mck_buffer_i64(out, code);
        ADD(out, ",\"message\":");
        mck_buffer_json_string(out, message, strlen(message));
        ADD(out, "}");
    }
    news->payload = out->data;
    news->payload_len = out->len;
    size_t said;
    const uint8_t *noise = mck_wasm_call_stderr(p->call, &said);
    server->noise.len = 0;
    mck_buffer_add(&server->noise, noise, said);
    news->noise = server->noise.data;
    news->noise_len = server->noise.len;
}

bool mck_serve_server_drain(mck_serve_server *server, mck_serve_news *news)
{
    memset(news, 0, sizeof *news);
    mck_wasm_call_delete(server->told);
    server->told = NULL;
    pending *p;
    while ((p = next_ended(server))) {
        bool told = true;
        if (p->user)
            task_news(server, p, news);
        else if (p->conn)
            conn_call_ended(p, news);
        else if (p->channel && !p->silenced)
            channel_call_ended(p, news);
        else
            told = false;
        if (p->user)
            server->told = p->call;
        else
            mck_wasm_call_delete(p->call);
        pending_delete(server, p);
        if (told)
            return true;
    }
    return false;
}
