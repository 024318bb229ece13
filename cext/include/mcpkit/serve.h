/*
 * The hot path: request bytes in, answer bytes out. Joins http, json, rpc, wasm and meter; knows the protocol's ladder of checks
 * (which refusal comes before which) and nothing about Python. What it does not answer itself it asks for: one request
 * at a time, through mck_serve_question and mck_serve_*_reply.
 *
 * Answered here: tools/call of WebAssembly tools, pre-serialised answers that do not change, every refusal of the ladder.
 * Asked for: everything else (initialize, notifications that mean something, methods nobody serves).
 * Handed on: well-formed HTTP requests for other paths.
 *
 * One thread owns a server and everything made from it.
 */
#ifndef MCPKIT_SERVE_H
#define MCPKIT_SERVE_H

#include "mcpkit/buffer.h"
#include "mcpkit/http.h"
#include "mcpkit/rpc.h"
#include "mcpkit/wasm.h"

typedef struct mck_serve_server mck_serve_server;
typedef struct mck_serve_conn mck_serve_conn;

typedef enum { MCK_SERVE_LEGACY = 0, MCK_SERVE_MODERN = 1 } mck_serve_era;

/* Revisions in order of age; the last is the modern one. */
#define MCK_SERVE_REVISIONS 5
const char *mck_serve_revision_name(unsigned revision);       /* "2024-11-05" for 0 … "2026-07-28" for 4 */
int mck_serve_revision_find(const uint8_t *name, size_t len); /* -1: unknown */

/* What became of one HTTP request. The texts are cut where they are too long; spans of JSON strings, so without control characters. */
typedef struct {
    uint64_t started_ns; /* when its head had arrived, on the clock of mck_serve_conn_feed */
    uint64_t bytes;      /* of the answer, head included */
    uint16_t status;     /* 0: the client went away first */
    uint32_t principal;
    char verb[12];   /* "POST"; empty when the request was too broken to tell */
    char method[48]; /* of JSON-RPC */
    char name[100];  /* of the tool or prompt */
    char session[33];
} mck_serve_access;

typedef struct {
    mck_wasm_engine *engine; /* outlives the server */
    const char *path;        /* of the MCP endpoint, "/mcp" */
    const char *server_info; /* JSON object {"name":…,"version":…} for results' _meta */
    const char *const
        *hosts; /* Host allow-list: "localhost", "example.com:8080", "*.example.com", "*"; without a port any port */
    size_t host_count;
    const char *const
        *origins; /* further Origins, whole ("https://app.example"), or "*"; an Origin whose host is in hosts passes */
    size_t origin_count;
    const char *const *cors; /* Origins of pages that may read answers (CORS); "*": of all pages that are let in */
    size_t cors_count;       /* 0: none, and preflights are answered 405 */
    bool websocket;          /* a GET of the MCP path that asks for an upgrade to WebSocket is handed on */
    /* Told of each request when it is over, or NULL. `user` is its connection's. Must not call back into the room. */
    void (*access)(void *env, void *user, const mck_serve_access *what);
    void *access_env;
    mck_http_limits http;     /* zeros take the defaults */
    size_t max_line;          /* stdio; 0 = 4 MiB */
    uint32_t max_depth;       /* of JSON; 0 = 128 */
    uint32_t max_sessions;    /* 0 = 10 000; the one idle longest makes room */
    uint64_t session_idle_ns; /* 0 = 30 min */
    uint64_t read_timeout_ns; /* a request that has begun must be whole by then; 0 = 30 s */
    bool live;                /* calls whose client wants to hear while they run are asked about */
    bool authorize;           /* every request needs a known credential */
    uint64_t idle_timeout_ns; /* keep-alive connection with nothing to do; 0 = 120 s */
} mck_serve_config;

/* May a request with this Host and Origin (NULL: none) be served? 0, or the HTTP status of the refusal: for requests that were handed on. */
uint16_t mck_serve_admits(const mck_serve_server *server, const uint8_t *host, size_t host_len, const uint8_t *origin,
                          size_t origin_len);

