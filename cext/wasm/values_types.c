/* The type plan of a function: built once from wasmtime's types, described as JSON for the Python side. */
#include "values_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const mck_wasmtime_api *api;
    size_t nodes;
    bool no_memory;
} builder;

static const char *const NAMES[] = {
    [MCK_T_BOOL] = "bool",
    [MCK_T_S8] = "s8",
    [MCK_T_U8] = "u8",
    [MCK_T_S16] = "s16",
    [MCK_T_U16] = "u16",
    [MCK_T_S32] = "s32",
    [MCK_T_U32] = "u32",
    [MCK_T_S64] = "s64",
    [MCK_T_U64] = "u64",
    [MCK_T_F32] = "f32",
    [MCK_T_F64] = "f64",
    [MCK_T_CHAR] = "char",
    [MCK_T_STRING] = "string",
    [MCK_T_LIST] = "list",
    [MCK_T_RECORD] = "record",
    [MCK_T_TUPLE] = "tuple",
    [MCK_T_VARIANT] = "variant",
    [MCK_T_ENUM] = "enum",
    [MCK_T_OPTION] = "option",
    [MCK_T_RESULT] = "result",
    [MCK_T_FLAGS] = "flags",
    [MCK_T_MAP] = "map",
    [MCK_T_UNSUPPORTED] = "unsupported",
};

const char *mck_type_name(mck_type_kind kind)
{
    return NAMES[kind];
}

bool mck_type_is_signed(mck_type_kind kind)
{
    return kind == MCK_T_S8 || kind == MCK_T_S16 || kind == MCK_T_S32 || kind == MCK_T_S64;
}

static unsigned width(mck_type_kind kind)
{
    switch (kind) {
    case MCK_T_S8:
    case MCK_T_U8: return 8;
    case MCK_T_S16:
    case MCK_T_U16: return 16;
    case MCK_T_S32:
    case MCK_T_U32: return 32;
    default: return 64;
    }
}

uint64_t mck_type_max(mck_type_kind kind)
{
    return UINT64_MAX >> (64 - width(kind) + (mck_type_is_signed(kind) ? 1 : 0));
}

uint64_t mck_type_max_below(mck_type_kind kind)
{
    return mck_type_is_signed(kind) ? mck_type_max(kind) + 1 : 0;
}

static void type_delete(mck_type *t)
{
    if (t == NULL) {
        return;
    }
    for (size_t i = 0; i < t->count; i++) {
        free((void *)(uintptr_t)t->members[i].name);
        type_delete(t->members[i].type);
    }
    free(t->members);
    free(t);
}

static char *copy_name(const char *name, size_t len)
{
    char *copy = malloc(len + 1);
    if (copy != NULL) {
        memcpy(copy, name, len);
        copy[len] = '\0';
    }
    return copy;
}

static mck_type *node(builder *b, mck_type_kind kind)
{
    mck_type *t = calloc(1, sizeof *t);
    if (t == NULL) {
        b->no_memory = true;
        return NULL;
    }
    t->kind = kind;
    b->nodes++;
    return t;
}

static mck_type *unsupported(builder *b, const char *reason)
{
    mck_type *t = node(b, MCK_T_UNSUPPORTED);
    if (t != NULL) {
        t->reason = reason;
    }
    return t;
}

static bool room(builder *b, mck_type *t, size_t count)
{
    if (t == NULL) {
        return false;
    }
    b->nodes += count;
    t->members = calloc(count != 0 ? count : 1, sizeof *t->members);
    if (t->members == NULL) {
        b->no_memory = true;
        return false;
    }
    t->count = count;
    return true;
}

static void set_name(builder *b, mck_type_member *m, const char *name, size_t len)
{
    m->name = copy_name(name, len);
    m->name_len = len;
    if (m->name == NULL) {
        b->no_memory = true;
    }
}

static mck_type *build(builder *b, const wasmtime_component_valtype_t *v, unsigned depth);

/* Takes ownership of `*v`. */
static mck_type *build_taken(builder *b, wasmtime_component_valtype_t *v, unsigned depth)
{
    mck_type *t = build(b, v, depth);
    b->api->component_valtype_delete(v);
    return t;
}

static mck_type *build_record(builder *b, const wasmtime_component_record_type_t *type, unsigned depth)
{
    mck_type *t = node(b, MCK_T_RECORD);
    size_t count = b->api->component_record_type_field_count(type);
    if (!room(b, t, count)) {
        return t;
    }
    for (size_t i = 0; i < count; i++) {
        const char *name = NULL;
        size_t len = 0;
        wasmtime_component_valtype_t field;
        if (b->no_memory || !b->api->component_record_type_field_nth(type, i, &name, &len, &field)) {
            b->no_memory = true; /* an index below the count is always there */
            break;
        }
        set_name(b, &t->members[i], name, len);
        t->members[i].type = build_taken(b, &field, depth);
    }
    return t;
}

