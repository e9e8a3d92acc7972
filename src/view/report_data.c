#include "report_data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "files.h"
#include "map.h"

/* Columns worth a picture, in the order of the chooser. Group-wise ratios (g32_...) are added as they come. */
static const ms_report_metric known[] = {
    {.key = "rms", .label = "rms", .help = "root mean square of the weights", .is_pinned = true},
    {.key = "std", .label = "std", .help = "standard deviation"},
    {.key = "mean", .label = "mean", .help = "mean weight", .is_signed = true},
    {.key = "mean_abs", .label = "mean |w|", .help = "mean magnitude"},
    {.key = "max_abs", .label = "max |w|", .help = "largest magnitude", .is_pinned = true},
    {.key = "p50_abs_exact", .label = "median |w|", .help = "exact median of the magnitudes"},
    {.key = "p99_abs_exact", .label = "p99 |w|", .help = "exact 99th percentile of the magnitudes", .is_pinned = true},
    {.key = "p999_abs_exact", .label = "p99.9 |w|", .help = "exact 99.9th percentile of the magnitudes"},
    {.key = "outlier_max_over_mean",
     .label = "max / mean |w|",
     .help = "how far the largest weight stands out",
     .is_pinned = true},
    {.key = "outlier_p99_over_median", .label = "p99 / median |w|", .help = "weight of the tail"},
    {.key = "outlier_p999_over_median", .label = "p99.9 / median |w|", .help = "weight of the far tail"},
    {.key = "kurtosis", .label = "kurtosis", .help = "3 for normal weights, more for heavy tails", .is_pinned = true},
    {.key = "zero_count", .label = "zeros", .help = "weights that are exactly zero"},
    {.key = "nan_count", .label = "NaN", .help = "weights that are not a number"},
    {.key = "inf_count", .label = "infinities", .help = "weights that are infinite"},
};
enum { N_KNOWN = sizeof known / sizeof known[0], LARGE_RUN = 12000, MOST_JSON = 64 << 20 };

/* ---- loading ---- */

static ms_status load_json(const ms_json_value **out, ms_report_data *d, const char *name, ms_err *err) {
    char path[4096];
    snprintf(path, sizeof path, "%.*s/%s", (int)d->folder.size, d->folder.text, name);
    if (!ms_files_exists(path)) return MS_OK;
    ms_buf file = {0};
    ms_status status = ms_files_read(&file, path, MOST_JSON, err);
    const ms_str text = ms_arena_copy(&d->arena, ms_buf_str(&file)); /* the DOM borrows from it */
    ms_buf_free(&file);
    if (status != MS_OK) return status;
    if (!text.text) return ms_err_memory(err, "the report");
    status = ms_json_parse(out, text.text, text.size, &d->arena, err);
    return status == MS_OK ? MS_OK : ms_err_within(err, status, "%s", path);
}

static ms_status load_some(ms_table **out, const ms_report_data *d, const char *name, ms_column_wanted *wanted, ms_err *err) {
    static const char *const suffixes[] = {"parquet", "csv"};
    for (int i = 0; i < 2; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%.*s/%s.%s", (int)d->folder.size, d->folder.text, name, suffixes[i]);
        if (ms_files_exists(path)) return ms_table_read_some(out, path, NULL, 0, wanted, err);
    }
    return MS_OK;
}

static ms_status load_table(ms_table **out, const ms_report_data *d, const char *name, ms_err *err) {
    return load_some(out, d, name, NULL, err);
}

static bool in_list(const char *name, const char *const *list) {
    for (size_t i = 0; list[i]; i++)
        if (strcmp(name, list[i]) == 0) return true;
    return false;
}

/* What is shown of the tables with a row for each tensor or more. */
static bool is_shown_of_stats(const char *name) {
    return strcmp(name, "source_tensor") != 0; /* derived_tensor begins with it */
}

static bool is_shown_of_quant(const char *name) {
    static const char *const names[] = {
        "file",       "derived_tensor", "layer",       "expert_id",   "scheme",          "mode",  "bits",
        "group_size", "w_rel_fro",      "clip_groups", "zero_groups", "bits_per_weight", "error", NULL};
    return in_list(name, names);
}

static bool is_shown_of_inventory(const char *name) {
    static const char *const names[] = {"shape", "nbytes", "dtype", NULL};
    return in_list(name, names);
}

