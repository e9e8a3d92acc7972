/*
 * NVFP4 blocks of GGUF with their second scale: w = block value * scale, one product in f32.
 *
 *   X.weight   NVFP4 blocks, whose own scales ggml_block decodes
 *   X.scale    F32, one number or one an expert (the slowest axis); third-party files say X.weight.scale
 *
 * llama.cpp multiplies the matmul's output by it, which is the same in real numbers. The type must be NVFP4: gemma4's
 * ffn_down_exps.scale beside other types is the router's scale of each expert, and BitNet's .scale is a part of the model.
 */
#include "decoders.h"
#include "side.h"

static const char *const scale_leaves[] = {".scale", ".weight.scale", NULL};

typedef struct gguf_layout {
    ms_side blocks, scale;
    uint64_t per_scale; /* elements */
} gguf_layout;

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

static ms_status open(void *state, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err) {
    gguf_layout *const l = state;
    ms_side_over(&l->blocks, tensor);
    MS_TRY(ms_side_open_any(&l->scale, ckpt, tensor, scale_leaves, err));
    return elements_per_scale(&l->scale, tensor->stored, &l->per_scale, err);
}

static ms_status run(void *state, uint64_t first, size_t n, float *out, ms_err *err) {
    gguf_layout *const l = state;
    if (n == 0) return MS_OK;
    MS_TRY(ms_side_f32(&l->blocks, first, n, out, err));
    return scale_all(&l->scale, l->per_scale, first, n, out, err);
}

static void close(void *state) {
    gguf_layout *const l = state;
    ms_side_close(&l->blocks);
    ms_side_close(&l->scale);
}

const ms_decoder ms_decode_gguf_nvfp4 = {
    .scheme = "gguf_nvfp4", .state_size = sizeof(gguf_layout), .open = open, .run = run, .close = close};
