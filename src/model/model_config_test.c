#include "model_config.h"

#include "test.h"
#include "torture.h"

typedef struct ms_reading { /* a config read from a literal */
    ms_arena arena;
    ms_notes notes;
    ms_model_config config;
} ms_reading;

static bool read_text(ms_reading *r, const char *text) {
    const ms_json_value *root = NULL;
    *r = (ms_reading){0};
    if (ms_json_parse(&root, text, strlen(text), &r->arena, NULL) != MS_OK) return false;
    return ms_model_config_read(&r->config, root, &r->arena, &r->notes, MS_STR("config.json"), NULL) == MS_OK;
}

static void done(ms_reading *r) {
    ms_notes_free(&r->notes);
    ms_arena_free(&r->arena);
}

TEST(model_config_of_nothing_knows_nothing) {
    ms_reading r = {0};
    CHECK(ms_model_config_read(&r.config, NULL, &r.arena, &r.notes, MS_STR(""), NULL) == MS_OK);
    CHECK(!r.config.experts.known && !r.config.layers.known && !r.config.top_k.known);
    CHECK_EQ_I64(ms_config_at(&r.config.experts, 3, -7), -7);
    CHECK_EQ_I64(ms_model_config_has_experts(&r.config, 0), MS_UNKNOWN);
    CHECK_EQ_I64(r.config.norm_topk, MS_UNKNOWN);
    CHECK_EQ_STR(r.config.architecture, "");
    done(&r);
}

TEST(model_config_reads_every_spelling_of_expert_counts) {
    static const struct {
        const char *text;
        int64_t experts, top_k, width;
    } cases[] = {
        {"{\"num_experts\": 60, \"num_experts_per_tok\": 4, \"moe_intermediate_size\": 9, \"intermediate_size\": 1}", 60, 4, 9},
        {"{\"num_local_experts\": 8, \"num_experts_per_tok\": 2, \"intermediate_size\": 14336}", 8, 2, 14336},
        {"{\"n_routed_experts\": 256, \"num_experts_per_token\": 8, \"expert_ffn_hidden_size\": 5}", 256, 8, 5},
        {"{\"moe_num_experts\": 64, \"moe_k\": 6}", 64, 6, -1},
        {"{\"num_moe_experts\": 3, \"moe_topk\": 1}", 3, 1, -1},
        {"{\"num_local_experts\": 32, \"experts_per_token\": 4}", 32, 4, -1},
        {"{\"text_config\": {\"num_experts\": 128, \"top_k_experts\": 8}}", 128, 8, -1},
        {"{\"language_config\": {\"n_routed_experts\": 72, \"moe_top_k\": 6}}", 72, 6, -1},
        {"{\"llm_config\": {\"num_experts\": 5, \"num_selected_experts\": 2}}", 5, 2, -1},
        {"{\"thinker_config\": {\"text_config\": {\"num_experts\": 7, \"num_experts_per_tok\": 3}}}", 7, 3, -1},
        {"{\"ffn_config\": {\"moe_num_experts\": 16, \"moe_top_k\": 4, \"ffn_hidden_size\": 10752}}", 16, 4, 10752},
        {"{\"num_experts\": \" 0016 \", \"num_experts_per_tok\": 2.0}", 16, 2, -1},
        {"{\"num_experts\": true, \"num_experts_per_tok\": 2.5, \"n_routed_experts\": 4}", 4, -1, -1},
        {"{\"num_experts\": null, \"num_local_experts\": \"eight\"}", -1, -1, -1},
        {"{\"extra\": {\"deep\": {\"num_experts\": 999}}, \"vision_config\": {\"num_experts\": 999}}", -1, -1, -1},
        {"{\"num_experts\": 0}", 0, -1, -1}, /* zero is known, and is not unknown */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ms_reading r;
        CHECK_MSG(read_text(&r, cases[i].text), "%s", cases[i].text);
        CHECK_MSG(ms_config_at(&r.config.experts, 0, -1) == cases[i].experts, "%s: experts", cases[i].text);
        CHECK_MSG(ms_config_at(&r.config.top_k, 0, -1) == cases[i].top_k, "%s: top-k", cases[i].text);
        CHECK_MSG(ms_config_at(&r.config.expert_width, 0, -1) == cases[i].width, "%s: width", cases[i].text);
        done(&r);
    }
}

