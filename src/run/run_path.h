/*
 * run_path: what the pipeline's contract says about paths, beyond io/files.h: suffixes and order are those of Python's pathlib.
 *
 *     MS_TRY(ms_path_resolve(&path, &arena, "~/models/../m", err));    // "/home/u/m"
 *     ms_path_suffix(MS_STR("a/b.tar.gz"))                             // ".gz"; "" for "a/.gz"
 */
#ifndef MS_RUN_PATH_H
#define MS_RUN_PATH_H

#include "arena.h"
#include "err.h"
#include "str.h"

/* Absolute, "~" expanded, "." and ".." and symbolic links resolved as far as the path exists; but a last part that is a link to
 * a file stays (a link in a download cache names the file, its target is a bare hash). */
ms_status ms_path_resolve(ms_str *out, ms_arena *arena, const char *path, ms_err *err);

/* From the last dot of the last part; "" when there is none, or when the part begins or ends with it. Borrowed. */
ms_str ms_path_suffix(ms_str path);

/* Part by part: "a/b" before "a-b/c". */
int ms_path_compare(ms_str a, ms_str b);

#endif
