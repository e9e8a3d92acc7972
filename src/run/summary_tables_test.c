#include "summary_tables.h"

#include <stdio.h>
#include <unistd.h>

#include "files.h"
#include "json.h"
#include "mem.h"
#include "quant_deltas.h"
#include "run_folder.h"
#include "test.h"

/* ---- deltas ---- */

static const ms_column_spec quant_columns[] = {
    {"file", MS_COLUMN_STR, "", ""},      {"derived_tensor", MS_COLUMN_STR, "", ""}, {"layer", MS_COLUMN_I64, "", ""},
    {"block4", MS_COLUMN_I64, "", ""},    {"proj", MS_COLUMN_STR, "", ""},           {"expert_id", MS_COLUMN_I64, "", ""},
    {"rows", MS_COLUMN_I64, "", ""},      {"cols", MS_COLUMN_I64, "", ""},           {"scheme", MS_COLUMN_STR, "", ""},
    {"w_rel_fro", MS_COLUMN_F64, "", ""}, {"w_rel_max", MS_COLUMN_F64, "", ""},
};

typedef struct quant_row {
    const char *derived, *scheme;
    int64_t layer, expert;
    double fro; /* NaN: null */
} quant_row;

static ms_table *quant_table(const quant_row *rows, size_t n) {
    ms_table *table = NULL;
    if (ms_table_create(&table, quant_columns, sizeof quant_columns / sizeof *quant_columns, NULL) != MS_OK) return NULL;
    for (size_t i = 0; i < n; i++) {
        ms_table_str(table, 0, MS_STR("f"));
        ms_table_str(table, 1, ms_str_of(rows[i].derived));
        ms_table_i64(table, 2, rows[i].layer);
        if (rows[i].layer >= 0) ms_table_i64(table, 3, rows[i].layer / 4);
        ms_table_str(table, 4, MS_STR("up_proj"));
        ms_table_i64(table, 5, rows[i].expert);
        ms_table_i64(table, 6, 2);
        ms_table_i64(table, 7, 3);
        ms_table_str(table, 8, ms_str_of(rows[i].scheme));
        if (!isnan(rows[i].fro)) {
            ms_table_f64(table, 9, rows[i].fro);
            ms_table_f64(table, 10, 2 * rows[i].fro);
        }
        if (ms_table_end_row(table, NULL) != MS_OK) return NULL;
    }
    return table;
}

TEST(quant_deltas_are_a_minus_b_also_where_the_layer_is_unknown) {
    static const quant_row rows[] = {{"z", "a", 5, 0, 3}, {"z", "b", 5, 0, 1}, {"m", "a", -1, 1, 7}, {"m", "b", -1, 1, 2}};
    static const ms_delta_pair pairs[] = {{{"ab", 2}, {"a", 1}, {"b", 1}}, {{"ba", 2}, {"b", 1}, {"a", 1}}};
    ms_table *const quant = quant_table(rows, 4), *out;
    ms_notes notes = {0};
    ms_err err;
    CHECK_OK(ms_quant_deltas(&out, quant, pairs, 2, &notes, &err), &err);
    CHECK(ms_table_n_rows(out) == 4 && notes.n == 0);
    CHECK_EQ_STR(ms_table_get_str(out, 0, 0), "m");
    CHECK(ms_table_get_i64(out, 0, 1) == -1 && ms_table_is_null(out, 0, 2) && ms_table_get_i64(out, 1, 2) == 1);
    CHECK_EQ_STR(ms_table_get_str(out, 2, 7), "ba");
    CHECK_NEAR(ms_table_get_f64(out, 0, 8), 5, 0);
    CHECK_NEAR(ms_table_get_f64(out, 1, 9), 4, 0);
    CHECK_NEAR(ms_table_get_f64(out, 3, 8), -2, 0);
    ms_table_destroy(out);
    ms_table_destroy(quant);
}

