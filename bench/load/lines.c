/*
 * Load generator for a server on stdio: round trips one at a time, then calls in a pipeline.
 *
 *   lines LOAD_CPU SERVER_CPU ROUND_TRIPS PIPELINED WINDOW SETUP_FILE REQUEST_FILE -- COMMAND…
 *
 * SETUP_FILE: lines sent first; each that holds `"id"` is answered by one line. REQUEST_FILE: one line whose id is the eight
 * digits 10000000; they count up. Every answer must be one line that holds its request's id. Processors < 0: not pinned.
 * Prints one JSON object; messages about failures go to stderr with exit status 1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 20, LINE = 1 << 14 };

static int to_server, from_server;
static pid_t server;
static char inbox[BUFFER];
static size_t inbox_have;

static void fail(const char *what)
{
    fprintf(stderr, "lines: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    kill(server, SIGKILL);
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void pin(int cpu)
{
    if (cpu < 0)
        return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set))
        fail("cannot pin to a processor");
}

static size_t load(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        fail(path);
    size_t have = fread(out, 1, size, file);
    fclose(file);
    if (have == size)
        fail("file too large");
    return have;
}

/* Processor seconds of the server so far, all its threads. */
static double server_cpu(void)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)server);
    size_t have = load(path, text, sizeof text);
    text[have] = 0;
    char *after_name = strrchr(text, ')');
    unsigned long user = 0, system = 0;
    if (!after_name ||
        sscanf(after_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        fail(path);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static void send_all(const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(to_server, bytes, size);
        if (n < 0)
            fail("the server does not read");
        bytes += n;
        size -= (size_t)n;
    }
}

/* Next line, without its end; valid until the next call. */
static char *receive(size_t *size)
{
    static size_t taken;
    inbox_have -= taken;
    memmove(inbox, inbox + taken, inbox_have);
    taken = 0;
    for (size_t searched = 0;;) {
        char *end = memchr(inbox + searched, '\n', inbox_have - searched);
        if (end) {
            *size = (size_t)(end - inbox);
            taken = *size + 1;
            return inbox;
        }
        searched = inbox_have;
        if (inbox_have == sizeof inbox)
            fail("an answer is too long");
        errno = 0;
        ssize_t n = read(from_server, inbox + inbox_have, sizeof inbox - inbox_have);
        if (n <= 0)
            fail("the server ended");
        inbox_have += (size_t)n;
    }
}

static void number(char *digits, unsigned long id)
{
    for (int i = 7; i >= 0; i--, id /= 10)
        digits[i] = (char)('0' + id % 10);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One call at a time. Fills `latency` with seconds each. */
static void round_trips(char *line, size_t size, size_t digits, unsigned long first, long count, double *latency)
{
    for (long i = 0; i < count; i++) {
        char id[8];
        number(line + digits, first + (unsigned long)i);
        memcpy(id, line + digits, 8);
        double start = now();
        send_all(line, size);
        size_t got;
        char *answer = receive(&got);
        latency[i] = now() - start;
        if (!memmem(answer, got, id, 8))
            fail("an answer without its request's id");
    }
}

/* Up to `window` calls in flight; answers may come in any order and are counted by their line ends. */
static double pipelined(const char *line, size_t size, size_t digits, unsigned long first, long count, long window)
{
    static char outbox[1 << 16];
    size_t have = 0, sent = 0;
    long written = 0, answered = 0;
    fcntl(to_server, F_SETFL, O_NONBLOCK);
    double start = now();
    while (answered < count) {
        if (sent == have)
            have = sent = 0;
        while (written < count && written - answered < window && have + size <= sizeof outbox) {
            memcpy(outbox + have, line, size);
            number(outbox + have + digits, first + (unsigned long)written);
            have += size;
            written++;
        }
        struct pollfd ready[2] = {{from_server, POLLIN, 0}, {to_server, POLLOUT, 0}};
        if (poll(ready, sent < have ? 2 : 1, 10000) <= 0)
            fail("no answer for ten seconds");
        if (sent < have && ready[1].revents) {
            ssize_t n = write(to_server, outbox + sent, have - sent);
            if (n < 0 && errno != EAGAIN)
                fail("the server does not read");
            if (n > 0)
                sent += (size_t)n;
        }
        if (ready[0].revents) {
            ssize_t n = read(from_server, inbox, sizeof inbox);
            if (n <= 0)
                fail("the server ended");
            for (char *p = inbox; (p = memchr(p, '\n', (size_t)(inbox + n - p))); p++)
                answered++;
        }
    }
    return now() - start;
}

int main(int argc, char **argv)
{
    if (argc < 10 || strcmp(argv[8], "--") != 0)
        return 2;
    long trips = atol(argv[3]), calls = atol(argv[4]), window = atol(argv[5]);
    int in[2], out[2];
    signal(SIGPIPE, SIG_IGN);
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
        fail("pipe");
    double begin = now();
    server = fork();
    if (server == 0) {
        pin(atoi(argv[2]));
        dup2(in[0], 0);
        dup2(out[1], 1);
        execvp(argv[9], argv + 9);
        _exit(127);
    }
    if (server < 0)
        fail("fork");
    close(in[0]);
    close(out[1]);
    to_server = in[1];
    from_server = out[0];
    pin(atoi(argv[1]));

    static char setup[LINE], line[LINE];
    size_t setup_size = load(argv[6], setup, sizeof setup), size = load(argv[7], line, sizeof line), got;
    char *id = memmem(line, size, "10000000", 8);
    if (!id || line[size - 1] != '\n')
        fail("the request needs the id 10000000 and a line end");
    size_t digits = (size_t)(id - line);
    for (size_t at = 0; at < setup_size;) {
        size_t length = (size_t)((char *)memchr(setup + at, '\n', setup_size - at) - (setup + at)) + 1;
        send_all(setup + at, length);
        if (memmem(setup + at, length, "\"id\"", 4))
            receive(&got);
        at += length;
    }

    double *latency = calloc((size_t)trips + 1, sizeof *latency);
    if (!latency)
        fail("memory");
    round_trips(line, size, digits, 10000001, 1, latency);
    double first_answer = now() - begin;
    long warm = trips / 10;
    round_trips(line, size, digits, 20000000, warm, latency);
    double cpu = server_cpu(), start = now();
    round_trips(line, size, digits, 30000000, trips, latency);
    double trip_seconds = now() - start, trip_cpu = server_cpu() - cpu;
    qsort(latency, (size_t)trips, sizeof *latency, ascending);
    cpu = server_cpu();
    double seconds = pipelined(line, size, digits, 50000000, calls, window), call_cpu = server_cpu() - cpu;
    printf("{\"first_answer_ms\": %.3f, \"round_trips\": %ld, \"round_trips_per_s\": %.1f, \"p50_us\": %.2f, "
           "\"p99_us\": %.2f, "
           "\"round_trip_cpu_us\": %.3f, \"calls\": %ld, \"calls_per_s\": %.1f, \"call_cpu_us\": %.3f}\n",
           first_answer * 1e3, trips, (double)trips / trip_seconds, latency[trips / 2] * 1e6,
           latency[trips * 99 / 100] * 1e6, trip_cpu / (double)trips * 1e6, calls, (double)calls / seconds,
           call_cpu / (double)calls * 1e6);
    close(to_server);
    for (int i = 0; i < 2000; i++) {
        if (waitpid(server, NULL, WNOHANG) == server)
            return 0;
        usleep(1000);
    }
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return 0;
}
