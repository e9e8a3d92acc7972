#include "scan.h"

#include <stdlib.h>

#include "decode.h"
#include "half.h"
#include "mem.h"
#include "mlx_error.h"
#include "sample.h"
#include "scan_impl.h"
#include "test.h"

/* ---- a checkpoint in memory: one tensor, seen through matrices ---- */

typedef struct fake {
    ms_checkpoint ckpt;
    ms_file file;
    ms_tensor tensor;
    ms_stored stored;
    ms_source *source;
    uint64_t shape[1];
    uint8_t *bytes; /* owned; the elements begin at `offset` */
} fake;

static size_t stored_size(ms_dtype dtype) { return ms_dtype_info_of(dtype)->bits / 8; }

/* n elements of dtype from w; offset: of the first byte, to try unaligned data. */
static void fake_open(fake *f, ms_dtype dtype, const float *w, size_t n, size_t offset) {
    *f = (fake){.shape = {n}};
    const size_t size = stored_size(dtype);
    f->bytes = ms_mem_zalloc(offset + n * size + 64);
    for (size_t i = 0; i < n; i++) {
        uint8_t *const at = f->bytes + offset + i * size;
        const uint16_t half = dtype == MS_DTYPE_F16 ? ms_f16_from_f32(w[i]) : ms_bf16_from_f32(w[i]);
        const double wide = (double)w[i];
        if (size == 2) memcpy(at, &half, 2);
        else if (dtype == MS_DTYPE_F64) memcpy(at, &wide, 8);
        else if (dtype == MS_DTYPE_F32) memcpy(at, &w[i], 4);
        else *at = (uint8_t)ms_f32_bits(w[i]); /* bytes: any pattern */
    }
    ms_source_over_memory(&f->source, f->bytes, offset + n * size, "fake.safetensors", NULL);
    f->stored = (ms_stored){.name = MS_STR("w"),
                            .dtype = dtype,
                            .rank = 1,
                            .shape = f->shape,
                            .source = f->source,
                            .offset = offset,
                            .n_bytes = n * size};
    f->tensor = (ms_tensor){.stored = &f->stored, .layer = -1, .expert = -1, .section = "", .scheme = ""};
    f->ckpt = (ms_checkpoint){.files = &f->file, .n_files = 1, .tensors = &f->tensor, .n_tensors = 1};
}

static void fake_close(fake *f) {
    ms_source_close(f->source);
    ms_mem_free(f->bytes);
}

static ms_matrix dense(uint64_t rows, uint64_t cols, uint64_t first) {
    return (ms_matrix){.rows = rows, .cols = cols, .first = first, .row_stride = cols, .col_stride = 1};
}

/* Values of a column of one matrix, by name; NaN when there is no such column. */
static double stat(const ms_scan *scan, size_t matrix, const char *name) {
    size_t n;
    const ms_column_spec *const columns = ms_scan_stat_columns(scan, &n);
    for (size_t c = 0; c < n; c++)
        if (strcmp(columns[c].name, name) == 0) return scan->values[matrix * scan->n_values + scan->stat_emits[c].value];
    return NAN;
}

static double quant(const ms_scan *scan, size_t matrix, size_t scheme, const char *name) {
    size_t n;
    const ms_column_spec *const columns = ms_scan_quant_columns(scan, &n);
    for (size_t c = 0; c < n; c++)
        if (strcmp(columns[c].name, name) == 0)
            return scan->values[matrix * scan->n_values + scheme * scan->n_quant_values + scan->quant_emits[c].value];
    return NAN;
}

/* ---- the slow reference ---- */

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* NumPy's linear percentile of x: [n], which gets sorted. */
static double percentile(double *x, size_t n, double percent) {
    if (n == 0) return NAN;
    qsort(x, n, sizeof *x, by_value);
    const double at = percent / 100 * (double)(n - 1);
    const size_t low = (size_t)at, high = low + 1 < n ? low + 1 : low;
    const double t = at - (double)low;
    return t < 0.5 ? x[low] + (x[high] - x[low]) * t : x[high] - (x[high] - x[low]) * (1 - t);
}

typedef struct reference {
    double mean, std, mean_abs, rms, max_abs, min, max, kurtosis, p50, p99, p999, group, group_max;
    int64_t n, n_nan, n_inf, n_zero;
} reference;

