#include "report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "embedded.h"
#include "files.h"
#include "mem.h"
#include "report_data.h"
#include "report_findings.h"
#include "report_json.h"
#include "report_tables.h"
#include "report_text.h"

typedef struct page {
    const ms_report_data *d;
    const ms_report_options *options;
    ms_buf *b;
    double *scratch; /* [d->n] */
    bool charts;
    size_t n_findings, n_warnings;
} page;

static void put(page *p, const char *html) { ms_buf_put_text(p->b, html); }

static ms_str model_name(const page *p) {
    if (p->options->title) return ms_str_of(p->options->title);
    return ms_json_as_str(ms_json_get(p->d->manifest, "model_id"), MS_STR("model"));
}

/* ---- head ---- */

static void fact(page *p, const char *label) { ms_buf_printf(p->b, "</dd><dt>%s</dt></div>\n", label); }
static void begin_fact(page *p) { put(p, "<div><dd>"); }

typedef struct totals { /* from the inventory: every tensor of the run */
    double n_parameters, n_bytes;
    int64_t n_tensors;
    ms_str dtype; /* that holds most bytes */
} totals;

static double elements_of(const ms_table *inventory, size_t row, int64_t column) {
    if (column < 0 || ms_table_column(inventory, (size_t)column)->type != MS_COLUMN_I64_LIST) return NAN;
    const int64_t *items;
    double n = 1;
    for (size_t k = 0, rank = ms_table_get_list(inventory, row, (size_t)column, &items); k < rank; k++) n *= (double)items[k];
    return n;
}

static totals count_tensors(const ms_report_data *d) {
    totals t = {0};
    if (!d->inventory) return t;
    enum { MOST = 32 };
    ms_str names[MOST];
    double bytes[MOST] = {0};
    size_t n_names = 0;
    const int64_t shape = ms_table_find(d->inventory, "shape"), nbytes = ms_table_find(d->inventory, "nbytes");
    const int64_t dtype = ms_table_find(d->inventory, "dtype");
    t.n_tensors = (int64_t)ms_table_n_rows(d->inventory);
    for (size_t row = 0; row < (size_t)t.n_tensors; row++) {
        const double n = nbytes < 0 ? 0 : ms_table_get_f64(d->inventory, row, (size_t)nbytes);
        t.n_parameters += elements_of(d->inventory, row, shape);
        t.n_bytes += n;
        const ms_str name = dtype < 0 ? MS_STR("") : ms_table_get_str(d->inventory, row, (size_t)dtype);
        size_t k = 0;
        while (k < n_names && !ms_str_equal(names[k], name)) k++;
        if (k == n_names && n_names < MOST) names[n_names++] = name;
        if (k < MOST) bytes[k] += n;
    }
    size_t best = 0;
    for (size_t k = 1; k < n_names; k++) best = bytes[k] > bytes[best] ? k : best;
    t.dtype = n_names ? names[best] : MS_STR("");
    return t;
}

static void put_shapes(page *p) {
    const ms_report_data *const d = p->d;
    for (size_t proj = 0, n = 0; proj < d->n_projs && n < 3; proj++)
        for (size_t i = 0; i < d->n; i++) {
            if (d->proj[i] != proj || d->expert[i] < 0) continue;
            begin_fact(p);
            ms_buf_printf(p->b, "%lld \xC3\x97 %lld", (long long)d->rows[i], (long long)d->cols[i]);
            put(p, "</dd><dt>");
            ms_html_text(p->b, d->projs[proj]);
            put(p, "</dt></div>\n");
            n++;
            break;
        }
}

