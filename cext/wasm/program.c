/* Programs: compile, serialise, load, link. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* A function tool whose memory is larger than this at the start never runs on the owner's thread. */
#define SMALL_MEMORY (INT64_C(16) << 20)

static mck_wasm_program *new_program(mck_wasm_engine *engine, bool component, mck_wasm_error *error)
{
    mck_wasm_program *program = calloc(1, sizeof *program);
    if (program == NULL) {
        mck_error_set(error, "out of memory while loading a program");
        return NULL;
    }
    program->engine = engine;
    program->component = component;
    atomic_init(&program->references, 1);
    mck_engine_retain(engine);
    return program;
}

static void measure_memory(mck_wasm_program *program)
{
    const mck_wasmtime_api *api = &program->engine->api;
    if (program->component)
        return;
    wasm_exporttype_vec_t exports;
    api->module_exports(program->module, &exports);
    for (size_t i = 0; i < exports.size; i++) {
        const wasm_externtype_t *type = api->wasm_exporttype_type(exports.data[i]);
        if (api->wasm_externtype_kind(type) != WASM_EXTERN_MEMORY)
            continue;
        const wasm_memorytype_t *memory = api->wasm_externtype_as_memorytype_const(type);
        uint64_t bytes = api->memorytype_minimum(memory) * api->memorytype_page_size(memory);
        if (bytes > program->memory_minimum)
            program->memory_minimum = bytes;
    }
    api->wasm_exporttype_vec_delete(&exports);
}

mck_wasm_status mck_wasm_program_compile(mck_wasm_engine *engine, const uint8_t *bytes, size_t len,
                                         mck_wasm_program **out, mck_wasm_error *error)
{
    *out = NULL;
    /* "\0asm", then version and layer: 1, 0 for a module, 13, 1 for a component. The library's own parser takes text as well. */
    if (len < 8 || memcmp(bytes, "\0asm", 4) != 0) {
        mck_error_set(error, "not a WebAssembly binary: it does not start with the bytes 00 61 73 6d");
        return MCK_WASM_E_COMPILE;
    }
    bool component = bytes[6] == 1 && bytes[7] == 0;
    mck_wasm_program *program = new_program(engine, component, error);
    if (program == NULL)
        return MCK_WASM_E_MEMORY;
    wasmtime_error_t *failed = component ? engine->api.component_new(engine->wasm, bytes, len, &program->wasm_component)
                                         : engine->api.module_new(engine->wasm, bytes, len, &program->module);
    if (failed != NULL) {
        mck_error_take(&engine->api, error, component ? "cannot compile the component" : "cannot compile the module",
                       failed);
        mck_wasm_program_delete(program);
        return MCK_WASM_E_COMPILE;
    }
    measure_memory(program);
    *out = program;
    return MCK_WASM_OK;
}

mck_wasm_status mck_wasm_program_load(mck_wasm_engine *engine, const char *path, bool component, mck_wasm_program **out,
                                      mck_wasm_error *error)
{
    *out = NULL;
    if (mck_json_utf8_fault((const uint8_t *)path, strlen(path), engine->kernels) < strlen(path)) {
        mck_error_set(error, "the file's name is not valid UTF-8");
        return MCK_WASM_E_LOAD;
    }
    mck_wasm_program *program = new_program(engine, component, error);
    if (program == NULL)
        return MCK_WASM_E_MEMORY;
    wasmtime_error_t *failed =
        component ? engine->api.component_deserialize_file(engine->wasm, path, &program->wasm_component)
                  : engine->api.module_deserialize_file(engine->wasm, path, &program->module);
    if (failed != NULL) {
        mck_error_take(&engine->api, error, "cannot load compiled code", failed);
        mck_wasm_program_delete(program);
        return MCK_WASM_E_LOAD;
    }
    measure_memory(program);
    *out = program;
    return MCK_WASM_OK;
}

mck_wasm_status mck_wasm_program_serialize(const mck_wasm_program *program, mck_buffer *out, mck_wasm_error *error)
{
    const mck_wasmtime_api *api = &program->engine->api;
    wasm_byte_vec_t code;
    wasmtime_error_t *failed = program->component ? api->component_serialize(program->wasm_component, &code)
                                                  : api->module_serialize(program->module, &code);
    if (failed != NULL) {
        mck_error_take(api, error, "cannot serialise compiled code", failed);
        return MCK_WASM_E_COMPILE;
    }
    mck_buffer_add(out, code.data, code.size);
    api->wasm_byte_vec_delete(&code);
    if (out->failed) {
        mck_error_set(error, "out of memory while serialising compiled code");
        return MCK_WASM_E_MEMORY;
    }
    return MCK_WASM_OK;
}

void mck_program_retain(mck_wasm_program *program)
{
    (void)atomic_fetch_add_explicit(&program->references, 1, memory_order_relaxed);
}

