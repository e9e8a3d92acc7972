/*
 * mlx_pack_kernel: the instruction-set variants behind ms_mlx_pack_dequantise; only mlx_pack*.c and their test include this.
 */
#ifndef MS_MLX_PACK_KERNEL_H
#define MS_MLX_PACK_KERNEL_H

#include "mlx_pack.h"

/* n_groups groups from the start of `in`; out: [n_groups * group_size] f32. All variants give the same bits (any NaN is a NaN).
 */
typedef void ms_mlx_pack_values(const ms_mlx_codec *codec, const ms_mlx_stored *in, size_t n_groups, float *out);

ms_mlx_pack_values ms_mlx_pack_values_scalar;
#if defined(__x86_64__)
ms_mlx_pack_values ms_mlx_pack_values_avx2;
ms_mlx_pack_values ms_mlx_pack_values_avx512;
#endif

/* Group i of what is stored: its scale and bias, decoded. */
ms_mlx_group ms_mlx_pack_group(const ms_mlx_codec *codec, const ms_mlx_stored *in, size_t i);

/* [MS_ISA_COUNT]; entries above what this build has are NULL. */
extern ms_mlx_pack_values *const ms_mlx_pack_kernels[];

#endif
