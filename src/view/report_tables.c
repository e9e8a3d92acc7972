#include "report_tables.h"

#include <math.h>

#include "report_text.h"

static void cell_number(ms_buf *b, double value) {
    ms_buf_put_text(b, "<td>");
    ms_html_number(b, value);
    ms_buf_put_text(b, "</td>");
}

static void cell_percent(ms_buf *b, double share) {
    ms_buf_put_text(b, "<td>");
    ms_html_percent(b, share);
    ms_buf_put_text(b, "</td>");
}

static void cell_count(ms_buf *b, int64_t n) {
    ms_buf_put_text(b, "<td>");
    ms_html_count(b, n);
    ms_buf_put_text(b, "</td>");
}

static void cell_text(ms_buf *b, ms_str text) {
    ms_buf_put_text(b, "<td class=\"t\">");
    ms_html_text(b, text);
    ms_buf_put_text(b, "</td>");
}

static int64_t last_layer(const ms_report_data *d) {
    int64_t last = -1;
    for (size_t i = 0; i < d->n; i++) last = d->layer[i] > last ? d->layer[i] : last;
    return last < 4095 ? last : 4095;
}

void ms_report_put_layers(const ms_report_data *d, const char *key, double *scratch, ms_buf *b) {
    const ms_report_metric *const metric = ms_report_data_metric(d, key);
    if (!metric) return;
    ms_buf_put_text(b, "<div class=\"scroll\"><table><caption>");
    ms_html_chars(b, metric->help);
    ms_buf_put_text(b, ": smallest, median and largest of the layer's matrices</caption><thead><tr><th>layer</th>");
    for (size_t p = 0; p < d->n_projs; p++) {
        ms_buf_put_text(b, "<th colspan=\"3\">");
        ms_html_text(b, d->projs[p]);
        ms_buf_put_text(b, "</th>");
    }
    ms_buf_put_text(b, "</tr></thead><tbody>\n");
    for (int64_t layer = -1, last = last_layer(d); layer <= last; layer++) {
        if (ms_report_spread(d, metric->values, MS_REPORT_ALL_PROJS, layer, scratch).n == 0) continue;
        if (layer < 0) ms_buf_put_text(b, "<tr><td>unknown</td>");
        else ms_buf_printf(b, "<tr><td>%lld</td>", (long long)layer);
        for (size_t p = 0; p < d->n_projs; p++) {
            const ms_spread s = ms_report_spread(d, metric->values, (int)p, layer, scratch);
            cell_number(b, s.low), cell_number(b, s.median), cell_number(b, s.high);
        }
        ms_buf_put_text(b, "</tr>\n");
    }
    ms_buf_put_text(b, "</tbody></table></div>\n");
}

static void put_grid_row(const ms_report_data *d, const double *values, size_t proj, int64_t layer, int64_t n_experts,
                         ms_buf *b) {
    ms_buf_printf(b, "<tr><td>%lld</td>", (long long)layer);
    for (int64_t expert = 0; expert < n_experts; expert++) {
        double value = NAN;
        for (size_t i = 0; i < d->n; i++)
            if (d->proj[i] == proj && d->layer[i] == layer && d->expert[i] == expert) value = values[i];
        if (isnan(value)) ms_buf_put_text(b, "<td></td>");
        else cell_number(b, value);
    }
    ms_buf_put_text(b, "</tr>\n");
}

void ms_report_put_grid(const ms_report_data *d, const char *key, ms_buf *b) {
    const ms_report_metric *const metric = ms_report_data_metric(d, key);
    if (!metric || d->n > 4096) return;
    int64_t n_experts = 0;
    for (size_t i = 0; i < d->n; i++) n_experts = d->expert[i] + 1 > n_experts ? d->expert[i] + 1 : n_experts;
    if (n_experts > 4096) return;
    for (size_t proj = 0; proj < d->n_projs; proj++) {
        ms_buf_put_text(b, "<div class=\"scroll\"><table><caption>");
        ms_html_text(b, d->projs[proj]);
        ms_buf_printf(b, ", %s by layer and expert</caption><thead><tr><th>layer</th>", metric->label);
        for (int64_t expert = 0; expert < n_experts; expert++) ms_buf_printf(b, "<th>%lld</th>", (long long)expert);
        ms_buf_put_text(b, "</tr></thead><tbody>\n");
        for (int64_t layer = -1, last = last_layer(d); layer <= last; layer++) {
            bool any = false;
            for (size_t i = 0; i < d->n && !any; i++) any = d->proj[i] == proj && d->layer[i] == layer && d->expert[i] >= 0;
            if (any) put_grid_row(d, metric->values, proj, layer, n_experts, b);
        }
        ms_buf_put_text(b, "</tbody></table></div>\n");
    }
}

static void cell_share_of_groups(ms_buf *b, const ms_report_data *d, const ms_report_scheme *s, const double *groups,
                                 size_t proj) {
    double n = 0, of = 0;
    for (size_t i = 0; i < d->n; i++) {
        if (d->proj[i] != proj || !isfinite(groups[i]) || s->group_size <= 0) continue;
        n += groups[i];
        of += (double)d->rows[i] * (double)d->cols[i] / (double)s->group_size;
    }
    cell_percent(b, of > 0 ? n / of : NAN);
}

