/*
 * The only room that knows wasmtime: engine, programs, tools, calls cut into slices, JSON ↔ component values.
 *
 * Life of a call:   mck_wasm_call_new ─▶ mck_wasm_call_start ─▶ DONE (finished inside its first slice, on this thread)
 *                                                          └▶ PENDING: native threads run it slice by slice; when it has
 *                                                             ended it stands in the engine's done queue and the engine's
 *                                                             notify descriptor becomes readable
 *                   ─▶ results read ─▶ mck_wasm_call_delete
 *
 * Threads: everything on one engine except mck_wasm_call_cancel is called by one thread at a time (the owner: the event loop's
 * or the stdio loop's thread); the native threads are the engine's own. Python's lock is never taken here.
 *
 * Ownership: *_new gives, *_delete takes. A program outlives its tools, a tool its calls: both are counted, so deleting a tool
 * with calls in flight only drops the owner's reference (a reload does that).
 */
#ifndef MCPKIT_WASM_H
#define MCPKIT_WASM_H

#include "mcpkit/account.h"
#include "mcpkit/buffer.h"
#include "mcpkit/meter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MCK_WASM_MAJOR 50 /* the wasmtime major version whose structures api.h declares */

typedef struct mck_wasm_engine mck_wasm_engine;
typedef struct mck_wasm_program mck_wasm_program; /* a compiled module or component and its linker */
typedef struct mck_wasm_tool mck_wasm_tool;       /* one callable thing of a program, with its limits */
typedef struct mck_wasm_call mck_wasm_call;

typedef enum {
    MCK_WASM_OK = 0,
    MCK_WASM_E_LIBRARY, /* wasmtime's shared library is missing, or not the tested major version */
    MCK_WASM_E_CONFIG,  /* the engine refuses this configuration */
    MCK_WASM_E_COMPILE, /* not WebAssembly, invalid, or a feature that is switched off */
    MCK_WASM_E_LOAD,    /* compiled code that this engine does not take */
    MCK_WASM_E_LINK,    /* an import nobody provides */
    MCK_WASM_E_EXPORT,  /* no such export, or one that cannot be a tool */
    MCK_WASM_E_MEMORY,  /* the host is out of memory */
    MCK_WASM_E_LIMIT,   /* the program needs more at its start than its limits allow */
} mck_wasm_status;

/* A message for people, in English, owned by the struct (truncated at its size, always terminated). */
typedef struct {
    char message[1024];
} mck_wasm_error;

typedef struct {
    const char *library_path; /* of the wasmtime package's shared library */
    uint32_t max_instances;   /* instances alive at once; 0 = 256. More calls wait in a queue, in order */
    uint32_t max_queued;      /* calls waiting for an instance; 0 = 4096. Beyond: MCK_WASM_CALL_BUSY */
    uint64_t max_memory;      /* bytes one linear memory may ever have; 0 = 512 MiB. Tools may ask for less */
    uint32_t threads;         /* native threads for calls beyond their first slice; 0 = max(2, processors) */
    uint64_t slice_units;     /* fuel per slice; 0 = 100 000 */
    uint32_t slice_ticks;     /* epoch ticks (1 ms) per slice; 0 = 1 */
    bool parallel_compilation;
    bool pulley; /* bytecode for wasmtime's Pulley interpreter instead of machine code: slower, the same units */
} mck_wasm_engine_config;

mck_wasm_status mck_wasm_engine_new(const mck_wasm_engine_config *config, mck_wasm_engine **out, mck_wasm_error *error);
/* Cancels what runs, waits a bounded time for the threads, frees. Threads stuck in a host call are abandoned with what they hold. */
void mck_wasm_engine_delete(mck_wasm_engine *engine);
/* Readable while the done queue is not empty (an eventfd or the read end of a pipe). */
int mck_wasm_engine_notify_fd(const mck_wasm_engine *engine);
/* Next ended call, or NULL (the descriptor is then drained). */
mck_wasm_call *mck_wasm_engine_next_done(mck_wasm_engine *engine);
/* What compiled code depends on besides the module itself: a text of library version, engine flags and processor features. */
void mck_wasm_engine_fingerprint(const mck_wasm_engine *engine, mck_buffer *out);

typedef struct {
    uint32_t live, queued, stuck_threads, threads;
    uint64_t started, inlined, slices, done;
} mck_wasm_engine_stats;
void mck_wasm_engine_read_stats(const mck_wasm_engine *engine, mck_wasm_engine_stats *out);

/* The calls beyond their first slice: how many, their units so far, and the sum of their rates (CU per second). Any thread. */
void mck_wasm_engine_running(mck_wasm_engine *engine, uint32_t *count, uint64_t *units, double *rate);

