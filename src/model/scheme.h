/*
 * scheme: how quantised weights are stored, told from the tensors beside them (names and dtypes decide, not the config, which
 * is sometimes wrong). Naming them is here; decoding is one file a scheme, registered in decoders.c.
 *
 *     fp8_block, fp8_channel, fp8_tensor   8-bit floats with one scale a block, a row, a tensor
 *     mxfp8, mxfp6, mxfp4, nvfp4           micro-scaled groups along the input axis
 *     int1_pack .. int8_pack, int_pack     compressed-tensors, codes packed in 32-bit words
 *     int8_scaled                          8-bit integers with a scale
 *     gptq, awq, awq_gemv                  "qweight" with zero points
 *     mlx_affine, mlx_mxfp4, mlx_mxfp8, mlx_nvfp4
 *     bnb_nf4, bnb_fp4, bnb_int8
 *     torch_affine, torch_affine_channel   quantised tensors of PyTorch
 *     gguf_nvfp4                           NVFP4 blocks with a scale beside them (other block types are plain)
 *     hqq, exl2, exl3, quanto, aqlm, bitnet, marlin24, packed      known by name only
 */
#ifndef MS_SCHEME_H
#define MS_SCHEME_H

#include "checkpoint.h"
#include "map.h"

struct ms_pattern;

/* A literal; "" when the tensors of the pattern are plain. by_text: pattern text -> index into patterns. */
const char *ms_scheme_of_pattern(const ms_checkpoint *ckpt, const struct ms_pattern *pattern, const struct ms_pattern *patterns,
                                 const ms_map *by_text);

/* What only the tensors themselves tell: widths under "int_pack", what torch says of its quantised ones. Once patterns and roles
 * are known. */
void ms_scheme_settle(ms_checkpoint *ckpt);

/* The tensor of the same module with another leaf (".scales"), or NULL. */
const ms_tensor *ms_companion(const ms_checkpoint *ckpt, const ms_tensor *tensor, const char *leaf);

enum { MS_LOGICAL_RANK = 4 };

typedef struct ms_logical { /* a weight as it is once decoded; slowest axis first */
    uint32_t rank;          /* 0: the shape cannot be told */
    uint64_t shape[MS_LOGICAL_RANK];
    bool transposed;    /* the scheme stores [in, out] where plain weights of the module are [out, in] (GPTQ, AWQ) */
    bool in_before_out; /* codes are packed along the last axis but one, so that is the inputs' (NVFP4 stacks of ModelOpt) */
} ms_logical;

/* The unpacked shape. Plain tensors: the stored one, up to 4 axes. */
ms_logical ms_logical_shape(const ms_checkpoint *ckpt, const ms_tensor *tensor);

/* What the scales of 8-bit and of 4-bit floats are called, NULL-terminated. */
extern const char *const ms_fp8_scales[], *const ms_fp4_scales[];

/* Columns of a group, where `groups` > 0 cover `cols`: what the config says if it fits, else equal parts. */
uint64_t ms_scheme_group(const ms_checkpoint *ckpt, uint64_t cols, uint64_t groups);

/* How many parameters the tensor stands for: 0 for quantisation data, else the elements of its unpacked shape; when that cannot
 * be told, the stored elements. Saturates. */
uint64_t ms_parameter_count(const ms_checkpoint *ckpt, const ms_tensor *tensor);

#endif
