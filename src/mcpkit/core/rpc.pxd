from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from mcpkit.core.json cimport c_bool, mck_json_kernels, mck_json_status, mck_json_value, mck_span

cdef extern from "mcpkit/rpc.h" nogil:
    ctypedef enum mck_rpc_kind:
        MCK_RPC_INVALID
        MCK_RPC_REQUEST
        MCK_RPC_NOTIFICATION
        MCK_RPC_RESPONSE
        MCK_RPC_BATCH

    ctypedef enum mck_rpc_method:
        MCK_RPC_M_UNKNOWN
        MCK_RPC_M_INITIALIZE
        MCK_RPC_M_PING
        MCK_RPC_M_SERVER_DISCOVER
        MCK_RPC_M_TOOLS_LIST
        MCK_RPC_M_TOOLS_CALL
        MCK_RPC_M_RESOURCES_LIST
        MCK_RPC_M_RESOURCES_TEMPLATES_LIST
        MCK_RPC_M_RESOURCES_READ
        MCK_RPC_M_RESOURCES_SUBSCRIBE
        MCK_RPC_M_RESOURCES_UNSUBSCRIBE
        MCK_RPC_M_PROMPTS_LIST
        MCK_RPC_M_PROMPTS_GET
        MCK_RPC_M_COMPLETION_COMPLETE
        MCK_RPC_M_LOGGING_SET_LEVEL
        MCK_RPC_M_SUBSCRIPTIONS_LISTEN
        MCK_RPC_M_TASKS_GET
        MCK_RPC_M_TASKS_RESULT
        MCK_RPC_M_TASKS_LIST
        MCK_RPC_M_TASKS_CANCEL
        MCK_RPC_M_TASKS_UPDATE
        MCK_RPC_M_N_INITIALIZED
        MCK_RPC_M_N_CANCELLED
        MCK_RPC_M_N_PROGRESS
        MCK_RPC_M_N_ROOTS_LIST_CHANGED
        MCK_RPC_M_COUNT

    ctypedef enum mck_rpc_status:
        MCK_RPC_OK
        MCK_RPC_E_JSON
        MCK_RPC_E_NOT_OBJECT
        MCK_RPC_E_EMPTY_BATCH
        MCK_RPC_E_VERSION
        MCK_RPC_E_DUPLICATE
        MCK_RPC_E_ID
        MCK_RPC_E_METHOD
        MCK_RPC_E_PARAMS
        MCK_RPC_E_BOTH

    ctypedef enum mck_rpc_id_kind:
        MCK_RPC_ID_NONE
        MCK_RPC_ID_STRING
        MCK_RPC_ID_INTEGER

    enum:
        MCK_RPC_HAS_PARAMS
        MCK_RPC_HAS_ARGUMENTS
        MCK_RPC_HAS_NAME
        MCK_RPC_HAS_URI
        MCK_RPC_HAS_CURSOR
        MCK_RPC_HAS_META
        MCK_RPC_HAS_PROTOCOL_VERSION
        MCK_RPC_HAS_CLIENT_CAPABILITIES
        MCK_RPC_HAS_CLIENT_INFO
        MCK_RPC_HAS_LOG_LEVEL
        MCK_RPC_HAS_PROGRESS_TOKEN
        MCK_RPC_HAS_REQUEST_ID
        MCK_RPC_HAS_TASK_ID
        MCK_RPC_HAS_TASK
        MCK_RPC_HAS_INPUT_RESPONSES
        MCK_RPC_HAS_REQUEST_STATE

    ctypedef struct mck_rpc_envelope:
        mck_rpc_status status
        mck_rpc_kind kind
        mck_rpc_method method
        mck_rpc_id_kind id_kind
        uint32_t flags
        mck_json_status json_status
        uint32_t position
        mck_span id
        mck_json_value method_name
        mck_span params
        mck_span result
        mck_span error
        mck_json_value name
        mck_json_value uri
        mck_json_value arguments
        mck_json_value cursor
        mck_json_value meta
        mck_json_value request_id
        mck_json_value task_id
        mck_json_value task
        mck_json_value input_responses
        mck_json_value request_state
        mck_json_value protocol_version
        mck_json_value client_capabilities
        mck_json_value client_info
        mck_json_value log_level
        mck_json_value progress_token

    ctypedef struct mck_rpc_options:
        uint32_t max_depth
        const mck_json_kernels *kernels

    mck_rpc_status mck_rpc_scan(const uint8_t *data, size_t len, const mck_rpc_options *options, mck_rpc_envelope *out)
    const char *mck_rpc_method_name(mck_rpc_method method)
    mck_rpc_method mck_rpc_method_from(const uint8_t *name, size_t len)
    int mck_rpc_code(mck_rpc_status status)
    const char *mck_rpc_explain(mck_rpc_status status)

    ctypedef struct mck_rpc_lines:
        uint8_t *buffer
        size_t len
        size_t cap
        size_t taken
        size_t scanned
        size_t max_line
        c_bool discarding

    ctypedef enum mck_rpc_line_status:
        MCK_RPC_LINE
        MCK_RPC_LINE_MORE
        MCK_RPC_LINE_TOO_LONG
        MCK_RPC_LINE_NO_MEMORY

    void mck_rpc_lines_init(mck_rpc_lines *l, size_t max_line)
    void mck_rpc_lines_free(mck_rpc_lines *l)
    uint8_t *mck_rpc_lines_reserve(mck_rpc_lines *l, size_t want)
    void mck_rpc_lines_wrote(mck_rpc_lines *l, size_t n)
    mck_rpc_line_status mck_rpc_lines_next(mck_rpc_lines *l, c_bool eof, const uint8_t **line, size_t *len)

