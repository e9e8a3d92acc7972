#include "ggml_block.h"

#include <string.h>

#include "decode.h"
#include "test.h"

typedef struct vector {
    ms_dtype dtype;
    uint32_t crc;  /* CRC-32 of the block's values as f32, -0 made +0; from ggml's own dequantize_row_* */
    int halves[2]; /* where the test puts the scales 0x3555 and 0xAA3D; -1: not */
} vector;

static const vector vectors[] = {
    {MS_DTYPE_GGML_Q1_0, 0xdff4ecfa, {0, -1}},    {MS_DTYPE_GGML_Q2_0, 0xf13b7858, {0, -1}},
    {MS_DTYPE_GGML_Q4_0, 0x6ff05e13, {0, -1}},    {MS_DTYPE_GGML_Q4_1, 0xc3a0ef1a, {0, 2}},
    {MS_DTYPE_GGML_Q5_0, 0xe60204a3, {0, -1}},    {MS_DTYPE_GGML_Q5_1, 0x76c9435c, {0, 2}},
    {MS_DTYPE_GGML_Q8_0, 0xa1bc5891, {0, -1}},    {MS_DTYPE_GGML_MXFP4, 0xc2727839, {-1, -1}},
    {MS_DTYPE_GGML_NVFP4, 0xc5f9cdd3, {-1, -1}},  {MS_DTYPE_GGML_Q2_K, 0x6aaafcb3, {80, 82}},
    {MS_DTYPE_GGML_Q3_K, 0x91a8cd30, {108, -1}},  {MS_DTYPE_GGML_Q4_K, 0x1342d69d, {0, 2}},
    {MS_DTYPE_GGML_Q5_K, 0x0445658c, {0, 2}},     {MS_DTYPE_GGML_Q6_K, 0xcc54a7c2, {208, -1}},
    {MS_DTYPE_GGML_Q8_K, 0x27e992b5, {-1, -1}},   {MS_DTYPE_GGML_TQ1_0, 0x10cbb33d, {52, -1}},
    {MS_DTYPE_GGML_TQ2_0, 0x7f48010c, {64, -1}},  {MS_DTYPE_GGML_IQ2_XXS, 0x284e0e2e, {0, -1}},
    {MS_DTYPE_GGML_IQ2_XS, 0x26c9def0, {0, -1}},  {MS_DTYPE_GGML_IQ2_S, 0x834c30c9, {0, -1}},
    {MS_DTYPE_GGML_IQ3_XXS, 0xe52a7e54, {0, -1}}, {MS_DTYPE_GGML_IQ3_S, 0xfd75dd05, {0, -1}},
    {MS_DTYPE_GGML_IQ1_S, 0xd7a6998f, {0, -1}},   {MS_DTYPE_GGML_IQ1_M, 0xf9309cb0, {-1, -1}},
    {MS_DTYPE_GGML_IQ4_NL, 0x3fe0353b, {0, -1}},  {MS_DTYPE_GGML_IQ4_XS, 0x73fd1d2d, {0, -1}},
};
enum { N_VECTORS = sizeof vectors / sizeof vectors[0] };

