/*
 * ggml_block_scalar: the block decoders in plain C, one for each type, with its layout.
 *
 * Byte ranges within the block are given at each decoder; [n] is where a part begins. Every value is one product of f32
 * numbers, or a product and a sum, and nothing is contracted; ggml_block_simd.h gives the same bits faster.
 */
#include "ggml_block_parts.h"
#include "half.h"

static inline float f16_at(const uint8_t *p) { return ms_f32_from_f16(u16_at(p)); }

/* i with bit 7 set to the parity of the low seven: every byte has an even number of ones. */
static inline uint8_t even_signs(uint32_t i) { return (uint8_t)(i | (uint32_t)__builtin_parity(i) << 7); }

/* out[j] = scale * (signed byte j of grid), negated where bit j of signs is set; j < 8. */
static inline void put8(float *out, float scale, uint64_t grid, uint8_t signs) {
    for (int j = 0; j < 8; j++) {
        const float value = scale * (float)(int8_t)(grid >> 8 * j);
        out[j] = signs >> j & 1 ? -value : value;
    }
}

/* out[j] = scale * (signed byte j of grid + delta); j < 8. */
static inline void put8_shifted(float *out, float scale, uint64_t grid, float delta) {
    for (int j = 0; j < 8; j++) out[j] = scale * ((float)(int8_t)(grid >> 8 * j) + delta);
}

/* out[j] = scale * table[nibble], low nibbles of p[0..15] first, then the high ones. */
static inline void put_nibbles32(float *out, float scale, const int8_t table[static 16], const uint8_t *p) {
    for (int j = 0; j < 16; j++) {
        out[j] = scale * (float)table[p[j] & 15];
        out[j + 16] = scale * (float)table[p[j] >> 4];
    }
}

/* ---- 32 weights a block, one or two scales ---- */

/* d f16 [0,2) | 16 bytes of nibbles: weight j in the low nibble of byte j, weight j + 16 in the high one; v = (q - 8) d */
static void q4_0(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(18, 32) {
        const float d = f16_at(p);
        for (int j = 0; j < 16; j++) {
            out[j] = (float)((p[2 + j] & 15) - 8) * d;
            out[j + 16] = (float)((p[2 + j] >> 4) - 8) * d;
        }
    }
}

/* d f16 | m f16 | nibbles as q4_0; v = q d + m */
static void q4_1(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(20, 32) {
        const float d = f16_at(p), m = f16_at(p + 2);
        for (int j = 0; j < 16; j++) {
            out[j] = (float)(p[4 + j] & 15) * d + m;
            out[j + 16] = (float)(p[4 + j] >> 4) * d + m;
        }
    }
}

/* The fifth bits of a block: weight j has bit j. */
static inline void fifth_bits(uint32_t bits, uint8_t high[static 32]) {
    for (int j = 0; j < 32; j++) high[j] = (uint8_t)((bits >> j & 1) << 4);
}

/* d f16 | fifth bits u32 [2,6) | nibbles [6,22); v = (q - 16) d */
static void q5_0(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(22, 32) {
        const float d = f16_at(p);
        uint8_t high[32];
        fifth_bits(u32_at(p + 2), high);
        for (int j = 0; j < 16; j++) {
            out[j] = (float)(((p[6 + j] & 15) | high[j]) - 16) * d;
            out[j + 16] = (float)(((p[6 + j] >> 4) | high[j + 16]) - 16) * d;
        }
    }
}

/* d f16 | m f16 | fifth bits u32 [4,8) | nibbles [8,24); v = q d + m */
static void q5_1(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(24, 32) {
        const float d = f16_at(p), m = f16_at(p + 2);
        uint8_t high[32];
        fifth_bits(u32_at(p + 4), high);
        for (int j = 0; j < 16; j++) {
            out[j] = (float)((p[8 + j] & 15) | high[j]) * d + m;
            out[j + 16] = (float)((p[8 + j] >> 4) | high[j + 16]) * d + m;
        }
    }
}

/* d f16 | 32 x i8 */
static void q8_0(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(34, 32) {
        const float d = f16_at(p);
        for (int j = 0; j < 32; j++) out[j] = (float)(int8_t)p[2 + j] * d;
    }
}

/* d f16 | sum f16 | 32 x i8 */
static void q8_1(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(36, 32) {
        const float d = f16_at(p);
        for (int j = 0; j < 32; j++) out[j] = (float)(int8_t)p[4 + j] * d;
    }
}

