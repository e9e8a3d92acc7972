/*
 * CSV as pandas writes it (to_csv(index=False)), read back by csv_read.c:
 *
 *   line     fields by commas, LF; the first line names the columns, always
 *   field    quoted when it holds a comma, a quote, CR or LF; quotes inside are doubled. An empty field that is alone on its
 *            line is quoted too, since an empty line would be skipped; so is a first name that begins with a byte order mark
 *   number   integers as such; f64 as the shortest text that reads back (Python's repr), inf, -inf
 *   boolean  True, False
 *   list     as Python prints a tuple: (), (2,), (2, 3)
 *   null     empty; NaN too, and empty text cannot be told from null
 *
 * One difference, by choice: pandas turns integers into floats ("1.0") as soon as one of them is null. Here they stay
 * integers, so that a column's text does not depend on its neighbours.
 */
#include <math.h>

#include "buf.h"
#include "table_impl.h"

/* quoted: whatever it holds. */
static void put_field(ms_buf *out, ms_str text, bool quoted) {
    bool plain = !quoted;
    for (size_t i = 0; i < text.size && plain; i++)
        plain = text.text[i] != ',' && text.text[i] != '"' && text.text[i] != '\n' && text.text[i] != '\r';
    if (plain) {
        ms_buf_put_str(out, text);
        return;
    }
    ms_buf_put_char(out, '"');
    ms_str rest = text;
    while (rest.size) {
        const char *const quote = memchr(rest.text, '"', rest.size);
        const size_t n = quote ? (size_t)(quote - rest.text) + 1 : rest.size;
        ms_buf_put(out, rest.text, n);
        if (quote) ms_buf_put_char(out, '"');
        rest = ms_str_sub(rest, n, rest.size);
    }
    ms_buf_put_char(out, '"');
}

static void put_i64(ms_buf *out, int64_t value) {
    char digits[24];
    size_t at = sizeof digits;
    uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do digits[--at] = (char)('0' + left % 10), left /= 10;
    while (left);
    if (value < 0) digits[--at] = '-';
    ms_buf_put(out, digits + at, sizeof digits - at);
}

static void put_tuple(ms_buf *out, const ms_list_cell *list) {
    ms_buf_put_text(out, list->n > 0 ? "\"(" : "("); /* one or more items: a comma, so it is quoted */
    for (size_t i = 0; i < list->n; i++) {
        if (i > 0) ms_buf_put_text(out, ", ");
        put_i64(out, list->items[i]);
    }
    ms_buf_put_text(out, list->n == 0 ? ")" : list->n == 1 ? ",)\"" : ")\"");
}

static void put_cell(ms_buf *out, const ms_table_cells *column, size_t row, bool alone) {
    const bool empty = column->is_null[row] || (column->spec.type == MS_COLUMN_F64 && isnan(column->f64[row]));
    if (empty) {
        put_field(out, MS_STR(""), alone);
        return;
    }
    switch (column->spec.type) {
    case MS_COLUMN_I64: put_i64(out, column->i64[row]); break;
    case MS_COLUMN_F64: ms_buf_put_f64(out, column->f64[row]); break;
    case MS_COLUMN_BOOL: ms_buf_put_text(out, column->boolean[row] ? "True" : "False"); break;
    case MS_COLUMN_STR: put_field(out, column->str[row], alone && column->str[row].size == 0); break;
    case MS_COLUMN_I64_LIST: put_tuple(out, &column->list[row]); break;
    }
}

void ms_csv_put_header(const ms_table *table, ms_buf *out) {
    for (size_t c = 0; c < table->n_columns; c++) {
        if (c > 0) ms_buf_put_char(out, ',');
        const ms_str name = ms_str_of(table->columns[c].spec.name);
        const bool alone_and_empty = table->n_columns == 1 && name.size == 0;
        put_field(out, name, alone_and_empty || (c == 0 && ms_str_starts_with(name, MS_STR("\xEF\xBB\xBF"))));
    }
    ms_buf_put_char(out, '\n');
}

void ms_csv_put_rows(const ms_table *table, size_t from, size_t to, ms_buf *out) {
    if (table->n_columns == 0) return;
    for (size_t row = from; row < to; row++) {
        for (size_t c = 0; c < table->n_columns; c++) {
            if (c > 0) ms_buf_put_char(out, ',');
            put_cell(out, &table->columns[c], row, table->n_columns == 1);
        }
        ms_buf_put_char(out, '\n');
    }
}

ms_status ms_table_to_csv(const ms_table *table, ms_buf *out, ms_err *err) {
    ms_csv_put_header(table, out);
    ms_csv_put_rows(table, 0, table->n_rows, out);
    return out->failed ? ms_err_memory(err, "a table as CSV") : MS_OK;
}
