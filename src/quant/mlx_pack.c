#include "mlx_pack.h"

#include <math.h>
#include <string.h>

#include "cpu.h"
#include "half.h"
#include "mlx_pack_kernel.h"

/* ---- bit streams: a group's bits begin and end at byte boundaries, since group sizes are multiples of 8 ---- */

static void put_codes(const uint8_t *codes, int n, int bits, uint8_t *bytes) {
    uint32_t buffer = 0;
    int n_held = 0;
    for (int i = 0; i < n; i++) {
        buffer |= (uint32_t)codes[i] << n_held;
        for (n_held += bits; n_held >= 8; n_held -= 8, buffer >>= 8) *bytes++ = (uint8_t)buffer;
    }
}

static void get_codes(const uint8_t *bytes, int n, int bits, uint8_t *codes) {
    if (bits == 8) {
        memcpy(codes, bytes, (size_t)n);
        return;
    }
    if (bits == 4) {
        for (int i = 0; i < n / 2; i++) codes[2 * i] = bytes[i] & 15, codes[2 * i + 1] = bytes[i] >> 4;
        return;
    }
    const uint64_t mask = (1u << bits) - 1;
    for (int i = 0; i < n; i += 8, bytes += bits, codes += 8) { /* 8 codes are `bits` bytes */
        uint64_t eight = 0;
        memcpy(&eight, bytes, (size_t)bits);
        for (int k = 0; k < 8; k++) codes[k] = (uint8_t)(eight >> (k * bits) & mask);
    }
}

/* ---- scales and biases in their stored type ---- */

static size_t scale_size(const ms_mlx_codec *codec) { return ms_dtype_info_of(codec->scale)->bits / 8; }

static void put_scale(ms_dtype type, float value, size_t i, uint8_t *out) {
    const uint16_t half = type == MS_DTYPE_F16 ? ms_f16_from_f32(value) : ms_bf16_from_f32(value);
    if (type == MS_DTYPE_F32) memcpy(out + 4 * i, &value, 4);
    else memcpy(out + 2 * i, &half, 2);
}

static float get_scale(ms_dtype type, const uint8_t *in, size_t i) {
    float value;
    uint16_t half;
    if (type == MS_DTYPE_F32) return memcpy(&value, in + 4 * i, 4), value;
    memcpy(&half, in + 2 * i, 2);
    return type == MS_DTYPE_F16 ? ms_f32_from_f16(half) : ms_f32_from_bf16(half);
}

size_t ms_mlx_pack_words_size(const ms_mlx_codec *codec, size_t n) { return n / 8 * (size_t)codec->bits; }
size_t ms_mlx_pack_scales_size(const ms_mlx_codec *codec, size_t n) {
    return n / (size_t)codec->group_size * scale_size(codec);
}

/* ---- quantise ---- */

/* Metal up to 0.32.0, nvfp4: 32 lanes share one maximum, but for the first 32 of the array. */
static float pair_max(const ms_mlx_quantiser *q, const float *w, size_t i, size_t n_weights) {
    float shared[32];
    const size_t from = i / 32 * 32, n = n_weights - from < 32 ? n_weights - from : 32;
    ms_mlx_round(q->compute, w + from, n, shared);
    return ms_mlx_max_abs(shared, (int)n);
}

void ms_mlx_pack_quantise(const ms_mlx_quantiser *q, const ms_mlx_global *global, const float *w, size_t n_rows, size_t n_cols,
                          const ms_mlx_packed *out) {
    const ms_mlx_codec *const codec = &q->codec;
    const size_t g = (size_t)codec->group_size, n_weights = n_rows * n_cols;
    const bool affine = codec->mode == MS_MLX_AFFINE;
    const bool shares = q->profile == MS_MLX_METAL_0_32_0 && codec->mode == MS_MLX_NVFP4;
    for (size_t i = 0; i + g <= n_weights; i += g) {
        float rounded[MS_MLX_MAX_GROUP];
        uint8_t codes[MS_MLX_MAX_GROUP];
        ms_mlx_round(q->compute, w + i, g, rounded);
        const float max_abs = shares && i >= 32 ? pair_max(q, w, i, n_weights) : ms_mlx_max_abs(rounded, (int)g);
        const ms_mlx_group group = ms_mlx_quantiser_group(q, global, rounded, max_abs);
        for (size_t k = 0; k < g; k++) codes[k] = ms_mlx_code(q, global, &group, rounded[k]);
        put_codes(codes, (int)g, codec->bits, out->words + ms_mlx_pack_words_size(codec, i));
        if (affine) {
            put_scale(codec->scale, group.scale, i / g, out->scales);
            put_scale(codec->scale, group.bias, i / g, out->biases);
        } else {
            out->scales[i / g] = group.byte;
        }
    }
}

