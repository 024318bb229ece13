/* What the files of the serve room share. */
#ifndef MCPKIT_SERVE_INTERNAL_H
#define MCPKIT_SERVE_INTERNAL_H

#include "mcpkit/digest.h"
#include "mcpkit/serve.h"

/* Append a string literal. */
#define ADD(out, literal) mck_buffer_add((out), "" literal, sizeof(literal) - 1)

#define REVISION_2025_03_26 1u
#define REVISION_NEWEST_LEGACY 3u
#define REVISION_MODERN 4u
#define SESSION_ID_LEN 32u

typedef struct session {
    char id[SESSION_ID_LEN + 1];
    unsigned revision;
    uint32_t principal;
    uint64_t used_ns;
    struct session *older, *newer; /* by last use */
    struct session *chain;         /* same hash bucket */
} session;

typedef struct {
    session **buckets;
    uint32_t bucket_mask, count, max;
    uint64_t idle_ns;
    session *oldest, *newest;
} session_table;

bool sessions_init(session_table *t, uint32_t max, uint64_t idle_ns);
void sessions_free(session_table *t);
/* NULL: out of memory or of randomness. */
session *sessions_open(session_table *t, const char *id, unsigned revision, uint32_t principal, uint64_t now_ns);
/* Only its own principal finds a session. */
session *sessions_find(session_table *t, const uint8_t *id, size_t len, uint32_t principal, uint64_t now_ns);
void sessions_close(session_table *t, session *s);
void sessions_expire(session_table *t, uint64_t now_ns);

typedef struct {
    char *name;
    size_t len;
    mck_wasm_tool *tool;
} tool_slot;

typedef struct {
    tool_slot *slots; /* open addressing, a power of two */
    size_t mask;
} tool_table;

/* Credentials that were found good, by digest. Bounded; an entry that is in the way is replaced. */
#define CREDENTIAL_SLOTS 4096u

typedef struct {
    uint8_t digest[MCK_SHA256_SIZE];
    uint32_t principal; /* 0: empty */
    uint64_t until_ns;
} credential;

uint32_t credentials_find(const credential *table, const uint8_t *text, size_t len, uint64_t now_ns);
void credentials_add(credential *table, const uint8_t *text, size_t len, uint32_t principal, uint64_t until_ns);

bool tools_build(tool_table *t, const mck_serve_tool *tools, size_t count);
void tools_free(tool_table *t);
const tool_slot *tools_find(const tool_table *t, const uint8_t *name, size_t len);

typedef struct {
    uint32_t owner;
    mck_claim claim; /* no account: an empty place */
} caller_slot;

typedef struct {
    caller_slot *slots; /* open addressing, a power of two; NULL: callers have no accounts */
    size_t mask, count;
} caller_table;

/* The call counts in its caller's account, where there is one. Before it starts. */
void callers_claim(const mck_serve_server *server, uint32_t principal, mck_wasm_call *call);
void callers_free(caller_table *t);

/* A call that did not end in its first slice, and who waits for it: a connection, a channel, the owner, or nobody any more. */
typedef struct mck_serve_task {
    struct mck_serve_task *next, *prev;
    mck_serve_conn *conn;
    mck_serve_channel *channel;
    void *user;
    mck_wasm_call *call;
    mck_serve_era era;
    char session[SESSION_ID_LEN + 1];
    bool silenced; /* cancelled by the client of a channel: no answer */
    bool at_once;  /* ended in its first slice: not in the engine's queue */
    size_t id_len;
    uint8_t id[]; /* raw JSON */
} pending;

struct mck_serve_channel {
    mck_serve_server *server;
    void *user;
    mck_buffer out;
    bool initialized;
    unsigned revision;
    uint32_t principal;
    mck_serve_question question;
};

struct mck_serve_server {
    mck_wasm_engine *engine;
    char *path;
    size_t path_len;
    char *server_info;
    char **hosts, **origins;
    size_t host_count, origin_count;
    char **cors;
    size_t cors_count;
    bool websocket;
    void (*access)(void *env, void *user, const mck_serve_access *what);
    void *access_env;
    mck_http_limits http;
    size_t max_line;
    mck_rpc_options rpc;
    uint64_t read_timeout_ns, idle_timeout_ns;
    session_table sessions;
    tool_table tools;
    caller_table callers;
    mck_buffer fixed[2][MCK_RPC_M_COUNT];
    pending *pendings;
    uint32_t at_once; /* of them, those that have ended already */
    bool authorize, live;
    credential *credentials; /* CREDENTIAL_SLOTS of them, once there is one */
    mck_buffer noise;        /* diagnostics of the last ended task */
    mck_wasm_call *told;     /* of the last ended task */
    mck_buffer news;         /* payload of the last ended task */
    mck_serve_conn *conns;   /* all, newest first */
    mck_buffer scratch;      /* decoded names */
    char date[40];           /* an HTTP date, good for date_second */
    int64_t date_second;
    mck_serve_stats stats;
};

