#include "report_findings.h"

#include <math.h>

#include "mem.h"
#include "report_text.h"

static const double alike = 1.02; /* times as large: less is not worth a sentence */

typedef struct sentences {
    const ms_report_data *d;
    ms_buf *html;
    double *scratch;      /* [d->n] */
    unsigned char *flags; /* [d->n] */
    size_t n;
} sentences;

static void begin(sentences *s, bool needs_attention, const char *link) {
    ms_buf_printf(s->html, "<li%s>", needs_attention ? " class=\"warn\"" : "");
    if (link) ms_buf_printf(s->html, "<a href=\"#%s\" aria-label=\"show\">", link);
    s->n++;
}

/* The linked words end here; the sentence goes on. */
static void end_link(sentences *s) { ms_buf_put_text(s->html, "</a>"); }
static void end(sentences *s) { ms_buf_put_text(s->html, "</li>\n"); }

void ms_report_put_matrix(const ms_report_data *d, size_t i, ms_buf *b) {
    if (d->layer[i] >= 0) ms_buf_printf(b, "layer %lld, ", (long long)d->layer[i]);
    if (d->expert[i] >= 0) ms_buf_printf(b, "expert %lld, ", (long long)d->expert[i]);
    else ms_buf_put_text(b, "shared expert, ");
    ms_html_text(b, d->projs[d->proj[i]]);
}

static size_t largest(const ms_report_data *d, const double *values) {
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < d->n; i++)
        if (isfinite(values[i]) && (best == SIZE_MAX || values[i] > values[best])) best = i;
    return best;
}

/* ---- what needs attention ---- */

static void say_not_finite(sentences *s) {
    const ms_report_metric *const nan = ms_report_data_metric(s->d, "nan_count"), *const inf =
                                                                                      ms_report_data_metric(s->d, "inf_count");
    double n_values = 0;
    int64_t n_matrices = 0;
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < s->d->n; i++) {
        const double here =
            (nan && isfinite(nan->values[i]) ? nan->values[i] : 0) + (inf && isfinite(inf->values[i]) ? inf->values[i] : 0);
        if (here > 0 && first == SIZE_MAX) first = i;
        n_values += here, n_matrices += here > 0;
    }
    if (n_matrices == 0) return;
    begin(s, true, "experts");
    ms_html_plural(s->html, (int64_t)n_values, "weight is", "weights are");
    ms_buf_put_text(s->html, " NaN or infinite");
    end_link(s);
    ms_buf_put_text(s->html, ", in ");
    ms_html_plural(s->html, n_matrices, "matrix", "matrices");
    ms_buf_put_text(s->html, n_matrices == 1 ? ": " : "; the first is ");
    ms_report_put_matrix(s->d, first, s->html);
    ms_buf_put_text(s->html, ". The statistics leave such weights out; whoever runs this model will not.");
    end(s);
}

static void say_dead(sentences *s) {
    const ms_report_metric *const zeros = ms_report_data_metric(s->d, "zero_count");
    if (!zeros) return;
    int64_t n_dead = 0, n_sparse = 0;
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < s->d->n; i++) {
        const double size = (double)s->d->rows[i] * (double)s->d->cols[i];
        if (!(size > 0) || !isfinite(zeros->values[i])) continue;
        n_dead += zeros->values[i] == size;
        n_sparse += zeros->values[i] < size && zeros->values[i] > 0.5 * size;
        if (first == SIZE_MAX && zeros->values[i] > 0.5 * size) first = i;
    }
    if (n_dead + n_sparse == 0) return;
    begin(s, true, "experts");
    if (n_dead > 0) {
        ms_html_plural(s->html, n_dead, "matrix is", "matrices are");
        ms_buf_put_text(s->html, " zero throughout");
    }
    if (n_dead > 0 && n_sparse > 0) ms_buf_put_text(s->html, ", ");
    if (n_sparse > 0) {
        ms_html_plural(s->html, n_sparse, "matrix is", "matrices are");
        ms_buf_put_text(s->html, " more than half zero");
    }
    end_link(s);
    ms_buf_put_text(s->html, "; the first is ");
    ms_report_put_matrix(s->d, first, s->html);
    ms_buf_put_text(s->html, ".");
    end(s);
}

