#include "family.h"

#include "bank.h"
#include "groups.h"
#include "make_model.h"
#include "parameters.h"
#include "test.h"
#include "torture.h"

/* What one tensor is for, as text: "role proj layer expert section scheme". */
static void say(const ms_tensor *t, char out[static 128]) {
    snprintf(out, 128, "%s %s %d %d %s %s", ms_role_name(t->role), t->proj ? ms_proj_name(t->proj) : "-", t->layer, t->expert,
             t->section[0] ? t->section : "-", t->scheme[0] ? t->scheme : "-");
}

typedef struct ms_expected {
    const char *line, *want;
} ms_expected;

static void check_names(const char *config, const ms_expected *cases, size_t n) {
    ms_arena arena = {0};
    const char *lines[64] = {NULL};
    for (size_t i = 0; i < n; i++) lines[i] = cases[i].line;
    ms_checkpoint *const ckpt = make_model(&arena, config, lines);
    for (size_t i = 0; i < n; i++) {
        ms_str name = ms_str_of(cases[i].line);
        for (int blanks = 0; blanks < 2; name.size--) blanks += name.text[name.size - 1] == ' ';
        const ms_tensor *const t = ms_checkpoint_find(ckpt, name);
        char got[128];
        CHECK_MSG(t != NULL, "%s", cases[i].line);
        say(t, got);
        CHECK_MSG(strcmp(got, cases[i].want) == 0, "%s:\n   got: %s\n  want: %s", cases[i].line, got, cases[i].want);
    }
    ms_checkpoint_close(ckpt);
    ms_arena_free(&arena);
}
#define CHECK_NAMES(config, ...)                                       \
    do {                                                               \
        static const ms_expected cases_[] = __VA_ARGS__;               \
        check_names(config, cases_, sizeof cases_ / sizeof cases_[0]); \
    } while (0)

TEST(family_tells_roles_in_a_deepseek_layer) {
    CHECK_NAMES("{\"num_hidden_layers\": 4, \"n_routed_experts\": 2, \"hidden_size\": 8}",
                {
                    {"model.embed_tokens.weight BF16 16x8", "embedding - -1 -1 - -"},
                    {"lm_head.weight BF16 16x8", "embedding - -1 -1 - -"},
                    {"model.norm.weight BF16 8", "norm - -1 -1 - -"},
                    {"model.layers.0.mlp.gate_proj.weight BF16 12x8", "dense_ffn gate_proj 0 -1 - -"},
                    {"model.layers.3.mlp.experts.0.gate_proj.weight BF16 4x8", "expert gate_proj 3 0 - -"},
                    {"model.layers.3.mlp.experts.1.down_proj.weight BF16 8x4", "expert down_proj 3 1 - -"},
                    {"model.layers.3.mlp.experts.1.up_proj.weight BF16 4x8", "expert up_proj 3 1 - -"},
                    {"model.layers.3.mlp.gate.weight BF16 2x8", "router router 3 -1 - -"},
                    {"model.layers.3.mlp.gate.e_score_correction_bias F32 2", "router_aux - 3 -1 - -"},
                    {"model.layers.3.mlp.shared_experts.up_proj.weight BF16 4x8", "shared_expert up_proj 3 -1 - -"},
                    {"model.layers.3.mlp.shared_expert_gate.weight BF16 1x8", "shared_gate - 3 -1 - -"},
                    {"model.layers.3.self_attn.kv_a_proj_with_mqa.weight BF16 4x8", "attention - 3 -1 - -"},
                    {"model.layers.3.self_attn.kv_a_layernorm.weight BF16 4", "norm - 3 -1 - -"},
                    {"model.layers.3.self_attn.indexer.weights_proj.weight BF16 2x8", "attention - 3 -1 - -"},
                    {"model.layers.3.self_attn.q_proj.bias BF16 8", "attention - 3 -1 - -"},
                    {"model.layers.4.mlp.gate.weight BF16 2x8", "router router 4 -1 mtp -"},
                    {"model.layers.4.mlp.experts.0.up_proj.weight BF16 4x8", "expert up_proj 4 0 mtp -"},
                    {"model.layers.4.embed_tokens.weight BF16 16x8", "embedding - 4 -1 mtp -"},
                    {"model.layers.4.shared_head.head.weight BF16 16x8", "embedding - 4 -1 mtp -"},
                    {"model.layers.4.shared_head.norm.weight BF16 8", "norm - 4 -1 mtp -"},
                    {"model.layers.4.eh_proj.weight BF16 8x16", "other - 4 -1 mtp -"},
                    {"visual.blocks.0.mlp.fc1.weight BF16 8x8", "dense_ffn up_proj 0 -1 vision -"},
                    {"mtp.fc.weight BF16 8x16", "other - -1 -1 mtp -"},
                });
}

