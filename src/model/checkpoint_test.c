#include "checkpoint.h"

#include "bank.h"
#include "family.h"
#include "parameters.h"
#include "test.h"

static const char example[] = MS_SOURCE_DIR "/examples/tiny-qwen2-moe";

TEST(checkpoint_opens_the_example_by_folder_shard_and_index) {
    static const char *const paths[] = {"", "/model-00002-of-00003.safetensors", "/model.safetensors.index.json",
                                        "/config.json"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        char path[512];
        ms_err err = {0};
        ms_checkpoint *ckpt;
        snprintf(path, sizeof path, "%s%s", example, paths[i]);
        CHECK_OK(ms_checkpoint_open(&ckpt, path, NULL, &err), &err);
        CHECK_EQ_I64(ckpt->n_files, 3);
        CHECK_EQ_I64(ckpt->n_tensors, 375);
        CHECK_EQ_I64(ms_notes_count(&ckpt->notes, MS_NOTE_INFO), 0);
        CHECK_EQ_I64(ms_config_at(&ckpt->model.top_k, 0, -1), 4);
        CHECK(ckpt->family && strcmp(ckpt->family->name, "per-expert") == 0);
        ms_checkpoint_close(ckpt);
    }
}

TEST(banks_of_the_example_are_in_order_and_complete) {
    ms_err err = {0};
    ms_checkpoint *ckpt;
    ms_banks banks;
    CHECK_OK(ms_checkpoint_open(&ckpt, example, NULL, &err), &err);
    CHECK_OK(ms_banks_from_family(&banks, ckpt, &err), &err);
    CHECK_EQ_I64(banks.n, 6 * 7); /* gate, up, down of the experts and of the shared one, and the router */
    for (size_t b = 0; b < banks.n; b++) {
        const ms_bank *const bank = &banks.items[b];
        CHECK_EQ_I64(bank->layer, b / 7);
        CHECK_EQ_I64(bank->n_matrices, b % 7 < 3 ? 16 : 1);
        for (size_t m = 0; m < bank->n_matrices; m++)
            CHECK_EQ_I64(banks.matrices.items[bank->first_matrix + m].expert, b % 7 < 3 ? (int64_t)m : -1);
    }
    CHECK_EQ_STR(banks.items[0].proj, "gate_proj");
    CHECK_EQ_STR(banks.items[2].proj, "down_proj");
    CHECK_EQ_STR(banks.items[6].proj, "router");
    ms_banks_free(&banks);
    ms_checkpoint_close(ckpt);
}

TEST(parameters_of_the_example) {
    ms_err err = {0};
    ms_checkpoint *ckpt;
    ms_parameters n;
    CHECK_OK(ms_checkpoint_open(&ckpt, example, NULL, &err), &err);
    CHECK_OK(ms_parameters_count(&n, ckpt, &err), &err);
    CHECK_EQ_I64(n.total, 3489664);
    CHECK_EQ_I64(n.routed, 6 * 16 * 3 * 64 * 128);
    CHECK(n.active_known);
    CHECK_EQ_I64(n.active, 3489664 - n.routed / 4 * 3);
    CHECK_EQ_I64(n.total, n.routed + n.shared + n.router + n.attention + n.embedding + n.other);
    ms_checkpoint_close(ckpt);
}
