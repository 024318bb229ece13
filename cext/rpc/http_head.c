/*
 * The request head, line by line. Between calls on a growing buffer the head itself remembers everything: `head_len` is
 * where the unfinished line begins, `scanned` how far its end has been looked for. Verdicts depend on the bytes alone,
 * never on how they were cut.
 */
#include "mcpkit/http.h"

#include "http_bytes.h"

#include <string.h>

#define MAX_METHOD 32u
#define MAX_EMPTY_LINES 2u
#define VERSION_LEN 8u /* "HTTP/1.1" */

static mck_http_progress refuse(mck_http_head *h, uint16_t status, const char *reason)
{
    h->status = status;
    h->reason = reason;
    h->keep_alive = false;
    return MCK_HTTP_REFUSED;
}

static inline uint32_t length(mck_span s)
{
    return s.end - s.start;
}

static mck_http_method method_of(const uint8_t *name, uint32_t len)
{
#define METHOD(word, method)                                                                                           \
    if (len == sizeof(word) - 1 && memcmp(name, word, sizeof(word) - 1) == 0) {                                        \
        return method;                                                                                                 \
    }
    METHOD("POST", MCK_HTTP_POST)
    METHOD("GET", MCK_HTTP_GET)
    METHOD("HEAD", MCK_HTTP_HEAD)
    METHOD("PUT", MCK_HTTP_PUT)
    METHOD("DELETE", MCK_HTTP_DELETE)
    METHOD("OPTIONS", MCK_HTTP_OPTIONS)
    METHOD("PATCH", MCK_HTTP_PATCH)
#undef METHOD
    return MCK_HTTP_OTHER_METHOD;
}

/* After "http://" or "https://"; 0 for other targets. */
static uint32_t scheme_length(const uint8_t *target, uint32_t len)
{
    if (len >= 7 && mck_http_same(target, "http://", 7)) {
        return 7;
    }
    return len >= 8 && mck_http_same(target, "https://", 8) ? 8 : 0;
}

static uint32_t find_any(const uint8_t *data, uint32_t pos, uint32_t end, uint8_t a, uint8_t b)
{
    while (pos < end && data[pos] != a && data[pos] != b) {
        pos++;
    }
    return pos;
}

static mck_http_progress read_target(const uint8_t *data, mck_http_head *h)
{
    mck_span target = h->target;
    for (uint32_t i = target.start; i < target.end; i++) {
        if (data[i] < 0x21 || data[i] >= 0x7f || data[i] == '#') {
            return refuse(h, 400, "a byte in the request target that may not stand there");
        }
    }
    h->path = target;
    if (data[target.start] == '/') {
        h->path.end = find_any(data, target.start, target.end, '?', '?');
        return MCK_HTTP_DONE;
    }
    if (length(target) == 1 && data[target.start] == '*') {
        return h->method == MCK_HTTP_OPTIONS ? MCK_HTTP_DONE : refuse(h, 400, "the target \"*\" is for OPTIONS only");
    }
    uint32_t scheme = scheme_length(data + target.start, length(target));
    if (scheme) {
        h->path.start = find_any(data, target.start + scheme, target.end, '/', '?');
        h->path.end = find_any(data, h->path.start, target.end, '?', '?');
        return MCK_HTTP_DONE;
    }
    return refuse(h, 400, "a malformed request target");
}

