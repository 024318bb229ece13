from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from mcpkit.core.json cimport c_bool
from mcpkit.core.meter cimport Claim, mck_claim
from mcpkit.core.rpc cimport mck_http_head, mck_http_limits, mck_rpc_method, mck_rpc_method_from
from mcpkit.core.wasm cimport Engine, Tool, mck_wasm_call, mck_wasm_engine, mck_wasm_tool, result_of

cdef extern from "mcpkit/serve.h" nogil:
    const unsigned MCK_SERVE_REVISIONS

    ctypedef struct mck_serve_server:
        pass
    ctypedef struct mck_serve_conn:
        pass

    ctypedef enum mck_serve_era:
        MCK_SERVE_LEGACY
        MCK_SERVE_MODERN

    const char *mck_serve_revision_name(unsigned revision)
    int mck_serve_revision_find(const uint8_t *name, size_t len)

    ctypedef struct mck_serve_access:
        uint64_t started_ns
        uint64_t bytes
        uint16_t status
        uint32_t principal
        const char *verb
        const char *method
        const char *name
        const char *session

    ctypedef struct mck_serve_config:
        mck_wasm_engine *engine
        const char *path
        const char *server_info
        const char *const *hosts
        size_t host_count
        const char *const *origins
        size_t origin_count
        const char *const *cors
        size_t cors_count
        c_bool websocket
        void (*access)(void *env, void *user, const mck_serve_access *what) noexcept
        void *access_env
        mck_http_limits http
        size_t max_line
        uint32_t max_depth
        uint32_t max_sessions
        uint64_t session_idle_ns
        uint64_t read_timeout_ns
        c_bool live
        c_bool authorize
        uint64_t idle_timeout_ns

    uint16_t mck_serve_admits(const mck_serve_server *server, const uint8_t *host, size_t host_len, const uint8_t *origin,
                              size_t origin_len)
    mck_serve_server *mck_serve_server_new(const mck_serve_config *config)
    void mck_serve_server_delete(mck_serve_server *server)

    ctypedef struct mck_serve_tool:
        const char *name
        size_t name_len
        mck_wasm_tool *tool
    c_bool mck_serve_set_tools(mck_serve_server *server, const mck_serve_tool *tools, size_t count)
    c_bool mck_serve_set_static(mck_serve_server *server, mck_serve_era era, mck_rpc_method method, const uint8_t *result,
                                size_t len)

    ctypedef enum mck_serve_question_kind:
        MCK_SERVE_Q_REQUEST
        MCK_SERVE_Q_NOTIFICATION
        MCK_SERVE_Q_RESPONSE
        MCK_SERVE_Q_BATCH
        MCK_SERVE_Q_STREAM
        MCK_SERVE_Q_END
        MCK_SERVE_Q_AUTHORIZE

    ctypedef struct mck_serve_question:
        mck_serve_question_kind kind
        mck_serve_era era
        unsigned revision
        const uint8_t *id
        size_t id_len
        const uint8_t *method
        size_t method_len
        const uint8_t *params
        size_t params_len
        const uint8_t *message
        size_t message_len
        const char *session
        uint32_t principal
        const mck_http_head *head
        const uint8_t *head_bytes

    ctypedef enum mck_serve_reply_kind:
        MCK_SERVE_RESULT
        MCK_SERVE_ERROR
        MCK_SERVE_ACCEPTED
        MCK_SERVE_LATER

    ctypedef struct mck_serve_reply:
        mck_serve_reply_kind kind
        uint16_t status
        const uint8_t *payload
        size_t payload_len
        int new_session
        const char *session_id
        const uint8_t *cancel
        size_t cancel_len
        const char *fields

    ctypedef enum mck_serve_event:
        MCK_SERVE_IDLE
        MCK_SERVE_ASK
        MCK_SERVE_HANDOFF
        MCK_SERVE_CLOSE
        MCK_SERVE_LINGER

    mck_serve_conn *mck_serve_conn_new(mck_serve_server *server, void *user, uint64_t now_ns)
    void mck_serve_conn_delete(mck_serve_conn *conn)
    void *mck_serve_conn_user(const mck_serve_conn *conn)
    mck_serve_event mck_serve_conn_feed(mck_serve_conn *conn, const uint8_t *data, size_t len, uint64_t now_ns)
    const mck_serve_question *mck_serve_conn_question(const mck_serve_conn *conn)
    mck_serve_event mck_serve_conn_reply(mck_serve_conn *conn, const mck_serve_reply *reply)
    void mck_serve_conn_stream(mck_serve_conn *conn, const uint8_t *text, size_t len)
    mck_serve_event mck_serve_conn_stream_end(mck_serve_conn *conn)
    mck_serve_event mck_serve_conn_authorized(mck_serve_conn *conn, uint32_t principal, uint64_t until_ns)
    const uint8_t *mck_serve_conn_rest(const mck_serve_conn *conn, size_t *len)
    void mck_serve_conn_settle(mck_serve_conn *conn)
    const uint8_t *mck_serve_conn_out(const mck_serve_conn *conn, size_t *len)
    void mck_serve_conn_taken(mck_serve_conn *conn)
    c_bool mck_serve_conn_is_full(const mck_serve_conn *conn)
    void mck_serve_conn_identify(mck_serve_conn *conn, uint32_t principal)
    mck_serve_conn *mck_serve_server_expired(mck_serve_server *server, uint64_t now_ns)
    c_bool mck_serve_session_exists(const mck_serve_server *server, const char *id, size_t len)
    void mck_serve_forget_credentials(mck_serve_server *server)
    const int MCK_SERVE_GRANT_BITS
    c_bool mck_serve_set_caller(mck_serve_server *server, uint32_t principal, const mck_claim *claim)

    ctypedef struct mck_serve_channel:
        pass
    mck_serve_channel *mck_serve_channel_new(mck_serve_server *server, void *user)
    void mck_serve_channel_delete(mck_serve_channel *channel)
    void mck_serve_channel_identify(mck_serve_channel *channel, uint32_t principal)
    void *mck_serve_channel_user(const mck_serve_channel *channel)
    c_bool mck_serve_channel_message(mck_serve_channel *channel, const uint8_t *line, size_t len)
    const mck_serve_question *mck_serve_channel_question(const mck_serve_channel *channel)
    void mck_serve_channel_reply(mck_serve_channel *channel, const mck_serve_reply *reply)
    void mck_serve_channel_write(mck_serve_channel *channel, const uint8_t *message, size_t len)
    const uint8_t *mck_serve_channel_out(const mck_serve_channel *channel, size_t *len)
    void mck_serve_channel_taken(mck_serve_channel *channel)

    ctypedef struct mck_serve_task:
        pass
    mck_serve_task *mck_serve_task_new(mck_serve_server *server, mck_wasm_tool *tool, const uint8_t *arguments, size_t len,
                                       mck_serve_era era, uint32_t principal, c_bool record, void *user)
    void mck_serve_task_cancel(mck_serve_task *task)

    ctypedef struct mck_buffer:
        uint8_t *data
        size_t len
    void mck_buffer_free(mck_buffer *buffer)
    void mck_serve_task_look(mck_serve_task *task, uint64_t *units, double *rate, size_t start, mck_buffer *noise)

    ctypedef struct mck_serve_news:
        mck_serve_conn *conn
        mck_serve_event event
        mck_serve_channel *channel
        const mck_wasm_call *call
        void *task
        c_bool failed
        const uint8_t *payload
        size_t payload_len
        const uint8_t *noise
        size_t noise_len
    c_bool mck_serve_server_drain(mck_serve_server *server, mck_serve_news *news)

    ctypedef struct mck_serve_stats:
        uint32_t connections
        uint32_t sessions
        uint32_t pending
        uint64_t requests
        uint64_t refused
        uint64_t calls
        uint64_t asked
    void mck_serve_server_stats(const mck_serve_server *server, mck_serve_stats *out)

    ctypedef struct mck_serve_stdio_hooks:
        void *env
        c_bool (*ask)(void *env, const mck_serve_question *question, mck_serve_reply *reply) noexcept
        c_bool (*interrupted)(void *env) noexcept
        c_bool (*woken)(void *env, mck_serve_channel *channel) noexcept
        c_bool (*working)(void *env) noexcept
        void (*at_end)(void *env) noexcept
        void (*ended)(void *env, const mck_serve_news *news) noexcept
        int wake_fd
        c_bool talks
    int mck_serve_stdio(mck_serve_server *server, int in_fd, int out_fd, const mck_serve_stdio_hooks *hooks)


