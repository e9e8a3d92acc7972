/*
 * PyTorch files.
 *
 *   zip       a ZIP archive (zip.c) with one top folder: FOLDER/data.pkl, the pickle of the object; FOLDER/data/KEY, the bytes
 * of storage KEY, stored and aligned; FOLDER/byteorder, "little" or "big" (absent: little). Since torch 1.6. With
 *             FOLDER/constants.pkl it is a TorchScript archive, whose modules are objects with their parameters as state.
 *   stacked   five pickles in a row: the magic 0x1950A86A20F9469CFC6C, the protocol number 1001, the system info, the object,
 * the sorted list of storage keys; then for each key in that order an i64 count of elements and the elements. Before 1.6. tar
 * see torch_tar.h. Before 0.2.
 *
 * The pickle is read as data (pickle.c), the tensors in it are found by torch_tree.c, what loading it would do is judged by
 * torch_judge.c. Contiguous tensors are used where they lie, transposed ones too (column_major); other strides are gathered as
 * they are read (strided.c).
 */
#include "torch.h"

#include "checked.h"
#include "inflate.h"
#include "map.h"
#include "mem.h"
#include "torch_judge.h"
#include "torch_tar.h"
#include "torch_tree.h"
#include "zip.h"

static const uint64_t most_pickle = UINT64_C(1) << 30, default_budget = UINT64_C(1) << 30;

typedef struct storage { /* where the bytes of a storage lie */
    ms_str key;
    ms_source *source;
    uint64_t offset, n_bytes;
} storage;

typedef struct torch_reader {
    ms_reader base;
    ms_inflate_cache *cache;     /* NULL while no member is deflated */
    MS_VEC(ms_source *) sources; /* owned: inflated members and strided views */
    MS_VEC(ms_stored) list;
    MS_VEC(ms_metadata) metadata;
} torch_reader;

typedef struct opener {
    torch_reader *reader;
    ms_broken_rules rules;
    uint64_t budget;   /* bytes of inflated members; of repeated elements */
    uint64_t repeated; /* of that */
    ms_err *err;
    MS_VEC(storage) storages;
    ms_map by_key;           /* storage key -> index into storages */
    ms_scratch pickle_bytes; /* a copy */
    size_t n_pickle;
    uint64_t pickle_at; /* in the file, for messages */
    ms_torch_verdict verdict;
    ms_buf refused; /* of the verdict */
} opener;

/* ---- tensors ---- */

typedef enum order { ROW_MAJOR, COLUMN_MAJOR, STRIDED } order;

static order order_of(const ms_torch_tensor *t) {
    uint64_t expected = 1;
    bool rows = true, columns = true;
    for (uint32_t i = t->rank; i-- > 0;) {
        if (t->shape[i] != 1 && t->strides[i] != expected) rows = false;
        expected *= t->shape[i]; /* checked by torch_tree */
    }
    expected = 1;
    for (uint32_t i = 0; i < t->rank; i++) {
        if (t->shape[i] != 1 && t->strides[i] != expected) columns = false;
        expected *= t->shape[i];
    }
    return rows || expected == 0 ? ROW_MAJOR : columns ? COLUMN_MAJOR : STRIDED;
}

static ms_status over_strides(opener *o, const ms_torch_tensor *t, ms_stored *out) {
    torch_reader *const r = o->reader;
    ms_strided view = {.base = out->source, .offset = out->offset, .item = t->item, .rank = t->rank};
    memcpy(view.shape, t->shape, sizeof view.shape);
    memcpy(view.strides, t->strides, sizeof view.strides);
    if (!MS_VEC_RESERVE(&r->sources, 1)) return ms_err_memory(o->err, "a tensor");
    MS_TRY(ms_source_over_strided(&out->source, &view, o->rules.path, o->err));
    r->sources.items[r->sources.n++] = out->source;
    out->offset = 0;
    return MS_OK;
}

