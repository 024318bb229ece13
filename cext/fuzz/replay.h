/* Run a fuzz target over a folder of files: the seeds are tests wherever libFuzzer is not. */
#ifndef MCK_FUZZ_REPLAY_H
#define MCK_FUZZ_REPLAY_H

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A wrong answer ends the program: libFuzzer then keeps the input, a replay shows the file. */
#define MCK_FUZZ_CHECK(condition)                                                                                      \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: wrong: %s\n", __FILE__, __LINE__, #condition);                                     \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* Number of files that were run; 0 when the folder cannot be read. */
static inline int mck_fuzz_replay(const char *folder)
{
    int count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[512];
        if (entry->d_name[0] == '.' ||
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path) {
            continue;
        }
        FILE *file = fopen(path, "rb");
        uint8_t *data = malloc(1u << 20);
        if (file && data) {
            size_t size = fread(data, 1, 1u << 20, file);
            /* Exactly as large as the input, so that a sanitizer sees every step beyond it. */
            uint8_t *exact = realloc(data, size ? size : 1);
            data = exact ? exact : data;
            LLVMFuzzerTestOneInput(data, size);
            count++;
        }
        if (file) {
            fclose(file);
        }
        free(data);
    }
    if (dir) {
        closedir(dir);
    }
    return count;
}

#endif