/* `whole` false: the line was cut at `end` because no good one is as long, and only its first fault is asked for. */
static mck_http_progress read_request_line(const uint8_t *data, uint32_t start, uint32_t end, bool whole,
                                           const mck_http_limits *limits, mck_http_head *h)
{
    uint32_t p = start;
    while (p < end && p - start <= MAX_METHOD && mck_http_is_token(data[p])) {
        p++;
    }
    if (p == start || p - start > MAX_METHOD || p >= end || data[p] != ' ') {
        return refuse(h, 400, "a malformed method");
    }
    h->method_name = (mck_span){start, p};
    h->method = method_of(data + start, p - start);
    uint32_t target = ++p;
    const uint8_t *space = p < end ? memchr(data + p, ' ', end - p) : NULL;
    p = space ? (uint32_t)(space - data) : end;
    if (p - target > limits->max_target) {
        return refuse(h, 414, "the request target is too long");
    }
    if (!space || p == target) {
        return refuse(h, 400, "a malformed request line");
    }
    h->target = (mck_span){target, p};
    if (read_target(data, h) != MCK_HTTP_DONE) {
        return MCK_HTTP_REFUSED;
    }
    p++;
    const uint8_t *version = data + p;
    if (!whole || end - p != VERSION_LEN || memcmp(version, "HTTP/", 5) != 0 || version[5] < '0' || version[5] > '9' ||
        version[6] != '.' || version[7] < '0' || version[7] > '9') {
        return refuse(h, 400, "a malformed HTTP version");
    }
    if (version[5] != '1' || version[7] > '1') {
        return refuse(h, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    }
    h->minor = (uint8_t)(version[7] - '0');
    return MCK_HTTP_DONE;
}

/* Fields that frame the body or the connection are dealt with here; the others are kept for whoever wants them. */
static mck_http_progress note_field(const uint8_t *data, mck_http_head *h, mck_http_field f)
{
    const uint8_t *name = data + f.name.start, *value = data + f.value.start;
    uint32_t n = length(f.name), size = length(f.value);
    int known = -1;
#define KNOWN(word, field)                                                                                             \
    if (mck_http_same(name, word, sizeof(word) - 1)) {                                                                 \
        known = MCK_HTTP_F_##field;                                                                                    \
        break;                                                                                                         \
    }
    switch (n) {
    case 4: KNOWN("host", HOST) break;
    case 6:
        KNOWN("accept", ACCEPT)
        KNOWN("origin", ORIGIN)
        KNOWN("expect", EXPECT)
        break;
    case 7: KNOWN("upgrade", UPGRADE) break;
    case 8: KNOWN("mcp-name", MCP_NAME) break;
    case 10:
        KNOWN("mcp-method", MCP_METHOD)
        KNOWN("connection", CONNECTION)
        break;
    case 12: KNOWN("content-type", CONTENT_TYPE) break;
    case 13:
        KNOWN("authorization", AUTHORIZATION)
        KNOWN("last-event-id", LAST_EVENT_ID)
        break;
    case 14:
        KNOWN("mcp-session-id", MCP_SESSION_ID)
        if (mck_http_same(name, "content-length", 14)) {
            uint64_t total = 0;
            if (h->has_length) {
                return refuse(h, 400, "two Content-Length fields");
            }
            for (uint32_t i = 0; i < size; i++) {
                if (value[i] < '0' || value[i] > '9') {
                    return refuse(h, 400, "a Content-Length that is not a number");
                }
                uint64_t digit = (uint64_t)(value[i] - '0');
                /* Beyond 64 bits it stays at the greatest number, which is beyond every limit as well. */
                total = total > (UINT64_MAX - digit) / 10 ? UINT64_MAX : total * 10 + digit;
            }
            if (size == 0) {
                return refuse(h, 400, "an empty Content-Length");
            }
            h->has_length = true;
            h->content_length = total;
        }
        break;
    case 16: KNOWN("content-encoding", CONTENT_ENCODING) break;
    case 17:
        if (mck_http_same(name, "transfer-encoding", 17)) {
            if (h->chunked) {
                return refuse(h, 400, "two Transfer-Encoding fields");
            }
            if (!MCK_HTTP_SAME(value, size, "chunked")) {
                return refuse(h, 400, "a Transfer-Encoding other than chunked");
            }
            h->chunked = true;
        }
        break;
    case 20: KNOWN("mcp-protocol-version", MCP_PROTOCOL_VERSION) break;
    default: break;
    }
#undef KNOWN
    if (known >= 0) {
        if (h->seen[known] == 0) {
            h->known[known] = f.value;
        }
        if (h->seen[known] < UINT8_MAX) {
            h->seen[known]++;
        }
        if (known == MCK_HTTP_F_HOST && h->seen[known] > 1) {
            return refuse(h, 400, "two Host fields");
        }
    }
    return MCK_HTTP_DONE;
}

static mck_http_progress read_field(const uint8_t *data, uint32_t start, uint32_t end, mck_http_head *h)
{
    uint32_t p = start;
    while (p < end && mck_http_is_token(data[p])) {
        p++;
    }
    if (p == start && mck_http_is_space(data[start])) {
        return refuse(h, 400, "a folded header line");
    }
    if (p == start || p >= end || data[p] != ':') {
        return refuse(h, 400, "a malformed header name");
    }
    mck_http_field f = {.name = {start, p}};
    p++;
    while (p < end && mck_http_is_space(data[p])) {
        p++;
    }
    f.value.start = p;
    p = mck_http_text_run(data, p, end);
    if (p != end) {
        return refuse(h, 400, "a control character in a header value");
    }
    while (p > f.value.start && mck_http_is_space(data[p - 1])) {
        p--;
    }
    f.value.end = p;
    if (h->field_count >= MCK_HTTP_MAX_FIELDS) {
        return refuse(h, 431, "too many header fields");
    }
    h->fields[h->field_count++] = f;
    return note_field(data, h, f);
}

/* uri-host [":" port]: none of the bytes that could make one reader see another host. */
static bool good_host(const uint8_t *host, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        uint8_t b = host[i];
        bool letter = (mck_http_lower(b) >= 'a' && mck_http_lower(b) <= 'z') || (b >= '0' && b <= '9');
        if (!letter && (b >= 0x80 || b < 0x21 || !memchr("-._~!$&'()*+;=%:[]", b, 18))) {
            return false;
        }
    }
    return true;
}

