/*
 * mlx_scheme: what to simulate: one of MLX's quantisation modes with its parameters, by the rules of one MLX release and
 * backend.
 *
 *     ms_mlx_scheme scheme;
 *     MS_TRY(ms_mlx_scheme_parse(MS_STR("affine_q4_g32"), &scheme, err));            // command line
 *     scheme = ms_mlx_scheme_make(name, mode, bits, group_size);                     // config file
 *     if (ms_mlx_scheme_check(&scheme, dtype, shape, rank, &why) != MS_OK)
 *         ... the table's error column: "ValueError: " + why.text, word for word what MLX raises ...
 *
 * A scheme that names an unknown mode or impossible numbers is representable: MLX only complains when it meets a matrix.
 *
 *   mode     bits             group        scale           bias    bits per weight (16-bit scales)
 *   affine   1 2 3 4 5 6 8    32 64 128    computing type  same    bits + 32/group
 *   mxfp4    4                32           e8m0 byte       -       4.25
 *   mxfp8    8                32           e8m0 byte       -       8.25
 *   nvfp4    4                16           e4m3 byte       -       4.5
 */
#ifndef MS_MLX_SCHEME_H
#define MS_MLX_SCHEME_H

#include <stdbool.h>
#include <stdint.h>

#include "dtype.h"
#include "err.h"
#include "str.h"

typedef enum ms_mlx_mode { MS_MLX_UNKNOWN_MODE, MS_MLX_AFFINE, MS_MLX_MXFP4, MS_MLX_MXFP8, MS_MLX_NVFP4 } ms_mlx_mode;

/* Whose arithmetic: docs/quantisation.md lists the differences. */
typedef enum ms_mlx_profile {
    MS_MLX_CPU,          /* "cpu": the newest CPU backend, 0.32.2 to 0.32.4 */
    MS_MLX_CPU_0_32_1,   /* "cpu-0.32.1": 0.29.4 to 0.32.1, shared exponents rounded to nearest; no 1-bit affine */
    MS_MLX_CPU_0_29_0,   /* "cpu-0.29.0": 0.29.0 to 0.29.3, affine and mxfp4 only, exponents rounded towards zero */
    MS_MLX_METAL,        /* "metal": the newest GPU kernels */
    MS_MLX_METAL_0_32_0, /* "metal-0.32.0": GPU kernels up to 0.32.0, nvfp4 groups share maxima in pairs */
    MS_MLX_PROFILE_COUNT,
} ms_mlx_profile;

typedef struct ms_mlx_scheme {
    ms_str name;      /* column `scheme`; borrowed from whoever made the scheme */
    ms_str mode_name; /* as it was written, for messages; borrowed */
    ms_mlx_mode mode;
    int bits, group_size; /* as they were written */
    ms_mlx_profile profile;
    ms_dtype
        compute; /* the type MLX is handed the weights in: F32, F16 or BF16; MS_DTYPE_UNKNOWN: the stored type ("native") */
    bool global_scale; /* nvfp4: pass the matrix's max |w| as global_scale */
} ms_mlx_scheme;

/* Profile cpu, compute f16 (what the original does when its config says nothing), no global scale. name and mode are borrowed.
 */
ms_mlx_scheme ms_mlx_scheme_make(ms_str name, ms_str mode, int bits, int group_size);

/* "affine_q4_g32", "q4_g64", "mxfp4", "mxfp8_g32", "nvfp4", "nvfp4_global". What is left out is MLX's default for the mode:
 * affine 4 bits, group 64. MS_ERR_USAGE with the accepted forms otherwise. `text` becomes the scheme's name: borrowed. */
ms_status ms_mlx_scheme_parse(ms_str text, ms_mlx_scheme *out, ms_err *err);

/* NULL: what MLX would raise. The class is always ValueError; the sentence is in err->text, MLX's own, word for word; status
 * MS_ERR_UNSUPPORTED. dtype, shape [rank]: of the array handed to MLX. (0 as group size ends MLX's process; here it is refused
 * in the same words as any other impossible one.) */
ms_status ms_mlx_scheme_check(const ms_mlx_scheme *scheme, ms_dtype dtype, const int64_t *shape, int rank, ms_err *err);

/* F32, F16 or BF16: scheme->compute, or for "native" the stored type when it is one of these, else F32. */
ms_dtype ms_mlx_scheme_compute(const ms_mlx_scheme *scheme, ms_dtype stored);

/* Code bits plus the group's share of scale and bias, which MLX stores in the computing type (affine) or as one byte. */
double ms_mlx_scheme_bits_per_weight(const ms_mlx_scheme *scheme, ms_dtype compute);

const char *ms_mlx_mode_name(ms_mlx_mode mode);          /* "affine", ...; "unknown" */
ms_mlx_mode ms_mlx_mode_by_name(ms_str name);            /* case-sensitive, as MLX */
const char *ms_mlx_profile_name(ms_mlx_profile profile); /* "cpu", ... */
/* False when no profile is called that. */
bool ms_mlx_profile_by_name(ms_str name, ms_mlx_profile *out);
/* "f32" "float32" "fp32", "f16" "float16" "fp16", "bf16" "bfloat16", "native"; false otherwise. */
bool ms_mlx_compute_by_name(ms_str name, ms_dtype *out);

#endif
