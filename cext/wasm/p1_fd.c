/* Preview 1: descriptors. */
#ifdef __linux__
#define _GNU_SOURCE
#include "p1.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_VECTORS 1024u

static atomic_int open_now; /* in all calls of all engines */

/* Guests together may hold half of the descriptors that this process may: the rest is for its connections. Folders that a policy
 * grants count, and are never refused. */
static bool may_open(void)
{
    struct rlimit limit;
    int now = atomic_load_explicit(&open_now, memory_order_relaxed);
    return getrlimit(RLIMIT_NOFILE, &limit) != 0 || (rlim_t)(now < 0 ? 0 : now) < limit.rlim_cur / 2;
}

void p1_count_open(int by)
{
    atomic_fetch_add_explicit(&open_now, by, memory_order_relaxed);
}

p1_fd *p1_find(p1_guest *g, uint32_t fd)
{
    if (fd >= g->state->fd_count || g->state->fds[fd].kind == P1_FREE)
        return NULL;
    return &g->state->fds[fd];
}

p1_fd *p1_find_folder(p1_guest *g, uint32_t fd)
{
    p1_fd *found = p1_find(g, fd);
    return found != NULL && found->kind == P1_FOLDER ? found : NULL;
}

static p1_fd *find_file(p1_guest *g, uint32_t fd)
{
    p1_fd *found = p1_find(g, fd);
    return found != NULL && found->kind == P1_FILE ? found : NULL;
}

p1_fd *p1_new(p1_guest *g, uint32_t *fd)
{
    struct mck_p1 *state = g->state;
    for (*fd = 3; *fd < state->fd_count; ++*fd)
        if (state->fds[*fd].kind == P1_FREE)
            break;
    if (*fd == P1_MAX_FDS || !may_open())
        return NULL;
    if (*fd == state->fd_count)
        state->fd_count++;
    p1_fd *made = &state->fds[*fd];
    *made = (p1_fd){.preopen = -1};
    return made;
}

/* ---- reading and writing ---- */

/* Moves bytes between the guest's vectors and something: `move` returns how many, or minus an error number of the host. */
typedef ptrdiff_t move_bytes(p1_guest *g, p1_fd *fd, uint8_t *bytes, size_t len, int64_t offset);

static uint32_t vectors(p1_guest *g, p1_fd *fd, uint32_t at, uint32_t count, uint32_t moved_at, int64_t offset,
                        move_bytes *move)
{
    uint32_t total = 0;
    const uint8_t *list = count <= MAX_VECTORS ? p1_at(g, at, count * 8) : NULL;
    uint8_t *moved = p1_at(g, moved_at, 4);
    if (count > MAX_VECTORS)
        return P1_INVAL;
    if (list == NULL || moved == NULL)
        return P1_FAULT;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t len = p1_get32(list + 8 * i + 4);
        uint8_t *bytes = p1_at(g, p1_get32(list + 8 * i), len);
        if (bytes == NULL)
            return P1_FAULT;
        if (len > P1_MAX_BYTES - total)
            len = P1_MAX_BYTES - total;
        if (len == 0)
            continue;
        ptrdiff_t n = move(g, fd, bytes, len, offset < 0 ? -1 : offset + (int64_t)total);
        if (n < 0 && total == 0)
            return p1_errno((int)-n);
        if (n > 0)
            total += (uint32_t)n;
        if (n < (ptrdiff_t)len)
            break;
    }
    p1_put32(moved, total);
    return P1_SUCCESS;
}

static ptrdiff_t move_in(p1_guest *g, p1_fd *fd, uint8_t *bytes, size_t len, int64_t offset)
{
    if (fd->kind == P1_STDIN) {
        size_t left = g->call->argument_len - g->state->stdin_at;
        size_t n = len < left ? len : left;
        memcpy(bytes, g->call->arguments + g->state->stdin_at, n);
        g->state->stdin_at += n;
        return (ptrdiff_t)n;
    }
    ssize_t n = offset < 0 ? read(fd->host, bytes, len) : pread(fd->host, bytes, len, offset);
    return n < 0 ? -errno : n;
}

static ptrdiff_t move_out(p1_guest *g, p1_fd *fd, uint8_t *bytes, size_t len, int64_t offset)
{
    bool command = g->call->tool->style == MCK_WASM_COMMAND;
    if (fd->kind == P1_STDOUT || fd->kind == P1_STDERR)
        return fd->kind == P1_STDOUT && command ? mck_wasi_stdout(g->call, bytes, len)
                                                : mck_wasi_stderr(g->call, bytes, len);
    ssize_t n = offset < 0 ? write(fd->host, bytes, len) : pwrite(fd->host, bytes, len, offset);
    return n < 0 ? -errno : n;
}