/* ---- dequantise ---- */

ms_status ms_mlx_pack_codec(ms_mlx_mode mode, int bits, int group_size, ms_dtype scale, ms_dtype value, float global_scale,
                            ms_mlx_codec *out, ms_err *err) {
    const ms_mlx_scheme scheme = {.mode_name = ms_str_of(ms_mlx_mode_name(mode)),
                                  .mode = mode,
                                  .bits = bits,
                                  .group_size = group_size,
                                  .profile = MS_MLX_CPU,
                                  .global_scale = global_scale != 0};
    const int64_t shape[2] = {1, group_size};
    MS_TRY(ms_mlx_scheme_check(&scheme, MS_DTYPE_F32, shape, 2, err));
    const bool affine = mode == MS_MLX_AFFINE;
    const bool floating = scale == MS_DTYPE_F32 || scale == MS_DTYPE_F16 || scale == MS_DTYPE_BF16;
    MS_FAIL_IF(affine && !floating, MS_ERR_UNSUPPORTED, err, "affine scales are F32, F16 or BF16, not %s",
               ms_dtype_info_of(scale)->name);
    MS_FAIL_IF(!affine && scale != MS_DTYPE_U8, MS_ERR_UNSUPPORTED, err, "%s scales are U8, not %s", ms_mlx_mode_name(mode),
               ms_dtype_info_of(scale)->name);
    const bool known_value = value == MS_DTYPE_F32 || value == MS_DTYPE_F16 || value == MS_DTYPE_BF16;
    MS_FAIL_IF(!affine && !known_value, MS_ERR_UNSUPPORTED, err, "values are made as F32, F16 or BF16, not %s",
               ms_dtype_info_of(value)->name);
    *out = (ms_mlx_codec){.mode = mode,
                          .bits = bits,
                          .group_size = group_size,
                          .scale = scale,
                          .value = affine              ? scale
                                   : global_scale != 0 ? MS_DTYPE_F32
                                                       : value,
                          .global = global_scale != 0,
                          .global_decode = global_scale != 0 ? global_scale / 2688.0F : 1};
    return MS_OK;
}

ms_mlx_group ms_mlx_pack_group(const ms_mlx_codec *codec, const ms_mlx_stored *in, size_t i) {
    if (codec->mode != MS_MLX_AFFINE) return ms_mlx_stored_group(codec, 0, 0, in->scales[i]);
    return ms_mlx_stored_group(codec, get_scale(codec->scale, in->scales, i), get_scale(codec->scale, in->biases, i), 0);
}

void ms_mlx_pack_values_scalar(const ms_mlx_codec *codec, const ms_mlx_stored *in, size_t n_groups, float *out) {
    const size_t g = (size_t)codec->group_size, n_table = (size_t)1 << codec->bits;
    for (size_t i = 0; i < n_groups; i++, out += g) {
        uint8_t codes[MS_MLX_MAX_GROUP];
        const ms_mlx_group group = ms_mlx_pack_group(codec, in, i);
        get_codes(in->words + ms_mlx_pack_words_size(codec, i * g), (int)g, codec->bits, codes);
        if (n_table <= g) { /* fewer values than weights: each is made once */
            float values[MS_MLX_MAX_GROUP];
            for (size_t c = 0; c < n_table; c++) values[c] = ms_mlx_value(codec, &group, (uint8_t)c);
            for (size_t k = 0; k < g; k++) out[k] = values[codes[k]];
        } else {
            for (size_t k = 0; k < g; k++) out[k] = ms_mlx_value(codec, &group, codes[k]);
        }
    }
}

ms_mlx_pack_values *const ms_mlx_pack_kernels[MS_ISA_COUNT] = {
    [MS_ISA_SCALAR] = ms_mlx_pack_values_scalar,
#if defined(__x86_64__)
    [MS_ISA_AVX2] = ms_mlx_pack_values_avx2,
    [MS_ISA_AVX512] = ms_mlx_pack_values_avx512,
#endif
};

void ms_mlx_pack_dequantise(const ms_mlx_codec *codec, const ms_mlx_stored *in, size_t n_rows, size_t n_cols, float *out) {
    ms_mlx_pack_values *kernel = ms_mlx_pack_kernels[ms_cpu_isa()];
    if (!kernel) kernel = ms_mlx_pack_values_scalar;
    kernel(codec, in, n_rows * n_cols / (size_t)codec->group_size, out);
}
