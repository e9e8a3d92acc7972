/*
 * GGUF files, versions 2 and 3 (ggml).
 *
 *   file      "GGUF" | u32 version | i64 n_tensors | i64 n_values | values | tensors | padding | data      little-endian
 *   value     string key | i32 type | payload: 0 u8, 1 i8, 2 u16, 3 i16, 4 u32, 5 i32, 6 f32, 7 bool (1 byte), 8 string,
 *             9 array (i32 type, u64 n, elements; no arrays of arrays), 10 u64, 11 i64, 12 f64
 *   string    u64 n | n bytes of UTF-8
 *   tensor    string name | u32 rank | rank x i64 extents, fastest first | i32 type (ggml_block.h) | u64 offset in the data
 *   padding   zeros to a multiple of general.alignment (u32, a power of two, 32 when absent); only when there are tensors
 *   data      tensor after tensor, each padded to the alignment; the padding after the last one may be missing
 *
 * Rules, in the order of ggml's gguf.cpp (August 2026): magic; version (0 and above 3 refused, 1 too old, byte-swapped:
 * big-endian); counts; keys not empty and unique, types known, lengths inside the file; names of at most 63 bytes and unique;
 * rank at most 4; extents not negative, their product and size in 64 bits; type known; first extent a multiple of the block;
 * tensor i begins where tensor i-1 ended after padding; the data inside the file. Ours: names and keys are UTF-8, booleans 0 or
 * 1 (a note), nothing follows the data (a note), the part before the data at most MS_GGUF_MAX_HEADER bytes.
 *
 * Lenient: broken rules about names, ranks up to 64, offsets and types become notes; tensors whose bytes cannot be had are left
 * out. What precedes the data is copied, so nothing that changes the file afterwards can reach what was checked.
 */
#include "gguf.h"

#include <stdlib.h>
#include <string.h>

#include "broken.h"
#include "checked.h"
#include "cursor.h"
#include "ggml_block.h"
#include "json.h"
#include "map.h"
#include "mem.h"
#include "vec.h"

enum { FIRST_VIEW = 1 << 20, DEFAULT_ALIGNMENT = 32, LENIENT_RANK = 64, LEAST_VALUE = 8 + 4 + 1, LEAST_TENSOR = 8 + 4 + 4 + 8 };

typedef enum value_type {
    TYPE_U8,
    TYPE_I8,
    TYPE_U16,
    TYPE_I16,
    TYPE_U32,
    TYPE_I32,
    TYPE_F32,
    TYPE_BOOL,
    TYPE_STRING,
    TYPE_ARRAY,
    TYPE_U64,
    TYPE_I64,
    TYPE_F64,
    N_TYPES,
} value_type;

static const struct {
    const char *name;
    uint8_t bytes; /* least bytes of one in the file */
} value_types[N_TYPES] = {
    {"u8", 1},   {"i8", 1},     {"u16", 2},    {"i16", 2}, {"u32", 4}, {"i32", 4}, {"f32", 4},
    {"bool", 1}, {"string", 8}, {"array", 12}, {"u64", 8}, {"i64", 8}, {"f64", 8},
};

typedef struct gguf_reader {
    ms_reader base;
    ms_scratch header; /* the file's first bytes */
    MS_VEC(ms_stored) list;
    MS_VEC(ms_metadata) metadata;
} gguf_reader;

typedef struct parser {
    gguf_reader *reader;
    ms_broken_rules rules;
    ms_err *err;
    ms_cursor c;     /* over the part of the file that is in view */
    uint64_t n_file; /* bytes of the whole file */
    bool starved;    /* the view ended before the header did: come back with a larger one */
    uint32_t version;
    uint64_t alignment;
    ms_map keys, names;
    uint64_t *begins; /* [n_begins] owned */
    size_t n_begins;
} parser;

static ms_status damaged(parser *p, ms_str tensor, size_t at, const char *message) {
    return ms_broken_beyond_use(&p->rules, p->err, MS_ERR_DAMAGED, tensor, (int64_t)at, "%s", message);
}

