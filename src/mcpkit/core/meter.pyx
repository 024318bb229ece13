"""Accounts: compute units and calls of the running minute, hour and day, in memory that several processes share."""

cimport cython
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memset

WINDOWS = ("per_minute", "per_hour", "per_day")
ACCOUNT_BYTES = 64


def account_key(str name not None):
    """The number by which an account is found; the same in every process."""
    cdef bytes encoded = name.encode()
    return mck_account_key(PyBytes_AS_STRING(encoded), <size_t>PyBytes_GET_SIZE(encoded))


@cython.final
cdef class Accounts:
    """The accounts in `memory`, a writable buffer whose length is 64 bytes times a power of two. Times are UTC seconds."""

    def __cinit__(self, memory):
        memset(&self.view, 0, sizeof(Py_buffer))
        PyObject_GetBuffer(memory, &self.view, PyBUF_WRITABLE)
        self.count = <size_t>self.view.len // 64
        if self.count == 0 or self.count & (self.count - 1) or <size_t>self.view.buf % 64:
            raise ValueError("the memory of accounts must be 64 bytes times a power of two, aligned to 64")
        self.table = <mck_account *>self.view.buf

    def __dealloc__(self):
        if self.view.buf != NULL:
            PyBuffer_Release(&self.view)

    cdef mck_account *at(self, size_t index) except NULL:
        if index >= self.count:
            raise IndexError(f"there is no account {index}")
        return &self.table[index]

    def __len__(self):
        return self.count

    def find(self, uint64_t key, uint64_t now):
        """The index of an account, made when there is none; None: the table is full."""
        cdef mck_account *found
        if key == 0:
            raise ValueError("0 is nobody's key")
        found = mck_account_find(self.table, self.count, key, now)
        return None if found == NULL else <size_t>(found - self.table)

    def taken(self):
        """(index, key) of every account that is somebody's."""
        return [(i, self.table[i].key) for i in range(self.count) if self.table[i].key]

    def used(self, size_t index, uint64_t now):
        """Compute units per minute, hour and day, then calls."""
        cdef mck_account *account = self.at(index)
        return tuple([mck_account_used(account, <mck_window>w, calls, now) for calls in (False, True) for w in range(3)])

    def restore(self, size_t index, used, uint64_t now):
        """Make the six counts at least those of `used`, in the order of `used()`."""
        cdef mck_account *account = self.at(index)
        cdef int i
        for i in range(6):
            mck_account_restore(account, <mck_window>(i % 3), i >= 3, used[i], now)


@cython.final
cdef class Claim:
    """An account and what may be used of it: compute units and calls per minute, hour and day; 0: no limit."""

    def __cinit__(self, Accounts accounts not None, size_t index, units=(0, 0, 0), calls=(0, 0, 0)):
        self.claim.account = accounts.at(index)
        self.accounts = accounts
        self.index = index
        for w in range(3):
            self.claim.allowance.units[w] = units[w]
            self.claim.allowance.calls[w] = calls[w]

    @property
    def limits(self):
        """Compute units per minute, hour and day; and calls."""
        cdef mck_allowance *a = &self.claim.allowance
        return (a.units[0], a.units[1], a.units[2]), (a.calls[0], a.calls[1], a.calls[2])

    def count_call(self, uint64_t now):
        """Count one call. None, or why it is one too many: (window, limit, used, when the next window begins)."""
        cdef mck_refusal why
        if mck_account_call(&self.claim, 1, now, &why):
            return None
        return WINDOWS[<int>why.window], why.limit, why.used, why.resets_s

    def reserve(self, uint64_t units, uint64_t now):
        """Set aside up to `units`; how many."""
        cdef mck_refusal why
        return mck_account_reserve(&self.claim, 1, units, now, &why)

    def refund(self, uint64_t units, uint64_t then):
        """Give back what was set aside at `then` and not used."""
        mck_account_refund(&self.claim, 1, units, then)

    def charge(self, uint64_t units, uint64_t now):
        """Count what was used without having been set aside."""
        mck_account_charge(&self.claim, 1, units, now)


def count_call(claims, uint64_t now):
    """Count one call in the accounts of all claims, or in none. None, or why it is one too many: (index of the claim,
    window, limit, used, when the next window begins)."""
    cdef mck_claim[4] all_claims
    cdef mck_refusal why
    cdef Claim claim
    cdef size_t n = 0
    for claim in claims:
        if n == min(sizeof(all_claims) // sizeof(mck_claim), <size_t>MCK_ACCOUNT_MAX_CLAIMS):
            raise ValueError(f"a call has at most {n} claims")
        all_claims[n] = claim.claim
        n += 1
    if mck_account_call(all_claims, n, now, &why):
        return None
    return why.claim, WINDOWS[<int>why.window], why.limit, why.used, why.resets_s
