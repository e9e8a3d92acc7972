#include "run_config.h"

#include "mem.h"
#include "test.h"

static ms_status parse(ms_run_config *config, const char *text, ms_err *err) {
    return ms_run_config_parse(config, text, strlen(text), "c.json", NULL, err);
}

TEST(run_config_template_reads_back_with_every_default) {
    ms_buf text = {0};
    ms_err err;
    CHECK_OK(ms_run_config_template(&text, "/models/a \"b\"", NULL, &err), &err);
    ms_run_config c;
    CHECK_OK(parse(&c, text.bytes, &err), &err);
    CHECK_EQ_STR(c.model_path, "/models/a \"b\"");
    CHECK_EQ_I64(c.scan.n_extensions, 2);
    CHECK(c.scan.experts_only && c.scan.include_shared_expert && c.scan.inventory_all_tensors && c.scan.use_index);
    CHECK(!c.scan.strict_index && c.scan.max_files == -1);
    CHECK_EQ_STR(c.parsing.layer_regex, "(?:^|\\.)layers\\.(\\d+)(?:\\.|$)");
    CHECK_EQ_STR(c.parsing.expert_regex, "(?:^|\\.)experts\\.(\\d+)(?:\\.|$)");
    CHECK_EQ_I64(c.parsing.aliases.n, 3);
    CHECK_EQ_STR(c.parsing.aliases.items[1].aliases[1], "w1");
    CHECK(c.parsing.families && c.parsing.strict_packed_split && !c.parsing.proj_group_strict);
    CHECK(c.metadata.enabled);
    CHECK_EQ_I64(c.n_rules, 3);
    CHECK(c.rules[1].ndim == 2 && c.rules[1].expert_axis == MS_NO_AXIS && c.rules[1].expert_group == 1);
    CHECK(!c.rules[2].enabled && c.rules[2].split.wanted && c.rules[2].split.rows && c.rules[2].split.sizes[1] == 512);
    CHECK_NEAR(c.stats.eps, 1e-12, 0);
    CHECK_EQ_I64(c.stats.sample_seed, 1337);
    CHECK_EQ_STR(c.stats.compute_dtype, "bf16");
    CHECK_EQ_I64(c.n_schemes, 3);
    CHECK_EQ_STR(c.schemes[1].mode, "mxfp4");
    CHECK_EQ_I64(c.n_deltas, 2);
    CHECK_EQ_STR(c.output.compression, "zstd");
    CHECK_EQ_I64(c.debug.progress_every, 1);
    ms_run_config_free(&c);
    ms_buf_free(&text);
}

TEST(run_config_absent_keys_mean_what_older_configs_meant) {
    ms_run_config c;
    ms_err err;
    CHECK_OK(parse(&c, "{\"scan\": {}, \"parsing\": {}, \"nobody knows\": [1]}", &err), &err);
    CHECK(!c.parsing.families && !c.metadata.enabled);
    CHECK_EQ_STR(c.stats.compute_dtype, "fp16");
    CHECK_EQ_I64(c.n_rules + c.n_schemes + c.n_deltas, 0);
    CHECK(!c.output.has_compression && c.debug.dump_unmatched);
    CHECK_EQ_STR(c.output.format, "parquet");
    CHECK_EQ_I64(c.parsing.aliases.n, 3);
    ms_run_config_free(&c);
}

TEST(run_config_names_the_key_of_a_wrong_type) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"[]", "c.json: expected an object, found an array"},
        {"{\"model_path\": 1}", "key 'model_path': expected a string, found"},
        {"{\"scan\": []}", "key 'scan': expected an object, found an array"},
        {"{\"scan\": {\"experts_only\": \"yes\"}}", "key 'scan.experts_only': expected true or false, found a string"},
        {"{\"scan\": {\"max_files\": 1.5}}", "key 'scan.max_files': expected an integer, found"},
        {"{\"scan\": {\"max_files\": -1}}", "key 'scan.max_files': -1 is out of range"},
        {"{\"scan\": {\"extensions\": [1]}}", "key 'scan.extensions': expected a list of strings"},
        {"{\"parsing\": {\"proj_aliases\": {\"up\": \"w3\"}}}", "key 'parsing.proj_aliases.up': expected a list of strings"},
        {"{\"parsing\": {\"families\": 1}}", "key 'parsing.families': expected true or false"},
        {"{\"extract_rules\": [{\"name\": \"a\"}]}",
         "key 'extract_rules[0].match': expected a regular expression, found nothing"},
        {"{\"extract_rules\": [{\"name\": \"a\", \"match\": \"x\", \"layout\": {\"rows_axis\": \"0\"}}]}",
         "key 'extract_rules[0].layout.rows_axis': expected an integer, found a string"},
        {"{\"extract_rules\": [{\"name\": \"a\", \"match\": \"x\", \"packed_split\": {\"axis\": \"diag\"}}]}",
         "key 'extract_rules[0].packed_split.axis': expected \"rows\" or \"cols\", found a string"},
        {"{\"stats\": {\"eps\": \"small\"}}", "key 'stats.eps': expected a number"},
        {"{\"quant_schemes\": [{\"name\": \"a\", \"mode\": \"affine\"}, {\"name\": \"a\", \"mode\": \"mxfp4\"}]}",
         "'a' is the name of another enabled scheme"},
        {"{\"delta_pairs\": [{\"name\": \"d\", \"a\": \"x\"}]}", "key 'delta_pairs[0].b': expected a string, found nothing"},
        {"{\"model_path\": }", "c.json: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ms_run_config c;
        ms_err err;
        CHECK_FAILS(parse(&c, cases[i].text, &err), MS_ERR_USAGE, &err, cases[i].message);
        ms_run_config_free(&c);
    }
}

