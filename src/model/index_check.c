#include "index_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "files.h"
#include "map.h"
#include "pieces.h"

enum { NAMED = 8 }; /* notes of one class */

/* ---- shards and files ---- */

static const ms_files_entry *differing_in_case(const ms_files_list *list, ms_str name) {
    for (size_t i = 0; i < list->n; i++)
        if (ms_str_equal_nocase(list->items[i].name, name) && !ms_str_equal(list->items[i].name, name)) return &list->items[i];
    return NULL;
}

static size_t tensors_of_shard(const ms_index *index, size_t shard) {
    size_t n = 0;
    for (size_t i = 0; i < index->n_entries; i++) n += index->entries[i].shard == shard;
    return n;
}

static void note_missing(ms_checkpoint *ckpt, const ms_files_list *list, size_t shard) {
    const ms_str name = ckpt->index->shards[shard];
    const ms_files_entry *const other = differing_in_case(list, name);
    const size_t n = tensors_of_shard(ckpt->index, shard);
    ms_notes_add(&ckpt->notes, MS_NOTE_ERROR, "index.missing_shard", ckpt->index_path, MS_STR(""), MS_NOTE_NO_OFFSET,
                 "shard '%s' with %zu %s is not there; was the download cut short?", ms_str_shown(name).text, n,
                 n == 1 ? "tensor" : "tensors");
    if (other)
        ms_notes_add(&ckpt->notes, MS_NOTE_WARNING, "index.case_mismatch", ckpt->index_path, MS_STR(""), MS_NOTE_NO_OFFSET,
                     "'%s' is there, which differs from '%s' in case only; rename it", ms_str_shown(other->name).text,
                     ms_str_shown(name).text);
}

static bool names_shard(const ms_index *index, ms_str name) {
    for (size_t s = 0; s < index->n_shards; s++) {
        ms_str shard = index->shards[s];
        if (ms_str_starts_with(shard, MS_STR("./"))) shard = ms_str_sub(shard, 2, shard.size);
        if (ms_str_equal(shard, name)) return true;
    }
    return false;
}

/* Another piece of the tensors of a shard that the index names: an index has room for one file a tensor. */
static bool is_piece_of_shard(const ms_index *index, ms_str name) {
    ms_str stem, other;
    if (!ms_pieces_is_name(name, &stem)) return false;
    for (size_t s = 0; s < index->n_shards; s++)
        if (ms_pieces_is_name(index->shards[s], &other) && ms_str_equal(stem, other)) return true;
    return false;
}

static int compare_files(const void *a, const void *b) {
    return ms_str_compare(((const ms_set_file *)a)->name, ((const ms_set_file *)b)->name);
}

/* In the order of their names: that is the order in which they go together. */
static ms_status add_pieces(ms_checkpoint *ckpt, ms_file_set *set, const ms_files_list *list, ms_err *err) {
    bool any = false;
    for (size_t i = 0; i < list->n; i++) {
        const ms_str name = list->items[i].name;
        if (!list->items[i].is_regular || names_shard(ckpt->index, name) || !is_piece_of_shard(ckpt->index, name)) continue;
        MS_TRY(ms_file_set_add(set, name, &ckpt->arena, err));
        any = true;
    }
    if (any) qsort(set->files.items, set->files.n, sizeof *set->files.items, compare_files);
    return MS_OK;
}

/* The extension of what the index lists, by its name: "model.safetensors.index.json", "pytorch_model.bin.index.json". */
static bool could_be_shard(const ms_checkpoint *ckpt, ms_str name) {
    if (!ms_str_contains(ms_files_name_of(ckpt->index_path), MS_STR(".bin.index")))
        return ms_str_ends_with(name, MS_STR(".safetensors"));
    return ms_str_ends_with(name, MS_STR(".bin")) && ms_str_starts_with(name, MS_STR("pytorch_model"));
}

