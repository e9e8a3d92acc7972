#include "terminal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "mem.h"
#include "table_impl.h"

enum { GAP = 2, LEAST_TEXT = 12, CELL = 320 }; /* blanks between columns; text columns shrink to that; bytes of a cell */

/* ---- cells as text ---- */

void ms_terminal_number(double value, char text[static 32]) {
    if (!isfinite(value) || value == 0) {
        snprintf(text, 32, "%s", isnan(value) ? "nan" : value == 0 ? "0" : value < 0 ? "-inf" : "inf");
        return;
    }
    snprintf(text, 32, "%.3e", value);
    const int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10); /* after rounding to four digits */
    if (exponent < -4 || exponent > 6) return;
    snprintf(text, 32, "%.*f", exponent < 3 ? 3 - exponent : 0, value);
}

static void tuple_text(const ms_list_cell *list, char text[static CELL]) {
    size_t n = (size_t)snprintf(text, CELL, "(");
    for (size_t i = 0; i < list->n && n < CELL - 64; i++)
        n += (size_t)snprintf(text + n, CELL - n, i > 0 ? ", %lld" : "%lld", (long long)list->items[i]);
    snprintf(text + n, CELL - n, n >= CELL - 64 ? ", ...)" : list->n == 1 ? ",)" : ")");
}

static void cell_text(const ms_table_cells *column, size_t row, char text[static CELL]) {
    if (column->is_null[row]) {
        snprintf(text, CELL, "-");
        return;
    }
    switch (column->spec.type) {
    case MS_COLUMN_I64: snprintf(text, CELL, "%lld", (long long)column->i64[row]); break;
    case MS_COLUMN_F64: ms_terminal_number(column->f64[row], text); break;
    case MS_COLUMN_BOOL: snprintf(text, CELL, "%s", column->boolean[row] ? "yes" : "no"); break;
    case MS_COLUMN_STR: snprintf(text, CELL, "%s", ms_str_shown(column->str[row]).text); break;
    case MS_COLUMN_I64_LIST: tuple_text(&column->list[row], text); break;
    }
}

static void header_text(const ms_table_cells *column, char text[static CELL]) {
    const ms_shown name = ms_str_shown(ms_str_of(column->spec.name));
    if (column->spec.unit[0]) snprintf(text, CELL, "%s (%s)", name.text, ms_str_shown(ms_str_of(column->spec.unit)).text);
    else snprintf(text, CELL, "%s", name.text);
}

static bool is_right(const ms_table_cells *column) {
    return column->spec.type == MS_COLUMN_I64 || column->spec.type == MS_COLUMN_F64;
}

/* ---- widths ---- */

static uint32_t next_code(ms_str text, size_t *at) {
    const unsigned char *const p = (const unsigned char *)text.text + *at;
    const size_t n = p[0] < 0x80 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (n > text.size - *at) return *at = text.size, 0xFFFD; /* cannot be: it is well-formed */
    uint32_t code = n == 1 ? p[0] : p[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) code = code << 6 | (p[i] & 0x3Fu);
    *at += n;
    return code;
}

/* Unicode's East Asian Wide blocks and emoji; combining marks and variation selectors. Near enough for a column of text. */
static size_t code_width(uint32_t code) {
    static const struct {
        uint32_t first, last;
        size_t width;
    } ranges[] = {{0x0300, 0x036F, 0},   {0x0483, 0x0489, 0},   {0x0591, 0x05BD, 0},   {0x0610, 0x061A, 0},
                  {0x064B, 0x065F, 0},   {0x1100, 0x115F, 2},   {0x1AB0, 0x1AFF, 0},   {0x1DC0, 0x1DFF, 0},
                  {0x20D0, 0x20FF, 0},   {0x2E80, 0x303E, 2},   {0x3041, 0x4DBF, 2},   {0x4E00, 0xA4CF, 2},
                  {0xA960, 0xA97F, 2},   {0xAC00, 0xD7A3, 2},   {0xF900, 0xFAFF, 2},   {0xFE00, 0xFE0F, 0},
                  {0xFE20, 0xFE2F, 0},   {0xFE30, 0xFE6F, 2},   {0xFF00, 0xFF60, 2},   {0xFFE0, 0xFFE6, 2},
                  {0x1F300, 0x1F64F, 2}, {0x1F680, 0x1F6FF, 2}, {0x1F900, 0x1FAFF, 2}, {0x20000, 0x3FFFD, 2}};
    if (code < ranges[0].first) return 1;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (code >= ranges[i].first && code <= ranges[i].last) return ranges[i].width;
    return 1;
}

size_t ms_terminal_width(ms_str text) {
    size_t width = 0, at = 0;
    while (at < text.size) width += code_width(next_code(text, &at));
    return width;
}

static size_t natural_width(const ms_table_cells *column, size_t n_rows) {
    char text[CELL];
    header_text(column, text);
    size_t width = ms_terminal_width(ms_str_of(text));
    for (size_t row = 0; row < n_rows; row++) {
        cell_text(column, row, text);
        const size_t here = ms_terminal_width(ms_str_of(text));
        if (here > width) width = here;
    }
    return width;
}

/* Shrinks text columns, the widest first, then drops columns at the end. Returns how many columns stay, at least 1. */
static size_t fit(const ms_table *table, size_t *widths, size_t window) {
    size_t n = table->n_columns, total = 0;
    for (size_t c = 0; c < n; c++) total += widths[c] + (c > 0 ? GAP : 0);
    while (window > 0 && total > window) {
        size_t widest = n;
        for (size_t c = 0; c < n; c++)
            if (!is_right(&table->columns[c]) && widths[c] > LEAST_TEXT && (widest == n || widths[c] > widths[widest]))
                widest = c;
        if (widest < n) {
            widths[widest]--;
            total--;
            continue;
        }
        if (n == 1) break;
        n--;
        total -= widths[n] + GAP;
    }
    return n;
}

