/*
 * ggml_block_simd: the block decoders in intrinsics, compiled for AVX2 and for AVX-512 (ggml_block_avx2.c, _avx512.c).
 *
 * The includer defines DECODERS, the name of the table. The layouts stand in ggml_block_scalar.c, whose bits these give: a
 * block becomes runs of 16 signed bytes ("codes"), and put16 or put16_plus make one product, or a product and a sum, of each.
 * Where a factor of ggml's is a half, a quarter or an eighth it is moved to the scale: all scales are far from f32's ends, so
 * it is exact.
 */
#include <immintrin.h>

#include "ggml_block_parts.h"
#include "half.h"

static inline float f16_at(const uint8_t *p) { return _cvtsh_ss(u16_at(p)); }
static inline __m128i load16(const void *p) { return _mm_loadu_si128(p); }
static inline __m256i load32(const void *p) { return _mm256_loadu_si256(p); }
static inline __m128i low_nibbles(__m128i v) { return _mm_and_si128(v, _mm_set1_epi8(15)); }
static inline __m128i high_nibbles(__m128i v) { return _mm_and_si128(_mm_srli_epi16(v, 4), _mm_set1_epi8(15)); }

/* ---- what depends on the instruction set ---- */

#if defined(__AVX512F__)

/* out[j] = scale * codes[j]; j < 16. */
static inline void put16(float *out, __m128i codes, float scale) {
    _mm512_storeu_ps(out, _mm512_mul_ps(_mm512_set1_ps(scale), _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes))));
}

/* out[j] = scale * codes[j] + plus; j < 16. */
static inline void put16_plus(float *out, __m128i codes, float scale, float plus) {
    const __m512 product = _mm512_mul_ps(_mm512_set1_ps(scale), _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes)));
    _mm512_storeu_ps(out, _mm512_add_ps(product, _mm512_set1_ps(plus)));
}

/* Low nibbles of 16 bytes to low[0..15], high ones to high[0..15]: scales[0] q + plus[0], scales[1] q + plus[1]. */
static inline void put_nibbles_plus(float *low, float *high, const uint8_t *p, const float scales[static 2],
                                    const float plus[static 2]) {
    const __m512i q = _mm512_cvtepu8_epi32(load16(p));
    const __m512 q0 = _mm512_cvtepi32_ps(_mm512_and_si512(q, _mm512_set1_epi32(15))),
                 q1 = _mm512_cvtepi32_ps(_mm512_srli_epi32(q, 4));
    _mm512_storeu_ps(low, _mm512_add_ps(_mm512_mul_ps(_mm512_set1_ps(scales[0]), q0), _mm512_set1_ps(plus[0])));
    _mm512_storeu_ps(high, _mm512_add_ps(_mm512_mul_ps(_mm512_set1_ps(scales[1]), q1), _mm512_set1_ps(plus[1])));
}

/* 0xFF in byte j where bit j is set. */
static inline __m256i spread_bits(uint32_t bits) { return _mm256_movm_epi8(bits); }

/* Byte j is negated where bit j is set. */
static inline __m256i negate_where(__m256i codes, uint32_t bits) {
    return _mm256_mask_sub_epi8(codes, bits, _mm256_setzero_si256(), codes);
}

/* out[j] = bit j ? d : -d; j < 16. */
static inline void put16_signs(float *out, uint32_t bits, float d) {
    _mm512_storeu_ps(out, _mm512_mask_blend_ps((__mmask16)bits, _mm512_set1_ps(-d), _mm512_set1_ps(d)));
}

/* out[j] = values[pair j of bits]; j < 16. */
static inline void put16_pairs(float *out, uint32_t bits, __m128 values) {
    const __m512i places = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i pairs = _mm512_srlv_epi32(_mm512_set1_epi32((int)bits), places); /* only the low two bits are looked at */
    _mm512_storeu_ps(out, _mm512_permutevar_ps(_mm512_broadcast_f32x4(values), pairs));
}

#else

static inline __m256 widen8(__m128i codes) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes)); }

