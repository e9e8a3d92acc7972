/*
 * bracket.h, sixteen or eight keys at a time; the few that are kept are put one by one. AVX2.
 */
#include <immintrin.h>

#include "bracket.h"

static size_t bracket_u16(const uint16_t *w, size_t n, const ms_bracket *bracket, uint64_t *n_below, uint16_t *kept) {
    const uint32_t span = bracket->hi - bracket->lo;
    const __m256i magnitude = _mm256_set1_epi16(0x7FFF), lo = _mm256_set1_epi16((short)bracket->lo);
    const __m256i last = _mm256_set1_epi16((short)(span - 1)), any = _mm256_set1_epi16(span ? -1 : 0);
    const __m256i tail = _mm256_set1_epi16((short)(bracket->tail < 0x8000 ? bracket->tail : 0x8000));
    size_t n_kept = 0, i = 0;
    uint64_t below = 0;
    for (; i + 16 <= n; i += 16) {
        const __m256i key = _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(w + i)), magnitude);
        const __m256i up = _mm256_sub_epi16(key, lo);
        const __m256i inside = _mm256_and_si256(_mm256_cmpeq_epi16(_mm256_min_epu16(up, last), up), any);
        const __m256i above = _mm256_cmpeq_epi16(_mm256_max_epu16(key, tail), key);
        below += (uint64_t)__builtin_popcount((unsigned)_mm256_movemask_epi8(_mm256_cmpgt_epi16(lo, key))) / 2;
        unsigned keep = (unsigned)_mm256_movemask_epi8(_mm256_or_si256(inside, above)) & 0x55555555u;
        for (; keep; keep &= keep - 1) kept[n_kept++] = w[i + (size_t)__builtin_ctz(keep) / 2] & 0x7FFFu;
    }
    *n_below += below;
    return n_kept + ms_bracket_scalar.u16(w + i, n - i, bracket, n_below, kept + n_kept);
}

static size_t bracket_u32(const uint32_t *w, size_t n, const ms_bracket *bracket, uint64_t *n_below, uint32_t *kept) {
    const uint32_t span = bracket->hi - bracket->lo;
    const __m256i magnitude = _mm256_set1_epi32(0x7FFFFFFF), lo = _mm256_set1_epi32((int)bracket->lo);
    const __m256i last = _mm256_set1_epi32((int)(span - 1)), any = _mm256_set1_epi32(span ? -1 : 0);
    const __m256i tail = _mm256_set1_epi32((int)bracket->tail), lower = _mm256_sub_epi32(lo, _mm256_set1_epi32(1));
    size_t n_kept = 0, i = 0;
    uint64_t below = 0;
    for (; bracket->lo > 0 && i + 8 <= n; i += 8) {
        const __m256i key = _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(w + i)), magnitude);
        const __m256i up = _mm256_sub_epi32(key, lo);
        const __m256i inside = _mm256_and_si256(_mm256_cmpeq_epi32(_mm256_min_epu32(up, last), up), any);
        const __m256i above = _mm256_cmpeq_epi32(_mm256_max_epu32(key, tail), key);
        const __m256i less = _mm256_cmpeq_epi32(_mm256_min_epu32(key, lower), key);
        below += (uint64_t)__builtin_popcount((unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(less)));
        unsigned keep = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_or_si256(inside, above)));
        for (; keep; keep &= keep - 1) kept[n_kept++] = w[i + (size_t)__builtin_ctz(keep)] & 0x7FFFFFFFu;
    }
    *n_below += below;
    return n_kept + ms_bracket_scalar.u32(w + i, n - i, bracket, n_below, kept + n_kept);
}

const ms_bracket_kernels ms_bracket_avx2 = {bracket_u16, bracket_u32};
