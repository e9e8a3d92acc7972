/*
 * bracket.h with compressed stores. AVX-512 F, BW, VL; 16-bit keys are widened where any is kept, as VBMI2 is not asked for.
 */
#include <immintrin.h>

#include "bracket.h"

static inline size_t put_u32(uint32_t *to, __m512i keys, __mmask16 keep) {
    _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(keep, keys)); /* register form: the memory form is slow on AMD */
    return (size_t)__builtin_popcount(keep);
}

static inline size_t put_u16(uint16_t *to, __m256i keys, __mmask16 keep) {
    const __m512i packed = _mm512_maskz_compress_epi32(keep, _mm512_cvtepu16_epi32(keys));
    _mm256_storeu_si256((__m256i *)to, _mm512_cvtepi32_epi16(packed));
    return (size_t)__builtin_popcount(keep);
}

static size_t bracket_u16(const uint16_t *w, size_t n, const ms_bracket *bracket, uint64_t *n_below, uint16_t *kept) {
    const __m512i magnitude = _mm512_set1_epi16(0x7FFF);
    const __m512i lo = _mm512_set1_epi16((short)bracket->lo), width = _mm512_set1_epi16((short)(bracket->hi - bracket->lo));
    const __m512i tail = _mm512_set1_epi16((short)(bracket->tail < 0x8000 ? bracket->tail : 0x8000));
    size_t n_kept = 0, i = 0;
    uint64_t below = 0;
    for (; i + 32 <= n; i += 32) {
        const __m512i key = _mm512_and_si512(_mm512_loadu_si512(w + i), magnitude);
        const __mmask32 inside = _mm512_cmplt_epu16_mask(_mm512_sub_epi16(key, lo), width) | _mm512_cmpge_epu16_mask(key, tail);
        below += (uint64_t)__builtin_popcount(_mm512_cmplt_epu16_mask(key, lo));
        if (!inside) continue;
        n_kept += put_u16(kept + n_kept, _mm512_castsi512_si256(key), (__mmask16)inside);
        n_kept += put_u16(kept + n_kept, _mm512_extracti64x4_epi64(key, 1), (__mmask16)(inside >> 16));
    }
    *n_below += below;
    return n_kept + ms_bracket_scalar.u16(w + i, n - i, bracket, n_below, kept + n_kept);
}

static size_t bracket_u32(const uint32_t *w, size_t n, const ms_bracket *bracket, uint64_t *n_below, uint32_t *kept) {
    const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF), lo = _mm512_set1_epi32((int)bracket->lo);
    const __m512i width = _mm512_set1_epi32((int)(bracket->hi - bracket->lo)), tail = _mm512_set1_epi32((int)bracket->tail);
    size_t n_kept = 0, i = 0;
    uint64_t below = 0;
    for (; i + 16 <= n; i += 16) {
        const __m512i key = _mm512_and_si512(_mm512_loadu_si512(w + i), magnitude);
        const __mmask16 inside = _mm512_cmplt_epu32_mask(_mm512_sub_epi32(key, lo), width) | _mm512_cmpge_epu32_mask(key, tail);
        below += (uint64_t)__builtin_popcount(_mm512_cmplt_epu32_mask(key, lo));
        if (inside) n_kept += put_u32(kept + n_kept, key, inside);
    }
    *n_below += below;
    return n_kept + ms_bracket_scalar.u32(w + i, n - i, bracket, n_below, kept + n_kept);
}

const ms_bracket_kernels ms_bracket_avx512 = {bracket_u16, bracket_u32};
