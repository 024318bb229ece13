/* Tools: one callable thing of a program, its limits, and whether its first slice may run on the owner's thread. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_SAMPLE_UNITS UINT64_C(100000)
#define DEFAULT_UNITS UINT64_C(1000000000)
#define DEFAULT_TIMEOUT (UINT64_C(60) * UINT64_C(1000000000))
#define PAGE UINT64_C(65536)
#define DEFAULT_BYTES (UINT64_C(4) << 20)
#define DEFAULT_STDERR (64u << 10)

/*
 * Inline slices. A slice of a millisecond on the owner's thread delays every other request, so a tool that needs more than that
 * moves to the native threads for good. The wall clock alone cannot tell a slow guest from a thread that lost its processor,
 * and asking for the thread's own time costs a system call. So: the first calls are measured by the thread's own clock, and a
 * plain breach among them is final; later calls are watched by the wall clock, and only a tool that was ever late on it is
 * measured again, from then on for ever. Small breaches are forgiven twice (and in time forgotten), because a virtual
 * machine counts time that was stolen from it as the thread's own.
 */
#define BREACH_NS UINT64_C(1000000)
#define TRIAL_BREACH_NS UINT64_C(2000000)
#define GROSS_BREACH_NS UINT64_C(10000000)
#define TRIAL_CALLS 32u
#define BREACHES_FORGIVEN 2u
#define CLEAN_CALLS_PER_BREACH 1024u

void mck_tool_judge(mck_wasm_tool *tool, uint64_t wall_ns, uint64_t cpu_ns)
{
    bool on_trial = tool->trial > 0;
    if (on_trial && --tool->trial == 0 && !tool->suspect)
        tool->measured = false;
    if (wall_ns < BREACH_NS || cpu_ns < BREACH_NS) {
        if (tool->breaches > 0 && ++tool->clean >= CLEAN_CALLS_PER_BREACH) {
            tool->breaches--;
            tool->clean = 0;
        }
        return;
    }
    tool->suspect = tool->measured = true;
    if (cpu_ns == UINT64_MAX)
        return;
    tool->breaches++;
    tool->clean = 0;
    if (cpu_ns >= (on_trial ? TRIAL_BREACH_NS : GROSS_BREACH_NS) || tool->breaches > BREACHES_FORGIVEN)
        tool->may_inline = false;
}

const mck_wasm_tool_config *mck_wasm_tool_limits(const mck_wasm_tool *tool)
{
    return &tool->limits;
}

mck_wasm_style mck_wasm_tool_style(const mck_wasm_tool *tool)
{
    return tool->style;
}

bool mck_wasm_tool_is_inline(const mck_wasm_tool *tool)
{
    return tool->may_inline;
}

static void set_limits(mck_wasm_tool *tool, const mck_wasm_tool_config *config)
{
    mck_wasm_tool_config *l = &tool->limits;
    *l = *config;
    l->interface_name = l->function_name = NULL;
    l->server_claim = l->tool_claim = NULL;
    if (config->units_from != NULL)
        mck_outcome_text(tool->units_from, sizeof tool->units_from, config->units_from, strlen(config->units_from));
    l->units_from = NULL;
    l->argv = l->env_names = l->env_values = NULL;
    l->folders = NULL;
    l->rules = NULL;
    uint64_t most = tool->program->engine->max_memory;
    if (l->max_memory == 0 || l->max_memory > most)
        l->max_memory = most;
    if (l->meter.max_units == 0 && l->meter.enforcement != MCK_METER_TRACKING)
        l->meter.max_units = DEFAULT_UNITS;
    if (l->max_tables == 0)
        l->max_tables = 16;
    if (l->max_table_elements == 0)
        l->max_table_elements = 100000;
    if (l->max_instances_per_call == 0)
        l->max_instances_per_call = 64;
    if (l->timeout_ns == 0)
        l->timeout_ns = DEFAULT_TIMEOUT;
    if (l->max_argument_bytes == 0)
        l->max_argument_bytes = DEFAULT_BYTES;
    if (l->max_result_bytes == 0)
        l->max_result_bytes = DEFAULT_BYTES;
    if (l->max_stderr_bytes == 0)
        l->max_stderr_bytes = DEFAULT_STDERR;
    if (l->max_stuck == 0)
        l->max_stuck = 4;
    if (l->meter.sample_units == 0)
        l->meter.sample_units = DEFAULT_SAMPLE_UNITS;
}

static char *copy_text(char **at, const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = memcpy(*at, text, n);
    *at += n;
    return copy;
}

/* Every text that a WASI guest is given, one after the other. */
static const char *nth_text(const mck_wasm_tool_config *config, size_t i)
{
    if (i < config->argc)
        return config->argv[i];
    i -= config->argc;
    if (i < config->env_count)
        return config->env_names[i];
    i -= config->env_count;
    if (i < config->env_count)
        return config->env_values[i];
    i -= config->env_count;
    if (i < 2 * config->folder_count)
        return i % 2 == 0 ? config->folders[i / 2].host : config->folders[i / 2].guest;
    return config->rules[i - 2 * config->folder_count].pattern;
}

