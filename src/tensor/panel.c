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

typedef struct element { /* of a dtype the kernels take */
    ms_panel_kernel *kernel;
    size_t size;
    uint32_t sign; /* the bit */
} element;

static element element_of(ms_isa isa, ms_dtype dtype) {
    const ms_panel_kernels *const k = kernels[isa];
    if (dtype == MS_DTYPE_F32) return (element){k->f32, 4, 0x80000000u};
    return (element){dtype == MS_DTYPE_F16 ? k->f16 : k->bf16, 2, 0x8000u};
}

static uint32_t code_at(const void *w, size_t i, size_t size) {
    return size == 4 ? ((const uint32_t *)w)[i] : ((const uint16_t *)w)[i];
}

static float value_of(ms_dtype dtype, uint32_t code) {
    if (dtype == MS_DTYPE_F32) return ms_f32_from_bits(code);
    return dtype == MS_DTYPE_F16 ? ms_f32_from_f16((uint16_t)code) : ms_f32_from_bf16((uint16_t)code);
}

/* Sign and magnitude to an order of integers: -inf < ... < -0 < +0 < ... < +inf. */
static int64_t rank_of(uint32_t code, uint32_t sign) { return code & sign ? -1 - (int64_t)(code & (sign - 1)) : (int64_t)code; }

/* The extremes of what the kernels' two numbers do not tell: elements from..n, and all of them when their signs are alike. */
static void set_extremes(ms_panel_facts *out, ms_dtype dtype, element e, const void *w, size_t from, uint32_t most,
                         uint32_t least) {
    const bool alike = from > 0 && ((most & e.sign) || !(least & e.sign));
    const size_t begin = alike ? 0 : from;
    uint32_t lowest = begin ? least : code_at(w, 0, e.size), highest = begin ? most : lowest;
    int64_t low = rank_of(lowest, e.sign), high = rank_of(highest, e.sign);
    for (size_t i = begin; i < out->n; i++) {
        const uint32_t code = code_at(w, i, e.size);
        const int64_t rank = rank_of(code, e.sign);
        if (rank < low) low = rank, lowest = code;
        if (rank > high) high = rank, highest = code;
    }
    out->min = value_of(dtype, lowest);
    out->max = value_of(dtype, highest);
}

/* The last n < 256 elements, filled up with zeros, behind what `out` holds of the first `done`. */
static void add_tail(ms_panel_facts *out, element e, const void *w, size_t done, size_t n) {
    _Alignas(64) uint8_t padded[MS_PANEL_STEP * 4] = {0};
    ms_panel_facts tail;
    uint32_t most, least;
    memcpy(padded, (const uint8_t *)w + done * e.size, n * e.size);
    e.kernel(&tail, padded, 1, &most, &least);
    const size_t first = done / MS_PANEL_BLOCK, n_blocks = (n + MS_PANEL_BLOCK - 1) / MS_PANEL_BLOCK;
    memcpy(out->block_sum + first, tail.block_sum, n_blocks * sizeof *tail.block_sum);
    memcpy(out->block_max + first, tail.block_max, n_blocks * sizeof *tail.block_max);
    out->n_zero += tail.n_zero - (uint32_t)(MS_PANEL_STEP - n);
    out->sum += tail.sum;
    out->sum_abs += tail.sum_abs;
    out->sum_sq += tail.sum_sq;
    out->sum_p4 += tail.sum_p4;
}

static void measure(ms_panel_facts *out, ms_dtype dtype, element e, const void *w, size_t n) {
    const size_t done = n / MS_PANEL_STEP * MS_PANEL_STEP;
    uint32_t most = 0, least = 0;
    out->n = (uint32_t)n;
    out->n_nan = out->n_inf = 0;
    e.kernel(out, w, n / MS_PANEL_STEP, &most, &least);
    if (done < n) add_tail(out, e, w, done, n - done);
    set_extremes(out, dtype, e, w, done, most, least);
    memset(out->block_finite, MS_PANEL_BLOCK, sizeof out->block_finite);
    if (n % MS_PANEL_BLOCK) out->block_finite[n / MS_PANEL_BLOCK] = (uint8_t)(n % MS_PANEL_BLOCK);
}

static bool all_finite(const ms_panel_facts *facts) {
    const size_t n_blocks = (facts->n + MS_PANEL_BLOCK - 1) / MS_PANEL_BLOCK;
    int bad = 0;
    for (size_t b = 0; b < n_blocks; b++) bad |= !(facts->block_max[b] <= FLT_MAX);
    return !bad;
}

/* The rare case: what is not finite becomes 0 in a copy, and is then taken back out of the counts and extremes. */
static void measure_cleaned(ms_isa isa, ms_panel_facts *out, ms_dtype dtype, const void *w, size_t n) {
    _Alignas(64) float clean[MS_PANEL_MAX];
    const size_t size = element_of(isa, dtype).size;
    uint8_t lost[MS_PANEL_BLOCKS] = {0};
    uint32_t n_nan = 0, n_inf = 0;
    float low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        const float f = value_of(dtype, code_at(w, i, size));
        clean[i] = isfinite(f) ? f : 0;
        n_nan += isnan(f) != 0;
        n_inf += isinf(f) != 0;
        lost[i / MS_PANEL_BLOCK] = (uint8_t)(lost[i / MS_PANEL_BLOCK] + !isfinite(f));
        if (!isfinite(f)) continue;
        if (f < low || (f == low && signbit(f))) low = f;
        if (f > high || (f == high && !signbit(f))) high = f;
    }
    measure(out, MS_DTYPE_F32, element_of(isa, MS_DTYPE_F32), clean, n);
    for (size_t b = 0; b < MS_PANEL_BLOCKS; b++) out->block_finite[b] = (uint8_t)(out->block_finite[b] - lost[b]);
    out->n_nan = n_nan;
    out->n_inf = n_inf;
    out->n_zero -= n_nan + n_inf;
    out->min = low;
    out->max = high;
}

void ms_panel_measure_on(ms_isa isa, ms_panel_facts *out, ms_dtype dtype, const void *w, size_t n) {
    measure(out, dtype, element_of(isa, dtype), w, n);
    if (!all_finite(out)) measure_cleaned(isa, out, dtype, w, n);
}

void ms_panel_measure(ms_panel_facts *out, ms_dtype dtype, const void *w, size_t n) {
    ms_panel_measure_on(ms_cpu_isa(), out, dtype, w, n);
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