/* The next n bytes. The error that comes back with `starved` set is not shown to anyone. */
static ms_status take(parser *p, uint64_t n, const uint8_t **out, const char *what) {
    const uint64_t left = p->n_file - p->c.at;
    *out = p->c.bytes;
    if (n > left)
        return ms_broken_beyond_use(
            &p->rules, p->err, MS_ERR_DAMAGED, MS_STR_NONE, (int64_t)p->c.at,
            "%s needs %llu bytes, the file ends after %llu more; the download is incomplete, or the length is wrong", what,
            (unsigned long long)n, (unsigned long long)left);
    if (n > ms_cursor_left(&p->c)) {
        p->starved = true;
        return MS_ERR_PARTIAL;
    }
    *out = ms_cursor_take(&p->c, (size_t)n);
    return MS_OK;
}

#define TAKE_INTEGER(p, variable, what)                       \
    do {                                                      \
        const uint8_t *bytes_;                                \
        MS_TRY(take((p), sizeof(variable), &bytes_, (what))); \
        memcpy(&(variable), bytes_, sizeof(variable));        \
    } while (0)

static ms_status take_string(parser *p, ms_str *out, const char *what) {
    uint64_t n;
    const uint8_t *bytes;
    TAKE_INTEGER(p, n, what);
    MS_TRY(take(p, n, &bytes, what));
    *out = (ms_str){(const char *)bytes, (size_t)n};
    return MS_OK;
}

/* ---- values ---- */

static void put_real(ms_json_out *out, double value) { ms_json_out_f64(out, value); }

static void put_scalar(ms_json_out *out, value_type type, const uint8_t *bytes) {
    union {
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        uint64_t u64;
        int64_t i64;
        float f32;
        double f64;
    } v;
    memcpy(&v, bytes, value_types[type].bytes);
    switch (type) {
    case TYPE_U8: ms_json_out_u64(out, bytes[0]); break;
    case TYPE_I8: ms_json_out_i64(out, (int8_t)bytes[0]); break;
    case TYPE_U16: ms_json_out_u64(out, v.u16); break;
    case TYPE_I16: ms_json_out_i64(out, v.i16); break;
    case TYPE_U32: ms_json_out_u64(out, v.u32); break;
    case TYPE_I32: ms_json_out_i64(out, v.i32); break;
    case TYPE_F32: put_real(out, (double)v.f32); break;
    case TYPE_BOOL: ms_json_out_bool(out, bytes[0] != 0); break;
    case TYPE_U64: ms_json_out_u64(out, v.u64); break;
    case TYPE_I64: ms_json_out_i64(out, v.i64); break;
    default: put_real(out, v.f64); break;
    }
}

static ms_status check_bool(parser *p, ms_str key, const uint8_t *bytes, uint64_t n, size_t at) {
    for (uint64_t i = 0; i < n; i++)
        if (bytes[i] > 1) {
            ms_notes *const notes = p->rules.notes;
            if (notes)
                ms_notes_add(notes, MS_NOTE_WARNING, "gguf.bool", ms_str_of(p->rules.path), MS_STR_NONE, (int64_t)(at + i),
                             "key '%s': the boolean is %u, it should be 0 or 1", ms_str_shown(key).text, bytes[i]);
            return MS_OK;
        }
    return MS_OK;
}

