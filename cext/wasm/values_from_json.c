/*
 * JSON to component values. The text is read once, by the type plan; every bound is checked before the memory it bounds is
 * taken, and a refusal names the path, what was expected and what was found.
 */
#include "values_private.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_MAX_BYTES (UINT64_C(16) << 20)
#define DEFAULT_MAX_ELEMENTS 80000u
#define JSON_DEPTH (2u * MCK_VALUES_MAX_DEPTH + 16u) /* a type takes at most two levels of JSON (map, option of option) */

typedef wasmtime_component_val_t val_t;

typedef struct {
    const mck_wasmtime_api *api;
    mck_json_cursor *cursor;
    uint64_t max_bytes, used_bytes;
    uint32_t max_elements, used_elements;
    val_t *stack; /* elements of lists being read */
    size_t stack_len, stack_cap;
    uint8_t *scratch; /* decoded strings */
    size_t scratch_cap;
    mck_values_status status;
    mck_sentence detail;
} reader;

static bool convert(reader *r, const mck_type *type, const mck_path *path, val_t *out);

/* ---- refusals ---- */

static mck_sentence *refuse(reader *r, mck_values_status status, const mck_path *path) {
    r->status = status;
    mck_sentence_path(&r->detail, path, "arguments");
    mck_sentence_text(&r->detail, ": ");
    return &r->detail;
}

static bool out_of_memory(reader *r) {
    r->status = MCK_VALUES_NO_MEMORY;
    mck_sentence_text(&r->detail, "the host ran out of memory while converting the arguments");
    return false;
}

static bool bad_json(reader *r, const mck_path *path, mck_json_status status) {
    mck_sentence *s = refuse(r, MCK_VALUES_MISMATCH, path);
    mck_sentence_text(s, "not valid JSON: ");
    mck_sentence_text(s, mck_json_explain(status));
    mck_sentence_text(s, " at byte ");
    mck_sentence_u64(s, r->cursor->pos);
    return false;
}

static void add_quoted(mck_sentence *s, const void *text, size_t len) {
    mck_sentence_text(s, "\"");
    mck_sentence_excerpt(s, text, len, 60);
    mck_sentence_text(s, "\"");
}

static void add_names(mck_sentence *s, const mck_type_member *members, size_t count) {
    for (size_t i = 0; i < count && i < 8; i++) {
        mck_sentence_text(s, i == 0 ? "" : ", ");
        add_quoted(s, members[i].name, members[i].name_len);
    }
    if (count > 8) {
        mck_sentence_text(s, ", \xE2\x80\xA6");
    }
}

static void add_expected(mck_sentence *s, const mck_type *type) {
    switch (type->kind) {
    case MCK_T_BOOL:
        mck_sentence_text(s, "true or false");
        break;
    case MCK_T_F32:
    case MCK_T_F64:
        mck_sentence_text(s, "a number (");
        mck_sentence_text(s, mck_type_name(type->kind));
        mck_sentence_text(s, ")");
        break;
    case MCK_T_CHAR:
        mck_sentence_text(s, "a string of exactly one character");
        break;
    case MCK_T_STRING:
        mck_sentence_text(s, "a string");
        break;
    case MCK_T_LIST:
        mck_sentence_text(s, "an array");
        break;
    case MCK_T_RECORD:
        mck_sentence_text(s, "an object");
        break;
    case MCK_T_TUPLE:
        mck_sentence_text(s, "an array of ");
        mck_sentence_u64(s, type->count);
        mck_sentence_text(s, " or an object with val0 to val");
        mck_sentence_u64(s, type->count == 0 ? 0 : type->count - 1);
        break;
    case MCK_T_VARIANT:
        mck_sentence_text(s, "an object with \"tag\", one of ");
        add_names(s, type->members, type->count);
        break;
    case MCK_T_ENUM:
        mck_sentence_text(s, "one of ");
        add_names(s, type->members, type->count);
        break;
    case MCK_T_OPTION:
        if (type->members[0].type->kind == MCK_T_OPTION) {
            mck_sentence_text(s, "an object with \"some\"");
        } else {
            add_expected(s, type->members[0].type);
        }
        mck_sentence_text(s, " or null");
        break;
    case MCK_T_RESULT:
        mck_sentence_text(s, "an object with either \"ok\" or \"err\"");
        break;
    case MCK_T_FLAGS:
        mck_sentence_text(s, "an array with any of ");
        add_names(s, type->members, type->count);
        break;
    case MCK_T_MAP:
        mck_sentence_text(s, "an array of [key, value] pairs");
        break;
    case MCK_T_UNSUPPORTED:
        mck_sentence_text(s, type->reason);
        break;
    default:
        mck_sentence_text(s, mck_type_name(type->kind));
        mck_sentence_text(s, mck_type_is_signed(type->kind) ? " (-" : " (");
        mck_sentence_u64(s, mck_type_max_below(type->kind));
        mck_sentence_text(s, " to ");
        mck_sentence_u64(s, mck_type_max(type->kind));
        mck_sentence_text(s, ")");
        break;
    }
}

