/* Records what a process does to the files below one folder.
 *
 * Preloaded (LD_PRELOAD) with RECORD_ROOT, the folder, and RECORD_TO, the file to append to.
 * One entry an operation, after it succeeded and in the order in which they took effect:
 *
 *     operation (1 byte), length of the path (u32), number (u64), length of the data (u64), path, data
 *
 * C made  T cut to `number` bytes  W written at `number`  S synced (file or folder)
 * U removed  R renamed to the path in the data  D folder made
 *
 * The process adds marks of its own (A) to the same file. What cannot be recorded ends it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST_FILES 4096

static char *names[MOST_FILES];
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static int record = -1;

#define REAL(kind, name, parameters)                                        \
    static kind(*real) parameters;                                          \
    if (!real && !(real = (kind(*) parameters)dlsym(RTLD_NEXT, name))) abort()

static int is_ours(const char *path) {
    const char *root = getenv("RECORD_ROOT");
    size_t length = root ? strlen(root) : 0;
    if (!root || !path || strncmp(path, root, length)) return 0;
    return path[length] == 0 || path[length] == '/';
}

static const char *name_of(int file) {
    return file >= 0 && file < MOST_FILES ? names[file] : NULL;
}

static void note(char operation, const char *path, uint64_t number, const void *data, uint64_t size) {
    uint32_t length = strlen(path);
    char head[21];
    head[0] = operation;
    memcpy(head + 1, &length, 4);
    memcpy(head + 5, &number, 8);
    memcpy(head + 13, &size, 8);
    if (record < 0) {
        REAL(int, "open", (const char *, int, ...));
        record = real(getenv("RECORD_TO"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    }
    struct iovec parts[3] = {{head, sizeof head}, {(void *)path, length}, {(void *)data, size}};
    if (record < 0 || writev(record, parts, 3) != (ssize_t)(sizeof head + length + size)) abort();
}

static int opened(int (*open_it)(const char *, int, ...), const char *path, int flags, mode_t mode) {
    if (!is_ours(path)) return open_it(path, flags, mode);
    pthread_mutex_lock(&one_at_a_time);
    int made = (flags & O_CREAT) && access(path, F_OK) != 0;
    int file = open_it(path, flags, mode);
    if (file >= MOST_FILES) abort();
    if (file >= 0) {
        names[file] = strdup(path);
        if (made) note('C', path, 0, NULL, 0);
        else if (flags & O_TRUNC) note('T', path, 0, NULL, 0);
    }
    pthread_mutex_unlock(&one_at_a_time);
    return file;
}

#define OPEN(name)                                                          \
    int name(const char *path, int flags, ...) {                            \
        va_list more;                                                       \
        va_start(more, flags);                                              \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more);                                                       \
        REAL(int, #name, (const char *, int, ...));                         \
        return opened(real, path, flags, mode);                             \
    }
OPEN(open)
OPEN(open64)

int close(int file) {
    REAL(int, "close", (int));
    pthread_mutex_lock(&one_at_a_time);
    if (name_of(file)) {
        free(names[file]);
        names[file] = NULL;
    }
    int result = real(file);
    pthread_mutex_unlock(&one_at_a_time);
    return result;
}

/* Does the operation; where it concerns one of our files and succeeded, `noted` is recorded with it. */
#define RECORDED(kind, ours, done, noted)                                   \
    if (!(ours)) return done;                                               \
    pthread_mutex_lock(&one_at_a_time);                                     \
    kind result = done;                                                     \
    if (result >= 0) noted;                                                 \
    pthread_mutex_unlock(&one_at_a_time);                                   \
    return result

#define PWRITE(name)                                                        \
    ssize_t name(int file, const void *data, size_t size, off_t at) {       \
        REAL(ssize_t, #name, (int, const void *, size_t, off_t));           \
        RECORDED(ssize_t, name_of(file), real(file, data, size, at),        \
                 note('W', names[file], at, data, result));                 \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t write(int file, const void *data, size_t size) {
    REAL(ssize_t, "write", (int, const void *, size_t));
    RECORDED(ssize_t, name_of(file), real(file, data, size),
             note('W', names[file], lseek(file, 0, SEEK_CUR) - result, data, result));
}

#define FTRUNCATE(name)                                                     \
    int name(int file, off_t size) {                                        \
        REAL(int, #name, (int, off_t));                                     \
        RECORDED(int, name_of(file), real(file, size), note('T', names[file], size, NULL, 0)); \
    }
FTRUNCATE(ftruncate)
FTRUNCATE(ftruncate64)

#define SYNC(name)                                                          \
    int name(int file) {                                                    \
        REAL(int, #name, (int));                                            \
        RECORDED(int, name_of(file), real(file), note('S', names[file], 0, NULL, 0)); \
    }
SYNC(fsync)
SYNC(fdatasync)

int unlink(const char *path) {
    REAL(int, "unlink", (const char *));
    RECORDED(int, is_ours(path), real(path), note('U', path, 0, NULL, 0));
}

int rename(const char *from, const char *to) {
    REAL(int, "rename", (const char *, const char *));
    RECORDED(int, is_ours(from), real(from, to), note('R', from, 0, to, strlen(to)));
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", (const char *, mode_t));
    RECORDED(int, is_ours(path), real(path, mode), note('D', path, 0, NULL, 0));
}

/* Other ways to change a file, which nothing of the hub takes: one that did would go unrecorded. */
#define REFUSED(kind, name, parameters, ours, done_with)                    \
    kind name parameters {                                                  \
        REAL(kind, #name, parameters);                                      \
        if (ours) {                                                         \
            fputs("not recorded: " #name "\n", stderr);                     \
            abort();                                                        \
        }                                                                   \
        return real done_with;                                              \
    }
REFUSED(ssize_t, pwritev, (int file, const struct iovec *parts, int count, off_t at), name_of(file),
        (file, parts, count, at))
REFUSED(int, posix_fallocate, (int file, off_t at, off_t size), name_of(file), (file, at, size))
REFUSED(int, posix_fallocate64, (int file, off_t at, off_t size), name_of(file), (file, at, size))
REFUSED(int, truncate, (const char *path, off_t size), is_ours(path), (path, size))
REFUSED(int, link, (const char *from, const char *to), is_ours(to), (from, to))
REFUSED(int, unlinkat, (int folder, const char *path, int flags), is_ours(path), (folder, path, flags))
