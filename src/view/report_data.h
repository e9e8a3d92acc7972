/*
 * report_data: a run's tables and logs, joined: one entry a matrix, columns side by side.
 *
 * All borrowed from the struct, which owns it.
 */
#ifndef MS_REPORT_DATA_H
#define MS_REPORT_DATA_H

#include "arena.h"
#include "err.h"
#include "json.h"
#include "report.h"
#include "table.h"

enum { MS_REPORT_ALL_PROJS = -1 };
#define MS_REPORT_ALL_LAYERS INT64_MIN

typedef struct ms_report_scheme {
    ms_str name, mode;
    int64_t bits, group_size;
    double bits_per_weight; /* NaN when unknown */
    double *fro;            /* [n] relative Frobenius error, a share; NaN: none */
    double *clip, *zero;    /* [n] groups clipped, groups zeroed; NaN: none */
    size_t n_errors;        /* matrices the scheme refused */
    ms_str an_error;        /* what it said */
} ms_report_scheme;

typedef struct ms_report_delta {
    ms_str name, a, b;
    double *values; /* [n] error of a minus error of b; NaN: none */
} ms_report_delta;

typedef struct ms_report_metric {
    const char *key;   /* the column */
    const char *label; /* for people */
    const char *help;
    bool is_signed, is_pinned;
    double *values; /* [n]; NaN: none */
} ms_report_metric;

typedef struct ms_report_data {
    ms_arena arena;
    ms_str folder;
    /* logs: DOMs, NULL when the file is missing */
    const ms_json_value *manifest, *health, *context, *shape, *model, *index_report, *config;
    /* tables: NULL when missing */
    ms_table *stats, *quant, *warnings, *unmatched, *naming, *inventory;

    size_t n; /* matrices */
    int64_t *layer, *expert;
    int64_t *rows, *cols;
    size_t *proj; /* index into projs */
    ms_str *projs;
    size_t n_projs;
    ms_report_metric *metrics;
    size_t n_metrics;
    ms_report_scheme *schemes; /* fewest bits per weight first */
    size_t n_schemes;
    ms_report_delta *deltas;
    size_t n_deltas;
    size_t n_unexplained; /* of the unmatched tensors, those for which no one knows a use */
} ms_report_data;

ms_status ms_report_data_load(ms_report_data *out, const char *run_folder, ms_err *err);
void ms_report_data_free(ms_report_data *data);

/* The metric of that column, or NULL. */
const ms_report_metric *ms_report_data_metric(const ms_report_data *data, const char *key);

/* ---- small statistics over the matrices ---- */

typedef struct ms_spread {
    size_t n;                           /* values that are numbers */
    double low, p05, median, p95, high; /* NaN when n is 0 */
} ms_spread;

/* Of values[i] over the matrices of a projection (or MS_REPORT_ALL_PROJS) and a layer (or MS_REPORT_ALL_LAYERS). scratch: [n].
 */
ms_spread ms_report_spread(const ms_report_data *data, const double *values, int proj, int64_t layer, double *scratch);

/* flags[i] = 1 where values[i] lies more than `limit` robust deviations (1.4826 MAD) from the median of its projection;
 * projections of fewer than 8 matrices have none. Returns how many. scratch: [n]. */
size_t ms_report_outliers(const ms_report_data *data, const double *values, double limit, unsigned char *flags,
                          double *scratch);

#endif
