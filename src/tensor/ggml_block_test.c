#include "ggml_block.h"

#include <string.h>

#include "decode.h"
#include "mem.h"
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

/* Both decoders over blocks that end where memory ends (so that ASan sees what reads too far) and begin at odd addresses. */
static void check_kernels(ms_isa isa, ms_dtype dtype, const uint8_t *bytes, size_t n_blocks) {
    const ms_dtype_info *const info = ms_dtype_info_of(dtype);
    const size_t n_bytes = n_blocks * info->block_bytes, n = n_blocks * info->block;
    uint8_t *const blocks = ms_mem_alloc(n_bytes + 1);
    float *const want = ms_mem_alloc_array(n, sizeof *want), *const got = ms_mem_alloc_array(n, sizeof *got);
    memcpy(blocks + 1, bytes, n_bytes);
    ms_ggml_decoders_of(MS_ISA_SCALAR)[dtype - MS_DTYPE_GGML_FIRST](blocks + 1, n_blocks, want);
    ms_ggml_decoders_of(isa)[dtype - MS_DTYPE_GGML_FIRST](blocks + 1, n_blocks, got);
    for (size_t i = 0; i < n; i++)
        if (!(isnan(want[i]) && isnan(got[i])) && memcmp(&want[i], &got[i], sizeof *got) != 0)
            return ms_test_fail(__FILE__, __LINE__, "%s, %zu: got %a, want %a", info->name, i, (double)got[i], (double)want[i]);
    ms_mem_free(blocks), ms_mem_free(want), ms_mem_free(got);
}

ISA_TEST(ggml_kernels_agree_bit_for_bit) {
    for (ms_dtype dtype = MS_DTYPE_GGML_FIRST; dtype < MS_DTYPE_COUNT; dtype++) {
        uint8_t bytes[9 * 320];
        for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)gen_u64(g);
        check_kernels(isa, dtype, bytes, gen_below(g, 10));
    }
}

ISA_TEST(ggml_kernels_agree_where_scales_are_extreme) {
    static const uint16_t halves[] = {0, 0x8000, 1, 0x83FF, 0x0400, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7E00};
    static const float singles[] = {0, -0.0f, 0x1p-149f, 0x1p-126f, 0x1p127f, -INFINITY, NAN};
    for (int k = 0; k < N_VECTORS; k++) {
        uint8_t block[320];
        const size_t n_bytes = ms_dtype_info_of(vectors[k].dtype)->block_bytes;
        for (size_t i = 0; i < n_bytes; i++) block[i] = (uint8_t)gen_u64(g);
        for (int h = 0; h < 2; h++)
            if (vectors[k].halves[h] >= 0) memcpy(block + vectors[k].halves[h], &halves[gen_below(g, 10)], 2);
        if (vectors[k].dtype == MS_DTYPE_GGML_Q8_K) memcpy(block, &singles[gen_below(g, 7)], 4);
        if (vectors[k].dtype == MS_DTYPE_GGML_MXFP4) block[0] = (uint8_t[]){0, 1, 2, 254, 255}[gen_below(g, 5)];
        if (vectors[k].dtype == MS_DTYPE_GGML_NVFP4) memcpy(block, (uint8_t[]){0, 0x7F, 0xFF, 0x80}, 4);
        check_kernels(isa, vectors[k].dtype, block, 1);
    }
}

/* What surrounds the scales matters too: every byte value everywhere at once. */
ISA_TEST(ggml_kernels_agree_on_blocks_of_one_byte) {
    uint8_t bytes[320];
    for (ms_dtype dtype = MS_DTYPE_GGML_FIRST; dtype < MS_DTYPE_COUNT; dtype++)
        for (int value = 0; value < 256; value++) {
            memset(bytes, value, sizeof bytes);
            check_kernels(isa, dtype, bytes, 1);
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