static void group_ratios(reference *r, const float *w, size_t n, uint64_t cols, uint64_t size) {
    r->group = r->group_max = NAN;
    if (n == 0 || size == 0 || cols % size != 0) return;
    double *const ratios = ms_mem_alloc_array(n / size, sizeof *ratios);
    size_t n_ratios = 0;
    for (size_t g = 0; g < n / size; g++) {
        double sum = 0, max = 0;
        size_t finite = 0;
        for (size_t i = g * size; i < (g + 1) * size; i++) {
            if (!isfinite(w[i])) continue;
            sum += fabs((double)w[i]), max = fmax(max, fabs((double)w[i])), finite++;
        }
        if (finite) ratios[n_ratios++] = max / (sum / (double)finite + 1e-12);
    }
    r->group = percentile(ratios, n_ratios, 95);
    r->group_max = n_ratios ? ratios[n_ratios - 1] : NAN;
    ms_mem_free(ratios);
}

static reference reference_of(const float *w, size_t n, uint64_t cols, uint64_t group) {
    reference r = {.min = NAN, .max = NAN, .max_abs = NAN};
    double *const a = ms_mem_alloc_array(n, sizeof *a);
    double sum = 0, sum_abs = 0, sum_sq = 0, sum_p4 = 0, deviation = 0;
    for (size_t i = 0; i < n; i++) {
        const double x = (double)w[i];
        r.n_nan += isnan(x) != 0, r.n_inf += isinf(x) != 0, r.n_zero += x == 0;
        if (!isfinite(x)) continue;
        sum += x, sum_abs += fabs(x), sum_sq += x * x, sum_p4 += x * x * x * x;
        r.min = fmin(r.min, x), r.max = fmax(r.max, x), r.max_abs = fmax(r.max_abs, fabs(x));
        a[r.n++] = fabs(x);
    }
    const double m = (double)r.n;
    r.mean = sum / m, r.mean_abs = sum_abs / m, r.rms = sqrt(sum_sq / m);
    r.kurtosis = sum_p4 / m / ((sum_sq / m) * (sum_sq / m));
    for (size_t i = 0; i < n; i++)
        if (isfinite(w[i])) deviation += ((double)w[i] - r.mean) * ((double)w[i] - r.mean);
    r.std = sqrt(deviation / m);
    r.p50 = percentile(a, (size_t)r.n, 50), r.p99 = percentile(a, (size_t)r.n, 99), r.p999 = percentile(a, (size_t)r.n, 99.9);
    ms_mem_free(a);
    group_ratios(&r, w, n, cols, group);
    return r;
}

#define CHECK_CLOSE(got, want, relative) CHECK_NEAR(got, want, (relative) * fabs(want))

static void check_stats(const ms_scan *scan, size_t matrix, const reference *r, int64_t group) {
    char name[64];
    CHECK_MSG(!ms_scan_matrix_error(scan, matrix), "%s", ms_scan_matrix_error(scan, matrix)->text);
    CHECK(ms_scan_is_done(scan, matrix));
    CHECK_NEAR(stat(scan, matrix, "mean"), r->mean, 1e-12 * r->mean_abs);
    CHECK_NEAR(stat(scan, matrix, "std"), r->std, 1e-11 * r->std + 1e-14 * r->max_abs);
    CHECK_CLOSE(stat(scan, matrix, "mean_abs"), r->mean_abs, 1e-12);
    CHECK_CLOSE(stat(scan, matrix, "rms"), r->rms, 1e-12);
    CHECK_CLOSE(stat(scan, matrix, "kurtosis"), r->kurtosis, 1e-11);
    CHECK_NEAR(stat(scan, matrix, "max_abs"), r->max_abs, 0);
    CHECK_NEAR(stat(scan, matrix, "min"), r->min, 0);
    CHECK_NEAR(stat(scan, matrix, "max"), r->max, 0);
    CHECK_CLOSE(stat(scan, matrix, "outlier_max_over_mean"), r->max_abs / (r->mean_abs + 1e-12), 1e-12);
    CHECK_EQ_I64(stat(scan, matrix, "nan_count"), r->n_nan);
    CHECK_EQ_I64(stat(scan, matrix, "inf_count"), r->n_inf);
    CHECK_EQ_I64(stat(scan, matrix, "zero_count"), r->n_zero);
    CHECK_NEAR(stat(scan, matrix, "p50_abs_exact"), r->p50, 0);
    CHECK_NEAR(stat(scan, matrix, "p99_abs_exact"), r->p99, 0);
    CHECK_NEAR(stat(scan, matrix, "p999_abs_exact"), r->p999, 0);
    snprintf(name, sizeof name, "g%lld_p95_outlier", (long long)group);
    CHECK_CLOSE(stat(scan, matrix, name), r->group, 3e-7);
    snprintf(name, sizeof name, "g%lld_max_outlier", (long long)group);
    CHECK_CLOSE(stat(scan, matrix, name), r->group_max, 3e-7);
}

