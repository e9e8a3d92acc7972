/*
 * scan_helper: lets numpy_oracle.py ask scan/.
 *
 *     scan_helper choice              lines "n k seed" on stdin; a line each: the k numbers
 *     scan_helper cache FOLDER        the same, and the files of sample.h are written there; prints nothing
 *     scan_helper stats FILE THREADS  a line of JSON per tensor of rank 2: its name and all columns of matrix_stats
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "numpy_random.h"
#include "sample.h"
#include "scan.h"

static int fail(const ms_err *err) {
    fprintf(stderr, "scan_helper: %s\n", err->text);
    return 1;
}

static int choice(void) {
    int64_t n, k, *numbers;
    uint64_t seed;
    ms_err err = {0};
    while (scanf("%" SCNd64 " %" SCNd64 " %" SCNu64, &n, &k, &seed) == 3) {
        if (ms_numpy_choice(&numbers, n, k, seed, &err) != MS_OK) return fail(&err);
        for (int64_t i = 0; i < k; i++) printf("%" PRId64 " ", numbers[i]);
        puts("");
        ms_mem_free(numbers);
    }
    return 0;
}

static int cache(const char *folder) {
    int64_t n, k;
    uint64_t seed;
    ms_err err = {0};
    while (scanf("%" SCNd64 " %" SCNd64 " %" SCNu64, &n, &k, &seed) == 3) {
        ms_samples samples;
        const ms_sample *sample;
        if (ms_samples_init(&samples, k, seed, folder, 1, &err) != MS_OK) return fail(&err);
        if (ms_samples_get(&samples, (uint64_t)n, &sample, &err) != MS_OK) return fail(&err);
        if (samples.cache_error.status != MS_OK) return fail(&samples.cache_error);
        ms_samples_release(&samples, sample);
        ms_samples_free(&samples);
    }
    return 0;
}

/* All tensors of rank 2, as they are. */
static size_t matrices_of(const ms_checkpoint *ckpt, ms_matrix *out) {
    size_t n = 0;
    for (size_t i = 0; i < ckpt->n_tensors; i++) {
        const ms_stored *const s = ckpt->tensors[i].stored;
        if (s->rank != 2) continue;
        out[n++] = (ms_matrix){
            .tensor = (uint32_t)i, .rows = s->shape[0], .cols = s->shape[1], .row_stride = s->shape[1], .col_stride = 1};
    }
    return n;
}

static int print_stats(const ms_scan *scan, const ms_checkpoint *ckpt, const ms_matrix *matrices, size_t n, ms_err *err) {
    size_t n_columns;
    const ms_column_spec *const columns = ms_scan_stat_columns(scan, &n_columns);
    ms_table *table;
    if (ms_table_create(&table, columns, n_columns, err) != MS_OK) return fail(err);
    for (size_t i = 0; i < n; i++) {
        const ms_err *const why = ms_scan_matrix_error(scan, i);
        if (why) return fail(why);
        ms_scan_emit_stats(scan, i, table, 0);
        if (ms_table_end_row(table, err) != MS_OK) return fail(err);
        printf("{\"name\": \"%s\"", ms_str_shown(ckpt->tensors[matrices[i].tensor].stored->name).text);
        for (size_t c = 0; c < n_columns; c++) {
            const double value =
                columns[c].type == MS_COLUMN_I64 ? (double)ms_table_get_i64(table, i, c) : ms_table_get_f64(table, i, c);
            printf(value == value ? ", \"%s\": %.17g" : ", \"%s\": NaN", columns[c].name, value);
        }
        puts("}");
    }
    ms_table_destroy(table);
    return 0;
}

static int stats(const char *path, int n_threads) {
    ms_err err = {0};
    ms_checkpoint *ckpt;
    ms_scan *scan;
    ms_scan_options options = ms_scan_options_default();
    options.n_threads = n_threads;
    if (ms_checkpoint_open(&ckpt, path, NULL, &err) != MS_OK) return fail(&err);
    ms_matrix *const matrices = ms_mem_alloc_array(ckpt->n_tensors, sizeof *matrices);
    if (!matrices || ms_scan_create(&scan, &options, &err) != MS_OK) return fail(&err);
    const size_t n = matrices_of(ckpt, matrices);
    if (ms_scan_run(scan, ckpt, matrices, n, &err) != MS_OK) return fail(&err);
    const int code = print_stats(scan, ckpt, matrices, n, &err);
    ms_scan_destroy(scan);
    ms_checkpoint_close(ckpt);
    ms_mem_free(matrices);
    return code;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "choice") == 0) return choice();
    if (argc == 3 && strcmp(argv[1], "cache") == 0) return cache(argv[2]);
    if (argc == 4 && strcmp(argv[1], "stats") == 0) return stats(argv[2], atoi(argv[3]));
    fprintf(stderr, "scan_helper choice | cache FOLDER | stats FILE THREADS\n");
    return 2;
}
