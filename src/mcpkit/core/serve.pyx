"""The hot path's door: the protocol object that uvloop calls, the stdio loop, channels, and answers that come later."""

import os
from collections import deque

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec


cdef inline uint64_t now() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <uint64_t>t.tv_sec * 1000000000 + <uint64_t>t.tv_nsec


cdef inline bytes span(const uint8_t *start, size_t size):
    return PyBytes_FromStringAndSize(<const char *>start, <Py_ssize_t>size)


cdef tuple KINDS = ("request", "notification", "response", "batch", "stream", "end", "authorize")
RESULT, ERROR, ACCEPTED = MCK_SERVE_RESULT, MCK_SERVE_ERROR, MCK_SERVE_ACCEPTED
cdef tuple ERAS = ("legacy", "modern")
cdef tuple NAMES = tuple(mck_serve_revision_name(i).decode() for i in range(MCK_SERVE_REVISIONS))
REVISIONS = NAMES


cdef class _Strings:
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


cdef void tell_access(void *env, void *user, const mck_serve_access *what) noexcept with gil:
    (<Server>env).access((<HttpProtocol>user).transport, (now() - what.started_ns) / 1e9, what.verb, what.method, what.name,
                         what.session, what.principal, what.status, what.bytes)


@cython.final
cdef class Server:
    """Tables and connections of one server on one engine; used by one thread."""

    def __cinit__(self, Engine engine not None, *, ask, server_info, handoff=None, path="/mcp", hosts=(), origins=(), cors=(),
                  websocket=False, access=None, identify=None, max_body=0, max_head=0, max_line=0, max_outgoing=0, max_sessions=0,
                  session_idle=0.0, read_timeout=0.0, idle_timeout=0.0, authorize=False, live=False):
        cdef mck_serve_config config
        cdef _Strings host_list = _Strings(hosts), origin_list = _Strings(origins), cors_list = _Strings(cors)
        cdef bytes path_bytes = path.encode(), info = bytes(server_info)
        memset(&config, 0, sizeof(config))
        config.engine = engine.ptr
        config.path = path_bytes
        config.server_info = info
        config.hosts = host_list.array
        config.host_count = len(host_list.kept)
        config.origins = origin_list.array
        config.origin_count = len(origin_list.kept)
        config.cors = cors_list.array
        config.cors_count = len(cors_list.kept)
        config.websocket = websocket
        if access is not None:
            config.access = tell_access
        config.access_env = <void *>self
        config.http.max_body = max_body
        config.http.max_head = max_head
        config.max_line = max_line
        config.max_sessions = max_sessions
        config.session_idle_ns = <uint64_t>(session_idle * 1e9)
        config.read_timeout_ns = <uint64_t>(read_timeout * 1e9)
        config.idle_timeout_ns = <uint64_t>(idle_timeout * 1e9)
        config.authorize = authorize
        config.live = live
        self.engine = engine
        self.ask = ask
        self.handoff = handoff
        self.access = access
        self.identify = identify
        self.max_outgoing = max_outgoing
        self.tools = ()
        self.claims = {}  # their memory has to stay
        self.connections = set()
        self.channels = set()
        self.jobs = deque()
        self.ptr = mck_serve_server_new(&config)
        if not self.ptr:
            raise MemoryError

    def __dealloc__(self):
        mck_serve_server_delete(self.ptr)

    def close(self):
        """Cancel what runs and let go of the engine. Every connection must be gone."""
        if self.connections:
            raise RuntimeError(f"{len(self.connections)} connections are still open")
        for channel in list(self.channels):
            channel.close()
        mck_serve_server_delete(self.ptr)
        self.ptr = NULL

    def set_tools(self, tools):
        """Replace the tools: pairs of name and `Tool`, or None where calls are asked about. Calls in flight end with the old."""
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
                array[i].tool = tool.ptr if tool is not None else NULL
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

    def admits(self, bytes host not None, bytes origin=None):
        """May a request with this Host and Origin be served? 0, or the HTTP status of the refusal."""
        return mck_serve_admits(self.ptr, <const uint8_t *>PyBytes_AS_STRING(host), <size_t>len(host),
                                <const uint8_t *>PyBytes_AS_STRING(origin) if origin is not None else NULL,
                                <size_t>len(origin) if origin is not None else 0)

    def protocol(self):
        """A protocol object for one new connection."""
        return HttpProtocol(self)

    def drain(self):
        """Write out the answers of calls that have ended. Call when the engine's notify descriptor is readable."""
        cdef mck_serve_news news
        while self.ptr and mck_serve_server_drain(self.ptr, &news):
            if news.conn:
                (<HttpProtocol>mck_serve_conn_user(news.conn)).act(news.event)
            elif news.channel:
                (<Channel>mck_serve_channel_user(news.channel)).flush()
            else:
                task_ended(&news)

    def set_caller(self, uint32_t principal, Claim claim not None):
        """Calls of this principal's owner (0: of nobody in particular) count in an account."""
        if not mck_serve_set_caller(self.ptr, principal, &claim.claim):
            raise MemoryError
        self.claims[principal >> MCK_SERVE_GRANT_BITS] = claim

    def start(self, Tool tool not None, bytes arguments not None, era, done, uint32_t principal=0, bint record=False):
        """Call a WebAssembly tool; by the thread that serves only (see `post`).

        done(payload, failed, noise) is called by that thread with a CallToolResult, or an error object, as JSON text, and
        with all that was written to stderr. With `record` there is a fourth: the CallResult with what the guest was told.
        """
        cdef Task task = Task.__new__(Task)
        task.done = done
        task.record = record
        task.ptr = mck_serve_task_new(self.ptr, tool.ptr, <const uint8_t *>PyBytes_AS_STRING(arguments),
                                      <size_t>PyBytes_GET_SIZE(arguments), <mck_serve_era><int>ERAS.index(era), principal, record, <void *>task)
        if not task.ptr:
            raise MemoryError
        Py_INCREF(task)  # until it has ended
        return task

    def post(self, job):
        """Have the thread that runs `run_stdio` call `job`, soon. Any thread may ask."""
        self.jobs.append(job)
        if self.wake is not None:
            os.write(self.wake[1], b"\0")

    def has_session(self, str session not None):
        """Whether a legacy session over HTTP is still alive; asking is not using it."""
        cdef bytes name = session.encode()
        return mck_serve_session_exists(self.ptr, PyBytes_AS_STRING(name), <size_t>len(name))

    def forget_credentials(self):
        """Ask about every credential again."""
        mck_serve_forget_credentials(self.ptr)

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

    def run_stdio(self, int in_fd, int out_fd, *, spontaneous=False, at_end=None):
        """Serve lines until the input ends. Raises OSError when input or output fails, or whatever `ask` raised.

        `spontaneous` says that messages may come from `post` while nobody works on an answer; without, a system call is saved.
        `at_end` is called once when the input has ended.
        """
        cdef mck_serve_stdio_hooks hooks
        cdef int ended
        self.wake = os.pipe()
        os.set_blocking(self.wake[0], False)
        hooks.env = <void *>self
        hooks.ask = stdio_ask
        hooks.interrupted = stdio_interrupted
        hooks.woken = stdio_woken
        hooks.working = stdio_working
        hooks.ended = stdio_ended
        hooks.at_end = stdio_at_end
        self.at_end = at_end
        hooks.wake_fd = self.wake[0]
        hooks.talks = spontaneous
        with nogil:
            ended = mck_serve_stdio(self.ptr, in_fd, out_fd, &hooks)
        (reader, writer), self.wake = self.wake, None
        os.close(reader)
        os.close(writer)
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        if ended < 0:
            PyErr_SetFromErrno(OSError)

    cdef Exchange exchange(self, const mck_serve_question *q, str transport):
        cdef Exchange x = Exchange.__new__(Exchange)
        x.server = self
        x.kind = KINDS[<int>q.kind]
        x.era = ERAS[<int>q.era]
        x.revision = NAMES[q.revision]
        x.transport = transport
        if q.id_len:
            x.id = span(q.id, q.id_len)
        if q.method_len:
            x.method = span(q.method, q.method_len).decode("utf-8", "replace")
        if q.params_len:
            x.params = span(q.params, q.params_len)
        if q.message_len:
            x.message = span(q.message, q.message_len)
        if q.session:
            x.session = q.session.decode()
        x.principal = q.principal
        if q.head:
            x.head = span(q.head_bytes, q.head.head_len)
            x.spans = tuple(
                (q.head.fields[i].name.start, q.head.fields[i].name.end, q.head.fields[i].value.start, q.head.fields[i].value.end)
                for i in range(q.head.field_count)
            )
        return x

    cdef bint answer(self, Exchange exchange, mck_serve_reply *reply) except -1:
        """Ask, and describe what came back; its memory is kept until the next question."""
        cdef bytes payload, cancel, fields, session
        cdef int kind, status
        memset(reply, 0, sizeof(reply[0]))
        reply.new_session = -1
        exchange.open = True
        answer = self.ask(exchange)
        if answer is None:
            reply.kind = MCK_SERVE_LATER
            return True
        exchange.open = False
        kind, status, payload, opened, cancel, fields = self.last_reply = answer
        reply.kind = <mck_serve_reply_kind>kind
        reply.status = <uint16_t>status
        if payload is not None:
            reply.payload = <const uint8_t *>PyBytes_AS_STRING(payload)
            reply.payload_len = <size_t>PyBytes_GET_SIZE(payload)
        if opened is not None:
            revision, session = opened
            reply.new_session = NAMES.index(revision)
            if session is not None:
                reply.session_id = PyBytes_AS_STRING(session)
        if cancel is not None:
            reply.cancel = <const uint8_t *>PyBytes_AS_STRING(cancel)
            reply.cancel_len = <size_t>PyBytes_GET_SIZE(cancel)
        if fields is not None:
            reply.fields = PyBytes_AS_STRING(fields)
        return True


