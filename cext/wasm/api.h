/*
 * The part of wasmtime's C API that the wasm room uses: structures, constants and one table of functions, filled from the shared
 * library at run time. Private to the wasm room; nothing else in the project knows wasmtime.
 *
 * Layouts are those of the major version in MCK_WASM_MAJOR, as the `wasmtime` Python package declares them for ctypes;
 * tests/test_wasm_api.py compares every size, offset and signature here with the installed package.
 * Names and meaning of the functions are wasmtime's own (https://docs.wasmtime.dev/c-api/). Members of the table drop the prefix
 * `wasmtime_`; functions of the generic `wasm_` and `wasi_` families keep their whole name.
 */
#ifndef MCPKIT_WASM_API_H
#define MCPKIT_WASM_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- opaque things ---- */

typedef struct wasm_config_t wasm_config_t;
typedef struct wasm_engine_t wasm_engine_t;
typedef struct wasm_trap_t wasm_trap_t;
typedef struct wasm_importtype_t wasm_importtype_t;
typedef struct wasm_exporttype_t wasm_exporttype_t;
typedef struct wasm_externtype_t wasm_externtype_t;
typedef struct wasm_memorytype_t wasm_memorytype_t;
typedef struct wasm_functype_t wasm_functype_t;
typedef struct wasm_valtype_t wasm_valtype_t;
typedef struct wasi_config_t wasi_config_t;
typedef struct wasmtime_error wasmtime_error_t;
typedef struct wasmtime_store wasmtime_store_t;
typedef struct wasmtime_context wasmtime_context_t;
typedef struct wasmtime_module wasmtime_module_t;
typedef struct wasmtime_linker wasmtime_linker_t;
typedef struct wasmtime_instance_pre wasmtime_instance_pre_t;
typedef struct wasmtime_call_future wasmtime_call_future_t;
typedef struct wasmtime_caller wasmtime_caller_t;
typedef struct wasmtime_sharedmemory wasmtime_sharedmemory_t;
typedef struct wasmtime_pooling_allocation_config_t wasmtime_pooling_allocation_config_t;

typedef struct wasmtime_component_t wasmtime_component_t;
typedef struct wasmtime_component_linker_t wasmtime_component_linker_t;
typedef struct wasmtime_component_linker_instance_t wasmtime_component_linker_instance_t;
typedef struct wasmtime_component_export_index_t wasmtime_component_export_index_t;
typedef struct wasmtime_component_extern_t wasmtime_component_extern_t;
typedef struct wasmtime_component_type_t wasmtime_component_type_t;
typedef struct wasmtime_component_instance_type wasmtime_component_instance_type_t;
typedef struct wasmtime_module_type wasmtime_module_type_t;
typedef struct wasmtime_component_func_type_t wasmtime_component_func_type_t;
typedef struct wasmtime_component_resource_type wasmtime_component_resource_type_t;
typedef struct wasmtime_component_resource_any wasmtime_component_resource_any_t;
typedef struct wasmtime_component_list_type wasmtime_component_list_type_t;
typedef struct wasmtime_component_record_type wasmtime_component_record_type_t;
typedef struct wasmtime_component_tuple_type wasmtime_component_tuple_type_t;
typedef struct wasmtime_component_variant_type wasmtime_component_variant_type_t;
typedef struct wasmtime_component_enum_type wasmtime_component_enum_type_t;
typedef struct wasmtime_component_option_type wasmtime_component_option_type_t;
typedef struct wasmtime_component_result_type wasmtime_component_result_type_t;
typedef struct wasmtime_component_flags_type wasmtime_component_flags_type_t;
typedef struct wasmtime_component_future_type wasmtime_component_future_type_t;
typedef struct wasmtime_component_stream_type wasmtime_component_stream_type_t;
typedef struct wasmtime_component_map_type wasmtime_component_map_type_t;

/* ---- vectors ---- */

typedef struct {
    size_t size;
    char *data;
} wasm_byte_vec_t;
typedef wasm_byte_vec_t wasm_name_t;

typedef struct {
    size_t size;
    wasm_importtype_t **data;
} wasm_importtype_vec_t;

typedef struct {
    size_t size;
    wasm_exporttype_t **data;
} wasm_exporttype_vec_t;

typedef struct {
    size_t size;
    wasm_valtype_t **data;
} wasm_valtype_vec_t;

/* ---- core instances ---- */

typedef struct {
    uint64_t store_id;
    size_t private_0;
} wasmtime_instance_t;

