/*
 * mlx_vec_avx512: the 16-wide vectors that the quantisation kernels are written in, as AVX-512 has them: 16 floats are one
 * register, 16 doubles two. mlx_vec_avx2.h has the same names. Included by *_avx512.c only.
 *
 *   vf 16 floats    vi 16 integers of 32 bits    vm 16 times yes or no    vd 16 doubles
 */
#ifndef MS_MLX_VEC_AVX512_H
#define MS_MLX_VEC_AVX512_H

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dtype.h"

#define FN static inline __attribute__((always_inline))

typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;
typedef struct vd { /* 16 doubles */
    __m512d a, b;
} vd;

FN vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
FN void vf_store(float *p, vf x) { _mm512_storeu_ps(p, x); }
FN vf vf_set(float x) { return _mm512_set1_ps(x); }
FN vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
FN vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
FN vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
FN vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
FN vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
FN vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
FN vf vf_rint(vf x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
FN vf vf_ceil(vf x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC); }
FN vf vf_abs(vf x) { return _mm512_abs_ps(x); }
/* |magnitude| must come without a sign bit or with any: only `from`'s sign counts. */
FN vf vf_with_sign(vf magnitude, vf from) {
    const vi sign = _mm512_set1_epi32((int)0x80000000u);
    return _mm512_castsi512_ps(
        _mm512_ternarylogic_epi32(sign, _mm512_castps_si512(from), _mm512_castps_si512(magnitude), 0xCA)); /* sign ? from : m */
}

FN vi vi_of(vf x) { return _mm512_castps_si512(x); }
FN vf vf_of(vi x) { return _mm512_castsi512_ps(x); }
FN vi vi_set(uint32_t x) { return _mm512_set1_epi32((int)x); }
FN vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
FN vi vi_sub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
FN vi vi_and(vi a, vi b) { return _mm512_and_si512(a, b); }
FN vi vi_max(vi a, vi b) { return _mm512_max_epi32(a, b); }
FN vi vi_shl23(vi x) { return _mm512_slli_epi32(x, 23); }
FN vi vi_shr23(vi x) { return _mm512_srli_epi32(x, 23); }
FN vi vi_gather(const uint32_t *p, vi at) { return _mm512_i32gather_epi32(at, (const int *)p, 4); }

FN vm vm_lt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
FN vm vm_eq(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
FN vm vm_gt_int(vi a, vi b) { return _mm512_cmpgt_epi32_mask(a, b); }
FN vm vm_and(vm a, vm b) { return a & b; }
FN vm vm_or(vm a, vm b) { return a | b; }
FN vm vm_not(vm a) { return (vm)~a; }
FN unsigned vm_bits(vm m) { return m; }
FN vm vm_first(size_t n) { return (vm)((1u << n) - 1); } /* n <= 16 */
FN vf vf_select(vm m, vf yes, vf no) { return _mm512_mask_blend_ps(m, no, yes); }
FN vi vi_select(vm m, vi yes, vi no) { return _mm512_mask_blend_epi32(m, no, yes); }

FN vf vf_round_f16(vf x) { return _mm512_cvtph_ps(_mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)); }
FN vf vf_round_bf16(vf x) {
    const vi bits = vi_of(x), odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const vi up = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd);
    return vf_of(_mm512_and_si512(up, _mm512_set1_epi32((int)0xFFFF0000u)));
}

