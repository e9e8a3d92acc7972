/*
 * dtype: what one stored element is. One table row per type; names are those of safetensors.
 *
 *     const ms_dtype_info *info = ms_dtype_info_of(MS_DTYPE_BF16);       // "BF16", 16 bits, floating
 *
 * Element codecs: reference/formats.md appendix B (OCP MX 1.0, FP8 of Micikevicius et al. 2022). Little-endian everywhere.
 */
#ifndef MS_DTYPE_H
#define MS_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "str.h"

/* One byte: a million tensors have one each. */
typedef enum __attribute__((packed)) ms_dtype {
    MS_DTYPE_UNKNOWN, /* listable, not decodable */
    MS_DTYPE_BOOL,
    MS_DTYPE_F4,      /* E2M1, two per byte, first element in the low nibble */
    MS_DTYPE_F6_E2M3, /* size known, bit order undefined: not decodable */
    MS_DTYPE_F6_E3M2,
    MS_DTYPE_U8,
    MS_DTYPE_I8,
    MS_DTYPE_F8_E5M2,
    MS_DTYPE_F8_E4M3, /* "fn": no infinities */
    MS_DTYPE_F8_E8M0,
    MS_DTYPE_F8_E4M3FNUZ,
    MS_DTYPE_F8_E5M2FNUZ,
    MS_DTYPE_I16,
    MS_DTYPE_U16,
    MS_DTYPE_F16,
    MS_DTYPE_BF16,
    MS_DTYPE_I32,
    MS_DTYPE_U32,
    MS_DTYPE_F32,
    MS_DTYPE_C64,
    MS_DTYPE_F64,
    MS_DTYPE_I64,
    MS_DTYPE_U64,
    MS_DTYPE_GGML_FIRST, /* the block types of ggml: see ggml_block.h; several weights share a block's scales */
    MS_DTYPE_GGML_Q4_0 = MS_DTYPE_GGML_FIRST,
    MS_DTYPE_GGML_Q4_1,
    MS_DTYPE_GGML_Q5_0,
    MS_DTYPE_GGML_Q5_1,
    MS_DTYPE_GGML_Q8_0,
    MS_DTYPE_GGML_Q8_1,
    MS_DTYPE_GGML_Q2_K,
    MS_DTYPE_GGML_Q3_K,
    MS_DTYPE_GGML_Q4_K,
    MS_DTYPE_GGML_Q5_K,
    MS_DTYPE_GGML_Q6_K,
    MS_DTYPE_GGML_Q8_K,
    MS_DTYPE_GGML_IQ2_XXS,
    MS_DTYPE_GGML_IQ2_XS,
    MS_DTYPE_GGML_IQ3_XXS,
    MS_DTYPE_GGML_IQ1_S,
    MS_DTYPE_GGML_IQ4_NL,
    MS_DTYPE_GGML_IQ3_S,
    MS_DTYPE_GGML_IQ2_S,
    MS_DTYPE_GGML_IQ4_XS,
    MS_DTYPE_GGML_IQ1_M,
    MS_DTYPE_GGML_TQ1_0,
    MS_DTYPE_GGML_TQ2_0,
    MS_DTYPE_GGML_MXFP4,
    MS_DTYPE_GGML_NVFP4,
    MS_DTYPE_GGML_Q1_0,
    MS_DTYPE_GGML_Q2_0,
    MS_DTYPE_COUNT,
} ms_dtype;

enum { MS_DTYPE_MOST_BLOCK = 256 }; /* weights of the largest block */

typedef struct ms_dtype_info {
    const char *name;       /* as in a safetensors header: "BF16" */
    const char *numpy_name; /* "bfloat16", "float8_e4m3fn": NumPy's, or ml_dtypes' */
    uint8_t bits;           /* per element; 0 for unknown and for block types */
    bool is_float;          /* a floating type of 16 bits or more: what carries weights unquantised */
    bool is_small_float;    /* 8 bits or fewer, needs a scale to mean anything */
    bool decodable;         /* ms_decode_f32 takes it */
    uint16_t block;         /* weights of a block type, 0 for the others */
    uint16_t block_bytes;
} ms_dtype_info;

/* Never NULL. */
const ms_dtype_info *ms_dtype_info_of(ms_dtype dtype);

/* Bytes that n elements take from an element that begins a byte (or a block): false when that overflows, when it is no whole
 * number of bytes (or blocks), or when the type's size is unknown. */
bool ms_dtype_n_bytes(ms_dtype dtype, uint64_t n, uint64_t *out);

/* The bytes that hold elements [first, first + n): they begin at *offset, and element `first` is number *first_in_range of
 * them. False as above. */
bool ms_dtype_range(ms_dtype dtype, uint64_t first, uint64_t n, uint64_t *offset, uint64_t *n_bytes, uint64_t *first_in_range);

/* MS_DTYPE_UNKNOWN when no type is called that. Case-sensitive; takes the foreign spellings E8M0, UE8 and FP4. */
ms_dtype ms_dtype_by_name(ms_str name);

#endif
