/* Strings: decoding, comparing, escaping; and the words for what went wrong. */
#include "inline.h"
#include "kernels.h"

/* Texts longer than the kernels' offsets reach are gone through in windows of this size. */
#define WINDOW ((size_t)1 << 30)

static uint32_t hex4(const uint8_t *p)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t b = p[i];
        value = value << 4 | (uint32_t)(b <= '9' ? b - '0' : (b | 0x20) - 'a' + 10);
    }
    return value & 0xffffu;
}

/* Decode the escape at raw[0 .. len) (a backslash first); returns how many raw bytes it took and writes up to four. */
static size_t decode_escape(const uint8_t *raw, size_t len, uint8_t *out, size_t *written)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    *written = 0;
    if (len < 2) {
        return len;
    }
    if (raw[1] != 'u') {
        for (size_t i = 0; i + 1 < sizeof from; i++) {
            if (raw[1] == (uint8_t)from[i]) {
                out[0] = (uint8_t)to[i];
                *written = 1;
            }
        }
        return 2;
    }
    if (len < 6) {
        return len;
    }
    uint32_t code = hex4(raw + 2);
    size_t taken = 6;
    if (code >= 0xd800 && code <= 0xdbff && len >= 12) {
        code = 0x10000u + ((code - 0xd800u) << 10) + ((hex4(raw + 8) - 0xdc00u) & 0x3ffu);
        taken = 12;
    }
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        *written = 1;
    } else if (code < 0x800) {
        out[0] = (uint8_t)(0xc0u | code >> 6);
        out[1] = (uint8_t)(0x80u | (code & 0x3fu));
        *written = 2;
    } else if (code < 0x10000) {
        out[0] = (uint8_t)(0xe0u | code >> 12);
        out[1] = (uint8_t)(0x80u | (code >> 6 & 0x3fu));
        out[2] = (uint8_t)(0x80u | (code & 0x3fu));
        *written = 3;
    } else {
        out[0] = (uint8_t)(0xf0u | code >> 18);
        out[1] = (uint8_t)(0x80u | (code >> 12 & 0x3fu));
        out[2] = (uint8_t)(0x80u | (code >> 6 & 0x3fu));
        out[3] = (uint8_t)(0x80u | (code & 0x3fu));
        *written = 4;
    }
    return taken;
}

/* Bytes before the next backslash. */
static size_t plain_length(const uint8_t *raw, size_t len)
{
    const uint8_t *slash = len ? memchr(raw, '\\', len) : NULL;
    return slash ? (size_t)(slash - raw) : len;
}

size_t mck_json_decode_string(const uint8_t *raw, size_t len, uint8_t *out)
{
    size_t at = 0, made = 0;
    while (at < len) {
        size_t n = plain_length(raw + at, len - at);
        if (n) {
            memmove(out + made, raw + at, n); /* `out` may be `raw`: decoding never overtakes reading */
            at += n;
            made += n;
        }
        if (at < len) {
            uint8_t bytes[4];
            size_t written;
            at += decode_escape(raw + at, len - at, bytes, &written);
            memcpy(out + made, bytes, written);
            made += written;
        }
    }
    return made;
}

bool mck_json_string_is(const uint8_t *raw, size_t len, bool escaped, const char *wanted, size_t wanted_len)
{
    if (!escaped) {
        return len == wanted_len && (len == 0 || memcmp(raw, wanted, len) == 0);
    }
    size_t at = 0, matched = 0;
    while (at < len) {
        size_t n = plain_length(raw + at, len - at);
        if (n > wanted_len - matched || (n && memcmp(raw + at, wanted + matched, n) != 0)) {
            return false;
        }
        at += n;
        matched += n;
        if (at < len) {
            uint8_t bytes[4];
            size_t written;
            at += decode_escape(raw + at, len - at, bytes, &written);
            if (written > wanted_len - matched || memcmp(bytes, wanted + matched, written) != 0) {
                return false;
            }
            matched += written;
        }
    }
    return matched == wanted_len;
}

/* First byte at or after `pos` that must be escaped, or `len`. */
static size_t next_special(const uint8_t *text, size_t pos, size_t len, const mck_json_kernels *kernels)
{
    while (pos < len) {
        uint32_t window = (uint32_t)(len - pos < WINDOW ? len - pos : WINDOW);
        uint32_t at = kernels->string_run(text + pos, 0, window);
        if (at < window && text[pos + at] >= 0x80) {
            at = mck_special_run(text + pos, at, window);
        }
        pos += at;
        if (at < window) {
            return pos;
        }
    }
    return len;
}

static size_t escape_one(uint8_t b, uint8_t out[6])
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[] = "btn_fr"; /* 0x08 … 0x0d; 0x0b has none */
    out[0] = '\\';
    if (b == '"' || b == '\\') {
        out[1] = b;
        return 2;
    }
    if (b >= 0x08 && b <= 0x0d && b != 0x0b) {
        out[1] = (uint8_t)letters[b - 0x08];
        return 2;
    }
    out[1] = 'u';
    out[2] = '0';
    out[3] = '0';
    out[4] = (uint8_t)hex[b >> 4 & 0xf];
    out[5] = (uint8_t)hex[b & 0xf];
    return 6;
}

static size_t escape_into(const uint8_t *text, size_t len, uint8_t *out, const mck_json_kernels *kernels)
{
    size_t needed = 0;
    for (size_t at = 0;;) {
        size_t stop = next_special(text, at, len, kernels);
        if (out && stop > at) {
            memcpy(out + needed, text + at, stop - at);
        }
        needed += stop - at;
        if (stop >= len) {
            return needed;
        }
        uint8_t bytes[6];
        size_t n = escape_one(text[stop], bytes);
        if (out) {
            memcpy(out + needed, bytes, n);
        }
        needed += n;
        at = stop + 1;
    }
}

size_t mck_json_escape(const uint8_t *text, size_t len, uint8_t *out, size_t cap, const mck_json_kernels *kernels)
{
    if (!kernels) {
        kernels = &mck_json_kernels_portable;
    }
    if (len <= cap / 6) {
        return escape_into(text, len, out, kernels);
    }
    size_t needed = escape_into(text, len, NULL, kernels);
    if (needed <= cap) {
        escape_into(text, len, out, kernels);
    }
    return needed;
}

size_t mck_json_utf8_fault(const uint8_t *text, size_t len, const mck_json_kernels *kernels)
{
    if (!kernels) {
        kernels = &mck_json_kernels_portable;
    }
    for (size_t pos = 0; pos < len;) {
        bool last = len - pos <= WINDOW;
        uint32_t window = (uint32_t)(last ? len - pos : WINDOW);
        uint32_t fault = kernels->utf8_run(text + pos, 0, window);
        pos += fault;
        /* A sequence cut by the window's end is looked at again from its start. */
        if (fault < window && (last || window - fault > 3)) {
            return pos;
        }
    }
    return len;
}

const char *mck_json_explain(mck_json_status status)
{
    switch (status) {
    case MCK_JSON_OK: return "valid";
    case MCK_JSON_E_EOF: return "the text ends inside a value";
    case MCK_JSON_E_SYNTAX: return "a byte that may not stand here";
    case MCK_JSON_E_STRING: return "a control character, an unknown escape or a lone surrogate in a string";
    case MCK_JSON_E_UTF8: return "not valid UTF-8";
    case MCK_JSON_E_NUMBER: return "a malformed number";
    case MCK_JSON_E_DEPTH: return "nested too deep";
    case MCK_JSON_E_TRAILING: return "something follows the value";
    case MCK_JSON_E_LENGTH: return "longer than 2 GiB";
    }
    return "unknown status";
}
