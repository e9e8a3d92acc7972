/*
 * replace: a file is made beside its place and then put there in one step, so that nobody ever sees half of it.
 *
 *     ms_replace file;
 *     MS_TRY(ms_replace_begin(&file, "logs/run_health.json", err));
 *     fwrite(..., file.stream);                       // no need to look at each result
 *     return ms_replace_commit(&file, err);           // or ms_replace_abandon(&file): the old file stays as it was
 *
 * The folder must exist. Guards against a program that dies, not against a machine that does (no fsync).
 */
#ifndef MS_REPLACE_H
#define MS_REPLACE_H

#include <stdio.h>

#include "err.h"
#include "str.h"

typedef struct ms_replace {
    FILE *stream;         /* NULL once committed or abandoned */
    char path[1024];      /* where it will be */
    char temporary[1056]; /* where it is made: a sibling */
} ms_replace;

/* MS_ERR_NOT_FOUND when the folder is missing, MS_ERR_USAGE when the path is too long, MS_ERR_IO. */
ms_status ms_replace_begin(ms_replace *out, const char *path, ms_err *err);

/* Fails when any write before it failed (a full disk), or the renaming does; the temporary file is gone then. */
ms_status ms_replace_commit(ms_replace *file, ms_err *err);

/* Removes what was written. Nothing happens after a commit. */
void ms_replace_abandon(ms_replace *file);

/* All of it at once. */
ms_status ms_replace_file(const char *path, ms_str content, ms_err *err);

#endif