static ms_status read_array(parser *p, ms_str key, ms_json_out *out) {
    const size_t at = p->c.at;
    uint32_t type;
    uint64_t n, n_bytes;
    TAKE_INTEGER(p, type, "an array");
    TAKE_INTEGER(p, n, "an array");
    if (type >= N_TYPES || type == TYPE_ARRAY)
        return ms_broken_beyond_use(&p->rules, p->err, type == TYPE_ARRAY ? MS_ERR_UNSUPPORTED : MS_ERR_DAMAGED, MS_STR_NONE,
                                    (int64_t)at, "key '%s': array of type %u; %s", ms_str_shown(key).text, type,
                                    type == TYPE_ARRAY ? "arrays of arrays are not in the format" : "there are types 0 to 12");
    if (!ms_mul_u64(n, value_types[type].bytes, &n_bytes) || n_bytes > p->n_file - p->c.at)
        return ms_broken_beyond_use(&p->rules, p->err, MS_ERR_DAMAGED, MS_STR_NONE, (int64_t)at,
                                    "key '%s': an array of %llu %s does not fit into the %llu bytes that are left",
                                    ms_str_shown(key).text, (unsigned long long)n, value_types[type].name,
                                    (unsigned long long)(p->n_file - p->c.at));
    const bool shown = n <= MS_GGUF_SHOWN_ARRAY;
    if (shown) ms_json_out_begin_array(out);
    const uint8_t *bytes = NULL;
    if (type != TYPE_STRING) MS_TRY(take(p, n_bytes, &bytes, "an array"));
    if (type == TYPE_BOOL) MS_TRY(check_bool(p, key, bytes, n, p->c.at - (size_t)n));
    for (uint64_t i = 0; i < n && (shown || type == TYPE_STRING); i++) {
        ms_str text = MS_STR_NONE;
        if (type == TYPE_STRING) MS_TRY(take_string(p, &text, "a string of an array"));
        if (!shown) continue;
        if (type == TYPE_STRING) ms_json_out_str(out, text);
        else put_scalar(out, (value_type)type, bytes + i * value_types[type].bytes);
    }
    if (!shown) {
        ms_json_out_begin_object(out);
        ms_json_out_key(out, "array");
        ms_json_out_text(out, value_types[type].name);
        ms_json_out_key(out, "n");
        ms_json_out_u64(out, n);
    }
    ms_json_out_end(out);
    return MS_OK;
}

/* The JSON of a value that is no string, into the arena. */
static ms_status read_as_json(parser *p, ms_str key, value_type type, ms_str *out) {
    ms_buf text = {0};
    ms_json_out json = {.buf = &text};
    ms_status status;
    if (type == TYPE_ARRAY) {
        status = read_array(p, key, &json);
    } else {
        const uint8_t *bytes;
        status = take(p, value_types[type].bytes, &bytes, "a value");
        if (status == MS_OK && type == TYPE_BOOL) status = check_bool(p, key, bytes, 1, p->c.at - 1);
        if (status == MS_OK) put_scalar(&json, type, bytes);
    }
    *out = ms_arena_copy(&p->reader->base.arena, ms_buf_str(&text));
    if (status == MS_OK && (text.failed || !out->text)) status = ms_err_memory(p->err, "the metadata");
    ms_buf_free(&text);
    return status;
}

static ms_status read_alignment(parser *p, value_type type, size_t at) {
    uint32_t alignment = 0;
    if (type == TYPE_U32) memcpy(&alignment, p->c.bytes + p->c.at - 4, 4);
    if (alignment == 0 || (alignment & (alignment - 1)) != 0)
        return damaged(p, MS_STR_NONE, at, "general.alignment must be a u32 and a power of two");
    p->alignment = alignment;
    return MS_OK;
}

static ms_status read_value(parser *p) {
    const size_t at = p->c.at;
    ms_metadata entry;
    uint32_t type;
    bool is_new;
    MS_TRY(take_string(p, &entry.key, "a key"));
    if (entry.key.size == 0 || !ms_str_is_utf8(entry.key, NULL))
        return damaged(p, MS_STR_NONE, at, entry.key.size ? "a key is not UTF-8" : "a key is empty");
    if (!ms_map_add(&p->keys, entry.key, 0, NULL, &is_new)) return ms_err_memory(p->err, "the metadata");
    if (!is_new)
        MS_TRY(ms_broken(&p->rules, p->err, "gguf.duplicate_key", MS_STR_NONE, (int64_t)at, "key '%s' occurs twice",
                         ms_str_shown(entry.key).text));
    TAKE_INTEGER(p, type, "the type of a value");
    if (type >= N_TYPES)
        return ms_broken_beyond_use(&p->rules, p->err, MS_ERR_DAMAGED, MS_STR_NONE, (int64_t)at,
                                    "key '%s': value of type %u, there are types 0 to 12", ms_str_shown(entry.key).text, type);
    if (type == TYPE_STRING) MS_TRY(take_string(p, &entry.value, "a value"));
    else MS_TRY(read_as_json(p, entry.key, (value_type)type, &entry.value));
    if (ms_str_is(entry.key, "general.alignment")) MS_TRY(read_alignment(p, (value_type)type, at));
    return MS_VEC_PUSH(&p->reader->metadata, entry) ? MS_OK : ms_err_memory(p->err, "the metadata");
}

