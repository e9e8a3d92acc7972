/*
 * Quantised tensors of PyTorch: what the codes mean stands in the pickle beside the tensor, not in tensors of its module.
 *
 *   torch_affine           w = (code - zero) * scale; the difference of integers, one product in f32
 *   torch_affine_channel   the same with a scale and a zero point for each index of one axis; the product of f64 scales is
 *                          rounded once. Zero points that are floats are subtracted in f32 (per_channel_affine_float_qparams)
 *
 * Codes are I8, U8 or I32. Source: dequantize of torch 2.15.
 */
#include "decoders.h"
#include "mem.h"
#include "side.h"

typedef struct torch_layout {
    const ms_affine *affine;
    ms_side codes;
    size_t item;
    bool float_zeros;
    uint64_t n, inner;    /* channels; neighbouring elements of one channel */
    double *scale, *zero; /* owned; [n] */
} torch_layout;

/* Elements of one of the types that torch gives scales and zero points, none of them rounded. */
static double number_of(ms_dtype dtype, const uint8_t *bytes, size_t i) {
    double wide;
    float narrow;
    int64_t integer;
    if (dtype == MS_DTYPE_F64) return memcpy(&wide, bytes + 8 * i, sizeof wide), wide;
    if (dtype == MS_DTYPE_F32) return memcpy(&narrow, bytes + 4 * i, sizeof narrow), (double)narrow;
    return memcpy(&integer, bytes + 8 * i, sizeof integer), (double)integer;
}

static ms_status load(const ms_stored *stored, size_t n, double **out, ms_err *err) {
    ms_side side = {.stored = stored};
    const uint8_t *bytes;
    const ms_dtype dtype = stored->dtype;
    MS_FAIL_IF(dtype != MS_DTYPE_F64 && dtype != MS_DTYPE_F32 && dtype != MS_DTYPE_I64, MS_ERR_UNSUPPORTED, err,
               "scales or zero points of type %s", ms_str_shown(stored->dtype_name).text);
    MS_FAIL_IF(ms_side_n(&side) != n, MS_ERR_DAMAGED, err, "%llu scales or zero points for %zu channels",
               (unsigned long long)ms_side_n(&side), n);
    *out = ms_mem_alloc_array(n, sizeof **out);
    if (!*out) return ms_err_memory(err, "the scales of channels");
    const ms_status status = ms_side_bytes(&side, 0, stored->n_bytes, &bytes, err);
    for (size_t i = 0; i < n && status == MS_OK; i++) (*out)[i] = number_of(dtype, bytes, i);
    ms_side_close(&side);
    return status;
}

/* Neighbours in the file that share an index of the axis. */
static uint64_t inner_of(const ms_stored *s, uint32_t axis) {
    uint64_t n = 1;
    for (uint32_t i = 0; i < s->rank; i++)
        if (s->column_major ? i < axis : i > axis) n *= s->shape[i]; /* checked by the reader */
    return n;
}

static ms_status open(void *state, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err) {
    torch_layout *const l = state;
    const ms_stored *const s = tensor->stored;
    (void)ckpt;
    l->affine = s->affine;
    l->item = s->dtype == MS_DTYPE_I32 ? 4 : 1;
    ms_side_over(&l->codes, tensor);
    l->n = l->inner = 1;
    if (!l->affine->scales) return MS_OK;
    l->n = s->shape[l->affine->axis];
    l->inner = inner_of(s, l->affine->axis);
    MS_FAIL_IF(l->n > SIZE_MAX, MS_ERR_UNSUPPORTED, err, "too many channels");
    l->float_zeros = l->affine->zeros->dtype == MS_DTYPE_F32;
    MS_TRY(load(l->affine->scales, (size_t)l->n, &l->scale, err));
    return load(l->affine->zeros, (size_t)l->n, &l->zero, err);
}

static int64_t code_of(const ms_stored *s, const uint8_t *bytes, size_t i) {
    int32_t wide;
    if (s->dtype == MS_DTYPE_U8) return bytes[i];
    if (s->dtype == MS_DTYPE_I8) return (int8_t)bytes[i];
    memcpy(&wide, bytes + 4 * i, sizeof wide);
    return wide;
}

static ms_status run_one(void *state, uint64_t first, size_t n, float *out, ms_err *err) {
    torch_layout *const l = state;
    const float scale = (float)l->affine->scale;
    const uint8_t *bytes;
    MS_TRY(ms_side_bytes(&l->codes, first * l->item, n * l->item, &bytes, err));
    for (size_t i = 0; i < n; i++) out[i] = (float)(code_of(l->codes.stored, bytes, i) - l->affine->zero) * scale;
    return MS_OK;
}

static ms_status run_channels(void *state, uint64_t first, size_t n, float *out, ms_err *err) {
    torch_layout *const l = state;
    const uint8_t *bytes;
    MS_TRY(ms_side_bytes(&l->codes, first * l->item, n * l->item, &bytes, err));
    uint64_t channel = first / l->inner % l->n, left = l->inner - first % l->inner;
    for (size_t i = 0; i < n; i++) {
        const double difference = (double)code_of(l->codes.stored, bytes, i) - l->zero[channel];
        out[i] = (float)((l->float_zeros ? (double)(float)difference : difference) * l->scale[channel]);
        if (--left > 0) continue;
        left = l->inner;
        if (++channel == l->n) channel = 0;
    }
    return MS_OK;
}

static void close(void *state) {
    torch_layout *const l = state;
    ms_side_close(&l->codes);
    ms_mem_free(l->scale), ms_mem_free(l->zero);
}

#define DECODER(id, how)                \
    const ms_decoder ms_decode_##id = { \
        .scheme = #id, .state_size = sizeof(torch_layout), .open = open, .run = how, .close = close}
DECODER(torch_affine, run_one);
DECODER(torch_affine_channel, run_channels);
