#include "mlx_error.h"

#include "half.h"
#include "mem.h"
#include "mlx_error_kernel.h"
#include "mlx_pack.h"
#include "test.h"

typedef struct setting {
    const char *scheme;
    ms_dtype compute;
    ms_mlx_profile profile;
    bool global;
} setting;

static const char *const all_schemes[] = {
    "q1_g32", "q1_g64", "q1_g128", "q2_g32", "q2_g64", "q2_g128", "q3_g32", "q3_g64", "q3_g128", "q4_g32", "q4_g64", "q4_g128",
    "q5_g32", "q5_g64", "q5_g128", "q6_g32", "q6_g64", "q6_g128", "q8_g32", "q8_g64", "q8_g128", "mxfp4",  "mxfp8",  "nvfp4",
};
enum { N_SCHEMES = sizeof all_schemes / sizeof all_schemes[0] };
static const ms_dtype computes[3] = {MS_DTYPE_F32, MS_DTYPE_F16, MS_DTYPE_BF16};

static ms_mlx_quantiser quantiser_of(setting s) {
    ms_mlx_scheme scheme;
    ms_mlx_quantiser q = {0};
    if (ms_mlx_scheme_parse(ms_str_of(s.scheme), &scheme, NULL) != MS_OK) return q;
    scheme.compute = s.compute, scheme.profile = s.profile, scheme.global_scale = s.global;
    ms_mlx_quantiser_init(&q, &scheme, MS_DTYPE_F32);
    return q;
}

static setting any_setting(ms_gen *g) {
    setting s = {all_schemes[gen_below(g, N_SCHEMES)], computes[gen_below(g, 3)],
                 (ms_mlx_profile)gen_below(g, MS_MLX_PROFILE_COUNT), false};
    s.global = strcmp(s.scheme, "nvfp4") == 0 && gen_below(g, 2);
    return s;
}

/* Rows with structure that plain generators miss: ties, constants, steps of exponents, one-sided groups, wild ranges. */
static void fill(ms_gen *g, float *w, size_t n) {
    static const double sizes[] = {0.02, 0.002, 1, 300, 1e-6, 1e-8, 1e-20, 1e-36, 1e-42, 3e4, 1e30, 1e38};
    const size_t kind = gen_below(g, 12);
    const double size = sizes[gen_below(g, gen_below(g, 2) ? 4 : sizeof sizes / sizeof sizes[0])];
    for (size_t i = 0; i < n; i++) {
        const double x = gen_normal(g);
        switch (kind) {
        case 0: w[i] = (float)((double)gen_below(g, 31) - 15) / 2; break;
        case 1: w[i] = (float)(fabs(x) * size); break;
        case 2: w[i] = (float)(-fabs(x) * size); break;
        case 3: w[i] = i % 16 && i > 0 ? w[i - 1] : (float)(x * size); break;
        case 4: w[i] = (float)ldexp((double)gen_below(g, 33) - 16, (int)gen_below(g, 12) - 10); break;
        case 5: w[i] = (float)(x * size * (gen_below(g, 50) ? 1 : 60)); break;
        case 6: w[i] = i % 32 ? (float)(x * 1e-4) : ms_f32_from_bits(ms_f32_bits(6) + (uint32_t)gen_below(g, 7) - 3); break;
        case 7: w[i] = gen_below(g, 40) ? 0 : (float)(x * size); break;
        default: w[i] = (float)(x * size); break;
        }
    }
    if (kind == 8) gen_weights(g, w, n);
    if (kind == 9 && n) w[gen_below(g, n)] = gen_below(g, 2) ? NAN : -INFINITY;
}

static float max_abs_of(const float *w, size_t n) {
    float max = 0;
    for (size_t i = 0; i < n; i++) max = fabsf(w[i]) > max ? fabsf(w[i]) : max;
    return max;
}

