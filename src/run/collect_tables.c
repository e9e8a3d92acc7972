/* The tables of collect, but for those of the matrices (collect_matrices.c). */
#include <stdio.h>

#include "collect_impl.h"
#include "files.h"
#include "mem.h"
#include "run_log.h"

const char *ms_artifact_name(ms_artifact artifact) {
    static const char *const names[MS_ARTIFACT_COUNT] = {
        "tensor_inventory", "matrix_stats", "quant_sim", "unmatched_tensors", "proj_canonicalization_report", "warnings"};
    return names[artifact];
}

/* ---- a table on its way to its file ---- */

enum { ROWS_AT_ONCE = 1 << 13 }; /* that are held in memory */

static const char *folder_of(ms_artifact artifact) { return artifact >= MS_ARTIFACT_PROJ_REPORT ? "logs" : "data"; }

ms_status ms_collect_out_open(ms_collect_out *out, ms_collect_state *c, ms_artifact artifact, ms_table *table, ms_err *err) {
    *out = (ms_collect_out){.c = c, .artifact = artifact, .table = table};
    return ms_run_log_open_table(&out->sink, table, c->run_dir, folder_of(artifact), ms_artifact_name(artifact), &c->config,
                                 &c->artifacts[artifact].written, err);
}

ms_status ms_collect_out_end_row(ms_collect_out *out, ms_err *err) {
    MS_TRY(ms_table_end_row(out->table, err));
    return ms_table_n_rows(out->table) < ROWS_AT_ONCE ? MS_OK : ms_table_sink_flush(out->sink, err);
}

ms_status ms_collect_out_close(ms_collect_out *out, ms_err *err) {
    ms_collect_artifact *const a = &out->c->artifacts[out->artifact];
    ms_table_sink *const sink = out->sink;
    out->sink = NULL;
    MS_TRY(ms_table_sink_close(sink, err));
    a->exists = true;
    if (a->written.fallback)
        ms_collect_say(out->c, "[warn] parquet write failed (%s); falling back to CSV for %s", a->written.error,
                       a->written.path);
    return MS_OK;
}

void ms_collect_out_abort(ms_collect_out *out) {
    ms_table_sink_abort(out->sink);
    ms_table_destroy(out->table);
    out->sink = NULL;
    out->table = NULL;
}

/* Writes the table as the configuration wants it; consumes it. */
static ms_status write_table(ms_collect_state *c, ms_artifact artifact, ms_table *table, ms_err *err) {
    ms_collect_out out;
    ms_status status = ms_collect_out_open(&out, c, artifact, table, err);
    if (status == MS_OK) status = ms_collect_out_close(&out, err);
    ms_collect_out_abort(&out);
    return status;
}

static void remove_table(ms_collect_state *c, ms_artifact artifact) {
    char name[64];
    snprintf(name, sizeof name, "%s/%s", folder_of(artifact), ms_artifact_name(artifact));
    ms_run_remove_table(c->run_dir, name);
}

/* Shapes of any rank. */
static void put_shape(ms_table *table, size_t column, const ms_stored *stored) {
    enum { USUAL = 16 };
    int64_t few[USUAL], *items = stored->rank <= USUAL ? few : ms_mem_alloc_array(stored->rank, sizeof *items);
    if (!items) return; /* the cell stays null: memory is short, ending the row will say so or not matter */
    for (uint32_t i = 0; i < stored->rank; i++) items[i] = (int64_t)stored->shape[i];
    ms_table_list(table, column, items, stored->rank);
    if (items != few) ms_mem_free(items);
}

ms_str ms_collect_dtype_name(const ms_stored *stored) {
    return stored->dtype == MS_DTYPE_UNKNOWN ? stored->dtype_name : ms_str_of(ms_dtype_info_of(stored->dtype)->numpy_name);
}

/* ---- tensor_inventory ---- */

enum { INV_FILE, INV_NAME, INV_DTYPE, INV_SHAPE, INV_NDIM, INV_NBYTES, INV_MORE };

