/* Building a table and reading its cells; the layout is in table_impl.h. */
#include "table.h"

#include <assert.h>
#include <math.h>

#include "mem.h"
#include "table_impl.h"

static size_t cell_size(ms_column_type type) {
    switch (type) {
    case MS_COLUMN_I64: return sizeof(int64_t);
    case MS_COLUMN_F64: return sizeof(double);
    case MS_COLUMN_BOOL: return sizeof(uint8_t);
    case MS_COLUMN_STR: return sizeof(ms_str);
    case MS_COLUMN_I64_LIST: return sizeof(ms_list_cell);
    }
    return 0;
}

const char *ms_column_type_name(ms_column_type type) {
    static const char *const names[] = {"integers", "numbers", "True/False", "text", "lists of integers"};
    return names[type];
}

/* ---- texts ---- */

/* Broken sequences become U+FFFD, one for each byte that starts none. */
static ms_str mend_utf8(ms_arena *arena, ms_str text) {
    char *const mended = ms_arena_alloc_array(arena, text.size + 1, 3);
    if (!mended) return MS_STR_NONE;
    size_t n = 0, at = 0;
    while (at < text.size) {
        size_t good = 0;
        const ms_str rest = ms_str_sub(text, at, text.size);
        if (ms_str_is_utf8(rest, &good)) good = rest.size;
        memcpy(mended + n, rest.text, good);
        n += good, at += good;
        if (at == text.size) break;
        memcpy(mended + n, "\xEF\xBF\xBD", 3);
        n += 3, at += 1;
    }
    mended[n] = 0;
    return (ms_str){mended, n};
}

static ms_str keep_text(ms_arena *arena, ms_str text) {
    if (text.size == 0) return MS_STR("");
    return ms_str_is_utf8(text, NULL) ? ms_arena_copy(arena, text) : mend_utf8(arena, text);
}

ms_str ms_table_keep_text(ms_table *table, ms_str text) { return keep_text(&table->arena, text); }

/* ---- life ---- */

ms_status ms_table_create(ms_table **out, const ms_column_spec *columns, size_t n_columns, ms_err *err) {
    *out = NULL;
    ms_table *const table = ms_mem_zalloc(sizeof *table);
    if (!table) return ms_err_memory(err, "a table");
    table->columns = ms_mem_zalloc_array(n_columns, sizeof *table->columns);
    bool failed = !table->columns;
    for (size_t c = 0; c < n_columns && !failed; c++) {
        const ms_column_spec *const spec = &columns[c];
        table->columns[c].spec = (ms_column_spec){
            .name = keep_text(&table->names, ms_str_of(spec->name)).text,
            .type = spec->type,
            .unit = keep_text(&table->names, ms_str_of(spec->unit)).text,
            .help = keep_text(&table->names, ms_str_of(spec->help)).text,
        };
        const ms_column_spec *const kept = &table->columns[c].spec;
        failed = !kept->name || !kept->unit || !kept->help;
        table->n_columns++;
    }
    if (failed) {
        ms_table_destroy(table);
        return ms_err_memory(err, "the columns of a table");
    }
    *out = table;
    return MS_OK;
}

void ms_table_destroy(ms_table *table) {
    if (!table) return;
    for (size_t c = 0; c < table->n_columns; c++) {
        ms_mem_free(table->columns[c].is_null);
        ms_mem_free(table->columns[c].cells);
    }
    ms_mem_free(table->columns);
    ms_arena_free(&table->arena);
    ms_arena_free(&table->names);
    ms_mem_free(table);
}

void ms_table_clear(ms_table *table) {
    for (size_t c = 0; c < table->n_columns && table->capacity > 0; c++)
        memset(table->columns[c].is_null, 1, table->n_rows < table->capacity ? table->n_rows + 1 : table->n_rows);
    table->n_rows = 0;
    ms_arena_free(&table->arena);
}

/* ---- room ---- */

static bool grow_column(ms_table_cells *column, size_t n_old, size_t n_new) {
    uint8_t *const marks = ms_mem_grow_array(column->is_null, n_old, n_new, 1);
    if (!marks) return false;
    memset(marks + n_old, 1, n_new - n_old);
    column->is_null = marks;
    void *const cells = ms_mem_grow_array(column->cells, n_old, n_new, cell_size(column->spec.type));
    if (!cells) return false;
    column->cells = cells;
    return true;
}

bool ms_table_reserve(ms_table *table, size_t n_more) {
    if (n_more <= table->capacity - table->n_rows) return true;
    if (n_more > SIZE_MAX / 64 - table->n_rows) return false;
    size_t wanted = table->capacity + table->capacity / 2 + 16;
    if (wanted < table->n_rows + n_more) wanted = table->n_rows + n_more;
    for (size_t c = 0; c < table->n_columns; c++) /* after a failure some columns are larger than said, which does no harm */
        if (!grow_column(&table->columns[c], table->capacity, wanted)) return false;
    table->capacity = wanted;
    return true;
}

void ms_table_make_whole(ms_table *table, size_t column) {
    ms_table_cells *const cells = &table->columns[column];
    assert(cells->spec.type == MS_COLUMN_F64);
    for (size_t row = 0; row < table->n_rows; row++) {
        const double value = cells->f64[row];
        const bool fits = !cells->is_null[row] && value >= -9e15 && value <= 9e15; /* NaN does not */
        cells->is_null[row] = !fits;
        if (!fits) continue;
        const int64_t whole = (int64_t)value;
        memcpy((char *)cells->cells + row * sizeof whole, &whole, sizeof whole); /* the cell is read as a double until here */
    }
    cells->spec.type = MS_COLUMN_I64;
}

