/* Reads or writes one file, or lists a folder: {"op": "read", "path": "/x"}. Says the content, "ok", or the error's number. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *member(char *json, const char *name)
{
    char *at = strstr(json, name);
    at = at ? strchr(at + strlen(name) + 1, '"') : NULL;
    char *end = at ? strchr(at + 1, '"') : NULL;
    if (!end)
        return "";
    size_t n = (size_t)(end - at - 1);
    char *copy = malloc(n + 1);
    memcpy(copy, at + 1, n);
    copy[n] = 0;
    return copy;
}

static int failed(void)
{
    printf("{\"errno\": %d}\n", errno);
    return 0;
}

int main(void)
{
    static char json[65536], content[65536];
    json[fread(json, 1, sizeof json - 1, stdin)] = 0;
    char *op = member(json, "\"op\""), *path = member(json, "\"path\""), *to = member(json, "\"to\"");
    size_t n = 0;
    if (strcmp(op, "read") == 0) {
        FILE *file = fopen(path, "rb");
        if (!file)
            return failed();
        n = fread(content, 1, sizeof content - 1, file);
        fclose(file);
    } else if (strcmp(op, "list") == 0) {
        DIR *folder = opendir(path);
        if (!folder)
            return failed();
        for (struct dirent *entry; (entry = readdir(folder));)
            if (entry->d_name[0] != '.')
                n += (size_t)snprintf(content + n, sizeof content - n, "%s ", entry->d_name);
        closedir(folder);
    } else if (strcmp(op, "write") == 0) {
        FILE *file = fopen(path, "wb");
        if (!file || fputs("written", file) < 0 || fclose(file) != 0)
            return failed();
    } else if (strcmp(op, "delete") == 0) {
        if (unlink(path) != 0)
            return failed();
    } else if (strcmp(op, "link") == 0) {
        if (symlink(to, path) != 0)
            return failed();
    } else if (rename(path, to) != 0) {
        return failed();
    }
    content[n] = 0;
    printf("{\"content\": \"%s\"}\n", content);
    return 0;
}
