/*
 * JSON to component values. The text is read once, by the type plan; every bound is checked before the memory it bounds
 * is taken, and a refusal names the path, what was expected and what was found.
 */
#include "values_reader.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_MAX_BYTES (UINT64_C(16) << 20)
#define DEFAULT_MAX_ELEMENTS 80000u
#define JSON_DEPTH                                                                                                     \
    (2u * MCK_VALUES_MAX_DEPTH + 16u) /* a type takes at most two levels of JSON (map, option of option) */

typedef wasmtime_component_val_t val_t;

typedef mck_reader reader;

static bool convert(reader *r, const mck_type *type, const mck_path *path, val_t *out);

static bool push(reader *r, const val_t *v)
{
    if (r->stack_len == r->stack_cap) {
        size_t cap = r->stack_cap == 0 ? 64 : r->stack_cap * 2;
        val_t *grown = realloc(r->stack, cap * sizeof *grown);
        if (grown == NULL) {
            return mck_values_out_of_memory(r);
        }
        r->stack = grown;
        r->stack_cap = cap;
    }
    r->stack[r->stack_len++] = *v;
    return true;
}

static void drop(reader *r, val_t *v)
{
    r->api->component_val_delete(v);
    memset(v, 0, sizeof *v);
}

static void drop_to(reader *r, size_t base)
{
    while (r->stack_len > base) {
        drop(r, &r->stack[--r->stack_len]);
    }
}

/* Takes over `*v`. */
static bool box(reader *r, const mck_path *path, val_t *v, val_t **out)
{
    if (!mck_values_charge(r, path, sizeof *v, false)) {
        drop(r, v);
        return false;
    }
    *out = r->api->component_val_new(v);
    return true;
}

/* Which of `count` members were seen. */
typedef struct {
    uint64_t few[4];
    uint64_t *words;
} seen_set;

static bool seen_open(reader *r, seen_set *s, size_t count)
{
    memset(s->few, 0, sizeof s->few);
    s->words = s->few;
    if (count > 64 * (sizeof s->few / sizeof s->few[0])) {
        s->words = calloc(count / 64 + 1, sizeof *s->words);
        if (s->words == NULL) {
            return mck_values_out_of_memory(r);
        }
    }
    return true;
}

static void seen_close(seen_set *s)
{
    if (s->words != s->few) {
        free(s->words);
    }
}

static bool seen_has(const seen_set *s, size_t i)
{
    return (s->words[i / 64] >> (i % 64) & 1U) != 0;
}

static void seen_add(seen_set *s, size_t i)
{
    s->words[i / 64] |= UINT64_C(1) << (i % 64);
}

/* ---- reading ---- */

static bool peek(reader *r, const mck_path *path, mck_json_kind *kind)
{
    mck_json_status status = mck_json_peek(r->cursor, kind);
    return status == MCK_JSON_OK || mck_values_bad_json(r, path, status);
}

/* Into an object or array, refusing anything else. */
static bool enter(reader *r, const mck_type *type, const mck_path *path, mck_json_kind wanted)
{
    mck_json_kind kind;
    if (!peek(r, path, &kind)) {
        return false;
    }
    if (kind != wanted) {
        mck_json_value v;
        return mck_values_read(r, path, &v) && mck_values_mismatch(r, type, path, &v);
    }
    mck_json_status status =
        wanted == MCK_JSON_OBJECT ? mck_json_enter_object(r->cursor) : mck_json_enter_array(r->cursor);
    return status == MCK_JSON_OK || mck_values_bad_json(r, path, status);
}

static bool next_member(reader *r, const mck_path *path, bool first, mck_json_value *key, bool *more)
{
    mck_json_status status = mck_json_member(r->cursor, first, key, more);
    return status == MCK_JSON_OK || mck_values_bad_json(r, path, status);
}

static bool next_element(reader *r, const mck_path *path, bool first, bool *more)
{
    mck_json_status status = mck_json_element(r->cursor, first, more);
    return status == MCK_JSON_OK || mck_values_bad_json(r, path, status);
}

/* ---- values with names inside ---- */

/* An object's members into `slots[0], slots[stride] …` (zeroed); `set` records what was given. */
static bool read_fields(reader *r, const mck_type *type, const char *what, const mck_path *path, char *slots,
                        size_t stride, seen_set *set)
{
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
        size_t i = mck_values_find_name(r, type->members, type->count, &key, hint);
        if (i == SIZE_MAX) {
            return mck_values_unknown_name(r, path, what, type->members, type->count, &key);
        }
        const mck_type_member *member = &type->members[i];
        if (seen_has(set, i)) {
            return mck_values_given_twice(r, path, member->name, member->name_len);
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
        mck_sentence *s = mck_values_refuse(r, MCK_VALUES_MISMATCH, &here);
        mck_sentence_text(s, "missing; expected ");
        mck_values_add_expected(s, member->type);
        return false;
    }
    return true;
}

static bool convert_fields(reader *r, const mck_type *type, const char *what, const mck_path *path, void *slots,
                           size_t stride)
{
    seen_set set;
    if (!enter(r, type, path, MCK_JSON_OBJECT) || !seen_open(r, &set, type->count)) {
        return false;
    }
    bool done = read_fields(r, type, what, path, slots, stride, &set);
    seen_close(&set);
    return done;
}

