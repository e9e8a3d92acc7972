/*
 * panel_scalar.c, eight lanes at a time: a row of the definition is one register. AVX-512 F, BW, DQ, VL.
 */
#include <immintrin.h>
#include <string.h>

#include "panel.h"
#include "panel_loops.h"

enum { AHEAD = 2 * MS_PANEL_MAX }; /* bytes: while one panel is measured, the next one comes from memory */

typedef struct sums {
    __m512d s, q0, q1, p0, p1, a; /* as in panel_scalar.c */
} sums;

typedef struct rows { /* of a block, in f64 */
    __m512d r0, r1, r2, r3;
} rows;

static inline double tree(__m512d x) {
    double lanes[8];
    _mm512_storeu_pd(lanes, x);
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

/* Adds a block to the sums; returns what its block_sum is the tree of. exact: w^4 is exact in f64 too (16-bit types). */
static inline __m512d add_block(sums *t, rows w, bool exact) {
    const __m512d r0 = w.r0, r1 = w.r1, r2 = w.r2, r3 = w.r3;
    t->s = _mm512_add_pd(t->s, _mm512_add_pd(_mm512_add_pd(r0, r1), _mm512_add_pd(r2, r3)));
    const __m512d s0 = _mm512_mul_pd(r0, r0), s1 = _mm512_mul_pd(r1, r1), s2 = _mm512_mul_pd(r2, r2),
                  s3 = _mm512_mul_pd(r3, r3);
    t->q0 = _mm512_fmadd_pd(r1, r1, _mm512_fmadd_pd(r0, r0, t->q0));
    t->q1 = _mm512_fmadd_pd(r3, r3, _mm512_fmadd_pd(r2, r2, t->q1));
    if (exact) {
        t->p0 = _mm512_fmadd_pd(s1, s1, _mm512_fmadd_pd(s0, s0, t->p0));
        t->p1 = _mm512_fmadd_pd(s3, s3, _mm512_fmadd_pd(s2, s2, t->p1));
    } else {
        t->p0 = _mm512_add_pd(_mm512_add_pd(t->p0, _mm512_mul_pd(s0, s0)), _mm512_mul_pd(s1, s1));
        t->p1 = _mm512_add_pd(_mm512_add_pd(t->p1, _mm512_mul_pd(s2, s2)), _mm512_mul_pd(s3, s3));
    }
    return _mm512_add_pd(_mm512_add_pd(_mm512_abs_pd(r0), _mm512_abs_pd(r1)),
                         _mm512_add_pd(_mm512_abs_pd(r2), _mm512_abs_pd(r3)));
}

/*
 * Eight trees at once, lane b that of x[b]: three rounds of adding what two registers hold in neighbouring lanes.
 *     round 1, two blocks    [a 0+1, b 0+1, a 2+3, b 2+3, a 4+5, b 4+5, a 6+7, b 6+7]
 *     round 2, four blocks   [a b c d of 0..3, a b c d of 4..7]
 *     round 3, eight blocks  [a b c d e f g h]
 */
static inline __m512d sum_round_1(__m512d a, __m512d b) {
    return _mm512_add_pd(_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b));
}
static inline __m512d sum_round_2(__m512d ab, __m512d cd) {
    const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), high = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
    return _mm512_add_pd(_mm512_permutex2var_pd(ab, low, cd), _mm512_permutex2var_pd(ab, high, cd));
}
static inline __m512d sum_round_3(__m512d abcd, __m512d efgh) {
    return _mm512_add_pd(_mm512_shuffle_f64x2(abcd, efgh, 0x44), _mm512_shuffle_f64x2(abcd, efgh, 0xEE));
}

static void end_sums(ms_panel_facts *out, const sums *t) {
    out->sum = tree(t->s);
    out->sum_abs = tree(t->a);
    out->sum_sq = tree(_mm512_add_pd(t->q0, t->q1));
    out->sum_p4 = tree(_mm512_add_pd(t->p0, t->p1));
}

static sums no_sums(void) {
    const __m512d zero = _mm512_setzero_pd();
    return (sums){zero, zero, zero, zero, zero, zero};
}

/* ---- 16-bit elements ---- */

static inline __m512d even_bf16(__m256i c) { return _mm512_cvtps_pd(_mm256_castsi256_ps(_mm256_slli_epi32(c, 16))); }
static inline __m512d odd_bf16(__m256i c) {
    return _mm512_cvtps_pd(_mm256_castsi256_ps(_mm256_and_si256(c, _mm256_set1_epi32((int)0xFFFF0000))));
}
static inline __m512d even_f16(__m256i c) { return _mm512_cvtps_pd(_mm256_cvtph_ps(_mm256_cvtepi32_epi16(c))); }
static inline __m512d odd_f16(__m256i c) {
    return _mm512_cvtps_pd(_mm256_cvtph_ps(_mm256_cvtepi32_epi16(_mm256_srli_epi32(c, 16))));
}

/* From two halves: nothing has to cross the middle of a register. */
static inline rows rows_16(const __m256i *codes, bool is_f16) {
    const __m256i a = _mm256_loadu_si256(codes), b = _mm256_loadu_si256(codes + 1);
    if (is_f16) return (rows){even_f16(a), even_f16(b), odd_f16(a), odd_f16(b)};
    return (rows){even_bf16(a), even_bf16(b), odd_bf16(a), odd_bf16(b)};
}

