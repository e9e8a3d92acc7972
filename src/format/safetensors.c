/*
 * safetensors files.
 *
 *   file      u64 LE N | N bytes of JSON | data                                  nothing before, between or after
 *   JSON      {"__metadata__": {text: text, ...} or null, "NAME": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]},
 * ...} data      the tensors, row-major, little-endian, each at its data_offsets [begin, end) relative to the end of the JSON
 *
 * Rules, in the order of the reference (the crate `safetensors`), whose names for them the messages keep in plain words:
 *
 *   1 header too small           at least 8 bytes
 *   2 header too large           N <= 100,000,000
 *   3 invalid header length      8 + N <= size of the file
 *   4 invalid UTF-8 in header
 *   5 invalid JSON in header     also: missing, repeated or mistyped fields; unknown dtypes; ours: a name that occurs twice
 *   6 in order of (begin, end), one tensor after the other:
 *     a invalid offset           begin is the end of the one before (the first begins at 0), begin <= end
 *     b overflow                 the product of the shape fits 64 bits; c: so does the number of bits
 *     d misaligned slice         the bits fill whole bytes
 *     e invalid tensor info      end - begin is that number of bytes
 *   7 incomplete metadata        the last end is the end of the file
 *
 * Lenient: rules 1 to 4 and broken JSON still end it; of the others the tensors that break them become notes, and those whose
 * bytes cannot be had are left out.
 *
 * The header is copied while it is read, so nothing that changes the file afterwards can reach what was checked. What is kept
 * of it is small: the names one after the other, and once each the shapes and types that neighbours share.
 */
#include "safetensors.h"

#include <stdlib.h>

#include "broken.h"
#include "checked.h"
#include "json.h"
#include "map.h"
#include "mem.h"
#include "name_index.h"
#include "vec.h"

enum { LENGTH_BYTES = 8 };

typedef struct safetensors_reader {
    ms_reader base;
    ms_scratch header;      /* [8 + N] bytes, the beginning of the file; gone once it is open */
    char *names;            /* owned; of all tensors, and what metadata says */
    MS_VEC(ms_stored) list; /* while parsing and checking: offset is `begin`, n_bytes is `end` */
    MS_VEC(ms_metadata) metadata;
} safetensors_reader;

typedef struct parser {
    safetensors_reader *reader;
    ms_broken_rules rules;
    ms_err *err;
    ms_json json;
    ms_arena texts;         /* strings with escapes; dies with the parser */
    ms_name_index by_name;  /* into reader->list */
    MS_VEC(uint64_t) shape; /* of the tensor being read */
    MS_VEC(ms_str) dtypes;  /* the names of types, each once; in the reader's arena */
    ms_map by_dtype;        /* name of a type -> index into dtypes */
    uint64_t n_data;        /* bytes after the header */
} parser;

static bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

