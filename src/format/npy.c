/*
 * npy files.
 *
 *   file      93 "NUMPY" | u8 major | u8 minor | header length: u16 (version 1) or u32 (2, 3) | header | data
 *   header    {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }  any order, blanks, newline; all little-endian
 *   descr     byte order (< > | =), kind, bytes per element: b1 i u f c with 1 to 16 bytes; V2 is taken for bfloat16
 *
 * The header is a Python literal; of it we read what NumPy, MLX and others write: texts in either quote without escapes, True,
 * False, integers with an optional L, tuples with or without a comma at the end. Exactly these three keys, each once.
 * Fortran order: the first index is the fastest. Data follow the header without padding and are not aligned.
 */
#include "npy.h"

#include "checked.h"
#include "files.h"
#include "mem.h"
#include "vec.h"

static const char magic[] = "\x93NUMPY";
enum { MAGIC_BYTES = sizeof magic - 1 };

static bool probe(const void *head, size_t n) { return n >= MAGIC_BYTES && memcmp(head, magic, MAGIC_BYTES) == 0; }

ms_status ms_npy_header_size(size_t *n_header, const void *bytes, size_t n, const ms_broken_rules *rules, ms_str tensor,
                             int64_t at, ms_err *err) {
    const uint8_t *const p = bytes;
    const bool is_npy = probe(bytes, n) && n >= 10;
    const unsigned major = is_npy ? p[6] : 0;
    if (!is_npy || (major > 1 && n < MS_NPY_PREFIX))
        return ms_broken_beyond_use(rules, err, MS_ERR_DAMAGED, tensor, at,
                                    "is no npy file: it does not begin with \\x93NUMPY");
    if (major < 1 || major > 3 || p[7] != 0)
        return ms_broken_beyond_use(rules, err, MS_ERR_UNSUPPORTED, tensor, at + 6,
                                    "npy version %u.%u; 1.0, 2.0 and 3.0 are known", major, p[7]);
    const uint64_t length = major == 1 ? (uint64_t)p[8] | (uint64_t)p[9] << 8
                                       : (uint64_t)p[8] | (uint64_t)p[9] << 8 | (uint64_t)p[10] << 16 | (uint64_t)p[11] << 24;
    if (length > MS_NPY_MAX_HEADER)
        return ms_broken_beyond_use(rules, err, MS_ERR_DAMAGED, tensor, at + 8,
                                    "an npy header of %llu bytes; at most %d are allowed", (unsigned long long)length,
                                    MS_NPY_MAX_HEADER);
    *n_header = (major == 1 ? 10 : 12) + (size_t)length;
    return MS_OK;
}

/* ---- the literal ---- */

typedef struct literal {
    const char *text;
    size_t size, at;
    const char *expected; /* set by the first thing that is not as it should be */
} literal;

static void skip_blanks(literal *l) {
    while (l->at < l->size && memchr(" \t\r\n", l->text[l->at], 4)) l->at++;
}

static bool fail(literal *l, const char *expected) {
    if (!l->expected) l->expected = expected;
    return false;
}

/* Passes this character, after blanks, if it is there. */
static bool pass(literal *l, char c) {
    skip_blanks(l);
    if (l->at == l->size || l->text[l->at] != c) return false;
    l->at++;
    return true;
}

static bool pass_word(literal *l, const char *word) {
    const size_t n = strlen(word);
    skip_blanks(l);
    if (l->size - l->at < n || memcmp(l->text + l->at, word, n) != 0) return false;
    l->at += n;
    return true;
}

static bool read_text(literal *l, ms_str *out) {
    const char quote = pass(l, '\'') ? '\'' : pass(l, '"') ? '"' : 0;
    if (!quote) return fail(l, "a text in quotes");
    const size_t begin = l->at;
    while (l->at < l->size && l->text[l->at] != quote && l->text[l->at] != '\\' && l->text[l->at] != '\n') l->at++;
    *out = (ms_str){l->text + begin, l->at - begin};
    return pass(l, quote) || fail(l, "the end of the text");
}

