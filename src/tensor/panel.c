#include "panel.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "half.h"

static const ms_panel_kernels *const kernels[MS_ISA_COUNT] = {
    [MS_ISA_SCALAR] = &ms_panel_scalar,
#if defined(__x86_64__)
    [MS_ISA_AVX2] = &ms_panel_avx2,
    [MS_ISA_AVX512] = &ms_panel_avx512,
#endif
};

static ms_panel_kernel *kernel_of(const ms_panel_kernels *k, ms_dtype dtype) {
    return dtype == MS_DTYPE_F32 ? k->f32 : dtype == MS_DTYPE_F16 ? k->f16 : k->bf16;
}

static size_t size_of(ms_dtype dtype) { return dtype == MS_DTYPE_F32 ? 4 : 2; }

static uint32_t code_at(const void *w, size_t i, size_t size) {
    return size == 4 ? ((const uint32_t *)w)[i] : ((const uint16_t *)w)[i];
}

static float value_of(ms_dtype dtype, uint32_t code) {
    if (dtype == MS_DTYPE_F32) return ms_f32_from_bits(code);
    return dtype == MS_DTYPE_F16 ? ms_f32_from_f16((uint16_t)code) : ms_f32_from_bf16((uint16_t)code);
}

static uint32_t zeros(const ms_panel_kernels *k, ms_dtype dtype, const void *w, size_t n) {
    return size_of(dtype) == 4 ? k->zeros_32(w, n) : k->zeros_16(w, n);
}

/* The last n < 256 elements, filled up with zeros, behind what `out` holds of the first `done`. */
static void add_tail(const ms_panel_kernels *k, ms_panel_facts *out, ms_dtype dtype, const void *w, size_t done, size_t n) {
    _Alignas(64) uint8_t padded[MS_PANEL_STEP * 4] = {0};
    const uint8_t *const from = (const uint8_t *)w + done * size_of(dtype);
    ms_panel_facts tail;
    memcpy(padded, from, n * size_of(dtype));
    kernel_of(k, dtype)(&tail, padded, 1);
    const size_t first = done / MS_PANEL_BLOCK, n_blocks = (n + MS_PANEL_BLOCK - 1) / MS_PANEL_BLOCK;
    memcpy(out->block_sum + first, tail.block_sum, n_blocks * sizeof *tail.block_sum);
    memcpy(out->block_max + first, tail.block_max, n_blocks * sizeof *tail.block_max);
    out->n_zero += zeros(k, dtype, from, n);
    out->sum += tail.sum;
    out->sum_abs += tail.sum_abs;
    out->sum_sq += tail.sum_sq;
    out->sum_p4 += tail.sum_p4;
}

/* False when some elements are not finite: the facts mean nothing then. */
static bool measure(const ms_panel_kernels *k, ms_panel_facts *out, ms_dtype dtype, const void *w, size_t n) {
    const size_t n_steps = n / MS_PANEL_STEP, done = n_steps * MS_PANEL_STEP;
    out->n = (uint32_t)n;
    out->n_nan = out->n_inf = out->n_zero = 0;
    out->min = out->max = 0;
    if (kernel_of(k, dtype)(out, w, n_steps) == 0 && done > 0) out->n_zero = zeros(k, dtype, w, done);
    if (done < n) add_tail(k, out, dtype, w, done, n - done);
    memset(out->block_finite, MS_PANEL_BLOCK, sizeof out->block_finite);
    if (n % MS_PANEL_BLOCK) out->block_finite[n / MS_PANEL_BLOCK] = (uint8_t)(n % MS_PANEL_BLOCK);
    out->max_abs =
        ms_f32_from_bits(k->largest((const uint32_t *)(const void *)out->block_max, (n + MS_PANEL_BLOCK - 1) / MS_PANEL_BLOCK));
    return out->max_abs <= FLT_MAX;
}

