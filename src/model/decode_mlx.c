/*
 * MLX: "weight" U32 [.., out, words], a dense little-endian bit stream a row, with "scales" (and "biases") [.., out, groups].
 *
 *   mlx_affine   w = code * scale + bias; one product and one sum in f32 (MLX itself rounds both to the scales' type)
 *   mlx_mxfp4    w = E2M1 * 2^(e - 127), 32 columns a group       mlx_mxfp8   w = E4M3 * 2^(e - 127), 32 columns
 *   mlx_nvfp4    w = E2M1 * E4M3, 16 columns
 *
 * The tensors decide about bits and group size: bits = 32 words / columns, group = columns / groups.
 */
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
} mlx_layout;

static ms_status lay_out(mlx_layout *l, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err) {
    const ms_logical shape = ms_logical_shape(ckpt, tensor);
    MS_FAIL_IF(shape.rank == 0, MS_ERR_UNSUPPORTED, err, "no bit width and group size fit its words and scales");
    MS_TRY(ms_side_open(&l->scales, ckpt, tensor, ".scales", err));
    if (l->mode == AFFINE) MS_TRY(ms_side_open(&l->biases, ckpt, tensor, ".biases", err));
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

static void put_group(const mlx_layout *l, const uint8_t *codes, size_t n, float scale, float bias, float *out) {
    switch (l->mode) {
    case AFFINE:
        for (size_t i = 0; i < n; i++) out[i] = (float)codes[i] * scale + bias;
        break;
    case MXFP8:
        for (size_t i = 0; i < n; i++) out[i] = ms_f32_from_e4m3(codes[i]) * scale;
        break;
    default:
        for (size_t i = 0; i < n; i++) out[i] = ms_f32_from_e2m1(codes[i]) * scale;
    }
}

static ms_status scale_of(mlx_layout *l, uint64_t at, float *scale, float *bias, ms_err *err) {
    if (l->mode == AFFINE) {
        MS_TRY(ms_side_f32(&l->biases, at, 1, bias, err));
        return ms_side_f32(&l->scales, at, 1, scale, err);
    }
    if (l->mode != NVFP4) return ms_side_exponents(&l->scales, at, 1, scale, err);
    const uint8_t *byte;
    MS_TRY(ms_side_bytes(&l->scales, at, 1, &byte, err));
    *scale = ms_f32_from_e4m3(*byte);
    return MS_OK;
}

static ms_status segment(mlx_layout *l, ms_segment s, float *out, ms_err *err) {
    uint8_t codes[MS_SEGMENT_MOST];
    MS_TRY(ms_side_codes(&l->codes, s.row * l->words * 4, l->bits, s.col, s.n, codes, err));
    for (size_t i = 0; i < s.n;) {
        float scale = 0, bias = 0;
        const uint64_t col = s.col + i, left = l->group - col % l->group;
        const size_t n = left < s.n - i ? (size_t)left : s.n - i;
        MS_TRY(scale_of(l, s.row * l->groups + col / l->group, &scale, &bias, err));
        put_group(l, codes + i, n, scale, bias, out + i);
        i += n;
    }
    return MS_OK;
}

static mlx_mode mode_of(const char *scheme) {
    return strcmp(scheme, "mlx_affine") == 0  ? AFFINE
           : strcmp(scheme, "mlx_mxfp4") == 0 ? MXFP4
           : strcmp(scheme, "mlx_mxfp8") == 0 ? MXFP8
                                              : NVFP4;
}

static ms_status run(const ms_checkpoint *ckpt, const ms_tensor *tensor, uint64_t first, size_t n, ms_scratch *scratch,
                     float *out, ms_err *err) {
    (void)scratch;
    mlx_layout l = {.mode = mode_of(tensor->scheme)};
    ms_status status = lay_out(&l, ckpt, tensor, err);
    if (status == MS_OK)
        for (ms_segment s = ms_segment_first(first, n, l.cols); s.n > 0 && status == MS_OK; s = ms_segment_next(s, l.cols))
            status = segment(&l, s, out + s.done, err);
    ms_side_close(&l.codes);
    ms_side_close(&l.scales);
    ms_side_close(&l.biases);
    return status;
}

const ms_decoder ms_decode_mlx_affine = {.scheme = "mlx_affine", .run = run};
const ms_decoder ms_decode_mlx_mxfp4 = {.scheme = "mlx_mxfp4", .run = run};
const ms_decoder ms_decode_mlx_mxfp8 = {.scheme = "mlx_mxfp8", .run = run};
const ms_decoder ms_decode_mlx_nvfp4 = {.scheme = "mlx_nvfp4", .run = run};
