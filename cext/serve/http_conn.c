/* One HTTP connection: requests in, answers out, in order; one call at a time, what comes behind it waits. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define KEEP_OUT ((size_t)64 << 10)
#define FULL_INPUT ((size_t)64 << 10)

typedef enum { READING_HEAD, READING_BODY, WAITING_CALL, WAITING_REPLY, LINGERING, GONE } conn_state;

struct mck_serve_conn {
    mck_serve_server *server;
    struct mck_serve_conn *next, *prev;
    void *user;
    conn_state state;
    uint64_t now_ns, since_ns; /* of the last feed; of the state that a time limit applies to */
    /* The bytes being worked on: the caller's, or `in` when an earlier feed left something. */
    const uint8_t *base;
    size_t len, pos;
    mck_buffer in, out;
    mck_http_head head;
    mck_http_chunks chunks;
    size_t body_at;            /* offset of the body from pos */
    bool continued;            /* "100 Continue" was sent */
    bool keep_alive;
    pending *call;
    /* The question on the table. */
    mck_serve_question question;
    char session[SESSION_ID_LEN + 1];
    bool initializing;
};

mck_serve_conn *mck_serve_conn_new(mck_serve_server *server, void *user, uint64_t now_ns)
{
    mck_serve_conn *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->server = server;
    c->user = user;
    c->since_ns = c->now_ns = now_ns;
    c->next = server->conns;
    if (c->next)
        c->next->prev = c;
    server->conns = c;
    server->stats.connections++;
    return c;
}

void mck_serve_conn_delete(mck_serve_conn *c)
{
    if (!c)
        return;
    if (c->call) {
        c->call->conn = NULL;
        if (c->call->era == MCK_SERVE_MODERN)
            mck_wasm_call_cancel(c->call->call);
    }
    *(c->prev ? &c->prev->next : &c->server->conns) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->server->stats.connections--;
    mck_buffer_free(&c->in);
    mck_buffer_free(&c->out);
    free(c);
}

void *mck_serve_conn_user(const mck_serve_conn *c)
{
    return c->user;
}

const mck_serve_question *mck_serve_conn_question(const mck_serve_conn *c)
{
    return &c->question;
}

const uint8_t *mck_serve_conn_rest(const mck_serve_conn *c, size_t *len)
{
    *len = c->len - c->pos;
    return c->base + c->pos;
}

const uint8_t *mck_serve_conn_out(const mck_serve_conn *c, size_t *len)
{
    *len = c->out.len;
    return c->out.data;
}

void mck_serve_conn_taken(mck_serve_conn *c)
{
    mck_buffer_reset(&c->out, KEEP_OUT);
}

bool mck_serve_conn_is_full(const mck_serve_conn *c)
{
    return (c->state == WAITING_CALL || c->state == WAITING_REPLY) && c->in.len > FULL_INPUT;
}

static mck_serve_event linger(mck_serve_conn *c)
{
    c->state = LINGERING;
    c->since_ns = c->now_ns;
    c->pos = c->len;
    return MCK_SERVE_LINGER;
}

/* A refusal by framing: nothing on this connection can be trusted any more. */
static mck_serve_event refuse_framing(mck_serve_conn *c, uint16_t status, const char *reason)
{
    c->server->stats.refused++;
    size_t mark = http_open(c->server, &c->out, status, true, NULL);
    answer_error(&c->out, NULL, 0, -32600, reason, NULL);
    http_close(&c->out, mark);
    return linger(c);
}

/* The current request has been answered: on to the next one. */
static void next_request(mck_serve_conn *c)
{
    c->state = READING_HEAD;
    c->since_ns = c->now_ns;
    c->head.scanned = 0;
    c->continued = false;
}

static mck_serve_event after_answer(mck_serve_conn *c)
{
    if (!c->keep_alive)
        return linger(c);
    next_request(c);
    return MCK_SERVE_IDLE;
}