/* ---- the row in the making ---- */

/* The column, with room for one more cell; NULL (and the row failed) when memory is short. */
static ms_table_cells *cell_at(ms_table *table, size_t column, ms_column_type type) {
    assert(column < table->n_columns && table->columns[column].spec.type == type);
    (void)type;
    if (ms_table_reserve(table, 1)) return &table->columns[column];
    table->failed = true;
    return NULL;
}

void ms_table_i64(ms_table *table, size_t column, int64_t value) {
    ms_table_cells *const cells = cell_at(table, column, MS_COLUMN_I64);
    if (!cells) return;
    cells->i64[table->n_rows] = value;
    cells->is_null[table->n_rows] = 0;
}

void ms_table_f64(ms_table *table, size_t column, double value) {
    ms_table_cells *const cells = cell_at(table, column, MS_COLUMN_F64);
    if (!cells) return;
    cells->f64[table->n_rows] = value;
    cells->is_null[table->n_rows] = 0;
}

void ms_table_bool(ms_table *table, size_t column, bool value) {
    ms_table_cells *const cells = cell_at(table, column, MS_COLUMN_BOOL);
    if (!cells) return;
    cells->boolean[table->n_rows] = value;
    cells->is_null[table->n_rows] = 0;
}

void ms_table_str(ms_table *table, size_t column, ms_str value) {
    ms_table_cells *const cells = cell_at(table, column, MS_COLUMN_STR);
    if (!cells) return;
    const size_t row = table->n_rows;
    ms_str kept = MS_STR_NONE; /* neighbours are often equal (file names): one copy serves both */
    if (row > 0 && !cells->is_null[row - 1] && ms_str_equal(cells->str[row - 1], value)) kept = cells->str[row - 1];
    if (!kept.text) kept = ms_table_keep_text(table, value);
    if (!kept.text) {
        table->failed = true;
        return;
    }
    cells->str[row] = kept;
    cells->is_null[row] = 0;
}

void ms_table_list(ms_table *table, size_t column, const int64_t *items, size_t n) {
    ms_table_cells *const cells = cell_at(table, column, MS_COLUMN_I64_LIST);
    if (!cells) return;
    int64_t *const kept = ms_arena_alloc_array(&table->arena, n, sizeof *kept);
    if (!kept) {
        table->failed = true;
        return;
    }
    if (n) memcpy(kept, items, n * sizeof *kept);
    cells->list[table->n_rows] = (ms_list_cell){kept, n};
    cells->is_null[table->n_rows] = 0;
}

ms_status ms_table_end_row(ms_table *table, ms_err *err) {
    if (!ms_table_reserve(table, 1)) table->failed = true;
    if (!table->failed) {
        table->n_rows++;
        return MS_OK;
    }
    table->failed = false;
    if (table->capacity > table->n_rows)
        for (size_t c = 0; c < table->n_columns; c++) table->columns[c].is_null[table->n_rows] = 1;
    return ms_err_memory(err, "a row of a table");
}

/* ---- reading ---- */

size_t ms_table_n_columns(const ms_table *table) { return table->n_columns; }

size_t ms_table_n_rows(const ms_table *table) { return table->n_rows; }

const ms_column_spec *ms_table_column(const ms_table *table, size_t column) { return &table->columns[column].spec; }

int64_t ms_table_find(const ms_table *table, const char *name) {
    for (size_t c = 0; c < table->n_columns; c++)
        if (strcmp(table->columns[c].spec.name, name) == 0) return (int64_t)c;
    return -1;
}

bool ms_table_is_null(const ms_table *table, size_t row, size_t column) {
    assert(row < table->n_rows && column < table->n_columns);
    return table->columns[column].is_null[row];
}

/* The column when it has that type and the cell is no null, else NULL. */
static const ms_table_cells *cells_with(const ms_table *table, size_t row, size_t column, ms_column_type type) {
    assert(table->columns[column].spec.type == type);
    (void)type;
    return ms_table_is_null(table, row, column) ? NULL : &table->columns[column];
}

int64_t ms_table_get_i64(const ms_table *table, size_t row, size_t column) {
    const ms_table_cells *const cells = cells_with(table, row, column, MS_COLUMN_I64);
    return cells ? cells->i64[row] : 0;
}

double ms_table_get_f64(const ms_table *table, size_t row, size_t column) {
    if (ms_table_is_null(table, row, column)) return NAN;
    if (table->columns[column].spec.type == MS_COLUMN_I64) return (double)table->columns[column].i64[row];
    return cells_with(table, row, column, MS_COLUMN_F64)->f64[row];
}

bool ms_table_get_bool(const ms_table *table, size_t row, size_t column) {
    const ms_table_cells *const cells = cells_with(table, row, column, MS_COLUMN_BOOL);
    return cells && cells->boolean[row];
}

ms_str ms_table_get_str(const ms_table *table, size_t row, size_t column) {
    const ms_table_cells *const cells = cells_with(table, row, column, MS_COLUMN_STR);
    return cells ? cells->str[row] : MS_STR("");
}

size_t ms_table_get_list(const ms_table *table, size_t row, size_t column, const int64_t **items) {
    const ms_table_cells *const cells = cells_with(table, row, column, MS_COLUMN_I64_LIST);
    *items = cells ? cells->list[row].items : NULL;
    return cells ? cells->list[row].n : 0;
}
