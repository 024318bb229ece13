/* A call as the guest sees it: a fresh store, the instance, the slices, the result. Only one thread at a time runs a call. */
#include "internal.h"

#include <string.h>

/* Practically endless; wasmtime counts in signed 64 bits. */
#define ENDLESS_UNITS (UINT64_MAX / 4)
#define MEMORIES_PER_CALL 16
/* A yield costs about 0.2 µs, which is then some percent of what the guest does. */
#define SHORTEST_INTERVAL UINT64_C(10000)

bool mck_run_convert(mck_wasm_call *call)
{
    const mck_wasm_tool *tool = call->tool;
    if (tool->style != MCK_WASM_FUNCTION || call->converted)
        return true;
    mck_values_limits limits = {.max_bytes = tool->limits.max_argument_bytes, .max_elements = 0};
    memset(call->values, 0, tool->signature->param_count * sizeof *call->values);
    mck_values_status status =
        mck_values_from_json(&call->engine->api, tool->signature, call->arguments, call->argument_len,
                             call->engine->kernels, &limits, call->values, call->run_detail, sizeof call->run_detail);
    if (status == MCK_VALUES_OK) {
        call->converted = true;
        return true;
    }
    call->phase = MCK_RUN_OVER;
    call->run_status = status == MCK_VALUES_MISMATCH    ? MCK_WASM_CALL_BAD_ARGUMENTS
                       : status == MCK_VALUES_TOO_LARGE ? MCK_WASM_CALL_ARGUMENT_TOO_LARGE
                                                        : MCK_WASM_CALL_INTERNAL;
    if (status == MCK_VALUES_NO_MEMORY)
        mck_outcome_set(call, MCK_WASM_CALL_INTERNAL, "out of memory while reading the arguments");
    return false;
}

/* Units between two looks at the call: a slice, or less where samples are wanted more often. */
static uint64_t interval(const mck_wasm_call *call)
{
    uint64_t slice = call->engine->slice_units, wanted = call->tool->limits.meter.sample_units;
    if (wanted < SHORTEST_INTERVAL)
        wanted = SHORTEST_INTERVAL;
    if (call->claim_count != 0 && call->step_units < wanted)
        wanted = call->step_units;
    return wanted < slice ? wanted : slice;
}

static bool begin(mck_wasm_call *call)
{
    mck_wasm_engine *engine = call->engine;
    const mck_wasmtime_api *api = &engine->api;
    const mck_wasm_program *program = call->tool->program;
    const mck_wasm_tool_config *limits = &call->tool->limits;
    if (!mck_run_convert(call))
        return false;
    call->store = api->store_new(engine->wasm, call, NULL);
    call->context = api->store_context(call->store);
    api->store_limiter(call->store, (int64_t)call->max_memory, (int64_t)limits->max_table_elements,
                       (int64_t)limits->max_instances_per_call, (int64_t)limits->max_tables, MEMORIES_PER_CALL);
    call->given_units = call->stops ? call->max_units : ENDLESS_UNITS;
    if (call->claim_count != 0 && !mck_quota_begin(call))
        return false;
    wasmtime_error_t *failed = api->context_set_fuel(call->context, call->given_units);
    if (failed == NULL)
        failed = api->context_fuel_async_yield_interval(call->context, interval(call));
    api->context_epoch_deadline_async_yield_and_update(call->context, engine->slice_ticks);
    if (failed != NULL) {
        api->error_delete(failed);
        mck_outcome_set(call, MCK_WASM_CALL_INTERNAL, "the instance's limits could not be set");
        return false;
    }
    if (program->wasi && !mck_wasi_give(call)) {
        mck_outcome_set(call, MCK_WASM_CALL_INTERNAL,
                        "the program's arguments, environment or folders could not be given");
        return false;
    }
    call->phase = MCK_RUN_INSTANTIATING;
    call->future =
        program->component
            ? api->component_linker_instantiate_async(program->component_linker, call->context, program->wasm_component,
                                                      &call->instance.component, &call->error)
            : api->instance_pre_instantiate_async(program->instance_pre, call->context, &call->instance.module,
                                                  &call->trap, &call->error);
    return true;
}

static bool enter_function(mck_wasm_call *call)
{
    const mck_wasmtime_api *api = &call->engine->api;
    const mck_wasm_tool *tool = call->tool;
    call->phase = MCK_RUN_CALLING;
    if (tool->program->component) {
        if (!api->component_instance_get_func(&call->instance.component, call->context, tool->index,
                                              &call->function.component)) {
            mck_outcome_set(call, MCK_WASM_CALL_INTERNAL, "the component's function was not found in its instance");
            return false;
        }
        size_t parameters = tool->signature != NULL ? tool->signature->param_count : 0;
        size_t results =
            tool->signature != NULL ? tool->signature->result != NULL : 1; /* wasi:cli/run returns a result */
        memset(&call->value, 0, sizeof call->value);
        call->future = api->component_func_call_async(&call->function.component, call->context, call->values,
                                                      parameters, &call->value, results, &call->error);
        return true;
    }
    wasmtime_extern_t start;
    if (!api->instance_export_get(call->context, &call->instance.module, "_start", 6, &start) ||
        start.kind != WASMTIME_EXTERN_FUNC) {
        mck_outcome_set(call, MCK_WASM_CALL_INTERNAL, "the module's _start was not found in its instance");
        return false;
    }
    call->function.module = start.of.func;
    call->future =
        api->func_call_async(call->context, &call->function.module, NULL, 0, NULL, 0, &call->trap, &call->error);
    return true;
}