static inline void put16(float *out, __m128i codes, float scale) {
    const __m256 s = _mm256_set1_ps(scale);
    _mm256_storeu_ps(out, _mm256_mul_ps(s, widen8(codes)));
    _mm256_storeu_ps(out + 8, _mm256_mul_ps(s, widen8(_mm_srli_si128(codes, 8))));
}

static inline void put16_plus(float *out, __m128i codes, float scale, float plus) {
    const __m256 s = _mm256_set1_ps(scale), m = _mm256_set1_ps(plus);
    _mm256_storeu_ps(out, _mm256_add_ps(_mm256_mul_ps(s, widen8(codes)), m));
    _mm256_storeu_ps(out + 8, _mm256_add_ps(_mm256_mul_ps(s, widen8(_mm_srli_si128(codes, 8))), m));
}

static inline void put_nibbles_plus(float *low, float *high, const uint8_t *p, const float scales[static 2],
                                    const float plus[static 2]) {
    for (int half = 0; half < 16; half += 8) {
        const __m256i q = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(p + half)));
        const __m256 q0 = _mm256_cvtepi32_ps(_mm256_and_si256(q, _mm256_set1_epi32(15))),
                     q1 = _mm256_cvtepi32_ps(_mm256_srli_epi32(q, 4));
        _mm256_storeu_ps(low + half, _mm256_add_ps(_mm256_mul_ps(_mm256_set1_ps(scales[0]), q0), _mm256_set1_ps(plus[0])));
        _mm256_storeu_ps(high + half, _mm256_add_ps(_mm256_mul_ps(_mm256_set1_ps(scales[1]), q1), _mm256_set1_ps(plus[1])));
    }
}

static inline __m256i spread_bits(uint32_t bits) {
    const __m256i byte = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303),
                  bit = _mm256_set1_epi64x((long long)0x8040201008040201u);
    const __m256i found = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), byte), bit);
    return _mm256_cmpeq_epi8(found, bit);
}

static inline __m256i negate_where(__m256i codes, uint32_t bits) {
    const __m256i where = spread_bits(bits);
    return _mm256_sub_epi8(_mm256_xor_si256(codes, where), where);
}

static inline void put16_signs(float *out, uint32_t bits, float d) {
    const __m256i to_top = _mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24), top = _mm256_set1_epi32((int)0x80000000u);
    for (int half = 0; half < 2; half++) {
        const __m256i flip = _mm256_and_si256(_mm256_sllv_epi32(_mm256_set1_epi32((int)(bits >> 8 * half)), to_top), top);
        _mm256_storeu_ps(out + 8 * half, _mm256_xor_ps(_mm256_set1_ps(-d), _mm256_castsi256_ps(flip)));
    }
}

static inline void put16_pairs(float *out, uint32_t bits, __m128 values) {
    const __m256i places = _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14);
    for (int half = 0; half < 2; half++) {
        const __m256i pairs = _mm256_srlv_epi32(_mm256_set1_epi32((int)(bits >> 16 * half)), places);
        _mm256_storeu_ps(out + 8 * half, _mm256_permutevar_ps(_mm256_set_m128(values, values), pairs));
    }
}

#endif

/* ---- runs of 32 codes ---- */

static inline void put32(float *out, __m256i codes, float scale) {
    put16(out, _mm256_castsi256_si128(codes), scale);
    put16(out + 16, _mm256_extracti128_si256(codes, 1), scale);
}

static inline void put32_plus(float *out, __m256i codes, float scale, float plus) {
    put16_plus(out, _mm256_castsi256_si128(codes), scale, plus);
    put16_plus(out + 16, _mm256_extracti128_si256(codes, 1), scale, plus);
}

/* Two scales, one for each half. */
static inline void put32_of_two(float *out, __m256i codes, const float scales[static 2]) {
    put16(out, _mm256_castsi256_si128(codes), scales[0]);
    put16(out + 16, _mm256_extracti128_si256(codes, 1), scales[1]);
}

