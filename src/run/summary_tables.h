/*
 * summary_tables: the tables of a run condensed by layer, by four layers, and as a whole; and schemes against each other.
 *
 *     ms_tables_options options = {.run_dir = "runs/m/r"};
 *     ms_tables_summary summary;
 *     MS_TRY(ms_tables_build(&options, &summary, err));
 *
 * Reads data/matrix_stats and data/quant_sim (Parquet or CSV), writes tables/A_* (weights) and tables/B_* (quantisation):
 * docs/pipeline.md. A failure leaves logs/tables_failure.json, and the tables that were there before.
 */
#ifndef MS_SUMMARY_TABLES_H
#define MS_SUMMARY_TABLES_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

typedef struct ms_tables_options {
    const char *run_dir;
    void *context;
    void (*say)(void *context, const char *line); /* warnings, one line each; may be NULL */
} ms_tables_options;

enum { MS_TABLES_COUNT = 7 };

typedef struct ms_tables_summary {
    size_t rows[MS_TABLES_COUNT]; /* of each table, in the order of ms_tables_name */
    bool wrote_deltas;
    size_t n_warnings;
} ms_tables_summary;

const char *ms_tables_name(size_t table); /* "A_weight_layer_summary", ..., "B_quant_deltas" */

/* MS_ERR_NOT_FOUND: no configuration, no data yet. MS_ERR_DAMAGED: data that cannot be read, or that hold a matrix twice. */
ms_status ms_tables_build(const ms_tables_options *options, ms_tables_summary *summary, ms_err *err);

#endif