/* Text format to binary (wasmtime's own converter; both modules and components). */
mck_wasm_status mck_wasm_from_text(mck_wasm_engine *engine, const char *text, size_t len, mck_buffer *out,
                                   mck_wasm_error *error);

/* Compile (any thread may do this while the owner works; it takes seconds for large components), serialise, load. */
mck_wasm_status mck_wasm_program_compile(mck_wasm_engine *engine, const uint8_t *bytes, size_t len,
                                         mck_wasm_program **out, mck_wasm_error *error);
mck_wasm_status mck_wasm_program_serialize(const mck_wasm_program *program, mck_buffer *out, mck_wasm_error *error);
/* From a file written by serialize, mapped into memory. The caller has proven that it is ours and undamaged. */
mck_wasm_status mck_wasm_program_load(mck_wasm_engine *engine, const char *path, bool component, mck_wasm_program **out,
                                      mck_wasm_error *error);
void mck_wasm_program_delete(mck_wasm_program *program);
bool mck_wasm_program_is_component(const mck_wasm_program *program);
/* Bytes of the largest memory at the start, as the binary of a component says: its compiled code does not tell. */
void mck_wasm_program_note_memory(mck_wasm_program *program, uint64_t bytes);

/*
 * What the program imports and exports, as one JSON object:
 *   {"kind":"module","imports":[{"module":"wasi_snapshot_preview1","name":"fd_write","type":"func"}],
 *    "exports":[{"name":"_start","type":"func"},{"name":"memory","type":"memory","minimum":2}],"memory_minimum":131072}
 *   {"kind":"component","imports":["wasi:cli/stdout@0.2.3"],
 *    "exports":[{"interface":"example:math/calculator@1.0.0","name":"add-one","params":[{"name":"x","type":T}],"result":T|null},
 *               {"interface":null,"name":"greet",…}]}
 *   T: "bool" "s8" "u8" "s16" "u16" "s32" "u32" "s64" "u64" "f32" "f64" "char" "string"
 *      {"list":T} {"record":[{"name":…,"type":T}]} {"tuple":[T]} {"variant":[{"name":…,"type":T|null}]} {"enum":["a","b"]}
 *      {"option":T} {"result":{"ok":T|null,"err":T|null}} {"flags":["a","b"]} {"map":[K,V]}
 *      {"unsupported":"resource"|"stream"|"future"|…}
 */
mck_wasm_status mck_wasm_program_describe(const mck_wasm_program *program, mck_buffer *out, mck_wasm_error *error);

typedef enum {
    MCK_WASM_COMMAND, /* `_start` of a preview 1 module, or wasi:cli/run of a component: arguments on stdin, JSON on stdout */
    MCK_WASM_FUNCTION, /* one exported function of a component: arguments by parameter name, the result as JSON */
} mck_wasm_style;

typedef enum {
    MCK_WASM_INLINE_AUTO = 0, /* first slice on the caller's thread while the tool behaves (design choice 2) */
    MCK_WASM_INLINE_NEVER,
} mck_wasm_inline;

/* Whose account a claim is on. */
typedef enum { MCK_WASM_OF_SERVER = 0, MCK_WASM_OF_TOOL, MCK_WASM_OF_CALLER } mck_wasm_scope;

/*
 * A folder of the host that a WASI guest sees. What a core module may do with what is in it, rules say; without any it may read
 * everything, or change it as well. A component always gets it whole: that is all that wasmtime's own WASI can do.
 */
typedef struct {
    const char *host, *guest;
    bool writable;
} mck_wasm_folder;

/*
 * Allows or denies absolute paths of the host: `*` and `?` stand for characters of one name, `**` for any number of whole names.
 * Of the rules that mean a path, in this order: one that allows and has no wildcard, any that denies the path or a folder that
 * it is in, any that allows; else it is denied.
 */
typedef struct {
    const char *pattern;
    uint32_t access; /* MCK_WASM_READ … */
    bool allow;
} mck_wasm_rule;

enum { MCK_WASM_READ = 1, MCK_WASM_WRITE = 2, MCK_WASM_CREATE = 4, MCK_WASM_DELETE = 8 };
bool mck_wasm_rules_allow(const mck_wasm_rule *rules, size_t count, const char *path, uint32_t access);
/* Whether core modules are held to rules on this system; elsewhere a tool with rules is refused. */
bool mck_wasm_keeps_rules(void);

