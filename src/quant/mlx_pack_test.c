#include "mlx_pack.h"

#include <stdlib.h>

#include "half.h"
#include "mem.h"
#include "mlx_pack_kernel.h"
#include "test.h"

/* What one group or a few give, for the vectors below. */
typedef struct result {
    uint32_t words[64];
    float scales[8], biases[8]; /* fp modes: the bytes, as numbers */
    float values[256];
    uint8_t codes[256];
} result;

typedef struct setting {
    const char *scheme;
    ms_dtype compute;
    ms_mlx_profile profile;
    float global; /* 0: none */
} setting;

static ms_mlx_quantiser quantiser_of(setting s) {
    ms_mlx_scheme scheme;
    ms_mlx_quantiser q = {0};
    if (ms_mlx_scheme_parse(ms_str_of(s.scheme), &scheme, NULL) != MS_OK) return q;
    scheme.compute = s.compute, scheme.profile = s.profile, scheme.global_scale = s.global != 0;
    ms_mlx_quantiser_init(&q, &scheme, MS_DTYPE_F32);
    return q;
}

static float as_float(const ms_mlx_codec *codec, const uint8_t *p, size_t i) {
    if (codec->scale == MS_DTYPE_U8) return p[i];
    if (codec->scale == MS_DTYPE_F32) {
        float f;
        memcpy(&f, p + 4 * i, 4);
        return f;
    }
    uint16_t h;
    memcpy(&h, p + 2 * i, 2);
    return codec->scale == MS_DTYPE_F16 ? ms_f32_from_f16(h) : ms_f32_from_bf16(h);
}

static result run(setting s, const float *w, size_t n) {
    result r = {0};
    uint8_t scales[64], biases[64];
    const ms_mlx_quantiser q = quantiser_of(s);
    ms_mlx_codec codec = q.codec;
    const ms_mlx_global global = ms_mlx_global_of(&q, s.global);
    const ms_mlx_packed packed = {(uint8_t *)r.words, scales, biases};
    ms_mlx_pack_quantise(&q, &global, w, 1, n, &packed);
    codec.global_decode = global.decode;
    ms_mlx_pack_dequantise(&codec, &(ms_mlx_stored){(uint8_t *)r.words, scales, biases}, 1, n, r.values);
    for (size_t i = 0; i < n / (size_t)codec.group_size; i++) {
        r.scales[i] = as_float(&codec, scales, i);
        r.biases[i] = codec.mode == MS_MLX_AFFINE ? as_float(&codec, biases, i) : 0;
    }
    const uint8_t *const stream = (uint8_t *)r.words;
    for (size_t i = 0; i < n; i++)
        for (int b = 0; b < codec.bits; b++) {
            const size_t at = i * (size_t)codec.bits + (size_t)b;
            r.codes[i] |= (uint8_t)((stream[at / 8] >> at % 8 & 1) << b);
        }
    return r;
}

/* words: blank-separated hexadecimal, as the reference prints them. */
static void check_words(const result *r, const char *words) {
    char *end;
    for (int i = 0; *words; i++) {
        const uint32_t want = (uint32_t)strtoul(words, &end, 16);
        CHECK_MSG(r->words[i] == want, "word %d: got %08x, want %08x", i, r->words[i], want);
        words = *end ? end + 1 : end;
    }
}

static void make_ramp(float w[32], float sign) {
    for (int i = 0; i < 32; i++) w[i] = sign * ((float)i / 16 - 1);
}