static mck_type *build_tuple(builder *b, const wasmtime_component_tuple_type_t *type, unsigned depth)
{
    mck_type *t = node(b, MCK_T_TUPLE);
    size_t count = b->api->component_tuple_type_types_count(type);
    if (!room(b, t, count)) {
        return t;
    }
    for (size_t i = 0; i < count; i++) {
        wasmtime_component_valtype_t element;
        char name[32];
        int len = snprintf(name, sizeof name, "val%zu", i);
        set_name(b, &t->members[i], name, (size_t)len);
        if (b->no_memory || !b->api->component_tuple_type_types_nth(type, i, &element)) {
            b->no_memory = true;
            break;
        }
        t->members[i].type = build_taken(b, &element, depth);
    }
    return t;
}

static mck_type *build_variant(builder *b, const wasmtime_component_variant_type_t *type, unsigned depth)
{
    mck_type *t = node(b, MCK_T_VARIANT);
    size_t count = b->api->component_variant_type_case_count(type);
    if (!room(b, t, count)) {
        return t;
    }
    for (size_t i = 0; i < count; i++) {
        const char *name = NULL;
        size_t len = 0;
        bool has_payload = false;
        wasmtime_component_valtype_t payload;
        if (b->no_memory || !b->api->component_variant_type_case_nth(type, i, &name, &len, &has_payload, &payload)) {
            b->no_memory = true;
            break;
        }
        set_name(b, &t->members[i], name, len);
        if (has_payload) {
            t->members[i].type = build_taken(b, &payload, depth);
        }
    }
    return t;
}

/* Enums and flags have the same shape and different accessors. */
typedef bool (*names_nth)(const void *type, size_t n, const char **name, size_t *len, const mck_wasmtime_api *api);

static bool enum_name(const void *type, size_t n, const char **name, size_t *len, const mck_wasmtime_api *api)
{
    return api->component_enum_type_names_nth(type, n, name, len);
}

static bool flags_name(const void *type, size_t n, const char **name, size_t *len, const mck_wasmtime_api *api)
{
    return api->component_flags_type_names_nth(type, n, name, len);
}

static mck_type *build_names(builder *b, mck_type_kind kind, const void *type, size_t count, names_nth nth)
{
    mck_type *t = node(b, kind);
    if (!room(b, t, count)) {
        return t;
    }
    for (size_t i = 0; i < count; i++) {
        const char *name = "";
        size_t len = 0;
        (void)nth(type, i, &name, &len, b->api);
        set_name(b, &t->members[i], name, len);
    }
    return t;
}

static void set_type(builder *b, mck_type *t, size_t i, const char *name, wasmtime_component_valtype_t *v,
                     unsigned depth)
{
    set_name(b, &t->members[i], name, strlen(name));
    if (v != NULL) {
        t->members[i].type = build_taken(b, v, depth);
    }
}

static mck_type *build_list(builder *b, const wasmtime_component_list_type_t *type, unsigned depth)
{
    mck_type *t = node(b, MCK_T_LIST);
    if (room(b, t, 1)) {
        wasmtime_component_valtype_t element;
        b->api->component_list_type_element(type, &element);
        set_type(b, t, 0, "element", &element, depth);
    }
    return t;
}

static mck_type *build_option(builder *b, const wasmtime_component_option_type_t *type, unsigned depth)
{
    mck_type *t = node(b, MCK_T_OPTION);
    if (room(b, t, 1)) {
        wasmtime_component_valtype_t some;
        b->api->component_option_type_ty(type, &some);
        set_type(b, t, 0, "some", &some, depth);
    }
    return t;
}

static mck_type *build_result(builder *b, const wasmtime_component_result_type_t *type, unsigned depth)
{
    mck_type *t = node(b, MCK_T_RESULT);
    if (room(b, t, 2)) {
        wasmtime_component_valtype_t side;
        set_type(b, t, 0, "ok", b->api->component_result_type_ok(type, &side) ? &side : NULL, depth);
        set_type(b, t, 1, "err", b->api->component_result_type_err(type, &side) ? &side : NULL, depth);
    }
    return t;
}

static mck_type *build_map(builder *b, const wasmtime_component_map_type_t *type, unsigned depth)
{
    mck_type *t = node(b, MCK_T_MAP);
    if (room(b, t, 2)) {
        wasmtime_component_valtype_t side;
        b->api->component_map_type_key(type, &side);
        set_type(b, t, 0, "key", &side, depth);
        b->api->component_map_type_value(type, &side);
        set_type(b, t, 1, "value", &side, depth);
    }
    return t;
}

