#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void skip_space(json *in)
{
    while (in->at < in->end && strchr(" \t\r\n", *in->at))
        in->at++;
}

static void skip_string(json *in)
{
    for (in->at++; in->at < in->end && *in->at != '"'; in->at++) {
        if (*in->at == '\\')
            in->at++;
    }
    in->at++;
}

static void skip_value(json *in)
{
    int depth = 0;
    for (; in->at < in->end; in->at++) {
        char c = *in->at;
        if (c == '"') {
            skip_string(in);
            in->at--;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']' || c == ',') && depth == 0) {
            return;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
}

bool json_member(json document, const char *key, json *value)
{
    skip_space(&document);
    if (document.at >= document.end || *document.at != '{')
        return false;
    do {
        document.at++;
        skip_space(&document);
        if (document.at >= document.end || *document.at != '"')
            return false;
        char *name = document.at + 1;
        skip_string(&document);
        size_t length = (size_t)(document.at - 1 - name);
        skip_space(&document);
        document.at++; /* the colon */
        skip_space(&document);
        if (length == strlen(key) && memcmp(name, key, length) == 0) {
            *value = document;
            return true;
        }
        skip_value(&document);
    } while (document.at < document.end && *document.at == ',');
    return false;
}

static unsigned hex4(const char *digits)
{
    char text[5] = {digits[0], digits[1], digits[2], digits[3], 0};
    return (unsigned)strtoul(text, NULL, 16);
}

static char *put_utf8(char *out, unsigned c)
{
    if (c < 0x80) {
        *out++ = (char)c;
        return out;
    }
    if (c < 0x800) {
        *out++ = (char)(0xC0 | c >> 6);
    } else {
        if (c < 0x10000) {
            *out++ = (char)(0xE0 | c >> 12);
        } else {
            *out++ = (char)(0xF0 | c >> 18);
            *out++ = (char)(0x80 | (c >> 12 & 0x3F));
        }
        *out++ = (char)(0x80 | (c >> 6 & 0x3F));
    }
    *out++ = (char)(0x80 | (c & 0x3F));
    return out;
}

char *json_string(json value, size_t *length)
{
    if (value.at >= value.end || *value.at != '"')
        return NULL;
    char *in = value.at + 1, *start = in, *out = in;
    while (in < value.end && *in != '"') {
        if (*in != '\\') {
            *out++ = *in++;
            continue;
        }
        static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
        const char *escape = strchr(escapes, in[1]);
        if (escape != NULL) {
            *out++ = meanings[escape - escapes];
            in += 2;
            continue;
        }
        unsigned c = hex4(in + 2);
        in += 6;
        if (c >= 0xD800 && c < 0xDC00) { /* the host saw to it that the other half follows */
            c = 0x10000 + ((c - 0xD800) << 10) + (hex4(in + 2) - 0xDC00);
            in += 6;
        }
        out = put_utf8(out, c);
    }
    *length = (size_t)(out - start);
    return start;
}

double json_number(json value, double otherwise)
{
    char text[64] = {0};
    size_t length = 0;
    while (value.at < value.end && length < sizeof text - 1 && strchr("+-.0123456789eE", *value.at)) {
        text[length++] = *value.at++;
    }
    return length > 0 ? strtod(text, NULL) : otherwise;
}

void json_write_string(const char *text, size_t length)
{
    putchar('"');
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            printf("\\%c", c);
        } else if (c < 0x20) {
            printf("\\u%04x", c);
        } else {
            putchar(c);
        }
    }
    putchar('"');
}
