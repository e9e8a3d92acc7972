/*
 * Parquet, by carquet 0.7.2: the one file that may include it. Every column is nullable, so that a reader needs no cases:
 *
 *   I64        optional int64                    F64    optional double (NaN is a value, null is null)
 *   BOOL       optional boolean                  STR    optional byte_array (STRING)
 *   I64_LIST   optional group LIST { repeated group list { optional int64 element } }
 *
 * Levels, as Parquet counts them. Flat column: definition 1 value, 0 null. List: 0 null, 1 empty, 2 an item that is null (we
 * write none), 3 an item; repetition 0 begins a row, 1 goes on with it. Values are packed: only those of the highest level.
 *
 * Row groups of 65536 rows, each column given to the library in one call; pages and their statistics are its business.
 */
#include "table_impl.h"

#ifndef MS_HAVE_PARQUET

static ms_status not_built(const char *path, ms_err *err) {
    return ms_err_set(err, MS_ERR_UNSUPPORTED, "%s: built without Parquet support; run tools/deps and build again, or use CSV",
                      ms_str_shown(ms_str_of(path)).text);
}

struct ms_parquet_writer {
    int none;
};

ms_status ms_parquet_open(ms_parquet_writer **out, const ms_table *table, const char *path, const char *compression,
                          ms_err *err) {
    (void)table, (void)compression;
    *out = NULL;
    return not_built(path, err);
}

ms_status ms_parquet_put(ms_parquet_writer *p, const ms_table *table, ms_err *err) {
    (void)p, (void)table;
    return not_built("", err);
}

ms_status ms_parquet_commit(ms_parquet_writer *p, ms_err *err) {
    (void)p;
    return not_built("", err);
}

void ms_parquet_abort(ms_parquet_writer *p) { (void)p; }

ms_status ms_table_from_parquet(ms_table **out, const char *path, const ms_column_spec *columns, size_t n_columns,
                                ms_column_wanted *wanted, ms_err *err) {
    (void)columns, (void)n_columns, (void)wanted;
    *out = NULL;
    return not_built(path, err);
}

#else

#include <carquet/carquet.h>
#include <errno.h>
#include <math.h>

#include "files.h"
#include "mem.h"
#include "vec.h"

enum { GROUP_ROWS = 65536, BATCH = 65536, LIST_DEPTH = 3, PAGE_BYTES = 1 << 15 };

static const char NO_MEMORY[] = "memory is short";
static const int64_t ONE_GROUP = (int64_t)1 << 40; /* row_group_size in bytes: only we begin row groups */

static ms_status status_of(carquet_status_t code) {
    switch (code) {
    case CARQUET_ERROR_OUT_OF_MEMORY: return MS_ERR_MEMORY;
    case CARQUET_ERROR_NOT_IMPLEMENTED:
    case CARQUET_ERROR_VERSION_NOT_SUPPORTED:
    case CARQUET_ERROR_UNSUPPORTED_CODEC: return MS_ERR_UNSUPPORTED;
    case CARQUET_ERROR_FILE_NOT_FOUND: return MS_ERR_NOT_FOUND;
    case CARQUET_ERROR_FILE_OPEN:
    case CARQUET_ERROR_FILE_READ:
    case CARQUET_ERROR_FILE_WRITE:
    case CARQUET_ERROR_FILE_SEEK: return MS_ERR_IO;
    default: return MS_ERR_DAMAGED;
    }
}

/* ---- writing ---- */

typedef struct writer {
    carquet_writer_t *file;
    int16_t *definition, *repetition; /* [capacity] levels of one column of one row group */
    void *values;                     /* [capacity] packed, of at most 16 bytes */
    size_t capacity;
} writer;

