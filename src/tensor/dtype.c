#include "dtype.h"

/* name, NumPy name, bits, is_float, is_small_float, decodable */
static const ms_dtype_info infos[MS_DTYPE_COUNT] = {
    [MS_DTYPE_UNKNOWN] = {"UNKNOWN", "void", 0, false, false, false},
    [MS_DTYPE_BOOL] = {"BOOL", "bool", 8, false, false, true},
    [MS_DTYPE_F4] = {"F4", "float4_e2m1fn", 4, false, true, true},
    [MS_DTYPE_F6_E2M3] = {"F6_E2M3", "float6_e2m3fn", 6, false, true, false},
    [MS_DTYPE_F6_E3M2] = {"F6_E3M2", "float6_e3m2fn", 6, false, true, false},
    [MS_DTYPE_U8] = {"U8", "uint8", 8, false, false, true},
    [MS_DTYPE_I8] = {"I8", "int8", 8, false, false, true},
    [MS_DTYPE_F8_E5M2] = {"F8_E5M2", "float8_e5m2", 8, false, true, true},
    [MS_DTYPE_F8_E4M3] = {"F8_E4M3", "float8_e4m3fn", 8, false, true, true},
    [MS_DTYPE_F8_E8M0] = {"F8_E8M0", "float8_e8m0fnu", 8, false, true, true},
    [MS_DTYPE_F8_E4M3FNUZ] = {"F8_E4M3FNUZ", "float8_e4m3fnuz", 8, false, true, true},
    [MS_DTYPE_F8_E5M2FNUZ] = {"F8_E5M2FNUZ", "float8_e5m2fnuz", 8, false, true, true},
    [MS_DTYPE_I16] = {"I16", "int16", 16, false, false, true},
    [MS_DTYPE_U16] = {"U16", "uint16", 16, false, false, true},
    [MS_DTYPE_F16] = {"F16", "float16", 16, true, false, true},
    [MS_DTYPE_BF16] = {"BF16", "bfloat16", 16, true, false, true},
    [MS_DTYPE_I32] = {"I32", "int32", 32, false, false, true},
    [MS_DTYPE_U32] = {"U32", "uint32", 32, false, false, true},
    [MS_DTYPE_F32] = {"F32", "float32", 32, true, false, true},
    [MS_DTYPE_C64] = {"C64", "complex64", 64, false, false, true},
    [MS_DTYPE_F64] = {"F64", "float64", 64, true, false, true},
    [MS_DTYPE_I64] = {"I64", "int64", 64, false, false, true},
    [MS_DTYPE_U64] = {"U64", "uint64", 64, false, false, true},
};

const ms_dtype_info *ms_dtype_info_of(ms_dtype dtype) {
    const bool known = (unsigned)dtype < MS_DTYPE_COUNT;
    return &infos[known ? dtype : MS_DTYPE_UNKNOWN];
}

ms_dtype ms_dtype_by_name(ms_str name) {
    for (ms_dtype d = MS_DTYPE_UNKNOWN + 1; d < MS_DTYPE_COUNT; d++)
        if (ms_str_is(name, infos[d].name)) return d;
    if (ms_str_is(name, "E8M0") || ms_str_is(name, "UE8")) return MS_DTYPE_F8_E8M0;
    if (ms_str_is(name, "FP4")) return MS_DTYPE_F4;
    return MS_DTYPE_UNKNOWN;
}