/* ---- tensors ---- */

static ms_status check_name(parser *p, ms_str name, size_t at) {
    bool is_new;
    size_t bad_at;
    if (!ms_str_is_utf8(name, &bad_at)) return damaged(p, name, at + 8 + bad_at, "the name is not UTF-8");
    if (name.size > MS_GGUF_MAX_NAME)
        MS_TRY(ms_broken(&p->rules, p->err, "gguf.long_name", name, (int64_t)at,
                         "the name has %zu bytes, ggml takes at most %d", name.size, MS_GGUF_MAX_NAME));
    if (!ms_map_add(&p->names, name, 0, NULL, &is_new)) return ms_err_memory(p->err, "tensor names");
    if (is_new) return MS_OK;
    return ms_broken(&p->rules, p->err, "gguf.duplicate", name, (int64_t)at,
                     "this name occurs twice; each tensor may be described once");
}

static ms_status read_shape(parser *p, ms_str name, ms_stored *out) {
    const size_t at = p->c.at;
    uint32_t rank;
    const uint8_t *bytes;
    TAKE_INTEGER(p, rank, "a tensor");
    if (rank > MS_GGUF_MAX_RANK) {
        MS_TRY(ms_broken(&p->rules, p->err, "gguf.rank", name, (int64_t)at, "rank %u, at most %d", rank, MS_GGUF_MAX_RANK));
        if (rank > LENIENT_RANK) return damaged(p, name, at, "the rank is absurd");
    }
    MS_TRY(take(p, (uint64_t)rank * 8, &bytes, "a shape"));
    uint64_t *const shape = ms_arena_alloc_array(&p->reader->base.arena, rank ? rank : 1, sizeof *shape);
    if (!shape) return ms_err_memory(p->err, "a shape");
    uint64_t product = 1;
    for (uint32_t i = 0; i < rank; i++) {
        int64_t extent;
        memcpy(&extent, bytes + 8 * (size_t)i, sizeof extent);
        if (extent < 0 || !ms_mul_u64(product, (uint64_t)extent, &product) || product > INT64_MAX)
            return ms_broken_beyond_use(&p->rules, p->err, MS_ERR_DAMAGED, name, (int64_t)(at + 4 + 8 * (size_t)i),
                                        "extent %u is %lld; extents may not be negative, and their product must fit 63 bits", i,
                                        (long long)extent);
        shape[rank - 1 - i] = (uint64_t)extent;
    }
    out->rank = rank;
    out->shape = shape;
    return MS_OK;
}

/* Sets dtype and, for known types, the size. Types of forks and removed ones are listed, their size is found from the next
 * offset. */
static ms_status read_type(parser *p, ms_str name, ms_stored *out) {
    const size_t at = p->c.at;
    uint32_t id;
    TAKE_INTEGER(p, id, "a tensor");
    const ms_ggml_type *const type = ms_ggml_type_by_id(id);
    out->dtype = type ? type->dtype : MS_DTYPE_UNKNOWN;
    out->dtype_name = type ? ms_str_of(type->name) : ms_arena_printf(&p->reader->base.arena, "type %u", id);
    if (!out->dtype_name.text) return ms_err_memory(p->err, "a type");
    if (!type)
        return ms_broken(&p->rules, p->err, "gguf.unknown_type", name, (int64_t)at,
                         "type %u is none of ggml's (0 to %d) and of no fork known here; --lenient lists the other tensors", id,
                         MS_GGML_N_IDS - 1);
    if (type->dtype == MS_DTYPE_UNKNOWN) {
        if (p->rules.notes)
            ms_notes_add(p->rules.notes, MS_NOTE_WARNING, "gguf.undecodable_type", ms_str_of(p->rules.path), name, (int64_t)at,
                         "type %s (%u) is listed but cannot be decoded", type->name, id);
        return MS_OK;
    }
    uint64_t n = 1;
    for (uint32_t i = 0; i < out->rank; i++) n *= out->shape[i]; /* checked by read_shape */
    const uint64_t fastest = out->rank ? out->shape[out->rank - 1] : 1;
    if (fastest % type->block != 0)
        return ms_broken_beyond_use(&p->rules, p->err, MS_ERR_DAMAGED, name, (int64_t)at,
                                    "rows of %llu weights cannot be cut into blocks of %u (%s)", (unsigned long long)fastest,
                                    type->block, type->name);
    if (!ms_dtype_n_bytes(type->dtype, n, &out->n_bytes)) return damaged(p, name, at, "its size does not fit 64 bits");
    return MS_OK;
}

