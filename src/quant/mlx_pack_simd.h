/*
 * mlx_pack_simd: the vector form of ms_mlx_pack_values_scalar, written once over 16-wide vectors; no header guard, included by
 * mlx_pack_avx2.c and mlx_pack_avx512.c after their mlx_vec_*.h.
 *
 * 16 codes are 2 * bits bytes. Each code is cut out of the two bytes it touches: byte i * bits / 8 and the next, shifted right
 * by i * bits mod 8.
 */
#include <string.h>

typedef struct unpack_table {
    uint8_t from[64]; /* per code four places: its two bytes, then nothing */
    uint32_t shift[16], mask;
} unpack_table;

static unpack_table unpack_table_of(int bits) {
    unpack_table t = {.mask = (1u << bits) - 1};
    memset(t.from, 0x80, sizeof t.from);
    for (int i = 0; i < 16; i++) {
        const int at = i * bits;
        t.from[4 * i] = (uint8_t)(at / 8);
        if (at % 8 + bits > 8) t.from[4 * i + 1] = (uint8_t)(at / 8 + 1);
        t.shift[i] = (uint32_t)at % 8;
    }
    return t;
}

FN vf fp4_units(vi codes) {
    static const float magnitudes[8] = {0, 0.5F, 1, 1.5F, 2, 3, 4, 6};
    return vf_with_sign(vf_lookup8(magnitudes, codes), vf_of(vi_shl(codes, 28)));
}

/* The code's exponent and mantissa at the top of an f32's fields are 2^-120 of its value, also for the subnormal ones. */
FN vf e4m3_units(vi codes) {
    const vi magnitude = vi_and(codes, vi_set(0x7F));
    const vf value = vf_mul(vf_of(vi_shl(magnitude, 20)), vf_set(0x1p120f));
    const vf nan = vf_of(vi_set(0x7FC00000u));
    return vf_with_sign(vf_select(vm_eq_int(magnitude, vi_set(0x7F)), nan, value), vf_of(vi_shl(codes, 24)));
}

FN void values(bool affine, ms_dtype type, const ms_mlx_codec *codec, const ms_mlx_stored *in, size_t n_groups, float *out) {
    const unpack_table table = unpack_table_of(codec->bits);
    const size_t n_bytes = 2 * (size_t)codec->bits, vectors = (size_t)codec->group_size / 16, n_vectors = n_groups * vectors;
    for (size_t i = 0; i < n_groups; i++) {
        const ms_mlx_group group = ms_mlx_pack_group(codec, in, i);
        const vf scale = vf_set(group.scale), bias = vf_set(group.bias);
        for (size_t v = i * vectors; v < (i + 1) * vectors; v++) {
            const uint8_t *bytes = in->words + v * n_bytes;
            uint8_t last[16] = {0};
            if ((n_vectors - v) * n_bytes < 16) bytes = memcpy(last, bytes, n_bytes); /* 16 bytes are read */
            const vi codes = vi_unpack(bytes, table.from, table.shift, table.mask);
            vf value;
            if (affine) value = vf_add(round_to(type, vf_mul(vf_of_int(codes), scale)), bias);
            else value = vf_mul(codec->bits == 4 ? fp4_units(codes) : e4m3_units(codes), scale);
            vf_store(out + 16 * v, round_to(type, value));
        }
    }
}

void KERNEL(const ms_mlx_codec *codec, const ms_mlx_stored *in, size_t n_groups, float *out) {
    const bool affine = codec->mode == MS_MLX_AFFINE;
    switch (codec->value) {
    case MS_DTYPE_F16:
        if (affine) values(true, MS_DTYPE_F16, codec, in, n_groups, out);
        else values(false, MS_DTYPE_F16, codec, in, n_groups, out);
        break;
    case MS_DTYPE_BF16:
        if (affine) values(true, MS_DTYPE_BF16, codec, in, n_groups, out);
        else values(false, MS_DTYPE_BF16, codec, in, n_groups, out);
        break;
    default:
        if (affine) values(true, MS_DTYPE_F32, codec, in, n_groups, out);
        else values(false, MS_DTYPE_F32, codec, in, n_groups, out);
    }
}
