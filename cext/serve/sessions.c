/* Legacy sessions: found by id in one hash probe, ended by idleness, bounded in number. */
#define _GNU_SOURCE
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static uint32_t bucket_of(const session_table *t, const char *id)
{
    /* The id is random: any of its bits make a hash. An attacker cannot choose ids, only guess them. */
    uint32_t h;
    memcpy(&h, id, sizeof h);
    uint32_t g;
    memcpy(&g, id + 12, sizeof g);
    return ((h * 2654435761u) ^ (g * 2246822519u)) >> 7 & t->bucket_mask;
}

bool sessions_init(session_table *t, uint32_t max, uint64_t idle_ns)
{
    uint32_t size = 64;
    while (size < max && size < 1u << 20)
        size *= 2;
    memset(t, 0, sizeof *t);
    t->buckets = calloc(size, sizeof *t->buckets);
    t->bucket_mask = size - 1;
    t->max = max;
    t->idle_ns = idle_ns;
    return t->buckets != NULL;
}

static void unlink_age(session_table *t, session *s)
{
    *(s->older ? &s->older->newer : &t->oldest) = s->newer;
    *(s->newer ? &s->newer->older : &t->newest) = s->older;
    s->older = s->newer = NULL;
}

static void link_newest(session_table *t, session *s)
{
    s->older = t->newest;
    s->newer = NULL;
    *(t->newest ? &t->newest->newer : &t->oldest) = s;
    t->newest = s;
}

void sessions_close(session_table *t, session *s)
{
    session **at = &t->buckets[bucket_of(t, s->id)];
    while (*at != s)
        at = &(*at)->chain;
    *at = s->chain;
    unlink_age(t, s);
    t->count--;
    free(s);
}

void sessions_free(session_table *t)
{
    while (t->oldest)
        sessions_close(t, t->oldest);
    free(t->buckets);
    memset(t, 0, sizeof *t);
}

void sessions_expire(session_table *t, uint64_t now_ns)
{
    while (t->oldest && now_ns - t->oldest->used_ns > t->idle_ns)
        sessions_close(t, t->oldest);
}

static bool choose_id(char id[SESSION_ID_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t random[SESSION_ID_LEN / 2];
    if (getentropy(random, sizeof random) != 0)
        return false;
    for (size_t i = 0; i < sizeof random; i++) {
        id[2 * i] = digits[random[i] >> 4];
        id[2 * i + 1] = digits[random[i] & 15];
    }
    return true;
}

session *sessions_open(session_table *t, const char *id, unsigned revision, uint32_t principal, uint64_t now_ns)
{
    sessions_expire(t, now_ns);
    while (t->count >= t->max && t->oldest)
        sessions_close(t, t->oldest);
    session *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    if (id && strlen(id) == SESSION_ID_LEN)
        memcpy(s->id, id, SESSION_ID_LEN);
    else if (!choose_id(s->id)) {
        free(s);
        return NULL;
    }
    s->revision = revision;
    s->principal = principal;
    s->used_ns = now_ns;
    uint32_t b = bucket_of(t, s->id);
    s->chain = t->buckets[b];
    t->buckets[b] = s;
    link_newest(t, s);
    t->count++;
    return s;
}

session *sessions_find(session_table *t, const uint8_t *id, size_t len, uint32_t principal, uint64_t now_ns)
{
    if (len != SESSION_ID_LEN)
        return NULL;
    session *s = t->buckets[bucket_of(t, (const char *)id)];
    while (s && memcmp(s->id, id, SESSION_ID_LEN) != 0)
        s = s->chain;
    if (!s || s->principal >> MCK_SERVE_GRANT_BITS != principal >> MCK_SERVE_GRANT_BITS)
        return NULL;
    if (now_ns - s->used_ns > t->idle_ns) {
        sessions_close(t, s);
        return NULL;
    }
    s->used_ns = now_ns;
    if (t->newest != s) {
        unlink_age(t, s);
        link_newest(t, s);
    }
    return s;
}

bool mck_serve_session_exists(const mck_serve_server *server, const char *id, size_t len)
{
    const session_table *t = &server->sessions;
    if (len != SESSION_ID_LEN)
        return false;
    const session *s = t->buckets[bucket_of(t, id)];
    while (s && memcmp(s->id, id, SESSION_ID_LEN) != 0)
        s = s->chain;
    return s != NULL;
}
