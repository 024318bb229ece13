/* Media types in Content-Type and Accept (RFC 9110 §8.3.1, §12.5.1). */
#include "mcpkit/http.h"

#include "http_bytes.h"

#include <string.h>

static size_t skip_space(const uint8_t *value, size_t pos, size_t end)
{
    while (pos < end && mck_http_is_space(value[pos])) {
        pos++;
    }
    return pos;
}

/* First `a` or `b` at or after `pos` that stands in no quoted string. */
static size_t find_outside_quotes(const uint8_t *value, size_t pos, size_t end, uint8_t a, uint8_t b)
{
    bool quoted = false;
    for (; pos < end; pos++) {
        if (quoted && value[pos] == '\\') {
            pos++;
        } else if (value[pos] == '"') {
            quoted = !quoted;
        } else if (!quoted && (value[pos] == a || value[pos] == b)) {
            return pos;
        }
    }
    return end;
}

/* The part before any parameters, without white space around it. */
static const uint8_t *bare_type(const uint8_t *value, size_t pos, size_t end, size_t *len)
{
    pos = skip_space(value, pos, end);
    size_t stop = find_outside_quotes(value, pos, end, ';', ';');
    while (stop > pos && mck_http_is_space(value[stop - 1])) {
        stop--;
    }
    *len = stop - pos;
    return value + pos;
}

static bool same(const uint8_t *text, size_t len, const char *word, size_t word_len)
{
    if (len != word_len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (mck_http_lower(text[i]) != mck_http_lower((uint8_t)word[i])) {
            return false;
        }
    }
    return true;
}

bool mck_http_is_media_type(const uint8_t *value, size_t len, const char *type)
{
    size_t n;
    const uint8_t *bare = bare_type(value, 0, len, &n);
    return same(bare, n, type, strlen(type));
}

/* Has this range a weight of nothing ("q=0", "q=0.000")? Other weights, malformed ones too, admit it. */
static bool weighs_nothing(const uint8_t *value, size_t pos, size_t end)
{
    while ((pos = find_outside_quotes(value, pos, end, ';', ';')) < end) {
        pos = skip_space(value, pos + 1, end);
        if (end - pos >= 3 && mck_http_lower(value[pos]) == 'q' && value[pos + 1] == '=' && value[pos + 2] == '0') {
            pos += 3;
            if (pos < end && value[pos] == '.') {
                pos++;
                while (pos < end && value[pos] == '0') {
                    pos++;
                }
            }
            pos = skip_space(value, pos, end);
            return pos == end || value[pos] == ';';
        }
    }
    return false;
}

bool mck_http_accepts(const uint8_t *value, size_t len, const char *type)
{
    size_t type_len = strlen(type);
    const char *slash = strchr(type, '/');
    size_t major = slash ? (size_t)(slash - type) + 1 : 0;
    int best = 0; /* 1: any type, 2: any subtype, 3: this one; the closest range decides */
    bool admitted = false;
    for (size_t pos = 0; pos < len;) {
        size_t end = find_outside_quotes(value, pos, len, ',', ',');
        size_t n;
        const uint8_t *range = bare_type(value, pos, end, &n);
        int close = same(range, n, type, type_len)                                                      ? 3
                    : major && n == major + 1 && range[major] == '*' && same(range, major, type, major) ? 2
                    : same(range, n, "*/*", 3)                                                          ? 1
                                                                                                        : 0;
        if (close && close >= best) {
            bool admits = !weighs_nothing(value, pos, end);
            admitted = close > best ? admits : admitted || admits;
            best = close;
        }
        pos = end + 1;
    }
    return admitted;
}