static bool read_extent(literal *l, uint64_t *out) {
    skip_blanks(l);
    const size_t begin = l->at;
    uint64_t value = 0;
    for (; l->at < l->size && l->text[l->at] >= '0' && l->text[l->at] <= '9'; l->at++)
        if (!ms_mul_u64(value, 10, &value) || !ms_add_u64(value, (uint64_t)(l->text[l->at] - '0'), &value))
            return fail(l, "an extent below 2^64");
    if (l->at == begin) return fail(l, "an extent of 0 or more");
    if (l->text[begin] == '0' && l->at - begin > 1) return fail(l, "an extent without leading zeros");
    if (l->at < l->size && l->text[l->at] == 'L') l->at++; /* Python 2 */
    *out = value;
    return true;
}

typedef MS_VEC(uint64_t) extents;

/* A tuple of integers; a single one needs its comma, (3) being a number. Memory that runs out shows in *no_memory. */
static bool read_shape(literal *l, extents *shape, bool *no_memory) {
    if (!pass(l, '(')) return fail(l, "a tuple");
    bool comma = true;
    while (!pass(l, ')')) {
        uint64_t extent;
        if (!comma) return fail(l, "',' or ')'");
        if (!read_extent(l, &extent)) return false;
        if (!MS_VEC_PUSH(shape, extent)) return *no_memory = true, false;
        comma = pass(l, ',');
    }
    return shape->n != 1 || comma || fail(l, "a tuple: one extent needs a comma behind it");
}

typedef struct fields {
    ms_str descr;
    bool fortran_order;
    bool is_structured;
    extents shape;
    unsigned has; /* bits: descr, fortran_order, shape */
    bool no_memory;
} fields;

enum { HAS_DESCR = 1, HAS_ORDER = 2, HAS_SHAPE = 4, HAS_ALL = 7 };

static bool read_value(literal *l, unsigned which, fields *f) {
    if (which == HAS_DESCR) {
        skip_blanks(l);
        f->is_structured = l->at < l->size && l->text[l->at] == '[';
        return !f->is_structured && read_text(l, &f->descr);
    }
    if (which == HAS_SHAPE) return read_shape(l, &f->shape, &f->no_memory);
    f->fortran_order = pass_word(l, "True");
    return f->fortran_order || pass_word(l, "False") || fail(l, "True or False");
}

static bool read_literal(literal *l, fields *f) {
    bool comma = true;
    if (!pass(l, '{')) return fail(l, "'{'");
    while (!pass(l, '}')) {
        ms_str key;
        if (!comma) return fail(l, "',' or '}'");
        if (!read_text(l, &key)) return false;
        const unsigned which = ms_str_is(key, "descr")           ? HAS_DESCR
                               : ms_str_is(key, "fortran_order") ? HAS_ORDER
                               : ms_str_is(key, "shape")         ? HAS_SHAPE
                                                                 : 0;
        if (which == 0 || f->has & which) return fail(l, "the keys 'descr', 'fortran_order', 'shape', each once");
        f->has |= which;
        if (!pass(l, ':')) return fail(l, "':'");
        if (!read_value(l, which, f)) return false;
        comma = pass(l, ',');
    }
    if (f->has != HAS_ALL) return fail(l, "the keys 'descr', 'fortran_order', 'shape', each once");
    skip_blanks(l);
    return l->at == l->size || fail(l, "nothing but blanks behind the header");
}

/* ---- types ---- */

typedef struct spelling {
    const char *kind_and_size;
    ms_dtype dtype;
} spelling;

static const spelling spellings[] = {
    {"b1", MS_DTYPE_BOOL}, {"i1", MS_DTYPE_I8},  {"u1", MS_DTYPE_U8},  {"i2", MS_DTYPE_I16},  {"u2", MS_DTYPE_U16},
    {"f2", MS_DTYPE_F16},  {"i4", MS_DTYPE_I32}, {"u4", MS_DTYPE_U32}, {"f4", MS_DTYPE_F32},  {"i8", MS_DTYPE_I64},
    {"u8", MS_DTYPE_U64},  {"f8", MS_DTYPE_F64}, {"c8", MS_DTYPE_C64}, {"g2", MS_DTYPE_BF16},
};