/* Parameters: what inspect counted when the run holds it (it knows packed storage), else the elements of all tensors. */
static void put_parameters(page *p, totals t) {
    const double total = ms_json_as_f64(ms_json_path(p->d->model, "parameters.total"), t.n_parameters);
    const double active = ms_json_as_f64(ms_json_path(p->d->model, "parameters.active"), NAN);
    if (isfinite(total) && total > 0) {
        begin_fact(p);
        ms_buf_printf(p->b, "<span title=\"%.0f\">", total);
        ms_html_short_count(p->b, total);
        put(p, "</span>");
        fact(p, p->d->model ? "parameters" : "elements");
    }
    if (!isfinite(active) || !(active > 0)) return;
    begin_fact(p);
    ms_buf_printf(p->b, "<span title=\"%.0f\">", active);
    ms_html_short_count(p->b, active);
    put(p, "</span>");
    fact(p, "active per token");
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Layers that hold routed experts. */
static size_t count_layers(const page *p) {
    const ms_report_data *const d = p->d;
    size_t n = 0, n_distinct = 0;
    for (size_t i = 0; i < d->n; i++)
        if (d->layer[i] >= 0 && d->expert[i] >= 0) p->scratch[n++] = (double)d->layer[i];
    qsort(p->scratch, n, sizeof *p->scratch, by_value);
    for (size_t i = 0; i < n; i++) n_distinct += i == 0 || p->scratch[i] != p->scratch[i - 1];
    return n_distinct;
}

static void put_layers_by_experts(page *p) {
    const ms_report_data *const d = p->d;
    int64_t n_experts = 0;
    for (size_t i = 0; i < d->n; i++) n_experts = d->expert[i] + 1 > n_experts ? d->expert[i] + 1 : n_experts;
    int64_t top_k = ms_json_as_i64(ms_json_path(d->shape, "shape_budget.num_experts_per_tok"), -1);
    if (top_k <= 0) top_k = ms_json_as_i64(ms_json_get(d->model, "top_k"), -1);
    begin_fact(p);
    ms_buf_printf(p->b, "%zu \xC3\x97 %lld", count_layers(p), (long long)n_experts);
    put(p, "</dd><dt>layers \xC3\x97 experts");
    if (top_k > 0) ms_buf_printf(p->b, ", top %lld", (long long)top_k);
    put(p, "</dt></div>\n");
}

static void put_facts(page *p) {
    const totals t = count_tensors(p->d);
    put(p, "<dl class=\"facts\">\n");
    if (p->d->n > 0) put_layers_by_experts(p);
    put_parameters(p, t);
    put_shapes(p);
    if (t.n_tensors > 0) {
        begin_fact(p);
        ms_html_text(p->b, t.dtype);
        put(p, "</dd><dt>");
        ms_html_bytes(p->b, t.n_bytes);
        put(p, " in ");
        ms_html_plural(p->b, t.n_tensors, "tensor", "tensors");
        put(p, "</dt></div>\n");
    }
    put(p, "</dl>\n");
}

static void put_subtitle(page *p) {
    const ms_report_data *const d = p->d;
    const int64_t n_files = ms_json_as_i64(ms_json_path(d->health, "scan_summary.files_scanned"), -1);
    const ms_str architecture = ms_json_as_str(ms_json_get(d->model, "architecture"), MS_STR_NONE);
    put(p, "<p class=\"mute\">");
    if (architecture.size) {
        ms_html_text(p->b, architecture);
        put(p, ", ");
    }
    if (d->n == 0) put(p, "no expert matrix");
    else ms_html_plural(p->b, (int64_t)d->n, "expert matrix", "expert matrices");
    if (n_files >= 0) {
        put(p, " read from ");
        ms_html_plural(p->b, n_files, "file", "files");
    }
    put(p, "</p>\n");
}

static void put_head(page *p) {
    put(p, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
           "script-src 'unsafe-inline'; img-src data: blob:\">\n<meta name=\"generator\" content=\"moescope " MS_VERSION "\">\n"
           "<link rel=\"icon\" href=\"data:,\">\n<title>");
    ms_html_text(p->b, model_name(p));
    put(p, ", moescope report</title>\n<style>\n");
    ms_buf_put_str(p->b, ms_embedded_report_css());
    put(p, "</style>\n</head>\n<body>\n<main>\n<h1>");
    ms_html_text(p->b, model_name(p));
    put(p, "</h1>\n");
    put_subtitle(p);
    put_facts(p);
}

static void put_findings(page *p) {
    put(p, "<h2 id=\"findings\">What stands out</h2>\n<ul class=\"find\">\n");
    if (p->d->n == 0) {
        put(p,
            "<li class=\"warn\">No expert matrix was found; <a href=\"#names\">the names</a> below tell what was seen.</li>\n");
        p->n_findings = 1;
    } else p->n_findings = ms_report_findings(p->d, p->b);
    if (p->n_findings == 0) put(p, "<li>Nothing stands out.</li>\n");
    put(p, "</ul>\n<nav aria-label=\"chapters\">");
    if (p->d->n > 0) put(p, "<a href=\"#experts\">Experts</a><a href=\"#layers\">Layers</a>");
    if (p->d->n_schemes > 0) put(p, "<a href=\"#quantisation\">Quantisation</a><a href=\"#hardest\">Hardest experts</a>");
    if (p->d->n_deltas > 0) put(p, "<a href=\"#deltas\">Differences</a>");
    put(p, "<a href=\"#names\">Names and index</a><a href=\"#warnings\">Warnings</a><a href=\"#made\">How it was "
           "made</a></nav>\n");
}

/* ---- chapters ---- */

static void begin_numbers(page *p, const char *summary) {
    ms_buf_printf(p->b, "<details%s><summary>%s</summary>\n", p->charts ? "" : " open", summary);
}

static void put_chooser(page *p, const char *id) {
    ms_buf_printf(
        p->b, "<div class=\"controls\" data-needs-charts hidden><label>metric <select id=\"%s\"></select></label></div>\n", id);
}

static void put_experts(page *p) {
    put(p, "<h2 id=\"experts\">Every expert</h2>\n<p class=\"mute\">One cell an expert's matrix, layers down, experts right. "
           "One colour scale for all "
           "panels; outlined cells lie more than four robust standard deviations from the median of their panel, hatched ones "
           "are not "
           "there. Point at a cell for its number, click to keep it.</p>\n");
    if (p->charts) {
        put_chooser(p, "metric");
        put(p, "<div id=\"heatmaps\"></div>\n<p id=\"picked\" class=\"readout\" aria-live=\"polite\"></p>\n");
    }
    begin_numbers(p, "rms as numbers");
    if (p->d->n <= 4096) ms_report_put_grid(p->d, "rms", p->b);
    else put(p, "<p>Too many for a page: they stand in <code>data/matrix_stats</code> of the run.</p>\n");
    put(p, "</details>\n<h2 id=\"layers\">From layer to layer</h2>\n<p class=\"mute\">How a layer's experts spread: dot for "
           "the median, bar for the "
           "middle 90\xE2\x80\xAF%, line for all.</p>\n");
    if (p->charts) {
        put_chooser(p, "layermetric");
        put(p, "<div id=\"bylayer\"></div>\n");
    }
    begin_numbers(p, "rms by layer as numbers");
    ms_report_put_layers(p->d, "rms", p->scratch, p->b);
    put(p, "</details>\n");
}

static void put_quantisation(page *p) {
    const ms_json_value *const profile = ms_json_path(p->d->config, "mlx.profile");
    put(p, "<h2 id=\"quantisation\">What quantisation would cost</h2>\n<p class=\"mute\">");
    put(p, "Each matrix quantised and restored by the rules of MLX (profile <code>");
    ms_html_text(p->b, ms_json_as_str(profile, MS_STR("cpu")));
    put(p, "</code>); the error is taken against the stored weights, in double precision.</p>\n");
    if (p->charts) put(p, "<figure id=\"schemes\"></figure>\n<h3>By layer</h3>\n<figure id=\"schemelayers\"></figure>\n");
    begin_numbers(p, "errors as numbers");
    ms_report_put_schemes(p->d, p->scratch, p->b);
    put(p, "</details>\n<h2 id=\"hardest\">Hardest experts</h2>\n<p class=\"mute\">The matrices that lose most under <code>");
    ms_html_text(p->b, p->d->schemes[0].name);
    put(p, "</code>, the smallest of the schemes.</p>\n");
    ms_report_put_hardest(p->d, p->b);
}

static void put_deltas(page *p) {
    put(p, "<h2 id=\"deltas\">Scheme against scheme</h2>\n<p class=\"mute\">Difference of the errors of two schemes for the "
           "same matrix; above "
           "zero, the first one is worse.");
    if (p->charts) put(p, " The heat maps above show them by expert.");
    put(p, "</p>\n");
    ms_report_put_deltas(p->d, p->scratch, p->b);
}

static void put_list(page *p, const ms_json_value *list, const char *what) {
    if (!list || list->kind != MS_JSON_ARRAY || list->array.n == 0) return;
    enum { MOST = 50 };
    ms_buf_printf(p->b, "<h3>%s</h3>\n<ul class=\"plain\">\n", what);
    for (size_t i = 0; i < list->array.n && i < MOST; i++) {
        put(p, "<li><code>");
        ms_html_text(p->b, ms_json_as_str(&list->array.items[i], MS_STR("?")));
        put(p, "</code></li>\n");
    }
    if (list->array.n > MOST)
        ms_buf_printf(p->b, "<li>and %zu more, in <code>logs/index_report.json</code></li>\n", list->array.n - MOST);
    put(p, "</ul>\n");
}

/* Rows of a table with the named text columns; at most `most` rows. */
static void put_text_table(page *p, const ms_table *t, const char *const *columns, size_t n_columns, size_t most,
                           const char *rest) {
    put(p, "<div class=\"scroll\"><table><thead><tr>");
    for (size_t c = 0; c < n_columns; c++) ms_buf_printf(p->b, "<th class=\"t\">%s</th>", columns[c]);
    put(p, "</tr></thead><tbody>\n");
    for (size_t row = 0; row < ms_table_n_rows(t) && row < most; row++) {
        put(p, "<tr>");
        for (size_t c = 0; c < n_columns; c++) {
            const int64_t column = ms_table_find(t, columns[c]);
            put(p, "<td class=\"w\">");
            if (column >= 0 && ms_table_column(t, (size_t)column)->type == MS_COLUMN_STR)
                ms_html_text(p->b, ms_table_get_str(t, row, (size_t)column));
            else if (column >= 0 && ms_table_column(t, (size_t)column)->type == MS_COLUMN_I64)
                ms_html_count(p->b, ms_table_get_i64(t, row, (size_t)column));
            put(p, "</td>");
        }
        put(p, "</tr>\n");
    }
    put(p, "</tbody></table></div>\n");
    if (ms_table_n_rows(t) > most)
        ms_buf_printf(p->b, "<p class=\"mute\">%zu more in <code>%s</code>.</p>\n", ms_table_n_rows(t) - most, rest);
}

static void put_names(page *p) {
    const ms_report_data *const d = p->d;
    const ms_json_value *const index = ms_json_get(d->context, "index"), *const counts =
                                                                             ms_json_get(d->health, "extraction_summary");
    put(p, "<h2 id=\"names\">Names and index</h2>\n<p>");
    const int64_t by_family = ms_json_as_i64(ms_json_get(counts, "extracted_by_family"), 0);
    const int64_t by_rule = ms_json_as_i64(ms_json_get(counts, "extracted_by_rule"), 0);
    const int64_t by_fallback = ms_json_as_i64(ms_json_get(counts, "extracted_by_fallback"), 0);
    const int64_t n_taken = by_family + by_rule + by_fallback;
    if (n_taken == 0) put(p, "No tensor was taken for an expert's weights. ");
    else {
        ms_html_plural(p->b, n_taken, "tensor was", "tensors were");
        put(p, " taken for expert weights: ");
        ms_html_count(p->b, by_rule), put(p, " by a rule of the configuration, ");
        ms_html_count(p->b, by_family), put(p, " by the family tables, ");
        ms_html_count(p->b, by_fallback), put(p, " by name alone. ");
    }
    const ms_str status = ms_json_as_str(ms_json_get(index, "status"), MS_STR("unknown"));
    if (ms_str_is(status, "active")) put(p, "The shards were chosen by the index.");
    else if (ms_str_is(status, "not_found")) put(p, "The model has no index.");
    else {
        put(p, "The index was not used (");
        ms_html_text(p->b, status);
        put(p, ").");
    }
    put(p, "</p>\n");
    static const struct {
        const char *key, *what;
    } lists[] = {{"missing_shards", "Shards that the index names and that are missing"},
                 {"extra_scanned_shards", "Shards read that the index does not name"},
                 {"missing_tensors", "Tensors that the index names and no shard holds"},
                 {"extra_tensors", "Tensors that the index does not name"},
                 {"extra_safetensors_files_on_disk", "Files beside the model that the index does not name"}};
    bool any = false;
    for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++) {
        const ms_json_value *const list = ms_json_get(d->index_report, lists[k].key);
        any |= list && list->kind == MS_JSON_ARRAY && list->array.n > 0;
        put_list(p, list, lists[k].what);
    }
    if (d->index_report && !any) put(p, "<p>Index, headers and files agree: nothing is missing, nothing is extra.</p>\n");
    if (d->unmatched && ms_table_n_rows(d->unmatched) > 0) {
        static const char *const columns[] = {"tensor_name", "dtype", "reason"};
        put(p, "<h3>Tensors beside the experts that were not analysed</h3>\n");
        put_text_table(p, d->unmatched, columns, 3, 50, "data/unmatched_tensors");
    }
    if (d->naming && ms_table_n_rows(d->naming) > 0) {
        static const char *const columns[] = {"context", "raw_proj", "resolved_proj", "action", "count", "suggested_proj"};
        put(p, "<h3>Projection names that no alias explains</h3>\n");
        put_text_table(p, d->naming, columns, 6, 50, "logs/proj_canonicalization_report");
    }
}