static uint32_t transfer(p1_guest *g, const wasmtime_val_raw_t *a, bool out, bool positioned)
{
    p1_fd *fd = p1_find(g, (uint32_t)a[0].i32);
    if (fd == NULL || !(out ? fd->writes : fd->reads))
        return P1_BADF;
    if (fd->kind == P1_FOLDER)
        return P1_ISDIR;
    if (positioned && fd->kind != P1_FILE)
        return P1_SPIPE;
    if (positioned && a[3].i64 < 0)
        return P1_INVAL;
    return vectors(g, fd, (uint32_t)a[1].i32, (uint32_t)a[2].i32, (uint32_t)a[positioned ? 4 : 3].i32,
                   positioned ? a[3].i64 : -1, out ? move_out : move_in);
}

uint32_t p1_fd_read(p1_guest *g, const wasmtime_val_raw_t *a)
{
    return transfer(g, a, false, false);
}

uint32_t p1_fd_write(p1_guest *g, const wasmtime_val_raw_t *a)
{
    return transfer(g, a, true, false);
}

uint32_t p1_fd_pread(p1_guest *g, const wasmtime_val_raw_t *a)
{
    return transfer(g, a, false, true);
}

uint32_t p1_fd_pwrite(p1_guest *g, const wasmtime_val_raw_t *a)
{
    return transfer(g, a, true, true);
}

static uint32_t seek(p1_guest *g, uint32_t number, int64_t offset, uint32_t whence, uint32_t at)
{
    static const int HOW[] = {SEEK_SET, SEEK_CUR, SEEK_END};
    p1_fd *fd = p1_find(g, number);
    uint8_t *out = p1_at(g, at, 8);
    if (fd == NULL)
        return P1_BADF;
    if (fd->kind != P1_FILE)
        return P1_SPIPE;
    if (whence > 2)
        return P1_INVAL;
    if (out == NULL)
        return P1_FAULT;
    off_t now = lseek(fd->host, offset, HOW[whence]);
    if (now < 0)
        return p1_errno(errno);
    p1_put64(out, (uint64_t)now);
    return P1_SUCCESS;
}

uint32_t p1_fd_seek(p1_guest *g, const wasmtime_val_raw_t *a)
{
    return seek(g, (uint32_t)a[0].i32, a[1].i64, (uint32_t)a[2].i32, (uint32_t)a[3].i32);
}

uint32_t p1_fd_tell(p1_guest *g, const wasmtime_val_raw_t *a)
{
    return seek(g, (uint32_t)a[0].i32, 0, 1, (uint32_t)a[1].i32);
}

/* ---- what is known of one ---- */

uint32_t p1_fd_fdstat_get(p1_guest *g, const wasmtime_val_raw_t *a)
{
    p1_fd *fd = p1_find(g, (uint32_t)a[0].i32);
    uint8_t *out = p1_at(g, (uint32_t)a[1].i32, 24);
    if (fd == NULL)
        return P1_BADF;
    if (out == NULL)
        return P1_FAULT;
    uint64_t rights = (fd->reads ? P1_RIGHT_READ : 0u) | (fd->writes ? P1_RIGHT_WRITE : 0u);
    if (fd->kind == P1_FILE)
        rights |= ~(uint64_t)(P1_RIGHT_READ | P1_RIGHT_WRITE) & 0x1fffffff;
    else if (fd->kind == P1_FOLDER)
        rights = 0x1fffffff;
    memset(out, 0, 24);
    out[0] = fd->kind == P1_FILE ? P1_REGULAR : fd->kind == P1_FOLDER ? P1_DIRECTORY : P1_UNKNOWN;
    p1_put16(out + 2, fd->flags);
    p1_put64(out + 8, rights);
    p1_put64(out + 16, fd->kind == P1_FOLDER ? rights : 0);
    return P1_SUCCESS;
}

uint32_t p1_fd_fdstat_set_flags(p1_guest *g, const wasmtime_val_raw_t *a)
{
    p1_fd *fd = p1_find(g, (uint32_t)a[0].i32);
    uint32_t flags = (uint32_t)a[1].i32;
    if (fd == NULL)
        return P1_BADF;
    if (flags & ~5u) /* append and nonblock; the others are fixed when a file is opened */
        return P1_NOTSUP;
    if (fd->kind == P1_FILE && fcntl(fd->host, F_SETFL, O_NONBLOCK | (flags & 1 ? O_APPEND : 0)) != 0)
        return p1_errno(errno);
    fd->flags = (uint16_t)flags;
    return P1_SUCCESS;
}

uint32_t p1_fd_fdstat_set_rights(p1_guest *g, const wasmtime_val_raw_t *a)
{
    return p1_find(g, (uint32_t)a[0].i32) == NULL ? P1_BADF : P1_NOTSUP;
}