/* Eight maxima at once in the same manner, of 32 keys each. */
static inline __m512i max_round_1(__m512i a, __m512i b) {
    return _mm512_max_epu16(_mm512_unpacklo_epi16(a, b), _mm512_unpackhi_epi16(a, b));
}
static inline __m512i max_round_2(__m512i ab, __m512i cd) {
    return _mm512_max_epu16(_mm512_unpacklo_epi32(ab, cd), _mm512_unpackhi_epi32(ab, cd));
}
static inline __m128i max_round_3(__m512i abcd, __m512i efgh) {
    const __m512i all = _mm512_max_epu16(_mm512_unpacklo_epi64(abcd, efgh), _mm512_unpackhi_epi64(abcd, efgh));
    const __m256i half = _mm256_max_epu16(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    return _mm_max_epu16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

typedef struct scan_16 { /* what a walk over blocks carries along */
    sums t;
    __m512i least; /* keys */
} scan_16;

typedef struct blocks { /* of one, two, four blocks: sums and maxima on their way through the rounds */
    __m512d sum;
    __m512i max;
} blocks;

#define INLINE static inline __attribute__((always_inline))

INLINE blocks one_block(scan_16 *k, const __m512i *codes, bool is_f16) {
    const __m512i c = _mm512_loadu_si512(codes), key = _mm512_and_si512(c, _mm512_set1_epi16(0x7FFF));
    _mm_prefetch((const char *)codes + AHEAD, _MM_HINT_T0);
    k->least = _mm512_min_epu16(k->least, key);
    return (blocks){add_block(&k->t, rows_16((const __m256i *)codes, is_f16), true), key};
}

/* Merged as soon as there are two, so that all of it stays in registers. */
INLINE blocks two_blocks(scan_16 *k, const __m512i *codes, bool is_f16) {
    const blocks a = one_block(k, codes, is_f16), b = one_block(k, codes + 1, is_f16);
    return (blocks){sum_round_1(a.sum, b.sum), max_round_1(a.max, b.max)};
}

INLINE blocks four_blocks(scan_16 *k, const __m512i *codes, bool is_f16) {
    const blocks a = two_blocks(k, codes, is_f16), b = two_blocks(k, codes + 2, is_f16);
    return (blocks){sum_round_2(a.sum, b.sum), max_round_2(a.max, b.max)};
}

INLINE uint32_t measure_16(ms_panel_facts *out, const void *w, size_t n_steps, bool is_f16) {
    scan_16 k = {no_sums(), _mm512_set1_epi16(0x7FFF)};
    const __m512i *codes = w;
    for (size_t s = 0; s < n_steps; s++, codes += 8) {
        const blocks a = four_blocks(&k, codes, is_f16), b = four_blocks(&k, codes + 4, is_f16);
        const __m512d block_sums = sum_round_3(a.sum, b.sum);
        const __m128i maxima = max_round_3(a.max, b.max);
        k.t.a = _mm512_add_pd(k.t.a, block_sums);
        _mm512_storeu_pd(out->block_sum + 8 * s, block_sums);
        const __m256 as_f32 =
            is_f16 ? _mm256_cvtph_ps(maxima) : _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(maxima), 16));
        _mm256_storeu_ps(out->block_max + 8 * s, as_f32);
    }
    end_sums(out, &k.t);
    /* zero or not is all that is asked of the smallest key */
    return _mm512_cmpeq_epi16_mask(k.least, _mm512_setzero_si512()) ? 0 : 1;
}

static uint32_t measure_bf16(ms_panel_facts *out, const void *w, size_t n_steps) { return measure_16(out, w, n_steps, false); }
static uint32_t measure_f16(ms_panel_facts *out, const void *w, size_t n_steps) { return measure_16(out, w, n_steps, true); }

/* ---- f32 ---- */

static inline __m512d low_half(__m512 x) { return _mm512_cvtps_pd(_mm512_castps512_ps256(x)); }
static inline __m512d high_half(__m512 x) { return _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1)); }

static uint32_t measure_f32(ms_panel_facts *out, const void *w, size_t n_steps) {
    const __m512i evens = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odds = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
    sums t = no_sums();
    __m512i least = magnitude;
    const float *f = w;
    for (size_t s = 0; s < n_steps; s++) {
        __m512d of_abs[8];
        for (int b = 0; b < 8; b++, f += MS_PANEL_BLOCK) {
            const __m512i c0 = _mm512_loadu_si512(f), c1 = _mm512_loadu_si512(f + 16);
            const __m512i k0 = _mm512_and_si512(c0, magnitude), k1 = _mm512_and_si512(c1, magnitude);
            least = _mm512_min_epu32(least, _mm512_min_epu32(k0, k1));
            const uint32_t key = _mm512_reduce_max_epu32(_mm512_max_epu32(k0, k1));
            memcpy(&out->block_max[8 * s + (size_t)b], &key, sizeof key);
            const __m512 even = _mm512_permutex2var_ps(_mm512_castsi512_ps(c0), evens, _mm512_castsi512_ps(c1));
            const __m512 odd = _mm512_permutex2var_ps(_mm512_castsi512_ps(c0), odds, _mm512_castsi512_ps(c1));
            of_abs[b] = add_block(&t, (rows){low_half(even), high_half(even), low_half(odd), high_half(odd)}, false);
        }
        const __m512d *const x = of_abs;
        const __m512d abcd = sum_round_2(sum_round_1(x[0], x[1]), sum_round_1(x[2], x[3]));
        const __m512d efgh = sum_round_2(sum_round_1(x[4], x[5]), sum_round_1(x[6], x[7]));
        const __m512d block_sums = sum_round_3(abcd, efgh);
        t.a = _mm512_add_pd(t.a, block_sums);
        _mm512_storeu_pd(out->block_sum + 8 * s, block_sums);
    }
    end_sums(out, &t);
    return _mm512_reduce_min_epu32(least);
}

const ms_panel_kernels ms_panel_avx512 = {measure_bf16, measure_f16, measure_f32, PANEL_LOOPS};
