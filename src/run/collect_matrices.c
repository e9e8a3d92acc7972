/* The tables with a row for each expert matrix: matrix_stats and quant_sim. */
#include "collect_impl.h"
#include "mem.h"

/* What both tables begin with: which matrix a row is about. */
static const ms_column_spec identity[] = {
    {"file", MS_COLUMN_STR, "", "full path of the weight file"},
    {"source_tensor", MS_COLUMN_STR, "", "the tensor that holds the matrix"},
    {"derived_tensor", MS_COLUMN_STR, "", "the tensor, how it was cut, the projection"},
    {"layer", MS_COLUMN_I64, "", "-1: unknown"},
    {"block4", MS_COLUMN_I64, "", "layer / 4, rounded down; null when the layer is unknown"},
    {"proj", MS_COLUMN_STR, "", "projection"},
    {"expert_id", MS_COLUMN_I64, "", "-1: shared expert"},
};
static const ms_column_spec stats_shape[] = {
    {"is_routed_expert", MS_COLUMN_BOOL, "", ""},
    {"is_shared_expert", MS_COLUMN_BOOL, "", ""},
    {"rows", MS_COLUMN_I64, "", "R, out features"},
    {"cols", MS_COLUMN_I64, "", "C, in features: what groups run along"},
    {"dtype", MS_COLUMN_STR, "", "NumPy's name of the stored type"},
};
static const ms_column_spec stats_provenance[] = {
    {"section", MS_COLUMN_STR, "", "part of the model: empty for the main one, mtp, vision, ..."},
    {"storage", MS_COLUMN_STR, "", "how the values are stored; empty: plainly"},
    {"extracted_by", MS_COLUMN_STR, "", "rule, family or fallback"},
    {"rule", MS_COLUMN_STR, "", "name of the rule; empty when it was none"},
};
static const ms_column_spec quant_scheme[] = {
    {"is_shared_expert", MS_COLUMN_BOOL, "", ""},
    {"rows", MS_COLUMN_I64, "", "R, out features"},
    {"cols", MS_COLUMN_I64, "", "C, in features"},
    {"scheme", MS_COLUMN_STR, "", "name of the quantisation scheme"},
    {"mode", MS_COLUMN_STR, "", "affine, mxfp4, mxfp8, nvfp4"},
    {"bits", MS_COLUMN_I64, "bits", "as the configuration has it"},
    {"group_size", MS_COLUMN_I64, "weights", "as the configuration has it"},
};
static const ms_column_spec quant_provenance[] = {
    {"profile", MS_COLUMN_STR, "", "whose arithmetic was simulated"},
    {"compute_dtype", MS_COLUMN_STR, "", "type that the weights were rounded to first"},
};

typedef struct columns { /* some of a table, side by side */
    const ms_column_spec *items;
    size_t n;
} columns;

#define COLUMNS(array) ((columns){array, sizeof(array) / sizeof *(array)})
enum { N_IDENTITY = sizeof identity / sizeof *identity, N_PARTS = 4 };

static ms_status create_wide(ms_table **out, const columns parts[static N_PARTS], ms_err *err) {
    size_t n = 0, at = 0;
    for (size_t i = 0; i < N_PARTS; i++) n += parts[i].n;
    ms_column_spec *const all = ms_mem_alloc_array(n, sizeof *all);
    if (!all) return ms_err_memory(err, "a table");
    for (size_t i = 0; i < N_PARTS; at += parts[i++].n) memcpy(all + at, parts[i].items, parts[i].n * sizeof *all);
    const ms_status status = ms_table_create(out, all, n, err);
    ms_mem_free(all);
    return status;
}

/* Returns the next column. */
static size_t put_identity(const ms_collect_wide *w, const ms_collect_row_source *from, const ms_bank *bank,
                           const ms_matrix *m) {
    ms_table *const table = w->table;
    const ms_tensor *const t = from->tensor;
    ms_table_str(table, 0, w->c->ckpt->files[t->file].path);
    ms_table_str(table, 1, t->stored->name);
    ms_table_str(table, 2, ms_buf_str(&w->derived));
    ms_table_i64(table, 3, bank->layer);
    if (bank->layer >= 0) ms_table_i64(table, 4, bank->layer / 4);
    ms_table_str(table, 5, bank->proj);
    ms_table_i64(table, 6, bank->role == MS_ROLE_SHARED_EXPERT ? -1 : m->expert);
    return N_IDENTITY;
}

