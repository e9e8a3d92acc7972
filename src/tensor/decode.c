#include "decode.h"

#include <string.h>

#include "decode_row.h"
#include "ggml_block.h"
#include "half.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "stored elements are read as they lie: little-endian machines only");

/* out[i] = element first + i * stride of `bytes`. */
typedef void decode_run(const uint8_t *bytes, size_t first, size_t stride, size_t n, float *out);

/* A run of elements of `type`, unaligned; `value` is an expression of the element `x`. */
#define DECODER(name, type, value)                                                                       \
    static void name(const uint8_t *bytes, size_t first, size_t stride, size_t n, float *restrict out) { \
        const uint8_t *p = bytes + first * sizeof(type);                                                 \
        for (size_t i = 0; i < n; i++, p += stride * sizeof(type)) {                                     \
            type x;                                                                                      \
            memcpy(&x, p, sizeof x);                                                                     \
            out[i] = (value);                                                                            \
        }                                                                                                \
    }
DECODER(decode_bool, uint8_t, x ? 1.0f : 0.0f)
DECODER(decode_u8, uint8_t, (float)x)
DECODER(decode_i8, int8_t, (float)x)
DECODER(decode_e5m2, uint8_t, ms_f32_from_e5m2(x))
DECODER(decode_e4m3, uint8_t, ms_f32_from_e4m3(x))
DECODER(decode_e8m0, uint8_t, ms_f32_from_e8m0(x))
DECODER(decode_e4m3fnuz, uint8_t, ms_f32_from_e4m3fnuz(x))
DECODER(decode_e5m2fnuz, uint8_t, ms_f32_from_e5m2fnuz(x))
DECODER(decode_i16, int16_t, (float)x)
DECODER(decode_u16, uint16_t, (float)x)
DECODER(decode_f16, uint16_t, ms_f32_from_f16(x))
DECODER(decode_bf16, uint16_t, ms_f32_from_bf16(x))
DECODER(decode_i32, int32_t, (float)x)
DECODER(decode_u32, uint32_t, (float)x)
DECODER(decode_f32, float, x)
DECODER(decode_f64, double, (float)x)
DECODER(decode_i64, int64_t, (float)x)
DECODER(decode_u64, uint64_t, (float)x)

typedef struct complex64 {
    float real, imaginary;
} complex64;
DECODER(decode_c64, complex64, x.real)
#undef DECODER

/* Two elements a byte, the even one in the low nibble. */
static void decode_f4(const uint8_t *bytes, size_t first, size_t stride, size_t n, float *out) {
    for (size_t i = 0; i < n; i++) {
        const size_t at = first + i * stride;
        out[i] = ms_f32_from_e2m1(at % 2 ? bytes[at / 2] >> 4 : bytes[at / 2] & 15u);
    }
}

static decode_run *const decoders[MS_DTYPE_COUNT] = {
    [MS_DTYPE_BOOL] = decode_bool,
    [MS_DTYPE_F4] = decode_f4,
    [MS_DTYPE_U8] = decode_u8,
    [MS_DTYPE_I8] = decode_i8,
    [MS_DTYPE_F8_E5M2] = decode_e5m2,
    [MS_DTYPE_F8_E4M3] = decode_e4m3,
    [MS_DTYPE_F8_E8M0] = decode_e8m0,
    [MS_DTYPE_F8_E4M3FNUZ] = decode_e4m3fnuz,
    [MS_DTYPE_F8_E5M2FNUZ] = decode_e5m2fnuz,
    [MS_DTYPE_I16] = decode_i16,
    [MS_DTYPE_U16] = decode_u16,
    [MS_DTYPE_F16] = decode_f16,
    [MS_DTYPE_BF16] = decode_bf16,
    [MS_DTYPE_I32] = decode_i32,
    [MS_DTYPE_U32] = decode_u32,
    [MS_DTYPE_F32] = decode_f32,
    [MS_DTYPE_C64] = decode_c64,
    [MS_DTYPE_F64] = decode_f64,
    [MS_DTYPE_I64] = decode_i64,
    [MS_DTYPE_U64] = decode_u64,
};

/* Elements of a block type: whole blocks straight to out, the ends through a block of their own. */
static void decode_blocks(ms_dtype dtype, const uint8_t *bytes, size_t first, size_t n, float *out) {
    const size_t block = ms_dtype_info_of(dtype)->block, block_bytes = ms_dtype_info_of(dtype)->block_bytes;
    float whole[MS_DTYPE_MOST_BLOCK];
    while (n > 0) {
        const uint8_t *const p = bytes + first / block * block_bytes;
        const size_t skip = first % block;
        size_t taken;
        if (skip == 0 && n >= block) {
            taken = n - n % block;
            ms_ggml_blocks_decode(dtype, p, taken / block, out);
        } else {
            taken = block - skip < n ? block - skip : n;
            ms_ggml_blocks_decode(dtype, p, 1, whole);
            memcpy(out, whole + skip, taken * sizeof *out);
        }
        first += taken, n -= taken, out += taken;
    }
}

ms_status ms_decode_f32_strided(ms_dtype dtype, const void *bytes, size_t first, size_t stride, size_t n, float *out,
                                ms_err *err) {
    if (ms_dtype_info_of(dtype)->block) {
        if (stride == 1) decode_blocks(dtype, bytes, first, n, out);
        else
            for (size_t i = 0; i < n; i++) decode_blocks(dtype, bytes, first + i * stride, 1, out + i);
        return MS_OK;
    }
    decode_run *const run = (unsigned)dtype < MS_DTYPE_COUNT ? decoders[dtype] : NULL;
    MS_FAIL_IF(!run, MS_ERR_UNSUPPORTED, err, "elements of type %s cannot be decoded: their meaning is not defined",
               ms_dtype_info_of(dtype)->name);
    run(bytes, first, stride, n, out);
    return MS_OK;
}

ms_decode_row *ms_decode_row_of(ms_isa isa, ms_dtype dtype) {
#if defined(__x86_64__)
    if (isa == MS_ISA_SCALAR) return NULL;
    switch (dtype) {
    case MS_DTYPE_BF16: return ms_decode_row_bf16_avx2;
    case MS_DTYPE_F16: return ms_decode_row_f16_avx2;
    case MS_DTYPE_F8_E4M3: return ms_decode_row_e4m3_avx2;
    case MS_DTYPE_F8_E5M2: return ms_decode_row_e5m2_avx2;
    default: return NULL;
    }
#else
    (void)isa, (void)dtype;
    return NULL;
#endif
}

ms_status ms_decode_f32(ms_dtype dtype, const void *bytes, size_t first, size_t n, float *out, ms_err *err) {
    ms_decode_row *const row = ms_decode_row_of(ms_cpu_isa(), dtype);
    if (row) {
        row((const uint8_t *)bytes + first * ms_dtype_info_of(dtype)->bits / 8, n, out);
        return MS_OK;
    }
    return ms_decode_f32_strided(dtype, bytes, first, 1, n, out, err);
}
