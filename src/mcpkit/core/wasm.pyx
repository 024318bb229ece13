"""WebAssembly: engines, programs, tools and calls of the C core, for callers that hold Python objects.

The owner of an engine uses it from one thread at a time (the server's event loop does so through ``mcpkit.core.serve``);
`Tool.call` may be used from any number of threads.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from os.path import realpath

cdef extern from "api.h" nogil:
    ctypedef struct mck_wasmtime_layout:
        const char *type
        const char *member
        size_t offset
    ctypedef struct mck_wasmtime_prototype:
        const char *symbol
        const char *result
        const char *parameters
    const mck_wasmtime_layout *mck_wasmtime_layouts(size_t *count)
    const mck_wasmtime_prototype *mck_wasmtime_prototypes(size_t *count)

MAJOR = MCK_WASM_MAJOR
"""The major version of wasmtime whose structures the core declares."""

cdef uint64_t PATIENCE_NS = 50_000_000  # how often a waiting thread looks for Ctrl-C


class WasmError(Exception):
    """Something about WebAssembly that cannot be used as it is; the message says what, where and what to do."""


class LibraryError(WasmError):
    """wasmtime's shared library is missing, or is not the tested major version."""


class EngineConfigError(WasmError):
    """The engine refuses this configuration, or has been closed."""


class CompileError(WasmError):
    """Not WebAssembly, invalid, or using a feature that is switched off."""


class LoadError(WasmError):
    """Compiled code that this engine does not take."""


class LinkError(WasmError):
    """The program imports something that nobody provides."""


class ExportError(WasmError):
    """No such export, or one that cannot be a tool."""


class LimitError(WasmError):
    """The program needs more at its start than its limits allow."""


cdef dict ERRORS = {
    MCK_WASM_E_LIBRARY: LibraryError,
    MCK_WASM_E_CONFIG: EngineConfigError,
    MCK_WASM_E_COMPILE: CompileError,
    MCK_WASM_E_LOAD: LoadError,
    MCK_WASM_E_LINK: LinkError,
    MCK_WASM_E_EXPORT: ExportError,
    MCK_WASM_E_LIMIT: LimitError,
}


cdef int check(mck_wasm_status status, mck_wasm_error *error) except -1:
    if status == MCK_WASM_OK:
        return 0
    if status == MCK_WASM_E_MEMORY:
        raise MemoryError(error.message.decode(errors="replace"))
    raise ERRORS[status](error.message.decode(errors="replace"))


cdef bytes taken(mck_buffer *buffer):
    """The content of a buffer, which is freed."""
    cdef c_bool failed = buffer.failed
    try:
        if failed:
            raise MemoryError("out of memory while copying bytes")
        return PyBytes_FromStringAndSize(<char *>buffer.data, <Py_ssize_t>buffer.len)
    finally:
        mck_buffer_free(buffer)


cdef bytes text(value):
    """A string for C; wasmtime and the operating system stop at a zero byte."""
    encoded = value if isinstance(value, bytes) else value.encode()
    if b"\0" in encoded:
        raise ValueError(f"a string holds a zero byte: {value!r}")
    return encoded


