#include "turn.h"

#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

void ms_turn_scalar(void *out, size_t out_pitch, const void *in, size_t in_pitch, size_t in_step, size_t n_rows, size_t n_cols,
                    size_t size) {
    for (size_t r = 0; r < n_rows; r++)
        for (size_t c = 0; c < n_cols; c++)
            memcpy((char *)out + (r * out_pitch + c) * size, (const char *)in + (c * in_pitch + r * in_step) * size, size);
}

#ifdef __SSE2__
enum { BLOCK = 8 };

static inline __m128i load(const uint16_t *p) { return _mm_loadu_si128((const __m128i *)(const void *)p); }

/* Eight elements that lie 1 or 2 apart. Of two apart: the low halves of eight pairs, sign-extended so that packing keeps them.
 */
static inline __m128i load_run(const uint16_t *p, size_t step) {
    if (step == 1) return load(p);
    /* the last element has no neighbour to the right that is surely there, so the second load begins one earlier */
    const __m128i low = load(p), high = load(p + 7);
    return _mm_packs_epi32(_mm_srai_epi32(_mm_slli_epi32(low, 16), 16), _mm_srai_epi32(high, 16));
}

/* 8 x 8 of 16 bits: three rounds of interleaving. */
static inline void turn_block(uint16_t *out, size_t out_pitch, const uint16_t *in, size_t in_pitch, size_t step) {
    __m128i a[BLOCK], b[BLOCK];
    for (size_t i = 0; i < BLOCK; i++) a[i] = load_run(in + i * in_pitch, step);
    for (size_t i = 0; i < 4; i++) {
        b[2 * i] = _mm_unpacklo_epi16(a[i], a[i + 4]);
        b[2 * i + 1] = _mm_unpackhi_epi16(a[i], a[i + 4]);
    }
    for (size_t i = 0; i < 4; i++) {
        a[2 * i] = _mm_unpacklo_epi16(b[i], b[i + 4]);
        a[2 * i + 1] = _mm_unpackhi_epi16(b[i], b[i + 4]);
    }
    for (size_t i = 0; i < 4; i++) {
        b[2 * i] = _mm_unpacklo_epi16(a[i], a[i + 4]);
        b[2 * i + 1] = _mm_unpackhi_epi16(a[i], a[i + 4]);
    }
    for (size_t i = 0; i < BLOCK; i++) _mm_storeu_si128((__m128i *)(void *)(out + i * out_pitch), b[i]);
}

static void turn_16(uint16_t *out, size_t out_pitch, const uint16_t *in, size_t in_pitch, size_t step, size_t n_rows,
                    size_t n_cols) {
    const size_t whole_rows = n_rows / BLOCK * BLOCK, whole_cols = n_cols / BLOCK * BLOCK;
    for (size_t c = 0; c < whole_cols; c += BLOCK)
        for (size_t r = 0; r < whole_rows; r += BLOCK)
            turn_block(out + r * out_pitch + c, out_pitch, in + c * in_pitch + r * step, in_pitch, step);
    ms_turn_scalar(out + whole_cols, out_pitch, in + whole_cols * in_pitch, in_pitch, step, whole_rows, n_cols - whole_cols, 2);
    ms_turn_scalar(out + whole_rows * out_pitch, out_pitch, in + whole_rows * step, in_pitch, step, n_rows - whole_rows, n_cols,
                   2);
}

/* 4 x 4 of 32 bits, rows of the input one apart. */
static void turn_32(uint32_t *out, size_t out_pitch, const uint32_t *in, size_t in_pitch, size_t n_rows, size_t n_cols) {
    const size_t whole_rows = n_rows / 4 * 4, whole_cols = n_cols / 4 * 4;
    for (size_t r = 0; r < whole_rows; r += 4)
        for (size_t c = 0; c < whole_cols; c += 4) {
            const uint32_t *const from = in + c * in_pitch + r;
            uint32_t *const to = out + r * out_pitch + c;
            __m128i a[4], b[4];
            for (size_t i = 0; i < 4; i++) a[i] = _mm_loadu_si128((const __m128i *)(const void *)(from + i * in_pitch));
            for (size_t i = 0; i < 2; i++) {
                b[2 * i] = _mm_unpacklo_epi32(a[i], a[i + 2]);
                b[2 * i + 1] = _mm_unpackhi_epi32(a[i], a[i + 2]);
            }
            for (size_t i = 0; i < 2; i++) {
                a[2 * i] = _mm_unpacklo_epi32(b[i], b[i + 2]);
                a[2 * i + 1] = _mm_unpackhi_epi32(b[i], b[i + 2]);
            }
            for (size_t i = 0; i < 4; i++) _mm_storeu_si128((__m128i *)(void *)(to + i * out_pitch), a[i]);
        }
    ms_turn_scalar(out + whole_cols, out_pitch, in + whole_cols * in_pitch, in_pitch, 1, whole_rows, n_cols - whole_cols, 4);
    ms_turn_scalar(out + whole_rows * out_pitch, out_pitch, in + whole_rows, in_pitch, 1, n_rows - whole_rows, n_cols, 4);
}
#endif

void ms_turn(void *out, size_t out_pitch, const void *in, size_t in_pitch, size_t in_step, size_t n_rows, size_t n_cols,
             size_t size) {
#ifdef __SSE2__
    if (size == 2 && (in_step == 1 || in_step == 2)) {
        turn_16(out, out_pitch, in, in_pitch, in_step, n_rows, n_cols);
        return;
    }
    if (size == 4 && in_step == 1) {
        turn_32(out, out_pitch, in, in_pitch, n_rows, n_cols);
        return;
    }
#endif
    switch (size) { /* a constant size lets the compiler make loads and stores of the copies */
    case 1: ms_turn_scalar(out, out_pitch, in, in_pitch, in_step, n_rows, n_cols, 1); break;
    case 2: ms_turn_scalar(out, out_pitch, in, in_pitch, in_step, n_rows, n_cols, 2); break;
    case 4: ms_turn_scalar(out, out_pitch, in, in_pitch, in_step, n_rows, n_cols, 4); break;
    default: ms_turn_scalar(out, out_pitch, in, in_pitch, in_step, n_rows, n_cols, size); break;
    }
}