static bool find_codec(const char *name, carquet_compression_t *out) {
    static const struct {
        const char *name;
        carquet_compression_t codec;
    } codecs[] = {{"zstd", CARQUET_COMPRESSION_ZSTD},         {"snappy", CARQUET_COMPRESSION_SNAPPY},
                  {"gzip", CARQUET_COMPRESSION_GZIP},         {"lz4", CARQUET_COMPRESSION_LZ4_RAW},
                  {"none", CARQUET_COMPRESSION_UNCOMPRESSED}, {"", CARQUET_COMPRESSION_UNCOMPRESSED}};
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        if (!ms_str_equal_nocase(ms_str_of(name ? name : "zstd"), ms_str_of(codecs[i].name))) continue;
        *out = codecs[i].codec;
        return true;
    }
    return false;
}

static carquet_status_t add_column(carquet_schema_t *schema, const ms_column_spec *spec) {
    static const carquet_logical_type_t text = {.id = CARQUET_LOGICAL_STRING};
    carquet_physical_type_t type = CARQUET_PHYSICAL_INT64;
    switch (spec->type) {
    case MS_COLUMN_I64: break;
    case MS_COLUMN_F64: type = CARQUET_PHYSICAL_DOUBLE; break;
    case MS_COLUMN_BOOL: type = CARQUET_PHYSICAL_BOOLEAN; break;
    case MS_COLUMN_STR: type = CARQUET_PHYSICAL_BYTE_ARRAY; break;
    case MS_COLUMN_I64_LIST:
        return carquet_schema_add_list(schema, spec->name, type, NULL, CARQUET_REPETITION_OPTIONAL, 0, 0) < 0
                   ? CARQUET_ERROR_INVALID_SCHEMA
                   : CARQUET_OK;
    }
    return carquet_schema_add_column(schema, spec->name, type, spec->type == MS_COLUMN_STR ? &text : NULL,
                                     CARQUET_REPETITION_OPTIONAL, 0, 0);
}

static bool reserve_levels(writer *w, size_t n) {
    if (n <= w->capacity) return true;
    ms_mem_free(w->definition);
    ms_mem_free(w->repetition);
    ms_mem_free(w->values);
    w->definition = ms_mem_alloc_array(n, sizeof *w->definition);
    w->repetition = ms_mem_alloc_array(n, sizeof *w->repetition);
    w->values = ms_mem_alloc_array(n, 16);
    w->capacity = w->definition && w->repetition && w->values ? n : 0;
    return w->capacity > 0;
}

static carquet_status_t write_list(writer *w, int32_t leaf, const ms_table_cells *column, size_t from, size_t to) {
    size_t n = 0, n_values = 0;
    for (size_t row = from; row < to; row++) n += column->is_null[row] || column->list[row].n == 0 ? 1 : column->list[row].n;
    if (!reserve_levels(w, n)) return CARQUET_ERROR_OUT_OF_MEMORY;
    int64_t *const values = w->values;
    n = 0;
    for (size_t row = from; row < to; row++) {
        const bool is_null = column->is_null[row];
        const size_t n_items = is_null ? 0 : column->list[row].n;
        if (n_items == 0) {
            w->repetition[n] = 0;
            w->definition[n++] = is_null ? 0 : 1;
        }
        for (size_t i = 0; i < n_items; i++) {
            w->repetition[n] = i > 0;
            w->definition[n++] = LIST_DEPTH;
            values[n_values++] = column->list[row].items[i];
        }
    }
    return carquet_writer_write_batch(w->file, leaf, values, (int64_t)n, w->definition, w->repetition);
}

