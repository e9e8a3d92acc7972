/*
 * index_report: what the index says against what the files hold: index_report.json and the [index] warnings.
 *
 *     ms_index_report check;
 *     MS_TRY(ms_index_report_make(&check, &plan, ckpt, err));
 *     ms_index_forget_entries(&plan.index);                     // no longer needed
 *     ms_index_report_warn(&check, &plan, &warnings);
 *     ms_index_report_json(&check, &plan, &text);               // the JSON
 *     ms_index_report_free(&check);
 *
 * Only when the index chose the files; else the check is empty. What max_files cut off is neither missing nor wrong.
 */
#ifndef MS_INDEX_REPORT_H
#define MS_INDEX_REPORT_H

#include <stdint.h>

#include "buf.h"
#include "checkpoint.h"
#include "notes.h"
#include "run_plan.h"

typedef struct ms_misplaced_tensor {
    ms_str name, index_shard, found_in;
} ms_misplaced_tensor;

typedef struct ms_index_report {
    ms_arena arena;
    ms_name_list scanned;                 /* shards that were read */
    ms_name_list missing_tensors;         /* in the index, in no file */
    ms_name_list extra_tensors;           /* in a file, not in the index */
    ms_name_list duplicates;              /* in more than one file */
    const ms_misplaced_tensor *misplaced; /* [n_misplaced] in another file than the index says, and not in that one */
    size_t n_misplaced;
    uint32_t *shards;        /* owned; [n_tensors of the checkpoint] see ms_index_report_shard_of */
    bool total_size_differs; /* all shards are there, yet metadata.total_size is not the size of their tensors */
    uint64_t stored_bytes;
} ms_index_report;

/* ckpt: the files of the plan, in its order; its texts are borrowed until the check is freed. NULL: there were none. Free in any
 * case. */
ms_status ms_index_report_make(ms_index_report *out, const ms_run_plan *plan, const ms_checkpoint *ckpt, ms_err *err);
/* The shard that the index gives a tensor of the checkpoint; text NULL when it has no such entry. Only when plan->used. */
ms_str ms_index_report_shard_of(const ms_index_report *check, const ms_run_plan *plan, size_t tensor);
void ms_index_report_warn(const ms_index_report *check, const ms_run_plan *plan, ms_notes *warnings);
void ms_index_report_json(const ms_index_report *check, const ms_run_plan *plan, ms_buf *json);
void ms_index_report_free(ms_index_report *check);

#endif