typedef struct {
    uint64_t store_id;
    void *private_0;
} wasmtime_func_t;

typedef struct {
    struct {
        uint64_t store_id;
        uint32_t private_0;
    } outer;
    uint32_t private_1;
} wasmtime_memory_t;

typedef struct {
    uint64_t store_id;
    uint32_t private_0, private_1, private_2;
} wasmtime_global_t;

enum {
    WASMTIME_EXTERN_FUNC = 0,
    WASMTIME_EXTERN_GLOBAL = 1,
    WASMTIME_EXTERN_TABLE = 2,
    WASMTIME_EXTERN_MEMORY = 3,
};

/* Kinds of wasm_externtype_kind (another numbering than WASMTIME_EXTERN_*). */
enum {
    WASM_EXTERN_FUNC = 0,
    WASM_EXTERN_GLOBAL = 1,
    WASM_EXTERN_TABLE = 2,
    WASM_EXTERN_MEMORY = 3,
};

enum { WASM_I32 = 0, WASM_I64 = 1 };

typedef union {
    int32_t i32;
    int64_t i64;
    uint8_t v128[16];
    void *funcref;
} wasmtime_val_raw_t;

typedef struct {
    uint8_t kind; /* WASMTIME_EXTERN_* */
    union {
        wasmtime_func_t func;
        wasmtime_global_t global;
        wasmtime_memory_t memory;
        wasmtime_sharedmemory_t *sharedmemory;
    } of;
} wasmtime_extern_t;

/* Only ever used for functions without parameters and results: opaque. */
typedef struct wasmtime_val wasmtime_val_t;

/* ---- component types ---- */

enum {
    WASMTIME_COMPONENT_VALTYPE_BOOL = 0,
    WASMTIME_COMPONENT_VALTYPE_S8 = 1,
    WASMTIME_COMPONENT_VALTYPE_S16 = 2,
    WASMTIME_COMPONENT_VALTYPE_S32 = 3,
    WASMTIME_COMPONENT_VALTYPE_S64 = 4,
    WASMTIME_COMPONENT_VALTYPE_U8 = 5,
    WASMTIME_COMPONENT_VALTYPE_U16 = 6,
    WASMTIME_COMPONENT_VALTYPE_U32 = 7,
    WASMTIME_COMPONENT_VALTYPE_U64 = 8,
    WASMTIME_COMPONENT_VALTYPE_F32 = 9,
    WASMTIME_COMPONENT_VALTYPE_F64 = 10,
    WASMTIME_COMPONENT_VALTYPE_CHAR = 11,
    WASMTIME_COMPONENT_VALTYPE_STRING = 12,
    WASMTIME_COMPONENT_VALTYPE_LIST = 13,
    WASMTIME_COMPONENT_VALTYPE_RECORD = 14,
    WASMTIME_COMPONENT_VALTYPE_TUPLE = 15,
    WASMTIME_COMPONENT_VALTYPE_VARIANT = 16,
    WASMTIME_COMPONENT_VALTYPE_ENUM = 17,
    WASMTIME_COMPONENT_VALTYPE_OPTION = 18,
    WASMTIME_COMPONENT_VALTYPE_RESULT = 19,
    WASMTIME_COMPONENT_VALTYPE_FLAGS = 20,
    WASMTIME_COMPONENT_VALTYPE_OWN = 21,
    WASMTIME_COMPONENT_VALTYPE_BORROW = 22,
    WASMTIME_COMPONENT_VALTYPE_FUTURE = 23,
    WASMTIME_COMPONENT_VALTYPE_STREAM = 24,
    WASMTIME_COMPONENT_VALTYPE_ERROR_CONTEXT = 25,
    WASMTIME_COMPONENT_VALTYPE_MAP = 26, /* the package has no name for it; observed, and proven by a test */
};

/* Owned: release with component_valtype_delete, which frees what `of` points to as well. */
typedef struct wasmtime_component_valtype_t {
    uint8_t kind; /* WASMTIME_COMPONENT_VALTYPE_* */
    union {
        wasmtime_component_list_type_t *list;
        wasmtime_component_record_type_t *record;
        wasmtime_component_tuple_type_t *tuple;
        wasmtime_component_variant_type_t *variant;
        wasmtime_component_enum_type_t *enumeration;
        wasmtime_component_option_type_t *option;
        wasmtime_component_result_type_t *result;
        wasmtime_component_flags_type_t *flags;
        wasmtime_component_resource_type_t *own;
        wasmtime_component_resource_type_t *borrow;
        wasmtime_component_future_type_t *future;
        wasmtime_component_stream_type_t *stream;
        wasmtime_component_map_type_t *map;
    } of;
} wasmtime_component_valtype_t;

