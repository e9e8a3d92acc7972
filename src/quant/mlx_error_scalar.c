/* The plain form of the error sums: what the vector kernels must equal bit for bit, and what they call for odd blocks. */
#include <math.h>

#include "mlx_error_kernel.h"

/* One group: values and their errors into the element lanes. Returns whether all values are zero though a weight is not. */
static bool add_elements(ms_mlx_error *e, const ms_mlx_group *group, const float *w, const float *rounded) {
    const ms_mlx_quantiser *const q = e->q;
    bool values_zero = true, weights_zero = true;
    for (int i = 0; i < q->codec.group_size; i++) {
        const int lane = i % MS_MLX_LANES;
        const float v = ms_mlx_value(&q->codec, group, ms_mlx_code(q, &e->global, group, rounded[i]));
        values_zero = values_zero && v == 0, weights_zero = weights_zero && w[i] == 0;
        if (!isfinite(w[i])) {
            e->n_weights_not_finite++;
            continue;
        }
        e->sum_sq_weight[lane] += (double)w[i] * w[i]; /* 48 bits: exact, as is v * v; the sum rounds once */
        e->max_weight = fmax(e->max_weight, fabs((double)w[i]));
        if (!isfinite(v)) {
            e->n_values_not_finite++;
            continue;
        }
        const double error = (double)v - w[i];
        e->sum_sq_error[lane] = fma(error, error, e->sum_sq_error[lane]);
        e->sum_sq_value[lane] += (double)v * v;
        e->max_error = fmax(e->max_error, fabs(error));
    }
    return values_zero && !weights_zero;
}

static void add_group(ms_mlx_error *e, const ms_mlx_group *group, int lane) {
    e->sum_scale[lane] += group->scale;
    e->sum_scale_abs[lane] += fabs((double)group->scale);
    e->sum_bias[lane] += group->bias;
    e->max_scale = fmax(e->max_scale, group->scale);
    e->max_scale_abs = fmax(e->max_scale_abs, fabs((double)group->scale));
    e->max_bias = fmax(e->max_bias, group->bias);
    e->subnormal_scale_groups += ms_mlx_group_scale_is_subnormal(&e->q->codec, group);
}

static void extremes(const float *w, int n, float *lo, float *hi) {
    *lo = *hi = w[0];
    for (int i = 1; i < n; i++) *lo = fminf(*lo, w[i]), *hi = fmaxf(*hi, w[i]);
}

void ms_mlx_error_block(ms_mlx_error *e, const float *w, size_t n_groups) {
    const ms_mlx_quantiser *const q = e->q;
    const size_t g = (size_t)q->codec.group_size;
    const bool shares = q->profile == MS_MLX_METAL_0_32_0 && q->codec.mode == MS_MLX_NVFP4;
    float rounded[MS_MLX_LANES * MS_MLX_MAX_GROUP];
    ms_mlx_round(q->compute, w, n_groups * g, rounded);
    for (size_t k = 0; k < n_groups; k++) {
        const float *const r = rounded + k * g;
        float lo, hi, max_abs = ms_mlx_max_abs(r, (int)g);
        if (shares && (k ^ 1) < n_groups) max_abs = fmaxf(max_abs, ms_mlx_max_abs(rounded + (k ^ 1) * g, (int)g));
        const ms_mlx_group group = ms_mlx_quantiser_group(q, &e->global, r, max_abs);
        extremes(r, (int)g, &lo, &hi);
        e->clip_groups += ms_mlx_group_clips(q, &e->global, &group, lo, hi);
        e->zero_groups += add_elements(e, &group, w + k * g, r);
        add_group(e, &group, (int)k);
    }
    e->n_groups += (int64_t)n_groups;
    e->n_weights += (int64_t)(n_groups * g);
}

void ms_mlx_error_rows_scalar(ms_mlx_error *e, const float *rows, size_t n_rows, size_t n_cols) {
    const size_t g = (size_t)e->q->codec.group_size, groups_per_row = n_cols / g;
    for (size_t row = 0; row < n_rows; row++)
        for (size_t k = 0; k < groups_per_row; k += MS_MLX_LANES) {
            const size_t n = groups_per_row - k < MS_MLX_LANES ? groups_per_row - k : MS_MLX_LANES;
            ms_mlx_error_block(e, rows + row * n_cols + k * g, n);
        }
}
