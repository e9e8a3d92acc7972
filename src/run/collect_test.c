#include "collect.h"

#include <stdio.h>
#include <stdlib.h>

#include "files.h"
#include "half.h"
#include "json.h"
#include "mem.h"
#include "run_folder.h"
#include "safetensors_write.h"
#include "table.h"
#include "test.h"

typedef struct bench {
    ms_arena arena;
    ms_str model, run;
    ms_err err;
    ms_collect_summary summary;
    ms_buf said;
} bench;

static ms_str in(bench *b, ms_str folder, const char *name) { return ms_files_join(&b->arena, folder, ms_str_of(name)); }

/* Eight experts in one shard, a stacked bank in another, and things that are no experts. */
static bool write_model(bench *b) {
    static uint16_t weights[4][8 * 64];
    ms_gen g = {7};
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 8 * 64; k++) weights[i][k] = ms_bf16_from_f32((float)(0.02 * gen_normal(&g)));
    static const uint64_t flat[] = {8, 64}, stacked[] = {2, 4, 64}, gate[] = {2, 64};
    const ms_safetensors_tensor tensors[] = {
        {MS_STR("model.layers.1.mlp.experts.0.up_proj.weight"), MS_DTYPE_BF16, 2, flat, weights[0]},
        {MS_STR("model.layers.1.mlp.experts.1.up_proj.weight"), MS_DTYPE_BF16, 2, flat, weights[1]},
        {MS_STR("model.layers.5.mlp.experts.down_proj.weight"), MS_DTYPE_BF16, 3, stacked, weights[2]},
        {MS_STR("model.layers.5.mlp.experts.wobble.weight"), MS_DTYPE_BF16, 2, flat, weights[3]},
        {MS_STR("model.layers.1.mlp.gate.weight"), MS_DTYPE_BF16, 2, gate, weights[3]},
    };
    ms_buf file = {0};
    const bool fine =
        ms_safetensors_write(&file, tensors, 5, NULL, 0, &b->err) == MS_OK &&
        ms_files_write(in(b, b->model, "model.safetensors").text, file.bytes, file.size, MS_FILES_NO_SYNC, &b->err) == MS_OK;
    ms_buf_free(&file);
    return fine;
}

static bool begin(bench *b) {
    *b = (bench){0};
    const ms_str folder = ms_arena_copy(&b->arena, ms_str_of(test_folder()));
    b->model = in(b, folder, "model");
    bool kept;
    const ms_run_init_options options = {.root = folder.text, .model_id = "m", .run_name = "r", .model_path = b->model.text};
    return ms_files_make_folder(b->model.text, &b->err) == MS_OK && write_model(b) &&
           ms_run_init(&b->run, &kept, &options, &b->arena, &b->err) == MS_OK;
}

static bool configure(bench *b, const char *json) {
    return ms_files_write(in(b, b->run, "analysis_config.json").text, json, strlen(json), MS_FILES_NO_SYNC, &b->err) == MS_OK;
}

static void say(void *context, const char *line) {
    bench *const b = context;
    ms_buf_put_text(&b->said, line);
    ms_buf_put_char(&b->said, '\n');
}

static ms_status collect(bench *b, const atomic_bool *cancel) {
    const ms_collect_options options = {
        .run_dir = b->run.text, .n_threads = 1, .cancel = cancel, .talk = {.context = b, .say = say}};
    ms_buf_clear(&b->said);
    return ms_collect(&options, &b->summary, &b->err);
}

static void end(bench *b) {
    ms_buf_free(&b->said);
    ms_arena_free(&b->arena);
}

static const ms_json_value *log_of(bench *b, const char *name) {
    ms_buf text = {0};
    const ms_json_value *root = NULL;
    if (ms_files_read(&text, in(b, b->run, name).text, 1 << 20, &b->err) == MS_OK) {
        const ms_str kept = ms_arena_copy(&b->arena, ms_buf_str(&text));
        if (ms_json_parse(&root, kept.text, kept.size, &b->arena, &b->err) != MS_OK) root = NULL;
    }
    ms_buf_free(&text);
    return root;
}

static bool exists(bench *b, const char *name) { return ms_files_exists(in(b, b->run, name).text); }

#define CSV "\"output\": {\"format\": \"csv\"}"