/* Strides of 0 make any size out of a few bytes: within the budget that is a tensor, beyond it a trap. */
static ms_status check_repeated(opener *o, const ms_torch_tensor *t, uint64_t n_spanned, uint64_t n_bytes, bool *usable) {
    const uint64_t surplus = n_bytes > n_spanned ? n_bytes - n_spanned : 0;
    *usable = surplus <= o->budget - o->repeated;
    if (*usable) o->repeated += surplus;
    return *usable
               ? MS_OK
               : ms_broken_remark(&o->rules, o->err, MS_NOTE_WARNING, "torch.repeated", t->name,
                                  (int64_t)(o->pickle_at + t->at),
                                  "it repeats %llu bytes of storage '%s' until they are %llu, and is left out",
                                  (unsigned long long)n_spanned, ms_str_shown(t->storage).text, (unsigned long long)n_bytes);
}

static ms_status place(opener *o, const ms_torch_tensor *t, ms_stored *out, bool *usable) {
    const size_t *const at = ms_map_find(&o->by_key, t->storage);
    uint64_t begin, end = 0;
    *usable = false;
    if (!at)
        return ms_broken(&o->rules, o->err, "torch.missing_storage", t->name, (int64_t)(o->pickle_at + t->at),
                         "its storage '%s' is not in the file", ms_str_shown(t->storage).text);
    const storage *const s = &o->storages.items[*at];
    if (!ms_mul_u64(t->offset, t->item, &begin)) return MS_OK; /* torch_tree has checked it against the storage */
    uint64_t last = t->offset; /* strides may reach further than a contiguous tensor of that size, or less far */
    for (uint32_t i = 0; i < t->rank; i++) last += (t->shape[i] ? t->shape[i] - 1 : 0) * t->strides[i];
    if (out->n_bytes > 0 && (!ms_mul_u64(last + 1, t->item, &end) || end > s->n_bytes))
        return ms_broken(&o->rules, o->err, "torch.short_storage", t->name, (int64_t)(o->pickle_at + t->at),
                         "its data end at byte %llu of storage '%s', which has %llu; the file is cut short or damaged",
                         (unsigned long long)end, ms_str_shown(t->storage).text, (unsigned long long)s->n_bytes);
    MS_TRY(check_repeated(o, t, out->n_bytes > 0 ? end - begin : 0, out->n_bytes, usable));
    if (!*usable) return MS_OK;
    out->source = s->source;
    out->offset = s->offset + (out->n_bytes > 0 ? begin : 0); /* an empty one may claim any place */
    const order how = out->n_bytes ? order_of(t) : ROW_MAJOR;
    out->column_major = how == COLUMN_MAJOR;
    return how == STRIDED ? over_strides(o, t, out) : MS_OK;
}

/* The tensor as it lies in the file; *usable: its bytes are there. */
static ms_status store(opener *o, const ms_torch_tensor *t, ms_stored *out, bool *usable) {
    torch_reader *const r = o->reader;
    uint64_t n = 1;
    for (uint32_t i = 0; i < t->rank; i++) n *= t->shape[i];
    uint64_t *const shape = ms_arena_alloc_array(&r->base.arena, t->rank ? t->rank : 1, sizeof *shape);
    *usable = false;
    *out = (ms_stored){.name = ms_arena_copy(&r->base.arena, t->name),
                       .dtype = t->dtype,
                       .dtype_name = t->dtype == MS_DTYPE_UNKNOWN ? ms_arena_copy(&r->base.arena, t->type)
                                                                  : ms_str_of(ms_dtype_info_of(t->dtype)->name),
                       .rank = t->rank,
                       .shape = shape,
                       .n_bytes = n * t->item};
    if (!shape || !out->name.text || !out->dtype_name.text) return ms_err_memory(o->err, "a tensor");
    memcpy(shape, t->shape, t->rank * sizeof *shape);
    if (t->item == 0)
        return ms_broken(&o->rules, o->err, "torch.unknown_dtype", t->name, (int64_t)(o->pickle_at + t->at),
                         "elements of type '%s' have no known size", ms_str_shown(t->type).text);
    return place(o, t, out, usable);
}