static void note_unlisted_files(ms_checkpoint *ckpt, const ms_files_list *list) {
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        const ms_str name = list->items[i].name;
        if (!list->items[i].is_regular || !could_be_shard(ckpt, name) || names_shard(ckpt->index, name) ||
            is_piece_of_shard(ckpt->index, name))
            continue;
        if (n++ < NAMED)
            ms_notes_add(&ckpt->notes, MS_NOTE_WARNING, "index.file_unlisted", ckpt->index_path, MS_STR(""), MS_NOTE_NO_OFFSET,
                         "'%s' lies beside the index, which does not name it; it is left out", ms_str_shown(name).text);
    }
    if (n > NAMED)
        ms_notes_add(&ckpt->notes, MS_NOTE_WARNING, "index.file_unlisted", ckpt->index_path, MS_STR(""), MS_NOTE_NO_OFFSET,
                     "and %zu more files", n - NAMED);
}

static ms_status choose(ms_checkpoint *ckpt, ms_file_set *set, const ms_files_list *list, ms_err *err) {
    const ms_index *const index = ckpt->index;
    size_t n_missing = 0;
    for (size_t s = 0; s < index->n_shards; s++) {
        const ms_str name = index->shards[s];
        if (!ms_index_shard_is_inside(name)) {
            ms_notes_add(&ckpt->notes, MS_NOTE_ERROR, "index.shard_outside", ckpt->index_path, MS_STR(""), MS_NOTE_NO_OFFSET,
                         "shard '%s' lies outside the model folder; it is not opened", ms_str_shown(name).text);
            n_missing++;
            continue;
        }
        const ms_str path = ms_files_join(&ckpt->arena, set->folder, name);
        if (!path.text) return ms_err_memory(err, "a path");
        if (ms_files_is_regular(path.text)) {
            MS_TRY(ms_file_set_add(set, name, &ckpt->arena, err));
        } else if (n_missing++ < NAMED) {
            note_missing(ckpt, list, s);
        }
    }
    if (n_missing > NAMED)
        ms_notes_add(&ckpt->notes, MS_NOTE_ERROR, "index.missing_shard", ckpt->index_path, MS_STR(""), MS_NOTE_NO_OFFSET,
                     "%zu of %zu shards are missing", n_missing, index->n_shards);
    MS_TRY(add_pieces(ckpt, set, list, err));
    note_unlisted_files(ckpt, list);
    MS_FAIL_IF(set->files.n == 0 && index->n_shards > 0, MS_ERR_NOT_FOUND, err,
               "%s: none of its %zu shards is there, the first is '%s'; download them into the same folder",
               ms_str_shown(ckpt->index_path).text, index->n_shards, ms_str_shown(index->shards[0]).text);
    return MS_OK;
}

ms_status ms_index_choose_shards(ms_checkpoint *ckpt, ms_file_set *set, ms_err *err) {
    ms_files_list list = {0};
    ms_status status = ms_files_list_folder(&list, set->folder.text, err);
    if (status == MS_OK) status = choose(ckpt, set, &list, err);
    ms_files_list_free(&list);
    return status;
}

/* ---- tensors ---- */

typedef struct ms_class { /* notes of one code: the first few by name, then a count */
    ms_checkpoint *ckpt;
    const char *code, *rest;
    ms_severity severity;
    size_t n;
} ms_class;

MS_PRINTF(3, 4) static void add(ms_class *c, ms_str tensor, const char *format, ...) {
    if (c->n++ >= NAMED) return;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const ms_str file = c->ckpt->index_path;
    ms_notes_add(&c->ckpt->notes, c->severity, c->code, file, tensor, MS_NOTE_NO_OFFSET, "%s", text);
}

static void finish(const ms_class *c) {
    if (c->n > NAMED)
        ms_notes_add(&c->ckpt->notes, c->severity, c->code, c->ckpt->index_path, MS_STR(""), MS_NOTE_NO_OFFSET,
                     "and %zu more %s", c->n - NAMED, c->rest);
}

/* The file that a shard of the index is, or UINT32_MAX. */
static bool file_numbers(const ms_checkpoint *ckpt, uint32_t *numbers) {
    ms_map by_name = {0};
    bool ok = true;
    for (size_t f = 0; f < ckpt->n_files && ok; f++) ok = ms_map_add(&by_name, ckpt->files[f].name, f, NULL, NULL);
    for (size_t s = 0; s < ckpt->index->n_shards && ok; s++) {
        const size_t *const found = ms_map_find(&by_name, ckpt->index->shards[s]);
        numbers[s] = found ? (uint32_t)*found : UINT32_MAX;
    }
    ms_map_free(&by_name);
    return ok;
}

