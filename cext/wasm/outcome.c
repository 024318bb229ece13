/* How a call ended, in a status and a sentence for people. */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void mck_outcome_text(char *out, size_t size, const char *text, size_t len)
{
    size_t used = 0;
    if (size == 0)
        return;
    while (len > 0) {
        size_t good = mck_json_utf8_fault((const uint8_t *)text, len, NULL);
        size_t take = good < size - 1 - used ? good : size - 1 - used;
        while (take < good && take > 0 && ((unsigned char)text[take] & 0xc0) == 0x80)
            take--; /* never half a character */
        memcpy(out + used, text, take);
        used += take;
        if (take < good || good == len || used + 1 >= size)
            break;
        out[used++] = '?';
        text += good + 1;
        len -= good + 1;
    }
    out[used] = 0;
}

void mck_outcome_set(mck_wasm_call *call, mck_wasm_call_status status, const char *format, ...)
{
    char text[sizeof call->run_detail];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    mck_outcome_text(call->run_detail, sizeof call->run_detail, text, len);
    call->run_status = status;
    call->phase = MCK_RUN_OVER;
}

static bool contains(const char *text, size_t len, const char *wanted)
{
    size_t n = strlen(wanted);
    for (size_t i = 0; i + n <= len; i++)
        if (memcmp(text + i, wanted, n) == 0)
            return true;
    return false;
}

/*
 * wasmtime's text is a first line, perhaps a backtrace, and then causes, one per line, the innermost last:
 *     error while executing at wasm backtrace:
 *         0: …
 *
 *     Caused by:
 *         0: memory fault at wasm address …
 *         1: wasm trap: out of bounds memory access
 * The innermost cause is the one to tell; without causes it is the first line. Nothing else may be looked at: the names in the
 * backtrace are the guest's own, and could say anything.
 */
static bool innermost(const char **text, size_t *len)
{
    static const char CAUSES[] = "Caused by:";
    static const char TRAP[] = "wasm trap: ";
    const char *at = *text, *end = at + *len, *causes = NULL;
    while (end > at && (end[-1] == '\n' || end[-1] == ' ' || end[-1] == 0)) /* a trap's message ends with a zero byte */
        end--;
    for (const char *p = at; (size_t)(end - p) >= sizeof CAUSES - 1; p++)
        if (memcmp(p, CAUSES, sizeof CAUSES - 1) == 0)
            causes = p + sizeof CAUSES - 1;
    const char *start = at, *stop = end;
    if (causes != NULL) {
        start = stop;
        while (start > causes && start[-1] != '\n')
            start--;
        while (start < stop && *start == ' ')
            start++;
        const char *digits = start;
        while (digits < stop && *digits >= '0' && *digits <= '9')
            digits++;
        if (digits > start && stop - digits >= 2 && digits[0] == ':' && digits[1] == ' ')
            start = digits + 2;
    } else {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        if (line != NULL)
            stop = line;
    }
    bool trap = (size_t)(stop - start) > sizeof TRAP - 1 && memcmp(start, TRAP, sizeof TRAP - 1) == 0;
    if (trap)
        start += sizeof TRAP - 1;
    *text = start;
    *len = (size_t)(stop - start);
    return trap;
}

