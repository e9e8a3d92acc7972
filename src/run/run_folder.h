/*
 * run_folder: the auditable directory of a run.
 *
 *     runs/<model-id>/<run-name>/
 *         manifest.json  analysis_config.json
 *         data/  tables/  logs/  cache/sampled_indices/  plots/{summary,global,block4,layer}/
 *
 * Whatever is written here appears whole: a temporary sibling, then a rename.
 */
#ifndef MS_RUN_FOLDER_H
#define MS_RUN_FOLDER_H

#include <stdbool.h>

#include "arena.h"
#include "buf.h"
#include "err.h"
#include "str.h"

typedef struct ms_run_init_options {
    const char *root, *model_id, *run_name; /* model_id may hold slashes and then nests */
    const char *model_path;                 /* NULL: none yet */
    const char *expert_widths;              /* for the configuration; NULL: none */
} ms_run_init_options;

/* Makes the tree, writes manifest.json, and analysis_config.json unless there is one: *config_kept. run_dir: the absolute path.
 * MS_ERR_USAGE for names that leave the root. */
ms_status ms_run_init(ms_str *run_dir, bool *config_kept, const ms_run_init_options *options, ms_arena *arena, ms_err *err);

/* The same for a folder that is given as a whole. */
ms_status ms_run_init_at(ms_str run_dir, bool *config_kept, const ms_run_init_options *options, ms_arena *arena, ms_err *err);

typedef struct ms_run_manifest { /* texts are "" and the flags false when manifest.json does not tell */
    ms_str model_id, run_name, created_at;
    bool has_model_id, has_run_name, has_created_at;
} ms_run_manifest;

/* Best effort: a missing or broken manifest gives the empty one. Texts live in the arena. */
ms_run_manifest ms_run_manifest_read(ms_str run_dir, ms_arena *arena);

/* Writes JSON text to run_dir/name. sort_keys: parsed again and written with sorted keys. json: consumed (freed). */
ms_status ms_run_write_json(ms_str run_dir, const char *name, ms_buf *json, bool sort_keys, ms_err *err);

/* Removes the regular file (or link) run_dir/name if it is there. */
void ms_run_remove(ms_str run_dir, const char *name);
/* The same for name + ".parquet" and name + ".csv". */
void ms_run_remove_table(ms_str run_dir, const char *name);

/* "2026-01-06T12:34:56Z"; with_microseconds: "2026-01-06T12:34:56.123456Z". By value. */
typedef struct ms_utc_text {
    char text[32];
} ms_utc_text;
ms_utc_text ms_utc_now(bool with_microseconds);

#endif
