/*
 * Making a scan and reading off its results; the work is done in scan_run.c.
 */
#include "scan.h"

#include <math.h>
#include <stdlib.h>

#include "scan_impl.h"

ms_scan_options ms_scan_options_default(void) {
    static const int64_t sizes[] = {32, 64};
    return (ms_scan_options){.eps = 1e-12,
                             .sample_per_matrix = 8192,
                             .sample_seed = 1337,
                             .group_outlier_percentile = 95,
                             .group_sizes = sizes,
                             .n_group_sizes = 2};
}

static ms_status check_options(const ms_scan_options *o, ms_err *err) {
    MS_FAIL_IF(o->sample_per_matrix < 0 || o->sample_per_matrix > 1 << 24, MS_ERR_USAGE, err,
               "sample_per_matrix %lld: from 0 to 16777216", (long long)o->sample_per_matrix);
    MS_FAIL_IF(!(o->group_outlier_percentile >= 0 && o->group_outlier_percentile <= 100), MS_ERR_USAGE, err,
               "group_outlier_percentile %g: a percentile is from 0 to 100", o->group_outlier_percentile);
    MS_FAIL_IF(!(o->eps >= 0 && isfinite(o->eps)), MS_ERR_USAGE, err, "eps %g: a finite number, not negative", o->eps);
    MS_FAIL_IF(!(o->quant_floor >= 0 && isfinite(o->quant_floor)), MS_ERR_USAGE, err,
               "denominator floor %g: finite, not negative", o->quant_floor);
    MS_FAIL_IF(o->n_group_sizes > 64, MS_ERR_USAGE, err, "%zu group sizes: at most 64", o->n_group_sizes);
    MS_FAIL_IF(o->n_schemes > 256, MS_ERR_USAGE, err, "%zu quantisation schemes: at most 256", o->n_schemes);
    return MS_OK;
}

static bool is_wanted(const ms_scan_options *o, const ms_lens *lens) {
    if (!o->lenses) return true;
    for (size_t i = 0; i < o->n_lenses; i++)
        if (strcmp(o->lenses[i], lens->name) == 0) return true;
    return false;
}

static ms_status check_lens_names(const ms_scan_options *o, ms_err *err) {
    for (size_t i = 0; o->lenses && i < o->n_lenses; i++) {
        bool known = false;
        for (size_t k = 0; ms_lenses[k]; k++) known = known || strcmp(o->lenses[i], ms_lenses[k]->name) == 0;
        MS_FAIL_IF(!known, MS_ERR_USAGE, err, "no lens is called '%s'", ms_str_shown(ms_str_of(o->lenses[i])).text);
    }
    return MS_OK;
}

/* ---- instances and columns ---- */

static size_t count_of(const ms_lens *lens, const ms_scan_options *o) { return lens->count ? lens->count(o) : 1; }

/* The next place for a block of that size, each on cache lines of its own. */
static size_t place(size_t *total, size_t size) {
    const size_t at = *total;
    *total += (size + 63) / 64 * 64;
    return at;
}

static void add_instance(ms_scan *scan, const ms_lens *lens, size_t index) {
    ms_scan_instance *const i = &scan->instances[scan->n_instances++];
    *i = (ms_scan_instance){.lens = lens, .index = index};
    if (lens->wants) i->wants = lens->wants(&scan->options, index);
    scan->wants.facts |= i->wants.facts;
    scan->wants.f32 |= i->wants.f32;
    scan->wants.pilot |= i->wants.pilot;
    scan->wants.sample |= i->wants.sample;
    i->state_at = place(&scan->state_size, lens->state_size);
    i->part_at = place(&scan->part_size, lens->part_size);
    i->feeder_at = place(&scan->feeder_size, lens->feeder_size);
}

static ms_status make_instances(ms_scan *scan, ms_err *err) {
    size_t n = 0;
    for (size_t k = 0; ms_lenses[k]; k++) n += count_of(ms_lenses[k], &scan->options);
    scan->instances = ms_arena_alloc_array(&scan->arena, n + 1, sizeof *scan->instances);
    if (!scan->instances) return ms_err_memory(err, "the lenses of a scan");
    for (size_t k = 0; ms_lenses[k]; k++)
        for (size_t i = 0; is_wanted(&scan->options, ms_lenses[k]) && i < count_of(ms_lenses[k], &scan->options); i++)
            add_instance(scan, ms_lenses[k], i);
    return MS_OK;
}

typedef struct keyed {
    ms_lens_column column;
    size_t value;
} keyed;