TEST(family_never_takes_quantisation_data_for_weights) {
    CHECK_NAMES("{}",
                {
                    {"model.layers.0.mlp.switch_mlp.gate_proj.weight U32 4x16x2", "expert gate_proj 0 -1 - mlx_affine"},
                    {"model.layers.0.mlp.switch_mlp.gate_proj.scales BF16 4x16x1", "quant_aux gate_proj 0 -1 - -"},
                    {"model.layers.0.mlp.switch_mlp.gate_proj.biases BF16 4x16x1", "quant_aux gate_proj 0 -1 - -"},
                    {"model.layers.0.mlp.switch_mlp.up_proj.weight U32 4x16x4", "expert up_proj 0 -1 - mlx_mxfp4"},
                    {"model.layers.0.mlp.switch_mlp.up_proj.scales U8 4x16x1", "quant_aux up_proj 0 -1 - -"},
                    {"model.layers.0.mlp.gate.weight BF16 4x16", "router router 0 -1 - -"},
                    {"model.layers.1.mlp.experts.0.gate_proj.weight F8_E4M3 256x256", "expert gate_proj 1 0 - fp8_block"},
                    {"model.layers.1.mlp.experts.0.gate_proj.weight_scale_inv F32 2x2", "quant_aux gate_proj 1 0 - -"},
                    {"model.layers.1.mlp.experts.0.up_proj.weight F8_E4M3 256x256", "expert up_proj 1 0 - fp8_tensor"},
                    {"model.layers.1.mlp.experts.0.up_proj.weight_scale F32 -", "quant_aux up_proj 1 0 - -"},
                    {"model.layers.1.mlp.experts.0.up_proj.input_scale F32 -", "quant_aux up_proj 1 0 - -"},
                    {"model.layers.1.mlp.experts.0.down_proj.weight F8_E4M3 256x256", "expert down_proj 1 0 - fp8_channel"},
                    {"model.layers.1.mlp.experts.0.down_proj.weight_scale BF16 256x1", "quant_aux down_proj 1 0 - -"},
                    {"model.layers.1.mlp.gate.weight BF16 1x256", "router router 1 -1 - -"},
                    {"model.layers.1.self_attn.q_proj.weight F8_E4M3 8x8", "attention - 1 -1 - fp8_tensor"},
                    {"model.layers.1.self_attn.q_proj.weight_scale F32 1", "quant_aux - 1 -1 - -"},
                    {"model.layers.1.self_attn.k_scale F32 -", "quant_aux - 1 -1 - -"},
                    {"layers.2.ffn.experts.3.w1.weight I8 8x16", "expert gate_proj 2 3 - mxfp4"},
                    {"layers.2.ffn.experts.3.w3.weight I8 8x16", "expert up_proj 2 3 - mxfp4"},
                    {"layers.2.ffn.experts.3.w1.scale F8_E8M0 8x1", "quant_aux gate_proj 2 3 - -"},
                    {"layers.2.ffn.experts.3.w3.scale F8_E8M0 8x1", "quant_aux up_proj 2 3 - -"},
                    {"layers.2.ffn.gate.weight BF16 4x32", "router router 2 -1 - -"},
                    {"model.layers.5.mlp.experts.gate_up_proj_blocks U8 4x16x1x16", "expert gate_up_proj 5 -1 - mxfp4"},
                    {"model.layers.5.mlp.experts.gate_up_proj_scales U8 4x16x1", "quant_aux gate_up_proj 5 -1 - -"},
                    {"model.layers.5.mlp.experts.gate_up_proj_bias BF16 4x16", "expert_bias gate_up_proj 5 -1 - -"},
                    {"model.layers.5.mlp.router.weight BF16 4x32", "router router 5 -1 - -"},
                    {"model.layers.5.mlp.router.bias BF16 4", "router_aux router 5 -1 - -"},
                    {"model.layers.6.mlp.experts.0.gate_proj.qweight I32 4x8", "expert gate_proj 6 0 - gptq"},
                    {"model.layers.6.mlp.experts.0.gate_proj.qzeros I32 1x1", "quant_aux gate_proj 6 0 - -"},
                    {"model.layers.6.mlp.experts.0.gate_proj.scales F16 1x8", "quant_aux gate_proj 6 0 - -"},
                    {"model.layers.6.mlp.experts.0.gate_proj.g_idx I32 32", "quant_aux gate_proj 6 0 - -"},
                    {"model.layers.6.mlp.experts.0.up_proj.qweight I32 4x8", "expert up_proj 6 0 - gptq"},
                    {"model.layers.6.mlp.experts.0.up_proj.scales F16 1x8", "quant_aux up_proj 6 0 - -"},
                    {"model.layers.6.mlp.gate.weight BF16 1x32", "router router 6 -1 - -"},
                });
}

