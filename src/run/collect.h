/*
 * collect: everything about the expert matrices of a run: inventory, statistics, quantisation, logs.
 *
 *     ms_collect_options options = {.run_dir = "runs/m/r"};
 *     ms_collect_summary summary;
 *     MS_TRY(ms_collect(&options, &summary, err));
 *
 * Reads RUN/analysis_config.json and the model it names; writes RUN/data and RUN/logs (docs/pipeline.md). run_health.json
 * stands there from the beginning with status "running", then "success", "error" or "interrupted"; a failure also leaves
 * run_failure.json. What was written is whole at any time; a second run replaces it.
 */
#ifndef MS_COLLECT_H
#define MS_COLLECT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

typedef struct ms_collect_talk { /* all may be NULL */
    void *context;
    void (*say)(void *context, const char *line);     /* one line without its end; from any thread, one at a time */
    void (*begin)(void *context, uint64_t n_bytes);   /* the scan begins, so much is to be read */
    void (*advance)(void *context, uint64_t n_bytes); /* from any thread */
    void (*end)(void *context);
} ms_collect_talk;

typedef struct ms_collect_options {
    const char *run_dir;
    const char *model_path;    /* instead of the configuration's; NULL: none */
    int n_threads;             /* <= 0: all processors */
    const atomic_bool *cancel; /* may be NULL */
    ms_collect_talk talk;
} ms_collect_options;

typedef struct ms_collect_summary {
    size_t files_scanned, tensors_observed;
    size_t extracted_by_rule, extracted_by_family, extracted_by_fallback, unmatched_expertish; /* tensors */
    size_t tensor_inventory_rows, matrix_stats_rows, quant_sim_rows, unmatched_tensors_rows, warnings_rows;
    bool wrote_unmatched;
    uint64_t weight_bytes; /* that were read */
    double seconds;
    char warnings_path[64]; /* below the run; "" when there were none */
} ms_collect_summary;

/* MS_ERR_NOT_FOUND: no configuration, no model, missing shards under strict_index. MS_ERR_USAGE: a configuration that cannot be
 * used. MS_ERR_DAMAGED: a weight file, or the index under strict_index. MS_ERR_INTERRUPTED: what was done by then is written.
 */
ms_status ms_collect(const ms_collect_options *options, ms_collect_summary *summary, ms_err *err);

#endif
