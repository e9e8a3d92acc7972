/*
 * Reads CSV as csv_write.c or pandas writes it; the layout is there. Untrusted.
 *
 * Two passes over the text: the first finds what each column holds, the second fills the table. A column whose every value
 * is an integer holds integers; else numbers, True/False, tuples of integers, else text. Without any value: numbers.
 * Also taken: CRLF, a byte order mark, a missing last newline, empty lines (skipped, as pandas does).
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "buf.h"
#include "map.h"
#include "table_impl.h"
#include "vec.h"

enum { MOST_COLUMNS = 4096 };

typedef struct ms_csv {
    ms_str bytes;     /* borrowed */
    size_t at, line;  /* the next byte; its line, from 1 */
    const char *file; /* for messages */
    ms_buf scratch;   /* the field in hand without its doubled quotes */
} ms_csv;

typedef struct ms_csv_field {
    ms_str raw;       /* between the quotes when there were any */
    bool has_doubled; /* quotes inside, still doubled */
    bool is_quoted;
    bool ends_line;
} ms_csv_field;

typedef MS_VEC(ms_csv_field) fields;

#define DAMAGED_IF(condition, csv, err, ...)                                                         \
    do {                                                                                             \
        if (condition) return damaged((csv), ms_err_set((err), MS_ERR_DAMAGED, __VA_ARGS__), (err)); \
    } while (0)

static ms_status damaged(const ms_csv *csv, ms_status status, ms_err *err) {
    return ms_err_within(err, status, "%s: line %zu", ms_str_shown(ms_str_of(csv->file)).text, csv->line);
}

/* ---- fields and lines ---- */

/* From behind the opening quote to behind the closing one. */
static ms_status quoted_field(ms_csv *csv, ms_csv_field *out, ms_err *err) {
    const char *const text = csv->bytes.text;
    const size_t begin = csv->at;
    for (size_t at = begin;; at += 2) { /* behind a doubled quote */
        const char *const quote = at < csv->bytes.size ? memchr(text + at, '"', csv->bytes.size - at) : NULL;
        DAMAGED_IF(!quote, csv, err, "byte %zu: a quoted field without its closing quote", begin - 1);
        at = (size_t)(quote - text);
        if (at + 1 < csv->bytes.size && text[at + 1] == '"') {
            out->has_doubled = true;
            continue;
        }
        out->raw = ms_str_sub(csv->bytes, begin, at);
        csv->at = at + 1;
        break;
    }
    for (size_t i = 0; i < out->raw.size; i++) csv->line += out->raw.text[i] == '\n';
    return MS_OK;
}

static void plain_field(ms_csv *csv, ms_csv_field *out) {
    size_t end = csv->at;
    while (end < csv->bytes.size && csv->bytes.text[end] != ',' && csv->bytes.text[end] != '\n') end++;
    const bool at_line_end = end == csv->bytes.size || csv->bytes.text[end] == '\n';
    const bool has_cr = at_line_end && end > csv->at && csv->bytes.text[end - 1] == '\r';
    out->raw = ms_str_sub(csv->bytes, csv->at, has_cr ? end - 1 : end);
    csv->at = end;
}

/* The field at csv->at and what ends it: a comma, a line end, the end of the text. */
static ms_status next_field(ms_csv *csv, ms_csv_field *out, ms_err *err) {
    *out = (ms_csv_field){0};
    const ms_str bytes = csv->bytes;
    if (csv->at < bytes.size && bytes.text[csv->at] == '"') {
        out->is_quoted = true;
        csv->at++;
        MS_TRY(quoted_field(csv, out, err));
        if (csv->at + 1 < bytes.size && bytes.text[csv->at] == '\r' && bytes.text[csv->at + 1] == '\n') csv->at++;
    } else {
        plain_field(csv, out);
    }
    out->ends_line = csv->at == bytes.size || bytes.text[csv->at] == '\n';
    DAMAGED_IF(!out->ends_line && bytes.text[csv->at] != ',', csv, err,
               "byte %zu: text behind a closing quote; quotes inside a field must be doubled", csv->at);
    if (csv->at < bytes.size) csv->at++;
    return MS_OK;
}

/* The value of a field; valid until the next one is asked for. */
static ms_status field_text(ms_csv *csv, const ms_csv_field *field, ms_str *out, ms_err *err) {
    *out = field->raw;
    if (!field->has_doubled) return MS_OK;
    ms_buf_clear(&csv->scratch);
    for (size_t i = 0; i < field->raw.size; i++) {
        ms_buf_put_char(&csv->scratch, field->raw.text[i]);
        if (field->raw.text[i] == '"') i++;
    }
    *out = ms_buf_str(&csv->scratch);
    return csv->scratch.failed ? ms_err_memory(err, "a field of CSV") : MS_OK;
}

