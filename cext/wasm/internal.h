/*
 * What the files of the wasm room share. Nobody outside cext/wasm includes this.
 *
 *   engine.c     the wasmtime engine, its pool, the notify descriptor, life and death
 *   version.c    which wasmtime this is and what compiled code depends on
 *   program.c    compile, load, serialise, link; describe.c: imports and exports as JSON
 *   tool.c       one callable thing with its limits
 *   call.c       a call as its owner sees it: new, start, cancel, results, delete
 *   run.c        a call as the guest sees it: store, instance, slices, outcome
 *   recall.c     what a guest is told of clocks and chance, kept and told again
 *   wasi.c       what a WASI guest is given; p1*.c: preview 1 of our own, for core modules
 *   outcome.c    wasmtime's errors turned into a status and a sentence
 *   scheduler.c  queues, instance slots, native threads; ticker.c: epoch, deadlines, stuck threads
 *   totals.c     what the calls of a tool amount to
 *   quota.c      a call's units and itself, counted in accounts
 *   share.c      a tool's share of a processor: calls that have used it up are parked
 *
 * Locking. `engine->lock` guards the queues, the threads and the publication of results. A call belongs to exactly one thread at
 * a time: the owner until it is handed over, then whichever native thread has taken it from the ready queue. The ticker may end
 * a call for its owner while a native thread still runs it (a host call that does not come back): whoever sets `claimed`
 * under the lock is the one who publishes; the loser only frees what the guest used. So results have one writer.
 */
#ifndef MCPKIT_WASM_INTERNAL_H
#define MCPKIT_WASM_INTERNAL_H

#include "api.h"
#include "mcpkit/json.h"
#include "mcpkit/wasm.h"
#include "values.h"

#include <pthread.h>
#include <stdatomic.h>

/* A linked list through `next` or `next_done` of calls. */
typedef struct {
    mck_wasm_call *head, *tail;
} mck_call_queue;

/* A native thread. Lives on its own stack, listed in the engine while it exists. */
typedef struct mck_worker {
    struct mck_worker *previous, *next;
    mck_wasm_engine *engine;
    mck_wasm_call *call; /* being run, NULL between slices */
    uint64_t slice_ns;   /* clock when it took the call */
    bool overdue;        /* its slice takes so long that another thread has taken its place */
} mck_worker;

struct mck_wasm_engine {
    mck_wasmtime_api api;
    const mck_json_kernels *kernels;
    wasm_engine_t *wasm;
    atomic_uint references; /* the owner, programs, threads */

    uint32_t max_instances, max_queued, max_threads, slice_ticks;
    uint64_t slice_units, max_memory;
    char identity[96]; /* size and time of the library's file */

    /* Touched without the lock, by the path of a call that ends inside its first slice. */
    atomic_uint live;              /* instance slots in use */
    atomic_uint waiting;           /* calls in `fifo` */
    atomic_uint_fast64_t activity; /* grows with every call, so that the ticker sees whether it is needed */
    atomic_bool ticker_awake;
    atomic_bool attention; /* somebody was cancelled: look at every call */
    atomic_uint_fast64_t started, inlined, slices, done_count;

    pthread_mutex_t lock;
    pthread_cond_t work, tick, gone, ended;
    unsigned waiters; /* on `ended` */
    bool stopping;
    bool ticker_running;
    mck_call_queue fifo;           /* waiting for an instance slot, in order */
    mck_call_queue ready;          /* hold a slot, waiting for a thread */
    mck_call_queue parked;         /* hold a slot, waiting until their tool may use a processor again */
    struct mck_wasm_tool *crowded; /* tools with calls that wait for an instance of their own */
    mck_call_queue done;           /* ended, waiting for the owner */
    bool notified;                 /* the descriptor is readable */
    int notify_read, notify_write;
    mck_worker *workers;
    uint32_t worker_count;  /* threads that exist */
    uint32_t active;        /* of them, those that are not overdue */
    uint32_t idle;          /* of them, those that wait for work */
    uint32_t stuck;         /* of them, those whose call has been ended without them */
    uint64_t next_deadline; /* no deadline among queued and running calls is before this clock; UINT64_MAX: none */
};

struct mck_wasm_program {
    mck_wasm_engine *engine;
    atomic_uint references;
    bool component;
    wasmtime_module_t *module;
    wasmtime_component_t *wasm_component;
    uint64_t memory_minimum; /* bytes of the largest memory at the start, where it is known */

