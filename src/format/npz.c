/*
 * npz files: a ZIP archive (zip.c) whose members NAME.npy are npy files (npy.c); the tensor is called NAME, slashes and all.
 *
 * Stored members are used where they lie. Deflated ones are unpacked when they are first read (inflate.c); of them only the
 * header is unpacked here, and the member must have exactly the size that it states. Members that are no .npy are passed over.
 */
#include "npz.h"

#include <stdlib.h>

#include "inflate.h"
#include "mem.h"
#include "npy.h"
#include "torch.h"
#include "vec.h"
#include "zip.h"

static const uint64_t default_budget = 1ull << 30;

typedef struct npz_reader {
    ms_reader base;
    ms_inflate_cache *cache; /* NULL while no member is deflated */
    MS_VEC(ms_stored) list;
    MS_VEC(ms_source *) members; /* owned: those that are unpacked */
} npz_reader;

typedef struct opener {
    npz_reader *reader;
    ms_broken_rules rules;
    uint64_t budget;
    ms_scratch head; /* the header of the member at hand; a copy */
    size_t n_unsupported;
    ms_err first_unsupported;
    ms_err *err;
} opener;

/* The first n bytes of the member's content into o->head; fewer when it is shorter. */
static ms_status load_head(opener *o, const ms_zip_member *m, size_t n, size_t *n_got) {
    ms_source *const source = o->reader->base.source;
    if (n > m->n_bytes) n = (size_t)m->n_bytes;
    if (!ms_scratch_reserve(&o->head, n)) return ms_err_memory(o->err, "an npy header");
    if (m->method == MS_ZIP_DEFLATED) {
        const ms_status status = ms_inflate_head(source, m->offset, m->n_packed, o->head.bytes, n, n_got, o->err);
        if (status != MS_ERR_DAMAGED && status != MS_ERR_UNSUPPORTED) return status;
        return ms_err_within(o->err, status, "%s: tensor '%s'", ms_str_shown(ms_str_of(o->rules.path)).text,
                             ms_str_shown(m->name).text);
    }
    ms_scratch scratch = {0};
    const void *bytes;
    const ms_status status = ms_source_view(source, m->offset, n, &scratch, &bytes, o->err);
    if (status == MS_OK && n > 0) memcpy(o->head.bytes, bytes, n);
    ms_scratch_free(&scratch);
    *n_got = n;
    return status;
}

static ms_status read_header(opener *o, const ms_zip_member *m, ms_npy_header *h) {
    size_t n_got = 0, n_header;
    MS_TRY(load_head(o, m, MS_NPY_PREFIX, &n_got));
    MS_TRY(ms_npy_header_size(&n_header, o->head.bytes, n_got, &o->rules, m->name, (int64_t)m->offset, o->err));
    MS_TRY(load_head(o, m, n_header, &n_got));
    if (n_got < n_header)
        return ms_broken_beyond_use(&o->rules, o->err, MS_ERR_DAMAGED, m->name, (int64_t)m->offset,
                                    "its npy header should have %zu bytes, the member ends after %zu", n_header, n_got);
    return ms_npy_parse_header(h, o->head.bytes, n_header, &o->reader->base.arena, &o->rules, m->name, (int64_t)m->offset,
                               o->err);
}

static ms_status check_size(opener *o, const ms_zip_member *m, const ms_npy_header *h) {
    const uint64_t n_left = m->n_bytes - h->n_header;
    if (h->n_bytes > n_left)
        return ms_broken_beyond_use(&o->rules, o->err, MS_ERR_DAMAGED, m->name, (int64_t)m->offset,
                                    "the array needs %llu bytes of data, the member has %llu", (unsigned long long)h->n_bytes,
                                    (unsigned long long)n_left);
    if (h->n_bytes == n_left) return MS_OK;
    return ms_broken(&o->rules, o->err, "npz.trailing", m->name, (int64_t)m->offset,
                     "%llu bytes follow the array in its member and belong to nothing",
                     (unsigned long long)(n_left - h->n_bytes));
}