TEST(collect_measures_every_expert_and_says_what_it_did) {
    bench b;
    CHECK_MSG(begin(&b), "%s", b.err.text);
    CHECK_OK(collect(&b, NULL), &b.err);
    CHECK(b.summary.extracted_by_rule == 3 && b.summary.unmatched_expertish == 1 && b.summary.matrix_stats_rows == 4);
    CHECK(b.summary.quant_sim_rows == 12 && b.summary.tensor_inventory_rows == 5 && b.summary.unmatched_tensors_rows == 1);
    const ms_json_value *const health = log_of(&b, "logs/run_health.json");
    CHECK_EQ_STR(ms_json_as_str(ms_json_get(health, "status"), MS_STR("")), "success");
    CHECK_EQ_I64(ms_json_as_i64(ms_json_path(health, "extraction_summary.extracted_by_rule"), -1), 3);
    CHECK_EQ_I64(ms_json_as_i64(ms_json_path(health, "outputs_written.matrix_stats_rows"), -1), 4);
    CHECK(ms_json_path(health, "config_used.parsing.families"));
    CHECK(strstr(b.said.bytes, "[collect] scanning 1 file under ") && strstr(b.said.bytes, "[collect] (1/1) "));
    CHECK(exists(&b, "logs/run_context.json") && exists(&b, "logs/write_manifest.json") &&
          !exists(&b, "logs/index_report.json"));
    end(&b);
}

TEST(collect_rows_stand_in_the_order_of_names_then_matrices_then_schemes) {
    bench b;
    CHECK(begin(&b));
    CHECK(configure(&b, "{" CSV ", \"model_path\": \"\", \"quant_schemes\": [{\"name\": \"x\", \"mode\": \"affine\"}, "
                        "{\"name\": \"y\", \"mode\": \"mxfp8\", \"bits\": 8}]}"));
    const ms_collect_options options = {.run_dir = b.run.text, .model_path = b.model.text};
    CHECK_OK(ms_collect(&options, &b.summary, &b.err), &b.err);
    CHECK_EQ_I64(b.summary.extracted_by_fallback, 3);
    ms_table *table;
    CHECK_OK(ms_table_read(&table, in(&b, b.run, "data/quant_sim.csv").text, NULL, 0, &b.err), &b.err);
    static const char *const want[] = {"0up_proj x",   "0up_proj y",   "1up_proj x",   "1up_proj y",
                                       "0down_proj x", "1down_proj x", "0down_proj y", "1down_proj y"};
    CHECK_EQ_I64(ms_table_n_rows(table), 8);
    for (size_t i = 0; i < 8; i++) {
        char got[64];
        const ms_str proj = ms_table_get_str(table, i, (size_t)ms_table_find(table, "proj"));
        const ms_str scheme = ms_table_get_str(table, i, (size_t)ms_table_find(table, "scheme"));
        snprintf(got, sizeof got, "%lld%.*s %.*s",
                 (long long)ms_table_get_i64(table, i, (size_t)ms_table_find(table, "expert_id")), (int)proj.size, proj.text,
                 (int)scheme.size, scheme.text);
        CHECK_EQ_TEXT(got, want[i]);
    }
    ms_table_destroy(table);
    end(&b);
}

/* More matrices in one file than are measured at once: each is there, once, with its own numbers. */
TEST(collect_cuts_a_large_file_into_batches) {
    enum { STACKS = 5, EXPERTS = 4096 };
    static float weights[STACKS * EXPERTS];
    static const uint64_t shape[] = {EXPERTS, 1, 1};
    char names[STACKS][64];
    ms_safetensors_tensor tensors[STACKS];
    for (size_t i = 0; i < STACKS * EXPERTS; i++) weights[i] = (float)i;
    for (size_t t = 0; t < STACKS; t++) {
        snprintf(names[t], sizeof names[t], "model.layers.%zu.mlp.experts.up_proj.weight", t);
        tensors[t] = (ms_safetensors_tensor){ms_str_of(names[t]), MS_DTYPE_F32, 3, shape, weights + t * EXPERTS};
    }
    bench b;
    ms_buf file = {0};
    CHECK(begin(&b));
    CHECK(configure(&b, "{" CSV ", \"quant_schemes\": []}"));
    CHECK_OK(ms_safetensors_write(&file, tensors, STACKS, NULL, 0, &b.err), &b.err);
    CHECK_OK(ms_files_write(in(&b, b.model, "model.safetensors").text, file.bytes, file.size, MS_FILES_NO_SYNC, &b.err),
             &b.err);
    const ms_collect_options options = {.run_dir = b.run.text, .model_path = b.model.text};
    CHECK_OK(ms_collect(&options, &b.summary, &b.err), &b.err);
    CHECK(b.summary.weight_bytes == sizeof weights && b.summary.matrix_stats_rows == STACKS * EXPERTS);
    ms_table *table;
    CHECK_OK(ms_table_read(&table, in(&b, b.run, "data/matrix_stats.csv").text, NULL, 0, &b.err), &b.err);
    const size_t mean = (size_t)ms_table_find(table, "mean"), expert = (size_t)ms_table_find(table, "expert_id");
    size_t n_wrong = 0;
    for (size_t i = 0; i < ms_table_n_rows(table); i++)
        n_wrong +=
            ms_table_get_f64(table, i, mean) != (double)i || ms_table_get_i64(table, i, expert) != (int64_t)(i % EXPERTS);
    CHECK_EQ_I64(n_wrong, 0);
    ms_table_destroy(table);
    ms_buf_free(&file);
    end(&b);
}