/* "file number, name" of every tensor whose name another one has too -> its index. */
typedef struct ms_twins {
    ms_map map;
    ms_arena arena;
    bool failed;
} ms_twins;

static ms_str twin_key(ms_arena *arena, uint32_t file, ms_str name) {
    char *const key = ms_arena_alloc(arena, sizeof file + name.size);
    if (!key) return MS_STR_NONE;
    memcpy(key, &file, sizeof file);
    if (name.size) memcpy(key + sizeof file, name.text, name.size);
    return (ms_str){key, sizeof file + name.size};
}

static void add_twins(ms_twins *twins, const ms_checkpoint *ckpt) {
    for (size_t i = 0; i < ckpt->n_tensors && !twins->failed; i++) {
        const ms_tensor *const t = &ckpt->tensors[i];
        if (!t->shadowed) continue;
        const ms_str key = twin_key(&twins->arena, t->file, t->stored->name);
        twins->failed = !key.text || !ms_map_add(&twins->map, key, i, NULL, NULL);
    }
}

/* The shadowed tensor of that name in that file, or SIZE_MAX. */
static size_t twin_in_file(ms_twins *twins, ms_str name, uint32_t file) {
    if (twins->map.n == 0) return SIZE_MAX;
    const ms_str key = twin_key(&twins->arena, file, name);
    const size_t *const found = key.text ? ms_map_find(&twins->map, key) : NULL;
    twins->failed = twins->failed || !key.text;
    return found ? *found : SIZE_MAX;
}

static void note_duplicates(ms_checkpoint *ckpt) {
    ms_class duplicates = {ckpt, "index.duplicate_tensor", "tensors", MS_NOTE_WARNING, 0};
    for (size_t i = 0; i < ckpt->n_tensors; i++) {
        const ms_tensor *const t = &ckpt->tensors[i];
        if (!t->shadowed) continue;
        const ms_tensor *const first = ms_checkpoint_find(ckpt, t->stored->name);
        add(&duplicates, t->stored->name, "the name occurs in '%s' and in '%s'",
            ms_str_shown(ckpt->files[first->file].name).text, ms_str_shown(ckpt->files[t->file].name).text);
    }
    finish(&duplicates);
}

typedef struct ms_cursors { /* where the next entry of each shard is expected: indexes and shards are mostly in one order */
    size_t *next;           /* [n_files] index into the tensors */
    const uint32_t *files;  /* [n_shards] the file of each shard, or UINT32_MAX */
} ms_cursors;

/* True when the entry is the tensor after the one before it in its shard. */
static bool is_next(const ms_checkpoint *ckpt, const ms_cursors *at, const ms_index_entry *entry, uint8_t *listed) {
    const uint32_t file = at->files[entry->shard];
    if (file == UINT32_MAX) return false;
    const ms_file *const f = &ckpt->files[file];
    size_t *const next = &at->next[file];
    if (*next == f->first_tensor + f->n_tensors) *next = f->first_tensor;
    const ms_tensor *const t = &ckpt->tensors[*next];
    if (f->n_tensors == 0 || t->shadowed || !ms_str_equal(t->stored->name, entry->tensor)) return false;
    listed[(*next)++] = 1;
    return true;
}

