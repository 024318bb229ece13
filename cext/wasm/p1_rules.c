/* Which path may be reached: globs over absolute paths, in the order that a policy's rules decide. */
#include "p1.h"

#include <string.h>

static bool is_wild(const char *pattern)
{
    return strpbrk(pattern, "*?") != NULL;
}

/* One name against one name with * and ?. Backtracks to the last * alone, so it costs at most the product of the lengths. */
static bool name_fits(const char *p, const char *p_end, const char *s, const char *s_end)
{
    const char *star = NULL, *mark = NULL;
    while (s < s_end) {
        if (p < p_end && *p == '*') {
            star = p++;
            mark = s;
        } else if (p < p_end && (*p == *s || (*p == '?' && (*s & 0xc0) != 0x80))) {
            if (*p == '?') /* a character, not a byte */
                while (s + 1 < s_end && (s[1] & 0xc0) == 0x80)
                    s++;
            p++;
            s++;
        } else if (star != NULL) {
            p = star + 1;
            s = ++mark;
        } else {
            return false;
        }
    }
    while (p < p_end && *p == '*')
        p++;
    return p == p_end;
}

static const char *segment_end(const char *at)
{
    while (*at && *at != '/')
        at++;
    return at;
}

/* Both begin with a slash, or are at their ends. `**` stands for any number of whole names. */
static bool fits(const char *p, const char *s)
{
    const char *star = NULL, *mark = NULL;
    while (*s == '/') {
        const char *name = s + 1, *name_end = segment_end(name);
        const char *glob = *p == '/' ? p + 1 : p, *glob_end = segment_end(glob);
        if (*p == '/' && glob_end - glob == 2 && glob[0] == '*' && glob[1] == '*') {
            star = p = glob_end;
            mark = s;
        } else if (*p == '/' && name_fits(glob, glob_end, name, name_end)) {
            p = glob_end;
            s = name_end;
        } else if (star != NULL) {
            p = star;
            s = mark = segment_end(mark + 1);
        } else {
            return false;
        }
    }
    while (strncmp(p, "/**", 3) == 0 && (p[3] == '/' || p[3] == 0))
        p += 3;
    return *p == 0;
}

/* The root is written as a slash, and has no names. */
static bool pattern_fits(const char *pattern, const char *path)
{
    return fits(strcmp(pattern, "/") == 0 ? "" : pattern, strcmp(path, "/") == 0 ? "" : path);
}

/* The path, or a folder that it is in. */
static bool fits_above(const char *pattern, const char *path)
{
    char above[P1_MAX_PATH + 1];
    size_t len = strlen(path);
    if (pattern_fits(pattern, path))
        return true;
    memcpy(above, path, len + 1);
    while (len > 1) {
        while (len > 1 && above[len - 1] != '/')
            len--;
        above[len > 1 ? --len : 1] = 0;
        if (pattern_fits(pattern, above))
            return true;
    }
    return false;
}

static bool allows_one(const mck_wasm_rule *rules, size_t count, const char *path, uint32_t access)
{
    for (size_t i = 0; i < count; i++)
        if (rules[i].allow && (rules[i].access & access) && !is_wild(rules[i].pattern) &&
            pattern_fits(rules[i].pattern, path))
            return true;
    for (size_t i = 0; i < count; i++)
        if (!rules[i].allow && (rules[i].access & access) && fits_above(rules[i].pattern, path))
            return false;
    for (size_t i = 0; i < count; i++)
        if (rules[i].allow && (rules[i].access & access) && pattern_fits(rules[i].pattern, path))
            return true;
    return false;
}

bool p1_rule_allows(const mck_wasm_rule *rules, size_t count, const char *path, uint32_t access)
{
    if (path[0] != '/' || strlen(path) > P1_MAX_PATH)
        return false;
    for (uint32_t one = P1_MAY_READ; one <= P1_MAY_DELETE; one <<= 1)
        if ((access & one) && !allows_one(rules, count, path, one))
            return false;
    return true;
}

bool p1_allows(const mck_wasm_tool *tool, const char *path, uint32_t access)
{
    return p1_rule_allows(tool->rules, tool->rule_count, path, access);
}

/* The folder that a pattern ending in a slash and two stars means with all that is in it. */
static bool all_below(const mck_wasm_rule *rule, const char *folder)
{
    size_t n = strlen(rule->pattern);
    return n >= 3 && memcmp(rule->pattern + n - 3, "/**", 3) == 0 && pattern_fits(rule->pattern, folder);
}

bool p1_allows_all_below(const mck_wasm_tool *tool, const char *folder)
{
    uint32_t allowed = 0;
    for (size_t i = 0; i < tool->rule_count; i++) {
        if (!tool->rules[i].allow)
            return false;
        if (all_below(&tool->rules[i], folder))
            allowed |= tool->rules[i].access;
    }
    uint32_t every = P1_MAY_READ | P1_MAY_WRITE | P1_MAY_CREATE | P1_MAY_DELETE;
    return (allowed & every) == every;
}

bool mck_wasm_rules_allow(const mck_wasm_rule *rules, size_t count, const char *path, uint32_t access)
{
    return p1_rule_allows(rules, count, path, access);
}

#ifndef __linux__
/* Nothing else resolves a path beneath a folder in one step. */
bool mck_wasm_keeps_rules(void)
{
    return false;
}

wasmtime_error_t *mck_p1_define(mck_wasm_program *program)
{
    (void)program;
    return NULL;
}

bool mck_p1_begin(mck_wasm_call *call)
{
    (void)call;
    return false;
}

int mck_p1_open_folder(const char *path)
{
    (void)path;
    return -1;
}

void mck_p1_end(mck_wasm_call *call)
{
    (void)call;
}
#endif
