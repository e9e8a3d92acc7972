/*
 * decoders: stored weights to f32, whatever their scheme. One file a scheme; its decoder is listed in decoders.c.
 *
 * A decoder sees the tensor as it is once unpacked (ms_logical_shape) and writes a run of it in storage order, slowest axis
 * first. Cutting runs into matrices, transposing and interleaving is matrix.c's work.
 */
#ifndef MS_DECODERS_H
#define MS_DECODERS_H

#include "checkpoint.h"

typedef struct ms_decoder {
    const char *scheme;
    /* out: [n] f32, elements [first, first + n) of the unpacked tensor; the caller has checked that they are inside. The
     * scratch is for views of the stored bytes. */
    ms_status (*run)(const ms_checkpoint *ckpt, const ms_tensor *tensor, uint64_t first, size_t n, ms_scratch *scratch,
                     float *out, ms_err *err);
} ms_decoder;

/* NULL-terminated. */
extern const ms_decoder *const ms_decoders[];

/* Plain: elements of the dtype, nothing beside them needed (block types of GGUF carry their scales). */
static inline bool ms_tensor_is_plain(const ms_tensor *tensor) { return tensor->scheme[0] == 0; }

/* Any scheme that has a decoder; else MS_ERR_UNSUPPORTED naming tensor and scheme. */
ms_status ms_decoders_run(const ms_checkpoint *ckpt, const ms_tensor *tensor, uint64_t first, size_t n, ms_scratch *scratch,
                          float *out, ms_err *err);

/* MS_OK when ms_decoders_run can read the tensor. */
ms_status ms_decoders_check(const ms_tensor *tensor, ms_err *err);

#endif
