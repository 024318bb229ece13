"""Strict JSON (RFC 8259): what the C core accepts and refuses, for callers that hold bytes."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t

from mcpkit.core.cpu cimport mck_cpu_features

cdef Py_ssize_t NOGIL_FROM = 4096  # bytes; below, giving the GIL away costs more than the scan
cdef uint32_t FEATURES = mck_cpu_features()  # asked once: a virtual machine may take microseconds to answer
cdef const mck_json_kernels *BEST = mck_json_pick(FEATURES)


class JsonError(ValueError):
    """Text that is not strict JSON: ``position`` is the byte offset of the fault, ``reason`` a sentence fragment."""

    def __init__(self, reason, position):
        super().__init__(f"{reason} (byte {position})")
        self.reason = reason
        self.position = position

    def __reduce__(self):
        return type(self), (self.reason, self.position)


cdef dict usable():
    """Name of every kernel that this machine can run, the best first, with a mask that picks it."""
    found = {}
    for candidate in (FEATURES, *(FEATURES & 1 << bit for bit in range(32)), 0):
        found.setdefault(mck_json_pick(candidate).name.decode(), candidate)
    return found


cdef const mck_json_kernels *kernels_named(kernel) except NULL:
    if kernel is None:
        return BEST
    masks = usable()
    if kernel not in masks:
        raise ValueError(f"no JSON kernel {kernel!r} on this machine: choose from {', '.join(masks)}")
    return mck_json_pick(masks[kernel])


def kernels():
    """Names of the kernels that this machine can run, the best (which is the default) first."""
    return list(usable())


def validate(data, *, uint32_t max_depth=MCK_JSON_DEFAULT_DEPTH, kernel=None):
    """Raise `JsonError` unless ``data`` (any buffer of bytes) is one strict JSON document.

    ``max_depth`` bounds the arrays and objects inside one another (at most 1024); ``kernel`` forces one of `kernels()`.
    """
    cdef const mck_json_kernels *chosen = kernels_named(kernel)
    cdef mck_json_status status
    cdef size_t position = 0
    cdef Py_buffer view
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    if view.len < NOGIL_FROM:
        status = mck_json_validate(<const uint8_t *>view.buf, <size_t>view.len, max_depth, chosen, &position)
    else:
        with nogil:
            status = mck_json_validate(<const uint8_t *>view.buf, <size_t>view.len, max_depth, chosen, &position)
    PyBuffer_Release(&view)
    if status != MCK_JSON_OK:
        raise JsonError(mck_json_explain(status).decode(), position)


def escape(text, *, kernel=None):
    """``text`` (str, or a buffer of UTF-8) as the inside of a JSON string, without the quotes."""
    cdef const mck_json_kernels *chosen = kernels_named(kernel)
    cdef Py_buffer view
    cdef bytes out
    cdef size_t needed
    if isinstance(text, str):
        text = text.encode()
    PyObject_GetBuffer(text, &view, PyBUF_SIMPLE)
    try:
        fault = mck_json_utf8_fault(<const uint8_t *>view.buf, <size_t>view.len, chosen)
        if fault < <size_t>view.len:
            raise JsonError(mck_json_explain(MCK_JSON_E_UTF8).decode(), fault)
        needed = mck_json_escape(<const uint8_t *>view.buf, <size_t>view.len, NULL, 0, chosen)
        out = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>needed)
        mck_json_escape(<const uint8_t *>view.buf, <size_t>view.len, <uint8_t *>PyBytes_AS_STRING(out), needed, chosen)
    finally:
        PyBuffer_Release(&view)
    return out


def decode(literal, *, kernel=None):
    """The text of one JSON string, quotes included in ``literal`` (a buffer of bytes); `JsonError` when it is none."""
    cdef mck_json_cursor cursor
    cdef mck_json_value value
    cdef mck_json_status status
    cdef const mck_json_kernels *chosen = kernels_named(kernel)
    cdef Py_buffer view
    cdef bytes out
    cdef size_t length
    PyObject_GetBuffer(literal, &view, PyBUF_SIMPLE)
    try:
        status = mck_json_open(&cursor, <const uint8_t *>view.buf, <size_t>view.len, 1, chosen)
        if status == MCK_JSON_OK:
            status = mck_json_read(&cursor, &value)
        if status == MCK_JSON_OK:
            status = mck_json_finish(&cursor)
        if status != MCK_JSON_OK:
            raise JsonError(mck_json_explain(status).decode(), cursor.pos)
        if value.kind != MCK_JSON_STRING:
            raise JsonError("not a string", 0)
        length = value.span.end - value.span.start
        out = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>length)
        length = mck_json_decode_string(cursor.data + value.span.start, length, <uint8_t *>PyBytes_AS_STRING(out))
    finally:
        PyBuffer_Release(&view)
    return out[:length].decode()


def utf8_fault(data, *, kernel=None):
    """Offset of the first byte of ``data`` (a buffer) that is not valid UTF-8, or its length when all of it is."""
    cdef const mck_json_kernels *chosen = kernels_named(kernel)
    cdef Py_buffer view
    cdef size_t fault
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    if view.len < NOGIL_FROM:
        fault = mck_json_utf8_fault(<const uint8_t *>view.buf, <size_t>view.len, chosen)
    else:
        with nogil:
            fault = mck_json_utf8_fault(<const uint8_t *>view.buf, <size_t>view.len, chosen)
    PyBuffer_Release(&view)
    return fault


def plain_run(data, uint32_t start=0, *, kernel=None):
    """Offset of the first byte at or after ``start`` that a JSON string cannot hold as it is or that is not ASCII."""
    cdef const mck_json_kernels *chosen = kernels_named(kernel)
    cdef Py_buffer view
    cdef uint32_t end
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        if view.len > <Py_ssize_t>MCK_JSON_MAX_LENGTH or start > view.len:
            raise ValueError(f"start {start} lies outside of {view.len} bytes, or there are more than 2 GiB of them")
        end = chosen.string_run(<const uint8_t *>view.buf, start, <uint32_t>view.len)
    finally:
        PyBuffer_Release(&view)
    return end
