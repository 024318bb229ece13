/* Host and Origin allow-lists: what stands between a page in somebody's browser and a server on the loopback address. */
#include "internal.h"

#include <string.h>

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static bool same_folded(const uint8_t *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (lower(a[i]) != lower((uint8_t)b[i]))
            return false;
    return true;
}

/* Length of the host part of host[:port]; an IPv6 literal keeps its brackets. */
static size_t host_part(const uint8_t *text, size_t len)
{
    size_t i = 0;
    if (len && text[0] == '[') {
        while (i < len && text[i] != ']')
            i++;
        return i < len ? i + 1 : len;
    }
    while (i < len && text[i] != ':')
        i++;
    return i;
}

static bool entry_matches(const char *entry, const uint8_t *host, size_t len)
{
    size_t entry_len = strlen(entry), name = host_part(host, len),
           entry_name = host_part((const uint8_t *)entry, entry_len);
    if (entry_len == 1 && entry[0] == '*')
        return true;
    if (entry_name != entry_len &&
        (entry_len - entry_name != len - name || memcmp(entry + entry_name, host + name, len - name) != 0))
        return false;
    if (entry_name > 2 && entry[0] == '*' && entry[1] == '.')
        return name > entry_name - 1 && same_folded(host + name - (entry_name - 1), entry + 1, entry_name - 1);
    return name == entry_name && same_folded(host, entry, name);
}

bool host_allowed(const mck_serve_server *server, const uint8_t *host, size_t len)
{
    for (size_t i = 0; i < server->host_count; i++)
        if (entry_matches(server->hosts[i], host, len))
            return true;
    return false;
}

static bool origin_listed(char *const *list, size_t count, const uint8_t *origin, size_t len)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], "*") == 0 || (strlen(list[i]) == len && same_folded(origin, list[i], len)))
            return true;
    return false;
}

bool cors_allowed(const mck_serve_server *server, const uint8_t *origin, size_t len)
{
    return origin_listed(server->cors, server->cors_count, origin, len);
}

bool origin_allowed(const mck_serve_server *server, const uint8_t *origin, size_t len)
{
    if (origin_listed(server->origins, server->origin_count, origin, len))
        return true;
    size_t scheme = len > 7 && memcmp(origin, "http://", 7) == 0    ? 7
                    : len > 8 && memcmp(origin, "https://", 8) == 0 ? 8
                                                                    : 0;
    return scheme && host_allowed(server, origin + scheme, len - scheme);
}

uint16_t mck_serve_admits(const mck_serve_server *server, const uint8_t *host, size_t host_len, const uint8_t *origin,
                          size_t origin_len)
{
    if (!host_allowed(server, host, host_len))
        return 421;
    return origin && !origin_allowed(server, origin, origin_len) ? 403 : 0;
}

bool ladder_admit(const mck_serve_server *server, const mck_http_head *head, const uint8_t *bytes, verdict *v)
{
    mck_span host = head->known[MCK_HTTP_F_HOST], origin = head->known[MCK_HTTP_F_ORIGIN];
    const char *fault = NULL;
    v->status = 421;
    if (head->seen[MCK_HTTP_F_HOST] && !host_allowed(server, bytes + host.start, host.end - host.start))
        fault = "this Host is not served here (see --allowed-host)";
    else if (head->seen[MCK_HTTP_F_ORIGIN] &&
             (head->seen[MCK_HTTP_F_ORIGIN] > 1 ||
              !origin_allowed(server, bytes + origin.start, origin.end - origin.start))) {
        v->status = 403;
        fault = "this Origin may not use the server (see --allowed-origin)";
    }
    if (!fault)
        return true;
    v->kind = VERDICT_REFUSE;
    v->era = MCK_SERVE_LEGACY;
    v->code = -32600;
    v->allow = NULL;
    v->data[0] = 0;
    strcpy(v->message, fault);
    return false;
}
