#include "run_path.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "files.h"
#include "hub.h"

/* "~" and "~/x": the home folder. Other users' homes are left as they are. */
static void put_expanded(ms_buf *out, const char *path) {
    if (path[0] == '~' && (path[1] == '/' || path[1] == 0)) {
        const char *home = getenv("HOME");
        if (!home || !home[0]) {
            const struct passwd *const user = getpwuid(getuid());
            home = user ? user->pw_dir : NULL;
        }
        if (home && home[0]) {
            ms_buf_put_text(out, home);
            path++;
        }
    }
    ms_buf_put_text(out, path);
}

/* The last part of an absolute path without trailing slash goes. */
static void pop(ms_buf *out) {
    while (out->size > 0 && out->bytes[out->size - 1] != '/') out->size--;
    if (out->size > 0) out->size--;
    if (out->bytes) out->bytes[out->size] = 0;
}

/* Follows a link in the last part, unless it is the last one of all and leads to a file. */
static void follow(ms_buf *out, bool is_last) {
    struct stat info;
    char real[PATH_MAX];
    if (lstat(out->bytes, &info) != 0 || !S_ISLNK(info.st_mode)) return;
    if (is_last && ms_files_is_regular(out->bytes)) return;
    if (!realpath(out->bytes, real)) return;
    ms_buf_clear(out);
    ms_buf_put_text(out, strcmp(real, "/") == 0 ? "" : real);
}

static void put_working_folder(ms_buf *out, ms_status *status, ms_err *err) {
    char here[PATH_MAX];
    if (!getcwd(here, sizeof here)) *status = ms_files_error(err, errno, ".", "find the working folder");
    else if (strcmp(here, "/") != 0) ms_buf_put_text(out, here);
}

ms_status ms_path_resolve(ms_str *out, ms_arena *arena, const char *path, ms_err *err) {
    ms_status status = MS_OK;
    ms_buf whole = {0}, at = {0};
    if (ms_hub_is(path)) return ms_files_absolute(out, arena, path, err);
    put_expanded(&whole, path);
    if (whole.size == 0 || whole.bytes[0] != '/') put_working_folder(&at, &status, err);
    ms_str rest = ms_buf_str(&whole);
    while (status == MS_OK && rest.text && !at.failed) {
        const ms_str part = ms_str_cut(&rest, '/');
        if (part.size == 0 || ms_str_is(part, ".")) continue;
        if (ms_str_is(part, "..")) {
            pop(&at);
            continue;
        }
        ms_buf_put_char(&at, '/');
        ms_buf_put_str(&at, part);
        if (!at.failed) follow(&at, !rest.text);
    }
    if (at.size == 0) ms_buf_put_char(&at, '/');
    if (status == MS_OK) *out = whole.failed || at.failed ? MS_STR_NONE : ms_arena_copy(arena, ms_buf_str(&at));
    if (status == MS_OK && !out->text) status = ms_err_memory(err, "a path");
    ms_buf_free(&whole);
    ms_buf_free(&at);
    return status;
}

ms_str ms_path_suffix(ms_str path) {
    const ms_str name = ms_files_name_of(path);
    for (size_t at = name.size; at-- > 1;)
        if (name.text[at] == '.') return at + 1 < name.size ? ms_str_sub(name, at, name.size) : MS_STR("");
    return MS_STR("");
}

int ms_path_compare(ms_str a, ms_str b) {
    const size_t n = a.size < b.size ? a.size : b.size;
    for (size_t i = 0; i < n; i++) {
        const int x = a.text[i] == '/' ? -1 : (unsigned char)a.text[i], y = b.text[i] == '/' ? -1 : (unsigned char)b.text[i];
        if (x != y) return x < y ? -1 : 1;
    }
    return a.size < b.size ? -1 : a.size > b.size;
}
