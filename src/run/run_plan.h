/*
 * run_plan: which files a run reads, and what the index says about them.
 *
 *     ms_run_plan plan;
 *     MS_TRY(ms_run_plan_make(&plan, &config, model_path, &warnings, err));
 *     for (size_t i = 0; i < plan.n_files; i++) read(plan.files[i].path);
 *     ms_run_plan_free(&plan);
 *
 *   discovery off                 status disabled   walk
 *   no index beside the model     not_found         walk
 *   index that cannot be parsed   error             walk; a warning
 *   index, model path a folder    active            index: the shards it names, sorted by name; missing ones are a warning
 *   index, model path a file      active            walk: that file only; the index is for the record
 *
 * strict_index: anything but "active" is fatal, and so is a missing shard when the index chooses the files.
 * A walk takes all files below the folder with an accepted suffix (links to folders are not followed), sorted by path. When
 * no safetensors file is there and parsing.families is true, the files are those that other commands would open, if these are
 * of another format (GGUF, torch, ...; model/file_set.h): of a split set all parts, whichever was named.
 */
#ifndef MS_RUN_PLAN_H
#define MS_RUN_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "err.h"
#include "index.h"
#include "notes.h"
#include "run_config.h"

typedef enum ms_index_status { MS_INDEX_DISABLED, MS_INDEX_NOT_FOUND, MS_INDEX_ERROR, MS_INDEX_ACTIVE } ms_index_status;
const char *ms_index_status_name(ms_index_status status); /* "disabled", "not_found", "error", "active" */

typedef struct ms_plan_file {
    ms_str path;  /* absolute, terminated */
    ms_str shard; /* as the index names it; "" in a walk */
} ms_plan_file;

typedef struct ms_name_list {
    const ms_str *items; /* [n], sorted by bytes */
    size_t n;
} ms_name_list;

typedef struct ms_run_plan {
    ms_arena arena;
    ms_str model_path; /* absolute */
    bool model_is_file;
    ms_str folder; /* the model's: the path itself, or what the file lies in */

    ms_index_status status;
    bool searched, found, parsed, used; /* used: the index chose the files */
    ms_str index_path;                  /* "" when none was found */
    ms_str index_error;                 /* "" when there was none */
    ms_index index;                     /* when parsed; its entries may be forgotten once they were compared (index_report.h) */

    const ms_plan_file *files; /* [n_files] */
    size_t n_files;
    ms_name_list expected;      /* when parsed: shards with an accepted suffix */
    ms_name_list missing;       /* when used, as the next two: expected, not there */
    ms_name_list extra_on_disk; /* .safetensors files beside the index that it does not name */
    ms_name_list skipped;       /* cut off by max_files (also in a walk: paths below the folder) */
} ms_run_plan;

/* model_path: absolute, exists. Texts of warnings begin with "[index]". MS_ERR_NOT_FOUND, MS_ERR_DAMAGED under strict_index.
 * Free in any case. */
ms_status ms_run_plan_make(ms_run_plan *out, const ms_run_config *config, ms_str model_path, ms_notes *warnings, ms_err *err);
void ms_run_plan_free(ms_run_plan *plan);

/* Does the list, sorted by bytes, hold it? */
bool ms_name_list_has(const ms_name_list *list, ms_str name);

#endif
