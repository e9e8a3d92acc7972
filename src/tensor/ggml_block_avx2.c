/* The block decoders for avx2; the code stands in ggml_block_simd.h. */
#define DECODERS ms_ggml_decoders_avx2
#include "ggml_block_simd.h"
