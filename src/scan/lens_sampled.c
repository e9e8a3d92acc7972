/*
 * Percentiles of |w| over a sample of the elements (sample.h), which NumPy would draw too; NumPy's linear rule. What is not
 * finite in the sample is left out.
 */
#include <math.h>

#include "lens.h"
#include "select.h"

static double percentile(const ms_lens_matrix *m, double percent) {
    uint64_t low, high;
    double fraction;
    if (m->n_sample == 0) return NAN;
    ms_select_place(percent, m->n_sample, &low, &high, &fraction);
    return ms_select_between(ms_lens_key_value(&m->keys, m->sample[low]), ms_lens_key_value(&m->keys, m->sample[high]),
                             fraction);
}

static ms_status finish(void *state, const ms_lens_matrix *matrix, double *out, bool *again, ms_err *err) {
    (void)state, (void)again, (void)err;
    const double eps = matrix->options->eps;
    out[0] = percentile(matrix, 50);
    out[1] = percentile(matrix, 99);
    out[2] = percentile(matrix, 99.9);
    out[3] = out[1] / (out[0] + eps);
    out[4] = out[2] / (out[0] + eps);
    return MS_OK;
}

static ms_lens_wants wants(const ms_scan_options *options, size_t index) {
    (void)options, (void)index;
    return (ms_lens_wants){.sample = true};
}

static bool columns(const ms_scan_options *options, size_t index, ms_arena *arena, ms_lens_columns *out) {
    static const ms_lens_column all[] = {
        {60, {"p50_abs", MS_COLUMN_F64, "weight", "median of |w| over the sample"}},
        {70, {"p99_abs", MS_COLUMN_F64, "weight", "99th percentile of |w| over the sample"}},
        {80, {"p999_abs", MS_COLUMN_F64, "weight", "99.9th percentile of |w| over the sample"}},
        {100, {"outlier_p99_over_median", MS_COLUMN_F64, "ratio", "p99_abs / (p50_abs + eps)"}},
        {110, {"outlier_p999_over_median", MS_COLUMN_F64, "ratio", "p999_abs / (p50_abs + eps)"}},
    };
    (void)options, (void)index, (void)arena;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!MS_VEC_PUSH(out, all[i])) return false;
    return true;
}

const ms_lens ms_lens_sampled = {
    .name = "sampled",
    .help = "percentiles of a sample, as NumPy draws it",
    .wants = wants,
    .columns = columns,
    .finish = finish,
};