/* NULL only with b->no_memory set. */
static mck_type *build(builder *b, const wasmtime_component_valtype_t *v, unsigned depth)
{
    static const uint8_t plain[] = {
        [WASMTIME_COMPONENT_VALTYPE_BOOL] = MCK_T_BOOL,     [WASMTIME_COMPONENT_VALTYPE_S8] = MCK_T_S8,
        [WASMTIME_COMPONENT_VALTYPE_S16] = MCK_T_S16,       [WASMTIME_COMPONENT_VALTYPE_S32] = MCK_T_S32,
        [WASMTIME_COMPONENT_VALTYPE_S64] = MCK_T_S64,       [WASMTIME_COMPONENT_VALTYPE_U8] = MCK_T_U8,
        [WASMTIME_COMPONENT_VALTYPE_U16] = MCK_T_U16,       [WASMTIME_COMPONENT_VALTYPE_U32] = MCK_T_U32,
        [WASMTIME_COMPONENT_VALTYPE_U64] = MCK_T_U64,       [WASMTIME_COMPONENT_VALTYPE_F32] = MCK_T_F32,
        [WASMTIME_COMPONENT_VALTYPE_F64] = MCK_T_F64,       [WASMTIME_COMPONENT_VALTYPE_CHAR] = MCK_T_CHAR,
        [WASMTIME_COMPONENT_VALTYPE_STRING] = MCK_T_STRING,
    };
    if (v->kind <= WASMTIME_COMPONENT_VALTYPE_STRING) {
        return node(b, (mck_type_kind)plain[v->kind]);
    }
    if (depth >= MCK_VALUES_MAX_DEPTH || b->nodes >= MCK_VALUES_MAX_NODES) {
        return unsupported(b, "a type nested too deep or too large");
    }
    depth++;
    switch (v->kind) {
    case WASMTIME_COMPONENT_VALTYPE_LIST: return build_list(b, v->of.list, depth);
    case WASMTIME_COMPONENT_VALTYPE_RECORD: return build_record(b, v->of.record, depth);
    case WASMTIME_COMPONENT_VALTYPE_TUPLE: return build_tuple(b, v->of.tuple, depth);
    case WASMTIME_COMPONENT_VALTYPE_VARIANT: return build_variant(b, v->of.variant, depth);
    case WASMTIME_COMPONENT_VALTYPE_ENUM:
        return build_names(b, MCK_T_ENUM, v->of.enumeration, b->api->component_enum_type_names_count(v->of.enumeration),
                           enum_name);
    case WASMTIME_COMPONENT_VALTYPE_OPTION: return build_option(b, v->of.option, depth);
    case WASMTIME_COMPONENT_VALTYPE_RESULT: return build_result(b, v->of.result, depth);
    case WASMTIME_COMPONENT_VALTYPE_FLAGS:
        return build_names(b, MCK_T_FLAGS, v->of.flags, b->api->component_flags_type_names_count(v->of.flags),
                           flags_name);
    case WASMTIME_COMPONENT_VALTYPE_MAP: return build_map(b, v->of.map, depth);
    case WASMTIME_COMPONENT_VALTYPE_OWN:
    case WASMTIME_COMPONENT_VALTYPE_BORROW: return unsupported(b, "resource");
    case WASMTIME_COMPONENT_VALTYPE_FUTURE: return unsupported(b, "future");
    case WASMTIME_COMPONENT_VALTYPE_STREAM: return unsupported(b, "stream");
    case WASMTIME_COMPONENT_VALTYPE_ERROR_CONTEXT: return unsupported(b, "error-context");
    default: return unsupported(b, "a type this version does not know");
    }
}

static const char *find_unsupported(const mck_type *t)
{
    if (t == NULL) {
        return NULL;
    }
    if (t->kind == MCK_T_UNSUPPORTED) {
        return t->reason;
    }
    for (size_t i = 0; i < t->count; i++) {
        const char *reason = find_unsupported(t->members[i].type);
        if (reason != NULL) {
            return reason;
        }
    }
    return NULL;
}

/* False: no memory. */
static bool note_unsupported(mck_signature *s, const char *reason, const char *param)
{
    char *text = malloc(256);
    if (text == NULL) {
        return false;
    }
    mck_sentence sentence;
    mck_sentence_open(&sentence, text, 256);
    mck_sentence_text(&sentence, reason);
    if (param == NULL) {
        mck_sentence_text(&sentence, " in the result");
    } else {
        mck_sentence_text(&sentence, " in parameter \"");
        mck_sentence_excerpt(&sentence, param, strlen(param), 120);
        mck_sentence_text(&sentence, "\"");
    }
    s->unsupported = text;
    return true;
}