/* The sampled percentiles, from the positions that NumPy's generator gives. */
static void check_sampled(ms_scan *scan, const float *w, size_t n) {
    const ms_sample *sample;
    ms_err err;
    if (n == 0) return;
    CHECK_OK(ms_samples_get(&scan->samples, n, &sample, &err), &err);
    double *const a = ms_mem_alloc_array(sample->n_positions, sizeof *a);
    size_t n_finite = 0;
    for (size_t i = 0; i < sample->n_positions; i++) {
        const float x = w[sample->positions ? (size_t)sample->positions[i] : i];
        if (isfinite(x)) a[n_finite++] = fabs((double)x);
    }
    CHECK_NEAR(stat(scan, 0, "p50_abs"), percentile(a, n_finite, 50), 0);
    CHECK_NEAR(stat(scan, 0, "p99_abs"), percentile(a, n_finite, 99), 0);
    CHECK_NEAR(stat(scan, 0, "p999_abs"), percentile(a, n_finite, 99.9), 0);
    ms_mem_free(a);
    ms_samples_release(&scan->samples, sample);
}

/* ---- tests ---- */

static const ms_dtype types[] = {MS_DTYPE_BF16, MS_DTYPE_F16, MS_DTYPE_F32, MS_DTYPE_F64, MS_DTYPE_F8_E4M3, MS_DTYPE_I8};
static const int64_t sizes[] = {32, 64, 1, 5, 48, 256, 8192};

PROPERTY(scan_agrees_with_a_slow_reference, 120) {
    static float w[40000];
    ms_err err;
    const uint64_t some_rows[] = {1, 3, 7, 64, 0}, some_cols[] = {1, 5, 32, 64, 96, 33, 240, 512, 0};
    uint64_t rows = some_rows[gen_below(g, 5)], cols = some_cols[gen_below(g, 9)];
    if (gen_below(g, 6) == 0) rows = 3, cols = 8192;
    const size_t n = rows * cols, k = gen_below(g, 7), n_more = n ? n : 1;
    for (size_t i = 0; i < n_more;) i += gen_weights(g, w + i, n_more - i);
    if (gen_below(g, 10) == 0)
        for (size_t i = 0; i < n; i++) w[i] = NAN;
    const ms_dtype dtype = types[gen_below(g, 6)];
    fake f;
    fake_open(&f, dtype, w, n_more, gen_below(g, 4));
    CHECK_OK(ms_decode_f32(dtype, f.bytes + f.stored.offset, 0, n, w, &err), &err);

    ms_scan_options options = ms_scan_options_default();
    options.n_threads = 1 + (int)gen_below(g, 3);
    const int64_t many[] = {8192, 30000};
    options.sample_per_matrix = gen_below(g, 2) ? many[gen_below(g, 2)] : (int64_t)gen_below(g, 300);
    options.group_sizes = sizes;
    options.n_group_sizes = 7;
    const ms_matrix matrix = dense(rows, cols, 0);
    ms_scan *scan;
    CHECK_OK(ms_scan_create(&scan, &options, &err), &err);
    CHECK_OK(ms_scan_run(scan, &f.ckpt, &matrix, 1, &err), &err);
    const reference want = reference_of(w, n, cols, (uint64_t)sizes[k]);
    check_stats(scan, 0, &want, sizes[k]);
    check_sampled(scan, w, n);
    ms_scan_destroy(scan);
    fake_close(&f);
}

/* The values of all matrices under 1, 2, 3 and 7 threads; true when they are the same bytes. */
static bool same_for_all_threads(const fake *f, ms_scan_options options, const ms_matrix *matrices, size_t n_matrices) {
    static const int counts[] = {1, 2, 3, 7};
    double *first = NULL;
    bool same = true;
    for (int k = 0; k < 4; k++) {
        ms_scan *scan;
        options.n_threads = counts[k];
        if (ms_scan_create(&scan, &options, NULL) != MS_OK) return false;
        same = same && ms_scan_run(scan, &f->ckpt, matrices, n_matrices, NULL) == MS_OK;
        for (size_t m = 0; m < n_matrices; m++) same = same && ms_scan_is_done(scan, m) && !ms_scan_matrix_error(scan, m);
        const size_t n_bytes = n_matrices * scan->n_values * sizeof *scan->values;
        if (!first) first = memcpy(ms_mem_alloc(n_bytes), scan->values, n_bytes);
        same = same && memcmp(first, scan->values, n_bytes) == 0;
        ms_scan_destroy(scan);
    }
    ms_mem_free(first);
    return same;
}