static void write_refusal(mck_serve_conn *c, const verdict *v, const uint8_t *id, size_t id_len)
{
    c->server->stats.refused++;
    size_t mark = http_open(c->server, &c->out, v->status, !c->keep_alive, v->allow);
    if (c->head.method != MCK_HTTP_HEAD) {
        answer_error(&c->out, id, id_len, v->code, v->message, v->data);
        http_close(&c->out, mark);
    }
}

static void write_call(mck_serve_conn *c, const mck_wasm_call *call, mck_serve_era era, const uint8_t *id, size_t id_len)
{
    bool busy = mck_wasm_call_result(call) == MCK_WASM_CALL_BUSY;
    size_t mark = http_open(c->server, &c->out, busy ? 503 : 200, !c->keep_alive, busy ? "retry-after: 1" : NULL);
    answer_call(&c->out, call, era, c->server->server_info, id, id_len);
    http_close(&c->out, mark);
}

static mck_serve_event start_call(mck_serve_conn *c, const verdict *v, const mck_rpc_envelope *e, const uint8_t *body)
{
    static const uint8_t none[] = "{}";
    const uint8_t *id = body + e->id.start;
    size_t id_len = e->id.end - e->id.start;
    bool given = (e->flags & MCK_RPC_HAS_ARGUMENTS) != 0;
    const uint8_t *arguments = given ? body + e->arguments.span.start : none;
    size_t len = given ? e->arguments.span.end - e->arguments.span.start : 2;
    c->server->stats.calls++;
    mck_wasm_call *call = mck_wasm_call_new(v->tool, arguments, len, NULL);
    if (call && mck_wasm_call_start(call)) {
        write_call(c, call, v->era, id, id_len);
        mck_wasm_call_delete(call);
        return after_answer(c);
    }
    pending *p = call ? pending_new(c->server, call, v->era, id, id_len, v->session ? v->session->id : NULL) : NULL;
    if (!p) {
        if (call)
            mck_wasm_call_delete(call);
        return refuse_framing(c, 503, "out of memory");
    }
    p->conn = c;
    c->call = p;
    c->state = WAITING_CALL;
    return MCK_SERVE_IDLE;
}

static mck_serve_event ask(mck_serve_conn *c, const verdict *v, const mck_rpc_envelope *e, const uint8_t *body, size_t len)
{
    mck_serve_question *q = &c->question;
    memset(q, 0, sizeof *q);
    q->era = v->era;
    q->revision = v->revision;
    if (c->head.method == MCK_HTTP_DELETE)
        q->end_session = true;
    else {
        q->id = body + e->id.start;
        q->id_len = e->id.end - e->id.start;
        if (e->kind != MCK_RPC_RESPONSE) {
            q->method = body + e->method_name.span.start;
            q->method_len = e->method_name.span.end - e->method_name.span.start;
        }
        if (e->flags & MCK_RPC_HAS_PARAMS) {
            q->params = body + e->params.start;
            q->params_len = e->params.end - e->params.start;
        }
        q->message = body;
        q->message_len = len;
    }
    c->session[0] = 0;
    if (v->session) {
        memcpy(c->session, v->session->id, sizeof c->session);
        q->session = c->session;
    }
    c->initializing = e->method == MCK_RPC_M_INITIALIZE;
    c->server->stats.asked++;
    c->state = WAITING_REPLY;
    return MCK_SERVE_ASK;
}

/* One whole request for the MCP path. c->pos is moved past it. */
static mck_serve_event serve(mck_serve_conn *c, const uint8_t *body, size_t body_len, size_t raw_len)
{
    mck_serve_server *s = c->server;
    mck_rpc_envelope e;
    verdict v;
    request r = {.head = &c->head, .head_bytes = c->base + c->pos, .body = body, .body_len = body_len, .now_ns = c->now_ns};
    s->stats.requests++;
    ladder_climb(s, &r, &e, &v);
    c->pos += raw_len;
    const uint8_t *id = body + e.id.start;
    size_t id_len = e.id.end - e.id.start, mark;
    switch (v.kind) {
    case VERDICT_CALL:
        return start_call(c, &v, &e, body);
    case VERDICT_FIXED:
        mark = http_open(s, &c->out, 200, !c->keep_alive, NULL);
        answer_result(&c->out, id, id_len, v.fixed->data, v.fixed->len);
        http_close(&c->out, mark);
        return after_answer(c);
    case VERDICT_ACCEPT:
        http_open(s, &c->out, 202, !c->keep_alive, NULL);
        return after_answer(c);
    case VERDICT_REFUSE:
        write_refusal(c, &v, id, id_len);
        return after_answer(c);
    case VERDICT_ASK:
        break;
    }
    return ask(c, &v, &e, body, body_len);
}