TEST(collect_that_fails_says_so_in_the_logs_and_a_second_run_repairs) {
    bench b;
    CHECK(begin(&b));
    CHECK_OK(ms_files_remove(in(&b, b.model, "model.safetensors").text, &b.err), &b.err);
    CHECK_OK(ms_files_write(in(&b, b.model, "model.safetensors").text, "garbage!", 8, MS_FILES_NO_SYNC, &b.err), &b.err);
    CHECK(collect(&b, NULL) == MS_ERR_DAMAGED);
    CHECK_EQ_STR(ms_json_as_str(ms_json_get(log_of(&b, "logs/run_health.json"), "status"), MS_STR("")), "error");
    const ms_json_value *const failure = log_of(&b, "logs/run_failure.json");
    CHECK_EQ_STR(ms_json_as_str(ms_json_path(failure, "error.type"), MS_STR("")), "damaged");
    CHECK_EQ_STR(ms_json_as_str(ms_json_path(failure, "error.message"), MS_STR("")), b.err.text);
    CHECK(write_model(&b));
    CHECK_OK(collect(&b, NULL), &b.err);
    CHECK(!exists(&b, "logs/run_failure.json"));
    CHECK_EQ_STR(ms_json_as_str(ms_json_get(log_of(&b, "logs/run_health.json"), "status"), MS_STR("")), "success");
    end(&b);
}

TEST(collect_removes_what_an_earlier_run_left) {
    static const char *const stale[] = {"data/matrix_stats.csv",  "data/unmatched_tensors.parquet",
                                        "logs/warnings.csv",      "logs/proj_canonicalization_report.parquet",
                                        "logs/index_report.json", "logs/model_config.raw.json"};
    bench b;
    CHECK(begin(&b));
    CHECK(configure(&b, "{\"debug\": {\"dump_unmatched_tensors\": false}}"));
    for (size_t i = 0; i < sizeof stale / sizeof *stale; i++)
        CHECK_OK(ms_files_write(in(&b, b.run, stale[i]).text, "x", 1, MS_FILES_NO_SYNC, &b.err), &b.err);
    const ms_collect_options options = {.run_dir = b.run.text, .model_path = b.model.text};
    CHECK_OK(ms_collect(&options, &b.summary, &b.err), &b.err);
    const ms_json_value *const artifacts = ms_json_get(log_of(&b, "logs/write_manifest.json"), "artifacts");
    const bool parquet = ms_str_is(ms_json_as_str(ms_json_path(artifacts, "matrix_stats.format"), MS_STR("")), "parquet");
    for (size_t i = parquet ? 0 : 1; i < sizeof stale / sizeof *stale; i++) {
        /* without Parquet in the build the tables are CSV: then that twin is the fresh one, and a warning may be there */
        CHECK_MSG(!exists(&b, stale[i]), "%s", stale[i]);
    }
    CHECK(!b.summary.wrote_unmatched && !ms_json_get(artifacts, "unmatched_tensors"));
    end(&b);
}

TEST(collect_that_is_interrupted_keeps_what_is_done) {
    bench b;
    CHECK(begin(&b));
    const atomic_bool at_once = true;
    CHECK(collect(&b, &at_once) == MS_ERR_INTERRUPTED);
    CHECK_EQ_STR(ms_json_as_str(ms_json_get(log_of(&b, "logs/run_health.json"), "status"), MS_STR("")), "interrupted");
    CHECK_OK(collect(&b, NULL), &b.err);
    CHECK_EQ_I64(b.summary.matrix_stats_rows, 4);
    end(&b);
}

static void stop_after_first(void *context, uint64_t n_bytes) {
    (void)n_bytes;
    atomic_store((atomic_bool *)context, true);
}

