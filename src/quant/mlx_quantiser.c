#include "mlx_quantiser.h"

#include <math.h>

#include "half.h"

static const float fp4_values[16] = {0, 0.5F, 1, 1.5F, 2, 3, 4, 6, -0.0F, -0.5F, -1, -1.5F, -2, -3, -4, -6};

/* ---- rounding ---- */

float ms_mlx_round_one(ms_dtype type, float w) {
    if (type == MS_DTYPE_F16) return ms_f32_from_f16(ms_f16_from_f32(w));
    if (type == MS_DTYPE_BF16) return ms_f32_from_bf16(ms_bf16_from_f32(w));
    return w;
}

void ms_mlx_round(ms_dtype type, const float *w, size_t n, float *out) {
    for (size_t i = 0; i < n; i++) out[i] = ms_mlx_round_one(type, w[i]);
}

float ms_mlx_max_abs(const float *w, int n) {
    float max = 0;
    for (int i = 0; i < n; i++) {
        const float a = fabsf(w[i]);
        if (!(a <= max)) max = a; /* a NaN goes in ... */
        if (isnan(max)) return max;
    }
    return max;
}

uint8_t ms_mlx_e4m3_from_f32(float x) {
    const uint32_t sign = ms_f32_bits(x) >> 24 & 0x80u, magnitude = ms_f32_bits(x) & 0x7FFFFFFFu;
    if (magnitude >= 0x43E00000u) return (uint8_t)(sign | 0x7Eu); /* 448 and above, NaN */
    if (magnitude < 0x3C800000u) { /* below 2^-6: a multiple of 2^-9; adding 2^14 rounds at that place */
        const uint32_t rounded = ms_f32_bits(ms_f32_from_bits(magnitude) + 0x1p14f);
        return (uint8_t)(sign | (rounded - 0x46800000u));
    }
    const uint32_t rebiased = magnitude - (120u << 23);
    return (uint8_t)(sign | (rebiased + 0x7FFFFu + (rebiased >> 20 & 1u)) >> 20);
}

/* ---- shared exponents ---- */

static int exponent_by_rule(ms_mlx_profile profile, ms_dtype type, double t) {
    const float log = (float)log2(t);
    switch (profile) {
    case MS_MLX_CPU_0_32_1: return (int)rintf(ms_mlx_round_one(type, log));
    case MS_MLX_CPU_0_29_0: return (int)truncf(ms_mlx_round_one(type, log));
    case MS_MLX_METAL_0_32_0: return (int)roundf(log);
    default: return (int)ceil(log2(t));
    }
}

/* All rules are steps: x up to some fraction of the octave, x + 1 above. Finds the last fraction that still gives x. */
static uint32_t last_fraction_below_step(ms_mlx_profile profile, ms_dtype type, int x) {
    uint32_t below = 0, above = 1u << 23; /* fraction 0 always gives x, the next octave gives more */
    while (above - below > 1) {
        const uint32_t middle = (below + above) / 2;
        const double t = ldexp(1.0 + ldexp(middle, -23), x);
        if (exponent_by_rule(profile, type, t) > x) above = middle;
        else below = middle;
    }
    return below;
}

/* t: finite, positive. */
static int exponent_of(const ms_mlx_quantiser *q, float t) {
    uint32_t bits = ms_f32_bits(t);
    int x = (int)(bits >> 23) - 127;
    if (bits < 0x00800000u) { /* subnormal: normalise */
        bits = ms_f32_bits(t * 0x1p23f);
        x = (int)(bits >> 23) - 127 - 23;
    }
    return x + ((bits & 0x7FFFFFu) > q->exponent_step[x - MS_MLX_EXPONENT_MIN]);
}