TEST(mlx_affine_of_a_ramp) {
    static const struct {
        const char *scheme, *words;
        float scale;
    } wants[] = {
        {"q2_g32", "aa555400 fffffeaa", 0.5F},
        {"q3_g32", "92489200 db2491b6 ffffb6da", 0.25F},
        {"q4_g32", "43222100 87666544 cbaaa988 ffeeedcc", 0.125F},
        {"q5_g32", "8a418820 c5a92839 ca307b9a 38bdab49 ffbbcdeb", 0.0625F},
        {"q6_g32", "88184080 54d038c2 7dd6d95d e99e58e1 6d32beda ffef3ae3", 0.030303031F},
        {"q8_g32", "19100800 3a322921 5b524a42 7c746b63 9d948c84 beb6ada5 dfd6cec6 fff8efe7", 0.007575758F},
    };
    float w[32];
    make_ramp(w, 1);
    for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++) {
        const result r = run((setting){wants[i].scheme, MS_DTYPE_F32, MS_MLX_CPU, 0}, w, 32);
        check_words(&r, wants[i].words);
        CHECK_EQ_F32(r.scales[0], wants[i].scale);
        CHECK_EQ_F32(r.biases[0], -1);
    }
    const result bf16 = run((setting){"q4_g32", MS_DTYPE_BF16, MS_MLX_CPU, 0}, w, 32);
    check_words(&bf16, wants[2].words);
    make_ramp(w, -1);
    const result negated = run((setting){"q4_g32", MS_DTYPE_F16, MS_MLX_CPU, 0}, w, 32);
    check_words(&negated, wants[2].words);
    CHECK_EQ_F32(negated.scales[0], -0.125F);
    CHECK_EQ_F32(negated.biases[0], 1);
}

TEST(mlx_fp_modes_of_a_ramp) {
    float w[32];
    make_ramp(w, 1);
    result r = run((setting){"mxfp4", MS_DTYPE_F32, MS_MLX_CPU, 0}, w, 32);
    CHECK_EQ_F32(r.scales[0], 125);
    check_words(&r, "ccddddee 099aabbc 33221100 65555444");
    r = run((setting){"mxfp8", MS_DTYPE_F32, MS_MLX_CPU, 0}, w, 32);
    CHECK_EQ_F32(r.scales[0], 119);
    check_words(&r, "f5f6f7f8 f1f2f3f4 eaeceef0 d8e0e4e8 64605800 6e6c6a68 73727170 77767574");
    r = run((setting){"mxfp4", MS_DTYPE_F32, MS_MLX_CPU_0_32_1, 0}, w, 32);
    CHECK_EQ_F32(r.scales[0], 124);
    check_words(&r, "eeffffff 9abccdde 55443210 77777666");
    CHECK_EQ_F32(r.values[0], -0.75F);
    r = run((setting){"mxfp8", MS_DTYPE_F32, MS_MLX_CPU_0_32_1, 0}, w, 32);
    CHECK_EQ_F32(r.scales[0], 118);
    check_words(&r, "fdfefefe f9fafbfc f2f4f6f8 e0e8ecf0 6c686000 76747270 7b7a7978 7e7e7d7c");
    r = run((setting){"mxfp4", MS_DTYPE_F32, MS_MLX_CPU_0_29_0, 0}, w, 32);
    CHECK_EQ_F32(r.scales[0], 125);
    r = run((setting){"nvfp4", MS_DTYPE_F32, MS_MLX_CPU, 0}, w, 32);
    CHECK(r.scales[0] == 35 && r.scales[1] == 34);
    check_words(&r, "deeeefff 99abccdd 54432210 77766665");
    r = run((setting){"nvfp4", MS_DTYPE_F32, MS_MLX_CPU, 1}, w, 32);
    CHECK(r.scales[0] == 126 && r.scales[1] == 125);
    check_words(&r, "deeeefff 9aabccdd 54432210 77766665");
}

TEST(mlx_affine_of_one_sided_groups) {
    float up[32], down[32];
    for (int i = 0; i < 32; i++) up[i] = (float)(i + 1), down[i] = (float)(-33 - i);
    result r = run((setting){"q4_g32", MS_DTYPE_F32, MS_MLX_CPU, 0}, up, 32);
    check_words(&r, "bccddeef 78899aab 44556677 00112233");
    CHECK_EQ_F32(r.scales[0], -2.1333334F);
    CHECK_EQ_F32(r.biases[0], 32);
    r = run((setting){"q4_g32", MS_DTYPE_F32, MS_MLX_CPU, 0}, down, 32);
    check_words(&r, "ccddeeff 8899aabb 44556677 00112233");
    CHECK_EQ_F32(r.scales[0], 2.064516F);
    CHECK_EQ_F32(r.biases[0], -64);
    r = run((setting){"q4_g32", MS_DTYPE_F32, MS_MLX_METAL, 0}, down, 32); /* Metal counts 0 in */
    check_words(&r, "66667777 44445555 22233334 00011112");
    CHECK_EQ_F32(r.scales[0], 4.266667F);
}

