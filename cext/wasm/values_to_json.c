/* Component values to JSON. The library made the values, so a shape that does not fit the plan is a fault of the
 * host. */
#include "values_private.h"

#include <math.h>
#include <string.h>

typedef wasmtime_component_val_t val_t;

typedef struct {
    mck_buffer *out;
    size_t start; /* length of the buffer before this result */
    uint64_t max_bytes;
    const mck_json_kernels *kernels;
    mck_values_status status;
    mck_sentence detail;
} writer;

static bool write_value(writer *w, const mck_type *type, const mck_path *path, const val_t *v);

static bool unexpected(writer *w, const mck_type *type, const mck_path *path)
{
    w->status = MCK_VALUES_MISMATCH;
    mck_sentence_path(&w->detail, path, "result");
    mck_sentence_text(&w->detail, ": the engine returned something else than the declared ");
    mck_sentence_text(&w->detail, mck_type_name(type->kind));
    return false;
}

static bool room_for(writer *w, const mck_path *path, uint64_t more)
{
    if (w->out->failed) {
        w->status = MCK_VALUES_NO_MEMORY;
        mck_sentence_text(&w->detail, "the host ran out of memory while writing the result");
        return false;
    }
    if (w->out->len - w->start + more <= w->max_bytes) {
        return true;
    }
    w->status = MCK_VALUES_TOO_LARGE;
    mck_sentence_path(&w->detail, path, "result");
    mck_sentence_text(&w->detail, ": the result is larger than its bound of ");
    mck_sentence_u64(&w->detail, w->max_bytes);
    mck_sentence_text(&w->detail, " bytes of JSON (");
    mck_sentence_u64(&w->detail, w->out->len - w->start);
    mck_sentence_text(&w->detail, " bytes before this value, which needs at least ");
    mck_sentence_u64(&w->detail, more);
    mck_sentence_text(&w->detail, ")");
    return false;
}

static bool write_text(writer *w, const mck_path *path, const char *text, size_t len)
{
    if (!room_for(w, path, len)) {
        return false;
    }
    mck_buffer_add(w->out, text, len);
    return true;
}

static bool write_string(writer *w, const mck_path *path, const void *text, size_t len)
{
    if (!room_for(w, path, (uint64_t)len + 2)) {
        return false;
    }
    uint8_t *to = mck_buffer_reserve(w->out, len + 2);
    if (to == NULL) {
        return room_for(w, path, 0);
    }
    size_t need = mck_json_escape(text, len, to + 1, len, w->kernels);
    if (need > len) {
        if (!room_for(w, path, (uint64_t)need + 2)) {
            return false;
        }
        to = mck_buffer_reserve(w->out, need + 2);
        if (to == NULL) {
            return room_for(w, path, 0);
        }
        (void)mck_json_escape(text, len, to + 1, need, w->kernels);
    }
    to[0] = '"';
    to[need + 1] = '"';
    w->out->len += need + 2;
    return true;
}

static bool write_integer(writer *w, const mck_path *path, bool negative, uint64_t magnitude)
{
    char digits[21];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + magnitude % 10);
        magnitude /= 10;
    } while (magnitude != 0);
    if (negative) {
        digits[--at] = '-';
    }
    return write_text(w, path, digits + at, sizeof digits - at);
}

static bool write_signed(writer *w, const mck_path *path, int64_t n)
{
    return write_integer(w, path, n < 0, n < 0 ? UINT64_C(0) - (uint64_t)n : (uint64_t)n);
}

static bool write_float(writer *w, const mck_type *type, const mck_path *path, const val_t *v)
{
    double value = type->kind == MCK_T_F32 ? (double)v->of.f32 : v->of.f64;
    if (isnan(value)) {
        return write_text(w, path, "\"NaN\"", 5);
    }
    if (isinf(value)) {
        return value < 0 ? write_text(w, path, "\"-Infinity\"", 11) : write_text(w, path, "\"Infinity\"", 10);
    }
    char text[MCK_NUMBER_TEXT];
    size_t len = type->kind == MCK_T_F32 ? mck_number_print_f32(v->of.f32, text) : mck_number_print_f64(value, text);
    return write_text(w, path, text, len);
}

