/* Stored codes to values, 16 at a time, for AVX2. */
#include "mlx_pack_kernel.h"
#include "mlx_vec_avx2.h"

#define KERNEL ms_mlx_pack_values_avx2
#include "mlx_pack_simd.h"
