/*
 * What a WASI guest is given in one call: the arguments on stdin, two bounded buffers for stdout and stderr, its argument vector
 * and environment, and the folders that it may see. Nothing is inherited, no network is allowed. For components this is wasmtime's own WASI, whose calls
 * block the thread that makes them: only native threads run such guests.
 */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void mck_keep(mck_buffer *buffer, const void *bytes, size_t len, size_t limit)
{
    size_t room = buffer->len < limit ? limit - buffer->len : 0;
    mck_buffer_add(buffer, bytes, len < room ? len : room);
}

/* Too much output is an error to the guest, and the end of the call at the next slice. */
ptrdiff_t mck_wasi_stdout(void *data, const unsigned char *bytes, size_t len)
{
    mck_wasm_call *call = data;
    uint64_t limit = call->tool->limits.max_result_bytes;
    if (call->overflow || len > limit - call->out.len) {
        call->overflow = true;
        return -ENOSPC;
    }
    mck_buffer_add(&call->out, bytes, len);
    return call->out.failed ? -ENOMEM : (ptrdiff_t)len;
}

/* Shorter values would mask half of every line, and are no secrets. */
#define SHORTEST_SECRET 4u

/* What was just written may end a secret that an earlier write began. */
static void mask_secrets(const mck_wasm_tool *tool, mck_buffer *said, size_t before)
{
    for (size_t i = tool->env_count - tool->secret_count; i < tool->env_count; i++) {
        const char *secret = tool->env_values[i];
        size_t n = strlen(secret);
        if (n < SHORTEST_SECRET)
            continue;
        for (size_t at = before > n ? before - n + 1 : 0; at + n <= said->len; at++)
            if (memcmp(said->data + at, secret, n) == 0)
                memset(said->data + at, '*', n);
    }
}

/* Diagnostics are cut, not refused: losing the end of a log must not break a program. */
ptrdiff_t mck_wasi_stderr(void *data, const unsigned char *bytes, size_t len)
{
    mck_wasm_call *call = data;
    (void)pthread_mutex_lock(&call->engine->lock); /* the owner may be looking */
    size_t before = call->err.len;
    mck_keep(&call->err, bytes, len, call->tool->limits.max_stderr_bytes);
    mask_secrets(call->tool, &call->err, before);
    (void)pthread_mutex_unlock(&call->engine->lock);
    return (ptrdiff_t)len;
}

/* The engine follows links to a folder; it is given the one that was opened without. */
static bool give_folder(const mck_wasmtime_api *api, wasi_config_t *config, const mck_wasm_folder *folder)
{
    if (!mck_wasm_keeps_rules())
        return api->wasi_config_preopen_dir(config, folder->host, folder->guest, folder->writable);
    char path[32];
    int held = mck_p1_open_folder(folder->host);
    if (held < 0)
        return false;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", held);
    bool fine = api->wasi_config_preopen_dir(config, path, folder->guest, folder->writable);
    (void)close(held);
    return fine;
}

bool mck_wasi_give(mck_wasm_call *call)
{
    const mck_wasmtime_api *api = &call->engine->api;
    const mck_wasm_tool *tool = call->tool;
    if (tool->program->p1)
        return mck_p1_begin(call);
    wasi_config_t *config = api->wasi_config_new();
    bool command = tool->style == MCK_WASM_COMMAND;
    bool fine = true;
    if (command) {
        wasm_byte_vec_t input;
        api->wasm_byte_vec_new(&input, call->argument_len, (const char *)call->arguments);
        api->wasi_config_set_stdin_bytes(config, &input);
        fine = api->wasi_config_set_argv(config, tool->argc, tool->argv);
    }
    fine = fine && api->wasi_config_set_env(config, tool->env_count, tool->env_names, tool->env_values);
    for (size_t i = 0; i < tool->folder_count && fine; i++)
        fine = give_folder(api, config, &tool->folders[i]);
    /* What a function prints is no result: it is kept with the diagnostics. */
    api->wasi_config_set_stdout_custom(config, command ? mck_wasi_stdout : mck_wasi_stderr, call, NULL);
    api->wasi_config_set_stderr_custom(config, mck_wasi_stderr, call, NULL);
    wasmtime_error_t *failed = NULL;
    if (fine)
        failed = api->context_set_wasi(call->context, config);
    else
        api->wasi_config_delete(config);
    if (failed != NULL)
        api->error_delete(failed);
    return fine && failed == NULL;
}