typedef struct {
    mck_wasm_style style;
    const char *interface_name; /* FUNCTION: exported interface with version, or NULL for a function at the root */
    const char *function_name;
    /* COMMAND only. argv[0] is the program's name. Environment as NAME, VALUE pairs; nothing is inherited. */
    const char *const *argv;
    size_t argc;
    const char *const *env_names, *const *env_values;
    size_t env_count;
    const mck_wasm_folder *folders;
    size_t folder_count;
    const mck_wasm_rule *rules; /* about paths in `folders`; for core modules */
    size_t rule_count;
    size_t secret_count; /* of env_values, the last: masked where they appear in what the guest writes to stderr */
    mck_wasm_inline inline_mode;
    mck_meter_limits meter; /* max_units 0 = 10⁹ unless enforcement is TRACKING */
    uint64_t max_memory;    /* bytes per linear memory; 0 = the engine's */
    uint32_t max_tables, max_table_elements, max_instances_per_call; /* 0 = 16, 100 000, 64 */
    uint64_t timeout_ns;         /* wall clock of one call, waiting for an instance included; 0 = 60 s */
    uint64_t max_argument_bytes; /* of one argument, before conversion, by type: see values.h; 0 = 4 MiB */
    uint64_t max_result_bytes;   /* JSON of the result, or stdout; 0 = 4 MiB */
    uint32_t max_stderr_bytes;   /* kept; 0 = 64 KiB */
    uint32_t max_concurrent;     /* calls of this tool alive at once, others are refused; 0 = no own limit */
    uint32_t max_live;           /* instances of this tool alive at once, other calls wait; 0 = no own limit */
    uint32_t cpu_millis;         /* thousandths of one processor, averaged over a second; 0 = no limit */
    uint64_t warn_memory;        /* bytes at which a call is warned about; 0 = none */
    const char *
        units_from; /* what made max_units what it is, for the message at it ("runtime.wasm.fuel"); NULL: nothing to say */
    const mck_claim *server_claim, *tool_claim; /* copied; their accounts must outlive the calls. NULL: none */
    uint32_t max_stuck;                         /* abandoned threads before the tool is refused; 0 = 4 */
} mck_wasm_tool_config;

/* Links the program on first use (WASI: wasmtime's own, nothing preopened but `folders`, no network). Copies everything in `config`. */
mck_wasm_status mck_wasm_tool_new(mck_wasm_program *program, const mck_wasm_tool_config *config, mck_wasm_tool **out,
                                  mck_wasm_error *error);
void mck_wasm_tool_delete(mck_wasm_tool *tool);
/* Runs (or would still run) its first slice on the caller's thread. */
bool mck_wasm_tool_is_inline(const mck_wasm_tool *tool);
mck_wasm_style mck_wasm_tool_style(const mck_wasm_tool *tool);

typedef enum {
    MCK_WASM_CALL_OK = 0,
    MCK_WASM_CALL_GUEST_ERROR, /* the tool itself said no: err of a result type; a command's exit status other than 0 */
    MCK_WASM_CALL_BAD_ARGUMENTS, /* the arguments do not fit the types; detail names the path: "items[2].count: …" */
    MCK_WASM_CALL_ARGUMENT_TOO_LARGE,
    MCK_WASM_CALL_RESULT_TOO_LARGE,
    MCK_WASM_CALL_OUT_OF_UNITS, /* compute limit */
    MCK_WASM_CALL_QUOTA,        /* the compute units of a minute, an hour or a day; see mck_wasm_call_refusal */
    MCK_WASM_CALL_RATE,         /* the calls of one */
    MCK_WASM_CALL_OUT_OF_MEMORY, /* the program's own minimum exceeds the limit, or a growth is known to have been refused */
    MCK_WASM_CALL_TIMEOUT,       /* wall clock */
    MCK_WASM_CALL_TRAP,          /* unreachable, out of bounds, stack overflow, …; detail holds the trap's text */
    MCK_WASM_CALL_CANCELLED,
    MCK_WASM_CALL_BUSY,     /* queue full, tool's own concurrency limit, or too many of its threads are stuck */
    MCK_WASM_CALL_INTERNAL, /* a host failure that is no fault of guest or caller */
} mck_wasm_call_status;

#define MCK_WASM_STATUSES ((size_t)MCK_WASM_CALL_INTERNAL + 1)
#define MCK_WASM_BUCKETS 8u /* of durations: up to 0.1, 1, 10, 100 ms, 1, 10, 100 s, and longer */

/* What the ended calls of a tool amount to. */
typedef struct {
    uint64_t calls[MCK_WASM_STATUSES], buckets[MCK_WASM_BUCKETS];
    uint64_t units, wall_ns;
    uint64_t most_memory; /* bytes of the largest memory of any call */
    uint64_t peak_rate;   /* CU per second, the highest sample of any call */
    uint64_t warned;      /* calls that crossed a soft limit */
} mck_wasm_totals;
/* Any thread; the numbers may be of slightly different moments. */
void mck_wasm_tool_totals(const mck_wasm_tool *tool, mck_wasm_totals *out);