void mck_wasm_program_delete(mck_wasm_program *program)
{
    if (program == NULL || atomic_fetch_sub_explicit(&program->references, 1, memory_order_acq_rel) != 1)
        return;
    mck_wasm_engine *engine = program->engine;
    const mck_wasmtime_api *api = &engine->api;
    if (program->instance_pre != NULL)
        api->instance_pre_delete(program->instance_pre);
    if (program->linker != NULL)
        api->linker_delete(program->linker);
    free(program->p1_bindings);
    if (program->component_linker != NULL)
        api->component_linker_delete(program->component_linker);
    if (program->module != NULL)
        api->module_delete(program->module);
    if (program->wasm_component != NULL)
        api->component_delete(program->wasm_component);
    free(program);
    mck_engine_release(engine);
}

void mck_wasm_program_note_memory(mck_wasm_program *program, uint64_t bytes)
{
    if (program->component)
        program->memory_minimum = bytes;
}

bool mck_wasm_program_is_component(const mck_wasm_program *program)
{
    return program->component;
}

/* ---- linking ---- */

static bool starts_with(const char *text, size_t len, const char *start)
{
    size_t n = strlen(start);
    return len >= n && memcmp(text, start, n) == 0;
}

static mck_wasm_status link_module(mck_wasm_program *program, mck_wasm_error *error)
{
    mck_wasm_engine *engine = program->engine;
    const mck_wasmtime_api *api = &engine->api;
    wasm_importtype_vec_t imports;
    api->module_imports(program->module, &imports);
    for (size_t i = 0; i < imports.size; i++) {
        const wasm_name_t *module = api->wasm_importtype_module(imports.data[i]);
        if (!starts_with(module->data, module->size, "wasi_"))
            continue;
        /* Older drafts have other structures; wasmtime still knows them. */
        program->p1 = (program->p1 || !program->wasi) && module->size == sizeof "wasi_snapshot_preview1" - 1 &&
                      starts_with(module->data, module->size, "wasi_snapshot_preview1") && mck_wasm_keeps_rules();
        program->wasi = true;
    }
    api->wasm_importtype_vec_delete(&imports);
    program->linker = api->linker_new(engine->wasm);
    wasmtime_error_t *failed = NULL;
    if (program->wasi)
        failed = program->p1 ? mck_p1_define(program) : api->linker_define_wasi(program->linker);
    if (failed == NULL)
        failed = api->linker_instantiate_pre(program->linker, program->module, &program->instance_pre);
    if (failed == NULL)
        return MCK_WASM_OK;
    mck_error_take(api, error, "the module imports something that is not provided", failed);
    api->linker_delete(program->linker);
    program->linker = NULL;
    free(program->p1_bindings);
    program->p1_bindings = NULL;
    return MCK_WASM_E_LINK;
}

static bool imports_wasi(const mck_wasm_program *program)
{
    const mck_wasmtime_api *api = &program->engine->api;
    const wasm_engine_t *wasm = program->engine->wasm;
    wasmtime_component_type_t *type = api->component_type(program->wasm_component);
    bool found = false;
    size_t count = api->component_type_import_count(type, wasm);
    for (size_t i = 0; i < count && !found; i++) {
        const char *name;
        size_t len;
        wasmtime_component_extern_t *item;
        if (!api->component_type_import_nth(type, wasm, i, &name, &len, &item))
            continue;
        found = starts_with(name, len, "wasi:");
        api->component_extern_delete(item);
    }
    api->component_type_delete(type);
    return found;
}

/*
 * Components have no instance_pre, so a missing import would only show in the first call. One instance without fuel is made
 * to find out: imports are checked before any guest code could run, and nothing does run. With a small memory limit the
 * same attempt tells whether the component starts with more memory than that, which its type does not say.
 */
static wasmtime_error_t *try_instance(const mck_wasm_program *program, int64_t memory)
{
    mck_wasm_engine *engine = program->engine;
    const mck_wasmtime_api *api = &engine->api;
    wasmtime_store_t *store = api->store_new(engine->wasm, NULL, NULL);
    wasmtime_context_t *context = api->store_context(store);
    api->store_limiter(store, memory, -1, -1, -1, -1);
    wasmtime_error_t *failed = api->context_set_fuel(context, 0);
    api->context_epoch_deadline_async_yield_and_update(context, 1);
    if (failed == NULL && program->wasi)
        failed = api->context_set_wasi(context, api->wasi_config_new());
    if (failed == NULL) {
        wasmtime_component_instance_t instance;
        wasmtime_call_future_t *future = api->component_linker_instantiate_async(
            program->component_linker, context, program->wasm_component, &instance, &failed);
        while (!api->call_future_poll(future))
            continue;
        api->call_future_delete(future);
    }
    api->store_delete(store);
    return failed;
}