static carquet_status_t write_column(writer *w, int32_t leaf, const ms_table_cells *column, size_t from, size_t to) {
    if (column->spec.type == MS_COLUMN_I64_LIST) return write_list(w, leaf, column, from, to);
    if (!reserve_levels(w, to - from)) return CARQUET_ERROR_OUT_OF_MEMORY;
    size_t n = 0;
    for (size_t row = from; row < to; row++) {
        w->definition[row - from] = !column->is_null[row];
        if (column->is_null[row]) continue;
        switch (column->spec.type) {
        case MS_COLUMN_I64: ((int64_t *)w->values)[n++] = column->i64[row]; break;
        case MS_COLUMN_F64: ((double *)w->values)[n++] = column->f64[row]; break;
        case MS_COLUMN_BOOL: ((uint8_t *)w->values)[n++] = column->boolean[row]; break;
        case MS_COLUMN_STR: {
            const ms_str text = column->str[row];
            if (text.size > INT32_MAX) return CARQUET_ERROR_INVALID_ARGUMENT;
            ((carquet_byte_array_t *)w->values)[n++] = (carquet_byte_array_t){(uint8_t *)text.text, (int32_t)text.size};
            break;
        }
        case MS_COLUMN_I64_LIST: break;
        }
    }
    return carquet_writer_write_batch(w->file, leaf, w->values, (int64_t)(to - from), w->definition, NULL);
}

static carquet_status_t write_rows(writer *w, const ms_table *table) {
    for (size_t from = 0; from < table->n_rows; from += GROUP_ROWS) {
        const size_t to = table->n_rows - from < GROUP_ROWS ? table->n_rows : from + GROUP_ROWS;
        for (size_t c = 0; c < table->n_columns; c++) { /* each has one leaf, so leaf and column have the same number */
            const carquet_status_t code = write_column(w, (int32_t)c, &table->columns[c], from, to);
            if (code != CARQUET_OK) return code;
        }
        const carquet_status_t code = carquet_writer_new_row_group(w->file);
        if (code != CARQUET_OK) return code;
    }
    return CARQUET_OK;
}

/* ---- a file in the making ---- */

struct ms_parquet_writer {
    writer w;
    carquet_schema_t *schema;
    FILE *stream; /* the library writes to a stream of ours, so that every failing write is seen */
    ms_files_writer file;
};

/* MS_OK, or what went wrong; messages speak of the name that the file will have. */
static ms_status writing_error(const ms_parquet_writer *p, carquet_status_t code, ms_err *err) {
    if (p->stream && (ferror(p->stream) || code == CARQUET_ERROR_FILE_WRITE))
        return ms_files_error(err, errno ? errno : EIO, p->file.path, "write");
    MS_FAIL_IF(code != CARQUET_OK, status_of(code), err, "%s: cannot write Parquet: %s",
               ms_str_shown(ms_str_of(p->file.path)).text, carquet_status_string(code));
    return MS_OK;
}

static carquet_status_t begin_stream(ms_parquet_writer *p, const ms_table *table, carquet_compression_t codec) {
    p->schema = carquet_schema_create(NULL);
    carquet_status_t code = p->schema ? CARQUET_OK : CARQUET_ERROR_OUT_OF_MEMORY;
    for (size_t c = 0; c < table->n_columns && code == CARQUET_OK; c++) code = add_column(p->schema, &table->columns[c].spec);
    if (code != CARQUET_OK) return code;
    carquet_writer_options_t options;
    carquet_writer_options_init(&options);
    options.compression = codec;
    options.row_group_size = ONE_GROUP;
    options.page_size = PAGE_BYTES; /* the library keeps a page and its compressed form for every column */
    options.async_io = false;
    options.created_by = "moescope " MS_VERSION;
    carquet_error_t error = CARQUET_ERROR_INIT;
    p->w.file = carquet_writer_create_file(p->stream, p->schema, &options, &error);
    return p->w.file ? CARQUET_OK : error.code != CARQUET_OK ? error.code : CARQUET_ERROR_OUT_OF_MEMORY;
}

static ms_status begin_file(ms_parquet_writer *p, const ms_table *table, const char *path, carquet_compression_t codec,
                            ms_err *err) {
    MS_TRY(ms_files_writer_open(&p->file, path, err));
    p->stream = fopen(p->file.temporary, "wb");
    if (!p->stream) return ms_files_error(err, errno, path, "write");
    errno = 0;
    return writing_error(p, begin_stream(p, table, codec), err);
}

