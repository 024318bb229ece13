/*
 * An MCP server in C, over stdin and stdout: for a sandbox (wasm32-wasi) and for the machine itself, from one source. Both
 * eras of the protocol are answered: `initialize` and its session, and revision 2026-07-28 without one.
 *
 *     static void add(mcp_request *r, void *data)
 *     {
 *         double a, b;
 *         if (mcp_need_number(r, "a", &a) && mcp_need_number(r, "b", &b))
 *             mcp_sayf(r, "%g", a + b);
 *     }
 *
 *     int main(void)
 *     {
 *         mcp_server *server = mcp_new("sums", "1.0.0");
 *         mcp_add_tool(server, &(mcp_tool){.name = "add", .description = "Add two numbers.", .run = add,
 *             .input_schema = "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"number\"},\"b\":{\"type\":\"number\"}},"
 *                             "\"required\":[\"a\",\"b\"]}"});
 *         return mcp_serve(server);
 *     }
 *
 * Texts that describe (names, schemas, …) are kept by reference: constants, as a rule. Texts from the client are decoded, valid
 * UTF-8, and live until the handler returns. One request is served at a time. See docs/guest-c.md.
 */
#ifndef MCPKIT_GUEST_H
#define MCPKIT_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define MCP_FORMAT(text, first) __attribute__((format(printf, text, first)))
#else
#define MCP_FORMAT(text, first)
#endif

typedef struct mcp_server mcp_server;
typedef struct mcp_request mcp_request;

/* What serves a tool, a resource or a prompt: read what is asked, say the answer. `data` is what was registered beside it. */
typedef void mcp_handler(mcp_request *request, void *data);

typedef struct {
    const char *name;          /* needed */
    const char *title;         /* NULL: none, as below */
    const char *description;   /* what it does, for the model that chooses */
    const char *input_schema;  /* JSON Schema of an object; NULL: any object */
    const char *output_schema; /* JSON Schema of what mcp_structured says */
    const char *annotations;   /* JSON object: readOnlyHint, … */
    mcp_handler *run;          /* needed */
    void *data;
} mcp_tool;

typedef struct {
    const char *uri;  /* needed; with a {name} in it a template, whose parts mcp_text reads */
    const char *name; /* needed */
    const char *title;
    const char *description;
    const char *mime_type;
    mcp_handler *read; /* needed */
    void *data;
} mcp_resource;

typedef struct {
    const char *name; /* NULL ends the list */
    const char *description;
    bool required;
} mcp_prompt_argument;

typedef struct {
    const char *name; /* needed */
    const char *title;
    const char *description;
    const mcp_prompt_argument *arguments; /* NULL: none */
    mcp_handler *get;                     /* needed */
    void *data;
} mcp_prompt;

/* A server without anything in it; NULL when memory ran out. Both texts are needed. */
mcp_server *mcp_new(const char *name, const char *version);
void mcp_free(mcp_server *server);
/* Advice to the model on how to use the server as a whole. */
void mcp_instructions(mcp_server *server, const char *text);
/* Copies the struct, not the texts in it. False: memory ran out, something needed is missing, a schema is no JSON object, or
 * the name (a resource's URI) is taken. A false is remembered: mcp_serve then refuses to begin and says so on stderr. */
bool mcp_add_tool(mcp_server *server, const mcp_tool *tool);
bool mcp_add_resource(mcp_server *server, const mcp_resource *resource);
bool mcp_add_prompt(mcp_server *server, const mcp_prompt *prompt);

/* Serve one message per line from stdin to stdout until stdin ends. Returns the exit code of the program: 0, or 1 when it could
 * not begin or stdout failed. */
int mcp_serve(mcp_server *server);
/* Serve one message, for other transports. What is to be sent, notifications first, goes to `send`: one message per call,
 * without a line's end. */
typedef void mcp_send(void *to, const uint8_t *message, size_t len);
void mcp_answer(mcp_server *server, const uint8_t *message, size_t len, mcp_send *send, void *to);

/* ── What is asked ─────────────────────────────────────────────────────────────────────────────────────────────────────── */

typedef struct {
    const char *data; /* NUL-terminated; may hold NUL characters before its end */
    size_t len;
} mcp_string;

/* Arguments by name: true when there is one of that type. Of a prompt and of a template all are texts. */
bool mcp_text(mcp_request *request, const char *name, mcp_string *out);
bool mcp_number(mcp_request *request, const char *name, double *out);
bool mcp_integer(mcp_request *request, const char *name, int64_t *out); /* also 3.0 and 3e2; not what does not fit */
bool mcp_bool(mcp_request *request, const char *name, bool *out);
/* Any value as the client wrote it: valid JSON text. */
bool mcp_json(mcp_request *request, const char *name, mcp_string *out);
/* The same for what must be there: where it is not, the answer becomes an error that says so. */
bool mcp_need_text(mcp_request *request, const char *name, mcp_string *out);
bool mcp_need_number(mcp_request *request, const char *name, double *out);
bool mcp_need_integer(mcp_request *request, const char *name, int64_t *out);
bool mcp_need_bool(mcp_request *request, const char *name, bool *out);
/* All arguments: a JSON object's text. */
mcp_string mcp_arguments(mcp_request *request);
/* Of a resource: the URI that was asked for. */
mcp_string mcp_uri(mcp_request *request);

/* ── What is answered ──────────────────────────────────────────────────────────────────────────────────────────────────── */

/* A tool's content, in order. A resource is one of mcp_say or mcp_blob; a prompt is mcp_message, once or more. Text that is not
 * valid UTF-8 has its broken bytes replaced by U+FFFD. */
void mcp_say(mcp_request *request, const char *text, size_t len);
void mcp_sayf(mcp_request *request, const char *format, ...) MCP_FORMAT(2, 3);
void mcp_image(mcp_request *request, const void *bytes, size_t len, const char *mime_type);
void mcp_audio(mcp_request *request, const void *bytes, size_t len, const char *mime_type);
void mcp_link(mcp_request *request, const char *uri, const char *name);
/* A tool's structured result: a JSON object's text. Said without any content it is the content, too. */
void mcp_structured(mcp_request *request, const char *json, size_t len);
void mcp_blob(mcp_request *request, const void *bytes, size_t len);
void mcp_message(mcp_request *request, const char *role, const char *text, size_t len);
/* Say no: a tool's result that is marked as an error (the model sees it), an error answer of a resource or a prompt. What was
 * said before is dropped; what is said after counts no more. */
void mcp_fail(mcp_request *request, const char *format, ...) MCP_FORMAT(2, 3);

/* ── Meanwhile ─────────────────────────────────────────────────────────────────────────────────────────────────────────── */

typedef enum {
    MCP_DEBUG,
    MCP_INFO,
    MCP_NOTICE,
    MCP_WARNING,
    MCP_ERROR,
    MCP_CRITICAL,
    MCP_ALERT,
    MCP_EMERGENCY,
} mcp_level;

/* To the client's log, when it wants that level. `logger` may be NULL. */
void mcp_log(mcp_request *request, mcp_level level, const char *logger, const char *format, ...) MCP_FORMAT(4, 5);
/* How far the request is, when the client asked to be told; `done` must grow. `total` 0: not known; `message` may be NULL. */
void mcp_progress(mcp_request *request, double done, double total, const char *message);

#endif