static const ms_column_spec inventory_columns[] = {
    {"file", MS_COLUMN_STR, "", "full path of the weight file"},
    {"tensor_name", MS_COLUMN_STR, "", "as the file has it"},
    {"dtype", MS_COLUMN_STR, "", "NumPy's name of the stored type"},
    {"shape", MS_COLUMN_I64_LIST, "", "extents of the stored tensor"},
    {"ndim", MS_COLUMN_I64, "", "number of axes"},
    {"nbytes", MS_COLUMN_I64, "bytes", "size of the stored tensor"},
};
static const ms_column_spec index_columns[] = {
    {"in_index", MS_COLUMN_BOOL, "", "the index names it"},
    {"index_shard", MS_COLUMN_STR, "", "the file that the index gives it"},
};
static const ms_column_spec family_columns[] = {
    {"role", MS_COLUMN_STR, "", "what the family tables take it for"},
    {"storage", MS_COLUMN_STR, "", "how its values are stored; empty: plainly"},
};

static ms_status inventory_row(ms_collect_out *out, uint32_t index, ms_err *err) {
    const ms_collect_state *const c = out->c;
    ms_table *const table = out->table;
    const ms_tensor *const t = &c->ckpt->tensors[index];
    size_t column = INV_MORE;
    ms_table_str(table, INV_FILE, c->ckpt->files[t->file].path);
    ms_table_str(table, INV_NAME, t->stored->name);
    ms_table_str(table, INV_DTYPE, ms_collect_dtype_name(t->stored));
    put_shape(table, INV_SHAPE, t->stored);
    ms_table_i64(table, INV_NDIM, t->stored->rank);
    ms_table_i64(table, INV_NBYTES, (int64_t)t->stored->n_bytes);
    if (c->plan.used) {
        const ms_str shard = ms_index_report_shard_of(&c->index, &c->plan, index);
        ms_table_bool(table, column++, shard.text != NULL);
        if (shard.text) ms_table_str(table, column, shard);
        column++;
    }
    if (c->families) {
        ms_table_str(table, column++, ms_str_of(ms_role_name(t->role)));
        ms_table_str(table, column, ms_str_of(t->scheme ? t->scheme : ""));
    }
    return ms_collect_out_end_row(out, err);
}

ms_status ms_collect_write_inventory(ms_collect_state *c, ms_err *err) {
    ms_column_spec columns[INV_MORE + 4];
    size_t n = INV_MORE;
    memcpy(columns, inventory_columns, sizeof inventory_columns);
    for (size_t i = 0; c->plan.used && i < 2; i++) columns[n++] = index_columns[i];
    for (size_t i = 0; c->families && i < 2; i++) columns[n++] = family_columns[i];
    ms_table *table;
    MS_TRY(ms_table_create(&table, columns, n, err));
    ms_collect_out out;
    ms_status status = ms_collect_out_open(&out, c, MS_ARTIFACT_INVENTORY, table, err);
    for (size_t i = 0; status == MS_OK && c->ckpt && i < c->ckpt->n_tensors; i++) {
        const bool is_float = ms_dtype_info_of(c->ckpt->tensors[c->order[i]].stored->dtype)->is_float;
        if (is_float || c->config.scan.inventory_all_tensors) status = inventory_row(&out, c->order[i], err);
    }
    if (status == MS_OK) status = ms_collect_out_close(&out, err);
    ms_collect_out_abort(&out);
    c->summary->tensor_inventory_rows = c->artifacts[MS_ARTIFACT_INVENTORY].written.n_rows;
    return status;
}

/* ---- unmatched_tensors ---- */

static ms_status unmatched_row(ms_collect_out *out, const ms_collect_left_out *from, ms_err *err) {
    ms_table *const table = out->table;
    const ms_tensor *const t = &out->c->ckpt->tensors[from->tensor];
    ms_table_str(table, 0, out->c->ckpt->files[t->file].path);
    ms_table_str(table, 1, t->stored->name);
    ms_table_str(table, 2, ms_collect_dtype_name(t->stored));
    put_shape(table, 3, t->stored);
    ms_table_i64(table, 4, t->stored->rank);
    ms_table_str(table, 5, ms_str_of(from->reason));
    return ms_collect_out_end_row(out, err);
}

static ms_status write_unmatched(ms_collect_state *c, ms_err *err) {
    static const ms_column_spec columns[] = {
        {"file", MS_COLUMN_STR, "", "full path of the weight file"},
        {"tensor_name", MS_COLUMN_STR, "", "looks like experts, but was not extracted"},
        {"dtype", MS_COLUMN_STR, "", "NumPy's name of the stored type"},
        {"shape", MS_COLUMN_I64_LIST, "", "extents of the stored tensor"},
        {"ndim", MS_COLUMN_I64, "", "number of axes"},
        {"reason", MS_COLUMN_STR, "", "why not"},
    };
    ms_table *table;
    MS_TRY(ms_table_create(&table, columns, 6, err));
    ms_collect_out out;
    ms_status status = ms_collect_out_open(&out, c, MS_ARTIFACT_UNMATCHED, table, err);
    for (size_t i = 0; status == MS_OK && i < c->left_out.n; i++) status = unmatched_row(&out, &c->left_out.items[i], err);
    if (status == MS_OK) status = ms_collect_out_close(&out, err);
    ms_collect_out_abort(&out);
    c->summary->unmatched_tensors_rows = c->artifacts[MS_ARTIFACT_UNMATCHED].written.n_rows;
    c->summary->wrote_unmatched = status == MS_OK;
    return status;
}