TEST(mlx_affine_ties_go_to_even_on_the_cpu_and_away_from_zero_on_metal) {
    float w[32] = {0, 15, .5F, 1.5F, 2.5F, 3.5F, 4.5F, 5.5F};
    static const uint8_t cpu[8] = {15, 0, 14, 14, 12, 12, 10, 10}, metal[8] = {15, 0, 15, 14, 13, 12, 11, 10};
    for (int i = 8; i < 32; i++) w[i] = 7;
    const result c = run((setting){"q4_g32", MS_DTYPE_F32, MS_MLX_CPU, 0}, w, 32);
    const result m = run((setting){"q4_g32", MS_DTYPE_F32, MS_MLX_METAL, 0}, w, 32);
    CHECK(memcmp(c.codes, cpu, 8) == 0);
    CHECK(memcmp(m.codes, metal, 8) == 0);
    CHECK_EQ_F32(c.scales[0], -1);
    CHECK_EQ_F32(c.biases[0], 15);
}

TEST(mlx_fp4_ties_go_down_on_the_cpu_and_to_even_on_metal) {
    static const float ties[8] = {.25F, .75F, 1.25F, 1.75F, 2.5F, 3.5F, 5, 6};
    float w[32];
    for (int i = 0; i < 32; i++) w[i] = i < 16 ? ties[i % 8] : -ties[i % 8];
    result r = run((setting){"mxfp4", MS_DTYPE_F32, MS_MLX_CPU, 0}, w, 32);
    CHECK_EQ_F32(r.scales[0], 127);
    check_words(&r, "76543210 76543210 fedcba90 fedcba90"); /* -0.25 gives 0, not -0 */
    r = run((setting){"mxfp4", MS_DTYPE_F32, MS_MLX_METAL, 0}, w, 32);
    check_words(&r, "76644220 76644220 feeccaa8 feeccaa8");
}

TEST(mlx_mxfp4_exponents_by_release) {
    float w[32] = {8.4F, 0, -8.4F, 4.3F};
    const result now = run((setting){"mxfp4", MS_DTYPE_F32, MS_MLX_CPU, 0}, w, 32);
    CHECK_EQ_F32(now.scales[0], 128);
    CHECK(now.values[0] == 8 && now.values[1] == 0 && now.values[2] == -8 && now.values[3] == 4);
    result before = run((setting){"mxfp4", MS_DTYPE_F32, MS_MLX_CPU_0_32_1, 0}, w, 32);
    CHECK_EQ_F32(before.scales[0], 127);
    CHECK(before.values[0] == 6 && before.values[1] == 0 && before.values[2] == -6 && before.values[3] == 4);
    w[1] = 8.5F;
    before = run((setting){"mxfp4", MS_DTYPE_F32, MS_MLX_CPU_0_32_1, 0}, w, 32);
    CHECK_EQ_F32(before.scales[0], 128);
    const float odd[32] = {0.033203125F};
    CHECK_EQ_F32(run((setting){"mxfp4", MS_DTYPE_F32, MS_MLX_CPU_0_32_1, 0}, odd, 32).scales[0], 120);
    CHECK_EQ_F32(run((setting){"mxfp4", MS_DTYPE_BF16, MS_MLX_CPU_0_32_1, 0}, odd, 32).scales[0], 119);
}