/* The low nibbles of 16 bytes, then the high ones. */
static inline __m256i nibbles32(const uint8_t *p) {
    const __m128i q = load16(p);
    return _mm256_set_m128i(high_nibbles(q), low_nibbles(q));
}

/* values[nibble], in the order of nibbles32. */
static inline __m256i nibble_values32(const int8_t values[static 16], const uint8_t *p) {
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(load16(values)), nibbles32(p));
}

/* v >> n of each byte, masked. */
static inline __m256i bits_at(__m256i v, int n, int mask) {
    return _mm256_and_si256(_mm256_srl_epi16(v, _mm_cvtsi32_si128(n)), _mm256_set1_epi8((char)mask));
}

/* ---- 32 weights a block, one or two scales ---- */

static void q4_0(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(18, 32) put32(out, _mm256_sub_epi8(nibbles32(p + 2), _mm256_set1_epi8(8)), f16_at(p));
}

static void q4_1(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(20, 32) put32_plus(out, nibbles32(p + 4), f16_at(p), f16_at(p + 2));
}

static void q5_0(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(22, 32) { /* without its fifth bit q - 16 is q with the upper four bits set */
        const __m256i minus_16 = _mm256_andnot_si256(spread_bits(u32_at(p + 2)), _mm256_set1_epi8((char)0xF0));
        put32(out, _mm256_or_si256(nibbles32(p + 6), minus_16), f16_at(p));
    }
}

static void q5_1(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(24, 32) {
        const __m256i fifth = _mm256_and_si256(spread_bits(u32_at(p + 4)), _mm256_set1_epi8(16));
        put32_plus(out, _mm256_or_si256(nibbles32(p + 8), fifth), f16_at(p), f16_at(p + 2));
    }
}

static void q8_0(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(34, 32) put32(out, load32(p + 2), f16_at(p));
}

static void q8_1(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(36, 32) put32(out, load32(p + 4), f16_at(p));
}

static void q1_0(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(18, 128) {
        const float d = f16_at(p);
        for (int run = 0; run < 8; run++) put16_signs(out + 16 * run, u16_at(p + 2 + 2 * run), d);
    }
}

static void q2_0(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(18, 64) {
        const __m128 values = _mm_mul_ps(_mm_setr_ps(-1, 0, 1, 2), _mm_set1_ps(f16_at(p)));
        for (int run = 0; run < 4; run++) put16_pairs(out + 16 * run, u32_at(p + 2 + 4 * run), values);
    }
}

/* ---- 256 weights a block, scales of scales ---- */

static void q2_k(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(84, 256) {
        float scale[16], minus_min[16];
        put16(scale, low_nibbles(load16(p)), f16_at(p + 80));
        put16(minus_min, high_nibbles(load16(p)), -f16_at(p + 82));
        for (int pair = 0; pair < 8; pair++) {
            const __m256i q = bits_at(load32(p + 16 + 32 * (pair / 4)), 2 * (pair % 4), 3);
            float *const to = out + 32 * pair;
            put16_plus(to, _mm256_castsi256_si128(q), scale[2 * pair], minus_min[2 * pair]);
            put16_plus(to + 16, _mm256_extracti128_si256(q, 1), scale[2 * pair + 1], minus_min[2 * pair + 1]);
        }
    }
}

/* The 16 scales of q3_k: four low bits in the nibbles of the first 8 bytes, two high bits in the last 4. */
static inline __m128i q3_k_scales(const uint8_t *s) {
    const uint32_t nibble = 0x0F0F0F0F, pair = 0x03030303, a = u32_at(s), b = u32_at(s + 4), high = u32_at(s + 8);
    const __m128i six =
        _mm_setr_epi32((int)((a & nibble) | (high & pair) << 4), (int)((b & nibble) | (high >> 2 & pair) << 4),
                       (int)((a >> 4 & nibble) | (high >> 4 & pair) << 4), (int)((b >> 4 & nibble) | (high >> 6 & pair) << 4));
    return _mm_sub_epi8(six, _mm_set1_epi8(32));
}

