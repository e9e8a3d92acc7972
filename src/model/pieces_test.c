#include "pieces.h"

#include "bank.h"
#include "make_file.h"
#include "torture.h"

TEST(names_of_pieces) {
    static const struct {
        const char *name, *stem;
    } cases[] = {{"model-00003-TP-007.safetensors", "model-00003-TP-"},
                 {"consolidated.00.pth", "consolidated."},
                 {"model-TP-common.safetensors", NULL},
                 {"model-00001-of-00002.safetensors", NULL},
                 {"consolidated.safetensors", NULL},
                 {"a-TP-1", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ms_str stem = MS_STR("");
        CHECK(ms_pieces_is_name(ms_str_of(cases[i].name), &stem) == (cases[i].stem != NULL));
        if (cases[i].stem) CHECK_EQ_STR(stem, cases[i].stem);
    }
}

/* Two pieces of an expert, [3, 4] after [2, 4] for w1 and w3, [4, 2] beside [4, 3] for w2; a norm in both; what nobody knows. */
static const char *make_pieces(ms_arena *arena, bool with_index) {
    static const char index[] =
        "{\"weight_map\": {\"model.layers.0.block_sparse_moe.experts.0.w1.weight\": \"m-TP-000.safetensors\", "
        "\"model.layers.0.block_sparse_moe.gate.weight\": \"m-TP-common.safetensors\"}}";
    const char *const folder = ms_arena_printf(arena, "%s/pieces", test_folder()).text;
    const uint64_t tall[2][2] = {{2, 4}, {3, 4}}, wide[2][2] = {{4, 2}, {4, 3}}, four[] = {4}, router[] = {1, 4};
    for (int i = 0; i < 2; i++) {
        const ms_safetensors_tensor tensors[] = {
            make_f32(arena, "model.layers.0.block_sparse_moe.experts.0.w1.weight", (float)(8 * i), 2, tall[i]),
            make_f32(arena, "model.layers.0.block_sparse_moe.experts.0.w3.weight", (float)(8 * i), 2, tall[i]),
            make_f32(arena, "model.layers.0.block_sparse_moe.experts.0.w2.weight", (float)(100 * i), 2, wide[i]),
            make_f32(arena, "model.norm.weight", 0, 1, four),
            make_f32(arena, "model.odd.weight", 0, 2, wide[i]),
        };
        ms_buf file = {0};
        char name[64];
        snprintf(name, sizeof name, "m-TP-%03d.safetensors", i);
        make_safetensors(&file, tensors, sizeof tensors / sizeof tensors[0]);
        make_file(arena, folder, name, file.bytes, file.size);
        ms_buf_free(&file);
    }
    const ms_safetensors_tensor gate = make_f32(arena, "model.layers.0.block_sparse_moe.gate.weight", 0, 2, router);
    ms_buf file = {0};
    make_safetensors(&file, &gate, 1);
    make_file(arena, folder, "m-TP-common.safetensors", file.bytes, file.size);
    if (with_index) make_file(arena, folder, "model.safetensors.index.json", index, sizeof index - 1);
    ms_buf_free(&file);
    return folder;
}

static bool has_note(const ms_checkpoint *ckpt, const char *code) {
    for (size_t i = 0; i < ckpt->notes.n; i++)
        if (strcmp(ckpt->notes.items[i].code, code) == 0) return true;
    return false;
}

static bool holds(const ms_checkpoint *ckpt, const char *name, uint64_t rows, uint64_t cols, float at_1_3) {
    const ms_tensor *const t = ms_checkpoint_find(ckpt, ms_str_of(name));
    if (!t || t->stored->rank != 2 || t->stored->shape[0] != rows || t->stored->shape[1] != cols) return false;
    ms_scratch scratch = {0};
    const void *bytes = NULL;
    float got = NAN;
    if (ms_source_view(t->stored->source, t->stored->offset, (size_t)t->stored->n_bytes, &scratch, &bytes, NULL) == MS_OK)
        memcpy(&got, (const float *)bytes + cols + 3, sizeof got);
    ms_scratch_free(&scratch);
    return got == at_1_3;
}

TEST(pieces_of_experts_are_joined_and_others_named) {
    for (int with_index = 0; with_index < 2; with_index++) {
        ms_arena arena = {0};
        ms_checkpoint *ckpt;
        ms_banks banks;
        ms_err err = {0};
        CHECK_OK(ms_checkpoint_open(&ckpt, make_pieces(&arena, with_index), NULL, &err), &err);
        CHECK_EQ_I64(ckpt->n_files, 3);
        CHECK_EQ_I64(ckpt->n_tensors, 6);
        CHECK(holds(ckpt, "model.layers.0.block_sparse_moe.experts.0.w1.weight", 5, 4, 7));
        CHECK(
            holds(ckpt, "model.layers.0.block_sparse_moe.experts.0.w2.weight", 4, 5, 104)); /* row 1 of the second: 103, 104 */
        CHECK(has_note(ckpt, "pieces.joined") && has_note(ckpt, "pieces.unknown") && !has_note(ckpt, "index.file_unlisted"));
        CHECK_OK(ms_banks_from_family(&banks, ckpt, &err), &err);
        CHECK(banks.n == 4 && banks.items[0].rows == 5 && banks.items[0].cols == 4 && banks.items[2].cols == 5);
        ms_banks_free(&banks);
        ms_checkpoint_close(ckpt);
        ms_arena_free(&arena);
    }
}

static ms_status open_pieces(void *context, ms_err *err) {
    ms_checkpoint *ckpt;
    MS_TRY(ms_checkpoint_open(&ckpt, context, NULL, err));
    const ms_status status = ckpt->notes.lost ? ms_err_memory(err, "notes") : MS_OK;
    ms_checkpoint_close(ckpt);
    return status;
}

TEST(pieces_survive_failing_allocations_and_reads) {
    ms_arena arena = {0};
    const char *const folder = make_pieces(&arena, true);
    CHECK_SURVIVES_MEMORY(open_pieces, (void *)(uintptr_t)folder);
    CHECK_SURVIVES_READS(open_pieces, (void *)(uintptr_t)folder);
    ms_arena_free(&arena);
}