/* The source that gives the member's content, and where in it the content begins. */
static ms_status source_of(opener *o, const ms_zip_member *m, ms_source **source, uint64_t *begin) {
    npz_reader *const r = o->reader;
    *source = r->base.source;
    *begin = m->offset;
    if (m->method == MS_ZIP_STORED) return MS_OK;
    if (!r->cache) MS_TRY(ms_inflate_cache_create(&r->cache, o->budget, o->err));
    if (!MS_VEC_RESERVE(&r->members, 1)) return ms_err_memory(o->err, "the list of members");
    const ms_str path = ms_arena_printf(&r->base.arena, "%s: member '%s'", ms_str_shown(ms_str_of(o->rules.path)).text,
                                        ms_str_shown(m->name).text);
    if (!path.text) return ms_err_memory(o->err, "the name of a member");
    MS_TRY(ms_inflate_source(source, r->cache, r->base.source, m->offset, m->n_packed, m->n_bytes, m->crc, path.text, o->err));
    r->members.items[r->members.n++] = *source;
    *begin = 0;
    return MS_OK;
}

static ms_status add_array(opener *o, const ms_zip_member *m) {
    npz_reader *const r = o->reader;
    if (m->method != MS_ZIP_STORED && m->method != MS_ZIP_DEFLATED)
        return ms_broken_beyond_use(&o->rules, o->err, MS_ERR_UNSUPPORTED, m->name, (int64_t)m->header_at,
                                    "compression method %u; stored (0) and deflated (8) members are read", m->method);
    ms_npy_header h;
    uint64_t begin;
    ms_stored t = {0};
    MS_TRY(read_header(o, m, &h));
    MS_TRY(check_size(o, m, &h));
    t.name = ms_arena_copy(&r->base.arena, ms_str_sub(m->name, 0, m->name.size - 4));
    if (!t.name.text) return ms_err_memory(o->err, "the name of a member");
    MS_TRY(ms_npy_remark(&h, &o->rules, t.name, o->err));
    MS_TRY(source_of(o, m, &t.source, &begin));
    t.dtype = h.dtype;
    t.dtype_name = h.descr;
    t.rank = h.rank;
    t.shape = h.shape;
    t.offset = begin + h.n_header;
    t.n_bytes = h.n_bytes;
    t.column_major = h.column_major;
    return MS_VEC_PUSH(&r->list, t) ? MS_OK : ms_err_memory(o->err, "the list of members");
}

/* Packed data that are damaged can look like anything: all of it is unpacked before it is called merely unsupported. */
static ms_status check_packed(opener *o, const ms_zip_member *m, ms_err *err) {
    ms_source *source;
    uint64_t begin;
    const void *bytes;
    ms_scratch scratch = {0};
    if (m->method != MS_ZIP_DEFLATED || m->n_bytes == 0 || !ms_inflate_available()) return MS_ERR_UNSUPPORTED;
    MS_TRY(source_of(o, m, &source, &begin));
    ms_err why = {0};
    const ms_status status = ms_source_view(source, 0, 1, &scratch, &bytes, &why);
    ms_scratch_free(&scratch);
    return status == MS_OK || status == MS_ERR_UNSUPPORTED ? MS_ERR_UNSUPPORTED : ms_err_set(err, status, "%s", why.text);
}

/* A sound array of a type that is not read (objects, structures, big-endian) is left out with a note; so is, when lenient, one
 * that is damaged. */
static ms_status add_or_note(opener *o, const ms_zip_member *m) {
    ms_err inner = {0};
    ms_err *const outer = o->err;
    o->err = &inner;
    ms_status status = add_array(o, m);
    if (status == MS_ERR_UNSUPPORTED) status = check_packed(o, m, &inner);
    o->err = outer;
    if (status == MS_OK) return MS_OK;
    if (status == MS_ERR_UNSUPPORTED) {
        if (o->n_unsupported++ == 0) o->first_unsupported = inner;
        return ms_broken_remark(&o->rules, o->err, MS_NOTE_WARNING, "npz.unsupported", m->name, (int64_t)m->offset,
                                "it is left out: %s", inner.text);
    }
    if (o->rules.lenient && status == MS_ERR_DAMAGED)
        return ms_broken(&o->rules, o->err, "npz.member", m->name, (int64_t)m->offset, "%s", inner.text);
    return ms_err_set(o->err, status, "%s", inner.text);
}

