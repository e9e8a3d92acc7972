/*
 * table_impl: how a table lies in memory; for the files of this room only.
 *
 * Each column is one array of cells and one of null marks, all of the table's capacity. The row in the making is row n_rows:
 * its marks are 1 until a cell is set, so that what is never set is null.
 */
#ifndef MS_TABLE_IMPL_H
#define MS_TABLE_IMPL_H

#include "arena.h"
#include "table.h"

typedef struct ms_list_cell {
    const int64_t *items; /* [n], in the table's arena */
    size_t n;
} ms_list_cell;

typedef struct ms_table_cells {
    ms_column_spec spec; /* texts in `names` */
    uint8_t *is_null;    /* [capacity] 0 or 1 */
    union {              /* [capacity], by spec.type; what lies under a null is indeterminate */
        void *cells;
        int64_t *i64;
        double *f64;
        uint8_t *boolean;
        ms_str *str; /* texts in the arena, valid UTF-8 */
        ms_list_cell *list;
    };
} ms_table_cells;

struct ms_table {
    ms_table_cells *columns; /* [n_columns] */
    size_t n_columns, n_rows, capacity;
    bool failed;           /* memory ran out within the row in the making */
    ms_arena arena, names; /* names: the texts of the columns */
};

/* Room for n_more rows after the finished ones, all marked null. */
bool ms_table_reserve(ms_table *table, size_t n_more);

/* The text in the table's arena, broken UTF-8 replaced by U+FFFD; text is NULL when memory is short. */
ms_str ms_table_keep_text(ms_table *table, ms_str text);

/* What a column is, for messages: "integers", "text", ... */
const char *ms_column_type_name(ms_column_type type);

/* Reading, one function a format. bytes are untrusted; file is the name for messages. */
ms_status ms_table_from_csv(ms_table **out, ms_str bytes, const char *file, const ms_column_spec *columns, size_t n_columns,
                            ms_err *err);
ms_status ms_table_from_parquet(ms_table **out, const char *path, const ms_column_spec *columns, size_t n_columns,
                                ms_column_wanted *wanted, ms_err *err);

/* Writing Parquet, row group by row group:
 *
 *     ms_parquet_writer *p;
 *     MS_TRY(ms_parquet_open(&p, table, path, "zstd", err));
 *     status = ms_parquet_put(p, table, err);                       // all rows of the table; as often as there are some
 *     if (status == MS_OK) status = ms_parquet_commit(p, err);
 *     ms_parquet_abort(p);                                          // also after a commit; NULL-safe
 */
typedef struct ms_parquet_writer ms_parquet_writer;
ms_status ms_parquet_open(ms_parquet_writer **out, const ms_table *table, const char *path, const char *compression,
                          ms_err *err);
ms_status ms_parquet_put(ms_parquet_writer *p, const ms_table *table, ms_err *err);
ms_status ms_parquet_commit(ms_parquet_writer *p, ms_err *err);
void ms_parquet_abort(ms_parquet_writer *p);

/* The rows [from, to) as lines of CSV. */
struct ms_buf;
void ms_csv_put_header(const ms_table *table, struct ms_buf *out);
void ms_csv_put_rows(const ms_table *table, size_t from, size_t to, struct ms_buf *out);

#endif