static void q3_k(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(110, 256) {
        const __m256i mask = load32(p), minus_4 = _mm256_set1_epi8((char)0xFC);
        float scale[16];
        put16(scale, q3_k_scales(p + 96), f16_at(p + 108));
        for (int pair = 0; pair < 8; pair++) {
            const __m256i q = bits_at(load32(p + 32 + 32 * (pair / 4)), 2 * (pair % 4), 3),
                          bit = _mm256_set1_epi8((char)(1 << pair));
            const __m256i is_set = _mm256_cmpeq_epi8(_mm256_and_si256(mask, bit), bit);
            put32_of_two(out + 32 * pair, _mm256_or_si256(q, _mm256_andnot_si256(is_set, minus_4)), scale + 2 * pair);
        }
    }
}

/* The scales and negated mins of q4_k and q5_k: d * six bits, -dmin * six bits; only eight of each count. */
static inline void six_bit_scales(const uint8_t *p, float scale[static 16], float minus_min[static 16]) {
    const uint32_t six = 0x3F3F3F3F, nibble = 0x0F0F0F0F, pair = 0x03030303, a = u32_at(p + 4), b = u32_at(p + 8),
                   c = u32_at(p + 12);
    const uint32_t s1 = (c & nibble) | (a >> 6 & pair) << 4, m1 = (c >> 4 & nibble) | (b >> 6 & pair) << 4;
    put16(scale, _mm_setr_epi32((int)(a & six), (int)s1, 0, 0), f16_at(p));
    put16(minus_min, _mm_setr_epi32((int)(b & six), (int)m1, 0, 0), -f16_at(p + 2));
}

static void q4_k(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(144, 256) {
        float scale[16], minus_min[16];
        six_bit_scales(p, scale, minus_min);
        for (int pair = 0; pair < 4; pair++)
            for (int half = 0; half < 32; half += 16)
                put_nibbles_plus(out + 64 * pair + half, out + 64 * pair + 32 + half, p + 16 + 32 * pair + half,
                                 scale + 2 * pair, minus_min + 2 * pair);
    }
}

static void q5_k(const uint8_t *p, size_t n_blocks, float *restrict out) {
    const __m256i fifth = _mm256_set1_epi8(16);
    EACH_BLOCK(176, 256) {
        float scale[16], minus_min[16];
        __m256i high = load32(p + 16); /* its lowest two bits are those of the pair of runs */
        six_bit_scales(p, scale, minus_min);
        for (int pair = 0; pair < 4; pair++, high = _mm256_srli_epi16(high, 2)) {
            const __m256i q = load32(p + 48 + 32 * pair);
            const __m256i h0 = _mm256_and_si256(_mm256_slli_epi16(high, 4), fifth),
                          h1 = _mm256_and_si256(_mm256_slli_epi16(high, 3), fifth);
            put32_plus(out + 64 * pair, _mm256_or_si256(bits_at(q, 0, 15), h0), scale[2 * pair], minus_min[2 * pair]);
            put32_plus(out + 64 * pair + 32, _mm256_or_si256(bits_at(q, 4, 15), h1), scale[2 * pair + 1],
                       minus_min[2 * pair + 1]);
        }
    }
}

static void q6_k(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(210, 256) {
        float scale[16];
        put16(scale, load16(p + 192), f16_at(p + 208));
        for (int pair = 0; pair < 8; pair++) {
            const __m256i low = bits_at(load32(p + 64 * (pair / 4) + 32 * (pair % 2)), 4 * (pair % 4 / 2), 15),
                          high = bits_at(load32(p + 128 + 32 * (pair / 4)), 2 * (pair % 4), 3);
            const __m256i q = _mm256_or_si256(low, _mm256_slli_epi16(high, 4));
            put32_of_two(out + 32 * pair, _mm256_sub_epi8(q, _mm256_set1_epi8(32)), scale + 2 * pair);
        }
    }
}

static void q8_k(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(292, 256) {
        const float d = ms_f32_from_bits(u32_at(p));
        for (int run = 0; run < 8; run++) put32(out + 32 * run, load32(p + 4 + 32 * run), d);
    }
}

