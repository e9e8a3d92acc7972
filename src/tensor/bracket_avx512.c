/*
 * bracket.h with compressed stores, without a branch: what is kept comes irregularly. AVX-512 F, BW, VL; once more with VBMI2,
 * which compresses 16-bit lanes where the plain kernel has to widen them.
 */
#include <immintrin.h>

#include "bracket.h"

/* The register form of compress, then a full store: the memory form is slow on AMD. */
static inline size_t put_u32(uint32_t *to, __m512i keys, __mmask16 keep) {
    _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(keep, keys));
    return (size_t)__builtin_popcount(keep);
}

static inline size_t put_half_u16(uint16_t *to, __m256i keys, __mmask16 keep) {
    const __m512i packed = _mm512_maskz_compress_epi32(keep, _mm512_cvtepu16_epi32(keys));
    _mm256_storeu_si256((__m256i *)to, _mm512_cvtepi32_epi16(packed));
    return (size_t)__builtin_popcount(keep);
}

static inline size_t put_u16(uint16_t *to, __m512i keys, __mmask32 keep) {
    const size_t n = put_half_u16(to, _mm512_castsi512_si256(keys), (__mmask16)keep);
    return n + put_half_u16(to + n, _mm512_extracti64x4_epi64(keys, 1), (__mmask16)(keep >> 16));
}

__attribute__((target("avx512vbmi2"))) static inline size_t put_u16_vbmi2(uint16_t *to, __m512i keys, __mmask32 keep) {
    _mm512_storeu_si512(to, _mm512_maskz_compress_epi16(keep, keys));
    return (size_t)__builtin_popcount(keep);
}

#define KERNEL_U16(name, put)                                                                                       \
    static size_t name(const uint16_t *w, size_t n, const ms_bracket *bracket, uint64_t *n_below, uint16_t *kept) { \
        const __m512i magnitude = _mm512_set1_epi16(0x7FFF), lo = _mm512_set1_epi16((short)bracket->lo);            \
        const __m512i width = _mm512_set1_epi16((short)(bracket->hi - bracket->lo));                                \
        const __m512i tail = _mm512_set1_epi16((short)(bracket->tail < 0x8000 ? bracket->tail : 0x8000));           \
        size_t n_kept = 0, i = 0;                                                                                   \
        uint64_t below = 0;                                                                                         \
        for (; i + 32 <= n; i += 32) {                                                                              \
            const __m512i key = _mm512_and_si512(_mm512_loadu_si512(w + i), magnitude);                             \
            const __mmask32 inside = _mm512_cmplt_epu16_mask(_mm512_sub_epi16(key, lo), width);                     \
            below += (uint64_t)__builtin_popcount(_mm512_cmplt_epu16_mask(key, lo));                                \
            n_kept += put(kept + n_kept, key, inside | _mm512_cmpge_epu16_mask(key, tail));                         \
        }                                                                                                           \
        *n_below += below;                                                                                          \
        return n_kept + ms_bracket_scalar.u16(w + i, n - i, bracket, n_below, kept + n_kept);                       \
    }
KERNEL_U16(bracket_u16, put_u16)
__attribute__((target("avx512vbmi2"))) KERNEL_U16(bracket_u16_vbmi2, put_u16_vbmi2)

    static size_t bracket_u32(const uint32_t *w, size_t n, const ms_bracket *bracket, uint64_t *n_below, uint32_t *kept) {
    const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF), lo = _mm512_set1_epi32((int)bracket->lo);
    const __m512i width = _mm512_set1_epi32((int)(bracket->hi - bracket->lo)), tail = _mm512_set1_epi32((int)bracket->tail);
    size_t n_kept = 0, i = 0;
    uint64_t below = 0;
    for (; i + 16 <= n; i += 16) {
        const __m512i key = _mm512_and_si512(_mm512_loadu_si512(w + i), magnitude);
        const __mmask16 inside =
            (__mmask16)(_mm512_cmplt_epu32_mask(_mm512_sub_epi32(key, lo), width) | _mm512_cmpge_epu32_mask(key, tail));
        below += (uint64_t)__builtin_popcount(_mm512_cmplt_epu32_mask(key, lo));
        n_kept += put_u32(kept + n_kept, key, inside);
    }
    *n_below += below;
    return n_kept + ms_bracket_scalar.u32(w + i, n - i, bracket, n_below, kept + n_kept);
}

const ms_bracket_kernels ms_bracket_avx512 = {bracket_u16, bracket_u32};
const ms_bracket_kernels ms_bracket_avx512_vbmi2 = {bracket_u16_vbmi2, bracket_u32};
