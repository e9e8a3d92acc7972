/*
 * mlx_vec_avx2: the 16-wide vectors that the quantisation kernels are written in, as AVX2 has them: 16 floats are two
 * registers, 16 doubles four. mlx_vec_avx512.h has the same names. Included by *_avx2.c only.
 *
 *   vf 16 floats    vi 16 integers of 32 bits    vm 16 times yes or no    vd 16 doubles
 */
#ifndef MS_MLX_VEC_AVX2_H
#define MS_MLX_VEC_AVX2_H

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dtype.h"

#define FN static inline __attribute__((always_inline))

typedef struct vf {
    __m256 a, b;
} vf;
typedef struct vi {
    __m256i a, b;
} vi;
typedef struct vm { /* all bits of an element, or none */
    __m256 a, b;
} vm;
typedef struct vd {
    __m256d a, b, c, d;
} vd;

#define VF1(f, x) ((vf){f((x).a), f((x).b)})
#define VF2(f, x, y) ((vf){f((x).a, (y).a), f((x).b, (y).b)})
#define VI2(f, x, y) ((vi){f((x).a, (y).a), f((x).b, (y).b)})

FN vf vf_load(const float *p) { return (vf){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
FN void vf_store(float *p, vf x) { _mm256_storeu_ps(p, x.a), _mm256_storeu_ps(p + 8, x.b); }
FN vf vf_set(float x) { return (vf){_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
FN vf vf_add(vf x, vf y) { return VF2(_mm256_add_ps, x, y); }
FN vf vf_sub(vf x, vf y) { return VF2(_mm256_sub_ps, x, y); }
FN vf vf_mul(vf x, vf y) { return VF2(_mm256_mul_ps, x, y); }
FN vf vf_div(vf x, vf y) { return VF2(_mm256_div_ps, x, y); }
FN vf vf_min(vf x, vf y) { return VF2(_mm256_min_ps, x, y); }
FN vf vf_max(vf x, vf y) { return VF2(_mm256_max_ps, x, y); }
#define RINT(x) _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define CEIL(x) _mm256_round_ps(x, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)
FN vf vf_rint(vf x) { return VF1(RINT, x); }
FN vf vf_ceil(vf x) { return VF1(CEIL, x); }
#define SIGN _mm256_castsi256_ps(_mm256_set1_epi32((int)0x80000000u))
#define ABS(x) _mm256_andnot_ps(SIGN, x)
FN vf vf_abs(vf x) { return VF1(ABS, x); }
#define WITH_SIGN(m, s) _mm256_or_ps(_mm256_andnot_ps(SIGN, m), _mm256_and_ps(SIGN, s))
FN vf vf_with_sign(vf magnitude, vf from) { return VF2(WITH_SIGN, magnitude, from); }

FN vi vi_of(vf x) { return (vi){_mm256_castps_si256(x.a), _mm256_castps_si256(x.b)}; }
FN vf vf_of(vi x) { return (vf){_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b)}; }
FN vi vi_set(uint32_t x) { return (vi){_mm256_set1_epi32((int)x), _mm256_set1_epi32((int)x)}; }
FN vi vi_add(vi x, vi y) { return VI2(_mm256_add_epi32, x, y); }
FN vi vi_sub(vi x, vi y) { return VI2(_mm256_sub_epi32, x, y); }
FN vi vi_and(vi x, vi y) { return VI2(_mm256_and_si256, x, y); }
FN vi vi_max(vi x, vi y) { return VI2(_mm256_max_epi32, x, y); }
FN vi vi_shl23(vi x) { return (vi){_mm256_slli_epi32(x.a, 23), _mm256_slli_epi32(x.b, 23)}; }
FN vi vi_shr23(vi x) { return (vi){_mm256_srli_epi32(x.a, 23), _mm256_srli_epi32(x.b, 23)}; }
FN vi vi_gather(const uint32_t *p, vi at) {
    return (vi){_mm256_i32gather_epi32((const int *)p, at.a, 4), _mm256_i32gather_epi32((const int *)p, at.b, 4)};
}

#define LT(x, y) _mm256_cmp_ps(x, y, _CMP_LT_OQ)
#define EQ(x, y) _mm256_cmp_ps(x, y, _CMP_EQ_OQ)
FN vm vm_lt(vf x, vf y) { return (vm){LT(x.a, y.a), LT(x.b, y.b)}; }
FN vm vm_eq(vf x, vf y) { return (vm){EQ(x.a, y.a), EQ(x.b, y.b)}; }
FN vm vm_gt_int(vi x, vi y) {
    return (vm){_mm256_castsi256_ps(_mm256_cmpgt_epi32(x.a, y.a)), _mm256_castsi256_ps(_mm256_cmpgt_epi32(x.b, y.b))};
}
FN vm vm_and(vm x, vm y) { return (vm){_mm256_and_ps(x.a, y.a), _mm256_and_ps(x.b, y.b)}; }
FN vm vm_or(vm x, vm y) { return (vm){_mm256_or_ps(x.a, y.a), _mm256_or_ps(x.b, y.b)}; }
FN vm vm_not(vm x) {
    const __m256 all = _mm256_castsi256_ps(_mm256_set1_epi32(-1));
    return (vm){_mm256_xor_ps(x.a, all), _mm256_xor_ps(x.b, all)};
}
FN unsigned vm_bits(vm m) { return (unsigned)_mm256_movemask_ps(m.a) | (unsigned)_mm256_movemask_ps(m.b) << 8; }
FN vm vm_first(size_t n) { /* n <= 16 */
    const vi index = {_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15)};
    return vm_gt_int(vi_set((uint32_t)n), index);
}
FN vf vf_select(vm m, vf yes, vf no) { return (vf){_mm256_blendv_ps(no.a, yes.a, m.a), _mm256_blendv_ps(no.b, yes.b, m.b)}; }
FN vi vi_select(vm m, vi yes, vi no) { return vi_of(vf_select(m, vf_of(yes), vf_of(no))); }

#define ROUND_F16(x) _mm256_cvtph_ps(_mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC))
FN vf vf_round_f16(vf x) { return VF1(ROUND_F16, x); }
FN __m256 round_bf16(__m256 x) {
    const __m256i bits = _mm256_castps_si256(x), odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i up = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), odd);
    return _mm256_castsi256_ps(_mm256_and_si256(up, _mm256_set1_epi32((int)0xFFFF0000u)));
}
FN vf vf_round_bf16(vf x) { return VF1(round_bf16, x); }

