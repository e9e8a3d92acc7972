#include <stdlib.h>

#include "decode.h"
#include "decoders.h"
#include "make_file.h"
#include "mem.h"
#include "test.h"

enum { EXPERTS = 3, PER_EXPERT = 2 * 64, N = EXPERTS * PER_EXPERT, BYTES = N / 64 * 36 };
static const char weight_name[] = "blk.0.ffn_up_exps.weight";

static void put_tensor(ms_buf *b, const char *name, uint32_t rank, const uint64_t *extents, uint32_t type, uint64_t offset) {
    const uint64_t n = strlen(name);
    ms_buf_put(b, &n, 8), ms_buf_put_text(b, name), ms_buf_put(b, &rank, 4);
    ms_buf_put(b, extents, 8 * (size_t)rank), ms_buf_put(b, &type, 4), ms_buf_put(b, &offset, 8);
}

/* A file of one bank [EXPERTS, 2, 64] of that type and, unless leaf is NULL, n_scales numbers beside it. */
static ms_checkpoint *make_bank(ms_buf *b, uint32_t type, const uint8_t *blocks, const char *leaf, const float *scales,
                                uint64_t n_scales) {
    char name[64];
    const uint32_t version = 3;
    const uint64_t counts[2] = {leaf ? 2 : 1, 0}, scales_at = (BYTES + 31) / 32 * 32;
    ms_buf_put_text(b, "GGUF"), ms_buf_put(b, &version, 4), ms_buf_put(b, counts, 16);
    put_tensor(b, weight_name, 3, (const uint64_t[]){64, 2, EXPERTS}, type, 0);
    snprintf(name, sizeof name, "blk.0.ffn_up_exps%s", leaf ? leaf : "");
    if (leaf) put_tensor(b, name, 1, &n_scales, 0, scales_at);
    while (b->size % 32) ms_buf_put_char(b, 0);
    ms_buf_put(b, blocks, BYTES);
    for (size_t i = BYTES; i < scales_at; i++) ms_buf_put_char(b, 0);
    if (leaf) ms_buf_put(b, scales, n_scales * sizeof *scales);

    ms_source *source;
    ms_reader *reader;
    ms_checkpoint *ckpt;
    ms_notes notes = {0};
    ms_err err = {0};
    if (ms_source_over_memory(&source, b->bytes, b->size, "m.gguf", &err) != MS_OK ||
        ms_reader_open(&reader, source, &(ms_read_options){0}, &notes, &err) != MS_OK ||
        ms_checkpoint_over(&ckpt, &reader, 1, MS_STR("{}"), NULL, &err) != MS_OK) {
        fprintf(stderr, "make_bank: %s\n", err.text);
        exit(2);
    }
    ms_notes_free(&notes);
    return ckpt;
}

static void fill(ms_gen *g, uint8_t *blocks) {
    for (int i = 0; i < BYTES; i++) blocks[i] = (uint8_t)gen_u64(g);
}

PROPERTY(nvfp4_blocks_of_gguf_are_multiplied_by_the_scale_beside_them, 30) {
    static const char *const leaves[] = {".scale", ".weight.scale"};
    const float scales[EXPERTS] = {0.5f, -1.25f, 3};
    const uint64_t n_scales = gen_below(g, 2) ? EXPERTS : 1;
    const size_t first = gen_below(g, N), n = 1 + gen_below(g, N - first);
    uint8_t blocks[BYTES];
    float plain[N], got[N];
    ms_buf file = {0};
    ms_scratch scratch = {0};
    ms_err err = {0};
    fill(g, blocks);
    ms_checkpoint *const ckpt = make_bank(&file, 40, blocks, leaves[gen_below(g, 2)], scales, n_scales);
    const ms_tensor *const tensor = ms_checkpoint_find(ckpt, MS_STR("blk.0.ffn_up_exps.weight"));
    CHECK_EQ_TEXT(tensor->scheme, "gguf_nvfp4");
    CHECK_OK(ms_decode_f32(MS_DTYPE_GGML_NVFP4, blocks, 0, N, plain, &err), &err);
    CHECK_OK(ms_decoders_run(ckpt, tensor, first, n, &scratch, got, &err), &err);
    for (size_t i = 0; i < n; i++) {
        const float want = plain[first + i] * scales[n_scales == 1 ? 0 : (first + i) / PER_EXPERT];
        CHECK_MSG(memcmp(&want, &got[i], sizeof want) == 0, "%zu: got %g, want %g", i, (double)got[i], (double)want);
    }
    ms_scratch_free(&scratch);
    ms_checkpoint_close(ckpt);
    ms_buf_free(&file);
}

/* gemma4's ffn_down_exps.scale beside another type is no scale of the weights. */
TEST(a_scale_beside_other_block_types_of_gguf_is_not_applied) {
    static const uint8_t blocks[BYTES];
    const float scales[EXPERTS] = {2, 2, 2};
    ms_buf file = {0};
    ms_checkpoint *const ckpt = make_bank(&file, 2, blocks, ".scale", scales, EXPERTS); /* Q4_0: as many bytes */
    CHECK_EQ_TEXT(ms_checkpoint_find(ckpt, MS_STR("blk.0.ffn_up_exps.weight"))->scheme, "");
    ms_checkpoint_close(ckpt);
    ms_buf_free(&file);
}

TEST(nvfp4_scales_of_a_wrong_number_are_refused) {
    static const uint8_t blocks[BYTES];
    const float scales[2] = {1, 2};
    float out[64];
    ms_buf file = {0};
    ms_scratch scratch = {0};
    ms_err err = {0};
    ms_checkpoint *const ckpt = make_bank(&file, 40, blocks, ".scale", scales, 2);
    const ms_tensor *const tensor = ms_checkpoint_find(ckpt, MS_STR("blk.0.ffn_up_exps.weight"));
    CHECK(ms_decoders_run(ckpt, tensor, 0, 64, &scratch, out, &err) == MS_ERR_DAMAGED);
    CHECK(strstr(err.text, "2 scales") != NULL);
    ms_scratch_free(&scratch);
    ms_checkpoint_close(ckpt);
    ms_buf_free(&file);
}
