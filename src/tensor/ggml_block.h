/*
 * ggml_block: the block types of ggml (GGUF files): sizes, and decoders that give ggml's own bits.
 *
 *     const ms_ggml_type *type = ms_ggml_type_by_id(id);           // NULL: no such type
 *     ms_ggml_blocks_decode(type->dtype, bytes, n_blocks, out);    // out: [n_blocks * type->block] f32
 *
 * A block holds `block` consecutive weights of a row in `bytes` bytes. All arithmetic is f32, associated as ggml's
 * dequantize_row_* functions do (ggml-quants.c, August 2026), never contracted. The layouts stand in ggml_block_scalar.c.
 */
#ifndef MS_GGML_BLOCK_H
#define MS_GGML_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"
#include "dtype.h"

typedef struct ms_ggml_type {
    uint32_t id;      /* in files */
    const char *name; /* "Q4_K", as llama.cpp spells it */
    ms_dtype dtype;   /* MS_DTYPE_UNKNOWN: listed, not decoded */
    uint32_t block;   /* weights; 0: removed from the format */
    uint32_t bytes;   /* per block */
} ms_ggml_type;

enum { MS_GGML_N_IDS = 43 };

/* The type of that id, the private ones of forks included (dtype UNKNOWN); NULL when no one uses the id. */
const ms_ggml_type *ms_ggml_type_by_id(uint32_t id);
/* The entry of a block dtype; NULL for other dtypes. */
const ms_ggml_type *ms_ggml_type_of(ms_dtype dtype);

/* bytes: n_blocks blocks, unaligned. out: [n_blocks * block] f32. dtype: one of the block types. */
void ms_ggml_blocks_decode(ms_dtype dtype, const void *bytes, size_t n_blocks, float *out);

/* ---- shared by the kernels ---- */

typedef struct ms_ggml_grids { /* the point sets of the i-quants; element 0 in the low byte */
    uint64_t iq2xxs[256], iq2xs[512], iq2s[1024], iq1s[2048];
    uint32_t iq3xxs[256], iq3s[512];
} ms_ggml_grids;

/* Expanded from their bitmaps at the first call. Thread-safe. */
const ms_ggml_grids *ms_ggml_grids_get(void);

typedef void ms_ggml_decoder(const uint8_t *bytes, size_t n_blocks, float *restrict out);

/* The decoders of an instruction set, indexed by dtype - MS_DTYPE_GGML_FIRST. */
ms_ggml_decoder *const *ms_ggml_decoders_of(ms_isa isa);
extern ms_ggml_decoder *const ms_ggml_decoders_scalar[], *const ms_ggml_decoders_avx2[], *const ms_ggml_decoders_avx512[];

#endif