/* How often the text of row i stands in the table from there on; 0 when it stood above. */
static size_t times_warned(const ms_table *t, size_t column, size_t i, size_t n) {
    size_t times = 0;
    for (size_t k = 0; k < n; k++) {
        if (!ms_str_equal(ms_table_get_str(t, k, column), ms_table_get_str(t, i, column))) continue;
        if (k < i) return 0;
        times++;
    }
    return times;
}

static void put_warnings(page *p) {
    enum { MOST = 1000 };
    const ms_table *const t = p->d->warnings;
    p->n_warnings = t ? ms_table_n_rows(t) : 0;
    put(p, "<h2 id=\"warnings\">Warnings</h2>\n");
    const int64_t column = t ? ms_table_find(t, "warning") : -1;
    if (p->n_warnings == 0 || column < 0) {
        put(p, "<p>None.</p>\n");
        return;
    }
    const size_t n = p->n_warnings < MOST ? p->n_warnings : MOST;
    put(p, "<ul class=\"plain\">\n");
    for (size_t row = 0; row < n; row++) {
        const size_t times = times_warned(t, (size_t)column, row, n);
        if (times == 0) continue;
        put(p, "<li>");
        ms_html_text(p->b, ms_table_get_str(t, row, (size_t)column));
        if (times > 1) ms_buf_printf(p->b, " <span class=\"mute\">(%zu times)</span>", times);
        put(p, "</li>\n");
    }
    put(p, "</ul>\n");
    if (p->n_warnings > n)
        ms_buf_printf(p->b, "<p class=\"mute\">%zu more in <code>logs/warnings</code>.</p>\n", p->n_warnings - n);
}