static ms_status read_tensor(parser *p) {
    const size_t at = p->c.at;
    ms_stored t = {.source = p->reader->base.source};
    MS_TRY(take_string(p, &t.name, "a tensor's name"));
    if (t.name.size > 0 && t.name.text[t.name.size - 1] == 0) t.name.size--; /* some writers store the terminator */
    MS_TRY(check_name(p, t.name, at));
    MS_TRY(read_shape(p, t.name, &t));
    MS_TRY(read_type(p, t.name, &t));
    TAKE_INTEGER(p, t.offset, "a tensor");
    return MS_VEC_PUSH(&p->reader->list, t) ? MS_OK : ms_err_memory(p->err, "the list of tensors");
}

/* ---- the whole header ---- */

static ms_status check_version(parser *p) {
    const uint32_t v = p->version;
    if ((v & 0xFFFF) == 0 && v != 0)
        return ms_broken_beyond_use(
            &p->rules, p->err, MS_ERR_UNSUPPORTED, MS_STR_NONE, 4,
            "a big-endian GGUF file (version %u when its bytes are swapped); convert it to little-endian, as nearly all are",
            __builtin_bswap32(v));
    if (v == 1)
        return ms_broken_beyond_use(&p->rules, p->err, MS_ERR_UNSUPPORTED, MS_STR_NONE, 4,
                                    "GGUF version 1, of summer 2023, is no longer read by anyone; convert the model anew");
    if (v == 0) return damaged(p, MS_STR_NONE, 4, "GGUF version 0 does not exist; the file is damaged");
    if (v > 3)
        return ms_broken_beyond_use(&p->rules, p->err, MS_ERR_UNSUPPORTED, MS_STR_NONE, 4,
                                    "GGUF version %u, versions 2 and 3 are read", v);
    return MS_OK;
}

static ms_status check_count(parser *p, int64_t n, size_t least, const char *what, size_t at) {
    const uint64_t left = p->n_file - p->c.at;
    if (n >= 0 && (uint64_t)n <= left / least) return MS_OK;
    return ms_broken_beyond_use(&p->rules, p->err, MS_ERR_DAMAGED, MS_STR_NONE, (int64_t)at,
                                "%lld %s cannot lie in the %llu bytes that are left; each takes at least %zu", (long long)n,
                                what, (unsigned long long)left, least);
}

static ms_status read_header(parser *p) {
    const uint8_t *magic;
    int64_t n_tensors, n_values;
    MS_TRY(take(p, 4, &magic, "the magic"));
    if (memcmp(magic, "GGUF", 4) != 0) return damaged(p, MS_STR_NONE, 0, "not a GGUF file: no 'GGUF' at byte 0");
    TAKE_INTEGER(p, p->version, "the version");
    MS_TRY(check_version(p));
    TAKE_INTEGER(p, n_tensors, "the number of tensors");
    TAKE_INTEGER(p, n_values, "the number of values");
    MS_TRY(check_count(p, n_tensors, LEAST_TENSOR, "tensors", 8));
    MS_TRY(check_count(p, n_values, LEAST_VALUE, "key-value pairs", 16));
    for (int64_t i = 0; i < n_values; i++) MS_TRY(read_value(p));
    for (int64_t i = 0; i < n_tensors; i++) MS_TRY(read_tensor(p));
    return MS_OK;
}

