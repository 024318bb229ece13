/* The cursor: validation, one value at a time, over the caller's bytes. Nesting is kept in bits, not on the C stack. */
#include "inline.h"
#include "kernels.h"

#define MAX_DEPTH 1024u /* what the bits of read_nested hold, whatever the caller allows */

/* How far a helper came (to the fault when it refuses) and with what result: both come back in one register. Places are
 * passed on as plain numbers, never as part of a struct in memory: reading a pair of fields of which one was just
 * written stalls. */
typedef struct {
    uint32_t pos;
    mck_json_status status;
} step;

static inline step at(uint32_t pos, mck_json_status status)
{
    return (step){pos, status};
}

static inline uint32_t skip_space(const uint8_t *data, uint32_t pos, uint32_t len)
{
    while (pos < len) {
        uint8_t b = data[pos];
        if (b > 0x20 || (b != ' ' && b != '\n' && b != '\r' && b != '\t')) {
            break;
        }
        pos++;
    }
    return pos;
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
static int32_t read_hex4(const uint8_t *data, uint32_t pos, uint32_t len)
{
    int32_t value = 0;
    for (uint32_t i = 0; i < 4; i++) {
        if (pos + i >= len) {
            return -2;
        }
        int digit = hex_value(data[pos + i]);
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

/* At a backslash, which is where a fault is said to be. */
static step read_escape(const uint8_t *data, uint32_t pos, uint32_t len)
{
    uint32_t p = pos + 1;
    if (p >= len) {
        return at(len, MCK_JSON_E_EOF);
    }
    switch (data[p]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't': return at(p + 1, MCK_JSON_OK);
    case 'u': break;
    default: return at(pos, MCK_JSON_E_STRING);
    }
    int32_t unit = read_hex4(data, p + 1, len);
    if (unit >= 0xd800 && unit <= 0xdbff) {
        p += 5;
        if (p >= len || (data[p] == '\\' && p + 1 >= len)) {
            unit = -2;
        } else if (data[p] != '\\' || data[p + 1] != 'u') {
            unit = -1;
        } else {
            p++;
            unit = read_hex4(data, p + 1, len);
            if (unit >= 0 && (unit < 0xdc00 || unit > 0xdfff)) {
                unit = -1;
            }
        }
    } else if (unit >= 0xdc00 && unit <= 0xdfff) {
        unit = -1;
    }
    if (unit == -2) {
        return at(len, MCK_JSON_E_EOF);
    }
    return unit < 0 ? at(pos, MCK_JSON_E_STRING) : at(p + 5, MCK_JSON_OK);
}

/* The rest of a string that is long, or has more in it than plain ASCII. */
static step read_string_slowly(const uint8_t *data, uint32_t pos, uint32_t len, const mck_json_kernels *kernels,
                               bool *escaped)
{
    for (;;) {
        pos = kernels->string_run(data, pos, len);
        do {
            if (pos >= len) {
                return at(len, MCK_JSON_E_EOF);
            }
            uint8_t b = data[pos];
            if (b == '"') {
                return at(pos + 1, MCK_JSON_OK);
            }
            if (b == '\\') {
                *escaped = true;
                step escape = read_escape(data, pos, len);
                if (escape.status != MCK_JSON_OK) {
                    return escape;
                }
                pos = escape.pos;
            } else if (b >= 0x80) {
                /* A quote, a backslash or a control character stands inside no sequence: the part before it is checked
                 * alone. */
                uint32_t end = mck_special_run(data, pos, len);
                pos = kernels->utf8_run(data, pos, end);
                if (pos != end) {
                    return at(pos, MCK_JSON_E_UTF8);
                }
            } else {
                return at(pos, MCK_JSON_E_STRING);
            }
        } while (mck_plain_start(data, &pos, len));
    }
}

/* Past the opening quote; goes on to just after the closing one. Most keys and names never leave these lines. */
static inline step read_string(const uint8_t *data, uint32_t pos, uint32_t len, const mck_json_kernels *kernels,
                               bool *escaped)
{
    *escaped = false;
    if (mck_plain_start(data, &pos, len) && data[pos] == '"') {
        return at(pos + 1, MCK_JSON_OK);
    }
    bool found = false;
    step string = read_string_slowly(data, pos, len, kernels, &found);
    *escaped = found;
    return string;
}

static inline bool is_digit(uint8_t b)
{
    return (uint8_t)(b - '0') <= 9;
}

/* At least one digit. */
static inline step read_digits(const uint8_t *data, uint32_t pos, uint32_t len)
{
    uint32_t start = pos;
    while (pos < len && is_digit(data[pos])) {
        pos++;
    }
    return at(pos, pos > start ? MCK_JSON_OK : pos < len ? MCK_JSON_E_NUMBER : MCK_JSON_E_EOF);
}

/* After the integer part. */
static step read_fraction(const uint8_t *data, uint32_t pos, uint32_t len)
{
    if (data[pos] == '.') {
        step digits = read_digits(data, pos + 1, len);
        if (digits.status != MCK_JSON_OK) {
            return digits;
        }
        pos = digits.pos;
    }
    if (pos < len && (data[pos] | 0x20) == 'e') {
        pos++;
        if (pos < len && (data[pos] == '+' || data[pos] == '-')) {
            pos++;
        }
        return read_digits(data, pos, len);
    }
    return at(pos, MCK_JSON_OK);
}

/* At '-' or a digit. */
static inline step read_number(const uint8_t *data, uint32_t pos, uint32_t len, bool *integral)
{
    *integral = true;
    pos += data[pos] == '-';
    step digits = read_digits(data, pos, len);
    if (digits.status != MCK_JSON_OK) {
        return digits;
    }
    if (data[pos] == '0' && digits.pos > pos + 1) {
        return at(pos + 1, MCK_JSON_E_NUMBER);
    }
    pos = digits.pos;
    if (pos < len && (data[pos] == '.' || (data[pos] | 0x20) == 'e')) {
        *integral = false;
        return read_fraction(data, pos, len);
    }
    return digits;
}

static inline step read_literal(const uint8_t *data, uint32_t pos, uint32_t len, const char *word, uint32_t n)
{
    if (len - pos >= n && memcmp(data + pos, word, n) == 0) {
        return at(pos + n, MCK_JSON_OK);
    }
    for (uint32_t i = 0; i < n && pos < len && data[pos] == (uint8_t)word[i]; i++) {
        pos++;
    }
    return at(pos, pos < len ? MCK_JSON_E_SYNTAX : MCK_JSON_E_EOF);
}

/* At an opening bracket, with `room` more levels allowed; goes on to just after the closing one. */
static step read_nested(const uint8_t *data, uint32_t pos, uint32_t len, const mck_json_kernels *kernels, uint32_t room)
{
    uint64_t objects[MAX_DEPTH / 64]; /* bit n: level n is an object */
    uint32_t level = 0;
    step next;
    bool flag;

value:
    pos = skip_space(data, pos, len);
    if (pos >= len) {
        return at(pos, MCK_JSON_E_EOF);
    }
    switch (data[pos]) {
    case '"': next = read_string(data, pos + 1, len, kernels, &flag); break;
    case '{':
    case '[': {
        bool object = data[pos] == '{';
        if (level >= room) {
            return at(pos, MCK_JSON_E_DEPTH);
        }
        uint64_t lower = level % 64 ? objects[level / 64] & (((uint64_t)1 << (level % 64)) - 1) : 0;
        objects[level / 64] = lower | (uint64_t)object << (level % 64);
        pos = skip_space(data, pos + 1, len);
        if (pos >= len) {
            return at(pos, MCK_JSON_E_EOF);
        }
        if (data[pos] == (object ? '}' : ']')) {
            next = at(pos + 1, MCK_JSON_OK);
            break;
        }
        level++;
        if (object) {
            goto key;
        }
        goto value;
    }
    case 't': next = read_literal(data, pos, len, "true", 4); break;
    case 'f': next = read_literal(data, pos, len, "false", 5); break;
    case 'n': next = read_literal(data, pos, len, "null", 4); break;
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
    case '9': next = read_number(data, pos, len, &flag); break;
    default: return at(pos, MCK_JSON_E_SYNTAX);
    }
    if (next.status != MCK_JSON_OK) {
        return next;
    }
    pos = next.pos;

    for (;;) {
        if (level == 0) {
            return at(pos, MCK_JSON_OK);
        }
        pos = skip_space(data, pos, len);
        if (pos >= len) {
            return at(pos, MCK_JSON_E_EOF);
        }
        bool object = (objects[(level - 1) / 64] >> ((level - 1) % 64)) & 1u;
        uint8_t b = data[pos];
        if (b == ',') {
            pos++;
            if (object) {
                goto key;
            }
            goto value;
        }
        if (b != (object ? '}' : ']')) {
            return at(pos, MCK_JSON_E_SYNTAX);
        }
        pos++;
        level--;
    }

key:
    pos = skip_space(data, pos, len);
    if (pos >= len) {
        return at(pos, MCK_JSON_E_EOF);
    }
    if (data[pos] != '"') {
        return at(pos, MCK_JSON_E_SYNTAX);
    }
    next = read_string(data, pos + 1, len, kernels, &flag);
    if (next.status != MCK_JSON_OK) {
        return next;
    }
    pos = skip_space(data, next.pos, len);
    if (pos >= len) {
        return at(pos, MCK_JSON_E_EOF);
    }
    if (data[pos] != ':') {
        return at(pos, MCK_JSON_E_SYNTAX);
    }
    pos++;
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

/* Pass over white space; E_EOF when nothing else is left. */
static inline mck_json_status to_value(mck_json_cursor *c)
{
    c->pos = skip_space(c->data, c->pos, c->len);
    return c->pos < c->len ? MCK_JSON_OK : MCK_JSON_E_EOF;
}

mck_json_status mck_json_read(mck_json_cursor *c, mck_json_value *out)
{
    const uint8_t *data = c->data;
    uint32_t len = c->len;
    uint32_t pos = skip_space(data, c->pos, len);
    step next;
    out->escaped = false;
    out->integral = false;
    out->span.start = pos;
    if (pos >= len) {
        c->pos = pos;
        return MCK_JSON_E_EOF;
    }
    uint8_t b = data[pos];
    switch (b) {
    case '"':
        out->kind = MCK_JSON_STRING;
        out->span.start = pos + 1;
        next = read_string(data, pos + 1, len, c->kernels, &out->escaped);
        out->span.end = next.pos - 1;
        c->pos = next.pos;
        return next.status;
    case '{':
    case '[':
        out->kind = b == '{' ? MCK_JSON_OBJECT : MCK_JSON_ARRAY;
        next = read_nested(data, pos, len, c->kernels, c->max_depth - c->depth);
        break;
    case 't':
        out->kind = MCK_JSON_TRUE;
        next = read_literal(data, pos, len, "true", 4);
        break;
    case 'f':
        out->kind = MCK_JSON_FALSE;
        next = read_literal(data, pos, len, "false", 5);
        break;
    case 'n':
        out->kind = MCK_JSON_NULL;
        next = read_literal(data, pos, len, "null", 4);
        break;
    default:
        out->kind = MCK_JSON_NUMBER;
        next = b == '-' || is_digit(b) ? read_number(data, pos, len, &out->integral) : at(pos, MCK_JSON_E_SYNTAX);
        break;
    }
    out->span.end = next.pos;
    c->pos = next.pos;
    return next.status;
}

mck_json_status mck_json_peek(mck_json_cursor *c, mck_json_kind *out)
{
    mck_json_status status = to_value(c);
    if (status != MCK_JSON_OK) {
        return status;
    }
    uint8_t b = c->data[c->pos];
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
    mck_json_status status = to_value(c);
    if (status != MCK_JSON_OK) {
        return status;
    }
    if (c->data[c->pos] != bracket) {
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
static inline step next_in(mck_json_cursor *c, bool first, uint8_t closing, bool *more)
{
    const uint8_t *data = c->data;
    uint32_t len = c->len;
    uint32_t pos = skip_space(data, c->pos, len);
    *more = false;
    if (pos >= len) {
        return at(pos, MCK_JSON_E_EOF);
    }
    if (data[pos] == closing) {
        if (c->depth > 0) {
            c->depth--;
        }
        return at(pos + 1, MCK_JSON_OK);
    }
    if (!first) {
        if (data[pos] != ',') {
            return at(pos, MCK_JSON_E_SYNTAX);
        }
        pos = skip_space(data, pos + 1, len);
        if (pos >= len) {
            return at(pos, MCK_JSON_E_EOF);
        }
        if (data[pos] == closing) {
            return at(pos, MCK_JSON_E_SYNTAX);
        }
    }
    *more = true;
    return at(pos, MCK_JSON_OK);
}

mck_json_status mck_json_member(mck_json_cursor *c, bool first, mck_json_value *key, bool *more)
{
    const uint8_t *data = c->data;
    uint32_t len = c->len;
    bool another;
    step next = next_in(c, first, '}', &another);
    *more = false;
    if (next.status != MCK_JSON_OK || !another) {
        c->pos = next.pos;
        return next.status;
    }
    if (data[next.pos] != '"') {
        c->pos = next.pos;
        return MCK_JSON_E_SYNTAX;
    }
    key->kind = MCK_JSON_STRING;
    key->integral = false;
    key->span.start = next.pos + 1;
    next = read_string(data, next.pos + 1, len, c->kernels, &key->escaped);
    key->span.end = next.pos - 1;
    if (next.status == MCK_JSON_OK) {
        next.pos = skip_space(data, next.pos, len);
        if (next.pos >= len) {
            next.status = MCK_JSON_E_EOF;
        } else if (data[next.pos] != ':') {
            next.status = MCK_JSON_E_SYNTAX;
        } else {
            next.pos++;
            *more = true;
        }
    }
    c->pos = next.pos;
    return next.status;
}

mck_json_status mck_json_element(mck_json_cursor *c, bool first, bool *more)
{
    step next = next_in(c, first, ']', more);
    c->pos = next.pos;
    return next.status;
}

mck_json_status mck_json_finish(mck_json_cursor *c)
{
    return to_value(c) == MCK_JSON_OK ? MCK_JSON_E_TRAILING : MCK_JSON_OK;
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