FN vd vd_load(const double *p) { return (vd){_mm512_loadu_pd(p), _mm512_loadu_pd(p + 8)}; }
FN void vd_store(double *p, vd x) { _mm512_storeu_pd(p, x.a), _mm512_storeu_pd(p + 8, x.b); }
FN vd vd_set(double x) { return (vd){_mm512_set1_pd(x), _mm512_set1_pd(x)}; }
FN vd vd_of(vf x) { return (vd){_mm512_cvtps_pd(_mm512_castps512_ps256(x)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1))}; }
FN vd vd_add(vd x, vd y) { return (vd){_mm512_add_pd(x.a, y.a), _mm512_add_pd(x.b, y.b)}; }
FN vd vd_sub(vd x, vd y) { return (vd){_mm512_sub_pd(x.a, y.a), _mm512_sub_pd(x.b, y.b)}; }
FN vd vd_fma(vd x, vd y, vd z) { return (vd){_mm512_fmadd_pd(x.a, y.a, z.a), _mm512_fmadd_pd(x.b, y.b, z.b)}; }
FN vd vd_max_abs(vd max, vd x) { /* of absolute values, result positive */
    return (vd){_mm512_range_pd(max.a, x.a, 0x0B), _mm512_range_pd(max.b, x.b, 0x0B)};
}
FN double vd_max(vd x) { return _mm512_reduce_max_pd(_mm512_max_pd(x.a, x.b)); }
FN bool vd_is_finite(vd x) { /* sums of squares: not negative */
    const __m512d inf = _mm512_set1_pd(__builtin_inf());
    return (_mm512_cmp_pd_mask(x.a, inf, _CMP_LT_OQ) & _mm512_cmp_pd_mask(x.b, inf, _CMP_LT_OQ)) == 0xFF;
}
FN float vf_max_of(vf x) { return _mm512_reduce_max_ps(x); }

/* rows: [16][16]; element k of the result: the maximum (or minimum) of row k. Each step halves what is left of two rows and
 * puts the halves into one register. */
#define REDUCE(op)                                                                                              \
    vf v8[8], v4[4], v2[2];                                                                                     \
    for (int k = 0; k < 8; k++) {                                                                               \
        const vf x = vf_load(rows + 16 * k), y = vf_load(rows + 16 * (k + 8));                                  \
        v8[k] = op(_mm512_shuffle_f32x4(x, y, 0x44), _mm512_shuffle_f32x4(x, y, 0xEE));                         \
    }                                                                                                           \
    for (int k = 0; k < 4; k++)                                                                                 \
        v4[k] = op(_mm512_shuffle_f32x4(v8[k], v8[k + 4], 0x88), _mm512_shuffle_f32x4(v8[k], v8[k + 4], 0xDD)); \
    for (int k = 0; k < 2; k++) {                                                                               \
        const __m512d x = _mm512_castps_pd(v4[k]), y = _mm512_castps_pd(v4[k + 2]);                             \
        v2[k] = op(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)), _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));     \
    }                                                                                                           \
    const vf mixed = op(_mm512_shuffle_ps(v2[0], v2[1], 0x88), _mm512_shuffle_ps(v2[0], v2[1], 0xDD));          \
    return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 2, 1, 3, 8, 10, 9, 11, 4, 6, 5, 7, 12, 14, 13, 15), mixed)

FN vf vf_max_rows(const float *rows) { REDUCE(vf_max); }
FN vf vf_min_rows(const float *rows) { REDUCE(vf_min); }

/* 16 codes of `bits` bits each from the 16 bytes at p, of which 2 * bits count. from, shift: of ms_mlx_unpack_table. */
FN vi vi_unpack(const uint8_t *p, const uint8_t *from, const uint32_t *shift, uint32_t mask) {
    const vi bytes = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)p));
    const vi windows = _mm512_shuffle_epi8(bytes, _mm512_loadu_si512(from));
    return _mm512_and_si512(_mm512_srlv_epi32(windows, _mm512_loadu_si512(shift)), _mm512_set1_epi32((int)mask));
}
FN vi vi_shl(vi x, int n) { return _mm512_slli_epi32(x, (unsigned)n); }
FN vm vm_eq_int(vi a, vi b) { return _mm512_cmpeq_epi32_mask(a, b); }
FN vf vf_of_int(vi x) { return _mm512_cvtepi32_ps(x); }
/* table: [8]; x: any, its low 3 bits count. */
FN vf vf_lookup8(const float *table, vi x) { return _mm512_permutexvar_ps(x, _mm512_broadcast_f32x8(_mm256_loadu_ps(table))); }

FN vf round_to(ms_dtype type, vf x) {
    if (type == MS_DTYPE_F16) return vf_round_f16(x);
    if (type == MS_DTYPE_BF16) return vf_round_bf16(x);
    return x;
}

#endif
