/* The block decoders for scalar; the code stands in ggml_block_body.h. */
#define DECODERS ms_ggml_decoders_scalar
#include "ggml_block_body.h"
