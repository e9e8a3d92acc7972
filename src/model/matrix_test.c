#include "bank.h"
#include "decoders.h"
#include "half.h"
#include "make_model.h"
#include "test.h"

/* A tensor of random bytes behind a reader made by hand, so that shapes, types and sources can be anything. */
typedef struct ms_fake {
    ms_checkpoint ckpt;
    ms_tensor tensor;
    ms_stored stored;
    uint64_t shape[3];
    ms_source *source;
    uint8_t *bytes;
} ms_fake;

static const struct {
    ms_dtype dtype;
    size_t size;
} types[] = {{MS_DTYPE_F32, 4}, {MS_DTYPE_BF16, 2}, {MS_DTYPE_F16, 2},
             {MS_DTYPE_I8, 1},  {MS_DTYPE_F64, 8},  {MS_DTYPE_F8_E4M3, 1}};

static void make_fake(ms_fake *fake, ms_gen *g, uint64_t n, bool mapped) {
    const size_t type = gen_below(g, sizeof types / sizeof types[0]);
    const size_t n_bytes = (size_t)n * types[type].size;
    fake->bytes = ms_mem_alloc(n_bytes + 3);
    for (size_t i = 0; i < n_bytes; i++) fake->bytes[i + 3] = (uint8_t)gen_u64(g);
    if (mapped) ms_source_over_memory(&fake->source, fake->bytes, n_bytes + 3, "fake", NULL);
    else fake->source = make_copying_source(fake->bytes, n_bytes + 3, "fake", 0);
    fake->shape[0] = n;
    fake->stored = (ms_stored){.name = MS_STR("t"),
                               .dtype = types[type].dtype,
                               .rank = 1,
                               .shape = fake->shape,
                               .source = fake->source,
                               .offset = 3,
                               .n_bytes = n_bytes,
                               .dtype_name = MS_STR("?")};
    fake->tensor = (ms_tensor){.stored = &fake->stored, .section = "", .scheme = ""};
    fake->ckpt = (ms_checkpoint){.tensors = &fake->tensor, .n_tensors = 1};
}

static void free_fake(ms_fake *fake) {
    ms_source_close(fake->source);
    ms_mem_free(fake->bytes);
}

static bool same_bits(const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!(isnan(a[i]) && isnan(b[i])) && memcmp(&a[i], &b[i], sizeof a[i]) != 0) return false;
    return true;
}

/* Whatever the strides, rows and gathered elements are the elements one by one. */
PROPERTY(matrix_rows_are_the_strided_elements, 400) {
    const uint64_t rows = 1 + gen_below(g, 150), cols = 1 + gen_below(g, 150), step = 1 + gen_below(g, 3);
    const bool turned = gen_below(g, 2), mapped = gen_below(g, 2);
    ms_matrix m = {.rows = rows, .cols = cols, .first = gen_below(g, 50)};
    m.row_stride = turned ? step : cols * step, m.col_stride = turned ? rows * step + gen_below(g, 5) : 1;
    const uint64_t n = m.first + (rows - 1) * m.row_stride + (cols - 1) * m.col_stride + 1;
    ms_fake fake;
    make_fake(&fake, g, n, mapped);
    float *const all = ms_mem_alloc_array(n, sizeof *all), *const want = ms_mem_alloc_array(rows * cols, sizeof *want);
    float *const got = ms_mem_alloc_array(rows * cols, sizeof *got);
    ms_scratch scratch = {0};
    ms_err err = {0};
    CHECK_OK(ms_decoders_run(&fake.ckpt, &fake.tensor, 0, n, &scratch, all, &err), &err);
    for (uint64_t r = 0; r < rows; r++)
        for (uint64_t c = 0; c < cols; c++) want[r * cols + c] = all[m.first + r * m.row_stride + c * m.col_stride];
    for (uint64_t row = 0; row < rows;) {
        const uint64_t count = 1 + gen_below(g, rows - row);
        CHECK_OK(ms_matrix_rows(&fake.ckpt, &m, row, count, &scratch, got + row * cols, &err), &err);
        row += count;
    }
    CHECK(same_bits(got, want, rows * cols));

    int64_t positions[64];
    float picked[64];
    for (size_t i = 0; i < 64; i++) positions[i] = (int64_t)gen_below(g, rows * cols);
    CHECK_OK(ms_matrix_gather(&fake.ckpt, &m, positions, 64, &scratch, picked, &err), &err);
    for (size_t i = 0; i < 64; i++) CHECK(same_bits(&picked[i], &want[positions[i]], 1));

    const void *stored;
    CHECK_OK(ms_matrix_stored_rows(&fake.ckpt, &m, 0, rows, &scratch, &stored, &err), &err);
    const bool dense = (m.col_stride == 1 || cols == 1) && (m.row_stride == cols || rows == 1);
    CHECK((stored != NULL) == dense);
    ms_scratch_free(&scratch);
    ms_mem_free(all), ms_mem_free(want), ms_mem_free(got);
    free_fake(&fake);
}