static size_t text_count(const mck_wasm_tool_config *config)
{
    return config->argc + 2 * config->env_count + 2 * config->folder_count + config->rule_count;
}

/* Folders without rules: everything in them may be read, or changed. */
static void rules_of_folders(mck_wasm_tool *tool, char *at)
{
    for (size_t i = 0; i < tool->folder_count; i++) {
        const mck_wasm_folder *folder = &tool->folders[i];
        uint32_t access = folder->writable ? 15u : MCK_WASM_READ;
        size_t n = strlen(folder->host);
        tool->rules[i] = (mck_wasm_rule){.pattern = at, .access = access, .allow = true};
        memcpy(at, folder->host, n);
        memcpy(at + n, "/**", 4);
        at += n + 4;
    }
    tool->rule_count = tool->folder_count;
}

/* WASI wants valid UTF-8; so does a process that shall not be aborted by the library. */
static bool copy_strings(mck_wasm_tool *tool, const mck_wasm_tool_config *config, mck_wasm_error *error,
                         mck_wasm_status *status)
{
    const mck_json_kernels *kernels = tool->program->engine->kernels;
    size_t bytes = 1, count = text_count(config);
    *status = MCK_WASM_E_EXPORT;
    for (size_t i = 0; i < count; i++) {
        const char *text = nth_text(config, i);
        size_t n = strlen(text);
        if (mck_json_utf8_fault((const uint8_t *)text, n, kernels) < n) {
            mck_error_set(error, "an argument, variable or folder for the program is not valid UTF-8");
            return false;
        }
        bytes += n + 1;
    }
    for (size_t i = 0; i < config->folder_count; i++)
        bytes += strlen(config->folders[i].host) + 4;
    size_t rules = config->rule_count > config->folder_count ? config->rule_count : config->folder_count;
    tool->rules = calloc(rules + 1, sizeof *tool->rules);
    tool->strings = malloc(bytes);
    tool->argv = calloc(count + 1, sizeof *tool->argv);
    tool->folders = calloc(config->folder_count + 1, sizeof *tool->folders);
    if (tool->strings == NULL || tool->argv == NULL || tool->folders == NULL || tool->rules == NULL) {
        *status = MCK_WASM_E_MEMORY;
        mck_error_set(error, "out of memory while making a tool");
        return false;
    }
    char *at = tool->strings;
    for (size_t i = 0; i < count; i++)
        tool->argv[i] = copy_text(&at, nth_text(config, i));
    tool->argc = config->argc;
    tool->env_count = config->env_count;
    tool->secret_count = config->secret_count;
    tool->folder_count = config->folder_count;
    tool->env_names = tool->argv + config->argc;
    tool->env_values = tool->env_names + config->env_count;
    const char **folders = tool->env_values + config->env_count;
    for (size_t i = 0; i < config->folder_count; i++)
        tool->folders[i] = (mck_wasm_folder){folders[2 * i], folders[2 * i + 1], config->folders[i].writable};
    const char **patterns = folders + 2 * config->folder_count;
    for (size_t i = 0; i < config->rule_count; i++)
        tool->rules[i] = (mck_wasm_rule){patterns[i], config->rules[i].access, config->rules[i].allow};
    tool->rule_count = config->rule_count;
    if (tool->rule_count == 0)
        rules_of_folders(tool, at);
    return true;
}

static mck_wasm_status find_command(mck_wasm_tool *tool, mck_wasm_error *error)
{
    const mck_wasm_program *program = tool->program;
    const mck_wasmtime_api *api = &program->engine->api;
    if (program->component) {
        wasmtime_component_item_t function;
        if (mck_program_find(program, "wasi:cli/run", true, "run", &function, &tool->index)) {
            api->component_item_delete(&function);
            return MCK_WASM_OK;
        }
        mck_error_set(error, "the component exports no wasi:cli/run, so it is no command");
        return MCK_WASM_E_EXPORT;
    }
    wasm_exporttype_vec_t exports;
    api->module_exports(program->module, &exports);
    bool found = false;
    for (size_t i = 0; i < exports.size && !found; i++) {
        const wasm_name_t *name = api->wasm_exporttype_name(exports.data[i]);
        found = name->size == 6 && memcmp(name->data, "_start", 6) == 0 &&
                api->wasm_externtype_kind(api->wasm_exporttype_type(exports.data[i])) == WASM_EXTERN_FUNC;
    }
    if (found) { /* the call is made without looking at the type again, so it has to be () -> () */
        const wasm_functype_t *type = NULL;
        for (size_t i = 0; i < exports.size; i++) {
            const wasm_name_t *name = api->wasm_exporttype_name(exports.data[i]);
            if (name->size == 6 && memcmp(name->data, "_start", 6) == 0)
                type = api->wasm_externtype_as_functype_const(api->wasm_exporttype_type(exports.data[i]));
        }
        found =
            type != NULL && api->wasm_functype_params(type)->size == 0 && api->wasm_functype_results(type)->size == 0;
    }
    api->wasm_exporttype_vec_delete(&exports);
    if (found)
        return MCK_WASM_OK;
    mck_error_set(error, "the module exports no function _start without parameters and results, so it is no command");
    return MCK_WASM_E_EXPORT;
}

