/*
 * 4-bit floats (E2M1), two a byte, the first in the low nibble, with a scale for every 32 or 16 columns.
 *
 *   mxfp4   w = code * 2^(e - 127); exponents U8 or F8_E8M0, one for 32 columns. Stored as "_blocks" [.., groups, 16]
 * (gpt-oss), as "weight_packed" [out, in / 2] (compressed-tensors), or as "weight" I8 [out, in / 2] (DeepSeek-V4) nvfp4   one
 * F8_E4M3 for 16 columns and an F32 for the tensor: weight_global_scale (compressed-tensors)   w = code * (scale / global)
 *             weight_scale_2      (ModelOpt)             w = code * (scale * global)
 *           a missing one counts as 1
 */
#include "decoders.h"
#include "half.h"
#include "scheme.h"
#include "side.h"

typedef struct fp4_layout {
    uint64_t cols;
    size_t group;
    ms_side codes, scale;
    float global;
    bool divides;
} fp4_layout;

static ms_status scales_of(fp4_layout *l, uint64_t group, size_t n, float *out, ms_err *err) {
    if (l->group == 32) return ms_side_exponents(&l->scale, group, n, out, err);
    MS_TRY(ms_side_f32(&l->scale, group, n, out, err));
    for (size_t i = 0; i < n; i++) out[i] = l->divides ? out[i] / l->global : out[i] * l->global;
    return MS_OK;
}

static ms_status segment(fp4_layout *l, ms_segment s, float *out, ms_err *err) {
    float scales[MS_SEGMENT_MOST / 16 + 2];
    const uint8_t *bytes;
    const uint64_t in_all = s.row * l->cols + s.col, groups = (l->cols + l->group - 1) / l->group;
    const uint64_t first_group = s.col / l->group, last_group = (s.col + s.n - 1) / l->group;
    MS_TRY(scales_of(l, s.row * groups + first_group, (size_t)(last_group - first_group + 1), scales, err));
    MS_TRY(ms_side_bytes(&l->codes, in_all / 2, (in_all + s.n + 1) / 2 - in_all / 2, &bytes, err));
    const size_t skip = in_all % 2;
    for (size_t i = 0; i < s.n; i++) {
        const uint8_t byte = bytes[(i + skip) / 2];
        out[i] = ms_f32_from_e2m1((i + skip) % 2 ? byte >> 4 : byte & 15) * scales[(s.col + i) / l->group - first_group];
    }
    return MS_OK;
}

static ms_status open_scales(fp4_layout *l, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err) {
    static const char *const leaves[] = {".weight_scale", ".scales", "_scales", ".scale", "_scale", NULL};
    const ms_logical shape = ms_logical_shape(ckpt, tensor);
    MS_FAIL_IF(shape.rank == 0 || shape.shape[shape.rank - 1] == 0, MS_ERR_UNSUPPORTED, err,
               "the shape of its weights cannot be told");
    l->cols = shape.shape[shape.rank - 1];
    MS_TRY(ms_side_open_any(&l->scale, ckpt, tensor, leaves, err));
    MS_FAIL_IF(l->scale.stored->rank < 2, MS_ERR_UNSUPPORTED, err,
               "its scales are flat, as TensorRT-LLM shuffles them for its kernels; the order cannot be told");
    return MS_OK;
}

static ms_status open_global(fp4_layout *l, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err) {
    ms_side global;
    ms_side_open_optional(&global, ckpt, tensor, ".weight_global_scale");
    l->divides = global.stored != NULL;
    l->global = 1;
    if (!global.stored) ms_side_open_optional(&global, ckpt, tensor, ".weight_scale_2");
    const ms_status status = global.stored ? ms_side_f32(&global, 0, 1, &l->global, err) : MS_OK;
    ms_side_close(&global);
    return status;
}

static ms_status run(const ms_checkpoint *ckpt, const ms_tensor *tensor, uint64_t first, size_t n, float *out, size_t group,
                     ms_err *err) {
    fp4_layout l = {.group = group, .global = 1};
    ms_side_over(&l.codes, tensor);
    ms_status status = open_scales(&l, ckpt, tensor, err);
    if (status == MS_OK && group == 16) status = open_global(&l, ckpt, tensor, err);
    if (status == MS_OK)
        for (ms_segment s = ms_segment_first(first, n, l.cols); s.n > 0 && status == MS_OK; s = ms_segment_next(s, l.cols))
            status = segment(&l, s, out + s.done, err);
    ms_side_close(&l.codes);
    ms_side_close(&l.scale);
    return status;
}

static ms_status run_mxfp4(const ms_checkpoint *ckpt, const ms_tensor *tensor, uint64_t first, size_t n, ms_scratch *scratch,
                           float *out, ms_err *err) {
    (void)scratch;
    return run(ckpt, tensor, first, n, out, 32, err);
}

static ms_status run_nvfp4(const ms_checkpoint *ckpt, const ms_tensor *tensor, uint64_t first, size_t n, ms_scratch *scratch,
                           float *out, ms_err *err) {
    (void)scratch;
    return run(ckpt, tensor, first, n, out, 16, err);
}

const ms_decoder ms_decode_mxfp4 = {.scheme = "mxfp4", .run = run_mxfp4};
const ms_decoder ms_decode_nvfp4 = {.scheme = "nvfp4", .run = run_nvfp4};