/* Bytes of one character or of the unit that the number behind the kind counts; 0: no such kind. */
static uint64_t unit_of(char kind) {
    switch (kind) {
    case 'U': return 4;
    case 'S':
    case 'V': return 1;
    default: return 0;
    }
}

/* Types that are listed but not decoded: texts and raw bytes of any length, times with a unit, long doubles. */
static bool is_other_type(ms_str kind, uint64_t *n_bytes) {
    static const char *const wide[] = {"f12", "f16", "c16", "c24", "c32"};
    int64_t n = 0;
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (ms_str_is(kind, wide[i]) && ms_str_to_i64(ms_str_sub(kind, 1, kind.size), &n)) return *n_bytes = (uint64_t)n, true;
    *n_bytes = 8;
    if (ms_str_starts_with(kind, MS_STR("M8")) || ms_str_starts_with(kind, MS_STR("m8")))
        return kind.size == 2 ||
               (kind.size > 4 && kind.text[2] == '[' && memchr(kind.text, ']', kind.size) == kind.text + kind.size - 1);
    const uint64_t unit = kind.size > 0 ? unit_of(kind.text[0]) : 0;
    if (unit == 0 || kind.size > 10 || (kind.size > 1 && (kind.text[1] < '0' || kind.text[1] > '9'))) return false;
    if (kind.size > 1 && !ms_str_to_i64(ms_str_sub(kind, 1, kind.size), &n)) return false;
    *n_bytes = kind.size > 1 ? unit * (uint64_t)n : 0;
    return true;
}

typedef struct element {
    ms_dtype dtype;
    uint64_t n_bytes;
    bool guessed_bf16;
    const char *refused; /* why it cannot be used, or NULL */
    bool unknown;        /* it is no type at all */
} element;

static element element_of(ms_str descr) {
    if (ms_str_is(descr, "bfloat16")) return (element){.dtype = MS_DTYPE_BF16, .n_bytes = 2};
    const bool has_order = descr.size > 0 && memchr("<>|=", descr.text[0], 4);
    const ms_str kind = has_order ? ms_str_sub(descr, 1, descr.size) : descr;
    if (ms_str_is(kind, "O") || ms_str_is(kind, "O8"))
        return (element){.refused = "it holds pickled Python objects, which are never run"};
    element e = {.unknown = true};
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
        if (ms_str_is(kind, spellings[i].kind_and_size))
            e = (element){.dtype = spellings[i].dtype, .n_bytes = ms_dtype_info_of(spellings[i].dtype)->bits / 8u};
    if (ms_str_is(kind, "V2")) e = (element){.dtype = MS_DTYPE_BF16, .n_bytes = 2, .guessed_bf16 = true};
    else if (e.unknown) e.unknown = !is_other_type(kind, &e.n_bytes);
    if (!e.unknown && has_order && descr.text[0] == '>' && e.n_bytes > 1 && !memchr("SV", kind.text[0], 2))
        e.refused = "its elements are big-endian; convert it with a.astype(a.dtype.newbyteorder('<'))";
    return e;
}

/* ---- header ---- */

typedef struct place { /* for messages */
    const ms_broken_rules *rules;
    ms_str tensor;
    int64_t at;
    ms_err *err;
} place;

static ms_status refuse(const place *p, ms_status status, const char *why, ms_str value) {
    return ms_broken_beyond_use(p->rules, p->err, status, p->tensor, p->at, "array of type '%s': %s", ms_str_shown(value).text,
                                why);
}