static uint8_t filetype(mode_t mode)
{
    return S_ISREG(mode) ? P1_REGULAR : S_ISDIR(mode) ? P1_DIRECTORY : S_ISLNK(mode) ? P1_SYMLINK : P1_UNKNOWN;
}

static uint64_t nanoseconds(struct timespec t)
{
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

void p1_filestat(uint8_t *at, const void *host_stat)
{
    const struct stat *s = host_stat;
    memset(at, 0, 64);
    p1_put64(at, (uint64_t)s->st_dev);
    p1_put64(at + 8, (uint64_t)s->st_ino);
    at[16] = filetype(s->st_mode);
    p1_put64(at + 24, (uint64_t)s->st_nlink);
    p1_put64(at + 32, (uint64_t)s->st_size);
    p1_put64(at + 40, nanoseconds(s->st_atim));
    p1_put64(at + 48, nanoseconds(s->st_mtim));
    p1_put64(at + 56, nanoseconds(s->st_ctim));
}

uint32_t p1_fd_filestat_get(p1_guest *g, const wasmtime_val_raw_t *a)
{
    p1_fd *fd = p1_find(g, (uint32_t)a[0].i32);
    uint8_t *out = p1_at(g, (uint32_t)a[1].i32, 64);
    struct stat s;
    if (fd == NULL)
        return P1_BADF;
    if (out == NULL)
        return P1_FAULT;
    if (fd->kind != P1_FILE && fd->kind != P1_FOLDER) {
        memset(out, 0, 64);
        return P1_SUCCESS;
    }
    if (fstat(fd->host, &s) != 0)
        return p1_errno(errno);
    p1_filestat(out, &s);
    return P1_SUCCESS;
}

uint32_t p1_fd_filestat_set_size(p1_guest *g, const wasmtime_val_raw_t *a)
{
    p1_fd *fd = find_file(g, (uint32_t)a[0].i32);
    if (fd == NULL || !fd->writes)
        return P1_BADF;
    if (a[1].i64 < 0)
        return P1_INVAL;
    return ftruncate(fd->host, a[1].i64) == 0 ? P1_SUCCESS : p1_errno(errno);
}

uint32_t p1_fd_filestat_set_times(p1_guest *g, const wasmtime_val_raw_t *a)
{
    p1_fd *fd = find_file(g, (uint32_t)a[0].i32);
    if (fd == NULL || !fd->writes)
        return P1_BADF;
    uint32_t flags = (uint32_t)a[3].i32;
    if ((flags & 3) == 3 || (flags & 12) == 12)
        return P1_INVAL;
    struct timespec times[2];
    for (int i = 0; i < 2; i++) {
        uint64_t ns = (uint64_t)a[1 + i].i64;
        uint32_t own = flags >> 2 * i;
        times[i].tv_sec = (time_t)(ns / UINT64_C(1000000000));
        times[i].tv_nsec = own & 1 ? (long)(ns % UINT64_C(1000000000)) : own & 2 ? UTIME_NOW : UTIME_OMIT;
    }
    return futimens(fd->host, times) == 0 ? P1_SUCCESS : p1_errno(errno);
}

uint32_t p1_fd_advise(p1_guest *g, const wasmtime_val_raw_t *a)
{
    return find_file(g, (uint32_t)a[0].i32) == NULL ? P1_BADF : P1_SUCCESS; /* advice may be ignored */
}

uint32_t p1_fd_allocate(p1_guest *g, const wasmtime_val_raw_t *a)
{
    return find_file(g, (uint32_t)a[0].i32) == NULL ? P1_BADF : P1_NOTSUP;
}

uint32_t p1_fd_sync(p1_guest *g, const wasmtime_val_raw_t *a)
{
    p1_fd *fd = p1_find(g, (uint32_t)a[0].i32);
    if (fd == NULL)
        return P1_BADF;
    if (fd->kind != P1_FILE)
        return P1_SUCCESS;
    return fsync(fd->host) == 0 ? P1_SUCCESS : p1_errno(errno);
}

uint32_t p1_fd_datasync(p1_guest *g, const wasmtime_val_raw_t *a)
{
    return p1_fd_sync(g, a);
}

static void let_go(p1_fd *fd)
{
    if (fd->kind == P1_FILE || fd->kind == P1_FOLDER) {
        (void)close(fd->host);
        p1_count_open(-1);
    }
    fd->kind = P1_FREE;
}

uint32_t p1_fd_close(p1_guest *g, const wasmtime_val_raw_t *a)
{
    p1_fd *fd = p1_find(g, (uint32_t)a[0].i32);
    if (fd == NULL)
        return P1_BADF;
    let_go(fd);
    return P1_SUCCESS;
}

uint32_t p1_fd_renumber(p1_guest *g, const wasmtime_val_raw_t *a)
{
    p1_fd *from = p1_find(g, (uint32_t)a[0].i32), *to = p1_find(g, (uint32_t)a[1].i32);
    if (from == NULL || to == NULL)
        return P1_BADF;
    if (from == to)
        return P1_SUCCESS;
    let_go(to);
    *to = *from;
    from->kind = P1_FREE;
    return P1_SUCCESS;
}

void mck_p1_end(mck_wasm_call *call)
{
    struct mck_p1 *state = call->p1;
    for (uint32_t i = 0; state != NULL && i < state->fd_count; i++)
        let_go(&state->fds[i]);
    free(state);
    call->p1 = NULL;
}

/* ---- folders ---- */

uint32_t p1_fd_prestat_get(p1_guest *g, const wasmtime_val_raw_t *a)
{
    p1_fd *fd = p1_find_folder(g, (uint32_t)a[0].i32);
    uint8_t *out = p1_at(g, (uint32_t)a[1].i32, 8);
    if (fd == NULL || fd->preopen < 0)
        return P1_BADF;
    if (out == NULL)
        return P1_FAULT;
    p1_put32(out, 0);
    p1_put32(out + 4, (uint32_t)strlen(g->call->tool->folders[fd->preopen].guest));
    return P1_SUCCESS;
}

uint32_t p1_fd_prestat_dir_name(p1_guest *g, const wasmtime_val_raw_t *a)
{
    p1_fd *fd = p1_find_folder(g, (uint32_t)a[0].i32);
    if (fd == NULL || fd->preopen < 0)
        return P1_BADF;
    const char *name = g->call->tool->folders[fd->preopen].guest;
    size_t len = strlen(name);
    if ((uint32_t)a[2].i32 < len)
        return P1_NAMETOOLONG;
    uint8_t *out = p1_at(g, (uint32_t)a[1].i32, (uint32_t)len);
    if (out == NULL)
        return P1_FAULT;
    memcpy(out, name, len);
    return P1_SUCCESS;
}

struct host_dirent {
    uint64_t ino;
    int64_t next;
    unsigned short len;
    unsigned char type;
    char name[];
};

static uint8_t entry_type(unsigned char type)
{
    return type == DT_REG ? P1_REGULAR : type == DT_DIR ? P1_DIRECTORY : type == DT_LNK ? P1_SYMLINK : P1_UNKNOWN;
}

/* Names whose paths may not be read are left out. */
static bool shows(p1_guest *g, const char *folder, const char *name)
{
    char path[P1_MAX_PATH + 1];
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return true;
    int n = snprintf(path, sizeof path, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name);
    return n > 0 && (size_t)n < sizeof path && p1_allows(g->call->tool, path, P1_MAY_READ);
}

uint32_t p1_fd_readdir(p1_guest *g, const wasmtime_val_raw_t *a)
{
    p1_fd *fd = p1_find_folder(g, (uint32_t)a[0].i32);
    uint32_t room = (uint32_t)a[2].i32, used = 0;
    uint8_t *out = p1_at(g, (uint32_t)a[1].i32, room), *told = p1_at(g, (uint32_t)a[4].i32, 4);
    char folder[P1_MAX_PATH + 1];
    _Alignas(8) char buffer[8192];
    if (fd == NULL)
        return P1_BADF;
    if (!fd->reads)
        return P1_ACCES;
    if (out == NULL || told == NULL)
        return P1_FAULT;
    if (room > P1_MAX_BYTES)
        room = P1_MAX_BYTES;
    uint32_t error = p1_path_of(fd->host, folder);
    if (error != P1_SUCCESS)
        return error;
    /* The cookie is the kernel's own position of the next entry. */
    if (lseek(fd->host, (off_t)a[3].i64, SEEK_SET) < 0)
        return P1_INVAL;
    while (used < room) {
        long got = syscall(SYS_getdents64, fd->host, buffer, sizeof buffer);
        if (got < 0)
            return p1_errno(errno);
        if (got == 0)
            break;
        for (long at = 0; at < got && used < room;) {
            const struct host_dirent *entry = (const void *)(buffer + at);
            at += entry->len;
            if (!shows(g, folder, entry->name))
                continue;
            size_t name_len = strlen(entry->name);
            uint8_t head[24] = {0};
            p1_put64(head, (uint64_t)entry->next);
            p1_put64(head + 8, entry->ino);
            p1_put32(head + 16, (uint32_t)name_len);
            head[20] = entry_type(entry->type);
            uint32_t take = room - used < 24 ? room - used : 24;
            memcpy(out + used, head, take);
            used += take;
            take = room - used < name_len ? room - used : (uint32_t)name_len;
            memcpy(out + used, entry->name, take);
            used += take;
        }
    }
    p1_put32(told, used);
    return P1_SUCCESS;
}
#endif
