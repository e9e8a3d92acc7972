/*
 * panel: what one pass over a run of weights tells: counts, sums, extremes, and sum and maximum of |w| of every 32 of them.
 *
 *     ms_panel_facts facts;
 *     ms_panel_measure(&facts, MS_DTYPE_BF16, w, n);          // n <= MS_PANEL_MAX, w aligned to its element
 *
 * A panel fits the first-level cache, so the lenses of scan/ that share it read memory once. Values are taken as f32 and summed
 * in f64; NaN and infinities are counted and left out of everything else. All instruction sets give the same bits, because the
 * order of the sums is part of the definition (panel_scalar.c).
 */
#ifndef MS_PANEL_H
#define MS_PANEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu.h"
#include "dtype.h"

enum { MS_PANEL_MAX = 4096, MS_PANEL_BLOCK = 32, MS_PANEL_BLOCKS = MS_PANEL_MAX / MS_PANEL_BLOCK };

typedef struct ms_panel_facts {
    uint32_t n, n_nan, n_inf, n_zero;      /* elements; -0 is a zero */
    double sum, sum_abs, sum_sq, sum_p4;   /* of w, |w|, w^2, w^4 */
    float max_abs;                         /* 0 when none is finite */
    float min, max;                        /* only when some are not finite; see ms_panel_extremes */
    float block_max[MS_PANEL_BLOCKS];      /* max |w| of elements 32 b .. 32 b + 31; 0 when none is finite */
    double block_sum[MS_PANEL_BLOCKS];     /* sum of |w| likewise */
    uint8_t block_finite[MS_PANEL_BLOCKS]; /* finite elements in the block */
} ms_panel_facts;

/* dtype: BF16, F16 or F32; w: [n], n in 1 .. MS_PANEL_MAX. */
void ms_panel_measure(ms_panel_facts *out, ms_dtype dtype, const void *w, size_t n);
void ms_panel_measure_on(ms_isa isa, ms_panel_facts *out, ms_dtype dtype, const void *w, size_t n); /* for tests */

/* The smallest and largest of the elements that the facts are of, -0 < +0; +inf and -inf when none is finite. Apart, because
 * few panels can hold a new extreme: those whose max_abs is larger than what was seen of both signs. */
void ms_panel_extremes(const ms_panel_facts *facts, ms_dtype dtype, const void *w, float *min, float *max);
void ms_panel_extremes_on(ms_isa isa, const ms_panel_facts *facts, ms_dtype dtype, const void *w, float *min, float *max);

/* For every run of n_join blocks (whose elements must all be finite): max |w| / (mean |w| + eps), as the bits of an f32: mean +
 * eps in f64, rounded once, the quotient in f32. n_runs * n_join blocks; ratios: [n_runs]. Returns the largest, as bits: from
 * 0x7F800000 on some ratio is no number. */
uint32_t ms_panel_ratios(const ms_panel_facts *facts, size_t n_join, size_t n_runs, double eps, uint32_t *ratios);
uint32_t ms_panel_ratios_on(ms_isa isa, const ms_panel_facts *facts, size_t n_join, size_t n_runs, double eps,
                            uint32_t *ratios);

/* True when ms_panel_measure takes it; other types are decoded to f32 first. */
static inline bool ms_panel_takes(ms_dtype dtype) {
    return dtype == MS_DTYPE_BF16 || dtype == MS_DTYPE_F16 || dtype == MS_DTYPE_F32;
}

/* ---- between panel.c and its kernels ---- */

enum { MS_PANEL_STEP = 8 * MS_PANEL_BLOCK }; /* kernels take whole steps of 8 blocks */

/* w: [256 n_steps], finite or not. Fills the sums, block_sum and block_max (their first 8 n_steps entries) of `out`; returns 0
 * when one of them is zero. With NaN or Inf in w the sums mean nothing, but block_max then holds an Inf or NaN. */
typedef uint32_t ms_panel_kernel(ms_panel_facts *out, const void *w, size_t n_steps);

/* max, sum: [n] of one run each; see ms_panel_ratios. */
typedef uint32_t ms_panel_ratio_kernel(const float *max, const double *sum, size_t n, double one_over_size, double eps,
                                       uint32_t *ratios);

/* Pairs of blocks: the larger maximum, the sum of sums. max, sum: [2 n]; out: [n] each. */
typedef void ms_panel_join_kernel(const float *max, const double *sum, size_t n, float *out_max, double *out_sum);

typedef struct ms_panel_kernels {
    ms_panel_kernel *bf16, *f16, *f32;
    ms_panel_ratio_kernel *ratios; /* and the other loops of panel_loops.h */
    ms_panel_join_kernel *join_pairs;
    uint32_t (*largest)(const uint32_t *bits, size_t n);
    void (*extremes_16)(const uint16_t *codes, size_t n, uint32_t *least, uint32_t *most);
    void (*extremes_32)(const uint32_t *codes, size_t n, uint32_t *least, uint32_t *most);
    uint32_t (*zeros_16)(const uint16_t *codes, size_t n);
    uint32_t (*zeros_32)(const uint32_t *codes, size_t n);
} ms_panel_kernels;

extern const ms_panel_kernels ms_panel_scalar, ms_panel_avx2, ms_panel_avx512;

#endif
