/* The analysis_config.json that `init` writes: every key with its default. What each one does: docs/pipeline.md. */
#include "run_config.h"

/* clang-format off */
static const char template_text[] =
"{\"model_path\": \"\","
" \"scan\": {\"extensions\": [\".safetensors\", \".npz\"],"
"            \"experts_only\": true,"
"            \"include_shared_expert\": true,"
"            \"inventory_all_tensors\": true,"
"            \"use_safetensors_index_json\": true,"
"            \"strict_index\": false,"
"            \"max_files\": null},"
" \"parsing\": {\"layer_regex\": \"(?:^|\\\\.)layers\\\\.(\\\\d+)(?:\\\\.|$)\","
"               \"expert_regex\": \"(?:^|\\\\.)experts\\\\.(\\\\d+)(?:\\\\.|$)\","
"               \"proj_aliases\": {\"down_proj\": [\"down_proj\", \"w2\", \".down.\", \"ffn_down\"],"
"                                  \"gate_proj\": [\"gate_proj\", \"w1\", \".gate.\", \"ffn_gate\"],"
"                                  \"up_proj\": [\"up_proj\", \"w3\", \".up.\", \"ffn_up\"]},"
"               \"shared_expert_keywords\": [\"shared\", \"expert\"],"
"               \"strict_packed_split\": true,"
"               \"proj_group_strict\": false,"
"               \"families\": true},"
" \"metadata\": {\"enabled\": true, \"mode\": \"validate\", \"config_path\": null},"
" \"extract_rules\": ["
"   {\"name\": \"generic_3d_expert_bank_separate\", \"enabled\": true,"
"    \"match\": \".*experts.*\\\\.(down_proj|gate_proj|up_proj)\\\\.weight$\", \"ndim\": 3,"
"    \"layout\": {\"layer_axis\": null, \"expert_axis\": 0, \"rows_axis\": 1, \"cols_axis\": 2}, \"proj_group\": 1},"
"   {\"name\": \"generic_2d_per_expert_separate\", \"enabled\": true,"
"    \"match\": \".*experts\\\\.(\\\\d+)\\\\.(down_proj|gate_proj|up_proj)\\\\.weight$\", \"ndim\": 2,"
"    \"layout\": {\"layer_axis\": null, \"expert_axis\": null, \"rows_axis\": 0, \"cols_axis\": 1},"
"    \"expert_group\": 1, \"proj_group\": 2},"
"   {\"name\": \"EXAMPLE_fused_gate_down_split_rows\", \"enabled\": false,"
"    \"match\": \".*experts.*\\\\.(w13|gate_down_proj)\\\\.weight$\", \"ndim\": 3,"
"    \"layout\": {\"layer_axis\": null, \"expert_axis\": 0, \"rows_axis\": 1, \"cols_axis\": 2},"
"    \"packed_split\": {\"axis\": \"rows\", \"splits\": [512, 512], \"projs\": [\"gate_proj\", \"down_proj\"]}}],"
" \"mlx\": {\"enabled\": true, \"device\": \"cpu\", \"profile\": \"cpu\"},"
" \"stats\": {\"eps\": 1e-12,"
"             \"sample_per_matrix\": 8192,"
"             \"sample_seed\": 1337,"
"             \"percentiles_abs\": [50.0, 99.0, 99.9],"
"             \"group_outlier_percentile\": 95.0,"
"             \"group_sizes_lastdim\": [32, 64],"
"             \"quant_compute_dtype\": \"bf16\","
"             \"quant_rel_den_floor\": null},"
" \"quant_schemes\": ["
"   {\"name\": \"affine_q4_g32\", \"mode\": \"affine\", \"bits\": 4, \"group_size\": 32, \"enabled\": true},"
"   {\"name\": \"mxfp4_g32\", \"mode\": \"mxfp4\", \"bits\": 4, \"group_size\": 32, \"enabled\": true},"
"   {\"name\": \"affine_q8_g32\", \"mode\": \"affine\", \"bits\": 8, \"group_size\": 32, \"enabled\": true}],"
" \"delta_pairs\": ["
"   {\"name\": \"mxfp4_minus_q4\", \"a\": \"mxfp4_g32\", \"b\": \"affine_q4_g32\"},"
"   {\"name\": \"q8_minus_mxfp4\", \"a\": \"affine_q8_g32\", \"b\": \"mxfp4_g32\"}],"
" \"output\": {\"format\": \"parquet\", \"compression\": \"zstd\"},"
" \"debug\": {\"dump_unmatched_tensors\": true, \"print_progress_every_files\": 1}}";
/* clang-format on */

/* A section as it is, with the one key that init may add. */
static void put_parsing(ms_json_out *json, const ms_json_value *section, const char *expert_widths) {
    ms_json_out_begin_object(json);
    for (size_t i = 0; i < section->object.n; i++) {
        const ms_json_member *const member = &section->object.members[i];
        ms_json_out_key_str(json, member->key);
        ms_json_out_value(json, member->value, false);
    }
    if (expert_widths) {
        ms_json_out_key(json, "expert_widths");
        ms_json_out_text(json, expert_widths);
    }
    ms_json_out_end(json);
}

ms_status ms_run_config_template(ms_buf *out, const char *model_path, const char *expert_widths, ms_err *err) {
    ms_arena arena = {0};
    const ms_json_value *root;
    ms_status status = ms_json_parse(&root, template_text, sizeof template_text - 1, &arena, err);
    if (status == MS_OK) {
        ms_json_out json = {.buf = out, .indent = 2};
        ms_json_out_begin_object(&json);
        for (size_t i = 0; i < root->object.n; i++) {
            const ms_json_member *const member = &root->object.members[i];
            ms_json_out_key_str(&json, member->key);
            if (ms_str_is(member->key, "model_path")) ms_json_out_text(&json, model_path);
            else if (ms_str_is(member->key, "parsing")) put_parsing(&json, member->value, expert_widths);
            else ms_json_out_value(&json, member->value, false);
        }
        ms_json_out_end(&json);
        if (out->failed) status = ms_err_memory(err, "the configuration template");
    }
    ms_arena_free(&arena);
    return status;
}