static ms_status fill_header(ms_npy_header *out, const fields *f, ms_arena *arena, const place *p) {
    const element e = element_of(f->descr);
    if (e.refused) return refuse(p, MS_ERR_UNSUPPORTED, e.refused, f->descr);
    if (e.unknown) return refuse(p, MS_ERR_DAMAGED, "NumPy has no such type", f->descr);
    if (f->shape.n > MS_NPY_MAX_RANK) return refuse(p, MS_ERR_DAMAGED, "more than 64 axes, the most that NumPy has", f->descr);
    uint64_t n_bytes = e.n_bytes;
    for (size_t i = 0; i < f->shape.n; i++)
        if (!ms_mul_u64(n_bytes, f->shape.items[i], &n_bytes))
            return refuse(p, MS_ERR_DAMAGED, "the product of its shape overflows 64 bits", f->descr);

    uint64_t *const shape = ms_arena_alloc_array(arena, f->shape.n, sizeof *shape);
    const ms_str descr = ms_arena_copy(arena, f->descr);
    if (!shape || !descr.text) return ms_err_memory(p->err, "an npy header");
    if (f->shape.n) memcpy(shape, f->shape.items, f->shape.n * sizeof *shape);
    out->dtype = e.dtype;
    out->descr = descr;
    out->is_guessed_bf16 = e.guessed_bf16;
    out->column_major = f->fortran_order && f->shape.n > 1;
    out->rank = (uint32_t)f->shape.n;
    out->shape = shape;
    out->n_bytes = n_bytes;
    return MS_OK;
}

ms_status ms_npy_parse_header(ms_npy_header *out, const void *bytes, size_t n_header, ms_arena *arena,
                              const ms_broken_rules *rules, ms_str tensor, int64_t at, ms_err *err) {
    const size_t begin = ((const uint8_t *)bytes)[6] == 1 ? 10 : 12;
    *out = (ms_npy_header){.n_header = n_header};
    if (begin > n_header) return ms_broken_beyond_use(rules, err, MS_ERR_DAMAGED, tensor, at, "the npy header is too short");
    const place p = {.rules = rules, .tensor = tensor, .at = at, .err = err};
    literal l = {.text = (const char *)bytes + begin, .size = n_header - begin};
    fields f = {0};
    ms_status status;
    if (read_literal(&l, &f)) status = fill_header(out, &f, arena, &p);
    else if (f.is_structured)
        status = refuse(&p, MS_ERR_UNSUPPORTED, "a structure of several fields; save each as an array", MS_STR("[...]"));
    else if (f.no_memory) status = ms_err_memory(err, "a shape");
    else {
        const ms_str rest = ms_str_sub((ms_str){l.text, l.size}, l.at, l.size - l.at > 24 ? l.at + 24 : l.size);
        status = ms_broken_beyond_use(rules, err, MS_ERR_DAMAGED, tensor, at + (int64_t)(begin + l.at),
                                      "npy header: expected %s, found '%s'", l.expected, ms_str_shown(rest).text);
    }
    MS_VEC_FREE(&f.shape);
    return status;
}

ms_status ms_npy_remark(const ms_npy_header *h, const ms_broken_rules *rules, ms_str tensor, ms_err *err) {
    if (h->is_guessed_bf16)
        return ms_broken_remark(rules, err, MS_NOTE_INFO, "npy.guessed_bf16", tensor, MS_NOTE_NO_OFFSET,
                                "type '%s' says only that elements have 2 bytes; they are taken for bfloat16",
                                ms_str_shown(h->descr).text);
    if (h->dtype == MS_DTYPE_UNKNOWN)
        return ms_broken_remark(rules, err, MS_NOTE_WARNING, "npy.unknown_type", tensor, MS_NOTE_NO_OFFSET,
                                "elements of type '%s' are listed, but cannot be decoded", ms_str_shown(h->descr).text);
    return MS_OK;
}

/* ---- a file of its own ---- */

typedef struct npy_reader {
    ms_reader base;
    ms_stored tensor;
} npy_reader;

