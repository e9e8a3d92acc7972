/*
 * 4-bit floats (E2M1), two a byte, the first in the low nibble, with a scale for every 32 or 16 columns; and 6-bit ones (E2M3),
 * four in three bytes.
 *
 *   mxfp4   w = code * 2^(e - 127); exponents U8 or F8_E8M0, one for 32 columns. Codes as "_blocks" [.., groups, 16] (gpt-oss),
 *           "weight_packed" [out, in / 2] (compressed-tensors), or "weight" I8 [out, in / 2] (DeepSeek-V4)
 *   mxfp6   the same; "weight_packed" U8 [out, in * 3 / 4], a little-endian bit stream a row (compressed-tensors)
 *   nvfp4   one F8_E4M3 for 16 columns, and an F32 for the tensor, or one for each matrix of a stack:
 *               weight_global_scale (compressed-tensors)   w = code * (scale / global)
 *               weight_scale_2      (ModelOpt)             w = code * (scale * global)
 *           a missing one counts as 1
 *
 * Stacks that ModelOpt writes for Llama 4 and gpt-oss hold their inputs along the axis before the last, packed and scaled along
 * it too: "gate_up_proj" U8 [E, in / 2, out], "gate_up_proj_weight_scale" F8_E4M3 [E, in / 16, out].
 */
#include "decoders.h"
#include "half.h"
#include "scheme.h"
#include "side.h"

typedef struct fp4_layout {
    uint64_t cols, groups; /* of a row */
    uint64_t rows;         /* of a matrix */
    bool down;             /* packed along columns: a byte holds two rows, a group has its scale in each column */
    size_t group;          /* columns */
    ms_side codes, scale, global;
    bool divides;
    ms_pairs pairs;
    float values[64]; /* of the codes */
} fp4_layout;

/* Scales [first, first + n) of a matrix of the stack. */
static ms_status scales_of(fp4_layout *l, uint64_t matrix, uint64_t first, size_t n, float *out, ms_err *err) {
    if (l->group == 32) return ms_side_exponents(&l->scale, first, n, out, err);
    MS_TRY(ms_side_f32(&l->scale, first, n, out, err));
    if (!l->global.stored) return MS_OK;
    float global;
    MS_TRY(ms_side_f32(&l->global, ms_side_n(&l->global) == 1 ? 0 : matrix, 1, &global, err));
    for (size_t i = 0; i < n; i++) out[i] = l->divides ? out[i] / global : out[i] * global;
    return MS_OK;
}

static ms_status segment(fp4_layout *l, ms_segment s, bool six, float *out, ms_err *err) {
    float scales[MS_SEGMENT_MOST / 16 + 2];
    uint8_t codes[MS_SEGMENT_MOST];
    const uint8_t *bytes = NULL;
    const uint64_t in_all = s.row * l->cols + s.col;
    const uint64_t first_group = s.col / l->group, last_group = (s.col + s.n - 1) / l->group;
    MS_TRY(scales_of(l, s.row / l->rows, s.row * l->groups + first_group, (size_t)(last_group - first_group + 1), scales, err));
    if (six) MS_TRY(ms_side_codes(&l->codes, s.row * (l->cols / 4 * 3), 6, s.col, s.n, codes, err));
    else MS_TRY(ms_side_bytes(&l->codes, in_all / 2, (in_all + s.n + 1) / 2 - in_all / 2, &bytes, err));
    size_t n_alike = l->group - (size_t)(s.col % l->group);
    for (size_t i = 0, g = 0; i < s.n; g++, i += n_alike, n_alike = l->group) {
        if (n_alike > s.n - i) n_alike = s.n - i;
        const size_t at = (size_t)(in_all % 2) + i;
        if (six)
            for (size_t k = i; k < i + n_alike; k++) out[k] = l->values[codes[k]] * scales[g];
        else ms_pairs_scaled(&l->pairs, bytes + at / 2, at % 2, n_alike, scales[g], out + i);
    }
    return MS_OK;
}

/* Rows are even in number: two of a matrix share their bytes. */
static ms_status segment_down(fp4_layout *l, ms_segment s, float *out, ms_err *err) {
    float scales[MS_SEGMENT_MOST];
    const uint8_t *bytes = NULL;
    MS_TRY(scales_of(l, s.row / l->rows, s.row / l->group * l->cols + s.col, s.n, scales, err));
    MS_TRY(ms_side_bytes(&l->codes, s.row / 2 * l->cols + s.col, s.n, &bytes, err));
    for (size_t i = 0; i < s.n; i++) out[i] = l->pairs.of[bytes[i]][s.row % 2] * scales[i];
    return MS_OK;
}

