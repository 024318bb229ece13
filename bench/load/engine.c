/*
 * mcpkit's wasm room driven from C, to set against peers/bare_capi: JSON arguments in, JSON result out, fresh instance per call.
 *
 *   engine LIBRARY ADD.wasm SPIN.wasm CALLS ROUNDS
 *
 * Prints one JSON object, in the units of bare_capi: `fresh_ns`, `spin_ns`, `spin_units`, `spin_slices`.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mcpkit/wasm.h"

enum { BATCHES = 10 };

static mck_wasm_error problem;

static void check(mck_wasm_status status, const char *what)
{
    if (status == MCK_WASM_OK)
        return;
    fprintf(stderr, "engine: %s: %s\n", what, problem.message);
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static mck_wasm_tool *open_tool(mck_wasm_engine *engine, const char *path, const char *function)
{
    static uint8_t bytes[1 << 20];
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    if (size == 0) {
        fprintf(stderr, "engine: cannot read %s\n", path);
        exit(1);
    }
    fclose(file);
    mck_wasm_program *program;
    mck_wasm_tool *tool;
    check(mck_wasm_program_compile(engine, bytes, size, &program, &problem), path);
    mck_wasm_tool_config config = {.style = MCK_WASM_FUNCTION, .function_name = function};
    config.meter.max_units = (uint64_t)1 << 40;
    check(mck_wasm_tool_new(program, &config, &tool, &problem), function);
    mck_wasm_program_delete(program);
    return tool;
}

static mck_wasm_usage call(mck_wasm_engine *engine, mck_wasm_tool *tool, const char *arguments, size_t size,
                           const char *expected)
{
    mck_wasm_call *made = mck_wasm_call_new(tool, (const uint8_t *)arguments, size, NULL);
    if (!mck_wasm_call_start(made)) {
        struct pollfd ready = {mck_wasm_engine_notify_fd(engine), POLLIN, 0};
        while (!mck_wasm_engine_next_done(engine))
            poll(&ready, 1, 60000);
    }
    size_t got;
    const uint8_t *output = mck_wasm_call_output(made, &got);
    if (mck_wasm_call_result(made) != MCK_WASM_CALL_OK || got != strlen(expected) ||
        memcmp(output, expected, got) != 0) {
        fprintf(stderr, "engine: a wrong answer: %s %s %.*s\n", mck_wasm_call_status_name(mck_wasm_call_result(made)),
                mck_wasm_call_detail(made), (int)got, (const char *)output);
        exit(1);
    }
    mck_wasm_usage usage;
    mck_wasm_call_usage(made, &usage);
    mck_wasm_call_delete(made);
    return usage;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    long calls = atol(argv[4]);
    uint32_t rounds = (uint32_t)atol(argv[5]);
    mck_wasm_engine_config config = {.library_path = argv[1]};
    mck_wasm_engine *engine;
    check(mck_wasm_engine_new(&config, &engine, &problem), "engine");

    mck_wasm_tool *add = open_tool(engine, argv[2], "add");
    double batches[BATCHES];
    for (int batch = -1; batch < BATCHES; batch++) { /* the first one warms up */
        char arguments[48], expected[16];
        double start = now();
        for (int i = 0; i < calls / BATCHES; i++) {
            if (i % 1000 == 0) { /* other values now and then, without measuring snprintf */
                snprintf(arguments, sizeof arguments, "{\"a\": %d, \"b\": 2}", 1000000 + i);
                snprintf(expected, sizeof expected, "%d", 1000002 + i);
            }
            call(engine, add, arguments, strlen(arguments), expected);
        }
        if (batch >= 0)
            batches[batch] = (now() - start) / (double)(calls / BATCHES);
    }
    mck_wasm_tool_delete(add);
    qsort(batches, BATCHES, sizeof *batches, ascending);

    mck_wasm_tool *spin = open_tool(engine, argv[3], "spin");
    char arguments[48], expected[16];
    snprintf(arguments, sizeof arguments, "{\"n\": %u}", rounds);
    snprintf(expected, sizeof expected, "%d", (int32_t)(uint32_t)((uint64_t)rounds * ((uint64_t)rounds + 1) / 2));
    double best = 0;
    mck_wasm_usage usage = {0};
    for (int i = 0; i < 3; i++) {
        double start = now();
        usage = call(engine, spin, arguments, strlen(arguments), expected);
        double took = now() - start;
        if (i == 0 || took < best)
            best = took;
    }
    mck_wasm_tool_delete(spin);
    mck_wasm_engine_delete(engine);
    printf("{\"fresh_ns\": %.1f, \"spin_ns\": %.0f, \"spin_units\": %llu, \"spin_slices\": %u}\n",
           (batches[BATCHES / 2 - 1] + batches[BATCHES / 2]) / 2, best, (unsigned long long)usage.units, usage.slices);
    return 0;
}