TEST(model_config_takes_the_first_synonym_and_says_when_others_differ) {
    ms_reading r;
    CHECK(read_text(&r, "{\"num_hidden_layers\": 60, \"n_layer\": \"64\", \"num_layers\": 60, \"num_experts\": 8,"
                        " \"n_routed_experts\": \"8\"}"));
    CHECK_EQ_I64(ms_config_at(&r.config.layers, 0, -1), 60);
    CHECK_EQ_STR(r.config.layers.key, "num_hidden_layers");
    CHECK_EQ_I64(r.notes.n, 1); /* 64; "8" is 8 */
    CHECK_EQ_TEXT(r.notes.items[0].code, "config.conflict");
    done(&r);
}

TEST(model_config_names_values_of_impossible_types) {
    ms_reading r;
    CHECK(read_text(&r, "{\"num_experts\": {\"a\": 1}, \"hidden_size\": [1, true]}"));
    CHECK(!r.config.experts.known && !r.config.hidden.known);
    CHECK_EQ_I64(r.notes.n, 2);
    CHECK_EQ_TEXT(r.notes.items[0].code, "config.type");
    done(&r);
}

TEST(model_config_lists_are_per_layer_only_with_one_item_a_layer) {
    ms_reading r;
    CHECK(read_text(&r, "{\"num_hidden_layers\": 3, \"num_experts\": [4, 8, \"16\"], \"moe_topk\": [2, 2],"
                        " \"moe_intermediate_size\": [9, 5], \"num_shared_expert\": [1, 0, 1]}"));
    CHECK_EQ_I64(ms_config_at(&r.config.experts, 2, -1), 16);
    CHECK_EQ_I64(ms_config_at(&r.config.experts, 3, -1), -1);
    CHECK_EQ_I64(ms_config_at(&r.config.top_k, 2, -1), 2); /* all alike: no matter how many */
    CHECK_EQ_I64(ms_config_at(&r.config.expert_width, 0, -1), -1);
    CHECK_EQ_I64(ms_config_at(&r.config.shared_experts, 1, -1), 0);
    done(&r);
}

TEST(model_config_adds_text_and_vision_experts) {
    ms_reading r;
    CHECK(read_text(&r, "{\"num_hidden_layers\": 28, \"moe_num_experts\": [64, 32]}"));
    CHECK_EQ_I64(ms_config_at(&r.config.experts, 0, -1), 96);
    done(&r);
}

