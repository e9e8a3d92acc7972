/*
 * 8-bit floats with scales: w = code * scale, one product in f32.
 *
 *   fp8_tensor    one scale, or one an expert, or one a half of gate_up ([E, 2])
 *   fp8_channel   one a row: [out], [out, 1], [E, out, 1]; or one a column where the weight is stored [in, out] ([E, 1, out],
 * [E, out, 1]) fp8_block     a grid over the last two axes, blocks of weight_block_size (128 x 128 unless told), the last ones
 * cut mxfp8         one exponent for 32 columns
 *
 * Scales are F32, BF16, F16, or exponents (F8_E8M0, U8). Names say "scale_inv" though one multiplies. Sources: DeepSeek-V3,
 * transformers 5.23, compressed-tensors, ModelOpt, fbgemm.
 */
#include "decode.h"
#include "decoders.h"
#include "family.h"
#include "scheme.h"
#include "side.h"

typedef struct fp8_layout {
    uint64_t cols, rows, n_matrices; /* last two axes; product of those before */
    ms_side codes, scale;
    uint64_t block_rows, block_cols, grid_rows, grid_cols; /* of a scale */
} fp8_layout;

static ms_status take_shape(fp8_layout *l, const ms_stored *s, ms_err *err) {
    MS_FAIL_IF(s->rank < 1, MS_ERR_UNSUPPORTED, err, "an 8-bit float of rank 0");
    l->cols = s->shape[s->rank - 1];
    l->rows = s->rank > 1 ? s->shape[s->rank - 2] : 1;
    l->n_matrices = 1;
    for (uint32_t i = 0; i + 2 < s->rank; i++) l->n_matrices *= s->shape[i]; /* the product was checked by the reader */
    return MS_OK;
}

/* Stored [in, out], by the family that explains the name. */
static bool is_transposed(const ms_checkpoint *ckpt, const ms_tensor *tensor) {
    const ms_pattern *const pattern = ckpt->patterns ? &ckpt->patterns[tensor->pattern] : NULL;
    return pattern && pattern->row && (pattern->row->layout & MS_LAY_TRANSPOSED);
}

static void per_tensor(fp8_layout *l) {
    const uint64_t n = ms_side_n(&l->scale);
    l->block_rows = l->rows, l->block_cols = l->cols;
    l->grid_rows = l->grid_cols = 1;
    if (n == 1) l->n_matrices = 1, l->block_rows = UINT64_MAX; /* all rows of all matrices */
}

static ms_status per_channel(fp8_layout *l, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err) {
    const uint64_t per_matrix = l->n_matrices ? ms_side_n(&l->scale) / l->n_matrices : 0;
    const bool could_be_rows = per_matrix == l->rows, could_be_cols = per_matrix == l->cols;
    MS_FAIL_IF(!could_be_rows && !could_be_cols, MS_ERR_DAMAGED, err, "%llu scales fit neither its rows nor its columns",
               (unsigned long long)ms_side_n(&l->scale));
    const bool names_cols = l->scale.stored->rank > 2 && ms_side_dim(&l->scale, 1) == 1 && ms_side_dim(&l->scale, 0) > 1;
    const bool by_cols = could_be_cols && (!could_be_rows || names_cols || is_transposed(ckpt, tensor));
    l->block_rows = by_cols ? l->rows : 1, l->block_cols = by_cols ? 1 : l->cols;
    l->grid_rows = by_cols ? 1 : l->rows, l->grid_cols = by_cols ? l->cols : 1;
    return MS_OK;
}

static bool covers(uint64_t n, uint64_t block, uint64_t blocks) { return block > 0 && n / block + (n % block != 0) == blocks; }

/* The block's extent along an axis: what the config says if it fits, else 128, other powers of two, equal parts. */
static uint64_t block_extent(uint64_t n, uint64_t blocks, int64_t told) {
    if (told > 0 && covers(n, (uint64_t)told, blocks)) return (uint64_t)told;
    if (blocks == n) return 1;
    if (covers(n, 128, blocks)) return 128;
    for (uint64_t size = 16; size <= 4096; size *= 2)
        if (covers(n, size, blocks)) return size;
    return blocks ? n / blocks + (n % blocks != 0) : 0;
}