static bool write_char(writer *w, const mck_path *path, uint32_t c)
{
    uint8_t text[4];
    size_t len;
    if (c < 0x80) {
        text[0] = (uint8_t)c;
        len = 1;
    } else if (c < 0x800) {
        text[0] = (uint8_t)(0xC0U | c >> 6);
        text[1] = (uint8_t)(0x80U | (c & 0x3FU));
        len = 2;
    } else if (c < 0x10000) {
        text[0] = (uint8_t)(0xE0U | c >> 12);
        text[1] = (uint8_t)(0x80U | (c >> 6 & 0x3FU));
        text[2] = (uint8_t)(0x80U | (c & 0x3FU));
        len = 3;
    } else {
        text[0] = (uint8_t)(0xF0U | c >> 18);
        text[1] = (uint8_t)(0x80U | (c >> 12 & 0x3FU));
        text[2] = (uint8_t)(0x80U | (c >> 6 & 0x3FU));
        text[3] = (uint8_t)(0x80U | (c & 0x3FU));
        len = 4;
    }
    return write_string(w, path, text, len);
}

static const mck_type_member *member_named(const mck_type *type, const wasm_name_t *name)
{
    for (size_t i = 0; i < type->count; i++) {
        if (type->members[i].name_len == name->size && memcmp(type->members[i].name, name->data, name->size) == 0) {
            return &type->members[i];
        }
    }
    return NULL;
}

/* `,"name":` or `{"name":`. */
static bool write_key(writer *w, const mck_path *path, bool first, const char *name, size_t len)
{
    return write_text(w, path, first ? "{" : ",", 1) && write_string(w, path, name, len) && write_text(w, path, ":", 1);
}

static bool write_record(writer *w, const mck_type *type, const mck_path *path, const val_t *v)
{
    if (v->of.record.size != type->count) {
        return unexpected(w, type, path);
    }
    for (size_t i = 0; i < type->count; i++) {
        const mck_type_member *m = &type->members[i];
        mck_path here = {path, m->name, m->name_len, 0};
        if (!write_key(w, &here, i == 0, m->name, m->name_len) ||
            !write_value(w, m->type, &here, &v->of.record.data[i].val)) {
            return false;
        }
    }
    return type->count == 0 ? write_text(w, path, "{}", 2) : write_text(w, path, "}", 1);
}

static bool write_tuple(writer *w, const mck_type *type, const mck_path *path, const val_t *v)
{
    if (v->of.tuple.size != type->count) {
        return unexpected(w, type, path);
    }
    for (size_t i = 0; i < type->count; i++) {
        const mck_type_member *m = &type->members[i];
        mck_path here = {path, m->name, m->name_len, 0};
        if (!write_key(w, &here, i == 0, m->name, m->name_len) ||
            !write_value(w, m->type, &here, &v->of.tuple.data[i])) {
            return false;
        }
    }
    return type->count == 0 ? write_text(w, path, "{}", 2) : write_text(w, path, "}", 1);
}

/* A payload that the type may not have; written as null then. */
static bool write_payload(writer *w, const mck_type *owner, const mck_type_member *m, const mck_path *path,
                          const val_t *v)
{
    if ((m->type == NULL) != (v == NULL)) {
        return unexpected(w, owner, path);
    }
    return m->type == NULL ? write_text(w, path, "null", 4) : write_value(w, m->type, path, v);
}

static bool write_variant(writer *w, const mck_type *type, const mck_path *path, const val_t *v)
{
    const mck_type_member *m = member_named(type, &v->of.variant.discriminant);
    if (m == NULL) {
        return unexpected(w, type, path);
    }
    if (!write_key(w, path, true, "tag", 3) || !write_string(w, path, m->name, m->name_len)) {
        return false;
    }
    if (m->type != NULL || v->of.variant.val != NULL) {
        mck_path here = {path, "val", 3, 0};
        if (!write_key(w, &here, false, "val", 3) || !write_payload(w, type, m, &here, v->of.variant.val)) {
            return false;
        }
    }
    return write_text(w, path, "}", 1);
}

