/*
 * half: conversions between float and the small floats, scalar, exact; what the row decoders and quantisers are checked
 * against.
 */
#ifndef MS_HALF_H
#define MS_HALF_H

#include <stdint.h>
#include <string.h>

static inline float ms_f32_from_bits(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint32_t ms_f32_bits(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static inline float ms_f32_from_bf16(uint16_t bits) { return ms_f32_from_bits((uint32_t)bits << 16); }

/* Round to nearest even; a NaN stays a NaN. */
static inline uint16_t ms_bf16_from_f32(float f) {
    const uint32_t bits = ms_f32_bits(f);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

static inline float ms_f32_from_f16(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = half >> 10 & 31u, mantissa = half & 0x3FFu;
    if (exponent == 31) return ms_f32_from_bits(sign | 0x7F800000u | mantissa << 13);
    if (exponent == 0) { /* m * 2^-24, exact */
        const float magnitude = (float)mantissa * 0x1p-24f;
        return ms_f32_from_bits(sign | ms_f32_bits(magnitude));
    }
    return ms_f32_from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
}

/* Round to nearest even, subnormals kept, overflow to infinity. */
static inline uint16_t ms_f16_from_f32(float f) {
    const uint32_t bits = ms_f32_bits(f), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
    if (magnitude > 0x7F800000u) return (uint16_t)(sign | 0x7E00u | (magnitude >> 13 & 0x3FFu));
    if (magnitude >= 0x477FF000u) return (uint16_t)(sign | 0x7C00u); /* 65520 and above */
    if (magnitude < 0x38800000u) { /* below 2^-14: a multiple of 2^-24; adding 0.5 rounds at that place, ties to even */
        const uint32_t rounded = ms_f32_bits(ms_f32_from_bits(magnitude) + 0.5f);
        return (uint16_t)(sign | (rounded - 0x3F000000u));
    }
    const uint32_t rebiased = magnitude - 0x38000000u;
    return (uint16_t)(sign | (rebiased + 0xFFFu + (rebiased >> 13 & 1u)) >> 13);
}

/* E4M3 "fn": 0x7F and 0xFF are NaN. */
float ms_f32_from_e4m3(uint8_t code);
float ms_f32_from_e5m2(uint8_t code);
float ms_f32_from_e4m3fnuz(uint8_t code);
float ms_f32_from_e5m2fnuz(uint8_t code);
/* 2^(code - 127); 0xFF is NaN, 0 is 2^-127. */
float ms_f32_from_e8m0(uint8_t code);
/* 0, .5, 1, 1.5, 2, 3, 4, 6 and their negatives; code in 0..15. */
float ms_f32_from_e2m1(uint8_t code);
/* m / 8 or (1 + m / 8) * 2^(e - 1), and their negatives; code in 0..63. */
float ms_f32_from_e2m3(uint8_t code);

#endif