TEST(mlx_constant_and_zero_groups) {
    float w[32];
    for (int i = 0; i < 32; i++) w[i] = 0.25F;
    result r = run((setting){"q4_g32", MS_DTYPE_F32, MS_MLX_CPU, 0}, w, 32);
    check_words(&r, "0 0 0 0");
    CHECK_EQ_F32(r.scales[0], -1e-7F);
    CHECK_EQ_F32(r.biases[0], 0.25F);
    CHECK_EQ_F32(r.values[31], 0.25F);
    for (int i = 0; i < 32; i++) w[i] = 4e-8F;
    CHECK_EQ_F32(run((setting){"q4_g32", MS_DTYPE_F32, MS_MLX_CPU, 0}, w, 32).values[0], 0);
    const float zero[32] = {0};
    CHECK_EQ_F32(run((setting){"mxfp4", MS_DTYPE_F32, MS_MLX_CPU, 0}, zero, 32).scales[0], 127);
    CHECK_EQ_F32(run((setting){"mxfp4", MS_DTYPE_F32, MS_MLX_METAL, 0}, zero, 32).scales[0], 0);
    for (int i = 0; i < 32; i++) w[i] = -0.01F + 0.02F * (float)i / 31;
    r = run((setting){"nvfp4", MS_DTYPE_F32, MS_MLX_CPU, 0}, w, 32);
    CHECK(r.scales[0] == 1 && r.scales[1] == 1);
    r = run((setting){"nvfp4", MS_DTYPE_F32, MS_MLX_CPU, 0.01F}, w, 32);
    CHECK(r.scales[0] == 126 && r.scales[1] == 126);
}

TEST(mlx_not_finite_weights) {
    float w[32];
    for (int i = 0; i < 32; i++) w[i] = i % 2 ? -1.0F : 1.0F;
    w[3] = NAN, w[5] = 0;
    CHECK_EQ_I64(run((setting){"q4_g32", MS_DTYPE_F32, MS_MLX_CPU, 0}, w, 32).codes[3], 0);
    result r = run((setting){"mxfp4", MS_DTYPE_F32, MS_MLX_CPU, 0}, w, 32);
    check_words(&r, "0 0 0 0");
    r = run((setting){"mxfp8", MS_DTYPE_F32, MS_MLX_CPU, 0}, w, 32);
    CHECK(r.scales[0] == 128 && r.codes[0] == 0x7E && r.codes[1] == 0xFE);
    CHECK_EQ_F32(run((setting){"mxfp8", MS_DTYPE_BF16, MS_MLX_CPU, 0}, w, 32).scales[0], 0);
    CHECK_EQ_F32(run((setting){"nvfp4", MS_DTYPE_F16, MS_MLX_CPU, 0}, w, 32).scales[0], 126);
    w[3] = INFINITY;
    CHECK(isnan(run((setting){"q4_g32", MS_DTYPE_F32, MS_MLX_CPU, 0}, w, 32).values[0]));
}

TEST(mlx_metal_nvfp4_shared_maxima_before_0_32_1) {
    float w[64];
    for (int i = 0; i < 64; i++) w[i] = i % 32 < 16 ? 6 : 1.5F;
    const result r = run((setting){"nvfp4", MS_DTYPE_F32, MS_MLX_METAL_0_32_0, 0}, w, 64);
    CHECK_EQ_F32(r.scales[0], 0x38); /* 1.0 */
    CHECK_EQ_F32(r.scales[1], 0x28); /* 0.25: the first pair of the array is right */
    CHECK_EQ_F32(r.scales[2], 0x38);
    CHECK_EQ_F32(r.scales[3], 0x38);
}

TEST(mlx_e4m3_is_encoded_as_mlx_does) {
    CHECK_EQ_I64(ms_mlx_e4m3_from_f32(448), 0x7E);
    CHECK_EQ_I64(ms_mlx_e4m3_from_f32(-1e9F), 0xFE);
    CHECK_EQ_I64(ms_mlx_e4m3_from_f32(NAN), 0x7E);
    CHECK_EQ_I64(ms_mlx_e4m3_from_f32(0x1p-9F), 1);
    CHECK_EQ_I64(ms_mlx_e4m3_from_f32(0x1p-10F), 0);
    CHECK_EQ_I64(ms_mlx_e4m3_from_f32(1.5F * 0x1p-9F), 2);
    for (int code = 0; code < 256; code++) /* every value that a code stands for comes back as that code */
        if ((code & 0x7F) != 0x7F) CHECK_EQ_I64(ms_mlx_e4m3_from_f32(ms_f32_from_e4m3((uint8_t)code)), code);
}

