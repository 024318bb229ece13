/*
 * The stdio transport: one thread reads lines, answers what it can at once, and waits for the rest together with its input.
 * Plain read, write and poll, because stdin and stdout may be pipes, files, terminals, sockets or /dev/null.
 */
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE ((size_t)64 << 10)
#define FLUSH_AT ((size_t)256 << 10)

typedef struct {
    mck_serve_server *server;
    int in_fd, out_fd;
    const mck_serve_stdio_hooks *hooks;
    mck_rpc_lines lines;
    mck_buffer out;
    bool initialized;
    unsigned revision;
} stdio_loop;

typedef enum { GO_ON, STOP, BROKEN } outcome;

static outcome interrupted(const stdio_loop *l)
{
    return l->hooks->interrupted(l->hooks->env) ? STOP : GO_ON;
}

static outcome flush(stdio_loop *l)
{
    size_t done = 0;
    if (l->out.failed) {
        errno = ENOMEM;
        return BROKEN;
    }
    while (done < l->out.len) {
        ssize_t n = write(l->out_fd, l->out.data + done, l->out.len - done);
        if (n >= 0) {
            done += (size_t)n;
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            struct pollfd room = {.fd = l->out_fd, .events = POLLOUT};
            poll(&room, 1, -1);
        } else if (errno != EINTR)
            return BROKEN;
        if (errno == EINTR && interrupted(l) == STOP)
            return STOP;
    }
    mck_buffer_reset(&l->out, FLUSH_AT);
    return GO_ON;
}

static void end_line(stdio_loop *l)
{
    ADD(&l->out, "\n");
}

static void drain(stdio_loop *l)
{
    mck_wasm_call *call;
    while ((call = mck_wasm_engine_next_done(l->server->engine))) {
        pending *p = mck_wasm_call_user(call);
        if (!p->silenced) {
            answer_call(&l->out, call, p->era, l->server->server_info, p->id, p->id_len);
            end_line(l);
        }
        pending_delete(l->server, p);
        mck_wasm_call_delete(call);
    }
}

static void start_call(stdio_loop *l, const verdict *v, const mck_rpc_envelope *e, const uint8_t *line)
{
    static const uint8_t none[] = "{}";
    const uint8_t *id = line + e->id.start;
    size_t id_len = e->id.end - e->id.start;
    bool given = (e->flags & MCK_RPC_HAS_ARGUMENTS) != 0;
    const uint8_t *arguments = given ? line + e->arguments.span.start : none;
    size_t len = given ? e->arguments.span.end - e->arguments.span.start : 2;
    l->server->stats.calls++;
    mck_wasm_call *call = mck_wasm_call_new(v->tool, arguments, len, NULL);
    if (call && mck_wasm_call_start(call))
        answer_call(&l->out, call, v->era, l->server->server_info, id, id_len);
    else if (call && pending_new(l->server, call, v->era, id, id_len, NULL))
        return;
    else
        answer_error(&l->out, id, id_len, -32603, "out of memory", NULL);
    end_line(l);
    if (call)
        mck_wasm_call_delete(call);
}

static outcome ask(stdio_loop *l, const verdict *v, const mck_rpc_envelope *e, const uint8_t *line, size_t len)
{
    mck_serve_question q;
    mck_serve_reply reply;
    memset(&q, 0, sizeof q);
    memset(&reply, 0, sizeof reply);
    reply.new_session = -1;
    q.era = v->era;
    q.revision = v->revision;
    q.id = line + e->id.start;
    q.id_len = e->id.end - e->id.start;
    q.method = line + e->method_name.span.start;
    q.method_len = e->method_name.span.end - e->method_name.span.start;
    if (e->flags & MCK_RPC_HAS_PARAMS) {
        q.params = line + e->params.start;
        q.params_len = e->params.end - e->params.start;
    }
    q.message = line;
    q.message_len = len;
    l->server->stats.asked++;
    if (!l->hooks->ask(l->hooks->env, &q, &reply))
        return STOP;
    if (reply.cancel)
        pending_cancel(l->server, NULL, reply.cancel, reply.cancel_len);
    if (reply.new_session >= 0) {
        l->initialized = true;
        l->revision = (unsigned)reply.new_session;
    }
    if (reply.kind == MCK_SERVE_ACCEPTED || !q.id_len)
        return GO_ON;
    if (reply.kind == MCK_SERVE_RESULT)
        answer_result(&l->out, q.id, q.id_len, reply.payload, reply.payload_len);
    else
        answer_error_object(&l->out, q.id, q.id_len, reply.payload, reply.payload_len);
    end_line(l);
    return GO_ON;
}

