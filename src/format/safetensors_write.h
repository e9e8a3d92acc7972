/*
 * safetensors_write: files that every reader accepts, byte for byte as the reference writes them.
 *
 *     ms_safetensors_header header;
 *     MS_TRY(ms_safetensors_header_make(&header, tensors, n, metadata, n_metadata, err));
 *     put(header.bytes.bytes, header.bytes.size);
 *     for (size_t i = 0; i < n; i++) put the bytes of tensors[header.order[i]];
 *     ms_safetensors_header_free(&header);
 *
 * Order: by type, the widest first (so that all data lie aligned), then by name. Compact JSON, padded with blanks to a multiple
 * of 8. Metadata should hold "format": "pt": older versions of transformers refuse a file without it.
 */
#ifndef MS_SAFETENSORS_WRITE_H
#define MS_SAFETENSORS_WRITE_H

#include "buf.h"
#include "dtype.h"
#include "err.h"
#include "reader.h"

typedef struct ms_safetensors_tensor {
    ms_str name; /* UTF-8, distinct, not "__metadata__" */
    ms_dtype dtype;
    uint32_t rank;
    const uint64_t *shape; /* [rank] */
    const void *bytes;     /* for ms_safetensors_write only; the size follows from type and shape */
} ms_safetensors_tensor;

typedef struct ms_safetensors_header {
    ms_buf bytes;  /* the length and the JSON: the beginning of the file */
    size_t *order; /* [n] owned: which tensor's data come first, second, ... */
    uint64_t n_data;
} ms_safetensors_header;

/* MS_ERR_USAGE: a name that is no UTF-8 or occurs twice, an unknown type, a size that overflows, a header above the cap. */
ms_status ms_safetensors_header_make(ms_safetensors_header *out, const ms_safetensors_tensor *tensors, size_t n,
                                     const ms_metadata *metadata, size_t n_metadata, ms_err *err);
void ms_safetensors_header_free(ms_safetensors_header *header);

/* Bytes of the tensor's data; false when that overflows or does not fill whole bytes. */
bool ms_safetensors_size(const ms_safetensors_tensor *tensor, uint64_t *n_bytes);

/* The whole file, appended to `out`. */
ms_status ms_safetensors_write(ms_buf *out, const ms_safetensors_tensor *tensors, size_t n, const ms_metadata *metadata,
                               size_t n_metadata, ms_err *err);

#endif