enum {
    WASMTIME_COMPONENT_ITEM_COMPONENT = 0,
    WASMTIME_COMPONENT_ITEM_COMPONENT_INSTANCE = 1,
    WASMTIME_COMPONENT_ITEM_MODULE = 2,
    WASMTIME_COMPONENT_ITEM_COMPONENT_FUNC = 3,
    WASMTIME_COMPONENT_ITEM_RESOURCE = 4,
    WASMTIME_COMPONENT_ITEM_CORE_FUNC = 5,
    WASMTIME_COMPONENT_ITEM_TYPE = 6,
};

/* Owned: release with component_item_delete. */
typedef struct {
    uint8_t kind; /* WASMTIME_COMPONENT_ITEM_* */
    union {
        wasmtime_component_type_t *component;
        wasmtime_component_instance_type_t *component_instance;
        wasmtime_module_type_t *module;
        wasmtime_component_func_type_t *component_func;
        wasmtime_component_resource_type_t *resource;
        wasm_functype_t *core_func;
        wasmtime_component_valtype_t type;
    } of;
} wasmtime_component_item_t;

/* ---- component values ---- */

enum {
    WASMTIME_COMPONENT_BOOL = 0,
    WASMTIME_COMPONENT_S8 = 1,
    WASMTIME_COMPONENT_U8 = 2,
    WASMTIME_COMPONENT_S16 = 3,
    WASMTIME_COMPONENT_U16 = 4,
    WASMTIME_COMPONENT_S32 = 5,
    WASMTIME_COMPONENT_U32 = 6,
    WASMTIME_COMPONENT_S64 = 7,
    WASMTIME_COMPONENT_U64 = 8,
    WASMTIME_COMPONENT_F32 = 9,
    WASMTIME_COMPONENT_F64 = 10,
    WASMTIME_COMPONENT_CHAR = 11,
    WASMTIME_COMPONENT_STRING = 12,
    WASMTIME_COMPONENT_LIST = 13,
    WASMTIME_COMPONENT_RECORD = 14,
    WASMTIME_COMPONENT_TUPLE = 15,
    WASMTIME_COMPONENT_VARIANT = 16,
    WASMTIME_COMPONENT_ENUM = 17,
    WASMTIME_COMPONENT_OPTION = 18,
    WASMTIME_COMPONENT_RESULT = 19,
    WASMTIME_COMPONENT_FLAGS = 20,
    WASMTIME_COMPONENT_RESOURCE = 21,
    WASMTIME_COMPONENT_MAP = 22, /* as WASMTIME_COMPONENT_VALTYPE_MAP */
};

typedef struct wasmtime_component_val wasmtime_component_val_t;
typedef struct wasmtime_component_valrecord_entry wasmtime_component_valrecord_entry_t;
typedef struct wasmtime_component_valmap_entry wasmtime_component_valmap_entry_t;

typedef struct {
    size_t size;
    wasmtime_component_val_t *data;
} wasmtime_component_vallist_t;

typedef struct {
    size_t size;
    wasmtime_component_valrecord_entry_t *data;
} wasmtime_component_valrecord_t;

typedef struct {
    size_t size;
    wasmtime_component_val_t *data;
} wasmtime_component_valtuple_t;

typedef struct {
    size_t size;
    wasm_name_t *data;
} wasmtime_component_valflags_t;

typedef struct {
    size_t size;
    wasmtime_component_valmap_entry_t *data;
} wasmtime_component_valmap_t;

typedef struct {
    wasm_name_t discriminant;
    wasmtime_component_val_t *val; /* NULL: a case without payload */
} wasmtime_component_valvariant_t;

typedef struct {
    bool is_ok;
    wasmtime_component_val_t *val; /* NULL: no payload on this side */
} wasmtime_component_valresult_t;

/* Owned: release with component_val_delete. Boxed values (variant, option, result) are made with component_val_new, which
 * moves; strings and names with wasm_byte_vec_new, which copies; sequences with component_val*_new_uninit. */
