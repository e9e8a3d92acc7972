/*
 * bitsandbytes.
 *
 *   bnb_nf4, bnb_fp4   "weight" U8 [ceil(n / 2), 1]: codes of the flattened matrix, the first in the HIGH nibble;
 *                      w = quant_map[code] * absmax[element / blocksize]. "weight.absmax" F32, "weight.quant_map" F32 [16], and
 * a JSON text in "weight.quant_state.bitsandbytes__nf4" (or __fp4): blocksize, shape, nested_*. Nested: absmax is U8 and means
 * nested_quant_map[absmax] * nested_absmax[block / nested_blocksize] + nested_offset bnb_int8           "weight" I8 [out, in],
 * "SCB" F32 [out]; w = code * (SCB / 127)
 */
#include "decoders.h"
#include "side.h"

enum { MOST_STATE = 4096 }; /* bytes of JSON */

typedef struct bnb_state {
    uint64_t block, nested_block;
    float nested_offset;
} bnb_state;

typedef struct bnb_layout {
    bnb_state state;
    ms_side codes, absmax, map, nested_absmax, nested_map;
    ms_pairs pairs;
    float nested[256]; /* nested_map, under a nested absmax */
} bnb_layout;

static ms_status read_state(bnb_state *out, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err) {
    static const char *const leaves[] = {".weight.quant_state.bitsandbytes__nf4", ".weight.quant_state.bitsandbytes__fp4",
                                         NULL};
    ms_side state = {0};
    ms_arena arena = {.budget = 1 << 16};
    const uint8_t *bytes = NULL;
    const ms_json_value *root = NULL;
    *out = (bnb_state){.block = 64, .nested_block = 256};
    ms_status status = ms_side_open_any(&state, ckpt, tensor, leaves, err);
    if (status == MS_OK && state.stored->n_bytes > MOST_STATE)
        status = ms_err_set(err, MS_ERR_DAMAGED, "its quant_state has %llu bytes, at most %d are read",
                            (unsigned long long)state.stored->n_bytes, MOST_STATE);
    if (status == MS_OK) status = ms_side_bytes(&state, 0, state.stored->n_bytes, &bytes, err);
    if (status == MS_OK) status = ms_json_parse(&root, bytes, (size_t)state.stored->n_bytes, &arena, err);
    if (status == MS_OK) {
        const int64_t block = ms_json_as_i64(ms_json_get(root, "blocksize"), 64);
        const int64_t nested = ms_json_as_i64(ms_json_get(root, "nested_blocksize"), 256);
        out->nested_offset = (float)ms_json_as_f64(ms_json_get(root, "nested_offset"), 0);
        out->block = (uint64_t)block, out->nested_block = (uint64_t)nested;
        if (block <= 0 || nested <= 0)
            status = ms_err_set(err, MS_ERR_DAMAGED, "its quant_state has a block size of %lld", (long long)block);
    }
    ms_arena_free(&arena);
    ms_side_close(&state);
    return status;
}

static ms_status open_four(void *state, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err) {
    bnb_layout *const l = state;
    float values[16];
    MS_TRY(read_state(&l->state, ckpt, tensor, err));
    ms_side_over(&l->codes, tensor);
    MS_TRY(ms_side_open(&l->absmax, ckpt, tensor, ".weight.absmax", err));
    MS_TRY(ms_side_open(&l->map, ckpt, tensor, ".weight.quant_map", err));
    ms_side_open_optional(&l->nested_absmax, ckpt, tensor, ".weight.nested_absmax");
    ms_side_open_optional(&l->nested_map, ckpt, tensor, ".weight.nested_quant_map");
    MS_FAIL_IF(l->absmax.stored->dtype == MS_DTYPE_U8 && (!l->nested_absmax.stored || !l->nested_map.stored), MS_ERR_DAMAGED,
               err, "its absmax is quantised itself, but nested_absmax or nested_quant_map is missing");
    if (l->absmax.stored->dtype == MS_DTYPE_U8) MS_TRY(ms_side_f32(&l->nested_map, 0, 256, l->nested, err));
    MS_TRY(ms_side_f32(&l->map, 0, 16, values, err));
    ms_pairs_fill(&l->pairs, values, true);
    return MS_OK;
}

static ms_status scale_of(bnb_layout *l, uint64_t block, float *scale, ms_err *err) {
    if (l->absmax.stored->dtype != MS_DTYPE_U8) return ms_side_f32(&l->absmax, block, 1, scale, err);
    const uint8_t *code;
    float of_block;
    MS_TRY(ms_side_bytes(&l->absmax, block, 1, &code, err));
    MS_TRY(ms_side_f32(&l->nested_absmax, block / l->state.nested_block, 1, &of_block, err));
    *scale = l->nested[*code] * of_block + l->state.nested_offset;
    return MS_OK;
}

static ms_status run_four(void *state, uint64_t first, size_t n, float *out, ms_err *err) {
    bnb_layout *const l = state;
    for (size_t i = 0; i < n;) {
        const uint64_t at = first + i, left = l->state.block - at % l->state.block;
        const size_t count = left < n - i ? (size_t)left : n - i;
        const uint8_t *bytes;
        float scale;
        MS_TRY(scale_of(l, at / l->state.block, &scale, err));
        MS_TRY(ms_side_bytes(&l->codes, at / 2, (at + count + 1) / 2 - at / 2, &bytes, err));
        ms_pairs_scaled(&l->pairs, bytes, at % 2, count, scale, out + i);
        i += count;
    }
    return MS_OK;
}

static void close_four(void *state) {
    bnb_layout *const l = state;
    ms_side *const sides[] = {&l->codes, &l->absmax, &l->map, &l->nested_absmax, &l->nested_map};
    for (int i = 0; i < 5; i++) ms_side_close(sides[i]);
}

/* ---- 8 bits ---- */

typedef struct bnb_rows {
    ms_side codes, scales;
    uint64_t cols;
} bnb_rows;

static ms_status open_eight(void *state, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err) {
    bnb_rows *const l = state;
    ms_side_over(&l->codes, tensor);
    l->cols = ms_side_dim(&l->codes, 0);
    return ms_side_open(&l->scales, ckpt, tensor, ".SCB", err);
}

static ms_status run_eight(void *state, uint64_t first, size_t n, float *out, ms_err *err) {
    bnb_rows *const l = state;
    if (l->cols == 0) return MS_OK;
    for (ms_segment s = ms_segment_first(first, n, l->cols); s.n > 0; s = ms_segment_next(s, l->cols)) {
        const uint8_t *bytes;
        float scale;
        MS_TRY(ms_side_f32(&l->scales, s.row, 1, &scale, err));
        MS_TRY(ms_side_bytes(&l->codes, s.row * l->cols + s.col, s.n, &bytes, err));
        scale /= 127;
        for (size_t i = 0; i < s.n; i++) out[s.done + i] = (float)(int8_t)bytes[i] * scale;
    }
    return MS_OK;
}

static void close_eight(void *state) {
    bnb_rows *const l = state;
    ms_side_close(&l->codes);
    ms_side_close(&l->scales);
}

#define FOUR(id)                        \
    const ms_decoder ms_decode_##id = { \
        .scheme = #id, .state_size = sizeof(bnb_layout), .open = open_four, .run = run_four, .close = close_four}
FOUR(bnb_nf4);
FOUR(bnb_fp4);

const ms_decoder ms_decode_bnb_int8 = {
    .scheme = "bnb_int8", .state_size = sizeof(bnb_rows), .open = open_eight, .run = run_eight, .close = close_eight};
