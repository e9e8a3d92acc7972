/*
 * scan_impl: what the files of the engine share. scan.c: making a scan, its results; scan_run.c: the work.
 */
#ifndef MS_SCAN_IMPL_H
#define MS_SCAN_IMPL_H

#include <pthread.h>

#include "lens.h"
#include "pool.h"
#include "sample.h"
#include "scan_plan.h"

typedef struct ms_scan_instance { /* one lens under the options at hand */
    const ms_lens *lens;
    size_t index;
    ms_lens_wants wants;
    size_t state_at, part_at, feeder_at; /* offsets in the blocks of a job, a chunk, a worker */
    size_t first_value, n_values;        /* in a matrix's row of values */
} ms_scan_instance;

typedef struct ms_scan_emit { /* a column of a table */
    size_t value;             /* index in the row of values; of the first scheme for quant columns */
    ms_column_type type;
} ms_scan_emit;

struct ms_scan {
    ms_scan_options options;
    ms_arena arena;
    ms_pool *pool;
    ms_samples samples;

    ms_scan_instance *instances; /* in the arena; [n_instances] */
    size_t n_instances;
    size_t state_size, part_size, feeder_size; /* of all instances together */
    ms_lens_wants wants;
    size_t n_values;       /* a matrix */
    size_t n_quant_values; /* a scheme */

    ms_column_spec *stat_columns, *quant_columns; /* in the arena; in table order */
    ms_scan_emit *stat_emits, *quant_emits;       /* quant: [n_quant_columns]; value SIZE_MAX: the error text */
    size_t n_stat_columns, n_quant_columns;

    size_t n_matrices;
    double *values;        /* owned; [n_matrices, n_values] */
    bool *done;            /* owned; [n_matrices] */
    ms_err **errors;       /* owned, as are the items; [n_matrices] */
    const char **failures; /* owned; [n_matrices, n_schemes]; texts in the arena, guarded by the run's lock */
};

/* Fills values, done, errors, failures. */
ms_status ms_scan_work(ms_scan *scan, const ms_checkpoint *ckpt, const ms_matrix *matrices, ms_err *err);

#endif