static void fill(ms_gen *g, float *w, size_t n) {
    for (size_t i = 0; i < n; i++) w[i] = (float)(gen_unit(g) * gen_unit(g) - 0.2) * (i % 977 ? 0.02f : 1);
    w[n / 2] = NAN;
}

/* Every kind of storage; schemes; one matrix of several chunks. */
TEST(scan_does_not_depend_on_the_number_of_threads) {
    enum { N = 300000 };
    static float w[N];
    fill(g, w, N);
    fake f;
    fake_open(&f, MS_DTYPE_BF16, w, N, 0);
    ms_mlx_scheme schemes[] = {ms_mlx_scheme_make(MS_STR("a"), MS_STR("affine"), 4, 32),
                               ms_mlx_scheme_make(MS_STR("b"), MS_STR("nvfp4"), 4, 16)};
    schemes[1].global_scale = true;
    const ms_matrix matrices[] = {dense(64, 64, 4096),
                                  dense(30, 100, 1),
                                  dense(1, 300000, 0),
                                  dense(128, 96, 0),
                                  {.rows = 300, .cols = 64, .row_stride = 1, .col_stride = 300},
                                  {.rows = 40, .cols = 320, .row_stride = 640, .col_stride = 1}};
    ms_scan_options options = ms_scan_options_default();
    options.schemes = schemes;
    options.n_schemes = 2;
    CHECK(same_for_all_threads(&f, options, matrices, 6));
    fake_close(&f);
}

/* A matrix of two work items, which two threads share. */
TEST(scan_of_a_large_matrix_does_not_depend_on_the_number_of_threads) {
    enum { ROWS = 516, COLS = 8192, N = ROWS * COLS };
    float *const w = ms_mem_alloc_array(N, sizeof *w);
    ms_err err;
    fill(g, w, N);
    fake f;
    fake_open(&f, MS_DTYPE_BF16, w, N, 0);
    const ms_matrix matrix = dense(ROWS, COLS, 0);
    static const int64_t group_sizes[] = {64, 8}; /* more groups of 8 than are kept */
    ms_scan_options options = ms_scan_options_default();
    options.group_sizes = group_sizes;
    CHECK(ms_scan_cut_of(N, 64).n_items == 2);
    CHECK(same_for_all_threads(&f, options, &matrix, 1));
    CHECK(ms_decode_f32(MS_DTYPE_BF16, f.bytes, 0, N, w, &err) == MS_OK);
    reference want = reference_of(w, N, COLS, 64);
    ms_scan *scan;
    CHECK_OK(ms_scan_create(&scan, &options, &err), &err);
    CHECK_OK(ms_scan_run(scan, &f.ckpt, &matrix, 1, &err), &err);
    check_stats(scan, 0, &want, 64);
    check_sampled(scan, w, N);
    group_ratios(&want, w, N, COLS, 8);
    CHECK_CLOSE(stat(scan, 0, "g8_p95_outlier"), want.group, 3e-7);
    CHECK_CLOSE(stat(scan, 0, "g8_max_outlier"), want.group_max, 3e-7);
    ms_scan_destroy(scan);
    ms_mem_free(w);
    fake_close(&f);
}

/* Whatever the way rows lie in the tensor, the same weights give the same numbers. */
TEST(scan_sees_the_same_matrix_through_strides) {
    enum { R = 96, C = 160 };
    static float w[R * C], turned[R * C], spread[2 * R * C];
    fill(g, w, R * C);
    for (int r = 0; r < R; r++)
        for (int c = 0; c < C; c++) turned[c * R + r] = spread[2 * r * C + c] = w[r * C + c];
    const float *const storages[] = {w, turned, spread};
    const ms_matrix matrices[] = {dense(R, C, 0),
                                  {.rows = R, .cols = C, .row_stride = 1, .col_stride = R},
                                  {.rows = R, .cols = C, .row_stride = 2 * C, .col_stride = 1}};
    double first[64];
    for (int k = 0; k < 3; k++) {
        fake f;
        ms_err err;
        ms_scan *scan;
        const ms_scan_options options = ms_scan_options_default();
        fake_open(&f, MS_DTYPE_F16, storages[k], k == 2 ? 2 * R * C : R * C, 0);
        CHECK_OK(ms_scan_create(&scan, &options, &err), &err);
        CHECK_OK(ms_scan_run(scan, &f.ckpt, &matrices[k], 1, &err), &err);
        CHECK(!ms_scan_matrix_error(scan, 0) && scan->n_values <= 64);
        if (k == 0) memcpy(first, scan->values, scan->n_values * sizeof *first);
        for (size_t i = 0; i < scan->n_values; i++) CHECK_NEAR(scan->values[i], first[i], 1e-14 * fabs(first[i]));
        ms_scan_destroy(scan);
        fake_close(&f);
    }
}

