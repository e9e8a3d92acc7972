/*
 * ggml_block_parts: what the plain and the SIMD block decoders share: bytes as numbers, tables of 16 values.
 */
#ifndef MS_GGML_BLOCK_PARTS_H
#define MS_GGML_BLOCK_PARTS_H

#include <string.h>

#include "ggml_block.h"

#define EACH_BLOCK(n_bytes, n_values) for (size_t block = 0; block < n_blocks; block++, p += (n_bytes), out += (n_values))

/* One table per instruction set, indexed by dtype. */
#define AT(name) [MS_DTYPE_GGML_##name - MS_DTYPE_GGML_FIRST]
#define MS_GGML_DECODER_TABLE                                                                                   \
    {AT(Q4_0) = q4_0,   AT(Q4_1) = q4_1,     AT(Q5_0) = q5_0,       AT(Q5_1) = q5_1,     AT(Q8_0) = q8_0,       \
     AT(Q8_1) = q8_1,   AT(Q2_K) = q2_k,     AT(Q3_K) = q3_k,       AT(Q4_K) = q4_k,     AT(Q5_K) = q5_k,       \
     AT(Q6_K) = q6_k,   AT(Q8_K) = q8_k,     AT(IQ2_XXS) = iq2_xxs, AT(IQ2_XS) = iq2_xs, AT(IQ3_XXS) = iq3_xxs, \
     AT(IQ1_S) = iq1_s, AT(IQ4_NL) = iq4_nl, AT(IQ3_S) = iq3_s,     AT(IQ2_S) = iq2_s,   AT(IQ4_XS) = iq4_xs,   \
     AT(IQ1_M) = iq1_m, AT(TQ1_0) = tq1_0,   AT(TQ2_0) = tq2_0,     AT(MXFP4) = mxfp4,   AT(NVFP4) = nvfp4,     \
     AT(Q1_0) = q1_0,   AT(Q2_0) = q2_0}

static const int8_t iq4nl_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
static const int8_t fp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}; /* E2M1, doubled */

static inline uint16_t u16_at(const uint8_t *p) {
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint32_t u32_at(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t u64_at(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

#endif