/* ---- proj_canonicalization_report ---- */

static ms_status proj_report_rows(ms_collect_state *c, ms_table *table, ms_err *err) {
    const ms_proj_report *const report = &c->extractor->report;
    for (size_t i = 0; i < report->rows.n; i++) {
        const ms_proj_issue *const row = &report->rows.items[i];
        ms_table_str(table, 0, ms_str_of(ms_proj_context_name(row->context)));
        ms_table_str(table, 1, row->rule_name);
        ms_table_str(table, 2, row->raw_proj);
        ms_table_str(table, 3, row->resolved_proj);
        ms_table_str(table, 4, ms_str_of(ms_proj_action_name(row->action)));
        ms_table_i64(table, 5, row->count);
        ms_table_str(table, 6, row->example_file);
        ms_table_str(table, 7, row->example_source_tensor);
        ms_table_str(table, 8, row->example_derived_tensor);
        ms_table_str(table, 9, row->suggested_proj);
        ms_table_str(table, 10, row->suggested_match);
        MS_TRY(ms_table_end_row(table, err));
    }
    return MS_OK;
}

static ms_status warn_of_projs(ms_collect_state *c, ms_err *err) {
    const ms_str path = ms_run_log_below(c->run_dir, c->artifacts[MS_ARTIFACT_PROJ_REPORT].written.path);
    ms_proj_counts kept, dropped;
    MS_TRY(ms_proj_report_count(&c->extractor->report, MS_PROJ_KEPT_RAW, &kept, err));
    MS_TRY(ms_proj_report_count(&c->extractor->report, MS_PROJ_DROPPED_STRICT, &dropped, err));
    if (kept.unique > 0)
        ms_notes_add(&c->warnings, MS_NOTE_WARNING, "proj.kept_raw", MS_STR(""), MS_STR(""), MS_NOTE_NO_OFFSET,
                     "[proj] unmapped proj tokens kept raw: packed_split=%lld, proj_group=%lld (unique=%zu, occurrences=%lld). "
                     "See %s",
                     (long long)kept.packed_split, (long long)kept.proj_group, kept.unique,
                     (long long)kept.packed_split + (long long)kept.proj_group, path.text);
    if (dropped.unique > 0)
        ms_notes_add(
            &c->warnings, MS_NOTE_WARNING, "proj.dropped_strict", MS_STR(""), MS_STR(""), MS_NOTE_NO_OFFSET,
            "[proj] strict proj_group dropped tensors due to unmapped proj tokens: occurrences=%lld (unique=%zu). See %s",
            (long long)dropped.proj_group, dropped.unique, path.text);
    return MS_OK;
}

static ms_status write_proj_report(ms_collect_state *c, ms_err *err) {
    static const ms_column_spec columns[] = {
        {"context", MS_COLUMN_STR, "", "packed_split or proj_group"},
        {"rule_name", MS_COLUMN_STR, "", "the rule that met the token"},
        {"raw_proj", MS_COLUMN_STR, "", "the token"},
        {"resolved_proj", MS_COLUMN_STR, "", "what it was taken for"},
        {"action", MS_COLUMN_STR, "", "kept_raw or dropped_strict"},
        {"count", MS_COLUMN_I64, "", "how often"},
        {"example_file", MS_COLUMN_STR, "", "where it was met first"},
        {"example_source_tensor", MS_COLUMN_STR, "", ""},
        {"example_derived_tensor", MS_COLUMN_STR, "", ""},
        {"suggested_proj", MS_COLUMN_STR, "", "what it may have been meant to be; empty: nothing is close"},
        {"suggested_match", MS_COLUMN_STR, "", "the name or alias that it is close to"},
    };
    ms_table *table;
    MS_TRY(ms_table_create(&table, columns, 11, err));
    const ms_status status = proj_report_rows(c, table, err);
    if (status != MS_OK) {
        ms_table_destroy(table);
        return status;
    }
    MS_TRY(write_table(c, MS_ARTIFACT_PROJ_REPORT, table, err));
    return warn_of_projs(c, err);
}

