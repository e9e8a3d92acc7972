#include "dtype.h"

#include "checked.h"

/* name, NumPy name, bits, is_float, is_small_float, decodable, block, block_bytes */
static const ms_dtype_info infos[MS_DTYPE_COUNT] = {
    [MS_DTYPE_UNKNOWN] = {"UNKNOWN", "void", 0, false, false, false, 0, 0},
    [MS_DTYPE_BOOL] = {"BOOL", "bool", 8, false, false, true, 0, 0},
    [MS_DTYPE_F4] = {"F4", "float4_e2m1fn", 4, false, true, true, 0, 0},
    [MS_DTYPE_F6_E2M3] = {"F6_E2M3", "float6_e2m3fn", 6, false, true, false, 0, 0},
    [MS_DTYPE_F6_E3M2] = {"F6_E3M2", "float6_e3m2fn", 6, false, true, false, 0, 0},
    [MS_DTYPE_U8] = {"U8", "uint8", 8, false, false, true, 0, 0},
    [MS_DTYPE_I8] = {"I8", "int8", 8, false, false, true, 0, 0},
    [MS_DTYPE_F8_E5M2] = {"F8_E5M2", "float8_e5m2", 8, false, true, true, 0, 0},
    [MS_DTYPE_F8_E4M3] = {"F8_E4M3", "float8_e4m3fn", 8, false, true, true, 0, 0},
    [MS_DTYPE_F8_E8M0] = {"F8_E8M0", "float8_e8m0fnu", 8, false, true, true, 0, 0},
    [MS_DTYPE_F8_E4M3FNUZ] = {"F8_E4M3FNUZ", "float8_e4m3fnuz", 8, false, true, true, 0, 0},
    [MS_DTYPE_F8_E5M2FNUZ] = {"F8_E5M2FNUZ", "float8_e5m2fnuz", 8, false, true, true, 0, 0},
    [MS_DTYPE_I16] = {"I16", "int16", 16, false, false, true, 0, 0},
    [MS_DTYPE_U16] = {"U16", "uint16", 16, false, false, true, 0, 0},
    [MS_DTYPE_F16] = {"F16", "float16", 16, true, false, true, 0, 0},
    [MS_DTYPE_BF16] = {"BF16", "bfloat16", 16, true, false, true, 0, 0},
    [MS_DTYPE_I32] = {"I32", "int32", 32, false, false, true, 0, 0},
    [MS_DTYPE_U32] = {"U32", "uint32", 32, false, false, true, 0, 0},
    [MS_DTYPE_F32] = {"F32", "float32", 32, true, false, true, 0, 0},
    [MS_DTYPE_C64] = {"C64", "complex64", 64, false, false, true, 0, 0},
    [MS_DTYPE_F64] = {"F64", "float64", 64, true, false, true, 0, 0},
    [MS_DTYPE_I64] = {"I64", "int64", 64, false, false, true, 0, 0},
    [MS_DTYPE_U64] = {"U64", "uint64", 64, false, false, true, 0, 0},
    [MS_DTYPE_GGML_Q4_0] = {"Q4_0", "ggml_q4_0", 0, false, false, true, 32, 18},
    [MS_DTYPE_GGML_Q4_1] = {"Q4_1", "ggml_q4_1", 0, false, false, true, 32, 20},
    [MS_DTYPE_GGML_Q5_0] = {"Q5_0", "ggml_q5_0", 0, false, false, true, 32, 22},
    [MS_DTYPE_GGML_Q5_1] = {"Q5_1", "ggml_q5_1", 0, false, false, true, 32, 24},
    [MS_DTYPE_GGML_Q8_0] = {"Q8_0", "ggml_q8_0", 0, false, false, true, 32, 34},
    [MS_DTYPE_GGML_Q8_1] = {"Q8_1", "ggml_q8_1", 0, false, false, true, 32, 36},
    [MS_DTYPE_GGML_Q2_K] = {"Q2_K", "ggml_q2_k", 0, false, false, true, 256, 84},
    [MS_DTYPE_GGML_Q3_K] = {"Q3_K", "ggml_q3_k", 0, false, false, true, 256, 110},
    [MS_DTYPE_GGML_Q4_K] = {"Q4_K", "ggml_q4_k", 0, false, false, true, 256, 144},
    [MS_DTYPE_GGML_Q5_K] = {"Q5_K", "ggml_q5_k", 0, false, false, true, 256, 176},
    [MS_DTYPE_GGML_Q6_K] = {"Q6_K", "ggml_q6_k", 0, false, false, true, 256, 210},
    [MS_DTYPE_GGML_Q8_K] = {"Q8_K", "ggml_q8_k", 0, false, false, true, 256, 292},
    [MS_DTYPE_GGML_IQ2_XXS] = {"IQ2_XXS", "ggml_iq2_xxs", 0, false, false, true, 256, 66},
    [MS_DTYPE_GGML_IQ2_XS] = {"IQ2_XS", "ggml_iq2_xs", 0, false, false, true, 256, 74},
    [MS_DTYPE_GGML_IQ3_XXS] = {"IQ3_XXS", "ggml_iq3_xxs", 0, false, false, true, 256, 98},
    [MS_DTYPE_GGML_IQ1_S] = {"IQ1_S", "ggml_iq1_s", 0, false, false, true, 256, 50},
    [MS_DTYPE_GGML_IQ4_NL] = {"IQ4_NL", "ggml_iq4_nl", 0, false, false, true, 32, 18},
    [MS_DTYPE_GGML_IQ3_S] = {"IQ3_S", "ggml_iq3_s", 0, false, false, true, 256, 110},
    [MS_DTYPE_GGML_IQ2_S] = {"IQ2_S", "ggml_iq2_s", 0, false, false, true, 256, 82},
    [MS_DTYPE_GGML_IQ4_XS] = {"IQ4_XS", "ggml_iq4_xs", 0, false, false, true, 256, 136},
    [MS_DTYPE_GGML_IQ1_M] = {"IQ1_M", "ggml_iq1_m", 0, false, false, true, 256, 56},
    [MS_DTYPE_GGML_TQ1_0] = {"TQ1_0", "ggml_tq1_0", 0, false, false, true, 256, 54},
    [MS_DTYPE_GGML_TQ2_0] = {"TQ2_0", "ggml_tq2_0", 0, false, false, true, 256, 66},
    [MS_DTYPE_GGML_MXFP4] = {"MXFP4", "ggml_mxfp4", 0, false, false, true, 32, 17},
    [MS_DTYPE_GGML_NVFP4] = {"NVFP4", "ggml_nvfp4", 0, false, false, true, 64, 36},
    [MS_DTYPE_GGML_Q1_0] = {"Q1_0", "ggml_q1_0", 0, false, false, true, 128, 18},
    [MS_DTYPE_GGML_Q2_0] = {"Q2_0", "ggml_q2_0", 0, false, false, true, 64, 18},
};

