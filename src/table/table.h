/*
 * table: named, typed columns with nulls; built row by row, written by sinks, read back.
 *
 *     static const ms_column_spec columns[] = {{"layer", MS_COLUMN_I64, "", "..."}, {"rms", MS_COLUMN_F64, "", "..."}};
 *     ms_table *table;
 *     MS_TRY(ms_table_create(&table, columns, 2, err));
 *     ms_table_i64(table, 0, layer);                  // a cell that is not set is null
 *     ms_table_f64(table, 1, rms);
 *     MS_TRY(ms_table_end_row(table, err));           // reports a failed allocation of any cell of the row
 *     MS_TRY(ms_table_write(table, "data/x.parquet", options, err));
 *     ms_table_destroy(table);
 *
 * A table of 0 rows still has its columns. NaN and null are different in Parquet, both are empty in CSV.
 */
#ifndef MS_TABLE_H
#define MS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "str.h"

typedef enum ms_column_type {
    MS_COLUMN_I64,
    MS_COLUMN_F64,
    MS_COLUMN_BOOL,
    MS_COLUMN_STR,
    MS_COLUMN_I64_LIST, /* a tensor's shape: list<int64> in Parquet, "(2, 3)" in CSV, as Python prints a tuple: "(2,)", "()" */
} ms_column_type;

typedef struct ms_column_spec {
    const char *name;
    ms_column_type type;
    const char *unit; /* "" when it has none; goes to the documentation and to --json schemas */
    const char *help; /* one sentence */
} ms_column_spec;

typedef struct ms_table ms_table;

/* Names, units and texts are copied. Owned. */
ms_status ms_table_create(ms_table **out, const ms_column_spec *columns, size_t n_columns, ms_err *err);
void ms_table_destroy(ms_table *table);
/* Takes all rows away, also the one in the making. */
void ms_table_clear(ms_table *table);

size_t ms_table_n_columns(const ms_table *table);
size_t ms_table_n_rows(const ms_table *table);
const ms_column_spec *ms_table_column(const ms_table *table, size_t column); /* borrowed */
/* Index of the column of that name, or -1. */
int64_t ms_table_find(const ms_table *table, const char *name);

/* Cells of the row that is being made. The type must be the column's (checked by assert: it is our own code that calls). */
void ms_table_i64(ms_table *table, size_t column, int64_t value);
void ms_table_f64(ms_table *table, size_t column, double value);
void ms_table_bool(ms_table *table, size_t column, bool value);
void ms_table_str(ms_table *table, size_t column, ms_str value);                    /* copied */
void ms_table_list(ms_table *table, size_t column, const int64_t *items, size_t n); /* copied */
ms_status ms_table_end_row(ms_table *table, ms_err *err);

/* Reading cells back; row < n_rows, column < n_columns, right type. The value of a null is 0, NaN, false, "". */
bool ms_table_is_null(const ms_table *table, size_t row, size_t column);
int64_t ms_table_get_i64(const ms_table *table, size_t row, size_t column);
double ms_table_get_f64(const ms_table *table, size_t row, size_t column); /* of an I64 column: the integer, as f64 */
bool ms_table_get_bool(const ms_table *table, size_t row, size_t column);
ms_str ms_table_get_str(const ms_table *table, size_t row, size_t column); /* borrowed until the table goes */
size_t ms_table_get_list(const ms_table *table, size_t row, size_t column, const int64_t **items);

/* ---- sinks ---- */

typedef enum ms_table_format { MS_TABLE_PARQUET, MS_TABLE_CSV, MS_TABLE_JSON } ms_table_format;

typedef struct ms_table_written { /* what write_manifest.json says of one artifact */
    ms_table_format format;       /* what was written */
    bool fallback;                /* Parquet was wanted, CSV was written */
    char path[1024];
    char error[512]; /* why the fallback; "" when fine */
    size_t n_rows;
} ms_table_written;

/* Writes path_without_suffix + ".parquet" or ".csv" (to a temporary sibling, then renamed); the twin in the other format is
 * removed. compression (Parquet only): zstd, snappy, gzip, lz4, none (or "" = none; as pyarrow names them). When Parquet
 * fails for any reason (built without, unknown compression), CSV is written instead and *written says why. */
ms_status ms_table_write(const ms_table *table, const char *path_without_suffix, ms_table_format wanted,
                         const char *compression, ms_table_written *written, ms_err *err);

/* The same for a table that is too long for memory: its rows are made and written by portions.
 *
 *     MS_TRY(ms_table_sink_open(&sink, table, path_without_suffix, MS_TABLE_PARQUET, "zstd", &written, err));
 *     ... ms_table_end_row(table, err); now and then: MS_TRY(ms_table_sink_flush(sink, err)) ...
 *     MS_TRY(ms_table_sink_close(sink, err));            // the rest; the file gets its name; consumes the sink
 *
 * table, of any number of rows, and written are borrowed until the sink goes. CSV instead of Parquet only when Parquet fails from
 * the first. ms_table_sink_abort: no file; NULL-safe. Parquet or CSV. */
typedef struct ms_table_sink ms_table_sink;
ms_status ms_table_sink_open(ms_table_sink **out, ms_table *table, const char *path_without_suffix, ms_table_format wanted,
                             const char *compression, ms_table_written *written, ms_err *err);
/* Writes the rows that the table has, and takes them away. */
ms_status ms_table_sink_flush(ms_table_sink *sink, ms_err *err);
ms_status ms_table_sink_close(ms_table_sink *sink, ms_err *err);
void ms_table_sink_abort(ms_table_sink *sink);

/* One format each; used by ms_table_write and by --csv, --json. */
struct ms_buf;
ms_status ms_table_to_csv(const ms_table *table, struct ms_buf *out, ms_err *err);
/* An array of objects; NaN becomes null. */
ms_status ms_table_to_json(const ms_table *table, struct ms_buf *out, ms_err *err);
ms_status ms_table_write_parquet(const ms_table *table, const char *path, const char *compression, ms_err *err);

/* Reads a .parquet or .csv file that we (or pandas, pyarrow) wrote, into columns of the types above; CSV types are taken from
 * `columns` by name where given (n_columns may be 0), else inferred. Untrusted: MS_ERR_DAMAGED with the reason. Owned. */
ms_status ms_table_read(ms_table **out, const char *path, const ms_column_spec *columns, size_t n_columns, ms_err *err);
/* The same, without the columns that `wanted` says no to (a file of CSV is read as a whole all the same): for long tables of which
 * little is needed. */
typedef bool ms_column_wanted(const char *name);
ms_status ms_table_read_some(ms_table **out, const char *path, const ms_column_spec *columns, size_t n_columns,
                             ms_column_wanted *wanted, ms_err *err);

/* Turns a column of numbers into integers where it stands: fractions are cut off; what no integer below 9e15 is becomes null. */
void ms_table_make_whole(ms_table *table, size_t column);

#endif