/* The scales or the zero points of a quantised tensor; NULL when there are none to be had. */
static ms_status store_side(opener *o, const ms_torch_tensor *of, const ms_pickle *pickle, ms_pref ref,
                            const ms_torch_given *given, const ms_stored **out) {
    ms_torch_tensor t;
    bool usable = false;
    ms_stored *const side = ms_arena_alloc(&o->reader->base.arena, sizeof *side);
    if (!side) return ms_err_memory(o->err, "the scales of a tensor");
    *out = NULL;
    if (!ms_torch_tensor_at(&t, pickle, ref, given))
        return ms_broken(&o->rules, o->err, "torch.tensor_unknown", of->name, (int64_t)(o->pickle_at + of->at),
                         "its scales or zero points are no tensors, or lie outside their storage");
    t.name = of->name;
    MS_TRY(store(o, &t, side, &usable));
    if (usable) *out = side;
    return MS_OK;
}

static ms_status add_tensor(opener *o, const ms_torch_tensor *t, const ms_pickle *pickle, const ms_torch_given *given) {
    torch_reader *const r = o->reader;
    ms_stored out;
    bool usable;
    MS_TRY(store(o, t, &out, &usable));
    if (usable && t->affine.is_there) {
        ms_affine *const affine = ms_arena_alloc(&r->base.arena, sizeof *affine);
        if (!affine) return ms_err_memory(o->err, "a tensor");
        *affine = (ms_affine){.scale = t->affine.scale, .zero = t->affine.zero, .axis = (uint32_t)t->affine.axis};
        if (t->affine.by_channel) MS_TRY(store_side(o, t, pickle, t->affine.scales, given, &affine->scales));
        if (t->affine.by_channel) MS_TRY(store_side(o, t, pickle, t->affine.zeros, given, &affine->zeros));
        out.affine = affine;
        usable = !t->affine.by_channel || (affine->scales && affine->zeros);
    }
    if (!usable) return MS_OK;
    return MS_VEC_PUSH(&r->list, out) ? MS_OK : ms_err_memory(o->err, "the list of tensors");
}

/* Tensors that are the same view of the same storage. */
static ms_status note_ties(opener *o, const ms_torch_tree *tree) {
    ms_map seen = {0};
    ms_arena arena = {0};
    ms_status status = MS_OK;
    for (size_t i = 0; i < tree->tensors.n && status == MS_OK; i++) {
        const ms_torch_tensor *const t = &tree->tensors.items[i];
        ms_str key = ms_arena_printf(&arena, "%.*s %llu %u", (int)t->storage.size, t->storage.text,
                                     (unsigned long long)t->offset, t->rank);
        for (uint32_t k = 0; k < t->rank && key.text; k++)
            key = ms_arena_printf(&arena, "%.*s %llu/%llu", (int)key.size, key.text, (unsigned long long)t->shape[k],
                                  (unsigned long long)t->strides[k]);
        size_t *first;
        bool is_new = true;
        if (!key.text || !ms_map_add(&seen, key, i, &first, &is_new)) status = ms_err_memory(o->err, "tied tensors");
        else if (!is_new && o->rules.notes)
            ms_notes_add(o->rules.notes, MS_NOTE_INFO, "torch.tied", ms_str_of(o->rules.path), t->name,
                         (int64_t)(o->pickle_at + t->at), "shares all its data with '%s'",
                         ms_str_shown(tree->tensors.items[*first].name).text);
    }
    ms_map_free(&seen);
    ms_arena_free(&arena);
    return status;
}

static ms_status add_metadata(opener *o, ms_str key, ms_str value) {
    torch_reader *const r = o->reader;
    const ms_metadata entry = {.key = ms_arena_copy(&r->base.arena, key), .value = ms_arena_copy(&r->base.arena, value)};
    return entry.key.text && entry.value.text && MS_VEC_PUSH(&r->metadata, entry) ? MS_OK
                                                                                  : ms_err_memory(o->err, "the metadata");
}