/* All numbers of both, as bits; NaN equals NaN. */
static void check_same(const ms_mlx_error *a, const ms_mlx_error *b, const setting *s) {
#define SAME_SUM(field)                                                                                                \
    for (int i = 0; i < MS_MLX_LANES; i++)                                                                             \
    CHECK_MSG(a->field[i] == b->field[i] || (isnan(a->field[i]) && isnan(b->field[i])),                                \
              "%s compute %d profile %d: " #field "[%d]: got %.17g, want %.17g", s->scheme, s->compute, s->profile, i, \
              a->field[i], b->field[i])
#define SAME(field)                                                                                                           \
    CHECK_MSG((double)a->field == (double)b->field, "%s compute %d profile %d: " #field ": got %.17g, want %.17g", s->scheme, \
              s->compute, s->profile, (double)a->field, (double)b->field)
    SAME(n_weights);
    SAME(n_groups);
    SAME(n_weights_not_finite);
    SAME(n_values_not_finite);
    SAME(clip_groups);
    SAME(zero_groups);
    SAME(subnormal_scale_groups);
    SAME_SUM(sum_sq_weight);
    SAME_SUM(sum_sq_value);
    SAME_SUM(sum_sq_error);
    SAME_SUM(sum_scale);
    SAME_SUM(sum_scale_abs);
    SAME_SUM(sum_bias);
    SAME(max_error);
    SAME(max_weight);
    SAME(max_scale);
    SAME(max_scale_abs);
    SAME(max_bias);
#undef SAME
#undef SAME_SUM
}

/* The sums against the values that packing and unpacking gives. */
PROPERTY(mlx_error_sums_are_those_of_the_packed_values, 300) {
    enum { N_ROWS = 3, N_COLS = 384, N = N_ROWS * N_COLS };
    static float w[N], values[N];
    static uint8_t words[N], scales[4 * N / 16], biases[4 * N / 16];
    const setting s = any_setting(g);
    const ms_mlx_quantiser q = quantiser_of(s);
    if (q.profile == MS_MLX_METAL_0_32_0 && q.codec.mode == MS_MLX_NVFP4) return; /* the first pair differs, by design */
    for (int row = 0; row < N_ROWS; row++) fill(g, w + (size_t)row * N_COLS, N_COLS);
    ms_mlx_error e;
    ms_mlx_error_init(&e, &q, max_abs_of(w, N));
    ms_mlx_error_add(&e, w, N_ROWS, N_COLS);
    ms_mlx_codec codec = q.codec;
    codec.global_decode = e.global.decode;
    ms_mlx_pack_quantise(&q, &e.global, w, N_ROWS, N_COLS, &(ms_mlx_packed){words, scales, biases});
    ms_mlx_pack_dequantise(&codec, &(ms_mlx_stored){words, scales, biases}, N_ROWS, N_COLS, values);
    double error = 0, weight = 0, max_error = 0, dot = 0, value = 0;
    for (int i = 0; i < N; i++) {
        const double d = (double)values[i] - w[i];
        error += d * d, weight += (double)w[i] * w[i], value += (double)values[i] * values[i], dot += (double)w[i] * values[i];
        max_error = fmax(max_error, fabs(d));
    }
    const ms_mlx_metrics m = ms_mlx_error_metrics(&e, 0, 0);
    if (!isfinite(error)) {
        CHECK(isnan(m.w_rel_fro) && isnan(m.sqnr_db));
        CHECK(e.n_weights_not_finite + e.n_values_not_finite > 0);
        return;
    }
    if (weight == 0) return;
    CHECK_NEAR(m.w_rel_fro, sqrt(error / weight), 1e-12 * m.w_rel_fro);
    CHECK_NEAR(e.max_error, max_error, 0);
    CHECK_NEAR(m.w_rmse, sqrt(error / (double)N), 1e-12 * m.w_rmse);
    if (value > 0) CHECK_NEAR(m.w_cos, dot / sqrt(weight) / sqrt(value), 1e-13);
}

