#include "mlx_scheme.h"

#include "test.h"

static ms_mlx_scheme scheme(const char *mode, int bits, int group_size) {
    return ms_mlx_scheme_make(MS_STR("s"), ms_str_of(mode), bits, group_size);
}

static void check_says(ms_mlx_scheme s, ms_dtype dtype, const int64_t *shape, int rank, const char *want) {
    ms_err err = {0};
    const ms_status status = ms_mlx_scheme_check(&s, dtype, shape, rank, &err);
    if (!want) CHECK_MSG(status == MS_OK, "got '%s'", err.text);
    if (want) CHECK_EQ_I64(status, MS_ERR_UNSUPPORTED);
    if (want) CHECK_EQ_TEXT(err.text, want);
}

/* All texts as MLX 0.32.4 raises them; tests/oracle/mlx_oracle.py compares them with the live wheel. */
TEST(mlx_errors_are_worded_as_mlx_words_them) {
    const int64_t m[2] = {4, 64}, bank[3] = {2, 4, 48}, vector[1] = {64};
    check_says(scheme("affine", 4, 64), MS_DTYPE_F32, m, 2, NULL);
    check_says(scheme("affine", 1, 32), MS_DTYPE_BF16, m, 2, NULL);
    check_says(scheme("nope", 4, 48), MS_DTYPE_F32, m, 2, "[quantize] Invalid quantization mode 'nope'.");
    check_says(scheme("affine", 4, 64), MS_DTYPE_I32, m, 2,
               "[quantize] Only real floating types can be quantized but w has type int32.");
    check_says(scheme("affine", 4, 64), MS_DTYPE_F32, vector, 1,
               "[quantize] The matrix to be quantized must have at least 2 dimension but it has only 1.");
    check_says(
        scheme("affine", 4, 32), MS_DTYPE_F32, bank, 3,
        "[quantize] The last dimension of the matrix needs to be divisible by the quantization group size 32. However the "
        "provided  matrix has shape (2,4,48)");
    check_says(scheme("affine", 4, 16), MS_DTYPE_F32, m, 2,
               "[quantize] The requested group size 16 is not supported. The supported group sizes are 32, 64, and 128.");
    check_says(scheme("affine", 7, 32), MS_DTYPE_F32, m, 2,
               "[quantize] The requested number of bits 7 is not supported. The supported bits are 1, 2, 3, 4, 5, 6 and 8.");
    check_says(scheme("mxfp4", 8, 64), MS_DTYPE_F32, m, 2, "[quantize] mxfp4 quantization requires group size 32 but got 64.");
    check_says(scheme("mxfp8", 4, 32), MS_DTYPE_F32, m, 2, "[quantize] mxfp8 quantization requires bits to be 8 but got 4.");
    check_says(scheme("nvfp4", 4, 32), MS_DTYPE_F32, m, 2, "[quantize] nvfp4 quantization requires group size 16 but got 32.");
}

TEST(mlx_errors_come_in_the_order_of_mlx) {
    const int64_t bank[3] = {2, 4, 48};
    check_says(
        scheme("mxfp4", 7, 32), MS_DTYPE_F32, bank, 3, /* divisibility before what the mode requires */
        "[quantize] The last dimension of the matrix needs to be divisible by the quantization group size 32. However the "
        "provided  matrix has shape (2,4,48)");
    ms_mlx_scheme global = scheme("mxfp4", 7, 16);
    global.global_scale = true;
    check_says(global, MS_DTYPE_F32, bank, 3, "[quantize] Global scale is only supported for 'nvfp4' quantization mode.");
}

TEST(mlx_group_size_zero_is_refused_where_mlx_dies) {
    const int64_t m[2] = {4, 64};
    check_says(scheme("affine", 4, 0), MS_DTYPE_F32, m, 2,
               "[quantize] The requested group size 0 is not supported. The supported group sizes are 32, 64, and 128.");
}

TEST(mlx_older_releases_know_fewer_modes) {
    const int64_t m[2] = {4, 64};
    ms_mlx_scheme s = scheme("affine", 1, 32);
    s.profile = MS_MLX_CPU_0_32_1;
    check_says(s, MS_DTYPE_F32, m, 2,
               "[quantize] The requested number of bits 1 is not supported. The supported bits are 2, 3, 4, 5, 6 and 8.");
    s = scheme("nvfp4", 4, 16);
    s.profile = MS_MLX_CPU_0_29_0;
    check_says(s, MS_DTYPE_F32, m, 2, "[quantize] Invalid quantization mode 'nvfp4'.");
}