static size_t listed(const ms_json_value *report, const char *key) {
    const ms_json_value *const list = ms_json_get(report, key);
    return list && list->kind == MS_JSON_ARRAY ? list->array.n : 0;
}

static void say_index(sentences *s) {
    static const struct {
        const char *key, *one, *many;
    } kinds[] = {
        {"missing_shards", "shard that the index names is missing", "shards that the index names are missing"},
        {"missing_tensors", "tensor that the index names is in no shard", "tensors that the index names are in no shard"},
        {"extra_tensors", "tensor is in a shard but not in the index", "tensors are in the shards but not in the index"},
        {"extra_safetensors_files_on_disk", "safetensors file lies beside the model unused",
         "safetensors files lie beside the model unused"},
    };
    bool any = false;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        const size_t n = listed(s->d->index_report, kinds[k].key);
        if (n == 0) continue;
        if (!any) begin(s, true, "names");
        else ms_buf_put_text(s->html, ", ");
        any = true;
        ms_html_plural(s->html, (int64_t)n, kinds[k].one, kinds[k].many);
    }
    if (!any) return;
    end_link(s);
    ms_buf_put_text(s->html, ".");
    end(s);
}

static void say_unmatched(sentences *s) {
    const size_t n = s->d->n_unexplained;
    if (n == 0) return;
    begin(s, true, "names");
    ms_html_plural(s->html, (int64_t)n, "tensor looks like an expert's but was not taken for a weight matrix",
                   "tensors look like experts' but were not taken for weight matrices");
    end_link(s);
    ms_buf_put_text(s->html, "; nothing below covers them.");
    end(s);
}

static void say_refused(sentences *s) {
    for (size_t k = 0; k < s->d->n_schemes; k++) {
        const ms_report_scheme *const scheme = &s->d->schemes[k];
        if (scheme->n_errors == 0) continue;
        begin(s, true, "quantisation");
        ms_html_text(s->html, scheme->name);
        ms_buf_put_text(s->html, " cannot be applied to ");
        ms_html_plural(s->html, (int64_t)scheme->n_errors, "matrix", "matrices");
        end_link(s);
        ms_buf_put_text(s->html, ": ");
        ms_html_text(s->html, scheme->an_error);
        end(s);
    }
}

/* ---- what is worth knowing ---- */

static void put_scheme(ms_buf *b, const ms_report_scheme *scheme) {
    ms_html_text(b, scheme->name);
    if (isnan(scheme->bits_per_weight)) return;
    ms_buf_put_text(b, " (");
    ms_buf_printf(b, "%.4g bits a weight)", scheme->bits_per_weight);
}

/* The two smallest schemes against each other. */
static void say_schemes(sentences *s) {
    const ms_report_data *const d = s->d;
    const ms_report_scheme *with[2] = {NULL, NULL};
    for (size_t k = 0, n = 0; k < d->n_schemes && n < 2; k++)
        if (ms_report_spread(d, d->schemes[k].fro, MS_REPORT_ALL_PROJS, MS_REPORT_ALL_LAYERS, s->scratch).n > 0)
            with[n++] = &d->schemes[k];
    if (!with[0]) return;
    const double first = ms_report_spread(d, with[0]->fro, MS_REPORT_ALL_PROJS, MS_REPORT_ALL_LAYERS, s->scratch).median;
    begin(s, false, "quantisation");
    put_scheme(s->html, with[0]);
    ms_buf_put_text(s->html, " costs ");
    ms_html_percent(s->html, first);
    end_link(s);
    ms_buf_put_text(s->html, " of the weights' norm in the median matrix");
    if (with[1]) {
        const double second = ms_report_spread(d, with[1]->fro, MS_REPORT_ALL_PROJS, MS_REPORT_ALL_LAYERS, s->scratch).median;
        int64_t n_both = 0, n_worse = 0, n_better = 0;
        for (size_t i = 0; i < d->n; i++) {
            if (!isfinite(with[0]->fro[i]) || !isfinite(with[1]->fro[i])) continue;
            n_both++, n_worse += with[0]->fro[i] > with[1]->fro[i], n_better += with[0]->fro[i] < with[1]->fro[i];
        }
        ms_buf_put_text(s->html, ", ");
        put_scheme(s->html, with[1]);
        ms_buf_put_text(s->html, " ");
        ms_html_percent(s->html, second);
        if (second > 0 && n_both > 0) {
            ms_buf_put_text(s->html, ": ");
            ms_html_number(s->html, first > second ? first / second : second / first);
            ms_buf_put_text(s->html, first > second ? " times as much for the first, which is worse in "
                                                    : " times as much for the second, which is worse in ");
            const int64_t n = first > second ? n_worse : n_better;
            if (n == n_both) ms_buf_put_text(s->html, n_both == 1 ? "the one matrix" : "every matrix");
            else {
                ms_html_count(s->html, n);
                ms_buf_put_text(s->html, " of ");
                ms_html_plural(s->html, n_both, "matrix", "matrices");
            }
        }
    }
    ms_buf_put_text(s->html, ".");
    end(s);
}

