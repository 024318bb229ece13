from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from "mcpkit/digest.h" nogil:
    enum:
        MCK_SHA256_SIZE
        MCK_SHA256_BLOCK

    ctypedef struct mck_sha256_kernel:
        const char *name

    ctypedef struct mck_sha256:
        uint64_t total

    const mck_sha256_kernel *mck_sha256_pick(uint32_t mask)
    void mck_sha256_init(mck_sha256 *h, const mck_sha256_kernel *kernel)
    void mck_sha256_update(mck_sha256 *h, const void *data, size_t len)
    void mck_sha256_final(const mck_sha256 *h, uint8_t *out)
    void mck_sha256_once(const mck_sha256_kernel *kernel, const void *data, size_t len, uint8_t *out)
