/*
 * side: the small tensors beside a quantised one (scales, zero points, group indexes), and walking a run row by row.
 *
 *     ms_side scale;
 *     MS_TRY(ms_side_open(&scale, ckpt, tensor, ".weight_scale", err));        // MS_ERR_DAMAGED when it is missing
 *     for (ms_segment s = ms_segment_first(first, n, cols); s.n > 0; s = ms_segment_next(s, cols)) {
 *         MS_TRY(ms_side_f32(&scale, s.row * groups + s.col / 32, n_groups, values, err));
 *         ...
 *     }
 *     ms_side_close(&scale);
 */
#ifndef MS_SIDE_H
#define MS_SIDE_H

#include "checkpoint.h"

typedef struct ms_side {
    const ms_stored *stored; /* NULL: there is none */
    ms_scratch scratch;
} ms_side;

/* The tensor of the same module with that leaf. The _optional form leaves stored NULL when there is none. */
ms_status ms_side_open(ms_side *out, const ms_checkpoint *ckpt, const ms_tensor *tensor, const char *leaf, ms_err *err);
void ms_side_open_optional(ms_side *out, const ms_checkpoint *ckpt, const ms_tensor *tensor, const char *leaf);
/* The first leaf of a NULL-terminated list that exists. */
ms_status ms_side_open_any(ms_side *out, const ms_checkpoint *ckpt, const ms_tensor *tensor, const char *const *leaves,
                           ms_err *err);
/* The tensor itself, for its codes. */
void ms_side_over(ms_side *out, const ms_tensor *tensor);
void ms_side_close(ms_side *side);

uint64_t ms_side_n(const ms_side *side);                       /* elements */
uint64_t ms_side_dim(const ms_side *side, uint32_t from_last); /* extent of an axis counted from the last; 1 beyond the rank */

/* Elements [first, first + n) as f32; exponents (F8_E8M0, and U8 under `exponents`) as 2^(x - 127). MS_ERR_DAMAGED outside. */
ms_status ms_side_f32(ms_side *side, uint64_t first, size_t n, float *out, ms_err *err);
ms_status ms_side_exponents(ms_side *side, uint64_t first, size_t n, float *out, ms_err *err);

/* Bytes [first, first + n) of the tensor; borrowed until the side is used again. */
ms_status ms_side_bytes(ms_side *side, uint64_t first, uint64_t n, const uint8_t **out, ms_err *err);

/* Codes [first, first + n) of `bits` (1 to 8) each, from a little-endian bit stream that begins at bit 0 of byte `byte`. */
ms_status ms_side_codes(ms_side *side, uint64_t byte, unsigned bits, uint64_t first, size_t n, uint8_t *out, ms_err *err);
/* The same from bytes: n codes from bit `bit` (0 to 7) of p[0]; reads no byte beyond the last code. */
void ms_side_unpack(const uint8_t *p, unsigned bit, unsigned bits, size_t n, uint8_t *out);

/* The groups of [n] columns, each below `limit`; *out owned, NULL when the first is -1 (they follow in order).
 * MS_ERR_DAMAGED for others. */
ms_status ms_side_groups(ms_side *side, size_t n, uint64_t limit, uint32_t **out, ms_err *err);

typedef struct ms_pairs { /* the two 4-bit codes of a byte, as values */
    float of[256][2];
} ms_pairs;
/* values: [16], by code. high_first: the first code of a byte is its high nibble. */
void ms_pairs_fill(ms_pairs *out, const float *values, bool high_first);
/* out[i] = the value of code skip + i, times scale; skip: 0 or 1. */
void ms_pairs_scaled(const ms_pairs *pairs, const uint8_t *bytes, size_t skip, size_t n, float scale, float *out);

typedef struct ms_segment { /* a part of one row */
    uint64_t row, col;
    size_t n;    /* elements; 0: the walk is over */
    size_t done; /* elements before this one */
    size_t left; /* elements after it */
} ms_segment;

enum { MS_SEGMENT_MOST = 1024 }; /* elements: buffers of that size fit on the stack */

/* The run [first, first + n) of a tensor whose last axis has `cols` > 0 elements, cut at row ends and every MS_SEGMENT_MOST
 * columns. */
ms_segment ms_segment_first(uint64_t first, size_t n, uint64_t cols);
ms_segment ms_segment_next(ms_segment segment, uint64_t cols);

#endif