static bool write_option(writer *w, const mck_type *type, const mck_path *path, const val_t *v)
{
    const mck_type_member *some = &type->members[0];
    if (v->of.option == NULL) {
        return write_text(w, path, "null", 4);
    }
    if (some->type->kind != MCK_T_OPTION) {
        return write_value(w, some->type, path, v->of.option);
    }
    mck_path here = {path, some->name, some->name_len, 0};
    return write_key(w, &here, true, some->name, some->name_len) && write_value(w, some->type, &here, v->of.option) &&
           write_text(w, path, "}", 1);
}

static bool write_result(writer *w, const mck_type *type, const mck_path *path, const val_t *v)
{
    const mck_type_member *side = &type->members[v->of.result.is_ok ? 0 : 1];
    mck_path here = {path, side->name, side->name_len, 0};
    return write_key(w, &here, true, side->name, side->name_len) &&
           write_payload(w, type, side, &here, v->of.result.val) && write_text(w, path, "}", 1);
}

static bool write_list(writer *w, const mck_type *type, const mck_path *path, const val_t *v)
{
    if (!write_text(w, path, "[", 1)) {
        return false;
    }
    for (size_t i = 0; i < v->of.list.size; i++) {
        mck_path here = {path, NULL, 0, i};
        if ((i != 0 && !write_text(w, path, ",", 1)) ||
            !write_value(w, type->members[0].type, &here, &v->of.list.data[i])) {
            return false;
        }
    }
    return write_text(w, path, "]", 1);
}

static bool write_map(writer *w, const mck_type *type, const mck_path *path, const val_t *v)
{
    if (!write_text(w, path, "[", 1)) {
        return false;
    }
    for (size_t i = 0; i < v->of.map.size; i++) {
        const wasmtime_component_valmap_entry_t *entry = &v->of.map.data[i];
        mck_path here = {path, NULL, 0, i};
        if (!write_text(w, path, i == 0 ? "[" : ",[", i == 0 ? 1 : 2) ||
            !write_value(w, type->members[0].type, &here, &entry->key) || !write_text(w, path, ",", 1) ||
            !write_value(w, type->members[1].type, &here, &entry->value) || !write_text(w, path, "]", 1)) {
            return false;
        }
    }
    return write_text(w, path, "]", 1);
}

static bool write_flags(writer *w, const mck_path *path, const val_t *v)
{
    if (!write_text(w, path, "[", 1)) {
        return false;
    }
    for (size_t i = 0; i < v->of.flags.size; i++) {
        const wasm_name_t *name = &v->of.flags.data[i];
        if ((i != 0 && !write_text(w, path, ",", 1)) || !write_string(w, path, name->data, name->size)) {
            return false;
        }
    }
    return write_text(w, path, "]", 1);
}

static uint8_t kind_of(const mck_type *type)
{
    static const uint8_t kinds[] = {
        [MCK_T_BOOL] = WASMTIME_COMPONENT_BOOL,
        [MCK_T_S8] = WASMTIME_COMPONENT_S8,
        [MCK_T_U8] = WASMTIME_COMPONENT_U8,
        [MCK_T_S16] = WASMTIME_COMPONENT_S16,
        [MCK_T_U16] = WASMTIME_COMPONENT_U16,
        [MCK_T_S32] = WASMTIME_COMPONENT_S32,
        [MCK_T_U32] = WASMTIME_COMPONENT_U32,
        [MCK_T_S64] = WASMTIME_COMPONENT_S64,
        [MCK_T_U64] = WASMTIME_COMPONENT_U64,
        [MCK_T_F32] = WASMTIME_COMPONENT_F32,
        [MCK_T_F64] = WASMTIME_COMPONENT_F64,
        [MCK_T_CHAR] = WASMTIME_COMPONENT_CHAR,
        [MCK_T_STRING] = WASMTIME_COMPONENT_STRING,
        [MCK_T_LIST] = WASMTIME_COMPONENT_LIST,
        [MCK_T_RECORD] = WASMTIME_COMPONENT_RECORD,
        [MCK_T_TUPLE] = WASMTIME_COMPONENT_TUPLE,
        [MCK_T_VARIANT] = WASMTIME_COMPONENT_VARIANT,
        [MCK_T_ENUM] = WASMTIME_COMPONENT_ENUM,
        [MCK_T_OPTION] = WASMTIME_COMPONENT_OPTION,
        [MCK_T_RESULT] = WASMTIME_COMPONENT_RESULT,
        [MCK_T_FLAGS] = WASMTIME_COMPONENT_FLAGS,
        [MCK_T_MAP] = WASMTIME_COMPONENT_MAP,
        [MCK_T_UNSUPPORTED] = 255,
    };
    return kinds[type->kind];
}

