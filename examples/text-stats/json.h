/* As much JSON as a command needs to read its arguments: the host has validated it, so only its shape is unknown. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    char *at, *end;
} json;

/* The value of `key` in the object at `document`, as a cursor on its first character. False where there is none. */
bool json_member(json document, const char *key, json *value);

/* Decode the string at the cursor in place. NULL where it is no string. */
char *json_string(json value, size_t *length);

/* The number at the cursor; `otherwise` where it is no number. */
double json_number(json value, double otherwise);

/* Write `length` bytes of UTF-8 to stdout as a JSON string. */
void json_write_string(const char *text, size_t length);

#endif