/* ---- warnings ---- */

/* Strict drops under an empty alias map: where to look for them. */
static void warn_of_empty_aliases(ms_collect_state *c) {
    const size_t n = c->extractor->n_dropped_without_aliases;
    if (n == 0) return;
    char where[1100];
    if (c->artifacts[MS_ARTIFACT_UNMATCHED].exists)
        snprintf(where, sizeof where, "See %s for details.",
                 ms_run_log_below(c->run_dir, c->artifacts[MS_ARTIFACT_UNMATCHED].written.path).text);
    else snprintf(where, sizeof where, "Enable debug.dump_unmatched_tensors=true to write unmatched_tensors.*.");
    ms_notes_add(&c->warnings, MS_NOTE_WARNING, "config.empty_aliases", MS_STR(""), MS_STR(""), MS_NOTE_NO_OFFSET,
                 "[config] parsing.proj_group_strict=true but parsing.proj_aliases is empty; strict proj_group drops occurred "
                 "(occurrences=%zu). %s",
                 n, where);
}

/* Nothing at all came out, though names speak of experts. */
static void warn_of_emptiness(ms_collect_state *c) {
    if (c->plan.n_files == 0 && c->plan.skipped.n == 0)
        ms_notes_add(&c->warnings, MS_NOTE_WARNING, "plan.empty", c->model_path, MS_STR(""), MS_NOTE_NO_OFFSET,
                     "[collect] no weight file with an accepted suffix (scan.extensions) at %s", c->model_path.text);
    if (!c->config.scan.experts_only || c->n_candidates == 0 || c->summary->matrix_stats_rows > 0 ||
        c->summary->unmatched_expertish > 0)
        return;
    ms_buf examples = {0};
    for (size_t i = 0; i < c->candidates.n && i < 3; i++)
        ms_buf_printf(&examples, "%s%s", i ? ", " : "", ms_str_shown(c->candidates.items[i]).text);
    ms_notes_add(&c->warnings, MS_NOTE_WARNING, "smoke.empty", MS_STR(""), MS_STR(""), MS_NOTE_NO_OFFSET,
                 "[smoke] effectively empty collect: experts_only=true observed plausible MoE expert candidates=%zu but wrote "
                 "zero matrix_stats rows and recorded zero unmatched expertish tensors. Examples: %s. Check "
                 "parsing.expert_regex, extract_rules, and projection naming.",
                 c->n_candidates, ms_buf_str(&examples).text);
    ms_buf_free(&examples);
}

static ms_status write_warnings(ms_collect_state *c, ms_err *err) {
    static const ms_column_spec column = {"warning", MS_COLUMN_STR, "", "in the order in which they came up"};
    ms_table *table;
    MS_TRY(ms_table_create(&table, &column, 1, err));
    ms_status status = MS_OK;
    for (size_t i = 0; status == MS_OK && i < c->warnings.n; i++) {
        if (c->warnings.items[i].severity < MS_NOTE_WARNING) continue;
        ms_table_str(table, 0, c->warnings.items[i].message);
        status = ms_table_end_row(table, err);
    }
    c->summary->warnings_rows = ms_table_n_rows(table);
    if (status == MS_OK && c->summary->warnings_rows > 0) {
        MS_TRY(write_table(c, MS_ARTIFACT_WARNINGS, table, err));
        const ms_str path = ms_run_log_below(c->run_dir, c->artifacts[MS_ARTIFACT_WARNINGS].written.path);
        snprintf(c->summary->warnings_path, sizeof c->summary->warnings_path, "%s", path.text);
        return MS_OK;
    }
    remove_table(c, MS_ARTIFACT_WARNINGS);
    ms_table_destroy(table);
    return status;
}

ms_status ms_collect_write_tables(ms_collect_state *c, ms_err *err) {
    ms_index_report_warn(&c->index, &c->plan, &c->warnings);
    if (c->config.debug.dump_unmatched) MS_TRY(write_unmatched(c, err));
    else remove_table(c, MS_ARTIFACT_UNMATCHED);
    if (c->extractor->report.rows.n > 0) MS_TRY(write_proj_report(c, err));
    else remove_table(c, MS_ARTIFACT_PROJ_REPORT);
    warn_of_empty_aliases(c);
    warn_of_emptiness(c);
    return write_warnings(c, err);
}
