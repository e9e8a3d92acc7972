#include "summary_tables.h"

#include <stdio.h>
#include <sys/stat.h>

#include "files.h"
#include "json_put.h"
#include "mem.h"
#include "quant_deltas.h"
#include "run_config.h"
#include "run_folder.h"
#include "run_log.h"
#include "run_path.h"
#include "summarize.h"

enum { MAX_METRICS = 160, LOG_MAX_BYTES = 64 << 20, DELTAS = 6 };

static const char *const weight_metrics[] = {"mean",
                                             "std",
                                             "mean_abs",
                                             "rms",
                                             "max_abs",
                                             "p50_abs",
                                             "p99_abs",
                                             "p999_abs",
                                             "outlier_max_over_mean",
                                             "outlier_p99_over_median",
                                             "outlier_p999_over_median"};
static const char *const quant_metrics[] = {"w_rel_fro", "w_rel_max", "scale_mean", "scale_max", "bias_mean", "bias_max"};

static const ms_aggregate by_layer_weights[] = {MS_AGGREGATE_MEDIAN, MS_AGGREGATE_MEAN, MS_AGGREGATE_STD, MS_AGGREGATE_P90,
                                                MS_AGGREGATE_P99};
static const ms_aggregate by_layer_quant[] = {MS_AGGREGATE_MEDIAN, MS_AGGREGATE_MEAN, MS_AGGREGATE_P90, MS_AGGREGATE_P99};
static const ms_aggregate as_a_whole[] = {MS_AGGREGATE_MIN, MS_AGGREGATE_P01, MS_AGGREGATE_MEDIAN, MS_AGGREGATE_P99,
                                          MS_AGGREGATE_MAX};

typedef struct recipe {
    const char *name;
    bool of_quant;
    const char *keys[3];
    size_t n_keys;
    const ms_aggregate *aggregates;
    size_t n_aggregates;
} recipe;

static const recipe recipes[] = {
    {"A_weight_layer_summary", false, {"layer", "proj"}, 2, by_layer_weights, 5},
    {"A_weight_block4_summary", false, {"block4", "proj"}, 2, by_layer_weights, 5},
    {"A_weight_global_summary", false, {"proj"}, 1, as_a_whole, 5},
    {"B_quant_layer_summary", true, {"layer", "proj", "scheme"}, 3, by_layer_quant, 4},
    {"B_quant_block4_summary", true, {"block4", "proj", "scheme"}, 3, by_layer_quant, 4},
    {"B_quant_global_summary", true, {"proj", "scheme"}, 2, as_a_whole, 5},
};

const char *ms_tables_name(size_t table) { return table < DELTAS ? recipes[table].name : "B_quant_deltas"; }

typedef struct build {
    const ms_tables_options *options;
    ms_tables_summary *summary;
    ms_arena arena;
    const char *stage; /* what is being done: for tables_failure.json */
    ms_str run_dir;
    ms_run_manifest manifest;
    ms_run_config config;
    ms_notes warnings;
    ms_table *input; /* that is being condensed */
    ms_str stats_path, quant_path;
    ms_table *made[MS_TABLES_COUNT]; /* all are made before the first is written */
    ms_table_written written[MS_TABLES_COUNT];
} build;

/* ---- input ---- */

/* NULL when it is missing or broken. */
static const ms_json_value *read_log(build *b, const char *name) {
    ms_buf text = {0};
    const ms_json_value *root = NULL;
    const ms_str path = ms_files_join(&b->arena, b->run_dir, ms_str_of(name));
    if (path.text && ms_files_read(&text, path.text, LOG_MAX_BYTES, NULL) == MS_OK) {
        const ms_str kept = ms_arena_copy(&b->arena, ms_buf_str(&text));
        if (!kept.text || ms_json_parse(&root, kept.text, kept.size, &b->arena, NULL) != MS_OK) root = NULL;
    }
    ms_buf_free(&text);
    return root;
}

/* A regular file, no link, directly under data/. */
static bool is_data_file(const char *path, ms_str name) {
    struct stat info;
    if (!ms_str_starts_with(name, MS_STR("data/")) || ms_str_find(name, MS_STR("/"), 5) != SIZE_MAX) return false;
    return lstat(path, &info) == 0 && S_ISREG(info.st_mode);
}

