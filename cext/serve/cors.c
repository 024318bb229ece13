/*
 * CORS: header lines by which a browser lets a page of another origin read the answers. Pages that may not even ask are refused
 * earlier, by the Origin check; credentials are bearer tokens that the page sets itself, so cookies are never allowed.
 */
#include "internal.h"

#include <string.h>

#define PREFLIGHT_SECONDS "7200"

void cors_fields(const mck_serve_server *server, const mck_http_head *head, const uint8_t *bytes, mck_buffer *fields)
{
    mck_span origin = head->known[MCK_HTTP_F_ORIGIN];
    fields->len = 0;
    if (head->seen[MCK_HTTP_F_ORIGIN] != 1 ||
        !cors_allowed(server, bytes + origin.start, (size_t)(origin.end - origin.start)))
        return;
    ADD(fields, "access-control-allow-origin: ");
    mck_buffer_add(fields, bytes + origin.start, (size_t)(origin.end - origin.start));
    ADD(fields, "\r\nvary: Origin\r\naccess-control-expose-headers: "
                "Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate, Retry-After");
    mck_buffer_add(fields, "", 1);
    if (fields->failed)
        mck_buffer_free(fields);
}

/* One request header by its lower-case name. */
static bool find(const mck_http_head *head, const uint8_t *bytes, const char *name, size_t len, mck_span *value)
{
    for (uint32_t i = 0; i < head->field_count; i++) {
        mck_span n = head->fields[i].name;
        size_t at = 0;
        while (n.end - n.start == len && at < len && (bytes[n.start + at] | 0x20) == (uint8_t)(name[at] | 0x20))
            at++;
        if (at == len) {
            *value = head->fields[i].value;
            return true;
        }
    }
    return false;
}

#define FIND(name, value) find(head, bytes, name, sizeof(name) - 1, value)

bool cors_is_preflight(const mck_http_head *head, const uint8_t *bytes)
{
    mck_span method;
    return head->method == MCK_HTTP_OPTIONS && FIND("access-control-request-method", &method);
}

void cors_preflight(const mck_http_head *head, const uint8_t *bytes, mck_buffer *fields)
{
    mck_span wanted;
    ADD(fields, "access-control-allow-methods: POST, GET, DELETE\r\naccess-control-max-age: " PREFLIGHT_SECONDS);
    /* Which headers there are is for each tool to say (Mcp-Param-*): what the page wants to send, it may. */
    if (FIND("access-control-request-headers", &wanted) && wanted.end > wanted.start) {
        ADD(fields, "\r\naccess-control-allow-headers: ");
        mck_buffer_add(fields, bytes + wanted.start, (size_t)(wanted.end - wanted.start));
    }
}
