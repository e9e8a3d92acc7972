/*
 * decode_row.h with AVX2 and F16C. The 8-bit floats go by way of f16, which holds all of them: E5M2 is its upper byte; E4M3 is
 * shifted so that its exponent ends where f16's does, which leaves a factor of 2^8 (f16's bias is 15, E4M3's 7).
 */
#include <immintrin.h>
#include <string.h>

#include "decode_row.h"

typedef __m256 eight(const uint8_t *bytes);

static inline __m256 eight_bf16(const uint8_t *bytes) {
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)bytes));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

static inline __m256 eight_f16(const uint8_t *bytes) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)bytes)); }

static inline __m256 eight_e5m2(const uint8_t *bytes) {
    return _mm256_cvtph_ps(_mm_slli_epi16(_mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)bytes)), 8));
}

static inline __m256 eight_e4m3(const uint8_t *bytes) {
    const __m128i code = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)bytes));
    const __m128i sign = _mm_slli_epi16(_mm_and_si128(code, _mm_set1_epi16(0x80)), 8);
    const __m128i magnitude = _mm_slli_epi16(_mm_and_si128(code, _mm_set1_epi16(0x7F)), 7);
    const __m256 value = _mm256_mul_ps(_mm256_cvtph_ps(_mm_or_si128(sign, magnitude)), _mm256_set1_ps(256));
    const __m128i is_nan = _mm_cmpeq_epi16(_mm_and_si128(code, _mm_set1_epi16(0x7F)), _mm_set1_epi16(0x7F));
    return _mm256_or_ps(value, _mm256_castsi256_ps(_mm256_cvtepi16_epi32(is_nan))); /* all ones: a NaN */
}

/* size: bytes of an element. The last n % 8 go through a buffer. */
static inline __attribute__((always_inline)) void row(const uint8_t *bytes, size_t n, float *out, size_t size, eight *decode) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8) _mm256_storeu_ps(out + i, decode(bytes + i * size));
    if (i == n) return;
    uint8_t last[16] = {0};
    float decoded[8];
    memcpy(last, bytes + i * size, (n - i) * size);
    _mm256_storeu_ps(decoded, decode(last));
    memcpy(out + i, decoded, (n - i) * sizeof *out);
}

void ms_decode_row_bf16_avx2(const uint8_t *bytes, size_t n, float *out) { row(bytes, n, out, 2, eight_bf16); }
void ms_decode_row_f16_avx2(const uint8_t *bytes, size_t n, float *out) { row(bytes, n, out, 2, eight_f16); }
void ms_decode_row_e4m3_avx2(const uint8_t *bytes, size_t n, float *out) { row(bytes, n, out, 1, eight_e4m3); }
void ms_decode_row_e5m2_avx2(const uint8_t *bytes, size_t n, float *out) { row(bytes, n, out, 1, eight_e5m2); }