static void read_message(mck_wasm_call *call, const char *text, size_t len, bool trapped)
{
    unsigned long long memory_limit = call->max_memory;
    char reason[256];
    trapped = innermost(&text, &len) || trapped;
    mck_outcome_text(reason, sizeof reason, text, len);
    bool making = call->phase == MCK_RUN_INSTANTIATING;
    if (contains(text, len, "all fuel consumed") && call->last_units) {
        mck_quota_ran_out(call);
    } else if (contains(text, len, "all fuel consumed")) {
        bool own = call->tool->units_from[0] == 0 || call->given_units != call->tool->limits.meter.max_units;
        mck_outcome_set(call, MCK_WASM_CALL_OUT_OF_UNITS, "stopped at the compute limit of %llu units%s%s%s",
                        (unsigned long long)call->given_units, own ? "" : " (", own ? "" : call->tool->units_from,
                        own ? "" : ")");
    } else if (contains(text, len,
                        "fuel allocated for hostcalls")) { /* the library's own bound on copies to the host */
        mck_outcome_set(call, MCK_WASM_CALL_RESULT_TOO_LARGE, "the tool hands over more data than can be converted: %s",
                        reason);
    } else if (making && contains(text, len, "exceeds memory limits")) {
        mck_outcome_set(call, MCK_WASM_CALL_OUT_OF_MEMORY,
                        "the program starts with more memory than the limit of %llu bytes: %s", memory_limit, reason);
    } else if (making && contains(text, len, "exceeds table limits")) {
        mck_outcome_set(call, MCK_WASM_CALL_OUT_OF_MEMORY,
                        "the program starts with larger tables than the limit of %u elements: %s",
                        (unsigned)call->tool->limits.max_table_elements, reason);
    } else if (making && contains(text, len, "maximum concurrent")) {
        mck_outcome_set(call, MCK_WASM_CALL_BUSY, "no room for another instance: %s", reason);
    } else if (making && !trapped) {
        mck_outcome_set(call, MCK_WASM_CALL_INTERNAL, "the program could not be started: %s", reason);
    } else {
        /* Programs that get no memory usually stop themselves. Whether that was the cause is not known: say what is. */
        uint64_t memory = mck_run_memory(call);
        if (contains(text, len, "wasm `unreachable`") && (memory == 0 || memory >= call->max_memory / 2))
            mck_outcome_set(call, MCK_WASM_CALL_TRAP, "%s (trapped under a memory limit of %llu bytes)", reason,
                            memory_limit);
        else
            mck_outcome_set(call, MCK_WASM_CALL_TRAP, "%s", reason);
    }
}

static void set_exit(mck_wasm_call *call, int exit_status)
{
    call->run_exit = exit_status;
    if (exit_status == 0)
        mck_outcome_set(call, MCK_WASM_CALL_OK, "%s", "");
    else
        mck_outcome_set(call, MCK_WASM_CALL_GUEST_ERROR, "the program ended with exit status %d", exit_status);
}

void mck_outcome_read(mck_wasm_call *call)
{
    const mck_wasmtime_api *api = &call->engine->api;
    wasm_byte_vec_t text;
    if (mck_recall_diverged(call)) {
        if (call->trap != NULL)
            api->wasm_trap_delete(call->trap);
        call->trap = NULL;
        mck_outcome_set(call, MCK_WASM_CALL_INTERNAL, "%s", mck_recall_why(call));
    } else if (call->exited) {
        if (call->trap != NULL)
            api->wasm_trap_delete(call->trap);
        call->trap = NULL;
        set_exit(call, call->run_exit);
    } else if (call->trap != NULL) {
        api->wasm_trap_message(call->trap, &text);
        read_message(call, text.data, text.size, true);
        api->wasm_byte_vec_delete(&text);
        api->wasm_trap_delete(call->trap);
        call->trap = NULL;
    } else {
        int exit_status = 0;
        if (api->error_exit_status(call->error, &exit_status)) {
            set_exit(call, exit_status);
        } else {
            api->error_message(call->error, &text);
            read_message(call, text.data, text.size, false);
            api->wasm_byte_vec_delete(&text);
        }
    }
    if (call->error != NULL)
        api->error_delete(call->error);
    call->error = NULL;
}

void mck_outcome_stop(mck_wasm_call *call, mck_wasm_call_status status)
{
    char *to = call->detail;
    size_t size = sizeof call->detail;
    call->status = status;
    switch (status) {
    case MCK_WASM_CALL_TIMEOUT:
        (void)snprintf(to, size, "stopped at the time limit of %.3g seconds", (double)call->timeout_ns / 1e9);
        break;
    case MCK_WASM_CALL_CANCELLED: (void)snprintf(to, size, "cancelled"); break;
    case MCK_WASM_CALL_RESULT_TOO_LARGE:
        (void)snprintf(to, size, "stopped because it wrote more than %llu bytes to stdout",
                       (unsigned long long)call->tool->limits.max_result_bytes);
        break;
    default: (void)snprintf(to, size, "%s", mck_wasm_call_status_name(status));
    }
}