void ms_mlx_quantiser_init(ms_mlx_quantiser *q, const ms_mlx_scheme *scheme, ms_dtype stored) {
    const ms_dtype type = ms_mlx_scheme_compute(scheme, stored);
    const bool metal = scheme->profile == MS_MLX_METAL || scheme->profile == MS_MLX_METAL_0_32_0;
    const bool affine = scheme->mode == MS_MLX_AFFINE, mx = scheme->mode == MS_MLX_MXFP4 || scheme->mode == MS_MLX_MXFP8;
    *q = (ms_mlx_quantiser){
        .codec = {.mode = scheme->mode,
                  .bits = scheme->bits,
                  .group_size = scheme->group_size,
                  .scale = affine ? type : MS_DTYPE_U8,
                  .value = type,
                  .metal = metal,
                  .global = scheme->global_scale,
                  .global_decode = 1},
        .profile = scheme->profile,
        .compute = type,
        .n_bins = (float)((1 << scheme->bits) - 1),
    };
    /* What dequantize returns whatever it is asked for: bfloat16 in the first release, float32 with a global scale on the CPU.
     */
    if (!affine && scheme->profile == MS_MLX_CPU_0_29_0) q->codec.value = MS_DTYPE_BF16;
    if (scheme->global_scale && !metal) q->codec.value = MS_DTYPE_F32;
    for (int i = 0; mx && i < MS_MLX_EXPONENT_COUNT; i++)
        q->exponent_step[i] = last_fraction_below_step(q->profile, type, i + MS_MLX_EXPONENT_MIN);
}

ms_mlx_global ms_mlx_global_of(const ms_mlx_quantiser *q, float max_abs) {
    if (!q->codec.global) return (ms_mlx_global){1, 1};
    return (ms_mlx_global){.encode = 2688.0F / max_abs, .decode = max_abs / 2688.0F};
}

/* ---- one group ---- */

/* lo, hi as std::min and std::max find them: NaN is passed over. */
static void extremes(const float *w, int n, float *lo, float *hi) {
    *lo = INFINITY, *hi = -INFINITY;
    for (int i = 0; i < n; i++) {
        *lo = w[i] < *lo ? w[i] : *lo;
        *hi = *hi < w[i] ? w[i] : *hi;
    }
}

static float round_half(bool metal, float x) { return metal ? roundf(x) : rintf(x); }

static ms_mlx_group affine_group(const ms_mlx_quantiser *q, const float *w) {
    const bool metal = q->codec.metal;
    float lo, hi;
    extremes(w, q->codec.group_size, &lo, &hi);
    if (metal && hi < 0) hi = 0;
    const float step = (hi - lo) / q->n_bins;
    float s = step < 1e-7F ? 1e-7F : step, b = lo; /* a NaN stays */
    if (q->codec.bits > 1) {
        const bool low_side = fabsf(lo) > fabsf(hi);
        const float edge = low_side ? lo : hi;
        s = low_side ? s : -s;
        const float q0 = round_half(metal, edge / s);
        b = 0;
        if (q0 != 0) s = edge / q0, b = edge;
    }
    return (ms_mlx_group){
        .divisor = s, .offset = b, .scale = ms_mlx_round_one(q->compute, s), .bias = ms_mlx_round_one(q->compute, b)};
}

/* CPU: a group without a finite maximum has the exponent INT_MIN, which passes through T on its way to the byte. */
static uint8_t byte_of_no_exponent(const ms_mlx_quantiser *q) {
    if (q->profile == MS_MLX_CPU_0_29_0) return 127; /* stays an integer: INT_MIN + 127 */
    return q->compute == MS_DTYPE_F32 ? 128 : 0;     /* rn_T(-2^31 + 127) */
}

static ms_mlx_group mx_group_cpu(const ms_mlx_quantiser *q, float max_abs) {
    const float t = ms_mlx_round_one(q->compute, max_abs / (q->codec.bits == 4 ? 6.0F : 448.0F));
    ms_mlx_group group = ms_mlx_stored_group(&q->codec, 0, 0, 127);
    if (!isfinite(t)) {
        group = ms_mlx_stored_group(&q->codec, 0, 0, byte_of_no_exponent(q));
        group.divisor = 0;
    } else if (t > 0) {
        /* Below 2^-127 MLX's own logarithm is off and its byte wraps around; here the smallest byte stands for them. */
        const int e = exponent_of(q, t) < -127 ? -127 : exponent_of(q, t);
        group = ms_mlx_stored_group(&q->codec, 0, 0, (uint8_t)(e + 127));
        group.divisor = ms_mlx_round_one(q->compute, ldexpf(1, e));
    } else {
        group.divisor = 1;
    }
    return group;
}