/* Where write_manifest.json says, else data/NAME.parquet, else data/NAME.csv. */
static ms_status find_data(build *b, const char *name, const ms_json_value *manifest, ms_str *out, ms_err *err) {
    char key[96], candidates[2][96];
    snprintf(key, sizeof key, "artifacts.%s.path", name);
    snprintf(candidates[0], sizeof candidates[0], "data/%s.parquet", name);
    snprintf(candidates[1], sizeof candidates[1], "data/%s.csv", name);
    const ms_str names[] = {ms_json_as_str(ms_json_path(manifest, key), MS_STR("")), ms_str_of(candidates[0]),
                            ms_str_of(candidates[1])};
    for (size_t i = 0; i < 3; i++) {
        const ms_str path = ms_files_join(&b->arena, b->run_dir, names[i]);
        if (!path.text) return ms_err_memory(err, "a path");
        if (is_data_file(path.text, names[i])) return *out = path, MS_OK;
    }
    return ms_err_set(err, MS_ERR_NOT_FOUND, "%s/data holds no %s.parquet or .csv; run 'moescope collect --run-dir %s' first",
                      b->run_dir.text, name, b->run_dir.text);
}

static bool is_group_metric(const char *name) { return name[0] == 'g' && strstr(name, "_outlier"); }

/* Columns whose type a CSV file does not show when their cells are empty or look like numbers. */
static const ms_column_spec known_columns[] = {
    {"file", MS_COLUMN_STR, "", ""},      {"source_tensor", MS_COLUMN_STR, "", ""}, {"derived_tensor", MS_COLUMN_STR, "", ""},
    {"layer", MS_COLUMN_F64, "", ""},     {"block4", MS_COLUMN_F64, "", ""},        {"proj", MS_COLUMN_STR, "", ""},
    {"expert_id", MS_COLUMN_I64, "", ""}, {"rows", MS_COLUMN_I64, "", ""},          {"cols", MS_COLUMN_I64, "", ""},
    {"dtype", MS_COLUMN_STR, "", ""},     {"scheme", MS_COLUMN_STR, "", ""},        {"mode", MS_COLUMN_STR, "", ""},
    {"error", MS_COLUMN_STR, "", ""},     {"rule", MS_COLUMN_STR, "", ""},          {"section", MS_COLUMN_STR, "", ""},
};
enum {
    N_KNOWN = sizeof known_columns / sizeof *known_columns,
    N_WEIGHT = sizeof weight_metrics / sizeof *weight_metrics,
    N_QUANT = sizeof quant_metrics / sizeof *quant_metrics
};

static bool in_list(const char *name, const char *const *list, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, list[i]) == 0) return true;
    return false;
}

/* What is needed of matrix_stats, and of quant_sim; the rest of their columns stays in the files. */
static bool is_needed_of_stats(const char *name) {
    static const char *const keys[] = {"layer", "block4", "proj"};
    return in_list(name, keys, 3) || in_list(name, weight_metrics, N_WEIGHT) || is_group_metric(name);
}

static bool is_needed_of_quant(const char *name) {
    static const char *const keys[] = {"file",      "derived_tensor", "layer", "block4", "proj",
                                       "expert_id", "rows",           "cols",  "scheme"};
    return in_list(name, keys, sizeof keys / sizeof *keys) || in_list(name, quant_metrics, N_QUANT);
}

static ms_status read_table(ms_table **out, const char *path, ms_column_wanted *wanted, ms_err *err) {
    ms_column_spec specs[N_KNOWN + N_WEIGHT + N_QUANT + MAX_METRICS];
    size_t n = 0;
    for (size_t i = 0; i < N_KNOWN; i++) specs[n++] = known_columns[i];
    for (size_t i = 0; i < N_WEIGHT; i++) specs[n++] = (ms_column_spec){weight_metrics[i], MS_COLUMN_F64, "", ""};
    for (size_t i = 0; i < N_QUANT; i++) specs[n++] = (ms_column_spec){quant_metrics[i], MS_COLUMN_F64, "", ""};
    MS_TRY(ms_table_read_some(out, path, specs, n, wanted, err));
    char names[MAX_METRICS][64];
    size_t n_more = 0;
    for (size_t c = 0; c < ms_table_n_columns(*out) && n_more < MAX_METRICS; c++) {
        const ms_column_spec *const spec = ms_table_column(*out, c);
        if (!is_group_metric(spec->name) || spec->type == MS_COLUMN_F64 || strlen(spec->name) >= sizeof names[0]) continue;
        memcpy(names[n_more], spec->name, strlen(spec->name) + 1); /* not a number throughout: G does not divide C */
        specs[n++] = (ms_column_spec){names[n_more++], MS_COLUMN_F64, "", ""};
    }
    if (n_more == 0) return MS_OK;
    ms_table_destroy(*out);
    *out = NULL;
    return ms_table_read_some(out, path, specs, n, wanted, err);
}