static void told_block(const ms_checkpoint *ckpt, int64_t told[static 2]) {
    const ms_json_value *const q = ckpt->model.quantization, *const groups = ms_json_get(q, "config_groups");
    const ms_json_value *block = ms_json_get(q, "weight_block_size");
    if (!block && groups && groups->kind == MS_JSON_OBJECT && groups->object.n)
        block = ms_json_path(groups->object.members[0].value, "weights.block_structure");
    told[0] = told[1] = 0;
    if (!block || block->kind != MS_JSON_ARRAY || block->array.n != 2) return;
    told[0] = ms_json_as_i64(&block->array.items[0], 0);
    told[1] = ms_json_as_i64(&block->array.items[1], 0);
}

static ms_status per_block(fp8_layout *l, const ms_checkpoint *ckpt, ms_err *err) {
    int64_t told[2];
    told_block(ckpt, told);
    l->grid_rows = ms_side_dim(&l->scale, 1), l->grid_cols = ms_side_dim(&l->scale, 0);
    l->block_rows = block_extent(l->rows, l->grid_rows, told[0]);
    l->block_cols = block_extent(l->cols, l->grid_cols, told[1]);
    const uint64_t in_grid = l->grid_rows * l->grid_cols;
    MS_FAIL_IF(!covers(l->rows, l->block_rows, l->grid_rows) || !covers(l->cols, l->block_cols, l->grid_cols) || in_grid == 0 ||
                   ms_side_n(&l->scale) / in_grid != l->n_matrices,
               MS_ERR_DAMAGED, err, "a grid of %llu x %llu scales does not cover its %llu x %llu weights",
               (unsigned long long)l->grid_rows, (unsigned long long)l->grid_cols, (unsigned long long)l->rows,
               (unsigned long long)l->cols);
    return MS_OK;
}

static ms_status lay_out(fp8_layout *l, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err) {
    MS_TRY(take_shape(l, tensor->stored, err));
    if (strcmp(tensor->scheme, "fp8_tensor") == 0) return per_tensor(l), MS_OK;
    if (strcmp(tensor->scheme, "fp8_channel") == 0) return per_channel(l, ckpt, tensor, err);
    return per_block(l, ckpt, err); /* mxfp8 is a grid of 1 x 32 */
}

/* Of a segment, which lies in one row: the scales of its blocks at once. */
static ms_status scale_segment(fp8_layout *l, ms_segment s, float *out, ms_err *err) {
    float scales[MS_SEGMENT_MOST + 1];
    const bool of_all = l->block_rows == UINT64_MAX;
    const uint64_t matrix = of_all ? 0 : s.row / l->rows, row = of_all ? 0 : s.row % l->rows;
    const uint64_t first = s.col / l->block_cols, last = (s.col + s.n - 1) / l->block_cols;
    const uint64_t at = (matrix * l->grid_rows + row / l->block_rows) * l->grid_cols + first;
    MS_TRY(ms_side_exponents(&l->scale, at, (size_t)(last - first + 1), scales, err));
    if (l->block_cols == 1) {
        for (size_t i = 0; i < s.n; i++) out[i] *= scales[i];
        return MS_OK;
    }
    size_t n_alike = (size_t)(l->block_cols - s.col % l->block_cols);
    for (size_t i = 0, block = 0; i < s.n; block++, n_alike = (size_t)l->block_cols) {
        const float scale = scales[block];
        for (const size_t end = n_alike < s.n - i ? i + n_alike : s.n; i < end; i++) out[i] *= scale;
    }
    return MS_OK;
}

static ms_status open(void *state, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err) {
    fp8_layout *const l = state;
    ms_side_over(&l->codes, tensor);
    MS_TRY(ms_side_open_any(&l->scale, ckpt, tensor, ms_fp8_scales, err));
    return lay_out(l, ckpt, tensor, err);
}

static ms_status run(void *state, uint64_t first, size_t n, float *out, ms_err *err) {
    fp8_layout *const l = state;
    MS_TRY(ms_side_f32(&l->codes, first, n, out, err));
    if (l->cols == 0) return MS_OK;
    for (ms_segment s = ms_segment_first(first, n, l->cols); s.n > 0; s = ms_segment_next(s, l->cols))
        MS_TRY(scale_segment(l, s, out + s.done, err));
    return MS_OK;
}

static void close(void *state) {
    fp8_layout *const l = state;
    ms_side_close(&l->codes);
    ms_side_close(&l->scale);
}

#define DECODER(id)                     \
    const ms_decoder ms_decode_##id = { \
        .scheme = #id, .state_size = sizeof(fp8_layout), .open = open, .run = run, .close = close}
DECODER(fp8_tensor);
DECODER(fp8_channel);
DECODER(fp8_block);
DECODER(mxfp8);
