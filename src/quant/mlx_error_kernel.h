/*
 * mlx_error_kernel: the instruction-set variants behind ms_mlx_error_add; only mlx_error*.c and their test include this.
 *
 * A kernel takes whole rows and adds to the lanes of mlx_error.h, with the same bits as the scalar one. The vector kernels work
 * in blocks of up to 16 groups of a row and hand a block to ms_mlx_error_block when it holds anything out of the ordinary: NaN,
 * infinities, magnitudes near the ends of a type's range, shared exponents that need care. So they only know the plain case.
 */
#ifndef MS_MLX_ERROR_KERNEL_H
#define MS_MLX_ERROR_KERNEL_H

#include "mlx_error.h"

typedef void ms_mlx_error_rows(ms_mlx_error *e, const float *rows, size_t n_rows, size_t n_cols);

ms_mlx_error_rows ms_mlx_error_rows_scalar;
#if defined(__x86_64__)
ms_mlx_error_rows ms_mlx_error_rows_avx2;
ms_mlx_error_rows ms_mlx_error_rows_avx512;
#endif

/* w: n_groups <= 16 consecutive groups of a row, the first with an index that is a multiple of 16. */
void ms_mlx_error_block(ms_mlx_error *e, const float *w, size_t n_groups);

/* [MS_ISA_COUNT]; entries above what this build has are NULL. */
extern ms_mlx_error_rows *const ms_mlx_error_kernels[];

#endif