ms_status ms_parquet_open(ms_parquet_writer **out, const ms_table *table, const char *path, const char *compression,
                          ms_err *err) {
    carquet_compression_t codec;
    *out = NULL;
    MS_FAIL_IF(!find_codec(compression, &codec), MS_ERR_UNSUPPORTED, err,
               "unknown Parquet compression '%s': zstd, snappy, gzip, lz4 and none are there",
               ms_str_shown(ms_str_of(compression)).text);
    MS_FAIL_IF(table->n_columns == 0, MS_ERR_UNSUPPORTED, err, "a table without columns cannot be Parquet");
    ms_parquet_writer *const p = ms_mem_zalloc(sizeof *p);
    if (!p) return ms_err_memory(err, "a Parquet file");
    p->file.fd = -1;
    const ms_status status = begin_file(p, table, path, codec, err);
    if (status == MS_OK) *out = p;
    else ms_parquet_abort(p);
    return status;
}

ms_status ms_parquet_put(ms_parquet_writer *p, const ms_table *table, ms_err *err) {
    errno = 0;
    return writing_error(p, write_rows(&p->w, table), err);
}

ms_status ms_parquet_commit(ms_parquet_writer *p, ms_err *err) {
    errno = 0;
    const carquet_status_t code = carquet_writer_close(p->w.file);
    p->w.file = NULL;
    MS_TRY(writing_error(p, code, err));
    const bool failed = fclose(p->stream) != 0;
    p->stream = NULL;
    if (failed) return ms_files_error(err, errno ? errno : EIO, p->file.path, "write");
    return ms_files_writer_commit(&p->file, MS_FILES_NO_SYNC, err);
}

void ms_parquet_abort(ms_parquet_writer *p) {
    if (!p) return;
    if (p->w.file) carquet_writer_abort(p->w.file);
    if (p->stream) fclose(p->stream);
    carquet_schema_free(p->schema);
    ms_files_writer_abort(&p->file);
    ms_mem_free(p->w.definition);
    ms_mem_free(p->w.repetition);
    ms_mem_free(p->w.values);
    ms_mem_free(p);
}

/* ---- reading ---- */

/* One column of the file: what it is there, what it becomes here. */
typedef struct leaf {
    ms_column_spec spec; /* name borrowed from the reader */
    carquet_physical_type_t type;
    int32_t number; /* in the file */
    bool is_unsigned, is_void, is_list;
    int16_t most_definition; /* of a value that is there */
    int16_t list_definition; /* of an empty list; below it the list is null */
} leaf;

typedef struct reader {
    const char *path;
    carquet_reader_t *file;
    const carquet_schema_t *schema;
    ms_column_wanted *wanted; /* NULL: all */
    leaf *leaves;             /* [n_leaves] the columns to read, in the arena */
    int32_t n_leaves;
    int16_t *definition, *repetition; /* [BATCH] */
    void *values;                     /* [BATCH] of at most 16 bytes */
    ms_arena arena;
} reader;

static ms_status library_error(const reader *r, const carquet_error_t *error, ms_err *err) {
    return ms_err_set(err, status_of(error->code), "%s: %s: %s", ms_str_shown(ms_str_of(r->path)).text,
                      carquet_status_string(error->code), ms_str_shown(ms_str_of(error->message)).text);
}

static ms_status column_error(const reader *r, const leaf *l, ms_status status, const char *what, ms_err *err) {
    return ms_err_set(err, status, "%s: column '%s': %s", ms_str_shown(ms_str_of(r->path)).text,
                      ms_str_shown(ms_str_of(l->spec.name)).text, what);
}

/* The schema's node of leaf number n; NULL when there is none. */
static const carquet_schema_node_t *leaf_node(const carquet_schema_t *schema, int32_t n) {
    for (int32_t i = 0; i < carquet_schema_num_elements(schema); i++) {
        const carquet_schema_node_t *const node = carquet_schema_get_element(schema, i);
        if (node && carquet_schema_node_is_leaf(node) && n-- == 0) return node;
    }
    return NULL;
}