TEST(quant_deltas_of_unknown_schemes_warn_and_of_failed_ones_are_null) {
    static const quant_row rows[] = {{"z", "a", 5, 0, 3}, {"z", "b", 5, 0, NAN}, {"y", "a", 5, 0, 3}};
    static const ms_delta_pair pairs[] = {{{"ab", 2}, {"a", 1}, {"b", 1}}, {{"ax", 2}, {"a", 1}, {"x", 1}}};
    ms_table *const quant = quant_table(rows, 3), *out;
    ms_notes notes = {0};
    ms_err err;
    CHECK_OK(ms_quant_deltas(&out, quant, pairs, 2, &notes, &err), &err);
    CHECK(ms_table_n_rows(out) == 2 && ms_table_is_null(out, 0, 8) && ms_table_is_null(out, 1, 8));
    CHECK(notes.n == 1);
    CHECK_EQ_STR(notes.items[0].message, "[delta] pair 'ax' left out: quant_sim has no rows of scheme 'x'");
    ms_notes_free(&notes);
    ms_table_destroy(out);
    ms_table_destroy(quant);
}

TEST(quant_deltas_tell_stacked_shared_experts_apart_but_refuse_doubles) {
    static const quant_row shared[] = {{"s", "a", 1, -1, 5}, {"s", "a", 1, -1, 9}, {"s", "b", 1, -1, 1}, {"s", "b", 1, -1, 2}};
    static const quant_row twice[] = {{"s", "a", 1, 0, 5}, {"s", "a", 1, 0, 9}};
    static const ms_delta_pair pair = {{"ab", 2}, {"a", 1}, {"b", 1}};
    ms_notes notes = {0};
    ms_err err;
    ms_table *quant = quant_table(shared, 4), *out;
    CHECK_OK(ms_quant_deltas(&out, quant, &pair, 1, &notes, &err), &err);
    CHECK(ms_table_n_rows(out) == 2);
    CHECK_NEAR(ms_table_get_f64(out, 0, 8), 4, 0);
    CHECK_NEAR(ms_table_get_f64(out, 1, 8), 7, 0);
    ms_table_destroy(out);
    ms_table_destroy(quant);
    quant = quant_table(twice, 2);
    CHECK_FAILS(ms_quant_deltas(&out, quant, &pair, 1, &notes, &err), MS_ERR_DAMAGED, &err,
                "quant_sim holds matrix 's' twice under scheme 'a'");
    ms_table_destroy(quant);
}

TEST(quant_deltas_survive_every_failing_allocation) {
    static const quant_row rows[] = {{"z", "a", 5, 0, 3}, {"z", "b", 5, 0, 1}, {"y", "a", 5, 0, 3}};
    static const ms_delta_pair pair = {{"ab", 2}, {"a", 1}, {"b", 1}};
    ms_table *const quant = quant_table(rows, 3), *out;
    ms_notes notes = {0};
    ms_err err;
    for (int64_t k = 1;; k++) {
        ms_mem_fail_at(k);
        const ms_status status = ms_quant_deltas(&out, quant, &pair, 1, &notes, &err);
        ms_mem_fail_at(0);
        if (status == MS_OK) break;
        CHECK_EQ_I64(status, MS_ERR_MEMORY);
        CHECK(k < 1000);
    }
    ms_table_destroy(out);
    ms_table_destroy(quant);
}

/* ---- tables ---- */

typedef struct bench {
    ms_arena arena;
    ms_str run;
    ms_err err;
    ms_tables_summary summary;
    ms_buf said;
} bench;

static const char stats_csv[] = "file,derived_tensor,layer,proj,expert_id,mean,g32_p95_outlier,g64_max_outlier\n"
                                "f,a::up,0,up,0,1.0,2.0,\nf,b::up,0,up,1,3.0,4.0,\nf,c::up,-1,up,0,5.0,6.0,\n";
static const char quant_csv[] =
    "file,derived_tensor,layer,block4,proj,expert_id,rows,cols,scheme,w_rel_fro,w_rel_max,bias_mean,error\n"
    "f,a::up,0,0.0,up,0,2,2,x,0.5,0.25,,\nf,a::up,0,0.0,up,0,2,2,y,0.25,0.25,,\n"
    "f,c::up,-1,,up,0,2,2,x,1.0,1.0,,\nf,c::up,-1,,up,0,2,2,y,0.5,0.5,,\n";