static bool mismatch(reader *r, const mck_type *type, const mck_path *path, const mck_json_value *found) {
    mck_sentence *s = refuse(r, MCK_VALUES_MISMATCH, path);
    mck_sentence_text(s, "expected ");
    add_expected(s, type);
    mck_sentence_text(s, ", got ");
    const uint8_t *text = r->cursor->data + found->span.start;
    size_t len = found->span.end - found->span.start;
    switch (found->kind) {
    case MCK_JSON_ARRAY:
        mck_sentence_text(s, "an array");
        break;
    case MCK_JSON_OBJECT:
        mck_sentence_text(s, "an object");
        break;
    case MCK_JSON_STRING:
        add_quoted(s, text, len);
        break;
    default:
        mck_sentence_excerpt(s, text, len, 60);
        break;
    }
    return false;
}

static bool unknown_name(reader *r, const mck_path *path, const char *what, const mck_type_member *members, size_t count,
                         const mck_json_value *name) {
    const uint8_t *raw = r->cursor->data + name->span.start;
    size_t len = name->span.end - name->span.start;
    mck_sentence *s = refuse(r, MCK_VALUES_MISMATCH, path);
    mck_sentence_text(s, "unknown ");
    mck_sentence_text(s, what);
    mck_sentence_text(s, " ");
    add_quoted(s, raw, len);
    size_t near = mck_type_nearest(members, count, raw, len);
    if (near != SIZE_MAX) {
        mck_sentence_text(s, "; did you mean ");
        add_quoted(s, members[near].name, members[near].name_len);
        mck_sentence_text(s, "?");
    } else if (count == 0) {
        mck_sentence_text(s, "; there are none");
    } else {
        mck_sentence_text(s, "; known: ");
        add_names(s, members, count);
    }
    return false;
}

static bool given_twice(reader *r, const mck_path *path, const char *name, size_t len) {
    mck_sentence *s = refuse(r, MCK_VALUES_MISMATCH, path);
    add_quoted(s, name, len);
    mck_sentence_text(s, " is given twice");
    return false;
}

/* ---- bounds ---- */

static bool charge(reader *r, const mck_path *path, uint64_t bytes, bool string) {
    if (bytes <= r->max_bytes - r->used_bytes) {
        r->used_bytes += bytes;
        return true;
    }
    mck_sentence *s = refuse(r, MCK_VALUES_TOO_LARGE, path);
    if (string) {
        mck_sentence_text(s, "a string of ");
        mck_sentence_u64(s, bytes);
        mck_sentence_text(s, " bytes brings");
    } else {
        mck_sentence_text(s, "this value brings");
    }
    mck_sentence_text(s, " the arguments over their bound of ");
    mck_sentence_u64(s, r->max_bytes);
    mck_sentence_text(s, " bytes (");
    mck_sentence_u64(s, r->used_bytes);
    mck_sentence_text(s, " before it; a list element counts as 32)");
    return false;
}

/* One more element of the list whose `index` elements are read already; the cursor stands before it. */
static bool charge_element(reader *r, const mck_path *list, size_t index) {
    if (r->used_elements < r->max_elements) {
        r->used_elements++;
        return charge(r, list, sizeof(val_t), false);
    }
    uint64_t total = index;
    bool more = true;
    mck_json_value skipped;
    while (more && mck_json_read(r->cursor, &skipped) == MCK_JSON_OK) { /* only to name the size */
        total++;
        if (mck_json_element(r->cursor, false, &more) != MCK_JSON_OK) {
            break;
        }
    }
    mck_sentence *s = refuse(r, MCK_VALUES_TOO_LARGE, list);
    mck_sentence_text(s, "a list of ");
    mck_sentence_u64(s, total);
    mck_sentence_text(s, " elements brings the arguments over their bound of ");
    mck_sentence_u64(s, r->max_elements);
    mck_sentence_text(s, " list elements");
    return false;
}

static bool push(reader *r, const val_t *v) {
    if (r->stack_len == r->stack_cap) {
        size_t cap = r->stack_cap == 0 ? 64 : r->stack_cap * 2;
        val_t *grown = realloc(r->stack, cap * sizeof *grown);
        if (grown == NULL) {
            return out_of_memory(r);
        }
        r->stack = grown;
        r->stack_cap = cap;
    }
    r->stack[r->stack_len++] = *v;
    return true;
}

static void drop(reader *r, val_t *v) {
    r->api->component_val_delete(v);
    memset(v, 0, sizeof *v);
}

static void drop_to(reader *r, size_t base) {
    while (r->stack_len > base) {
        drop(r, &r->stack[--r->stack_len]);
    }
}

/* Takes over `*v`. */
static bool box(reader *r, const mck_path *path, val_t *v, val_t **out) {
    if (!charge(r, path, sizeof *v, false)) {
        drop(r, v);
        return false;
    }
    *out = r->api->component_val_new(v);
    return true;
}