TEST(run_config_disabled_schemes_are_left_out_and_may_share_a_name) {
    ms_run_config c;
    ms_err err;
    CHECK_OK(parse(&c,
                   "{\"quant_schemes\": [{\"name\": \"a\", \"mode\": \"affine\", \"enabled\": false},"
                   " {\"name\": \"a\", \"mode\": \"mxfp8\", \"bits\": 8}]}",
                   &err),
             &err);
    CHECK_EQ_I64(c.n_schemes, 1);
    CHECK(c.schemes[0].bits == 8 && c.schemes[0].group_size == 32);
    ms_run_config_free(&c);
}

TEST(run_config_keeps_bad_split_sizes_for_the_split_to_judge) {
    ms_run_config c;
    ms_err err;
    CHECK_OK(parse(&c,
                   "{\"extract_rules\": [{\"name\": \"a\", \"match\": \"x\", \"packed_split\":"
                   " {\"axis\": \"cols\", \"splits\": [4, 2.5, \"3\"], \"projs\": [\"p\"]}}]}",
                   &err),
             &err);
    CHECK_EQ_STR(c.rules[0].split.bad_size, "float");
    CHECK(!c.rules[0].split.rows && c.rules[0].split.n_sizes == 1);
    ms_run_config_free(&c);
}

TEST(run_config_override_replaces_the_model_path_in_what_was_used) {
    static const char text[] = "{\"model_path\": \"/old\", \"keep\": 1}";
    ms_run_config c;
    ms_err err;
    CHECK_OK(ms_run_config_parse(&c, text, sizeof text - 1, "c.json", "/new", &err), &err);
    CHECK_EQ_STR(c.model_path, "/new");
    CHECK_EQ_STR(c.configured_model_path, "/old");
    ms_buf buf = {0};
    ms_json_out out = {.buf = &buf, .indent = 0};
    ms_json_out_value(&out, c.effective, true);
    CHECK_EQ_TEXT(buf.bytes, "{\"keep\": 1, \"model_path\": \"/new\"}");
    ms_buf_free(&buf);
    ms_run_config_free(&c);
}

TEST(run_config_of_a_missing_file_says_what_to_do) {
    ms_run_config c;
    ms_err err;
    CHECK_FAILS(ms_run_config_read(&c, "/nowhere/analysis_config.json", NULL, &err), MS_ERR_NOT_FOUND, &err,
                "Missing config: /nowhere/analysis_config.json (run 'moescope init' first)");
    ms_run_config_free(&c);
}

TEST(run_config_survives_every_failing_allocation) {
    ms_buf text = {0};
    ms_err err;
    CHECK_OK(ms_run_config_template(&text, "/m", NULL, &err), &err);
    ms_run_config c;
    ms_mem_fail_at(0);
    CHECK_OK(ms_run_config_parse(&c, text.bytes, text.size, "c.json", "/o", &err), &err);
    const int64_t n = ms_mem_count();
    ms_run_config_free(&c);
    for (int64_t k = 1; k <= n; k++) {
        ms_mem_fail_at(k);
        const ms_status status = ms_run_config_parse(&c, text.bytes, text.size, "c.json", "/o", &err);
        ms_mem_fail_at(0);
        ms_run_config_free(&c);
        CHECK_EQ_I64(status, MS_ERR_MEMORY);
    }
    ms_buf_free(&text);
}