/* A list of words that may be spread over several fields. */
static void read_connection(const uint8_t *data, mck_http_head *h)
{
    bool close = false, keep = false, upgrade = false;
    for (uint32_t i = 0; h->seen[MCK_HTTP_F_CONNECTION] && i < h->field_count; i++) {
        mck_http_field f = h->fields[i];
        if (!MCK_HTTP_SAME(data + f.name.start, length(f.name), "connection")) {
            continue;
        }
        for (uint32_t p = f.value.start; p < f.value.end;) {
            uint32_t end = find_any(data, p, f.value.end, ',', ',');
            uint32_t last = end;
            while (p < last && mck_http_is_space(data[p])) {
                p++;
            }
            while (last > p && mck_http_is_space(data[last - 1])) {
                last--;
            }
            close |= MCK_HTTP_SAME(data + p, last - p, "close");
            keep |= MCK_HTTP_SAME(data + p, last - p, "keep-alive");
            upgrade |= MCK_HTTP_SAME(data + p, last - p, "upgrade");
            p = end + 1;
        }
    }
    h->keep_alive = !close && (h->minor == 1 || keep);
    h->upgrade = upgrade && h->minor == 1 && h->seen[MCK_HTTP_F_UPGRADE] != 0;
}

/* What can only be judged when every field is known. */
static mck_http_progress judge(const uint8_t *data, const mck_http_limits *limits, mck_http_head *h)
{
    mck_span host = h->known[MCK_HTTP_F_HOST];
    if (h->chunked && h->has_length) {
        return refuse(h, 400, "Content-Length together with Transfer-Encoding");
    }
    if (h->chunked && h->minor == 0) {
        return refuse(h, 400, "Transfer-Encoding in HTTP/1.0");
    }
    if (h->minor == 1 && h->seen[MCK_HTTP_F_HOST] == 0) {
        return refuse(h, 400, "no Host field");
    }
    if (!good_host(data + host.start, length(host))) {
        return refuse(h, 400, "a malformed Host");
    }
    uint32_t scheme = scheme_length(data + h->target.start, length(h->target));
    if (scheme) {
        const uint8_t *authority = data + h->target.start + scheme;
        uint32_t n = h->path.start - h->target.start - scheme;
        bool same = n != 0 && n == length(host);
        for (uint32_t i = 0; same && i < n; i++) {
            same = mck_http_lower(authority[i]) == mck_http_lower(data[host.start + i]);
        }
        if (!same) {
            return refuse(h, 400, "the target names another host than Host");
        }
    }
    read_connection(data, h);
    if (h->seen[MCK_HTTP_F_EXPECT] && h->minor == 1) {
        mck_span expect = h->known[MCK_HTTP_F_EXPECT];
        if (h->seen[MCK_HTTP_F_EXPECT] > 1 || !MCK_HTTP_SAME(data + expect.start, length(expect), "100-continue")) {
            return refuse(h, 417, "an expectation other than 100-continue");
        }
        h->expect_continue = true;
    }
    if (h->has_length && h->content_length > limits->max_body) {
        return refuse(h, 413, "the body is too large");
    }
    return MCK_HTTP_DONE;
}

/* Everything but the array of fields, which is filled as far as `field_count` says. */
static void start_over(mck_http_head *h)
{
    memset(h, 0, offsetof(mck_http_head, fields));
    h->status = 0;
    h->reason = NULL;
    h->scanned = 0;
}

mck_http_progress mck_http_parse(const uint8_t *data, size_t len, const mck_http_limits *limits, mck_http_head *h)
{
    if (h->scanned == 0) {
        start_over(h);
    } else if (h->status) {
        return MCK_HTTP_REFUSED;
    }
    uint32_t window = (uint32_t)(len < limits->max_head ? len : limits->max_head);
    /* With its carriage return and two blanks no good request line is longer; others are refused at once. */
    uint64_t good = (uint64_t)MAX_METHOD + limits->max_target + VERSION_LEN + 3;
    uint32_t longest = good < UINT32_MAX ? (uint32_t)good : UINT32_MAX;
    for (;;) {
        uint32_t start = h->head_len;
        bool in_fields = h->method_name.end != 0;
        const uint8_t *newline = h->scanned < window ? memchr(data + h->scanned, '\n', window - h->scanned) : NULL;
        uint32_t end = newline ? (uint32_t)(newline - data) : window;
        if (!in_fields && end - start > longest) {
            h->scanned = end;
            return read_request_line(data, start, start + longest + 1, false, limits, h);
        }
        if (!newline) {
            h->scanned = window;
            return window == limits->max_head ? refuse(h, 431, "the request head is too large") : MCK_HTTP_MORE;
        }
        h->scanned = h->head_len = end + 1;
        if (end == start || data[end - 1] != '\r') {
            return refuse(h, 400, "a line feed without carriage return");
        }
        end--;
        if (end == start) {
            if (in_fields) {
                return judge(data, limits, h);
            }
            if (start >= 2 * MAX_EMPTY_LINES) {
                return refuse(h, 400, "empty lines before the request");
            }
            continue;
        }
        mck_http_progress progress =
            in_fields ? read_field(data, start, end, h) : read_request_line(data, start, end, true, limits, h);
        if (progress != MCK_HTTP_DONE) {
            return progress;
        }
    }
}