static bool put(bench *b, const char *name, const char *text) {
    return ms_files_write(ms_files_join(&b->arena, b->run, ms_str_of(name)).text, text, strlen(text), MS_FILES_NO_SYNC,
                          &b->err) == MS_OK;
}

static bool begin(bench *b) {
    *b = (bench){0};
    bool kept;
    const ms_run_init_options options = {.root = test_folder(), .model_id = "m", .run_name = "r"};
    return ms_run_init(&b->run, &kept, &options, &b->arena, &b->err) == MS_OK &&
           put(b, "analysis_config.json",
               "{\"output\": {\"format\": \"csv\"}, \"delta_pairs\": [{\"name\": \"d\", \"a\": \"x\", \"b\": \"y\"}]}") &&
           put(b, "data/matrix_stats.csv", stats_csv) && put(b, "data/quant_sim.csv", quant_csv);
}

static void say(void *context, const char *line) {
    bench *const b = context;
    ms_buf_put_text(&b->said, line);
    ms_buf_put_char(&b->said, '\n');
}

static ms_status build(bench *b) {
    const ms_tables_options options = {.run_dir = b->run.text, .context = b, .say = say};
    ms_buf_clear(&b->said);
    return ms_tables_build(&options, &b->summary, &b->err);
}

static const char *text_of(bench *b, const char *name) {
    ms_buf text = {0};
    (void)!ms_files_read(&text, ms_files_join(&b->arena, b->run, ms_str_of(name)).text, 1 << 20, &b->err);
    const ms_str kept = ms_arena_copy(&b->arena, ms_buf_str(&text));
    ms_buf_free(&text);
    return kept.text;
}

static bool exists(bench *b, const char *name) {
    return ms_files_exists(ms_files_join(&b->arena, b->run, ms_str_of(name)).text);
}

static void end(bench *b) {
    ms_buf_free(&b->said);
    ms_arena_free(&b->arena);
}

TEST(summary_tables_group_and_derive_block4) {
    bench b;
    CHECK_MSG(begin(&b), "%s", b.err.text);
    CHECK_OK(build(&b), &b.err);
    CHECK_EQ_TEXT(
        text_of(&b, "tables/A_weight_layer_summary.csv"),
        "layer,proj,mean__median,mean__mean,mean__std,mean__p90,mean__p99,g32_p95_outlier__median,g32_p95_outlier__mean,"
        "g32_p95_outlier__std,g32_p95_outlier__p90,g32_p95_outlier__p99,g64_max_outlier__median,g64_max_outlier__mean,"
        "g64_max_outlier__std,g64_max_outlier__p90,g64_max_outlier__p99\n"
        "-1,up,5.0,5.0,,5.0,5.0,6.0,6.0,,6.0,6.0,,,,,\n"
        "0,up,2.0,2.0,1.4142135623730951,2.8,2.98,3.0,3.0,1.4142135623730951,3.8,3.98,,,,,\n");
    const char *const block4 = text_of(&b, "tables/A_weight_block4_summary.csv");
    CHECK(strstr(block4, "\n0,up,2.0,") && strstr(block4, "\n,up,5.0,"));
    CHECK(strstr(block4, "\n0,up") < strstr(block4, "\n,up"));
    CHECK(strstr(text_of(&b, "tables/B_quant_global_summary.csv"), "\nup,x,0.5,0.505,0.75,0.995,1.0,"));
    CHECK_EQ_TEXT(text_of(&b, "tables/B_quant_deltas.csv"),
                  "derived_tensor,layer,block4,proj,expert_id,rows,cols,delta_name,delta_w_rel_fro,delta_w_rel_max\n"
                  "a::up,0,0,up,0,2,2,d,0.25,0.0\nc::up,-1,,up,0,2,2,d,0.5,0.5\n");
    CHECK(b.summary.wrote_deltas && b.summary.rows[6] == 2 && b.said.size == 0);
    ms_arena arena = {0};
    const ms_json_value *root;
    const char *const manifest = text_of(&b, "logs/tables_write_manifest.json");
    CHECK_OK(ms_json_parse(&root, manifest, strlen(manifest), &arena, &b.err), &b.err);
    CHECK_EQ_STR(ms_json_as_str(ms_json_path(root, "artifacts.B_quant_deltas.path"), MS_STR("")), "tables/B_quant_deltas.csv");
    CHECK_EQ_I64(ms_json_get(root, "artifacts")->object.n, 7);
    ms_arena_free(&arena);
    end(&b);
}