static ms_status use_tree(opener *o, const ms_torch_tree *tree, const ms_pickle *pickle, const ms_torch_given *given) {
    for (size_t i = 0; i < tree->tensors.n; i++) MS_TRY(add_tensor(o, &tree->tensors.items[i], pickle, given));
    MS_TRY(note_ties(o, tree));
    for (size_t i = 0; i < tree->extras.n; i++) MS_TRY(add_metadata(o, tree->extras.items[i].key, tree->extras.items[i].json));
    return MS_OK;
}

static ms_status use_pickle(opener *o, const ms_pickle *pickle, const ms_torch_given *given) {
    ms_torch_tree tree;
    MS_TRY(ms_torch_tree_build(&tree, pickle, given, &o->rules, o->err));
    const ms_status status = use_tree(o, &tree, pickle, given);
    ms_torch_tree_free(&tree);
    MS_TRY(status);
    return ms_torch_judge(&o->verdict, pickle, &o->rules, o->pickle_at, o->err);
}

static ms_status add_verdict(opener *o) {
    ms_json_out_end(&o->verdict.refused);
    if (o->refused.failed) return ms_err_memory(o->err, "the names of a pickle");
    MS_TRY(add_metadata(o, MS_STR("torch.weights_only"), o->verdict.weights_only ? MS_STR("yes") : MS_STR("no")));
    return add_metadata(o, MS_STR("torch.refused"), ms_buf_str(&o->refused));
}

static ms_status within_path(const opener *o, ms_status status) {
    return status == MS_OK || status == MS_ERR_MEMORY
               ? status
               : ms_err_within(o->err, status, "%s", ms_str_shown(ms_str_of(o->rules.path)).text);
}

static ms_status add_storage(opener *o, storage s) {
    if (!ms_map_add(&o->by_key, s.key, o->storages.n, NULL, NULL) || !MS_VEC_PUSH(&o->storages, s))
        return ms_err_memory(o->err, "the storages");
    return MS_OK;
}

/* ---- zip ---- */

static ms_status member_source(opener *o, const ms_zip_member *m, ms_source **source, uint64_t *offset) {
    torch_reader *const r = o->reader;
    *source = r->base.source, *offset = m->offset;
    if (m->method == MS_ZIP_STORED) return MS_OK;
    if (m->method != MS_ZIP_DEFLATED)
        return ms_broken_beyond_use(&o->rules, o->err, MS_ERR_UNSUPPORTED, m->name, (int64_t)m->header_at,
                                    "compression method %u; stored (0) and deflated (8) members are read", m->method);
    if (!r->cache) MS_TRY(ms_inflate_cache_create(&r->cache, o->budget, o->err));
    if (!MS_VEC_RESERVE(&r->sources, 1)) return ms_err_memory(o->err, "the list of members");
    MS_TRY(
        ms_inflate_source(source, r->cache, r->base.source, m->offset, m->n_packed, m->n_bytes, m->crc, o->rules.path, o->err));
    r->sources.items[r->sources.n++] = *source;
    *offset = 0;
    return MS_OK;
}

/* Copies a small member. */
static ms_status load_member(opener *o, const ms_zip_member *m, ms_scratch *out) {
    ms_source *source;
    uint64_t offset;
    const void *bytes = NULL;
    ms_scratch viewed = {0};
    if (m->n_bytes > most_pickle)
        return ms_broken_beyond_use(&o->rules, o->err, MS_ERR_UNSUPPORTED, m->name, (int64_t)m->header_at,
                                    "%llu bytes of pickle; at most 1 GiB is read", (unsigned long long)m->n_bytes);
    MS_TRY(member_source(o, m, &source, &offset));
    ms_status status = ms_scratch_reserve(out, (size_t)m->n_bytes + 1) ? MS_OK : ms_err_memory(o->err, "a pickle");
    if (status == MS_OK) status = ms_source_view(source, offset, (size_t)m->n_bytes, &viewed, &bytes, o->err);
    if (status == MS_OK) memcpy(out->bytes, bytes, (size_t)m->n_bytes);
    ms_scratch_free(&viewed);
    return status;
}