/* Sets spec.type from the physical and the logical type; false when we have nothing like it. */
static bool find_type(leaf *l, const carquet_logical_type_t *logical) {
    const carquet_logical_type_id_t id = logical ? logical->id : CARQUET_LOGICAL_UNKNOWN;
    l->is_void = id == CARQUET_LOGICAL_NULL;
    switch (l->type) {
    case CARQUET_PHYSICAL_BOOLEAN: l->spec.type = MS_COLUMN_BOOL; return id == CARQUET_LOGICAL_UNKNOWN;
    case CARQUET_PHYSICAL_INT32:
    case CARQUET_PHYSICAL_INT64:
        l->spec.type = l->is_void ? MS_COLUMN_F64 : MS_COLUMN_I64;
        l->is_unsigned = id == CARQUET_LOGICAL_INTEGER && !logical->params.integer.is_signed;
        return id == CARQUET_LOGICAL_UNKNOWN || id == CARQUET_LOGICAL_INTEGER || l->is_void;
    case CARQUET_PHYSICAL_FLOAT:
    case CARQUET_PHYSICAL_DOUBLE: l->spec.type = MS_COLUMN_F64; return id == CARQUET_LOGICAL_UNKNOWN;
    case CARQUET_PHYSICAL_BYTE_ARRAY:
        l->spec.type = MS_COLUMN_STR;
        return id == CARQUET_LOGICAL_UNKNOWN || id == CARQUET_LOGICAL_STRING || id == CARQUET_LOGICAL_ENUM ||
               id == CARQUET_LOGICAL_JSON;
    default: return false;
    }
}

static ms_status open_leaf(const reader *r, int32_t n, leaf *l, ms_err *err) {
    const char *path[LIST_DEPTH + 1];
    const int32_t depth = carquet_schema_column_path(r->schema, n, path, LIST_DEPTH + 1);
    const carquet_schema_node_t *const node = leaf_node(r->schema, n);
    MS_FAIL_IF(depth < 1 || !node, MS_ERR_DAMAGED, err, "%s: column %d has no name", ms_str_shown(ms_str_of(r->path)).text, n);
    *l =
        (leaf){.spec = {.name = path[0], .unit = "", .help = ""}, .number = n, .type = carquet_schema_node_physical_type(node)};
    const int16_t repetition = carquet_schema_max_rep_level(r->schema, n);
    l->most_definition = carquet_schema_max_def_level(r->schema, n);
    const bool known = find_type(l, carquet_schema_node_logical_type(node));
    if (depth == 1 && repetition == 0 && l->most_definition <= 1 && known) return MS_OK;
    l->is_list = depth == LIST_DEPTH && repetition == 1 && l->most_definition >= 1 && known && l->spec.type == MS_COLUMN_I64;
    if (!l->is_list)
        return column_error(r, l, MS_ERR_UNSUPPORTED, "neither integers, numbers, booleans, text nor lists of integers", err);
    const bool has_null_items = carquet_schema_node_repetition(node) == CARQUET_REPETITION_OPTIONAL;
    l->list_definition = (int16_t)(l->most_definition - 1 - has_null_items);
    l->spec.type = MS_COLUMN_I64_LIST;
    return MS_OK;
}

/* The type that the caller wants, where the file's values can be turned into it. */
static ms_status adopt_given(const reader *r, leaf *l, const ms_column_spec *given, size_t n_given, ms_err *err) {
    for (size_t i = 0; i < n_given; i++) {
        if (strcmp(given[i].name, l->spec.name) != 0) continue;
        const bool number = l->spec.type == MS_COLUMN_I64 || l->spec.type == MS_COLUMN_F64;
        const bool wants_number = given[i].type == MS_COLUMN_I64 || given[i].type == MS_COLUMN_F64;
        const bool fits = l->is_void || given[i].type == l->spec.type || (number && wants_number);
        MS_FAIL_IF(!fits, MS_ERR_DAMAGED, err, "%s: column '%s' holds %s, expected %s", ms_str_shown(ms_str_of(r->path)).text,
                   ms_str_shown(ms_str_of(l->spec.name)).text, ms_column_type_name(l->spec.type),
                   ms_column_type_name(given[i].type));
        l->spec = given[i];
    }
    return MS_OK;
}