static ms_mlx_group mx_group_metal(const ms_mlx_quantiser *q, float max_abs) {
    const float t = max_abs / (q->codec.bits == 4 ? 6.0F : 448.0F);
    int e = -127;
    if (t > 0 && isfinite(t)) e = exponent_of(q, t);
    if (e < -127) e = -127;
    if (e > 127) e = 127;
    ms_mlx_group group = ms_mlx_stored_group(&q->codec, 0, 0, isfinite(t) ? (uint8_t)(e + 127) : 255);
    group.divisor = isfinite(t) ? ldexpf(1, e) : INFINITY;
    return group;
}

static ms_mlx_group nv_group(const ms_mlx_quantiser *q, const ms_mlx_global *global, float max_abs) {
    const float t = ms_mlx_round_one(q->codec.metal ? MS_DTYPE_F32 : q->compute, max_abs / 6.0F);
    ms_mlx_codec codec = q->codec;
    codec.global_decode = global->decode;
    const uint8_t byte = ms_mlx_e4m3_from_f32(t * global->encode);
    ms_mlx_group group = ms_mlx_stored_group(&codec, 0, 0, byte);
    group.divisor = ms_f32_from_e4m3(byte);
    return group;
}

ms_mlx_group ms_mlx_quantiser_group(const ms_mlx_quantiser *q, const ms_mlx_global *global, const float *w, float max_abs) {
    if (q->codec.mode == MS_MLX_AFFINE) return affine_group(q, w);
    /* Metal's maximum passes over NaN. */
    if (q->codec.metal && isnan(max_abs)) {
        max_abs = 0;
        for (int i = 0; i < q->codec.group_size; i++)
            if (fabsf(w[i]) > max_abs) max_abs = fabsf(w[i]);
    }
    if (q->codec.mode == MS_MLX_NVFP4) return nv_group(q, global, max_abs);
    return q->codec.metal ? mx_group_metal(q, max_abs) : mx_group_cpu(q, max_abs);
}

/* ---- codes ---- */

static uint8_t affine_code(const ms_mlx_quantiser *q, const ms_mlx_group *group, float w) {
    const float r = round_half(q->codec.metal, (w - group->offset) / group->divisor);
    if (!(r > 0)) return 0; /* a NaN too */
    return (uint8_t)(r < q->n_bins ? r : q->n_bins);
}

/* The scaled weight that is rounded to a code. */
static float scaled(const ms_mlx_quantiser *q, const ms_mlx_global *global, const ms_mlx_group *group, float w) {
    const float d = group->divisor;
    if (q->codec.metal) {
        if (d == 0) return 0;
        return q->profile == MS_MLX_METAL_0_32_0 ? w / d : w * (global->encode / d);
    }
    const float x = d == 0 && w == 0 ? -NAN /* 0 / 0 as x86 has it: negative */ : ms_mlx_round_one(q->compute, w / d);
    if (isnan(x) && q->compute == MS_DTYPE_BF16) return NAN; /* MLX's bfloat16 has one NaN, positive */
    return q->codec.mode == MS_MLX_NVFP4 ? x * global->encode : x;
}

/* The first table entry at the smallest distance, the distance rounded to `type`. Near the table that is the nearest entry, the
 * smaller on a tie; far outside distances become equal by rounding, and the first entry, 0, wins. */
