/* The error sums, 16 weights at a time, for AVX2. */
#include "mlx_error_kernel.h"
#include "mlx_vec_avx2.h"

#define KERNEL ms_mlx_error_rows_avx2
#include "mlx_error_simd.h"