static int by_order(const void *a, const void *b) {
    const keyed *const x = a, *const y = b;
    if (x->column.order != y->column.order) return x->column.order < y->column.order ? -1 : 1;
    return (x->value > y->value) - (x->value < y->value);
}

/* Columns of the instances that are, or are not, of the quant kind; of the first scheme only. */
static ms_status collect_columns(ms_scan *scan, bool quant, ms_lens_columns *columns, ms_err *err) {
    for (size_t k = 0; k < scan->n_instances; k++) {
        ms_scan_instance *const i = &scan->instances[k];
        if (i->lens->is_quant != quant) continue;
        if (quant && i->index > 0) {
            i->n_values = scan->n_quant_values;
        } else {
            const size_t before = columns->n;
            if (!i->lens->columns(&scan->options, i->index, &scan->arena, columns)) return ms_err_memory(err, "columns");
            i->n_values = columns->n - before;
            if (quant) scan->n_quant_values = i->n_values;
        }
        i->first_value = scan->n_values;
        scan->n_values += i->n_values;
    }
    return MS_OK;
}

/* Without any scheme the columns are there all the same: a table has one header, whatever is in it. */
static ms_status columns_of_no_scheme(ms_scan *scan, ms_lens_columns *columns, ms_err *err) {
    for (size_t k = 0; ms_lenses[k]; k++)
        if (ms_lenses[k]->is_quant && !ms_lenses[k]->columns(&scan->options, 0, &scan->arena, columns))
            return ms_err_memory(err, "columns");
    return MS_OK;
}

static ms_status order_columns(ms_scan *scan, bool quant, ms_err *err) {
    static const ms_lens_column error_column = {
        100, {"error", MS_COLUMN_STR, "", "why the simulation failed: the class and the words of MLX"}};
    ms_lens_columns columns = {0};
    const size_t first_value = scan->n_values;
    ms_status status = collect_columns(scan, quant, &columns, err);
    if (status == MS_OK && quant && scan->options.n_schemes == 0) status = columns_of_no_scheme(scan, &columns, err);
    const size_t n_lens = columns.n;
    if (status == MS_OK && quant && !MS_VEC_PUSH(&columns, error_column)) status = ms_err_memory(err, "columns");
    const size_t n = columns.n;
    keyed *const all = ms_arena_alloc_array(&scan->arena, n + 1, sizeof *all);
    ms_column_spec *const specs = ms_arena_alloc_array(&scan->arena, n + 1, sizeof *specs);
    ms_scan_emit *const emits = ms_arena_alloc_array(&scan->arena, n + 1, sizeof *emits);
    if (status == MS_OK && (!all || !specs || !emits)) status = ms_err_memory(err, "columns");
    if (status == MS_OK) {
        for (size_t i = 0; i < n; i++) all[i] = (keyed){columns.items[i], i < n_lens ? first_value + i : SIZE_MAX};
        qsort(all, n, sizeof *all, by_order);
        for (size_t i = 0; i < n; i++) {
            specs[i] = all[i].column.spec;
            emits[i] = (ms_scan_emit){all[i].value, all[i].column.spec.type};
        }
        if (quant) scan->quant_columns = specs, scan->quant_emits = emits, scan->n_quant_columns = n;
        else scan->stat_columns = specs, scan->stat_emits = emits, scan->n_stat_columns = n;
    }
    MS_VEC_FREE(&columns);
    return status;
}

ms_status ms_scan_create(ms_scan **out, const ms_scan_options *options, ms_err *err) {
    MS_TRY(check_options(options, err));
    MS_TRY(check_lens_names(options, err));
    ms_scan *const scan = ms_mem_zalloc(sizeof *scan);
    if (!scan) return ms_err_memory(err, "a scan");
    scan->options = *options;
    ms_status status;
    MS_GOTO(make_instances(scan, err));
    MS_GOTO(order_columns(scan, false, err));
    MS_GOTO(order_columns(scan, true, err));
    MS_GOTO(ms_pool_create(&scan->pool, options->n_threads, err));
    MS_GOTO(ms_samples_init(&scan->samples, options->sample_per_matrix, options->sample_seed, options->sample_cache,
                            (size_t)ms_pool_threads(scan->pool) + 2, err));
    *out = scan;
    return MS_OK;
done:
    ms_scan_destroy(scan);
    return status;
}

const ms_column_spec *ms_scan_stat_columns(const ms_scan *scan, size_t *n) {
    *n = scan->n_stat_columns;
    return scan->stat_columns;
}

