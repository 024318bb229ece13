"""The hot path's door: the protocol object that uvloop calls, and the stdio loop."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec


cdef inline uint64_t now() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <uint64_t>t.tv_sec * 1000000000 + <uint64_t>t.tv_nsec


cdef inline bytes span(const uint8_t *start, size_t size):
    return PyBytes_FromStringAndSize(<const char *>start, <Py_ssize_t>size)


cdef tuple ERAS = ("legacy", "modern")
cdef tuple NAMES = tuple(mck_serve_revision_name(i).decode() for i in range(MCK_SERVE_REVISIONS))
REVISIONS = NAMES


cdef class Strings:
    """A C array of C strings that lives as long as its bytes."""

    cdef list kept
    cdef const char **array

    def __cinit__(self, texts):
        self.kept = [text.encode() for text in texts]
        self.array = <const char **>calloc(len(self.kept) + 1, sizeof(char *))
        if not self.array:
            raise MemoryError
        for i, text in enumerate(self.kept):
            self.array[i] = text

    def __dealloc__(self):
        free(self.array)


@cython.final
cdef class Server:
    """Tables and connections of one server on one engine; used by one thread."""

    def __cinit__(self, Engine engine not None, *, ask, server_info, handoff=None, path="/mcp", hosts=(), origins=(), max_body=0,
                  max_head=0, max_line=0, max_sessions=0, session_idle=0.0, read_timeout=0.0, idle_timeout=0.0):
        cdef mck_serve_config config
        cdef Strings host_list = Strings(hosts), origin_list = Strings(origins)
        cdef bytes path_bytes = path.encode(), info = bytes(server_info)
        memset(&config, 0, sizeof(config))
        config.engine = engine.ptr
        config.path = path_bytes
        config.server_info = info
        config.hosts = host_list.array
        config.host_count = len(host_list.kept)
        config.origins = origin_list.array
        config.origin_count = len(origin_list.kept)
        config.http.max_body = max_body
        config.http.max_head = max_head
        config.max_line = max_line
        config.max_sessions = max_sessions
        config.session_idle_ns = <uint64_t>(session_idle * 1e9)
        config.read_timeout_ns = <uint64_t>(read_timeout * 1e9)
        config.idle_timeout_ns = <uint64_t>(idle_timeout * 1e9)
        self.engine = engine
        self.ask = ask
        self.handoff = handoff
        self.tools = ()
        self.connections = set()
        self.ptr = mck_serve_server_new(&config)
        if not self.ptr:
            raise MemoryError

    def __dealloc__(self):
        mck_serve_server_delete(self.ptr)

    def close(self):
        """Cancel what runs and let go of the engine. Every connection must be gone."""
        if self.connections:
            raise RuntimeError(f"{len(self.connections)} connections are still open")
        mck_serve_server_delete(self.ptr)
        self.ptr = NULL

    def set_tools(self, tools):
        """Replace the tools: pairs of name and `Tool`. Calls in flight end with the old ones."""
        cdef list pairs = [(text.encode(), bound) for text, bound in tools]
        cdef mck_serve_tool *array = <mck_serve_tool *>calloc(len(pairs) + 1, sizeof(mck_serve_tool))
        cdef Tool tool
        cdef bytes name
        cdef bint ok
        if not array:
            raise MemoryError
        try:
            for i, (name, tool) in enumerate(pairs):
                array[i].name = PyBytes_AS_STRING(name)
                array[i].name_len = <size_t>PyBytes_GET_SIZE(name)
                array[i].tool = tool.ptr
            ok = mck_serve_set_tools(self.ptr, array, <size_t>len(pairs))
        finally:
            free(array)
        if not ok:
            raise MemoryError
        self.tools = tuple(pairs)

    def set_static(self, era, method, bytes result not None):
        """The result (JSON object text) of a method whose answer does not change."""
        cdef bytes name = method.encode()
        cdef mck_rpc_method which = mck_rpc_method_from(<const uint8_t *>PyBytes_AS_STRING(name), <size_t>len(name))
        if not which or era not in ERAS:
            raise ValueError(f"no method {method!r} in era {era!r}")
        if not mck_serve_set_static(self.ptr, <mck_serve_era><int>ERAS.index(era), which,
                                    <const uint8_t *>PyBytes_AS_STRING(result), <size_t>len(result)):
            raise MemoryError

    def protocol(self):
        """A protocol object for one new connection."""
        return HttpProtocol(self)

    def drain(self):
        """Write out the answers of calls that have ended. Call when the engine's notify descriptor is readable."""
        cdef mck_serve_event event = MCK_SERVE_IDLE
        cdef mck_serve_conn *conn
        while True:
            conn = mck_serve_server_drain(self.ptr, &event)
            if not conn:
                return
            (<HttpProtocol>mck_serve_conn_user(conn)).act(event)

    def sweep(self):
        """Close connections that kept a request unfinished, or themselves idle, for too long. Call about once a second."""
        cdef mck_serve_conn *conn
        while True:
            conn = mck_serve_server_expired(self.ptr, now())
            if not conn:
                return
            (<HttpProtocol>mck_serve_conn_user(conn)).act(MCK_SERVE_CLOSE)

    def stats(self):
        """Counters since the start and the present numbers of connections, sessions and calls in flight."""
        cdef mck_serve_stats s
        mck_serve_server_stats(self.ptr, &s)
        return {"connections": s.connections, "sessions": s.sessions, "pending": s.pending, "requests": s.requests,
                "refused": s.refused, "calls": s.calls, "asked": s.asked}

    def run_stdio(self, int in_fd, int out_fd):
        """Serve lines until the input ends. Raises OSError when input or output fails, or whatever `ask` raised."""
        cdef mck_serve_stdio_hooks hooks
        cdef int ended
        hooks.env = <void *>self
        hooks.ask = stdio_ask
        hooks.interrupted = stdio_interrupted
        with nogil:
            ended = mck_serve_stdio(self.ptr, in_fd, out_fd, &hooks)
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        if ended < 0:
            PyErr_SetFromErrno(OSError)

    cdef bint answer(self, const mck_serve_question *q, mck_serve_reply *reply, str transport) except -1:
        """Ask, and describe what came back; its memory is kept until the next question."""
        cdef bytes payload, cancel
        cdef int kind, status
        kind, status, payload, revision, cancel = self.last_reply = self.ask(
            ERAS[<int>q.era],
            NAMES[q.revision],
            span(q.method, q.method_len).decode("utf-8", "replace") if q.method else None,
            span(q.id, q.id_len) if q.id_len else None,
            span(q.params, q.params_len) if q.params else None,
            transport,
            q.session.decode() if q.session else None,
            bool(q.end_session),
        )
        memset(reply, 0, sizeof(reply[0]))
        reply.kind = <mck_serve_reply_kind>kind
        reply.status = <uint16_t>status
        if payload is not None:
            reply.payload = <const uint8_t *>PyBytes_AS_STRING(payload)
            reply.payload_len = <size_t>PyBytes_GET_SIZE(payload)
        reply.new_session = NAMES.index(revision) if revision is not None else -1
        if cancel is not None:
            reply.cancel = <const uint8_t *>PyBytes_AS_STRING(cancel)
            reply.cancel_len = <size_t>PyBytes_GET_SIZE(cancel)
        return True