static double cell(const ms_table *t, size_t row, int64_t column) {
    if (column < 0 || ms_table_is_null(t, row, (size_t)column)) return NAN;
    switch (ms_table_column(t, (size_t)column)->type) {
    case MS_COLUMN_I64:
    case MS_COLUMN_F64: return ms_table_get_f64(t, row, (size_t)column);
    case MS_COLUMN_BOOL: return ms_table_get_bool(t, row, (size_t)column);
    default: return NAN;
    }
}

static ms_str text_cell(const ms_table *t, size_t row, int64_t column) {
    if (column < 0 || ms_table_column(t, (size_t)column)->type != MS_COLUMN_STR) return MS_STR_NONE;
    return ms_table_get_str(t, row, (size_t)column);
}

static int64_t whole(double value, int64_t fallback) {
    return isfinite(value) && fabs(value) < 1e15 ? (int64_t)value : fallback;
}

static double *nan_column(ms_report_data *d) {
    double *const values = ms_arena_alloc_array(&d->arena, d->n ? d->n : 1, sizeof *values);
    for (size_t i = 0; values && i < d->n; i++) values[i] = NAN;
    return values;
}

static int proj_rank(ms_str proj) {
    static const char *const order[] = {"gate_proj", "up_proj", "gate_up_proj", "down_proj", "router"};
    for (int i = 0; i < 5; i++)
        if (ms_str_is(proj, order[i])) return i;
    return 5;
}

static int by_proj(const void *a, const void *b) {
    const ms_str x = *(const ms_str *)a, y = *(const ms_str *)b;
    const int order = proj_rank(x) - proj_rank(y);
    return order ? order : ms_str_compare(x, y);
}

static ms_status collect_projs(ms_report_data *d, ms_err *err) {
    const int64_t column = ms_table_find(d->stats, "proj");
    ms_map seen = {0};
    bool short_of_memory = false;
    d->projs = ms_arena_alloc_array(&d->arena, d->n + 1, sizeof *d->projs);
    for (size_t i = 0; d->projs && i < d->n && !short_of_memory; i++) {
        bool is_new = false;
        const ms_str proj = text_cell(d->stats, i, column);
        short_of_memory = !ms_map_add(&seen, proj, 0, NULL, &is_new);
        if (is_new) d->projs[d->n_projs++] = proj;
    }
    if (d->projs && !short_of_memory) qsort(d->projs, d->n_projs, sizeof *d->projs, by_proj);
    for (size_t k = 0; d->projs && k < d->n_projs; k++) *ms_map_find(&seen, d->projs[k]) = k;
    for (size_t i = 0; d->projs && !short_of_memory && i < d->n; i++)
        d->proj[i] = *ms_map_find(&seen, text_cell(d->stats, i, column));
    ms_map_free(&seen);
    return d->projs && !short_of_memory ? MS_OK : ms_err_memory(err, "the report");
}

static ms_status add_metric(ms_report_data *d, ms_report_metric metric, ms_err *err) {
    const int64_t column = ms_table_find(d->stats, metric.key);
    if (column < 0) return MS_OK;
    metric.values = nan_column(d);
    if (!metric.values) return ms_err_memory(err, "the report");
    bool any = false;
    for (size_t i = 0; i < d->n; i++) any |= !isnan(metric.values[i] = cell(d->stats, i, column));
    if (any) d->metrics[d->n_metrics++] = metric;
    return MS_OK;
}

static ms_status collect_metrics(ms_report_data *d, ms_err *err) {
    const size_t n_columns = ms_table_n_columns(d->stats);
    d->metrics = ms_arena_alloc_array(&d->arena, N_KNOWN + n_columns, sizeof *d->metrics);
    if (!d->metrics) return ms_err_memory(err, "the report");
    for (size_t k = 0; k < N_KNOWN; k++)
        if (d->n <= LARGE_RUN || known[k].is_pinned) MS_TRY(add_metric(d, known[k], err));
    for (size_t c = 0; c < n_columns; c++) {
        const char *const name = ms_table_column(d->stats, c)->name;
        const bool is_maximum = ms_str_ends_with(ms_str_of(name), MS_STR("_max_outlier"));
        const bool is_ratio = name[0] == 'g' && ms_str_ends_with(ms_str_of(name), MS_STR("_outlier"));
        if (!is_ratio || (d->n > LARGE_RUN && !is_maximum)) continue;
        const ms_report_metric metric = {.key = name,
                                         .label = name,
                                         .help = is_maximum ? "largest ratio of max to mean |w| in a group"
                                                            : "high percentile of max to mean |w| in a group"};
        MS_TRY(add_metric(d, metric, err));
    }
    return MS_OK;
}

