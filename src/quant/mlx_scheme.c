#include "mlx_scheme.h"

#include <stdio.h>

static const char *const mode_names[] = {"unknown", "affine", "mxfp4", "mxfp8", "nvfp4"};
static const char *const profile_names[MS_MLX_PROFILE_COUNT] = {"cpu", "cpu-0.32.1", "cpu-0.29.0", "metal", "metal-0.32.0"};

/* What MLX assumes for a mode (its default bits and group size), which for the fp modes is all it takes. */
static const struct {
    int bits, group_size;
} defaults[] = {{4, 64}, {4, 64}, {4, 32}, {8, 32}, {4, 16}};

const char *ms_mlx_mode_name(ms_mlx_mode mode) { return mode <= MS_MLX_NVFP4 ? mode_names[mode] : mode_names[0]; }

ms_mlx_mode ms_mlx_mode_by_name(ms_str name) {
    for (int i = MS_MLX_AFFINE; i <= MS_MLX_NVFP4; i++)
        if (ms_str_is(name, mode_names[i])) return (ms_mlx_mode)i;
    return MS_MLX_UNKNOWN_MODE;
}

const char *ms_mlx_profile_name(ms_mlx_profile profile) {
    return profile < MS_MLX_PROFILE_COUNT ? profile_names[profile] : "unknown";
}

bool ms_mlx_profile_by_name(ms_str name, ms_mlx_profile *out) {
    for (int i = 0; i < MS_MLX_PROFILE_COUNT; i++)
        if (ms_str_is(name, profile_names[i])) return *out = (ms_mlx_profile)i, true;
    return false;
}

