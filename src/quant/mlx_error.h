/*
 * mlx_error: what a quantisation would do to a matrix, summed in one pass; nothing packed is stored.
 *
 *     ms_mlx_error e;
 *     ms_mlx_error_init(&e, &q, max_abs);
 *     ms_mlx_error_add(&e, rows, n_rows, n_cols);             // as often as there are rows, in any portions of whole rows
 *     ms_mlx_error_merge(&total, &e);                         // in chunk order
 *     const ms_mlx_metrics m = ms_mlx_error_metrics(&total, 1e-12, 0);
 *
 * The error is v - w with w the stored weight (f32; f64 and integers rounded to it) and v the value that comes back from the
 * quantiser, which itself sees rn_T(w) only. Both are f32; v - w, its square and all sums are f64.
 *
 * Sums are kept in 16 lanes: element of column c in lane c mod 16, group k of a row in lane k mod 16; the lanes are added in a
 * fixed order at the end. So the numbers depend neither on the instruction set nor on how rows are dealt out to calls; merging
 * partial sums rounds once per lane and merge.
 */
#ifndef MS_MLX_ERROR_H
#define MS_MLX_ERROR_H

#include "mlx_quantiser.h"

enum { MS_MLX_LANES = 16 };

typedef struct ms_mlx_error {
    const ms_mlx_quantiser *q; /* borrowed: outlives this */
    ms_mlx_global global;
    int64_t n_weights, n_groups;
    int64_t n_weights_not_finite; /* NaN or infinite as stored (f32); left out of all sums and maxima */
    int64_t n_values_not_finite;  /* finite weight, value NaN or infinite; likewise */
    int64_t clip_groups;          /* ms_mlx_group_clips: some weight was brought back by more than half a step */
    int64_t zero_groups;          /* every value is 0, some stored weight is not */
    int64_t subnormal_scale_groups;
    double sum_sq_error[MS_MLX_LANES], sum_sq_weight[MS_MLX_LANES], sum_sq_value[MS_MLX_LANES];
    double sum_scale[MS_MLX_LANES], sum_scale_abs[MS_MLX_LANES],
        sum_bias[MS_MLX_LANES];      /* per group, as a reader decodes them */
    double max_error, max_weight;    /* of absolute values */
    double max_scale, max_scale_abs; /* max_scale is signed; -inf while there are none */
    double max_bias;                 /* signed */
} ms_mlx_error;

/* max_abs: max |w| over the matrix; used by nvfp4 with global scale only. */
void ms_mlx_error_init(ms_mlx_error *e, const ms_mlx_quantiser *q, float max_abs);

/* rows: [n_rows, n_cols] f32, contiguous; n_cols a multiple of the group size. Any values.
 * metal-0.32.0 nvfp4: groups share maxima in pairs within a row (the exception of the first pair of an array, and pairs across
 * rows when n_cols is an odd multiple of 16, are not simulated here; ms_mlx_pack_quantise does both). */
void ms_mlx_error_add(ms_mlx_error *e, const float *rows, size_t n_rows, size_t n_cols);

/* Both made from the same quantiser. */
void ms_mlx_error_merge(ms_mlx_error *into, const ms_mlx_error *from);

typedef struct ms_mlx_metrics {
    double w_rel_fro;                                            /* ||v - w|| / max(||w|| + eps, floor) */
    double w_rel_max;                                            /* max |v - w| / max(max |w| + eps, floor) */
    double w_rmse;                                               /* sqrt(mean (v - w)^2) */
    double w_cos;                                                /* w.v / (||w|| ||v||); NaN when one of them is zero */
    double sqnr_db;                                              /* 10 log10(||w||^2 / ||v - w||^2); inf when exact */
    double scale_mean, scale_max, scale_abs_mean, scale_abs_max; /* decoded scales, over groups; max signed */
    double bias_mean, bias_max;                                  /* NaN outside affine; max signed */
    double bits_per_weight;
} ms_mlx_metrics;

/* The error metrics (the first five) are NaN as soon as one weight or value is not finite, and for no weights. */
ms_mlx_metrics ms_mlx_error_metrics(const ms_mlx_error *e, double eps, double floor);

#endif
