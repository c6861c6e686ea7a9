/* A disk that fails when it is told to: put before the C library of one process with LD_PRELOAD.
 *
 * DISK_SHIM_DIRECTORY names a directory; only files in it are concerned. DISK_SHIM_CONTROL names a
 * file of 64 bytes, which is mapped, so that a test can change its mind at any time:
 *
 *   bytes 0..4   the errno of writes (write, pwrite, ftruncate, posix_fallocate); 0: they succeed
 *   bytes 4..8   the errno of fsync and fdatasync
 *   bytes 8..12  the errno of opening a file for writing, of creating and of removing one
 *   bytes 12..16 how many more syncs fail, if that is limited; 0: it is not
 *   bytes 16..20 counts the calls that were made to fail
 *   bytes 20..24 counts writes and syncs on a handle whose sync has failed before
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>


struct control {
    atomic_int write_errno, sync_errno, open_errno, syncs_left, failed, reused;
};

#define HANDLES 4096

static struct control *control;
static const char *directory;
static size_t directory_len;
/* Handles whose sync has failed. */
static atomic_char doubtful[HANDLES];

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

static int (*real_open(void))(const char *, int, ...) {
    static int (*real)(const char *, int, ...);
    if (!real) real = (int (*)(const char *, int, ...))next("open");
    return real;
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("DISK_SHIM_CONTROL");
    directory = getenv("DISK_SHIM_DIRECTORY");
    if (!path || !directory) return;
    directory_len = strlen(directory);
    int fd = real_open()(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *mapped = mmap(NULL, 64, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED) control = mapped;
}

static int inside(const char *path) {
    return strncmp(path, directory, directory_len) == 0 &&
           (path[directory_len] == '/' || path[directory_len] == 0);
}

static int concerns(int fd) {
    if (!control) return 0;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len < 0) return 0;
    path[len] = 0;
    return inside(path);
}

static int is_doubtful(int fd) { return fd >= 0 && fd < HANDLES && doubtful[fd]; }

/* The errno of a write, or 0. */
static int write_fails(int fd) {
    if (!control || (!control->write_errno && !is_doubtful(fd)) || !concerns(fd)) return 0;
    if (is_doubtful(fd)) control->reused++;
    int error = control->write_errno;
    if (error) control->failed++;
    return error;
}

static int sync_fails(int fd) {
    if (!control || (!control->sync_errno && !is_doubtful(fd)) || !concerns(fd)) return 0;
    if (is_doubtful(fd)) control->reused++;
    int error = control->sync_errno;
    if (!error) return 0;
    if (control->syncs_left && --control->syncs_left == 0) control->sync_errno = 0;
    if (fd < HANDLES) doubtful[fd] = 1;
    control->failed++;
    return error;
}

static int open_fails(int at, const char *path, int flags) {
    if (!control || !control->open_errno || !path) return 0;
    /* What is opened relative to something else than the working directory is none of the store's. */
    if (path[0] != '/' && at != AT_FDCWD) return 0;
    if (!inside(path)) return 0;
    int makes = (flags & O_CREAT) && access(path, F_OK) != 0;
    if ((flags & O_ACCMODE) == O_RDONLY && !makes) return 0;
    control->failed++;
    return control->open_errno;
}

#define FAIL(error)                                                                                \
    do {                                                                                           \
        errno = (error);                                                                           \
        return -1;                                                                                 \
    } while (0)

ssize_t write(int fd, const void *buffer, size_t count) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = (ssize_t(*)(int, const void *, size_t))next("write");
    int error = write_fails(fd);
    if (error) FAIL(error);
    return real(fd, buffer, count);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    static ssize_t (*real)(int, const struct iovec *, int);
    if (!real) real = (ssize_t(*)(int, const struct iovec *, int))next("writev");
    int error = write_fails(fd);
    if (error) FAIL(error);
    return real(fd, parts, count);
}

#define PWRITE(name, offset_t)                                                                     \
    ssize_t name(int fd, const void *buffer, size_t count, offset_t offset) {                      \
        static ssize_t (*real)(int, const void *, size_t, offset_t);                               \
        if (!real) real = (ssize_t(*)(int, const void *, size_t, offset_t))next(#name);            \
        int error = write_fails(fd);                                                               \
        if (error) FAIL(error);                                                                    \
        return real(fd, buffer, count, offset);                                                    \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define FTRUNCATE(name, offset_t)                                                                  \
    int name(int fd, offset_t length) {                                                            \
        static int (*real)(int, offset_t);                                                         \
        if (!real) real = (int (*)(int, offset_t))next(#name);                                     \
        int error = write_fails(fd);                                                               \
        if (error) FAIL(error);                                                                    \
        return real(fd, length);                                                                   \
    }
FTRUNCATE(ftruncate, off_t)
FTRUNCATE(ftruncate64, off64_t)

#define FALLOCATE(name, offset_t)                                                                  \
    int name(int fd, offset_t offset, offset_t length) {                                           \
        static int (*real)(int, offset_t, offset_t);                                               \
        if (!real) real = (int (*)(int, offset_t, offset_t))next(#name);                           \
        int error = write_fails(fd);                                                               \
        if (error) return error;                                                                   \
        return real(fd, offset, length);                                                           \
    }
FALLOCATE(posix_fallocate, off_t)
FALLOCATE(posix_fallocate64, off64_t)

#define SYNC(name)                                                                                 \
    int name(int fd) {                                                                             \
        static int (*real)(int);                                                                   \
        if (!real) real = (int (*)(int))next(#name);                                               \
        int error = sync_fails(fd);                                                                \
        if (error) FAIL(error);                                                                    \
        return real(fd);                                                                           \
    }
SYNC(fsync)
SYNC(fdatasync)

int close(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))next("close");
    if (fd >= 0 && fd < HANDLES) doubtful[fd] = 0;
    return real(fd);
}

#define MODE(flags)                                                                                \
    mode_t mode = 0;                                                                               \
    if ((flags) & O_CREAT) {                                                                       \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        mode = va_arg(rest, unsigned);                                                             \
        va_end(rest);                                                                              \
    }

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...) {                                                   \
        static int (*real)(const char *, int, ...);                                                \
        if (!real) real = (int (*)(const char *, int, ...))next(#name);                            \
        MODE(flags)                                                                                \
        int error = open_fails(AT_FDCWD, path, flags);                                             \
        if (error) FAIL(error);                                                                    \
        return real(path, flags, mode);                                                            \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                               \
    int name(int at, const char *path, int flags, ...) {                                           \
        static int (*real)(int, const char *, int, ...);                                           \
        if (!real) real = (int (*)(int, const char *, int, ...))next(#name);                       \
        MODE(flags)                                                                                \
        int error = open_fails(at, path, flags);                                                   \
        if (error) FAIL(error);                                                                    \
        return real(at, path, flags, mode);                                                        \
    }
OPENAT(openat)
OPENAT(openat64)

int unlink(const char *path) {
    static int (*real)(const char *);
    if (!real) real = (int (*)(const char *))next("unlink");
    if (control && control->open_errno && inside(path)) {
        control->failed++;
        FAIL(control->open_errno);
    }
    return real(path);
}