TEST(summary_tables_without_pairs_remove_old_deltas) {
    bench b;
    CHECK(begin(&b));
    CHECK(put(&b, "tables/B_quant_deltas.parquet", "old") &&
          put(&b, "analysis_config.json", "{\"output\": {\"format\": \"csv\"}}"));
    CHECK_OK(build(&b), &b.err);
    CHECK(!b.summary.wrote_deltas && !exists(&b, "tables/B_quant_deltas.parquet") && !exists(&b, "tables/B_quant_deltas.csv"));
    end(&b);
}

TEST(summary_tables_take_the_path_of_the_manifest_but_only_inside_data) {
    bench b;
    CHECK(begin(&b));
    CHECK(put(&b, "data/other.csv", "layer,proj,mean\n7,up,1.0\n"));
    CHECK(put(&b, "logs/write_manifest.json", "{\"artifacts\": {\"matrix_stats\": {\"path\": \"data/other.csv\"}}}"));
    CHECK_OK(build(&b), &b.err);
    CHECK(strstr(text_of(&b, "tables/A_weight_layer_summary.csv"), "\n7,up,1.0,"));
    static const char *const outside[] = {"../x.csv", "data/../manifest.json", "/etc/passwd", "analysis_config.json",
                                          "data/link.csv"};
    CHECK(symlink("../manifest.json", ms_files_join(&b.arena, b.run, MS_STR("data/link.csv")).text) == 0);
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        char json[200];
        snprintf(json, sizeof json, "{\"artifacts\": {\"matrix_stats\": {\"path\": \"%s\"}}}", outside[i]);
        CHECK(put(&b, "logs/write_manifest.json", json));
        CHECK_OK(build(&b), &b.err);
        CHECK(strstr(text_of(&b, "tables/A_weight_layer_summary.csv"), "\n0,up,2.0,"));
    }
    end(&b);
}

TEST(summary_tables_that_fail_say_so_and_the_next_one_repairs) {
    bench b;
    CHECK(begin(&b));
    CHECK_OK(ms_files_remove(ms_files_join(&b.arena, b.run, MS_STR("data/quant_sim.csv")).text, &b.err), &b.err);
    CHECK_FAILS(build(&b), MS_ERR_NOT_FOUND, &b.err,
                "/data holds no quant_sim.parquet or .csv; run 'moescope collect --run-dir ");
    CHECK(strstr(text_of(&b, "logs/tables_failure.json"), "\"status\": \"error\"") &&
          !exists(&b, "tables/A_weight_layer_summary.csv"));
    CHECK(put(&b, "data/quant_sim.csv", quant_csv));
    CHECK_OK(build(&b), &b.err);
    CHECK(!exists(&b, "logs/tables_failure.json"));
    end(&b);
}

TEST(summary_tables_of_an_unfinished_collect_warn) {
    bench b;
    CHECK(begin(&b));
    CHECK(put(&b, "logs/run_health.json", "{\"status\": \"running\"}"));
    CHECK_OK(build(&b), &b.err);
    CHECK(b.said.bytes && strstr(b.said.bytes, "[tables] the last collect did not finish (status: running)"));
    end(&b);
}

TEST(summary_tables_of_empty_data_have_their_headers) {
    bench b;
    CHECK(begin(&b));
    CHECK(put(&b, "data/matrix_stats.csv", "layer,block4,proj,mean\n"));
    CHECK(put(&b, "data/quant_sim.csv", "derived_tensor,layer,block4,proj,expert_id,rows,cols,scheme,w_rel_fro,w_rel_max\n"));
    CHECK_OK(build(&b), &b.err);
    CHECK_EQ_TEXT(text_of(&b, "tables/A_weight_global_summary.csv"),
                  "proj,mean__min,mean__p01,mean__median,mean__p99,mean__max\n");
    CHECK(strstr(b.said.bytes, "[delta] pair 'd' left out"));
    end(&b);
}
