/* The values that hold no others; and names, which many kinds share. */
#include "values_reader.h"

#include <stdlib.h>
#include <string.h>

typedef wasmtime_component_val_t val_t;

static bool name_is(const mck_reader *r, const mck_json_value *name, const char *text, size_t len)
{
    const uint8_t *raw = r->cursor->data + name->span.start;
    size_t raw_len = name->span.end - name->span.start;
    if (!name->escaped) {
        return raw_len == len && memcmp(raw, text, len) == 0;
    }
    return mck_json_string_is(raw, raw_len, true, text, len);
}

size_t mck_values_find_name(const mck_reader *r, const mck_type_member *members, size_t count,
                            const mck_json_value *name, size_t hint)
{
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

void mck_values_set_name(const mck_reader *r, wasm_name_t *out, const mck_type_member *member)
{
    r->api->wasm_byte_vec_new(out, member->name_len, member->name);
}

bool mck_values_read(mck_reader *r, const mck_path *path, mck_json_value *v)
{
    mck_json_status status = mck_json_read(r->cursor, v);
    return status == MCK_JSON_OK || mck_values_bad_json(r, path, status);
}

static bool convert_integer(mck_reader *r, const mck_type *type, const mck_path *path, const mck_json_value *v,
                            val_t *out)
{
    bool negative;
    uint64_t n;
    if (v->kind != MCK_JSON_NUMBER ||
        mck_number_integer(r->cursor->data + v->span.start, v->span.end - v->span.start, &negative, &n) !=
            MCK_NUMBER_OK ||
        n > (negative ? mck_type_max_below(type->kind) : mck_type_max(type->kind))) {
        return mck_values_mismatch(r, type, path, v);
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

static bool special_float(const mck_reader *r, const mck_json_value *v, double *out)
{
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

static bool convert_float(mck_reader *r, const mck_type *type, const mck_path *path, const mck_json_value *v,
                          val_t *out)
{
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
        return mck_values_mismatch(r, type, path, v);
    }
    float f32 = 0;
    double f64 = 0;
    if (type->kind == MCK_T_F32 ? !mck_number_f32(text, len, &f32) : !mck_number_f64(text, len, &f64)) {
        mck_sentence *s = mck_values_refuse(r, MCK_VALUES_MISMATCH, path);
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

static bool convert_char(mck_reader *r, const mck_type *type, const mck_path *path, const mck_json_value *v, val_t *out)
{
    uint8_t text[16];
    size_t raw_len = v->span.end - v->span.start;
    if (v->kind != MCK_JSON_STRING || raw_len == 0 || raw_len > 12) { /* the longest: two \u escapes */
        return mck_values_mismatch(r, type, path, v);
    }
    size_t len = mck_json_decode_string(r->cursor->data + v->span.start, raw_len, text);
    static const uint8_t masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    size_t need = text[0] < 0x80 ? 1 : text[0] < 0xE0 ? 2 : text[0] < 0xF0 ? 3 : 4;
    if (len != need) {
        return mck_values_mismatch(r, type, path, v);
    }
    uint32_t scalar = text[0] & masks[need];
    for (size_t i = 1; i < len; i++) {
        scalar = scalar << 6 | (text[i] & 0x3FU);
    }
    out->kind = WASMTIME_COMPONENT_CHAR;
    out->of.character = scalar;
    return true;
}

static bool convert_string(mck_reader *r, const mck_type *type, const mck_path *path, const mck_json_value *v,
                           val_t *out)
{
    if (v->kind != MCK_JSON_STRING) {
        return mck_values_mismatch(r, type, path, v);
    }
    const uint8_t *text = r->cursor->data + v->span.start;
    size_t len = v->span.end - v->span.start;
    if (v->escaped) {
        if (len > r->scratch_cap) {
            uint8_t *grown = realloc(r->scratch, len);
            if (grown == NULL) {
                return mck_values_out_of_memory(r);
            }
            r->scratch = grown;
            r->scratch_cap = len;
        }
        len = mck_json_decode_string(text, len, r->scratch);
        text = r->scratch;
    }
    if (!mck_values_charge(r, path, len, true)) {
        return false;
    }
    r->api->wasm_byte_vec_new(&out->of.string, len, (const char *)text);
    out->kind = WASMTIME_COMPONENT_STRING;
    return true;
}

static bool convert_enum(mck_reader *r, const mck_type *type, const mck_path *path, const mck_json_value *v, val_t *out)
{
    size_t i = v->kind == MCK_JSON_STRING ? mck_values_find_name(r, type->members, type->count, v, 0) : SIZE_MAX;
    if (i == SIZE_MAX) {
        if (v->kind == MCK_JSON_STRING) {
            return mck_values_unknown_name(r, path, "name", type->members, type->count, v);
        }
        return mck_values_mismatch(r, type, path, v);
    }
    mck_values_set_name(r, &out->of.enumeration, &type->members[i]);
    out->kind = WASMTIME_COMPONENT_ENUM;
    return true;
}

bool mck_values_convert_plain(mck_reader *r, const mck_type *type, const mck_path *path, val_t *out)
{
    mck_json_value v;
    if (!mck_values_read(r, path, &v)) {
        return false;
    }
    switch (type->kind) {
    case MCK_T_BOOL:
        if (v.kind != MCK_JSON_TRUE && v.kind != MCK_JSON_FALSE) {
            return mck_values_mismatch(r, type, path, &v);
        }
        out->kind = WASMTIME_COMPONENT_BOOL;
        out->of.boolean = v.kind == MCK_JSON_TRUE;
        return true;
    case MCK_T_F32:
    case MCK_T_F64: return convert_float(r, type, path, &v, out);
    case MCK_T_CHAR: return convert_char(r, type, path, &v, out);
    case MCK_T_STRING: return convert_string(r, type, path, &v, out);
    case MCK_T_ENUM: return convert_enum(r, type, path, &v, out);
    case MCK_T_UNSUPPORTED: return mck_values_mismatch(r, type, path, &v);
    default: return convert_integer(r, type, path, &v, out);
    }
}
