#include "decoders.h"

#include "checked.h"
#include "decode.h"
#include "mem.h"

/* One line a scheme, here and in the list; each decoder stands in decode_*.c. */
extern const ms_decoder ms_decode_fp8_tensor, ms_decode_fp8_channel, ms_decode_fp8_block, ms_decode_mxfp8, ms_decode_mxfp6,
    ms_decode_mxfp4, ms_decode_nvfp4, ms_decode_int1_pack, ms_decode_int2_pack, ms_decode_int3_pack, ms_decode_int4_pack,
    ms_decode_int5_pack, ms_decode_int6_pack, ms_decode_int7_pack, ms_decode_int8_pack, ms_decode_int8_scaled, ms_decode_gptq,
    ms_decode_awq, ms_decode_awq_gemv, ms_decode_mlx_affine, ms_decode_mlx_mxfp4, ms_decode_mlx_mxfp8, ms_decode_mlx_nvfp4,
    ms_decode_bnb_nf4, ms_decode_bnb_fp4, ms_decode_bnb_int8, ms_decode_gguf_nvfp4, ms_decode_torch_affine,
    ms_decode_torch_affine_channel;

const ms_decoder *const ms_decoders[] = {
    &ms_decode_fp8_tensor,
    &ms_decode_fp8_channel,
    &ms_decode_fp8_block,
    &ms_decode_mxfp8,
    &ms_decode_mxfp6,
    &ms_decode_mxfp4,
    &ms_decode_nvfp4,
    &ms_decode_int1_pack,
    &ms_decode_int2_pack,
    &ms_decode_int3_pack,
    &ms_decode_int4_pack,
    &ms_decode_int5_pack,
    &ms_decode_int6_pack,
    &ms_decode_int7_pack,
    &ms_decode_int8_pack,
    &ms_decode_int8_scaled,
    &ms_decode_gptq,
    &ms_decode_awq,
    &ms_decode_awq_gemv,
    &ms_decode_mlx_affine,
    &ms_decode_mlx_mxfp4,
    &ms_decode_mlx_mxfp8,
    &ms_decode_mlx_nvfp4,
    &ms_decode_bnb_nf4,
    &ms_decode_bnb_fp4,
    &ms_decode_bnb_int8,
    &ms_decode_gguf_nvfp4,
    &ms_decode_torch_affine,
    &ms_decode_torch_affine_channel,
    NULL,
};

static const ms_decoder *decoder_of(const ms_tensor *tensor) {
    for (size_t i = 0; ms_decoders[i]; i++)
        if (strcmp(ms_decoders[i]->scheme, tensor->scheme) == 0) return ms_decoders[i];
    return NULL;
}

static ms_status plain(const ms_stored *s, uint64_t first, size_t n, ms_scratch *scratch, float *out, ms_err *err) {
    uint64_t offset, n_bytes, begin;
    const void *bytes;
    MS_FAIL_IF(!ms_dtype_range(s->dtype, first, n, &offset, &n_bytes, &begin), MS_ERR_UNSUPPORTED, err,
               "elements of type %s cannot be read", ms_str_shown(s->dtype_name).text);
    MS_FAIL_IF(!ms_range_inside(offset, n_bytes, s->n_bytes), MS_ERR_DAMAGED, err,
               "element %llu and %zu after it lie outside the tensor's %llu bytes", (unsigned long long)first, n,
               (unsigned long long)s->n_bytes);
    MS_TRY(ms_source_view(s->source, s->offset + offset, (size_t)n_bytes, scratch, &bytes, err));
    return ms_decode_f32(s->dtype, bytes, (size_t)begin, n, out, err);
}

ms_status ms_decoders_check(const ms_tensor *tensor, ms_err *err) {
    const ms_stored *const s = tensor->stored;
    if (ms_tensor_is_plain(tensor)) {
        MS_FAIL_IF(!ms_dtype_info_of(s->dtype)->decodable, MS_ERR_UNSUPPORTED, err,
                   "tensor '%s': elements of type %s cannot be decoded", ms_str_shown(s->name).text,
                   ms_str_shown(s->dtype_name).text);
        return MS_OK;
    }
    MS_FAIL_IF(!decoder_of(tensor), MS_ERR_UNSUPPORTED, err, "tensor '%s': weights quantised as %s cannot be decoded yet",
               ms_str_shown(s->name).text, tensor->scheme);
    return MS_OK;
}

static ms_status within(const ms_tensor *tensor, ms_status status, ms_err *err) {
    return status == MS_OK ? MS_OK : ms_err_within(err, status, "tensor '%s'", ms_str_shown(tensor->stored->name).text);
}

ms_status ms_decoding_open(ms_decoding *out, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_scratch *scratch,
                           ms_err *err) {
    MS_TRY(ms_decoders_check(tensor, err));
    *out = (ms_decoding){.tensor = tensor, .scratch = scratch};
    if (ms_tensor_is_plain(tensor)) return MS_OK;
    out->decoder = decoder_of(tensor);
    out->state = ms_mem_zalloc(out->decoder->state_size);
    if (!out->state) return ms_err_memory(err, "decoding a tensor");
    const ms_status status = out->decoder->open(out->state, ckpt, tensor, err);
    if (status != MS_OK) ms_decoding_close(out);
    return within(tensor, status, err);
}

ms_status ms_decoding_run(ms_decoding *d, uint64_t first, size_t n, float *out, ms_err *err) {
    return within(d->tensor,
                  d->decoder ? d->decoder->run(d->state, first, n, out, err)
                             : plain(d->tensor->stored, first, n, d->scratch, out, err),
                  err);
}

void ms_decoding_close(ms_decoding *d) {
    if (d->state) d->decoder->close(d->state);
    ms_mem_free(d->state);
    d->state = NULL;
}

ms_status ms_decoders_run(const ms_checkpoint *ckpt, const ms_tensor *tensor, uint64_t first, size_t n, ms_scratch *scratch,
                          float *out, ms_err *err) {
    ms_decoding decoding;
    MS_TRY(ms_decoding_open(&decoding, ckpt, tensor, scratch, err));
    const ms_status status = ms_decoding_run(&decoding, first, n, out, err);
    ms_decoding_close(&decoding);
    return status;
}
