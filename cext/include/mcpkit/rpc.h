/*
 * JSON-RPC 2.0 as MCP speaks it: one scan finds and validates everything a server decides on, as spans of the original
 * bytes; the arguments are handed on untouched. Line framing for stdio.
 */
#ifndef MCPKIT_RPC_H
#define MCPKIT_RPC_H

#include "mcpkit/json.h"

typedef enum {
    MCK_RPC_INVALID = 0,
    MCK_RPC_REQUEST,
    MCK_RPC_NOTIFICATION,
    MCK_RPC_RESPONSE, /* has `result` or `error`: a client's answer to a server's request */
    MCK_RPC_BATCH,    /* a JSON array; validated, not taken apart (mck_rpc_scan each element) */
} mck_rpc_kind;

typedef enum {
    MCK_RPC_M_UNKNOWN = 0,
    MCK_RPC_M_INITIALIZE,
    MCK_RPC_M_PING,
    MCK_RPC_M_SERVER_DISCOVER,
    MCK_RPC_M_TOOLS_LIST,
    MCK_RPC_M_TOOLS_CALL,
    MCK_RPC_M_RESOURCES_LIST,
    MCK_RPC_M_RESOURCES_TEMPLATES_LIST,
    MCK_RPC_M_RESOURCES_READ,
    MCK_RPC_M_RESOURCES_SUBSCRIBE,
    MCK_RPC_M_RESOURCES_UNSUBSCRIBE,
    MCK_RPC_M_PROMPTS_LIST,
    MCK_RPC_M_PROMPTS_GET,
    MCK_RPC_M_COMPLETION_COMPLETE,
    MCK_RPC_M_LOGGING_SET_LEVEL,
    MCK_RPC_M_SUBSCRIPTIONS_LISTEN,
    MCK_RPC_M_TASKS_GET,
    MCK_RPC_M_TASKS_RESULT,
    MCK_RPC_M_TASKS_LIST,
    MCK_RPC_M_TASKS_CANCEL,
    MCK_RPC_M_TASKS_UPDATE,
    MCK_RPC_M_N_INITIALIZED,
    MCK_RPC_M_N_CANCELLED,
    MCK_RPC_M_N_PROGRESS,
    MCK_RPC_M_N_ROOTS_LIST_CHANGED,
    MCK_RPC_M_COUNT,
} mck_rpc_method;

/* Why an envelope was refused; `code` in mck_rpc_envelope is the JSON-RPC code to answer with. */
typedef enum {
    MCK_RPC_OK = 0,
    MCK_RPC_E_JSON,       /* not JSON: see json_status; code -32700 */
    MCK_RPC_E_NOT_OBJECT, /* neither object nor array; -32600, as all that follow */
    MCK_RPC_E_EMPTY_BATCH,
    MCK_RPC_E_VERSION,   /* "jsonrpc" absent or not "2.0" */
    MCK_RPC_E_DUPLICATE, /* one of the envelope's own keys stands twice (top level, params' known keys, _meta's) */
    MCK_RPC_E_ID,        /* id is neither string nor integer */
    MCK_RPC_E_METHOD,    /* method absent or not a string, and no result or error */
    MCK_RPC_E_PARAMS,    /* params is neither object nor absent */
    MCK_RPC_E_BOTH,      /* method together with result or error, or result together with error */
} mck_rpc_status;

typedef enum { MCK_RPC_ID_NONE = 0, MCK_RPC_ID_STRING, MCK_RPC_ID_INTEGER } mck_rpc_id_kind;

