/*
 * MLX: "weight" U32 [.., out, words], a dense little-endian bit stream a row, with "scales" (and "biases") [.., out, groups].
 *
 *   mlx_affine   w = code * scale + bias; one product and one sum in f32 (MLX itself rounds both to the scales' type);
 *                "qbiases" is what transformers calls them (quant_method "metal")
 *   mlx_mxfp4    w = E2M1 * 2^(e - 127), 32 columns a group       mlx_mxfp8   w = E4M3 * 2^(e - 127), 32 columns
 *   mlx_nvfp4    w = E2M1 * E4M3, 16 columns
 *
 * The tensors decide about bits and group size: bits = 32 words / columns, group = columns / groups.
 */
#include "decode.h"
#include "decoders.h"
#include "half.h"
#include "scheme.h"
#include "side.h"

typedef enum mlx_mode { AFFINE, MXFP4, MXFP8, NVFP4 } mlx_mode;

typedef struct mlx_layout {
    mlx_mode mode;
    uint64_t cols, words, groups; /* of a row */
    unsigned bits;
    uint64_t group;
    ms_side codes, scales, biases;
    ms_pairs pairs; /* E2M1 */
} mlx_layout;

static ms_status lay_out(mlx_layout *l, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err) {
    static const char *const biases[] = {".biases", ".qbiases", NULL};
    const ms_logical shape = ms_logical_shape(ckpt, tensor);
    MS_FAIL_IF(shape.rank == 0, MS_ERR_UNSUPPORTED, err, "no bit width and group size fit its words and scales");
    MS_TRY(ms_side_open(&l->scales, ckpt, tensor, ".scales", err));
    if (l->mode == AFFINE) MS_TRY(ms_side_open_any(&l->biases, ckpt, tensor, biases, err));
    ms_side_over(&l->codes, tensor);
    l->cols = shape.shape[shape.rank - 1];
    l->words = ms_side_dim(&l->codes, 0);
    l->groups = ms_side_dim(&l->scales, 0);
    MS_FAIL_IF(l->cols == 0 || l->groups == 0 || l->cols % l->groups != 0 || l->words * 32 % l->cols != 0, MS_ERR_DAMAGED, err,
               "%llu words and %llu groups do not fit rows of %llu weights", (unsigned long long)l->words,
               (unsigned long long)l->groups, (unsigned long long)l->cols);
    l->bits = (unsigned)(l->words * 32 / l->cols);
    l->group = l->cols / l->groups;
    const unsigned fixed[] = {[AFFINE] = l->bits, [MXFP4] = 4, [MXFP8] = 8, [NVFP4] = 4};
    MS_FAIL_IF(l->bits < 1 || l->bits > 8 || l->bits != fixed[l->mode], MS_ERR_UNSUPPORTED, err, "codes of %u bits", l->bits);
    return MS_OK;
}

/* Scales, and biases where there are some, of groups [first, first + n). */
static ms_status scales_of(mlx_layout *l, uint64_t first, size_t n, float *scales, float *biases, ms_err *err) {
    if (l->mode == AFFINE) MS_TRY(ms_side_f32(&l->biases, first, n, biases, err));
    if (l->mode == AFFINE) return ms_side_f32(&l->scales, first, n, scales, err);
    if (l->mode != NVFP4) return ms_side_exponents(&l->scales, first, n, scales, err);
    const uint8_t *bytes;
    MS_TRY(ms_side_bytes(&l->scales, first, n, &bytes, err));
    return ms_decode_f32(MS_DTYPE_F8_E4M3, bytes, 0, n, scales, err);
}

/* Codes [col, col + n) of a row: as numbers, 8-bit floats as what they are; those of 4 bits later, by their bytes. */
static ms_status codes_of(mlx_layout *l, ms_segment s, const uint8_t **nibbles, float *out, ms_err *err) {
    const uint64_t row = s.row * l->words * 4;
    uint8_t codes[MS_SEGMENT_MOST];
    *nibbles = NULL;
    if (l->mode == MXFP4 || l->mode == NVFP4)
        return ms_side_bytes(&l->codes, row + s.col / 2, (s.col + s.n + 1) / 2 - s.col / 2, nibbles, err);
    if (l->mode == MXFP8) {
        const uint8_t *bytes;
        MS_TRY(ms_side_bytes(&l->codes, row + s.col, s.n, &bytes, err));
        return ms_decode_f32(MS_DTYPE_F8_E4M3, bytes, 0, s.n, out, err);
    }
    MS_TRY(ms_side_codes(&l->codes, row, l->bits, s.col, s.n, codes, err));
    for (size_t i = 0; i < s.n; i++) out[i] = (float)codes[i];
    return MS_OK;
}

static ms_status segment(mlx_layout *l, ms_segment s, float *out, ms_err *err) {
    float scales[MS_SEGMENT_MOST + 1], biases[MS_SEGMENT_MOST + 1];
    const uint64_t first = s.col / l->group, last = (s.col + s.n - 1) / l->group;
    const uint8_t *nibbles;
    MS_TRY(codes_of(l, s, &nibbles, out, err));
    MS_TRY(scales_of(l, s.row * l->groups + first, (size_t)(last - first + 1), scales, biases, err));
    uint64_t n_alike = l->group - s.col % l->group;
    for (size_t i = 0, g = 0; i < s.n; g++, n_alike = l->group) {
        const size_t end = n_alike < s.n - i ? i + (size_t)n_alike : s.n, at = (size_t)(s.col % 2) + i;
        if (nibbles) ms_pairs_scaled(&l->pairs, nibbles + at / 2, at % 2, end - i, scales[g], out + i);
        else if (l->mode == AFFINE)
            for (size_t k = i; k < end; k++) out[k] = out[k] * scales[g] + biases[g];
        else
            for (size_t k = i; k < end; k++) out[k] *= scales[g];
        i = end;
    }
    return MS_OK;
}

static mlx_mode mode_of(const char *scheme) {
    return strcmp(scheme, "mlx_affine") == 0  ? AFFINE
           : strcmp(scheme, "mlx_mxfp4") == 0 ? MXFP4
           : strcmp(scheme, "mlx_mxfp8") == 0 ? MXFP8
                                              : NVFP4;
}

static ms_status open(void *state, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err) {
    mlx_layout *const l = state;
    float values[16];
    l->mode = mode_of(tensor->scheme);
    for (uint8_t code = 0; code < 16; code++) values[code] = ms_f32_from_e2m1(code);
    ms_pairs_fill(&l->pairs, values, false);
    return lay_out(l, ckpt, tensor, err);
}

static ms_status run(void *state, uint64_t first, size_t n, float *out, ms_err *err) {
    mlx_layout *const l = state;
    for (ms_segment s = ms_segment_first(first, n, l->cols); s.n > 0; s = ms_segment_next(s, l->cols))
        MS_TRY(segment(l, s, out + s.done, err));
    return MS_OK;
}

static void close(void *state) {
    mlx_layout *const l = state;
    ms_side_close(&l->codes);
    ms_side_close(&l->scales);
    ms_side_close(&l->biases);
}

#define DECODER(id)                     \
    const ms_decoder ms_decode_##id = { \
        .scheme = #id, .state_size = sizeof(mlx_layout), .open = open, .run = run, .close = close}
DECODER(mlx_affine);
DECODER(mlx_mxfp4);
DECODER(mlx_mxfp8);
DECODER(mlx_nvfp4);
