"""JSON-RPC envelopes, line framing and HTTP/1.1 heads, as the C core sees them, for callers that hold bytes."""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from mcpkit.core.cpu cimport mck_cpu_features
from mcpkit.core.json cimport (
    MCK_JSON_DEFAULT_DEPTH, MCK_JSON_STRING, mck_json_decode_string, mck_json_explain, mck_json_pick,
)

cdef Py_ssize_t NOGIL_FROM = 4096  # bytes; below, giving the GIL away costs more than the scan
cdef uint32_t FEATURES = mck_cpu_features()  # asked once: a virtual machine may take microseconds to answer
cdef const mck_json_kernels *BEST = mck_json_pick(FEATURES)

cdef tuple KINDS = ("invalid", "request", "notification", "response", "batch")
cdef tuple STATUSES = (
    "ok", "json", "not-object", "empty-batch", "version", "duplicate", "id", "method", "params", "both",
)
cdef tuple KNOWN = (
    "host", "origin", "accept", "content-type", "content-encoding", "authorization", "expect", "connection", "upgrade",
    "mcp-protocol-version", "mcp-session-id", "mcp-method", "mcp-name", "last-event-id",
)

METHODS = tuple(mck_rpc_method_name(<mck_rpc_method>m).decode() for m in range(1, MCK_RPC_M_COUNT))


cdef const mck_json_kernels *kernels_named(kernel) except NULL:
    if kernel is None:
        return BEST
    for candidate in (FEATURES, *(FEATURES & 1 << bit for bit in range(32)), 0):
        if mck_json_pick(candidate).name.decode() == kernel:
            return mck_json_pick(candidate)
    raise ValueError(f"no JSON kernel {kernel!r} on this machine: mcpkit.core.json.kernels() lists them")


@cython.final
cdef class Envelope:
    """One JSON-RPC message as the core sees it. Members are the message's own bytes (raw JSON text, strings with their
    quotes), None where the key is absent."""

    cdef bytes data
    cdef mck_rpc_envelope e

    cdef raw(self, mck_span span):
        return None if span.end == 0 else self.data[span.start : span.end]

    cdef value(self, const mck_json_value *value, uint32_t flag):
        if not self.e.flags & flag:
            return None
        if value.kind == MCK_JSON_STRING:
            return self.data[value.span.start - 1 : value.span.end + 1]
        return self.data[value.span.start : value.span.end]

    @property
    def status(self):
        """"ok", or why it was refused: "json", "not-object", "empty-batch", "version", "duplicate", "id", "method",
        "params", "both"."""
        return STATUSES[self.e.status]

    @property
    def kind(self):
        """"request", "notification", "response", "batch"; "invalid" when it was refused."""
        return KINDS[self.e.kind]

    @property
    def code(self):
        """The JSON-RPC code to answer a refused message with (-32700 or -32600), 0 for one that is well-formed."""
        return mck_rpc_code(self.e.status)

    @property
    def position(self):
        """Byte offset of the fault."""
        return self.e.position

    @property
    def reason(self):
        """A sentence fragment that says what is wrong."""
        if self.e.status == MCK_RPC_E_JSON:
            return mck_json_explain(self.e.json_status).decode()
        return mck_rpc_explain(self.e.status).decode()

    @property
    def id(self):
        return self.raw(self.e.id)

    @property
    def method(self):
        """The method's name, decoded, known or not."""
        cdef mck_span span = self.e.method_name.span
        cdef bytes out
        cdef size_t length = span.end - span.start
        if span.end == 0:
            return None
        if not self.e.method_name.escaped:
            return self.data[span.start : span.end].decode()
        out = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>length)
        length = mck_json_decode_string(<const uint8_t *>PyBytes_AS_STRING(self.data) + span.start, length,
                                        <uint8_t *>PyBytes_AS_STRING(out))
        return out[:length].decode()

    @property
    def known_method(self):
        """Is the method one of `METHODS`?"""
        return self.e.method != MCK_RPC_M_UNKNOWN

    @property
    def params(self):
        return self.raw(self.e.params)

    @property
    def result(self):
        return self.raw(self.e.result)

    @property
    def error(self):
        return self.raw(self.e.error)

    @property
    def name(self):
        return self.value(&self.e.name, MCK_RPC_HAS_NAME)

    @property
    def uri(self):
        return self.value(&self.e.uri, MCK_RPC_HAS_URI)

    @property
    def arguments(self):
        return self.value(&self.e.arguments, MCK_RPC_HAS_ARGUMENTS)

    @property
    def cursor(self):
        return self.value(&self.e.cursor, MCK_RPC_HAS_CURSOR)

    @property
    def meta(self):
        return self.value(&self.e.meta, MCK_RPC_HAS_META)

    @property
    def request_id(self):
        return self.value(&self.e.request_id, MCK_RPC_HAS_REQUEST_ID)

    @property
    def task_id(self):
        return self.value(&self.e.task_id, MCK_RPC_HAS_TASK_ID)

    @property
    def task(self):
        return self.value(&self.e.task, MCK_RPC_HAS_TASK)

    @property
    def input_responses(self):
        return self.value(&self.e.input_responses, MCK_RPC_HAS_INPUT_RESPONSES)

    @property
    def request_state(self):
        return self.value(&self.e.request_state, MCK_RPC_HAS_REQUEST_STATE)

    @property
    def protocol_version(self):
        return self.value(&self.e.protocol_version, MCK_RPC_HAS_PROTOCOL_VERSION)

    @property
    def client_capabilities(self):
        return self.value(&self.e.client_capabilities, MCK_RPC_HAS_CLIENT_CAPABILITIES)

    @property
    def client_info(self):
        return self.value(&self.e.client_info, MCK_RPC_HAS_CLIENT_INFO)

    @property
    def log_level(self):
        return self.value(&self.e.log_level, MCK_RPC_HAS_LOG_LEVEL)

    @property
    def progress_token(self):
        return self.value(&self.e.progress_token, MCK_RPC_HAS_PROGRESS_TOKEN)

    def __repr__(self):
        what = self.kind if self.e.status == MCK_RPC_OK else f"refused at byte {self.e.position}: {self.reason}"
        return f"<Envelope {what} method={self.method!r} id={self.id!r}>"