PROPERTY(schemes_are_simulated_as_by_hand, 20) {
    enum { COLS = 128, ROWS = 60 };
    static float w[ROWS * COLS];
    ms_err err;
    for (size_t i = 0; i < ROWS * COLS;) i += gen_finite_weights(g, w + i, ROWS * COLS - i);
    fake f;
    fake_open(&f, MS_DTYPE_BF16, w, ROWS * COLS, 0);
    CHECK(ms_decode_f32(MS_DTYPE_BF16, f.bytes, 0, ROWS * COLS, w, &err) == MS_OK);
    const char *const modes[] = {"affine", "mxfp4", "mxfp8", "nvfp4"};
    const int bits[] = {4, 4, 8, 4}, groups[] = {64, 32, 32, 16};
    const size_t mode = gen_below(g, 4);
    ms_mlx_scheme schemes[2] = {ms_mlx_scheme_make(MS_STR("x"), ms_str_of(modes[mode]), bits[mode], groups[mode]),
                                ms_mlx_scheme_make(MS_STR("y"), MS_STR("affine"), 4, 96)};
    schemes[0].global_scale = mode == 3 && gen_below(g, 2);
    ms_scan_options options = ms_scan_options_default();
    options.schemes = schemes;
    options.n_schemes = 2;
    const ms_matrix matrix = dense(ROWS, COLS, 0);
    ms_scan *scan;
    CHECK_OK(ms_scan_create(&scan, &options, &err), &err);
    CHECK_OK(ms_scan_run(scan, &f.ckpt, &matrix, 1, &err), &err);
    ms_mlx_quantiser q;
    ms_mlx_error e;
    ms_mlx_quantiser_init(&q, &schemes[0], MS_DTYPE_BF16);
    ms_mlx_error_init(&e, &q, (float)stat(scan, 0, "max_abs"));
    ms_mlx_error_add(&e, w, ROWS, COLS);
    const ms_mlx_metrics m = ms_mlx_error_metrics(&e, 1e-12, 0);
    CHECK_CLOSE(quant(scan, 0, 0, "w_rel_fro"), m.w_rel_fro, 1e-13);
    CHECK_NEAR(quant(scan, 0, 0, "w_rel_max"), m.w_rel_max, 0);
    CHECK_CLOSE(quant(scan, 0, 0, "cos"), m.w_cos, 1e-13);
    CHECK_NEAR(quant(scan, 0, 0, "scale_max"), m.scale_max, 0);
    CHECK_EQ_I64(quant(scan, 0, 0, "clip_groups"), e.clip_groups);
    CHECK(ms_lens_is_null(quant(scan, 0, 0, "bias_mean")) == (mode != 0));
    CHECK(ms_scan_quant_error(scan, 0, 0).size == 0);
    CHECK(ms_lens_is_null(quant(scan, 0, 1, "w_rel_fro")));
    CHECK_MSG(ms_str_starts_with(ms_scan_quant_error(scan, 0, 1), MS_STR("ValueError: [quantize] ")), "%s",
              ms_str_shown(ms_scan_quant_error(scan, 0, 1)).text);
    ms_scan_destroy(scan);
    fake_close(&f);
}

/* The fixture of the original's own test. */
TEST(scan_of_the_fixture) {
    float w[64];
    ms_err err;
    for (int i = 0; i < 32; i++) w[i] = (float)(i + 1), w[32 + i] = -16 + 0.5f * (float)i;
    w[37] = 100;
    fake f;
    fake_open(&f, MS_DTYPE_F32, w, 64, 0);
    const ms_matrix matrix = dense(2, 32, 0);
    const ms_scan_options options = ms_scan_options_default();
    ms_scan *scan;
    CHECK_OK(ms_scan_create(&scan, &options, &err), &err);
    CHECK_OK(ms_scan_run(scan, &f.ckpt, &matrix, 1, &err), &err);
    CHECK_NEAR(stat(scan, 0, "mean"), 5.8984375, 0);
    CHECK_NEAR(stat(scan, 0, "std"), 18.494547, 1e-6);
    CHECK_NEAR(stat(scan, 0, "mean_abs"), 13.7265625, 0);
    CHECK_NEAR(stat(scan, 0, "rms"), 19.412363, 1e-6);
    CHECK_NEAR(stat(scan, 0, "p50_abs"), 11, 0);
    CHECK_NEAR(stat(scan, 0, "p99_abs"), 57.16, 1e-12);
    CHECK_NEAR(stat(scan, 0, "p999_abs"), 95.716, 1e-12);
    CHECK_NEAR(stat(scan, 0, "g32_p95_outlier"), 8.770293, 1e-6);
    CHECK_NEAR(stat(scan, 0, "g32_max_outlier"), 9.129814, 1e-6);
    CHECK(isnan(stat(scan, 0, "g64_p95_outlier")));
    ms_scan_destroy(scan);
    fake_close(&f);
}