    /* Filled by mck_program_link. */
    bool linked;
    bool wasi;  /* imports WASI, so it may block the thread that runs it */
    bool small; /* its memories are small at the start */
    bool p1;    /* … through preview 1 of our own */
    struct mck_p1_binding *p1_bindings;
    wasmtime_linker_t *linker;
    wasmtime_instance_pre_t *instance_pre;
    wasmtime_component_linker_t *component_linker;
};

struct mck_wasm_tool {
    mck_wasm_program *program;
    atomic_uint references; /* the owner and the calls */
    atomic_uint alive;      /* calls that have started and not ended; counted only with a max_concurrent */
    atomic_uint stuck;      /* threads abandoned in one of its calls */
    atomic_uint live;       /* its instances; counted only with a max_live */
    atomic_uint waiting;    /* calls in `crowd` */
    char units_from[64];
    struct { /* see mck_wasm_totals */
        atomic_uint_fast64_t calls[MCK_WASM_STATUSES], buckets[MCK_WASM_BUCKETS];
        atomic_uint_fast64_t units, wall_ns, most_memory, peak_rate, warned;
    } totals;
    atomic_uint_fast64_t usual_units; /* that its calls use; only kept with claims */
    mck_claim claims[2];
    mck_wasm_scope scopes[2];
    uint32_t claim_count;
    mck_call_queue crowd; /* with the engine's lock: calls that wait for one of its instances */
    struct mck_wasm_tool *next_crowded;
    int64_t cpu_credit;          /* with the engine's lock: processor time it may use, ns; below 0 it has to wait */
    uint64_t cpu_mark;           /* clock up to which the credit was reckoned */
    mck_wasm_tool_config limits; /* every 0 replaced by its default; no strings in it */
    mck_wasm_style style;
    mck_signature *signature;                     /* FUNCTION */
    wasmtime_component_export_index_t *index;     /* components: what is called */
    const char **argv, **env_names, **env_values; /* COMMAND; one block each, strings in `strings` */
    size_t argc, env_count, secret_count, folder_count;
    size_t rule_count;
    mck_wasm_rule *rules;
    mck_wasm_folder *folders; /* its strings in `strings`, too */
    char *strings;

    /* Inline eligibility (see tool.c); only the owner's thread touches these. */
    bool may_inline;
    bool measured;  /* its inline slices are checked against the thread's own clock */
    bool suspect;   /* … for ever, because one of them was late */
    uint32_t trial; /* inline slices still on trial: the first breach is final */
    uint32_t breaches, clean;
};

typedef enum {
    MCK_RUN_NEW = 0, /* nothing made yet */
    MCK_RUN_INSTANTIATING,
    MCK_RUN_CALLING,
    MCK_RUN_OVER, /* status and detail say how */
    MCK_RUN_RELEASED,
} mck_run_phase;

struct mck_wasm_call {
    mck_wasm_tool *tool;
    mck_wasm_engine *engine;
    mck_wasm_call *next, *next_done;
    void *user;
    atomic_bool cancelled;

    /* Under the lock once `handed` (set by the owner before anybody else sees the call). */
    bool handed;
    bool ended;     /* results may be read by the owner */
    bool claimed;   /* somebody has taken on to publish the results */
    bool abandoned; /* … while a thread was stuck in it */
    bool in_done;
    bool engine_holds; /* the engine still needs this memory */
    bool owner_holds;

    mck_claim claims[MCK_ACCOUNT_MAX_CLAIMS];
    uint8_t scopes[MCK_ACCOUNT_MAX_CLAIMS];
    uint32_t claim_count;
    mck_refusal refusal;
    uint64_t refused_s;

    uint64_t max_units, max_memory, timeout_ns;
    bool stops; /* max_units is enforced */
    uint64_t started_ns, deadline_ns;

