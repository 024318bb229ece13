from libc.stdint cimport uint8_t, uint32_t

cdef extern from "<stdbool.h>":
    ctypedef bint c_bool "bool"

cdef extern from "mcpkit/json.h" nogil:
    const uint32_t MCK_JSON_MAX_LENGTH
    const uint32_t MCK_JSON_DEFAULT_DEPTH

    ctypedef enum mck_json_status:
        MCK_JSON_OK
        MCK_JSON_E_EOF
        MCK_JSON_E_SYNTAX
        MCK_JSON_E_STRING
        MCK_JSON_E_UTF8
        MCK_JSON_E_NUMBER
        MCK_JSON_E_DEPTH
        MCK_JSON_E_TRAILING
        MCK_JSON_E_LENGTH

    ctypedef enum mck_json_kind:
        MCK_JSON_NULL
        MCK_JSON_FALSE
        MCK_JSON_TRUE
        MCK_JSON_NUMBER
        MCK_JSON_STRING
        MCK_JSON_ARRAY
        MCK_JSON_OBJECT

    ctypedef struct mck_span:
        uint32_t start
        uint32_t end

    ctypedef struct mck_json_value:
        mck_json_kind kind
        mck_span span
        c_bool escaped
        c_bool integral

    ctypedef struct mck_json_kernels:
        const char *name
        uint32_t (*string_run)(const uint8_t *data, uint32_t pos, uint32_t len) noexcept nogil
        uint32_t (*utf8_run)(const uint8_t *data, uint32_t pos, uint32_t len) noexcept nogil

    const mck_json_kernels *mck_json_pick(uint32_t mask)

    ctypedef struct mck_json_cursor:
        const uint8_t *data
        uint32_t len
        uint32_t pos
        uint32_t depth
        uint32_t max_depth
        const mck_json_kernels *kernels

    mck_json_status mck_json_open(mck_json_cursor *c, const uint8_t *data, size_t len, uint32_t max_depth,
                                  const mck_json_kernels *kernels)
    mck_json_status mck_json_read(mck_json_cursor *c, mck_json_value *out)
    mck_json_status mck_json_peek(mck_json_cursor *c, mck_json_kind *out)
    mck_json_status mck_json_enter_object(mck_json_cursor *c)
    mck_json_status mck_json_enter_array(mck_json_cursor *c)
    mck_json_status mck_json_member(mck_json_cursor *c, c_bool first, mck_json_value *key, c_bool *more)
    mck_json_status mck_json_element(mck_json_cursor *c, c_bool first, c_bool *more)
    mck_json_status mck_json_finish(mck_json_cursor *c)
    mck_json_status mck_json_validate(const uint8_t *data, size_t len, uint32_t max_depth,
                                      const mck_json_kernels *kernels, size_t *position)
    size_t mck_json_decode_string(const uint8_t *raw, size_t len, uint8_t *out)
    c_bool mck_json_string_is(const uint8_t *raw, size_t len, c_bool escaped, const char *text, size_t text_len)
    size_t mck_json_escape(const uint8_t *text, size_t len, uint8_t *out, size_t cap, const mck_json_kernels *kernels)
    size_t mck_json_utf8_fault(const uint8_t *text, size_t len, const mck_json_kernels *kernels)
    const char *mck_json_explain(mck_json_status status)