/* NULL: out of memory. */
mck_serve_server *mck_serve_server_new(const mck_serve_config *config);
/* All connections must be gone. Calls still running are cancelled. */
void mck_serve_server_delete(mck_serve_server *server);

/* Tables. Tools are not owned (the caller keeps them until they are replaced; calls in flight keep their own count). */
typedef struct {
    const char *name;
    size_t name_len;
    mck_wasm_tool *tool; /* NULL: calls of this tool are asked about */
} mck_serve_tool;
bool mck_serve_set_tools(mck_serve_server *server, const mck_serve_tool *tools, size_t count);
/* The result object of a method whose answer does not change, per era. Copied. len 0 removes it. */
bool mck_serve_set_static(mck_serve_server *server, mck_serve_era era, mck_rpc_method method, const uint8_t *result,
                          size_t len);

/* Calls of this principal's owner (0: of nobody in particular) count in an account, which must outlive the server. False: no memory. */
bool mck_serve_set_caller(mck_serve_server *server, uint32_t principal, const mck_claim *claim);

/* What is asked of the owner. */
typedef enum {
    MCK_SERVE_Q_REQUEST,      /* has an id and a method */
    MCK_SERVE_Q_NOTIFICATION, /* a method only */
    MCK_SERVE_Q_RESPONSE,     /* a legacy client answers a request of the server's */
    MCK_SERVE_Q_BATCH,        /* an array, from a session of revision 2025-03-26 */
    MCK_SERVE_Q_STREAM,       /* GET: a legacy client opens the session's stream */
    MCK_SERVE_Q_END,          /* DELETE: the session is to end */
    MCK_SERVE_Q_AUTHORIZE,    /* a credential not seen yet, or none; answered by mck_serve_conn_authorized or _reply */
} mck_serve_question_kind;

/* Spans stay put until mck_serve_conn_settle, the id until the answer. */
typedef struct {
    mck_serve_question_kind kind;
    mck_serve_era era;
    unsigned revision; /* legacy: of the session or the header */
    const uint8_t *id; /* raw JSON, or id_len 0 */
    size_t id_len;
    const uint8_t *method; /* or method_len 0 */
    size_t method_len;
    const uint8_t *params; /* raw JSON object, or params_len 0 */
    size_t params_len;
    const uint8_t *message; /* the whole message */
    size_t message_len;
    const char *session;       /* NULL: none */
    uint32_t principal;        /* of mck_serve_conn_authorized; 0: nobody in particular */
    const mck_http_head *head; /* HTTP: the request's head … */
    const uint8_t *head_bytes; /* … and what its spans point into */
} mck_serve_question;

typedef enum { MCK_SERVE_RESULT, MCK_SERVE_ERROR, MCK_SERVE_ACCEPTED, MCK_SERVE_LATER } mck_serve_reply_kind;

typedef struct {
    mck_serve_reply_kind kind;
    uint16_t status;        /* HTTP; 0 = 200, 202 for ACCEPTED */
    const uint8_t *payload; /* RESULT: the result object; ERROR: the error object; ACCEPTED: a whole body, or none */
    size_t payload_len;
    int new_session;        /* revision negotiated by initialize, or -1 */
    const char *session_id; /* of that session: 32 hexadecimal digits that nobody can guess; NULL: chosen here */
    const uint8_t *cancel;  /* raw id of a request of the same session to cancel, or NULL */
    size_t cancel_len;
    const char *fields; /* further HTTP header lines, "name: value" joined by CRLF, or NULL */
} mck_serve_reply;

/* What happened when bytes were fed or a call ended. Before acting on it, write out what mck_serve_conn_out holds. */
typedef enum {
    MCK_SERVE_IDLE = 0, /* nothing more to do until bytes come or the call ends */
    MCK_SERVE_ASK,      /* answer mck_serve_conn_question with mck_serve_conn_reply */
    MCK_SERVE_HANDOFF,  /* mck_serve_conn_rest are the bytes for the other routes; the connection is no longer ours */
    MCK_SERVE_CLOSE,    /* write out, then close */
    MCK_SERVE_LINGER,   /* write out, end the sending side, go on feeding (it is thrown away) until the peer closes */
} mck_serve_event;

