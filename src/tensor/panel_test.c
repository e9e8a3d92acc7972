#include "panel.h"

#include "bracket.h"
#include "half.h"
#include "test.h"

/* w as stored elements of dtype; what is not exact is rounded first, so that w holds what is stored. */
static void store(ms_dtype dtype, float *w, size_t n, void *out) {
    for (size_t i = 0; i < n; i++) {
        const uint16_t half = dtype == MS_DTYPE_F16 ? ms_f16_from_f32(w[i]) : ms_bf16_from_f32(w[i]);
        if (dtype == MS_DTYPE_F32) {
            ((float *)out)[i] = w[i];
            continue;
        }
        ((uint16_t *)out)[i] = half;
        w[i] = dtype == MS_DTYPE_F16 ? ms_f32_from_f16(half) : ms_f32_from_bf16(half);
    }
}

static const ms_dtype types[] = {MS_DTYPE_BF16, MS_DTYPE_F16, MS_DTYPE_F32};

static float kept_max(float best, float w) { return isfinite(w) && fabsf(w) > best ? fabsf(w) : best; }

static void check_against_plain_sums(ms_gen *g, ms_isa isa) {
    static float w[MS_PANEL_MAX];
    static _Alignas(64) uint8_t stored[MS_PANEL_MAX * 4];
    const size_t n = gen_weights(g, w, 1 + gen_below(g, MS_PANEL_MAX));
    const ms_dtype dtype = types[gen_below(g, 3)];
    store(dtype, w, n, stored);
    ms_panel_facts f;
    ms_panel_measure_on(isa, &f, dtype, stored, n);
    double sum = 0, sum_abs = 0, sum_sq = 0, sum_p4 = 0;
    int64_t n_nan = 0, n_inf = 0, n_zero = 0;
    float min = INFINITY, max = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        const double x = (double)w[i];
        n_nan += isnan(x) != 0, n_inf += isinf(x) != 0, n_zero += x == 0;
        if (!isfinite(x)) continue;
        sum += x, sum_abs += fabs(x), sum_sq += x * x, sum_p4 += x * x * x * x;
        min = fminf(min, w[i]), max = fmaxf(max, w[i]);
    }
    CHECK_EQ_I64(f.n, n);
    CHECK_EQ_I64(f.n_nan, n_nan);
    CHECK_EQ_I64(f.n_inf, n_inf);
    CHECK_EQ_I64(f.n_zero, n_zero);
    CHECK_NEAR(f.sum, sum, 1e-12 * sum_abs);
    CHECK_NEAR(f.sum_abs, sum_abs, 1e-12 * sum_abs);
    CHECK_NEAR(f.sum_sq, sum_sq, 1e-12 * sum_sq);
    CHECK_NEAR(f.sum_p4, sum_p4, 1e-12 * sum_p4);
    float least, most;
    ms_panel_extremes_on(isa, &f, dtype, stored, &least, &most);
    CHECK_NEAR(least, min, 0);
    CHECK_NEAR(most, max, 0);
    CHECK_NEAR(f.max_abs, n_nan + n_inf == (int64_t)n ? 0 : fmaxf(fabsf(min), fabsf(max)), 0);
    for (size_t b = 0; b * MS_PANEL_BLOCK < n; b++) {
        double block = 0;
        float largest = 0;
        int finite = 0;
        for (size_t i = b * MS_PANEL_BLOCK; i < n && i < (b + 1) * MS_PANEL_BLOCK; i++) {
            if (isfinite(w[i])) block += (double)fabsf(w[i]), finite++;
            largest = kept_max(largest, w[i]);
        }
        CHECK_NEAR(f.block_sum[b], block, 1e-13 * block);
        CHECK_EQ_F32(f.block_max[b], largest);
        CHECK_EQ_I64(f.block_finite[b], finite);
    }
}

PROPERTY(panel_facts_are_the_plain_sums, 300) { check_against_plain_sums(g, MS_ISA_SCALAR); }
ISA_TEST(panel_facts_of_every_kernel_are_the_plain_sums) {
    for (int round = 0; round < 20; round++) check_against_plain_sums(g, isa);
}

/* Not only close: the order of additions is part of the definition. */
ISA_TEST(panel_kernels_agree_to_the_bit) {
    static float w[MS_PANEL_MAX];
    static _Alignas(64) uint8_t stored[MS_PANEL_MAX * 4];
    for (int round = 0; round < 30; round++) {
        const size_t n = gen_weights(g, w, MS_PANEL_MAX), n_blocks = (n + MS_PANEL_BLOCK - 1) / MS_PANEL_BLOCK;
        const ms_dtype dtype = types[gen_below(g, 3)];
        store(dtype, w, n, stored);
        ms_panel_facts want, got;
        memset(&want, 0, sizeof want), memset(&got, 0, sizeof got);
        ms_panel_measure_on(MS_ISA_SCALAR, &want, dtype, stored, n);
        ms_panel_measure_on(isa, &got, dtype, stored, n);
        CHECK(memcmp(&want, &got, offsetof(ms_panel_facts, block_max)) == 0);
        CHECK(memcmp(want.block_max, got.block_max, n_blocks * sizeof *want.block_max) == 0);
        CHECK(memcmp(want.block_sum, got.block_sum, n_blocks * sizeof *want.block_sum) == 0);
        CHECK(memcmp(want.block_finite, got.block_finite, n_blocks) == 0);
    }
}

