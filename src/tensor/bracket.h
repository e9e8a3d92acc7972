/*
 * bracket: of many keys, counts those below a range and keeps those inside: one pass gives exact order statistics when a sample
 * told where to look.
 *
 *     const ms_bracket around = {.lo = 14990, .hi = 15020, .tail = 15700};
 *     n_kept += ms_bracket_u16(keys, n, &around, &n_below, kept + n_kept);
 *
 * A key is the bit pattern of |w|: for f16, bf16 and f32 its integer order is the order of magnitudes, Inf and NaN on top.
 */
#ifndef MS_BRACKET_H
#define MS_BRACKET_H

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"

typedef struct ms_bracket { /* keeps lo <= key < hi, and key >= tail; lo <= hi <= tail */
    uint32_t lo, hi, tail;
} ms_bracket;

enum { MS_BRACKET_SLACK = 64 }; /* elements behind the kept ones that may be overwritten */

/* w: [n] 16-bit patterns, their sign is ignored. Kept keys, in order, go to kept: [n + MS_BRACKET_SLACK]; returns how many.
 * Adds the count of keys below lo to *n_below. */
size_t ms_bracket_u16(const uint16_t *w, size_t n, const ms_bracket *bracket, uint64_t *n_below, uint16_t *kept);
/* The same for 32-bit patterns. */
size_t ms_bracket_u32(const uint32_t *w, size_t n, const ms_bracket *bracket, uint64_t *n_below, uint32_t *kept);

/* ---- the kernels ---- */

typedef struct ms_bracket_kernels {
    size_t (*u16)(const uint16_t *w, size_t n, const ms_bracket *bracket, uint64_t *n_below, uint16_t *kept);
    size_t (*u32)(const uint32_t *w, size_t n, const ms_bracket *bracket, uint64_t *n_below, uint32_t *kept);
} ms_bracket_kernels;

extern const ms_bracket_kernels ms_bracket_scalar, ms_bracket_avx2, ms_bracket_avx512;
extern const ms_bracket_kernels ms_bracket_avx512_vbmi2; /* compresses 16-bit lanes at once */
const ms_bracket_kernels *ms_bracket_kernels_of(ms_isa isa);

#endif