bool ms_mlx_compute_by_name(ms_str name, ms_dtype *out) {
    static const struct {
        const char *name;
        ms_dtype dtype;
    } known[] = {
        {"f32", MS_DTYPE_F32},       {"float32", MS_DTYPE_F32},    {"fp32", MS_DTYPE_F32}, {"f16", MS_DTYPE_F16},
        {"fp16", MS_DTYPE_F16},      {"float16", MS_DTYPE_F16},    {"half", MS_DTYPE_F16}, {"bf16", MS_DTYPE_BF16},
        {"bfloat16", MS_DTYPE_BF16}, {"native", MS_DTYPE_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (ms_str_is(name, known[i].name)) return *out = known[i].dtype, true;
    return false;
}

ms_mlx_scheme ms_mlx_scheme_make(ms_str name, ms_str mode, int bits, int group_size) {
    return (ms_mlx_scheme){.name = name,
                           .mode_name = mode,
                           .mode = ms_mlx_mode_by_name(mode),
                           .bits = bits,
                           .group_size = group_size,
                           .profile = MS_MLX_CPU,
                           .compute = MS_DTYPE_F16};
}

/* "q4" and 'q' give 4: one or two or three digits after the letter. */
static bool number_after(ms_str word, char letter, int *out) {
    if (word.size < 2 || word.size > 4 || word.text[0] != letter) return false;
    int64_t value;
    if (word.text[1] < '0' || word.text[1] > '9' || !ms_str_to_i64(ms_str_sub(word, 1, word.size), &value)) return false;
    return *out = (int)value, true;
}

ms_status ms_mlx_scheme_parse(ms_str text, ms_mlx_scheme *out, ms_err *err) {
    ms_str rest = text;
    ms_str word = ms_str_cut(&rest, '_');
    int bits = 0;
    ms_mlx_mode mode = ms_mlx_mode_by_name(word);
    const bool short_form = mode == MS_MLX_UNKNOWN_MODE && number_after(word, 'q', &bits);
    if (short_form) mode = MS_MLX_AFFINE;
    *out = ms_mlx_scheme_make(text, ms_str_of(ms_mlx_mode_name(mode)), defaults[mode].bits, defaults[mode].group_size);
    if (short_form) out->bits = bits;
    bool understood = mode != MS_MLX_UNKNOWN_MODE;
    while (understood && rest.text) {
        word = ms_str_cut(&rest, '_');
        if (ms_str_is(word, "global")) out->global_scale = true;
        else understood = number_after(word, 'q', &out->bits) || number_after(word, 'g', &out->group_size);
    }
    MS_FAIL_IF(
        !understood, MS_ERR_USAGE, err,
        "quantisation scheme '%s' is not understood: write affine_q4_g32 (bits 1 2 3 4 5 6 8, group 32 64 128), mxfp4, mxfp8, "
        "nvfp4 or nvfp4_global",
        ms_str_shown(text).text);
    return MS_OK;
}

/* "(4,48)" */
static void put_shape(char *text, size_t size, const int64_t *shape, int rank) {
    size_t n = (size_t)snprintf(text, size, "(");
    for (int i = 0; i < rank && n < size; i++)
        n += (size_t)snprintf(text + n, size - n, "%s%lld", i ? "," : "", (long long)shape[i]);
    if (n < size) snprintf(text + n, size - n, ")");
}

static ms_status check_affine(const ms_mlx_scheme *scheme, ms_err *err) {
    const int g = scheme->group_size, b = scheme->bits;
    MS_FAIL_IF(g != 32 && g != 64 && g != 128, MS_ERR_UNSUPPORTED, err,
               "[quantize] The requested group size %d is not supported. The supported group sizes are 32, 64, and 128.", g);
    const bool one_bit = scheme->profile == MS_MLX_CPU || scheme->profile == MS_MLX_METAL;
    MS_FAIL_IF(b < (one_bit ? 1 : 2) || b > 8 || b == 7, MS_ERR_UNSUPPORTED, err,
               "[quantize] The requested number of bits %d is not supported. The supported bits are %s2, 3, 4, 5, 6 and 8.", b,
               one_bit ? "1, " : "");
    return MS_OK;
}

static ms_status check_fp(const ms_mlx_scheme *scheme, ms_err *err) {
    const char *const name = ms_mlx_mode_name(scheme->mode);
    MS_FAIL_IF(scheme->group_size != defaults[scheme->mode].group_size, MS_ERR_UNSUPPORTED, err,
               "[quantize] %s quantization requires group size %d but got %d.", name, defaults[scheme->mode].group_size,
               scheme->group_size);
    MS_FAIL_IF(scheme->bits != defaults[scheme->mode].bits, MS_ERR_UNSUPPORTED, err,
               "[quantize] %s quantization requires bits to be %d but got %d.", name, defaults[scheme->mode].bits,
               scheme->bits);
    return MS_OK;
}

ms_status ms_mlx_scheme_check(const ms_mlx_scheme *scheme, ms_dtype dtype, const int64_t *shape, int rank, ms_err *err) {
    const bool too_new = scheme->profile == MS_MLX_CPU_0_29_0 && (scheme->mode == MS_MLX_MXFP8 || scheme->mode == MS_MLX_NVFP4);
    MS_FAIL_IF(scheme->mode == MS_MLX_UNKNOWN_MODE || too_new, MS_ERR_UNSUPPORTED, err,
               "[quantize] Invalid quantization mode '%s'.", ms_str_shown(scheme->mode_name).text);
    MS_FAIL_IF(!ms_dtype_info_of(dtype)->is_float, MS_ERR_UNSUPPORTED, err,
               "[quantize] Only real floating types can be quantized but w has type %s.", ms_dtype_info_of(dtype)->numpy_name);
    MS_FAIL_IF(rank < 2, MS_ERR_UNSUPPORTED, err,
               "[quantize] The matrix to be quantized must have at least 2 dimension but it has only %d.", rank);
    if (scheme->group_size != 0 && shape[rank - 1] % scheme->group_size != 0) {
        char text[200];
        put_shape(text, sizeof text, shape, rank);
        return ms_err_set(
            err, MS_ERR_UNSUPPORTED,
            "[quantize] The last dimension of the matrix needs to be divisible by the quantization group size %d. "
            "However the provided  matrix has shape %s",
            scheme->group_size, text);
    }
    MS_FAIL_IF(scheme->global_scale && scheme->mode != MS_MLX_NVFP4, MS_ERR_UNSUPPORTED, err,
               "[quantize] Global scale is only supported for 'nvfp4' quantization mode.");
    return scheme->mode == MS_MLX_AFFINE ? check_affine(scheme, err) : check_fp(scheme, err);
}

ms_dtype ms_mlx_scheme_compute(const ms_mlx_scheme *scheme, ms_dtype stored) {
    const ms_dtype dtype = scheme->compute == MS_DTYPE_UNKNOWN ? stored : scheme->compute;
    return dtype == MS_DTYPE_F16 || dtype == MS_DTYPE_BF16 ? dtype : MS_DTYPE_F32;
}

double ms_mlx_scheme_bits_per_weight(const ms_mlx_scheme *scheme, ms_dtype compute) {
    const double scale_bits = scheme->mode == MS_MLX_AFFINE ? 2.0 * ms_dtype_info_of(compute)->bits : 8.0;
    return scheme->bits + scale_bits / scheme->group_size;
}
