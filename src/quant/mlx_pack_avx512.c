/* Stored codes to values, 16 at a time, for AVX-512. */
#include "mlx_pack_kernel.h"
#include "mlx_vec_avx512.h"

#define KERNEL ms_mlx_pack_values_avx512
#include "mlx_pack_simd.h"