TEST(family_knows_what_only_looks_like_a_router) {
    CHECK_NAMES("{\"num_experts\": 4, \"hidden_size\": 8}",
                {
                    {"model.layers.0.mlp.experts.3.up_proj.weight BF16 4x8", "expert up_proj 0 3 - -"},
                    {"model.layers.0.mlp.experts.3.gate_proj.weight BF16 4x8", "expert gate_proj 0 3 - -"},
                    {"model.layers.0.mlp.gate_proj.weight BF16 4x8", "dense_ffn gate_proj 0 -1 - -"},
                    {"model.layers.0.feed_forward.w1.weight BF16 4x8", "dense_ffn gate_proj 0 -1 - -"},
                    {"model.layers.0.self_attn.gate_proj.weight BF16 4x8", "attention - 0 -1 - -"},
                    {"model.layers.0.self_attn.g_proj.weight BF16 4x8", "attention - 0 -1 - -"},
                    {"model.layers.0.linear_attn.in_proj_z.weight BF16 4x8", "attention - 0 -1 - -"},
                    {"model.layers.0.mlp.coefficient.weight BF16 2x8", "router_aux - 0 -1 - -"},
                    {"model.layers.0.router.scale BF16 8", "router_aux - 0 -1 - -"},
                    {"model.layers.0.router.per_expert_scale BF16 4", "router_aux - 0 -1 - -"},
                    {"model.layers.0.mlp.shared_expert.gate_proj.weight BF16 4x8", "shared_expert gate_proj 0 -1 - -"},
                    {"model.layers.0.mlp.gate.weight BF16 4x8", "router router 0 -1 - -"},
                    {"model.layers.1.mlp.gate.weight BF16 3x8", "other - 1 -1 - -"}, /* no experts beside it, no E rows */
                    {"model.layers.1.mlp.up_proj.weight BF16 4x8", "dense_ffn up_proj 1 -1 - -"},
                });
}

TEST(family_finds_the_layer_of_odd_prefixes) {
    CHECK_NAMES(NULL, {
                          {"a.b c..layers.007.mlp.experts.0012.up_proj.weight F32 2x2", "expert up_proj 7 12 - -"},
                          {"_orig_mod.transformer.h.5.moe.mlp.2.fc1.weight F32 2x2", "expert up_proj 5 2 - -"},
                          {"transformer.decoder_layer.1.moe.6.linear_1.weight F32 2x2", "expert down_proj 1 6 - -"},
                          {"encoder.block.3.layer.1.mlp.experts.expert_4.wi.weight F32 2x2", "expert up_proj 3 4 - -"},
                          {"mtp.0.ffn.experts.1.w2.weight F32 2x2", "expert down_proj 0 1 mtp -"},
                          {"blk.9.ffn_down_exps.weight F32 2x2x2", "expert down_proj 9 -1 - -"},
                          {"model.layers.99999999999.mlp.experts.0.up_proj.weight F32 2x2", "other - -1 -1 - -"},
                          {"experts.1.up_proj.weight F32 2x2", "expert up_proj -1 1 - -"},
                          {"a.{}.layers.{}.b F32 2", "other - -1 -1 - -"},
                          {". F32 2", "other - -1 -1 - -"},
                      });
}

