/*
 * decode: stored elements to f32, at the speed of memory.
 *
 *     MS_TRY(ms_decode_f32(MS_DTYPE_BF16, bytes, 0, n, out, err));
 *
 * Values are exact where f32 can hold them; 64-bit and 32-bit integers and f64 are rounded to nearest even.
 */
#ifndef MS_DECODE_H
#define MS_DECODE_H

#include <stddef.h>

#include "dtype.h"
#include "err.h"

/* bytes: the first element's byte, unaligned; first: index of the first element to decode (so that F4 can begin inside a byte);
 * out: [n] f32. C64 gives the real part. MS_ERR_UNSUPPORTED for types without a decoder. */
ms_status ms_decode_f32(ms_dtype dtype, const void *bytes, size_t first, size_t n, float *out, ms_err *err);

/* Elements that lie `stride` elements apart: out[i] = element first + i * stride. */
ms_status ms_decode_f32_strided(ms_dtype dtype, const void *bytes, size_t first, size_t stride, size_t n, float *out,
                                ms_err *err);

#endif