/* Every value between neighbours goes to the nearer one; a value's distance never exceeds that of any other code. */
PROPERTY(mlx_e4m3_takes_the_nearest_value, 200) {
    const float x = (float)ldexp(gen_normal(g), (int)gen_below(g, 20) - 10);
    const float got = ms_f32_from_e4m3(ms_mlx_e4m3_from_f32(x));
    for (int code = 0; code < 256; code++)
        if ((code & 0x7F) != 0x7F) CHECK(fabs((double)got - x) <= fabs((double)ms_f32_from_e4m3((uint8_t)code) - x));
}

/* Quantising the values of a quantisation gives them back, in the modes whose values lie on a fixed grid. */
PROPERTY(mlx_fp_values_are_fixed_points, 100) {
    static const char *const schemes[] = {"mxfp4", "mxfp8"};
    float w[32];
    for (int i = 0; i < 32; i++) w[i] = (float)(gen_normal(g) * 0.02);
    const setting s = {schemes[gen_below(g, 2)], gen_below(g, 2) ? MS_DTYPE_BF16 : MS_DTYPE_F32, MS_MLX_CPU, 0};
    const result once = run(s, w, 32), twice = run(s, once.values, 32);
    for (int i = 0; i < 32; i++) CHECK_EQ_F32(twice.values[i], once.values[i] == 0 ? twice.values[i] : once.values[i]);
}

TEST(mlx_codecs_of_checkpoints_are_checked) {
    ms_mlx_codec codec;
    ms_err err = {0};
    CHECK_OK(ms_mlx_pack_codec(MS_MLX_AFFINE, 4, 64, MS_DTYPE_BF16, MS_DTYPE_F32, 0, &codec, &err), &err);
    CHECK(codec.value == MS_DTYPE_BF16);
    CHECK_EQ_I64(ms_mlx_pack_words_size(&codec, 128), 64);
    CHECK_EQ_I64(ms_mlx_pack_scales_size(&codec, 128), 4);
    CHECK_OK(ms_mlx_pack_codec(MS_MLX_NVFP4, 4, 16, MS_DTYPE_U8, MS_DTYPE_BF16, 2688, &codec, &err), &err);
    CHECK(codec.global && codec.global_decode == 1 && codec.value == MS_DTYPE_F32);
    CHECK_FAILS(ms_mlx_pack_codec(MS_MLX_AFFINE, 4, 64, MS_DTYPE_U8, MS_DTYPE_F32, 0, &codec, &err), MS_ERR_UNSUPPORTED, &err,
                "U8");
    CHECK_FAILS(ms_mlx_pack_codec(MS_MLX_MXFP4, 4, 32, MS_DTYPE_F16, MS_DTYPE_F32, 0, &codec, &err), MS_ERR_UNSUPPORTED, &err,
                "F16");
    CHECK_FAILS(ms_mlx_pack_codec(MS_MLX_AFFINE, 7, 32, MS_DTYPE_F16, MS_DTYPE_F32, 0, &codec, &err), MS_ERR_UNSUPPORTED, &err,
                "bits 7");
}

/* MLX's own words for it: argmin over the table of distances rounded to the type, first one on ties. */
static uint8_t nearest_fp4(ms_dtype type, float x) {
    static const float table[16] = {0, 0.5F, 1, 1.5F, 2, 3, 4, 6, -0.0F, -0.5F, -1, -1.5F, -2, -3, -4, -6};
    uint8_t best = 0;
    for (uint8_t i = 1; i < 16; i++)
        if (fabsf(ms_mlx_round_one(type, x - table[i])) < fabsf(ms_mlx_round_one(type, x - table[best]))) best = i;
    return best;
}

TEST(mlx_fp4_codes_of_every_half_are_those_of_the_table) {
    static const ms_mlx_global none = {1, 1};
    const ms_mlx_group unit = {.divisor = 1, .scale = 1};
    for (int type = 0; type < 2; type++) {
        const ms_dtype dtype = type ? MS_DTYPE_BF16 : MS_DTYPE_F16;
        const ms_mlx_quantiser q = quantiser_of((setting){"mxfp4", dtype, MS_MLX_CPU, 0});
        for (uint32_t bits = 0; bits < 0x10000; bits++) {
            const float x = type ? ms_f32_from_bf16((uint16_t)bits) : ms_f32_from_f16((uint16_t)bits);
            if (isfinite(x)) CHECK_EQ_I64(ms_mlx_code(&q, &none, &unit, x), nearest_fp4(dtype, x));
        }
    }
}

