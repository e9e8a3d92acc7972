/*
 * panel_scalar.c, a row of the definition in two registers of four lanes. AVX2, FMA, F16C.
 */
#include <immintrin.h>
#include <string.h>

#include "panel.h"
#include "panel_loops.h"

enum { AHEAD = 2 * MS_PANEL_MAX }; /* bytes: while one panel is measured, the next one comes from memory */

typedef struct row { /* eight lanes in f64 */
    __m256d low, high;
} row;

typedef struct sums { /* as in panel_scalar.c */
    row s, q[2], p[2], a;
} sums;

static inline row widen(__m256 x) {
    return (row){_mm256_cvtps_pd(_mm256_castps256_ps128(x)), _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1))};
}
static inline row add(row x, row y) { return (row){_mm256_add_pd(x.low, y.low), _mm256_add_pd(x.high, y.high)}; }
static inline row mul(row x, row y) { return (row){_mm256_mul_pd(x.low, y.low), _mm256_mul_pd(x.high, y.high)}; }
static inline row magnitude(row x) {
    const __m256d sign = _mm256_set1_pd(-0.0);
    return (row){_mm256_andnot_pd(sign, x.low), _mm256_andnot_pd(sign, x.high)};
}

static inline double tree(row x) {
    double lanes[8];
    _mm256_storeu_pd(lanes, x.low);
    _mm256_storeu_pd(lanes + 4, x.high);
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

/* The sums of panel_scalar.c for the rows of one block; returns its block_sum. */
static inline double add_block(sums *t, const __m256 w[static 4]) {
    const row r[4] = {widen(w[0]), widen(w[1]), widen(w[2]), widen(w[3])};
    t->s = add(t->s, add(add(r[0], r[1]), add(r[2], r[3])));
    for (int i = 0; i < 4; i++) {
        const row square = mul(r[i], r[i]);
        t->q[i / 2] = add(t->q[i / 2], square);
        t->p[i / 2] = add(t->p[i / 2], mul(square, square));
    }
    const row x = add(add(magnitude(r[0]), magnitude(r[1])), add(magnitude(r[2]), magnitude(r[3])));
    const __m256d pairs = _mm256_hadd_pd(x.low, x.high); /* 0+1, 4+5, 2+3, 6+7 */
    const __m128d halves = _mm_add_pd(_mm256_castpd256_pd128(pairs), _mm256_extractf128_pd(pairs, 1));
    return _mm_cvtsd_f64(_mm_add_sd(halves, _mm_unpackhi_pd(halves, halves)));
}

static void add_step(sums *t, const double block_sum[static 8]) {
    t->a = add(t->a, (row){_mm256_loadu_pd(block_sum), _mm256_loadu_pd(block_sum + 4)});
}

static void end_sums(ms_panel_facts *out, const sums *t) {
    out->sum = tree(t->s);
    out->sum_abs = tree(t->a);
    out->sum_sq = tree(add(t->q[0], t->q[1]));
    out->sum_p4 = tree(add(t->p[0], t->p[1]));
}

static sums no_sums(void) {
    const row zero = {_mm256_setzero_pd(), _mm256_setzero_pd()};
    return (sums){zero, {zero, zero}, {zero, zero}, zero};
}

/* ---- 16-bit elements ---- */

static inline uint32_t largest_u16(__m256i x) {
    /* minpos finds the least: of the complements */
    const __m128i half = _mm_max_epu16(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    return 0xFFFFu ^ (uint32_t)_mm_extract_epi16(_mm_minpos_epu16(_mm_xor_si128(half, _mm_set1_epi16(-1))), 0);
}

static inline __m256 even_bf16(__m256i c) { return _mm256_castsi256_ps(_mm256_slli_epi32(c, 16)); }
static inline __m256 odd_bf16(__m256i c) {
    return _mm256_castsi256_ps(_mm256_and_si256(c, _mm256_set1_epi32((int)0xFFFF0000)));
}

static inline __m256 low_words_f16(__m256i words) { /* 32-bit lanes with 16 bits in each */
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(words, words), 0x08);
    return _mm256_cvtph_ps(_mm256_castsi256_si128(packed));
}
static inline __m256 even_f16(__m256i c) { return low_words_f16(_mm256_and_si256(c, _mm256_set1_epi32(0xFFFF))); }
static inline __m256 odd_f16(__m256i c) { return low_words_f16(_mm256_srli_epi32(c, 16)); }

static inline __attribute__((always_inline)) uint32_t measure_16(ms_panel_facts *out, const void *w, size_t n_steps,
                                                                 bool is_f16) {
    const __m256i magnitudes = _mm256_set1_epi16(0x7FFF);
    sums t = no_sums();
    __m256i least = magnitudes;
    const uint16_t *codes = w;
    for (size_t b = 0; b < n_steps * 8; b++, codes += MS_PANEL_BLOCK) {
        const __m256i c0 = _mm256_loadu_si256((const __m256i *)codes), c1 = _mm256_loadu_si256((const __m256i *)(codes + 16));
        const __m256i k0 = _mm256_and_si256(c0, magnitudes), k1 = _mm256_and_si256(c1, magnitudes);
        _mm_prefetch((const char *)codes + AHEAD, _MM_HINT_T0);
        least = _mm256_min_epu16(least, _mm256_min_epu16(k0, k1));
        const uint32_t key = largest_u16(_mm256_max_epu16(k0, k1));
        const __m256 rows[4] = {is_f16 ? even_f16(c0) : even_bf16(c0), is_f16 ? even_f16(c1) : even_bf16(c1),
                                is_f16 ? odd_f16(c0) : odd_bf16(c0), is_f16 ? odd_f16(c1) : odd_bf16(c1)};
        const __m128 as_f32 =
            is_f16 ? _mm_cvtph_ps(_mm_cvtsi32_si128((int)key)) : _mm_castsi128_ps(_mm_cvtsi32_si128((int)(key << 16)));
        out->block_max[b] = _mm_cvtss_f32(as_f32);
        out->block_sum[b] = add_block(&t, rows);
        if (b % 8 == 7) add_step(&t, &out->block_sum[b - 7]);
    }
    end_sums(out, &t);
    /* zero or not is all that is asked of the smallest key */
    return _mm256_movemask_epi8(_mm256_cmpeq_epi16(least, _mm256_setzero_si256())) ? 0 : 1;
}

static uint32_t measure_bf16(ms_panel_facts *out, const void *w, size_t n_steps) { return measure_16(out, w, n_steps, false); }
static uint32_t measure_f16(ms_panel_facts *out, const void *w, size_t n_steps) { return measure_16(out, w, n_steps, true); }

/* ---- f32 ---- */

static inline uint32_t largest_u32(__m256i x) {
    uint32_t lanes[8], best = 0;
    _mm256_storeu_si256((__m256i *)lanes, x);
    for (int i = 0; i < 8; i++)
        if (lanes[i] > best) best = lanes[i];
    return best;
}

/* Even and odd elements of 16 that follow each other. */
static inline void split(const float *f, __m256 *even, __m256 *odd) {
    const __m256 a = _mm256_loadu_ps(f), b = _mm256_loadu_ps(f + 8);
    *even = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(_mm256_shuffle_ps(a, b, 0x88)), 0xD8));
    *odd = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(_mm256_shuffle_ps(a, b, 0xDD)), 0xD8));
}

