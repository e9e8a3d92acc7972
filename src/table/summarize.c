#include "summarize.h"

#include <math.h>
#include <stdlib.h>

#include "mem.h"
#include "table_impl.h"

const char *ms_aggregate_name(ms_aggregate aggregate) {
    static const char *const names[MS_AGGREGATE_COUNT_] = {"min", "p01", "median", "mean", "std", "p90", "p99", "max"};
    return names[aggregate];
}

/* NumPy's _lerp: from the nearer end, so that both ends are exact and it never turns back. */
double ms_summarize_quantile(const double *sorted, size_t n, double q) {
    const double at = q * (double)(n - 1);
    const double below = floor(at);
    const size_t i = (size_t)below;
    if (i + 1 >= n) return sorted[n - 1];
    const double a = sorted[i], b = sorted[i + 1], t = at - below, step = b - a;
    return t >= 0.5 ? b - step * (1 - t) : a + step * t;
}

/* Between infinities a quantile is NaN, a median is not: the middle value, or the mean of the two. */
static double median(const double *sorted, size_t n) {
    const double finite = ms_summarize_quantile(sorted, n, 0.5);
    return isnan(finite) ? (sorted[(n - 1) / 2] + sorted[n / 2]) / 2 : finite;
}

/* ---- order of rows ---- */

typedef struct sort_keys {
    const ms_table *table;
    const size_t *columns; /* [n] */
    size_t n;
} sort_keys;

static bool is_missing(const ms_table_cells *column, size_t row) {
    return column->is_null[row] || (column->spec.type == MS_COLUMN_F64 && isnan(column->f64[row]));
}

static int compare_cells(const ms_table_cells *column, size_t a, size_t b) {
    const bool no_a = is_missing(column, a), no_b = is_missing(column, b);
    if (no_a || no_b) return no_a - no_b;
    switch (column->spec.type) {
    case MS_COLUMN_I64: return (column->i64[a] > column->i64[b]) - (column->i64[a] < column->i64[b]);
    case MS_COLUMN_F64: return (column->f64[a] > column->f64[b]) - (column->f64[a] < column->f64[b]);
    case MS_COLUMN_BOOL: return column->boolean[a] - column->boolean[b];
    case MS_COLUMN_STR: return ms_str_compare(column->str[a], column->str[b]);
    case MS_COLUMN_I64_LIST: break;
    }
    return 0;
}

static int compare_rows(const sort_keys *keys, size_t a, size_t b) {
    for (size_t k = 0; k < keys->n; k++) {
        const int order = compare_cells(&keys->table->columns[keys->columns[k]], a, b);
        if (order != 0) return order;
    }
    return 0;
}

static int compare_rows_stable(const void *a, const void *b, void *keys) {
    const size_t row_a = *(const size_t *)a, row_b = *(const size_t *)b;
    const int order = compare_rows(keys, row_a, row_b);
    return order != 0 ? order : (row_a > row_b) - (row_a < row_b);
}

ms_status ms_summarize_order(const ms_table *table, const size_t *columns, size_t n_columns, size_t *order, ms_err *err) {
    for (size_t k = 0; k < n_columns; k++)
        MS_FAIL_IF(table->columns[columns[k]].spec.type == MS_COLUMN_I64_LIST, MS_ERR_USAGE, err,
                   "column '%s' holds lists, which have no order",
                   ms_str_shown(ms_str_of(table->columns[columns[k]].spec.name)).text);
    for (size_t row = 0; row < table->n_rows; row++) order[row] = row;
    sort_keys keys = {table, columns, n_columns};
    qsort_r(order, table->n_rows, sizeof *order, compare_rows_stable, &keys);
    return MS_OK;
}

/* ---- aggregates of one group ---- */