/* The fields of the next line that is not empty; none at the end. */
static ms_status next_line(ms_csv *csv, fields *line, ms_err *err) {
    line->n = 0;
    while (csv->at < csv->bytes.size) {
        const size_t line_number = csv->line;
        for (ms_csv_field field = {0}; !field.ends_line;) {
            MS_TRY(next_field(csv, &field, err));
            DAMAGED_IF(line->n == MOST_COLUMNS, csv, err, "more than %d columns", MOST_COLUMNS);
            if (!MS_VEC_PUSH(line, field)) return ms_err_memory(err, "a line of CSV");
            const bool comma_at_end = !field.ends_line && csv->at == csv->bytes.size; /* "a," and nothing more */
            if (!comma_at_end) continue;
            if (!MS_VEC_PUSH(line, (ms_csv_field){.raw = MS_STR(""), .ends_line = true}))
                return ms_err_memory(err, "a line of CSV");
            field.ends_line = true;
        }
        csv->line++;
        const bool empty = line->n == 1 && line->items[0].raw.size == 0 && !line->items[0].is_quoted;
        if (!empty || line_number == 1) return MS_OK; /* an empty first line: a table without columns */
        line->n = 0;
    }
    return MS_OK;
}

/* ---- values ---- */

/* "007" is text: as a number it would lose its zeros. */
static bool has_leading_zero(ms_str text) {
    const size_t first = text.size > 0 && text.text[0] == '-' ? 1 : 0;
    return text.size > first + 1 && text.text[first] == '0' && text.text[first + 1] >= '0' && text.text[first + 1] <= '9';
}

static bool parse_i64(ms_str text, int64_t *out) {
    return text.size > 0 && text.text[0] != '+' && !has_leading_zero(text) && ms_str_to_i64(text, out);
}

static size_t skip_digits(ms_str s, size_t at) {
    while (at < s.size && s.text[at] >= '0' && s.text[at] <= '9') at++;
    return at;
}

/* [-+] digits [. digits] [e [-+] digits], with a digit before or behind the point. */
static bool is_decimal(ms_str s) {
    size_t at = s.size > 0 && (s.text[0] == '-' || s.text[0] == '+') ? 1 : 0;
    const size_t whole = at;
    at = skip_digits(s, at);
    size_t n_digits = at - whole;
    if (at < s.size && s.text[at] == '.') {
        const size_t fraction = ++at;
        at = skip_digits(s, at);
        n_digits += at - fraction;
    }
    if (n_digits == 0) return false;
    if (at < s.size && (s.text[at] == 'e' || s.text[at] == 'E')) {
        at++;
        if (at < s.size && (s.text[at] == '-' || s.text[at] == '+')) at++;
        const size_t exponent = at;
        at = skip_digits(s, at);
        if (at == exponent) return false;
    }
    return at == s.size;
}