TEST(matrix_refuses_rows_and_elements_outside) {
    ms_gen gen = {1};
    ms_fake fake;
    make_fake(&fake, &gen, 12, true);
    const ms_matrix m = {.rows = 3, .cols = 4, .row_stride = 4, .col_stride = 1};
    ms_scratch scratch = {0};
    ms_err err = {0};
    float out[16];
    CHECK_FAILS(ms_matrix_rows(&fake.ckpt, &m, 2, 2, &scratch, out, &err), MS_ERR_USAGE, &err, "rows 2 to 4");
    CHECK_FAILS(ms_matrix_rows(&fake.ckpt, &m, UINT64_MAX, 2, &scratch, out, &err), MS_ERR_USAGE, &err, "rows");
    CHECK_FAILS(ms_matrix_gather(&fake.ckpt, &m, &(int64_t){12}, 1, &scratch, out, &err), MS_ERR_USAGE, &err, "element 12");
    CHECK_FAILS(ms_matrix_gather(&fake.ckpt, &m, &(int64_t){-1}, 1, &scratch, out, &err), MS_ERR_USAGE, &err, "element -1");
    const ms_matrix beyond = {.rows = 3, .cols = 4, .row_stride = 5, .col_stride = 1}; /* one built on a wrong shape */
    CHECK_FAILS(ms_matrix_rows(&fake.ckpt, &beyond, 0, 3, &scratch, out, &err), MS_ERR_DAMAGED, &err, "tensor 't'");
    fake.tensor.scheme = "hqq";
    CHECK_FAILS(ms_matrix_rows(&fake.ckpt, &m, 0, 1, &scratch, out, &err), MS_ERR_UNSUPPORTED, &err, "hqq");
    fake.tensor.scheme = "";
    fake.stored.dtype = MS_DTYPE_F6_E2M3;
    CHECK_FAILS(ms_matrix_rows(&fake.ckpt, &m, 0, 1, &scratch, out, &err), MS_ERR_UNSUPPORTED, &err, "tensor 't'");
    ms_scratch_free(&scratch);
    free_fake(&fake);
}

TEST(matrix_derived_names) {
    ms_arena arena = {0};
    ms_err err = {0};
    ms_banks banks;
    ms_buf name = {0};
    ms_checkpoint *const ckpt = make_model(&arena, "{\"model_type\": \"gpt_oss\", \"hidden_size\": 6}",
                                           (const char *const[]){"layers.0.mlp.experts.gate_up_proj F32 2x6x4",
                                                                 "layers.0.mlp.experts.down_proj F32 2x2x6",
                                                                 "layers.1.mlp.input_linear.weight F32 2x4x6",
                                                                 "layers.1.mlp.output_linear.weight F32 2x6x2", NULL});
    CHECK_OK(ms_banks_from_family(&banks, ckpt, &err), &err);
    static const char *const want[] = {"layers.0.mlp.experts.gate_up_proj::split[cols,interleaved]::gate_proj",
                                       "layers.0.mlp.experts.gate_up_proj::split[cols,interleaved]::up_proj",
                                       "layers.0.mlp.experts.down_proj::down_proj",
                                       "layers.1.mlp.input_linear.weight::split[rows]::gate_proj",
                                       "layers.1.mlp.input_linear.weight::split[rows]::up_proj",
                                       "layers.1.mlp.output_linear.weight::down_proj"};
    CHECK_EQ_I64(banks.n, 6);
    for (size_t b = 0; b < banks.n; b++) {
        ms_buf_clear(&name);
        ms_matrix_derived_name(ckpt, &banks, &banks.matrices.items[banks.items[b].first_matrix], &name);
        CHECK_EQ_TEXT(name.bytes, want[b]);
        CHECK_EQ_I64(banks.items[b].n_matrices, 2);
    }
    ms_buf_free(&name);
    ms_banks_free(&banks);
    ms_checkpoint_close(ckpt);
    ms_arena_free(&arena);
}

