#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "door.h"
#include "fault.h"
#include "hub.h"
#include "mem.h"
#include "vec.h"

ms_status ms_files_error(ms_err *err, int number, const char *path, const char *doing) {
    char text[128];
    const char *const reason = strerror_r(number, text, sizeof text);
    const ms_status status = number == ENOENT || number == ENOTDIR ? MS_ERR_NOT_FOUND
                             : number == ENOMEM                    ? MS_ERR_MEMORY
                                                                   : MS_ERR_IO;
    return ms_err_set(err, status, "%s: cannot %s: %s", ms_str_shown(ms_str_of(path)).text, doing, reason);
}

/* What the Hub says of a path of its own (hub.h). */
static bool hub_has(const char *path, bool *is_folder) {
    uint64_t n_bytes;
    return ms_hub_look(path, is_folder, &n_bytes, NULL) == MS_OK;
}

bool ms_files_exists(const char *path) {
    struct stat info;
    bool is_folder;
    return ms_hub_is(path) ? hub_has(path, &is_folder) : ms_door_stat(path, &info) == 0;
}

ms_status ms_files_must_exist(const char *path, ms_err *err) {
    struct stat info;
    bool is_folder;
    uint64_t n_bytes;
    if (ms_hub_is(path)) return ms_hub_look(path, &is_folder, &n_bytes, err);
    return ms_door_stat(path, &info) == 0 ? MS_OK : ms_files_error(err, errno, path, "open it");
}

