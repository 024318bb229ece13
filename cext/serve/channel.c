/* A channel: whole messages both ways. Its client says initialize once, or puts the modern envelope into each request. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define KEEP_OUT ((size_t)256 << 10)

mck_serve_channel *mck_serve_channel_new(mck_serve_server *server, void *user)
{
    mck_serve_channel *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->server = server;
    c->user = user;
    c->revision = REVISION_NEWEST_LEGACY;
    return c;
}

void mck_serve_channel_delete(mck_serve_channel *c)
{
    if (!c)
        return;
    for (pending *p = c->server->pendings; p; p = p->next)
        if (p->channel == c) {
            p->channel = NULL;
            mck_wasm_call_cancel(p->call);
        }
    mck_buffer_free(&c->out);
    free(c);
}

void mck_serve_channel_identify(mck_serve_channel *c, uint32_t principal)
{
    c->principal = principal;
}

void *mck_serve_channel_user(const mck_serve_channel *c)
{
    return c->user;
}

const mck_serve_question *mck_serve_channel_question(const mck_serve_channel *c)
{
    return &c->question;
}

const uint8_t *mck_serve_channel_out(const mck_serve_channel *c, size_t *len)
{
    *len = c->out.len;
    return c->out.failed ? NULL : c->out.data;
}

void mck_serve_channel_taken(mck_serve_channel *c)
{
    mck_buffer_reset(&c->out, KEEP_OUT);
}

static void end_line(mck_serve_channel *c)
{
    ADD(&c->out, "\n");
}

void mck_serve_channel_write(mck_serve_channel *c, const uint8_t *message, size_t len)
{
    mck_buffer_add(&c->out, message, len);
    end_line(c);
}

void channel_call_ended(const pending *p, mck_serve_news *news)
{
    mck_serve_channel *c = p->channel;
    answer_call(&c->out, p->call, p->era, c->server->server_info, p->id, p->id_len);
    end_line(c);
    news->channel = c;
}

static void start_call(mck_serve_channel *c, const verdict *v, const mck_rpc_envelope *e, const uint8_t *line)
{
    size_t len;
    const uint8_t *arguments = call_arguments(e, line, &len), *id = line + e->id.start;
    size_t id_len = e->id.end - e->id.start;
    c->server->stats.calls++;
    mck_wasm_call *call = mck_wasm_call_new(v->tool, arguments, len, NULL);
    pending *p = NULL;
    if (call)
        callers_claim(c->server, c->principal, call);
    if (call && mck_wasm_call_start(call))
        answer_call(&c->out, call, v->era, c->server->server_info, id, id_len);
    else if (call && (p = pending_new(c->server, call, v->era, id, id_len, NULL))) {
        p->channel = c;
        return;
    } else
        answer_error(&c->out, id, id_len, -32603, "out of memory", NULL);
    end_line(c);
    if (call)
        mck_wasm_call_delete(call);
}

bool mck_serve_channel_message(mck_serve_channel *c, const uint8_t *line, size_t len)
{
    mck_rpc_envelope e;
    verdict v;
    request r = {.body = line, .body_len = len, .initialized = c->initialized, .revision = c->revision};
    mck_serve_server *s = c->server;
    s->stats.requests++;
    ladder_climb(s, &r, &e, &v);
    const uint8_t *id = line + e.id.start;
    size_t id_len = e.id.end - e.id.start;
    switch (v.kind) {
    case VERDICT_CALL: start_call(c, &v, &e, line); return false;
    case VERDICT_FIXED:
        answer_result(&c->out, id, id_len, v.fixed->data, v.fixed->len);
        end_line(c);
        return false;
    case VERDICT_ACCEPT: return false;
    case VERDICT_REFUSE:
        s->stats.refused++;
        if (e.kind != MCK_RPC_NOTIFICATION && e.kind != MCK_RPC_RESPONSE) {
            answer_error(&c->out, id, id_len, v.code, v.message, v.data);
            end_line(c);
        }
        return false;
    case VERDICT_ASK: break;
    }
    s->stats.asked++;
    question_fill(&c->question, &v, &e, line, len);
    return true;
}

void mck_serve_channel_reply(mck_serve_channel *c, const mck_serve_reply *reply)
{
    const mck_serve_question *q = &c->question;
    if (reply->cancel)
        pending_cancel(c->server, NULL, c, reply->cancel, reply->cancel_len);
    if (reply->new_session >= 0 && reply->kind == MCK_SERVE_RESULT) {
        c->initialized = true;
        c->revision = (unsigned)reply->new_session;
    }
    if (reply->kind == MCK_SERVE_LATER)
        return;
    if (reply->kind == MCK_SERVE_ACCEPTED) {
        if (reply->payload_len)
            mck_serve_channel_write(c, reply->payload, reply->payload_len);
        return;
    }
    if (!q->id_len)
        return;
    if (reply->kind == MCK_SERVE_RESULT)
        answer_result(&c->out, q->id, q->id_len, reply->payload, reply->payload_len);
    else
        answer_error_object(&c->out, q->id, q->id_len, reply->payload, reply->payload_len);
    end_line(c);
}