PROPERTY(mlx_fp4_codes_of_floats_are_those_of_the_table, 50) {
    static const ms_mlx_global none = {1, 1};
    static const float borders[] = {0.25F, 0.5F, 0.75F, 1.25F, 1.75F, 2.5F, 3.5F, 5, 8, 1e7F, 1e8F};
    const ms_mlx_group unit = {.divisor = 1, .scale = 1};
    const ms_mlx_quantiser q = quantiser_of((setting){"mxfp4", MS_DTYPE_F32, MS_MLX_CPU, 0});
    for (int i = 0; i < 200; i++) {
        const float border = borders[gen_below(g, sizeof borders / sizeof borders[0])];
        float x = ms_f32_from_bits(ms_f32_bits(border) + (uint32_t)gen_below(g, 9) - 4);
        if (gen_below(g, 2)) x = (float)(gen_normal(g) * 4);
        if (gen_below(g, 2)) x = -x;
        CHECK_EQ_I64(ms_mlx_code(&q, &none, &unit, x), nearest_fp4(MS_DTYPE_F32, x));
    }
}

/* Any bytes as words, scales and biases, exactly as many as there are; every kernel gives the scalar one's values. */
ISA_TEST(mlx_unpacking_kernels_agree) {
    static const struct {
        ms_mlx_mode mode;
        int bits, group_size;
    } kinds[] = {{MS_MLX_AFFINE, 1, 32}, {MS_MLX_AFFINE, 2, 64}, {MS_MLX_AFFINE, 3, 32}, {MS_MLX_AFFINE, 4, 128},
                 {MS_MLX_AFFINE, 5, 32}, {MS_MLX_AFFINE, 6, 64}, {MS_MLX_AFFINE, 8, 32}, {MS_MLX_AFFINE, 3, 128},
                 {MS_MLX_MXFP4, 4, 32},  {MS_MLX_MXFP8, 8, 32},  {MS_MLX_NVFP4, 4, 16}};
    static const ms_dtype types[3] = {MS_DTYPE_F32, MS_DTYPE_F16, MS_DTYPE_BF16};
    for (int round = 0; round < 60; round++) {
        const size_t kind = gen_below(g, sizeof kinds / sizeof kinds[0]), n_groups = 1 + gen_below(g, 7);
        const ms_dtype type = types[gen_below(g, 3)];
        const bool affine = kinds[kind].mode == MS_MLX_AFFINE;
        const float global = kinds[kind].mode == MS_MLX_NVFP4 && gen_below(g, 2) ? 0.37F : 0;
        ms_mlx_codec codec;
        CHECK_OK(ms_mlx_pack_codec(kinds[kind].mode, kinds[kind].bits, kinds[kind].group_size, affine ? type : MS_DTYPE_U8,
                                   type, global, &codec, &(ms_err){0}),
                 &(ms_err){0});
        const size_t n = n_groups * (size_t)codec.group_size, n_words = ms_mlx_pack_words_size(&codec, n);
        const size_t n_scales = ms_mlx_pack_scales_size(&codec, n);
        uint8_t *const bytes[3] = {ms_mem_alloc(n_words), ms_mem_alloc(n_scales), ms_mem_alloc(n_scales)};
        const size_t sizes[3] = {n_words, n_scales, n_scales};
        for (int part = 0; part < 3; part++)
            for (size_t i = 0; i < sizes[part]; i++) bytes[part][i] = (uint8_t)gen_u64(g);
        static float want[1024], got[1024];
        const ms_mlx_stored in = {bytes[0], bytes[1], bytes[2]};
        ms_mlx_pack_values_scalar(&codec, &in, n_groups, want);
        CHECK(ms_mlx_pack_kernels[isa]);
        ms_mlx_pack_kernels[isa](&codec, &in, n_groups, got);
        for (size_t i = 0; i < n; i++) CHECK_EQ_F32(got[i], want[i]);
        for (int part = 0; part < 3; part++) ms_mem_free(bytes[part]);
    }
}
