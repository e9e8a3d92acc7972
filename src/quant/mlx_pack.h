/*
 * mlx_pack: matrices as MLX stores them: to packed words, scales and biases, and back to values; bit for bit.
 *
 *   words    one little-endian bit stream a row: value i in bits i*b .. i*b+b-1; C*b/8 bytes a row (uint32 [R, C*b/32] to MLX)
 *   scales   affine: T [R, C/group], T = f32, f16 or bf16; fp modes: u8 [R, C/group]
 *   biases   affine: like scales; fp modes: none
 *
 *     ms_mlx_packed packed = {.words = ..., .scales = ..., .biases = ...};              // the caller's memory, sizes as above
 *     ms_mlx_pack_quantise(&q, &global, w, n_rows, n_cols, &packed);
 *     ms_mlx_pack_dequantise(&q.codec, &packed, n_rows, n_cols, values);
 *
 * A reader of MLX checkpoints makes the codec itself (ms_mlx_pack_codec) and points ms_mlx_stored at the mapped bytes.
 */
#ifndef MS_MLX_PACK_H
#define MS_MLX_PACK_H

#include "mlx_quantiser.h"

typedef struct ms_mlx_packed {
    uint8_t *words;  /* [n_rows * n_cols * bits / 8] */
    uint8_t *scales; /* [n_rows * n_cols / group_size] elements of T or bytes */
    uint8_t *biases; /* likewise; affine only */
} ms_mlx_packed;

typedef struct ms_mlx_stored { /* the same, to read; unaligned; borrowed */
    const uint8_t *words, *scales, *biases;
} ms_mlx_stored;

/* w: [n_rows, n_cols] f32, n_cols a multiple of the group size; rounded to T here, as MLX sees them only then.
 * For metal-0.32.0 nvfp4 this must be the whole array: its first group pair behaves differently there. */
void ms_mlx_pack_quantise(const ms_mlx_quantiser *q, const ms_mlx_global *global, const float *w, size_t n_rows, size_t n_cols,
                          const ms_mlx_packed *out);

/* out: [n_rows, n_cols] f32, values of codec->value exactly. Any bytes are valid input. */
void ms_mlx_pack_dequantise(const ms_mlx_codec *codec, const ms_mlx_stored *in, size_t n_rows, size_t n_cols, float *out);

/* A codec for stored tensors. mode, bits, group_size as the checkpoint says, scale: dtype of its scales (U8 in fp modes);
 * value: the type to dequantise to (affine: ignored, values have the scales' type). global_scale: of nvfp4, 0 for none.
 * MS_ERR_UNSUPPORTED when no MLX release could have written that. */
ms_status ms_mlx_pack_codec(ms_mlx_mode mode, int bits, int group_size, ms_dtype scale, ms_dtype value, float global_scale,
                            ms_mlx_codec *out, ms_err *err);

/* Sizes in bytes for n weights (a multiple of the group size). */
size_t ms_mlx_pack_words_size(const ms_mlx_codec *codec, size_t n);
size_t ms_mlx_pack_scales_size(const ms_mlx_codec *codec, size_t n); /* biases of affine: the same */

#endif