/* ---- ternary ---- */

/* Leading trit of each byte, minus one: (3 t) >> 8 is 1 from 86 on and 2 from 171 on. */
static inline __m256i leading_trits(__m256i t) {
    const __m256i one = _mm256_set1_epi8(86), two = _mm256_set1_epi8((char)171);
    const __m256i ge_one = _mm256_cmpeq_epi8(_mm256_max_epu8(t, one), t),
                  ge_two = _mm256_cmpeq_epi8(_mm256_max_epu8(t, two), t);
    return _mm256_sub_epi8(_mm256_set1_epi8(-1), _mm256_add_epi8(ge_one, ge_two));
}

static inline __m256i times_3(__m256i t) { return _mm256_add_epi8(t, _mm256_add_epi8(t, t)); }

static void tq1_0(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(54, 256) {
        const float d = f16_at(p + 52);
        __m256i a = load32(p), b = _mm256_castsi128_si256(load16(p + 32));
        for (int n = 0; n < 5; n++, a = times_3(a), b = times_3(b)) {
            put32(out + 32 * n, leading_trits(a), d);
            put16(out + 160 + 16 * n, _mm256_castsi256_si128(leading_trits(b)), d);
        }
        __m256i c = _mm256_castsi128_si256(_mm_set1_epi32((int)u32_at(p + 48))); /* four bytes, times 1, 3, 9, 27 */
        for (int n = 1; n < 4; n++) {
            const __m256i later = _mm256_castsi128_si256(_mm_cmpgt_epi32(_mm_setr_epi32(1, 2, 3, 4), _mm_set1_epi32(n)));
            c = _mm256_blendv_epi8(c, times_3(c), later);
        }
        put16(out + 240, _mm256_castsi256_si128(leading_trits(c)), d);
    }
}

static void tq2_0(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(66, 256) {
        const float d = f16_at(p + 64);
        for (int run = 0; run < 8; run++) {
            const __m256i q = bits_at(load32(p + 32 * (run / 4)), 2 * (run % 4), 3);
            put32(out + 32 * run, _mm256_sub_epi8(q, _mm256_set1_epi8(1)), d);
        }
    }
}

/* ---- tables of 16 values ---- */

static void mxfp4(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(17, 32) {
        const uint32_t e = p[0];
        const float half_scale = ms_f32_from_bits(e < 2 ? 0x00200000u << e : (e - 1) << 23); /* 2^(e - 128) */
        put32(out, nibble_values32(fp4_values, p + 1), half_scale);
    }
}

/* Halves of four unsigned E4M3 numbers: as f16 they are 2^-8 of their value. The code 0x7F is 0; bit 7 is not looked at. */
static inline __m128 half_ue4m3s(const uint8_t *p) {
    const __m128i bytes = _mm_cvtepu8_epi16(_mm_cvtsi32_si128((int)u32_at(p)));
    const __m128i is_nan = _mm_cmpeq_epi16(bytes, _mm_set1_epi16(0x7F));
    const __m128i halves = _mm_slli_epi16(_mm_and_si128(bytes, _mm_set1_epi16(0x7F)), 7);
    return _mm_mul_ps(_mm_cvtph_ps(_mm_andnot_si128(is_nan, halves)), _mm_set1_ps(128));
}

static void nvfp4(const uint8_t *p, size_t n_blocks, float *restrict out) {
    const __m128i values = load16(fp4_values);
    EACH_BLOCK(36, 64) {
        float scale[4];
        _mm_storeu_ps(scale, half_ue4m3s(p));
        for (int run = 0; run < 4; run++) {
            const __m128i q = _mm_loadl_epi64((const __m128i *)(p + 4 + 8 * run));
            const __m128i codes = _mm_unpacklo_epi64(low_nibbles(q), high_nibbles(q));
            put16(out + 16 * run, _mm_shuffle_epi8(values, codes), scale[run]);
        }
    }
}