/* The columns of a row from left to right. */
static ms_status stats_row(ms_collect_wide *w, const ms_collect_row_source *from, const ms_bank *bank, size_t matrix,
                           ms_err *err) {
    const ms_matrix *const m = &w->c->extractor->banks.matrices.items[matrix];
    const ms_tensor *const t = from->tensor;
    const bool shared = bank->role == MS_ROLE_SHARED_EXPERT;
    size_t at = put_identity(w, from, bank, m);
    ms_table_bool(w->table, at++, !shared);
    ms_table_bool(w->table, at++, shared);
    ms_table_i64(w->table, at++, (int64_t)m->rows);
    ms_table_i64(w->table, at++, (int64_t)m->cols);
    ms_table_str(w->table, at++, ms_collect_dtype_name(t->stored));
    ms_scan_emit_stats(w->c->scan, matrix, w->table, at);
    at += w->n_measured;
    ms_table_str(w->table, at++, ms_str_of(bank->section ? bank->section : ""));
    ms_table_str(w->table, at++, ms_str_of(t->scheme ? t->scheme : ""));
    ms_table_str(w->table, at++, ms_str_of(ms_extract_via_name(from->result->via)));
    ms_table_str(w->table, at, from->result->rule);
    return ms_collect_out_end_row(&w->out, err);
}

static ms_status quant_row(ms_collect_wide *w, const ms_collect_row_source *from, const ms_bank *bank, size_t matrix,
                           size_t scheme, ms_err *err) {
    const ms_matrix *const m = &w->c->extractor->banks.matrices.items[matrix];
    const ms_mlx_scheme *const s = &w->c->schemes[scheme];
    const ms_dtype compute = ms_mlx_scheme_compute(s, from->tensor->stored->dtype);
    size_t at = put_identity(w, from, bank, m);
    ms_table_bool(w->table, at++, bank->role == MS_ROLE_SHARED_EXPERT);
    ms_table_i64(w->table, at++, (int64_t)m->rows);
    ms_table_i64(w->table, at++, (int64_t)m->cols);
    ms_table_str(w->table, at++, s->name);
    ms_table_str(w->table, at++, s->mode_name);
    ms_table_i64(w->table, at++, s->bits);
    ms_table_i64(w->table, at++, s->group_size);
    ms_scan_emit_quant(w->c->scan, matrix, scheme, w->table, at);
    at += w->n_measured;
    ms_table_str(w->table, at++, ms_str_of(ms_mlx_profile_name(s->profile)));
    ms_table_str(w->table, at, ms_str_of(ms_dtype_info_of(compute)->numpy_name));
    return ms_collect_out_end_row(&w->out, err);
}

/* One warning for a bank and a scheme that failed on it. */
static void warn_of_scheme(ms_collect_wide *w, const ms_collect_row_source *from, const ms_bank *bank, size_t scheme) {
    const ms_collect_state *const c = w->c;
    for (size_t i = 0; i < bank->n_matrices; i++) {
        const size_t result = bank->first_matrix + i;
        if (!ms_scan_is_done(c->scan, result) || ms_scan_matrix_error(c->scan, result)) continue;
        ms_str text = ms_scan_quant_error(c->scan, result, scheme);
        if (text.size == 0) continue;
        const size_t colon = ms_str_find(text, MS_STR(": "), 0); /* "ValueError: ..." */
        if (colon != SIZE_MAX) text = ms_str_sub(text, colon + 2, text.size);
        const ms_tensor *const t = from->tensor;
        ms_notes_add(&w->c->warnings, MS_NOTE_WARNING, "quant.failed", c->ckpt->files[t->file].path, t->stored->name,
                     MS_NOTE_NO_OFFSET, "[quant_sim] scheme=%s failed: %.*s", ms_str_shown(c->schemes[scheme].name).text,
                     (int)text.size, text.text);
        return;
    }
}

static void warn_of_matrix(ms_collect_wide *w, const ms_collect_row_source *from, const ms_matrix *m, size_t matrix) {
    const ms_err *const why = ms_scan_matrix_error(w->c->scan, matrix);
    if (!why) return;
    const ms_tensor *const t = from->tensor;
    ms_notes_add(&w->c->warnings, MS_NOTE_WARNING, "read.failed", w->c->ckpt->files[t->file].path, t->stored->name,
                 MS_NOTE_NO_OFFSET, "[read] expert %d of %s: %s", (int)m->expert, ms_str_shown(ms_buf_str(&w->derived)).text,
                 why->text);
}

typedef ms_status bank_rows(ms_collect_wide *w, const ms_collect_row_source *from, const ms_bank *bank, ms_err *err);

