/* URI templates of RFC 6570, level 1: {name} stands for one or more characters that are none of "/", "?" and "#". */
#include "internal.h"

bool is_template(const char *uri)
{
    return strchr(uri, '{') != NULL;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decoded; false where that is no UTF-8. */
static bool unescape(mcp_request *r, const char *raw, size_t len, mcp_string *out)
{
    char *text = request_alloc(r, len + 1);
    size_t n = 0;
    for (size_t i = 0; text && i < len; i++) {
        if (raw[i] != '%') {
            text[n++] = raw[i];
            continue;
        }
        int high = i + 2 < len ? hex(raw[i + 1]) : -1, low = i + 2 < len ? hex(raw[i + 2]) : -1;
        if (high < 0 || low < 0)
            return false;
        text[n++] = (char)(high << 4 | low);
        i += 2;
    }
    if (!text || mck_json_utf8_fault((const uint8_t *)text, n, NULL) != n)
        return false;
    text[n] = 0;
    *out = (mcp_string){text, n};
    return true;
}

/* Where `literal` begins first in `text`, at the earliest at its second byte; at its end for the last part of a pattern. */
static const char *next_literal(const char *text, const char *end, const char *literal, size_t len, bool last)
{
    if ((size_t)(end - text) < len + 1)
        return NULL;
    if (last)
        return memcmp(end - len, literal, len) == 0 ? end - len : NULL;
    for (const char *at = text + 1; at + len <= end; at++)
        if (memcmp(at, literal, len) == 0)
            return at;
    return NULL;
}

/* The shortest value of each part is taken, so that no URI costs more than its length. */
bool template_fits(mcp_request *r, const char *pattern, mcp_string uri)
{
    const char *at = uri.data, *end = uri.data + uri.len;
    size_t fixed = strcspn(pattern, "{"), count = 0;
    r->part_count = 0;
    if (fixed > uri.len || memcmp(at, pattern, fixed) != 0)
        return false;
    at += fixed;
    pattern += fixed;
    while (*pattern) {
        const char *close = strchr(pattern, '}');
        if (!close || count == MAX_PARTS)
            return false;
        part *p = &r->parts[count++];
        *p = (part){.name = pattern + 1, .name_len = (size_t)(close - pattern - 1)};
        pattern = close + 1;
        fixed = strcspn(pattern, "{");
        const char *stop = next_literal(at, end, pattern, fixed, !pattern[fixed]);
        if (!stop || strcspn(at, "/?#") < (size_t)(stop - at) || !unescape(r, at, (size_t)(stop - at), &p->value))
            return false;
        at = stop + fixed;
        pattern += fixed;
    }
    r->part_count = at == end ? count : 0;
    return at == end;
}
