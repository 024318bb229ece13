/* One HTTP connection: requests in, answers out, in order; one call at a time, what comes behind it waits. */
#include "internal.h"

#include <stdio.h>
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
    size_t body_at, body_len, raw_len; /* of a whole request, from pos */
    bool whole;                        /* … which is there, waiting for its credential to be known */
    bool continued;                    /* "100 Continue" was sent */
    bool keep_alive;
    bool streaming;           /* the answer is a stream of events that has begun */
    uint32_t peer, principal; /* of the connection by certificate; of the request */
    pending *call;
    /* The question on the table. */
    mck_serve_question question;
    mck_buffer id; /* its id, when the answer comes later */
    char session[SESSION_ID_LEN + 1];
    bool initializing;
    mck_buffer cors; /* header lines that this request's answer carries; empty: none */
    bool noting;     /* `access` is of a request that is not over yet */
    mck_serve_access access;
    uint64_t sent, sent_before; /* bytes handed out in all; those of earlier answers */
};

static void note_text(char *out, size_t size, const uint8_t *bytes, mck_span text)
{
    size_t len = text.end - text.start;
    if (len >= size) {
        len = size - 1;
        while (len && (bytes[text.start + len] & 0xc0) == 0x80)
            len--;
    }
    memcpy(out, bytes + text.start, len);
    out[len] = 0;
}

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

/* Take notes of the request whose head has arrived, if somebody wants them. */
static void note_begin(mck_serve_conn *c)
{
    if (!c->server->access)
        return;
    mck_span verb = c->head.method_name;
    memset(&c->access, 0, sizeof c->access);
    note_text(c->access.verb, sizeof c->access.verb, c->base + c->pos, verb);
    c->access.started_ns = c->now_ns;
    c->sent_before = c->sent + c->out.len;
    c->noting = true;
}

/* … of what it turned out to be, */
static void note_message(mck_serve_conn *c, const mck_rpc_envelope *e, const verdict *v, const uint8_t *body)
{
    if (!c->noting)
        return;
    note_text(c->access.method, sizeof c->access.method, body, e->method_name.span);
    if (e->flags & MCK_RPC_HAS_NAME)
        note_text(c->access.name, sizeof c->access.name, body, e->name.span);
    if (v->session)
        memcpy(c->access.session, v->session->id, SESSION_ID_LEN);
}