def scan(data, *, uint32_t max_depth=MCK_JSON_DEFAULT_DEPTH, kernel=None):
    """Scan one whole message (any buffer of bytes); never raises for what is in it: see `Envelope.status`."""
    cdef Envelope envelope = Envelope.__new__(Envelope)
    cdef mck_rpc_options options
    cdef const uint8_t *start
    cdef Py_ssize_t length
    options.max_depth = max_depth
    options.kernels = kernels_named(kernel)
    envelope.data = data if PyBytes_CheckExact(data) else bytes(memoryview(data))
    start = <const uint8_t *>PyBytes_AS_STRING(envelope.data)
    length = PyBytes_GET_SIZE(envelope.data)
    if length < NOGIL_FROM:
        mck_rpc_scan(start, <size_t>length, &options, &envelope.e)
    else:
        with nogil:
            mck_rpc_scan(start, <size_t>length, &options, &envelope.e)
    return envelope


class LineTooLongError(ValueError):
    """A line longer than the limit was thrown away; the next one can be read."""


@cython.final
cdef class Lines:
    """Cuts a byte stream into lines without copying it twice. One reader at a time."""

    cdef mck_rpc_lines lines

    def __cinit__(self, size_t max_line):
        if max_line < 1 or max_line > <size_t>1 << 40:
            raise ValueError("max_line must be at least 1 byte and at most 1 TiB")
        mck_rpc_lines_init(&self.lines, max_line)

    def __dealloc__(self):
        mck_rpc_lines_free(&self.lines)

    def feed(self, data):
        """Append what was read."""
        cdef Py_buffer view
        cdef uint8_t *room
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            room = mck_rpc_lines_reserve(&self.lines, <size_t>view.len)
            if room == NULL:
                raise MemoryError(f"no memory for {view.len} more bytes of a line")
            memcpy(room, view.buf, <size_t>view.len)
            mck_rpc_lines_wrote(&self.lines, <size_t>view.len)
        finally:
            PyBuffer_Release(&view)

    def next(self, *, bint eof=False):
        """The next line without its end, None when more must be read; `LineTooLongError` once for each too long.

        ``eof`` says that nothing more will come: what is left is then the last line.
        """
        cdef const uint8_t *line = NULL
        cdef size_t length = 0
        cdef mck_rpc_line_status status = mck_rpc_lines_next(&self.lines, eof, &line, &length)
        if status == MCK_RPC_LINE:
            return PyBytes_FromStringAndSize(<const char *>line, <Py_ssize_t>length)
        if status == MCK_RPC_LINE_TOO_LONG:
            raise LineTooLongError(
                f"a line of more than {self.lines.max_line} bytes: send shorter messages or raise the limit")
        return None


