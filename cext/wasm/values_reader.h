/* The state of one conversion from JSON, its refusals and its bounds. */
#ifndef MCPKIT_WASM_VALUES_READER_H
#define MCPKIT_WASM_VALUES_READER_H

#include "values_private.h"

typedef struct {
    const mck_wasmtime_api *api;
    mck_json_cursor *cursor;
    uint64_t max_bytes, used_bytes;
    uint32_t max_elements, used_elements;
    wasmtime_component_val_t *stack; /* elements of lists being read */
    size_t stack_len, stack_cap;
    uint8_t *scratch; /* decoded strings */
    size_t scratch_cap;
    mck_values_status status;
    mck_sentence detail;
} mck_reader;

/* Each sets the status and writes a sentence that begins with the path; those of type bool return false. */
mck_sentence *mck_values_refuse(mck_reader *r, mck_values_status status, const mck_path *path);
bool mck_values_out_of_memory(mck_reader *r);
bool mck_values_bad_json(mck_reader *r, const mck_path *path, mck_json_status status);
void mck_values_add_quoted(mck_sentence *s, const void *text, size_t len);
void mck_values_add_names(mck_sentence *s, const mck_type_member *members, size_t count);
void mck_values_add_expected(mck_sentence *s, const mck_type *type);
bool mck_values_mismatch(mck_reader *r, const mck_type *type, const mck_path *path, const mck_json_value *found);
bool mck_values_unknown_name(mck_reader *r, const mck_path *path, const char *what, const mck_type_member *members,
                             size_t count, const mck_json_value *name);
bool mck_values_given_twice(mck_reader *r, const mck_path *path, const char *name, size_t len);
bool mck_values_charge(mck_reader *r, const mck_path *path, uint64_t bytes, bool string);
bool mck_values_charge_element(mck_reader *r, const mck_path *list, size_t index);

/* The index of the member called `name`, SIZE_MAX if there is none. The search starts at `hint`: names mostly come
 * in the order of the type. */
size_t mck_values_find_name(const mck_reader *r, const mck_type_member *members, size_t count,
                            const mck_json_value *name, size_t hint);
/* A copy of the member's name for the library. */
void mck_values_set_name(const mck_reader *r, wasm_name_t *out, const mck_type_member *member);

/* The next JSON value, whole. */
bool mck_values_read(mck_reader *r, const mck_path *path, mck_json_value *v);

/* Booleans, numbers, characters, strings and enums. `*out` owns nothing unless this succeeds. */
bool mck_values_convert_plain(mck_reader *r, const mck_type *type, const mck_path *path, wasmtime_component_val_t *out);

#endif