static void iq4_nl(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(18, 32) put32(out, nibble_values32(iq4nl_values, p + 2), f16_at(p));
}

static void iq4_xs(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(136, 256) {
        const float d = f16_at(p);
        const uint32_t low = u32_at(p + 4), high = u16_at(p + 2);
        for (int run = 0; run < 8; run++) {
            const int scale = (int)((low >> 4 * run & 15) | (high >> 2 * run & 3) << 4);
            put32(out + 32 * run, nibble_values32(iq4nl_values, p + 8 + 16 * run), d * (float)(scale - 32));
        }
    }
}

/* ---- grids ---- */

/* Bit 7 of each byte becomes the parity of the other seven. */
static inline uint64_t even_signs(uint64_t s) {
    uint64_t t = s ^ (s & 0x0F0F0F0F0F0F0F0F) << 4;
    t ^= (t & 0x3030303030303030) << 2;
    t ^= (t & 0x4040404040404040) << 1;
    return s | (t & 0x8080808080808080);
}

/* 32 sign bits of four codes of 7 bits. */
static inline uint32_t signs_of_28_bits(uint32_t a) {
    return (uint32_t)even_signs((a & 0x7F) | (a & 0x3F80) << 1 | (a & 0x1FC000) << 2 | (a & 0xFE00000) << 3);
}

static inline __m256i points32(uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
    return _mm256_setr_epi64x((long long)a, (long long)b, (long long)c, (long long)d);
}

/* Nibbles s of n / 2 bytes, low ones first, as factors 2 s + 1; n <= 16. */
static inline __m128i odd_factors(__m128i bytes) {
    const __m128i s = _mm_unpacklo_epi8(low_nibbles(bytes), high_nibbles(bytes));
    return _mm_add_epi8(_mm_add_epi8(s, s), _mm_set1_epi8(1));
}

static void iq2_xxs(const uint8_t *p, size_t n_blocks, float *restrict out) {
    const uint64_t *const grid = ms_ggml_grids_get()->iq2xxs;
    EACH_BLOCK(66, 256) {
        const float d = f16_at(p) * 0.125f;
        for (int run = 0; run < 8; run++) {
            const uint8_t *const q = p + 2 + 8 * run;
            const uint32_t a = u32_at(q + 4);
            const __m256i points = points32(grid[q[0]], grid[q[1]], grid[q[2]], grid[q[3]]);
            put32(out + 32 * run, negate_where(points, signs_of_28_bits(a)), d * (float)(2 * (a >> 28) + 1));
        }
    }
}

static void iq2_xs(const uint8_t *p, size_t n_blocks, float *restrict out) {
    const uint64_t *const grid = ms_ggml_grids_get()->iq2xs;
    EACH_BLOCK(74, 256) {
        float scale[16];
        put16(scale, odd_factors(_mm_loadl_epi64((const __m128i *)(p + 66))), f16_at(p) * 0.125f);
        for (int four = 0; four < 4; four++) { /* of 64 weights */
            const uint8_t *const q = p + 2 + 16 * four;
            const __m128i codes = _mm_srli_epi16(load16(q), 9);
            const uint64_t signs = even_signs((uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(codes, codes)));
            for (int half = 0; half < 2; half++) {
                const uint64_t w = u64_at(q + 8 * half);
                const __m256i points = points32(grid[w & 511], grid[w >> 16 & 511], grid[w >> 32 & 511], grid[w >> 48 & 511]);
                put32_of_two(out + 64 * four + 32 * half, negate_where(points, (uint32_t)(signs >> 32 * half)),
                             scale + 4 * four + 2 * half);
            }
        }
    }
}