TEST(columns_come_in_the_order_of_the_contract) {
    static const char *const want[] = {"mean",
                                       "std",
                                       "mean_abs",
                                       "rms",
                                       "max_abs",
                                       "p50_abs",
                                       "p99_abs",
                                       "p999_abs",
                                       "outlier_max_over_mean",
                                       "outlier_p99_over_median",
                                       "outlier_p999_over_median",
                                       "g32_p95_outlier",
                                       "g32_max_outlier",
                                       "g64_p95_outlier",
                                       "g64_max_outlier",
                                       "p50_abs_exact",
                                       "p99_abs_exact",
                                       "p999_abs_exact",
                                       "min",
                                       "max",
                                       "nan_count",
                                       "inf_count",
                                       "zero_count",
                                       "kurtosis"};
    static const char *const want_quant[] = {"w_rel_fro", "w_rel_max", "scale_mean", "scale_max", "bias_mean",
                                             "bias_max",  "error",     "sqnr_db",    "cos"};
    const ms_mlx_scheme scheme = ms_mlx_scheme_make(MS_STR("x"), MS_STR("affine"), 4, 32);
    ms_scan_options options = ms_scan_options_default();
    options.schemes = &scheme;
    options.n_schemes = 1;
    ms_err err;
    ms_scan *scan;
    CHECK_OK(ms_scan_create(&scan, &options, &err), &err);
    size_t n;
    const ms_column_spec *columns = ms_scan_stat_columns(scan, &n);
    CHECK_EQ_I64(n, sizeof want / sizeof *want);
    for (size_t c = 0; c < n; c++) CHECK_EQ_TEXT(columns[c].name, want[c]);
    columns = ms_scan_quant_columns(scan, &n);
    for (size_t c = 0; c < sizeof want_quant / sizeof *want_quant; c++) CHECK_EQ_TEXT(columns[c].name, want_quant[c]);
    ms_scan_destroy(scan);
}

TEST(a_scan_can_be_emitted_as_a_table) {
    const float w[64] = {1, 2, 3, -4};
    ms_err err;
    fake f;
    fake_open(&f, MS_DTYPE_F16, w, 64, 0);
    const ms_mlx_scheme schemes[] = {ms_mlx_scheme_make(MS_STR("x"), MS_STR("mxfp4"), 4, 32),
                                     ms_mlx_scheme_make(MS_STR("x"), MS_STR("affine"), 7, 32)};
    ms_scan_options options = ms_scan_options_default();
    options.schemes = schemes;
    options.n_schemes = 2;
    const ms_matrix matrix = dense(2, 32, 0);
    ms_scan *scan;
    CHECK_OK(ms_scan_create(&scan, &options, &err), &err);
    CHECK_OK(ms_scan_run(scan, &f.ckpt, &matrix, 1, &err), &err);
    size_t n;
    ms_table *table;
    const ms_column_spec *columns = ms_scan_stat_columns(scan, &n);
    CHECK_OK(ms_table_create(&table, columns, n, &err), &err);
    ms_scan_emit_stats(scan, 0, table, 0);
    CHECK_OK(ms_table_end_row(table, &err), &err);
    for (size_t c = 0; c < n; c++) CHECK(!ms_table_is_null(table, 0, c));
    CHECK_NEAR(ms_table_get_f64(table, 0, 4), 4, 0);
    CHECK_EQ_I64(ms_table_get_i64(table, 0, (size_t)ms_table_find(table, "zero_count")), 60);
    ms_table_destroy(table);
    columns = ms_scan_quant_columns(scan, &n);
    CHECK_OK(ms_table_create(&table, columns, n, &err), &err);
    for (size_t s = 0; s < 2; s++) {
        ms_scan_emit_quant(scan, 0, s, table, 0);
        CHECK_OK(ms_table_end_row(table, &err), &err);
    }
    CHECK(!ms_table_is_null(table, 0, 0) && ms_table_is_null(table, 0, 4) && ms_table_is_null(table, 0, 6));
    CHECK(ms_table_is_null(table, 1, 0) && ms_str_starts_with(ms_table_get_str(table, 1, 6), MS_STR("ValueError: ")));
    ms_table_destroy(table);
    ms_scan_destroy(scan);
    fake_close(&f);
}

