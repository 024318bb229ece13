/* Sentences of bounded length, paths into values, and the nearest known name. */
#include "values_private.h"

#include <string.h>

void mck_sentence_open(mck_sentence *s, char *data, size_t cap)
{
    s->data = data;
    s->cap = cap;
    s->len = 0;
    if (cap != 0) {
        data[0] = '\0';
    }
}

/* The longest prefix of at most `most` bytes that ends between characters (the text is valid UTF-8). */
static size_t whole_characters(const char *text, size_t len, size_t most)
{
    if (len <= most) {
        return len;
    }
    while (most > 0 && ((uint8_t)text[most] & 0xC0U) == 0x80U) {
        most--;
    }
    return most;
}

void mck_sentence_add(mck_sentence *s, const void *text, size_t len)
{
    if (s->len + 1 >= s->cap) {
        return;
    }
    size_t n = whole_characters(text, len, s->cap - 1 - s->len);
    memcpy(s->data + s->len, text, n);
    s->len += n;
    s->data[s->len] = '\0';
    if (n < len) {
        s->cap = s->len + 1; /* what follows a cut would only confuse */
    }
}

void mck_sentence_text(mck_sentence *s, const char *text)
{
    mck_sentence_add(s, text, strlen(text));
}

void mck_sentence_u64(mck_sentence *s, uint64_t n)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    mck_sentence_add(s, digits + at, sizeof digits - at);
}

void mck_sentence_excerpt(mck_sentence *s, const void *text, size_t len, size_t most)
{
    size_t n = whole_characters(text, len, most);
    mck_sentence_add(s, text, n);
    if (n < len) {
        mck_sentence_text(s, "\xE2\x80\xA6");
    }
}

static void write_path(mck_sentence *s, const mck_path *path)
{
    if (path->parent != NULL) {
        write_path(s, path->parent);
    }
    if (path->name == NULL) {
        mck_sentence_text(s, "[");
        mck_sentence_u64(s, path->index);
        mck_sentence_text(s, "]");
        return;
    }
    if (path->parent != NULL) {
        mck_sentence_text(s, ".");
    }
    mck_sentence_excerpt(s, path->name, path->name_len, 64);
}

void mck_sentence_path(mck_sentence *s, const mck_path *path, const char *whole)
{
    if (path == NULL) {
        mck_sentence_text(s, whole);
    } else {
        write_path(s, path);
    }
}

#define LONGEST_COMPARED 48

/* Edit distance of two short names. */
static size_t distance(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    size_t row[LONGEST_COMPARED + 1];
    for (size_t j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (size_t i = 0; i < a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b_len; j++) {
            size_t same = diagonal + (a[i] == b[j] || (a[i] == '_' && b[j] == '-') ? 0 : 1);
            size_t best = same < row[j] + 1 ? same : row[j] + 1;
            diagonal = row[j + 1];
            if (diagonal + 1 < best) {
                best = diagonal + 1;
            }
            row[j + 1] = best;
        }
    }
    return row[b_len];
}

size_t mck_type_nearest(const mck_type_member *members, size_t count, const uint8_t *name, size_t len)
{
    size_t found = SIZE_MAX, best = 1 + len / 3;
    if (len == 0 || len > LONGEST_COMPARED) {
        return SIZE_MAX;
    }
    for (size_t i = 0; i < count && i < 256; i++) {
        if (members[i].name_len <= LONGEST_COMPARED) {
            size_t d = distance(name, len, (const uint8_t *)members[i].name, members[i].name_len);
            if (d <= best && (found == SIZE_MAX || d < best)) {
                best = d;
                found = i;
            }
        }
    }
    return found;
}
