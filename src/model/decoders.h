/*
 * decoders: stored weights to f32, whatever their scheme. One file a scheme; its decoder is listed in decoders.c.
 *
 * A decoder sees the tensor as it is once unpacked (ms_logical_shape) and writes a run of it in storage order, slowest axis
 * first. Cutting runs into matrices, transposing and interleaving is matrix.c's work. What does not change from run to run
 * (companions, layout, the groups of columns) it finds once, when the tensor is opened.
 */
#ifndef MS_DECODERS_H
#define MS_DECODERS_H

#include "checkpoint.h"

typedef struct ms_decoder {
    const char *scheme;
    size_t state_size; /* bytes of what it keeps between runs: companions found, shapes checked, tables of scales */
    /* state: zeroed. It is closed afterwards in any case. */
    ms_status (*open)(void *state, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err);
    /* out: [n] f32, elements [first, first + n) of the unpacked tensor; the caller has checked that they are inside. */
    ms_status (*run)(void *state, uint64_t first, size_t n, float *out, ms_err *err);
    void (*close)(void *state);
} ms_decoder;

/* NULL-terminated. */
extern const ms_decoder *const ms_decoders[];

typedef struct ms_decoding { /* a tensor that is being read, by one thread */
    const ms_tensor *tensor;
    const ms_decoder *decoder; /* NULL: plain */
    ms_scratch *scratch;       /* borrowed: for views of plain elements */
    void *state;               /* owned */
} ms_decoding;

/* Plain: elements of the dtype, nothing beside them needed (block types of GGUF carry their scales). */
static inline bool ms_tensor_is_plain(const ms_tensor *tensor) { return tensor->scheme[0] == 0; }

/* Any scheme that has a decoder; else MS_ERR_UNSUPPORTED naming tensor and scheme. The checkpoint is borrowed until it is
 * closed; so is the scratch. After a failure there is nothing to close.
 *
 *     MS_TRY(ms_decoding_open(&decoding, ckpt, tensor, scratch, err));
 *     ms_status status = ms_decoding_run(&decoding, first, n, out, err);      // as often as wanted
 *     ms_decoding_close(&decoding);
 */
ms_status ms_decoding_open(ms_decoding *out, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_scratch *scratch,
                           ms_err *err);
ms_status ms_decoding_run(ms_decoding *decoding, uint64_t first, size_t n, float *out, ms_err *err);
void ms_decoding_close(ms_decoding *decoding);

/* The three of them, for one run. */
ms_status ms_decoders_run(const ms_checkpoint *ckpt, const ms_tensor *tensor, uint64_t first, size_t n, ms_scratch *scratch,
                          float *out, ms_err *err);

/* MS_OK when the tensor's scheme has a decoder, or its type one. */
ms_status ms_decoders_check(const ms_tensor *tensor, ms_err *err);

#endif