struct wasmtime_component_val {
    uint8_t kind; /* WASMTIME_COMPONENT_* */
    union {
        bool boolean;
        int8_t s8;
        uint8_t u8;
        int16_t s16;
        uint16_t u16;
        int32_t s32;
        uint32_t u32;
        int64_t s64;
        uint64_t u64;
        float f32;
        double f64;
        uint32_t character;
        wasm_name_t string;
        wasmtime_component_vallist_t list;
        wasmtime_component_valrecord_t record;
        wasmtime_component_valtuple_t tuple;
        wasmtime_component_valvariant_t variant;
        wasm_name_t enumeration;
        wasmtime_component_val_t *option; /* NULL: none */
        wasmtime_component_valresult_t result;
        wasmtime_component_valflags_t flags;
        wasmtime_component_valmap_t map;
        wasmtime_component_resource_any_t *resource;
    } of;
};

struct wasmtime_component_valrecord_entry {
    wasm_name_t name;
    wasmtime_component_val_t val;
};

struct wasmtime_component_valmap_entry {
    wasmtime_component_val_t key, value;
};

/* ---- component instances ---- */

typedef struct {
    uint64_t store_id;
    uint32_t private_0;
} wasmtime_component_instance_t;

typedef struct {
    struct {
        uint64_t store_id;
        uint32_t private_0;
    } outer;
    uint32_t private_1;
    void *private_2;
} wasmtime_component_func_t;

/* ---- WASI output ---- */

/* Bytes taken (0 … len), or a negative error number of the operating system. */
typedef ptrdiff_t (*mck_wasi_write)(void *data, const unsigned char *bytes, size_t len);
typedef void (*mck_finalizer)(void *data);
typedef wasm_trap_t *(*mck_host_function)(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values,
                                          size_t count);

/* ---- functions ---- */