/* ---- names ---- */

static bool name_is(const reader *r, const mck_json_value *name, const char *text, size_t len) {
    const uint8_t *raw = r->cursor->data + name->span.start;
    size_t raw_len = name->span.end - name->span.start;
    if (!name->escaped) {
        return raw_len == len && memcmp(raw, text, len) == 0;
    }
    return mck_json_string_is(raw, raw_len, true, text, len);
}

/* Starts at `hint`: names mostly come in the order of the type. SIZE_MAX: none. */
static size_t find_name(const reader *r, const mck_type_member *members, size_t count, const mck_json_value *name, size_t hint) {
    for (size_t k = 0, i = hint; k < count; k++, i++) {
        if (i >= count) {
            i -= count;
        }
        if (name_is(r, name, members[i].name, members[i].name_len)) {
            return i;
        }
    }
    return SIZE_MAX;
}

static void set_name(const reader *r, wasm_name_t *out, const mck_type_member *member) {
    r->api->wasm_byte_vec_new(out, member->name_len, member->name);
}

/* Which of `count` members were seen. */
typedef struct {
    uint64_t few[4];
    uint64_t *words;
} seen_set;

static bool seen_open(reader *r, seen_set *s, size_t count) {
    memset(s->few, 0, sizeof s->few);
    s->words = s->few;
    if (count > 64 * (sizeof s->few / sizeof s->few[0])) {
        s->words = calloc(count / 64 + 1, sizeof *s->words);
        if (s->words == NULL) {
            return out_of_memory(r);
        }
    }
    return true;
}

static void seen_close(seen_set *s) {
    if (s->words != s->few) {
        free(s->words);
    }
}

static bool seen_has(const seen_set *s, size_t i) { return (s->words[i / 64] >> (i % 64) & 1U) != 0; }

static void seen_add(seen_set *s, size_t i) { s->words[i / 64] |= UINT64_C(1) << (i % 64); }

/* ---- reading ---- */

static bool read_value(reader *r, const mck_path *path, mck_json_value *v) {
    mck_json_status status = mck_json_read(r->cursor, v);
    return status == MCK_JSON_OK || bad_json(r, path, status);
}

static bool peek(reader *r, const mck_path *path, mck_json_kind *kind) {
    mck_json_status status = mck_json_peek(r->cursor, kind);
    return status == MCK_JSON_OK || bad_json(r, path, status);
}

/* Into an object or array, refusing anything else. */
static bool enter(reader *r, const mck_type *type, const mck_path *path, mck_json_kind wanted) {
    mck_json_kind kind;
    if (!peek(r, path, &kind)) {
        return false;
    }
    if (kind != wanted) {
        mck_json_value v;
        return read_value(r, path, &v) && mismatch(r, type, path, &v);
    }
    mck_json_status status = wanted == MCK_JSON_OBJECT ? mck_json_enter_object(r->cursor) : mck_json_enter_array(r->cursor);
    return status == MCK_JSON_OK || bad_json(r, path, status);
}

static bool next_member(reader *r, const mck_path *path, bool first, mck_json_value *key, bool *more) {
    mck_json_status status = mck_json_member(r->cursor, first, key, more);
    return status == MCK_JSON_OK || bad_json(r, path, status);
}

static bool next_element(reader *r, const mck_path *path, bool first, bool *more) {
    mck_json_status status = mck_json_element(r->cursor, first, more);
    return status == MCK_JSON_OK || bad_json(r, path, status);
}

/* ---- plain values ---- */

static bool convert_integer(reader *r, const mck_type *type, const mck_path *path, const mck_json_value *v, val_t *out) {
    bool negative;
    uint64_t n;
    if (v->kind != MCK_JSON_NUMBER ||
        mck_number_integer(r->cursor->data + v->span.start, v->span.end - v->span.start, &negative, &n) != MCK_NUMBER_OK ||
        n > (negative ? mck_type_max_below(type->kind) : mck_type_max(type->kind))) {
        return mismatch(r, type, path, v);
    }
    uint64_t bits = negative ? UINT64_C(0) - n : n;
    switch (type->kind) {
    case MCK_T_S8:
        out->kind = WASMTIME_COMPONENT_S8;
        out->of.u8 = (uint8_t)bits;
        break;
    case MCK_T_U8:
        out->kind = WASMTIME_COMPONENT_U8;
        out->of.u8 = (uint8_t)bits;
        break;
    case MCK_T_S16:
        out->kind = WASMTIME_COMPONENT_S16;
        out->of.u16 = (uint16_t)bits;
        break;
    case MCK_T_U16:
        out->kind = WASMTIME_COMPONENT_U16;
        out->of.u16 = (uint16_t)bits;
        break;
    case MCK_T_S32:
        out->kind = WASMTIME_COMPONENT_S32;
        out->of.u32 = (uint32_t)bits;
        break;
    case MCK_T_U32:
        out->kind = WASMTIME_COMPONENT_U32;
        out->of.u32 = (uint32_t)bits;
        break;
    case MCK_T_S64:
        out->kind = WASMTIME_COMPONENT_S64;
        out->of.u64 = bits;
        break;
    default:
        out->kind = WASMTIME_COMPONENT_U64;
        out->of.u64 = bits;
        break;
    }
    return true;
}