/* Rows dealt out to calls differently: the same bits. */
PROPERTY(mlx_error_does_not_depend_on_portions, 50) {
    enum { N_ROWS = 6, N_COLS = 256, N = N_ROWS * N_COLS };
    static float w[N];
    const setting s = any_setting(g);
    const ms_mlx_quantiser q = quantiser_of(s);
    fill(g, w, N);
    ms_mlx_error whole, portions;
    ms_mlx_error_init(&whole, &q, max_abs_of(w, N));
    portions = whole;
    ms_mlx_error_add(&whole, w, N_ROWS, N_COLS);
    for (size_t row = 0, n; row < N_ROWS; row += n) {
        n = 1 + gen_below(g, N_ROWS - row);
        ms_mlx_error_add(&portions, w + row * N_COLS, n, N_COLS);
    }
    check_same(&portions, &whole, &s);
}

PROPERTY(mlx_error_merge_is_concatenation, 50) {
    enum { N_ROWS = 4, N_COLS = 128, N = N_ROWS * N_COLS };
    static float w[N];
    const setting s = any_setting(g);
    const ms_mlx_quantiser q = quantiser_of(s);
    for (int i = 0; i < N; i++) w[i] = (float)(gen_normal(g) * 0.02);
    const size_t cut = gen_below(g, N_ROWS + 1);
    ms_mlx_error whole, head, tail;
    ms_mlx_error_init(&whole, &q, max_abs_of(w, N));
    head = tail = whole;
    ms_mlx_error_add(&whole, w, N_ROWS, N_COLS);
    ms_mlx_error_add(&head, w, cut, N_COLS);
    ms_mlx_error_add(&tail, w + cut * N_COLS, N_ROWS - cut, N_COLS);
    ms_mlx_error_merge(&head, &tail);
    const ms_mlx_metrics want = ms_mlx_error_metrics(&whole, 1e-12, 0), got = ms_mlx_error_metrics(&head, 1e-12, 0);
    CHECK_NEAR(got.w_rel_fro, want.w_rel_fro, 1e-13 * want.w_rel_fro);
    CHECK_NEAR(got.w_rel_max, want.w_rel_max, 0);
    CHECK_NEAR(got.scale_mean, want.scale_mean, 1e-13 * want.scale_abs_mean);
    CHECK_EQ_I64(head.n_groups, whole.n_groups);
    CHECK_EQ_I64(head.clip_groups, whole.clip_groups);
}

/* Every kernel this machine has against the scalar one, over all schemes, types and profiles: the same bits. */
ISA_TEST(mlx_error_kernels_agree) {
    static float w[4096];
    static const size_t widths[] = {128, 256, 384, 512, 640, 1024, 2048};
    CHECK(ms_mlx_error_kernels[isa]);
    for (int i = 0; i < 40; i++) {
        const setting s = any_setting(g);
        const ms_mlx_quantiser q = quantiser_of(s);
        const size_t n_cols = widths[gen_below(g, sizeof widths / sizeof widths[0])], n_rows = 1 + gen_below(g, 4096 / n_cols);
        for (size_t row = 0; row < n_rows; row++) fill(g, w + row * n_cols, n_cols);
        ms_mlx_error want, got;
        ms_mlx_error_init(&want, &q, max_abs_of(w, n_rows * n_cols));
        got = want;
        ms_mlx_error_rows_scalar(&want, w, n_rows, n_cols);
        ms_mlx_error_kernels[isa](&got, w, n_rows, n_cols);
        check_same(&got, &want, &s);
    }
}

/* Narrow rows: fewer groups than a block holds, down to one. */
ISA_TEST(mlx_error_kernels_agree_on_narrow_rows) {
    static float w[16 * 64];
    CHECK(ms_mlx_error_kernels[isa]);
    const setting s = any_setting(g);
    const ms_mlx_quantiser q = quantiser_of(s);
    const size_t n_cols = (size_t)q.codec.group_size * (1 + gen_below(g, 3)), n_rows = sizeof w / sizeof w[0] / n_cols;
    fill(g, w, n_rows * n_cols);
    ms_mlx_error want, got;
    ms_mlx_error_init(&want, &q, max_abs_of(w, n_rows * n_cols));
    got = want;
    ms_mlx_error_rows_scalar(&want, w, n_rows, n_cols);
    ms_mlx_error_kernels[isa](&got, w, n_rows, n_cols);
    check_same(&got, &want, &s);
}