const ms_dtype_info *ms_dtype_info_of(ms_dtype dtype) {
    const bool known = (unsigned)dtype < MS_DTYPE_COUNT;
    return &infos[known ? dtype : MS_DTYPE_UNKNOWN];
}

ms_dtype ms_dtype_by_name(ms_str name) {
    for (int d = MS_DTYPE_UNKNOWN + 1; d < MS_DTYPE_GGML_FIRST; d++) /* block types have ids, see ggml_block.h */
        if (ms_str_is(name, infos[d].name)) return (ms_dtype)d;
    if (ms_str_is(name, "E8M0") || ms_str_is(name, "UE8")) return MS_DTYPE_F8_E8M0;
    if (ms_str_is(name, "FP4")) return MS_DTYPE_F4;
    return MS_DTYPE_UNKNOWN;
}

bool ms_dtype_range(ms_dtype dtype, uint64_t first, uint64_t n, uint64_t *offset, uint64_t *n_bytes, uint64_t *first_in_range) {
    const ms_dtype_info *const info = ms_dtype_info_of(dtype);
    uint64_t end;
    if (!ms_add_u64(first, n, &end) || (info->bits == 0 && info->block == 0)) return false;
    if (info->block) {
        const uint64_t first_block = first / info->block, end_block = end / info->block + (end % info->block != 0);
        *first_in_range = first % info->block;
        return ms_mul_u64(first_block, info->block_bytes, offset) &&
               ms_mul_u64(end_block - first_block, info->block_bytes, n_bytes);
    }
    uint64_t begin_bits, end_bits;
    if (!ms_mul_u64(first, info->bits, &begin_bits) || !ms_mul_u64(end, info->bits, &end_bits)) return false;
    *offset = begin_bits / 8;
    *n_bytes = end_bits / 8 + (end_bits % 8 != 0) - *offset;
    *first_in_range = begin_bits % 8 / info->bits;
    return true;
}

bool ms_dtype_n_bytes(ms_dtype dtype, uint64_t n, uint64_t *out) {
    const ms_dtype_info *const info = ms_dtype_info_of(dtype);
    uint64_t bits;
    if (info->block) return n % info->block == 0 && ms_mul_u64(n / info->block, info->block_bytes, out);
    if (info->bits == 0 || !ms_mul_u64(n, info->bits, &bits) || bits % 8 != 0) return false;
    *out = bits / 8;
    return true;
}