/* `arguments`: JSON text of an object, already validated by the json room (copied). `user` is the owner's. NULL: out of memory. */
mck_wasm_call *mck_wasm_call_new(mck_wasm_tool *tool, const uint8_t *arguments, size_t len, void *user);
/* Tighter limits for this call only; 0 leaves the tool's. Before start. */
void mck_wasm_call_limit(mck_wasm_call *call, uint64_t max_units, uint64_t max_memory, uint64_t timeout_ns);
/* It counts in this account as well. Before start. */
void mck_wasm_call_claim(mck_wasm_call *call, const mck_claim *claim, mck_wasm_scope scope);
/*
 * Replay: what a core module's guest is told of clocks and chance is kept in a log (1 MiB at most), or told again from one. A
 * guest that asks for something else than the log has next is stopped. NULL log: keep one. Before start; false: no memory.
 */
bool mck_wasm_call_recall(mck_wasm_call *call, const uint8_t *log, size_t len);
/* After it has ended: what was kept, and whether that is all that it was told from outside (it looked at no files); of a replay,
 * whether it asked for everything that was kept. */
const uint8_t *mck_wasm_call_recalled(const mck_wasm_call *call, size_t *len, bool *whole);
/* True when the call has ended already (then it is not in the done queue). */
bool mck_wasm_call_start(mck_wasm_call *call);
/* Any thread, any time before delete: the call ends soon with CANCELLED (unless it ended otherwise first). */
void mck_wasm_call_cancel(mck_wasm_call *call);
/* For callers without an event loop: wait until a started call has ended, `timeout_ns` at most (other calls are left alone; any
 * number of threads may wait, each for its own call). True: it has ended, and is no longer in the done queue. */
bool mck_wasm_call_wait(mck_wasm_call *call, uint64_t timeout_ns);
/* After it has ended. A call that has not ended is cancelled and freed by the engine later. */
void mck_wasm_call_delete(mck_wasm_call *call);

void *mck_wasm_call_user(const mck_wasm_call *call);
void mck_wasm_call_set_user(mck_wasm_call *call, void *user);
mck_wasm_tool *mck_wasm_call_tool(const mck_wasm_call *call);

/*
 * A look at a call that may still be running: compute units and rate as of the end of its last slice, and what it has written
 * to stderr from byte `from` on (appended to *noise when that is not NULL). Owner's thread.
 */
void mck_wasm_call_look(mck_wasm_call *call, uint64_t *units, double *rate, size_t from, mck_buffer *noise);

/* Results, valid until delete. */
mck_wasm_call_status mck_wasm_call_result(const mck_wasm_call *call);
/* FUNCTION: the JSON text of the returned value ("null" for none; the payload of ok or err for a top-level result type, with
 * the status telling which). COMMAND: stdout's bytes. */
const uint8_t *mck_wasm_call_output(const mck_wasm_call *call, size_t *len);
const uint8_t *mck_wasm_call_stderr(const mck_wasm_call *call, size_t *len);
/* COMMAND: exit status (0 when _start returned). */
int mck_wasm_call_exit_status(const mck_wasm_call *call);
/* A sentence for people about every status but OK; names the limit and its value. Valid UTF-8. */
const char *mck_wasm_call_detail(const mck_wasm_call *call);
/* Of a call that ended with QUOTA or RATE: what is used up, whose it is, and the clock (UTC seconds) when that was found. */
const mck_refusal *mck_wasm_call_refusal(const mck_wasm_call *call, mck_wasm_scope *scope, uint64_t *now_s);
const mck_meter *mck_wasm_call_meter(const mck_wasm_call *call);

typedef struct {
    uint64_t units;
    uint64_t wall_ns;      /* start to end, waiting included */
    uint64_t memory_bytes; /* size of the exported memory (core) at the end; 0 where it cannot be read */
    uint32_t slices;
    bool inlined;       /* ended on the caller's thread */
    bool warned_units;  /* the limits' warn_units were crossed */
    bool warned_memory; /* warn_memory was */
} mck_wasm_usage;
void mck_wasm_call_usage(const mck_wasm_call *call, mck_wasm_usage *out);
/* What the tool is held to, every 0 replaced by its default (no strings in it). */
const mck_wasm_tool_config *mck_wasm_tool_limits(const mck_wasm_tool *tool);

const char *mck_wasm_call_status_name(mck_wasm_call_status status); /* "out_of_units" */

#endif