static ms_mlx_error of_normal(setting s, double sigma) {
    enum { N_ROWS = 256, N_COLS = 1024 };
    ms_gen g = {99};
    static ms_mlx_quantiser q;
    q = quantiser_of(s);
    ms_mlx_error e;
    static float w[N_ROWS * N_COLS];
    for (int i = 0; i < N_ROWS * N_COLS; i++) w[i] = (float)(gen_normal(&g) * sigma);
    ms_mlx_error_init(&e, &q, max_abs_of(w, N_ROWS * N_COLS));
    ms_mlx_error_add(&e, w, N_ROWS, N_COLS);
    return e;
}

static double rel_fro_of_normal(setting s, double sigma) {
    const ms_mlx_error e = of_normal(s, sigma);
    return ms_mlx_error_metrics(&e, 1e-12, 0).w_rel_fro;
}

/* Expected errors of independent normal weights, from an own reference: docs/quantisation.md. */
TEST(mlx_errors_of_normal_weights_are_as_expected) {
    static const struct {
        setting s;
        double sigma, want, tolerance;
    } wants[] = {
        {{"q2_g32", MS_DTYPE_F32, MS_MLX_CPU, 0}, .02, .362, .002},
        {{"q2_g128", MS_DTYPE_F32, MS_MLX_CPU, 0}, .02, .423, .002},
        {{"q3_g64", MS_DTYPE_F32, MS_MLX_CPU, 0}, .02, .190, .002},
        {{"q4_g32", MS_DTYPE_F32, MS_MLX_CPU, 0}, .02, .0809, .0006},
        {{"q4_g64", MS_DTYPE_F32, MS_MLX_CPU, 0}, .02, .0910, .0006},
        {{"q5_g32", MS_DTYPE_F32, MS_MLX_CPU, 0}, .02, .0392, .0003},
        {{"q6_g64", MS_DTYPE_F32, MS_MLX_CPU, 0}, .02, .0217, .0002},
        {{"q8_g32", MS_DTYPE_F32, MS_MLX_CPU, 0}, .02, .0048, .0001},
        {{"q8_g32", MS_DTYPE_BF16, MS_MLX_CPU, 0}, .02, .0079, .0002}, /* against the stored f32 weights */
        {{"mxfp4", MS_DTYPE_F32, MS_MLX_CPU, 0}, .02, .118, .001},
        {{"mxfp4", MS_DTYPE_F32, MS_MLX_CPU_0_32_1, 0}, .02, .117, .001},
        {{"mxfp8", MS_DTYPE_F32, MS_MLX_CPU, 0}, .02, .0265, .0003},
        {{"mxfp8", MS_DTYPE_BF16, MS_MLX_CPU, 0}, .005, .0265, .0003},
        {{"nvfp4", MS_DTYPE_F32, MS_MLX_CPU, 0}, .02, .103, .001},
        {{"nvfp4", MS_DTYPE_F32, MS_MLX_CPU, 1}, .02, .095, .001},
        {{"nvfp4", MS_DTYPE_F32, MS_MLX_CPU, 0}, .002, .96, .02},
        {{"nvfp4", MS_DTYPE_F32, MS_MLX_METAL_0_32_0, 0}, 1, .102, .001},
    };
    for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++) {
        const double got = rel_fro_of_normal(wants[i].s, wants[i].sigma);
        CHECK_MSG(fabs(got - wants[i].want) <= wants[i].tolerance, "%s: got %.5f, want %.5f", wants[i].s.scheme, got,
                  wants[i].want);
    }
}

TEST(mlx_groups_are_counted_as_clipped_zero_and_subnormal) {
    const ms_mlx_error rounds = of_normal((setting){"mxfp8", MS_DTYPE_F32, MS_MLX_CPU_0_32_1, 0}, .02);
    const ms_mlx_error ceils = of_normal((setting){"mxfp8", MS_DTYPE_F32, MS_MLX_CPU, 0}, .02);
    CHECK(rounds.clip_groups > rounds.n_groups / 4 && ceils.clip_groups == 0);
    const ms_mlx_error dead = of_normal((setting){"nvfp4", MS_DTYPE_F32, MS_MLX_CPU, 0}, .002);
    CHECK(dead.zero_groups > dead.n_groups * 9 / 10);
    const ms_mlx_error low = of_normal((setting){"nvfp4", MS_DTYPE_F32, MS_MLX_CPU, 0}, .02);
    CHECK(low.subnormal_scale_groups > low.n_groups * 9 / 10 && low.zero_groups == 0);
    const ms_mlx_error halves = of_normal((setting){"q8_g32", MS_DTYPE_F16, MS_MLX_CPU, 0}, .0002);
    CHECK(halves.subnormal_scale_groups == halves.n_groups);
}

