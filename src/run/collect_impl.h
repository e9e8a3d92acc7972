/* collect_impl: what the parts of collect share: collect.c (stages), collect_tensors.c (which matrices), collect_scan.c
 * (measuring), collect_matrices.c and collect_tables.c (rows), collect_logs.c (JSON). */
#ifndef MS_COLLECT_IMPL_H
#define MS_COLLECT_IMPL_H

#include <time.h>

#include "checkpoint.h"
#include "collect.h"
#include "extract.h"
#include "index_report.h"
#include "run_config.h"
#include "run_folder.h"
#include "run_plan.h"
#include "scan.h"
#include "table.h"

enum { MS_COLLECT_MAX_EXAMPLES = 25 };

typedef struct ms_collect_examples { /* distinct names, the first ones; borrowed from the checkpoint */
    ms_str items[MS_COLLECT_MAX_EXAMPLES];
    size_t n;
} ms_collect_examples;

typedef struct ms_collect_tensor { /* one that was extracted. There may be a million */
    uint32_t tensor;
    ms_extract_via via;
} ms_collect_tensor;

typedef struct ms_collect_left_out { /* one that looked like experts and was not extracted */
    uint32_t tensor;
    const char *reason;
} ms_collect_left_out;

typedef enum ms_artifact {
    MS_ARTIFACT_INVENTORY,
    MS_ARTIFACT_STATS,
    MS_ARTIFACT_QUANT,
    MS_ARTIFACT_UNMATCHED,
    MS_ARTIFACT_PROJ_REPORT,
    MS_ARTIFACT_WARNINGS,
    MS_ARTIFACT_COUNT,
} ms_artifact;

typedef struct ms_collect_artifact {
    bool exists;
    ms_table_written written;
} ms_collect_artifact;

typedef struct ms_collect_state {
    const ms_collect_options *options;
    ms_collect_summary *summary;
    ms_arena arena;
    struct timespec began;
    const char *stage; /* what is being done: for run_failure.json */

    ms_str run_dir;
    ms_run_manifest manifest;
    ms_run_config config;
    bool has_config;
    ms_str model_path, configured_path, override_path; /* absolute; "" when there is none */
    ms_notes warnings;

    ms_run_plan plan;
    ms_checkpoint *ckpt;      /* NULL when there is no file to read */
    ms_bank_cutter *families; /* owned; NULL when they are not asked */
    ms_extractor *extractor;
    uint32_t *order;       /* owned; [n_tensors]: tensors in the order of the rows */
    ms_index_report index; /* of what was found against the index */

    MS_VEC(ms_collect_tensor) tensors; /* both in the order of the rows */
    MS_VEC(ms_collect_left_out) left_out;
    ms_collect_examples by_rule, by_family, by_fallback, unmatched, candidates;
    size_t n_candidates; /* float tensors that might be experts */
    size_t n_matrices;   /* of all tensors */
    uint64_t *n_bytes;   /* owned; [n_files]: of matrices, as stored */

    ms_mlx_scheme *schemes; /* owned; [config.n_schemes] */
    size_t n_schemes;       /* 0 when mlx.enabled is false */
    ms_mlx_profile profile;
    ms_scan *scan;
    bool interrupted;
    ms_collect_artifact artifacts[MS_ARTIFACT_COUNT];
} ms_collect_state;

/* A table on its way to its file: rows leave memory now and then. */
typedef struct ms_collect_out {
    ms_collect_state *c;
    ms_artifact artifact;
    ms_table *table;     /* owned; the rows that are not written yet */
    ms_table_sink *sink; /* owned */
} ms_collect_out;

typedef struct ms_collect_batch { /* tensors whose matrices are measured together: [first, end) of c->tensors */
    size_t first_tensor, end_tensor;
    MS_VEC(ms_extract_result) results; /* of each; their matrices, and no others, are in extractor->banks */
} ms_collect_batch;

typedef struct ms_collect_row_source { /* the tensor that rows are about */
    const ms_tensor *tensor;
    const ms_extract_result *result;
} ms_collect_row_source;

typedef struct ms_collect_wide { /* matrix_stats or quant_sim in the making */
    ms_collect_state *c;
    ms_collect_out out;
    ms_table *table;   /* of out */
    size_t n_measured; /* columns */
    ms_buf derived;    /* the name of the matrices at hand */
} ms_collect_wide;

typedef struct ms_collect_rows {
    ms_collect_wide stats, quant;
} ms_collect_rows;

const char *ms_artifact_name(ms_artifact artifact); /* "tensor_inventory", ... */

/* Formats a line and hands it to talk.say. */
void ms_collect_say(const ms_collect_state *c, const char *format, ...) MS_PRINTF(2, 3);
double ms_collect_seconds(const ms_collect_state *c);

/* collect_tensors.c: opens the files, decides what every tensor is, fills order, tensors, n_matrices, n_bytes, index. */
ms_status ms_collect_tensors(ms_collect_state *c, ms_err *err);
/* What was extracted of c->tensors.items[i] goes to extractor->banks again. */
ms_status ms_collect_extract_again(ms_collect_state *c, size_t i, ms_extract_result *result, ms_err *err);

/* collect_scan.c: measures all matrices and writes tensor_inventory, matrix_stats and quant_sim; sets c->interrupted. MS_ERR_IO when a file
 * changed meanwhile. */
ms_status ms_collect_scan(ms_collect_state *c, ms_err *err);

/* collect_matrices.c: their rows. close: both files get their names. abort: also after close, or a failed open. */
ms_status ms_collect_rows_open(ms_collect_rows *out, ms_collect_state *c, ms_err *err);
ms_status ms_collect_rows_put(ms_collect_rows *rows, const ms_collect_batch *batch, ms_err *err);
ms_status ms_collect_rows_close(ms_collect_rows *rows, ms_err *err);
void ms_collect_rows_abort(ms_collect_rows *rows);

/* collect_tables.c: the other tables, and what they all share. */
ms_status ms_collect_write_inventory(ms_collect_state *c, ms_err *err); /* the first of all */
ms_status ms_collect_write_tables(ms_collect_state *c, ms_err *err);
/* table: consumed, also on failure. abort: also after close, or a failed open. */
ms_status ms_collect_out_open(ms_collect_out *out, ms_collect_state *c, ms_artifact artifact, ms_table *table, ms_err *err);
ms_status ms_collect_out_end_row(ms_collect_out *out, ms_err *err);
ms_status ms_collect_out_close(ms_collect_out *out, ms_err *err);
void ms_collect_out_abort(ms_collect_out *out);
ms_str ms_collect_dtype_name(const ms_stored *stored); /* NumPy's, or the file's own for a type we do not know */

/* collect_logs.c */
ms_status ms_collect_write_running(ms_collect_state *c, ms_err *err);
ms_status ms_collect_write_logs(ms_collect_state *c, ms_err *err);
/* run_health with status "error" and run_failure.json; as well as it can be done. */
void ms_collect_write_failure(ms_collect_state *c, ms_status status, const ms_err *failure);

#endif