cdef task_ended(const mck_serve_news *news):
    cdef Task task = <Task>news.task
    task.ptr = NULL
    Py_DECREF(task)
    told = (span(news.payload, news.payload_len), bool(news.failed), span(news.noise, news.noise_len))
    if task.record:
        told += (result_of(news.call),)
    task.done(*told)


cdef c_bool stdio_ask(void *env, const mck_serve_question *question, mck_serve_reply *reply) noexcept with gil:
    cdef Server server = <Server>env
    cdef Exchange exchange
    try:
        exchange = server.exchange(question, "stdio")
        exchange.peer = server
        server.answer(exchange, reply)
        if exchange.open:
            server.working += 1
        return True
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


cdef c_bool stdio_woken(void *env, mck_serve_channel *channel) noexcept with gil:
    cdef Server server = <Server>env
    cdef bytes message
    try:
        try:
            os.read(server.wake[0], 4096)
        except BlockingIOError:
            pass
        while server.jobs:
            job = server.jobs.popleft()
            if type(job) is bytes:
                message = job
                mck_serve_channel_write(channel, <const uint8_t *>PyBytes_AS_STRING(message), <size_t>PyBytes_GET_SIZE(message))
            else:
                job()
        return True
    except BaseException as error:
        server.error = error
        return False