static uint64_t padded(const parser *p, uint64_t n) { return n % p->alignment ? n + (p->alignment - n % p->alignment) : n; }

static int compare_u64(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Where all tensors begin, sorted: what size_until_next searches. Only made when a type has no known size. */
static ms_status sort_begins(parser *p) {
    const size_t n = p->reader->list.n;
    bool wanted = false;
    for (size_t i = 0; i < n && !wanted; i++) wanted = p->reader->list.items[i].dtype == MS_DTYPE_UNKNOWN;
    if (!wanted) return MS_OK;
    p->begins = ms_mem_alloc_array(n, sizeof *p->begins);
    if (!p->begins) return ms_err_memory(p->err, "the places of the tensors");
    for (size_t i = 0; i < n; i++) p->begins[i] = p->reader->list.items[i].offset;
    qsort(p->begins, n, sizeof *p->begins, compare_u64);
    p->n_begins = n;
    return MS_OK;
}

/* The bytes of a tensor whose type has no known size: up to the next tensor that begins after it, or to the end. */
static uint64_t size_until_next(const parser *p, uint64_t begin, uint64_t n_data) {
    size_t low = 0, high = p->n_begins; /* the first place above `begin` */
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (p->begins[middle] > begin) high = middle;
        else low = middle + 1;
    }
    const uint64_t next = low < p->n_begins && p->begins[low] < n_data ? p->begins[low] : n_data;
    return next > begin ? next - begin : 0;
}

static ms_status place_tensor(parser *p, ms_stored *t, uint64_t data, uint64_t *expected, bool *usable) {
    const uint64_t n_data = p->n_file > data ? p->n_file - data : 0;
    *usable = true;
    if (t->dtype == MS_DTYPE_UNKNOWN) t->n_bytes = size_until_next(p, t->offset, n_data);
    if (t->offset % p->alignment != 0 || t->offset != *expected)
        MS_TRY(ms_broken(
            &p->rules, p->err, "gguf.offset", t->name, (int64_t)data,
            "its data begin at %llu of the data, they should begin at %llu: tensors may leave no gap, overlap or change places",
            (unsigned long long)t->offset, (unsigned long long)*expected));
    if (!ms_range_inside(t->offset, t->n_bytes, n_data)) {
        const uint64_t short_of = t->n_bytes > n_data || t->offset > n_data - t->n_bytes ? t->offset + t->n_bytes - n_data : 0;
        MS_TRY(ms_broken(&p->rules, p->err, "gguf.short", t->name, (int64_t)p->n_file,
                         "its data (%llu bytes from %llu) reach beyond the end of the file by %llu bytes; the download is "
                         "incomplete, fetch the file again",
                         (unsigned long long)t->n_bytes, (unsigned long long)t->offset, (unsigned long long)short_of));
        *usable = false;
        *expected = n_data; /* nothing can follow */
        return MS_OK;
    }
    *expected = padded(p, t->offset + t->n_bytes);
    t->offset += data;
    if (t->offset > p->n_file) t->offset = p->n_file; /* no bytes, and the padding in front of them is missing */
    return MS_OK;
}

static ms_status place_tensors(parser *p) {
    gguf_reader *const r = p->reader;
    const uint64_t header = p->c.at; /* gguf-py pads also where no tensor follows (vocabularies), ggml does not */
    const uint64_t data = r->list.n || padded(p, header) <= p->n_file ? padded(p, header) : header;
    r->base.header_bytes = data;
    uint64_t expected = 0;
    size_t n_kept = 0;
    MS_TRY(sort_begins(p));
    for (size_t i = 0; i < r->list.n; i++) {
        ms_stored t = r->list.items[i];
        bool usable;
        MS_TRY(place_tensor(p, &t, data, &expected, &usable));
        if (usable) r->list.items[n_kept++] = t;
    }
    r->list.n = n_kept;
    if (p->n_file > data + expected && p->rules.notes)
        ms_notes_add(p->rules.notes, MS_NOTE_WARNING, "gguf.trailing", ms_str_of(p->rules.path), MS_STR_NONE,
                     (int64_t)(data + expected), "%llu bytes follow the last tensor and belong to none",
                     (unsigned long long)(p->n_file - data - expected));
    return MS_OK;
}