@cython.final
cdef class Engine:
    """One wasmtime engine with its pool of instances and its native threads. Numbers that are 0 mean the engine's defaults."""

    def __cinit__(self, library_path, *, uint32_t max_instances=0, uint32_t max_queued=0, uint64_t max_memory=0,
                  uint32_t threads=0, uint64_t slice_units=0, uint32_t slice_ticks=0, bint parallel_compilation=True,
                  bint pulley=False):
        cdef mck_wasm_engine_config config
        cdef mck_wasm_error error
        memset(&config, 0, sizeof(config))
        path = text(library_path)
        config.library_path = path
        config.max_instances = max_instances
        config.max_queued = max_queued
        config.max_memory = max_memory
        config.threads = threads
        config.slice_units = slice_units
        config.slice_ticks = slice_ticks
        config.parallel_compilation = parallel_compilation
        config.pulley = pulley
        check(mck_wasm_engine_new(&config, &self.ptr, &error), &error)
        self.started = set()  # calls of Tool.start in flight: the core only has pointers to them

    def __dealloc__(self):
        mck_wasm_engine_delete(self.ptr)

    cdef mck_wasm_engine *open(self) except NULL:
        if self.ptr == NULL:
            raise EngineConfigError("the engine has been closed")
        return self.ptr

    def close(self):
        """Cancel what runs and end the threads (bounded: threads stuck in the host are left behind). Again: nothing."""
        cdef mck_wasm_engine *engine = self.ptr
        cdef Call call
        self.ptr = NULL
        with nogil:
            mck_wasm_engine_delete(engine)
        for call in self.started:
            if mck_wasm_call_wait(call.ptr, 0):
                finish(call)
        self.started.clear()

    @property
    def closed(self):
        return self.ptr == NULL

    @property
    def notify_fd(self):
        """Descriptor that is readable while started calls have ended and were not taken by `next_done`."""
        return mck_wasm_engine_notify_fd(self.open())

    def fingerprint(self):
        """What compiled code depends on besides the module itself."""
        cdef mck_buffer out
        memset(&out, 0, sizeof(out))
        mck_wasm_engine_fingerprint(self.open(), &out)
        return taken(&out)

    def from_text(self, source):
        """WebAssembly text (module or component) as a binary."""
        cdef mck_buffer out
        cdef mck_wasm_error error
        cdef mck_wasm_status status
        memset(&out, 0, sizeof(out))
        encoded = source if isinstance(source, bytes) else source.encode()
        status = mck_wasm_from_text(self.open(), encoded, <size_t>len(encoded), &out, &error)
        if status != MCK_WASM_OK:
            mck_buffer_free(&out)
        check(status, &error)
        return taken(&out)

    def compile(self, binary):
        """Compile a module or component; takes seconds for large ones, and lets other threads run meanwhile."""
        cdef mck_wasm_engine *engine = self.open()
        cdef Program program = Program.__new__(Program)
        cdef mck_wasm_error error
        cdef mck_wasm_status status
        cdef Py_buffer view
        PyObject_GetBuffer(binary, &view, PyBUF_SIMPLE)
        with nogil:
            status = mck_wasm_program_compile(engine, <const uint8_t *>view.buf, <size_t>view.len, &program.ptr, &error)
        PyBuffer_Release(&view)
        check(status, &error)
        program.engine = self
        return program

    def load(self, path, bint component):
        """Map compiled code from a file written from `Program.serialize`. The caller vouches for its being ours and undamaged."""
        cdef mck_wasm_engine *engine = self.open()
        cdef Program program = Program.__new__(Program)
        cdef mck_wasm_error error
        cdef mck_wasm_status status
        encoded = text(path)
        cdef const char *name = encoded
        with nogil:
            status = mck_wasm_program_load(engine, name, component, &program.ptr, &error)
        check(status, &error)
        program.engine = self
        return program

    def next_done(self):
        """The next ended call of those started with `Tool.start`, or None. Not for an engine that a server owns."""
        cdef mck_wasm_call *ended = mck_wasm_engine_next_done(self.open())
        if ended == NULL:
            return None
        call = <Call>mck_wasm_call_user(ended)
        finish(call)
        self.started.discard(call)
        return call

    def running(self):
        """Of the calls beyond their first slice: how many, their compute units so far, and the sum of their rates (CU/s)."""
        cdef uint32_t count
        cdef uint64_t units
        cdef double rate
        mck_wasm_engine_running(self.open(), &count, &units, &rate)
        return count, units, rate

    def stats(self):
        """Counts: live, queued, stuck_threads, threads now; started, inlined, slices, done since the start."""
        cdef mck_wasm_engine_stats s
        mck_wasm_engine_read_stats(self.open(), &s)
        return s


@cython.final
cdef class Program:
    """A compiled module or component. Made by `Engine.compile` and `Engine.load`."""

    def __init__(self):
        raise TypeError("a Program is made by Engine.compile or Engine.load")

    def __dealloc__(self):
        mck_wasm_program_delete(self.ptr)

    @property
    def is_component(self):
        return mck_wasm_program_is_component(self.ptr)

    def note_memory(self, uint64_t size):
        """Bytes of the largest memory at the start, as a component's binary says; modules know it themselves."""
        mck_wasm_program_note_memory(self.ptr, size)

    def serialize(self):
        """The compiled code, for a file that `Engine.load` maps."""
        cdef mck_buffer out
        cdef mck_wasm_error error
        cdef mck_wasm_status status
        memset(&out, 0, sizeof(out))
        with nogil:
            status = mck_wasm_program_serialize(self.ptr, &out, &error)
        if status != MCK_WASM_OK:
            mck_buffer_free(&out)
        check(status, &error)
        return taken(&out)

    def describe(self):
        """Imports and exports as one JSON object (its form is in mcpkit/wasm.h)."""
        cdef mck_buffer out
        cdef mck_wasm_error error
        cdef mck_wasm_status status
        memset(&out, 0, sizeof(out))
        status = mck_wasm_program_describe(self.ptr, &out, &error)
        if status != MCK_WASM_OK:
            mck_buffer_free(&out)
        check(status, &error)
        return taken(&out)