static const ms_zip_member *find_pickle(const ms_zip *zip, ms_str *folder) {
    for (size_t i = 0; i < zip->n_members; i++) {
        const ms_str name = zip->members[i].name;
        if (ms_str_is(name, "data.pkl")) return *folder = MS_STR(""), &zip->members[i];
        if (!ms_str_ends_with(name, MS_STR("/data.pkl"))) continue;
        *folder = ms_str_sub(name, 0, name.size - strlen("data.pkl"));
        return &zip->members[i];
    }
    return NULL;
}

static ms_status check_byteorder(opener *o, const ms_zip *zip, ms_str folder) {
    const ms_str name = ms_arena_printf(&o->reader->base.arena, "%.*sbyteorder", (int)folder.size, folder.text);
    if (!name.text) return ms_err_memory(o->err, "the name of a member");
    const ms_zip_member *const m = ms_zip_find(zip, name);
    if (!m || m->n_bytes > 16) return MS_OK;
    ms_scratch text = {0};
    ms_status status = load_member(o, m, &text);
    if (status == MS_OK && m->n_bytes >= 3 && memcmp(text.bytes, "big", 3) == 0)
        status = ms_broken_beyond_use(&o->rules, o->err, MS_ERR_UNSUPPORTED, MS_STR_NONE, (int64_t)m->offset,
                                      "a big-endian file; save it again on a usual machine");
    ms_scratch_free(&text);
    return status;
}

/* What torch.jit.save writes is loaded with its code, by another function. */
static ms_status check_torchscript(opener *o, const ms_zip *zip, ms_str folder) {
    const ms_str name = ms_arena_printf(&o->reader->base.arena, "%.*sconstants.pkl", (int)folder.size, folder.text);
    if (!name.text) return ms_err_memory(o->err, "the name of a member");
    const ms_zip_member *const m = ms_zip_find(zip, name);
    if (!m) return MS_OK;
    o->verdict.weights_only = false;
    return ms_broken_remark(&o->rules, o->err, MS_NOTE_WARNING, "torch.script", MS_STR_NONE, (int64_t)m->header_at,
                            "a TorchScript archive, which carries code; torch.load(weights_only=True) refuses it");
}

static ms_status list_storages(opener *o, const ms_zip *zip, ms_str folder) {
    const ms_str data = ms_arena_printf(&o->reader->base.arena, "%.*sdata/", (int)folder.size, folder.text);
    if (!data.text) return ms_err_memory(o->err, "the storages");
    for (size_t i = 0; i < zip->n_members; i++) {
        const ms_zip_member *const m = &zip->members[i];
        if (!ms_str_starts_with(m->name, data) || m->name.size == data.size) continue;
        storage s = {.key = ms_arena_copy(&o->reader->base.arena, ms_str_sub(m->name, data.size, m->name.size)),
                     .n_bytes = m->n_bytes};
        if (!s.key.text) return ms_err_memory(o->err, "the storages");
        MS_TRY(member_source(o, m, &s.source, &s.offset));
        MS_TRY(add_storage(o, s));
    }
    return MS_OK;
}

static ms_status read_zip_members(opener *o, const ms_zip *zip) {
    ms_str folder;
    const ms_zip_member *const m = find_pickle(zip, &folder);
    ms_pickle pickle;
    if (!m)
        return ms_broken_beyond_use(&o->rules, o->err, MS_ERR_UNSUPPORTED, MS_STR_NONE, MS_NOTE_NO_OFFSET,
                                    "a ZIP archive without data.pkl");
    MS_TRY(check_byteorder(o, zip, folder));
    MS_TRY(check_torchscript(o, zip, folder));
    MS_TRY(load_member(o, m, &o->pickle_bytes));
    o->pickle_at = m->method == MS_ZIP_STORED ? m->offset : 0;
    MS_TRY(list_storages(o, zip, folder));
    MS_TRY(within_path(o, ms_pickle_read(&pickle, o->pickle_bytes.bytes, (size_t)m->n_bytes, 0, o->err)));
    const ms_status status = use_pickle(o, &pickle, NULL);
    ms_pickle_free(&pickle);
    return status;
}