static uint32_t measure_f32(ms_panel_facts *out, const void *w, size_t n_steps) {
    const __m256i magnitudes = _mm256_set1_epi32(0x7FFFFFFF), zero = _mm256_setzero_si256();
    sums t = no_sums();
    __m256i least = magnitudes;
    const float *f = w;
    for (size_t b = 0; b < n_steps * 8; b++, f += MS_PANEL_BLOCK) {
        __m256i top = zero;
        for (int i = 0; i < MS_PANEL_BLOCK; i += 8) {
            const __m256i c = _mm256_loadu_si256((const __m256i *)(f + i)), k = _mm256_and_si256(c, magnitudes);
            least = _mm256_min_epu32(least, k);
            top = _mm256_max_epu32(top, k);
        }
        const uint32_t key = largest_u32(top);
        memcpy(&out->block_max[b], &key, sizeof key);
        __m256 rows[4];
        split(f, &rows[0], &rows[2]);
        split(f + 16, &rows[1], &rows[3]);
        out->block_sum[b] = add_block(&t, rows);
        if (b % 8 == 7) add_step(&t, &out->block_sum[b - 7]);
    }
    end_sums(out, &t);
    return _mm256_movemask_epi8(_mm256_cmpeq_epi32(least, zero)) ? 0 : 1;
}

const ms_panel_kernels ms_panel_avx2 = {measure_bf16, measure_f16, measure_f32, PANEL_LOOPS};