static void iq2_s(const uint8_t *p, size_t n_blocks, float *restrict out) {
    const uint64_t *const grid = ms_ggml_grids_get()->iq2s;
    EACH_BLOCK(82, 256) {
        float scale[16];
        put16(scale, odd_factors(_mm_loadl_epi64((const __m128i *)(p + 74))), f16_at(p) * 0.125f);
        for (int run = 0; run < 8; run++) {
            const uint8_t *const q = p + 2 + 4 * run;
            const uint32_t high = p[66 + run];
            const __m256i points = points32(grid[q[0] | (high & 3) << 8], grid[q[1] | (high & 12) << 6],
                                            grid[q[2] | (high & 48) << 4], grid[q[3] | (high & 192) << 2]);
            put32_of_two(out + 32 * run, negate_where(points, u32_at(p + 34 + 4 * run)), scale + 2 * run);
        }
    }
}

/* Eight points of four weights. */
static inline __m256i quads32(const uint32_t *grid, const uint32_t index[static 8]) {
    return _mm256_setr_epi32((int)grid[index[0]], (int)grid[index[1]], (int)grid[index[2]], (int)grid[index[3]],
                             (int)grid[index[4]], (int)grid[index[5]], (int)grid[index[6]], (int)grid[index[7]]);
}

static void iq3_xxs(const uint8_t *p, size_t n_blocks, float *restrict out) {
    const uint32_t *const grid = ms_ggml_grids_get()->iq3xxs;
    EACH_BLOCK(98, 256) {
        const float d = f16_at(p) * 0.25f;
        for (int run = 0; run < 8; run++) {
            const uint8_t *const q = p + 2 + 8 * run;
            const uint32_t a = u32_at(p + 66 + 4 * run);
            const __m256i points = quads32(grid, (const uint32_t[8]){q[0], q[1], q[2], q[3], q[4], q[5], q[6], q[7]});
            put32(out + 32 * run, negate_where(points, signs_of_28_bits(a)), d * (float)(2 * (a >> 28) + 1));
        }
    }
}

static void iq3_s(const uint8_t *p, size_t n_blocks, float *restrict out) {
    const uint32_t *const grid = ms_ggml_grids_get()->iq3s;
    EACH_BLOCK(110, 256) {
        float scale[16];
        put16(scale, odd_factors(_mm_cvtsi32_si128((int)u32_at(p + 106))), f16_at(p));
        for (int run = 0; run < 8; run++) {
            const uint8_t *const q = p + 2 + 8 * run;
            const uint32_t high = p[66 + run];
            const uint32_t index[8] = {q[0] | (high & 1) << 8,  q[1] | (high & 2) << 7,  q[2] | (high & 4) << 6,
                                       q[3] | (high & 8) << 5,  q[4] | (high & 16) << 4, q[5] | (high & 32) << 3,
                                       q[6] | (high & 64) << 2, q[7] | (high & 128) << 1};
            put32(out + 32 * run, negate_where(quads32(grid, index), u32_at(p + 74 + 4 * run)), scale[run]);
        }
    }
}

/* What a point's trit 0, 1, (none), -1 becomes with a shift of an eighth up and down; ordered by the trit's low two bits. */
static const float shifted_trits[2][4] = {{0.125f, 1.125f, 0, -0.875f}, {-0.125f, 0.875f, 0, -1.125f}};

/* at: 0 for up, 1 for down. */
static inline __m256 scaled_trits(float scale, unsigned at) {
    return _mm256_mul_ps(_mm256_set1_ps(scale), _mm256_broadcast_ps((const __m128 *)shifted_trits[at]));
}

/* out[j] = values[trit j of the point]; j < 8. */
static inline void put8_trits(float *out, const uint64_t *point, __m256 values) {
    _mm256_storeu_ps(out, _mm256_permutevar_ps(values, _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)point))));
}

/* u16 [16]: bits 3 k to 3 k + 2 of word i of the four at p as number 4 i + k, each moved to bits 9 to 11; other bits are there
 * too. */
static inline __m256i triples16(const uint8_t *p) {
    const __m256i each_four_times = _mm256_setr_epi8(0, 1, 0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3, 2, 3, /**/
                                                     4, 5, 4, 5, 4, 5, 4, 5, 6, 7, 6, 7, 6, 7, 6, 7);
    const __m256i words = _mm256_shuffle_epi8(_mm256_set1_epi64x((long long)u64_at(p)), each_four_times);
    return _mm256_mullo_epi16(words, _mm256_set1_epi64x(0x0001000800400200)); /* times 512, 64, 8, 1 */
}