static ms_status read_header(ms_npy_header *out, npy_reader *r, const ms_broken_rules *rules, ms_scratch *scratch,
                             ms_err *err) {
    ms_source *const source = r->base.source;
    const void *bytes;
    size_t n_header;
    const size_t n = source->size < MS_NPY_PREFIX ? (size_t)source->size : MS_NPY_PREFIX;
    MS_TRY(ms_source_view(source, 0, n, scratch, &bytes, err));
    MS_TRY(ms_npy_header_size(&n_header, bytes, n, rules, MS_STR_NONE, 0, err));
    if (n_header > source->size)
        return ms_broken_beyond_use(rules, err, MS_ERR_DAMAGED, MS_STR_NONE, 8,
                                    "the npy header should end at byte %zu, the file has %llu; fetch the file again", n_header,
                                    (unsigned long long)source->size);
    if (!ms_scratch_reserve(scratch, n_header)) return ms_err_memory(err, "an npy header");
    ms_scratch view = {0};
    ms_status status = ms_source_view(source, 0, n_header, &view, &bytes, err);
    if (status == MS_OK) { /* a copy: what is checked must be what is used, whatever happens to the file */
        memcpy(scratch->bytes, bytes, n_header);
        status = ms_npy_parse_header(out, scratch->bytes, n_header, &r->base.arena, rules, MS_STR_NONE, 0, err);
    }
    ms_scratch_free(&view);
    return status;
}

static ms_status check_size(const ms_npy_header *h, uint64_t size, const ms_broken_rules *rules, ms_err *err) {
    const uint64_t n_left = size - h->n_header;
    if (h->n_bytes > n_left)
        return ms_broken_beyond_use(rules, err, MS_ERR_DAMAGED, MS_STR_NONE, (int64_t)size,
                                    "the array needs %llu bytes of data, the file has %llu; %llu bytes are missing, fetch the "
                                    "file again",
                                    (unsigned long long)h->n_bytes, (unsigned long long)n_left,
                                    (unsigned long long)(h->n_bytes - n_left));
    if (h->n_bytes == n_left) return MS_OK;
    return ms_broken(rules, err, "npy.trailing", MS_STR_NONE, (int64_t)(h->n_header + h->n_bytes),
                     "%llu bytes follow the array and belong to nothing", (unsigned long long)(n_left - h->n_bytes));
}

static ms_status open_into(npy_reader *r, const ms_broken_rules *rules, ms_err *err) {
    ms_npy_header h;
    ms_scratch scratch = {0};
    const ms_status status = read_header(&h, r, rules, &scratch, err);
    ms_scratch_free(&scratch);
    MS_TRY(status);
    MS_TRY(check_size(&h, r->base.source->size, rules, err));

    ms_str name = ms_files_name_of(ms_str_of(r->base.source->path));
    if (ms_str_ends_with(name, MS_STR(".npy"))) name.size -= 4;
    if (!ms_str_is_utf8(name, NULL)) name = MS_STR("array");
    MS_TRY(ms_npy_remark(&h, rules, name, err));
    r->tensor = (ms_stored){.name = name,
                            .dtype = h.dtype,
                            .dtype_name = h.descr,
                            .rank = h.rank,
                            .shape = h.shape,
                            .source = r->base.source,
                            .offset = h.n_header,
                            .n_bytes = h.n_bytes,
                            .column_major = h.column_major};
    r->base.header_bytes = h.n_header;
    return MS_OK;
}

static ms_status open_npy(ms_reader **out, ms_source *source, const ms_read_options *options, ms_notes *notes, ms_err *err) {
    npy_reader *const r = ms_mem_zalloc(sizeof *r);
    if (!r) return ms_err_memory(err, "a reader");
    r->base = (ms_reader){.format = &ms_npy_format, .source = source};
    const ms_broken_rules rules = {.path = source->path, .lenient = options->lenient, .notes = notes};
    return ms_reader_hand_over(out, &r->base, open_into(r, &rules, err), &r->tensor, 1, NULL, 0);
}

const ms_format ms_npy_format = {.name = "npy", .extension = ".npy", .probe = probe, .open = open_npy};