/* ---- lines ---- */

static void put_blanks(ms_buf *out, size_t n) {
    for (size_t i = 0; i < n; i++) ms_buf_put_char(out, ' ');
}

/* The part of text that takes at most `width` cells, from the front or from the end. */
static ms_str clip(ms_str text, size_t width, bool from_end) {
    size_t at = 0, used = from_end ? ms_terminal_width(text) : 0;
    while (at < text.size) {
        size_t next = at;
        const size_t here = code_width(next_code(text, &next));
        if (from_end ? used <= width : used + here > width) break;
        used = from_end ? used - here : used + here;
        at = next;
    }
    return from_end ? ms_str_sub(text, at, text.size) : ms_str_sub(text, 0, at);
}

static void put_cell(ms_buf *out, const char *text, size_t width, bool right, bool last) {
    const ms_str whole = ms_str_of(text);
    const size_t natural = ms_terminal_width(whole);
    if (natural > width) { /* head...tail: names of tensors differ at both ends */
        const size_t head = (width - 3) / 2, tail = width - 3 - head;
        const ms_str front = clip(whole, head, false), back = clip(whole, tail, true);
        ms_buf_put_str(out, front);
        ms_buf_put_text(out, "...");
        ms_buf_put_str(out, back);
        if (!last) put_blanks(out, width - 3 - ms_terminal_width(front) - ms_terminal_width(back));
        return;
    }
    if (right) put_blanks(out, width - natural);
    ms_buf_put_str(out, whole);
    if (!right && !last) put_blanks(out, width - natural);
}

static void put_header(const ms_table *table, const size_t *widths, size_t n, bool colour, ms_buf *out) {
    char text[CELL];
    if (colour) ms_buf_put_text(out, "\x1b[1m");
    for (size_t c = 0; c < n; c++) {
        header_text(&table->columns[c], text);
        if (c > 0) put_blanks(out, GAP);
        put_cell(out, text, widths[c], is_right(&table->columns[c]), c + 1 == n);
    }
    ms_buf_put_text(out, colour ? "\x1b[0m\n" : "\n");
    for (size_t c = 0; c < n; c++) {
        if (c > 0) put_blanks(out, GAP);
        for (size_t i = 0; i < widths[c]; i++) ms_buf_put_char(out, '-');
    }
    ms_buf_put_char(out, '\n');
}

static void put_footer(const ms_table *table, size_t n_rows, size_t n_columns, ms_buf *out) {
    if (n_rows < table->n_rows)
        ms_buf_printf(out, "(%zu more row%s)\n", table->n_rows - n_rows, table->n_rows - n_rows == 1 ? "" : "s");
    if (n_columns == table->n_columns) return;
    ms_buf_printf(out, "(no room for: ");
    for (size_t c = n_columns; c < table->n_columns; c++)
        ms_buf_printf(out, "%s%s", ms_str_shown(ms_str_of(table->columns[c].spec.name)).text,
                      c + 1 < table->n_columns ? ", " : ")\n");
}

ms_status ms_terminal_table(const ms_table *table, const ms_terminal_options *options, ms_buf *out, ms_err *err) {
    if (table->n_columns == 0) return MS_OK;
    const size_t n_rows = options->max_rows && options->max_rows < table->n_rows ? options->max_rows : table->n_rows;
    size_t *const widths = ms_mem_alloc_array(table->n_columns, sizeof *widths);
    if (!widths) return ms_err_memory(err, "a table as text");
    for (size_t c = 0; c < table->n_columns; c++) widths[c] = natural_width(&table->columns[c], n_rows);
    const size_t n_columns = fit(table, widths, options->width);
    put_header(table, widths, n_columns, options->colour, out);
    char text[CELL];
    for (size_t row = 0; row < n_rows; row++) {
        for (size_t c = 0; c < n_columns; c++) {
            cell_text(&table->columns[c], row, text);
            if (c > 0) put_blanks(out, GAP);
            put_cell(out, text, widths[c], is_right(&table->columns[c]), c + 1 == n_columns);
        }
        ms_buf_put_char(out, '\n');
    }
    put_footer(table, n_rows, n_columns, out);
    ms_mem_free(widths);
    return out->failed ? ms_err_memory(err, "a table as text") : MS_OK;
}

/* ---- Markdown ---- */

/* What would end a cell or begin markup is escaped. */
static void put_escaped(ms_buf *out, const char *text) {
    for (; *text; text++) {
        if (strchr("|\\`*_<>[]~", *text)) ms_buf_put_char(out, '\\');
        ms_buf_put_char(out, *text);
    }
}

ms_status ms_terminal_markdown(const ms_table *table, ms_buf *out, ms_err *err) {
    if (table->n_columns == 0) return MS_OK;
    char text[CELL];
    for (size_t c = 0; c < table->n_columns; c++) {
        header_text(&table->columns[c], text);
        ms_buf_put_text(out, c > 0 ? " | " : "| ");
        put_escaped(out, text);
    }
    ms_buf_put_text(out, " |\n");
    for (size_t c = 0; c < table->n_columns; c++) ms_buf_put_text(out, is_right(&table->columns[c]) ? "|---:" : "|:---");
    ms_buf_put_text(out, "|\n");
    for (size_t row = 0; row < table->n_rows; row++) {
        for (size_t c = 0; c < table->n_columns; c++) {
            cell_text(&table->columns[c], row, text);
            ms_buf_put_text(out, c > 0 ? " | " : "| ");
            put_escaped(out, text);
        }
        ms_buf_put_text(out, " |\n");
    }
    return out->failed ? ms_err_memory(err, "a table as Markdown") : MS_OK;
}