/* X(result, member, parameters): the library's symbol is wasmtime_<member>. */
#define MCK_WASMTIME_FUNCTIONS(X)                                                                                      \
    /* engine configuration */                                                                                         \
    X(void, config_consume_fuel_set, (wasm_config_t *, bool))                                                          \
    X(void, config_epoch_interruption_set, (wasm_config_t *, bool))                                                    \
    X(void, config_wasm_threads_set, (wasm_config_t *, bool))                                                          \
    X(void, config_wasm_memory64_set, (wasm_config_t *, bool))                                                         \
    X(void, config_wasm_component_model_async_set, (wasm_config_t *, bool))                                            \
    X(void, config_wasm_component_model_map_set, (wasm_config_t *, bool))                                              \
    X(void, config_concurrency_support_set, (wasm_config_t *, bool))                                                   \
    X(wasmtime_error_t *, config_target_set, (wasm_config_t *, const char *))                                          \
    X(void, config_parallel_compilation_set, (wasm_config_t *, bool))                                                  \
    X(wasmtime_pooling_allocation_config_t *, pooling_allocation_config_new, (void))                                   \
    X(void, pooling_allocation_config_delete, (wasmtime_pooling_allocation_config_t *))                                \
    X(void, pooling_allocation_config_decommit_batch_size_set, (wasmtime_pooling_allocation_config_t *, size_t))       \
    X(void, pooling_allocation_config_async_stack_keep_resident_set, (wasmtime_pooling_allocation_config_t *, size_t)) \
    X(void, pooling_allocation_config_linear_memory_keep_resident_set,                                                 \
      (wasmtime_pooling_allocation_config_t *, size_t))                                                                \
    X(void, pooling_allocation_config_table_keep_resident_set, (wasmtime_pooling_allocation_config_t *, size_t))       \
    X(void, pooling_allocation_config_total_component_instances_set,                                                   \
      (wasmtime_pooling_allocation_config_t *, uint32_t))                                                              \
    X(void, pooling_allocation_config_max_component_instance_size_set,                                                 \
      (wasmtime_pooling_allocation_config_t *, size_t))                                                                \
    X(void, pooling_allocation_config_max_core_instances_per_component_set,                                            \
      (wasmtime_pooling_allocation_config_t *, uint32_t))                                                              \
    X(void, pooling_allocation_config_max_memories_per_component_set,                                                  \
      (wasmtime_pooling_allocation_config_t *, uint32_t))                                                              \
    X(void, pooling_allocation_config_max_tables_per_component_set,                                                    \
      (wasmtime_pooling_allocation_config_t *, uint32_t))                                                              \
    X(void, pooling_allocation_config_total_memories_set, (wasmtime_pooling_allocation_config_t *, uint32_t))          \
    X(void, pooling_allocation_config_total_tables_set, (wasmtime_pooling_allocation_config_t *, uint32_t))            \
    X(void, pooling_allocation_config_total_stacks_set, (wasmtime_pooling_allocation_config_t *, uint32_t))            \
    X(void, pooling_allocation_config_total_core_instances_set, (wasmtime_pooling_allocation_config_t *, uint32_t))    \
    X(void, pooling_allocation_config_max_core_instance_size_set, (wasmtime_pooling_allocation_config_t *, size_t))    \
    X(void, pooling_allocation_config_max_tables_per_module_set, (wasmtime_pooling_allocation_config_t *, uint32_t))   \
    X(void, pooling_allocation_config_table_elements_set, (wasmtime_pooling_allocation_config_t *, size_t))            \
    X(void, pooling_allocation_config_max_memories_per_module_set, (wasmtime_pooling_allocation_config_t *, uint32_t)) \
    X(void, pooling_allocation_config_max_memory_size_set, (wasmtime_pooling_allocation_config_t *, size_t))           \
    X(void, pooling_allocation_strategy_set, (wasm_config_t *, const wasmtime_pooling_allocation_config_t *))          \
    /* engine */                                                                                                       \
    X(void, engine_increment_epoch, (wasm_engine_t *))                                                                 \
    X(wasmtime_error_t *, wat2wasm, (const char *, size_t, wasm_byte_vec_t *))                                         \
    /* errors and traps */                                                                                             \
    X(void, error_delete, (wasmtime_error_t *))                                                                        \
    X(void, error_message, (const wasmtime_error_t *, wasm_byte_vec_t *))                                              \
    X(bool, error_exit_status, (const wasmtime_error_t *, int *))                                                      \
    /* stores */                                                                                                       \
    X(wasmtime_store_t *, store_new, (wasm_engine_t *, void *, mck_finalizer))                                         \
    X(wasmtime_context_t *, store_context, (wasmtime_store_t *))                                                       \
    X(void, store_limiter, (wasmtime_store_t *, int64_t, int64_t, int64_t, int64_t, int64_t))                          \
    X(void, store_delete, (wasmtime_store_t *))                                                                        \
    X(wasmtime_error_t *, context_set_fuel, (wasmtime_context_t *, uint64_t))                                          \
    X(wasmtime_error_t *, context_get_fuel, (const wasmtime_context_t *, uint64_t *))                                  \
    X(wasmtime_error_t *, context_set_wasi, (wasmtime_context_t *, wasi_config_t *))                                   \
    X(wasmtime_error_t *, context_fuel_async_yield_interval, (wasmtime_context_t *, uint64_t))                         \
    /* The package declares an error as its result, but the library returns nothing: the register holds garbage. */    \
    X(void, context_epoch_deadline_async_yield_and_update, (wasmtime_context_t *, uint64_t))                           \
    X(bool, call_future_poll, (wasmtime_call_future_t *))                                                              \
    X(void, call_future_delete, (wasmtime_call_future_t *))                                                            \
    /* core modules */                                                                                                 \
    X(wasmtime_error_t *, module_new, (wasm_engine_t *, const uint8_t *, size_t, wasmtime_module_t **))                \
    X(void, module_delete, (wasmtime_module_t *))                                                                      \
    X(void, module_imports, (const wasmtime_module_t *, wasm_importtype_vec_t *))                                      \
    X(void, module_exports, (const wasmtime_module_t *, wasm_exporttype_vec_t *))                                      \
    X(wasmtime_error_t *, module_serialize, (wasmtime_module_t *, wasm_byte_vec_t *))                                  \
    X(wasmtime_error_t *, module_deserialize_file, (wasm_engine_t *, const char *, wasmtime_module_t **))              \
    X(uint64_t, memorytype_minimum, (const wasm_memorytype_t *))                                                       \
    X(uint64_t, memorytype_page_size, (const wasm_memorytype_t *))                                                     \
    X(wasmtime_linker_t *, linker_new, (wasm_engine_t *))                                                              \
    X(void, linker_delete, (wasmtime_linker_t *))                                                                      \
    X(wasmtime_error_t *, linker_define_wasi, (wasmtime_linker_t *))                                                   \
    X(wasmtime_error_t *, linker_define_func_unchecked,                                                                \
      (wasmtime_linker_t *, const char *, size_t, const char *, size_t, const wasm_functype_t *, mck_host_function,    \
       void *, mck_finalizer))                                                                                         \
    X(wasm_trap_t *, trap_new, (const char *, size_t))                                                                 \
    X(wasmtime_context_t *, caller_context, (wasmtime_caller_t *))                                                     \
    X(bool, caller_export_get, (wasmtime_caller_t *, const char *, size_t, wasmtime_extern_t *))                       \
    X(void *, context_get_data, (const wasmtime_context_t *))                                                          \
    X(uint8_t *, memory_data, (const wasmtime_context_t *, const wasmtime_memory_t *))                                 \
    X(wasmtime_error_t *, linker_instantiate_pre,                                                                      \
      (const wasmtime_linker_t *, const wasmtime_module_t *, wasmtime_instance_pre_t **))                              \
    X(void, instance_pre_delete, (wasmtime_instance_pre_t *))                                                          \
    X(wasmtime_call_future_t *, instance_pre_instantiate_async,                                                        \
      (const wasmtime_instance_pre_t *, wasmtime_context_t *, wasmtime_instance_t *, wasm_trap_t **,                   \
       wasmtime_error_t **))                                                                                           \
    X(bool, instance_export_get,                                                                                       \
      (wasmtime_context_t *, const wasmtime_instance_t *, const char *, size_t, wasmtime_extern_t *))                  \
    X(wasmtime_call_future_t *, func_call_async,                                                                       \
      (wasmtime_context_t *, const wasmtime_func_t *, const wasmtime_val_t *, size_t, wasmtime_val_t *, size_t,        \
       wasm_trap_t **, wasmtime_error_t **))                                                                           \
    X(size_t, memory_data_size, (const wasmtime_context_t *, const wasmtime_memory_t *))                               \
    /* components */                                                                                                   \
    X(wasmtime_error_t *, component_new, (const wasm_engine_t *, const uint8_t *, size_t, wasmtime_component_t **))    \
    X(void, component_delete, (wasmtime_component_t *))                                                                \
    X(wasmtime_error_t *, component_serialize, (const wasmtime_component_t *, wasm_byte_vec_t *))                      \
    X(wasmtime_error_t *, component_deserialize_file, (const wasm_engine_t *, const char *, wasmtime_component_t **))  \
    X(wasmtime_component_type_t *, component_type, (const wasmtime_component_t *))                                     \
    X(wasmtime_component_export_index_t *, component_get_export_index,                                                 \
      (const wasmtime_component_t *, const wasmtime_component_export_index_t *, const char *, size_t))                 \
    X(void, component_export_index_delete, (wasmtime_component_export_index_t *))                                      \
    X(wasmtime_component_linker_t *, component_linker_new, (const wasm_engine_t *))                                    \
    X(void, component_linker_delete, (wasmtime_component_linker_t *))                                                  \
    X(wasmtime_error_t *, component_linker_add_wasip2, (wasmtime_component_linker_t *))                                \
    X(wasmtime_call_future_t *, component_linker_instantiate_async,                                                    \
      (const wasmtime_component_linker_t *, wasmtime_context_t *, const wasmtime_component_t *,                        \
       wasmtime_component_instance_t *, wasmtime_error_t **))                                                          \
    X(bool, component_instance_get_func,                                                                               \
      (const wasmtime_component_instance_t *, wasmtime_context_t *, const wasmtime_component_export_index_t *,         \
       wasmtime_component_func_t *))                                                                                   \
    X(wasmtime_call_future_t *, component_func_call_async,                                                             \
      (const wasmtime_component_func_t *, wasmtime_context_t *, const wasmtime_component_val_t *, size_t,              \
       wasmtime_component_val_t *, size_t, wasmtime_error_t **))                                                       \
    /* component types */                                                                                              \
    X(void, component_type_delete, (wasmtime_component_type_t *))                                                      \
    X(size_t, component_type_import_count, (const wasmtime_component_type_t *, const wasm_engine_t *))                 \
    X(bool, component_type_import_nth,                                                                                 \
      (const wasmtime_component_type_t *, const wasm_engine_t *, size_t, const char **, size_t *,                      \
       wasmtime_component_extern_t **))                                                                                \
    X(size_t, component_type_export_count, (const wasmtime_component_type_t *, const wasm_engine_t *))                 \
    X(bool, component_type_export_nth,                                                                                 \
      (const wasmtime_component_type_t *, const wasm_engine_t *, size_t, const char **, size_t *,                      \
       wasmtime_component_extern_t **))                                                                                \
    X(size_t, component_instance_type_export_count,                                                                    \
      (const wasmtime_component_instance_type_t *, const wasm_engine_t *))                                             \
    X(bool, component_instance_type_export_nth,                                                                        \
      (const wasmtime_component_instance_type_t *, const wasm_engine_t *, size_t, const char **, size_t *,             \
       wasmtime_component_extern_t **))                                                                                \
    X(void, component_extern_type, (const wasmtime_component_extern_t *, wasmtime_component_item_t *))                 \
    X(void, component_extern_delete, (wasmtime_component_extern_t *))                                                  \
    X(void, component_item_delete, (wasmtime_component_item_t *))                                                      \
    X(void, component_func_type_delete, (wasmtime_component_func_type_t *))                                            \
    X(bool, component_func_type_async, (const wasmtime_component_func_type_t *))                                       \
    X(size_t, component_func_type_param_count, (const wasmtime_component_func_type_t *))                               \
    X(bool, component_func_type_param_nth,                                                                             \
      (const wasmtime_component_func_type_t *, size_t, const char **, size_t *, wasmtime_component_valtype_t *))       \
    X(bool, component_func_type_result, (const wasmtime_component_func_type_t *, wasmtime_component_valtype_t *))      \
    X(void, component_valtype_delete, (wasmtime_component_valtype_t *))                                                \
    X(void, component_list_type_element, (const wasmtime_component_list_type_t *, wasmtime_component_valtype_t *))     \
    X(size_t, component_record_type_field_count, (const wasmtime_component_record_type_t *))                           \
    X(bool, component_record_type_field_nth,                                                                           \
      (const wasmtime_component_record_type_t *, size_t, const char **, size_t *, wasmtime_component_valtype_t *))     \
    X(size_t, component_tuple_type_types_count, (const wasmtime_component_tuple_type_t *))                             \
    X(bool, component_tuple_type_types_nth,                                                                            \
      (const wasmtime_component_tuple_type_t *, size_t, wasmtime_component_valtype_t *))                               \
    X(size_t, component_variant_type_case_count, (const wasmtime_component_variant_type_t *))                          \
    X(bool, component_variant_type_case_nth, /* the bool says whether there is a payload */                            \
      (const wasmtime_component_variant_type_t *, size_t, const char **, size_t *, bool *,                             \
       wasmtime_component_valtype_t *))                                                                                \
    X(size_t, component_enum_type_names_count, (const wasmtime_component_enum_type_t *))                               \
    X(bool, component_enum_type_names_nth, (const wasmtime_component_enum_type_t *, size_t, const char **, size_t *))  \
    X(void, component_option_type_ty, (const wasmtime_component_option_type_t *, wasmtime_component_valtype_t *))      \
    X(bool, component_result_type_ok, (const wasmtime_component_result_type_t *, wasmtime_component_valtype_t *))      \
    X(bool, component_result_type_err, (const wasmtime_component_result_type_t *, wasmtime_component_valtype_t *))     \
    X(size_t, component_flags_type_names_count, (const wasmtime_component_flags_type_t *))                             \
    X(bool, component_flags_type_names_nth,                                                                            \
      (const wasmtime_component_flags_type_t *, size_t, const char **, size_t *))                                      \
    X(void, component_map_type_key, (const wasmtime_component_map_type_t *, wasmtime_component_valtype_t *))           \
    X(void, component_map_type_value, (const wasmtime_component_map_type_t *, wasmtime_component_valtype_t *))         \
    /* component values */                                                                                             \
    X(wasmtime_component_val_t *, component_val_new, (wasmtime_component_val_t *))                                     \
    X(void, component_val_free, (wasmtime_component_val_t *))                                                          \
    X(void, component_val_delete, (wasmtime_component_val_t *))                                                        \
    X(void, component_vallist_new_uninit, (wasmtime_component_vallist_t *, size_t))                                    \
    X(void, component_valrecord_new_uninit, (wasmtime_component_valrecord_t *, size_t))                                \
    X(void, component_valtuple_new_uninit, (wasmtime_component_valtuple_t *, size_t))                                  \
    X(void, component_valflags_new_uninit, (wasmtime_component_valflags_t *, size_t))                                  \
    X(void, component_valmap_new_uninit, (wasmtime_component_valmap_t *, size_t))