/* ---- the file ---- */

static void forget(gguf_reader *r) {
    r->list.n = r->metadata.n = 0;
    ms_arena_free(&r->base.arena);
}

/* One attempt with the first n_view bytes; *starved: the header is longer. */
static ms_status attempt(gguf_reader *r, size_t n_view, const ms_broken_rules *rules, bool *starved, ms_err *err) {
    ms_scratch viewed = {0};
    const void *bytes = NULL;
    ms_status status = ms_scratch_reserve(&r->header, n_view) ? MS_OK : ms_err_memory(err, "the header");
    if (status == MS_OK) status = ms_source_view(r->base.source, 0, n_view, &viewed, &bytes, err);
    if (status == MS_OK) memcpy(r->header.bytes, bytes, n_view);
    ms_scratch_free(&viewed);
    MS_TRY(status);
    parser p = {.reader = r,
                .rules = *rules,
                .err = err,
                .c = ms_cursor_over(r->header.bytes, n_view),
                .n_file = r->base.source->size,
                .alignment = DEFAULT_ALIGNMENT};
    status = read_header(&p);
    if (status == MS_OK) status = place_tensors(&p);
    ms_map_free(&p.keys);
    ms_map_free(&p.names);
    ms_mem_free(p.begins);
    *starved = p.starved;
    return status;
}

static ms_status read_all(gguf_reader *r, const ms_broken_rules *rules, ms_err *err) {
    const uint64_t n_file = r->base.source->size;
    for (uint64_t n_view = FIRST_VIEW;; n_view *= 4) {
        if (n_view > MS_GGUF_MAX_HEADER) n_view = MS_GGUF_MAX_HEADER;
        bool starved = false;
        ms_notes first_notes = {0}; /* an attempt that starves repeats its notes: only the last one's count */
        ms_broken_rules quiet = *rules;
        const bool whole = n_view >= n_file;
        if (!whole && rules->notes) quiet.notes = &first_notes;
        const ms_status status = attempt(r, (size_t)(whole ? n_file : n_view), &quiet, &starved, err);
        for (size_t i = 0; !starved && i < first_notes.n; i++) {
            const ms_note *const n = &first_notes.items[i];
            ms_notes_add(rules->notes, n->severity, n->code, n->file, n->tensor, n->offset, "%.*s", (int)n->message.size,
                         n->message.text);
        }
        ms_notes_free(&first_notes);
        if (!starved) return status;
        forget(r);
        if (n_view == MS_GGUF_MAX_HEADER)
            return ms_broken_beyond_use(rules, err, MS_ERR_DAMAGED, MS_STR_NONE, MS_GGUF_MAX_HEADER,
                                        "what precedes the data takes more than %d MiB; no model needs that",
                                        MS_GGUF_MAX_HEADER >> 20);
    }
}

static void close_gguf(ms_reader *self) {
    gguf_reader *const r = (gguf_reader *)self;
    MS_VEC_FREE(&r->list);
    MS_VEC_FREE(&r->metadata);
    ms_scratch_free(&r->header);
}

static ms_status open_gguf(ms_reader **out, ms_source *source, const ms_read_options *options, ms_notes *notes, ms_err *err) {
    gguf_reader *const r = ms_mem_zalloc(sizeof *r);
    if (!r) return ms_err_memory(err, "a reader");
    r->base = (ms_reader){.format = &ms_gguf_format, .source = source, .close_format = close_gguf};
    const ms_broken_rules rules = {.path = source->path, .lenient = options->lenient, .notes = notes};
    const ms_status status = read_all(r, &rules, err);
    return ms_reader_hand_over(out, &r->base, status, r->list.items, r->list.n, r->metadata.items, r->metadata.n);
}

static bool probe(const void *head, size_t n) { return n >= 4 && memcmp(head, "GGUF", 4) == 0; }

const ms_format ms_gguf_format = {.name = "gguf", .extension = ".gguf", .probe = probe, .open = open_gguf};
