from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from mcpkit.core.json cimport c_bool
from mcpkit.core.meter cimport Claim, mck_claim, mck_refusal

cdef extern from "mcpkit/buffer.h" nogil:
    ctypedef struct mck_buffer:
        uint8_t *data
        size_t len
        size_t cap
        c_bool failed

    void mck_buffer_free(mck_buffer *b)

cdef extern from "mcpkit/meter.h" nogil:
    ctypedef enum mck_meter_enforcement:
        MCK_METER_STRICT
        MCK_METER_WARNING
        MCK_METER_TRACKING

    ctypedef struct mck_meter_limits:
        mck_meter_enforcement enforcement
        uint64_t max_units
        uint64_t warn_units
        uint64_t sample_units
        uint64_t sample_ns
        c_bool adaptive

    ctypedef struct mck_meter:
        uint64_t units
        double rate
        double peak
        uint32_t samples
        c_bool warned

    double mck_meter_mean_rate(const mck_meter *m)

cdef extern from "mcpkit/wasm.h" nogil:
    const int MCK_WASM_MAJOR

    ctypedef struct mck_wasm_engine:
        pass
    ctypedef struct mck_wasm_program:
        pass
    ctypedef struct mck_wasm_tool:
        pass
    ctypedef struct mck_wasm_call:
        pass

    ctypedef enum mck_wasm_status:
        MCK_WASM_OK
        MCK_WASM_E_LIBRARY
        MCK_WASM_E_CONFIG
        MCK_WASM_E_COMPILE
        MCK_WASM_E_LOAD
        MCK_WASM_E_LINK
        MCK_WASM_E_EXPORT
        MCK_WASM_E_MEMORY
        MCK_WASM_E_LIMIT

    ctypedef struct mck_wasm_error:
        char message[1024]

    ctypedef struct mck_wasm_engine_config:
        const char *library_path
        uint32_t max_instances
        uint32_t max_queued
        uint64_t max_memory
        uint32_t threads
        uint64_t slice_units
        uint32_t slice_ticks
        c_bool parallel_compilation
        c_bool pulley

    mck_wasm_status mck_wasm_engine_new(const mck_wasm_engine_config *config, mck_wasm_engine **out, mck_wasm_error *error)
    void mck_wasm_engine_delete(mck_wasm_engine *engine)
    int mck_wasm_engine_notify_fd(const mck_wasm_engine *engine)
    mck_wasm_call *mck_wasm_engine_next_done(mck_wasm_engine *engine)
    void mck_wasm_engine_fingerprint(const mck_wasm_engine *engine, mck_buffer *out)

    ctypedef struct mck_wasm_engine_stats:
        uint32_t live
        uint32_t queued
        uint32_t stuck_threads
        uint32_t threads
        uint64_t started
        uint64_t inlined
        uint64_t slices
        uint64_t done

    void mck_wasm_engine_read_stats(const mck_wasm_engine *engine, mck_wasm_engine_stats *out)

    void mck_wasm_engine_running(mck_wasm_engine *engine, uint32_t *count, uint64_t *units, double *rate)
    mck_wasm_status mck_wasm_from_text(mck_wasm_engine *engine, const char *text, size_t len, mck_buffer *out,
                                       mck_wasm_error *error)
    mck_wasm_status mck_wasm_program_compile(mck_wasm_engine *engine, const uint8_t *bytes, size_t len, mck_wasm_program **out,
                                             mck_wasm_error *error)
    mck_wasm_status mck_wasm_program_serialize(const mck_wasm_program *program, mck_buffer *out, mck_wasm_error *error)
    mck_wasm_status mck_wasm_program_load(mck_wasm_engine *engine, const char *path, c_bool component, mck_wasm_program **out,
                                          mck_wasm_error *error)
    void mck_wasm_program_delete(mck_wasm_program *program)
    void mck_wasm_program_note_memory(mck_wasm_program *program, uint64_t bytes)
    c_bool mck_wasm_program_is_component(const mck_wasm_program *program)
    mck_wasm_status mck_wasm_program_describe(const mck_wasm_program *program, mck_buffer *out, mck_wasm_error *error)

    ctypedef enum mck_wasm_style:
        MCK_WASM_COMMAND
        MCK_WASM_FUNCTION

    ctypedef enum mck_wasm_inline:
        MCK_WASM_INLINE_AUTO
        MCK_WASM_INLINE_NEVER

    ctypedef struct mck_wasm_folder:
        const char *host
        const char *guest
        c_bool writable

    ctypedef struct mck_wasm_rule:
        const char *pattern
        uint32_t access
        c_bool allow

    c_bool mck_wasm_rules_allow(const mck_wasm_rule *rules, size_t count, const char *path, uint32_t access)
    c_bool mck_wasm_keeps_rules()

    ctypedef struct mck_wasm_tool_config:
        mck_wasm_style style
        const char *interface_name
        const char *function_name
        const char *const *argv
        size_t argc
        const char *const *env_names
        const char *const *env_values
        size_t env_count
        const mck_wasm_folder *folders
        size_t folder_count
        const mck_wasm_rule *rules
        size_t rule_count
        size_t secret_count
        mck_wasm_inline inline_mode
        mck_meter_limits meter
        uint64_t max_memory
        uint32_t max_tables
        uint32_t max_table_elements
        uint32_t max_instances_per_call
        uint64_t timeout_ns
        uint64_t max_argument_bytes
        uint64_t max_result_bytes
        uint32_t max_stderr_bytes
        uint32_t max_concurrent
        uint32_t max_live
        uint32_t cpu_millis
        uint64_t warn_memory
        const char *units_from
        const mck_claim *server_claim
        const mck_claim *tool_claim
        uint32_t max_stuck

    mck_wasm_status mck_wasm_tool_new(mck_wasm_program *program, const mck_wasm_tool_config *config, mck_wasm_tool **out,
                                      mck_wasm_error *error)
    const size_t MCK_WASM_STATUSES
    const size_t MCK_WASM_BUCKETS

    ctypedef struct mck_wasm_totals:
        uint64_t calls[16]
        uint64_t buckets[8]
        uint64_t units
        uint64_t wall_ns
        uint64_t most_memory
        uint64_t peak_rate
        uint64_t warned

    void mck_wasm_tool_totals(const mck_wasm_tool *tool, mck_wasm_totals *out)
    void mck_wasm_call_look(mck_wasm_call *call, uint64_t *units, double *rate, size_t start, mck_buffer *noise)
    void mck_wasm_tool_delete(mck_wasm_tool *tool)
    mck_wasm_style mck_wasm_tool_style(const mck_wasm_tool *tool)
    const mck_wasm_tool_config *mck_wasm_tool_limits(const mck_wasm_tool *tool)
    c_bool mck_wasm_tool_is_inline(const mck_wasm_tool *tool)

    ctypedef enum mck_wasm_call_status:
        MCK_WASM_CALL_OK
        MCK_WASM_CALL_GUEST_ERROR
        MCK_WASM_CALL_BAD_ARGUMENTS
        MCK_WASM_CALL_ARGUMENT_TOO_LARGE
        MCK_WASM_CALL_RESULT_TOO_LARGE
        MCK_WASM_CALL_OUT_OF_UNITS
        MCK_WASM_CALL_QUOTA
        MCK_WASM_CALL_RATE
        MCK_WASM_CALL_OUT_OF_MEMORY
        MCK_WASM_CALL_TIMEOUT
        MCK_WASM_CALL_TRAP
        MCK_WASM_CALL_CANCELLED
        MCK_WASM_CALL_BUSY
        MCK_WASM_CALL_INTERNAL

    mck_wasm_call *mck_wasm_call_new(mck_wasm_tool *tool, const uint8_t *arguments, size_t len, void *user)
    void mck_wasm_call_limit(mck_wasm_call *call, uint64_t max_units, uint64_t max_memory, uint64_t timeout_ns)
    c_bool mck_wasm_call_start(mck_wasm_call *call)
    void mck_wasm_call_cancel(mck_wasm_call *call)
    c_bool mck_wasm_call_wait(mck_wasm_call *call, uint64_t timeout_ns)
    void mck_wasm_call_delete(mck_wasm_call *call)
    void *mck_wasm_call_user(const mck_wasm_call *call)
    void mck_wasm_call_set_user(mck_wasm_call *call, void *user)
    mck_wasm_tool *mck_wasm_call_tool(const mck_wasm_call *call)
    mck_wasm_call_status mck_wasm_call_result(const mck_wasm_call *call)
    const uint8_t *mck_wasm_call_output(const mck_wasm_call *call, size_t *len)
    const uint8_t *mck_wasm_call_stderr(const mck_wasm_call *call, size_t *len)
    int mck_wasm_call_exit_status(const mck_wasm_call *call)
    const char *mck_wasm_call_detail(const mck_wasm_call *call)
    const mck_meter *mck_wasm_call_meter(const mck_wasm_call *call)

    ctypedef struct mck_wasm_usage:
        uint64_t units
        uint64_t wall_ns
        uint64_t memory_bytes
        uint32_t slices
        c_bool inlined
        c_bool warned_units
        c_bool warned_memory

    void mck_wasm_call_usage(const mck_wasm_call *call, mck_wasm_usage *out)
    c_bool mck_wasm_call_recall(mck_wasm_call *call, const uint8_t *log, size_t length)
    const uint8_t *mck_wasm_call_recalled(const mck_wasm_call *call, size_t *length, c_bool *whole)
    const char *mck_wasm_call_status_name(mck_wasm_call_status status)

cdef class Engine:
    cdef mck_wasm_engine *ptr
    cdef set started
    cdef mck_wasm_engine *open(self) except NULL

cdef class Program:
    cdef mck_wasm_program *ptr
    cdef readonly Engine engine

cdef class Tool:
    cdef mck_wasm_tool *ptr
    cdef readonly Program program
    cdef object claims
    cdef mck_wasm_call *prepare(self, arguments, uint64_t max_units, uint64_t max_memory, uint64_t timeout_ns) except NULL

cdef class Call:
    cdef mck_wasm_call *ptr
    cdef readonly Tool tool
    cdef readonly CallResult result
    cdef c_bool over

cdef class CallResult:
    cdef readonly str status
    cdef readonly bytes output
    cdef readonly bytes stderr
    cdef readonly int exit_status
    cdef readonly str detail
    cdef readonly uint64_t units
    cdef readonly uint64_t wall_ns
    cdef readonly uint64_t memory_bytes
    cdef readonly uint32_t slices
    cdef readonly bint inlined
    cdef readonly double mean_rate
    cdef readonly double peak_rate
    cdef readonly tuple warnings
    cdef readonly bytes recalled
    cdef readonly bint whole

cdef CallResult result_of(const mck_wasm_call *call)
