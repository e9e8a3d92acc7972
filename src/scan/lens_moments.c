/*
 * The moments of a matrix w over its n finite elements:
 *     mean = E[w]   std = sqrt(E[(w - mean)^2])   mean_abs = E|w|   rms = sqrt(E[w^2])   kurtosis = E[w^4] / E[w^2]^2
 * and extremes and counts. Sums are f64. The deviations are merged panel by panel (Chan, Golub, LeVeque 1979), so that a large
 * mean does not swallow a small deviation.
 */
#include <math.h>

#include "lens.h"

typedef struct moments {
    int64_t n, n_nan, n_inf, n_zero; /* n: finite elements */
    double sum, sum_abs, sum_sq, sum_p4;
    double deviation; /* sum of (w - mean)^2 */
    double min, max;  /* when n > 0 */
} moments;

static double squared(double x) { return x * x; }

static void merge_extremes(moments *m, double min, double max) {
    if (m->n == 0 || min < m->min) m->min = min;
    if (m->n == 0 || max > m->max) m->max = max;
}

/* All but the extremes. */
static void merge_sums(moments *m, const moments *from) {
    if (m->n > 0 && from->n > 0) {
        const double a = (double)m->n, b = (double)from->n;
        m->deviation += from->deviation + squared(from->sum / b - m->sum / a) * (a / (a + b) * b);
    } else {
        m->deviation += from->deviation;
    }
    m->n += from->n, m->n_nan += from->n_nan, m->n_inf += from->n_inf, m->n_zero += from->n_zero;
    m->sum += from->sum, m->sum_abs += from->sum_abs, m->sum_sq += from->sum_sq, m->sum_p4 += from->sum_p4;
}

static moments of_panel(const ms_panel_facts *f) {
    moments m = {.n = (int64_t)f->n - f->n_nan - f->n_inf, .n_nan = f->n_nan, .n_inf = f->n_inf, .n_zero = f->n_zero};
    m.sum = f->sum, m.sum_abs = f->sum_abs, m.sum_sq = f->sum_sq, m.sum_p4 = f->sum_p4;
    if (m.n > 0) m.deviation = m.sum_sq - m.sum / (double)m.n * m.sum;
    if (m.deviation < 0) m.deviation = 0;
    return m;
}

static ms_status begin(void *state, size_t index, const ms_lens_matrix *matrix, ms_err *err) {
    (void)index, (void)matrix, (void)err;
    *(moments *)state = (moments){0};
    return MS_OK;
}

static ms_status add(void *state, void *part, void *feeder, const ms_lens_matrix *matrix, const ms_lens_panel *panel,
                     ms_err *err) {
    (void)state, (void)feeder, (void)err;
    moments *const chunk = part;
    const moments m = of_panel(panel->facts);
    if (m.n > 0 && (chunk->n == 0 || (double)panel->facts->max_abs > fmin(chunk->max, -chunk->min))) {
        float min, max;
        ms_panel_extremes(panel->facts, matrix->keys.dtype, panel->w, &min, &max);
        merge_extremes(chunk, (double)min, (double)max);
    }
    merge_sums(chunk, &m);
    return MS_OK;
}

static void merge(void *state, const void *part) {
    const moments *const chunk = part;
    if (chunk->n > 0) merge_extremes(state, chunk->min, chunk->max);
    merge_sums(state, chunk);
}

static ms_status finish(void *state, const ms_lens_matrix *matrix, double *out, bool *again, ms_err *err) {
    (void)again, (void)err;
    const moments *const m = state;
    const double n = (double)m->n, max_abs = fmax(fabs(m->min), fabs(m->max));
    const bool none = m->n == 0;
    out[0] = m->sum / n; /* 0 / 0 is NaN: no finite element */
    out[1] = sqrt(m->deviation / n);
    out[2] = m->sum_abs / n;
    out[3] = sqrt(m->sum_sq / n);
    out[4] = none ? NAN : max_abs;
    out[5] = none ? NAN : max_abs / (m->sum_abs / n + matrix->options->eps);
    out[6] = none ? NAN : m->min;
    out[7] = none ? NAN : m->max;
    out[8] = (double)m->n_nan;
    out[9] = (double)m->n_inf;
    out[10] = (double)m->n_zero;
    out[11] = m->sum_p4 / n / squared(m->sum_sq / n);
    return MS_OK;
}

static ms_lens_wants wants(const ms_scan_options *options, size_t index) {
    (void)options, (void)index;
    return (ms_lens_wants){.facts = true};
}

static const ms_lens_column all_columns[] = {
    {10, {"mean", MS_COLUMN_F64, "weight", "mean of the finite weights"}},
    {20, {"std", MS_COLUMN_F64, "weight", "standard deviation of the population"}},
    {30, {"mean_abs", MS_COLUMN_F64, "weight", "mean of |w|"}},
    {40, {"rms", MS_COLUMN_F64, "weight", "root of the mean square"}},
    {50, {"max_abs", MS_COLUMN_F64, "weight", "largest |w|"}},
    {90, {"outlier_max_over_mean", MS_COLUMN_F64, "ratio", "max_abs / (mean_abs + eps)"}},
    {MS_LENS_EXTRA + 40, {"min", MS_COLUMN_F64, "weight", "smallest finite weight"}},
    {MS_LENS_EXTRA + 50, {"max", MS_COLUMN_F64, "weight", "largest finite weight"}},
    {MS_LENS_EXTRA + 60, {"nan_count", MS_COLUMN_I64, "weights", "weights that are NaN"}},
    {MS_LENS_EXTRA + 70, {"inf_count", MS_COLUMN_I64, "weights", "weights that are infinite"}},
    {MS_LENS_EXTRA + 80, {"zero_count", MS_COLUMN_I64, "weights", "weights that are 0 or -0"}},
    {MS_LENS_EXTRA + 90, {"kurtosis", MS_COLUMN_F64, "ratio", "E[w^4] / E[w^2]^2: 3 for a normal distribution"}},
};

static bool columns(const ms_scan_options *options, size_t index, ms_arena *arena, ms_lens_columns *out) {
    (void)options, (void)index, (void)arena;
    return ms_lens_put_columns(out, all_columns, sizeof all_columns / sizeof *all_columns);
}

const ms_lens ms_lens_moments = {
    .name = "moments",
    .help = "mean, deviation, extremes, counts",
    .state_size = sizeof(moments),
    .part_size = sizeof(moments),
    .wants = wants,
    .columns = columns,
    .begin = begin,
    .add = add,
    .merge = merge,
    .finish = finish,
};