/* 128 weights: d f16 | 16 bytes of bits; v = d or -d */
static void q1_0(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(18, 128) {
        const float d = f16_at(p), minus_d = -d;
        for (int j = 0; j < 128; j++) out[j] = p[2 + j / 8] >> j % 8 & 1 ? d : minus_d;
    }
}

/* 64 weights: d f16 | 16 bytes of four 2-bit codes; v = (q - 1) d */
static void q2_0(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(18, 64) {
        const float d = f16_at(p);
        for (int j = 0; j < 64; j++) out[j] = (float)((p[2 + j / 4] >> 2 * (j % 4) & 3) - 1) * d;
    }
}

/* ---- 256 weights a block, scales of scales ---- */

/* scales 16 x (4-bit scale, 4-bit min) | 64 bytes of 2-bit codes | d f16 [80] | dmin f16 [82]; v = (d sc) q - dmin m */
static void q2_k(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(84, 256) {
        const float d = f16_at(p + 80), dmin = f16_at(p + 82);
        for (int run = 0; run < 16; run++) { /* 16 weights share a scale */
            const float scale = d * (float)(p[run] & 15), min = dmin * (float)(p[run] >> 4);
            const uint8_t *const q = p + 16 + 32 * (run / 8) + 16 * (run % 2);
            const int shift = 2 * (run % 8 / 2);
            for (int j = 0; j < 16; j++) out[16 * run + j] = scale * (float)(q[j] >> shift & 3) - min;
        }
    }
}

/* hmask 32 | 64 bytes of 2-bit codes | 12 bytes of 6-bit scales [96] | d f16 [108]; v = (d (s - 32)) (q - 4 where the mask bit
 * is 0) */
static void q3_k(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(110, 256) {
        const float d = f16_at(p + 108);
        const uint8_t *const s = p + 96;
        for (int run = 0; run < 16; run++) {
            const int low = run < 8 ? s[run] & 15 : s[run - 8] >> 4, high = s[8 + run % 4] >> 2 * (run / 4) & 3;
            const float scale = d * (float)((low | high << 4) - 32);
            const uint8_t *const q = p + 32 + 32 * (run / 8) + 16 * (run % 2), *const mask = p + 16 * (run % 2);
            const int shift = 2 * (run % 8 / 2), bit = run / 2;
            for (int j = 0; j < 16; j++)
                out[16 * run + j] = scale * (float)((q[j] >> shift & 3) - (mask[j] >> bit & 1 ? 0 : 4));
        }
    }
}

/* Scale and min number j < 8 of the 12 packed bytes of q4_k and q5_k. */
static inline void six_bit_pair(const uint8_t *s, int j, int *scale, int *min) {
    if (j < 4) {
        *scale = s[j] & 63, *min = s[j + 4] & 63;
    } else {
        *scale = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
        *min = s[j + 4] >> 4 | (s[j] >> 6) << 4;
    }
}

/* d f16 | dmin f16 | 12 bytes of 6-bit scales and mins [4] | 128 bytes of nibbles [16]; v = (d sc) q - dmin m */
static void q4_k(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(144, 256) {
        const float d = f16_at(p), dmin = f16_at(p + 2);
        for (int pair = 0; pair < 4; pair++) {
            const uint8_t *const q = p + 16 + 32 * pair;
            int scale[2], min[2];
            six_bit_pair(p + 4, 2 * pair, &scale[0], &min[0]);
            six_bit_pair(p + 4, 2 * pair + 1, &scale[1], &min[1]);
            const float d0 = d * (float)scale[0], m0 = dmin * (float)min[0], d1 = d * (float)scale[1],
                        m1 = dmin * (float)min[1];
            for (int j = 0; j < 32; j++) out[64 * pair + j] = d0 * (float)(q[j] & 15) - m0;
            for (int j = 0; j < 32; j++) out[64 * pair + 32 + j] = d1 * (float)(q[j] >> 4) - m1;
        }
    }
}