/* A head has been read. Decide whose request it is. */
static bool head_is_ours(mck_serve_conn *c, mck_serve_event *event)
{
    mck_serve_server *s = c->server;
    const uint8_t *bytes = c->base + c->pos;
    verdict v;
    c->keep_alive = c->head.keep_alive;
    if (!ladder_admit(s, &c->head, bytes, &v)) {
        c->keep_alive = false;
        write_refusal(c, &v, NULL, 0);
        *event = linger(c);
        return false;
    }
    mck_span path = c->head.path;
    if (path.end - path.start != s->path_len || memcmp(bytes + path.start, s->path, s->path_len) != 0) {
        c->state = GONE;
        *event = MCK_SERVE_HANDOFF;
        return false;
    }
    c->state = READING_BODY;
    c->body_at = c->head.head_len;
    if (c->head.chunked)
        mck_http_chunks_init(&c->chunks);
    return true;
}

/* A chunked body is put together in place, so its bytes must be ours. */
static bool own_bytes(mck_serve_conn *c)
{
    if (c->base == c->in.data)
        return true;
    c->in.len = 0;
    mck_buffer_add(&c->in, c->base + c->pos, c->len - c->pos);
    if (c->in.failed)
        return false;
    c->base = c->in.data;
    c->len = c->in.len;
    c->pos = 0;
    return true;
}