TEST(mlx_metrics_of_nothing_are_nan_and_of_exact_values_zero) {
    const ms_mlx_quantiser q = quantiser_of((setting){"q4_g32", MS_DTYPE_F32, MS_MLX_CPU, 0});
    ms_mlx_error e;
    ms_mlx_error_init(&e, &q, 0);
    CHECK(isnan(ms_mlx_error_metrics(&e, 1e-12, 0).w_rel_fro));
    float w[32];
    for (int i = 0; i < 32; i++) w[i] = (float)(i % 16);
    ms_mlx_error_add(&e, w, 1, 32);
    const ms_mlx_metrics m = ms_mlx_error_metrics(&e, 1e-12, 0);
    CHECK_NEAR(m.w_rel_fro, 0, 0);
    CHECK_NEAR(m.sqnr_db, INFINITY, 0);
    CHECK_NEAR(m.w_cos, 1, 1e-15);
    CHECK_NEAR(m.scale_mean, -1, 0);
    CHECK_NEAR(m.scale_abs_max, 1, 0);
    CHECK_NEAR(m.bias_max, 15, 0);
    CHECK_NEAR(m.bits_per_weight, 6, 0);
}

TEST(mlx_metrics_with_a_broken_weight_are_nan_but_counted) {
    const ms_mlx_quantiser q = quantiser_of((setting){"q4_g32", MS_DTYPE_F16, MS_MLX_CPU, 0});
    ms_mlx_error e;
    ms_mlx_error_init(&e, &q, 0);
    float w[32] = {1, 2, NAN, 70000}; /* 70000 is infinite in f16 and takes the group with it */
    ms_mlx_error_add(&e, w, 1, 32);
    CHECK_EQ_I64(e.n_weights_not_finite, 1);
    CHECK_EQ_I64(e.n_values_not_finite, 31);
    CHECK(isnan(ms_mlx_error_metrics(&e, 1e-12, 0).w_rel_fro));
}

TEST(mlx_largest_bias_is_no_negative_zero) {
    const ms_mlx_quantiser q = quantiser_of((setting){"q1_g32", MS_DTYPE_F32, MS_MLX_CPU, 0});
    ms_mlx_error e;
    float w[64]; /* the bias of 1 bit is the smallest weight */
    for (int i = 0; i < 64; i++) w[i] = i < 32 ? -0.0f : 0.0f;
    for (int swapped = 0; swapped < 2; swapped++) {
        ms_mlx_error_init(&e, &q, 0);
        ms_mlx_error_add(&e, w + 32 * swapped, 1, 32);
        ms_mlx_error_add(&e, w + 32 * !swapped, 1, 32);
        CHECK(!signbit(ms_mlx_error_metrics(&e, 1e-12, 0).bias_max));
    }
}

TEST(mlx_scales_with_one_that_is_nan_have_no_largest) {
    const ms_mlx_quantiser q = quantiser_of((setting){"q4_g32", MS_DTYPE_F32, MS_MLX_CPU, 0});
    ms_mlx_error e;
    ms_mlx_error_init(&e, &q, 0);
    float w[64] = {1, 2, INFINITY}; /* the first group's scale is NaN, the second's is not */
    w[40] = 3;
    ms_mlx_error_add(&e, w, 1, 64);
    const ms_mlx_metrics m = ms_mlx_error_metrics(&e, 1e-12, 0);
    CHECK(isnan(m.scale_mean) && isnan(m.scale_max) && isnan(m.scale_abs_mean) && isnan(m.scale_abs_max));
}
