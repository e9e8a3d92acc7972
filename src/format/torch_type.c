#include "torch_type.h"

ms_torch_type ms_torch_type_of(ms_str name) {
    static const struct {
        const char *name;
        ms_torch_type type;
    } types[] = {
        {"FloatStorage", {MS_DTYPE_F32, 4}},
        {"BFloat16Storage", {MS_DTYPE_BF16, 2}},
        {"HalfStorage", {MS_DTYPE_F16, 2}},
        {"DoubleStorage", {MS_DTYPE_F64, 8}},
        {"LongStorage", {MS_DTYPE_I64, 8}},
        {"IntStorage", {MS_DTYPE_I32, 4}},
        {"ShortStorage", {MS_DTYPE_I16, 2}},
        {"CharStorage", {MS_DTYPE_I8, 1}},
        {"ByteStorage", {MS_DTYPE_U8, 1}},
        {"BoolStorage", {MS_DTYPE_BOOL, 1}},
        {"UntypedStorage", {MS_DTYPE_U8, 1}},
        {"ComplexFloatStorage", {MS_DTYPE_C64, 8}},
        {"ComplexDoubleStorage", {MS_DTYPE_UNKNOWN, 16}},
        {"QInt8Storage", {MS_DTYPE_I8, 1}},
        {"QUInt8Storage", {MS_DTYPE_U8, 1}},
        {"QInt32Storage", {MS_DTYPE_I32, 4}},
        {"QUInt4x2Storage", {MS_DTYPE_UNKNOWN, 1}},
        {"QUInt2x4Storage", {MS_DTYPE_UNKNOWN, 1}},
        {"float64", {MS_DTYPE_F64, 8}},
        {"double", {MS_DTYPE_F64, 8}},
        {"float32", {MS_DTYPE_F32, 4}},
        {"float", {MS_DTYPE_F32, 4}},
        {"float16", {MS_DTYPE_F16, 2}},
        {"half", {MS_DTYPE_F16, 2}},
        {"bfloat16", {MS_DTYPE_BF16, 2}},
        {"int64", {MS_DTYPE_I64, 8}},
        {"int32", {MS_DTYPE_I32, 4}},
        {"int16", {MS_DTYPE_I16, 2}},
        {"int8", {MS_DTYPE_I8, 1}},
        {"uint8", {MS_DTYPE_U8, 1}},
        {"uint16", {MS_DTYPE_U16, 2}},
        {"uint32", {MS_DTYPE_U32, 4}},
        {"uint64", {MS_DTYPE_U64, 8}},
        {"bool", {MS_DTYPE_BOOL, 1}},
        {"float8_e4m3fn", {MS_DTYPE_F8_E4M3, 1}},
        {"float8_e5m2", {MS_DTYPE_F8_E5M2, 1}},
        {"float8_e4m3fnuz", {MS_DTYPE_F8_E4M3FNUZ, 1}},
        {"float8_e5m2fnuz", {MS_DTYPE_F8_E5M2FNUZ, 1}},
        {"float8_e8m0fnu", {MS_DTYPE_F8_E8M0, 1}},
        {"float4_e2m1fn_x2", {MS_DTYPE_UNKNOWN, 1}},
        {"complex64", {MS_DTYPE_C64, 8}},
        {"complex128", {MS_DTYPE_UNKNOWN, 16}},
        {"complex32", {MS_DTYPE_UNKNOWN, 4}},
        {"bcomplex32", {MS_DTYPE_UNKNOWN, 4}},
        {"bits8", {MS_DTYPE_UNKNOWN, 1}},
        {"bits1x8", {MS_DTYPE_UNKNOWN, 1}},
        {"bits2x4", {MS_DTYPE_UNKNOWN, 1}},
        {"bits4x2", {MS_DTYPE_UNKNOWN, 1}},
        {"bits16", {MS_DTYPE_UNKNOWN, 2}},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (ms_str_is(name, types[i].name)) return types[i].type;
    /* int1 .. int7 and uint1 .. uint7 take a byte each */
    const ms_str width = ms_str_starts_with(name, MS_STR("uint"))  ? ms_str_sub(name, 4, name.size)
                         : ms_str_starts_with(name, MS_STR("int")) ? ms_str_sub(name, 3, name.size)
                                                                   : MS_STR("");
    const bool narrow = width.size == 1 && width.text[0] >= '1' && width.text[0] <= '7';
    return (ms_torch_type){MS_DTYPE_UNKNOWN, narrow ? 1 : 0};
}