/* The same weights give the same facts however they are stored. */
PROPERTY(panel_facts_do_not_depend_on_the_storage, 100) {
    static float w[MS_PANEL_MAX];
    static _Alignas(64) uint16_t stored[MS_PANEL_MAX];
    ms_panel_facts narrow, wide;
    memset(&narrow, 0, sizeof narrow), memset(&wide, 0, sizeof wide);
    const size_t n = gen_weights(g, w, MS_PANEL_MAX);
    const ms_dtype dtype = types[gen_below(g, 2)];
    store(dtype, w, n, stored);
    ms_panel_measure(&narrow, dtype, stored, n);
    ms_panel_measure(&wide, MS_DTYPE_F32, w, n);
    CHECK(narrow.n_nan == wide.n_nan && narrow.n_zero == wide.n_zero && narrow.sum_abs == wide.sum_abs);
    CHECK(narrow.sum == wide.sum && narrow.sum_sq == wide.sum_sq && narrow.max_abs == wide.max_abs);
    CHECK_NEAR(narrow.sum_p4, wide.sum_p4, 1e-14 * wide.sum_p4);
}

TEST(panel_extremes_know_negative_zero) {
    const float w[] = {-0.0f, 0.0f}, negative[] = {-3, -2};
    float min, max;
    ms_panel_facts f;
    ms_panel_measure(&f, MS_DTYPE_F32, w, 2);
    ms_panel_extremes(&f, MS_DTYPE_F32, w, &min, &max);
    CHECK(signbit(min) && !signbit(max) && f.n_zero == 2);
    ms_panel_measure(&f, MS_DTYPE_F32, negative, 2);
    ms_panel_extremes(&f, MS_DTYPE_F32, negative, &min, &max);
    CHECK(min == -3 && max == -2);
}

ISA_TEST(ratio_kernels_agree_to_the_bit) {
    static float w[MS_PANEL_MAX];
    uint32_t want[MS_PANEL_BLOCKS], got[MS_PANEL_BLOCKS];
    for (int round = 0; round < 10; round++) {
        const size_t n = gen_finite_weights(g, w, MS_PANEL_MAX), n_join = 1 + gen_below(g, 5);
        const size_t n_runs = n / MS_PANEL_BLOCK / n_join;
        ms_panel_facts f;
        ms_panel_measure_on(isa, &f, MS_DTYPE_F32, w, n);
        const uint32_t largest = ms_panel_ratios_on(MS_ISA_SCALAR, &f, n_join, n_runs, 1e-12, want);
        CHECK(ms_panel_ratios_on(isa, &f, n_join, n_runs, 1e-12, got) == largest);
        CHECK(memcmp(want, got, n_runs * sizeof *want) == 0);
        uint32_t top = 0;
        for (size_t r = 0; r < n_runs; r++) {
            double sum = 0, max = 0;
            for (size_t i = r * n_join * MS_PANEL_BLOCK; i < (r + 1) * n_join * MS_PANEL_BLOCK; i++)
                sum += fabs((double)w[i]), max = fmax(max, fabs((double)w[i]));
            const double ratio = max / (sum / (double)(n_join * MS_PANEL_BLOCK) + 1e-12);
            CHECK_NEAR((double)ms_f32_from_bits(got[r]), ratio, 2e-7 * ratio);
            if (got[r] > top) top = got[r];
        }
        CHECK(top == largest);
    }
}

/* ---- bracket ---- */

ISA_TEST(bracket_kernels_agree) {
    static uint32_t w[5000], want[5000 + MS_BRACKET_SLACK], got[5000 + MS_BRACKET_SLACK];
    static uint16_t w16[5000], want16[5000 + MS_BRACKET_SLACK], got16[5000 + MS_BRACKET_SLACK];
    for (int round = 0; round < 50; round++) {
        const size_t n = gen_below(g, 5001);
        const uint32_t spread = gen_below(g, 2) ? 0x7FFFFFFF : 1 + (uint32_t)gen_below(g, 1000);
        for (size_t i = 0; i < n; i++) w[i] = (uint32_t)gen_below(g, spread) | (uint32_t)gen_below(g, 2) << 31;
        for (size_t i = 0; i < n; i++) w16[i] = (uint16_t)(w[i] >> 16);
        uint32_t cuts[3];
        for (int i = 0; i < 3; i++) cuts[i] = (uint32_t)gen_below(g, (size_t)spread + 2);
        for (int i = 0; i < 3; i++)
            for (int k = i + 1; k < 3; k++)
                if (cuts[k] < cuts[i]) cuts[i] ^= cuts[k], cuts[k] ^= cuts[i], cuts[i] ^= cuts[k];
        const ms_bracket b = {cuts[0], cuts[1], gen_below(g, 3) ? cuts[2] : UINT32_MAX};
        uint64_t below_want = 3, below_got = 3;
        const size_t n_want = ms_bracket_scalar.u32(w, n, &b, &below_want, want);
        const size_t n_got = ms_bracket_kernels_of(isa)->u32(w, n, &b, &below_got, got);
        CHECK(n_want == n_got && below_want == below_got && memcmp(want, got, n_want * sizeof *want) == 0);
        const ms_bracket b16 = {b.lo >> 16, b.hi >> 16, b.tail >> 16};
        const size_t n_want16 = ms_bracket_scalar.u16(w16, n, &b16, &below_want, want16);
        const size_t n_got16 = ms_bracket_kernels_of(isa)->u16(w16, n, &b16, &below_got, got16);
        CHECK(n_want16 == n_got16 && below_want == below_got && memcmp(want16, got16, n_want16 * sizeof *want16) == 0);
#if defined(__x86_64__)
        if (isa != MS_ISA_AVX512) continue; /* also the one that machines with VBMI2 do not take */
        const size_t n_plain = ms_bracket_avx512.u16(w16, n, &b16, &below_got, got16);
        CHECK(n_plain == n_want16 && memcmp(want16, got16, n_want16 * sizeof *want16) == 0);
        below_want = below_got;
#endif
    }
}
