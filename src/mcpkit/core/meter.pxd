from libc.stdint cimport uint32_t, uint64_t

from mcpkit.core.json cimport c_bool

cdef extern from "mcpkit/account.h" nogil:
    const int MCK_WINDOWS
    const unsigned MCK_ACCOUNT_MAX_CLAIMS

    ctypedef enum mck_window:
        MCK_MINUTE
        MCK_HOUR
        MCK_DAY

    ctypedef struct mck_account:
        uint64_t key

    ctypedef struct mck_allowance:
        uint64_t units[3]
        uint64_t calls[3]

    ctypedef struct mck_claim:
        mck_account *account
        mck_allowance allowance

    ctypedef struct mck_refusal:
        size_t claim
        mck_window window
        c_bool calls
        uint64_t limit
        uint64_t used
        uint64_t resets_s

    c_bool mck_account_call(const mck_claim *claims, size_t n, uint64_t now_s, mck_refusal *why)
    uint64_t mck_account_reserve(const mck_claim *claims, size_t n, uint64_t wanted, uint64_t now_s, mck_refusal *why)
    void mck_account_refund(const mck_claim *claims, size_t n, uint64_t units, uint64_t then_s)
    void mck_account_charge(const mck_claim *claims, size_t n, uint64_t units, uint64_t now_s)
    uint64_t mck_account_used(const mck_account *account, mck_window window, c_bool calls, uint64_t now_s)
    void mck_account_restore(mck_account *account, mck_window window, c_bool calls, uint64_t used, uint64_t now_s)
    mck_account *mck_account_find(mck_account *table, size_t count, uint64_t key, uint64_t now_s)
    uint64_t mck_account_key(const char *name, size_t length)


cdef class Accounts:
    cdef Py_buffer view
    cdef mck_account *table
    cdef size_t count

    cdef mck_account *at(self, size_t index) except NULL


cdef class Claim:
    cdef readonly Accounts accounts
    cdef readonly size_t index
    cdef mck_claim claim