/* As q4_k, with fifth bits [16,48): run of 32 number r has bit r of byte j; nibbles [48,176). */
static void q5_k(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(176, 256) {
        const float d = f16_at(p), dmin = f16_at(p + 2);
        const uint8_t *const high = p + 16;
        for (int pair = 0; pair < 4; pair++) {
            const uint8_t *const q = p + 48 + 32 * pair;
            int scale[2], min[2];
            six_bit_pair(p + 4, 2 * pair, &scale[0], &min[0]);
            six_bit_pair(p + 4, 2 * pair + 1, &scale[1], &min[1]);
            const float d0 = d * (float)scale[0], m0 = dmin * (float)min[0], d1 = d * (float)scale[1],
                        m1 = dmin * (float)min[1];
            for (int j = 0; j < 32; j++) out[64 * pair + j] = d0 * (float)((q[j] & 15) + ((high[j] >> 2 * pair & 1) << 4)) - m0;
            for (int j = 0; j < 32; j++)
                out[64 * pair + 32 + j] = d1 * (float)((q[j] >> 4) + ((high[j] >> (2 * pair + 1) & 1) << 4)) - m1;
        }
    }
}

/* low nibbles [0,128) | high pairs of bits [128,192) | 16 x i8 scales [192] | d f16 [208]; v = (d sc) (q - 32) */
static void q6_k(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(210, 256) {
        const float d = f16_at(p + 208);
        for (int run = 0; run < 16; run++) {
            const int half = run / 8, g = run % 8 / 2, offset = 16 * (run % 2);
            const float scale = d * (float)(int8_t)p[192 + run];
            const uint8_t *const low = p + 64 * half + 32 * (g & 1) + offset, *const high = p + 128 + 32 * half + offset;
            const int low_shift = 4 * (g >> 1), high_shift = 2 * g;
            for (int j = 0; j < 16; j++)
                out[16 * run + j] = scale * (float)(((low[j] >> low_shift & 15) | (high[j] >> high_shift & 3) << 4) - 32);
        }
    }
}

/* d f32 | 256 x i8 | 16 x i16 sums */
static void q8_k(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(292, 256) {
        float d;
        memcpy(&d, p, sizeof d);
        for (int j = 0; j < 256; j++) out[j] = d * (float)(int8_t)p[4 + j];
    }
}

/* ---- ternary ---- */

/* 48 bytes of five trits | 4 bytes of four trits | d f16 [52]; trit n of byte b: (((b 3^n) mod 256) 3) >> 8; v = (trit - 1) d
 */
static void tq1_0(const uint8_t *p, size_t n_blocks, float *restrict out) {
    static const uint8_t power[5] = {1, 3, 9, 27, 81};
    EACH_BLOCK(54, 256) {
        const float d = f16_at(p + 52);
        float *o = out;
        for (int n = 0; n < 5; n++)
            for (int j = 0; j < 32; j++) *o++ = (float)(((uint8_t)(p[j] * power[n]) * 3 >> 8) - 1) * d;
        for (int n = 0; n < 5; n++)
            for (int j = 0; j < 16; j++) *o++ = (float)(((uint8_t)(p[32 + j] * power[n]) * 3 >> 8) - 1) * d;
        for (int n = 0; n < 4; n++)
            for (int j = 0; j < 4; j++) *o++ = (float)(((uint8_t)(p[48 + j] * power[n]) * 3 >> 8) - 1) * d;
    }
}

/* 64 bytes of 2-bit codes | d f16 [64]; v = (q - 1) d */
static void tq2_0(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(66, 256) {
        const float d = f16_at(p + 64);
        for (int run = 0; run < 8; run++)
            for (int j = 0; j < 32; j++) out[32 * run + j] = (float)((p[32 * (run / 4) + j] >> 2 * (run % 4) & 3) - 1) * d;
    }
}

/* ---- tables of 16 values ---- */

/* exponent byte | 16 bytes of nibbles, weights j and j + 16 in byte j; v = E2M1 2^(e - 127) */
static void mxfp4(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(17, 32) {
        const uint32_t e = p[0];
        const float half_scale = ms_f32_from_bits(e < 2 ? 0x00200000u << e : (e - 1) << 23); /* 2^(e - 128) */
        put_nibbles32(out, half_scale, fp4_values, p + 1);
    }
}

/* Half of an unsigned E4M3 number; 0 for the code 0x7F; bit 7 is not looked at. */
static inline float half_ue4m3(uint8_t byte) {
    const int exponent = byte >> 3 & 15, mantissa = byte & 7;
    if (byte == 0 || byte == 0x7F) return 0;
    const float value = exponent == 0 ? (float)mantissa * 0x1p-9f
                                      : (1 + (float)mantissa / 8) * ms_f32_from_bits((uint32_t)(exponent + 120) << 23);
    return value * 0.5f;
}

