/* What the files of the C guest SDK share. */
#ifndef MCPKIT_GUEST_INTERNAL_H
#define MCPKIT_GUEST_INTERNAL_H

#include "mcpkit/buffer.h"
#include "mcpkit/guest.h"
#include "mcpkit/rpc.h"

#include <string.h>

#define ADD(buffer, literal) mck_buffer_add(buffer, literal, sizeof(literal) - 1)

#define E_REQUEST (-32600)
#define E_METHOD (-32601)
#define E_PARAMS (-32602)
#define E_INTERNAL (-32603)
#define E_RESOURCE (-32002)
#define E_VERSION (-32022)

#define BATCHES_IN "2025-03-26"
#define STRUCTURED_SINCE "2025-06-18"
#define NEWEST_LEGACY "2025-11-25"
#define MODERN "2026-07-28"

typedef enum { OF_TOOL, OF_RESOURCE, OF_PROMPT } served;

struct mcp_server {
    const char *name, *version, *instructions;
    mcp_tool *tools;
    mcp_resource *resources;
    mcp_prompt *prompts;
    size_t tool_count, resource_count, prompt_count;
    bool broken;          /* something could not be added */
    const char *revision; /* of the session that `initialize` opened; NULL before it */
    mcp_level level;      /* of the session: logging/setLevel */
};

/* A block of memory that ends with the request. */
typedef struct block {
    struct block *next;
} block;

/* A part of a URI that a template names. */
typedef struct {
    const char *name;
    size_t name_len;
    mcp_string value;
} part;

#define MAX_PARTS 8

struct mcp_request {
    mcp_server *server;
    served what;
    bool modern;
    const uint8_t *message;
    const mck_rpc_envelope *envelope;
    mcp_string uri;
    const char *mime_type; /* of a resource */
    part parts[MAX_PARTS]; /* of a template */
    size_t part_count;
    mck_buffer content; /* items of the answer, with commas between */
    mck_buffer structured;
    mck_buffer failure;
    bool failed;
    block *blocks;
    mcp_send *send;
    void *to;
    double progress; /* the last that was said */
};

void *request_alloc(mcp_request *r, size_t size); /* freed with the request; NULL when memory ran out */

/* Valid UTF-8 of any bytes as a JSON string, quotes included. */
void write_text(mck_buffer *out, const char *text, size_t len);
void write_base64(mck_buffer *out, const uint8_t *bytes, size_t len);      /* quotes included */
void write_member(mck_buffer *out, const char *literal, const char *text); /* `,"name":"text"`; nothing for NULL */

/* {"name":…,"version":…} */
void write_identity(mcp_server *server, mck_buffer *out);
/* "capabilities":{…} and, where there are any, ,"instructions":… */
void write_capabilities(mcp_server *server, mck_buffer *out);
/* "tools":[…] and so on. */
void list_tools(mcp_server *server, bool modern, mck_buffer *out);
void list_resources(mcp_server *server, bool modern, mck_buffer *out);
void list_templates(mcp_server *server, bool modern, mck_buffer *out);
void list_prompts(mcp_server *server, bool modern, mck_buffer *out);

bool is_template(const char *uri);
/* Does `uri` fit `pattern`? Its parts are then in r->parts. */
bool template_fits(mcp_request *r, const char *pattern, mcp_string uri);

mcp_tool *tool_find(mcp_server *server, const char *name);
mcp_resource *resource_find(mcp_server *server, const char *uri);
mcp_prompt *prompt_find(mcp_server *server, const char *name);

/* The member of an object of the message; the last one where a key stands twice. */
bool find_member(const mcp_request *r, mck_span object, const char *name, mck_json_value *out);
/* The text of a string value of the message. */
bool decode(mcp_request *r, const mck_json_value *value, mcp_string *out);
bool level_from(const char *name, size_t len, mcp_level *out);

#endif