const ms_column_spec *ms_scan_quant_columns(const ms_scan *scan, size_t *n) {
    *n = scan->n_quant_columns;
    return scan->quant_columns;
}

/* ---- results ---- */

static void free_results(ms_scan *scan) {
    for (size_t i = 0; scan->errors && i < scan->n_matrices; i++) ms_mem_free(scan->errors[i]);
    ms_mem_free(scan->values);
    ms_mem_free(scan->done);
    ms_mem_free(scan->errors);
    ms_mem_free(scan->failures);
    scan->values = NULL, scan->done = NULL, scan->errors = NULL, scan->failures = NULL;
    scan->n_matrices = 0;
}

ms_status ms_scan_run(ms_scan *scan, const ms_checkpoint *ckpt, const ms_matrix *matrices, size_t n_matrices, ms_err *err) {
    free_results(scan);
    size_t n_values, n_failures;
    if (__builtin_mul_overflow(n_matrices, scan->n_values, &n_values) ||
        __builtin_mul_overflow(n_matrices, scan->options.n_schemes, &n_failures))
        return ms_err_memory(err, "the results of a scan");
    scan->values = ms_mem_zalloc_array(n_values, sizeof *scan->values);
    scan->done = ms_mem_zalloc_array(n_matrices, sizeof *scan->done);
    scan->errors = ms_mem_zalloc_array(n_matrices, sizeof *scan->errors);
    scan->failures = ms_mem_zalloc_array(n_failures, sizeof *scan->failures);
    if (!scan->values || !scan->done || !scan->errors || !scan->failures) {
        free_results(scan);
        return ms_err_memory(err, "the results of a scan");
    }
    scan->n_matrices = n_matrices;
    return ms_scan_work(scan, ckpt, matrices, err);
}

bool ms_scan_is_done(const ms_scan *scan, size_t matrix) { return matrix < scan->n_matrices && scan->done[matrix]; }

const ms_err *ms_scan_matrix_error(const ms_scan *scan, size_t matrix) {
    return matrix < scan->n_matrices ? scan->errors[matrix] : NULL;
}

static void emit(ms_table *table, size_t column, ms_column_type type, double value) {
    if (ms_lens_is_null(value)) return;
    if (type == MS_COLUMN_I64) ms_table_i64(table, column, (int64_t)value);
    else ms_table_f64(table, column, value);
}

static bool has_values(const ms_scan *scan, size_t matrix) { return ms_scan_is_done(scan, matrix) && !scan->errors[matrix]; }

void ms_scan_emit_stats(const ms_scan *scan, size_t matrix, ms_table *table, size_t first_column) {
    if (!has_values(scan, matrix)) return;
    const double *const values = scan->values + matrix * scan->n_values;
    for (size_t c = 0; c < scan->n_stat_columns; c++)
        emit(table, first_column + c, scan->stat_emits[c].type, values[scan->stat_emits[c].value]);
}

void ms_scan_emit_quant(const ms_scan *scan, size_t matrix, size_t scheme, ms_table *table, size_t first_column) {
    const ms_str failure = ms_scan_quant_error(scan, matrix, scheme);
    for (size_t c = 0; c < scan->n_quant_columns; c++) {
        const ms_scan_emit *const e = &scan->quant_emits[c];
        if (e->value == SIZE_MAX && failure.size) ms_table_str(table, first_column + c, failure);
        if (e->value == SIZE_MAX || !has_values(scan, matrix)) continue;
        const double *const values = scan->values + matrix * scan->n_values + scheme * scan->n_quant_values;
        emit(table, first_column + c, e->type, values[e->value]);
    }
}

ms_str ms_scan_quant_error(const ms_scan *scan, size_t matrix, size_t scheme) {
    if (matrix >= scan->n_matrices || scheme >= scan->options.n_schemes) return MS_STR("");
    if (scan->errors[matrix]) return ms_str_of(scan->errors[matrix]->text);
    const char *const text = scan->failures[matrix * scan->options.n_schemes + scheme];
    return text ? ms_str_of(text) : MS_STR("");
}

const ms_err *ms_scan_cache_error(const ms_scan *scan) {
    return scan->samples.cache_error.status == MS_OK ? NULL : &scan->samples.cache_error;
}

void ms_scan_destroy(ms_scan *scan) {
    if (!scan) return;
    free_results(scan);
    ms_samples_free(&scan->samples);
    ms_pool_destroy(scan->pool);
    ms_arena_free(&scan->arena);
    ms_mem_free(scan);
}