static bool convert_record(reader *r, const mck_type *type, const mck_path *path, val_t *out)
{
    uint64_t cost = type->count * sizeof *out->of.record.data;
    for (size_t i = 0; i < type->count; i++) {
        cost += type->members[i].name_len;
    }
    if (!mck_values_charge(r, path, cost, false)) {
        return false;
    }
    r->api->component_valrecord_new_uninit(&out->of.record, type->count);
    out->kind = WASMTIME_COMPONENT_RECORD;
    if (type->count != 0) {
        memset(out->of.record.data, 0, type->count * sizeof *out->of.record.data);
    }
    for (size_t i = 0; i < type->count; i++) {
        mck_values_set_name(r, &out->of.record.data[i].name, &type->members[i]);
    }
    return convert_fields(r, type, "field", path, &out->of.record.data->val, sizeof *out->of.record.data);
}

static bool convert_tuple(reader *r, const mck_type *type, const mck_path *path, val_t *out)
{
    mck_json_kind kind;
    if (!peek(r, path, &kind) || !mck_values_charge(r, path, type->count * sizeof *out, false)) {
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
            return mck_values_read(r, path, &whole) && mck_values_mismatch(r, type, path, &whole);
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

static bool convert_payload(reader *r, const mck_type *type, const mck_path *path, const char *name, val_t **out)
{
    mck_path here = {path, name, strlen(name), 0};
    val_t payload;
    memset(&payload, 0, sizeof payload);
    return convert(r, type, &here, &payload) && box(r, &here, &payload, out);
}

static bool set_variant(reader *r, const mck_type *type, const mck_path *path, size_t chosen,
                        const mck_json_cursor *payload_at, val_t *out)
{
    const mck_type_member *member = &type->members[chosen];
    if ((payload_at != NULL) != (member->type != NULL)) {
        mck_sentence *s = mck_values_refuse(r, MCK_VALUES_MISMATCH, path);
        mck_sentence_text(s, "case ");
        mck_values_add_quoted(s, member->name, member->name_len);
        if (member->type == NULL) {
            mck_sentence_text(s, " takes no \"val\"");
        } else {
            mck_sentence_text(s, " needs \"val\": ");
            mck_values_add_expected(s, member->type);
        }
        return false;
    }
    mck_values_set_name(r, &out->of.variant.discriminant, member);
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

static bool convert_variant(reader *r, const mck_type *type, const mck_path *path, val_t *out)
{
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
        size_t which = mck_values_find_name(r, keys, 2, &key, 0);
        if (which == SIZE_MAX) {
            return mck_values_unknown_name(r, path, "member", keys, 2, &key);
        }
        if (which == 0 ? chosen != SIZE_MAX : has_payload) {
            return mck_values_given_twice(r, path, keys[which].name, 3);
        }
        if (which == 1) { /* converted when the tag is known, wherever it stands */
            has_payload = true;
            payload_at = *r->cursor;
        }
        if (!mck_values_read(r, path, &v)) {
            return false;
        }
        if (which == 0) {
            mck_path here = {path, "tag", 3, 0};
            if (v.kind != MCK_JSON_STRING) {
                return mck_values_mismatch(r, type, path, &v);
            }
            chosen = mck_values_find_name(r, type->members, type->count, &v, 0);
            if (chosen == SIZE_MAX) {
                return mck_values_unknown_name(r, &here, "case", type->members, type->count, &v);
            }
        }
    }
    if (chosen == SIZE_MAX) {
        mck_path here = {path, "tag", 3, 0};
        mck_sentence *s = mck_values_refuse(r, MCK_VALUES_MISMATCH, &here);
        mck_sentence_text(s, "missing; expected one of ");
        mck_values_add_names(s, type->members, type->count);
        return false;
    }
    return set_variant(r, type, path, chosen, has_payload ? &payload_at : NULL, out);
}

/* Into an object with exactly one member, whose name is one of `names`; the cursor then stands at its value. */
static bool enter_single(reader *r, const mck_type *type, const mck_path *path, const mck_type_member *names,
                         size_t count, size_t *which)
{
    mck_json_cursor start = *r->cursor;
    mck_json_value key;
    bool more;
    if (!enter(r, type, path, MCK_JSON_OBJECT) || !next_member(r, path, true, &key, &more)) {
        return false;
    }
    if (!more) {
        *r->cursor = start;
        return mck_values_read(r, path, &key) && mck_values_mismatch(r, type, path, &key);
    }
    *which = mck_values_find_name(r, names, count, &key, 0);
    return *which != SIZE_MAX || mck_values_unknown_name(r, path, "member", names, count, &key);
}

static bool leave_single(reader *r, const mck_type *type, const mck_path *path)
{
    mck_json_value key;
    bool more;
    if (!next_member(r, path, false, &key, &more)) {
        return false;
    }
    if (more) {
        mck_sentence *s = mck_values_refuse(r, MCK_VALUES_MISMATCH, path);
        mck_sentence_text(s, "expected ");
        mck_values_add_expected(s, type);
        mck_sentence_text(s, ", got more than one member");
        return false;
    }
    return true;
}

static bool convert_option(reader *r, const mck_type *type, const mck_path *path, val_t *out)
{
    const mck_type *inner = type->members[0].type;
    mck_json_kind kind;
    if (!peek(r, path, &kind)) {
        return false;
    }
    out->kind = WASMTIME_COMPONENT_OPTION;
    out->of.option = NULL;
    if (kind == MCK_JSON_NULL) {
        mck_json_value v;
        return mck_values_read(r, path, &v);
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

static bool convert_result(reader *r, const mck_type *type, const mck_path *path, val_t *out)
{
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
        if (!mck_values_read(r, &here, &v)) {
            return false;
        }
        if (v.kind != MCK_JSON_NULL) {
            mck_sentence_text(mck_values_refuse(r, MCK_VALUES_MISMATCH, &here),
                              "expected null: this side has no payload");
            return false;
        }
    }
    return leave_single(r, type, path);
}

/* ---- sequences ---- */

static bool read_elements(reader *r, const mck_type *type, const mck_path *path)
{
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
        if (!mck_values_charge_element(r, path, i) || !convert(r, type->members[0].type, &here, &element)) {
            return false;
        }
        if (!push(r, &element)) {
            drop(r, &element);
            return false;
        }
    }
}

static bool convert_list(reader *r, const mck_type *type, const mck_path *path, val_t *out)
{
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
static bool read_pair(reader *r, const mck_type *type, const mck_path *map, const mck_path *path)
{
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
            return mck_values_read(r, map, &whole) && mck_values_mismatch(r, type, map, &whole);
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

static bool read_pairs(reader *r, const mck_type *type, const mck_path *path)
{
    for (size_t i = 0;; i++) {
        bool more;
        if (!next_element(r, path, i == 0, &more)) {
            return false;
        }
        if (!more) {
            return true;
        }
        mck_path here = {path, NULL, 0, i};
        if (!mck_values_charge_element(r, path, i) || !mck_values_charge(r, path, sizeof(val_t), false) ||
            !read_pair(r, type, path, &here)) {
            return false;
        }
    }
}

static bool convert_map(reader *r, const mck_type *type, const mck_path *path, val_t *out)
{
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

static bool read_flags(reader *r, const mck_type *type, const mck_path *path, seen_set *set, size_t *given)
{
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
        if (!mck_values_read(r, &here, &v)) {
            return false;
        }
        if (v.kind != MCK_JSON_STRING) {
            return mck_values_mismatch(r, type, path, &v);
        }
        size_t i = mck_values_find_name(r, type->members, type->count, &v, 0);
        if (i == SIZE_MAX) {
            return mck_values_unknown_name(r, &here, "flag", type->members, type->count, &v);
        }
        if (seen_has(set, i)) {
            return mck_values_given_twice(r, path, type->members[i].name, type->members[i].name_len);
        }
        seen_add(set, i);
        *given = n + 1;
        if (!mck_values_charge(r, path, sizeof(wasm_name_t) + type->members[i].name_len, false)) {
            return false;
        }
    }
}

static bool convert_flags(reader *r, const mck_type *type, const mck_path *path, val_t *out)
{
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
                mck_values_set_name(r, &out->of.flags.data[at++], &type->members[i]);
            }
        }
    }
    seen_close(&set);
    return done;
}

/* `*out` is zeroed (a boolean: nothing to free), and zeroed again on failure. Recursion is bounded by the type tree. */
static bool convert(reader *r, const mck_type *type, const mck_path *path, val_t *out)
{
    bool done;
    switch (type->kind) {
    case MCK_T_LIST: done = convert_list(r, type, path, out); break;
    case MCK_T_RECORD: done = convert_record(r, type, path, out); break;
    case MCK_T_TUPLE: done = convert_tuple(r, type, path, out); break;
    case MCK_T_VARIANT: done = convert_variant(r, type, path, out); break;
    case MCK_T_OPTION: done = convert_option(r, type, path, out); break;
    case MCK_T_RESULT: done = convert_result(r, type, path, out); break;
    case MCK_T_FLAGS: done = convert_flags(r, type, path, out); break;
    case MCK_T_MAP: done = convert_map(r, type, path, out); break;
    default: return mck_values_convert_plain(r, type, path, out); /* owns nothing unless it succeeds */
    }
    if (!done) {
        drop(r, out);
    }
    return done;
}

mck_values_status mck_values_from_json(const mck_wasmtime_api *api, const mck_signature *s, const uint8_t *json,
                                       size_t len, const mck_json_kernels *kernels, const mck_values_limits *limits,
                                       wasmtime_component_val_t *values, char *detail, size_t detail_size)
{
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
        (void)mck_values_bad_json(&r, NULL, status);
        return r.status;
    }
    if (convert_fields(&r, s->params, "parameter", NULL, values, sizeof *values)) {
        status = mck_json_finish(&cursor);
        if (status != MCK_JSON_OK) {
            (void)mck_values_bad_json(&r, NULL, status);
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