static ms_status open_schema(reader *r, const ms_column_spec *given, size_t n_given, ms_err *err) {
    r->schema = carquet_reader_schema(r->file);
    const int32_t n_all = carquet_reader_num_columns(r->file);
    MS_FAIL_IF(!r->schema || n_all < 1 || n_all > 4096, MS_ERR_UNSUPPORTED, err, "%s: %d columns, 1 to 4096 expected",
               ms_str_shown(ms_str_of(r->path)).text, n_all);
    r->leaves = ms_arena_zalloc(&r->arena, (size_t)n_all * sizeof *r->leaves);
    r->definition = ms_arena_alloc_array(&r->arena, BATCH, sizeof *r->definition);
    r->repetition = ms_arena_alloc_array(&r->arena, BATCH, sizeof *r->repetition);
    r->values = ms_arena_alloc_array(&r->arena, BATCH, 16);
    if (!r->leaves || !r->definition || !r->repetition || !r->values) return ms_err_memory(err, "a Parquet table");
    for (int32_t n = 0; n < n_all; n++) {
        leaf *const l = &r->leaves[r->n_leaves];
        MS_TRY(open_leaf(r, n, l, err));
        MS_TRY(adopt_given(r, l, given, n_given, err));
        r->n_leaves += !r->wanted || r->wanted(l->spec.name);
    }
    return MS_OK;
}

static bool integer_at(const reader *r, const leaf *l, size_t i, int64_t *out) {
    if (l->type == CARQUET_PHYSICAL_INT64) {
        *out = ((const int64_t *)r->values)[i];
        return !l->is_unsigned || *out >= 0;
    }
    const int32_t value = ((const int32_t *)r->values)[i];
    *out = l->is_unsigned ? (int64_t)(uint32_t)value : value;
    return true;
}

/* The i-th packed value as a cell; NULL when it went well, else what is wrong with it. */
static const char *put_value(reader *r, const leaf *l, size_t i, ms_table *table, ms_table_cells *column, size_t row) {
    const bool is_integer = l->type == CARQUET_PHYSICAL_INT64 || l->type == CARQUET_PHYSICAL_INT32;
    int64_t integer = 0;
    double number = 0;
    if (is_integer && !integer_at(r, l, i, &integer)) return "an integer of 2^63 or more";
    if (l->type == CARQUET_PHYSICAL_DOUBLE) number = ((const double *)r->values)[i];
    if (l->type == CARQUET_PHYSICAL_FLOAT) number = (double)((const float *)r->values)[i];
    column->is_null[row] = 0;
    switch (l->spec.type) {
    case MS_COLUMN_F64: column->f64[row] = is_integer ? (double)integer : number; break;
    case MS_COLUMN_BOOL: column->boolean[row] = ((const uint8_t *)r->values)[i] != 0; break;
    case MS_COLUMN_I64: /* pandas keeps integers with nulls as f64: 1.0, NaN */
        column->is_null[row] = !is_integer && isnan(number);
        if (column->is_null[row]) break;
        if (!is_integer && (number != floor(number) || fabs(number) > 0x1p53)) return "a number that is no integer";
        column->i64[row] = is_integer ? integer : (int64_t)number;
        break;
    case MS_COLUMN_STR: {
        const carquet_byte_array_t bytes = ((const carquet_byte_array_t *)r->values)[i];
        const ms_str text = {(const char *)bytes.data, bytes.length > 0 ? (size_t)bytes.length : 0};
        if (!ms_str_is_utf8(text, NULL)) return "text that is not UTF-8";
        const bool repeats = row > 0 && !column->is_null[row - 1] && ms_str_equal(column->str[row - 1], text);
        column->str[row] = repeats ? column->str[row - 1] : ms_table_keep_text(table, text);
        if (!column->str[row].text) return NO_MEMORY;
        break;
    }
    case MS_COLUMN_I64_LIST: break;
    }
    return NULL;
}