static void say_hardest(sentences *s) {
    const ms_report_data *const d = s->d;
    if (d->n_schemes == 0) return;
    const ms_report_scheme *const scheme = &d->schemes[0];
    const ms_spread spread = ms_report_spread(d, scheme->fro, MS_REPORT_ALL_PROJS, MS_REPORT_ALL_LAYERS, s->scratch);
    if (spread.n < 8 || !(spread.median > 0)) return;
    const size_t worst = largest(d, scheme->fro);
    begin(s, spread.high > 1.5 * spread.median, "hardest");
    ms_buf_put_text(s->html, "Hardest at ");
    ms_html_text(s->html, scheme->name);
    end_link(s);
    ms_buf_put_text(s->html, " is ");
    ms_report_put_matrix(d, worst, s->html);
    ms_buf_put_text(s->html, ", with ");
    ms_html_percent(s->html, spread.high);
    ms_buf_put_text(s->html, ", ");
    ms_html_number(s->html, spread.high / spread.median);
    ms_buf_put_text(s->html, " times the median; nine in ten matrices lie between ");
    ms_html_percent(s->html, spread.p05);
    ms_buf_put_text(s->html, " and ");
    ms_html_percent(s->html, spread.p95);
    ms_buf_put_text(s->html, ".");
    end(s);
}

/* Largest weight against the rms of its matrix. */
static void say_largest_weight(sentences *s) {
    const ms_report_data *const d = s->d;
    const ms_report_metric *const rms = ms_report_data_metric(d, "rms"), *const max = ms_report_data_metric(d, "max_abs");
    if (!rms || !max) return;
    size_t best = SIZE_MAX;
    int64_t n_above = 0;
    double best_ratio = 0;
    for (size_t i = 0; i < d->n; i++) {
        const double ratio = max->values[i] / rms->values[i];
        if (!isfinite(ratio)) continue;
        n_above += ratio > 10;
        if (ratio > best_ratio) best_ratio = ratio, best = i;
    }
    if (best == SIZE_MAX) return;
    begin(s, n_above > 0, "experts");
    ms_buf_put_text(s->html, "The weight that stands out most");
    end_link(s);
    ms_buf_put_text(s->html, " is ");
    ms_html_number(s->html, best_ratio);
    ms_buf_put_text(s->html, " times the rms of its matrix (");
    ms_report_put_matrix(d, best, s->html);
    ms_buf_put_text(s->html, "); ");
    if (n_above == 0) ms_buf_put_text(s->html, "no matrix holds one above ten times its rms.");
    else {
        ms_html_count(s->html, n_above);
        ms_buf_put_text(s->html, " of ");
        ms_html_plural(s->html, (int64_t)d->n, "matrix holds", "matrices hold");
        ms_buf_put_text(s->html, " one above ten times the rms.");
    }
    end(s);
}

