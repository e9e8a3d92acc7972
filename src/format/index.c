#include "index.h"

#include <stdlib.h>

#include "guard.h"
#include "map.h"
#include "mem.h"
#include "vec.h"

enum { MOST_BYTES = 1 << 30 };

/* A million entries name a few hundred shards: each shard gets a number when it is met first, and the numbers are put in the
 * order of the names at the end. */
typedef struct builder {
    ms_index *index;
    ms_err *err;
    ms_json json;
    MS_VEC(ms_index_entry) entries;
    MS_VEC(ms_str) shards; /* as they were met */
    ms_map by_name;        /* shard, as it is spelled in the file -> its number */
    ms_str last_name;      /* most entries name the shard of the one before */
    uint32_t last_shard;
} builder;

/* A copy with slashes for backslashes; text is NULL when memory is short. */
static ms_str with_slashes(ms_arena *arena, ms_str name) {
    const ms_str copy = ms_arena_copy(arena, name);
    for (size_t i = 0; copy.text && i < copy.size; i++)
        if (copy.text[i] == '\\') ((char *)copy.text)[i] = '/';
    return copy;
}

static ms_status number_of_shard(builder *b, ms_str name, uint32_t *out) {
    if (b->last_name.text && ms_str_equal(name, b->last_name)) {
        *out = b->last_shard;
        return MS_OK;
    }
    const size_t *known = ms_map_find(&b->by_name, name);
    size_t *slot;
    bool is_new;
    if (!known) {
        const ms_str kept = with_slashes(&b->index->arena, name);
        if (!kept.text || !ms_map_add(&b->by_name, kept, b->shards.n, &slot, &is_new) ||
            (is_new && !MS_VEC_PUSH(&b->shards, kept)))
            return ms_err_memory(b->err, "shard names");
        known = slot;
    }
    MS_FAIL_IF(b->shards.n > UINT32_MAX, MS_ERR_UNSUPPORTED, b->err, "weight_map names more than 2^32 shards");
    b->last_name = name;
    b->last_shard = *out = (uint32_t)*known;
    return MS_OK;
}

static ms_status read_weight_map(builder *b) {
    MS_TRY(ms_json_expect(&b->json, MS_JSON_OBJECT, b->err));
    for (;;) {
        ms_index_entry entry;
        ms_str shard;
        bool more;
        MS_TRY(ms_json_next_key(&b->json, &entry.tensor, &more, b->err));
        if (!more) return MS_OK;
        MS_TRY(ms_json_string(&b->json, &shard, b->err));
        MS_TRY(number_of_shard(b, shard, &entry.shard));
        if (!MS_VEC_PUSH(&b->entries, entry)) return ms_err_memory(b->err, "the entries of an index");
    }
}

/* An integer of 0 or more, also when written 1.0 or as a text of digits. */
static void read_total_size(ms_index *index) {
    const ms_json_value *const total = ms_json_get(index->metadata, "total_size");
    if (!total) return;
    if (total->kind == MS_JSON_UINT) {
        index->has_total_size = true;
        index->total_size = total->unsigned_integer;
        return;
    }
    int64_t value = ms_json_as_i64(total, -1);
    const bool is_digits = total->kind == MS_JSON_STRING && total->string.size > 0 && total->string.text[0] != '+';
    if (is_digits && !ms_str_to_i64(total->string, &value)) value = -1;
    index->has_total_size = value >= 0;
    index->total_size = value >= 0 ? (uint64_t)value : 0;
}

/* The value is parsed as a tree of its own, from a copy: it outlives the text. What is no object counts as empty. */
static ms_status read_metadata(builder *b) {
    ms_json_kind kind;
    MS_TRY(ms_json_peek(&b->json, &kind, b->err));
    const size_t begin = b->json.at;
    MS_TRY(ms_json_skip(&b->json, b->err));
    b->index->metadata = NULL;
    if (kind != MS_JSON_OBJECT) return MS_OK;
    const ms_str kept = ms_arena_copy(&b->index->arena, (ms_str){b->json.bytes + begin, b->json.at - begin});
    if (!kept.text) return ms_err_memory(b->err, "the metadata of an index");
    const ms_status status = ms_json_parse(&b->index->metadata, kept.text, kept.size, &b->index->arena, b->err);
    return status == MS_OK ? MS_OK : ms_err_within(b->err, status, "the value of 'metadata' at byte %zu", begin);
}

static ms_status read_index(builder *b) {
    bool has_map = false;
    MS_TRY(ms_json_expect(&b->json, MS_JSON_OBJECT, b->err));
    for (;;) {
        ms_str key;
        bool more;
        MS_TRY(ms_json_next_key(&b->json, &key, &more, b->err));
        if (!more) break;
        if (ms_str_is(key, "weight_map")) {
            b->entries.n = 0; /* a repeated key: the last one counts, as in Python */
            has_map = true;
            MS_TRY(read_weight_map(b));
        } else if (ms_str_is(key, "metadata")) {
            MS_TRY(read_metadata(b));
        } else {
            MS_TRY(ms_json_skip(&b->json, b->err));
        }
    }
    MS_TRY(ms_json_end(&b->json, b->err));
    MS_FAIL_IF(!has_map, MS_ERR_DAMAGED, b->err, "there is no 'weight_map': an index maps tensor names to file names in it");
    read_total_size(b->index);
    return MS_OK;
}