TEST(banks_say_what_they_leave_out) {
    ms_arena arena = {0};
    ms_err err = {0};
    ms_banks banks;
    ms_checkpoint *const ckpt =
        make_model(&arena, NULL,
                   (const char *const[]){"layers.0.mlp.experts.gate_up_proj F32 2x5x6", "layers.0.mlp.gate.weight F32 2x6",
                                         "transformer.blocks.1.ffn.experts.mlp.w1 F32 7x6",
                                         "transformer.blocks.1.ffn.router.layer.weight F32 2x6", NULL});
    CHECK_OK(ms_banks_from_family(&banks, ckpt, &err), &err);
    CHECK(find_note(&banks.notes, "bank.odd"));
    CHECK(find_note(&banks.notes, "bank.experts"));
    CHECK_EQ_I64(banks.n, 2); /* the routers */
    ms_banks_free(&banks);
    ms_checkpoint_close(ckpt);
    ms_arena_free(&arena);
}

TEST(banks_outline_agrees_with_the_banks) {
    ms_err err = {0};
    ms_checkpoint *ckpt;
    ms_banks banks, outline;
    CHECK_OK(ms_checkpoint_open(&ckpt, MS_SOURCE_DIR "/examples/tiny-qwen2-moe", NULL, &err), &err);
    CHECK_OK(ms_banks_from_family(&banks, ckpt, &err), &err);
    CHECK_OK(ms_banks_outline(&outline, ckpt, &err), &err);
    CHECK_EQ_I64(outline.n, banks.n);
    CHECK_EQ_I64(outline.matrices.n, 0);
    for (size_t b = 0; b < banks.n; b++) {
        CHECK_EQ_I64(outline.items[b].n_matrices, banks.items[b].n_matrices);
        CHECK_EQ_I64(outline.items[b].rows, banks.matrices.items[banks.items[b].first_matrix].rows);
        CHECK_EQ_I64(outline.items[b].cols, banks.matrices.items[banks.items[b].first_matrix].cols);
    }
    ms_banks_free(&banks), ms_banks_free(&outline);
    ms_checkpoint_close(ckpt);
}

static bool same_matrix(const ms_matrix *a, const ms_matrix *b) {
    return a->tensor == b->tensor && a->expert == b->expert && a->bank == b->bank && a->rows == b->rows && a->cols == b->cols &&
           a->first == b->first && a->row_stride == b->row_stride && a->col_stride == b->col_stride;
}

/* Tensors of one matrix, of fused halves, of nothing; in any order, and more than once. */
TEST(bank_cutter_cuts_the_banks_tensor_by_tensor) {
    ms_err err = {0};
    ms_arena arena = {0};
    ms_banks banks;
    ms_bank_cutter *cutter;
    ms_checkpoint *const ckpt = make_model(
        &arena, NULL,
        (const char *const[]){"layers.1.mlp.experts.gate_up_proj F32 2x8x6", "layers.0.mlp.experts.1.up_proj.weight F32 4x6",
                              "layers.1.mlp.experts.down_proj F32 2x6x4", "layers.0.mlp.experts.0.up_proj.weight F32 4x6",
                              "layers.0.mlp.gate.weight F32 2x6", "norm.weight F32 6", NULL});
    CHECK_OK(ms_banks_from_family(&banks, ckpt, &err), &err);
    CHECK_OK(ms_bank_cutter_open(&cutter, ckpt, &err), &err);
    CHECK_EQ_I64(cutter->outline.n, banks.n);
    for (size_t i = 0; i < 2 * ckpt->n_tensors; i++) {
        const uint32_t tensor = (uint32_t)((2 * ckpt->n_tensors - 1 - i) % ckpt->n_tensors);
        size_t n = 0;
        CHECK_OK(ms_bank_cutter_cut(cutter, tensor, &err), &err);
        for (size_t m = 0; m < banks.matrices.n; m++)
            if (banks.matrices.items[m].tensor == tensor) {
                CHECK(n < cutter->n_matrices && same_matrix(&cutter->matrices[n], &banks.matrices.items[m]));
                n++;
            }
        CHECK_EQ_I64(cutter->n_matrices, n);
    }
    for (size_t b = 0; b < banks.n; b++) CHECK_EQ_I64(cutter->outline.items[b].n_matrices, banks.items[b].n_matrices);
    ms_bank_cutter_close(cutter);
    ms_banks_free(&banks);
    ms_checkpoint_close(ckpt);
    ms_arena_free(&arena);
}