static bool special_float(const reader *r, const mck_json_value *v, double *out) {
    static const uint64_t quiet_nan = UINT64_C(0x7FF8000000000000), infinity = UINT64_C(0x7FF0000000000000);
    if (v->kind != MCK_JSON_STRING) {
        return false;
    }
    if (name_is(r, v, "NaN", 3)) {
        memcpy(out, &quiet_nan, sizeof *out);
        return true;
    }
    bool negative = name_is(r, v, "-Infinity", 9);
    if (negative || name_is(r, v, "Infinity", 8)) {
        memcpy(out, &infinity, sizeof *out);
        *out = negative ? -*out : *out;
        return true;
    }
    return false;
}

static bool convert_float(reader *r, const mck_type *type, const mck_path *path, const mck_json_value *v, val_t *out) {
    const uint8_t *text = r->cursor->data + v->span.start;
    size_t len = v->span.end - v->span.start;
    double special;
    if (special_float(r, v, &special)) {
        out->kind = type->kind == MCK_T_F32 ? WASMTIME_COMPONENT_F32 : WASMTIME_COMPONENT_F64;
        if (type->kind == MCK_T_F32) {
            out->of.f32 = (float)special;
        } else {
            out->of.f64 = special;
        }
        return true;
    }
    if (v->kind != MCK_JSON_NUMBER) {
        return mismatch(r, type, path, v);
    }
    float f32 = 0;
    double f64 = 0;
    if (type->kind == MCK_T_F32 ? !mck_number_f32(text, len, &f32) : !mck_number_f64(text, len, &f64)) {
        mck_sentence *s = refuse(r, MCK_VALUES_MISMATCH, path);
        mck_sentence_excerpt(s, text, len, 60);
        mck_sentence_text(s, " is beyond the largest ");
        mck_sentence_text(s, mck_type_name(type->kind));
        return false;
    }
    if (type->kind == MCK_T_F32) {
        out->kind = WASMTIME_COMPONENT_F32;
        out->of.f32 = f32;
    } else {
        out->kind = WASMTIME_COMPONENT_F64;
        out->of.f64 = f64;
    }
    return true;
}

static bool convert_char(reader *r, const mck_type *type, const mck_path *path, const mck_json_value *v, val_t *out) {
    uint8_t text[16];
    size_t raw_len = v->span.end - v->span.start;
    if (v->kind != MCK_JSON_STRING || raw_len == 0 || raw_len > 12) { /* the longest: two \u escapes */
        return mismatch(r, type, path, v);
    }
    size_t len = mck_json_decode_string(r->cursor->data + v->span.start, raw_len, text);
    static const uint8_t masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    size_t need = text[0] < 0x80 ? 1 : text[0] < 0xE0 ? 2 : text[0] < 0xF0 ? 3 : 4;
    if (len != need) {
        return mismatch(r, type, path, v);
    }
    uint32_t scalar = text[0] & masks[need];
    for (size_t i = 1; i < len; i++) {
        scalar = scalar << 6 | (text[i] & 0x3FU);
    }
    out->kind = WASMTIME_COMPONENT_CHAR;
    out->of.character = scalar;
    return true;
}

static bool convert_string(reader *r, const mck_type *type, const mck_path *path, const mck_json_value *v, val_t *out) {
    if (v->kind != MCK_JSON_STRING) {
        return mismatch(r, type, path, v);
    }
    const uint8_t *text = r->cursor->data + v->span.start;
    size_t len = v->span.end - v->span.start;
    if (v->escaped) {
        if (len > r->scratch_cap) {
            uint8_t *grown = realloc(r->scratch, len);
            if (grown == NULL) {
                return out_of_memory(r);
            }
            r->scratch = grown;
            r->scratch_cap = len;
        }
        len = mck_json_decode_string(text, len, r->scratch);
        text = r->scratch;
    }
    if (!charge(r, path, len, true)) {
        return false;
    }
    r->api->wasm_byte_vec_new(&out->of.string, len, (const char *)text);
    out->kind = WASMTIME_COMPONENT_STRING;
    return true;
}

static bool convert_enum(reader *r, const mck_type *type, const mck_path *path, const mck_json_value *v, val_t *out) {
    size_t i = v->kind == MCK_JSON_STRING ? find_name(r, type->members, type->count, v, 0) : SIZE_MAX;
    if (i == SIZE_MAX) {
        if (v->kind == MCK_JSON_STRING) {
            return unknown_name(r, path, "name", type->members, type->count, v);
        }
        return mismatch(r, type, path, v);
    }
    set_name(r, &out->of.enumeration, &type->members[i]);
    out->kind = WASMTIME_COMPONENT_ENUM;
    return true;
}