/* One scale a group, a row of them for each row of codes; or, packed down, a row of them for each group of rows. */
static ms_status open_scales(fp4_layout *l, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err) {
    const ms_logical shape = ms_logical_shape(ckpt, tensor);
    MS_FAIL_IF(shape.rank == 0 || shape.shape[shape.rank - 1] == 0, MS_ERR_UNSUPPORTED, err,
               "the shape of its weights cannot be told");
    l->cols = shape.shape[shape.rank - 1];
    l->groups = (l->cols + l->group - 1) / l->group;
    l->down = shape.in_before_out;
    MS_TRY(ms_side_open_any(&l->scale, ckpt, tensor, ms_fp4_scales, err));
    MS_FAIL_IF(l->scale.stored->rank < 2, MS_ERR_UNSUPPORTED, err,
               "its scales are flat, as TensorRT-LLM shuffles them for its kernels; the order cannot be told");
    uint64_t rows = 1; /* of all matrices; the product was checked */
    for (uint32_t i = 0; i + 1 < shape.rank; i++) rows *= shape.shape[i];
    l->rows = shape.rank > 1 ? shape.shape[shape.rank - 2] : 1;
    const uint64_t n = ms_side_n(&l->scale), in_row = ms_side_dim(&l->scale, 0);
    if (l->down && l->rows % l->group == 0 && in_row == l->cols && n / in_row == rows / l->group) return MS_OK;
    MS_FAIL_IF(in_row != l->groups || n / in_row != rows, MS_ERR_UNSUPPORTED, err,
               "'%s' has %llu scales, %llu in a row, for %llu rows of %llu weights: another layout than the known ones",
               ms_str_shown(l->scale.stored->name).text, (unsigned long long)n, (unsigned long long)in_row,
               (unsigned long long)rows, (unsigned long long)l->cols);
    return MS_OK;
}

static ms_status open_global(fp4_layout *l, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err) {
    static const char *const leaves[] = {".weight_global_scale", "_global_scale", ".weight_scale_2",
                                         "_weight_scale_2",      "_scale_2",      NULL};
    for (size_t i = 0; leaves[i] && !l->global.stored; i++) {
        ms_side_open_optional(&l->global, ckpt, tensor, leaves[i]);
        l->divides = i < 2;
    }
    if (!l->global.stored || l->rows == 0) return MS_OK;
    const uint64_t n_scales = ms_side_n(&l->scale), n = ms_side_n(&l->global);
    const uint64_t n_matrices = l->down ? n_scales / l->cols / (l->rows / l->group) : n_scales / l->groups / l->rows;
    MS_FAIL_IF(n != 1 && n != n_matrices, MS_ERR_UNSUPPORTED, err, "'%s' has %llu values for %llu matrices",
               ms_str_shown(l->global.stored->name).text, (unsigned long long)n, (unsigned long long)n_matrices);
    return MS_OK;
}

static ms_status open(void *state, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err) {
    fp4_layout *const l = state;
    const bool six = strcmp(tensor->scheme, "mxfp6") == 0;
    l->group = strcmp(tensor->scheme, "nvfp4") == 0 ? 16 : 32;
    ms_side_over(&l->codes, tensor);
    for (uint8_t code = 0; code < 64; code++) l->values[code] = six ? ms_f32_from_e2m3(code) : ms_f32_from_e2m1(code & 15);
    ms_pairs_fill(&l->pairs, l->values, false);
    MS_TRY(open_scales(l, ckpt, tensor, err));
    return l->group == 16 ? open_global(l, ckpt, tensor, err) : MS_OK;
}

static ms_status run_of(fp4_layout *l, uint64_t first, size_t n, bool six, float *out, ms_err *err) {
    for (ms_segment s = ms_segment_first(first, n, l->cols); s.n > 0; s = ms_segment_next(s, l->cols))
        MS_TRY(l->down ? segment_down(l, s, out + s.done, err) : segment(l, s, six, out + s.done, err));
    return MS_OK;
}

static ms_status run_four(void *state, uint64_t first, size_t n, float *out, ms_err *err) {
    return run_of(state, first, n, false, out, err);
}

static ms_status run_six(void *state, uint64_t first, size_t n, float *out, ms_err *err) {
    return run_of(state, first, n, true, out, err);
}

static void close(void *state) {
    fp4_layout *const l = state;
    ms_side *const sides[] = {&l->codes, &l->scale, &l->global};
    for (int i = 0; i < 3; i++) ms_side_close(sides[i]);
}

#define DECODER(id, how)                \
    const ms_decoder ms_decode_##id = { \
        .scheme = #id, .state_size = sizeof(fp4_layout), .open = open, .run = how, .close = close}
DECODER(mxfp4, run_four);
DECODER(nvfp4, run_four);
DECODER(mxfp6, run_six);