mck_signature *mck_signature_new(const mck_wasmtime_api *api, const wasmtime_component_func_type_t *type)
{
    builder b = {api, 0, false};
    mck_signature *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    size_t count = api->component_func_type_param_count(type);
    s->param_count = count;
    s->params = node(&b, MCK_T_RECORD);
    (void)room(&b, s->params, count);
    for (size_t i = 0; i < count && !b.no_memory; i++) {
        const char *name = "";
        size_t len = 0;
        wasmtime_component_valtype_t v;
        if (!api->component_func_type_param_nth(type, i, &name, &len, &v)) {
            b.no_memory = true;
            break;
        }
        set_name(&b, &s->params->members[i], name, len);
        s->params->members[i].type = build_taken(&b, &v, 0);
    }
    wasmtime_component_valtype_t v;
    if (!b.no_memory && api->component_func_type_result(type, &v)) {
        s->result = build_taken(&b, &v, 0);
    }
    if (!b.no_memory && api->component_func_type_async(type)) {
        s->unsupported = copy_name("an asynchronous function", strlen("an asynchronous function"));
        b.no_memory = s->unsupported == NULL;
    }
    for (size_t i = 0; i < count && !b.no_memory && s->unsupported == NULL; i++) {
        const char *reason = find_unsupported(s->params->members[i].type);
        if (reason != NULL && !note_unsupported(s, reason, s->params->members[i].name)) {
            b.no_memory = true;
        }
    }
    if (!b.no_memory && s->unsupported == NULL) {
        const char *reason = find_unsupported(s->result);
        if (reason != NULL && !note_unsupported(s, reason, NULL)) {
            b.no_memory = true;
        }
    }
    if (b.no_memory) {
        mck_signature_delete(s);
        return NULL;
    }
    return s;
}

void mck_signature_delete(mck_signature *s)
{
    if (s == NULL) {
        return;
    }
    type_delete(s->params);
    type_delete(s->result);
    free((void *)(uintptr_t)s->unsupported);
    free(s);
}

static void describe(const mck_type *t, mck_buffer *out);

static void describe_or_null(const mck_type *t, mck_buffer *out)
{
    if (t == NULL) {
        mck_buffer_text(out, "null");
    } else {
        describe(t, out);
    }
}

/* `names`: as strings; `types`: as types; both: as objects. */
static void describe_members(const mck_type *t, bool names, bool types, mck_buffer *out)
{
    mck_buffer_text(out, "[");
    for (size_t i = 0; i < t->count; i++) {
        const mck_type_member *m = &t->members[i];
        mck_buffer_text(out, i == 0 ? "" : ",");
        if (names && types) {
            mck_buffer_text(out, "{\"name\":");
            mck_buffer_json_string(out, m->name, m->name_len);
            mck_buffer_text(out, ",\"type\":");
            describe_or_null(m->type, out);
            mck_buffer_text(out, "}");
        } else if (names) {
            mck_buffer_json_string(out, m->name, m->name_len);
        } else {
            describe(m->type, out);
        }
    }
    mck_buffer_text(out, "]");
}

static void describe(const mck_type *t, mck_buffer *out)
{
    if (t->kind <= MCK_T_STRING) {
        mck_buffer_text(out, "\"");
        mck_buffer_text(out, mck_type_name(t->kind));
        mck_buffer_text(out, "\"");
        return;
    }
    mck_buffer_text(out, "{\"");
    mck_buffer_text(out, mck_type_name(t->kind));
    mck_buffer_text(out, "\":");
    switch (t->kind) {
    case MCK_T_LIST:
    case MCK_T_OPTION: describe(t->members[0].type, out); break;
    case MCK_T_RECORD:
    case MCK_T_VARIANT: describe_members(t, true, true, out); break;
    case MCK_T_ENUM:
    case MCK_T_FLAGS: describe_members(t, true, false, out); break;
    case MCK_T_TUPLE:
    case MCK_T_MAP: describe_members(t, false, true, out); break;
    case MCK_T_RESULT:
        mck_buffer_text(out, "{\"ok\":");
        describe_or_null(t->members[0].type, out);
        mck_buffer_text(out, ",\"err\":");
        describe_or_null(t->members[1].type, out);
        mck_buffer_text(out, "}");
        break;
    default: mck_buffer_json_string(out, t->reason, strlen(t->reason)); break;
    }
    mck_buffer_text(out, "}");
}

void mck_signature_describe(const mck_signature *s, mck_buffer *out)
{
    mck_buffer_text(out, "\"params\":");
    describe_members(s->params, true, true, out);
    mck_buffer_text(out, ",\"result\":");
    describe_or_null(s->result, out);
}