static void put_made(page *p) {
    const ms_report_data *const d = p->d;
    put(p, "<h2 id=\"made\">How it was made</h2>\n<dl class=\"made\">\n<dt>program</dt><dd>moescope " MS_VERSION "</dd>\n");
    if (p->options->command) {
        put(p, "<dt>command</dt><dd><code>");
        ms_html_chars(p->b, p->options->command);
        put(p, "</code></dd>\n");
    }
    static const struct {
        const char *label, *path;
        bool in_context;
    } rows[] = {{"model", "model_path.resolved", true}, {"run", "run.run_dir", true}, {"collected", "generated_at", false}};
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        const ms_str value =
            ms_json_as_str(ms_json_path(rows[k].in_context ? d->context : d->health, rows[k].path), MS_STR_NONE);
        if (value.size == 0) continue;
        ms_buf_printf(p->b, "<dt>%s</dt><dd><code>", rows[k].label);
        ms_html_text(p->b, value);
        put(p, "</code></dd>\n");
    }
    const double seconds = ms_json_as_f64(ms_json_get(d->health, "duration_seconds"), NAN);
    if (isfinite(seconds)) {
        put(p, "<dt>time</dt><dd>");
        ms_html_number(p->b, seconds);
        put(p, " s</dd>\n");
    }
    const int64_t seed = ms_json_as_i64(ms_json_path(d->config, "stats.sample_seed"), -1);
    const int64_t sample = ms_json_as_i64(ms_json_path(d->config, "stats.sample_per_matrix"), -1);
    if (seed >= 0 && sample >= 0)
        ms_buf_printf(p->b,
                      "<dt>sample</dt><dd>%lld weights a matrix for the sampled percentiles, seed %lld; all other statistics "
                      "use every weight</dd>\n",
                      (long long)sample, (long long)seed);
    put(p, "<dt>numbers</dt><dd>all of them in <code>data/</code> and <code>tables/</code> of the run, the settings in "
           "<code>analysis_config.json</code>, the log in <code>logs/</code></dd>\n</dl>\n");
}

