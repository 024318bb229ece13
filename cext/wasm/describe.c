/* What a program imports and exports, as JSON: how guest styles are recognised and schemas made. */
#include "internal.h"

#include <string.h>

static const char *extern_kind(uint8_t kind)
{
    static const char *const NAMES[] = {"func", "global", "table", "memory"};
    return kind < sizeof NAMES / sizeof *NAMES ? NAMES[kind] : "tag";
}

static void describe_module(const mck_wasm_program *program, mck_buffer *out)
{
    const mck_wasmtime_api *api = &program->engine->api;
    mck_buffer_text(out, "{\"kind\":\"module\",\"imports\":[");
    wasm_importtype_vec_t imports;
    api->module_imports(program->module, &imports);
    for (size_t i = 0; i < imports.size; i++) {
        const wasm_name_t *module = api->wasm_importtype_module(imports.data[i]);
        const wasm_name_t *name = api->wasm_importtype_name(imports.data[i]);
        mck_buffer_text(out, i != 0 ? ",{\"module\":" : "{\"module\":");
        mck_buffer_json_string(out, module->data, module->size);
        mck_buffer_text(out, ",\"name\":");
        if (name != NULL)
            mck_buffer_json_string(out, name->data, name->size);
        else
            mck_buffer_text(out, "\"\"");
        mck_buffer_text(out, ",\"type\":\"");
        mck_buffer_text(out, extern_kind(api->wasm_externtype_kind(api->wasm_importtype_type(imports.data[i]))));
        mck_buffer_text(out, "\"}");
    }
    api->wasm_importtype_vec_delete(&imports);
    mck_buffer_text(out, "],\"exports\":[");
    wasm_exporttype_vec_t exports;
    api->module_exports(program->module, &exports);
    for (size_t i = 0; i < exports.size; i++) {
        const wasm_name_t *name = api->wasm_exporttype_name(exports.data[i]);
        const wasm_externtype_t *type = api->wasm_exporttype_type(exports.data[i]);
        uint8_t kind = api->wasm_externtype_kind(type);
        mck_buffer_text(out, i != 0 ? ",{\"name\":" : "{\"name\":");
        mck_buffer_json_string(out, name->data, name->size);
        mck_buffer_text(out, ",\"type\":\"");
        mck_buffer_text(out, extern_kind(kind));
        mck_buffer_text(out, "\"");
        if (kind == WASM_EXTERN_MEMORY) {
            mck_buffer_text(out, ",\"minimum\":");
            mck_buffer_u64(out, api->memorytype_minimum(api->wasm_externtype_as_memorytype_const(type)));
        }
        mck_buffer_text(out, "}");
    }
    api->wasm_exporttype_vec_delete(&exports);
    mck_buffer_text(out, "],\"memory_minimum\":");
    mck_buffer_u64(out, program->memory_minimum);
    mck_buffer_text(out, "}");
}

/* False: out of memory. */
static bool describe_function(const mck_wasm_program *program, const char *interface_name, size_t interface_len,
                              const char *name, size_t len, const wasmtime_component_func_type_t *type, bool *first,
                              mck_buffer *out)
{
    mck_signature *signature = mck_signature_new(&program->engine->api, type);
    if (signature == NULL)
        return false;
    mck_buffer_text(out, *first ? "{\"interface\":" : ",{\"interface\":");
    *first = false;
    if (interface_name != NULL)
        mck_buffer_json_string(out, interface_name, interface_len);
    else
        mck_buffer_text(out, "null");
    mck_buffer_text(out, ",\"name\":");
    mck_buffer_json_string(out, name, len);
    mck_buffer_text(out, ",");
    mck_signature_describe(signature, out);
    mck_buffer_text(out, "}");
    mck_signature_delete(signature);
    return true;
}

static bool describe_interface(const mck_wasm_program *program, const char *interface_name, size_t interface_len,
                               const wasmtime_component_instance_type_t *type, bool *first, mck_buffer *out)
{
    const mck_wasmtime_api *api = &program->engine->api;
    bool fine = true;
    size_t count = api->component_instance_type_export_count(type, program->engine->wasm);
    for (size_t i = 0; i < count && fine; i++) {
        const char *name;
        size_t len;
        wasmtime_component_extern_t *entry;
        if (!api->component_instance_type_export_nth(type, program->engine->wasm, i, &name, &len, &entry))
            continue;
        wasmtime_component_item_t item;
        api->component_extern_type(entry, &item);
        api->component_extern_delete(entry);
        if (item.kind == WASMTIME_COMPONENT_ITEM_COMPONENT_FUNC)
            fine = describe_function(program, interface_name, interface_len, name, len, item.of.component_func, first,
                                     out);
        api->component_item_delete(&item);
    }
    return fine;
}

static bool describe_component(const mck_wasm_program *program, mck_buffer *out)
{
    const mck_wasmtime_api *api = &program->engine->api;
    const wasm_engine_t *wasm = program->engine->wasm;
    wasmtime_component_type_t *type = api->component_type(program->wasm_component);
    mck_buffer_text(out, "{\"kind\":\"component\",\"imports\":[");
    size_t count = api->component_type_import_count(type, wasm);
    const char *name;
    size_t len;
    wasmtime_component_extern_t *entry;
    bool first = true, fine = true;
    for (size_t i = 0; i < count; i++) {
        if (!api->component_type_import_nth(type, wasm, i, &name, &len, &entry))
            continue;
        if (!first)
            mck_buffer_text(out, ",");
        first = false;
        mck_buffer_json_string(out, name, len);
        api->component_extern_delete(entry);
    }
    mck_buffer_text(out, "],\"exports\":[");
    first = true;
    count = api->component_type_export_count(type, wasm);
    for (size_t i = 0; i < count && fine; i++) {
        if (!api->component_type_export_nth(type, wasm, i, &name, &len, &entry))
            continue;
        wasmtime_component_item_t item;
        api->component_extern_type(entry, &item);
        api->component_extern_delete(entry);
        if (item.kind == WASMTIME_COMPONENT_ITEM_COMPONENT_FUNC)
            fine = describe_function(program, NULL, 0, name, len, item.of.component_func, &first, out);
        else if (item.kind == WASMTIME_COMPONENT_ITEM_COMPONENT_INSTANCE)
            fine = describe_interface(program, name, len, item.of.component_instance, &first, out);
        api->component_item_delete(&item);
    }
    mck_buffer_text(out, "]}");
    api->component_type_delete(type);
    return fine;
}

mck_wasm_status mck_wasm_program_describe(const mck_wasm_program *program, mck_buffer *out, mck_wasm_error *error)
{
    bool fine = true;
    if (program->component)
        fine = describe_component(program, out);
    else
        describe_module(program, out);
    if (fine && !out->failed)
        return MCK_WASM_OK;
    mck_error_set(error, "out of memory while describing a program");
    return MCK_WASM_E_MEMORY;
}