/* X(result, symbol, parameters): functions of the generic families, symbol and member alike. */
#define MCK_WASM_FUNCTIONS(X)                                                                                          \
    X(wasm_config_t *, wasm_config_new, (void))                                                                        \
    X(void, wasm_config_delete, (wasm_config_t *))                                                                     \
    X(wasm_engine_t *, wasm_engine_new_with_config, (wasm_config_t *))                                                 \
    X(void, wasm_engine_delete, (wasm_engine_t *))                                                                     \
    X(void, wasm_byte_vec_new, (wasm_byte_vec_t *, size_t, const char *))                                              \
    X(void, wasm_byte_vec_new_uninitialized, (wasm_byte_vec_t *, size_t))                                              \
    X(void, wasm_byte_vec_delete, (wasm_byte_vec_t *))                                                                 \
    X(void, wasm_trap_delete, (wasm_trap_t *))                                                                         \
    X(void, wasm_trap_message, (const wasm_trap_t *, wasm_byte_vec_t *))                                               \
    X(void, wasm_importtype_vec_delete, (wasm_importtype_vec_t *))                                                     \
    X(const wasm_name_t *, wasm_importtype_module, (const wasm_importtype_t *))                                        \
    X(const wasm_name_t *, wasm_importtype_name, (const wasm_importtype_t *))                                          \
    X(const wasm_externtype_t *, wasm_importtype_type, (const wasm_importtype_t *))                                    \
    X(void, wasm_exporttype_vec_delete, (wasm_exporttype_vec_t *))                                                     \
    X(const wasm_name_t *, wasm_exporttype_name, (const wasm_exporttype_t *))                                          \
    X(const wasm_externtype_t *, wasm_exporttype_type, (const wasm_exporttype_t *))                                    \
    X(uint8_t, wasm_externtype_kind, (const wasm_externtype_t *))                                                      \
    X(const wasm_memorytype_t *, wasm_externtype_as_memorytype_const, (const wasm_externtype_t *))                     \
    X(const wasm_functype_t *, wasm_externtype_as_functype_const, (const wasm_externtype_t *))                         \
    X(const wasm_valtype_vec_t *, wasm_functype_params, (const wasm_functype_t *))                                     \
    X(const wasm_valtype_vec_t *, wasm_functype_results, (const wasm_functype_t *))                                    \
    X(wasm_valtype_t *, wasm_valtype_new, (uint8_t))                                                                   \
    X(void, wasm_valtype_vec_new, (wasm_valtype_vec_t *, size_t, wasm_valtype_t *const *))                             \
    X(wasm_functype_t *, wasm_functype_new, (wasm_valtype_vec_t *, wasm_valtype_vec_t *))                              \
    X(void, wasm_functype_delete, (wasm_functype_t *))                                                                 \
    X(wasi_config_t *, wasi_config_new, (void))                                                                        \
    X(void, wasi_config_delete, (wasi_config_t *))                                                                     \
    X(bool, wasi_config_set_argv, (wasi_config_t *, size_t, const char **))                                            \
    X(bool, wasi_config_set_env, (wasi_config_t *, size_t, const char **, const char **))                              \
    X(bool, wasi_config_preopen_dir, (wasi_config_t *, const char *, const char *, bool))                              \
    X(void, wasi_config_set_stdin_bytes, (wasi_config_t *, wasm_byte_vec_t *))                                         \
    X(void, wasi_config_set_stdout_custom, (wasi_config_t *, mck_wasi_write, void *, mck_finalizer))                   \
    X(void, wasi_config_set_stderr_custom, (wasi_config_t *, mck_wasi_write, void *, mck_finalizer))