ACCESS = {"read": 1, "write": 2, "create": 4, "delete": 8}


@cython.final
cdef class _Rules:
    """Rules about paths for C: (pattern, names of accesses, whether they are allowed)."""
    cdef mck_wasm_rule *array
    cdef size_t count
    cdef list texts

    def __cinit__(self, rules):
        self.texts = [(text(pattern), sum(ACCESS[one] for one in access), allow) for pattern, access, allow in rules]
        self.count = <size_t>len(self.texts)
        self.array = <mck_wasm_rule *>malloc((self.count + 1) * sizeof(mck_wasm_rule))
        if self.array == NULL:
            raise MemoryError("out of memory while copying rules")
        for i in range(len(self.texts)):
            self.array[i].pattern = <bytes>self.texts[i][0]
            self.array[i].access = self.texts[i][1]
            self.array[i].allow = self.texts[i][2]

    def __dealloc__(self):
        free(self.array)


def rules_allow(rules, path, access):
    """Whether rules about paths allow all of the named accesses to an absolute path, as guests are held to them."""
    cdef _Rules kept = _Rules(rules)
    wanted = text(path)
    return mck_wasm_rules_allow(kept.array, kept.count, <bytes>wanted, sum(ACCESS[one] for one in access))


def keeps_rules():
    """Whether this system can hold core modules to rules about paths."""
    return mck_wasm_keeps_rules()


