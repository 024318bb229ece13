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
    mck_serve_channel *channel;
    int in_fd, out_fd;
    const mck_serve_stdio_hooks *hooks;
    mck_rpc_lines lines;
} stdio_loop;

typedef enum { GO_ON, STOP, BROKEN } outcome;

static outcome interrupted(const stdio_loop *l)
{
    return l->hooks->interrupted(l->hooks->env) ? STOP : GO_ON;
}

static outcome flush(stdio_loop *l)
{
    size_t done = 0, len;
    const uint8_t *out = mck_serve_channel_out(l->channel, &len);
    if (!out && len) {
        errno = ENOMEM;
        return BROKEN;
    }
    while (done < len) {
        ssize_t n = write(l->out_fd, out + done, len - done);
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
    mck_serve_channel_taken(l->channel);
    return GO_ON;
}

static void drain(stdio_loop *l)
{
    mck_serve_news news;
    while (mck_serve_server_drain(l->server, &news))
        if (news.task)
            l->hooks->ended(l->hooks->env, &news);
}

static outcome serve_line(stdio_loop *l, const uint8_t *line, size_t len)
{
    if (!mck_serve_channel_message(l->channel, line, len))
        return GO_ON;
    mck_serve_reply reply;
    memset(&reply, 0, sizeof reply);
    reply.new_session = -1;
    if (!l->hooks->ask(l->hooks->env, mck_serve_channel_question(l->channel), &reply))
        return STOP;
    mck_serve_channel_reply(l->channel, &reply);
    return GO_ON;
}

static outcome serve_lines(stdio_loop *l, bool eof)
{
    static const uint8_t too_long[] = "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,\"message\":\"the "
                                      "message is longer than this server accepts\"}}";
    const uint8_t *line;
    size_t len, waiting;
    for (;;) {
        outcome o = GO_ON;
        switch (mck_rpc_lines_next(&l->lines, eof, &line, &len)) {
        case MCK_RPC_LINE: o = serve_line(l, line, len); break;
        case MCK_RPC_LINE_TOO_LONG: mck_serve_channel_write(l->channel, too_long, sizeof too_long - 1); break;
        case MCK_RPC_LINE_MORE: return GO_ON;
        case MCK_RPC_LINE_NO_MEMORY: errno = ENOMEM; return BROKEN;
        }
        (void)mck_serve_channel_out(l->channel, &waiting);
        if (o == GO_ON && waiting > FLUSH_AT)
            o = flush(l);
        if (o != GO_ON)
            return o;
    }
}

static bool busy(const stdio_loop *l)
{
    return l->server->pendings || (l->hooks->wake_fd >= 0 && l->hooks->working(l->hooks->env));
}

/* Wait for input, for a call to end, for the owner's messages; with the input at its end, also for our reader to go away. */
static outcome wait_for_news(stdio_loop *l, bool eof, bool *readable)
{
    struct pollfd fds[4] = {
        {.fd = eof ? -1 : l->in_fd, .events = POLLIN},
        {.fd = mck_wasm_engine_notify_fd(l->server->engine), .events = POLLIN},
        {.fd = l->out_fd, .events = 0},
        {.fd = l->hooks->wake_fd, .events = POLLIN},
    };
    *readable = false;
    if (l->server->at_once)
        return GO_ON;
    if (poll(fds, 4, -1) < 0)
        return errno == EINTR ? interrupted(l) : BROKEN;
    if (eof && (fds[2].revents & (POLLERR | POLLHUP | POLLNVAL)))
        return STOP;
    if (fds[3].revents && !l->hooks->woken(l->hooks->env, l->channel))
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
    bool eof = false, told = false;
    for (;;) {
        drain(l);
        outcome o = serve_lines(l, eof);
        if (o == GO_ON)
            o = flush(l);
        if (o != GO_ON)
            return o;
        if (eof && !told) {
            told = true;
            l->hooks->at_end(l->hooks->env);
        }
        bool others = busy(l);
        if (eof && !others)
            return GO_ON;
        /* With nobody else to wait for, a plain read saves a system call per message. */
        bool readable = true;
        if (others || l->hooks->talks)
            o = wait_for_news(l, eof, &readable);
        if (o == GO_ON && readable && !eof)
            o = read_some(l, &eof);
        if (o != GO_ON)
            return o;
    }
}

int mck_serve_stdio(mck_serve_server *server, int in_fd, int out_fd, const mck_serve_stdio_hooks *hooks)
{
    stdio_loop l = {.server = server, .in_fd = in_fd, .out_fd = out_fd, .hooks = hooks};
    l.channel = mck_serve_channel_new(server, NULL);
    if (!l.channel) {
        errno = ENOMEM;
        return -1;
    }
    mck_rpc_lines_init(&l.lines, server->max_line);
    outcome o = run(&l);
    int saved = errno;
    mck_rpc_lines_free(&l.lines);
    mck_serve_channel_delete(l.channel);
    errno = saved;
    return o == GO_ON ? 0 : o == STOP ? 1 : -1;
}
