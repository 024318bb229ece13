"""SHA-256 with the machine's own instructions (FIPS 180-4)."""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from mcpkit.core.cpu cimport mck_cpu_features

cdef Py_ssize_t NOGIL_FROM = 4096  # bytes; below, giving the GIL away costs more than the digest
cdef uint32_t FEATURES = mck_cpu_features()  # asked once: a virtual machine may take microseconds to answer
cdef const mck_sha256_kernel *BEST = mck_sha256_pick(FEATURES)


cdef const mck_sha256_kernel *kernel_named(str name) except NULL:
    masks = usable()
    if name not in masks:
        raise ValueError(f"no SHA-256 kernel {name!r} on this machine: choose from {', '.join(masks)}")
    return mck_sha256_pick(masks[name])


cdef dict usable():
    """Name of every kernel that this machine can run, the best first, with a mask that picks it."""
    found = {}
    for candidate in (FEATURES, *(FEATURES & 1 << bit for bit in range(32)), 0):
        found.setdefault(mck_sha256_pick(candidate).name.decode(), candidate)
    return found


cdef inline void hash_once(const mck_sha256_kernel *kernel, const void *data, Py_ssize_t size, uint8_t *out) noexcept:
    if size < NOGIL_FROM:
        mck_sha256_once(kernel, data, <size_t>size, out)
    else:
        with nogil:
            mck_sha256_once(kernel, data, <size_t>size, out)


def sha256(data, kernel=None):
    """The 32 bytes of the digest of ``data`` (any buffer of bytes). ``kernel`` forces one of `kernels()`."""
    cdef Py_buffer view
    cdef const mck_sha256_kernel *chosen = BEST if kernel is None else kernel_named(kernel)
    cdef bytes digest = PyBytes_FromStringAndSize(NULL, MCK_SHA256_SIZE)
    cdef uint8_t *out = <uint8_t *>PyBytes_AS_STRING(digest)

    if PyBytes_CheckExact(data):
        hash_once(chosen, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), out)
        return digest
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    hash_once(chosen, view.buf, view.len, out)
    PyBuffer_Release(&view)
    return digest


def kernels():
    """Names of the kernels that this machine can run, the best (which is the default) first."""
    return list(usable())


@cython.final
cdef class Sha256:
    """A digest of data that arrives in pieces. Threads may share one: an update is whole or not yet begun."""

    cdef mck_sha256 state
    cdef cython.pymutex lock

    def __cinit__(self, data=b"", *, kernel=None):
        mck_sha256_init(&self.state, BEST if kernel is None else kernel_named(kernel))
        self.update(data)

    def update(self, data):
        """Go on with ``data``, any buffer of bytes."""
        cdef Py_buffer view
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        with self.lock:
            if view.len < NOGIL_FROM:
                mck_sha256_update(&self.state, view.buf, <size_t>view.len)
            else:
                with nogil:
                    mck_sha256_update(&self.state, view.buf, <size_t>view.len)
        PyBuffer_Release(&view)

    def digest(self):
        """The 32 bytes of the digest so far; more may follow."""
        cdef bytes digest = PyBytes_FromStringAndSize(NULL, MCK_SHA256_SIZE)
        with self.lock:
            mck_sha256_final(&self.state, <uint8_t *>PyBytes_AS_STRING(digest))
        return digest

    def hexdigest(self):
        """The digest so far as 64 hexadecimal digits."""
        return self.digest().hex()

    def copy(self):
        """A second digest that goes on from here."""
        cdef Sha256 other = Sha256.__new__(Sha256)
        with self.lock:
            other.state = self.state
        return other

    @property
    def size(self):
        """Bytes hashed so far."""
        return self.state.total