static uint64_t u64_at(const void *bytes) {
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static bool probe(const void *head, size_t n) {
    const char *const bytes = head;
    if (n < LENGTH_BYTES + 1 || u64_at(bytes) > MS_SAFETENSORS_MAX_HEADER) return false;
    size_t at = LENGTH_BYTES;
    while (at < n && is_blank(bytes[at])) at++;
    return at == n || bytes[at] == '{';
}

static int64_t file_offset(const parser *p, uint64_t data_offset) { /* for messages: an absurd one stays readable */
    const uint64_t header = p->reader->base.header_bytes;
    return data_offset > (uint64_t)INT64_MAX - header ? MS_NOTE_NO_OFFSET : (int64_t)(header + data_offset);
}

/* ---- JSON ---- */

static ms_status json_broken(const parser *p, size_t at, const char *what) {
    return ms_broken_beyond_use(&p->rules, p->err, MS_ERR_DAMAGED, MS_STR_NONE, (int64_t)at, "invalid JSON in header: %s",
                                what);
}

static ms_status read_metadata(parser *p) {
    ms_json *const json = &p->json;
    ms_json_kind kind;
    MS_TRY(ms_json_peek(json, &kind, p->err));
    if (kind == MS_JSON_NULL) return ms_json_null(json, p->err);
    MS_TRY(ms_json_expect(json, MS_JSON_OBJECT, p->err));
    for (;;) {
        ms_metadata entry;
        bool more;
        MS_TRY(ms_json_next_key(json, &entry.key, &more, p->err));
        if (!more) return MS_OK;
        MS_TRY(ms_json_peek(json, &kind, p->err));
        const size_t begin = json->at;
        if (kind == MS_JSON_STRING) {
            MS_TRY(ms_json_string(json, &entry.value, p->err));
        } else {
            MS_TRY(ms_broken(&p->rules, p->err, "safetensors.metadata", MS_STR_NONE, (int64_t)begin,
                             "invalid JSON in header: __metadata__ '%s' is %s, it must be a string",
                             ms_str_shown(entry.key).text, ms_json_kind_name(kind)));
            MS_TRY(ms_json_skip(json, p->err));
            entry.value = (ms_str){json->bytes + begin, json->at - begin};
        }
        if (!MS_VEC_PUSH(&p->reader->metadata, entry)) return ms_err_memory(p->err, "the metadata");
    }
}

/* Most tensors have the type of the one before, nearly all of one that came before. */
static ms_status keep_dtype(parser *p, ms_str name, ms_stored *out) {
    const ms_stored *const last = p->reader->list.n ? &p->reader->list.items[p->reader->list.n - 1] : NULL;
    if (last && ms_str_equal(last->dtype_name, name)) {
        out->dtype_name = last->dtype_name;
        out->dtype = last->dtype;
        return MS_OK;
    }
    out->dtype = ms_dtype_by_name(name);
    const size_t *const known = ms_map_find(&p->by_dtype, name);
    if (known) return out->dtype_name = p->dtypes.items[*known], MS_OK;
    const ms_str kept = out->dtype_name = ms_arena_copy(&p->reader->base.arena, name);
    const bool fine = kept.text && ms_map_add(&p->by_dtype, kept, p->dtypes.n, NULL, NULL) && MS_VEC_PUSH(&p->dtypes, kept);
    return fine ? MS_OK : ms_err_memory(p->err, "a type");
}

static ms_status read_dtype(parser *p, ms_str tensor, ms_stored *out) {
    ms_json_kind kind;
    MS_TRY(ms_json_peek(&p->json, &kind, p->err));
    const size_t at = p->json.at;
    ms_str name;
    MS_TRY(ms_json_string(&p->json, &name, p->err));
    MS_TRY(keep_dtype(p, name, out));
    if (out->dtype != MS_DTYPE_UNKNOWN) return MS_OK;
    return ms_broken(&p->rules, p->err, "safetensors.unknown_dtype", tensor, (int64_t)at,
                     "invalid JSON in header: unknown dtype '%s'; the file is newer than this program or damaged, --lenient "
                     "lists it all the same",
                     ms_str_shown(out->dtype_name).text);
}

/* Experts come after experts: the shape is often that of one of the few tensors before. */
static ms_status keep_shape(parser *p, const uint64_t **out) {
    enum { LOOK_BACK = 4 };
    const size_t n = p->reader->list.n, n_bytes = p->shape.n * sizeof **out;
    for (size_t i = 1; i <= LOOK_BACK && i <= n; i++) {
        const ms_stored *const before = &p->reader->list.items[n - i];
        if (before->rank != p->shape.n || (n_bytes && memcmp(before->shape, p->shape.items, n_bytes) != 0)) continue;
        *out = before->shape;
        return MS_OK;
    }
    uint64_t *const shape = ms_arena_alloc(&p->reader->base.arena, n_bytes);
    if (!shape) return ms_err_memory(p->err, "a shape");
    if (n_bytes) memcpy(shape, p->shape.items, n_bytes);
    *out = shape;
    return MS_OK;
}

static ms_status read_shape(parser *p, ms_stored *out) {
    p->shape.n = 0;
    MS_TRY(ms_json_expect(&p->json, MS_JSON_ARRAY, p->err));
    for (;;) {
        bool more;
        uint64_t extent;
        MS_TRY(ms_json_next_item(&p->json, &more, p->err));
        if (!more) break;
        MS_TRY(ms_json_u64(&p->json, &extent, p->err));
        if (!MS_VEC_PUSH(&p->shape, extent)) return ms_err_memory(p->err, "a shape");
    }
    out->rank = (uint32_t)p->shape.n; /* fits: the header has at most 10^8 bytes */
    return keep_shape(p, &out->shape);
}

static ms_status read_offsets(parser *p, ms_stored *out) {
    uint64_t *const ends[2] = {&out->offset, &out->n_bytes};
    MS_TRY(ms_json_expect(&p->json, MS_JSON_ARRAY, p->err));
    for (int i = 0;; i++) {
        bool more;
        MS_TRY(ms_json_next_item(&p->json, &more, p->err));
        if (!more && i == 2) return MS_OK;
        if (!more || i == 2) return json_broken(p, p->json.at, "data_offsets must be two integers, [begin, end]");
        MS_TRY(ms_json_u64(&p->json, ends[i], p->err));
    }
}

enum { HAS_DTYPE = 1, HAS_SHAPE = 2, HAS_OFFSETS = 4, HAS_ALL = 7 };

static ms_status read_field(parser *p, ms_str tensor, ms_str key, ms_stored *out, unsigned *has) {
    const unsigned which = ms_str_is(key, "dtype")          ? HAS_DTYPE
                           : ms_str_is(key, "shape")        ? HAS_SHAPE
                           : ms_str_is(key, "data_offsets") ? HAS_OFFSETS
                                                            : 0;
    if (which & *has)
        return ms_broken_beyond_use(&p->rules, p->err, MS_ERR_DAMAGED, tensor, (int64_t)p->json.at,
                                    "invalid JSON in header: the field '%s' occurs twice", ms_str_shown(key).text);
    *has |= which;
    if (which == HAS_DTYPE) return read_dtype(p, tensor, out);
    if (which == HAS_SHAPE) return read_shape(p, out);
    if (which == HAS_OFFSETS) return read_offsets(p, out);
    return ms_json_skip(&p->json, p->err);
}

static ms_status read_tensor(parser *p, ms_str name, size_t at) {
    ms_stored tensor = {.name = name, .source = p->reader->base.source};
    unsigned has = 0;
    MS_TRY(ms_json_expect(&p->json, MS_JSON_OBJECT, p->err));
    for (;;) {
        ms_str key;
        bool more;
        MS_TRY(ms_json_next_key(&p->json, &key, &more, p->err));
        if (!more) break;
        MS_TRY(read_field(p, name, key, &tensor, &has));
    }
    const char *const missing = !(has & HAS_DTYPE) ? "dtype" : !(has & HAS_SHAPE) ? "shape" : "data_offsets";
    if (has != HAS_ALL)
        return ms_broken_beyond_use(&p->rules, p->err, MS_ERR_DAMAGED, name, (int64_t)at,
                                    "invalid JSON in header: the field '%s' is missing", missing);
    return MS_VEC_PUSH(&p->reader->list, tensor) ? MS_OK : ms_err_memory(p->err, "the list of tensors");
}

static ms_status read_header(parser *p) {
    ms_json *const json = &p->json;
    bool has_metadata = false;
    MS_TRY(ms_json_expect(json, MS_JSON_OBJECT, p->err));
    for (;;) {
        ms_str key;
        bool more;
        MS_TRY(ms_json_next_key(json, &key, &more, p->err));
        if (!more) break;
        const size_t at = json->at;
        if (ms_str_is(key, "__metadata__")) {
            if (has_metadata) return json_broken(p, at, "'__metadata__' occurs twice");
            has_metadata = true;
            MS_TRY(read_metadata(p));
        } else {
            MS_TRY(read_tensor(p, key, at));
        }
    }
    return ms_json_end(json, p->err);
}

/* Where a name stands in the file; unknown when it was written with escapes. */
static int64_t place_of_name(const safetensors_reader *r, ms_str name) {
    const char *const begin = r->header.bytes;
    const bool inside = name.text >= begin && name.text < begin + r->base.header_bytes;
    return inside ? name.text - begin : MS_NOTE_NO_OFFSET;
}

static ms_str name_of(const void *list, uint32_t number) { return ((const ms_stored *)list)[number].name; }

/* No name may occur twice. Lenient: the last one counts, as in the reference, and the others go. */
static ms_status check_names(parser *p) {
    safetensors_reader *const r = p->reader;
    ms_stored *const list = r->list.items;
    uint32_t n_kept = 0; /* fits: the header has at most 10^8 bytes */
    p->by_name = (ms_name_index){.list = list, .name_of = name_of};
    if (!ms_name_index_reserve(&p->by_name, r->list.n)) return ms_err_memory(p->err, "tensor names");
    for (size_t i = 0; i < r->list.n; i++) {
        bool is_new;
        list[n_kept] = list[i];
        if (!ms_name_index_add(&p->by_name, n_kept, 1, &is_new)) return ms_err_memory(p->err, "tensor names");
        if (is_new) {
            n_kept++;
            continue;
        }
        const ms_str name = list[i].name;
        MS_TRY(ms_broken(&p->rules, p->err, "safetensors.duplicate", name, place_of_name(r, name),
                         "invalid JSON in header: this name occurs twice; each tensor may be described once"));
        list[ms_name_index_find(&p->by_name, name)] = list[i];
    }
    r->list.n = n_kept;
    return MS_OK;
}

/* ---- offsets ---- */

static int compare_places(const void *a, const void *b) {
    const ms_stored *const x = a, *const y = b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    if (x->n_bytes != y->n_bytes) return x->n_bytes < y->n_bytes ? -1 : 1;
    return ms_str_compare(x->name, y->name);
}

static void sort_by_place(safetensors_reader *r) {
    bool sorted = true;
    for (size_t i = 1; i < r->list.n && sorted; i++) sorted = compare_places(&r->list.items[i - 1], &r->list.items[i]) <= 0;
    if (!sorted) qsort(r->list.items, r->list.n, sizeof *r->list.items, compare_places);
}

/* Rule 6a. `start`: where the data of the tensor before ended. */
static ms_status check_begin(parser *p, const ms_stored *t, uint64_t start) {
    const uint64_t begin = t->offset, end = t->n_bytes;
    const unsigned long long b = begin, e = end, s = start;
    if (begin < start)
        return ms_broken(
            &p->rules, p->err, "safetensors.overlap", t->name, file_offset(p, begin),
            "invalid offset for tensor: its data_offsets [%llu, %llu] overlap the tensor before, whose data end at "
            "%llu; no two tensors may share bytes",
            b, e, s);
    if (begin > start)
        return ms_broken(&p->rules, p->err, "safetensors.gap", t->name, file_offset(p, start),
                         "invalid offset for tensor: its data_offsets [%llu, %llu] leave a gap of %llu bytes that belong to no "
                         "tensor; it should begin at %llu",
                         b, e, b - s, s);
    if (end < begin)
        return ms_broken(&p->rules, p->err, "safetensors.reversed", t->name, file_offset(p, begin),
                         "invalid offset for tensor: its data_offsets [%llu, %llu] end before they begin", b, e);
    return MS_OK;
}

/* Rules 6b to 6e; *fits: the type, the shape and the offsets agree. */
static ms_status check_size(parser *p, const ms_stored *t, bool *fits) {
    *fits = true;
    if (t->dtype == MS_DTYPE_UNKNOWN) return MS_OK; /* lenient: the offsets tell the size */
    *fits = false;
    const int64_t at = file_offset(p, t->offset);
    const unsigned bits_each = ms_dtype_info_of(t->dtype)->bits;
    uint64_t n_elements = 1, n_bits;
    bool overflows = false;
    for (uint32_t i = 0; i < t->rank && !overflows; i++) overflows = !ms_mul_u64(n_elements, t->shape[i], &n_elements);
    if (overflows)
        return ms_broken(&p->rules, p->err, "safetensors.overflow", t->name, at,
                         "overflow computing buffer size from shape: the product of its %u extents exceeds 2^64", t->rank);
    if (!ms_mul_u64(n_elements, bits_each, &n_bits))
        return ms_broken(
            &p->rules, p->err, "safetensors.overflow", t->name, at,
            "overflow computing buffer size from shape and element type: %llu elements of %u bits exceed 2^64 bits",
            (unsigned long long)n_elements, bits_each);
    if (n_bits % 8 != 0)
        return ms_broken(&p->rules, p->err, "safetensors.misaligned", t->name, at,
                         "misaligned slice: %llu elements of %u bits do not fill whole bytes", (unsigned long long)n_elements,
                         bits_each);
    const uint64_t n_bytes = t->n_bytes - t->offset;
    if (n_bytes != n_bits / 8)
        return ms_broken(
            &p->rules, p->err, "safetensors.size", t->name, at,
            "invalid shape, data type, or offset for tensor: %llu elements of %s take %llu bytes, its data_offsets "
            "span %llu",
            (unsigned long long)n_elements, ms_dtype_info_of(t->dtype)->name, (unsigned long long)(n_bits / 8),
            (unsigned long long)n_bytes);
    *fits = true;
    return MS_OK;
}

/* Lenient: a tensor that reaches beyond the end of the file. In strict mode rule 7 says so once. */
static ms_status check_inside(parser *p, const ms_stored *t, bool *fits) {
    if (!p->rules.lenient || t->n_bytes <= p->n_data) return MS_OK;
    *fits = false;
    return ms_broken(&p->rules, p->err, "safetensors.truncated", t->name, file_offset(p, t->offset),
                     "its data should end at byte %llu of the data, the file has only %llu; the download is incomplete, fetch "
                     "the file again",
                     (unsigned long long)t->n_bytes, (unsigned long long)p->n_data);
}

static ms_status check_tensors(parser *p, uint64_t *end) {
    safetensors_reader *const r = p->reader;
    uint64_t start = 0;
    size_t n_kept = 0;
    for (size_t i = 0; i < r->list.n; i++) {
        ms_stored t = r->list.items[i];
        MS_TRY(check_begin(p, &t, start));
        bool fits = t.offset <= t.n_bytes;
        if (fits) {
            if (t.n_bytes > start) start = t.n_bytes;
            MS_TRY(check_size(p, &t, &fits));
            if (fits) MS_TRY(check_inside(p, &t, &fits));
        }
        if (!fits) continue;
        t.n_bytes -= t.offset;
        if (ms_add_u64(t.offset, r->base.header_bytes, &t.offset)) r->list.items[n_kept++] = t; /* else rule 7 is broken */
    }
    r->list.n = n_kept;
    *end = start;
    return MS_OK;
}

/* Rule 7, with what to do about it. */
static ms_status check_end(parser *p, uint64_t end) {
    const unsigned long long e = end, n = p->n_data;
    if (end > p->n_data)
        return ms_broken(&p->rules, p->err, "safetensors.short", MS_STR_NONE, file_offset(p, n),
                         "incomplete metadata, file not fully covered: the tensors need %llu bytes of data, the file has %llu; "
                         "%llu bytes are missing, the download is incomplete: fetch the file again",
                         e, n, e - n);
    if (end < p->n_data)
        return ms_broken(&p->rules, p->err, "safetensors.trailing", MS_STR_NONE, file_offset(p, end),
                         "incomplete metadata, file not fully covered: %llu bytes follow the last tensor and belong to none; "
                         "something was appended to the file, or its header is damaged",
                         n - e);
    return MS_OK;
}

/* ---- the file ---- */

/* Rules 1 to 4: brings the header into r->header. */
static ms_status load_header(safetensors_reader *r, const ms_broken_rules *rules, ms_err *err) {
    ms_source *const source = r->base.source;
    const void *bytes;
    if (source->size < LENGTH_BYTES)
        return ms_broken_beyond_use(
            rules, err, MS_ERR_DAMAGED, MS_STR_NONE, MS_NOTE_NO_OFFSET,
            "header too small: the file has %llu bytes, a safetensors file begins with 8 bytes that give "
            "the length of its header; fetch the file again",
            (unsigned long long)source->size);
    MS_TRY(ms_source_view(source, 0, LENGTH_BYTES, &r->header, &bytes, err));
    const uint64_t n_header = u64_at(bytes), n_left = source->size - LENGTH_BYTES;
    if (n_header > MS_SAFETENSORS_MAX_HEADER)
        return ms_broken_beyond_use(rules, err, MS_ERR_DAMAGED, MS_STR_NONE, 0,
                                    "header too large: the first 8 bytes ('%s') say that it has %llu bytes, at most %d are "
                                    "allowed; this is no safetensors file, or its beginning is damaged",
                                    ms_str_shown((ms_str){bytes, LENGTH_BYTES}).text, (unsigned long long)n_header,
                                    MS_SAFETENSORS_MAX_HEADER);
    if (n_header > n_left)
        return ms_broken_beyond_use(
            rules, err, MS_ERR_DAMAGED, MS_STR_NONE, 0,
            "invalid header length: the header should have %llu bytes, only %llu follow; %llu bytes are "
            "missing, the download is incomplete: fetch the file again",
            (unsigned long long)n_header, (unsigned long long)n_left, (unsigned long long)(n_header - n_left));

    const size_t n = LENGTH_BYTES + (size_t)n_header;
    r->base.header_bytes = n;
    ms_scratch viewed = {0};
    ms_status status = ms_scratch_reserve(&r->header, n) ? MS_OK : ms_err_memory(err, "the header");
    if (status == MS_OK) status = ms_source_view(source, 0, n, &viewed, &bytes, err);
    if (status == MS_OK) memcpy(r->header.bytes, bytes, n);
    ms_scratch_free(&viewed);
    MS_TRY(status);

    size_t bad_at;
    const ms_str text = {(const char *)r->header.bytes + LENGTH_BYTES, (size_t)n_header};
    if (ms_str_is_utf8(text, &bad_at)) return MS_OK;
    return ms_broken_beyond_use(rules, err, MS_ERR_DAMAGED, MS_STR_NONE, (int64_t)(LENGTH_BYTES + bad_at),
                                "invalid UTF-8 in header: '%s' is no character",
                                ms_str_shown(ms_str_sub(text, bad_at, bad_at + 1)).text);
}

/* Room for all tensors at once: each has a brace of its own, and the shortest description has this many bytes. */
static bool reserve_list(safetensors_reader *r) {
    enum { SHORTEST = sizeof "\"\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,0]}" - 1 };
    const char *const text = r->header.bytes;
    size_t n_braces = 0;
    for (size_t i = LENGTH_BYTES; i < r->base.header_bytes; i++) n_braces += text[i] == '{';
    const size_t most = (size_t)r->base.header_bytes / SHORTEST;
    return MS_VEC_RESERVE(&r->list, n_braces < most ? n_braces : most);
}

/* What the JSON reader found wrong gets its place in the file; what this file found has it already. */
static ms_status read_header_placed(parser *p) {
    ms_err inner = {0};
    ms_err *const outer = p->err;
    p->err = &inner;
    const ms_status status = read_header(p);
    p->err = outer;
    if (status == MS_OK) return MS_OK;
    const bool from_json = status == MS_ERR_DAMAGED && ms_str_starts_with(ms_str_of(inner.text), MS_STR("byte "));
    if (!from_json) return ms_err_set(outer, status, "%s", inner.text);
    return ms_err_set(outer, status, "%s: invalid JSON in header: %s", ms_str_shown(ms_str_of(p->rules.path)).text, inner.text);
}

static void move_text(ms_str *text, char **to) {
    if (text->size) memcpy(*to, text->text, text->size);
    text->text = *to;
    *to += text->size;
}

/* The texts that stay, in one block; then the header may go. */
static ms_status keep_texts(safetensors_reader *r, ms_err *err) {
    size_t n = 0;
    for (size_t i = 0; i < r->list.n; i++) n += r->list.items[i].name.size;
    for (size_t i = 0; i < r->metadata.n; i++) n += r->metadata.items[i].key.size + r->metadata.items[i].value.size;
    char *at = r->names = ms_mem_alloc(n);
    if (!at) return ms_err_memory(err, "the names of the tensors");
    for (size_t i = 0; i < r->list.n; i++) move_text(&r->list.items[i].name, &at);
    for (size_t i = 0; i < r->metadata.n; i++) {
        move_text(&r->metadata.items[i].key, &at);
        move_text(&r->metadata.items[i].value, &at);
    }
    ms_scratch_free(&r->header);
    return MS_OK;
}

static ms_status read_and_check(safetensors_reader *r, const ms_broken_rules *rules, ms_err *err) {
    MS_TRY(load_header(r, rules, err));
    parser p = {.reader = r, .rules = *rules, .err = err, .n_data = r->base.source->size - r->base.header_bytes};
    p.json = ms_json_over(r->header.bytes, (size_t)r->base.header_bytes, &p.texts);
    p.json.at = LENGTH_BYTES; /* so that the bytes in messages are those of the file */
    uint64_t end = 0;
    ms_status status = reserve_list(r) ? read_header_placed(&p) : ms_err_memory(err, "the list of tensors");
    if (status == MS_OK) status = check_names(&p);
    if (status == MS_OK) {
        sort_by_place(r);
        status = check_tensors(&p, &end);
    }
    if (status == MS_OK) status = check_end(&p, end);
    if (status == MS_OK) status = keep_texts(r, err);
    ms_name_index_free(&p.by_name);
    ms_map_free(&p.by_dtype);
    ms_arena_free(&p.texts);
    MS_VEC_FREE(&p.dtypes);
    MS_VEC_FREE(&p.shape);
    return status;
}

static void close_safetensors(ms_reader *self) {
    safetensors_reader *const r = (safetensors_reader *)self;
    MS_VEC_FREE(&r->list);
    MS_VEC_FREE(&r->metadata);
    ms_scratch_free(&r->header);
    ms_mem_free(r->names);
}

static ms_status open_safetensors(ms_reader **out, ms_source *source, const ms_read_options *options, ms_notes *notes,
                                  ms_err *err) {
    safetensors_reader *const r = ms_mem_zalloc(sizeof *r);
    if (!r) return ms_err_memory(err, "a reader");
    r->base = (ms_reader){.format = &ms_safetensors_format, .source = source, .close_format = close_safetensors};
    const ms_broken_rules rules = {.path = source->path, .lenient = options->lenient, .notes = notes};
    const ms_status status = read_and_check(r, &rules, err);
    return ms_reader_hand_over(out, &r->base, status, r->list.items, r->list.n, r->metadata.items, r->metadata.n);
}

const ms_format ms_safetensors_format = {
    .name = "safetensors", .extension = ".safetensors", .probe = probe, .open = open_safetensors};
