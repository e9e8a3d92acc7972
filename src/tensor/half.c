#include "half.h"

/* What one bit pattern means in a format with `n_mantissa` bits below `n_exponent` exponent bits: m * 2^(1 - bias - n_mantissa)
 * when the exponent field is 0, else (1 + m / 2^n_mantissa) * 2^(e - bias). Exact: f32 holds all of these formats. */
static float magnitude_of(unsigned code, int n_exponent, int n_mantissa, int bias) {
    const unsigned mantissa = code & ((1u << n_mantissa) - 1), exponent = code >> n_mantissa & ((1u << n_exponent) - 1);
    const int e = exponent == 0 ? 1 : (int)exponent;
    const unsigned significand = exponent == 0 ? mantissa : mantissa | 1u << n_mantissa;
    const float unit = ms_f32_from_bits((uint32_t)(e - bias - n_mantissa + 127) << 23);
    return (float)significand * unit;
}

static float with_sign(float magnitude, unsigned negative) {
    return ms_f32_from_bits(ms_f32_bits(magnitude) | (negative ? 0x80000000u : 0u));
}

static const uint32_t quiet_nan = 0x7FC00000u, infinity = 0x7F800000u;

float ms_f32_from_e4m3(uint8_t code) {
    if ((code & 0x7Fu) == 0x7F) return with_sign(ms_f32_from_bits(quiet_nan), code & 0x80u);
    return with_sign(magnitude_of(code, 4, 3, 7), code & 0x80u);
}

float ms_f32_from_e5m2(uint8_t code) {
    if ((code & 0x7Cu) == 0x7C) return with_sign(ms_f32_from_bits(code & 3u ? quiet_nan : infinity), code & 0x80u);
    return with_sign(magnitude_of(code, 5, 2, 15), code & 0x80u);
}

float ms_f32_from_e4m3fnuz(uint8_t code) {
    if (code == 0x80) return ms_f32_from_bits(quiet_nan);
    return with_sign(magnitude_of(code, 4, 3, 8), code & 0x80u);
}

float ms_f32_from_e5m2fnuz(uint8_t code) {
    if (code == 0x80) return ms_f32_from_bits(quiet_nan);
    return with_sign(magnitude_of(code, 5, 2, 16), code & 0x80u);
}

float ms_f32_from_e8m0(uint8_t code) {
    if (code == 0xFF) return ms_f32_from_bits(quiet_nan);
    return ms_f32_from_bits(code == 0 ? 0x00400000u : (uint32_t)code << 23);
}

float ms_f32_from_e2m1(uint8_t code) { return with_sign(magnitude_of(code, 2, 1, 1), code & 8u); }

float ms_f32_from_e2m3(uint8_t code) { return with_sign(magnitude_of(code, 2, 3, 1), code & 32u); }