TEST(collect_that_is_interrupted_in_the_scan_writes_the_matrices_it_has) {
    bench b;
    CHECK(begin(&b));
    atomic_bool cancel = false;
    const ms_collect_options options = {
        .run_dir = b.run.text, .n_threads = 1, .cancel = &cancel, .talk = {.context = &cancel, .advance = stop_after_first}};
    CHECK_FAILS(ms_collect(&options, &b.summary, &b.err), MS_ERR_INTERRUPTED, &b.err, "of 4 expert matrices are done");
    CHECK(b.summary.matrix_stats_rows > 0 && b.summary.matrix_stats_rows < 4);
    const ms_json_value *const health = log_of(&b, "logs/run_health.json");
    CHECK_EQ_STR(ms_json_as_str(ms_json_get(health, "status"), MS_STR("")), "interrupted");
    CHECK_EQ_I64(ms_json_as_i64(ms_json_path(health, "scan_summary.matrices_wanted"), -1), 4);
    CHECK(exists(&b, "logs/write_manifest.json"));
    end(&b);
}

/* Rewrites a byte of the model, as if a download were still going on. */
static void write_to_model(void *context, uint64_t n_bytes) {
    bench *const b = context;
    (void)n_bytes;
    FILE *const file = fopen(in(b, b->model, "model.safetensors").text, "r+b");
    if (!file || fseek(file, 0, SEEK_END) != 0 || fputc('x', file) == EOF || fclose(file) != 0) say(b, "cannot write");
}

TEST(collect_over_a_file_that_is_written_to_meanwhile_fails_and_writes_no_rows) {
    bench b;
    CHECK(begin(&b));
    const ms_collect_options options = {
        .run_dir = b.run.text, .n_threads = 1, .talk = {.context = &b, .begin = write_to_model}};
    CHECK_FAILS(ms_collect(&options, &b.summary, &b.err), MS_ERR_IO, &b.err, "model.safetensors");
    CHECK(strstr(b.err.text, "then,") && !b.said.bytes);
    CHECK(!exists(&b, "data/matrix_stats.csv") && !exists(&b, "data/matrix_stats.parquet"));
    CHECK_EQ_STR(ms_json_as_str(ms_json_get(log_of(&b, "logs/run_health.json"), "status"), MS_STR("")), "error");
    CHECK(write_model(&b));
    CHECK_OK(collect(&b, NULL), &b.err);
    end(&b);
}

enum { STACK = 8200 }; /* experts: more than a batch of matrices */

/* Two files of a stack each, of [1, 4] matrices that are all alike inside: (e + layer) / 2^14. */
static bool write_stacks(bench *b) {
    static uint16_t weights[STACK][4];
    static const uint64_t shape[] = {STACK, 1, 4};
    for (int layer = 0; layer < 2; layer++) {
        char name[64], file_name[32];
        for (int e = 0; e < STACK; e++)
            for (int k = 0; k < 4; k++) weights[e][k] = ms_bf16_from_f32((float)(e % 128 + layer) / 16384);
        snprintf(name, sizeof name, "model.layers.%d.mlp.experts.up_proj.weight", layer);
        snprintf(file_name, sizeof file_name, layer ? "b.safetensors" : "a.safetensors");
        const ms_safetensors_tensor tensor = {ms_str_of(name), MS_DTYPE_BF16, 3, shape, weights};
        ms_buf file = {0};
        const bool fine =
            ms_safetensors_write(&file, &tensor, 1, NULL, 0, &b->err) == MS_OK &&
            ms_files_write(in(b, b->model, file_name).text, file.bytes, file.size, MS_FILES_NO_SYNC, &b->err) == MS_OK;
        ms_buf_free(&file);
        if (!fine) return false;
    }
    return ms_files_remove(in(b, b->model, "model.safetensors").text, &b->err) == MS_OK;
}

TEST(collect_of_more_matrices_than_a_batch_has_a_row_for_each_in_order) {
    bench b;
    CHECK(begin(&b) && write_stacks(&b));
    CHECK(configure(&b, "{" CSV ", \"quant_schemes\": [], \"stats\": {\"sample_per_matrix\": 2}}"));
    const ms_collect_options options = {.run_dir = b.run.text, .model_path = b.model.text, .n_threads = 2};
    CHECK_OK(ms_collect(&options, &b.summary, &b.err), &b.err);
    CHECK_EQ_I64(b.summary.matrix_stats_rows, 2 * STACK);
    ms_table *table;
    CHECK_OK(ms_table_read(&table, in(&b, b.run, "data/matrix_stats.csv").text, NULL, 0, &b.err), &b.err);
    const size_t layer = (size_t)ms_table_find(table, "layer"), expert = (size_t)ms_table_find(table, "expert_id"),
                 mean = (size_t)ms_table_find(table, "mean");
    CHECK_EQ_I64(ms_table_n_rows(table), 2 * STACK);
    for (size_t i = 0; i < (size_t)2 * STACK; i++) {
        const int64_t l = i >= STACK, e = (int64_t)(i % STACK);
        CHECK_EQ_I64(ms_table_get_i64(table, i, layer), l);
        CHECK_EQ_I64(ms_table_get_i64(table, i, expert), e);
        CHECK_NEAR(ms_table_get_f64(table, i, mean), (double)(e % 128 + l) / 16384, 1e-5);
    }
    ms_table_destroy(table);
    end(&b);
}

