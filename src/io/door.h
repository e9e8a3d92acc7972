/*
 * door: the one way from a path to a local file. Once it is closed, only what was taken inside before is found.
 *
 *     MS_TRY(ms_door_take(&taken, "path/to/model", err));  // opens what a model can be made of
 *     ms_door_close();
 *     ... ms_files_*, ms_source_open_file: as ever, from the descriptors that were opened ...
 *
 * That is what reading in a jail (lockdown.h) needs: paths are then answered from a table, descriptors are copies of those
 * opened before, and no system call takes the name of a file. A path is looked up by its text ("a//b/./c" is "a/b/c"), so by
 * the way that led to it when it was taken. What lies outside is EACCES, what was not there then is ENOENT.
 *
 * The table belongs to the process: closing is for a child made for this purpose, and cannot be undone (but for tests).
 */
#ifndef MS_DOOR_H
#define MS_DOOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "arena.h"
#include "err.h"
#include "files.h"

/* ---- as the system's own, errno included; for files.c, source.c and guard.c ---- */

/* open(path, O_RDONLY), not waiting for the writer of a pipe; to be closed with close(). Copies share the place where read()
 * goes on: use pread(). */
int ms_door_open(const char *path);
int ms_door_stat(const char *path, struct stat *out);
int ms_door_fstat(int fd, struct stat *out);
/* The path without links, in the arena; text is NULL when there is none, or memory is short. */
ms_str ms_door_real(ms_arena *arena, const char *path);
bool ms_door_is_closed(void);
/* The entries of a folder that was taken; for ms_files_list_folder behind a closed door. */
ms_status ms_door_list(ms_files_list *out, const char *folder, ms_err *err);

/* ---- taking and closing ---- */

typedef struct ms_door_taken {
    size_t n_files;   /* opened */
    uint64_t n_bytes; /* of these */
    int highest;      /* descriptor; -1: none */
} ms_door_taken;

/*
 * Opens the file of that path and those in its folder, or those in the folder: all that lie in it, and of the folders below
 * those that look like parts of a model. Of hidden folders only those where downloads note their hashes, and Git LFS its
 * objects, are looked into. Beyond some thousands of files (as many as descriptors are allowed; the named one and weights come
 * first) the rest stays closed, and is EMFILE when it is wanted. A path that does not exist is for whoever opens it to say.
 */
ms_status ms_door_take(ms_door_taken *out, const char *path, ms_err *err);

void ms_door_close(void);

/* For tests: the door is open again, nothing is taken. */
void ms_door_forget(void);

#endif