static void copy_cell(ms_table *to, size_t column, const ms_table *from, size_t row, size_t from_column) {
    const int64_t *items;
    if (ms_table_is_null(from, row, from_column)) return;
    switch (ms_table_column(from, from_column)->type) {
    case MS_COLUMN_I64: ms_table_i64(to, column, ms_table_get_i64(from, row, from_column)); break;
    case MS_COLUMN_F64: ms_table_f64(to, column, ms_table_get_f64(from, row, from_column)); break;
    case MS_COLUMN_BOOL: ms_table_bool(to, column, ms_table_get_bool(from, row, from_column)); break;
    case MS_COLUMN_STR: ms_table_str(to, column, ms_table_get_str(from, row, from_column)); break;
    case MS_COLUMN_I64_LIST: {
        const size_t n = ms_table_get_list(from, row, from_column, &items);
        ms_table_list(to, column, items, n);
        break;
    }
    }
}

/* Columns of whole numbers: another program may have stored them as floats, because of nulls. */
static bool is_whole(const char *name) {
    static const char *const names[] = {"layer", "block4", "expert_id", "rows", "cols"};
    return in_list(name, names, sizeof names / sizeof *names);
}

/* block4 from layer, for the last column. */
static void put_block4(ms_table *to, size_t column, const ms_table *from, size_t row, size_t layer) {
    if (ms_table_is_null(from, row, layer)) return;
    const double value = ms_table_get_f64(from, row, layer);
    if (value >= 0 && value <= 9e15) ms_table_i64(to, column, (int64_t)value / 4);
}

/* The table again with a column block4. Consumes it. */
static ms_status add_block4(ms_table **table, size_t layer, ms_err *err) {
    const ms_table *const old = *table;
    const size_t n = ms_table_n_columns(old);
    ms_table *fresh = NULL;
    ms_column_spec *const specs = ms_mem_alloc_array(n + 1, sizeof *specs);
    if (!specs) return ms_err_memory(err, "a table");
    for (size_t c = 0; c < n; c++) specs[c] = *ms_table_column(old, c);
    specs[n] = (ms_column_spec){"block4", MS_COLUMN_I64, "", ""};
    ms_status status = ms_table_create(&fresh, specs, n + 1, err);
    ms_mem_free(specs);
    for (size_t r = 0; status == MS_OK && r < ms_table_n_rows(old); r++) {
        for (size_t c = 0; c < n; c++) copy_cell(fresh, c, old, r, c);
        put_block4(fresh, n, old, r, layer);
        status = ms_table_end_row(fresh, err);
    }
    ms_table_destroy(*table);
    *table = fresh;
    return status;
}

/* Whole numbers as such, and a column block4 when there is none. */
static ms_status normalise(ms_table **table, ms_err *err) {
    for (size_t c = 0; c < ms_table_n_columns(*table); c++) {
        const ms_column_spec *const spec = ms_table_column(*table, c);
        if (spec->type == MS_COLUMN_F64 && is_whole(spec->name)) ms_table_make_whole(*table, c);
    }
    const int64_t layer = ms_table_find(*table, "layer");
    return ms_table_find(*table, "block4") < 0 && layer >= 0 ? add_block4(table, (size_t)layer, err) : MS_OK;
}

static void warn_of_unfinished_collect(build *b) {
    const ms_json_value *const health = read_log(b, "logs/run_health.json");
    const ms_str status = ms_json_as_str(ms_json_get(health, "status"), MS_STR("success"));
    if (ms_str_is(status, "success")) return;
    ms_notes_add(&b->warnings, MS_NOTE_WARNING, "tables.unfinished", MS_STR(""), MS_STR(""), MS_NOTE_NO_OFFSET,
                 "[tables] the last collect did not finish (status: %s): these tables may be of an earlier one, or incomplete",
                 ms_str_shown(status).text);
}