typedef struct numbered {
    ms_str name;
    uint32_t number;
} numbered;

static int compare_numbered(const void *a, const void *b) {
    return ms_str_compare(((const numbered *)a)->name, ((const numbered *)b)->name);
}

/* Shards that entries name, sorted; entries get the new numbers. */
static ms_status sort_shards(builder *b) {
    const size_t n = b->shards.n;
    numbered *const order = ms_mem_alloc_array(n, sizeof *order);
    uint32_t *const place = ms_mem_zalloc_array(n, sizeof *place);
    ms_str *const sorted = ms_arena_alloc_array(&b->index->arena, n, sizeof *sorted);
    const bool ok = order && place && sorted;
    if (ok) {
        for (size_t i = 0; i < b->entries.n; i++) place[b->entries.items[i].shard] = 1;
        size_t n_used = 0;
        for (size_t i = 0; i < n; i++)
            if (place[i]) order[n_used++] = (numbered){b->shards.items[i], (uint32_t)i};
        if (n_used > 1) qsort(order, n_used, sizeof *order, compare_numbered);
        for (size_t i = 0; i < n_used; i++) place[order[i].number] = (uint32_t)i, sorted[i] = order[i].name;
        for (size_t i = 0; i < b->entries.n; i++) b->entries.items[i].shard = place[b->entries.items[i].shard];
        b->index->shards = sorted;
        b->index->n_shards = n_used;
    }
    ms_mem_free(order);
    ms_mem_free(place);
    return ok ? MS_OK : ms_err_memory(b->err, "shard names");
}

static ms_status parse(ms_index *out, const void *text, size_t n, ms_err *err) {
    MS_FAIL_IF(ms_str_starts_with((ms_str){n ? text : "", n}, MS_STR("version https://git-lfs")), MS_ERR_UNSUPPORTED, err,
               "is a Git LFS pointer, not the index itself; run 'git lfs pull' in its folder to fetch it");
    builder b = {.index = out, .err = err, .json = ms_json_over(text, n, &out->arena)};
    ms_status status = read_index(&b);
    if (status == MS_OK) status = sort_shards(&b);
    out->entries = b.entries.items;
    out->n_entries = b.entries.n;
    MS_VEC_FREE(&b.shards);
    ms_map_free(&b.by_name);
    return status;
}

ms_status ms_index_parse(ms_index *out, const void *text, size_t n, ms_err *err) {
    *out = (ms_index){0};
    const ms_status status = parse(out, text, n, err);
    if (status != MS_OK) ms_index_free(out);
    return status;
}

ms_status ms_index_open(ms_index *out, const char *path, ms_err *err) {
    *out = (ms_index){0};
    ms_status status = ms_source_open_file(&out->source, path, err);
    if (status == MS_OK && out->source->size > MOST_BYTES)
        status = ms_err_set(err, MS_ERR_UNSUPPORTED, "%s: longer than %d bytes, the most that is read of an index",
                            ms_str_shown(ms_str_of(path)).text, MOST_BYTES);
    if (status != MS_OK) ms_index_free(out);
    return status;
}

ms_status ms_index_read(ms_index *index, ms_err *err) {
    const size_t n = (size_t)index->source->size;
    const void *text;
    ms_guard guard = ms_guard_begin();
    ms_status status = ms_source_view(index->source, 0, n, &index->scratch, &text, err);
    if (status == MS_OK) status = parse(index, text, n, err);
    status = ms_guard_end(&guard, status, err);
    if (status != MS_OK) ms_index_free(index);
    return status;
}

void ms_index_forget_entries(ms_index *index) {
    ms_mem_free(index->entries);
    ms_source_close(index->source);
    ms_scratch_free(&index->scratch);
    index->entries = NULL;
    index->n_entries = 0;
    index->source = NULL;
}

void ms_index_free(ms_index *index) {
    ms_index_forget_entries(index);
    ms_arena_free(&index->arena);
    *index = (ms_index){0};
}

bool ms_index_shard_is_inside(ms_str shard) {
    for (size_t i = 0; i < shard.size; i++)
        if ((unsigned char)shard.text[i] < 0x20 || shard.text[i] == 0x7F) return false;
    if (ms_str_starts_with(shard, MS_STR("./"))) shard = ms_str_sub(shard, 2, shard.size);
    if (shard.size == 0) return false;
    for (ms_str rest = shard; rest.text;) {
        const ms_str part = ms_str_cut(&rest, '/');
        if (part.size == 0 || ms_str_is(part, ".") || ms_str_is(part, "..")) return false;
    }
    return true;
}
