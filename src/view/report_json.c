#include "report_json.h"

#include <math.h>

static void put_values(ms_buf *b, const double *values, size_t n) {
    ms_buf_put_char(b, '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0) ms_buf_put_char(b, ',');
        if (isfinite(values[i])) ms_buf_printf(b, "%.5g", values[i]);
        else ms_buf_put_text(b, "null");
    }
    ms_buf_put_char(b, ']');
}

static void put_integers(ms_buf *b, const int64_t *values, size_t n) {
    ms_buf_put_char(b, '[');
    for (size_t i = 0; i < n; i++) ms_buf_printf(b, "%s%lld", i ? "," : "", (long long)values[i]);
    ms_buf_put_char(b, ']');
}

/* A JSON text without '<', so that no name can end the script element. */
static void put_text(ms_buf *b, ms_str text) {
    ms_buf json = {0};
    ms_json_out out = {.buf = &json, .indent = -1};
    ms_json_out_str(&out, text);
    for (size_t i = 0; i < json.size; i++) {
        if (json.bytes[i] == '<') ms_buf_put_text(b, "\\u003c");
        else ms_buf_put_char(b, json.bytes[i]);
    }
    b->failed |= json.failed;
    ms_buf_free(&json);
}

static void put_matrices(const ms_report_data *d, ms_buf *b) {
    ms_buf_put_text(b, "\"matrices\":{\"layer\":");
    put_integers(b, d->layer, d->n);
    ms_buf_put_text(b, ",\"expert\":");
    put_integers(b, d->expert, d->n);
    ms_buf_put_text(b, ",\"projs\":[");
    for (size_t p = 0; p < d->n_projs; p++) {
        if (p > 0) ms_buf_put_char(b, ',');
        put_text(b, d->projs[p]);
    }
    ms_buf_put_text(b, "],\"proj\":[");
    for (size_t i = 0; i < d->n; i++) ms_buf_printf(b, "%s%zu", i ? "," : "", d->proj[i]);
    ms_buf_put_text(b, "]}");
}

void ms_report_put_json(const ms_report_data *d, ms_buf *b) {
    ms_buf_put_char(b, '{');
    put_matrices(d, b);
    ms_buf_put_text(b, ",\n\"metrics\":[");
    for (size_t k = 0; k < d->n_metrics; k++) {
        const ms_report_metric *const m = &d->metrics[k];
        ms_buf_put_text(b, k ? ",\n{\"key\":" : "\n{\"key\":");
        put_text(b, ms_str_of(m->key));
        ms_buf_put_text(b, ",\"label\":");
        put_text(b, ms_str_of(m->label));
        ms_buf_put_text(b, ",\"help\":");
        put_text(b, ms_str_of(m->help));
        ms_buf_printf(b, ",\"signed\":%s,\"pinned\":%s,\"values\":", m->is_signed ? "true" : "false",
                      m->is_pinned ? "true" : "false");
        put_values(b, m->values, d->n);
        ms_buf_put_char(b, '}');
    }
    ms_buf_put_text(b, "],\n\"schemes\":[");
    for (size_t k = 0; k < d->n_schemes; k++) {
        const ms_report_scheme *const s = &d->schemes[k];
        ms_buf_put_text(b, k ? ",\n{\"name\":" : "\n{\"name\":");
        put_text(b, s->name);
        ms_buf_printf(b, ",\"bpw\":%.5g,\"values\":", isnan(s->bits_per_weight) ? (double)s->bits : s->bits_per_weight);
        put_values(b, s->fro, d->n);
        ms_buf_put_char(b, '}');
    }
    ms_buf_put_text(b, "],\n\"deltas\":[");
    for (size_t k = 0; k < d->n_deltas; k++) {
        const ms_report_delta *const x = &d->deltas[k];
        ms_buf_put_text(b, k ? ",\n{\"name\":" : "\n{\"name\":");
        put_text(b, x->name);
        ms_buf_put_text(b, ",\"a\":");
        put_text(b, x->a);
        ms_buf_put_text(b, ",\"b\":");
        put_text(b, x->b);
        ms_buf_put_text(b, ",\"values\":");
        put_values(b, x->values, d->n);
        ms_buf_put_char(b, '}');
    }
    ms_buf_put_text(b, "]}");
}