static void put_script(page *p) {
    put(p, "<script type=\"application/json\" id=\"run\">");
    ms_report_put_json(p->d, p->b);
    put(p, "</script>\n<script>");
    ms_buf_put_str(p->b, ms_embedded_report_js());
    put(p, "</script>\n");
}

static ms_status put_page(page *p, ms_err *err) {
    put_head(p);
    put_findings(p);
    if (p->d->n > 0) put_experts(p);
    if (p->d->n_schemes > 0) put_quantisation(p);
    if (p->d->n_deltas > 0) put_deltas(p);
    put_names(p);
    put_warnings(p);
    put_made(p);
    put(p, "<footer>Made by moescope " MS_VERSION ". Layers and experts count from 0.</footer>\n</main>\n");
    if (p->charts) put_script(p);
    put(p, "</body>\n</html>\n");
    return p->b->failed ? ms_err_memory(err, "the report") : MS_OK;
}

ms_status ms_report_write(const char *run_folder, const char *out_path, const ms_report_options *options,
                          ms_report_summary *summary, ms_err *err) {
    static const ms_report_options none = {0};
    ms_report_data data;
    MS_TRY(ms_report_data_load(&data, run_folder, err));
    ms_buf html = {0};
    page p = {.d = &data,
              .options = options ? options : &none,
              .b = &html,
              .scratch = ms_mem_alloc_array(data.n + 1, sizeof(double))};
    p.charts = ms_embedded_report_js().size > 0 && !p.options->no_charts && data.n > 0;
    ms_status status = p.scratch ? put_page(&p, err) : ms_err_memory(err, "the report");
    if (status == MS_OK) status = ms_files_write(out_path, html.bytes, html.size, MS_FILES_NO_SYNC, err);
    if (status == MS_OK && summary)
        *summary = (ms_report_summary){.n_matrices = data.n,
                                       .n_schemes = data.n_schemes,
                                       .n_findings = p.n_findings,
                                       .n_warnings = p.n_warnings,
                                       .n_bytes = html.size};
    ms_mem_free(p.scratch);
    ms_buf_free(&html);
    ms_report_data_free(&data);
    return status;
}