static ms_status read_inputs(build *b, ms_err *err) {
    MS_TRY(ms_path_resolve(&b->run_dir, &b->arena, b->options->run_dir, err));
    const ms_str config = ms_files_join(&b->arena, b->run_dir, MS_STR("analysis_config.json"));
    if (!config.text) return ms_err_memory(err, "a path");
    b->manifest = ms_run_manifest_read(b->run_dir, &b->arena);
    MS_TRY(ms_run_config_read(&b->config, config.text, NULL, err));
    const ms_json_value *const manifest = read_log(b, "logs/write_manifest.json");
    MS_TRY(find_data(b, "matrix_stats", manifest, &b->stats_path, err));
    MS_TRY(find_data(b, "quant_sim", manifest, &b->quant_path, err));
    warn_of_unfinished_collect(b);
    return MS_OK;
}

/* ---- summaries ---- */

/* The metrics that the table has, in their order; returns how many. */
static size_t find_metrics(const ms_table *table, bool of_quant, const char *out[static MAX_METRICS]) {
    const char *const *const wanted = of_quant ? quant_metrics : weight_metrics;
    size_t n = 0;
    for (size_t i = 0; i < (size_t)(of_quant ? N_QUANT : N_WEIGHT); i++)
        if (ms_table_find(table, wanted[i]) >= 0) out[n++] = wanted[i];
    for (size_t c = 0; !of_quant && c < ms_table_n_columns(table) && n < MAX_METRICS; c++)
        if (is_group_metric(ms_table_column(table, c)->name)) out[n++] = ms_table_column(table, c)->name;
    return n;
}

static ms_status summarise(build *b, size_t i, ms_err *err) {
    const recipe *const r = &recipes[i];
    const ms_table *const table = b->input;
    const char *metrics[MAX_METRICS];
    const size_t n = find_metrics(table, r->of_quant, metrics);
    const ms_status status =
        ms_summarize(&b->made[i], table, r->keys, r->n_keys, metrics, n, r->aggregates, r->n_aggregates, err);
    if (status == MS_OK || status == MS_ERR_MEMORY) return status;
    /* what is a wrong question there is a file without that column here */
    return ms_err_within(err, status == MS_ERR_USAGE ? MS_ERR_DAMAGED : status, "%s",
                         r->of_quant ? b->quant_path.text : b->stats_path.text);
}

/* The tables of one input, which is not held longer: it may be longer than all else. */
static ms_status condense(build *b, bool of_quant, ms_err *err) {
    const char *const path = of_quant ? b->quant_path.text : b->stats_path.text;
    b->stage = "reading data/";
    MS_TRY(read_table(&b->input, path, of_quant ? is_needed_of_quant : is_needed_of_stats, err));
    MS_TRY(normalise(&b->input, err));
    b->stage = "condensing";
    for (size_t i = 0; i < DELTAS; i++)
        if (recipes[i].of_quant == of_quant) MS_TRY(summarise(b, i, err));
    if (of_quant && b->config.n_deltas > 0) {
        const ms_status status =
            ms_quant_deltas(&b->made[DELTAS], b->input, b->config.deltas, b->config.n_deltas, &b->warnings, err);
        if (status != MS_OK) return ms_err_within(err, status, "%s", path);
    }
    ms_table_destroy(b->input);
    b->input = NULL;
    return MS_OK;
}

static ms_status write_one(build *b, size_t i, ms_err *err) {
    b->summary->rows[i] = ms_table_n_rows(b->made[i]);
    return ms_run_log_write_table(b->made[i], b->run_dir, "tables", ms_tables_name(i), &b->config, &b->written[i], err);
}

static ms_status write_all(build *b, ms_err *err) {
    const ms_str folder = ms_files_join(&b->arena, b->run_dir, MS_STR("tables"));
    if (!folder.text) return ms_err_memory(err, "a path");
    MS_TRY(ms_files_make_folder(folder.text, err));
    for (size_t i = 0; i < MS_TABLES_COUNT; i++)
        if (b->made[i]) MS_TRY(write_one(b, i, err));
    if (!b->made[DELTAS]) ms_run_remove_table(b->run_dir, "tables/B_quant_deltas");
    b->summary->wrote_deltas = b->made[DELTAS] != NULL;
    return MS_OK;
}