typedef struct {
    void *library;
#define MCK_API_MEMBER(result, name, parameters) result(*name) parameters;
    MCK_WASMTIME_FUNCTIONS(MCK_API_MEMBER)
    MCK_WASM_FUNCTIONS(MCK_API_MEMBER)
#undef MCK_API_MEMBER
} mck_wasmtime_api;

/*
 * Open the shared library (never closed again: its code stays in use by signal handlers) and fill the table. False: `message`
 * (terminated, `size` bytes at most) says which file or symbol is missing and what to do.
 */
bool mck_wasmtime_api_load(mck_wasmtime_api *api, const char *path, char *message, size_t size);

/* Facts about this file for the test that compares them with the installed package. */
typedef struct {
    const char *type;   /* "wasmtime_component_val" */
    const char *member; /* "kind"; NULL: the whole type, `offset` is its size */
    size_t offset;
} mck_wasmtime_layout;

typedef struct {
    const char *symbol;     /* "wasmtime_store_new" */
    const char *result;     /* "wasmtime_store_t *" */
    const char *parameters; /* "(wasm_engine_t *, void *, mck_finalizer)" */
} mck_wasmtime_prototype;

const mck_wasmtime_layout *mck_wasmtime_layouts(size_t *count);
const mck_wasmtime_prototype *mck_wasmtime_prototypes(size_t *count);

#endif
