/* Opening wasmtime's shared library and filling the function table. */
#include "api.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

/* ISO C has no conversion from object to function pointers; POSIX promises that the bits are the same. */
static bool find(void *library, const char *symbol, void *slot, size_t slot_size)
{
    void *address = dlsym(library, symbol);
    if (address == NULL || slot_size != sizeof address)
        return false;
    memcpy(slot, &address, sizeof address);
    return true;
}

bool mck_wasmtime_api_load(mck_wasmtime_api *api, const char *path, char *message, size_t size)
{
    memset(api, 0, sizeof *api);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        const char *reason = dlerror();
        (void)snprintf(message, size, "cannot open wasmtime's library %s (%s): reinstall the wasmtime package", path,
                       reason != NULL ? reason : "no reason given");
        return false;
    }
    const char *missing = NULL;
#define LOAD_SHORT(result, name, parameters)                                                                           \
    if (missing == NULL && !find(library, "wasmtime_" #name, &api->name, sizeof api->name))                            \
        missing = "wasmtime_" #name;
#define LOAD_WHOLE(result, name, parameters)                                                                           \
    if (missing == NULL && !find(library, #name, &api->name, sizeof api->name))                                        \
        missing = #name;
    MCK_WASMTIME_FUNCTIONS(LOAD_SHORT)
    MCK_WASM_FUNCTIONS(LOAD_WHOLE)
#undef LOAD_SHORT
#undef LOAD_WHOLE
    if (missing != NULL) {
        (void)snprintf(message, size,
                       "wasmtime's library %s has no %s: install the tested version of the wasmtime package", path,
                       missing);
        (void)dlclose(library);
        return false;
    }
    api->library = library;
    return true;
}

/* ---- the facts that tests/test_wasm_api.py compares with the package ---- */

#define SIZE(type) {#type, NULL, sizeof(type)}
#define MEMBER(type, member) {#type, #member, offsetof(type, member)}

typedef wasmtime_component_val_t wasmtime_component_val;
typedef wasmtime_component_valrecord_entry_t wasmtime_component_valrecord_entry;
typedef wasmtime_component_valmap_entry_t wasmtime_component_valmap_entry;

static const mck_wasmtime_layout LAYOUTS[] = {
    SIZE(wasm_byte_vec_t),
    MEMBER(wasm_byte_vec_t, size),
    MEMBER(wasm_byte_vec_t, data),
    SIZE(wasm_importtype_vec_t),
    MEMBER(wasm_importtype_vec_t, size),
    MEMBER(wasm_importtype_vec_t, data),
    SIZE(wasm_exporttype_vec_t),
    MEMBER(wasm_exporttype_vec_t, size),
    MEMBER(wasm_exporttype_vec_t, data),
    SIZE(wasm_valtype_vec_t),
    MEMBER(wasm_valtype_vec_t, size),
    MEMBER(wasm_valtype_vec_t, data),
    SIZE(wasmtime_instance_t),
    MEMBER(wasmtime_instance_t, store_id),
    MEMBER(wasmtime_instance_t, private_0),
    SIZE(wasmtime_func_t),
    MEMBER(wasmtime_func_t, store_id),
    MEMBER(wasmtime_func_t, private_0),
    SIZE(wasmtime_memory_t),
    MEMBER(wasmtime_memory_t, outer),
    MEMBER(wasmtime_memory_t, private_1),
    SIZE(wasmtime_global_t),
    MEMBER(wasmtime_global_t, store_id),
    MEMBER(wasmtime_global_t, private_0),
    MEMBER(wasmtime_global_t, private_1),
    MEMBER(wasmtime_global_t, private_2),
    SIZE(wasmtime_val_raw_t),
    MEMBER(wasmtime_val_raw_t, i32),
    MEMBER(wasmtime_val_raw_t, i64),
    MEMBER(wasmtime_val_raw_t, v128),
    MEMBER(wasmtime_val_raw_t, funcref),
    SIZE(wasmtime_extern_t),
    MEMBER(wasmtime_extern_t, kind),
    MEMBER(wasmtime_extern_t, of),
    MEMBER(wasmtime_extern_t, of.func),
    MEMBER(wasmtime_extern_t, of.global),
    MEMBER(wasmtime_extern_t, of.memory),
    MEMBER(wasmtime_extern_t, of.sharedmemory),
    SIZE(wasmtime_component_valtype_t),
    MEMBER(wasmtime_component_valtype_t, kind),
    MEMBER(wasmtime_component_valtype_t, of),
    MEMBER(wasmtime_component_valtype_t, of.list),
    MEMBER(wasmtime_component_valtype_t, of.map),
    SIZE(wasmtime_component_item_t),
    MEMBER(wasmtime_component_item_t, kind),
    MEMBER(wasmtime_component_item_t, of),
    MEMBER(wasmtime_component_item_t, of.component_instance),
    MEMBER(wasmtime_component_item_t, of.component_func),
    MEMBER(wasmtime_component_item_t, of.type),
    SIZE(wasmtime_component_vallist_t),
    MEMBER(wasmtime_component_vallist_t, size),
    MEMBER(wasmtime_component_vallist_t, data),
    SIZE(wasmtime_component_valrecord_t),
    MEMBER(wasmtime_component_valrecord_t, size),
    MEMBER(wasmtime_component_valrecord_t, data),
    SIZE(wasmtime_component_valtuple_t),
    MEMBER(wasmtime_component_valtuple_t, size),
    MEMBER(wasmtime_component_valtuple_t, data),
    SIZE(wasmtime_component_valflags_t),
    MEMBER(wasmtime_component_valflags_t, size),
    MEMBER(wasmtime_component_valflags_t, data),
    SIZE(wasmtime_component_valmap_t),
    MEMBER(wasmtime_component_valmap_t, size),
    MEMBER(wasmtime_component_valmap_t, data),
    SIZE(wasmtime_component_valvariant_t),
    MEMBER(wasmtime_component_valvariant_t, discriminant),
    MEMBER(wasmtime_component_valvariant_t, val),
    SIZE(wasmtime_component_valresult_t),
    MEMBER(wasmtime_component_valresult_t, is_ok),
    MEMBER(wasmtime_component_valresult_t, val),
    SIZE(wasmtime_component_val),
    MEMBER(wasmtime_component_val, kind),
    MEMBER(wasmtime_component_val, of),
    MEMBER(wasmtime_component_val, of.boolean),
    MEMBER(wasmtime_component_val, of.s8),
    MEMBER(wasmtime_component_val, of.u8),
    MEMBER(wasmtime_component_val, of.s16),
    MEMBER(wasmtime_component_val, of.u16),
    MEMBER(wasmtime_component_val, of.s32),
    MEMBER(wasmtime_component_val, of.u32),
    MEMBER(wasmtime_component_val, of.s64),
    MEMBER(wasmtime_component_val, of.u64),
    MEMBER(wasmtime_component_val, of.f32),
    MEMBER(wasmtime_component_val, of.f64),
    MEMBER(wasmtime_component_val, of.character),
    MEMBER(wasmtime_component_val, of.string),
    MEMBER(wasmtime_component_val, of.list),
    MEMBER(wasmtime_component_val, of.record),
    MEMBER(wasmtime_component_val, of.tuple),
    MEMBER(wasmtime_component_val, of.variant),
    MEMBER(wasmtime_component_val, of.enumeration),
    MEMBER(wasmtime_component_val, of.option),
    MEMBER(wasmtime_component_val, of.result),
    MEMBER(wasmtime_component_val, of.flags),
    MEMBER(wasmtime_component_val, of.map),
    MEMBER(wasmtime_component_val, of.resource),
    SIZE(wasmtime_component_valrecord_entry),
    MEMBER(wasmtime_component_valrecord_entry, name),
    MEMBER(wasmtime_component_valrecord_entry, val),
    SIZE(wasmtime_component_valmap_entry),
    MEMBER(wasmtime_component_valmap_entry, key),
    MEMBER(wasmtime_component_valmap_entry, value),
    SIZE(wasmtime_component_instance_t),
    MEMBER(wasmtime_component_instance_t, store_id),
    MEMBER(wasmtime_component_instance_t, private_0),
    SIZE(wasmtime_component_func_t),
    MEMBER(wasmtime_component_func_t, outer),
    MEMBER(wasmtime_component_func_t, private_1),
    MEMBER(wasmtime_component_func_t, private_2),
};

#define PROTOTYPE_SHORT(result, name, parameters) {"wasmtime_" #name, #result, #parameters},
#define PROTOTYPE_WHOLE(result, name, parameters) {#name, #result, #parameters},

static const mck_wasmtime_prototype PROTOTYPES[] = {MCK_WASMTIME_FUNCTIONS(PROTOTYPE_SHORT)
                                                        MCK_WASM_FUNCTIONS(PROTOTYPE_WHOLE)};

const mck_wasmtime_layout *mck_wasmtime_layouts(size_t *count)
{
    *count = sizeof LAYOUTS / sizeof *LAYOUTS;
    return LAYOUTS;
}

const mck_wasmtime_prototype *mck_wasmtime_prototypes(size_t *count)
{
    *count = sizeof PROTOTYPES / sizeof *PROTOTYPES;
    return PROTOTYPES;
}