static bool convert_plain(reader *r, const mck_type *type, const mck_path *path, val_t *out) {
    mck_json_value v;
    if (!read_value(r, path, &v)) {
        return false;
    }
    switch (type->kind) {
    case MCK_T_BOOL:
        if (v.kind != MCK_JSON_TRUE && v.kind != MCK_JSON_FALSE) {
            return mismatch(r, type, path, &v);
        }
        out->kind = WASMTIME_COMPONENT_BOOL;
        out->of.boolean = v.kind == MCK_JSON_TRUE;
        return true;
    case MCK_T_F32:
    case MCK_T_F64:
        return convert_float(r, type, path, &v, out);
    case MCK_T_CHAR:
        return convert_char(r, type, path, &v, out);
    case MCK_T_STRING:
        return convert_string(r, type, path, &v, out);
    case MCK_T_ENUM:
        return convert_enum(r, type, path, &v, out);
    case MCK_T_UNSUPPORTED:
        return mismatch(r, type, path, &v);
    default:
        return convert_integer(r, type, path, &v, out);
    }
}

/* ---- values with names inside ---- */

/* An object's members into `slots[0], slots[stride] …` (zeroed); `set` records what was given. */
static bool read_fields(reader *r, const mck_type *type, const char *what, const mck_path *path, char *slots, size_t stride,
                        seen_set *set) {
    bool more = true;
    size_t hint = 0;
    for (bool first = true;; first = false) {
        mck_json_value key;
        if (!next_member(r, path, first, &key, &more)) {
            return false;
        }
        if (!more) {
            break;
        }
        size_t i = find_name(r, type->members, type->count, &key, hint);
        if (i == SIZE_MAX) {
            return unknown_name(r, path, what, type->members, type->count, &key);
        }
        const mck_type_member *member = &type->members[i];
        if (seen_has(set, i)) {
            return given_twice(r, path, member->name, member->name_len);
        }
        seen_add(set, i);
        mck_path here = {path, member->name, member->name_len, 0};
        if (!convert(r, member->type, &here, (val_t *)(void *)(slots + i * stride))) {
            return false;
        }
        hint = i + 1;
    }
    for (size_t i = 0; i < type->count; i++) {
        const mck_type_member *member = &type->members[i];
        if (seen_has(set, i)) {
            continue;
        }
        if (member->type->kind == MCK_T_OPTION) {
            val_t *slot = (val_t *)(void *)(slots + i * stride);
            slot->kind = WASMTIME_COMPONENT_OPTION;
            slot->of.option = NULL;
            continue;
        }
        mck_path here = {path, member->name, member->name_len, 0};
        mck_sentence *s = refuse(r, MCK_VALUES_MISMATCH, &here);
        mck_sentence_text(s, "missing; expected ");
        add_expected(s, member->type);
        return false;
    }
    return true;
}

static bool convert_fields(reader *r, const mck_type *type, const char *what, const mck_path *path, void *slots, size_t stride) {
    seen_set set;
    if (!enter(r, type, path, MCK_JSON_OBJECT) || !seen_open(r, &set, type->count)) {
        return false;
    }
    bool done = read_fields(r, type, what, path, slots, stride, &set);
    seen_close(&set);
    return done;
}

static bool convert_record(reader *r, const mck_type *type, const mck_path *path, val_t *out) {
    uint64_t cost = type->count * sizeof *out->of.record.data;
    for (size_t i = 0; i < type->count; i++) {
        cost += type->members[i].name_len;
    }
    if (!charge(r, path, cost, false)) {
        return false;
    }
    r->api->component_valrecord_new_uninit(&out->of.record, type->count);
    out->kind = WASMTIME_COMPONENT_RECORD;
    if (type->count != 0) {
        memset(out->of.record.data, 0, type->count * sizeof *out->of.record.data);
    }
    for (size_t i = 0; i < type->count; i++) {
        set_name(r, &out->of.record.data[i].name, &type->members[i]);
    }
    return convert_fields(r, type, "field", path, &out->of.record.data->val, sizeof *out->of.record.data);
}

static bool convert_tuple(reader *r, const mck_type *type, const mck_path *path, val_t *out) {
    mck_json_kind kind;
    if (!peek(r, path, &kind) || !charge(r, path, type->count * sizeof *out, false)) {
        return false;
    }
    r->api->component_valtuple_new_uninit(&out->of.tuple, type->count);
    out->kind = WASMTIME_COMPONENT_TUPLE;
    if (type->count != 0) {
        memset(out->of.tuple.data, 0, type->count * sizeof *out);
    }
    if (kind != MCK_JSON_ARRAY) {
        return convert_fields(r, type, "member", path, out->of.tuple.data, sizeof *out);
    }
    mck_json_cursor start = *r->cursor;
    if (!enter(r, type, path, MCK_JSON_ARRAY)) {
        return false;
    }
    for (size_t i = 0;; i++) {
        bool more;
        if (!next_element(r, path, i == 0, &more)) {
            return false;
        }
        if (more != (i < type->count)) {
            mck_json_value whole;
            *r->cursor = start;
            return read_value(r, path, &whole) && mismatch(r, type, path, &whole);
        }
        if (!more) {
            return true;
        }
        mck_path here = {path, NULL, 0, i};
        if (!convert(r, type->members[i].type, &here, &out->of.tuple.data[i])) {
            return false;
        }
    }
}