/* Presence flags: the key is there, whatever its type. */
enum {
    MCK_RPC_HAS_PARAMS = 1u << 0,
    MCK_RPC_HAS_ARGUMENTS = 1u << 1,
    MCK_RPC_HAS_NAME = 1u << 2,
    MCK_RPC_HAS_URI = 1u << 3,
    MCK_RPC_HAS_CURSOR = 1u << 4,
    MCK_RPC_HAS_META = 1u << 5,
    MCK_RPC_HAS_PROTOCOL_VERSION = 1u << 6,
    MCK_RPC_HAS_CLIENT_CAPABILITIES = 1u << 7,
    MCK_RPC_HAS_CLIENT_INFO = 1u << 8,
    MCK_RPC_HAS_LOG_LEVEL = 1u << 9,
    MCK_RPC_HAS_PROGRESS_TOKEN = 1u << 10,
    MCK_RPC_HAS_REQUEST_ID = 1u << 11, /* params.requestId, of notifications/cancelled */
    MCK_RPC_HAS_TASK_ID = 1u << 12,
    MCK_RPC_HAS_TASK = 1u << 13, /* params.task (2025-11-25) */
    MCK_RPC_HAS_INPUT_RESPONSES = 1u << 14,
    MCK_RPC_HAS_REQUEST_STATE = 1u << 15,
};

typedef struct {
    mck_rpc_status status;
    mck_rpc_kind kind;
    mck_rpc_method method;
    mck_rpc_id_kind id_kind;
    uint32_t flags;
    mck_json_status json_status; /* when status is MCK_RPC_E_JSON */
    uint32_t position;           /* of the fault, in bytes */
    /* Raw JSON text, quotes included for strings: what goes back to the client byte for byte. Filled even when the envelope
     * is refused after the id was seen, so that the refusal can name it. */
    mck_span id;
    mck_json_value method_name; /* a string */
    mck_span params, result, error;
    /* Members of params, each as a value (check .kind before use). */
    mck_json_value name, uri, arguments, cursor, meta, request_id, task_id, task, input_responses, request_state;
    /* Members of params._meta; the first four have the prefix "io.modelcontextprotocol/". */
    mck_json_value protocol_version, client_capabilities, client_info, log_level, progress_token;
} mck_rpc_envelope;

typedef struct {
    uint32_t max_depth;
    const mck_json_kernels *kernels; /* NULL: portable */
} mck_rpc_options;

/* Scan one whole message. Returns out->status. Always fills every field of *out. */
mck_rpc_status mck_rpc_scan(const uint8_t *data, size_t len, const mck_rpc_options *options, mck_rpc_envelope *out);

/* "tools/call" for MCK_RPC_M_TOOLS_CALL, NULL for UNKNOWN; and back. */
const char *mck_rpc_method_name(mck_rpc_method method);
mck_rpc_method mck_rpc_method_from(const uint8_t *name, size_t len);

/* -32700 or -32600 for a refused envelope, and a constant sentence fragment. */
int mck_rpc_code(mck_rpc_status status);
const char *mck_rpc_explain(mck_rpc_status status);

/*
 * Line framing (stdio): feed what was read, take out lines. A line ends with '\n'; a '\r' before it is dropped; empty lines are
 * passed over. A line longer than max_line is reported once as TOO_LONG and thrown away up to its end.
 */
typedef struct {
    uint8_t *buffer; /* grows by realloc up to max_line + the last read */
    size_t len, cap, taken, scanned;
    size_t max_line;
    bool discarding;
} mck_rpc_lines;

typedef enum { MCK_RPC_LINE, MCK_RPC_LINE_MORE, MCK_RPC_LINE_TOO_LONG, MCK_RPC_LINE_NO_MEMORY } mck_rpc_line_status;

void mck_rpc_lines_init(mck_rpc_lines *l, size_t max_line);
void mck_rpc_lines_free(mck_rpc_lines *l);
/* Room for at least `want` more bytes; NULL when memory ran out. Write there, then say how much with mck_rpc_lines_wrote. */
uint8_t *mck_rpc_lines_reserve(mck_rpc_lines *l, size_t want);
void mck_rpc_lines_wrote(mck_rpc_lines *l, size_t n);
/* The next complete line (valid until the next reserve). At end of input pass eof = true to get an unterminated last line. */
mck_rpc_line_status mck_rpc_lines_next(mck_rpc_lines *l, bool eof, const uint8_t **line, size_t *len);

#endif