/* Files that are called .pt and are something else. */
static ms_status refuse_others(opener *o) {
    ms_source *const source = o->reader->base.source;
    ms_scratch scratch = {0};
    const void *bytes;
    const size_t n = source->size < 8 ? (size_t)source->size : 8;
    ms_status status = ms_source_view(source, 0, n, &scratch, &bytes, o->err);
    const uint8_t *const head = bytes;
    if (status == MS_OK && !ms_zip_probe(head, n))
        status = ms_broken_beyond_use(&o->rules, o->err, MS_ERR_UNSUPPORTED, MS_STR_NONE, 0,
                                      n == 8 && memcmp(head, "PYTORCH1", 8) == 0
                                          ? "a preview format of PyTorch 1.0, which nothing reads any more"
                                      : n >= 2 && head[0] == 0x80 && head[1] <= 5
                                          ? "a plain pickle, which torch.save did not write; load it where it "
                                            "comes from and save its tensors with torch.save or safetensors"
                                          : "is no PyTorch file: neither a ZIP archive, nor stacked pickles, nor tar");
    ms_scratch_free(&scratch);
    return status;
}

static ms_status read_zip(opener *o) {
    ms_zip zip;
    MS_TRY(refuse_others(o));
    MS_TRY(ms_zip_open(&zip, o->reader->base.source, &o->rules, o->err));
    const ms_status status = read_zip_members(o, &zip);
    ms_zip_free(&zip);
    return status;
}

/* ---- stacked pickles ---- */

static const uint8_t magic[] = {0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E};

static ms_status read_next(opener *o, size_t *at, ms_pickle *out) {
    MS_TRY(ms_pickle_read(out, (const uint8_t *)o->pickle_bytes.bytes + *at, o->n_pickle - *at, 0, o->err));
    *at += out->n_bytes;
    return MS_OK;
}

/* The storage at this byte of the file. item: bytes of an element, 0 unknown. */
static ms_status place_one(opener *o, ms_str key, size_t item, uint64_t *at) {
    ms_source *const source = o->reader->base.source;
    ms_scratch scratch = {0};
    const void *bytes;
    int64_t n = -1;
    ms_status status = MS_OK;
    if (ms_range_inside(*at, sizeof n, source->size)) {
        status = ms_source_view(source, *at, sizeof n, &scratch, &bytes, o->err);
        if (status == MS_OK) memcpy(&n, bytes, sizeof n);
    }
    ms_scratch_free(&scratch);
    MS_TRY(status);
    storage s = {.key = ms_arena_copy(&o->reader->base.arena, key), .source = source, .offset = *at + sizeof n};
    if (!s.key.text) return ms_err_memory(o->err, "the storages");
    if (item == 0 || n < 0 || !ms_mul_u64((uint64_t)n, item, &s.n_bytes) || !ms_range_inside(s.offset, s.n_bytes, source->size))
        return ms_broken_beyond_use(
            &o->rules, o->err, MS_ERR_DAMAGED, MS_STR_NONE, (int64_t)*at,
            item ? "storage '%s' of %lld elements does not fit into the file; it is cut short, fetch it again"
                 : "nothing says what storage '%s' of %lld elements holds; the file is damaged",
            ms_str_shown(key).text, (long long)n);
    *at = s.offset + s.n_bytes;
    return add_storage(o, s);
}

static ms_status place_stacked(opener *o, const ms_pickle *object, const ms_pickle *keys, uint64_t at) {
    const ms_pnode *const list = ms_pickle_node(keys, keys->root);
    ms_map items = {0};
    ms_status status = ms_torch_tree_items(&items, object, o->err);
    for (uint32_t i = 0; list->kind == MS_PNODE_LIST && i < list->n_items && status == MS_OK; i++) {
        const ms_str key = ms_pickle_text(keys, list->items[i]);
        const size_t *const item = key.text ? ms_map_find(&items, key) : NULL;
        status = place_one(o, key, item ? *item : 0, &at);
    }
    ms_map_free(&items);
    return status;
}