mck_serve_conn *mck_serve_conn_new(mck_serve_server *server, void *user, uint64_t now_ns);
/* The connection is gone. A modern call of it is cancelled, a legacy one goes on. */
void mck_serve_conn_delete(mck_serve_conn *conn);
void *mck_serve_conn_user(const mck_serve_conn *conn);
/* `data` must stay put until mck_serve_conn_settle. */
mck_serve_event mck_serve_conn_feed(mck_serve_conn *conn, const uint8_t *data, size_t len, uint64_t now_ns);
const mck_serve_question *mck_serve_conn_question(const mck_serve_conn *conn);
/* Answer the question. LATER leaves it open: call again, any time, with the answer, or stream and end. */
mck_serve_event mck_serve_conn_reply(mck_serve_conn *conn, const mck_serve_reply *reply);
/* Write into the answer as a stream of server-sent events (opened by the first piece); `text` is whole events. */
void mck_serve_conn_stream(mck_serve_conn *conn, const uint8_t *text, size_t len);
/* The stream is complete: on to the next request. */
mck_serve_event mck_serve_conn_stream_end(mck_serve_conn *conn);
/* A principal's low bits say which of its owner's credentials came; whose it is, and whose a session is, the others say. */
#define MCK_SERVE_GRANT_BITS 8
/* The credential asked about is `principal`'s (not 0). Its digest is remembered until then_ns. Goes on with the request. */
mck_serve_event mck_serve_conn_authorized(mck_serve_conn *conn, uint32_t principal, uint64_t then_ns);
const uint8_t *mck_serve_conn_rest(const mck_serve_conn *conn, size_t *len);
/* Keep what is left of the fed bytes; to be called when done with a feed and its events. */
void mck_serve_conn_settle(mck_serve_conn *conn);
/* Answer bytes to write; taken: they have been. */
const uint8_t *mck_serve_conn_out(const mck_serve_conn *conn, size_t *len);
void mck_serve_conn_taken(mck_serve_conn *conn);
/* Is there so much unread input waiting behind a running call that reading should pause? */
bool mck_serve_conn_is_full(const mck_serve_conn *conn);

/* One connection whose time is up, already answered (408) where it had begun a request: write out and close. NULL: no more. */
mck_serve_conn *mck_serve_server_expired(mck_serve_server *server, uint64_t now_ns);

/*
 * A channel: a transport of whole messages in both directions (stdio, WebSocket). Answers gather in its out buffer, one line each.
 */
typedef struct mck_serve_channel mck_serve_channel;
mck_serve_channel *mck_serve_channel_new(mck_serve_server *server, void *user);
/* Calls still running for it are cancelled. */
void mck_serve_channel_delete(mck_serve_channel *channel);
/* Whose messages these are. */
void mck_serve_channel_identify(mck_serve_channel *channel, uint32_t principal);
void *mck_serve_channel_user(const mck_serve_channel *channel);
/* One message. True: a question is to be answered (mck_serve_channel_reply), `line` staying put until then. */
bool mck_serve_channel_message(mck_serve_channel *channel, const uint8_t *line, size_t len);
const mck_serve_question *mck_serve_channel_question(const mck_serve_channel *channel);
/* LATER: nothing is written, and the owner answers with mck_serve_channel_write. */
void mck_serve_channel_reply(mck_serve_channel *channel, const mck_serve_reply *reply);
/* A message of the owner's. */
void mck_serve_channel_write(mck_serve_channel *channel, const uint8_t *message, size_t len);
const uint8_t *mck_serve_channel_out(const mck_serve_channel *channel, size_t *len);
void mck_serve_channel_taken(mck_serve_channel *channel);