static ms_status collect_identity(ms_report_data *d, ms_err *err) {
    d->n = ms_table_n_rows(d->stats);
    d->layer = ms_arena_alloc_array(&d->arena, d->n + 1, sizeof *d->layer);
    d->expert = ms_arena_alloc_array(&d->arena, d->n + 1, sizeof *d->expert);
    d->rows = ms_arena_alloc_array(&d->arena, d->n + 1, sizeof *d->rows);
    d->cols = ms_arena_alloc_array(&d->arena, d->n + 1, sizeof *d->cols);
    d->proj = ms_arena_alloc_array(&d->arena, d->n + 1, sizeof *d->proj);
    if (!d->layer || !d->expert || !d->rows || !d->cols || !d->proj) return ms_err_memory(err, "the report");
    const int64_t layer = ms_table_find(d->stats, "layer"), expert = ms_table_find(d->stats, "expert_id");
    const int64_t rows = ms_table_find(d->stats, "rows"), cols = ms_table_find(d->stats, "cols");
    for (size_t i = 0; i < d->n; i++) {
        d->layer[i] = whole(cell(d->stats, i, layer), -1);
        d->expert[i] = whole(cell(d->stats, i, expert), -1);
        d->rows[i] = whole(cell(d->stats, i, rows), 0);
        d->cols[i] = whole(cell(d->stats, i, cols), 0);
    }
    MS_TRY(collect_projs(d, err));
    return collect_metrics(d, err);
}

/* ---- quantisation: rows of quant_sim to columns beside the matrices ---- */

/* What names a matrix: file, derived tensor, layer and expert together. */
static ms_str matrix_key(ms_buf *buf, const ms_table *t, size_t row) {
    const ms_str file = text_cell(t, row, ms_table_find(t, "file")),
                 derived = text_cell(t, row, ms_table_find(t, "derived_tensor"));
    const int64_t layer = whole(cell(t, row, ms_table_find(t, "layer")), -1);
    const int64_t expert = whole(cell(t, row, ms_table_find(t, "expert_id")), -1);
    ms_buf_clear(buf);
    ms_buf_put_str(buf, file);
    ms_buf_put_char(buf, '\x1f');
    ms_buf_put_str(buf, derived);
    ms_buf_printf(buf, "\x1f%lld\x1f%lld", (long long)layer, (long long)expert);
    return ms_buf_str(buf);
}

static ms_status add_scheme(ms_report_data *d, size_t row, ms_err *err) {
    const ms_table *const t = d->quant;
    ms_report_scheme *const s = &d->schemes[d->n_schemes];
    *s = (ms_report_scheme){.name = text_cell(t, row, ms_table_find(t, "scheme")),
                            .mode = text_cell(t, row, ms_table_find(t, "mode")),
                            .bits = whole(cell(t, row, ms_table_find(t, "bits")), 0),
                            .group_size = whole(cell(t, row, ms_table_find(t, "group_size")), 0),
                            .bits_per_weight = NAN,
                            .fro = nan_column(d),
                            .clip = nan_column(d),
                            .zero = nan_column(d)};
    if (!s->fro || !s->clip || !s->zero) return ms_err_memory(err, "the report");
    d->n_schemes++;
    return MS_OK;
}

static void add_quant_row(ms_report_data *d, ms_report_scheme *s, size_t row, size_t i) {
    const ms_table *const t = d->quant;
    s->fro[i] = cell(t, row, ms_table_find(t, "w_rel_fro"));
    s->clip[i] = cell(t, row, ms_table_find(t, "clip_groups"));
    s->zero[i] = cell(t, row, ms_table_find(t, "zero_groups"));
    const double bits = cell(t, row, ms_table_find(t, "bits_per_weight"));
    if (!isnan(bits)) s->bits_per_weight = bits;
    const ms_str error = text_cell(t, row, ms_table_find(t, "error"));
    if (error.size > 0) s->n_errors++, s->an_error = error;
}

static int by_size(const void *a, const void *b) {
    const ms_report_scheme *const x = a, *const y = b;
    const double p = isnan(x->bits_per_weight) ? (double)x->bits : x->bits_per_weight;
    const double q = isnan(y->bits_per_weight) ? (double)y->bits : y->bits_per_weight;
    return p != q ? (p > q) - (p < q) : ms_str_compare(x->name, y->name);
}

enum { MOST_SCHEMES = 64 };

