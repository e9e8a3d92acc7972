/* collect_impl: what the parts of collect share: collect.c (stages), collect_tensors.c (which matrices), collect_tables.c
 * and collect_matrices.c (rows), collect_logs.c (JSON). */
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

typedef struct ms_collect_tensor { /* one that was extracted, or that looked like experts and was not */
    uint32_t tensor;
    ms_extract_result result;
} ms_collect_tensor;

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
    ms_checkpoint *ckpt; /* NULL when there is no file to read */
    ms_banks families;
    bool has_families;
    ms_extractor *extractor;
    uint32_t *order;       /* owned; [n_tensors]: tensors in the order of the rows */
    ms_index_report index; /* of what was found against the index */

    MS_VEC(ms_collect_tensor) tensors; /* in the order of the rows */
    ms_collect_examples by_rule, by_family, by_fallback, unmatched, candidates;
    size_t n_candidates; /* float tensors that might be experts */

    ms_mlx_scheme *schemes; /* owned; [config.n_schemes] */
    size_t n_schemes;       /* 0 when mlx.enabled is false */
    ms_mlx_profile profile;
    ms_scan *scan;
    bool interrupted;
    ms_collect_artifact artifacts[MS_ARTIFACT_COUNT];
} ms_collect_state;

const char *ms_artifact_name(ms_artifact artifact); /* "tensor_inventory", ... */

/* Formats a line and hands it to talk.say. */
void ms_collect_say(const ms_collect_state *c, const char *format, ...) MS_PRINTF(2, 3);
double ms_collect_seconds(const ms_collect_state *c);

/* collect_tensors.c: opens the files, decides what every tensor is, fills order, tensors, extractor->banks, index. */
ms_status ms_collect_tensors(ms_collect_state *c, ms_err *err);

/* collect_tables.c */
ms_status ms_collect_write_tables(ms_collect_state *c, ms_err *err);
/* Writes one table as the configuration wants it; consumes it. */
ms_status ms_collect_write_table(ms_collect_state *c, ms_artifact artifact, ms_table *table, ms_err *err);
ms_str ms_collect_dtype_name(const ms_stored *stored); /* NumPy's, or the file's own for a type we do not know */

/* collect_matrices.c: matrix_stats and quant_sim */
ms_status ms_collect_write_matrices(ms_collect_state *c, ms_err *err);

/* collect_logs.c */
ms_status ms_collect_write_running(ms_collect_state *c, ms_err *err);
ms_status ms_collect_write_logs(ms_collect_state *c, ms_err *err);
/* run_health with status "error" and run_failure.json; as well as it can be done. */
void ms_collect_write_failure(ms_collect_state *c, ms_status status, const ms_err *failure);

#endif
