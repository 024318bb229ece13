/*
 * Preview 1: paths. A path is resolved by the kernel beneath the folder that the guest names (RESOLVE_BENEATH: neither "..", nor an
 * absolute link, nor a magic link of /proc leads out), and what was found is judged by the name that the kernel gives it. A
 * file is then opened through the very descriptor that was judged, so nothing can be put in its place meanwhile.
 */
#ifdef __linux__
#define _GNU_SOURCE
#include "p1.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FOLLOW = 1 };
enum { CREAT = 1, DIRECTORY = 2, EXCL = 4, TRUNC = 8 };
enum { APPEND = 1, DSYNC = 2, RSYNC = 8, SYNC = 16 };

#define PROC_FILES 0x9fa0 /* f_type of a /proc, wherever it is mounted */

/* A guest's path, checked and terminated. */
typedef struct {
    char text[P1_MAX_PATH + 1];
} path_text;

/* Where a path leads: the folder, the last name in it, and the absolute path of both. */
typedef struct {
    int folder;
    bool slash; /* it was written with a slash at its end, so it means a folder */
    char name[256];
    char path[P1_MAX_PATH + 1];
} place;

static uint32_t read_path(const p1_guest *g, uint32_t at, uint32_t len, path_text *out)
{
    const uint8_t *text = p1_at(g, at, len);
    if (text == NULL)
        return P1_FAULT;
    if (len == 0)
        return P1_NOENT;
    if (len > P1_MAX_PATH)
        return P1_NAMETOOLONG;
    if (memchr(text, 0, len) != NULL)
        return P1_INVAL;
    if (text[0] == '/')
        return P1_NOTCAPABLE;
    memcpy(out->text, text, len);
    out->text[len] = 0;
    return P1_SUCCESS;
}

/* Linux 5.6; older headers do not know it. The number is the same on every machine. */
#define OPENAT2 437L
#define NO_MAGICLINKS UINT64_C(0x02)
#define NO_SYMLINKS UINT64_C(0x04)
#define BENEATH UINT64_C(0x08)

static int open_resolved(int folder, const char *path, int flags, uint64_t resolve)
{
    struct {
        uint64_t flags, mode, resolve;
    } how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = resolve | NO_MAGICLINKS};
    long fd;
    int tries = 0;
    /* EAGAIN: something was renamed while the kernel followed the path. */
    do
        fd = syscall(OPENAT2, folder, path, &how, sizeof how);
    while (fd < 0 && errno == EAGAIN && ++tries < 64);
    return (int)fd;
}

static int open_beneath(int folder, const char *path, int flags)
{
    return open_resolved(folder, path, flags, BENEATH);
}

int mck_p1_open_folder(const char *path)
{
    return open_resolved(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK, NO_SYMLINKS);
}

bool mck_wasm_keeps_rules(void)
{
    static atomic_int known; /* 0: not tried yet */
    int answer = atomic_load(&known);
    if (answer == 0) {
        int fd = open_beneath(AT_FDCWD, ".", O_PATH | O_DIRECTORY);
        answer = fd >= 0 || (errno != ENOSYS && errno != EPERM) ? 1 : -1; /* EPERM: an old container runtime's filter */
        if (fd >= 0)
            (void)close(fd);
        atomic_store(&known, answer);
    }
    return answer > 0;
}

/* The kernel says "… (deleted)" for what lost this name, though it may have others; it may also be called so. */
static bool is_there(const char *path, const struct stat *found)
{
    static const char GONE[] = " (deleted)";
    size_t n = strlen(path);
    struct stat s;
    if (n < sizeof GONE - 1 || memcmp(path + n - (sizeof GONE - 1), GONE, sizeof GONE - 1) != 0)
        return true;
    return lstat(path, &s) == 0 && s.st_dev == found->st_dev && s.st_ino == found->st_ino;
}

uint32_t p1_path_of(int fd, char *out)
{
    char link[32];
    struct stat s;
    struct statfs files;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, out, P1_MAX_PATH);
    if (n <= 0 || n == P1_MAX_PATH || out[0] != '/')
        return P1_NOENT;
    out[n] = 0;
    if (fstat(fd, &s) != 0 || s.st_nlink == 0 || !is_there(out, &s))
        return P1_NOENT;
    return fstatfs(fd, &files) != 0 || files.f_type == PROC_FILES ? P1_ACCES : P1_SUCCESS;
}

