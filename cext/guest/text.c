/* Writing: JSON strings of any bytes, base64, members; and memory that ends with the request. */
#include "internal.h"

#include <stdlib.h>

void *request_alloc(mcp_request *r, size_t size)
{
    block *b = size < SIZE_MAX - sizeof(block) ? malloc(sizeof(block) + size) : NULL;
    if (!b)
        return NULL;
    b->next = r->blocks;
    r->blocks = b;
    return b + 1;
}

void write_text(mck_buffer *out, const char *text, size_t len)
{
    const uint8_t *data = (const uint8_t *)text;
    size_t fault = mck_json_utf8_fault(data, len, NULL);
    if (fault == len) {
        mck_buffer_json_string(out, data, len);
        return;
    }
    mck_buffer whole = {0};
    while (len) {
        mck_buffer_add(&whole, data, fault);
        if (fault < len) {
            ADD(&whole, "\xef\xbf\xbd");
            fault++;
        }
        data += fault;
        len -= fault;
        fault = mck_json_utf8_fault(data, len, NULL);
    }
    mck_buffer_json_string(out, whole.data, whole.len);
    out->failed |= whole.failed;
    mck_buffer_free(&whole);
}

void write_base64(mck_buffer *out, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    ADD(out, "\"");
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        uint32_t group = (uint32_t)bytes[i] << 16;
        group |= n > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        group |= n > 2 ? bytes[i + 2] : 0;
        char four[4] = {digits[group >> 18], digits[group >> 12 & 63], '=', '='};
        if (n > 1)
            four[2] = digits[group >> 6 & 63];
        if (n > 2)
            four[3] = digits[group & 63];
        mck_buffer_add(out, four, 4);
    }
    ADD(out, "\"");
}

void write_member(mck_buffer *out, const char *literal, const char *text)
{
    if (!text)
        return;
    mck_buffer_text(out, literal);
    write_text(out, text, strlen(text));
}

bool decode(mcp_request *r, const mck_json_value *value, mcp_string *out)
{
    size_t len = value->span.end - value->span.start;
    char *text = request_alloc(r, len + 1);
    if (!text)
        return false;
    if (value->escaped)
        len = mck_json_decode_string(r->message + value->span.start, len, (uint8_t *)text);
    else if (len)
        memcpy(text, r->message + value->span.start, len);
    text[len] = 0;
    *out = (mcp_string){text, len};
    return true;
}