@cython.final
cdef class Tool:
    """One callable thing of a program with its limits (bytes, ns, compute units; 0: the default named in mcpkit/wasm.h)."""

    def __cinit__(self, Program program not None, *, style, interface=None, function=None, argv=(), env=(), inline="auto",
                  enforcement="strict", uint64_t max_units=0, uint64_t warn_units=0, uint64_t sample_units=0,
                  uint64_t sample_ns=0, uint64_t max_memory=0, uint32_t max_tables=0, uint32_t max_table_elements=0,
                  uint32_t max_instances_per_call=0, uint64_t timeout_ns=0, uint64_t max_argument_bytes=0,
                  uint64_t max_result_bytes=0, uint32_t max_stderr_bytes=0, uint32_t max_concurrent=0, uint32_t max_stuck=0,
                  bint sample_adaptive=False, uint32_t max_live=0, uint32_t cpu_millis=0, uint64_t warn_memory=0,
                  Claim server_claim=None, Claim tool_claim=None, units_from="", secrets=(), folders=(), rules=()):
        cdef mck_wasm_tool_config config
        cdef mck_wasm_error error
        cdef const char **strings = NULL
        cdef mck_wasm_folder *opened = NULL
        cdef _Rules kept = _Rules(rules)
        memset(&config, 0, sizeof(config))
        program.engine.open()
        self.program = program
        config.style = {"command": MCK_WASM_COMMAND, "function": MCK_WASM_FUNCTION}[style]
        config.inline_mode = {"auto": MCK_WASM_INLINE_AUTO, "never": MCK_WASM_INLINE_NEVER}[inline]
        config.meter.enforcement = {
            "strict": MCK_METER_STRICT, "warning": MCK_METER_WARNING, "tracking": MCK_METER_TRACKING,
        }[enforcement]
        config.meter.max_units = max_units
        config.meter.warn_units = warn_units
        config.meter.sample_units = sample_units
        config.meter.sample_ns = sample_ns
        config.max_memory = max_memory
        config.max_tables = max_tables
        config.max_table_elements = max_table_elements
        config.max_instances_per_call = max_instances_per_call
        config.timeout_ns = timeout_ns
        config.max_argument_bytes = max_argument_bytes
        config.max_result_bytes = max_result_bytes
        config.max_stderr_bytes = max_stderr_bytes
        config.max_concurrent = max_concurrent
        config.max_stuck = max_stuck
        config.meter.adaptive = sample_adaptive
        config.max_live = max_live
        config.cpu_millis = cpu_millis
        config.warn_memory = warn_memory
        self.claims = (server_claim, tool_claim)  # their memory has to stay
        if server_claim is not None:
            config.server_claim = &server_claim.claim
        if tool_claim is not None:
            config.tool_claim = &tool_claim.claim
        source = text(units_from)
        config.units_from = source
        names = [text(value) for value in (interface, function) if value is not None]
        if function is not None:
            config.function_name = <bytes>names[-1]
        if interface is not None:
            config.interface_name = <bytes>names[0]
        arguments = [text(value) for value in argv]
        env = [*env, *secrets]  # the last ones are masked in diagnostics
        variables = [text(name) for name, _ in env] + [text(value) for _, value in env]
        config.secret_count = <size_t>len(secrets)
        held = arguments + variables
        # Links are followed now, and never again.
        paths = [(text(realpath(host)), text(guest), writable) for host, guest, writable in folders]
        strings = <const char **>malloc((len(held) + 1) * sizeof(char *))
        opened = <mck_wasm_folder *>malloc((len(paths) + 1) * sizeof(mck_wasm_folder))
        if strings == NULL or opened == NULL:
            free(strings)
            free(opened)
            raise MemoryError("out of memory while making a tool")
        try:
            for i in range(len(paths)):
                opened[i].host = <bytes>paths[i][0]
                opened[i].guest = <bytes>paths[i][1]
                opened[i].writable = paths[i][2]
            config.folders = opened
            config.folder_count = <size_t>len(paths)
            config.rules = kept.array
            config.rule_count = kept.count
            for i in range(len(held)):
                strings[i] = <bytes>held[i]
            config.argv = strings
            config.argc = <size_t>len(arguments)
            config.env_count = <size_t>(len(variables) // 2)
            config.env_names = strings + config.argc
            config.env_values = config.env_names + config.env_count
            check(mck_wasm_tool_new(program.ptr, &config, &self.ptr, &error), &error)
        finally:
            free(strings)
            free(opened)

    def __dealloc__(self):
        mck_wasm_tool_delete(self.ptr)

    @property
    def is_inline(self):
        """Whether its first slice runs (or would still run) on the caller's thread."""
        return mck_wasm_tool_is_inline(self.ptr)

    def totals(self):
        """What its ended calls amount to: a dict of calls by status, buckets of durations, units, wall_ns, most_memory,
        peak_rate (CU/s) and warned."""
        cdef mck_wasm_totals t
        mck_wasm_tool_totals(self.ptr, &t)
        return {
            "calls": {
                mck_wasm_call_status_name(<mck_wasm_call_status><int>i).decode(): t.calls[i]
                for i in range(MCK_WASM_STATUSES) if t.calls[i]
            },
            "buckets": [t.buckets[i] for i in range(MCK_WASM_BUCKETS)],
            "units": t.units, "wall_ns": t.wall_ns, "most_memory": t.most_memory, "peak_rate": t.peak_rate, "warned": t.warned,
        }

    cdef mck_wasm_call *prepare(self, arguments, uint64_t max_units, uint64_t max_memory, uint64_t timeout_ns) except NULL:
        cdef Py_buffer view
        cdef mck_wasm_call *call
        self.program.engine.open()
        PyObject_GetBuffer(arguments, &view, PyBUF_SIMPLE)
        call = mck_wasm_call_new(self.ptr, <const uint8_t *>view.buf, <size_t>view.len, NULL)
        PyBuffer_Release(&view)
        if call == NULL:
            raise MemoryError("out of memory while making a call")
        mck_wasm_call_limit(call, max_units, max_memory, timeout_ns)
        return call

    def call(self, arguments, *, uint64_t max_units=0, uint64_t max_memory=0, uint64_t timeout_ns=0, bint record=False,
             bytes replay=None):
        """Call it with the text of a JSON object and wait for the result; other threads run meanwhile.

        The three limits tighten the tool's own for this call. Ctrl-C cancels the call. `record`: the result's `recalled`
        has what the guest was told of clocks and chance, `whole` says whether it was told nothing else from outside.
        `replay`: tell it the same again.
        """
        cdef mck_wasm_call *call = self.prepare(arguments, max_units, max_memory, timeout_ns)
        cdef c_bool over
        try:
            if record and not mck_wasm_call_recall(call, NULL, 0):
                raise MemoryError("out of memory while preparing a record")
            if replay is not None and not mck_wasm_call_recall(
                call, <const uint8_t *>PyBytes_AS_STRING(replay), <size_t>PyBytes_GET_SIZE(replay)
            ):
                raise MemoryError("out of memory while preparing a replay")
            with cython.critical_section(self.program.engine):
                over = mck_wasm_call_start(call)
            while not over:
                with nogil:
                    over = mck_wasm_call_wait(call, PATIENCE_NS)
                PyErr_CheckSignals()
            return result_of(call)
        finally:
            mck_wasm_call_delete(call)

    def start(self, arguments, *, uint64_t max_units=0, uint64_t max_memory=0, uint64_t timeout_ns=0):
        """Start a call and return it at once. Unless it is over already, `Engine.next_done` gives it when it has ended."""
        cdef Call call = Call.__new__(Call)
        call.ptr = self.prepare(arguments, max_units, max_memory, timeout_ns)
        call.tool = self
        mck_wasm_call_set_user(call.ptr, <void *>call)
        if mck_wasm_call_start(call.ptr):
            finish(call)
        else:
            self.program.engine.started.add(call)
        return call


cdef void finish(Call call):
    call.over = True
    call.result = result_of(call.ptr)


@cython.final
cdef class Call:
    """A call that was started with `Tool.start`; `result` is None until `Engine.next_done` has given it back."""

    def __init__(self):
        raise TypeError("a Call is made by Tool.start")

    def __dealloc__(self):
        mck_wasm_call_delete(self.ptr)

    @property
    def done(self):
        return self.over

    def look(self):
        """Compute units so far and their rate (CU/s), as of the end of the last slice."""
        cdef uint64_t units
        cdef double rate
        mck_wasm_call_look(self.ptr, &units, &rate, 0, NULL)
        return units, rate

    def cancel(self):
        """End it soon with status "cancelled", unless it ends otherwise first. Any thread may."""
        mck_wasm_call_cancel(self.ptr)


@cython.final
cdef class CallResult:
    """How a call ended: status, output bytes, detail (a sentence about every status but "ok") and what it used."""

    def __init__(self):
        raise TypeError("a CallResult is made by Tool.call")

    def __repr__(self):
        return f"<CallResult {self.status} {self.detail or self.output!r}>"


cdef CallResult result_of(const mck_wasm_call *call):
    cdef c_bool whole = False
    cdef CallResult result = CallResult.__new__(CallResult)
    cdef mck_wasm_usage usage
    cdef const mck_meter *meter = mck_wasm_call_meter(call)
    cdef const uint8_t *data
    cdef size_t n = 0
    result.status = mck_wasm_call_status_name(mck_wasm_call_result(call)).decode()
    data = mck_wasm_call_output(call, &n)
    result.output = PyBytes_FromStringAndSize(<const char *>data, <Py_ssize_t>n)
    data = mck_wasm_call_stderr(call, &n)
    result.stderr = PyBytes_FromStringAndSize(<const char *>data, <Py_ssize_t>n)
    result.exit_status = mck_wasm_call_exit_status(call)
    result.detail = mck_wasm_call_detail(call).decode()
    mck_wasm_call_usage(call, &usage)
    result.units = usage.units
    result.wall_ns = usage.wall_ns
    result.memory_bytes = usage.memory_bytes
    result.slices = usage.slices
    result.inlined = usage.inlined
    result.mean_rate = mck_meter_mean_rate(meter)
    result.peak_rate = meter.peak
    data = mck_wasm_call_recalled(call, &n, &whole)
    result.recalled = PyBytes_FromStringAndSize(<const char *>data, <Py_ssize_t>n)
    result.whole = whole
    result.warnings = ("computeUnits",) * usage.warned_units + ("memory",) * usage.warned_memory
    return result


cdef extern from "Python.h":
    int PyErr_CheckSignals() except -1


def wasmtime_layouts():
    """(type, member or None, offset or size) of every structure that the core declares for wasmtime."""
    cdef size_t count = 0
    cdef const mck_wasmtime_layout *l = mck_wasmtime_layouts(&count)
    return [(l[i].type.decode(), l[i].member.decode() if l[i].member != NULL else None, l[i].offset) for i in range(count)]


def wasmtime_prototypes():
    """(symbol, result type, parameter types) of every wasmtime function that the core calls."""
    cdef size_t count = 0
    cdef const mck_wasmtime_prototype *p = mck_wasmtime_prototypes(&count)
    return [(p[i].symbol.decode(), p[i].result.decode(), p[i].parameters.decode()) for i in range(count)]
