/*
 * The ceiling for any process: one thread, epoll, and one fixed answer for every complete request.
 *
 *   bare_epoll PORT ANSWER_FILE - the file holds a whole HTTP response. A request is complete when its head has ended and
 *   Content-Length bytes have followed; nothing else is looked at.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 1 << 14, DESCRIPTORS = 4096 };

typedef struct {
    size_t have;
    char bytes[BUFFER];
} connection;

static connection *connections[DESCRIPTORS];
static char answer[BUFFER];
static size_t answer_size;

/* Length of the first whole request in `bytes`, 0 while it is incomplete. */
static size_t request_size(const char *bytes, size_t have)
{
    const char *end = memmem(bytes, have, "\r\n\r\n", 4);
    if (!end)
        return 0;
    size_t head = (size_t)(end - bytes) + 4;
    const char *mark = memmem(bytes, head, "Content-Length: ", 16);
    size_t whole = head + (mark ? strtoul(mark + 16, NULL, 10) : 0);
    return whole <= have ? whole : 0;
}

/* False: the connection has ended. */
static int serve(int fd)
{
    connection *c = connections[fd];
    ssize_t got = recv(fd, c->bytes + c->have, sizeof c->bytes - c->have, 0);
    if (got <= 0)
        return 0;
    c->have += (size_t)got;
    for (size_t size; (size = request_size(c->bytes, c->have)) > 0;) {
        c->have -= size;
        memmove(c->bytes, c->bytes + size, c->have);
        if (send(fd, answer, answer_size, MSG_NOSIGNAL) != (ssize_t)answer_size)
            return 0;
    }
    return c->have < sizeof c->bytes;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    FILE *file = fopen(argv[2], "rb");
    if (!file)
        return 2;
    answer_size = fread(answer, 1, sizeof answer, file);
    fclose(file);

    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024))
        return 1;

    int poller = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[256];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(poller, ready, 256, -1);
        for (int i = 0; i < count; i++) {
            int fd = ready[i].data.fd;
            if (fd == listener) {
                int peer = accept(listener, NULL, NULL);
                if (peer < 0)
                    continue;
                connection *fresh = peer < DESCRIPTORS ? calloc(1, sizeof *fresh) : NULL;
                if (!fresh) {
                    close(peer);
                    continue;
                }
                connections[peer] = fresh;
                setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                event = (struct epoll_event){.events = EPOLLIN, .data.fd = peer};
                epoll_ctl(poller, EPOLL_CTL_ADD, peer, &event);
            } else if (!serve(fd)) {
                free(connections[fd]);
                connections[fd] = NULL;
                close(fd);
            }
        }
    }
}
