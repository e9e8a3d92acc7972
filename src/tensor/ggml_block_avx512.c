/* The block decoders for avx512; the code stands in ggml_block_simd.h. */
#define DECODERS ms_ggml_decoders_avx512
#include "ggml_block_simd.h"
