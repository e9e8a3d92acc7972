/*
 * panel_ratios: one loop that each kernel file compiles for its instruction set; nothing in it depends on the order.
 */
#ifndef MS_PANEL_RATIOS_H
#define MS_PANEL_RATIOS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

/* max and sum of pairs of blocks. */
static void panel_join_pairs(const float *restrict max, const double *restrict sum, size_t n, float *restrict out_max,
                             double *restrict out_sum) {
    for (size_t i = 0; i < n; i++) {
        out_max[i] = max[2 * i] > max[2 * i + 1] ? max[2 * i] : max[2 * i + 1];
        out_sum[i] = sum[2 * i] + sum[2 * i + 1];
    }
}

#endif