cdef c_bool stdio_working(void *env) noexcept with gil:
    cdef Server server = <Server>env
    return server.working > 0 or bool(server.jobs)


cdef void stdio_at_end(void *env) noexcept with gil:
    cdef Server server = <Server>env
    try:
        if server.at_end is not None:
            server.at_end()
    except BaseException as error:
        server.error = error


cdef void stdio_ended(void *env, const mck_serve_news *news) noexcept with gil:
    cdef Server server = <Server>env
    try:
        task_ended(news)
    except BaseException as error:
        server.error = error


@cython.final
cdef class Task:
    """A call of a WebAssembly tool by `Server.start`."""

    def cancel(self):
        """End it soon; its outcome is delivered as ever. By the thread that serves only."""
        if self.ptr:
            mck_serve_task_cancel(self.ptr)

    def look(self, size_t start=0):
        """What it has used so far (compute units, CU per second) and its diagnostics from byte `start` on; None: it is over.

        By the thread that serves only.
        """
        cdef uint64_t units = 0
        cdef double rate = 0
        cdef mck_buffer noise
        if not self.ptr:
            return None
        memset(&noise, 0, sizeof(noise))
        mck_serve_task_look(self.ptr, &units, &rate, start, &noise)
        said = span(noise.data, noise.len)
        mck_buffer_free(&noise)
        return units, rate, said