/* 64 weights: four scales UE4M3 | 32 bytes of nibbles, 8 a sub-block of 16; v = E2M1 scale (times the tensor's own scale,
 * elsewhere) */
static void nvfp4(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(36, 64) {
        for (int s = 0; s < 4; s++) {
            const float d = half_ue4m3(p[s]);
            for (int j = 0; j < 8; j++) {
                out[16 * s + j] = (float)fp4_values[p[4 + 8 * s + j] & 15] * d;
                out[16 * s + j + 8] = (float)fp4_values[p[4 + 8 * s + j] >> 4] * d;
            }
        }
    }
}

/* d f16 | 16 bytes of nibbles; v = d table[q] */
static void iq4_nl(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(18, 32) put_nibbles32(out, f16_at(p), iq4nl_values, p + 2);
}

/* d f16 | high pairs of the scales u16 [2] | low nibbles of the scales [4,8) | 8 x 16 bytes of nibbles [8]; v = (d (s - 32))
 * table[q] */
static void iq4_xs(const uint8_t *p, size_t n_blocks, float *restrict out) {
    EACH_BLOCK(136, 256) {
        const float d = f16_at(p);
        const uint32_t high = u16_at(p + 2);
        for (int run = 0; run < 8; run++) {
            const int scale = (p[4 + run / 2] >> 4 * (run % 2) & 15) | (int)(high >> 2 * run & 3) << 4;
            put_nibbles32(out + 32 * run, d * (float)(scale - 32), iq4nl_values, p + 8 + 16 * run);
        }
    }
}

/* ---- grids: eight (or four) magnitudes by index, signs apart ---- */

/* d f16 | 8 x (four index bytes, u32: four 7-bit sign codes and a 4-bit scale) */
static void iq2_xxs(const uint8_t *p, size_t n_blocks, float *restrict out) {
    const ms_ggml_grids *const grids = ms_ggml_grids_get();
    EACH_BLOCK(66, 256) {
        const float d = f16_at(p);
        for (int run = 0; run < 8; run++) {
            const uint8_t *const q = p + 2 + 8 * run;
            const uint32_t a = u32_at(q + 4);
            const float scale = d * (0.5f + (float)(a >> 28)) * 0.25f;
            for (int l = 0; l < 4; l++) put8(out + 32 * run + 8 * l, scale, grids->iq2xxs[q[l]], even_signs(a >> 7 * l & 127));
        }
    }
}

/* d f16 | 32 x u16 (9-bit index, 7-bit sign code) | 8 bytes: two 4-bit scales a run of 32 [66] */
static void iq2_xs(const uint8_t *p, size_t n_blocks, float *restrict out) {
    const ms_ggml_grids *const grids = ms_ggml_grids_get();
    EACH_BLOCK(74, 256) {
        const float d = f16_at(p);
        for (int k = 0; k < 32; k++) {
            const uint32_t w = u16_at(p + 2 + 2 * k);
            const float scale = d * (0.5f + (float)(p[66 + k / 4] >> 4 * (k % 4 / 2) & 15)) * 0.25f;
            put8(out + 8 * k, scale, grids->iq2xs[w & 511], even_signs(w >> 9));
        }
    }
}

/* d f16 | 32 index bytes | 32 sign bytes [34] | 8 bytes: two high index bits each [66] | 8 bytes of scales [74] */
static void iq2_s(const uint8_t *p, size_t n_blocks, float *restrict out) {
    const ms_ggml_grids *const grids = ms_ggml_grids_get();
    EACH_BLOCK(82, 256) {
        const float d = f16_at(p);
        for (int k = 0; k < 32; k++) {
            const uint32_t index = p[2 + k] | (uint32_t)(p[66 + k / 4] >> 2 * (k % 4) & 3) << 8;
            const float scale = d * (0.5f + (float)(p[74 + k / 4] >> 4 * (k % 4 / 2) & 15)) * 0.25f;
            put8(out + 8 * k, scale, grids->iq2s[index], p[34 + k]);
        }
    }
}