static mck_wasm_status find_function(mck_wasm_tool *tool, const mck_wasm_tool_config *config, mck_wasm_error *error)
{
    const mck_wasm_program *program = tool->program;
    const mck_wasmtime_api *api = &program->engine->api;
    if (!program->component || config->function_name == NULL) {
        mck_error_set(error, "only a function that a component exports can be called as a function");
        return MCK_WASM_E_EXPORT;
    }
    const char *interface_name = config->interface_name != NULL ? config->interface_name : "the root";
    wasmtime_component_item_t function;
    if (!mck_program_find(program, config->interface_name, false, config->function_name, &function, &tool->index)) {
        mck_error_set(error, "the component exports no function %s in %s", config->function_name, interface_name);
        return MCK_WASM_E_EXPORT;
    }
    bool async = api->component_func_type_async(function.of.component_func);
    tool->signature = mck_signature_new(api, function.of.component_func);
    api->component_item_delete(&function);
    if (tool->signature == NULL) {
        mck_error_set(error, "out of memory while making a tool");
        return MCK_WASM_E_MEMORY;
    }
    if (async || tool->signature->unsupported != NULL) {
        mck_error_set(error, "the function %s in %s cannot be a tool: %s", config->function_name, interface_name,
                      async ? "it is an async function" : tool->signature->unsupported);
        return MCK_WASM_E_EXPORT;
    }
    return MCK_WASM_OK;
}

static void free_tool(mck_wasm_tool *tool)
{
    mck_wasm_program *program = tool->program;
    if (tool->index != NULL)
        program->engine->api.component_export_index_delete(tool->index);
    if (tool->signature != NULL)
        mck_signature_delete(tool->signature);
    free(tool->argv);
    free(tool->folders);
    free(tool->rules);
    free(tool->strings);
    free(tool);
    mck_wasm_program_delete(program);
}

static void take_claim(mck_wasm_tool *tool, const mck_claim *claim, mck_wasm_scope scope)
{
    if (claim == NULL)
        return;
    tool->scopes[tool->claim_count] = scope;
    tool->claims[tool->claim_count++] = *claim;
}

mck_wasm_status mck_wasm_tool_new(mck_wasm_program *program, const mck_wasm_tool_config *config, mck_wasm_tool **out,
                                  mck_wasm_error *error)
{
    *out = NULL;
    mck_wasm_status status = mck_program_link(program, error);
    if (status != MCK_WASM_OK)
        return status;
    mck_wasm_tool *tool = calloc(1, sizeof *tool);
    if (tool == NULL) {
        mck_error_set(error, "out of memory while making a tool");
        return MCK_WASM_E_MEMORY;
    }
    tool->program = program;
    mck_program_retain(program);
    atomic_init(&tool->references, 1);
    tool->style = config->style;
    set_limits(tool, config);
    if (tool->limits.max_memory < program->memory_minimum) {
        mck_error_set(
            error,
            "the program starts with %llu bytes of memory (%llu pages), more than the limit of %llu bytes (%llu pages)",
            (unsigned long long)program->memory_minimum, (unsigned long long)(program->memory_minimum / PAGE),
            (unsigned long long)tool->limits.max_memory, (unsigned long long)(tool->limits.max_memory / PAGE));
        free_tool(tool);
        return MCK_WASM_E_LIMIT;
    }
    take_claim(tool, config->server_claim, MCK_WASM_OF_SERVER);
    take_claim(tool, config->tool_claim, MCK_WASM_OF_TOOL);
    if (config->rule_count > 0 && !program->p1) {
        mck_error_set(error, "rules about paths need a core module with WASI preview 1, and Linux 5.6");
        free_tool(tool);
        return MCK_WASM_E_EXPORT;
    }
    if (copy_strings(tool, config, error, &status))
        status = config->style == MCK_WASM_COMMAND ? find_command(tool, error) : find_function(tool, config, error);
    if (status != MCK_WASM_OK) {
        free_tool(tool);
        return status;
    }
    /* Processor time is measured on the native threads, where a call can be made to wait. */
    tool->may_inline = config->cpu_millis == 0 && config->style == MCK_WASM_FUNCTION &&
                       config->inline_mode == MCK_WASM_INLINE_AUTO && !program->wasi && program->small;
    tool->measured = true;
    tool->trial = TRIAL_CALLS;
    *out = tool;
    return MCK_WASM_OK;
}

void mck_tool_release(mck_wasm_tool *tool)
{
    if (atomic_fetch_sub_explicit(&tool->references, 1, memory_order_acq_rel) == 1)
        free_tool(tool);
}

void mck_wasm_tool_delete(mck_wasm_tool *tool)
{
    if (tool != NULL)
        mck_tool_release(tool);
}
