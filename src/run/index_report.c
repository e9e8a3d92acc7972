#include "index_report.h"

#include <stdlib.h>

#include "json.h"
#include "mem.h"
#include "vec.h"

enum { MAX_NAMES_A_LINE = 20 }; /* of a warning; all of them are in index_report.json */

typedef MS_VEC(ms_str) names;

static int compare_names(const void *a, const void *b) { return ms_str_compare(*(const ms_str *)a, *(const ms_str *)b); }

static ms_status keep_names(ms_arena *arena, names *from, ms_name_list *out, ms_err *err) {
    ms_str *const items = ms_arena_alloc_array(arena, from->n + 1, sizeof *items);
    size_t n = 0;
    if (items && from->n > 0) {
        memcpy(items, from->items, from->n * sizeof *items);
        qsort(items, from->n, sizeof *items, compare_names);
        for (size_t i = 0; i < from->n; i++)
            if (i == 0 || !ms_str_equal(items[i], items[n - 1])) items[n++] = items[i];
    }
    *out = (ms_name_list){items, n};
    MS_VEC_FREE(from);
    return items ? MS_OK : ms_err_memory(err, "the index check");
}

/* ---- comparing ---- */

typedef struct comparison {
    const ms_run_plan *plan;
    const ms_observed_tensor *observed;
    size_t n;
    ms_map first; /* name -> its first observation */
    names extra, missing, duplicates, scanned;
    MS_VEC(ms_misplaced_tensor) misplaced;
    bool *in_place; /* [n_entries of the index]: seen where the index says */
} comparison;

static bool note_observed(comparison *c, ms_index_report *out) {
    for (size_t i = 0; i < c->n; i++) {
        const ms_observed_tensor *const t = &c->observed[i];
        size_t *slot;
        bool is_new;
        out->stored_bytes += t->n_bytes;
        if (!ms_map_add(&c->first, t->name, i, &slot, &is_new)) return false;
        if (!is_new && c->observed[*slot].file != t->file && !MS_VEC_PUSH(&c->duplicates, t->name)) return false;
        const size_t *const entry = ms_map_find(&c->plan->by_name, t->name);
        if (!entry) {
            if (is_new && !MS_VEC_PUSH(&c->extra, t->name)) return false;
        } else if (ms_str_equal(c->plan->index.shards[c->plan->index.entries[*entry].shard], c->plan->files[t->file].shard)) {
            c->in_place[*entry] = true;
        }
    }
    return true;
}

static bool note_index(comparison *c) {
    for (size_t i = 0; i < c->plan->index.n_entries; i++) {
        const ms_index_entry *const entry = &c->plan->index.entries[i];
        const ms_str shard = c->plan->index.shards[entry->shard];
        if (*ms_map_find(&c->plan->by_name, entry->tensor) != i || c->in_place[i]) continue; /* repeated: the last one counts */
        if (ms_name_list_has(&c->plan->skipped, shard)) continue;
        const size_t *const seen = ms_map_find(&c->first, entry->tensor);
        if (!seen && !MS_VEC_PUSH(&c->missing, entry->tensor)) return false;
        if (seen && !MS_VEC_PUSH(&c->misplaced,
                                 (ms_misplaced_tensor){entry->tensor, shard, c->plan->files[c->observed[*seen].file].shard}))
            return false;
    }
    return true;
}

static int compare_misplaced(const void *a, const void *b) {
    return ms_str_compare(((const ms_misplaced_tensor *)a)->name, ((const ms_misplaced_tensor *)b)->name);
}

static ms_status keep_misplaced(comparison *c, ms_index_report *out, ms_err *err) {
    ms_misplaced_tensor *const items = ms_arena_alloc_array(&out->arena, c->misplaced.n + 1, sizeof *items);
    if (!items) return ms_err_memory(err, "the index check");
    if (c->misplaced.n > 0) {
        memcpy(items, c->misplaced.items, c->misplaced.n * sizeof *items);
        qsort(items, c->misplaced.n, sizeof *items, compare_misplaced);
    }
    out->misplaced = items;
    out->n_misplaced = c->misplaced.n;
    return MS_OK;
}

ms_status ms_index_report_make(ms_index_report *out, const ms_run_plan *plan, const ms_observed_tensor *observed, size_t n,
                               ms_err *err) {
    *out = (ms_index_report){0};
    if (!plan->used) return MS_OK;
    comparison c = {.plan = plan, .observed = observed, .n = n};
    c.in_place = ms_mem_zalloc_array(plan->index.n_entries + 1, sizeof *c.in_place);
    bool fine = c.in_place && note_observed(&c, out) && note_index(&c);
    for (size_t i = 0; fine && i < plan->n_files; i++) fine = MS_VEC_PUSH(&c.scanned, plan->files[i].shard);
    ms_status status = fine ? MS_OK : ms_err_memory(err, "the index check");
    if (status == MS_OK) status = keep_names(&out->arena, &c.scanned, &out->scanned, err);
    if (status == MS_OK) status = keep_names(&out->arena, &c.missing, &out->missing_tensors, err);
    if (status == MS_OK) status = keep_names(&out->arena, &c.extra, &out->extra_tensors, err);
    if (status == MS_OK) status = keep_names(&out->arena, &c.duplicates, &out->duplicates, err);
    if (status == MS_OK) status = keep_misplaced(&c, out, err);
    out->total_size_differs = plan->index.has_total_size && plan->missing.n == 0 && plan->skipped.n == 0 &&
                              plan->index.total_size != out->stored_bytes;
    MS_VEC_FREE(&c.scanned);
    MS_VEC_FREE(&c.missing);
    MS_VEC_FREE(&c.extra);
    MS_VEC_FREE(&c.duplicates);
    MS_VEC_FREE(&c.misplaced);
    ms_map_free(&c.first);
    ms_mem_free(c.in_place);
    return status;
}

