/*
 * HTTP/1.1 request head and body framing (RFC 9112), strict: what is ambiguous is refused with a status and the connection
 * closes. Part of the rpc room. No allocation: a head is spans of the bytes that were read.
 *
 * Refused with 400: bare LF or bare CR, NUL, obs-fold, space before the colon, empty or non-token names, two Content-Length (even
 * equal ones), Content-Length that is not only digits, Content-Length together with Transfer-Encoding, a Transfer-Encoding other
 * than exactly "chunked", two Host, no Host in HTTP/1.1, malformed target, malformed chunk sizes. 505 for other HTTP versions
 * than 1.1 and 1.0; 501 for unknown methods (a token we do not know is still a token) only where nobody handles it; 431 for a
 * head beyond the limit or too many fields; 414 for a target beyond the limit; 413 for a body beyond the limit; 417 for an
 * Expect other than 100-continue.
 */
#ifndef MCPKIT_HTTP_H
#define MCPKIT_HTTP_H

#include "mcpkit/json.h" /* mck_span */

typedef enum {
    MCK_HTTP_OTHER_METHOD = 0,
    MCK_HTTP_GET,
    MCK_HTTP_HEAD,
    MCK_HTTP_POST,
    MCK_HTTP_PUT,
    MCK_HTTP_DELETE,
    MCK_HTTP_OPTIONS,
    MCK_HTTP_PATCH,
} mck_http_method;

typedef enum { MCK_HTTP_DONE = 0, MCK_HTTP_MORE, MCK_HTTP_REFUSED } mck_http_progress;

#define MCK_HTTP_MAX_FIELDS 100u

typedef struct {
    mck_span name, value; /* value without the white space around it */
} mck_http_field;

/* Fields the server decides on, found during the one pass. A span of {0, 0} means absent; `seen` counts occurrences (capped). */
typedef enum {
    MCK_HTTP_F_HOST,
    MCK_HTTP_F_ORIGIN,
    MCK_HTTP_F_ACCEPT,
    MCK_HTTP_F_CONTENT_TYPE,
    MCK_HTTP_F_CONTENT_ENCODING,
    MCK_HTTP_F_AUTHORIZATION,
    MCK_HTTP_F_EXPECT,
    MCK_HTTP_F_CONNECTION,
    MCK_HTTP_F_UPGRADE,
    MCK_HTTP_F_MCP_PROTOCOL_VERSION,
    MCK_HTTP_F_MCP_SESSION_ID,
    MCK_HTTP_F_MCP_METHOD,
    MCK_HTTP_F_MCP_NAME,
    MCK_HTTP_F_LAST_EVENT_ID,
    MCK_HTTP_F_COUNT,
} mck_http_known;

typedef struct {
    mck_http_method method;
    mck_span method_name, target,
        path;      /* path: target up to '?'; of an absolute-form target the part after the authority */
    uint8_t minor; /* HTTP/1.minor */
    bool keep_alive, chunked, expect_continue, has_length, upgrade;
    uint64_t content_length;
    uint32_t head_len; /* bytes up to and including the empty line */
    uint32_t field_count;
    mck_span known[MCK_HTTP_F_COUNT];
    uint8_t seen[MCK_HTTP_F_COUNT];
    mck_http_field fields[MCK_HTTP_MAX_FIELDS];
    uint16_t status;    /* when refused: 400, 413, 414, 417, 431, 505 */
    const char *reason; /* when refused: a constant sentence fragment */
    uint32_t scanned;   /* resume point between calls on a growing buffer: start with 0 */
} mck_http_head;

typedef struct {
    uint32_t max_head;   /* bytes, default 16384 */
    uint32_t max_target; /* bytes, default 8192 */
    uint64_t max_body;   /* bytes, default 4 MiB */
} mck_http_limits;

/* Parse a request head at the start of `data`. MORE: call again with the same head when more bytes have come (data may have
 * moved, its first bytes are the same). Leading empty lines (CRLF) before the request line are passed over, at most two. */
mck_http_progress mck_http_parse(const uint8_t *data, size_t len, const mck_http_limits *limits, mck_http_head *head);

/* Decode a chunked body in place: chunk data is moved together at the front of the body as it arrives. */
typedef struct {
    uint64_t body_len; /* decoded so far, at the front */
    uint64_t consumed; /* raw bytes used up, body_len of them kept */
    uint64_t chunk_left;
    uint8_t state;
    uint16_t status;
    const char *reason;
} mck_http_chunks;

void mck_http_chunks_init(mck_http_chunks *c);
/* `body` is the whole raw region from the end of the head, `len` its bytes so far. DONE when the last chunk and its trailer
 * (discarded, bounded) were read. The kept bytes are body[0 .. body_len); raw bytes from `consumed` on belong to the next request
 * and still stand where they were. */
mck_http_progress mck_http_chunks_feed(mck_http_chunks *c, uint8_t *body, size_t len, const mck_http_limits *limits);

/* Media type test for Content-Type: is `value` this type (parameters ignored, case-insensitive)? */
bool mck_http_is_media_type(const uint8_t *value, size_t len, const char *type);
/* Does an Accept value admit this "type/subtype" with q > 0 (wildcards included)? */
bool mck_http_accepts(const uint8_t *value, size_t len, const char *type);

#endif
