/* The cursor: validation of one value at a time over the caller's bytes. Nesting is kept in bits, never on the C stack. */
#include "inline.h"
#include "kernels.h"

#define MAX_DEPTH 1024u /* what the bits of read_nested hold, whatever the caller allows */

/* A place in the text; the helpers below move `pos` and leave it at the fault when they refuse. */
typedef struct {
    const uint8_t *data;
    uint32_t pos, len;
    const mck_json_kernels *kernels;
} text;

static inline text text_of(const mck_json_cursor *c)
{
    return (text){c->data, c->pos, c->len, c->kernels};
}

static inline void skip_space(text *t)
{
    while (t->pos < t->len) {
        uint8_t b = t->data[t->pos];
        if (b > 0x20 || (b != ' ' && b != '\n' && b != '\r' && b != '\t')) {
            return;
        }
        t->pos++;
    }
}

static inline int hex_value(uint8_t b)
{
    if (b >= '0' && b <= '9') {
        return b - '0';
    }
    b |= 0x20;
    return b >= 'a' && b <= 'f' ? b - 'a' + 10 : -1;
}

/* Four hexadecimal digits at `pos`; -1 when they are not, -2 when the text ends first. */
static int32_t read_hex4(const text *t, uint32_t pos)
{
    int32_t value = 0;
    for (uint32_t i = 0; i < 4; i++) {
        if (pos + i >= t->len) {
            return -2;
        }
        int digit = hex_value(t->data[pos + i]);
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

/* At a backslash. */
static mck_json_status read_escape(text *t)
{
    uint32_t p = t->pos + 1;
    if (p >= t->len) {
        t->pos = t->len;
        return MCK_JSON_E_EOF;
    }
    switch (t->data[p]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't': t->pos = p + 1; return MCK_JSON_OK;
    case 'u': break;
    default: return MCK_JSON_E_STRING;
    }
    int32_t unit = read_hex4(t, p + 1);
    if (unit >= 0xd800 && unit <= 0xdbff) {
        p += 5;
        if (p >= t->len || (t->data[p] == '\\' && p + 1 >= t->len)) {
            unit = -2;
        } else if (t->data[p] != '\\' || t->data[p + 1] != 'u') {
            unit = -1;
        } else {
            p++;
            unit = read_hex4(t, p + 1);
            if (unit >= 0 && (unit < 0xdc00 || unit > 0xdfff)) {
                unit = -1;
            }
        }
    } else if (unit >= 0xdc00 && unit <= 0xdfff) {
        unit = -1;
    }
    if (unit == -2) {
        t->pos = t->len;
        return MCK_JSON_E_EOF;
    }
    if (unit < 0) {
        return MCK_JSON_E_STRING;
    }
    t->pos = p + 5;
    return MCK_JSON_OK;
}

/* Past the opening quote; goes on to just after the closing one. */
static inline mck_json_status read_string(text *t, bool *escaped)
{
    *escaped = false;
    for (;;) {
        /* Most keys and names end within sixteen bytes: those never pay for a call. */
        uint64_t mask = 0;
        for (int i = 0; i < 2 && t->len - t->pos >= 8; i++) {
            mask = mck_plain_end_mask(mck_load64(t->data + t->pos));
            if (mask) {
                t->pos += mck_lowest_bit(mask) / 8;
                break;
            }
            t->pos += 8;
        }
        if (!mask) {
            t->pos = t->kernels->string_run(t->data, t->pos, t->len);
            if (t->pos >= t->len) {
                return MCK_JSON_E_EOF;
            }
        }
        uint8_t b = t->data[t->pos];
        if (b == '"') {
            t->pos++;
            return MCK_JSON_OK;
        }
        if (b == '\\') {
            *escaped = true;
            mck_json_status status = read_escape(t);
            if (status != MCK_JSON_OK) {
                return status;
            }
        } else if (b >= 0x80) {
            /* A quote, a backslash or a control character can stand inside no sequence, so the part before it is checked alone. */
            uint32_t end = mck_special_run(t->data, t->pos, t->len);
            t->pos = t->kernels->utf8_run(t->data, t->pos, end);
            if (t->pos != end) {
                return MCK_JSON_E_UTF8;
            }
        } else {
            return MCK_JSON_E_STRING;
        }
    }
}

static inline bool is_digit(uint8_t b)
{
    return (uint8_t)(b - '0') <= 9;
}

/* At least one digit. */
static inline mck_json_status read_digits(text *t)
{
    uint32_t start = t->pos;
    while (t->pos < t->len && is_digit(t->data[t->pos])) {
        t->pos++;
    }
    if (t->pos > start) {
        return MCK_JSON_OK;
    }
    return t->pos < t->len ? MCK_JSON_E_NUMBER : MCK_JSON_E_EOF;
}

/* At '-' or a digit. */
static inline mck_json_status read_number(text *t, bool *integral)
{
    mck_json_status status;
    *integral = true;
    if (t->data[t->pos] == '-') {
        t->pos++;
    }
    if (t->pos < t->len && t->data[t->pos] == '0') {
        t->pos++;
        if (t->pos < t->len && is_digit(t->data[t->pos])) {
            return MCK_JSON_E_NUMBER;
        }
    } else if ((status = read_digits(t)) != MCK_JSON_OK) {
        return status;
    }
    if (t->pos < t->len && t->data[t->pos] == '.') {
        *integral = false;
        t->pos++;
        if ((status = read_digits(t)) != MCK_JSON_OK) {
            return status;
        }
    }
    if (t->pos < t->len && (t->data[t->pos] | 0x20) == 'e') {
        *integral = false;
        t->pos++;
        if (t->pos < t->len && (t->data[t->pos] == '+' || t->data[t->pos] == '-')) {
            t->pos++;
        }
        return read_digits(t);
    }
    return MCK_JSON_OK;
}

static inline mck_json_status read_literal(text *t, const char *word, uint32_t n)
{
    if (t->len - t->pos >= n && memcmp(t->data + t->pos, word, n) == 0) {
        t->pos += n;
        return MCK_JSON_OK;
    }
    for (uint32_t i = 0; i < n; i++, t->pos++) {
        if (t->pos >= t->len) {
            return MCK_JSON_E_EOF;
        }
        if (t->data[t->pos] != (uint8_t)word[i]) {
            break;
        }
    }
    return MCK_JSON_E_SYNTAX;
}

/* At an opening bracket, with `room` more levels allowed; goes on to just after the closing one. */
static mck_json_status read_nested(text *t, uint32_t room)
{
    uint64_t objects[MAX_DEPTH / 64]; /* bit n: level n is an object */
    uint32_t level = 0;
    mck_json_status status;
    bool flag;

value:
    skip_space(t);
    if (t->pos >= t->len) {
        return MCK_JSON_E_EOF;
    }
    switch (t->data[t->pos]) {
    case '"':
        t->pos++;
        status = read_string(t, &flag);
        break;
    case '{':
    case '[': {
        bool object = t->data[t->pos] == '{';
        if (level >= room) {
            return MCK_JSON_E_DEPTH;
        }
        uint64_t lower = level % 64 ? objects[level / 64] & (((uint64_t)1 << (level % 64)) - 1) : 0;
        objects[level / 64] = lower | (uint64_t)object << (level % 64);
        level++;
        t->pos++;
        skip_space(t);
        if (t->pos >= t->len) {
            return MCK_JSON_E_EOF;
        }
        if (t->data[t->pos] == (object ? '}' : ']')) {
            t->pos++;
            level--;
            status = MCK_JSON_OK;
            break;
        }
        if (object) {
            goto key;
        }
        goto value;
    }
    case 't': status = read_literal(t, "true", 4); break;
    case 'f': status = read_literal(t, "false", 5); break;
    case 'n': status = read_literal(t, "null", 4); break;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9': status = read_number(t, &flag); break;
    default: return MCK_JSON_E_SYNTAX;
    }
    if (status != MCK_JSON_OK) {
        return status;
    }

    for (;;) {
        if (level == 0) {
            return MCK_JSON_OK;
        }
        skip_space(t);
        if (t->pos >= t->len) {
            return MCK_JSON_E_EOF;
        }
        bool object = (objects[(level - 1) / 64] >> ((level - 1) % 64)) & 1u;
        uint8_t b = t->data[t->pos];
        if (b == ',') {
            t->pos++;
            if (object) {
                goto key;
            }
            goto value;
        }
        if (b != (object ? '}' : ']')) {
            return MCK_JSON_E_SYNTAX;
        }
        t->pos++;
        level--;
    }

key:
    skip_space(t);
    if (t->pos >= t->len) {
        return MCK_JSON_E_EOF;
    }
    if (t->data[t->pos] != '"') {
        return MCK_JSON_E_SYNTAX;
    }
    t->pos++;
    status = read_string(t, &flag);
    if (status != MCK_JSON_OK) {
        return status;
    }
    skip_space(t);
    if (t->pos >= t->len) {
        return MCK_JSON_E_EOF;
    }
    if (t->data[t->pos] != ':') {
        return MCK_JSON_E_SYNTAX;
    }
    t->pos++;
    goto value;
}

mck_json_status mck_json_open(mck_json_cursor *c, const uint8_t *data, size_t len, uint32_t max_depth,
                              const mck_json_kernels *kernels)
{
    bool fits = len <= MCK_JSON_MAX_LENGTH;
    c->data = data;
    c->len = fits ? (uint32_t)len : 0;
    c->pos = 0;
    c->depth = 0;
    c->max_depth = max_depth < MAX_DEPTH ? max_depth : MAX_DEPTH;
    c->kernels = kernels ? kernels : &mck_json_kernels_portable;
    return fits ? MCK_JSON_OK : MCK_JSON_E_LENGTH;
}

mck_json_status mck_json_read(mck_json_cursor *c, mck_json_value *out)
{
    text t = text_of(c);
    mck_json_status status;
    out->escaped = false;
    out->integral = false;
    skip_space(&t);
    out->span.start = t.pos;
    if (t.pos >= t.len) {
        c->pos = t.pos;
        return MCK_JSON_E_EOF;
    }
    uint8_t b = t.data[t.pos];
    switch (b) {
    case '"':
        out->kind = MCK_JSON_STRING;
        t.pos++;
        out->span.start = t.pos;
        status = read_string(&t, &out->escaped);
        c->pos = t.pos;
        out->span.end = t.pos - 1;
        return status;
    case '{':
    case '[':
        out->kind = b == '{' ? MCK_JSON_OBJECT : MCK_JSON_ARRAY;
        status = read_nested(&t, c->max_depth - c->depth);
        break;
    case 't':
        out->kind = MCK_JSON_TRUE;
        status = read_literal(&t, "true", 4);
        break;
    case 'f':
        out->kind = MCK_JSON_FALSE;
        status = read_literal(&t, "false", 5);
        break;
    case 'n':
        out->kind = MCK_JSON_NULL;
        status = read_literal(&t, "null", 4);
        break;
    default:
        out->kind = MCK_JSON_NUMBER;
        status = b == '-' || is_digit(b) ? read_number(&t, &out->integral) : MCK_JSON_E_SYNTAX;
        break;
    }
    out->span.end = t.pos;
    c->pos = t.pos;
    return status;
}

mck_json_status mck_json_peek(mck_json_cursor *c, mck_json_kind *out)
{
    text t = text_of(c);
    skip_space(&t);
    c->pos = t.pos;
    if (t.pos >= t.len) {
        return MCK_JSON_E_EOF;
    }
    uint8_t b = t.data[t.pos];
    switch (b) {
    case '"': *out = MCK_JSON_STRING; return MCK_JSON_OK;
    case '{': *out = MCK_JSON_OBJECT; return MCK_JSON_OK;
    case '[': *out = MCK_JSON_ARRAY; return MCK_JSON_OK;
    case 't': *out = MCK_JSON_TRUE; return MCK_JSON_OK;
    case 'f': *out = MCK_JSON_FALSE; return MCK_JSON_OK;
    case 'n': *out = MCK_JSON_NULL; return MCK_JSON_OK;
    default: *out = MCK_JSON_NUMBER; return b == '-' || is_digit(b) ? MCK_JSON_OK : MCK_JSON_E_SYNTAX;
    }
}

static mck_json_status enter(mck_json_cursor *c, uint8_t bracket)
{
    text t = text_of(c);
    skip_space(&t);
    c->pos = t.pos;
    if (t.pos >= t.len) {
        return MCK_JSON_E_EOF;
    }
    if (t.data[t.pos] != bracket) {
        return MCK_JSON_E_SYNTAX;
    }
    if (c->depth >= c->max_depth) {
        return MCK_JSON_E_DEPTH;
    }
    c->depth++;
    c->pos++;
    return MCK_JSON_OK;
}

mck_json_status mck_json_enter_object(mck_json_cursor *c)
{
    return enter(c, '{');
}

mck_json_status mck_json_enter_array(mck_json_cursor *c)
{
    return enter(c, '[');
}

/* Up to the next member or element, or past the closing bracket. */
static inline mck_json_status next(mck_json_cursor *c, text *t, bool first, uint8_t closing, bool *more)
{
    *more = false;
    skip_space(t);
    if (t->pos >= t->len) {
        return MCK_JSON_E_EOF;
    }
    uint8_t b = t->data[t->pos];
    if (b == closing) {
        if (c->depth > 0) {
            c->depth--;
        }
        t->pos++;
        return MCK_JSON_OK;
    }
    if (!first) {
        if (b != ',') {
            return MCK_JSON_E_SYNTAX;
        }
        t->pos++;
        skip_space(t);
        if (t->pos >= t->len) {
            return MCK_JSON_E_EOF;
        }
        if (t->data[t->pos] == closing) {
            return MCK_JSON_E_SYNTAX;
        }
    }
    *more = true;
    return MCK_JSON_OK;
}

mck_json_status mck_json_member(mck_json_cursor *c, bool first, mck_json_value *key, bool *more)
{
    text t = text_of(c);
    mck_json_status status = next(c, &t, first, '}', more);
    if (status != MCK_JSON_OK || !*more) {
        c->pos = t.pos;
        return status;
    }
    *more = false;
    if (t.data[t.pos] != '"') {
        c->pos = t.pos;
        return MCK_JSON_E_SYNTAX;
    }
    t.pos++;
    key->kind = MCK_JSON_STRING;
    key->integral = false;
    key->span.start = t.pos;
    status = read_string(&t, &key->escaped);
    key->span.end = t.pos - 1;
    if (status == MCK_JSON_OK) {
        skip_space(&t);
        if (t.pos >= t.len) {
            status = MCK_JSON_E_EOF;
        } else if (t.data[t.pos] != ':') {
            status = MCK_JSON_E_SYNTAX;
        } else {
            t.pos++;
            *more = true;
        }
    }
    c->pos = t.pos;
    return status;
}

mck_json_status mck_json_element(mck_json_cursor *c, bool first, bool *more)
{
    text t = text_of(c);
    mck_json_status status = next(c, &t, first, ']', more);
    c->pos = t.pos;
    return status;
}

mck_json_status mck_json_finish(mck_json_cursor *c)
{
    text t = text_of(c);
    skip_space(&t);
    c->pos = t.pos;
    return t.pos == t.len ? MCK_JSON_OK : MCK_JSON_E_TRAILING;
}

mck_json_status mck_json_validate(const uint8_t *data, size_t len, uint32_t max_depth, const mck_json_kernels *kernels,
                                  size_t *position)
{
    mck_json_cursor c;
    mck_json_value value;
    mck_json_status status = mck_json_open(&c, data, len, max_depth, kernels);
    if (status != MCK_JSON_OK) {
        *position = MCK_JSON_MAX_LENGTH;
        return status;
    }
    status = mck_json_read(&c, &value);
    if (status == MCK_JSON_OK) {
        status = mck_json_finish(&c);
    }
    *position = c.pos;
    return status;
}