cdef class Server:
    cdef mck_serve_server *ptr
    cdef Engine engine
    cdef object ask, handoff, tools, claims, error, jobs, wake, access, identify
    cdef readonly set connections
    cdef set channels
    cdef int working
    cdef object at_end
    cdef size_t max_outgoing
    cdef tuple last_reply

    cdef bint answer(self, Exchange exchange, mck_serve_reply *reply) except -1
    cdef Exchange exchange(self, const mck_serve_question *question, str transport)


cdef class Exchange:
    cdef Server server
    cdef HttpProtocol http
    cdef Channel channel
    cdef bytes head
    cdef tuple spans
    cdef readonly str kind, era, revision, method, transport, session
    cdef readonly bytes id, params, message
    cdef readonly unsigned int principal
    cdef readonly bint open, streaming
    cdef public object on_gone
    cdef readonly object peer

    cdef lose(self)
    cdef close(self)


cdef class Channel:
    cdef Server server
    cdef mck_serve_channel *ptr
    cdef object write
    cdef set exchanges
    cdef unsigned int principal

    cdef flush(self)


cdef class Task:
    cdef mck_serve_task *ptr
    cdef object done
    cdef bint record


cdef class HttpProtocol:
    cdef Server server
    cdef mck_serve_conn *conn
    cdef object transport, write
    cdef Exchange exchange
    cdef bint held, crowded

    cdef act(self, mck_serve_event event)
    cdef flush(self)
    cdef hand_off(self)
