/*
 * WASI preview 1 of our own, for core modules: what a guest gets is what its tool says, and a file is reached only where the tool's
 * rules allow the file itself. See https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md for the functions.
 *
 *   p1.c        the functions' table, memory, arguments, clocks, randomness, polling
 *   p1_fd.c     descriptors; p1_path.c: paths; p1_rules.c: which path may be reached
 *
 * Everything a guest hands over is hostile: pointers are checked against its memory at each use, descriptors against the call's own
 * table, and paths are resolved by the kernel beneath an open folder and then judged by the name of what was found.
 */
#ifndef MCPKIT_WASM_P1_H
#define MCPKIT_WASM_P1_H

#include "internal.h"

enum {
    P1_SUCCESS = 0,
    P1_2BIG = 1,
    P1_ACCES = 2,
    P1_BADF = 8,
    P1_EXIST = 20,
    P1_FAULT = 21,
    P1_INVAL = 28,
    P1_IO = 29,
    P1_ISDIR = 31,
    P1_LOOP = 32,
    P1_MFILE = 33,
    P1_NAMETOOLONG = 37,
    P1_NOENT = 44,
    P1_NOMEM = 48,
    P1_NOSPC = 51,
    P1_NOTDIR = 54,
    P1_NOTEMPTY = 55,
    P1_NOTSUP = 58,
    P1_PERM = 63,
    P1_ROFS = 69,
    P1_SPIPE = 70,
    P1_XDEV = 75,
    P1_NOTCAPABLE = 76,
};

enum { P1_UNKNOWN = 0, P1_DIRECTORY = 3, P1_REGULAR = 4, P1_SYMLINK = 7 };

enum {
    P1_RIGHT_READ = 1u << 1,
    P1_RIGHT_SEEK = 1u << 2,
    P1_RIGHT_TELL = 1u << 5,
    P1_RIGHT_WRITE = 1u << 6,
};

#define P1_MAX_PATH 4096u
#define P1_MAX_FDS 256u
/* Bytes of one host call: copies cost the guest no fuel. */
#define P1_MAX_BYTES (UINT32_C(16) << 20)

typedef enum { P1_FREE = 0, P1_STDIN, P1_STDOUT, P1_STDERR, P1_FOLDER, P1_FILE } p1_kind;

typedef struct {
    p1_kind kind;
    int host;       /* FOLDER, FILE */
    int preopen;    /* index of the tool's folder, or -1 */
    uint16_t flags; /* as fd_fdstat_get says them */
    bool reads, writes;
} p1_fd;

struct mck_p1 {
    size_t stdin_at;
    bool has_memory;
    wasmtime_memory_t memory;
    uint32_t fd_count;
    p1_fd fds[P1_MAX_FDS];
};

/* One host call. */
typedef struct {
    mck_wasm_call *call;
    const mck_wasmtime_api *api;
    wasmtime_context_t *context;
    struct mck_p1 *state;
    uint8_t *memory; /* good until the guest runs again */
    size_t size;
} p1_guest;

typedef uint32_t p1_function(p1_guest *g, const wasmtime_val_raw_t *a);

/* `len` bytes of the guest's memory, or NULL. */
static inline uint8_t *p1_at(const p1_guest *g, uint32_t at, uint32_t len)
{
    return at <= g->size && len <= g->size - at ? g->memory + at : NULL;
}

void p1_put16(uint8_t *at, uint16_t n);
void p1_put32(uint8_t *at, uint32_t n);
void p1_put64(uint8_t *at, uint64_t n);
uint32_t p1_get32(const uint8_t *at);
uint64_t p1_get64(const uint8_t *at);
uint32_t p1_errno(int host_errno);

/*
 * The absolute path of what is open, which has room for P1_MAX_PATH bytes and a zero; or why it may not be reached: it has no name any
 * more, or it belongs to a /proc, where this process itself (its memory, its environment) can be opened as files.
 */
uint32_t p1_path_of(int fd, char *out);

/* The guest has opened or closed something of the host. */
void p1_count_open(int by);

/* An open descriptor of the call; NULL: there is none of that number (or of that kind). */
p1_fd *p1_find(p1_guest *g, uint32_t fd);
p1_fd *p1_find_folder(p1_guest *g, uint32_t fd);
/* A free place; NULL: all are taken, or guests have too much open. */
p1_fd *p1_new(p1_guest *g, uint32_t *fd);
void p1_filestat(uint8_t *at, const void *host_stat);

enum { P1_MAY_READ = 1, P1_MAY_WRITE = 2, P1_MAY_CREATE = 4, P1_MAY_DELETE = 8 };
/* May the tool do all of `access` with the absolute path? */
bool p1_allows(const mck_wasm_tool *tool, const char *path, uint32_t access);
bool p1_rule_allows(const mck_wasm_rule *rules, size_t count, const char *path, uint32_t access);
/* May the tool do everything with a folder and with whatever may ever be in it? */
bool p1_allows_all_below(const mck_wasm_tool *tool, const char *folder);

extern p1_function p1_fd_advise, p1_fd_allocate, p1_fd_close, p1_fd_datasync, p1_fd_fdstat_get, p1_fd_fdstat_set_flags,
    p1_fd_fdstat_set_rights, p1_fd_filestat_get, p1_fd_filestat_set_size, p1_fd_filestat_set_times, p1_fd_pread,
    p1_fd_prestat_get, p1_fd_prestat_dir_name, p1_fd_pwrite, p1_fd_read, p1_fd_readdir, p1_fd_renumber, p1_fd_seek,
    p1_fd_sync, p1_fd_tell, p1_fd_write;
extern p1_function p1_path_create_directory, p1_path_filestat_get, p1_path_filestat_set_times, p1_path_link,
    p1_path_open, p1_path_readlink, p1_path_remove_directory, p1_path_rename, p1_path_symlink, p1_path_unlink_file;

#endif