/* One matrix that cannot be read does not stop the others. */
TEST(a_matrix_without_a_decoder_is_an_error_of_its_own) {
    const float w[64] = {1};
    ms_err err;
    fake f;
    fake_open(&f, MS_DTYPE_F32, w, 64, 0);
    ms_tensor tensors[2] = {f.tensor, f.tensor};
    ms_stored odd = f.stored;
    odd.dtype = MS_DTYPE_F6_E2M3;
    tensors[1].stored = &odd;
    f.ckpt.tensors = tensors;
    f.ckpt.n_tensors = 2;
    ms_matrix matrices[2] = {dense(2, 32, 0), dense(2, 32, 0)};
    matrices[0].tensor = 1;
    const ms_scan_options options = ms_scan_options_default();
    ms_scan *scan;
    CHECK_OK(ms_scan_create(&scan, &options, &err), &err);
    CHECK_OK(ms_scan_run(scan, &f.ckpt, matrices, 2, &err), &err);
    CHECK(ms_scan_is_done(scan, 0) && ms_scan_matrix_error(scan, 0)->status == MS_ERR_UNSUPPORTED);
    CHECK(!ms_scan_matrix_error(scan, 1));
    CHECK_NEAR(stat(scan, 1, "max_abs"), 1, 0);
    ms_scan_destroy(scan);
    fake_close(&f);
}

static void count_bytes(void *context, uint64_t n) { atomic_fetch_add((atomic_ullong *)context, n); }

TEST(progress_adds_up_and_a_scan_can_be_cancelled) {
    static const float w[64 * 64] = {1};
    ms_err err;
    fake f;
    fake_open(&f, MS_DTYPE_BF16, w, 64 * 64, 0);
    ms_matrix matrices[8];
    for (int i = 0; i < 8; i++) matrices[i] = dense(8, 64, (uint64_t)i * 512);
    atomic_bool cancel = false;
    atomic_ullong n_bytes = 0;
    ms_scan_options options = ms_scan_options_default();
    options.cancel = &cancel;
    options.progress = (ms_scan_progress){count_bytes, &n_bytes};
    ms_scan *scan;
    CHECK_OK(ms_scan_create(&scan, &options, &err), &err);
    CHECK_OK(ms_scan_run(scan, &f.ckpt, matrices, 8, &err), &err);
    CHECK_EQ_I64(n_bytes, 8 * 512 * 2);
    cancel = true;
    CHECK_FAILS(ms_scan_run(scan, &f.ckpt, matrices, 8, &err), MS_ERR_INTERRUPTED, &err, "interrupted");
    CHECK(!ms_scan_is_done(scan, 0));
    ms_scan_destroy(scan);
    fake_close(&f);
}

TEST(impossible_options_are_refused) {
    ms_err err;
    ms_scan *scan = NULL;
    ms_scan_options options = ms_scan_options_default();
    options.sample_per_matrix = -1;
    CHECK_FAILS(ms_scan_create(&scan, &options, &err), MS_ERR_USAGE, &err, "sample_per_matrix");
    options = ms_scan_options_default();
    options.group_outlier_percentile = NAN;
    CHECK_FAILS(ms_scan_create(&scan, &options, &err), MS_ERR_USAGE, &err, "percentile");
    options = ms_scan_options_default();
    const char *const names[] = {"moments", "nonsense"};
    options.lenses = names;
    options.n_lenses = 2;
    CHECK_FAILS(ms_scan_create(&scan, &options, &err), MS_ERR_USAGE, &err, "nonsense");
}

