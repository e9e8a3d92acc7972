/* The error sums, 16 weights at a time, for AVX-512. */
#include "mlx_error_kernel.h"
#include "mlx_vec_avx512.h"

#define KERNEL ms_mlx_error_rows_avx512
#include "mlx_error_simd.h"