cdef bytes envelope(Exchange x, tuple answer):
    """The JSON-RPC answer of a RESULT or ERROR, or None for what is not one."""
    kind, _, payload, *_ = answer
    if kind == MCK_SERVE_ACCEPTED or x.id is None:
        return None
    return b'{"jsonrpc":"2.0","id":' + x.id + (b',"result":' if kind == MCK_SERVE_RESULT else b',"error":') + payload + b"}"


@cython.final
cdef class Exchange:
    """One question to Python, and the way to answer it: at once by what `ask` returns, or, when that is None, later by this.

    Used by the thread that serves, except over stdio, where any thread may answer.
    """

    def header(self, str name not None):
        """The values of an HTTP header, as bytes, in order."""
        wanted = name.lower().encode()
        return [self.head[c:d] for a, b, c, d in self.spans or () if self.head[a:b].lower() == wanted]

    def headers(self):
        """All HTTP headers as pairs of lower-case name and value."""
        return [(self.head[a:b].lower(), self.head[c:d]) for a, b, c, d in self.spans or ()]

    def send(self, bytes message not None, event_id=None):
        """One JSON-RPC message before the answer: an event of the stream that the answer becomes, or a line. False: gone."""
        if b"\n" in message or b"\r" in message:
            message = message.replace(b"\r", b" ").replace(b"\n", b" ")
        if not self.open:
            return False
        if self.http is not None:
            lead = b"" if event_id is None else b"id: " + event_id.encode() + b"\n"
            return self.raw(lead + b"event: message\ndata: " + message + b"\n\n")
        if self.channel is not None:
            if not self.channel.ptr:
                return False
            mck_serve_channel_write(self.channel.ptr, <const uint8_t *>PyBytes_AS_STRING(message), <size_t>len(message))
            self.channel.flush()
        else:
            self.server.post(message)
        return True

    def raw(self, bytes text not None):
        """Whole server-sent events, or comments, as they are (HTTP only). False: the client is gone.

        A client that leaves more than `max_outgoing` bytes unread is cut off.
        """
        if not self.open or self.http is None:
            return False
        if self.http.held and self.server.max_outgoing and self.http.transport.get_write_buffer_size() > self.server.max_outgoing:
            self.http.transport.abort()
            return False
        self.streaming = True
        mck_serve_conn_stream(self.http.conn, <const uint8_t *>PyBytes_AS_STRING(text), <size_t>PyBytes_GET_SIZE(text))
        self.http.flush()
        return True

    def reply(self, tuple answer not None, event_id=None):
        """The answer, as `ask` would have returned it. False: the client is gone, or it has been answered."""
        cdef mck_serve_reply reply
        cdef HttpProtocol http = self.http
        if not self.open:
            return False
        if http is None or self.streaming:
            message = envelope(self, answer)
            if message is not None:
                self.send(message, event_id)
            self.close()
            return True
        self.close()
        kind, status, payload, _, _, fields = answer
        memset(&reply, 0, sizeof(reply))
        reply.new_session = -1
        reply.kind = <mck_serve_reply_kind><int>kind
        reply.status = <uint16_t>status
        if payload is not None:
            reply.payload = <const uint8_t *>PyBytes_AS_STRING(payload)
            reply.payload_len = <size_t>len(payload)
        if fields is not None:
            reply.fields = PyBytes_AS_STRING(fields)
        http.act(mck_serve_conn_reply(http.conn, &reply))
        return True

    def end(self):
        """End the stream without an answer (a session's stream, or one that is to be resumed)."""
        if self.open:
            self.close()

    def authorized(self, unsigned int principal, double seconds):
        """The credential asked about is this principal's, and good for so long. Goes on with the request."""
        cdef HttpProtocol http = self.http
        cdef uint64_t until = now() + <uint64_t>(seconds * 1e9) if seconds > 0 else 0
        if self.open and http is not None:
            self.open = False
            self.http = None
            http.exchange = None
            http.act(mck_serve_conn_authorized(http.conn, principal, until))

    cdef close(self):
        """Answered: what was a stream ends, and the next request may come."""
        cdef HttpProtocol http = self.http
        self.open = False
        self.http = None
        self.on_gone = None
        if http is not None:
            http.exchange = None
            if self.streaming:
                http.act(mck_serve_conn_stream_end(http.conn))
        elif self.channel is not None:
            self.channel.exchanges.discard(self)
        else:
            self.server.post(self.answered)

    def answered(self):
        self.server.working -= 1

    cdef lose(self):
        """The client went away."""
        self.open = False
        self.http = None
        gone, self.on_gone = self.on_gone, None
        if gone is not None:
            gone()


