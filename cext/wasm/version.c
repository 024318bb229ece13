/*
 * Which wasmtime this is, and what compiled code depends on.
 *
 * The library has no function that tells its version. But whatever it serialises starts with the facts it will check when it
 * loads the code again: version, target, compiler and processor flags. An empty module carries them as well as a large one.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const uint8_t EMPTY_MODULE[8] = {0, 'a', 's', 'm', 1, 0, 0, 0};

static uint64_t little(const uint8_t *bytes, size_t n)
{
    uint64_t value = 0;
    for (size_t i = n; i > 0; i--)
        value = value << 8 | bytes[i - 1];
    return value;
}

/* The content of a section of a 64-bit little-endian ELF file; NULL when there is none. */
static const uint8_t *find_section(const uint8_t *file, size_t size, const char *name, size_t *len)
{
    if (size < 64 || memcmp(file, "\177ELF\2\1", 6) != 0)
        return NULL;
    uint64_t table = little(file + 0x28, 8), entry = little(file + 0x3a, 2), count = little(file + 0x3c, 2),
             names = little(file + 0x3e, 2);
    if (entry < 64 || names >= count || table > size || count > (size - table) / entry)
        return NULL;
    const uint8_t *strings = file + table + names * entry;
    uint64_t strings_at = little(strings + 0x18, 8), strings_size = little(strings + 0x20, 8);
    if (strings_at > size || strings_size > size - strings_at)
        return NULL;
    size_t wanted = strlen(name) + 1;
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *section = file + table + i * entry;
        uint64_t at = little(section, 4), offset = little(section + 0x18, 8), length = little(section + 0x20, 8);
        if (at > strings_size || strings_size - at < wanted)
            continue;
        if (memcmp(file + strings_at + at, name, wanted) != 0)
            continue;
        if (offset > size || length > size - offset)
            return NULL;
        *len = (size_t)length;
        return file + offset;
    }
    return NULL;
}

/* Format byte, length, version as text, then everything else. */
static bool read_facts(const mck_wasm_engine *engine, mck_buffer *out)
{
    const mck_wasmtime_api *api = &engine->api;
    wasmtime_module_t *module = NULL;
    wasmtime_error_t *failed = api->module_new(engine->wasm, EMPTY_MODULE, sizeof EMPTY_MODULE, &module);
    wasm_byte_vec_t code;
    if (failed == NULL) {
        failed = api->module_serialize(module, &code);
        api->module_delete(module);
    }
    if (failed != NULL) {
        api->error_delete(failed);
        return false;
    }
    size_t len = 0;
    const uint8_t *facts = find_section((const uint8_t *)code.data, code.size, ".wasmtime.engine", &len);
    if (facts != NULL)
        mck_buffer_add(out, facts, len);
    api->wasm_byte_vec_delete(&code);
    return facts != NULL && !out->failed;
}

bool mck_version_check(mck_wasm_engine *engine, const char *library_path, mck_wasm_error *error)
{
    mck_buffer facts = {0};
    char version[24] = "unknown";
    if (read_facts(engine, &facts) && facts.len > 2 && facts.data[1] < sizeof version &&
        facts.len - 2 >= facts.data[1]) {
        memcpy(version, facts.data + 2, facts.data[1]);
        version[facts.data[1]] = 0;
    }
    mck_buffer_free(&facts);
    char tested[24];
    int n = snprintf(tested, sizeof tested, "%d", MCK_WASM_MAJOR);
    bool same = n > 0 && strncmp(version, tested, (size_t)n) == 0 && (version[n] == 0 || version[n] == '.');
    if (!same) {
        mck_error_set(error, "%s is wasmtime %s, but only major version %d is tested: pip install 'wasmtime>=%d,<%d'",
                      library_path, version, MCK_WASM_MAJOR, MCK_WASM_MAJOR, MCK_WASM_MAJOR + 1);
        return false;
    }
    struct stat file;
    if (stat(library_path, &file) != 0)
        memset(&file, 0, sizeof file);
    /* A patch release keeps the version text above but may repair the compiler: its file differs. */
    (void)snprintf(engine->identity, sizeof engine->identity, "wasmtime %s; library %llu bytes of %lld", version,
                   (unsigned long long)file.st_size, (long long)file.st_mtime);
    return true;
}

void mck_wasm_engine_fingerprint(const mck_wasm_engine *engine, mck_buffer *out)
{
    static const char HEX[] = "0123456789abcdef";
    mck_buffer facts = {0};
    mck_buffer_text(out, engine->identity);
    mck_buffer_text(out, "; ");
    if (read_facts(engine, &facts)) {
        uint8_t *to = mck_buffer_reserve(out, facts.len * 2);
        if (to != NULL) {
            for (size_t i = 0; i < facts.len; i++) {
                to[2 * i] = (uint8_t)HEX[facts.data[i] >> 4];
                to[2 * i + 1] = (uint8_t)HEX[facts.data[i] & 15];
            }
            out->len += facts.len * 2;
        }
    }
    mck_buffer_free(&facts);
}
