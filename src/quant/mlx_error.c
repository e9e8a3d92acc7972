#include "mlx_error.h"

#include <math.h>

#include "cpu.h"
#include "mlx_error_kernel.h"

ms_mlx_error_rows *const ms_mlx_error_kernels[MS_ISA_COUNT] = {
    [MS_ISA_SCALAR] = ms_mlx_error_rows_scalar,
#if defined(__x86_64__)
    [MS_ISA_AVX2] = ms_mlx_error_rows_avx2,
    [MS_ISA_AVX512] = ms_mlx_error_rows_avx512,
#endif
};

void ms_mlx_error_init(ms_mlx_error *e, const ms_mlx_quantiser *q, float max_abs) {
    *e = (ms_mlx_error){.q = q,
                        .global = ms_mlx_global_of(q, max_abs),
                        .max_scale = -INFINITY,
                        .max_scale_abs = -INFINITY,
                        .max_bias = -INFINITY};
}

void ms_mlx_error_add(ms_mlx_error *e, const float *rows, size_t n_rows, size_t n_cols) {
    ms_mlx_error_rows *kernel = ms_mlx_error_kernels[ms_cpu_isa()];
    if (!kernel) kernel = ms_mlx_error_rows_scalar;
    kernel(e, rows, n_rows, n_cols);
}

void ms_mlx_error_merge(ms_mlx_error *into, const ms_mlx_error *from) {
    into->n_weights += from->n_weights, into->n_groups += from->n_groups;
    into->n_weights_not_finite += from->n_weights_not_finite, into->n_values_not_finite += from->n_values_not_finite;
    into->clip_groups += from->clip_groups, into->zero_groups += from->zero_groups;
    into->subnormal_scale_groups += from->subnormal_scale_groups;
    for (int i = 0; i < MS_MLX_LANES; i++) {
        into->sum_sq_error[i] += from->sum_sq_error[i];
        into->sum_sq_weight[i] += from->sum_sq_weight[i];
        into->sum_sq_value[i] += from->sum_sq_value[i];
        into->sum_scale[i] += from->sum_scale[i];
        into->sum_scale_abs[i] += from->sum_scale_abs[i];
        into->sum_bias[i] += from->sum_bias[i];
    }
    into->max_error = fmax(into->max_error, from->max_error), into->max_weight = fmax(into->max_weight, from->max_weight);
    into->max_scale = fmax(into->max_scale, from->max_scale);
    into->max_scale_abs = fmax(into->max_scale_abs, from->max_scale_abs);
    into->max_bias = fmax(into->max_bias, from->max_bias);
}

/* Halves onto each other: 16 lanes to 8 to 4 to 2 to 1. */
static double sum_of(const double lanes[MS_MLX_LANES]) {
    double s[MS_MLX_LANES];
    for (int i = 0; i < MS_MLX_LANES; i++) s[i] = lanes[i];
    for (int n = MS_MLX_LANES / 2; n > 0; n /= 2)
        for (int i = 0; i < n; i++) s[i] += s[i + n];
    return s[0];
}

static double at_least(double denominator, double floor) { return denominator < floor ? floor : denominator; }

static void error_metrics(const ms_mlx_error *e, double eps, double floor, ms_mlx_metrics *m) {
    const double error = sum_of(e->sum_sq_error), weight = sum_of(e->sum_sq_weight), value = sum_of(e->sum_sq_value);
    m->w_rel_fro = sqrt(error) / at_least(sqrt(weight) + eps, floor);
    m->w_rel_max = e->max_error / at_least(e->max_weight + eps, floor);
    m->w_rmse = sqrt(error / (double)e->n_weights);
    /* 2 w.v = |w|^2 + |v|^2 - |v - w|^2 */
    m->w_cos = weight > 0 && value > 0 ? fmin((weight + value - error) / 2 / (sqrt(weight) * sqrt(value)), 1) : NAN;
    m->sqnr_db = error > 0 || weight > 0 ? 10 * log10(weight / error) : NAN;
}

ms_mlx_metrics ms_mlx_error_metrics(const ms_mlx_error *e, double eps, double floor) {
    ms_mlx_metrics m = {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    const ms_mlx_codec *const codec = &e->q->codec;
    const ms_mlx_scheme scheme = {.mode = codec->mode, .bits = codec->bits, .group_size = codec->group_size};
    m.bits_per_weight = ms_mlx_scheme_bits_per_weight(&scheme, e->q->compute);
    if (e->n_groups == 0) return m;
    if (e->n_weights_not_finite == 0 && e->n_values_not_finite == 0) error_metrics(e, eps, floor, &m);
    const double n = (double)e->n_groups;
    m.scale_mean = sum_of(e->sum_scale) / n, m.scale_abs_mean = sum_of(e->sum_scale_abs) / n;
    m.scale_max = e->max_scale, m.scale_abs_max = e->max_scale_abs;
    if (isnan(m.scale_abs_mean)) m.scale_max = m.scale_abs_max = NAN; /* a scale is NaN; the maxima passed over it */
    /* + 0: which zero is the largest depends on the kernel */
    if (codec->mode == MS_MLX_AFFINE) m.bias_mean = sum_of(e->sum_bias) / n, m.bias_max = e->max_bias + 0.0;
    return m;
}