/* ---- telling ---- */

static void warn_of(ms_notes *warnings, const ms_run_plan *plan, const char *code, const char *what, const ms_name_list *list) {
    if (list->n == 0) return;
    ms_buf text = {0};
    for (size_t i = 0; i < list->n && i < MAX_NAMES_A_LINE; i++) {
        ms_buf_put_text(&text, i ? ", " : "");
        ms_buf_put_text(&text, ms_str_shown(list->items[i]).text);
    }
    if (list->n > MAX_NAMES_A_LINE)
        ms_buf_printf(&text, " and %zu more, all of them in logs/index_report.json", list->n - MAX_NAMES_A_LINE);
    ms_notes_add(warnings, MS_NOTE_WARNING, code, plan->index_path, MS_STR(""), MS_NOTE_NO_OFFSET, "[index] %s: %s", what,
                 ms_buf_str(&text).text);
    ms_buf_free(&text);
}

void ms_index_report_warn(const ms_index_report *check, const ms_run_plan *plan, ms_notes *warnings) {
    if (!plan->used) return;
    warn_of(warnings, plan, "index.missing_shards", "missing shards", &plan->missing);
    warn_of(warnings, plan, "index.missing_tensors", "missing tensors", &check->missing_tensors);
    warn_of(warnings, plan, "index.extra_tensors", "extra tensors", &check->extra_tensors);
    warn_of(warnings, plan, "index.extra_files", "extra safetensors files on disk", &plan->extra_on_disk);
    warn_of(warnings, plan, "index.duplicates", "tensors in more than one shard", &check->duplicates);
    if (check->n_misplaced > 0)
        ms_notes_add(warnings, MS_NOTE_WARNING, "index.misplaced", plan->index_path, check->misplaced[0].name,
                     MS_NOTE_NO_OFFSET,
                     "[index] tensors in another shard than mapped: %zu, the first is '%s', mapped to '%s', found in '%s'",
                     check->n_misplaced, ms_str_shown(check->misplaced[0].name).text,
                     ms_str_shown(check->misplaced[0].index_shard).text, ms_str_shown(check->misplaced[0].found_in).text);
    if (check->total_size_differs)
        ms_notes_add(warnings, MS_NOTE_INFO, "index.total_size", plan->index_path, MS_STR(""), MS_NOTE_NO_OFFSET,
                     "[index] metadata.total_size is %llu, the tensors take %llu bytes",
                     (unsigned long long)plan->index.total_size, (unsigned long long)check->stored_bytes);
}

static void put_list(ms_json_out *json, const char *key, const ms_name_list *list) {
    ms_json_out_key(json, key);
    ms_json_out_begin_array(json);
    for (size_t i = 0; i < list->n; i++) ms_json_out_str(json, list->items[i]);
    ms_json_out_end(json);
}

static void put_misplaced(ms_json_out *json, const ms_index_report *check) {
    ms_json_out_key(json, "tensors_in_other_shard");
    ms_json_out_begin_array(json);
    for (size_t i = 0; i < check->n_misplaced; i++) {
        ms_json_out_begin_object(json);
        ms_json_out_key(json, "tensor");
        ms_json_out_str(json, check->misplaced[i].name);
        ms_json_out_key(json, "index_shard");
        ms_json_out_str(json, check->misplaced[i].index_shard);
        ms_json_out_key(json, "found_in");
        ms_json_out_str(json, check->misplaced[i].found_in);
        ms_json_out_end(json);
    }
    ms_json_out_end(json);
}

void ms_index_report_json(const ms_index_report *check, const ms_run_plan *plan, ms_buf *text) {
    ms_json_out json = {.buf = text, .indent = 2};
    ms_json_out_begin_object(&json);
    put_list(&json, "expected_shards", &plan->expected);
    put_list(&json, "scanned_shards", &check->scanned);
    put_list(&json, "missing_shards", &plan->missing);
    put_list(&json, "extra_scanned_shards", &(ms_name_list){0}); /* of the contract: what the index chose is never extra */
    put_list(&json, "missing_tensors", &check->missing_tensors);
    put_list(&json, "extra_tensors", &check->extra_tensors);
    put_list(&json, "extra_safetensors_files_on_disk", &plan->extra_on_disk);
    if (plan->index.metadata && plan->index.metadata->object.n > 0) {
        ms_json_out_key(&json, "index_metadata");
        ms_json_out_value(&json, plan->index.metadata, false);
    }
    put_list(&json, "skipped_by_max_files", &plan->skipped);
    put_list(&json, "duplicate_tensors", &check->duplicates);
    put_misplaced(&json, check);
    ms_json_out_key(&json, "stored_bytes");
    ms_json_out_u64(&json, check->stored_bytes);
    ms_json_out_end(&json);
}

void ms_index_report_free(ms_index_report *check) {
    ms_arena_free(&check->arena);
    *check = (ms_index_report){0};
}