static void look_at_status(void *context, uint64_t n_bytes) {
    bench *const b = context;
    (void)n_bytes;
    say(b, "status:");
    const ms_str status = ms_json_as_str(ms_json_get(log_of(b, "logs/run_health.json"), "status"), MS_STR(""));
    if (ms_str_is(status, "running")) say(b, "it runs");
}

/* So a run that is killed leaves "running" behind. */
TEST(collect_that_runs_says_so_from_the_beginning) {
    bench b;
    CHECK(begin(&b));
    const ms_collect_options options = {
        .run_dir = b.run.text, .n_threads = 1, .talk = {.context = &b, .begin = look_at_status}};
    CHECK_OK(ms_collect(&options, &b.summary, &b.err), &b.err);
    CHECK(b.said.bytes && strstr(b.said.bytes, "status:\nit runs\n"));
    end(&b);
}

TEST(collect_refuses_what_it_cannot_use) {
    static const struct {
        const char *config, *message;
        ms_status status;
    } cases[] = {
        {"{", "analysis_config.json", MS_ERR_USAGE},
        {"{\"parsing\": {\"layer_regex\": \"(\"}}", "key 'parsing.layer_regex'", MS_ERR_USAGE},
        {"{\"mlx\": {\"device\": \"tpu\"}}", "key 'mlx.device': expected \"cpu\" or \"gpu\", found \"tpu\"", MS_ERR_USAGE},
        {"{\"mlx\": {\"profile\": \"x\"}}", "key 'mlx.profile'", MS_ERR_USAGE},
        {"{\"stats\": {\"quant_compute_dtype\": \"f8\"}}", "key 'stats.quant_compute_dtype'", MS_ERR_USAGE},
        {"{\"scan\": {\"strict_index\": true, \"use_safetensors_index_json\": false}}",
         "strict_index requires use_safetensors_index_json=true", MS_ERR_USAGE},
        {"{\"scan\": {\"strict_index\": true}}", "strict_index requires an active index (status: not_found)", MS_ERR_NOT_FOUND},
    };
    bench b;
    CHECK(begin(&b));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(configure(&b, cases[i].config));
        const ms_collect_options options = {.run_dir = b.run.text, .model_path = b.model.text};
        CHECK_FAILS(ms_collect(&options, &b.summary, &b.err), cases[i].status, &b.err, cases[i].message);
    }
    CHECK(configure(&b, "{}"));
    CHECK_FAILS(collect(&b, NULL), MS_ERR_NOT_FOUND, &b.err, "no model_path: set it in ");
    CHECK(configure(&b, "{\"model_path\": \"/nowhere/m\"}"));
    CHECK_FAILS(collect(&b, NULL), MS_ERR_NOT_FOUND, &b.err, "model_path does not exist: /nowhere/m");
    end(&b);
}

/* Each allocation fails once: an error, never a crash, and nothing half written. */
TEST(collect_survives_every_failing_allocation) {
    bench b;
    CHECK(begin(&b));
    CHECK(configure(&b, "{" CSV
                        ", \"quant_schemes\": [{\"name\": \"x\", \"mode\": \"affine\"}], \"parsing\": {\"families\": true}}"));
    const ms_collect_options options = {.run_dir = b.run.text, .model_path = b.model.text, .n_threads = 1};
    ms_mem_fail_at(0);
    CHECK_OK(ms_collect(&options, &b.summary, &b.err), &b.err);
    const int64_t n = ms_mem_count();
    for (int64_t k = 1; k <= n; k += 1 + k / 40) {
        ms_mem_fail_at(k);
        const ms_status status = ms_collect(&options, &b.summary, &b.err);
        ms_mem_fail_at(0);
        CHECK_MSG(status == MS_OK || status == MS_ERR_MEMORY, "allocation %lld of %lld: %s: %s", (long long)k, (long long)n,
                  ms_status_name(status), b.err.text);
        CHECK(k < 60 || log_of(&b, "logs/run_health.json"));
    }
    end(&b);
}