/* Where a message came from, for the ladder. */
typedef struct {
    const mck_http_head *head; /* NULL: a channel */
    const uint8_t *head_bytes; /* what the head's spans point into */
    const uint8_t *body;
    size_t body_len;
    uint64_t now_ns;
    uint32_t principal;
    bool initialized;  /* channel: initialize has been answered */
    unsigned revision; /* channel: negotiated */
} request;

typedef enum { VERDICT_CALL, VERDICT_FIXED, VERDICT_REFUSE, VERDICT_ASK, VERDICT_ACCEPT } verdict_kind;

typedef struct {
    verdict_kind kind;
    mck_serve_question_kind question; /* ASK: of which kind */
    mck_serve_era era;
    unsigned revision;
    uint16_t status;   /* HTTP */
    int code;          /* JSON-RPC; 0: the refusal has no JSON-RPC body (405, 406, 415, 421, 403) */
    const char *allow; /* Allow header of a 405 */
    char message[224];
    char data[160]; /* JSON, or empty */
    session *session;
    mck_wasm_tool *tool;
    const mck_buffer *fixed;
} verdict;

pending *pending_new(mck_serve_server *server, mck_wasm_call *call, mck_serve_era era, const uint8_t *id, size_t id_len,
                     const char *session_id);
void pending_delete(mck_serve_server *server, pending *p);
/* Cancel a running request by its raw id within one session, or within one channel. */
void pending_cancel(mck_serve_server *server, const char *session_id, const mck_serve_channel *channel,
                    const uint8_t *id, size_t id_len);
/* Arguments of a tools/call: the given ones or an empty object. */
const uint8_t *call_arguments(const mck_rpc_envelope *e, const uint8_t *body, size_t *len);
/* The question that a verdict asks; `body` is the whole message. */
void question_fill(mck_serve_question *q, const verdict *v, const mck_rpc_envelope *e, const uint8_t *body, size_t len);

/* HTTP checks that need no body: Host and Origin. False: *v says why. */
bool ladder_admit(const mck_serve_server *server, const mck_http_head *head, const uint8_t *bytes, verdict *v);
/* All checks of one whole message. `envelope` is filled. */
void ladder_climb(mck_serve_server *server, const request *r, mck_rpc_envelope *envelope, verdict *v);
/* May pages of this Origin, which was let in, read answers? */
bool cors_allowed(const mck_serve_server *server, const uint8_t *origin, size_t len);
/* The header lines that let the page read the answer, NUL-terminated, or nothing when the request asks for none. */
void cors_fields(const mck_serve_server *server, const mck_http_head *head, const uint8_t *bytes, mck_buffer *fields);
/* Is it a browser asking what it may send? */
bool cors_is_preflight(const mck_http_head *head, const uint8_t *bytes);
/* Header lines of the answer to that, beside those of cors_fields; with `fields` they make an answer 204. */
void cors_preflight(const mck_http_head *head, const uint8_t *bytes, mck_buffer *fields);
bool host_allowed(const mck_serve_server *server, const uint8_t *host, size_t len);
bool origin_allowed(const mck_serve_server *server, const uint8_t *origin, size_t len);

/* JSON-RPC answers. `id` NULL writes null. */
void answer_result(mck_buffer *out, const uint8_t *id, size_t id_len, const uint8_t *result, size_t len);
void answer_error(mck_buffer *out, const uint8_t *id, size_t id_len, int code, const char *message, const char *data);
void answer_error_object(mck_buffer *out, const uint8_t *id, size_t id_len, const uint8_t *error, size_t len);
/* Whole envelope of a call's outcome; returns the HTTP status that goes with it. */
uint16_t answer_call(mck_buffer *out, const mck_wasm_call *call, mck_serve_era era, const char *server_info,
                     const uint8_t *id, size_t id_len);

/* Write the answer of an ended call to whoever waits for it. */
void conn_call_ended(const pending *p, mck_serve_news *news);
void channel_call_ended(const pending *p, mck_serve_news *news);

/* HTTP answers: open a head, append the body, close it (which fills in the length). A 204 has neither. */
size_t http_open(mck_serve_server *server, mck_buffer *out, uint16_t status, bool close, const char *extra_fields);
/* The head of an answer that is a stream of events, chunked unless the connection closes at its end. */
void http_open_stream(mck_serve_server *server, mck_buffer *out, bool close, const char *extra_fields);
void http_close(mck_buffer *out, size_t mark);
const char *http_phrase(uint16_t status);

static inline bool span_empty(mck_span s)
{
    return s.start == s.end;
}

#endif