static bool convert_payload(reader *r, const mck_type *type, const mck_path *path, const char *name, val_t **out) {
    mck_path here = {path, name, strlen(name), 0};
    val_t payload;
    memset(&payload, 0, sizeof payload);
    return convert(r, type, &here, &payload) && box(r, &here, &payload, out);
}

static bool set_variant(reader *r, const mck_type *type, const mck_path *path, size_t chosen, const mck_json_cursor *payload_at,
                        val_t *out) {
    const mck_type_member *member = &type->members[chosen];
    if ((payload_at != NULL) != (member->type != NULL)) {
        mck_sentence *s = refuse(r, MCK_VALUES_MISMATCH, path);
        mck_sentence_text(s, "case ");
        add_quoted(s, member->name, member->name_len);
        if (member->type == NULL) {
            mck_sentence_text(s, " takes no \"val\"");
        } else {
            mck_sentence_text(s, " needs \"val\": ");
            add_expected(s, member->type);
        }
        return false;
    }
    set_name(r, &out->of.variant.discriminant, member);
    out->of.variant.val = NULL;
    out->kind = WASMTIME_COMPONENT_VARIANT;
    if (payload_at == NULL) {
        return true;
    }
    mck_json_cursor after = *r->cursor;
    *r->cursor = *payload_at;
    if (!convert_payload(r, member->type, path, "val", &out->of.variant.val)) {
        return false;
    }
    *r->cursor = after;
    return true;
}

static bool convert_variant(reader *r, const mck_type *type, const mck_path *path, val_t *out) {
    static const mck_type_member keys[] = {{"tag", 3, NULL}, {"val", 3, NULL}};
    if (!enter(r, type, path, MCK_JSON_OBJECT)) {
        return false;
    }
    size_t chosen = SIZE_MAX;
    bool has_payload = false;
    mck_json_cursor payload_at = *r->cursor;
    for (bool first = true, more = true;; first = false) {
        mck_json_value key, v;
        if (!next_member(r, path, first, &key, &more)) {
            return false;
        }
        if (!more) {
            break;
        }
        size_t which = find_name(r, keys, 2, &key, 0);
        if (which == SIZE_MAX) {
            return unknown_name(r, path, "member", keys, 2, &key);
        }
        if (which == 0 ? chosen != SIZE_MAX : has_payload) {
            return given_twice(r, path, keys[which].name, 3);
        }
        if (which == 1) { /* converted when the tag is known, wherever it stands */
            has_payload = true;
            payload_at = *r->cursor;
        }
        if (!read_value(r, path, &v)) {
            return false;
        }
        if (which == 0) {
            mck_path here = {path, "tag", 3, 0};
            if (v.kind != MCK_JSON_STRING) {
                return mismatch(r, type, path, &v);
            }
            chosen = find_name(r, type->members, type->count, &v, 0);
            if (chosen == SIZE_MAX) {
                return unknown_name(r, &here, "case", type->members, type->count, &v);
            }
        }
    }
    if (chosen == SIZE_MAX) {
        mck_path here = {path, "tag", 3, 0};
        mck_sentence *s = refuse(r, MCK_VALUES_MISMATCH, &here);
        mck_sentence_text(s, "missing; expected one of ");
        add_names(s, type->members, type->count);
        return false;
    }
    return set_variant(r, type, path, chosen, has_payload ? &payload_at : NULL, out);
}

/* Into an object with exactly one member, whose name is one of `names`; the cursor then stands at its value. */
static bool enter_single(reader *r, const mck_type *type, const mck_path *path, const mck_type_member *names, size_t count,
                         size_t *which) {
    mck_json_cursor start = *r->cursor;
    mck_json_value key;
    bool more;
    if (!enter(r, type, path, MCK_JSON_OBJECT) || !next_member(r, path, true, &key, &more)) {
        return false;
    }
    if (!more) {
        *r->cursor = start;
        return read_value(r, path, &key) && mismatch(r, type, path, &key);
    }
    *which = find_name(r, names, count, &key, 0);
    return *which != SIZE_MAX || unknown_name(r, path, "member", names, count, &key);
}