static uint32_t beneath_errno(void)
{
    return errno == EXDEV ? P1_NOTCAPABLE : p1_errno(errno);
}

/* The folder and the last name of a path that need not exist. The caller closes the folder. */
static uint32_t find_place(const p1_fd *base, const char *path, place *out)
{
    char above[P1_MAX_PATH + 1];
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    out->slash = path[len] == '/';
    size_t start = len;
    while (start > 0 && path[start - 1] != '/')
        start--;
    if (len - start >= sizeof out->name)
        return P1_NAMETOOLONG;
    memcpy(out->name, path + start, len - start);
    out->name[len - start] = 0;
    if (strcmp(out->name, ".") == 0 || strcmp(out->name, "..") == 0 || out->name[0] == 0)
        return P1_INVAL;
    memcpy(above, start == 0 ? "." : path, start == 0 ? 2 : start);
    above[start == 0 ? 1 : start] = 0;
    out->folder = open_beneath(base->host, above, O_PATH | O_DIRECTORY);
    if (out->folder < 0)
        return beneath_errno();
    char folder[P1_MAX_PATH + 1];
    uint32_t error = p1_path_of(out->folder, folder);
    if (error == P1_SUCCESS) {
        int n = snprintf(out->path, sizeof out->path, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, out->name);
        error = n > 0 && (size_t)n < sizeof out->path ? P1_SUCCESS : P1_NAMETOOLONG;
    }
    if (error != P1_SUCCESS)
        (void)close(out->folder);
    return error;
}

/* What is there, not yet opened for anything; the caller closes it. */
static uint32_t find_thing(const p1_fd *base, const char *path, bool follow, int *fd, char name[P1_MAX_PATH + 1])
{
    *fd = open_beneath(base->host, path, O_PATH | (follow ? 0 : O_NOFOLLOW));
    if (*fd < 0)
        return beneath_errno();
    uint32_t error = p1_path_of(*fd, name);
    if (error != P1_SUCCESS)
        (void)close(*fd);
    return error;
}

/* ---- opening ---- */

