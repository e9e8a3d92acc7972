/*
 * NVFP4 blocks of GGUF with their second scale: w = block value * scale, one product in f32.
 *
 *   X.weight   NVFP4 blocks, whose own scales ggml_block decodes
 *   X.scale    F32, one number or one an expert (the slowest axis); third-party files say X.weight.scale
 *
 * llama.cpp multiplies the matmul's output by it, which is the same in real numbers. The type must be NVFP4: gemma4's
 * ffn_down_exps.scale beside other types is the router's scale of each expert, and BitNet's .scale is a part of the model.
 */
#include "decode.h"
#include "decoders.h"
#include "side.h"

static const char *const scale_leaves[] = {".scale", ".weight.scale", NULL};

static ms_status block_values(const ms_stored *s, uint64_t first, size_t n, ms_scratch *scratch, float *out, ms_err *err) {
    uint64_t offset, n_bytes, begin;
    const void *bytes;
    MS_FAIL_IF(!ms_dtype_range(s->dtype, first, n, &offset, &n_bytes, &begin), MS_ERR_UNSUPPORTED, err,
               "elements of type %s cannot be read", ms_str_shown(s->dtype_name).text);
    MS_TRY(ms_source_view(s->source, s->offset + offset, (size_t)n_bytes, scratch, &bytes, err));
    return ms_decode_f32(s->dtype, bytes, (size_t)begin, n, out, err);
}

/* How many elements share a scale: all, or those of an expert. */
static ms_status elements_per_scale(const ms_side *scale, const ms_stored *s, uint64_t *out, ms_err *err) {
    const uint64_t n_scales = ms_side_n(scale), n_experts = s->rank > 2 ? s->shape[0] : 1;
    MS_FAIL_IF(n_scales != 1 && n_scales != n_experts, MS_ERR_DAMAGED, err,
               "'%s' has %llu scales; one, or one for each of %llu experts, is expected",
               ms_str_shown(scale->stored->name).text, (unsigned long long)n_scales, (unsigned long long)n_experts);
    *out = UINT64_MAX;
    if (n_scales == 1) return MS_OK;
    *out = 1;
    for (uint32_t i = 1; i < s->rank; i++) *out *= s->shape[i]; /* the product was checked by the reader */
    return MS_OK;
}

static ms_status scale_all(ms_side *scale, uint64_t per_scale, uint64_t first, size_t n, float *out, ms_err *err) {
    for (size_t i = 0; i < n;) {
        const uint64_t at = first + i, left = per_scale - at % per_scale;
        const size_t end = left < n - i ? i + (size_t)left : n;
        float factor;
        MS_TRY(ms_side_f32(scale, at / per_scale, 1, &factor, err));
        for (; i < end; i++) out[i] *= factor;
    }
    return MS_OK;
}

static ms_status run(const ms_checkpoint *ckpt, const ms_tensor *tensor, uint64_t first, size_t n, ms_scratch *scratch,
                     float *out, ms_err *err) {
    ms_side scale;
    uint64_t per_scale;
    if (n == 0) return MS_OK;
    MS_TRY(ms_side_open_any(&scale, ckpt, tensor, scale_leaves, err));
    ms_status status = elements_per_scale(&scale, tensor->stored, &per_scale, err);
    if (status == MS_OK) status = block_values(tensor->stored, first, n, scratch, out, err);
    if (status == MS_OK) status = scale_all(&scale, per_scale, first, n, out, err);
    ms_side_close(&scale);
    return status;
}

const ms_decoder ms_decode_gguf_nvfp4 = {.scheme = "gguf_nvfp4", .run = run};
