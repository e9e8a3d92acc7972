/* The writing half of files.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "mem.h"

enum { WRITE_BUFFER = 1 << 18 };

/* Opens a sibling that no one else has, with the mode that any new file gets. */
static ms_status open_temporary(ms_files_writer *w, size_t n_path, ms_err *err) {
    enum { ROOM = 40, N_TRIES = 100 };
    static atomic_uint counter;
    w->temporary = ms_mem_alloc(n_path + ROOM);
    if (!w->temporary) return ms_err_memory(err, "writing a file");
    memcpy(w->temporary, w->path, n_path);
    for (int i = 0; i < N_TRIES; i++) {
        snprintf(w->temporary + n_path, ROOM, ".part-%ld-%u", (long)getpid(), atomic_fetch_add(&counter, 1));
        w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (w->fd >= 0 || errno != EEXIST) break;
    }
    if (w->fd >= 0) return MS_OK;
    const int number = errno;
    ms_mem_free(w->temporary);
    w->temporary = NULL;
    return ms_files_error(err, number, w->path, "write");
}

/* The rename would put a file in the place of a device or a pipe. */
static ms_status refuse_special(const char *path, ms_err *err) {
    struct stat status;
    if (stat(path, &status) != 0 || S_ISREG(status.st_mode)) return MS_OK;
    if (S_ISDIR(status.st_mode)) return ms_files_error(err, EISDIR, path, "write");
    return ms_err_set(err, MS_ERR_USAGE, "%s: cannot write: not a regular file", ms_str_shown(ms_str_of(path)).text);
}

ms_status ms_files_writer_open(ms_files_writer *w, const char *path, ms_err *err) {
    const size_t n = strlen(path);
    *w = (ms_files_writer){.fd = -1};
    MS_FAIL_IF(n == 0 || path[n - 1] == '/', MS_ERR_USAGE, err, "'%s' names no file to write",
               ms_str_shown(ms_str_of(path)).text);
    MS_TRY(refuse_special(path, err));
    w->path = ms_mem_copy_text(path, n);
    w->buffer = ms_mem_alloc(WRITE_BUFFER);
    const ms_status status = w->path && w->buffer ? open_temporary(w, n, err) : ms_err_memory(err, "writing a file");
    if (status != MS_OK) ms_files_writer_abort(w);
    return status;
}

static ms_status write_all(ms_files_writer *w, const char *bytes, size_t n, ms_err *err) {
    while (n > 0) {
        const ssize_t n_written = write(w->fd, bytes, n);
        if (n_written < 0 && errno == EINTR) continue;
        if (n_written < 0) return ms_files_error(err, errno, w->path, "write");
        bytes += n_written;
        n -= (size_t)n_written;
    }
    return MS_OK;
}

static ms_status flush(ms_files_writer *w, ms_err *err) {
    const size_t n = w->n_buffered;
    w->n_buffered = 0;
    return write_all(w, w->buffer, n, err);
}

ms_status ms_files_writer_put(ms_files_writer *w, const void *bytes, size_t n, ms_err *err) {
    w->n_bytes += n;
    if (n > WRITE_BUFFER - w->n_buffered) MS_TRY(flush(w, err));
    if (n >= WRITE_BUFFER) return write_all(w, bytes, n, err);
    if (n) memcpy(w->buffer + w->n_buffered, bytes, n);
    w->n_buffered += n;
    return MS_OK;
}

static ms_status sync_folder_of(const char *path, ms_err *err) {
    const ms_str folder = ms_files_folder_of(ms_str_of(path));
    char *const name = ms_mem_copy_text(folder.text, folder.size);
    if (!name) return ms_err_memory(err, "a path");
    ms_status status = MS_OK;
    const int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* some file systems cannot sync a folder; the file itself is safe then */
    if (fd >= 0 && fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP)
        status = ms_files_error(err, errno, path, "bring the folder to disk of");
    if (fd >= 0) close(fd);
    ms_mem_free(name);
    return status;
}

ms_status ms_files_writer_commit(ms_files_writer *w, ms_files_durability durability, ms_err *err) {
    MS_TRY(flush(w, err));
    if (durability == MS_FILES_SYNC && fsync(w->fd) != 0) return ms_files_error(err, errno, w->path, "bring to disk");
    const int fd = w->fd;
    w->fd = -1;
    if (close(fd) != 0) return ms_files_error(err, errno, w->path, "write"); /* network file systems report here */
    if (rename(w->temporary, w->path) != 0) return ms_files_error(err, errno, w->path, "put the new file in place of");
    ms_mem_free(w->temporary);
    w->temporary = NULL;
    const ms_status status = durability == MS_FILES_SYNC ? sync_folder_of(w->path, err) : MS_OK;
    ms_files_writer_abort(w);
    return status;
}

void ms_files_writer_abort(ms_files_writer *w) {
    if (w->fd >= 0) close(w->fd);
    if (w->temporary) unlink(w->temporary);
    ms_mem_free(w->temporary);
    ms_mem_free(w->path);
    ms_mem_free(w->buffer);
    *w = (ms_files_writer){.fd = -1};
}

ms_status ms_files_write(const char *path, const void *bytes, size_t n, ms_files_durability durability, ms_err *err) {
    ms_files_writer w;
    MS_TRY(ms_files_writer_open(&w, path, err));
    ms_status status = ms_files_writer_put(&w, bytes, n, err);
    if (status == MS_OK) status = ms_files_writer_commit(&w, durability, err);
    ms_files_writer_abort(&w);
    return status;
}