static bool message_has(const mck_wasmtime_api *api, const wasmtime_error_t *failed, const char *wanted)
{
    wasm_byte_vec_t text;
    api->error_message(failed, &text);
    size_t n = strlen(wanted);
    bool found = false;
    for (size_t i = 0; !found && i + n <= text.size; i++)
        found = memcmp(text.data + i, wanted, n) == 0;
    api->wasm_byte_vec_delete(&text);
    return found;
}

static mck_wasm_status link_component(mck_wasm_program *program, mck_wasm_error *error)
{
    mck_wasm_engine *engine = program->engine;
    const mck_wasmtime_api *api = &engine->api;
    program->wasi = imports_wasi(program);
    program->component_linker = api->component_linker_new(engine->wasm);
    wasmtime_error_t *failed = program->wasi ? api->component_linker_add_wasip2(program->component_linker) : NULL;
    if (failed == NULL) {
        failed = try_instance(program, SMALL_MEMORY);
        program->small = failed == NULL || !message_has(api, failed, "memory minimum size");
        if (failed != NULL && !message_has(api, failed, "component imports")) {
            api->error_delete(failed);
            failed = NULL;
        }
    }
    if (failed == NULL)
        return MCK_WASM_OK;
    mck_error_take(api, error, "the component imports something that is not provided", failed);
    api->component_linker_delete(program->component_linker);
    program->component_linker = NULL;
    return MCK_WASM_E_LINK;
}

mck_wasm_status mck_program_link(mck_wasm_program *program, mck_wasm_error *error)
{
    if (program->linked)
        return MCK_WASM_OK;
    mck_wasm_status status = program->component ? link_component(program, error) : link_module(program, error);
    program->linked = status == MCK_WASM_OK;
    return status;
}

/* ---- finding an export of a component ---- */

static bool same_name(const char *found, size_t found_len, const char *wanted, bool any_version)
{
    size_t n = strlen(wanted);
    if (found_len == n && memcmp(found, wanted, n) == 0)
        return true;
    return any_version && found_len > n && memcmp(found, wanted, n) == 0 && found[n] == '@';
}

bool mck_program_find(const mck_wasm_program *program, const char *interface_name, bool any_version,
                      const char *function_name, wasmtime_component_item_t *function,
                      wasmtime_component_export_index_t **index)
{
    const mck_wasmtime_api *api = &program->engine->api;
    const wasm_engine_t *wasm = program->engine->wasm;
    wasmtime_component_type_t *type = api->component_type(program->wasm_component);
    const char *outer = interface_name != NULL ? interface_name : function_name;
    uint8_t outer_kind =
        interface_name != NULL ? WASMTIME_COMPONENT_ITEM_COMPONENT_INSTANCE : WASMTIME_COMPONENT_ITEM_COMPONENT_FUNC;
    bool found = false;
    size_t count = api->component_type_export_count(type, wasm);
    for (size_t i = 0; i < count && !found; i++) {
        const char *name;
        size_t len;
        wasmtime_component_extern_t *entry;
        if (!api->component_type_export_nth(type, wasm, i, &name, &len, &entry))
            continue;
        wasmtime_component_item_t item;
        api->component_extern_type(entry, &item);
        api->component_extern_delete(entry);
        if (item.kind != outer_kind || !same_name(name, len, outer, any_version && interface_name != NULL)) {
            api->component_item_delete(&item);
            continue;
        }
        wasmtime_component_export_index_t *at =
            api->component_get_export_index(program->wasm_component, NULL, name, len);
        if (interface_name == NULL) {
            *function = item;
            *index = at;
            found = at != NULL;
            if (!found)
                api->component_item_delete(&item);
            break;
        }
        size_t inner_count = api->component_instance_type_export_count(item.of.component_instance, wasm);
        for (size_t j = 0; j < inner_count && !found && at != NULL; j++) {
            const char *inner;
            size_t inner_len;
            wasmtime_component_extern_t *inner_entry;
            if (!api->component_instance_type_export_nth(item.of.component_instance, wasm, j, &inner, &inner_len,
                                                         &inner_entry))
                continue;
            wasmtime_component_item_t inner_item;
            api->component_extern_type(inner_entry, &inner_item);
            api->component_extern_delete(inner_entry);
            if (inner_item.kind == WASMTIME_COMPONENT_ITEM_COMPONENT_FUNC &&
                same_name(inner, inner_len, function_name, false)) {
                *index = api->component_get_export_index(program->wasm_component, at, inner, inner_len);
                found = *index != NULL;
            }
            if (found)
                *function = inner_item;
            else
                api->component_item_delete(&inner_item);
        }
        if (at != NULL)
            api->component_export_index_delete(at);
        api->component_item_delete(&item);
    }
    api->component_type_delete(type);
    return found;
}