/* … and of its end. */
static void note_end(mck_serve_conn *c, uint16_t status)
{
    if (!c->noting)
        return;
    c->noting = false;
    if (status)
        c->access.status = status;
    c->access.principal = c->principal;
    c->access.bytes = c->sent + c->out.len - c->sent_before;
    c->server->access(c->server->access_env, c->user, &c->access);
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
    note_end(c, 0);
    *(c->prev ? &c->prev->next : &c->server->conns) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->server->stats.connections--;
    mck_buffer_free(&c->cors);
    mck_buffer_free(&c->in);
    mck_buffer_free(&c->out);
    mck_buffer_free(&c->id);
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
    c->sent += c->out.len;
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

/* The head of an answer, with the lines that let a page of another origin read it. */
static size_t open_answer(mck_serve_conn *c, uint16_t status, const char *fields)
{
    c->access.status = status;
    if (!c->cors.len)
        return http_open(c->server, &c->out, status, !c->keep_alive, fields);
    mck_buffer all = {0};
    mck_buffer_add(&all, c->cors.data, c->cors.len - 1);
    if (fields) {
        ADD(&all, "\r\n");
        mck_buffer_text(&all, fields);
    }
    mck_buffer_add(&all, "", 1);
    size_t mark = http_open(c->server, &c->out, status, !c->keep_alive, all.failed ? NULL : (const char *)all.data);
    mck_buffer_free(&all);
    return mark;
}

/* A refusal by framing: nothing on this connection can be trusted any more. */
static mck_serve_event refuse_framing(mck_serve_conn *c, uint16_t status, const char *reason)
{
    c->server->stats.refused++;
    if (!c->noting && c->server->access) {
        memset(&c->access, 0, sizeof c->access);
        c->access.started_ns = c->since_ns;
        c->sent_before = c->sent + c->out.len;
        c->noting = true;
    }
    c->keep_alive = false;
    size_t mark = open_answer(c, status, NULL);
    answer_error(&c->out, NULL, 0, -32600, reason, NULL);
    http_close(&c->out, mark);
    note_end(c, status);
    return linger(c);
}

/* The current request has been answered: on to the next one. */
static void next_request(mck_serve_conn *c)
{
    c->state = READING_HEAD;
    c->since_ns = c->now_ns;
    c->head.scanned = 0;
    c->continued = c->streaming = c->whole = false;
    c->principal = c->peer;
    c->cors.len = 0;
}

static mck_serve_event after_answer(mck_serve_conn *c)
{
    note_end(c, 0);
    if (!c->keep_alive)
        return linger(c);
    next_request(c);
    return MCK_SERVE_IDLE;
}

static void write_refusal(mck_serve_conn *c, const verdict *v, const uint8_t *id, size_t id_len)
{
    c->server->stats.refused++;
    size_t mark = open_answer(c, v->status, v->allow);
    if (c->head.method != MCK_HTTP_HEAD) {
        answer_error(&c->out, id, id_len, v->code, v->message, v->data);
        http_close(&c->out, mark);
    }
}

static void write_call(mck_serve_conn *c, const mck_wasm_call *call, mck_serve_era era, const uint8_t *id,
                       size_t id_len)
{
    mck_wasm_call_status status = mck_wasm_call_result(call);
    bool busy = status == MCK_WASM_CALL_BUSY, used_up = status == MCK_WASM_CALL_QUOTA || status == MCK_WASM_CALL_RATE;
    char later[48];
    snprintf(later, sizeof later, "retry-after: %u", used_up ? mck_serve_retry_after(call) : 1);
    size_t mark = open_answer(c, busy ? 503 : 200, busy || used_up ? later : NULL);
    answer_call(&c->out, call, era, c->server->server_info, id, id_len);
    http_close(&c->out, mark);
}

static mck_serve_event start_call(mck_serve_conn *c, const verdict *v, const mck_rpc_envelope *e, const uint8_t *body)
{
    const uint8_t *id = body + e->id.start;
    size_t id_len = e->id.end - e->id.start, len;
    const uint8_t *arguments = call_arguments(e, body, &len);
    c->server->stats.calls++;
    mck_wasm_call *call = mck_wasm_call_new(v->tool, arguments, len, NULL);
    if (call)
        callers_claim(c->server, c->principal, call);
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

static mck_serve_event table_question(mck_serve_conn *c, const uint8_t *head_bytes)
{
    c->question.principal = c->principal;
    c->question.head = &c->head;
    c->question.head_bytes = head_bytes;
    c->server->stats.asked++;
    c->state = WAITING_REPLY;
    return MCK_SERVE_ASK;
}

static mck_serve_event ask(mck_serve_conn *c, const verdict *v, const mck_rpc_envelope *e, const request *r)
{
    question_fill(&c->question, v, e, r->body, r->body_len);
    c->session[0] = 0;
    if (v->session) {
        memcpy(c->session, v->session->id, sizeof c->session);
        c->question.session = c->session;
    }
    c->initializing = e->method == MCK_RPC_M_INITIALIZE;
    return table_question(c, r->head_bytes);
}

/* Is it known who sends this request? */
static bool authorized(mck_serve_conn *c)
{
    mck_serve_server *s = c->server;
    if (!s->authorize || c->principal)
        return true;
    mck_span field = c->head.known[MCK_HTTP_F_AUTHORIZATION];
    if (c->head.seen[MCK_HTTP_F_AUTHORIZATION] == 1)
        c->principal =
            credentials_find(s->credentials, c->base + c->pos + field.start, field.end - field.start, c->now_ns);
    return c->principal != 0;
}

/* A browser asks, without credentials, what a page may send: every page that may read answers may call. */
static mck_serve_event answer_preflight(mck_serve_conn *c, const uint8_t *head_bytes)
{
    mck_buffer fields = {0};
    cors_preflight(&c->head, head_bytes, &fields);
    mck_buffer_add(&fields, "", 1);
    bool failed = fields.failed;
    if (!failed)
        open_answer(c, 204, (const char *)fields.data);
    mck_buffer_free(&fields);
    return failed ? refuse_framing(c, 503, "out of memory") : after_answer(c);
}

/* One whole request for the MCP path, at pos. */
static mck_serve_event serve(mck_serve_conn *c)
{
    mck_serve_server *s = c->server;
    mck_rpc_envelope e;
    verdict v;
    const uint8_t *start = c->base + c->pos;
    request r = {.head = &c->head,
                 .head_bytes = start,
                 .body = start + c->body_at,
                 .body_len = c->body_len,
                 .now_ns = c->now_ns};
    if (c->cors.len && cors_is_preflight(&c->head, start)) {
        c->pos += c->raw_len;
        return answer_preflight(c, start);
    }
    if (!authorized(c)) {
        c->whole = true;
        memset(&c->question, 0, sizeof c->question);
        c->question.kind = MCK_SERVE_Q_AUTHORIZE;
        return table_question(c, start);
    }
    r.principal = c->principal;
    s->stats.requests++;
    ladder_climb(s, &r, &e, &v);
    note_message(c, &e, &v, r.body);
    c->whole = false;
    c->pos += c->raw_len;
    const uint8_t *id = r.body + e.id.start;
    size_t id_len = e.id.end - e.id.start, mark;
    switch (v.kind) {
    case VERDICT_CALL: return start_call(c, &v, &e, r.body);
    case VERDICT_FIXED:
        mark = open_answer(c, 200, NULL);
        answer_result(&c->out, id, id_len, v.fixed->data, v.fixed->len);
        http_close(&c->out, mark);
        return after_answer(c);
    case VERDICT_ACCEPT: open_answer(c, 202, NULL); return after_answer(c);
    case VERDICT_REFUSE: write_refusal(c, &v, id, id_len); return after_answer(c);
    case VERDICT_ASK: break;
    }
    return ask(c, &v, &e, &r);
}

/* A head has been read. Decide whose request it is. */
static bool head_is_ours(mck_serve_conn *c, mck_serve_event *event)
{
    mck_serve_server *s = c->server;
    const uint8_t *bytes = c->base + c->pos;
    verdict v;
    c->keep_alive = c->head.keep_alive;
    note_begin(c);
    if (!ladder_admit(s, &c->head, bytes, &v)) {
        c->keep_alive = false;
        write_refusal(c, &v, NULL, 0);
        note_end(c, v.status);
        *event = linger(c);
        return false;
    }
    if (s->cors_count)
        cors_fields(s, &c->head, bytes, &c->cors);
    mck_span path = c->head.path;
    if (path.end - path.start != s->path_len || memcmp(bytes + path.start, s->path, s->path_len) != 0 ||
        (s->websocket && c->head.upgrade && c->head.method == MCK_HTTP_GET)) {
        c->noting = false; /* whoever serves it takes notes */
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

/* Has the body arrived? If not, *event says what to do. */
static bool body_is_whole(mck_serve_conn *c, mck_serve_event *event)
{
    size_t room = c->len - c->pos - c->body_at;
    if (!c->head.chunked) {
        c->body_len = (size_t)c->head.content_length;
        c->raw_len = c->body_at + c->body_len;
        if (room >= c->body_len)
            return true;
        *event = want_body(c);
        return false;
    }
    if (!own_bytes(c)) {
        *event = refuse_framing(c, 503, "out of memory");
        return false;
    }
    mck_http_progress p = mck_http_chunks_feed(&c->chunks, c->in.data + c->pos + c->body_at, room, &c->server->http);
    if (p == MCK_HTTP_DONE) {
        c->body_len = (size_t)c->chunks.body_len;
        c->raw_len = c->body_at + (size_t)c->chunks.consumed;
        return true;
    }
    *event = p == MCK_HTTP_REFUSED ? refuse_framing(c, c->chunks.status, c->chunks.reason) : want_body(c);
    return false;
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
        if (!c->whole && !body_is_whole(c, &event))
            return event;
        event = serve(c);
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

static mck_serve_event go_on(mck_serve_conn *c)
{
    if (!c->base && c->in.len) {
        c->base = c->in.data;
        c->len = c->in.len;
        c->pos = 0;
    }
    return run(c);
}

static mck_serve_event answered(mck_serve_conn *c)
{
    mck_serve_event event = after_answer(c);
    return event == MCK_SERVE_IDLE ? go_on(c) : event;
}

void mck_serve_conn_identify(mck_serve_conn *c, uint32_t principal)
{
    c->peer = c->principal = principal;
}

mck_serve_event mck_serve_conn_authorized(mck_serve_conn *c, uint32_t principal, uint64_t until_ns)
{
    mck_serve_server *s = c->server;
    if (!c->base) {
        c->base = c->in.data;
        c->len = c->in.len;
        c->pos = 0;
    }
    mck_span field = c->head.known[MCK_HTTP_F_AUTHORIZATION];
    if (!s->credentials)
        s->credentials = calloc(CREDENTIAL_SLOTS, sizeof *s->credentials);
    if (s->credentials && until_ns && c->head.seen[MCK_HTTP_F_AUTHORIZATION] == 1)
        credentials_add(s->credentials, c->base + c->pos + field.start, field.end - field.start, principal, until_ns);
    c->principal = principal;
    c->state = READING_BODY;
    return run(c);
}

/* Headers of an answer: the owner's own and that of a session just opened. */
static bool open_session(mck_serve_conn *c, const mck_serve_reply *reply, mck_buffer *fields)
{
    session *opened =
        sessions_open(&c->server->sessions, reply->session_id, (unsigned)reply->new_session, c->principal, c->now_ns);
    if (!opened)
        return false;
    if (fields->len)
        ADD(fields, "\r\n");
    ADD(fields, "mcp-session-id: ");
    mck_buffer_text(fields, opened->id);
    return true;
}

/* A question about a request that is still whole and waiting is answered by refusing the request: it is passed over. */
static void pass_over(mck_serve_conn *c)
{
    if (!c->whole)
        return;
    if (!c->base) {
        c->base = c->in.data;
        c->len = c->in.len;
        c->pos = 0;
    }
    c->pos += c->raw_len;
}

static void write_reply(mck_serve_conn *c, const mck_serve_reply *reply, const char *fields)
{
    const mck_serve_question *q = &c->question;
    uint16_t status = reply->status ? reply->status : reply->kind == MCK_SERVE_ACCEPTED ? 202 : 200;
    size_t mark = open_answer(c, status, fields);
    if (reply->kind == MCK_SERVE_RESULT)
        answer_result(&c->out, q->id, q->id_len, reply->payload, reply->payload_len);
    else if (reply->kind == MCK_SERVE_ERROR)
        answer_error_object(&c->out, q->id, q->id_len, reply->payload, reply->payload_len);
    else
        mck_buffer_add(&c->out, reply->payload, reply->payload_len);
    http_close(&c->out, mark);
}

mck_serve_event mck_serve_conn_reply(mck_serve_conn *c, const mck_serve_reply *reply)
{
    mck_serve_server *s = c->server;
    mck_serve_question *q = &c->question;
    if (c->state != WAITING_REPLY)
        return MCK_SERVE_IDLE;
    if (reply->cancel)
        pending_cancel(s, c->session, NULL, reply->cancel, reply->cancel_len);
    if (reply->kind == MCK_SERVE_LATER) {
        /* The request's bytes may go: keep what the answer needs. */
        c->id.len = 0;
        mck_buffer_add(&c->id, q->id, q->id_len);
        q->id = c->id.data;
        return MCK_SERVE_IDLE;
    }
    if (q->kind == MCK_SERVE_Q_END) {
        session *ended =
            sessions_find(&s->sessions, (const uint8_t *)c->session, SESSION_ID_LEN, c->principal, c->now_ns);
        if (ended)
            sessions_close(&s->sessions, ended);
    }
    mck_buffer fields = {0};
    if (reply->fields)
        mck_buffer_text(&fields, reply->fields);
    bool opens = c->initializing && reply->new_session >= 0 && reply->kind == MCK_SERVE_RESULT;
    bool failed = opens && !open_session(c, reply, &fields);
    mck_buffer_add(&fields, "", 1);
    failed |= fields.failed;
    if (!failed) {
        pass_over(c);
        write_reply(c, reply, fields.len > 1 ? (const char *)fields.data : NULL);
    }
    mck_buffer_free(&fields);
    return failed ? refuse_framing(c, 503, "out of memory") : answered(c);
}

void mck_serve_conn_stream(mck_serve_conn *c, const uint8_t *text, size_t len)
{
    if (c->state != WAITING_REPLY)
        return;
    if (!c->streaming) {
        c->streaming = true;
        c->keep_alive = c->keep_alive && c->head.minor >= 1;
        c->access.status = 200;
        http_open_stream(c->server, &c->out, !c->keep_alive, c->cors.len ? (const char *)c->cors.data : NULL);
    }
    if (!c->keep_alive) {
        mck_buffer_add(&c->out, text, len);
        return;
    }
    static const char digits[] = "0123456789abcdef";
    char size[20];
    size_t at = sizeof size;
    for (size_t n = len; n || at == sizeof size; n /= 16)
        size[--at] = digits[n % 16];
    if (!len)
        return;
    mck_buffer_add(&c->out, size + at, sizeof size - at);
    ADD(&c->out, "\r\n");
    mck_buffer_add(&c->out, text, len);
    ADD(&c->out, "\r\n");
}

mck_serve_event mck_serve_conn_stream_end(mck_serve_conn *c)
{
    if (c->state != WAITING_REPLY)
        return MCK_SERVE_IDLE;
    if (c->streaming && c->keep_alive)
        ADD(&c->out, "0\r\n\r\n");
    return answered(c);
}

void conn_call_ended(const pending *p, mck_serve_news *news)
{
    mck_serve_conn *c = p->conn;
    c->call = NULL;
    write_call(c, p->call, p->era, p->id, p->id_len);
    news->conn = c;
    news->event = answered(c);
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