static bool parse_f64(ms_str text, double *out) {
    static const struct {
        const char *text;
        double value;
    } words[] = {{"nan", NAN},        {"NaN", NAN},           {"inf", INFINITY},
                 {"-inf", -INFINITY}, {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (ms_str_is(text, words[i].text)) return *out = words[i].value, true;
    char copy[512];
    if (text.size >= sizeof copy || has_leading_zero(text) || !is_decimal(text)) return false;
    memcpy(copy, text.text, text.size);
    copy[text.size] = 0;
    *out = strtod(copy, NULL); /* too large is inf, too small 0: what Python's float() says */
    return true;
}

static bool parse_bool(ms_str text, bool *out) {
    *out = ms_str_is(text, "True") || ms_str_is(text, "true");
    return *out || ms_str_is(text, "False") || ms_str_is(text, "false");
}

typedef MS_VEC(int64_t) items;

/* "()", "(2,)", "(2, 3)"; also a list, "[2, 3]". */
static bool parse_tuple(ms_str text, items *out, bool *out_of_memory) {
    out->n = 0;
    if (text.size < 2) return false;
    const char open = text.text[0], close = text.text[text.size - 1];
    if (!((open == '(' && close == ')') || (open == '[' && close == ']'))) return false;
    ms_str rest = ms_str_sub(text, 1, text.size - 1);
    while (rest.size) {
        ms_str item = ms_str_cut(&rest, ',');
        while (item.size && item.text[0] == ' ') item = ms_str_sub(item, 1, item.size);
        int64_t value;
        if (!parse_i64(item, &value)) return false;
        if (!MS_VEC_PUSH(out, value)) return *out_of_memory = true, false;
    }
    return true;
}

/* "12" and, as pandas writes a column with nulls, "12.0". */
static bool parse_integral(ms_str text, int64_t *out) {
    double value;
    if (parse_i64(text, out)) return true;
    if (!parse_f64(text, &value) || value != floor(value) || fabs(value) > 0x1p53) return false;
    *out = (int64_t)value;
    return true;
}

/* ---- what a column holds ---- */

typedef struct ms_csv_column {
    ms_column_spec spec; /* name in the reader's arena */
    bool is_given;       /* the type comes from the caller */
    size_t n_values;
    bool not_i64, not_f64, not_bool, not_list;
} ms_csv_column;

typedef struct ms_csv_reader {
    ms_csv csv;
    ms_arena arena;
    fields line;
    items items;
    ms_csv_column *columns; /* [n_columns], in the arena */
    size_t n_columns;
    bool out_of_memory; /* while parsing a tuple */
} ms_csv_reader;

static void look_at(ms_csv_reader *r, ms_csv_column *column, ms_str text) {
    int64_t integer;
    double number;
    bool boolean;
    column->n_values++;
    column->not_i64 = column->not_i64 || !parse_i64(text, &integer);
    column->not_f64 = column->not_f64 || !parse_f64(text, &number);
    column->not_bool = column->not_bool || !parse_bool(text, &boolean);
    column->not_list = column->not_list || !parse_tuple(text, &r->items, &r->out_of_memory);
}

static ms_column_type type_of(const ms_csv_column *column) {
    if (column->is_given) return column->spec.type;
    if (column->n_values == 0) return MS_COLUMN_F64;
    if (!column->not_i64) return MS_COLUMN_I64;
    if (!column->not_f64) return MS_COLUMN_F64;
    if (!column->not_bool) return MS_COLUMN_BOOL;
    return column->not_list ? MS_COLUMN_STR : MS_COLUMN_I64_LIST;
}

/* ---- the two passes ---- */

static ms_status read_header(ms_csv_reader *r, const ms_column_spec *given, size_t n_given, ms_err *err) {
    ms_csv *const csv = &r->csv;
    while (ms_str_starts_with(ms_str_sub(csv->bytes, csv->at, csv->bytes.size), MS_STR("\xEF\xBB\xBF"))) csv->at += 3;
    DAMAGED_IF(csv->at == csv->bytes.size, csv, err, "empty; a line of column names is needed");
    MS_TRY(next_line(csv, &r->line, err));
    if (r->line.n == 1 && r->line.items[0].raw.size == 0 && !r->line.items[0].is_quoted) r->line.n = 0;
    r->n_columns = r->line.n;
    r->columns = ms_arena_zalloc(&r->arena, (r->n_columns + 1) * sizeof *r->columns);
    if (!r->columns) return ms_err_memory(err, "the columns of a table");
    for (size_t c = 0; c < r->n_columns; c++) {
        ms_str name;
        MS_TRY(field_text(csv, &r->line.items[c], &name, err));
        DAMAGED_IF(memchr(name.text, 0, name.size) || !ms_str_is_utf8(name, NULL), csv, err, "column %zu: '%s' is no name",
                   c + 1, ms_str_shown(name).text);
        const ms_str kept = ms_arena_copy(&r->arena, name);
        if (!kept.text) return ms_err_memory(err, "the columns of a table");
        r->columns[c].spec = (ms_column_spec){.name = kept.text, .unit = "", .help = ""};
        for (size_t i = 0; i < n_given; i++) {
            if (!ms_str_is(kept, given[i].name)) continue;
            r->columns[c].spec = given[i];
            r->columns[c].is_given = true;
        }
    }
    return MS_OK;
}

static ms_status refuse_twins(ms_csv_reader *r, ms_err *err) {
    ms_map names = {0};
    ms_status status = MS_OK;
    for (size_t c = 0; c < r->n_columns && status == MS_OK; c++) {
        bool is_new;
        const ms_str name = ms_str_of(r->columns[c].spec.name);
        if (!ms_map_add(&names, name, c, NULL, &is_new)) status = ms_err_memory(err, "the columns of a table");
        else if (!is_new)
            status = ms_err_set(err, MS_ERR_DAMAGED, "%s: column '%s' appears twice", ms_str_shown(ms_str_of(r->csv.file)).text,
                                ms_str_shown(name).text);
    }
    ms_map_free(&names);
    return status;
}

/* The next line of cells; r->line is empty at the end. */
static ms_status next_row(ms_csv_reader *r, ms_err *err) {
    const size_t begin = r->csv.at;
    MS_TRY(next_line(&r->csv, &r->line, err));
    MS_FAIL_IF(r->line.n != 0 && r->line.n != r->n_columns, MS_ERR_DAMAGED, err,
               "%s: line %zu (byte %zu): %zu fields, the header has %zu", ms_str_shown(ms_str_of(r->csv.file)).text,
               r->csv.line - 1, begin, r->line.n, r->n_columns);
    return MS_OK;
}

static ms_status find_types(ms_csv_reader *r, ms_err *err) {
    for (;;) {
        MS_TRY(next_row(r, err));
        if (r->line.n == 0) return MS_OK;
        for (size_t c = 0; c < r->n_columns; c++) {
            ms_str text;
            if (r->columns[c].is_given || r->line.items[c].raw.size == 0) continue;
            MS_TRY(field_text(&r->csv, &r->line.items[c], &text, err));
            look_at(r, &r->columns[c], text);
            if (r->out_of_memory) return ms_err_memory(err, "a field of CSV");
        }
    }
}

static ms_status put_cell(ms_csv_reader *r, ms_table *table, size_t c, ms_str text, ms_err *err) {
    int64_t integer;
    double number;
    bool boolean, good = true;
    switch (r->columns[c].spec.type) {
    case MS_COLUMN_I64:
        good = parse_integral(text, &integer);
        if (good) ms_table_i64(table, c, integer);
        break;
    case MS_COLUMN_F64:
        good = parse_f64(text, &number);
        if (good) ms_table_f64(table, c, number);
        break;
    case MS_COLUMN_BOOL:
        good = parse_bool(text, &boolean);
        if (good) ms_table_bool(table, c, boolean);
        break;
    case MS_COLUMN_STR: ms_table_str(table, c, text); break;
    case MS_COLUMN_I64_LIST:
        good = parse_tuple(text, &r->items, &r->out_of_memory);
        if (r->out_of_memory) return ms_err_memory(err, "a field of CSV");
        if (good) ms_table_list(table, c, r->items.items, r->items.n);
        break;
    }
    MS_FAIL_IF(!good, MS_ERR_DAMAGED, err, "%s: line %zu: column '%s': '%s', but the column holds %s",
               ms_str_shown(ms_str_of(r->csv.file)).text, r->csv.line - 1,
               ms_str_shown(ms_str_of(r->columns[c].spec.name)).text, ms_str_shown(text).text,
               ms_column_type_name(r->columns[c].spec.type));
    return MS_OK;
}

static ms_status fill(ms_csv_reader *r, ms_table *table, ms_err *err) {
    for (;;) {
        MS_TRY(next_row(r, err));
        if (r->line.n == 0) return MS_OK;
        for (size_t c = 0; c < r->n_columns; c++) {
            ms_str text;
            if (r->line.items[c].raw.size == 0) continue;
            MS_TRY(field_text(&r->csv, &r->line.items[c], &text, err));
            MS_TRY(put_cell(r, table, c, text, err));
        }
        MS_TRY(ms_table_end_row(table, err));
    }
}

static ms_status read_table(ms_csv_reader *r, ms_table **out, const ms_column_spec *given, size_t n_given, ms_err *err) {
    MS_TRY(read_header(r, given, n_given, err));
    MS_TRY(refuse_twins(r, err));
    const ms_csv after_header = r->csv;
    MS_TRY(find_types(r, err));
    ms_column_spec *const specs = ms_arena_alloc_array(&r->arena, r->n_columns, sizeof *specs);
    if (!specs) return ms_err_memory(err, "the columns of a table");
    for (size_t c = 0; c < r->n_columns; c++) {
        r->columns[c].spec.type = type_of(&r->columns[c]);
        specs[c] = r->columns[c].spec;
    }
    MS_TRY(ms_table_create(out, specs, r->n_columns, err));
    r->csv.at = after_header.at, r->csv.line = after_header.line;
    return fill(r, *out, err);
}

ms_status ms_table_from_csv(ms_table **out, ms_str bytes, const char *file, const ms_column_spec *columns, size_t n_columns,
                            ms_err *err) {
    *out = NULL;
    ms_csv_reader r = {.csv = {.bytes = bytes, .line = 1, .file = file}};
    const ms_status status = read_table(&r, out, columns, n_columns, err);
    if (status != MS_OK) {
        ms_table_destroy(*out);
        *out = NULL;
    }
    ms_buf_free(&r.csv.scratch);
    MS_VEC_FREE(&r.line);
    MS_VEC_FREE(&r.items);
    ms_arena_free(&r.arena);
    return status;
}