static bool write_value(writer *w, const mck_type *type, const mck_path *path, const val_t *v)
{
    if (v->kind != kind_of(type)) {
        return unexpected(w, type, path);
    }
    switch (type->kind) {
    case MCK_T_BOOL: return v->of.boolean ? write_text(w, path, "true", 4) : write_text(w, path, "false", 5);
    case MCK_T_S8: return write_signed(w, path, v->of.s8);
    case MCK_T_U8: return write_integer(w, path, false, v->of.u8);
    case MCK_T_S16: return write_signed(w, path, v->of.s16);
    case MCK_T_U16: return write_integer(w, path, false, v->of.u16);
    case MCK_T_S32: return write_signed(w, path, v->of.s32);
    case MCK_T_U32: return write_integer(w, path, false, v->of.u32);
    case MCK_T_S64: return write_signed(w, path, v->of.s64);
    case MCK_T_U64: return write_integer(w, path, false, v->of.u64);
    case MCK_T_F32:
    case MCK_T_F64: return write_float(w, type, path, v);
    case MCK_T_CHAR: return write_char(w, path, v->of.character);
    case MCK_T_STRING: return write_string(w, path, v->of.string.data, v->of.string.size);
    case MCK_T_ENUM: return write_string(w, path, v->of.enumeration.data, v->of.enumeration.size);
    case MCK_T_LIST: return write_list(w, type, path, v);
    case MCK_T_RECORD: return write_record(w, type, path, v);
    case MCK_T_TUPLE: return write_tuple(w, type, path, v);
    case MCK_T_VARIANT: return write_variant(w, type, path, v);
    case MCK_T_OPTION: return write_option(w, type, path, v);
    case MCK_T_RESULT: return write_result(w, type, path, v);
    case MCK_T_FLAGS: return write_flags(w, path, v);
    case MCK_T_MAP: return write_map(w, type, path, v);
    default: return unexpected(w, type, path);
    }
}

mck_values_status mck_values_to_json(const mck_signature *s, const wasmtime_component_val_t *value, uint64_t max_bytes,
                                     const mck_json_kernels *kernels, mck_buffer *out, bool *is_error, char *detail,
                                     size_t detail_size)
{
    writer w;
    memset(&w, 0, sizeof w);
    w.out = out;
    w.start = out->len;
    w.max_bytes = max_bytes;
    w.kernels = kernels;
    mck_sentence_open(&w.detail, detail, detail_size);
    *is_error = false;
    bool done;
    if (s->result == NULL) {
        done = write_text(&w, NULL, "null", 4);
    } else if (s->result->kind == MCK_T_RESULT && value->kind == WASMTIME_COMPONENT_RESULT) {
        *is_error = !value->of.result.is_ok;
        done = write_payload(&w, s->result, &s->result->members[*is_error ? 1 : 0], NULL, value->of.result.val);
    } else {
        done = write_value(&w, s->result, NULL, value);
    }
    if (done && out->failed) {
        done = room_for(&w, NULL, 0);
    }
    if (!done) {
        out->len = w.start;
    }
    return w.status;
}
