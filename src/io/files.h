/*
 * files: paths, folders, small files, and files that appear whole or not at all.
 *
 * Paths that begin with "hf:" are the Hub's (hub.h): looking, listing and reading work on them as on any other, writing does
 * not.
 *
 * Paths are terminated texts of the machine; text that is made lies in the caller's arena, terminated too.
 * A failed system call becomes MS_ERR_NOT_FOUND, _MEMORY or _IO with the path (escaped) and the system's reason.
 */
#ifndef MS_FILES_H
#define MS_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "buf.h"
#include "err.h"
#include "str.h"

/* "PATH: cannot DOING: reason"; number: errno. */
ms_status ms_files_error(ms_err *err, int number, const char *path, const char *doing);

bool ms_files_exists(const char *path); /* follows links */
/* An error that says why it cannot be looked at: not there, a folder that may not be entered, ... */
ms_status ms_files_must_exist(const char *path, ms_err *err);
bool ms_files_is_folder(const char *path);
bool ms_files_is_regular(const char *path);
ms_status ms_files_size(uint64_t *n_bytes, const char *path, ms_err *err);

/* ---- paths; text is NULL when memory is short ---- */

/* folder + "/" + name; name alone when it is absolute or folder is empty. */
ms_str ms_files_join(ms_arena *arena, ms_str folder, ms_str name);
/* What precedes the last slash ("." when there is none, "/" for the root), and what follows it. Borrowed from path. */
ms_str ms_files_folder_of(ms_str path);
ms_str ms_files_name_of(ms_str path);
/* The way from `base` to `path`, both absolute or both relative to the same folder; by text alone, as os.path.relpath. */
ms_str ms_files_relative(ms_arena *arena, ms_str path, ms_str base);
/* "." and doubled slashes removed, ".." resolved by text alone, as os.path.normpath. */
ms_str ms_files_normal(ms_arena *arena, ms_str path);
/* Absolute, with the links of the folder resolved but not a link in the last part: shards of the hub's cache are links into a
 * folder of blobs, and their own names are the ones that matter. The file need not exist, its folder must. */
ms_status ms_files_absolute(ms_str *out, ms_arena *arena, const char *path, ms_err *err);

/* ---- folders ---- */

typedef struct ms_files_entry {
    ms_str name;                /* without the folder; in the list's arena */
    bool is_folder, is_regular; /* links followed; both false for broken links, pipes, devices */
    uint64_t n_bytes;           /* of regular files */
} ms_files_entry;

typedef struct ms_files_list {
    ms_files_entry *items; /* [n], sorted by bytes of the name; "." and ".." left out; owned */
    size_t n, capacity;
    ms_arena arena;
} ms_files_list;

ms_status ms_files_list_folder(ms_files_list *out, const char *folder, ms_err *err);
void ms_files_list_free(ms_files_list *list);

/* Makes the folder and those above it; fine when it is there. */
ms_status ms_files_make_folder(const char *path, ms_err *err);
/* Removes a file or an empty folder; fine when it is not there. */
ms_status ms_files_remove(const char *path, ms_err *err);

/* ---- reading ---- */

/* Appends the whole file to `out`. More than max bytes is MS_ERR_UNSUPPORTED. */
ms_status ms_files_read(ms_buf *out, const char *path, uint64_t max, ms_err *err);

/* ---- writing ---- */

/*
 *     ms_files_writer w;
 *     MS_TRY(ms_files_writer_open(&w, "run/data.npy", err));
 *     status = ms_files_writer_put(&w, bytes, n, err);
 *     if (status == MS_OK) status = ms_files_writer_commit(&w, MS_FILES_SYNC, err);
 *     ms_files_writer_abort(&w);              // after a commit: does nothing
 *
 * Bytes go to a temporary sibling; commit renames it over the name. So readers, also those that have the old file mapped, see
 * the old file or the new one.
 */
typedef enum ms_files_durability {
    MS_FILES_NO_SYNC,
    MS_FILES_SYNC, /* fsync of the file before the rename and of its folder after: survives a power cut */
} ms_files_durability;

typedef struct ms_files_writer {
    int fd;
    char *path, *temporary; /* owned; a library that wants a name may write to `temporary` itself */
    char *buffer;           /* owned */
    size_t n_buffered;
    uint64_t n_bytes; /* put so far */
} ms_files_writer;

ms_status ms_files_writer_open(ms_files_writer *w, const char *path, ms_err *err);
ms_status ms_files_writer_put(ms_files_writer *w, const void *bytes, size_t n, ms_err *err);
ms_status ms_files_writer_commit(ms_files_writer *w, ms_files_durability durability, ms_err *err);
void ms_files_writer_abort(ms_files_writer *w);

/* All of it at once. */
ms_status ms_files_write(const char *path, const void *bytes, size_t n, ms_files_durability durability, ms_err *err);

#endif
