#include "decode.h"

#include "half.h"
#include "test.h"

TEST(dtype_names_lead_back_to_their_rows) {
    for (ms_dtype d = MS_DTYPE_UNKNOWN + 1; d < MS_DTYPE_GGML_FIRST; d++) {
        const ms_dtype_info *const info = ms_dtype_info_of(d);
        CHECK_MSG(info->name && info->numpy_name && info->bits > 0, "row %d is empty", (int)d);
        CHECK_EQ_I64(ms_dtype_by_name(ms_str_of(info->name)), d);
    }
    CHECK_EQ_I64(ms_dtype_by_name(MS_STR("E8M0")), MS_DTYPE_F8_E8M0);
    CHECK_EQ_I64(ms_dtype_by_name(MS_STR("UE8")), MS_DTYPE_F8_E8M0);
    CHECK_EQ_I64(ms_dtype_by_name(MS_STR("FP4")), MS_DTYPE_F4);
    CHECK_EQ_I64(ms_dtype_by_name(MS_STR("bf16")), MS_DTYPE_UNKNOWN);
    CHECK_EQ_I64(ms_dtype_by_name(MS_STR("UNKNOWN")), MS_DTYPE_UNKNOWN);
    CHECK_EQ_TEXT(ms_dtype_info_of((ms_dtype)99)->name, "UNKNOWN");
}

/* The formulas of OCP MX 1.0 and FP8, by ldexp instead of by bits. */
static double small_float(unsigned code, int n_mantissa, int bias) {
    const unsigned m = code & ((1u << n_mantissa) - 1), e = code >> n_mantissa;
    return e == 0 ? ldexp(m, 1 - bias - n_mantissa) : ldexp(1 + ldexp(m, -n_mantissa), (int)e - bias);
}

TEST(small_floats_follow_their_formulas) {
    for (unsigned code = 0; code < 256; code++) {
        const unsigned magnitude = code & 0x7Fu;
        const double sign = code & 0x80u ? -1 : 1;
        const uint8_t c = (uint8_t)code;
        CHECK_EQ_F32(ms_f32_from_e4m3(c), magnitude == 0x7F ? NAN : (float)(sign * small_float(magnitude, 3, 7)));
        CHECK_EQ_F32(ms_f32_from_e5m2(c), magnitude > 0x7C    ? NAN
                                          : magnitude == 0x7C ? (float)(sign * (double)INFINITY)
                                                              : (float)(sign * small_float(magnitude, 2, 15)));
        CHECK_EQ_F32(ms_f32_from_e4m3fnuz(c), code == 0x80 ? NAN : (float)(sign * small_float(magnitude, 3, 8)));
        CHECK_EQ_F32(ms_f32_from_e5m2fnuz(c), code == 0x80 ? NAN : (float)(sign * small_float(magnitude, 2, 16)));
        CHECK_EQ_F32(ms_f32_from_e8m0(c), code == 0xFF ? NAN : (float)ldexp(1, (int)code - 127));
    }
    static const float e2m1[] = {0, .5f, 1, 1.5f, 2, 3, 4, 6};
    for (unsigned code = 0; code < 16; code++)
        CHECK_EQ_F32(ms_f32_from_e2m1((uint8_t)code), code & 8u ? -e2m1[code & 7u] : e2m1[code & 7u]);
    CHECK_EQ_F32(ms_f32_from_e4m3(0x7E), 448.0f);
    CHECK_EQ_F32(ms_f32_from_e4m3fnuz(0x7F), 240.0f);
    CHECK_EQ_F32(ms_f32_from_e5m2(0x7B), 57344.0f);
}

TEST(halves_survive_the_way_through_f32) {
    for (unsigned code = 0; code < 65536; code++) {
        const float half = ms_f32_from_f16((uint16_t)code), bf = ms_f32_from_bf16((uint16_t)code);
        if (!isnan(half)) CHECK_EQ_I64(ms_f16_from_f32(half), code);
        if (!isnan(bf)) CHECK_EQ_I64(ms_bf16_from_f32(bf), code);
    }
}

TEST(integers_round_to_nearest_even) {
    const int64_t i64[] = {(1 << 24) + 1, (1 << 24) + 3, INT64_MIN, -1};
    const uint64_t u64[] = {UINT64_MAX, (1ull << 40) + 1};
    const double f64[] = {1 + 0x1p-24, 1 + 0x1.8p-23, 1e300, NAN};
    float out[4];
    CHECK_EQ_I64(ms_decode_f32(MS_DTYPE_I64, i64, 0, 4, out, NULL), MS_OK);
    CHECK_EQ_F32(out[0], 0x1p24f);
    CHECK_EQ_F32(out[1], 0x1p24f + 4);
    CHECK_EQ_F32(out[2], -0x1p63f);
    CHECK_EQ_F32(out[3], -1.0f);
    CHECK_EQ_I64(ms_decode_f32(MS_DTYPE_U64, u64, 0, 2, out, NULL), MS_OK);
    CHECK_EQ_F32(out[0], 0x1p64f);
    CHECK_EQ_F32(out[1], 0x1p40f);
    CHECK_EQ_I64(ms_decode_f32(MS_DTYPE_F64, f64, 0, 4, out, NULL), MS_OK);
    CHECK_EQ_F32(out[0], 1.0f);
    CHECK_EQ_F32(out[1], 1 + 0x1p-22f);
    CHECK_EQ_F32(out[2], INFINITY);
    CHECK_EQ_F32(out[3], NAN);
}

TEST(types_without_a_meaning_are_refused) {
    float out;
    ms_err err;
    CHECK_FAILS(ms_decode_f32(MS_DTYPE_F6_E2M3, "abc", 0, 1, &out, &err), MS_ERR_UNSUPPORTED, &err, "F6_E2M3");
    CHECK_FAILS(ms_decode_f32(MS_DTYPE_UNKNOWN, "abc", 0, 1, &out, &err), MS_ERR_UNSUPPORTED, &err, "UNKNOWN");
    for (ms_dtype d = 0; d < MS_DTYPE_GGML_FIRST; d++)
        CHECK_EQ_I64(ms_decode_f32(d, "12345678", 0, 1, &out, &err) == MS_OK, ms_dtype_info_of(d)->decodable);
}

/* Any window of a run, at any stride and any alignment, has the values that decoding element by element gives. */
PROPERTY(decoding_a_part_is_a_part_of_decoding_all, 200) {
    uint8_t bytes[1 + 8 * 40];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)gen_u64(g);
    const ms_dtype dtype = (ms_dtype)(1 + gen_below(g, MS_DTYPE_GGML_FIRST - 1));
    if (!ms_dtype_info_of(dtype)->decodable) return;
    const uint8_t *const start = bytes + gen_below(g, 2);
    float all[40], part[40];
    CHECK_EQ_I64(ms_decode_f32(dtype, start, 0, 40, all, NULL), MS_OK);
    const size_t first = gen_below(g, 40), stride = 1 + gen_below(g, 5), n = (40 - first + stride - 1) / stride;
    CHECK_EQ_I64(ms_decode_f32_strided(dtype, start, first, stride, n, part, NULL), MS_OK);
    for (size_t i = 0; i < n; i++) CHECK_EQ_F32(part[i], all[first + i * stride]);
    CHECK_EQ_I64(ms_decode_f32(dtype, start, first, 40 - first, part, NULL), MS_OK);
    for (size_t i = first; i < 40; i++) CHECK_EQ_F32(part[i - first], all[i]);
}