/* Is there still a session of this id? Does not count as a use. */
bool mck_serve_session_exists(const mck_serve_server *server, const char *id, size_t len);

/* Forget every credential: keys have changed, or one was revoked. */
void mck_serve_forget_credentials(mck_serve_server *server);
/* Who the peer is by its TLS certificate: every request of the connection is `principal`'s and none is asked about. */
void mck_serve_conn_identify(mck_serve_conn *conn, uint32_t principal);

/* Calls of WebAssembly tools on behalf of the owner: batches, tasks, tools with checks of their own. NULL: no such tool or no memory. */
typedef struct mck_serve_task mck_serve_task;
mck_serve_task *mck_serve_task_new(mck_serve_server *server, mck_wasm_tool *tool, const uint8_t *arguments, size_t len,
                                   mck_serve_era era, uint32_t principal, bool record, void *user);
/* Ends soon, with its outcome delivered as ever. */
void mck_serve_task_cancel(mck_serve_task *task);

/* See mck_wasm_call_look; before its end has been delivered. */
void mck_serve_task_look(mck_serve_task *task, uint64_t *units, double *rate, size_t from, mck_buffer *noise);

/* News from ended calls, one at a time; false: no more for now. */
typedef struct {
    mck_serve_conn *conn; /* a connection whose answer has been written, with its event … */
    mck_serve_event event;
    mck_serve_channel *channel; /* … or a channel that has something to write … */
    const mck_wasm_call *call;  /* until the next call of drain; of a task */
    void *task;                 /* … or the user of an ended task, with a CallToolResult (or an error object) */
    bool failed;                /* the task's payload is an error object */
    const uint8_t *payload;     /* until the next call of drain */
    size_t payload_len;
    const uint8_t *noise; /* all that the task's call has written to stderr */
    size_t noise_len;
} mck_serve_news;
bool mck_serve_server_drain(mck_serve_server *server, mck_serve_news *news);

typedef struct {
    uint32_t connections, sessions, pending;
    uint64_t requests, refused, calls, asked;
} mck_serve_stats;
void mck_serve_server_stats(const mck_serve_server *server, mck_serve_stats *out);

/*
 * stdio: reads lines from in_fd and writes answers to out_fd until end of input (and all calls have been answered), a write error,
 * or a hook says stop. Blocks; holds no lock of anybody's.
 */
typedef struct {
    void *env;
    /* Answer one question; false stops the loop. Payload memory must stay put until the next call. */
    bool (*ask)(void *env, const mck_serve_question *question, mck_serve_reply *reply);
    bool (*interrupted)(void *env); /* after a signal: false goes on */
    /* wake_fd was readable: write what has gathered elsewhere (mck_serve_channel_write). False stops. */
    bool (*woken)(void *env, mck_serve_channel *channel);
    /* End of input and no call running: is somebody still working on an answer? */
    bool (*working)(void *env);
    /* The input has ended; called once. Who still works on an answer should come to an end. */
    void (*at_end)(void *env);
    /* A task has ended. */
    void (*ended)(void *env, const mck_serve_news *news);
    int wake_fd; /* -1: none */
    bool talks;  /* messages may come from elsewhere while nobody works on an answer */
} mck_serve_stdio_hooks;

/* 0: end of input; 1: stopped by a hook; -1: input or output failed (errno tells). */
int mck_serve_stdio(mck_serve_server *server, int in_fd, int out_fd, const mck_serve_stdio_hooks *hooks);

/* Seconds until a call that ended with QUOTA or RATE can be tried again. */
unsigned mck_serve_retry_after(const mck_wasm_call *call);
/*
 * A call's outcome as an MCP CallToolResult object, appended to *out. False when it is not a result but a protocol error: *code
 * and *message (constant or the call's own detail) are set then, and *status for HTTP.
 */
bool mck_serve_call_result(const mck_wasm_call *call, mck_serve_era era, const char *server_info, mck_buffer *out,
                           int *code, const char **message, uint16_t *status);

#endif