TEST(family_separates_attention_experts) {
    CHECK_NAMES(
        "{\"model_type\": \"jetmoe\"}",
        {
            {"model.layers.0.mlp.input_linear.weight F32 2x8x4", "expert gate_up_proj 0 -1 - -"},
            {"model.layers.0.mlp.router.layer.weight F32 2x4", "router router 0 -1 - -"},
            {"model.layers.0.mlp.bias F32 4", "expert_bias - 0 -1 - -"},
            {"model.layers.0.self_attention.experts.input_linear.weight F32 2x8x4", "expert - 0 -1 attention_experts -"},
            {"model.layers.0.self_attention.experts.router.layer.weight F32 2x4", "router router 0 -1 attention_experts -"},
            {"model.layers.0.self_attention.kv_proj.weight F32 8x4", "attention - 0 -1 - -"},
        });
}

TEST(family_notes_what_it_cannot_explain) {
    ms_arena arena = {0};
    ms_checkpoint *const ckpt =
        make_model(&arena, "{\"num_experts\": 3}",
                   (const char *const[]){"model.layers.0.mlp.experts.0.mystery.weight F32 2x2",
                                         "model.layers.1.mlp.experts.0.mystery.weight F32 2x2",
                                         "model.layers.0.mlp.w_all F32 3x2x2", "model.other F32 2", NULL});
    size_t n = 0;
    for (size_t i = 0; i < ckpt->notes.n; i++) n += strcmp(ckpt->notes.items[i].code, "family.unexplained") == 0;
    CHECK_EQ_I64(n, 2); /* a pattern each */
    CHECK(ckpt->family == NULL);
    ms_checkpoint_close(ckpt);
    ms_arena_free(&arena);
}

TEST(family_takes_a_single_expert_without_router_for_a_dense_layer) {
    CHECK_NAMES(NULL, {
                          {"model.layers.0.feed_forward.experts.0.up_proj.weight F32 4x8", "dense_ffn up_proj 0 -1 - -"},
                          {"model.layers.1.feed_forward.experts.0.up_proj.weight F32 4x8", "expert up_proj 1 0 - -"},
                          {"model.layers.1.feed_forward.experts.1.up_proj.weight F32 4x8", "expert up_proj 1 1 - -"},
                          {"model.layers.1.feed_forward.router.weight F32 2x8", "router router 1 -1 - -"},
                      });
}

TEST(layers_count_experts_over_all_files_and_compare_with_the_config) {
    ms_arena arena = {0};
    ms_checkpoint *const ckpt = make_model(
        &arena, "{\"num_experts\": 4, \"hidden_size\": 8, \"num_hidden_layers\": 3, \"first_k_dense_replace\": 1}",
        (const char *const[]){"model.layers.1.mlp.experts.0.up_proj.weight F32 2x8",
                              "model.layers.1.mlp.experts.2.up_proj.weight F32 2x8", "model.layers.1.mlp.gate.weight F32 5x9",
                              "model.layers.0.mlp.experts.1.up_proj.weight F32 2x8",
                              "model.layers.0.mlp.experts.0.up_proj.weight F32 2x8", NULL});
    CHECK_EQ_I64(ckpt->n_layers, 2);
    const ms_layer *const one = ms_layers_find(ckpt, "", 1);
    CHECK(one && one->experts == 3 && one->present == 2 && one->router_rows == 5);
    CHECK(ms_layers_find(ckpt, "mtp", 1) == NULL && ms_layers_find(ckpt, "", 2) == NULL);
    static const char *const codes[] = {"experts.config", "experts.router", "experts.missing", "router.width", "layers.config"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) CHECK_MSG(find_note(&ckpt->notes, codes[i]), "%s", codes[i]);
    ms_checkpoint_close(ckpt);
    ms_arena_free(&arena);
}