static ms_status use_five(opener *o, const ms_pickle pickles[static 5], uint64_t object_at, uint64_t end) {
    const ms_pref little = ms_pickle_get(&pickles[2], pickles[2].root, "little_endian");
    int64_t is_little = 1;
    if (ms_pickle_int(&pickles[2], little, &is_little) && !is_little)
        return ms_broken_beyond_use(&o->rules, o->err, MS_ERR_UNSUPPORTED, MS_STR_NONE, MS_NOTE_NO_OFFSET,
                                    "a big-endian file; save it again on a usual machine");
    o->pickle_at = object_at;
    MS_TRY(place_stacked(o, &pickles[3], &pickles[4], end));
    for (int i = 0; i < 3; i++) MS_TRY(ms_torch_judge(&o->verdict, &pickles[i], &o->rules, 0, o->err));
    return use_pickle(o, &pickles[3], NULL);
}

/* *is_cut: they do not end in what is viewed. */
static ms_status read_five(opener *o, bool *is_cut) {
    ms_pickle pickles[5] = {0};
    size_t at = 0, object_at = 0;
    int n_read = 0;
    ms_status status = MS_OK;
    for (; n_read < 5 && status == MS_OK; n_read += status == MS_OK) {
        if (n_read == 3) object_at = at;
        status = within_path(o, read_next(o, &at, &pickles[n_read]));
    }
    *is_cut = status == MS_ERR_DAMAGED;
    if (status == MS_OK) status = use_five(o, pickles, object_at, at);
    for (int i = 0; i < n_read; i++) ms_pickle_free(&pickles[i]);
    return status;
}

/* How long the pickles are is known only once they are read: a mapped file is seen as a whole, of others the view grows. */
static ms_status read_stacked(opener *o) {
    enum { FIRST_VIEW = 1 << 20, GROWTH = 8 };
    ms_source *const source = o->reader->base.source;
    const uint64_t most = source->size < most_pickle ? source->size : most_pickle;
    uint64_t n = source->map || most < FIRST_VIEW ? most : FIRST_VIEW;
    for (;;) {
        ms_scratch viewed = {0};
        const void *bytes;
        bool is_cut = false;
        ms_status status = ms_source_view(source, 0, (size_t)n, &viewed, &bytes, o->err);
        o->pickle_bytes.bytes = (void *)(uintptr_t)bytes, o->n_pickle = (size_t)n;
        if (status == MS_OK) status = read_five(o, &is_cut);
        o->pickle_bytes = (ms_scratch){0}; /* the view's */
        ms_scratch_free(&viewed);
        if (!is_cut || n == most) return status;
        n = most / GROWTH < n ? most : n * GROWTH;
    }
}

/* ---- tar ---- */

static ms_status use_tar(opener *o, const ms_torch_tar *tar) {
    ms_source *const source = o->reader->base.source;
    const void *bytes;
    ms_pickle pickle;
    for (size_t i = 0; i < tar->storages.n; i++) {
        const ms_torch_storage *const s = &tar->storages.items[i];
        MS_TRY(add_storage(o, (storage){s->key, source, s->offset, s->n_bytes}));
    }
    if (tar->n_pickle > most_pickle)
        return ms_broken_beyond_use(&o->rules, o->err, MS_ERR_UNSUPPORTED, MS_STR_NONE, (int64_t)tar->pickle_at,
                                    "%llu bytes of pickle; at most 1 GiB is read", (unsigned long long)tar->n_pickle);
    MS_TRY(ms_source_view(source, tar->pickle_at, (size_t)tar->n_pickle, &o->pickle_bytes, &bytes, o->err));
    o->pickle_at = tar->pickle_at;
    o->verdict.weights_only = false;
    MS_TRY(ms_broken_remark(&o->rules, o->err, MS_NOTE_INFO, "torch.tar", MS_STR_NONE, MS_NOTE_NO_OFFSET,
                            "the tar format of torch 0.1, which torch.load(weights_only=True) refuses"));
    MS_TRY(within_path(o, ms_pickle_read(&pickle, bytes, (size_t)tar->n_pickle, 0, o->err)));
    const ms_status status = use_pickle(o, &pickle, &tar->given);
    ms_pickle_free(&pickle);
    return status;
}