/* n levels of a flat column into rows from `row` on. */
static const char *put_flat(reader *r, const leaf *l, size_t n, ms_table *table, ms_table_cells *column, size_t row) {
    size_t n_values = 0;
    for (size_t i = 0; i < n; i++) {
        if (l->most_definition > 0 && r->definition[i] < l->most_definition) continue; /* null */
        if (l->is_void) continue;
        const char *const wrong = put_value(r, l, n_values++, table, column, row + i);
        if (wrong) return wrong;
    }
    return NULL;
}

/* The lists of one column of one row group: items are gathered, then given to their rows. */
typedef struct lists {
    MS_VEC(int64_t) items;
    size_t row, end; /* the next row, and the one behind the row group */
    size_t first;    /* item of the list in the making */
    bool is_open, is_null;
} lists;

static const char *close_list(lists *all, ms_table *table, ms_table_cells *column) {
    if (!all->is_open) return NULL;
    if (all->row == all->end) return "more rows than the row group has";
    all->is_open = false;
    const size_t n = all->items.n;
    int64_t *const kept = all->is_null ? NULL : ms_arena_alloc_array(&table->arena, n, sizeof *kept);
    if (!all->is_null) {
        if (!kept) return NO_MEMORY;
        if (n) memcpy(kept, all->items.items, n * sizeof *kept);
        column->list[all->row] = (ms_list_cell){kept, n};
        column->is_null[all->row] = 0;
    }
    all->items.n = 0;
    all->row++;
    return NULL;
}

static const char *put_lists(reader *r, const leaf *l, size_t n, ms_table *table, ms_table_cells *column, lists *all) {
    size_t n_values = 0;
    for (size_t i = 0; i < n; i++) {
        if (r->repetition[i] == 0) {
            const char *const wrong = close_list(all, table, column);
            if (wrong) return wrong;
            all->is_open = true;
            all->is_null = r->definition[i] < l->list_definition;
        }
        if (!all->is_open) return "a list that begins in the middle";
        if (r->definition[i] <= l->list_definition) continue; /* null or empty */
        int64_t item;
        if (r->definition[i] < l->most_definition) return "a null inside a list";
        if (!integer_at(r, l, n_values++, &item)) return "an integer of 2^63 or more";
        if (!MS_VEC_PUSH(&all->items, item)) return NO_MEMORY;
    }
    return NULL;
}

/* One column of one row group into the rows [table->n_rows, + n_rows), which are reserved and null. */
static ms_status read_chunk(reader *r, int32_t group, int32_t n, size_t n_rows, ms_table *table, ms_err *err) {
    const leaf *const l = &r->leaves[n];
    carquet_error_t error = CARQUET_ERROR_INIT;
    carquet_column_reader_t *const chunk = carquet_reader_get_column(r->file, group, l->number, &error);
    if (!chunk) return library_error(r, &error, err);
    lists all = {.row = table->n_rows, .end = table->n_rows + n_rows};
    size_t row = table->n_rows;
    const char *wrong = NULL;
    while (!wrong) {
        const int64_t got = carquet_column_read_batch_ex(chunk, r->values, BATCH, r->definition, r->repetition, &error);
        if (got <= 0 || error.code != CARQUET_OK) break;
        if (l->is_list) {
            wrong = put_lists(r, l, (size_t)got, table, &table->columns[n], &all);
        } else if ((size_t)got > table->n_rows + n_rows - row) {
            wrong = "more rows than the row group has";
        } else {
            wrong = put_flat(r, l, (size_t)got, table, &table->columns[n], row);
            row += (size_t)got;
        }
    }
    if (!wrong && error.code == CARQUET_OK) wrong = close_list(&all, table, &table->columns[n]);
    const size_t end = l->is_list ? all.row : row;
    if (!wrong && error.code == CARQUET_OK && end != table->n_rows + n_rows) wrong = "fewer rows than the row group has";
    carquet_column_reader_free(chunk);
    MS_VEC_FREE(&all.items);
    if (error.code != CARQUET_OK)
        return ms_err_within(err, library_error(r, &error, err), "column '%s'", ms_str_shown(ms_str_of(l->spec.name)).text);
    return wrong ? column_error(r, l, wrong == NO_MEMORY ? MS_ERR_MEMORY : MS_ERR_DAMAGED, wrong, err) : MS_OK;
}