static uint32_t crc32_of(const void *bytes, size_t n) {
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < n; i++) {
        crc ^= ((const uint8_t *)bytes)[i];
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

static void fill_block(uint8_t *block, const vector *v) {
    for (int i = 0; i < ms_dtype_info_of(v->dtype)->block_bytes; i++) block[i] = (uint8_t)(73 * i + 41);
    static const uint16_t scales[2] = {0x3555, 0xAA3D};
    for (int k = 0; k < 2; k++)
        if (v->halves[k] >= 0) memcpy(block + v->halves[k], &scales[k], 2);
    const float d = 0.0123f;
    if (v->dtype == MS_DTYPE_GGML_Q8_K) memcpy(block, &d, 4);
    if (v->dtype == MS_DTYPE_GGML_MXFP4) block[0] = 125;
    if (v->dtype == MS_DTYPE_GGML_IQ1_M)
        for (int k = 0; k < 4; k++) block[49 + 2 * k] = (uint8_t)((block[49 + 2 * k] & 15) | (0x3555 >> 4 * k & 15) << 4);
}

TEST(ggml_blocks_decode_to_ggmls_own_bits) {
    for (int k = 0; k < N_VECTORS; k++) {
        uint8_t block[320];
        float values[256];
        fill_block(block, &vectors[k]);
        const size_t n = ms_dtype_info_of(vectors[k].dtype)->block;
        ms_ggml_blocks_decode(vectors[k].dtype, block, 1, values);
        for (size_t i = 0; i < n; i++) values[i] += 0.0f; /* -0 becomes +0 */
        const uint32_t crc = crc32_of(values, n * sizeof *values);
        CHECK_MSG(crc == vectors[k].crc, "%s: got %08x, want %08x; %g %g ... %g", ms_dtype_info_of(vectors[k].dtype)->name, crc,
                  vectors[k].crc, (double)values[0], (double)values[1], (double)values[n - 1]);
    }
}

ISA_TEST(ggml_kernels_agree_bit_for_bit) {
    ms_ggml_decoder *const *const tables[] = {ms_ggml_decoders_scalar, ms_ggml_decoders_avx2, ms_ggml_decoders_avx512};
    for (int k = 0; k < MS_DTYPE_COUNT - MS_DTYPE_GGML_FIRST; k++) {
        const ms_dtype_info *const info = ms_dtype_info_of((ms_dtype)(MS_DTYPE_GGML_FIRST + k));
        uint8_t blocks[3 * 320];
        float want[3 * 256], got[3 * 256];
        for (size_t i = 0; i < sizeof blocks; i++) blocks[i] = (uint8_t)gen_u64(g);
        tables[0][k](blocks, 3, want);
        tables[isa][k](blocks, 3, got);
        for (int i = 0; i < 3 * info->block; i++)
            CHECK_MSG((isnan(want[i]) && isnan(got[i])) || memcmp(&want[i], &got[i], 4) == 0, "%s, %d: got %g, want %g",
                      info->name, i, (double)got[i], (double)want[i]);
    }
}

/* A run that begins and ends inside blocks is a window of the whole. */
PROPERTY(any_window_of_blocks_decodes_alike, 50) {
    const ms_dtype dtype = (ms_dtype)(MS_DTYPE_GGML_FIRST + gen_below(g, MS_DTYPE_COUNT - MS_DTYPE_GGML_FIRST));
    const ms_dtype_info *const info = ms_dtype_info_of(dtype);
    uint8_t blocks[5 * 320];
    float whole[5 * 256], part[5 * 256];
    for (size_t i = 0; i < sizeof blocks; i++) blocks[i] = (uint8_t)gen_u64(g);
    ms_err err = {0};
    const size_t n_all = 5 * (size_t)info->block, first = gen_below(g, n_all), n = gen_below(g, n_all - first + 1);
    CHECK_OK(ms_decode_f32(dtype, blocks, 0, n_all, whole, &err), &err);
    uint64_t offset, n_bytes, skip;
    CHECK(ms_dtype_range(dtype, first, n, &offset, &n_bytes, &skip) && offset + n_bytes <= 5u * info->block_bytes);
    CHECK_OK(ms_decode_f32(dtype, blocks + offset, skip, n, part, &err), &err);
    CHECK(memcmp(whole + first, part, n * sizeof *part) == 0);
}

TEST(unknown_ggml_ids_are_named_or_refused) {
    CHECK(ms_ggml_type_by_id(43) == NULL && ms_ggml_type_by_id(UINT32_MAX) == NULL);
    CHECK_EQ_TEXT(ms_ggml_type_by_id(139)->name, "IQ4_K");
    CHECK(ms_ggml_type_by_id(4)->block == 0);
    for (uint32_t id = 0; id < MS_GGML_N_IDS; id++) CHECK(ms_ggml_type_by_id(id)->id == id);
}