    /* The guest's side: only the thread that runs the call touches it. */
    mck_run_phase phase;
    mck_wasm_call_status run_status;
    wasmtime_store_t *store;
    wasmtime_context_t *context;
    wasmtime_call_future_t *future;
    wasmtime_error_t *error;
    wasm_trap_t *trap;
    union {
        wasmtime_instance_t module;
        wasmtime_component_instance_t component;
    } instance;
    union {
        wasmtime_func_t module;
        wasmtime_component_func_t component;
    } function;
    wasmtime_component_val_t value; /* the result of a component's function */
    uint64_t wake_ns;               /* parked: not before this clock */
    uint64_t memory_now;            /* as of its last slice */
    bool converted;                 /* `values` hold arguments to be freed */
    struct mck_recall *recall;      /* NULL: nothing is kept or told again */
    struct mck_p1 *p1;              /* preview 1: the guest's descriptors */
    bool exited;                    /* it called proc_exit: run_exit is its status */
    bool halted;                    /* it slept when it was cancelled or its time was over, and was woken to end */
    bool overflow;                  /* stdout went over the limit */
    int run_exit;
    uint64_t given_units;
    uint64_t step_units, reserved_units, reserved_s; /* with claims: of a slice; set aside so far, and when last */
    bool last_units, settled; /* given_units is all that a quota had left; the accounts are settled */
    mck_buffer out, err;      /* what the guest has written */

    /* The owner's side: written by the one who claimed the call, before `ended`. */
    mck_wasm_call_status status;
    int exit_status;
    bool inlined, warned_memory;
    mck_meter meter;
    uint64_t ended_ns, memory_bytes;
    uint32_t slice_count;
    mck_buffer output, errors;

    size_t argument_len;
    uint8_t *arguments;

    /* Not cleared beforehand but for their first byte: a call that ends well leaves them alone. */
    char run_detail[512];              /* the guest's side */
    char detail[640];                  /* the owner's side */
    wasmtime_component_val_t values[]; /* one per parameter, then the bytes of the arguments */
};