static void finish_function(mck_wasm_call *call)
{
    call->run_status = MCK_WASM_CALL_OK;
    call->run_detail[0] = 0;
    call->phase = MCK_RUN_OVER;
    if (call->tool->style == MCK_WASM_COMMAND && call->tool->program->component &&
        call->value.kind == WASMTIME_COMPONENT_RESULT && !call->value.of.result.is_ok) {
        call->run_exit = 1;
        mck_outcome_set(call, MCK_WASM_CALL_GUEST_ERROR, "the program ended with an error (exit status 1)");
    }
}

static bool run_slice(mck_wasm_call *call)
{
    const mck_wasmtime_api *api = &call->engine->api;
    if (call->phase == MCK_RUN_NEW) {
        if (!begin(call))
            return true;
    } else if (call->claim_count != 0 && !mck_quota_ahead(call)) {
        return true;
    }
    for (;;) {
        if (!api->call_future_poll(call->future))
            return false;
        api->call_future_delete(call->future);
        call->future = NULL;
        if (call->error != NULL || call->trap != NULL) {
            mck_outcome_read(call);
            return true;
        }
        if (call->phase == MCK_RUN_CALLING) {
            finish_function(call);
            return true;
        }
        if (!enter_function(call))
            return true;
    }
}

bool mck_run_slice(mck_wasm_call *call)
{
    bool over = run_slice(call);
    if (call->tool->limits.warn_memory != 0)
        call->memory_now = mck_run_memory(call);
    return over;
}

uint64_t mck_run_units(const mck_wasm_call *call)
{
    uint64_t left = 0;
    if (call->context == NULL)
        return call->meter.units;
    wasmtime_error_t *failed = call->engine->api.context_get_fuel(call->context, &left);
    if (failed != NULL) {
        call->engine->api.error_delete(failed);
        return call->meter.units;
    }
    return left <= call->given_units ? call->given_units - left : call->given_units;
}

uint64_t mck_run_memory(const mck_wasm_call *call)
{
    const mck_wasmtime_api *api = &call->engine->api;
    wasmtime_extern_t memory;
    if (call->tool->program->component || call->context == NULL || call->instance.module.store_id == 0)
        return 0;
    if (!api->instance_export_get(call->context, &call->instance.module, "memory", 6, &memory))
        return 0;
    return memory.kind == WASMTIME_EXTERN_MEMORY ? api->memory_data_size(call->context, &memory.of.memory) : 0;
}

static void write_result(mck_wasm_call *call)
{
    bool is_error = false;
    if (call->tool->signature->result == NULL) {
        mck_buffer_text(&call->output, "null");
        return;
    }
    mck_values_status status =
        mck_values_to_json(call->tool->signature, &call->value, call->tool->limits.max_result_bytes,
                           call->engine->kernels, &call->output, &is_error, call->detail, sizeof call->detail);
    if (status == MCK_VALUES_OK && !call->output.failed) {
        call->detail[0] = 0;
        if (!is_error)
            return;
        call->status = MCK_WASM_CALL_GUEST_ERROR;
        static const char SAID_NO[] = "the tool returned an error";
        memcpy(call->detail, SAID_NO, sizeof SAID_NO);
        return;
    }
    call->output.len = 0;
    call->status = status == MCK_VALUES_TOO_LARGE ? MCK_WASM_CALL_RESULT_TOO_LARGE : MCK_WASM_CALL_INTERNAL;
    if (call->output.failed || status == MCK_VALUES_NO_MEMORY) {
        static const char NO_MEMORY[] = "out of memory while writing the result";
        memcpy(call->detail, NO_MEMORY, sizeof NO_MEMORY);
    }
}

void mck_run_collect(mck_wasm_call *call, uint64_t now)
{
    mck_quota_settle(call, mck_run_units(call));
    call->memory_bytes = mck_run_memory(call);
    call->exit_status = call->run_exit;
    call->errors = call->err;
    call->err = (mck_buffer){0};
    call->status = call->run_status;
    memcpy(call->detail, call->run_detail, strlen(call->run_detail) + 1);
    if (call->tool->style == MCK_WASM_FUNCTION && call->status == MCK_WASM_CALL_OK) {
        write_result(call);
    } else if (call->overflow) {
        mck_outcome_stop(call, MCK_WASM_CALL_RESULT_TOO_LARGE);
    } else {
        call->output = call->out;
        call->out = (mck_buffer){0};
    }
    call->ended_ns = now;
}

void mck_run_release(mck_wasm_call *call)
{
    const mck_wasmtime_api *api = &call->engine->api;
    if (call->phase == MCK_RUN_RELEASED)
        return;
    mck_quota_settle(call, mck_run_units(call));
    if (call->future != NULL)
        api->call_future_delete(call->future);
    if (call->error != NULL)
        api->error_delete(call->error);
    if (call->trap != NULL)
        api->wasm_trap_delete(call->trap);
    call->future = NULL;
    call->error = NULL;
    call->trap = NULL;
    if (call->phase != MCK_RUN_NEW && call->tool->program->component)
        api->component_val_delete(&call->value);
    if (call->converted)
        for (size_t i = 0; i < call->tool->signature->param_count; i++)
            api->component_val_delete(&call->values[i]);
    if (call->store != NULL)
        api->store_delete(call->store);
    mck_p1_end(call);
    call->store = NULL;
    call->context = NULL;
    mck_buffer_free(&call->out);
    mck_buffer_free(&call->err);
    call->converted = false;
    call->phase = MCK_RUN_RELEASED;
}
