/*
 * scan: one pass over the bytes feeds many lenses at once.
 *
 *     ms_scan *scan;
 *     MS_TRY(ms_scan_create(&scan, &options, err));
 *     MS_TRY(ms_scan_run(scan, ckpt, matrices, n_matrices, err));
 *     ... a row per matrix: identity columns by the caller, then ms_scan_emit_stats(scan, i, table, first_column) ...
 *     ms_scan_destroy(scan);
 *
 * A lens (lens.h) is one measurement: begin, scan rows, merge, finish, emit; its columns stand beside its code. Numbers do not
 * depend on the thread count: every matrix is cut into the same chunks, merged in the same order.
 * Memory beside the mapped files: a few MiB a thread and a fixed number of bytes a matrix.
 */
#ifndef MS_SCAN_H
#define MS_SCAN_H

#include <stdatomic.h>

#include "bank.h"
#include "mlx_scheme.h"
#include "table.h"

typedef struct ms_scan_progress { /* called from any thread; must be quick */
    void (*advance)(void *context, uint64_t n_bytes);
    void *context;
} ms_scan_progress;

typedef struct ms_scan_options {
    int n_threads;                   /* <= 0: all processors */
    double eps;                      /* 1e-12 */
    double quant_floor;              /* least denominator of w_rel_fro and w_rel_max; 0: none */
    int64_t sample_per_matrix;       /* 8192 */
    uint64_t sample_seed;            /* 1337 */
    const char *sample_cache;        /* folder of idx_N{N}_k{k}_seed{seed}.npy, or NULL */
    double group_outlier_percentile; /* 95 */
    const int64_t *group_sizes;      /* [n_group_sizes]; {32, 64} */
    size_t n_group_sizes;
    const ms_mlx_scheme *schemes; /* [n_schemes], may be none */
    size_t n_schemes;
    const char *const *lenses; /* [n_lenses] names; NULL: all */
    size_t n_lenses;
    const atomic_bool *cancel; /* may be NULL */
    ms_scan_progress progress;
    uint64_t n_bytes_in_all; /* of several runs over one model; 0: one run reads it all. For the look-ahead */
} ms_scan_options;

typedef struct ms_scan ms_scan;

ms_scan_options ms_scan_options_default(void);
/* What the options point to is borrowed until the scan is destroyed. MS_ERR_USAGE for impossible ones. Owned. */
ms_status ms_scan_create(ms_scan **out, const ms_scan_options *options, ms_err *err);

/* The statistics columns of matrix_stats that follow the identity columns, in the contract's order, extras last. Borrowed. */
const ms_column_spec *ms_scan_stat_columns(const ms_scan *scan, size_t *n);
/* The metric columns of quant_sim from w_rel_fro on: the contract's (w_rel_fro w_rel_max scale_mean scale_max bias_mean
 * bias_max error), then extras. */
const ms_column_spec *ms_scan_quant_columns(const ms_scan *scan, size_t *n);

/* ckpt and matrices must outlive the scan's results. A matrix that cannot be decoded or read does not fail the run: its row is
 * null and ms_scan_matrix_error tells why. MS_ERR_INTERRUPTED keeps the results so far (ms_scan_is_done tells which). */
ms_status ms_scan_run(ms_scan *scan, const ms_checkpoint *ckpt, const ms_matrix *matrices, size_t n_matrices, ms_err *err);

bool ms_scan_is_done(const ms_scan *scan, size_t matrix);
/* NULL when the matrix was read. */
const ms_err *ms_scan_matrix_error(const ms_scan *scan, size_t matrix);

/* Set the cells of the table's current row, columns first_column and on. */
void ms_scan_emit_stats(const ms_scan *scan, size_t matrix, ms_table *table, size_t first_column);
void ms_scan_emit_quant(const ms_scan *scan, size_t matrix, size_t scheme, ms_table *table, size_t first_column);
/* The text of the error column, "" when the simulation went well: "ValueError: [quantize] ...". Borrowed. */
ms_str ms_scan_quant_error(const ms_scan *scan, size_t matrix, size_t scheme);

/* The first failure to write to the sample cache (the run went on without), or NULL. */
const ms_err *ms_scan_cache_error(const ms_scan *scan);

void ms_scan_destroy(ms_scan *scan);

#endif