static ms_status read_members(opener *o, const ms_zip *zip) {
    npz_reader *const r = o->reader;
    uint64_t n_data = 0;
    for (size_t i = 0; i < zip->n_members; i++) {
        const ms_zip_member *const m = &zip->members[i];
        if (ms_str_ends_with(m->name, MS_STR(".npy"))) {
            const size_t n_before = r->list.n;
            MS_TRY(add_or_note(o, m));
            if (r->list.n > n_before) n_data += m->method == MS_ZIP_STORED ? r->list.items[n_before].n_bytes : m->n_packed;
        } else if (!ms_str_ends_with(m->name, MS_STR("/"))) {
            MS_TRY(ms_broken_remark(&o->rules, o->err, MS_NOTE_INFO, "npz.other_member", m->name, (int64_t)m->offset,
                                    "is no .npy and passed over"));
        }
    }
    r->base.header_bytes = r->base.source->size - n_data;
    if (r->list.n > 0 || zip->n_members == 0 || o->rules.lenient) return MS_OK;
    if (o->n_unsupported) return ms_err_set(o->err, MS_ERR_UNSUPPORTED, "%s", o->first_unsupported.text);
    return ms_broken_beyond_use(&o->rules, o->err, MS_ERR_UNSUPPORTED, MS_STR_NONE, MS_NOTE_NO_OFFSET,
                                "is a ZIP archive of %zu members without a single .npy", zip->n_members);
}

/* In the order of their bytes: unpacked ones have none of their own, so by their place in the archive. */
static ms_status open_into(opener *o) {
    ms_zip zip;
    MS_TRY(ms_zip_open(&zip, o->reader->base.source, &o->rules, o->err));
    ms_zip_sort_by_place(&zip);
    const ms_status status = read_members(o, &zip);
    ms_zip_free(&zip);
    return status;
}

static void close_npz(ms_reader *self) {
    npz_reader *const r = (npz_reader *)self;
    for (size_t i = 0; i < r->members.n; i++) ms_source_close(r->members.items[i]);
    MS_VEC_FREE(&r->members);
    MS_VEC_FREE(&r->list);
    ms_inflate_cache_destroy(r->cache);
}

/* A PyTorch file whose pickle is not the first member: it was packed again. */
static bool is_torch(const opener *o) {
    ms_zip zip;
    bool found = false;
    if (ms_zip_open(&zip, o->reader->base.source, &o->rules, NULL) != MS_OK) return false;
    for (size_t i = 0; i < zip.n_members && !found; i++)
        found = ms_str_is(zip.members[i].name, "data.pkl") || ms_str_ends_with(zip.members[i].name, MS_STR("/data.pkl"));
    ms_zip_free(&zip);
    return found;
}

static ms_status open_npz(ms_reader **out, ms_source *source, const ms_read_options *options, ms_notes *notes, ms_err *err) {
    npz_reader *const r = ms_mem_zalloc(sizeof *r);
    if (!r) return ms_err_memory(err, "a reader");
    r->base = (ms_reader){.format = &ms_npz_format, .source = source, .close_format = close_npz};
    opener o = {.reader = r,
                .rules = {.path = source->path, .lenient = options->lenient, .notes = notes},
                .budget = options->inflate_budget ? options->inflate_budget : default_budget,
                .err = err};
    ms_status status = open_into(&o);
    ms_scratch_free(&o.head);
    const bool torch = status == MS_ERR_UNSUPPORTED && is_torch(&o);
    status = ms_reader_hand_over(out, &r->base, status, r->list.items, r->list.n, NULL, 0);
    return torch ? ms_torch_zip_format.open(out, source, options, notes, err) : status;
}

const ms_format ms_npz_format = {.name = "npz", .extension = ".npz", .probe = ms_zip_probe, .open = open_npz};