static ms_status stats_rows(ms_collect_wide *w, const ms_collect_row_source *from, const ms_bank *bank, ms_err *err) {
    for (size_t i = 0; i < bank->n_matrices; i++) {
        const size_t matrix = bank->first_matrix + i;
        if (!ms_scan_is_done(w->c->scan, matrix)) continue; /* interrupted */
        warn_of_matrix(w, from, &w->c->extractor->banks.matrices.items[matrix], matrix);
        MS_TRY(stats_row(w, from, bank, matrix, err));
    }
    return MS_OK;
}

static ms_status quant_rows(ms_collect_wide *w, const ms_collect_row_source *from, const ms_bank *bank, ms_err *err) {
    for (size_t s = 0; s < w->c->n_schemes; s++) {
        warn_of_scheme(w, from, bank, s);
        for (size_t i = 0; i < bank->n_matrices; i++)
            if (ms_scan_is_done(w->c->scan, bank->first_matrix + i))
                MS_TRY(quant_row(w, from, bank, bank->first_matrix + i, s, err));
    }
    return MS_OK;
}

static ms_status put_rows(ms_collect_wide *w, const ms_collect_batch *batch, bank_rows *rows, ms_err *err) {
    const ms_collect_state *const c = w->c;
    for (size_t i = batch->first_tensor; i < batch->end_tensor; i++) {
        const ms_extract_result *const result = &batch->results.items[i - batch->first_tensor];
        const ms_collect_row_source from = {&c->ckpt->tensors[c->tensors.items[i].tensor], result};
        for (size_t b = 0; b < result->n_banks; b++) {
            const ms_bank *const bank = &c->extractor->banks.items[result->first_bank + b];
            ms_buf_clear(&w->derived);
            ms_extract_derived_name(from.tensor->stored->name, bank->split, bank->proj, &w->derived);
            if (w->derived.failed) return ms_err_memory(err, "a name");
            MS_TRY(rows(w, &from, bank, err));
        }
    }
    return MS_OK;
}

/* ---- both tables ---- */

static ms_status open_stats(ms_collect_wide *w, ms_collect_state *c, ms_err *err) {
    *w = (ms_collect_wide){.c = c};
    const ms_column_spec *const measured = ms_scan_stat_columns(c->scan, &w->n_measured);
    const columns parts[] = {COLUMNS(identity), COLUMNS(stats_shape), {measured, w->n_measured}, COLUMNS(stats_provenance)};
    MS_TRY(create_wide(&w->table, parts, err));
    return ms_collect_out_open(&w->out, c, MS_ARTIFACT_STATS, w->table, err);
}

static ms_status open_quant(ms_collect_wide *w, ms_collect_state *c, ms_err *err) {
    *w = (ms_collect_wide){.c = c};
    const ms_column_spec *const measured = ms_scan_quant_columns(c->scan, &w->n_measured);
    const columns parts[] = {COLUMNS(identity), COLUMNS(quant_scheme), {measured, w->n_measured}, COLUMNS(quant_provenance)};
    MS_TRY(create_wide(&w->table, parts, err));
    return ms_collect_out_open(&w->out, c, MS_ARTIFACT_QUANT, w->table, err);
}

ms_status ms_collect_rows_open(ms_collect_rows *out, ms_collect_state *c, ms_err *err) {
    *out = (ms_collect_rows){0};
    ms_status status = open_stats(&out->stats, c, err);
    if (status == MS_OK) status = open_quant(&out->quant, c, err);
    if (status != MS_OK) ms_collect_rows_abort(out);
    return status;
}

ms_status ms_collect_rows_put(ms_collect_rows *rows, const ms_collect_batch *batch, ms_err *err) {
    MS_TRY(put_rows(&rows->stats, batch, stats_rows, err));
    return put_rows(&rows->quant, batch, quant_rows, err);
}

ms_status ms_collect_rows_close(ms_collect_rows *rows, ms_err *err) {
    ms_collect_state *const c = rows->stats.c;
    MS_TRY(ms_collect_out_close(&rows->stats.out, err));
    MS_TRY(ms_collect_out_close(&rows->quant.out, err));
    c->summary->matrix_stats_rows = c->artifacts[MS_ARTIFACT_STATS].written.n_rows;
    c->summary->quant_sim_rows = c->artifacts[MS_ARTIFACT_QUANT].written.n_rows;
    return MS_OK;
}

void ms_collect_rows_abort(ms_collect_rows *rows) {
    ms_collect_wide *const both[] = {&rows->stats, &rows->quant};
    for (int i = 0; i < 2; i++) {
        ms_collect_out_abort(&both[i]->out);
        ms_buf_free(&both[i]->derived);
    }
}