TEST(parameters_count_packed_weights_unpacked_and_scales_not_at_all) {
    ms_arena arena = {0};
    ms_parameters n;
    ms_checkpoint *const ckpt =
        make_model(&arena, "{\"num_experts_per_tok\": 1, \"quantization\": {\"group_size\": 64, \"bits\": 4}}",
                   (const char *const[]){"model.layers.0.mlp.switch_mlp.up_proj.weight U32 4x16x8",
                                         "model.layers.0.mlp.switch_mlp.up_proj.scales F16 4x16x1",
                                         "model.layers.0.mlp.switch_mlp.up_proj.biases F16 4x16x1",
                                         "model.layers.0.mlp.gate.weight F16 4x64", "model.norm.weight F16 64", NULL});
    CHECK(ms_parameters_count(&n, ckpt, NULL) == MS_OK);
    CHECK_EQ_I64(n.routed, 4 * 16 * 64);
    CHECK_EQ_I64(n.router, 4 * 64);
    CHECK_EQ_I64(n.total, 4 * 16 * 64 + 4 * 64 + 64);
    CHECK(n.active_known);
    CHECK_EQ_I64(n.active, 16 * 64 + 4 * 64 + 64);
    ms_checkpoint_close(ckpt);
    ms_arena_free(&arena);
}

TEST(groups_fold_numbers_into_sets) {
    ms_arena arena = {0};
    ms_groups groups;
    ms_checkpoint *const ckpt = make_model(
        &arena, NULL,
        (const char *const[]){"layers.0.mlp.experts.0.up_proj.weight F32 2x2", "layers.0.mlp.experts.1.up_proj.weight F32 2x2",
                              "layers.0.mlp.experts.2.up_proj.weight F32 2x2", "layers.2.mlp.experts.0.up_proj.weight F32 2x2",
                              "layers.2.mlp.experts.7.up_proj.weight F32 2x3", "layers.5.a F32 1", "layers.70000.a F32 1",
                              "layers.6.a F32 1", NULL});
    CHECK(ms_groups_build(&groups, ckpt, NULL) == MS_OK);
    CHECK_EQ_I64(groups.n, 3);
    CHECK_EQ_STR(groups.items[0].text, "layers.2.mlp.experts.7.up_proj.weight"); /* another shape */
    CHECK_EQ_STR(groups.items[1].text, "layers.{0,2}.mlp.experts.{0..2}.up_proj.weight");
    CHECK_EQ_I64(groups.items[1].n, 4);
    CHECK_EQ_I64(groups.items[1].n_product, 6);
    CHECK_EQ_STR(groups.items[2].text, "layers.{5..70000}.a");
    ms_groups_free(&groups);
    ms_checkpoint_close(ckpt);
    ms_arena_free(&arena);
}

static ms_str torture_file;

static ms_status open_all(void *context, ms_err *err) {
    ms_checkpoint *ckpt;
    ms_banks banks = {0};
    ms_groups groups = {0};
    ms_parameters n;
    (void)context;
    MS_TRY(try_make_model(&ckpt, torture_file, "{\"num_experts\": 2, \"hidden_size\": 4, \"num_hidden_layers\": 2}", err));
    ms_status status = ms_banks_from_family(&banks, ckpt, err);
    if (status == MS_OK) status = ms_groups_build(&groups, ckpt, err);
    if (status == MS_OK) status = ms_parameters_count(&n, ckpt, err);
    ms_banks_free(&banks);
    ms_groups_free(&groups);
    ms_checkpoint_close(ckpt);
    return status;
}

TEST(model_survives_failing_allocations) {
    ms_arena arena = {0};
    torture_file = make_model_file(&arena, (const char *const[]){"model.layers.0.mlp.experts.0.up_proj.weight F32 2x4",
                                                                 "model.layers.0.mlp.experts.1.up_proj.weight F32 2x4",
                                                                 "model.layers.1.mlp.experts.gate_up_proj F32 2x4x4",
                                                                 "model.layers.1.mlp.experts.down_proj F32 2x4x2",
                                                                 "model.layers.0.mlp.gate.weight F32 2x4",
                                                                 "model.layers.1.mlp.gate.weight F32 2x4", NULL});
    CHECK_SURVIVES_MEMORY(open_all, NULL);
    ms_arena_free(&arena);
}