@cython.final
cdef class Head:
    """A request head as far as it has been read. `feed` goes on with the same growing bytes."""

    cdef bytes data
    cdef mck_http_head h
    cdef mck_http_limits limits
    cdef mck_http_progress progress

    def __cinit__(self, *, uint32_t max_head=16384, uint32_t max_target=8192, uint64_t max_body=4 << 20):
        memset(&self.h, 0, sizeof(self.h))
        self.limits.max_head = max_head
        self.limits.max_target = max_target
        self.limits.max_body = max_body
        self.progress = MCK_HTTP_MORE
        self.data = b""

    def feed(self, data):
        """Go on with ``data``, all bytes of the connection since the request began. True when the verdict is there."""
        self.data = data if PyBytes_CheckExact(data) else bytes(memoryview(data))
        self.progress = mck_http_parse(<const uint8_t *>PyBytes_AS_STRING(self.data),
                                       <size_t>PyBytes_GET_SIZE(self.data), &self.limits, &self.h)
        return self.progress != MCK_HTTP_MORE

    cdef span(self, mck_span span):
        return self.data[span.start : span.end]

    @property
    def complete(self):
        return self.progress == MCK_HTTP_DONE

    @property
    def refused(self):
        return self.progress == MCK_HTTP_REFUSED

    @property
    def status(self):
        """HTTP status of the refusal, 0 without one."""
        return self.h.status if self.refused else 0

    @property
    def reason(self):
        return self.h.reason.decode() if self.refused else ""

    @property
    def method(self):
        return self.span(self.h.method_name)

    @property
    def target(self):
        return self.span(self.h.target)

    @property
    def path(self):
        return self.span(self.h.path)

    @property
    def minor(self):
        return self.h.minor

    @property
    def keep_alive(self):
        return self.h.keep_alive

    @property
    def chunked(self):
        return self.h.chunked

    @property
    def expect_continue(self):
        return self.h.expect_continue

    @property
    def upgrade(self):
        return self.h.upgrade

    @property
    def content_length(self):
        """Bytes of the body that follow; None when the head says nothing of it."""
        return self.h.content_length if self.h.has_length else None

    @property
    def head_len(self):
        """Bytes up to and including the empty line."""
        return self.h.head_len

    @property
    def fields(self):
        """Every field in order, (name, value), names as they were written."""
        return [(self.span(self.h.fields[i].name), self.span(self.h.fields[i].value))
                for i in range(self.h.field_count)]

    @property
    def known(self):
        """The fields that the server decides on, by lower-case name: first value and number of occurrences."""
        return {name: (self.span(self.h.known[i]), self.h.seen[i]) for i, name in enumerate(KNOWN) if self.h.seen[i]}


def parse_head(data, *, uint32_t max_head=16384, uint32_t max_target=8192, uint64_t max_body=4 << 20):
    """The head at the start of ``data``, complete, refused or neither yet. Limits are in bytes."""
    head = Head(max_head=max_head, max_target=max_target, max_body=max_body)
    head.feed(data)
    return head


class ChunkError(ValueError):
    """A chunked body that was refused: ``status`` is the HTTP status, ``reason`` a sentence fragment."""

    def __init__(self, status, reason):
        super().__init__(f"{status}: {reason}")
        self.status = status
        self.reason = reason

    def __reduce__(self):
        return type(self), (self.status, self.reason)


@cython.final
cdef class Chunks:
    """Decodes a chunked body that arrives in pieces."""

    cdef mck_http_chunks chunks
    cdef mck_http_limits limits
    cdef bytearray raw

    def __cinit__(self, *, uint32_t max_head=16384, uint64_t max_body=4 << 20):
        mck_http_chunks_init(&self.chunks)
        self.limits.max_head = max_head
        self.limits.max_target = 0
        self.limits.max_body = max_body
        self.raw = bytearray()

    def feed(self, data):
        """Append ``data``; True when the body is complete. Raises `ChunkError`."""
        self.raw += data
        cdef mck_http_progress progress = mck_http_chunks_feed(
            &self.chunks, <uint8_t *><char *>self.raw, <size_t>len(self.raw), &self.limits)
        if progress == MCK_HTTP_REFUSED:
            raise ChunkError(self.chunks.status, self.chunks.reason.decode())
        return progress == MCK_HTTP_DONE

    @property
    def body(self):
        """What was decoded so far."""
        return bytes(self.raw[: self.chunks.body_len])

    @property
    def rest(self):
        """What came after the body."""
        return bytes(self.raw[self.chunks.consumed :])


def decode_chunks(data, *, uint32_t max_head=16384, uint64_t max_body=4 << 20):
    """(body, bytes after it) of a whole chunked body; None when it is not complete. Raises `ChunkError`."""
    chunks = Chunks(max_head=max_head, max_body=max_body)
    return (chunks.body, chunks.rest) if chunks.feed(data) else None


def is_media_type(bytes value, str media_type):
    """Is this Content-Type value ``media_type``, whatever its parameters?"""
    cdef bytes wanted = media_type.encode()
    return mck_http_is_media_type(<const uint8_t *>PyBytes_AS_STRING(value), <size_t>PyBytes_GET_SIZE(value),
                                  PyBytes_AS_STRING(wanted))


def accepts(bytes value, str media_type):
    """Does this Accept value admit ``media_type``?"""
    cdef bytes wanted = media_type.encode()
    return mck_http_accepts(<const uint8_t *>PyBytes_AS_STRING(value), <size_t>PyBytes_GET_SIZE(value),
                            PyBytes_AS_STRING(wanted))