static int compare_doubles(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Kahan's sum, as pandas takes for means; kept plain once it is infinite. */
static double sum_of(const double *values, size_t n, double minus, bool squared) {
    double sum = 0, lost = 0;
    for (size_t i = 0; i < n; i++) {
        const double x = values[i] - minus;
        const double term = (squared ? x * x : x) - lost;
        const double next = sum + term;
        lost = isfinite(next) ? next - sum - term : 0;
        sum = next;
    }
    return sum;
}

typedef struct group_numbers {
    double *values; /* [n] of the group, sorted in the end */
    size_t n;
    double mean, std; /* std: NaN for n < 2 */
} group_numbers;

static void measure(group_numbers *g) {
    g->mean = sum_of(g->values, g->n, 0, false) / (double)g->n;
    g->std = g->n < 2 ? NAN : sqrt(sum_of(g->values, g->n, g->mean, true) / (double)(g->n - 1));
    qsort(g->values, g->n, sizeof *g->values, compare_doubles);
}

static double aggregate_of(const group_numbers *g, ms_aggregate aggregate) {
    switch (aggregate) {
    case MS_AGGREGATE_MIN: return g->values[0];
    case MS_AGGREGATE_P01: return ms_summarize_quantile(g->values, g->n, 0.01);
    case MS_AGGREGATE_MEDIAN: return median(g->values, g->n);
    case MS_AGGREGATE_MEAN: return g->mean;
    case MS_AGGREGATE_STD: return g->std;
    case MS_AGGREGATE_P90: return ms_summarize_quantile(g->values, g->n, 0.9);
    case MS_AGGREGATE_P99: return ms_summarize_quantile(g->values, g->n, 0.99);
    case MS_AGGREGATE_MAX: return g->values[g->n - 1];
    case MS_AGGREGATE_COUNT_: break;
    }
    return NAN;
}

/* ---- the summary ---- */

typedef struct summary {
    const ms_table *table;
    size_t *columns; /* [n_keys + n_metrics] of the table */
    size_t n_keys, n_metrics, n_aggregates;
    const ms_aggregate *aggregates;
    size_t *order;  /* [n_rows] */
    double *values; /* [n_rows] */
    ms_arena arena;
} summary;

static ms_status find_columns(summary *s, const char *const *names, size_t n, size_t *out, bool numbers, ms_err *err) {
    for (size_t i = 0; i < n; i++) {
        const int64_t column = ms_table_find(s->table, names[i]);
        MS_FAIL_IF(column < 0, MS_ERR_USAGE, err, "there is no column '%s' to summarize",
                   ms_str_shown(ms_str_of(names[i])).text);
        const ms_column_type type = s->table->columns[column].spec.type;
        MS_FAIL_IF(numbers && type != MS_COLUMN_I64 && type != MS_COLUMN_F64, MS_ERR_USAGE, err,
                   "column '%s' holds %s, which cannot be summarized", ms_str_shown(ms_str_of(names[i])).text,
                   ms_column_type_name(type));
        out[i] = (size_t)column;
    }
    return MS_OK;
}

static ms_status create_summary(summary *s, ms_table **out, ms_err *err) {
    const size_t n = s->n_keys + s->n_metrics * s->n_aggregates;
    ms_column_spec *const specs = ms_arena_alloc_array(&s->arena, n, sizeof *specs);
    if (!specs) return ms_err_memory(err, "a summary");
    for (size_t k = 0; k < s->n_keys; k++) specs[k] = s->table->columns[s->columns[k]].spec;
    for (size_t m = 0; m < s->n_metrics; m++) {
        const ms_column_spec *const metric = &s->table->columns[s->columns[s->n_keys + m]].spec;
        for (size_t a = 0; a < s->n_aggregates; a++) {
            const char *const aggregate = ms_aggregate_name(s->aggregates[a]);
            const ms_str name = ms_arena_printf(&s->arena, "%s__%s", metric->name, aggregate);
            const ms_str help = ms_arena_printf(&s->arena, "%s over the group of: %s", aggregate, metric->help);
            if (!name.text || !help.text) return ms_err_memory(err, "a summary");
            specs[s->n_keys + m * s->n_aggregates + a] =
                (ms_column_spec){.name = name.text, .type = MS_COLUMN_F64, .unit = metric->unit, .help = help.text};
        }
    }
    return ms_table_create(out, specs, n, err);
}

static void put_key(ms_table *out, size_t k, const ms_table_cells *column, size_t row) {
    if (is_missing(column, row)) return;
    switch (column->spec.type) {
    case MS_COLUMN_I64: ms_table_i64(out, k, column->i64[row]); break;
    case MS_COLUMN_F64: ms_table_f64(out, k, column->f64[row]); break;
    case MS_COLUMN_BOOL: ms_table_bool(out, k, column->boolean[row]); break;
    case MS_COLUMN_STR: ms_table_str(out, k, column->str[row]); break;
    case MS_COLUMN_I64_LIST: break;
    }
}

/* The rows order[from .. to) are one group. */
static ms_status put_group(summary *s, ms_table *out, size_t from, size_t to, ms_err *err) {
    for (size_t k = 0; k < s->n_keys; k++) put_key(out, k, &s->table->columns[s->columns[k]], s->order[from]);
    for (size_t m = 0; m < s->n_metrics; m++) {
        const size_t metric = s->columns[s->n_keys + m];
        group_numbers g = {.values = s->values};
        for (size_t i = from; i < to; i++) {
            const double value = ms_table_get_f64(s->table, s->order[i], metric); /* NaN when null */
            if (!isnan(value)) g.values[g.n++] = value;
        }
        if (g.n == 0) continue;
        measure(&g);
        for (size_t a = 0; a < s->n_aggregates; a++) {
            const bool defined = s->aggregates[a] != MS_AGGREGATE_STD || g.n > 1;
            if (defined) ms_table_f64(out, s->n_keys + m * s->n_aggregates + a, aggregate_of(&g, s->aggregates[a]));
        }
    }
    return ms_table_end_row(out, err);
}

static ms_status put_groups(summary *s, ms_table *out, ms_err *err) {
    const sort_keys keys = {s->table, s->columns, s->n_keys};
    size_t from = 0;
    for (size_t i = 1; i <= s->table->n_rows; i++) {
        if (i < s->table->n_rows && compare_rows(&keys, s->order[from], s->order[i]) == 0) continue;
        MS_TRY(put_group(s, out, from, i, err));
        from = i;
    }
    return MS_OK;
}

static ms_status run(summary *s, ms_table **out, const char *const *keys, const char *const *metrics, ms_err *err) {
    const size_t n_rows = s->table->n_rows;
    s->columns = ms_arena_alloc_array(&s->arena, s->n_keys + s->n_metrics, sizeof *s->columns);
    s->order = ms_mem_alloc_array(n_rows, sizeof *s->order);
    s->values = ms_mem_alloc_array(n_rows, sizeof *s->values);
    if (!s->columns || !s->order || !s->values) return ms_err_memory(err, "a summary");
    MS_TRY(find_columns(s, keys, s->n_keys, s->columns, false, err));
    MS_TRY(find_columns(s, metrics, s->n_metrics, s->columns + s->n_keys, true, err));
    MS_TRY(ms_summarize_order(s->table, s->columns, s->n_keys, s->order, err));
    MS_TRY(create_summary(s, out, err));
    return put_groups(s, *out, err);
}

ms_status ms_summarize(ms_table **out, const ms_table *table, const char *const *keys, size_t n_keys,
                       const char *const *metrics, size_t n_metrics, const ms_aggregate *aggregates, size_t n_aggregates,
                       ms_err *err) {
    *out = NULL;
    summary s = {
        .table = table, .n_keys = n_keys, .n_metrics = n_metrics, .n_aggregates = n_aggregates, .aggregates = aggregates};
    const ms_status status = run(&s, out, keys, metrics, err);
    if (status != MS_OK) {
        ms_table_destroy(*out);
        *out = NULL;
    }
    ms_mem_free(s.order);
    ms_mem_free(s.values);
    ms_arena_free(&s.arena);
    return status;
}