static uint32_t reopen(int thing, int flags)
{
    char link[32];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", thing);
    return (uint32_t)open(link, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

typedef struct {
    uint32_t oflags;
    uint16_t fdflags;
    bool reads, writes, follow;
} wish;

static int mode_of(const wish *w)
{
    int durable = w->fdflags & (SYNC | RSYNC) ? O_SYNC : w->fdflags & DSYNC ? O_DSYNC : 0;
    return (w->writes ? w->reads ? O_RDWR : O_WRONLY : O_RDONLY) | (w->fdflags & APPEND ? O_APPEND : 0) | durable;
}

static uint32_t open_there(p1_guest *g, const p1_fd *base, const char *path, const wish *w, int *opened, bool *folder)
{
    char name[P1_MAX_PATH + 1];
    int thing;
    uint32_t error = find_thing(base, path, w->follow, &thing, name);
    if (error != P1_SUCCESS)
        return error;
    struct stat s;
    uint32_t access =
        (w->reads || !w->writes ? P1_MAY_READ : 0u) | (w->writes || (w->oflags & TRUNC) ? P1_MAY_WRITE : 0u);
    *folder = false;
    if (fstat(thing, &s) != 0) {
        error = p1_errno(errno);
    } else if (S_ISLNK(s.st_mode)) {
        error = P1_LOOP;
    } else if (S_ISDIR(s.st_mode)) {
        *folder = true;
        if (w->writes && !(w->oflags & DIRECTORY))
            error = P1_ISDIR;
        /* An open folder is a way to what is in it, and each of that is judged by itself: only listing it is reading. */
    } else if (!S_ISREG(s.st_mode)) {
        error = P1_ACCES; /* devices, pipes and sockets are no files of anybody's */
    } else if (w->oflags & DIRECTORY) {
        error = P1_NOTDIR;
    } else if (!p1_allows(g->call->tool, name, access)) {
        error = P1_ACCES;
    }
    if (error == P1_SUCCESS) {
        int flags = *folder ? O_RDONLY | O_DIRECTORY : mode_of(w) | (w->oflags & TRUNC ? O_TRUNC : 0);
        *opened = (int)reopen(thing, flags);
        error = *opened < 0 ? p1_errno(errno) : P1_SUCCESS;
    }
    (void)close(thing);
    return error;
}

static uint32_t make_there(p1_guest *g, const p1_fd *base, const char *path, const wish *w, int *opened)
{
    place at;
    uint32_t error = find_place(base, path, &at);
    if (error != P1_SUCCESS)
        return error;
    if (at.slash)
        error = P1_ISDIR;
    else if (!p1_allows(g->call->tool, at.path,
                        P1_MAY_CREATE | (w->writes ? P1_MAY_WRITE : 0u) | (w->reads ? P1_MAY_READ : 0u)))
        error = P1_ACCES;
    if (error == P1_SUCCESS) {
        *opened = openat(at.folder, at.name, mode_of(w) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0666);
        error = *opened < 0 ? p1_errno(errno) : P1_SUCCESS;
    }
    (void)close(at.folder);
    return error;
}

uint32_t p1_path_open(p1_guest *g, const wasmtime_val_raw_t *a)
{
    p1_fd *base = p1_find_folder(g, (uint32_t)a[0].i32);
    uint8_t *out = p1_at(g, (uint32_t)a[8].i32, 4);
    path_text path;
    uint64_t rights = (uint64_t)a[5].i64;
    wish w = {.oflags = (uint32_t)a[4].i32,
              .fdflags = (uint16_t)((uint32_t)a[7].i32 & 0x1fu),
              .reads = (rights & (P1_RIGHT_READ | UINT64_C(1) << 14)) != 0,
              .writes = (rights & P1_RIGHT_WRITE) != 0,
              .follow = ((uint32_t)a[1].i32 & FOLLOW) != 0};
    if (base == NULL)
        return p1_find(g, (uint32_t)a[0].i32) == NULL ? P1_BADF : P1_NOTDIR;
    if (out == NULL)
        return P1_FAULT;
    uint32_t error = read_path(g, (uint32_t)a[2].i32, (uint32_t)a[3].i32, &path);
    if (error != P1_SUCCESS)
        return error;
    if ((w.oflags & CREAT) && (w.oflags & DIRECTORY))
        return P1_INVAL;
    uint32_t number;
    p1_fd *made = p1_new(g, &number); /* before anything is made or emptied */
    if (made == NULL)
        return P1_MFILE;
    int opened = -1;
    bool folder = false, fresh = false;
    error = (w.oflags & EXCL) && (w.oflags & CREAT) ? P1_NOENT : open_there(g, base, path.text, &w, &opened, &folder);
    if (error == P1_NOENT && (w.oflags & CREAT)) {
        error = make_there(g, base, path.text, &w, &opened);
        fresh = error == P1_SUCCESS;
        if (error == P1_EXIST && !(w.oflags & EXCL)) /* somebody else made it meanwhile */
            error = open_there(g, base, path.text, &w, &opened, &folder);
    }
    if (error != P1_SUCCESS)
        return error;
    made->kind = folder ? P1_FOLDER : P1_FILE;
    made->host = opened;
    p1_count_open(1);
    made->flags = w.fdflags;
    made->reads = w.reads || (!w.writes && !fresh); /* what was made was not asked whether it may be read */
    made->writes = w.writes && !folder;
    char name[P1_MAX_PATH + 1];
    if (folder)
        made->reads = p1_path_of(opened, name) == P1_SUCCESS && p1_allows(g->call->tool, name, P1_MAY_READ);
    p1_put32(out, number);
    return P1_SUCCESS;
}

/* ---- the rest ---- */

uint32_t p1_path_filestat_get(p1_guest *g, const wasmtime_val_raw_t *a)
{
    p1_fd *base = p1_find_folder(g, (uint32_t)a[0].i32);
    uint8_t *out = p1_at(g, (uint32_t)a[4].i32, 64);
    path_text path;
    char name[P1_MAX_PATH + 1];
    struct stat s;
    int thing;
    if (base == NULL)
        return P1_BADF;
    if (out == NULL)
        return P1_FAULT;
    uint32_t error = read_path(g, (uint32_t)a[2].i32, (uint32_t)a[3].i32, &path);
    if (error == P1_SUCCESS)
        error = find_thing(base, path.text, (uint32_t)a[1].i32 & FOLLOW, &thing, name);
    if (error != P1_SUCCESS)
        return error;
    if (fstat(thing, &s) != 0)
        error = p1_errno(errno);
    else if (!S_ISDIR(s.st_mode) && !p1_allows(g->call->tool, name, P1_MAY_READ))
        error = P1_ACCES;
    else
        p1_filestat(out, &s);
    (void)close(thing);
    return error;
}

uint32_t p1_path_filestat_set_times(p1_guest *g, const wasmtime_val_raw_t *a)
{
    p1_fd *base = p1_find_folder(g, (uint32_t)a[0].i32);
    uint32_t flags = (uint32_t)a[6].i32;
    path_text path;
    char name[P1_MAX_PATH + 1], link[32];
    int thing;
    if (base == NULL)
        return P1_BADF;
    if ((flags & 3) == 3 || (flags & 12) == 12)
        return P1_INVAL;
    uint32_t error = read_path(g, (uint32_t)a[2].i32, (uint32_t)a[3].i32, &path);
    if (error == P1_SUCCESS)
        error = find_thing(base, path.text, (uint32_t)a[1].i32 & FOLLOW, &thing, name);
    if (error != P1_SUCCESS)
        return error;
    struct timespec times[2];
    for (int i = 0; i < 2; i++) {
        uint64_t ns = (uint64_t)a[4 + i].i64;
        uint32_t own = flags >> 2 * i;
        times[i].tv_sec = (time_t)(ns / UINT64_C(1000000000));
        times[i].tv_nsec = own & 1 ? (long)(ns % UINT64_C(1000000000)) : own & 2 ? UTIME_NOW : UTIME_OMIT;
    }
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", thing);
    if (!p1_allows(g->call->tool, name, P1_MAY_WRITE))
        error = P1_ACCES;
    else if (utimensat(AT_FDCWD, link, times, 0) != 0)
        error = p1_errno(errno);
    (void)close(thing);
    return error;
}

uint32_t p1_path_readlink(p1_guest *g, const wasmtime_val_raw_t *a)
{
    p1_fd *base = p1_find_folder(g, (uint32_t)a[0].i32);
    uint32_t room = (uint32_t)a[4].i32;
    uint8_t *out = p1_at(g, (uint32_t)a[3].i32, room), *told = p1_at(g, (uint32_t)a[5].i32, 4);
    path_text path;
    char name[P1_MAX_PATH + 1];
    int thing;
    if (base == NULL)
        return P1_BADF;
    if (out == NULL || told == NULL)
        return P1_FAULT;
    uint32_t error = read_path(g, (uint32_t)a[1].i32, (uint32_t)a[2].i32, &path);
    if (error == P1_SUCCESS)
        error = find_thing(base, path.text, false, &thing, name);
    if (error != P1_SUCCESS)
        return error;
    char target[P1_MAX_PATH];
    ssize_t n = readlinkat(thing, "", target, sizeof target);
    if (n < 0)
        error = errno == ENOENT ? P1_INVAL : p1_errno(errno);
    else if (!p1_allows(g->call->tool, name, P1_MAY_READ))
        error = P1_ACCES;
    else {
        uint32_t take = (size_t)n < room ? (uint32_t)n : room;
        memcpy(out, target, take);
        p1_put32(told, take);
    }
    (void)close(thing);
    return error;
}

/* A place that a guest names by a folder and a path, for something that needs `access` there. */
static uint32_t claim_place(p1_guest *g, uint32_t fd, uint32_t at, uint32_t len, uint32_t access, place *out)
{
    p1_fd *base = p1_find_folder(g, fd);
    path_text path;
    if (base == NULL)
        return P1_BADF;
    uint32_t error = read_path(g, at, len, &path);
    if (error == P1_SUCCESS)
        error = find_place(base, path.text, out);
    if (error != P1_SUCCESS)
        return error;
    if (p1_allows(g->call->tool, out->path, access))
        return P1_SUCCESS;
    (void)close(out->folder);
    return P1_ACCES;
}

uint32_t p1_path_create_directory(p1_guest *g, const wasmtime_val_raw_t *a)
{
    place at;
    uint32_t error = claim_place(g, (uint32_t)a[0].i32, (uint32_t)a[1].i32, (uint32_t)a[2].i32, P1_MAY_CREATE, &at);
    if (error != P1_SUCCESS)
        return error;
    error = mkdirat(at.folder, at.name, 0777) == 0 ? P1_SUCCESS : p1_errno(errno);
    (void)close(at.folder);
    return error;
}

static uint32_t unlink_there(p1_guest *g, const wasmtime_val_raw_t *a, int flags)
{
    place at;
    uint32_t error = claim_place(g, (uint32_t)a[0].i32, (uint32_t)a[1].i32, (uint32_t)a[2].i32, P1_MAY_DELETE, &at);
    if (error != P1_SUCCESS)
        return error;
    struct stat s;
    if (at.slash && flags == 0)
        error = fstatat(at.folder, at.name, &s, AT_SYMLINK_NOFOLLOW) != 0 ? p1_errno(errno)
                : S_ISDIR(s.st_mode)                                      ? P1_ISDIR
                                                                          : P1_NOTDIR;
    else
        error = unlinkat(at.folder, at.name, flags) == 0 ? P1_SUCCESS : p1_errno(errno);
    (void)close(at.folder);
    return error;
}

uint32_t p1_path_unlink_file(p1_guest *g, const wasmtime_val_raw_t *a)
{
    return unlink_there(g, a, 0);
}

uint32_t p1_path_remove_directory(p1_guest *g, const wasmtime_val_raw_t *a)
{
    return unlink_there(g, a, AT_REMOVEDIR);
}

uint32_t p1_path_symlink(p1_guest *g, const wasmtime_val_raw_t *a)
{
    const uint8_t *text = p1_at(g, (uint32_t)a[0].i32, (uint32_t)a[1].i32);
    char target[P1_MAX_PATH + 1];
    uint32_t len = (uint32_t)a[1].i32;
    place at;
    if (text == NULL)
        return P1_FAULT;
    if (len == 0 || len > P1_MAX_PATH || memchr(text, 0, len) != NULL)
        return P1_INVAL;
    if (text[0] == '/') /* it could only lead others astray */
        return P1_PERM;
    memcpy(target, text, len);
    target[len] = 0;
    uint32_t error = claim_place(g, (uint32_t)a[2].i32, (uint32_t)a[3].i32, (uint32_t)a[4].i32, P1_MAY_CREATE, &at);
    if (error != P1_SUCCESS)
        return error;
    if (at.slash)
        error = P1_NOENT;
    else
        error = symlinkat(target, at.folder, at.name) == 0 ? P1_SUCCESS : p1_errno(errno);
    (void)close(at.folder);
    return error;
}

/* Another name for a file could be one that rules allow: nobody needs it enough. */
uint32_t p1_path_link(p1_guest *g, const wasmtime_val_raw_t *a)
{
    return p1_find_folder(g, (uint32_t)a[0].i32) == NULL ? P1_BADF : P1_PERM;
}

uint32_t p1_path_rename(p1_guest *g, const wasmtime_val_raw_t *a)
{
    place from, to;
    uint32_t error =
        claim_place(g, (uint32_t)a[0].i32, (uint32_t)a[1].i32, (uint32_t)a[2].i32, P1_MAY_READ | P1_MAY_DELETE, &from);
    if (error != P1_SUCCESS)
        return error;
    error = claim_place(g, (uint32_t)a[3].i32, (uint32_t)a[4].i32, (uint32_t)a[5].i32,
                        P1_MAY_CREATE | P1_MAY_WRITE | P1_MAY_DELETE, &to);
    if (error == P1_SUCCESS) {
        struct stat s;
        if (fstatat(from.folder, from.name, &s, AT_SYMLINK_NOFOLLOW) != 0)
            error = p1_errno(errno);
        else if (!S_ISDIR(s.st_mode) && (from.slash || to.slash))
            error = P1_NOTDIR;
        else if (S_ISDIR(s.st_mode) && !p1_allows_all_below(g->call->tool, from.path))
            error = P1_ACCES; /* what is not allowed in it would get another name, which may be */
        else if (renameat(from.folder, from.name, to.folder, to.name) != 0)
            error = p1_errno(errno);
        (void)close(to.folder);
    }
    (void)close(from.folder);
    return error;
}
#endif