static mck_serve_event want_body(mck_serve_conn *c)
{
    if (c->head.expect_continue && !c->continued) {
        c->continued = true;
        mck_buffer_text(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    return MCK_SERVE_IDLE;
}

/* Work through what is there. */
static mck_serve_event run(mck_serve_conn *c)
{
    for (;;) {
        size_t have = c->len - c->pos;
        mck_serve_event event = MCK_SERVE_IDLE;
        if (c->state == READING_HEAD) {
            if (!have)
                return MCK_SERVE_IDLE;
            mck_http_progress p = mck_http_parse(c->base + c->pos, have, &c->server->http, &c->head);
            if (p == MCK_HTTP_MORE)
                return MCK_SERVE_IDLE;
            if (p == MCK_HTTP_REFUSED)
                return refuse_framing(c, c->head.status, c->head.reason);
            if (!head_is_ours(c, &event))
                return event;
        }
        if (c->state != READING_BODY)
            return MCK_SERVE_IDLE;
        size_t room = have - c->body_at;
        if (c->head.chunked) {
            if (!own_bytes(c))
                return refuse_framing(c, 503, "out of memory");
            uint8_t *body = c->in.data + c->pos + c->body_at;
            mck_http_progress p = mck_http_chunks_feed(&c->chunks, body, room, &c->server->http);
            if (p == MCK_HTTP_REFUSED)
                return refuse_framing(c, c->chunks.status, c->chunks.reason);
            if (p == MCK_HTTP_MORE)
                return want_body(c);
            event = serve(c, body, (size_t)c->chunks.body_len, c->body_at + (size_t)c->chunks.consumed);
        } else {
            if (room < c->head.content_length)
                return want_body(c);
            event = serve(c, c->base + c->pos + c->body_at, (size_t)c->head.content_length,
                          c->body_at + (size_t)c->head.content_length);
        }
        if (event != MCK_SERVE_IDLE || c->state != READING_HEAD)
            return event;
    }
}

mck_serve_event mck_serve_conn_feed(mck_serve_conn *c, const uint8_t *data, size_t len, uint64_t now_ns)
{
    c->now_ns = now_ns;
    if (c->state == LINGERING || c->state == GONE)
        return MCK_SERVE_IDLE;
    if (c->state == READING_HEAD && !c->in.len)
        c->since_ns = now_ns;
    if (c->in.len) {
        mck_buffer_add(&c->in, data, len);
        if (c->in.failed)
            return refuse_framing(c, 503, "out of memory");
        c->base = c->in.data;
        c->len = c->in.len;
    } else {
        c->base = data;
        c->len = len;
    }
    c->pos = 0;
    return run(c);
}

void mck_serve_conn_settle(mck_serve_conn *c)
{
    size_t left = c->len - c->pos;
    if (c->base && c->base == c->in.data) {
        if (c->pos && left)
            memmove(c->in.data, c->in.data + c->pos, left);
        c->in.len = left;
        if (!left)
            mck_buffer_reset(&c->in, FULL_INPUT);
    } else if (left && c->state != LINGERING && c->state != GONE)
        mck_buffer_add(&c->in, c->base + c->pos, left);
    c->base = NULL;
    c->len = c->pos = 0;
}

mck_serve_event mck_serve_conn_reply(mck_serve_conn *c, const mck_serve_reply *reply)
{
    mck_serve_server *s = c->server;
    const mck_serve_question *q = &c->question;
    char field[64] = "mcp-session-id: ";
    const char *extra = NULL;
    if (reply->cancel)
        pending_cancel(s, c->session, reply->cancel, reply->cancel_len);
    if (q->end_session) {
        session *ended = sessions_find(&s->sessions, (const uint8_t *)c->session, SESSION_ID_LEN, c->now_ns);
        if (ended)
            sessions_close(&s->sessions, ended);
    } else if (c->initializing && reply->new_session >= 0 && reply->kind == MCK_SERVE_RESULT) {
        session *opened = sessions_open(&s->sessions, (unsigned)reply->new_session, c->now_ns);
        if (!opened)
            return refuse_framing(c, 503, "no session can be opened now");
        memcpy(field + 16, opened->id, sizeof opened->id);
        extra = field;
    }
    uint16_t status = reply->status ? reply->status : reply->kind == MCK_SERVE_ACCEPTED ? 202 : 200;
    size_t mark = http_open(s, &c->out, status, !c->keep_alive, extra);
    if (reply->kind == MCK_SERVE_RESULT)
        answer_result(&c->out, q->id, q->id_len, reply->payload, reply->payload_len);
    else if (reply->kind == MCK_SERVE_ERROR)
        answer_error_object(&c->out, q->id, q->id_len, reply->payload, reply->payload_len);
    http_close(&c->out, mark);
    mck_serve_event event = after_answer(c);
    return event == MCK_SERVE_IDLE ? run(c) : event;
}

mck_serve_conn *mck_serve_server_drain(mck_serve_server *server, mck_serve_event *event)
{
    mck_wasm_call *call;
    while ((call = mck_wasm_engine_next_done(server->engine))) {
        pending *p = mck_wasm_call_user(call);
        mck_serve_conn *c = p->conn;
        if (c) {
            c->call = NULL;
            write_call(c, call, p->era, p->id, p->id_len);
        }
        pending_delete(server, p);
        mck_wasm_call_delete(call);
        if (!c)
            continue;
        *event = after_answer(c);
        if (*event == MCK_SERVE_IDLE && c->in.len) {
            c->base = c->in.data;
            c->len = c->in.len;
            c->pos = 0;
            *event = run(c);
        }
        return c;
    }
    return NULL;
}

mck_serve_conn *mck_serve_server_expired(mck_serve_server *server, uint64_t now_ns)
{
    sessions_expire(&server->sessions, now_ns);
    for (mck_serve_conn *c = server->conns; c; c = c->next) {
        bool begun = c->state == READING_BODY || (c->state == READING_HEAD && c->in.len);
        bool waiting = c->state == WAITING_CALL || c->state == WAITING_REPLY || c->state == GONE;
        uint64_t limit = begun || c->state == LINGERING ? server->read_timeout_ns : server->idle_timeout_ns;
        if (waiting || now_ns - c->since_ns < limit)
            continue;
        if (begun)
            refuse_framing(c, 408, "the request did not arrive whole in time");
        c->state = GONE;
        return c;
    }
    return NULL;
}