static ms_status read_tar(opener *o) {
    ms_torch_tar tar;
    ms_status status = ms_torch_tar_read(&tar, o->reader->base.source, &o->rules, o->err);
    if (status == MS_OK) status = use_tar(o, &tar);
    ms_map_free(&o->by_key); /* its keys are the tar's */
    ms_torch_tar_free(&tar);
    return status;
}

/* ---- the file ---- */

static void close_torch(ms_reader *self) {
    torch_reader *const r = (torch_reader *)self;
    for (size_t i = r->sources.n; i-- > 0;) ms_source_close(r->sources.items[i]);
    MS_VEC_FREE(&r->sources);
    MS_VEC_FREE(&r->list);
    MS_VEC_FREE(&r->metadata);
    ms_inflate_cache_destroy(r->cache);
}

static ms_status open_torch(ms_reader **out, ms_source *source, const ms_format *format, ms_status (*read)(opener *o),
                            const ms_read_options *options, ms_notes *notes, ms_err *err) {
    torch_reader *const r = ms_mem_zalloc(sizeof *r);
    if (!r) return ms_err_memory(err, "a reader");
    r->base = (ms_reader){.format = format, .source = source, .close_format = close_torch};
    opener o = {.reader = r,
                .rules = {.path = source->path, .lenient = options->lenient, .notes = notes},
                .budget = options->inflate_budget ? options->inflate_budget : default_budget,
                .verdict = {.weights_only = true},
                .err = err};
    o.verdict.refused = (ms_json_out){.buf = &o.refused};
    ms_json_out_begin_array(&o.verdict.refused);
    ms_status status = read(&o);
    if (status == MS_OK) status = add_verdict(&o);
    ms_buf_free(&o.refused);
    ms_scratch_free(&o.pickle_bytes);
    MS_VEC_FREE(&o.storages);
    ms_map_free(&o.by_key);
    return ms_reader_hand_over(out, &r->base, status, r->list.items, r->list.n, r->metadata.items, r->metadata.n);
}

static ms_status open_zip(ms_reader **out, ms_source *source, const ms_read_options *options, ms_notes *notes, ms_err *err) {
    return open_torch(out, source, &ms_torch_zip_format, read_zip, options, notes, err);
}

static ms_status open_stacked(ms_reader **out, ms_source *source, const ms_read_options *options, ms_notes *notes,
                              ms_err *err) {
    return open_torch(out, source, &ms_torch_legacy_format, read_stacked, options, notes, err);
}

static ms_status open_tar(ms_reader **out, ms_source *source, const ms_read_options *options, ms_notes *notes, ms_err *err) {
    return open_torch(out, source, &ms_torch_tar_format, read_tar, options, notes, err);
}

/* torch.save writes the pickle first. */
static bool probe_zip(const void *head, size_t n) {
    return ms_zip_probe(head, n) && memmem(head, n < 512 ? n : 512, "data.pkl", 8) != NULL;
}

static bool probe_stacked(const void *head, size_t n) { return n >= sizeof magic && memcmp(head, magic, sizeof magic) == 0; }

const ms_format ms_torch_zip_format = {.name = "torch", .extension = ".pt", .probe = probe_zip, .open = open_zip};
const ms_format ms_torch_legacy_format = {
    .name = "torch (stacked pickles)", .extension = ".pth", .probe = probe_stacked, .open = open_stacked};
const ms_format ms_torch_tar_format = {
    .name = "torch (tar)", .extension = ".pth.tar", .probe = ms_torch_tar_probe, .open = open_tar};
