#include "index_report.h"

#include <stdlib.h>

#include "guard.h"
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
    const ms_checkpoint *ckpt;
    ms_index_report *out;
    uint32_t *entries;       /* [n_tensors] the last entry of the index that names the tensor, or MS_NO_NUMBER */
    bool *in_place;          /* [n_tensors] it is where the index says; both of the first tensor of a name */
    MS_VEC(uint32_t) absent; /* entries that name no tensor */
    names extra, missing, duplicates, scanned;
    MS_VEC(ms_misplaced_tensor) misplaced;
} comparison;

/* The tensor that counts among those of one name. */
static size_t counting(const comparison *c, size_t tensor) {
    const ms_tensor *const t = &c->ckpt->tensors[tensor];
    return t->shadowed ? ms_name_index_find(&c->ckpt->by_name, t->stored->name) : tensor;
}

static ms_str shard_at(const comparison *c, uint32_t entry) {
    return c->plan->index.shards[c->plan->index.entries[entry].shard];
}

/* Which entry speaks of which tensor: of repeated ones the last. */
static bool find_entries(comparison *c) {
    for (size_t i = 0; i < c->plan->index.n_entries; i++) {
        const uint32_t found = ms_name_index_find(&c->ckpt->by_name, c->plan->index.entries[i].tensor);
        if (found != MS_NO_NUMBER) c->entries[found] = (uint32_t)i;
        else if (!MS_VEC_PUSH(&c->absent, (uint32_t)i)) return false;
    }
    return true;
}

static bool note_observed(comparison *c) {
    for (size_t i = 0; i < c->ckpt->n_tensors; i++) {
        const ms_tensor *const t = &c->ckpt->tensors[i];
        const size_t first = counting(c, i);
        const uint32_t entry = c->entries[first];
        c->out->stored_bytes += t->stored->n_bytes;
        if (c->ckpt->tensors[first].file != t->file && !MS_VEC_PUSH(&c->duplicates, t->stored->name)) return false;
        if (entry == MS_NO_NUMBER) {
            if (first == i && !MS_VEC_PUSH(&c->extra, t->stored->name)) return false;
        } else if (ms_str_equal(shard_at(c, entry), c->plan->files[t->file].shard)) {
            c->in_place[first] = true;
        }
    }
    return true;
}

static bool note_misplaced(comparison *c) {
    for (size_t i = 0; i < c->ckpt->n_tensors; i++) {
        const ms_tensor *const t = &c->ckpt->tensors[i];
        if (t->shadowed || c->entries[i] == MS_NO_NUMBER || c->in_place[i]) continue;
        const ms_str shard = shard_at(c, c->entries[i]);
        if (ms_name_list_has(&c->plan->skipped, shard)) continue;
        if (!MS_VEC_PUSH(&c->misplaced, (ms_misplaced_tensor){t->stored->name, shard, c->plan->files[t->file].shard}))
            return false;
    }
    return true;
}

static int compare_entries(const void *a, const void *b, void *index) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const ms_index_entry *const entries = ((const ms_index *)index)->entries;
    const int order = ms_str_compare(entries[x].tensor, entries[y].tensor);
    return order ? order : (x > y) - (x < y);
}

/* Of an entry that is repeated the last one counts. */
static bool note_missing(comparison *c) {
    const ms_index *const index = &c->plan->index;
    const uint32_t *const all = c->absent.items;
    if (c->absent.n > 1) qsort_r(c->absent.items, c->absent.n, sizeof *all, compare_entries, (void *)index);
    for (size_t i = 0; i < c->absent.n; i++) {
        const ms_str name = index->entries[all[i]].tensor;
        const bool repeated = i + 1 < c->absent.n && ms_str_equal(name, index->entries[all[i + 1]].tensor);
        if (repeated || ms_name_list_has(&c->plan->skipped, shard_at(c, all[i]))) continue;
        const ms_str kept = ms_arena_copy(&c->out->arena, name); /* the index may forget it */
        if (!kept.text || !MS_VEC_PUSH(&c->missing, kept)) return false;
    }
    return true;
}

/* What the inventory says of each tensor; also of one that has the name of another. */
static bool keep_shards(const comparison *c) {
    uint32_t *const shards = c->out->shards = ms_mem_alloc_array(c->ckpt->n_tensors, sizeof *shards);
    for (size_t i = 0; shards && i < c->ckpt->n_tensors; i++) {
        const uint32_t entry = c->entries[counting(c, i)];
        shards[i] = entry == MS_NO_NUMBER ? MS_NO_NUMBER : c->plan->index.entries[entry].shard;
    }
    return shards != NULL;
}

static bool compare(comparison *c) {
    const size_t n = c->ckpt->n_tensors;
    c->entries = ms_mem_alloc_array(n, sizeof *c->entries);
    c->in_place = ms_mem_zalloc_array(n, sizeof *c->in_place);
    if (!c->entries || !c->in_place) return false;
    memset(c->entries, 0xff, n * sizeof *c->entries); /* MS_NO_NUMBER */
    bool fine = find_entries(c) && note_observed(c) && note_misplaced(c) && note_missing(c) && keep_shards(c);
    for (size_t i = 0; fine && i < c->plan->n_files; i++) fine = MS_VEC_PUSH(&c->scanned, c->plan->files[i].shard);
    return fine;
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

static ms_status keep(comparison *c, ms_err *err) {
    ms_index_report *const out = c->out;
    MS_TRY(keep_names(&out->arena, &c->scanned, &out->scanned, err));
    MS_TRY(keep_names(&out->arena, &c->missing, &out->missing_tensors, err));
    MS_TRY(keep_names(&out->arena, &c->extra, &out->extra_tensors, err));
    MS_TRY(keep_names(&out->arena, &c->duplicates, &out->duplicates, err));
    return keep_misplaced(c, out, err);
}

ms_status ms_index_report_make(ms_index_report *out, const ms_run_plan *plan, const ms_checkpoint *ckpt, ms_err *err) {
    static const ms_checkpoint nothing = {0};
    *out = (ms_index_report){0};
    if (!plan->used) return MS_OK;
    comparison c = {.plan = plan, .ckpt = ckpt ? ckpt : &nothing, .out = out};
    ms_guard guard = ms_guard_begin();
    ms_status status = compare(&c) ? keep(&c, err) : ms_err_memory(err, "the index check");
    status = ms_guard_end(&guard, status, err);
    out->total_size_differs = plan->index.has_total_size && plan->missing.n == 0 && plan->skipped.n == 0 &&
                              plan->index.total_size != out->stored_bytes;
    MS_VEC_FREE(&c.scanned);
    MS_VEC_FREE(&c.missing);
    MS_VEC_FREE(&c.extra);
    MS_VEC_FREE(&c.duplicates);
    MS_VEC_FREE(&c.misplaced);
    MS_VEC_FREE(&c.absent);
    ms_mem_free(c.entries);
    ms_mem_free(c.in_place);
    return status;
}

ms_str ms_index_report_shard_of(const ms_index_report *check, const ms_run_plan *plan, size_t tensor) {
    const uint32_t shard = check->shards[tensor];
    return shard == MS_NO_NUMBER ? MS_STR_NONE : plan->index.shards[shard];
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
    ms_mem_free(check->shards);
    ms_arena_free(&check->arena);
    *check = (ms_index_report){0};
}