static outcome serve_line(stdio_loop *l, const uint8_t *line, size_t len)
{
    mck_rpc_envelope e;
    verdict v;
    request r = {.body = line, .body_len = len, .initialized = l->initialized, .revision = l->revision};
    l->server->stats.requests++;
    ladder_climb(l->server, &r, &e, &v);
    const uint8_t *id = line + e.id.start;
    size_t id_len = e.id.end - e.id.start;
    switch (v.kind) {
    case VERDICT_CALL:
        start_call(l, &v, &e, line);
        return GO_ON;
    case VERDICT_FIXED:
        answer_result(&l->out, id, id_len, v.fixed->data, v.fixed->len);
        end_line(l);
        return GO_ON;
    case VERDICT_ACCEPT:
        return GO_ON;
    case VERDICT_REFUSE:
        l->server->stats.refused++;
        if (e.kind != MCK_RPC_NOTIFICATION && e.kind != MCK_RPC_RESPONSE) {
            answer_error(&l->out, id, id_len, v.code, v.message, v.data);
            end_line(l);
        }
        return GO_ON;
    case VERDICT_ASK:
        break;
    }
    return ask(l, &v, &e, line, len);
}

static outcome serve_lines(stdio_loop *l, bool eof)
{
    const uint8_t *line;
    size_t len;
    for (;;) {
        outcome o = GO_ON;
        switch (mck_rpc_lines_next(&l->lines, eof, &line, &len)) {
        case MCK_RPC_LINE:
            o = serve_line(l, line, len);
            break;
        case MCK_RPC_LINE_TOO_LONG:
            answer_error(&l->out, NULL, 0, -32600, "the message is longer than this server accepts", NULL);
            end_line(l);
            break;
        case MCK_RPC_LINE_MORE:
            return GO_ON;
        case MCK_RPC_LINE_NO_MEMORY:
            errno = ENOMEM;
            return BROKEN;
        }
        if (o == GO_ON && l->out.len > FLUSH_AT)
            o = flush(l);
        if (o != GO_ON)
            return o;
    }
}

/* Wait for input or for a call to end. With the input at its end, also for the reader of our answers to go away. */
static outcome wait_for_news(stdio_loop *l, bool eof, bool *readable)
{
    struct pollfd fds[3] = {
        {.fd = eof ? -1 : l->in_fd, .events = POLLIN},
        {.fd = mck_wasm_engine_notify_fd(l->server->engine), .events = POLLIN},
        {.fd = l->out_fd, .events = 0},
    };
    *readable = false;
    if (poll(fds, 3, -1) < 0)
        return errno == EINTR ? interrupted(l) : BROKEN;
    if (eof && (fds[2].revents & (POLLERR | POLLHUP | POLLNVAL)))
        return STOP;
    *readable = fds[0].revents != 0;
    return GO_ON;
}

static outcome read_some(stdio_loop *l, bool *eof)
{
    uint8_t *room = mck_rpc_lines_reserve(&l->lines, READ_SIZE);
    if (!room) {
        errno = ENOMEM;
        return BROKEN;
    }
    ssize_t n = read(l->in_fd, room, READ_SIZE);
    if (n > 0)
        mck_rpc_lines_wrote(&l->lines, (size_t)n);
    else if (n == 0)
        *eof = true;
    else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        struct pollfd in = {.fd = l->in_fd, .events = POLLIN};
        if (poll(&in, 1, -1) < 0 && errno == EINTR)
            return interrupted(l);
    } else if (errno == EINTR)
        return interrupted(l);
    else
        return BROKEN;
    return GO_ON;
}

static outcome run(stdio_loop *l)
{
    bool eof = false;
    for (;;) {
        drain(l);
        outcome o = serve_lines(l, eof);
        if (o == GO_ON)
            o = flush(l);
        if (o != GO_ON)
            return o;
        if (eof && !l->server->pendings)
            return GO_ON;
        bool readable = true;
        if (l->server->pendings)
            o = wait_for_news(l, eof, &readable);
        if (o == GO_ON && readable && !eof)
            o = read_some(l, &eof);
        if (o != GO_ON)
            return o;
    }
}

int mck_serve_stdio(mck_serve_server *server, int in_fd, int out_fd, const mck_serve_stdio_hooks *hooks)
{
    stdio_loop l = {.server = server, .in_fd = in_fd, .out_fd = out_fd, .hooks = hooks, .revision = REVISION_NEWEST_LEGACY};
    mck_rpc_lines_init(&l.lines, server->max_line);
    outcome o = run(&l);
    int saved = errno;
    mck_rpc_lines_free(&l.lines);
    mck_buffer_free(&l.out);
    errno = saved;
    return o == GO_ON ? 0 : o == STOP ? 1 : -1;
}