TEST(a_scan_survives_failing_allocations) {
    static float w[20000];
    ms_err err;
    for (int i = 0; i < 20000; i++) w[i] = (float)(i % 97) - 40;
    fake f;
    fake_open(&f, MS_DTYPE_F32, w, 20000, 0);
    const ms_matrix matrices[2] = {dense(100, 128, 0), dense(50, 64, 100)};
    const ms_mlx_scheme scheme = ms_mlx_scheme_make(MS_STR("x"), MS_STR("affine"), 7, 32);
    ms_scan_options options = ms_scan_options_default();
    options.n_threads = 1;
    options.schemes = &scheme;
    options.n_schemes = 1;
    bool went_through = false;
    for (int64_t at = 0; at < 500 && !went_through; at++) { /* 0: nothing fails; what is asked of the machine once is asked */
        ms_scan *scan = NULL;
        ms_mem_fail_at(at);
        ms_status status = ms_scan_create(&scan, &options, &err);
        if (status == MS_OK) status = ms_scan_run(scan, &f.ckpt, matrices, 2, &err);
        went_through = at > 0 && ms_mem_count() < at;
        ms_mem_fail_at(0);
        CHECK_MSG(status == (went_through || at == 0 ? MS_OK : MS_ERR_MEMORY), "allocation %lld: %s", (long long)at,
                  ms_status_name(status));
        ms_scan_destroy(scan);
    }
    CHECK(went_through);
    fake_close(&f);
}

/* ---- the sample on disk ---- */

static char *slurp(const char *path, size_t *n) {
    FILE *const file = fopen(path, "rb");
    char *const text = ms_mem_alloc(1 << 20);
    *n = file ? fread(text, 1, 1 << 20, file) : 0;
    if (file) fclose(file);
    return text;
}

TEST(samples_are_kept_on_disk_and_a_damaged_file_is_mended) {
    char folder[400], path[600];
    snprintf(folder, sizeof folder, "%s/cache/sampled_indices", test_folder());
    snprintf(path, sizeof path, "%s/idx_N1000_k10_seed1337.npy", folder);
    for (int round = 0; round < 2; round++) {
        ms_err err;
        ms_samples samples;
        const ms_sample *sample;
        CHECK_OK(ms_samples_init(&samples, 10, 1337, folder, 1, &err), &err);
        CHECK_OK(ms_samples_get(&samples, 1000, &sample, &err), &err);
        CHECK(sample->n_positions == 10 && sample->positions[0] == 184 && sample->positions[9] == 944);
        ms_samples_release(&samples, sample);
        CHECK_OK(ms_samples_get(&samples, 7, &sample, &err), &err);
        CHECK(sample->n_positions == 7 && !sample->positions);
        ms_samples_release(&samples, sample);
        CHECK(samples.cache_error.status == MS_OK);
        ms_samples_free(&samples);
        size_t n;
        char *const bytes = slurp(path, &n);
        int64_t first;
        memcpy(&first, bytes + 128, 8);
        CHECK(n == 128 + 80 && first == 917); /* the generator's order */
        CHECK(memcmp(bytes, "\x93NUMPY\x01\x00\x76\x00{'descr': '<i8', 'fortran_order': False, 'shape': (10,), }", 66) == 0);
        ms_mem_free(bytes);
        FILE *const file = fopen(path, "r+b");
        fseek(file, 150, SEEK_SET);
        fputs("damage", file);
        fclose(file);
    }
}

TEST(samples_of_all_are_kept_on_disk_too) {
    char folder[400], path[600];
    snprintf(folder, sizeof folder, "%s/all", test_folder());
    snprintf(path, sizeof path, "%s/idx_N7_k10_seed1337.npy", folder);
    ms_err err;
    ms_samples samples;
    const ms_sample *sample;
    CHECK_OK(ms_samples_init(&samples, 10, 1337, folder, 1, &err), &err);
    CHECK_OK(ms_samples_get(&samples, 7, &sample, &err), &err);
    CHECK(sample->n_positions == 7 && !sample->positions && samples.cache_error.status == MS_OK);
    ms_samples_release(&samples, sample);
    ms_samples_free(&samples);
    size_t n;
    char *const bytes = slurp(path, &n);
    CHECK(n == 128 + 7 * 8);
    for (size_t i = 0; i < 7; i++) {
        int64_t position;
        memcpy(&position, bytes + 128 + 8 * i, 8);
        CHECK_EQ_I64(position, i);
    }
    ms_mem_free(bytes);
}

TEST(a_cache_that_cannot_be_written_is_told_and_does_no_harm) {
    ms_err err;
    ms_samples samples;
    const ms_sample *sample;
    CHECK_OK(ms_samples_init(&samples, 10, 1337, "/dev/null/no/folder", 1, &err), &err);
    CHECK_OK(ms_samples_get(&samples, 1000, &sample, &err), &err);
    CHECK(sample->n_positions == 10 && samples.cache_error.status != MS_OK);
    ms_samples_release(&samples, sample);
    ms_samples_free(&samples);
}