/* ---- engine.c ---- */
uint64_t mck_clock(void);        /* monotonic, ns */
uint64_t mck_thread_clock(void); /* processor time of this thread, ns */
void mck_engine_retain(mck_wasm_engine *engine);
void mck_engine_release(mck_wasm_engine *engine);
void mck_error_set(mck_wasm_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* wasmtime's error as a message of ours; frees it. */
void mck_error_take(const mck_wasmtime_api *api, mck_wasm_error *error, const char *before, wasmtime_error_t *taken);

/* ---- version.c ---- */
bool mck_version_check(mck_wasm_engine *engine, const char *library_path, mck_wasm_error *error);

/* ---- program.c ---- */
mck_wasm_status mck_program_link(mck_wasm_program *program, mck_wasm_error *error);
/* Finds an exported component function; the item is the caller's. `name_prefix` allows any version after "name@". */
bool mck_program_find(const mck_wasm_program *program, const char *interface_name, bool any_version,
                      const char *function_name, wasmtime_component_item_t *function,
                      wasmtime_component_export_index_t **index);
void mck_program_retain(mck_wasm_program *program);

/* ---- tool.c ---- */
void mck_tool_release(mck_wasm_tool *tool);
/* An inline slice took `wall_ns`, and `cpu_ns` of the thread's own time where that was measured (else UINT64_MAX). */
void mck_tool_judge(mck_wasm_tool *tool, uint64_t wall_ns, uint64_t cpu_ns);

/* ---- run.c ---- */
/* Arguments into values (component functions). False: over, with the reason in run_status and run_detail. */
bool mck_run_convert(mck_wasm_call *call);
/* One slice: true when the run is over. The first makes the instance. */
bool mck_run_slice(mck_wasm_call *call);
uint64_t mck_run_units(const mck_wasm_call *call);
/* Bytes of a module's exported memory now; 0 where it cannot be seen (components keep theirs to themselves). */
uint64_t mck_run_memory(const mck_wasm_call *call);
/* After it is over: status, detail, output and usage for the owner. Only for the one who claimed the call. */
void mck_run_collect(mck_wasm_call *call, uint64_t now);
/* Frees everything of the guest's side. */
void mck_run_release(mck_wasm_call *call);

/* ---- wasi.c ---- */
bool mck_wasi_give(mck_wasm_call *call);
/* What the guest writes: bytes taken, or minus an error number. */
ptrdiff_t mck_wasi_stdout(void *call, const unsigned char *bytes, size_t len);
ptrdiff_t mck_wasi_stderr(void *call, const unsigned char *bytes, size_t len);

/* ---- recall.c; for calls with a recall ---- */
/* Tell the guest again what it was told: true when `bytes` were filled from the log. A guest that asks for something else has
 * diverged. */
bool mck_recall_again(mck_wasm_call *call, uint8_t what, void *bytes, size_t len);
/* Keep what it was told just now. */
void mck_recall_keep(mck_wasm_call *call, uint8_t what, const void *bytes, size_t len);
/* It was told something that is not kept. */
void mck_recall_outside(mck_wasm_call *call);
bool mck_recall_diverged(const mck_wasm_call *call);
const char *mck_recall_why(const mck_wasm_call *call);
void mck_recall_free(mck_wasm_call *call);

/* ---- p1.c ---- */
wasmtime_error_t *mck_p1_define(mck_wasm_program *program);
bool mck_p1_begin(mck_wasm_call *call);
void mck_p1_end(mck_wasm_call *call);
/* A granted folder, whose path led through no link when the tool was made: one that a guest has put there since does not
 * count. Minus one, and errno: it is not there. Only where mck_wasm_keeps_rules says so. */
int mck_p1_open_folder(const char *path);

void mck_keep(mck_buffer *buffer, const void *bytes, size_t len, size_t limit);

/* ---- outcome.c ---- */
/* Reads call->error and call->trap (and frees them) into run_status and run_detail. */
void mck_outcome_read(mck_wasm_call *call);
void mck_outcome_set(mck_wasm_call *call, mck_wasm_call_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The owner's sentence for a call that ends without its guest: TIMEOUT, CANCELLED, … */
void mck_outcome_stop(mck_wasm_call *call, mck_wasm_call_status status);
/* Copy text with every byte that is not valid UTF-8 replaced, cut at a character. */
void mck_outcome_text(char *out, size_t size, const char *text, size_t len);

/* ---- scheduler.c ---- */
bool mck_slot_take(mck_wasm_engine *engine, mck_wasm_tool *tool);
void mck_slot_give(mck_wasm_engine *engine, mck_wasm_tool *tool); /* without the lock */
/* The following with the lock held. */
void mck_slot_give_locked(mck_wasm_engine *engine, mck_wasm_tool *tool);
void mck_slot_forgo(mck_wasm_engine *engine, mck_wasm_tool *tool);
void mck_crowd_over(mck_wasm_engine *engine, mck_wasm_tool *tool); /* nobody waits for its instances any more */
void mck_ready_push(mck_wasm_engine *engine, mck_wasm_call *call);
void mck_fifo_push(mck_wasm_engine *engine, mck_wasm_call *call);
void mck_publish(mck_wasm_engine *engine, mck_wasm_call *call);
void mck_undone(mck_wasm_engine *engine, mck_wasm_call *call); /* out of the done queue */
void mck_worker_spawn(mck_wasm_engine *engine);
/* The guest's side is gone. Returns the call when nobody holds it any more: free it after unlocking. */
mck_wasm_call *mck_retire(mck_wasm_call *call);
void mck_queue_push(mck_call_queue *queue, mck_wasm_call *call);
mck_wasm_call *mck_queue_pop(mck_call_queue *queue);

/* ---- totals.c ---- */
/* The call has ended, with everything that its owner will see. Once. */
void mck_totals_add(const mck_wasm_call *call);

/* ---- quota.c: only for calls with claims ---- */
/* Count the call. False: over, as all that follow. */
bool mck_quota_enter(mck_wasm_call *call);
/* Units of a slice. */
uint64_t mck_quota_step(const mck_wasm_call *call);
/* Set the first slice's units aside; given_units becomes less where a quota has less left. */
bool mck_quota_begin(mck_wasm_call *call);
/* The same for another slice. */
bool mck_quota_ahead(mck_wasm_call *call);
/* All of given_units is used, and it was a quota that made it so. */
void mck_quota_ran_out(mck_wasm_call *call);
/* It has used this much in all: give back the rest. Again: nothing. */
void mck_quota_settle(mck_wasm_call *call, uint64_t units);

/* ---- share.c; with the lock held ---- */
/* A slice of the tool used this much processor time. */
void mck_share_use(mck_wasm_tool *tool, uint64_t cpu_ns, uint64_t now);
/* When the tool may go on: 0, or a clock. */
uint64_t mck_share_wait(mck_wasm_tool *tool, uint64_t now);
/* Calls whose time has come, or that were answered meanwhile, go on to the ready queue. */
void mck_share_wake(mck_wasm_engine *engine, uint64_t now);

/* ---- ticker.c ---- */
bool mck_ticker_start(mck_wasm_engine *engine);
void mck_ticker_wake(mck_wasm_engine *engine);

/* ---- call.c ---- */
void mck_call_free(mck_wasm_call *call);

#endif
