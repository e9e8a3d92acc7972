/*
 * What a quantisation scheme would do to a matrix: MLX's arithmetic simulated (quant/), error norms in f64 against the stored
 * weights. One lens per scheme; its columns are those of quant_sim. Groups run along the rows of a matrix, so a panel, which
 * never cuts a group, serves as one long row.
 */
#include <math.h>
#include <stdio.h>

#include "lens.h"
#include "mlx_error.h"

typedef struct simulation {
    ms_mlx_quantiser quantiser;
    bool has_quantiser; /* it depends on the scheme and the stored type only: mostly that of the matrix before */
    ms_dtype stored;
    ms_mlx_error total;
    bool failed;
    char why[sizeof((ms_err *)0)->text + 16];
    bool wants_max; /* global scale: the first pass only looks for max |w| */
    float max_abs;
} simulation;

typedef struct part {
    ms_mlx_error error; /* q NULL: nothing yet */
    float max_abs;
} part;

static size_t count(const ms_scan_options *options) { return options->n_schemes; }

static bool is_global(const ms_mlx_scheme *scheme) { return scheme->mode == MS_MLX_NVFP4 && scheme->global_scale; }

static ms_lens_wants wants(const ms_scan_options *options, size_t index) {
    return (ms_lens_wants){.f32 = true, .facts = is_global(&options->schemes[index])};
}

static ms_status begin(void *state, size_t index, const ms_lens_matrix *matrix, ms_err *err) {
    simulation *const s = state;
    const ms_mlx_scheme *const scheme = &matrix->options->schemes[index];
    /* MLX is handed whole banks, and names their shape */
    const int64_t shape[] = {matrix->n_alike, (int64_t)matrix->rows, (int64_t)matrix->cols};
    const int skipped = matrix->n_alike == 0;
    ms_err why = {0};
    (void)err;
    s->failed =
        ms_mlx_scheme_check(scheme, ms_mlx_scheme_compute(scheme, matrix->stored), shape + skipped, 3 - skipped, &why) != MS_OK;
    if (s->failed) {
        snprintf(s->why, sizeof s->why, "ValueError: %s", why.text);
        return MS_OK;
    }
    s->wants_max = is_global(scheme);
    s->max_abs = 0;
    if (!s->has_quantiser || s->stored != matrix->stored) ms_mlx_quantiser_init(&s->quantiser, scheme, matrix->stored);
    s->has_quantiser = true;
    s->stored = matrix->stored;
    ms_mlx_error_init(&s->total, &s->quantiser, 0);
    return MS_OK;
}

static ms_status add(void *state, void *part_, void *feeder, const ms_lens_matrix *matrix, const ms_lens_panel *panel,
                     ms_err *err) {
    simulation *const s = state;
    part *const p = part_;
    (void)feeder, (void)matrix, (void)err;
    if (s->failed) return MS_OK;
    if (s->wants_max) {
        if (panel->facts->max_abs > p->max_abs) p->max_abs = panel->facts->max_abs;
        return MS_OK;
    }
    if (!p->error.q) ms_mlx_error_init(&p->error, &s->quantiser, s->max_abs);
    ms_mlx_error_add(&p->error, panel->f32, 1, panel->n);
    return MS_OK;
}

static void merge(void *state, const void *part_) {
    simulation *const s = state;
    const part *const p = part_;
    if (s->failed) return;
    if (p->max_abs > s->max_abs) s->max_abs = p->max_abs;
    if (p->error.q) ms_mlx_error_merge(&s->total, &p->error);
}

