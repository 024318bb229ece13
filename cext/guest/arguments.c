/* What is asked: arguments by name. */
#include "internal.h"

#include <math.h>
#include <stdlib.h>

bool find_member(const mcp_request *r, mck_span object, const char *name, mck_json_value *out)
{
    mck_json_cursor c;
    const uint8_t *data = r->message + object.start;
    size_t len = object.end - object.start;
    if (mck_json_open(&c, data, len, MCK_JSON_DEFAULT_DEPTH, NULL) || mck_json_enter_object(&c))
        return false;
    bool found = false, more;
    mck_json_value key, value;
    size_t name_len = strlen(name);
    /* Of a key that stands twice the last counts, as in most JSON readers. */
    for (bool first = true; !mck_json_member(&c, first, &key, &more) && more; first = false) {
        if (mck_json_read(&c, &value))
            return false;
        if (mck_json_string_is(data + key.span.start, key.span.end - key.span.start, key.escaped, name, name_len)) {
            found = true;
            *out = value;
            out->span.start += object.start;
            out->span.end += object.start;
        }
    }
    return found;
}

static bool find(const mcp_request *r, const char *name, mck_json_value *out)
{
    const mck_rpc_envelope *e = r->envelope;
    return (e->flags & MCK_RPC_HAS_ARGUMENTS) && find_member(r, e->arguments.span, name, out);
}

bool mcp_text(mcp_request *r, const char *name, mcp_string *out)
{
    for (size_t i = 0; i < r->part_count; i++)
        if (strlen(name) == r->parts[i].name_len && memcmp(name, r->parts[i].name, r->parts[i].name_len) == 0) {
            *out = r->parts[i].value;
            return true;
        }
    mck_json_value value;
    return find(r, name, &value) && value.kind == MCK_JSON_STRING && decode(r, &value, out);
}

bool mcp_json(mcp_request *r, const char *name, mcp_string *out)
{
    mck_json_value value;
    if (!find(r, name, &value))
        return false;
    /* The span of a string leaves its quotes out. */
    uint32_t quote = value.kind == MCK_JSON_STRING;
    size_t len = value.span.end - value.span.start + 2 * quote;
    char *text = request_alloc(r, len + 1);
    if (!text)
        return false;
    memcpy(text, r->message + value.span.start - quote, len);
    text[len] = 0;
    *out = (mcp_string){text, len};
    return true;
}

bool mcp_number(mcp_request *r, const char *name, double *out)
{
    mck_json_value value;
    if (!find(r, name, &value) || value.kind != MCK_JSON_NUMBER)
        return false;
    size_t len = value.span.end - value.span.start;
    char *text = request_alloc(r, len + 1);
    if (!text)
        return false;
    memcpy(text, r->message + value.span.start, len);
    text[len] = 0;
    double number = strtod(text, NULL);
    if (!isfinite(number))
        return false;
    *out = number;
    return true;
}

bool mcp_integer(mcp_request *r, const char *name, int64_t *out)
{
    mck_json_value value;
    if (!find(r, name, &value) || value.kind != MCK_JSON_NUMBER)
        return false;
    if (!value.integral) {
        double number;
        if (!mcp_number(r, name, &number) || number != trunc(number) || fabs(number) > 9007199254740992.0)
            return false;
        *out = (int64_t)number;
        return true;
    }
    const uint8_t *digit = r->message + value.span.start, *end = r->message + value.span.end;
    bool negative = *digit == '-';
    uint64_t n = 0, limit = (uint64_t)INT64_MAX + negative;
    for (digit += negative; digit < end; digit++) {
        uint64_t next = *digit - (uint64_t)'0';
        if (n > (limit - next) / 10)
            return false;
        n = n * 10 + next;
    }
    *out = negative ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

bool mcp_bool(mcp_request *r, const char *name, bool *out)
{
    mck_json_value value;
    if (!find(r, name, &value) || (value.kind != MCK_JSON_TRUE && value.kind != MCK_JSON_FALSE))
        return false;
    *out = value.kind == MCK_JSON_TRUE;
    return true;
}

static bool need(mcp_request *r, const char *name, bool there, const char *type)
{
    mck_json_value value;
    if (there)
        return true;
    if (find(r, name, &value))
        mcp_fail(r, "the argument '%s' must be %s", name, type);
    else
        mcp_fail(r, "the argument '%s' is missing; it must be %s", name, type);
    return false;
}

bool mcp_need_text(mcp_request *r, const char *name, mcp_string *out)
{
    return need(r, name, mcp_text(r, name, out), "a string");
}

bool mcp_need_number(mcp_request *r, const char *name, double *out)
{
    return need(r, name, mcp_number(r, name, out), "a number");
}

bool mcp_need_integer(mcp_request *r, const char *name, int64_t *out)
{
    return need(r, name, mcp_integer(r, name, out), "an integer");
}

bool mcp_need_bool(mcp_request *r, const char *name, bool *out)
{
    return need(r, name, mcp_bool(r, name, out), "true or false");
}

mcp_string mcp_arguments(mcp_request *r)
{
    const mck_json_value *arguments = &r->envelope->arguments;
    size_t len = arguments->span.end - arguments->span.start;
    char *text = NULL;
    if ((r->envelope->flags & MCK_RPC_HAS_ARGUMENTS) && (text = request_alloc(r, len + 1))) {
        memcpy(text, r->message + arguments->span.start, len);
        text[len] = 0;
        return (mcp_string){text, len};
    }
    return (mcp_string){"{}", 2};
}

mcp_string mcp_uri(mcp_request *r)
{
    return r->uri;
}