TEST(mlx_schemes_are_parsed_from_short_names) {
    ms_mlx_scheme s;
    ms_err err = {0};
    CHECK_OK(ms_mlx_scheme_parse(MS_STR("affine_q8_g128"), &s, &err), &err);
    CHECK(s.mode == MS_MLX_AFFINE && s.bits == 8 && s.group_size == 128 && !s.global_scale);
    CHECK_OK(ms_mlx_scheme_parse(MS_STR("q3_g64"), &s, &err), &err);
    CHECK(s.mode == MS_MLX_AFFINE && s.bits == 3 && s.group_size == 64);
    CHECK_OK(ms_mlx_scheme_parse(MS_STR("nvfp4_global"), &s, &err), &err);
    CHECK(s.mode == MS_MLX_NVFP4 && s.bits == 4 && s.group_size == 16 && s.global_scale);
    CHECK_OK(ms_mlx_scheme_parse(MS_STR("mxfp8_g32"), &s, &err), &err);
    CHECK(s.mode == MS_MLX_MXFP8 && s.bits == 8);
    CHECK_FAILS(ms_mlx_scheme_parse(MS_STR("int4"), &s, &err), MS_ERR_USAGE, &err, "'int4'");
    CHECK_FAILS(ms_mlx_scheme_parse(MS_STR(""), &s, &err), MS_ERR_USAGE, &err, "affine_q4_g32");
    CHECK_FAILS(ms_mlx_scheme_parse(MS_STR("affine_x4"), &s, &err), MS_ERR_USAGE, &err, "affine_x4");
    CHECK_FAILS(ms_mlx_scheme_parse(MS_STR("affine_q-4"), &s, &err), MS_ERR_USAGE, &err, "affine_q-4");
    CHECK_FAILS(ms_mlx_scheme_parse(MS_STR("affine_"), &s, &err), MS_ERR_USAGE, &err, "affine_");
}

TEST(mlx_bits_per_weight_count_scales_and_biases) {
    const ms_mlx_scheme q4 = scheme("affine", 4, 32), mx4 = scheme("mxfp4", 4, 32), nv = scheme("nvfp4", 4, 16);
    CHECK_NEAR(ms_mlx_scheme_bits_per_weight(&q4, MS_DTYPE_F16), 5.0, 0);
    CHECK_NEAR(ms_mlx_scheme_bits_per_weight(&q4, MS_DTYPE_F32), 6.0, 0);
    CHECK_NEAR(ms_mlx_scheme_bits_per_weight(&mx4, MS_DTYPE_F32), 4.25, 0);
    CHECK_NEAR(ms_mlx_scheme_bits_per_weight(&nv, MS_DTYPE_BF16), 4.5, 0);
}

TEST(mlx_native_compute_is_the_stored_type_when_mlx_has_it) {
    ms_mlx_scheme s = scheme("affine", 4, 32);
    CHECK(ms_mlx_scheme_compute(&s, MS_DTYPE_BF16) == MS_DTYPE_F16);
    CHECK(ms_mlx_compute_by_name(MS_STR("native"), &s.compute));
    CHECK(ms_mlx_scheme_compute(&s, MS_DTYPE_BF16) == MS_DTYPE_BF16);
    CHECK(ms_mlx_scheme_compute(&s, MS_DTYPE_F64) == MS_DTYPE_F32);
    CHECK(ms_mlx_scheme_compute(&s, MS_DTYPE_F8_E4M3) == MS_DTYPE_F32);
}

TEST(mlx_profiles_have_names) {
    for (int i = 0; i < MS_MLX_PROFILE_COUNT; i++) {
        ms_mlx_profile found;
        CHECK(ms_mlx_profile_by_name(ms_str_of(ms_mlx_profile_name((ms_mlx_profile)i)), &found) && (int)found == i);
    }
    ms_mlx_profile found;
    CHECK(!ms_mlx_profile_by_name(MS_STR("cuda"), &found));
}
