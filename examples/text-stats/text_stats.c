/* A tool as an ordinary program: arguments as JSON on stdin, the result as JSON on stdout, {"error": …} to say no. */
#include "json.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_all(FILE *file, size_t *length)
{
    size_t room = 64 * 1024, used = 0;
    char *data = malloc(room);
    while (data != NULL) {
        used += fread(data + used, 1, room - used, file);
        if (used < room)
            break;
        room *= 2;
        data = realloc(data, room);
    }
    *length = used;
    return data;
}

static int refuse(const char *why)
{
    printf("{\"error\": \"%s\"}\n", why);
    return 0;
}

static bool is_space(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

int main(void)
{
    size_t length, size;
    char *input = read_all(stdin, &size);
    if (input == NULL)
        return refuse("the arguments do not fit into the memory limit");

    json document = {input, input + size}, value;
    double speed = json_member(document, "words_per_minute", &value) ? json_number(value, 200) : 200;
    char *text = json_member(document, "text", &value) ? json_string(value, &length) : NULL;
    if (text == NULL)
        return refuse("the argument 'text' is missing or is no string");
    if (!(speed > 0))
        return refuse("'words_per_minute' must be more than 0");

    uint64_t lines = length > 0, words = 0, sentences = 0, characters = 0;
    const char *longest = text;
    size_t longest_length = 0, longest_bytes = 0, word_length = 0, word_bytes = 0; /* lengths in characters */
    bool open_sentence = false;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        bool begins = (c & 0xC0) != 0x80; /* not a continuation byte */
        characters += begins;
        lines += c == '\n' && i + 1 < length;
        if (is_space(c)) {
            word_length = word_bytes = 0;
            continue;
        }
        words += word_bytes++ == 0;
        word_length += begins;
        if (word_length > longest_length || (word_length == longest_length && longest + longest_bytes == text + i)) {
            longest_length = word_length;
            longest_bytes = word_bytes;
            longest = text + i + 1 - word_bytes;
        }
        bool stop = c == '.' || c == '!' || c == '?';
        sentences += stop && open_sentence;
        open_sentence = !stop;
    }
    sentences += open_sentence;

    printf("{\"lines\": %llu, \"words\": %llu, \"sentences\": %llu, \"characters\": %llu, \"bytes\": %zu",
           (unsigned long long)lines, (unsigned long long)words, (unsigned long long)sentences,
           (unsigned long long)characters, length);
    printf(", \"longest_word\": ");
    json_write_string(longest, longest_bytes);
    printf(", \"reading_seconds\": %.1f}\n", (double)words / speed * 60);
    return 0;
}