static uint8_t fp4_code_cpu(ms_dtype type, float x) {
    const float a = fabsf(x);
    if (a <= 8) {
        const int code = (a > 0.25F) + (a > 0.75F) + (a > 1.25F) + (a > 1.75F) + (a > 2.5F) + (a > 3.5F) + (a > 5);
        return (uint8_t)(code | (x < 0 && code > 0 ? 8 : 0));
    }
    if (!isfinite(x)) return 0;
    uint8_t best = 0;
    float least = INFINITY;
    for (uint8_t i = 0; i < 16; i++) {
        const float distance = fabsf(ms_mlx_round_one(type, x - fp4_values[i]));
        if (distance < least) least = distance, best = i;
    }
    return best;
}

static uint8_t fp4_code_metal(float x) {
    if (isnan(x)) return 7;
    const float a = fabsf(x);
    const int code = (a > 0.25F) + (a >= 0.75F) + (a > 1.25F) + (a >= 1.75F) + (a > 2.5F) + (a >= 3.5F) + (a > 5);
    return (uint8_t)(code | (signbit(x) ? 8 : 0));
}

uint8_t ms_mlx_code(const ms_mlx_quantiser *q, const ms_mlx_global *global, const ms_mlx_group *group, float w) {
    if (q->codec.mode == MS_MLX_AFFINE) return affine_code(q, group, w);
    const float x = scaled(q, global, group, w);
    if (q->codec.bits == 8) return ms_mlx_e4m3_from_f32(x);
    if (q->codec.metal) return fp4_code_metal(x);
    return fp4_code_cpu(q->codec.mode == MS_MLX_NVFP4 ? MS_DTYPE_F32 : q->compute, x);
}

/* ---- values ---- */

/* A byte of 255 is an infinity to MLX, not the NaN of the OCP. */
static float e8m0_value(uint8_t byte) { return ms_f32_from_bits(byte == 0 ? 0x00400000u : (uint32_t)byte << 23); }

ms_mlx_group ms_mlx_stored_group(const ms_mlx_codec *codec, float scale, float bias, uint8_t byte) {
    if (codec->mode == MS_MLX_AFFINE) return (ms_mlx_group){.scale = scale, .bias = bias};
    float decoded = codec->mode == MS_MLX_NVFP4 ? ms_f32_from_e4m3(byte) : e8m0_value(byte);
    if (!codec->metal) decoded = ms_mlx_round_one(codec->value, decoded);
    return (ms_mlx_group){.scale = decoded * codec->global_decode, .byte = byte};
}

float ms_mlx_value(const ms_mlx_codec *codec, const ms_mlx_group *group, uint8_t code) {
    if (codec->mode == MS_MLX_AFFINE) {
        const float product = ms_mlx_round_one(codec->value, (float)code * group->scale);
        return ms_mlx_round_one(codec->value, product + group->bias);
    }
    const float unit = codec->bits == 4 ? fp4_values[code & 15] : ms_f32_from_e4m3(code);
    return ms_mlx_round_one(codec->value, unit * group->scale);
}

/* ---- what is said about a group ---- */

bool ms_mlx_group_clips(const ms_mlx_quantiser *q, const ms_mlx_global *global, const ms_mlx_group *group, float lo, float hi) {
    if (q->codec.mode == MS_MLX_AFFINE) {
        const float a = (lo - group->offset) / group->divisor, b = (hi - group->offset) / group->divisor;
        return a < -0.5F || b < -0.5F || a > q->n_bins + 0.5F || b > q->n_bins + 0.5F;
    }
    if (group->divisor == 0) return false;
    const float limit = q->codec.bits == 4 ? 7.0F : 464.0F;
    return fabsf(scaled(q, global, group, lo)) > limit || fabsf(scaled(q, global, group, hi)) > limit;
}

bool ms_mlx_group_scale_is_subnormal(const ms_mlx_codec *codec, const ms_mlx_group *group) {
    switch (codec->mode) {
    case MS_MLX_AFFINE: {
        const float smallest = codec->scale == MS_DTYPE_F16 ? 0x1p-14f : 0x1p-126f;
        return group->scale != 0 && fabsf(group->scale) < smallest;
    }
    case MS_MLX_NVFP4: return (group->byte & 0x7Fu) != 0 && (group->byte & 0x7Fu) < 8;
    default: return group->byte == 0;
    }
}