/* buf: scratch. */
static ms_status join_quant(ms_report_data *d, ms_map *matrices, ms_map *schemes, ms_buf *buf, ms_err *err) {
    for (size_t i = 0; i < d->n; i++) {
        const ms_str key = ms_arena_copy(&d->arena, matrix_key(buf, d->stats, i));
        if (buf->failed || !key.text || !ms_map_add(matrices, key, i, NULL, NULL)) return ms_err_memory(err, "the report");
    }
    for (size_t row = 0; row < ms_table_n_rows(d->quant); row++) {
        size_t *slot;
        bool is_new;
        const ms_str scheme = text_cell(d->quant, row, ms_table_find(d->quant, "scheme"));
        if (!ms_map_add(schemes, scheme, d->n_schemes, &slot, &is_new)) return ms_err_memory(err, "the report");
        if (is_new && d->n_schemes < MOST_SCHEMES) MS_TRY(add_scheme(d, row, err));
        const ms_str key = matrix_key(buf, d->quant, row);
        if (buf->failed) return ms_err_memory(err, "the report");
        const size_t *const i = ms_map_find(matrices, key);
        if (i && *slot < d->n_schemes) add_quant_row(d, &d->schemes[*slot], row, *i);
    }
    return MS_OK;
}

static ms_status collect_quant(ms_report_data *d, ms_err *err) {
    if (!d->quant) return MS_OK;
    d->schemes = ms_arena_alloc_array(&d->arena, MOST_SCHEMES, sizeof *d->schemes);
    if (!d->schemes) return ms_err_memory(err, "the report");
    ms_map matrices = {0}, schemes = {0};
    ms_buf key = {0};
    const ms_status status = join_quant(d, &matrices, &schemes, &key, err);
    ms_buf_free(&key);
    ms_map_free(&matrices);
    ms_map_free(&schemes);
    if (status == MS_OK) qsort(d->schemes, d->n_schemes, sizeof *d->schemes, by_size);
    return status;
}

static const ms_report_scheme *scheme_named(const ms_report_data *d, ms_str name) {
    for (size_t k = 0; k < d->n_schemes; k++)
        if (ms_str_equal(d->schemes[k].name, name)) return &d->schemes[k];
    return NULL;
}

/* The pairs of the run's configuration, as differences of the schemes' errors. */
static ms_status collect_deltas(ms_report_data *d, ms_err *err) {
    const ms_json_value *const pairs = ms_json_get(d->config, "delta_pairs");
    if (!pairs || pairs->kind != MS_JSON_ARRAY) return MS_OK;
    d->deltas = ms_arena_alloc_array(&d->arena, pairs->array.n + 1, sizeof *d->deltas);
    if (!d->deltas) return ms_err_memory(err, "the report");
    for (size_t k = 0; k < pairs->array.n; k++) {
        const ms_json_value *const pair = &pairs->array.items[k];
        ms_report_delta delta = {.name = ms_json_as_str(ms_json_get(pair, "name"), MS_STR_NONE),
                                 .a = ms_json_as_str(ms_json_get(pair, "a"), MS_STR_NONE),
                                 .b = ms_json_as_str(ms_json_get(pair, "b"), MS_STR_NONE)};
        const ms_report_scheme *const a = scheme_named(d, delta.a), *const b = scheme_named(d, delta.b);
        if (!a || !b) continue;
        delta.values = nan_column(d);
        if (!delta.values) return ms_err_memory(err, "the report");
        for (size_t i = 0; i < d->n; i++) delta.values[i] = a->fro[i] - b->fro[i];
        d->deltas[d->n_deltas++] = delta;
    }
    return MS_OK;
}

/* Unmatched tensors whose reason names what they are (a router, a gate, scales, biases) are no riddle. */
static size_t count_unexplained(const ms_table *unmatched) {
    static const char *const explained[] = {"shared_expert_gate", "router", "router_aux", "expert_bias",
                                            "quantization_companion"};
    const int64_t column = unmatched ? ms_table_find(unmatched, "reason") : -1;
    size_t n = 0;
    for (size_t row = 0; column >= 0 && row < ms_table_n_rows(unmatched); row++) {
        bool is_known = false;
        for (size_t k = 0; k < sizeof explained / sizeof explained[0]; k++)
            is_known |= ms_str_is(text_cell(unmatched, row, column), explained[k]);
        n += !is_known;
    }
    return n;
}

