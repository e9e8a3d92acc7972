#include "replace.h"

#include <errno.h>
#include <unistd.h>

ms_status ms_replace_begin(ms_replace *out, const char *path, ms_err *err) {
    out->stream = NULL;
    const size_t n = strlen(path);
    MS_FAIL_IF(n >= sizeof out->path, MS_ERR_USAGE, err, "a path of %zu bytes: at most %zu, use a shorter folder name", n,
               sizeof out->path - 1);
    memcpy(out->path, path, n + 1);
    snprintf(out->temporary, sizeof out->temporary, "%s.tmp-%ld", path, (long)getpid());
    out->stream = fopen(out->temporary, "wb");
    if (out->stream) return MS_OK;
    const int reason = errno;
    return ms_err_set(err, reason == ENOENT ? MS_ERR_NOT_FOUND : MS_ERR_IO, "%s: cannot write: %s",
                      ms_str_shown(ms_str_of(out->path)).text, strerror(reason));
}

ms_status ms_replace_commit(ms_replace *file, ms_err *err) {
    errno = 0;
    const bool failed_before = ferror(file->stream) != 0;
    const bool failed = fclose(file->stream) != 0 || failed_before;
    file->stream = NULL;
    if (!failed && rename(file->temporary, file->path) == 0) return MS_OK;
    const int reason = errno;
    unlink(file->temporary);
    return ms_err_set(err, MS_ERR_IO, "%s: cannot write: %s", ms_str_shown(ms_str_of(file->path)).text,
                      reason ? strerror(reason) : "a write failed; is the disk full?");
}

void ms_replace_abandon(ms_replace *file) {
    if (!file->stream) return;
    fclose(file->stream);
    file->stream = NULL;
    unlink(file->temporary);
}

ms_status ms_replace_file(const char *path, ms_str content, ms_err *err) {
    ms_replace file;
    MS_TRY(ms_replace_begin(&file, path, err));
    if (content.size) fwrite(content.text, 1, content.size, file.stream);
    return ms_replace_commit(&file, err);
}