FN vd vd_load(const double *p) {
    return (vd){_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4), _mm256_loadu_pd(p + 8), _mm256_loadu_pd(p + 12)};
}
FN void vd_store(double *p, vd x) {
    _mm256_storeu_pd(p, x.a), _mm256_storeu_pd(p + 4, x.b), _mm256_storeu_pd(p + 8, x.c), _mm256_storeu_pd(p + 12, x.d);
}
FN vd vd_set(double x) { return (vd){_mm256_set1_pd(x), _mm256_set1_pd(x), _mm256_set1_pd(x), _mm256_set1_pd(x)}; }
#define LOW(x) _mm256_cvtps_pd(_mm256_castps256_ps128(x))
#define HIGH(x) _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1))
FN vd vd_of(vf x) { return (vd){LOW(x.a), HIGH(x.a), LOW(x.b), HIGH(x.b)}; }
#define VD2(f, x, y) ((vd){f((x).a, (y).a), f((x).b, (y).b), f((x).c, (y).c), f((x).d, (y).d)})
FN vd vd_add(vd x, vd y) { return VD2(_mm256_add_pd, x, y); }
FN vd vd_sub(vd x, vd y) { return VD2(_mm256_sub_pd, x, y); }
FN vd vd_fma(vd x, vd y, vd z) {
    return (vd){_mm256_fmadd_pd(x.a, y.a, z.a), _mm256_fmadd_pd(x.b, y.b, z.b), _mm256_fmadd_pd(x.c, y.c, z.c),
                _mm256_fmadd_pd(x.d, y.d, z.d)};
}
#define MAX_ABS(max, x) _mm256_max_pd(max, _mm256_andnot_pd(_mm256_set1_pd(-0.0), x))
FN vd vd_max_abs(vd max, vd x) { return VD2(MAX_ABS, max, x); }
FN double vd_max(vd x) {
    const __m256d four = _mm256_max_pd(_mm256_max_pd(x.a, x.b), _mm256_max_pd(x.c, x.d));
    const __m128d two = _mm_max_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_max_sd(two, _mm_unpackhi_pd(two, two)));
}
FN bool vd_is_finite(vd x) { /* sums of squares: not negative */
    const __m256d inf = _mm256_set1_pd(__builtin_inf());
    const __m256d ab = _mm256_and_pd(_mm256_cmp_pd(x.a, inf, _CMP_LT_OQ), _mm256_cmp_pd(x.b, inf, _CMP_LT_OQ));
    const __m256d cd = _mm256_and_pd(_mm256_cmp_pd(x.c, inf, _CMP_LT_OQ), _mm256_cmp_pd(x.d, inf, _CMP_LT_OQ));
    return _mm256_movemask_pd(_mm256_and_pd(ab, cd)) == 15;
}
FN float vf_max_of(vf x) {
    const __m256 eight = _mm256_max_ps(x.a, x.b);
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/* rows: [8][16]; element k of the result: the maximum (or minimum) of row k. Each step halves what is left of two rows and puts
 * the halves into one register. */
#define REDUCE(op)                                                                                                  \
    __m256 v8[8], v4[4], v2[2];                                                                                     \
    for (int k = 0; k < 8; k++) v8[k] = op(_mm256_loadu_ps(rows + 16 * k), _mm256_loadu_ps(rows + 16 * k + 8));     \
    for (int k = 0; k < 4; k++)                                                                                     \
        v4[k] = op(_mm256_permute2f128_ps(v8[k], v8[k + 4], 0x20), _mm256_permute2f128_ps(v8[k], v8[k + 4], 0x31)); \
    for (int k = 0; k < 2; k++) {                                                                                   \
        const __m256d x = _mm256_castps_pd(v4[k]), y = _mm256_castps_pd(v4[k + 2]);                                 \
        v2[k] = op(_mm256_castpd_ps(_mm256_unpacklo_pd(x, y)), _mm256_castpd_ps(_mm256_unpackhi_pd(x, y)));         \
    }                                                                                                               \
    const __m256 mixed = op(_mm256_shuffle_ps(v2[0], v2[1], 0x88), _mm256_shuffle_ps(v2[0], v2[1], 0xDD));          \
    return _mm256_permutevar8x32_ps(mixed, _mm256_setr_epi32(0, 2, 1, 3, 4, 6, 5, 7))

FN __m256 max_8_rows(const float *rows) { REDUCE(_mm256_max_ps); }
FN __m256 min_8_rows(const float *rows) { REDUCE(_mm256_min_ps); }
FN vf vf_max_rows(const float *rows) { return (vf){max_8_rows(rows), max_8_rows(rows + 8 * 16)}; }
FN vf vf_min_rows(const float *rows) { return (vf){min_8_rows(rows), min_8_rows(rows + 8 * 16)}; }

/* 16 codes of `bits` bits each from the 16 bytes at p, of which 2 * bits count. from, shift: of ms_mlx_unpack_table. */
FN vi vi_unpack(const uint8_t *p, const uint8_t *from, const uint32_t *shift, uint32_t mask) {
    const __m256i bytes = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p));
    const vi windows = {_mm256_shuffle_epi8(bytes, _mm256_loadu_si256((const __m256i *)from)),
                        _mm256_shuffle_epi8(bytes, _mm256_loadu_si256((const __m256i *)(from + 32)))};
    const vi shifts = {_mm256_loadu_si256((const __m256i *)shift), _mm256_loadu_si256((const __m256i *)(shift + 8))};
    const vi moved = VI2(_mm256_srlv_epi32, windows, shifts);
    return vi_and(moved, vi_set(mask));
}
FN vi vi_shl(vi x, int n) { return (vi){_mm256_slli_epi32(x.a, n), _mm256_slli_epi32(x.b, n)}; }
FN vm vm_eq_int(vi x, vi y) { return vm_not(vm_or(vm_gt_int(x, y), vm_gt_int(y, x))); }
FN vf vf_of_int(vi x) { return (vf){_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
/* table: [8]; x: any, its low 3 bits count. */
FN vf vf_lookup8(const float *table, vi x) {
    const __m256 t = _mm256_loadu_ps(table);
    return (vf){_mm256_permutevar8x32_ps(t, x.a), _mm256_permutevar8x32_ps(t, x.b)};
}

FN vf round_to(ms_dtype type, vf x) {
    if (type == MS_DTYPE_F16) return vf_round_f16(x);
    if (type == MS_DTYPE_BF16) return vf_round_bf16(x);
    return x;
}

#endif