/* ---- logs ---- */

static void put_artifacts(ms_json_out *json, const build *b) {
    ms_json_put_begin(json, "artifacts");
    for (size_t i = 0; i < MS_TABLES_COUNT; i++)
        if (b->made[i]) ms_run_log_artifact(json, ms_tables_name(i), b->run_dir, &b->written[i]);
    ms_json_out_end(json);
}

static ms_status write_manifest(build *b, ms_err *err) {
    ms_buf text = {0};
    ms_json_out json = {.buf = &text, .indent = 2};
    ms_json_out_begin_object(&json);
    ms_json_put_text(&json, "generated_at", ms_utc_now(false).text);
    ms_run_log_requested(&json, &b->config);
    put_artifacts(&json, b);
    ms_json_put_begin(&json, "inputs");
    ms_json_put_str(&json, "matrix_stats", ms_run_log_below(b->run_dir, b->stats_path.text));
    ms_json_put_str(&json, "quant_sim", ms_run_log_below(b->run_dir, b->quant_path.text));
    ms_json_out_end(&json);
    ms_json_out_key(&json, "warnings");
    ms_json_out_begin_array(&json);
    for (size_t i = 0; i < b->warnings.n; i++) ms_json_out_str(&json, b->warnings.items[i].message);
    ms_json_out_end(&json);
    ms_json_out_end(&json);
    return ms_run_write_json(b->run_dir, "logs/tables_write_manifest.json", &text, true, err);
}

static void write_failure(build *b, ms_status status, const ms_err *failure) {
    if (b->run_dir.size == 0 || !ms_files_is_folder(b->run_dir.text)) return;
    const ms_str logs = ms_files_join(&b->arena, b->run_dir, MS_STR("logs"));
    if (!logs.text || ms_files_make_folder(logs.text, NULL) != MS_OK) return;
    ms_buf text = {0};
    ms_json_out json = {.buf = &text, .indent = 2};
    ms_json_out_begin_object(&json);
    ms_json_put_text(&json, "generated_at", ms_utc_now(false).text);
    ms_json_put_text(&json, "status", "error");
    ms_run_log_begin_run(&json, b->run_dir, &b->manifest);
    ms_json_out_end(&json);
    ms_run_log_error(&json, status, failure, b->stage);
    ms_json_out_end(&json);
    (void)!ms_run_write_json(b->run_dir, "logs/tables_failure.json", &text, true, NULL);
}

/* ---- all of it ---- */

static void say_warnings(const build *b) {
    for (size_t i = 0; b->options->say && i < b->warnings.n; i++)
        b->options->say(b->options->context, b->warnings.items[i].message.text);
    for (size_t i = 0; b->options->say && i < MS_TABLES_COUNT; i++) {
        if (!b->made[i] || !b->written[i].fallback) continue;
        char line[1800];
        snprintf(line, sizeof line, "[warn] parquet write failed (%s); falling back to CSV for %s", b->written[i].error,
                 b->written[i].path);
        b->options->say(b->options->context, line);
    }
}

static ms_status build_all(build *b, ms_err *err) {
    b->stage = "reading data/";
    MS_TRY(read_inputs(b, err));
    MS_TRY(condense(b, false, err));
    MS_TRY(condense(b, true, err));
    b->stage = "writing tables/";
    MS_TRY(write_all(b, err));
    MS_TRY(write_manifest(b, err));
    ms_run_remove(b->run_dir, "logs/tables_failure.json");
    b->summary->n_warnings = b->warnings.n;
    say_warnings(b);
    return MS_OK;
}

ms_status ms_tables_build(const ms_tables_options *options, ms_tables_summary *summary, ms_err *err) {
    build b = {.options = options, .summary = summary, .run_dir = MS_STR("")};
    ms_err failure = {0};
    *summary = (ms_tables_summary){0};
    const ms_status status = build_all(&b, &failure);
    if (status != MS_OK) write_failure(&b, status, &failure);
    for (size_t i = 0; i < MS_TABLES_COUNT; i++) ms_table_destroy(b.made[i]);
    ms_table_destroy(b.input);
    ms_run_config_free(&b.config);
    ms_notes_free(&b.warnings);
    ms_arena_free(&b.arena);
    return status == MS_OK ? MS_OK : ms_err_set(err, status, "%s", failure.text);
}