bool ms_files_is_folder(const char *path) {
    struct stat info;
    bool is_folder;
    if (ms_hub_is(path)) return hub_has(path, &is_folder) && is_folder;
    return ms_door_stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool ms_files_is_regular(const char *path) {
    struct stat info;
    bool is_folder;
    if (ms_hub_is(path)) return hub_has(path, &is_folder) && !is_folder;
    return ms_door_stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

ms_status ms_files_size(uint64_t *n_bytes, const char *path, ms_err *err) {
    struct stat info;
    bool is_folder;
    if (ms_hub_is(path)) return ms_hub_look(path, &is_folder, n_bytes, err);
    if (ms_door_stat(path, &info) != 0) return ms_files_error(err, errno, path, "look at the file");
    *n_bytes = (uint64_t)info.st_size;
    return MS_OK;
}

/* ---- paths ---- */

static const ms_str hub_root = {"hf://", 5};

static bool is_absolute(ms_str path) { return (path.size > 0 && path.text[0] == '/') || ms_str_starts_with(path, hub_root); }

ms_str ms_files_join(ms_arena *arena, ms_str folder, ms_str name) {
    if (folder.size == 0 || is_absolute(name)) return ms_arena_copy(arena, name);
    const bool has_slash = folder.text[folder.size - 1] == '/';
    const size_t n = folder.size + !has_slash + name.size;
    char *const text = ms_arena_alloc(arena, n + 1);
    if (!text) return MS_STR_NONE;
    memcpy(text, folder.text, folder.size);
    if (!has_slash) text[folder.size] = '/';
    if (name.size) memcpy(text + n - name.size, name.text, name.size);
    text[n] = 0;
    return (ms_str){text, n};
}

static size_t after_last_slash(ms_str path) {
    size_t at = path.size;
    while (at > 0 && path.text[at - 1] != '/') at--;
    return at;
}

ms_str ms_files_folder_of(ms_str path) {
    size_t n = after_last_slash(path);
    if (n == 0) return MS_STR(".");
    while (n > 1 && path.text[n - 1] == '/') n--;
    return ms_str_sub(path, 0, n);
}

ms_str ms_files_name_of(ms_str path) { return ms_str_sub(path, after_last_slash(path), path.size); }

typedef MS_VEC(ms_str) parts;

/* The parts of a path without "." and empty ones; ".." takes the part before it away where there is one. */
static bool split(parts *out, ms_str path) {
    const bool absolute = is_absolute(path);
    for (ms_str rest = path; rest.text;) {
        const ms_str part = ms_str_cut(&rest, '/');
        if (part.size == 0 || ms_str_is(part, ".")) continue;
        if (ms_str_is(part, "..")) {
            if (out->n > 0 && !ms_str_is(out->items[out->n - 1], "..")) {
                out->n--;
                continue;
            }
            if (absolute) continue;
        }
        if (!MS_VEC_PUSH(out, part)) return false;
    }
    return true;
}

/* [absolute /] up times "../", then parts first .. n - 1; "." when that is nothing. */
static ms_str put_together(ms_arena *arena, bool absolute, size_t n_up, const parts *p, size_t first) {
    ms_buf text = {0};
    if (absolute) ms_buf_put_char(&text, '/');
    for (size_t i = 0; i < n_up; i++) ms_buf_put_text(&text, i ? "/.." : "..");
    for (size_t i = first; i < p->n; i++) {
        if (i > first || n_up > 0) ms_buf_put_char(&text, '/');
        ms_buf_put_str(&text, p->items[i]);
    }
    if (text.size == 0) ms_buf_put_char(&text, '.');
    const ms_str out = text.failed ? MS_STR_NONE : ms_arena_copy(arena, ms_buf_str(&text));
    ms_buf_free(&text);
    return out;
}

ms_str ms_files_normal(ms_arena *arena, ms_str path) {
    parts p = {0};
    if (ms_str_starts_with(path, hub_root)) return ms_arena_copy(arena, path); /* has no dots to take away */
    const ms_str out = split(&p, path) ? put_together(arena, is_absolute(path), 0, &p, 0) : MS_STR_NONE;
    MS_VEC_FREE(&p);
    return out;
}

ms_str ms_files_relative(ms_arena *arena, ms_str path, ms_str base) {
    parts to = {0}, from = {0};
    ms_str out = MS_STR_NONE;
    if (split(&to, path) && split(&from, base)) {
        size_t n_same = 0;
        while (n_same < to.n && n_same < from.n && ms_str_equal(to.items[n_same], from.items[n_same])) n_same++;
        out = put_together(arena, false, from.n - n_same, &to, n_same);
    }
    MS_VEC_FREE(&to);
    MS_VEC_FREE(&from);
    return out;
}

ms_status ms_files_absolute(ms_str *out, ms_arena *arena, const char *path, ms_err *err) {
    ms_str whole = ms_str_of(path);
    if (ms_hub_is(path)) {
        *out = ms_arena_copy(arena, whole);
        return out->text ? MS_OK : ms_err_memory(err, "a path");
    }
    while (whole.size > 1 && whole.text[whole.size - 1] == '/') whole.size--;
    const ms_str name = ms_files_name_of(whole);
    const bool is_name = name.size > 0 && !ms_str_is(name, ".") && !ms_str_is(name, "..");
    const ms_str folder = ms_arena_copy(arena, is_name ? ms_files_folder_of(whole) : whole);
    if (!folder.text) return ms_err_memory(err, "a path");

    const ms_str real = ms_door_real(arena, folder.text);
    if (!real.text) return ms_files_error(err, errno, path, "find the folder of");
    *out = is_name ? ms_files_join(arena, real, name) : real;
    return out->text ? MS_OK : ms_err_memory(err, "a path");
}

/* ---- folders ---- */

static int compare_entries(const void *a, const void *b) {
    return ms_str_compare(((const ms_files_entry *)a)->name, ((const ms_files_entry *)b)->name);
}

static ms_status list_open_folder(ms_files_list *list, DIR *dir, const char *folder, ms_err *err) {
    for (;;) {
        errno = 0;
        const struct dirent *const found = ms_fault_strikes() ? NULL : readdir(dir);
        if (!found) break;
        const ms_str name = ms_str_of(found->d_name);
        if (ms_str_is(name, ".") || ms_str_is(name, "..")) continue;

        ms_files_entry entry = {.name = ms_arena_copy(&list->arena, name)};
        struct stat info;
        if (fstatat(dirfd(dir), found->d_name, &info, 0) == 0) {
            entry.is_folder = S_ISDIR(info.st_mode);
            entry.is_regular = S_ISREG(info.st_mode);
            entry.n_bytes = entry.is_regular ? (uint64_t)info.st_size : 0;
        }
        if (!entry.name.text || !MS_VEC_PUSH(list, entry)) return ms_err_memory(err, "the list of a folder");
    }
    if (errno != 0) return ms_files_error(err, errno, folder, "list the folder");
    if (list->n > 1) qsort(list->items, list->n, sizeof *list->items, compare_entries);
    return MS_OK;
}

ms_status ms_files_list_folder(ms_files_list *out, const char *folder, ms_err *err) {
    if (ms_hub_is(folder)) return ms_hub_list(out, folder, err);
    if (ms_door_is_closed()) return ms_door_list(out, folder, err);
    *out = (ms_files_list){0};
    DIR *const dir = ms_fault_strikes() ? NULL : opendir(folder);
    if (!dir) return ms_files_error(err, errno, folder, "list the folder");
    const ms_status status = list_open_folder(out, dir, folder, err);
    closedir(dir);
    if (status != MS_OK) ms_files_list_free(out);
    return status;
}

void ms_files_list_free(ms_files_list *list) {
    MS_VEC_FREE(list);
    ms_arena_free(&list->arena);
}

ms_status ms_files_make_folder(const char *path, ms_err *err) {
    char *const part = ms_mem_copy_text(path, strlen(path));
    if (!part) return ms_err_memory(err, "a path");
    ms_status status = MS_OK;
    for (char *p = part + 1; part[0] && status == MS_OK; p++) {
        if (*p != '/' && *p != 0) continue;
        const char cut = *p;
        *p = 0;
        const int number = mkdir(part, 0777) == 0 ? 0 : errno;
        if (number && !ms_files_is_folder(part)) status = ms_files_error(err, number, path, "make the folder");
        *p = cut;
        if (cut == 0) break;
    }
    ms_mem_free(part);
    return status;
}

ms_status ms_files_remove(const char *path, ms_err *err) {
    if (remove(path) == 0 || errno == ENOENT) return MS_OK;
    return ms_files_error(err, errno, path, "remove");
}

/* ---- reading ---- */

static ms_status read_open_file(ms_buf *out, int fd, const char *path, uint64_t max, ms_err *err) {
    struct stat info;
    if (ms_door_fstat(fd, &info) != 0) return ms_files_error(err, errno, path, "look at the file");
    MS_FAIL_IF(S_ISDIR(info.st_mode), MS_ERR_IO, err, "%s: is a folder, not a file", ms_str_shown(ms_str_of(path)).text);
    MS_FAIL_IF(!S_ISREG(info.st_mode), MS_ERR_IO, err, "%s: is no regular file", ms_str_shown(ms_str_of(path)).text);

    char block[1 << 16];
    for (uint64_t n_read = 0;;) {
        const ssize_t n = ms_fault_strikes() ? -1 : pread(fd, block, sizeof block, (off_t)n_read);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return ms_files_error(err, errno, path, "read");
        if (n == 0) return MS_OK;
        n_read += (uint64_t)n;
        MS_FAIL_IF(n_read > max, MS_ERR_UNSUPPORTED, err, "%s: longer than %llu bytes, the most that is read of such a file",
                   ms_str_shown(ms_str_of(path)).text, (unsigned long long)max);
        ms_buf_put(out, block, (size_t)n);
        if (out->failed) return ms_err_memory(err, "the content of a file");
    }
}

ms_status ms_files_read(ms_buf *out, const char *path, uint64_t max, ms_err *err) {
    if (ms_hub_is(path)) return ms_hub_read(out, path, max, err);
    const int fd = ms_door_open(path);
    if (fd < 0) return ms_files_error(err, errno, path, "open the file");
    const ms_status status = read_open_file(out, fd, path, max, err);
    close(fd);
    return status;
}