static bool leave_single(reader *r, const mck_type *type, const mck_path *path) {
    mck_json_value key;
    bool more;
    if (!next_member(r, path, false, &key, &more)) {
        return false;
    }
    if (more) {
        mck_sentence *s = refuse(r, MCK_VALUES_MISMATCH, path);
        mck_sentence_text(s, "expected ");
        add_expected(s, type);
        mck_sentence_text(s, ", got more than one member");
        return false;
    }
    return true;
}

static bool convert_option(reader *r, const mck_type *type, const mck_path *path, val_t *out) {
    const mck_type *inner = type->members[0].type;
    mck_json_kind kind;
    if (!peek(r, path, &kind)) {
        return false;
    }
    out->kind = WASMTIME_COMPONENT_OPTION;
    out->of.option = NULL;
    if (kind == MCK_JSON_NULL) {
        mck_json_value v;
        return read_value(r, path, &v);
    }
    if (inner->kind == MCK_T_OPTION) {
        size_t which;
        return enter_single(r, type, path, type->members, 1, &which) &&
               convert_payload(r, inner, path, "some", &out->of.option) && leave_single(r, type, path);
    }
    val_t some;
    memset(&some, 0, sizeof some);
    return convert(r, inner, path, &some) && box(r, path, &some, &out->of.option);
}

static bool convert_result(reader *r, const mck_type *type, const mck_path *path, val_t *out) {
    size_t side;
    if (!enter_single(r, type, path, type->members, 2, &side)) {
        return false;
    }
    out->kind = WASMTIME_COMPONENT_RESULT;
    out->of.result.is_ok = side == 0;
    out->of.result.val = NULL;
    if (type->members[side].type != NULL) {
        if (!convert_payload(r, type->members[side].type, path, type->members[side].name, &out->of.result.val)) {
            return false;
        }
    } else {
        mck_json_value v;
        mck_path here = {path, type->members[side].name, type->members[side].name_len, 0};
        if (!read_value(r, &here, &v)) {
            return false;
        }
        if (v.kind != MCK_JSON_NULL) {
            mck_sentence_text(refuse(r, MCK_VALUES_MISMATCH, &here), "expected null: this side has no payload");
            return false;
        }
    }
    return leave_single(r, type, path);
}

/* ---- sequences ---- */

static bool read_elements(reader *r, const mck_type *type, const mck_path *path) {
    for (size_t i = 0;; i++) {
        bool more;
        if (!next_element(r, path, i == 0, &more)) {
            return false;
        }
        if (!more) {
            return true;
        }
        mck_path here = {path, NULL, 0, i};
        val_t element;
        memset(&element, 0, sizeof element);
        if (!charge_element(r, path, i) || !convert(r, type->members[0].type, &here, &element)) {
            return false;
        }
        if (!push(r, &element)) {
            drop(r, &element);
            return false;
        }
    }
}

static bool convert_list(reader *r, const mck_type *type, const mck_path *path, val_t *out) {
    size_t base = r->stack_len;
    if (!enter(r, type, path, MCK_JSON_ARRAY)) {
        return false;
    }
    if (!read_elements(r, type, path)) {
        drop_to(r, base);
        return false;
    }
    size_t count = r->stack_len - base;
    r->api->component_vallist_new_uninit(&out->of.list, count);
    out->kind = WASMTIME_COMPONENT_LIST;
    if (count != 0) {
        memcpy(out->of.list.data, r->stack + base, count * sizeof *out);
    }
    r->stack_len = base;
    return true;
}

/* Pushes key and value. */
static bool read_pair(reader *r, const mck_type *type, const mck_path *map, const mck_path *path) {
    mck_json_cursor start = *r->cursor;
    mck_json_value whole;
    if (!enter(r, type, path, MCK_JSON_ARRAY)) {
        return false;
    }
    for (size_t side = 0;; side++) {
        bool more;
        if (!next_element(r, path, side == 0, &more)) {
            return false;
        }
        if (more != (side < 2)) {
            *r->cursor = start;
            return read_value(r, map, &whole) && mismatch(r, type, map, &whole);
        }
        if (!more) {
            return true;
        }
        mck_path here = {path, NULL, 0, side};
        val_t v;
        memset(&v, 0, sizeof v);
        if (!convert(r, type->members[side].type, &here, &v)) {
            return false;
        }
        if (!push(r, &v)) {
            drop(r, &v);
            return false;
        }
    }
}

static bool read_pairs(reader *r, const mck_type *type, const mck_path *path) {
    for (size_t i = 0;; i++) {
        bool more;
        if (!next_element(r, path, i == 0, &more)) {
            return false;
        }
        if (!more) {
            return true;
        }
        mck_path here = {path, NULL, 0, i};
        if (!charge_element(r, path, i) || !charge(r, path, sizeof(val_t), false) || !read_pair(r, type, path, &here)) {
            return false;
        }
    }
}

