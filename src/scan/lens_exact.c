/*
 * Percentiles of |w| over all finite elements, exact: order statistics by select.h, NumPy's linear rule between them.
 */
#include <math.h>

#include "lens.h"
#include "select.h"

static const double percents[] = {50, 99, 99.9};
enum { N = sizeof percents / sizeof *percents };

static ms_status begin(void *state, size_t index, const ms_lens_matrix *matrix, ms_err *err) {
    (void)index;
    if (matrix->pilot.is_all) return MS_OK;
    ms_select_options options = {.key_bits = matrix->keys.bits, .limit = matrix->keys.limit, .n = matrix->n, .n_percent = N};
    memcpy(options.percent, percents, sizeof percents);
    MS_TRY(ms_select_begin(state, &options, err));
    ms_select_aim(state, matrix->pilot.keys, matrix->pilot.n, matrix->pilot.spare);
    return MS_OK;
}

static ms_status add(void *state, void *part, void *feeder, const ms_lens_matrix *matrix, const ms_lens_panel *panel,
                     ms_err *err) {
    (void)part;
    return matrix->pilot.is_all ? MS_OK : ms_select_feed(state, feeder, panel->w, panel->n, err);
}

static ms_status leave(void *state, void *feeder, ms_err *err) { return ms_select_flush(state, feeder, err); }

static ms_status finish(void *state, const ms_lens_matrix *matrix, double *out, bool *again, ms_err *err) {
    const ms_select *const select = state;
    for (int i = 0; i < N; i++) out[i] = NAN;
    if (matrix->pilot.is_all) {
        ms_lens_percentiles_of_all(matrix, percents, N, out);
        return MS_OK;
    }
    MS_TRY(ms_select_finish(state, again, err));
    for (int i = 0; i < N && !*again && select->n_numbers > 0; i++)
        out[i] = ms_select_between(ms_lens_key_value(&matrix->keys, select->low[i]),
                                   ms_lens_key_value(&matrix->keys, select->high[i]), select->fraction[i]);
    return MS_OK;
}

static void free_state(void *state) { ms_select_free(state); }
static void free_feeder(void *feeder) { ms_select_feeder_free(feeder); }

static ms_lens_wants wants(const ms_scan_options *options, size_t index) {
    (void)options, (void)index;
    return (ms_lens_wants){.pilot = true};
}

static bool columns(const ms_scan_options *options, size_t index, ms_arena *arena, ms_lens_columns *out) {
    static const ms_lens_column all[] = {
        {MS_LENS_EXTRA + 10, {"p50_abs_exact", MS_COLUMN_F64, "weight", "median of |w| over all finite weights"}},
        {MS_LENS_EXTRA + 20, {"p99_abs_exact", MS_COLUMN_F64, "weight", "99th percentile of |w| over all finite weights"}},
        {MS_LENS_EXTRA + 30, {"p999_abs_exact", MS_COLUMN_F64, "weight", "99.9th percentile of |w| over all finite weights"}},
    };
    (void)options, (void)index, (void)arena;
    return ms_lens_put_columns(out, all, sizeof all / sizeof *all);
}

const ms_lens ms_lens_exact = {
    .name = "exact",
    .help = "percentiles of all weights",
    .state_size = sizeof(ms_select),
    .feeder_size = sizeof(ms_select_feeder),
    .wants = wants,
    .columns = columns,
    .begin = begin,
    .add = add,
    .leave = leave,
    .finish = finish,
    .free_state = free_state,
    .free_feeder = free_feeder,
};