static ms_status finish(void *state, const ms_lens_matrix *matrix, double *out, bool *again, ms_err *err) {
    simulation *const s = state;
    (void)err;
    for (int i = 0; i < 15; i++) out[i] = ms_lens_null();
    if (s->failed) return MS_OK;
    if (s->wants_max) {
        s->wants_max = false;
        *again = matrix->n > 0;
        ms_mlx_error_init(&s->total, &s->quantiser, s->max_abs);
        if (*again) return MS_OK;
    }
    const ms_mlx_metrics m = ms_mlx_error_metrics(&s->total, matrix->options->eps, matrix->options->quant_floor);
    const bool has_bias = s->quantiser.codec.mode == MS_MLX_AFFINE;
    const double values[] = {m.w_rel_fro,
                             m.w_rel_max,
                             m.scale_mean,
                             m.scale_max,
                             has_bias ? m.bias_mean : ms_lens_null(),
                             has_bias ? m.bias_max : ms_lens_null(),
                             m.sqnr_db,
                             m.w_cos,
                             m.w_rmse,
                             m.bits_per_weight,
                             m.scale_abs_mean,
                             m.scale_abs_max,
                             (double)s->total.clip_groups,
                             (double)s->total.zero_groups,
                             (double)s->total.subnormal_scale_groups};
    memcpy(out, values, sizeof values);
    return MS_OK;
}

static const char *failure(const void *state) {
    const simulation *const s = state;
    return s->failed ? s->why : NULL;
}

static bool columns(const ms_scan_options *options, size_t index, ms_arena *arena, ms_lens_columns *out) {
    static const ms_lens_column all[] = {
        {10, {"w_rel_fro", MS_COLUMN_F64, "ratio", "norm of the error / (norm of the weights + eps)"}},
        {20, {"w_rel_max", MS_COLUMN_F64, "ratio", "largest error / (largest |w| + eps)"}},
        {30, {"scale_mean", MS_COLUMN_F64, "weight", "mean of the decoded scales; affine scales have either sign"}},
        {40, {"scale_max", MS_COLUMN_F64, "weight", "largest decoded scale, with its sign"}},
        {50, {"bias_mean", MS_COLUMN_F64, "weight", "mean of the biases; null for modes without"}},
        {60, {"bias_max", MS_COLUMN_F64, "weight", "largest bias, with its sign; null for modes without"}},
        {MS_LENS_EXTRA + 10, {"sqnr_db", MS_COLUMN_F64, "dB", "10 log10 (sum of w^2 / sum of squared errors)"}},
        {MS_LENS_EXTRA + 20, {"cos", MS_COLUMN_F64, "", "cosine between the weights and what comes back"}},
        {MS_LENS_EXTRA + 30, {"w_rmse", MS_COLUMN_F64, "weight", "root of the mean squared error"}},
        {MS_LENS_EXTRA + 40, {"bits_per_weight", MS_COLUMN_F64, "bits", "codes, scales and biases, per weight"}},
        {MS_LENS_EXTRA + 50, {"scale_abs_mean", MS_COLUMN_F64, "weight", "mean of the absolute scales"}},
        {MS_LENS_EXTRA + 60, {"scale_abs_max", MS_COLUMN_F64, "weight", "largest absolute scale"}},
        {MS_LENS_EXTRA + 70,
         {"clip_groups", MS_COLUMN_I64, "groups", "groups with a weight brought back by more than half a step"}},
        {MS_LENS_EXTRA + 80, {"zero_groups", MS_COLUMN_I64, "groups", "groups that come back all zero but are not"}},
        {MS_LENS_EXTRA + 90, {"subnormal_scale_groups", MS_COLUMN_I64, "groups", "groups whose stored scale is subnormal"}},
    };
    (void)options, (void)index, (void)arena;
    return ms_lens_put_columns(out, all, sizeof all / sizeof *all);
}

const ms_lens ms_lens_quant = {
    .name = "quant",
    .help = "error of quantisation schemes",
    .is_quant = true,
    .state_size = sizeof(simulation),
    .part_size = sizeof(part),
    .count = count,
    .wants = wants,
    .columns = columns,
    .begin = begin,
    .add = add,
    .merge = merge,
    .finish = finish,
    .failure = failure,
};