/* The rare case: what is not finite becomes 0 in a copy, and is then taken back out of the counts and extremes. */
static void measure_cleaned(const ms_panel_kernels *k, ms_panel_facts *out, ms_dtype dtype, const void *w, size_t n) {
    _Alignas(64) float clean[MS_PANEL_MAX];
    uint8_t lost[MS_PANEL_BLOCKS] = {0};
    uint32_t n_nan = 0, n_inf = 0;
    float low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        const float f = value_of(dtype, code_at(w, i, size_of(dtype)));
        clean[i] = isfinite(f) ? f : 0;
        n_nan += isnan(f) != 0;
        n_inf += isinf(f) != 0;
        lost[i / MS_PANEL_BLOCK] = (uint8_t)(lost[i / MS_PANEL_BLOCK] + !isfinite(f));
        if (!isfinite(f)) continue;
        if (f < low || (f == low && signbit(f))) low = f;
        if (f > high || (f == high && !signbit(f))) high = f;
    }
    measure(k, out, MS_DTYPE_F32, clean, n);
    for (size_t b = 0; b < MS_PANEL_BLOCKS; b++) out->block_finite[b] = (uint8_t)(out->block_finite[b] - lost[b]);
    out->n_nan = n_nan;
    out->n_inf = n_inf;
    out->n_zero -= n_nan + n_inf;
    out->min = low;
    out->max = high;
}

void ms_panel_measure_on(ms_isa isa, ms_panel_facts *out, ms_dtype dtype, const void *w, size_t n) {
    if (!measure(kernels[isa], out, dtype, w, n)) measure_cleaned(kernels[isa], out, dtype, w, n);
}

void ms_panel_measure(ms_panel_facts *out, ms_dtype dtype, const void *w, size_t n) {
    ms_panel_measure_on(ms_cpu_isa(), out, dtype, w, n);
}

void ms_panel_extremes_on(ms_isa isa, const ms_panel_facts *facts, ms_dtype dtype, const void *w, float *min, float *max) {
    *min = facts->min;
    *max = facts->max;
    if (facts->n_nan || facts->n_inf) return;
    uint32_t least, most;
    if (size_of(dtype) == 4) kernels[isa]->extremes_32(w, facts->n, &least, &most);
    else kernels[isa]->extremes_16(w, facts->n, &least, &most);
    *min = value_of(dtype, least);
    *max = value_of(dtype, most);
}

void ms_panel_extremes(const ms_panel_facts *facts, ms_dtype dtype, const void *w, float *min, float *max) {
    ms_panel_extremes_on(ms_cpu_isa(), facts, dtype, w, min, max);
}

uint32_t ms_panel_ratios_on(ms_isa isa, const ms_panel_facts *facts, size_t n_join, size_t n_runs, double eps,
                            uint32_t *ratios) {
    const double one_over_size = 1 / (double)(n_join * MS_PANEL_BLOCK);
    if (n_join == 1) return kernels[isa]->ratios(facts->block_max, facts->block_sum, n_runs, one_over_size, eps, ratios);
    float max[MS_PANEL_BLOCKS];
    double sum[MS_PANEL_BLOCKS];
    if (n_join == 2) kernels[isa]->join_pairs(facts->block_max, facts->block_sum, n_runs, max, sum);
    for (size_t r = 0; n_join > 2 && r < n_runs; r++) {
        max[r] = 0;
        sum[r] = 0;
        for (size_t b = r * n_join; b < (r + 1) * n_join; b++) {
            max[r] = facts->block_max[b] > max[r] ? facts->block_max[b] : max[r];
            sum[r] += facts->block_sum[b];
        }
    }
    return kernels[isa]->ratios(max, sum, n_runs, one_over_size, eps, ratios);
}

uint32_t ms_panel_ratios(const ms_panel_facts *facts, size_t n_join, size_t n_runs, double eps, uint32_t *ratios) {
    return ms_panel_ratios_on(ms_cpu_isa(), facts, n_join, n_runs, eps, ratios);
}