static void say_outliers(sentences *s) {
    const ms_report_data *const d = s->d;
    const ms_report_metric *const rms = ms_report_data_metric(d, "rms");
    if (!rms || d->n < 8) return;
    const int64_t n = (int64_t)ms_report_outliers(d, rms->values, 4, s->flags, s->scratch);
    begin(s, false, "experts");
    if (n == 0) {
        ms_buf_put_text(s->html, "No expert stands apart in size");
        end_link(s);
        ms_buf_put_text(s->html, ": every rms lies within four robust deviations of its projection's median.");
    } else {
        ms_html_plural(s->html, n, "matrix stands", "matrices stand");
        ms_buf_put_text(s->html, " apart in size");
        end_link(s);
        ms_buf_put_text(s->html, ", more than four robust deviations from the median rms of ");
        ms_buf_put_text(s->html, n == 1 ? "its projection: " : "their projection, among them ");
        for (size_t i = 0, k = 0; i < d->n && k < 3; i++) {
            if (!s->flags[i]) continue;
            if (k++ > 0) ms_buf_put_text(s->html, "; ");
            ms_report_put_matrix(d, i, s->html);
        }
        ms_buf_put_text(s->html, ".");
    }
    end(s);
}

/* Does the layer or the projection decide the size of the weights? */
static void say_layers(sentences *s) {
    const ms_report_data *const d = s->d;
    const ms_report_metric *const rms = ms_report_data_metric(d, "rms");
    if (!rms) return;
    double low = INFINITY, high = 0, proj_low = INFINITY, proj_high = 0;
    int64_t low_layer = -1, high_layer = -1, most = -1;
    for (size_t i = 0; i < d->n; i++) most = d->layer[i] > most ? d->layer[i] : most;
    for (int64_t layer = 0; layer <= most && most < 4096; layer++) {
        const double median = ms_report_spread(d, rms->values, MS_REPORT_ALL_PROJS, layer, s->scratch).median;
        if (median < low) low = median, low_layer = layer;
        if (median > high) high = median, high_layer = layer;
    }
    for (size_t proj = 0; proj < d->n_projs; proj++) {
        const double median = ms_report_spread(d, rms->values, (int)proj, MS_REPORT_ALL_LAYERS, s->scratch).median;
        if (median < proj_low) proj_low = median;
        if (median > proj_high) proj_high = median;
    }
    if (low_layer == high_layer || !(low > 0) || !(proj_low > 0) || d->n_projs < 2) return;
    const double by_layer = high / low, by_proj = proj_high / proj_low;
    begin(s, false, "layers");
    ms_buf_put_text(s->html, by_layer < alike && by_proj < alike ? "Layers and projections are alike in size"
                             : by_layer > by_proj                ? "Layers differ more than projections"
                                                                 : "Projections differ more than layers");
    end_link(s);
    ms_buf_put_text(s->html, ": the median rms of a layer runs from ");
    ms_html_number(s->html, low);
    ms_buf_printf(s->html, " (layer %lld) to ", (long long)low_layer);
    ms_html_number(s->html, high);
    ms_buf_printf(s->html, " (layer %lld), of a projection from ", (long long)high_layer);
    ms_html_number(s->html, proj_low);
    ms_buf_put_text(s->html, " to ");
    ms_html_number(s->html, proj_high);
    ms_buf_put_text(s->html, ".");
    end(s);
}

size_t ms_report_findings(const ms_report_data *data, ms_buf *html) {
    sentences s = {.d = data,
                   .html = html,
                   .scratch = ms_mem_alloc_array(data->n + 1, sizeof(double)),
                   .flags = ms_mem_alloc(data->n + 1)};
    if (s.scratch && s.flags) {
        say_not_finite(&s);
        say_dead(&s);
        say_index(&s);
        say_unmatched(&s);
        say_refused(&s);
        say_schemes(&s);
        say_hardest(&s);
        say_largest_weight(&s);
        say_outliers(&s);
        say_layers(&s);
    } else html->failed = true;
    ms_mem_free(s.scratch);
    ms_mem_free(s.flags);
    return s.n;
}
