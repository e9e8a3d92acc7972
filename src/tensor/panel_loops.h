/*
 * panel_loops: loops that each kernel file compiles for its instruction set, and the compiler turns into vectors; nothing in
 * them depends on the order.
 */
#ifndef MS_PANEL_LOOPS_H
#define MS_PANEL_LOOPS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "panel.h"

static uint32_t panel_ratios(const float *restrict max, const double *restrict sum, size_t n, double one_over_size, double eps,
                             uint32_t *restrict ratios) {
    uint32_t largest = 0;
    for (size_t i = 0; i < n; i++) {
        const float ratio = max[i] / (float)(sum[i] * one_over_size + eps);
        uint32_t bits;
        memcpy(&bits, &ratio, sizeof bits);
        ratios[i] = bits;
    }
    for (size_t i = 0; i < n; i++) largest = ratios[i] > largest ? ratios[i] : largest;
    return largest;
}

static void panel_join_pairs(const float *restrict max, const double *restrict sum, size_t n, float *restrict out_max,
                             double *restrict out_sum) {
    for (size_t i = 0; i < n; i++) {
        out_max[i] = max[2 * i] > max[2 * i + 1] ? max[2 * i] : max[2 * i + 1];
        out_sum[i] = sum[2 * i] + sum[2 * i + 1];
    }
}

static uint32_t panel_largest(const uint32_t *bits, size_t n) {
    uint32_t largest = 0;
    for (size_t i = 0; i < n; i++) largest = bits[i] > largest ? bits[i] : largest;
    return largest;
}

/* Sign and magnitude become an integer of the same order, -0 below +0; its own inverse. */
static inline int16_t panel_order_16(uint16_t code) { return (int16_t)(code ^ (uint16_t)((int16_t)code >> 15 & 0x7FFF)); }
static inline int32_t panel_order_32(uint32_t code) { return (int32_t)(code ^ (uint32_t)((int32_t)code >> 31 & 0x7FFFFFFF)); }

static void panel_extremes_16(const uint16_t *codes, size_t n, uint32_t *least, uint32_t *most) {
    int16_t low = INT16_MAX, high = INT16_MIN;
    for (size_t i = 0; i < n; i++) {
        const int16_t order = panel_order_16(codes[i]);
        low = order < low ? order : low;
        high = order > high ? order : high;
    }
    *least = (uint16_t)panel_order_16((uint16_t)low);
    *most = (uint16_t)panel_order_16((uint16_t)high);
}

static void panel_extremes_32(const uint32_t *codes, size_t n, uint32_t *least, uint32_t *most) {
    int32_t low = INT32_MAX, high = INT32_MIN;
    for (size_t i = 0; i < n; i++) {
        const int32_t order = panel_order_32(codes[i]);
        low = order < low ? order : low;
        high = order > high ? order : high;
    }
    *least = (uint32_t)panel_order_32((uint32_t)low);
    *most = (uint32_t)panel_order_32((uint32_t)high);
}

static uint32_t panel_zeros_16(const uint16_t *codes, size_t n) {
    uint32_t n_zero = 0;
    for (size_t i = 0; i < n; i++) n_zero += (codes[i] & 0x7FFF) == 0;
    return n_zero;
}

static uint32_t panel_zeros_32(const uint32_t *codes, size_t n) {
    uint32_t n_zero = 0;
    for (size_t i = 0; i < n; i++) n_zero += (codes[i] & 0x7FFFFFFF) == 0;
    return n_zero;
}

#define PANEL_LOOPS                                                                                                     \
    .ratios = panel_ratios, .join_pairs = panel_join_pairs, .largest = panel_largest, .extremes_16 = panel_extremes_16, \
    .extremes_32 = panel_extremes_32, .zeros_16 = panel_zeros_16, .zeros_32 = panel_zeros_32

#endif
