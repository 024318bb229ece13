/* What a conversion from JSON says when it refuses, and the bounds it refuses by. */
#include "values_reader.h"

#include <string.h>

mck_sentence *mck_values_refuse(mck_reader *r, mck_values_status status, const mck_path *path)
{
    r->status = status;
    mck_sentence_path(&r->detail, path, "arguments");
    mck_sentence_text(&r->detail, ": ");
    return &r->detail;
}

bool mck_values_out_of_memory(mck_reader *r)
{
    r->status = MCK_VALUES_NO_MEMORY;
    mck_sentence_text(&r->detail, "the host ran out of memory while converting the arguments");
    return false;
}

bool mck_values_bad_json(mck_reader *r, const mck_path *path, mck_json_status status)
{
    mck_sentence *s = mck_values_refuse(r, MCK_VALUES_MISMATCH, path);
    mck_sentence_text(s, "not valid JSON: ");
    mck_sentence_text(s, mck_json_explain(status));
    mck_sentence_text(s, " at byte ");
    mck_sentence_u64(s, r->cursor->pos);
    return false;
}

void mck_values_add_quoted(mck_sentence *s, const void *text, size_t len)
{
    mck_sentence_text(s, "\"");
    mck_sentence_excerpt(s, text, len, 60);
    mck_sentence_text(s, "\"");
}

void mck_values_add_names(mck_sentence *s, const mck_type_member *members, size_t count)
{
    for (size_t i = 0; i < count && i < 8; i++) {
        mck_sentence_text(s, i == 0 ? "" : ", ");
        mck_values_add_quoted(s, members[i].name, members[i].name_len);
    }
    if (count > 8) {
        mck_sentence_text(s, ", \xE2\x80\xA6");
    }
}

void mck_values_add_expected(mck_sentence *s, const mck_type *type)
{
    switch (type->kind) {
    case MCK_T_BOOL: mck_sentence_text(s, "true or false"); break;
    case MCK_T_F32:
    case MCK_T_F64:
        mck_sentence_text(s, "a number (");
        mck_sentence_text(s, mck_type_name(type->kind));
        mck_sentence_text(s, ")");
        break;
    case MCK_T_CHAR: mck_sentence_text(s, "a string of exactly one character"); break;
    case MCK_T_STRING: mck_sentence_text(s, "a string"); break;
    case MCK_T_LIST: mck_sentence_text(s, "an array"); break;
    case MCK_T_RECORD: mck_sentence_text(s, "an object"); break;
    case MCK_T_TUPLE:
        mck_sentence_text(s, "an array of ");
        mck_sentence_u64(s, type->count);
        mck_sentence_text(s, " or an object with val0 to val");
        mck_sentence_u64(s, type->count == 0 ? 0 : type->count - 1);
        break;
    case MCK_T_VARIANT:
        mck_sentence_text(s, "an object with \"tag\", one of ");
        mck_values_add_names(s, type->members, type->count);
        break;
    case MCK_T_ENUM:
        mck_sentence_text(s, "one of ");
        mck_values_add_names(s, type->members, type->count);
        break;
    case MCK_T_OPTION:
        if (type->members[0].type->kind == MCK_T_OPTION) {
            mck_sentence_text(s, "an object with \"some\"");
        } else {
            mck_values_add_expected(s, type->members[0].type);
        }
        mck_sentence_text(s, " or null");
        break;
    case MCK_T_RESULT: mck_sentence_text(s, "an object with either \"ok\" or \"err\""); break;
    case MCK_T_FLAGS:
        mck_sentence_text(s, "an array with any of ");
        mck_values_add_names(s, type->members, type->count);
        break;
    case MCK_T_MAP: mck_sentence_text(s, "an array of [key, value] pairs"); break;
    case MCK_T_UNSUPPORTED: mck_sentence_text(s, type->reason); break;
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

bool mck_values_mismatch(mck_reader *r, const mck_type *type, const mck_path *path, const mck_json_value *found)
{
    mck_sentence *s = mck_values_refuse(r, MCK_VALUES_MISMATCH, path);
    mck_sentence_text(s, "expected ");
    mck_values_add_expected(s, type);
    mck_sentence_text(s, ", got ");
    const uint8_t *text = r->cursor->data + found->span.start;
    size_t len = found->span.end - found->span.start;
    switch (found->kind) {
    case MCK_JSON_ARRAY: mck_sentence_text(s, "an array"); break;
    case MCK_JSON_OBJECT: mck_sentence_text(s, "an object"); break;
    case MCK_JSON_STRING: mck_values_add_quoted(s, text, len); break;
    default: mck_sentence_excerpt(s, text, len, 60); break;
    }
    return false;
}

bool mck_values_unknown_name(mck_reader *r, const mck_path *path, const char *what, const mck_type_member *members,
                             size_t count, const mck_json_value *name)
{
    const uint8_t *raw = r->cursor->data + name->span.start;
    size_t len = name->span.end - name->span.start;
    mck_sentence *s = mck_values_refuse(r, MCK_VALUES_MISMATCH, path);
    mck_sentence_text(s, "unknown ");
    mck_sentence_text(s, what);
    mck_sentence_text(s, " ");
    mck_values_add_quoted(s, raw, len);
    size_t near = mck_type_nearest(members, count, raw, len);
    if (near != SIZE_MAX) {
        mck_sentence_text(s, "; did you mean ");
        mck_values_add_quoted(s, members[near].name, members[near].name_len);
        mck_sentence_text(s, "?");
    } else if (count == 0) {
        mck_sentence_text(s, "; there are none");
    } else {
        mck_sentence_text(s, "; known: ");
        mck_values_add_names(s, members, count);
    }
    return false;
}

bool mck_values_given_twice(mck_reader *r, const mck_path *path, const char *name, size_t len)
{
    mck_sentence *s = mck_values_refuse(r, MCK_VALUES_MISMATCH, path);
    mck_values_add_quoted(s, name, len);
    mck_sentence_text(s, " is given twice");
    return false;
}

/* ---- bounds ---- */

bool mck_values_charge(mck_reader *r, const mck_path *path, uint64_t bytes, bool string)
{
    if (bytes <= r->max_bytes - r->used_bytes) {
        r->used_bytes += bytes;
        return true;
    }
    mck_sentence *s = mck_values_refuse(r, MCK_VALUES_TOO_LARGE, path);
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
bool mck_values_charge_element(mck_reader *r, const mck_path *list, size_t index)
{
    if (r->used_elements < r->max_elements) {
        r->used_elements++;
        return mck_values_charge(r, list, sizeof(wasmtime_component_val_t), false);
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
    mck_sentence *s = mck_values_refuse(r, MCK_VALUES_TOO_LARGE, list);
    mck_sentence_text(s, "a list of ");
    mck_sentence_u64(s, total);
    mck_sentence_text(s, " elements brings the arguments over their bound of ");
    mck_sentence_u64(s, r->max_elements);
    mck_sentence_text(s, " list elements");
    return false;
}