static void check_entries(ms_checkpoint *ckpt, const ms_cursors *at, ms_twins *twins, uint8_t *listed) {
    ms_class missing = {ckpt, "index.tensor_missing", "tensors are in no shard", MS_NOTE_ERROR, 0};
    ms_class elsewhere = {ckpt, "index.tensor_elsewhere", "tensors are in other shards", MS_NOTE_WARNING, 0};
    const ms_index *const index = ckpt->index;
    for (size_t e = 0; e < index->n_entries; e++) {
        const ms_index_entry *const entry = &index->entries[e];
        const uint32_t file = at->files[entry->shard];
        if (is_next(ckpt, at, entry, listed)) continue;
        const uint32_t found = ms_name_index_find(&ckpt->by_name, entry->tensor);
        if (found == MS_NO_NUMBER) {
            const bool unreadable = file == UINT32_MAX || !ckpt->files[file].reader; /* the shard was reported */
            if (!unreadable)
                add(&missing, entry->tensor, "the index says '%s', but the tensor is in no shard",
                    ms_str_shown(index->shards[entry->shard]).text);
            continue;
        }
        listed[found] = 1;
        if (file != UINT32_MAX && ckpt->tensors[found].file == file) at->next[file] = found + 1;
        if (file == UINT32_MAX || ckpt->tensors[found].file == file) continue;
        const size_t twin = twin_in_file(twins, entry->tensor, file);
        if (twin != SIZE_MAX) { /* the one that the index means counts */
            ckpt->tensors[found].shadowed = true;
            ckpt->tensors[twin].shadowed = false;
            listed[twin] = 1;
            ms_name_index_replace(&ckpt->by_name, found, (uint32_t)twin);
            continue;
        }
        add(&elsewhere, entry->tensor, "the index says '%s', but the tensor is in '%s'",
            ms_str_shown(index->shards[entry->shard]).text, ms_str_shown(ckpt->files[ckpt->tensors[found].file].name).text);
    }
    finish(&missing);
    finish(&elsewhere);
}

static void note_unlisted(ms_checkpoint *ckpt, const uint8_t *listed) {
    ms_class unlisted = {ckpt, "index.tensor_unlisted", "tensors are not in the index", MS_NOTE_WARNING, 0};
    for (size_t i = 0; i < ckpt->n_tensors; i++)
        if (!listed[i] && !ckpt->tensors[i].shadowed)
            add(&unlisted, ckpt->tensors[i].stored->name, "in '%s', but not in the index",
                ms_str_shown(ckpt->files[ckpt->tensors[i].file].name).text);
    finish(&unlisted);
}

/* Only when all shards are there: else the difference says nothing new. */
static void check_total(ms_checkpoint *ckpt) {
    uint64_t tensors = 0, files = 0;
    for (size_t f = 0; f < ckpt->n_files; f++)
        if (!ckpt->files[f].reader) return;
    if (ckpt->n_files < ckpt->index->n_shards) return;
    for (size_t i = 0; i < ckpt->n_tensors; i++) tensors += ckpt->tensors[i].stored->n_bytes;
    for (size_t f = 0; f < ckpt->n_files; f++) files += ckpt->files[f].n_bytes;
    const uint64_t stated = ckpt->index->total_size;
    if (!ckpt->index->has_total_size || stated == tensors || stated == files) return;
    ms_notes_add(&ckpt->notes, MS_NOTE_WARNING, "index.total_size", ckpt->index_path, MS_STR(""), MS_NOTE_NO_OFFSET,
                 "total_size is %llu, the tensors here are %llu bytes", (unsigned long long)stated,
                 (unsigned long long)tensors);
}

ms_status ms_index_check(ms_checkpoint *ckpt, ms_err *err) {
    note_duplicates(ckpt);
    if (!ckpt->index) return MS_OK;
    uint32_t *const files = ms_mem_alloc_array(ckpt->index->n_shards, sizeof *files);
    uint8_t *const listed = ms_mem_zalloc(ckpt->n_tensors);
    size_t *const next = ms_mem_alloc_array(ckpt->n_files, sizeof *next);
    ms_twins twins = {0};
    if (files && listed && next) add_twins(&twins, ckpt);
    bool ok = files && listed && next && !twins.failed && file_numbers(ckpt, files);
    if (ok) {
        for (size_t f = 0; f < ckpt->n_files; f++) next[f] = ckpt->files[f].first_tensor;
        check_entries(ckpt, &(ms_cursors){next, files}, &twins, listed);
        note_unlisted(ckpt, listed);
        check_total(ckpt);
        ok = !twins.failed;
    }
    ms_map_free(&twins.map);
    ms_arena_free(&twins.arena);
    ms_mem_free(files);
    ms_mem_free(listed);
    ms_mem_free(next);
    return ok ? MS_OK : ms_err_memory(err, "the check of the index");
}
