/*
 * table_helper: what table_oracle.py drives.
 *
 *     table_helper convert IN OUT_STEM parquet|csv|json [COMPRESSION]    reads any table, writes it again
 *     table_helper summarize IN OUT_STEM KEY,KEY METRIC,METRIC           all aggregates, as Parquet
 *
 * Prints the path written, and the reason when another format was written than wanted. Exit codes as the program's.
 */
#include <stdio.h>
#include <string.h>

#include "summarize.h"
#include "table.h"

static int fail(const ms_err *err) {
    fprintf(stderr, "%s\n", err->text);
    return ms_status_exit_code(err->status);
}

static ms_status write_table(const ms_table *table, const char *stem, const char *format, const char *compression,
                             ms_err *err) {
    const ms_table_format wanted = strcmp(format, "csv") == 0    ? MS_TABLE_CSV
                                   : strcmp(format, "json") == 0 ? MS_TABLE_JSON
                                                                 : MS_TABLE_PARQUET;
    ms_table_written written;
    MS_TRY(ms_table_write(table, stem, wanted, compression, &written, err));
    printf("%s\n%s\n", written.path, written.error);
    return MS_OK;
}

static size_t split(char *text, const char *out[static 64]) {
    size_t n = 0;
    for (char *word = text; word && n < 64; n++) {
        char *const comma = strchr(word, ',');
        out[n] = word;
        if (comma) *comma = 0;
        word = comma ? comma + 1 : NULL;
    }
    return n;
}

static ms_status summarize(const char *in, const char *stem, char *key_list, char *metric_list, ms_err *err) {
    static const ms_aggregate all[] = {MS_AGGREGATE_MIN, MS_AGGREGATE_P01, MS_AGGREGATE_MEDIAN, MS_AGGREGATE_MEAN,
                                       MS_AGGREGATE_STD, MS_AGGREGATE_P90, MS_AGGREGATE_P99,    MS_AGGREGATE_MAX};
    const char *keys[64], *metrics[64];
    const size_t n_keys = split(key_list, keys), n_metrics = split(metric_list, metrics);
    ms_table *table = NULL, *summary = NULL;
    ms_status status;
    MS_GOTO(ms_table_read(&table, in, NULL, 0, err));
    MS_GOTO(ms_summarize(&summary, table, keys, n_keys, metrics, n_metrics, all, sizeof all / sizeof *all, err));
    MS_GOTO(write_table(summary, stem, "parquet", "zstd", err));
done:
    ms_table_destroy(summary);
    ms_table_destroy(table);
    return status;
}

int main(int argc, char **argv) {
    ms_err err = {0};
    if (argc >= 5 && strcmp(argv[1], "convert") == 0) {
        ms_table *table;
        if (ms_table_read(&table, argv[2], NULL, 0, &err) != MS_OK) return fail(&err);
        const ms_status status = write_table(table, argv[3], argv[4], argc > 5 ? argv[5] : NULL, &err);
        ms_table_destroy(table);
        return status == MS_OK ? 0 : fail(&err);
    }
    if (argc == 6 && strcmp(argv[1], "summarize") == 0)
        return summarize(argv[2], argv[3], argv[4], argv[5], &err) == MS_OK ? 0 : fail(&err);
    fprintf(stderr, "see the head of table_helper.c\n");
    return 2;
}