void ms_report_put_schemes(const ms_report_data *d, double *scratch, ms_buf *b) {
    ms_buf_put_text(
        b, "<div class=\"scroll\"><table><caption>Relative Frobenius error, share of the weights' norm</caption><thead><tr>"
           "<th class=\"t\">scheme</th><th>bits a weight</th><th class=\"t\">projection</th><th>median</th><th>5 %</th>"
           "<th>95 %</th><th>worst</th><th>groups clipped</th><th>groups zeroed</th></tr></thead><tbody>\n");
    for (size_t k = 0; k < d->n_schemes; k++)
        for (size_t p = 0; p < d->n_projs; p++) {
            const ms_report_scheme *const s = &d->schemes[k];
            const ms_spread spread = ms_report_spread(d, s->fro, (int)p, MS_REPORT_ALL_LAYERS, scratch);
            if (spread.n == 0) continue;
            ms_buf_put_text(b, "<tr>");
            cell_text(b, s->name);
            ms_buf_printf(b, "<td>%.4g</td>", s->bits_per_weight);
            cell_text(b, d->projs[p]);
            cell_percent(b, spread.median), cell_percent(b, spread.p05), cell_percent(b, spread.p95),
                cell_percent(b, spread.high);
            cell_share_of_groups(b, d, s, s->clip, p), cell_share_of_groups(b, d, s, s->zero, p);
            ms_buf_put_text(b, "</tr>\n");
        }
    ms_buf_put_text(b, "</tbody></table></div>\n");
}

enum { N_HARDEST = 12 };

/* The indexes of the largest values, largest first; returns how many. */
static size_t pick_largest(const ms_report_data *d, const double *values, size_t best[static N_HARDEST]) {
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++) {
        if (!isfinite(values[i]) || (n == N_HARDEST && values[i] <= values[best[n - 1]])) continue;
        size_t at = n < N_HARDEST ? n++ : n - 1;
        for (; at > 0 && values[best[at - 1]] < values[i]; at--) best[at] = best[at - 1];
        best[at] = i;
    }
    return n;
}

void ms_report_put_hardest(const ms_report_data *d, ms_buf *b) {
    size_t best[N_HARDEST];
    const size_t n = pick_largest(d, d->schemes[0].fro, best);
    const ms_report_metric *const rms = ms_report_data_metric(d, "rms"), *const max = ms_report_data_metric(d, "max_abs");
    ms_buf_put_text(b, "<div class=\"scroll\"><table><thead><tr><th>layer</th><th>expert</th><th class=\"t\">projection</th>");
    for (size_t k = 0; k < d->n_schemes; k++) {
        ms_buf_put_text(b, "<th>");
        ms_html_text(b, d->schemes[k].name);
        ms_buf_put_text(b, "</th>");
    }
    ms_buf_put_text(b, "<th>max / rms</th></tr></thead><tbody>\n");
    for (size_t row = 0; row < n; row++) {
        const size_t i = best[row];
        ms_buf_printf(b, "<tr data-i=\"%zu\">", i);
        if (d->layer[i] >= 0) cell_count(b, d->layer[i]);
        else ms_buf_put_text(b, "<td>?</td>");
        if (d->expert[i] >= 0) cell_count(b, d->expert[i]);
        else ms_buf_put_text(b, "<td>shared</td>");
        cell_text(b, d->projs[d->proj[i]]);
        for (size_t k = 0; k < d->n_schemes; k++) cell_percent(b, d->schemes[k].fro[i]);
        cell_number(b, rms && max ? max->values[i] / rms->values[i] : NAN);
        ms_buf_put_text(b, "</tr>\n");
    }
    ms_buf_put_text(b, "</tbody></table></div>\n");
}

void ms_report_put_deltas(const ms_report_data *d, double *scratch, ms_buf *b) {
    ms_buf_put_text(
        b,
        "<div class=\"scroll\"><table><thead><tr><th class=\"t\">difference</th><th class=\"t\">projection</th><th>median</th>"
        "<th>smallest</th><th>largest</th><th>matrices above zero</th></tr></thead><tbody>\n");
    for (size_t k = 0; k < d->n_deltas; k++)
        for (size_t p = 0; p < d->n_projs; p++) {
            const ms_report_delta *const delta = &d->deltas[k];
            const ms_spread spread = ms_report_spread(d, delta->values, (int)p, MS_REPORT_ALL_LAYERS, scratch);
            if (spread.n == 0) continue;
            int64_t n_above = 0;
            for (size_t i = 0; i < d->n; i++) n_above += d->proj[i] == p && delta->values[i] > 0;
            ms_buf_put_text(b, "<tr>");
            cell_text(b, delta->name), cell_text(b, d->projs[p]);
            cell_percent(b, spread.median), cell_percent(b, spread.low), cell_percent(b, spread.high);
            ms_buf_put_text(b, "<td>");
            ms_html_count(b, n_above), ms_buf_put_text(b, " of "), ms_html_count(b, (int64_t)spread.n);
            ms_buf_put_text(b, "</td></tr>\n");
        }
    ms_buf_put_text(b, "</tbody></table></div>\n");
}