@cython.final
cdef class Channel:
    """A transport of whole messages: `message` for each that arrives; `write` is called with each that is to be sent.

    Neither may be called from inside `write`, and `principal` is whose every request is (0: nobody in particular).
    """

    def __cinit__(self, Server server not None, write, *, unsigned int principal=0):
        self.server = server
        self.write = write
        self.principal = principal
        self.exchanges = set()
        self.ptr = mck_serve_channel_new(server.ptr, <void *>self)
        if not self.ptr:
            raise MemoryError
        mck_serve_channel_identify(self.ptr, principal)
        server.channels.add(self)

    def __dealloc__(self):
        mck_serve_channel_delete(self.ptr)

    def message(self, bytes text not None):
        cdef mck_serve_reply reply
        cdef Exchange exchange
        if not self.ptr:
            return
        if mck_serve_channel_message(self.ptr, <const uint8_t *>PyBytes_AS_STRING(text), <size_t>PyBytes_GET_SIZE(text)):
            exchange = self.server.exchange(mck_serve_channel_question(self.ptr), "websocket")
            exchange.channel = exchange.peer = self
            exchange.principal = self.principal
            self.server.answer(exchange, &reply)
            if exchange.open:
                self.exchanges.add(exchange)
            if self.ptr:
                mck_serve_channel_reply(self.ptr, &reply)
        self.flush()

    def send(self, bytes text not None):
        """A message of the owner's; dropped when the peer is gone."""
        if self.ptr:
            mck_serve_channel_write(self.ptr, <const uint8_t *>PyBytes_AS_STRING(text), <size_t>PyBytes_GET_SIZE(text))
            self.flush()

    cdef flush(self):
        cdef size_t size
        if not self.ptr:
            return
        cdef const uint8_t *out = mck_serve_channel_out(self.ptr, &size)
        if size:
            lines = span(out, size)
            mck_serve_channel_taken(self.ptr)
            for line in lines.splitlines():
                self.write(line)

    def close(self):
        """The peer is gone: its calls are cancelled, and what was its session ends (a question of kind "end")."""
        cdef Exchange exchange
        if not self.ptr:
            return
        mck_serve_channel_delete(self.ptr)
        self.ptr = NULL
        self.server.channels.discard(self)
        exchanges, self.exchanges = self.exchanges, set()
        for exchange in exchanges:
            exchange.lose()
        exchange = Exchange.__new__(Exchange)
        exchange.server = self.server
        exchange.kind, exchange.era, exchange.revision, exchange.transport = "end", "legacy", NAMES[0], "websocket"
        exchange.channel = exchange.peer = self
        exchange.principal = self.principal
        self.server.ask(exchange)


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
        if self.server.identify is not None and self.conn:
            mck_serve_conn_identify(self.conn, self.server.identify(transport))

    def connection_lost(self, exc):
        cdef Exchange exchange = self.exchange
        mck_serve_conn_delete(self.conn)
        self.conn = NULL
        self.transport = self.write = self.exchange = None
        self.server.connections.discard(self)
        if exchange is not None:
            exchange.lose()

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
        cdef Exchange exchange
        while event == MCK_SERVE_ASK:
            exchange = self.server.exchange(mck_serve_conn_question(self.conn), "http")
            exchange.http = self
            self.exchange = exchange
            self.server.answer(exchange, &reply)
            if reply.kind == MCK_SERVE_LATER and not exchange.open:
                return  # answered meanwhile, from inside `ask`
            if reply.kind != MCK_SERVE_LATER:
                self.exchange = exchange.http = None
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
                if self.transport.can_write_eof():
                    self.transport.write_eof()
                else:  # TLS
                    self.transport.close()
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