/* Of a row group; all of them together are no more than can be. */
static ms_status rows_of(const reader *r, int32_t group, size_t n_before, size_t *out, ms_err *err) {
    enum { MOST_ROWS = 1 << 27 };
    carquet_row_group_metadata_t info;
    const bool known = carquet_reader_row_group_metadata(r->file, group, &info) == CARQUET_OK;
    MS_FAIL_IF(!known || info.num_rows < 0 || info.num_rows > MOST_ROWS - (int64_t)n_before, MS_ERR_DAMAGED, err,
               "%s: row group %d: a number of rows that cannot be (at most %d)", ms_str_shown(ms_str_of(r->path)).text, group,
               MOST_ROWS);
    *out = (size_t)info.num_rows;
    return MS_OK;
}

static ms_status read_groups(reader *r, ms_table *table, ms_err *err) {
    const int32_t n_groups = carquet_reader_num_row_groups(r->file);
    size_t n_all = 0, n_rows;
    for (int32_t group = 0; group < n_groups; group++, n_all += n_rows) MS_TRY(rows_of(r, group, n_all, &n_rows, err));
    if (!ms_table_reserve(table, n_all)) return ms_err_memory(err, "a Parquet table"); /* at once: growing takes it twice */
    for (int32_t group = 0; group < n_groups; group++) {
        MS_TRY(rows_of(r, group, table->n_rows, &n_rows, err));
        for (int32_t n = 0; n < r->n_leaves; n++) MS_TRY(read_chunk(r, group, n, n_rows, table, err));
        table->n_rows += n_rows;
    }
    return MS_OK;
}

static ms_status read_table(reader *r, ms_table **out, const ms_column_spec *given, size_t n_given, ms_err *err) {
    carquet_reader_options_t options;
    carquet_reader_options_init(&options);
    options.num_threads = 1;
    carquet_error_t error = CARQUET_ERROR_INIT;
    r->file = carquet_reader_open(r->path, &options, &error);
    if (!r->file) return library_error(r, &error, err);
    MS_TRY(open_schema(r, given, n_given, err));
    ms_column_spec *const specs = ms_arena_alloc_array(&r->arena, (size_t)r->n_leaves, sizeof *specs);
    if (!specs) return ms_err_memory(err, "a Parquet table");
    for (int32_t n = 0; n < r->n_leaves; n++) specs[n] = r->leaves[n].spec;
    MS_TRY(ms_table_create(out, specs, (size_t)r->n_leaves, err));
    return read_groups(r, *out, err);
}

ms_status ms_table_from_parquet(ms_table **out, const char *path, const ms_column_spec *columns, size_t n_columns,
                                ms_column_wanted *wanted, ms_err *err) {
    *out = NULL;
    reader r = {.path = path, .wanted = wanted};
    const ms_status status = read_table(&r, out, columns, n_columns, err);
    if (status != MS_OK) {
        ms_table_destroy(*out);
        *out = NULL;
    }
    if (r.file) carquet_reader_close(r.file);
    ms_arena_free(&r.arena);
    return status;
}

#endif