cdef extern from "mcpkit/http.h" nogil:
    const uint32_t MCK_HTTP_MAX_FIELDS

    ctypedef enum mck_http_method:
        MCK_HTTP_OTHER_METHOD
        MCK_HTTP_GET
        MCK_HTTP_HEAD
        MCK_HTTP_POST
        MCK_HTTP_PUT
        MCK_HTTP_DELETE
        MCK_HTTP_OPTIONS
        MCK_HTTP_PATCH

    ctypedef enum mck_http_progress:
        MCK_HTTP_DONE
        MCK_HTTP_MORE
        MCK_HTTP_REFUSED

    ctypedef struct mck_http_field:
        mck_span name
        mck_span value

    ctypedef enum mck_http_known:
        MCK_HTTP_F_HOST
        MCK_HTTP_F_ORIGIN
        MCK_HTTP_F_ACCEPT
        MCK_HTTP_F_CONTENT_TYPE
        MCK_HTTP_F_CONTENT_ENCODING
        MCK_HTTP_F_AUTHORIZATION
        MCK_HTTP_F_EXPECT
        MCK_HTTP_F_CONNECTION
        MCK_HTTP_F_UPGRADE
        MCK_HTTP_F_MCP_PROTOCOL_VERSION
        MCK_HTTP_F_MCP_SESSION_ID
        MCK_HTTP_F_MCP_METHOD
        MCK_HTTP_F_MCP_NAME
        MCK_HTTP_F_LAST_EVENT_ID
        MCK_HTTP_F_COUNT

    ctypedef struct mck_http_head:
        mck_http_method method
        mck_span method_name
        mck_span target
        mck_span path
        uint8_t minor
        c_bool keep_alive
        c_bool chunked
        c_bool expect_continue
        c_bool has_length
        c_bool upgrade
        uint64_t content_length
        uint32_t head_len
        uint32_t field_count
        mck_span known[MCK_HTTP_F_COUNT]
        uint8_t seen[MCK_HTTP_F_COUNT]
        mck_http_field fields[MCK_HTTP_MAX_FIELDS]
        uint16_t status
        const char *reason
        uint32_t scanned

    ctypedef struct mck_http_limits:
        uint32_t max_head
        uint32_t max_target
        uint64_t max_body

    mck_http_progress mck_http_parse(const uint8_t *data, size_t len, const mck_http_limits *limits,
                                     mck_http_head *head)

    ctypedef struct mck_http_chunks:
        uint64_t body_len
        uint64_t consumed
        uint64_t chunk_left
        uint8_t state
        uint16_t status
        const char *reason

    void mck_http_chunks_init(mck_http_chunks *c)
    mck_http_progress mck_http_chunks_feed(mck_http_chunks *c, uint8_t *body, size_t len,
                                           const mck_http_limits *limits)
    c_bool mck_http_is_media_type(const uint8_t *value, size_t len, const char *type)
    c_bool mck_http_accepts(const uint8_t *value, size_t len, const char *type)