static ms_status load(ms_report_data *d, ms_err *err) {
    MS_TRY(load_json(&d->manifest, d, "manifest.json", err));
    MS_TRY(load_json(&d->health, d, "logs/run_health.json", err));
    MS_TRY(load_json(&d->context, d, "logs/run_context.json", err));
    MS_TRY(load_json(&d->shape, d, "logs/model_shape_budget.json", err));
    MS_TRY(load_json(&d->model, d, "logs/model_summary.json", err));
    MS_TRY(load_json(&d->index_report, d, "logs/index_report.json", err));
    MS_TRY(load_json(&d->config, d, "analysis_config.json", err));
    const ms_json_value *const used = ms_json_get(d->health, "config_used");
    if (used && used->kind == MS_JSON_OBJECT) d->config = used;
    MS_TRY(load_some(&d->stats, d, "data/matrix_stats", is_shown_of_stats, err));
    MS_FAIL_IF(
        !d->stats, MS_ERR_NOT_FOUND, err,
        "%s: no run with results: data/matrix_stats.parquet or .csv is missing; run 'moescope collect --run-dir %s' first",
        ms_str_shown(d->folder).text, ms_str_shown(d->folder).text);
    MS_TRY(load_some(&d->quant, d, "data/quant_sim", is_shown_of_quant, err));
    MS_TRY(load_some(&d->inventory, d, "data/tensor_inventory", is_shown_of_inventory, err));
    MS_TRY(load_table(&d->unmatched, d, "data/unmatched_tensors", err));
    MS_TRY(load_table(&d->warnings, d, "logs/warnings", err));
    MS_TRY(load_table(&d->naming, d, "logs/proj_canonicalization_report", err));
    d->n_unexplained = count_unexplained(d->unmatched);
    MS_TRY(collect_identity(d, err));
    MS_TRY(collect_quant(d, err));
    return collect_deltas(d, err);
}

ms_status ms_report_data_load(ms_report_data *out, const char *run_folder, ms_err *err) {
    *out = (ms_report_data){0};
    out->folder = ms_arena_copy(&out->arena, ms_str_of(run_folder));
    const ms_status status = out->folder.text ? load(out, err) : ms_err_memory(err, "the report");
    if (status != MS_OK) ms_report_data_free(out);
    return status;
}

void ms_report_data_free(ms_report_data *data) {
    ms_table *const tables[] = {data->stats, data->quant, data->warnings, data->unmatched, data->naming, data->inventory};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) ms_table_destroy(tables[i]);
    ms_arena_free(&data->arena);
    *data = (ms_report_data){0};
}

/* ---- small statistics ---- */

const ms_report_metric *ms_report_data_metric(const ms_report_data *data, const char *key) {
    for (size_t k = 0; k < data->n_metrics; k++)
        if (strcmp(data->metrics[k].key, key) == 0) return &data->metrics[k];
    return NULL;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Linear between order statistics, as NumPy's default. */
static double quantile(const double *sorted, size_t n, double q) {
    const double at = q * (double)(n - 1);
    const size_t low = (size_t)at, high = low + 1 < n ? low + 1 : low;
    return sorted[low] + (sorted[high] - sorted[low]) * (at - (double)low);
}

static size_t gather(const ms_report_data *d, const double *values, int proj, int64_t layer, double *sorted) {
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++) {
        if (!isfinite(values[i]) || (proj >= 0 && d->proj[i] != (size_t)proj)) continue;
        if (layer == MS_REPORT_ALL_LAYERS || d->layer[i] == layer) sorted[n++] = values[i];
    }
    qsort(sorted, n, sizeof *sorted, by_value);
    return n;
}

ms_spread ms_report_spread(const ms_report_data *data, const double *values, int proj, int64_t layer, double *scratch) {
    const size_t n = gather(data, values, proj, layer, scratch);
    if (n == 0) return (ms_spread){0, NAN, NAN, NAN, NAN, NAN};
    return (ms_spread){
        n, scratch[0], quantile(scratch, n, 0.05), quantile(scratch, n, 0.5), quantile(scratch, n, 0.95), scratch[n - 1]};
}

size_t ms_report_outliers(const ms_report_data *data, const double *values, double limit, unsigned char *flags,
                          double *scratch) {
    size_t n_found = 0;
    memset(flags, 0, data->n);
    for (size_t proj = 0; proj < data->n_projs; proj++) {
        const size_t n = gather(data, values, (int)proj, MS_REPORT_ALL_LAYERS, scratch);
        if (n < 8) continue;
        const double median = quantile(scratch, n, 0.5);
        for (size_t k = 0; k < n; k++) scratch[k] = fabs(scratch[k] - median);
        qsort(scratch, n, sizeof *scratch, by_value);
        const double deviation = 1.4826 * quantile(scratch, n, 0.5);
        if (!(deviation > 0)) continue;
        for (size_t i = 0; i < data->n; i++)
            if (data->proj[i] == proj && fabs(values[i] - median) > limit * deviation) flags[i] = 1, n_found++;
    }
    return n_found;
}
