/*
 * report: one self-contained HTML file from a run; no network, readable in print, dark and light.
 *
 *     ms_report_summary summary;
 *     MS_TRY(ms_report_write("runs/model/run", "report.html", NULL, &summary, err));
 *
 * Reads what collect and tables wrote (run folder, docs/pipeline.md); every part that is missing is left out and said to be.
 * Answers first, then pictures, then tables, then how it was made. Without the charts built in (MS_WITH_PLOT off) the same
 * numbers stand as tables.
 */
#ifndef MS_REPORT_H
#define MS_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

typedef struct ms_report_summary {
    size_t n_matrices;
    size_t n_schemes;
    size_t n_findings; /* sentences under "What stands out" */
    size_t n_warnings; /* those of the run */
    size_t n_bytes;    /* of the file */
} ms_report_summary;

typedef struct ms_report_options {
    const char *title;   /* NULL: the model's name from the run */
    const char *command; /* how the run was made, for the last chapter; NULL: not said */
    bool no_charts;      /* tables only, as a build without charts makes it */
} ms_report_options;

/* MS_ERR_NOT_FOUND when run_folder holds no run (no manifest.json, no data), MS_ERR_DAMAGED when a table cannot be read. The
 * file is written whole or not at all. options and summary may be NULL. */
ms_status ms_report_write(const char *run_folder, const char *out_path, const ms_report_options *options,
                          ms_report_summary *summary, ms_err *err);

#endif