/* d f16 | 64 index bytes, four weights each | 8 x u32: four 7-bit sign codes and a 4-bit scale [66] */
static void iq3_xxs(const uint8_t *p, size_t n_blocks, float *restrict out) {
    const ms_ggml_grids *const grids = ms_ggml_grids_get();
    EACH_BLOCK(98, 256) {
        const float d = f16_at(p);
        for (int run = 0; run < 8; run++) {
            const uint32_t a = u32_at(p + 66 + 4 * run);
            const float scale = d * (0.5f + (float)(a >> 28)) * 0.5f;
            for (int l = 0; l < 4; l++) {
                const uint8_t *const q = p + 2 + 8 * run + 2 * l;
                const uint64_t grid = grids->iq3xxs[q[0]] | (uint64_t)grids->iq3xxs[q[1]] << 32;
                put8(out + 32 * run + 8 * l, scale, grid, even_signs(a >> 7 * l & 127));
            }
        }
    }
}

/* d f16 | 64 index bytes | 8 bytes of ninth index bits [66] | 32 sign bytes [74] | 4 bytes of scales [106]; scale d (1 + 2 s)
 */
static void iq3_s(const uint8_t *p, size_t n_blocks, float *restrict out) {
    const ms_ggml_grids *const grids = ms_ggml_grids_get();
    EACH_BLOCK(110, 256) {
        const float d = f16_at(p);
        for (int run = 0; run < 8; run++) {
            const float scale = d * (float)(1 + 2 * (p[106 + run / 2] >> 4 * (run % 2) & 15));
            const uint32_t high = p[66 + run];
            for (int l = 0; l < 4; l++) {
                const uint8_t *const q = p + 2 + 8 * run + 2 * l;
                const uint64_t low4 = grids->iq3s[q[0] | (high >> 2 * l & 1) << 8],
                               high4 = grids->iq3s[q[1] | (high >> (2 * l + 1) & 1) << 8];
                put8(out + 32 * run + 8 * l, scale, low4 | high4 << 32, p[74 + 4 * run + l]);
            }
        }
    }
}

/* d f16 | 32 index bytes | 8 x u16 [34]: four 3-bit high index parts, 3-bit scale, sign of the shift; v = (d (2 s + 1)) (grid
 * +- 1/8) */
static void iq1_s(const uint8_t *p, size_t n_blocks, float *restrict out) {
    const ms_ggml_grids *const grids = ms_ggml_grids_get();
    EACH_BLOCK(50, 256) {
        const float d = f16_at(p);
        for (int run = 0; run < 8; run++) {
            const uint32_t q = u16_at(p + 34 + 2 * run);
            const float scale = d * (float)(2 * (q >> 12 & 7) + 1), delta = q & 0x8000 ? -0.125f : 0.125f;
            for (int l = 0; l < 4; l++)
                put8_shifted(out + 32 * run + 8 * l, scale, grids->iq1s[p[2 + 4 * run + l] | (q >> 3 * l & 7) << 8], delta);
        }
    }
}

/* 32 index bytes | 16 bytes of nibbles [32]: 3-bit high index part, sign of the shift | 4 x u16 [48]: four 3-bit scales and a
 * nibble of d */
static void iq1_m(const uint8_t *p, size_t n_blocks, float *restrict out) {
    const ms_ggml_grids *const grids = ms_ggml_grids_get();
    EACH_BLOCK(56, 256) {
        const uint32_t s0 = u16_at(p + 48), s1 = u16_at(p + 50), s2 = u16_at(p + 52), s3 = u16_at(p + 54);
        const float d = ms_f32_from_f16((uint16_t)(s0 >> 12 | (s1 >> 8 & 0xF0) | (s2 >> 4 & 0xF00) | (s3 & 0xF000)));
        for (int k = 0; k < 32; k++) {
            const uint32_t nibble = p[32 + k / 2] >> 4 * (k % 2) & 15;
            const int run = k / 2; /* of 16 weights */
            const float scale = d * (float)(2 * (u16_at(p + 48 + 2 * (run / 4)) >> 3 * (run % 4) & 7) + 1);
            put8_shifted(out + 8 * k, scale, grids->iq1s[p[k] | (nibble & 7) << 8], nibble & 8 ? -0.125f : 0.125f);
        }
    }
}

ms_ggml_decoder *const ms_ggml_decoders_scalar[MS_DTYPE_COUNT - MS_DTYPE_GGML_FIRST] = MS_GGML_DECODER_TABLE;