/* Indices of 16 points: a byte of low, three bits of the words. */
static inline void iq1_s_indices(const uint8_t *low, const uint8_t *words, uint16_t index[static 16]) {
    const __m256i three = _mm256_and_si256(_mm256_srli_epi16(triples16(words), 1), _mm256_set1_epi16(0x700));
    _mm256_storeu_si256((__m256i *)index, _mm256_or_si256(three, _mm256_cvtepu8_epi16(load16(low))));
}

static void iq1_s(const uint8_t *p, size_t n_blocks, float *restrict out) {
    const uint64_t *const grid = ms_ggml_grids_get()->iq1s;
    EACH_BLOCK(50, 256) {
        const float d = f16_at(p);
        uint16_t index[32];
        iq1_s_indices(p + 2, p + 34, index);
        iq1_s_indices(p + 18, p + 42, index + 16);
        for (int run = 0; run < 8; run++) {
            const uint32_t q = u16_at(p + 34 + 2 * run);
            const __m256 values = scaled_trits(d * (float)(2 * (q >> 12 & 7) + 1), q >> 15);
            for (int k = 4 * run; k < 4 * run + 4; k++) put8_trits(out + 8 * k, &grid[index[k]], values);
        }
    }
}

/* Of 16 points: indices (a byte of low, the lower three bits of a nibble of high) and shifts (the nibble's last bit). */
static inline void iq1_m_points(const uint8_t *low, const uint8_t *high, uint16_t index[static 16], uint8_t shift[static 16]) {
    const __m128i q = _mm_loadl_epi64((const __m128i *)high), bytes = load16(low);
    const __m128i nibbles = _mm_unpacklo_epi8(low_nibbles(q), high_nibbles(q)),
                  three = _mm_and_si128(nibbles, _mm_set1_epi8(7));
    _mm_storeu_si128((__m128i *)index, _mm_unpacklo_epi8(bytes, three));
    _mm_storeu_si128((__m128i *)(index + 8), _mm_unpackhi_epi8(bytes, three));
    _mm_storeu_si128((__m128i *)shift, _mm_and_si128(_mm_srli_epi16(nibbles, 3), _mm_set1_epi8(1)));
}

/* The scales d (2 s + 1) of 16 runs; the four words at p hold four 3-bit numbers s each, and a nibble of d. */
static inline void iq1_m_scales(const uint8_t *p, float scale[static 16]) {
    const uint64_t w = u64_at(p);
    const uint16_t d = (uint16_t)((w >> 12 & 0xF) | (w >> 24 & 0xF0) | (w >> 36 & 0xF00) | (w >> 48 & 0xF000));
    const __m256i twice = _mm256_and_si256(_mm256_srli_epi16(triples16(p), 8), _mm256_set1_epi16(14));
    const __m128i codes = _mm_packus_epi16(_mm256_castsi256_si128(twice), _mm256_extracti128_si256(twice, 1));
    put16(scale, _mm_add_epi8(codes, _mm_set1_epi8(1)), _cvtsh_ss(d));
}

static void iq1_m(const uint8_t *p, size_t n_blocks, float *restrict out) {
    const uint64_t *const grid = ms_ggml_grids_get()->iq1s;
    EACH_BLOCK(56, 256) {
        float scale[16];
        uint16_t index[32];
        uint8_t shift[32];
        iq1_m_scales(p + 48, scale);
        iq1_m_points(p, p + 32, index, shift);
        iq1_m_points(p + 16, p + 40, index + 16, shift + 16);
        for (int k = 0; k < 32; k++) put8_trits(out + 8 * k, &grid[index[k]], scaled_trits(scale[k / 2], shift[k]));
    }
}

ms_ggml_decoder *const DECODERS[MS_DTYPE_COUNT - MS_DTYPE_GGML_FIRST] = MS_GGML_DECODER_TABLE;
