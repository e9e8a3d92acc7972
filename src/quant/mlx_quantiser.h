/*
 * mlx_quantiser: the arithmetic of MLX's quantisers, one group at a time; what packing, error sums and their kernels share.
 *
 *     ms_mlx_quantiser q;
 *     ms_mlx_quantiser_init(&q, &scheme, MS_DTYPE_BF16);                  // once; read-only then, shared by all threads
 *     const ms_mlx_global global = ms_mlx_global_of(&q, max_abs_of_the_matrix);
 *     ms_mlx_group group = ms_mlx_quantiser_group(&q, &global, w, ms_mlx_max_abs(w, 32));   // w: rounded by ms_mlx_round
 *     code = ms_mlx_code(&q, &global, &group, w[i]);
 *     value = ms_mlx_value(&q.codec, &group, code);
 *
 * T is the computing type (f32, f16, bf16), rn_T rounding to it, to nearest even. Everything happens in f32 with explicit
 * roundings to T where MLX stores or operates in T. Formulas; n = 2^bits - 1, M = 6 (fp4) or 448 (fp8):
 *
 *   affine   lo, hi = min, max;  s = max((hi - lo) / n, 1e-7), negated unless |lo| > |hi|;  edge = |lo| > |hi| ? lo : hi;
 *            q0 = rint(edge / s);  if q0 != 0: s = edge / q0, b = edge;  else b = 0.
 *            code = clamp(rint((w - b) / s), 0, n) with the unrounded s, b;  value = rn_T(rn_T(code * rn_T(s)) + rn_T(b))
 *   affine, 1 bit    s = max(hi - lo, 1e-7), b = lo
 *   mx       t = rn_T(max |w| / M);  e = exponent rule(t);  code = nearest(rn_T(w / 2^e));  byte = e + 127; all zero: byte 127
 *   nvfp4    t = rn_T(max |w| / 6);  byte = e4m3(t * k), k = 2688 / global or 1;  code = nearest(rn_T(w / byte) * k) in f32
 *
 * The exponent rule, with the logarithm in f32: cpu: ceil(log2 t); cpu-0.32.1: rint(rn_T(log2 t)); cpu-0.29.0:
 * trunc(rn_T(log2 t)); metal: the exponent of the smallest power of two >= t; metal-0.32.0: round(log2 t), halves away from
 * zero. nearest: fp8: to nearest even, 448 at most; fp4 on the CPU: the first of the table 0 .5 1 1.5 2 3 4 6 -0 ... with the
 * smallest rn(|x - entry|), so ties go down and -0 never appears; fp4 on Metal: ties to the even code, sign kept.
 * Metal works in f32 throughout, takes 0 for affine's hi when all weights are negative and rounds affine codes half away from
 * 0.
 */
#ifndef MS_MLX_QUANTISER_H
#define MS_MLX_QUANTISER_H

#include <stddef.h>

#include "mlx_scheme.h"

enum {
    MS_MLX_MAX_GROUP = 128,
    MS_MLX_EXPONENT_MIN = -149, /* log2 of the smallest f32 */
    MS_MLX_EXPONENT_COUNT = 277,
};

/* How stored codes become values. Also made by readers of MLX checkpoints: no scheme needed. */
typedef struct ms_mlx_codec {
    ms_mlx_mode mode;
    int bits, group_size;
    ms_dtype scale; /* affine: the type of scales and biases, which is T: F32, F16, BF16; else U8 */
    ms_dtype value; /* the type of the values: affine as scale; fp modes: what dequantize was asked for (its default is BF16) */
    bool metal;     /* fp modes: product in f32, rounded once; else the scale is rounded first */
    bool global;    /* nvfp4: scales count in units of global_scale / 2688 */
    float global_decode; /* global_scale / 2688; 1 without */
} ms_mlx_codec;

typedef struct ms_mlx_quantiser {
    ms_mlx_codec codec;
    ms_mlx_profile profile;
    ms_dtype compute; /* T */
    float n_bins;     /* 2^bits - 1 */
    /* Exponent rule as data: for t = 2^x * (1 + m / 2^23) it is x + (m > exponent_step[x - MS_MLX_EXPONENT_MIN]). */
    uint32_t exponent_step[MS_MLX_EXPONENT_COUNT];
} ms_mlx_quantiser;

typedef struct ms_mlx_global {
    float encode, decode; /* 2688 / global_scale, global_scale / 2688; both 1 without */
} ms_mlx_global;

typedef struct ms_mlx_group {
    float divisor; /* affine: s, unrounded; fp modes: 2^e or the decoded byte. Codes are made with it */
    float offset;  /* affine: b, unrounded */
    float scale;   /* what a reader multiplies codes by: rn_T(s), 2^e, decoded byte times global_decode */
    float bias;    /* rn_T(b); 0 in fp modes */
    uint8_t byte;  /* fp modes: the stored scale */
} ms_mlx_group;

/* scheme: passed ms_mlx_scheme_check. stored: the checkpoint's type, for "native". */
void ms_mlx_quantiser_init(ms_mlx_quantiser *q, const ms_mlx_scheme *scheme, ms_dtype stored);

/* max_abs: max |w| of the matrix, rounded to f32; used by nvfp4 with global scale only. */
ms_mlx_global ms_mlx_global_of(const ms_mlx_quantiser *q, float max_abs);

/* out[i] = rn_T(w[i]). out may be w. */
void ms_mlx_round(ms_dtype type, const float *w, size_t n, float *out);
float ms_mlx_round_one(ms_dtype type, float w);

/* MLX's maximum of |w| over a group: NaN when one is NaN. */
float ms_mlx_max_abs(const float *w, int n);

/* w: [group_size] f32, already rounded to T. max_abs (fp modes): ms_mlx_max_abs of the group, or of the pair that shares it. */
ms_mlx_group ms_mlx_quantiser_group(const ms_mlx_quantiser *q, const ms_mlx_global *global, const float *w, float max_abs);
uint8_t ms_mlx_code(const ms_mlx_quantiser *q, const ms_mlx_global *global, const ms_mlx_group *group, float w);

/* The group of stored numbers: scale as f32 (affine) or byte. */
ms_mlx_group ms_mlx_stored_group(const ms_mlx_codec *codec, float scale, float bias, uint8_t byte);
float ms_mlx_value(const ms_mlx_codec *codec, const ms_mlx_group *group, uint8_t code);

/* True when the quantiser had to bring a weight of extremes lo, hi back by more than half a step: affine: (w - b) / s outside
 * [-0.5, n + 0.5]; fp4: |x| > 7; fp8: |x| > 464, where x is the scaled weight that is rounded to a code. False for NaN. */
bool ms_mlx_group_clips(const ms_mlx_quantiser *q, const ms_mlx_global *global, const ms_mlx_group *group, float lo, float hi);
/* The stored scale is not zero and below the smallest normal number of its type (e8m0: byte 0). */
bool ms_mlx_group_scale_is_subnormal(const ms_mlx_codec *codec, const ms_mlx_group *group);

/* E4M3 as MLX encodes it: nearest even, 448 at most, also for NaN and infinity. */
uint8_t ms_mlx_e4m3_from_f32(float x);

#endif