static bool convert_map(reader *r, const mck_type *type, const mck_path *path, val_t *out) {
    size_t base = r->stack_len;
    if (!enter(r, type, path, MCK_JSON_ARRAY)) {
        return false;
    }
    if (!read_pairs(r, type, path)) {
        drop_to(r, base);
        return false;
    }
    size_t count = (r->stack_len - base) / 2;
    r->api->component_valmap_new_uninit(&out->of.map, count);
    out->kind = WASMTIME_COMPONENT_MAP;
    for (size_t i = 0; i < count; i++) {
        out->of.map.data[i].key = r->stack[base + 2 * i];
        out->of.map.data[i].value = r->stack[base + 2 * i + 1];
    }
    r->stack_len = base;
    return true;
}

static bool read_flags(reader *r, const mck_type *type, const mck_path *path, seen_set *set, size_t *given) {
    for (size_t n = 0;; n++) {
        bool more;
        if (!next_element(r, path, n == 0, &more)) {
            return false;
        }
        if (!more) {
            return true;
        }
        mck_path here = {path, NULL, 0, n};
        mck_json_value v;
        if (!read_value(r, &here, &v)) {
            return false;
        }
        if (v.kind != MCK_JSON_STRING) {
            return mismatch(r, type, path, &v);
        }
        size_t i = find_name(r, type->members, type->count, &v, 0);
        if (i == SIZE_MAX) {
            return unknown_name(r, &here, "flag", type->members, type->count, &v);
        }
        if (seen_has(set, i)) {
            return given_twice(r, path, type->members[i].name, type->members[i].name_len);
        }
        seen_add(set, i);
        *given = n + 1;
        if (!charge(r, path, sizeof(wasm_name_t) + type->members[i].name_len, false)) {
            return false;
        }
    }
}

static bool convert_flags(reader *r, const mck_type *type, const mck_path *path, val_t *out) {
    seen_set set;
    size_t given = 0;
    if (!enter(r, type, path, MCK_JSON_ARRAY) || !seen_open(r, &set, type->count)) {
        return false;
    }
    bool done = read_flags(r, type, path, &set, &given);
    if (done) {
        r->api->component_valflags_new_uninit(&out->of.flags, given);
        out->kind = WASMTIME_COMPONENT_FLAGS;
        for (size_t i = 0, at = 0; at < given; i++) {
            if (seen_has(&set, i)) {
                set_name(r, &out->of.flags.data[at++], &type->members[i]);
            }
        }
    }
    seen_close(&set);
    return done;
}

/* `*out` is zeroed (a boolean: nothing to free), and zeroed again on failure. Recursion is bounded by the type tree. */
static bool convert(reader *r, const mck_type *type, const mck_path *path, val_t *out) {
    bool done;
    switch (type->kind) {
    case MCK_T_LIST:
        done = convert_list(r, type, path, out);
        break;
    case MCK_T_RECORD:
        done = convert_record(r, type, path, out);
        break;
    case MCK_T_TUPLE:
        done = convert_tuple(r, type, path, out);
        break;
    case MCK_T_VARIANT:
        done = convert_variant(r, type, path, out);
        break;
    case MCK_T_OPTION:
        done = convert_option(r, type, path, out);
        break;
    case MCK_T_RESULT:
        done = convert_result(r, type, path, out);
        break;
    case MCK_T_FLAGS:
        done = convert_flags(r, type, path, out);
        break;
    case MCK_T_MAP:
        done = convert_map(r, type, path, out);
        break;
    default:
        return convert_plain(r, type, path, out); /* owns nothing unless it succeeds */
    }
    if (!done) {
        drop(r, out);
    }
    return done;
}

mck_values_status mck_values_from_json(const mck_wasmtime_api *api, const mck_signature *s, const uint8_t *json, size_t len,
                                       const mck_json_kernels *kernels, const mck_values_limits *limits,
                                       wasmtime_component_val_t *values, char *detail, size_t detail_size) {
    reader r;
    mck_json_cursor cursor;
    memset(&r, 0, sizeof r);
    memset(&cursor, 0, sizeof cursor);
    r.api = api;
    r.cursor = &cursor;
    r.max_bytes = limits != NULL && limits->max_bytes != 0 ? limits->max_bytes : DEFAULT_MAX_BYTES;
    r.max_elements = limits != NULL && limits->max_elements != 0 ? limits->max_elements : DEFAULT_MAX_ELEMENTS;
    mck_sentence_open(&r.detail, detail, detail_size);
    mck_json_status status = mck_json_open(&cursor, json, len, JSON_DEPTH, kernels);
    if (status != MCK_JSON_OK) {
        (void)bad_json(&r, NULL, status);
        return r.status;
    }
    if (convert_fields(&r, s->params, "parameter", NULL, values, sizeof *values)) {
        status = mck_json_finish(&cursor);
        if (status != MCK_JSON_OK) {
            (void)bad_json(&r, NULL, status);
        }
    }
    if (r.status != MCK_VALUES_OK) {
        for (size_t i = 0; i < s->param_count; i++) {
            drop(&r, &values[i]);
        }
    }
    free(r.stack);
    free(r.scratch);
    return r.status;
}
