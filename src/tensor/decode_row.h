/*
 * decode_row: the common types, elements that follow each other; what decode.c takes where the machine has AVX2.
 */
#ifndef MS_DECODE_ROW_H
#define MS_DECODE_ROW_H

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"
#include "dtype.h"

/* bytes: n elements, unaligned; out: [n]. NaN payloads may differ from the scalar decoder's. */
typedef void ms_decode_row(const uint8_t *bytes, size_t n, float *out);

/* NULL when there is none for that type on this machine. */
ms_decode_row *ms_decode_row_of(ms_isa isa, ms_dtype dtype);

#if defined(__x86_64__)
ms_decode_row ms_decode_row_bf16_avx2, ms_decode_row_f16_avx2, ms_decode_row_e4m3_avx2, ms_decode_row_e5m2_avx2;
#endif

#endif