cdef c_bool stdio_ask(void *env, const mck_serve_question *question, mck_serve_reply *reply) noexcept with gil:
    cdef Server server = <Server>env
    try:
        return server.answer(question, reply, "stdio")
    except BaseException as error:
        server.error = error
        return False


cdef c_bool stdio_interrupted(void *env) noexcept with gil:
    cdef Server server = <Server>env
    try:
        PyErr_CheckSignals()
        return False
    except BaseException as error:
        server.error = error
        return True


@cython.final
cdef class HttpProtocol:
    """An asyncio protocol. What it reads and writes are the only Python objects of a call that ends in its first slice."""

    def __cinit__(self, Server server not None):
        self.server = server

    def __dealloc__(self):
        mck_serve_conn_delete(self.conn)

    def connection_made(self, transport):
        self.transport = transport
        self.write = transport.write
        self.conn = mck_serve_conn_new(self.server.ptr, <void *>self, now())
        if not self.conn:
            transport.abort()
        self.server.connections.add(self)

    def connection_lost(self, exc):
        mck_serve_conn_delete(self.conn)
        self.conn = NULL
        self.transport = self.write = None
        self.server.connections.discard(self)

    def abort(self):
        """Cut the connection."""
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, bytes data not None):
        if self.conn:
            self.act(mck_serve_conn_feed(self.conn, <const uint8_t *>PyBytes_AS_STRING(data), <size_t>PyBytes_GET_SIZE(data), now()))

    def eof_received(self):
        return False

    def pause_writing(self):
        # The peer does not read its answers: take no more requests from it.
        self.held = True
        if self.transport is not None:
            self.transport.pause_reading()

    def resume_writing(self):
        self.held = False
        if self.transport is not None and not self.crowded:
            self.transport.resume_reading()

    cdef flush(self):
        cdef size_t size
        cdef const uint8_t *out = mck_serve_conn_out(self.conn, &size)
        if size:
            data = span(out, size)
            mck_serve_conn_taken(self.conn)
            self.write(data)

    cdef act(self, mck_serve_event event):
        cdef mck_serve_reply reply
        while event == MCK_SERVE_ASK:
            self.server.answer(mck_serve_conn_question(self.conn), &reply, "http")
            event = mck_serve_conn_reply(self.conn, &reply)
        self.flush()
        if event == MCK_SERVE_HANDOFF:
            self.hand_off()
            return
        mck_serve_conn_settle(self.conn)
        if event == MCK_SERVE_CLOSE:
            self.transport.close()
            return
        if event == MCK_SERVE_LINGER:
            if not self.transport.is_closing():
                self.transport.write_eof()
            return
        if mck_serve_conn_is_full(self.conn) != self.crowded:
            self.crowded = not self.crowded
            if self.crowded:
                self.transport.pause_reading()
            elif not self.held:
                self.transport.resume_reading()

    cdef hand_off(self):
        cdef size_t size
        cdef const uint8_t *start = mck_serve_conn_rest(self.conn, &size)
        rest = span(start, size)
        transport = self.transport
        mck_serve_conn_delete(self.conn)
        self.conn = NULL
        self.transport = self.write = None
        self.server.connections.discard(self)
        self.server.handoff(transport, rest)