TEST(model_config_knows_which_layers_have_experts) {
    static const struct {
        const char *text, *kinds; /* a letter a layer: x experts, . none, ? not said */
    } cases[] = {
        {"{\"num_hidden_layers\": 4}", "????"},
        {"{\"num_hidden_layers\": 4, \"first_k_dense_replace\": 2}", "..xx"},
        {"{\"num_hidden_layers\": 4, \"num_dense_layers\": 1}", ".xxx"},
        {"{\"num_hidden_layers\": 4, \"first_k_dense_replace\": 1, \"moe_layer_freq\": 2}", "..x."},
        {"{\"num_hidden_layers\": 4, \"moe_layer_freq\": [0, 1, 1, 0]}", ".xx."},
        {"{\"num_hidden_layers\": 4, \"decoder_sparse_step\": 2}", ".x.x"},
        {"{\"num_hidden_layers\": 4, \"decoder_sparse_step\": 1, \"mlp_only_layers\": [0, \"1\", 9, -1]}", "..xx"},
        {"{\"num_hidden_layers\": 4, \"expert_layer_period\": 2, \"expert_layer_offset\": 1}", ".x.x"},
        {"{\"num_hidden_layers\": 4, \"interleave_moe_layer_step\": 2}", ".x.x"},
        {"{\"num_hidden_layers\": 4, \"moe_layers\": [1, 2]}", ".xx."},
        {"{\"num_hidden_layers\": 4, \"moe_layers_enum\": \"0, 3,7\"}", "x..x"},
        {"{\"num_hidden_layers\": 4, \"is_moe_layer\": [false, true, true, false]}", ".xx."},
        {"{\"num_hidden_layers\": 4, \"mlp_layer_types\": [\"dense\", \"sparse\", \"hash_moe\", \"moe\"]}", ".xxx"},
        {"{\"layers_block_type\": [\"linear_attention\", \"moe\", \"full_attention\", \"moe\"]}", ".x.x"},
        {"{\"layers_block_type\": [\"mamba\", \"attention\", \"mamba\", \"mamba\"]}", "????"}, /* says nothing about experts */
        {"{\"hybrid_override_pattern\": \"ME*-\"}", ".x.."},
        {"{\"num_hidden_layers\": 4, \"moe_layer_start_index\": 1, \"moe_layer_end_index\": 2}", ".xx."},
        {"{\"num_hidden_layers\": 4, \"moe_layer_start_index\": 1, \"moe_layer_end_index\": -1, \"moe_layer_interval\": 2}",
         ".x.x"},
        {"{\"num_hidden_layers\": 4, \"moe_every_n_layers\": 2}", ".x.x"},
        {"{\"num_hidden_layers\": 4, \"enable_moe_block\": false, \"first_k_dense_replace\": 1}", "...."},
        {"{\"num_hidden_layers\": 4, \"decoder_sparse_step\": 0}", "...."},
        {"{\"num_hidden_layers\": 4, \"expert_layer_period\": 0}", "...."},
        {"{\"num_hidden_layers\": 4, \"moe_layer_freq\": [0, 1]}", "????"}, /* not one a layer */
        {"{\"num_hidden_layers\": 1e18, \"first_k_dense_replace\": 1}", "????"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ms_reading r;
        CHECK_MSG(read_text(&r, cases[i].text), "%s", cases[i].text);
        char kinds[5] = {0};
        for (int l = 0; l < 4; l++) {
            const ms_ternary kind = ms_model_config_has_experts(&r.config, l);
            kinds[l] = kind == MS_YES ? 'x' : kind == MS_NO ? '.' : '?';
        }
        CHECK_MSG(strcmp(kinds, cases[i].kinds) == 0, "%s: got %s, want %s", cases[i].text, kinds, cases[i].kinds);
        done(&r);
    }
}

TEST(model_config_routing_quantization_and_types) {
    ms_reading r;
    CHECK(read_text(
        &r, "{\"architectures\": [\"X\"], \"model_type\": \"outer\", \"text_config\": {\"model_type\": \"llama4_text\"},"
            " \"scoring_func\": \"sigmoid\", \"topk_method\": \"noaux_tc\", \"norm_topk_prob\": true,"
            " \"routed_scaling_factor\": 2.5, \"n_group\": 8, \"topk_group\": 4,"
            " \"quantization_config\": {\"quant_method\": \"fp8\"}}"));
    CHECK_EQ_STR(r.config.architecture, "X");
    CHECK_EQ_STR(r.config.text_model_type, "llama4_text");
    CHECK(ms_model_config_is_type(&r.config, (const char *const[]){"nothing", "llama4*", NULL}));
    CHECK(!ms_model_config_is_type(&r.config, (const char *const[]){"llama4", NULL}));
    CHECK_EQ_STR(r.config.scoring, "sigmoid");
    CHECK_EQ_STR(r.config.selection, "noaux_tc");
    CHECK_EQ_I64(r.config.norm_topk, MS_YES);
    CHECK_NEAR(r.config.routed_scale.value, 2.5, 0);
    CHECK_EQ_I64(ms_config_at(&r.config.topk_group, 0, -1), 4);
    CHECK_EQ_STR(r.config.quant_method, "fp8");
    done(&r);
    CHECK(read_text(&r, "{\"quantization\": {\"group_size\": 64, \"bits\": 4}, \"quantization_config\": {\"bits\": 4}}"));
    CHECK_EQ_STR(r.config.quant_method, "mlx");
    done(&r);
}

TEST(model_config_expands_expert_sizes) {
    ms_reading r;
    CHECK(read_text(&r, "{\"model_args\": {\"expert_sizes\": [[2, 384], [1, 128]]}}"));
    CHECK_EQ_I64(r.config.n_expert_sizes, 3);
    CHECK_EQ_I64(r.config.expert_sizes[1], 384);
    CHECK_EQ_I64(r.config.expert_sizes[2], 128);
    done(&r);
    static const char *const bad[] = {"{\"expert_sizes\": [[1e9, 4]]}", "{\"expert_sizes\": [[2]]}",
                                      "{\"expert_sizes\": [[-1, 4]]}", "{\"expert_sizes\": [3]}",
                                      "{\"expert_sizes\": [[1, true]]}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK(read_text(&r, bad[i]));
        CHECK_MSG(r.config.n_expert_sizes == 0, "%s", bad[i]);
        done(&r);
    }
}

TEST(shape_budget_has_all_fields_in_order_and_null_for_unknown) {
    static const char text[] =
        "{\"n_layer\": 62, \"num_layers\": 9, \"d_model\": \"128\", \"n_routed_experts\": 16.0,"
        " \"num_local_experts\": 3, \"experts_per_token\": 4, \"mlp_only_layers\": [0, \"1\", 2, \"003\"],"
        " \"expert_intermediate_size\": true, \"nested\": {\"decoder_sparse_step\": 1}}";
    static const char *const names[] = {"num_hidden_layers",
                                        "hidden_size",
                                        "moe_intermediate_size",
                                        "shared_expert_intermediate_size",
                                        "num_experts",
                                        "num_experts_per_tok",
                                        "n_shared_experts",
                                        "decoder_sparse_step",
                                        "full_attention_interval",
                                        "first_k_dense_replace",
                                        "mlp_only_layers"};
    static const int64_t values[] = {62, 128, -1, -1, 16, 4, -1, -1, -1, -1, 0};
    ms_arena arena = {0};
    const ms_json_value *root;
    ms_shape_budget_field fields[MS_SHAPE_BUDGET_FIELDS];
    CHECK(ms_json_parse(&root, text, sizeof text - 1, &arena, NULL) == MS_OK);
    CHECK(ms_model_shape_budget(fields, root, &arena, NULL) == MS_OK);
    for (size_t i = 0; i < MS_SHAPE_BUDGET_FIELDS; i++) {
        CHECK_EQ_TEXT(fields[i].name, names[i]);
        CHECK_MSG(fields[i].value.known == (values[i] >= 0), "%s", names[i]);
        if (values[i] >= 0) CHECK_EQ_I64(fields[i].value.items[0], values[i]);
    }
    CHECK(fields[10].value.is_list);
    CHECK_EQ_I64(fields[10].value.n, 4);
    CHECK_EQ_I64(fields[10].value.items[3], 3);
    ms_arena_free(&arena);
}

/* Any JSON at all: no crash, no value out of the text. */
PROPERTY(model_config_survives_any_values, 300) {
    static const char *const keys[] = {"num_experts",
                                       "num_hidden_layers",
                                       "moe_layers",
                                       "moe_layers_enum",
                                       "layers_block_type",
                                       "moe_layer_freq",
                                       "expert_sizes",
                                       "architectures",
                                       "text_config",
                                       "quantization_config",
                                       "mlp_only_layers",
                                       "decoder_sparse_step",
                                       "hybrid_override_pattern",
                                       "expert_layer_period",
                                       "interleave_moe_layer_step",
                                       "moe_layer_start_index",
                                       "moe_every_n_layers",
                                       "model_type"};
    static const char *const values[] = {"null",
                                         "true",
                                         "0",
                                         "-1",
                                         "3",
                                         "4",
                                         "1e300",
                                         "2.0",
                                         "\"7\"",
                                         "\"\"",
                                         "\"a,b\"",
                                         "[]",
                                         "{}",
                                         "[1,2,3]",
                                         "[\"moe\",\"x\",\"moe\"]",
                                         "[[1,2],[3,4]]",
                                         "{\"num_experts\":[2]}",
                                         "9223372036854775807",
                                         "-9223372036854775808",
                                         "18446744073709551615",
                                         "[true,false,true]",
                                         "\"ME*-\"",
                                         "[null]"};
    ms_buf text = {0};
    ms_buf_put_text(&text, "{\"num_hidden_layers\": 3");
    for (size_t n = gen_below(g, 8); n > 0; n--)
        ms_buf_printf(&text, ", \"%s\": %s", keys[gen_below(g, sizeof keys / sizeof keys[0])],
                      values[gen_below(g, sizeof values / sizeof values[0])]);
    ms_buf_put_text(&text, "}");
    ms_reading r;
    CHECK(read_text(&r, text.bytes));
    for (int l = -1; l < 5; l++) ms_model_config_has_experts(&r.config, l);
    done(&r);
    ms_buf_free(&text);
}
