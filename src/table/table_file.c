/* Tables as files: which format, where, and what happens when Parquet is not to be had. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "files.h"
#include "mem.h"
#include "table_impl.h"

enum { ROWS_AT_ONCE = 1024 };   /* of CSV text between two writes */
enum { LARGEST_CSV = 1 << 30 }; /* bytes; more belongs into Parquet */

/* ---- writing ---- */

/* text: scratch; what it holds goes first. */
static ms_status put_csv(const ms_table *table, ms_files_writer *file, ms_buf *text, ms_err *err) {
    for (size_t row = 0; row <= table->n_rows; row += ROWS_AT_ONCE) { /* once also for a table without rows: the header */
        const size_t end = row + ROWS_AT_ONCE < table->n_rows ? row + ROWS_AT_ONCE : table->n_rows;
        ms_csv_put_rows(table, row, end, text);
        if (text->failed) return ms_err_memory(err, "a table as CSV");
        if (text->size > 0) MS_TRY(ms_files_writer_put(file, text->bytes, text->size, err));
        ms_buf_clear(text);
    }
    return MS_OK;
}

static ms_status write_csv(const ms_table *table, const char *path, ms_err *err) {
    ms_files_writer file;
    MS_TRY(ms_files_writer_open(&file, path, err));
    ms_buf text = {0};
    ms_csv_put_header(table, &text);
    ms_status status = put_csv(table, &file, &text, err);
    if (status == MS_OK) status = ms_files_writer_commit(&file, MS_FILES_NO_SYNC, err);
    ms_files_writer_abort(&file);
    ms_buf_free(&text);
    return status;
}

ms_status ms_table_write_parquet(const ms_table *table, const char *path, const char *compression, ms_err *err) {
    ms_parquet_writer *p;
    MS_TRY(ms_parquet_open(&p, table, path, compression, err));
    ms_status status = ms_parquet_put(p, table, err);
    if (status == MS_OK) status = ms_parquet_commit(p, err);
    ms_parquet_abort(p);
    return status;
}

static ms_status write_json(const ms_table *table, const char *path, ms_err *err) {
    ms_buf text = {0};
    ms_status status = ms_table_to_json(table, &text, err);
    if (status == MS_OK) status = ms_files_write(path, text.bytes, text.size, MS_FILES_NO_SYNC, err);
    ms_buf_free(&text);
    return status;
}

static const char *suffix_of(ms_table_format format) {
    static const char *const suffixes[] = {".parquet", ".csv", ".json"};
    return suffixes[format];
}

static ms_status name_file(ms_table_written *written, const char *stem, ms_table_format format, ms_err *err) {
    const int n = snprintf(written->path, sizeof written->path, "%s%s", stem, suffix_of(format));
    MS_FAIL_IF(n < 0 || (size_t)n >= sizeof written->path, MS_ERR_USAGE, err,
               "a path of %d bytes: at most %zu, use a shorter folder name", n, sizeof written->path - 1);
    written->format = format;
    return MS_OK;
}

/* A file in the other format, left by an earlier run, would be taken for this one's. */
static void remove_twin(const char *stem, ms_table_format kept) {
    ms_table_written twin;
    if (kept == MS_TABLE_JSON) return;
    if (name_file(&twin, stem, kept == MS_TABLE_CSV ? MS_TABLE_PARQUET : MS_TABLE_CSV, NULL) == MS_OK) unlink(twin.path);
}

ms_status ms_table_write(const ms_table *table, const char *path_without_suffix, ms_table_format wanted,
                         const char *compression, ms_table_written *written, ms_err *err) {
    *written = (ms_table_written){.n_rows = table->n_rows};
    MS_TRY(name_file(written, path_without_suffix, wanted, err));
    if (wanted == MS_TABLE_PARQUET) {
        ms_err reason = {0};
        if (ms_table_write_parquet(table, written->path, compression, &reason) == MS_OK) {
            remove_twin(path_without_suffix, wanted);
            return MS_OK;
        }
        written->fallback = true;
        snprintf(written->error, sizeof written->error, "%s", reason.text);
        MS_TRY(name_file(written, path_without_suffix, MS_TABLE_CSV, err));
    }
    MS_TRY(written->format == MS_TABLE_JSON ? write_json(table, written->path, err) : write_csv(table, written->path, err));
    remove_twin(path_without_suffix, written->format);
    return MS_OK;
}

/* ---- by portions ---- */

struct ms_table_sink {
    ms_table *table; /* borrowed, as is written */
    ms_table_written *written;
    char *stem;                 /* owned */
    ms_parquet_writer *parquet; /* owned; NULL: CSV */
    ms_files_writer csv;
    ms_buf text;
};

static ms_status open_csv(ms_table_sink *sink, ms_err *err) {
    MS_TRY(name_file(sink->written, sink->stem, MS_TABLE_CSV, err));
    MS_TRY(ms_files_writer_open(&sink->csv, sink->written->path, err));
    ms_csv_put_header(sink->table, &sink->text);
    return MS_OK;
}

static ms_status open_parquet(ms_table_sink *sink, const char *compression, ms_err *err) {
    ms_err reason = {0};
    MS_TRY(name_file(sink->written, sink->stem, MS_TABLE_PARQUET, err));
    if (ms_parquet_open(&sink->parquet, sink->table, sink->written->path, compression, &reason) == MS_OK) return MS_OK;
    sink->written->fallback = true;
    snprintf(sink->written->error, sizeof sink->written->error, "%s", reason.text);
    return open_csv(sink, err);
}

ms_status ms_table_sink_open(ms_table_sink **out, ms_table *table, const char *path_without_suffix, ms_table_format wanted,
                             const char *compression, ms_table_written *written, ms_err *err) {
    *out = NULL;
    *written = (ms_table_written){0};
    ms_table_sink *const sink = ms_mem_zalloc(sizeof *sink);
    if (!sink) return ms_err_memory(err, "a table's file");
    *sink = (ms_table_sink){.table = table, .written = written, .csv = {.fd = -1}};
    sink->stem = ms_mem_copy_text(path_without_suffix, strlen(path_without_suffix));
    ms_status status = sink->stem ? MS_OK : ms_err_memory(err, "a table's file");
    if (status == MS_OK) status = wanted == MS_TABLE_PARQUET ? open_parquet(sink, compression, err) : open_csv(sink, err);
    if (status == MS_OK) *out = sink;
    else ms_table_sink_abort(sink);
    return status;
}

ms_status ms_table_sink_flush(ms_table_sink *sink, ms_err *err) {
    MS_TRY(sink->parquet ? ms_parquet_put(sink->parquet, sink->table, err)
                         : put_csv(sink->table, &sink->csv, &sink->text, err));
    sink->written->n_rows += sink->table->n_rows;
    ms_table_clear(sink->table);
    return MS_OK;
}

ms_status ms_table_sink_close(ms_table_sink *sink, ms_err *err) {
    ms_status status = ms_table_sink_flush(sink, err);
    if (status == MS_OK)
        status =
            sink->parquet ? ms_parquet_commit(sink->parquet, err) : ms_files_writer_commit(&sink->csv, MS_FILES_NO_SYNC, err);
    if (status == MS_OK) remove_twin(sink->stem, sink->written->format);
    ms_table_sink_abort(sink);
    return status;
}

void ms_table_sink_abort(ms_table_sink *sink) {
    if (!sink) return;
    ms_parquet_abort(sink->parquet);
    ms_files_writer_abort(&sink->csv);
    ms_buf_free(&sink->text);
    ms_mem_free(sink->stem);
    ms_mem_free(sink);
}

/* ---- reading ---- */

/* Whether the file begins as Parquet does. MS_ERR_NOT_FOUND, MS_ERR_IO when it cannot be read or is no file. */
static ms_status is_parquet(const char *path, bool *out, ms_err *err) {
    char magic[4] = "";
    const int handle = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* opening a pipe must not hang */
    if (handle < 0) return ms_files_error(err, errno, path, "read");
    *out = read(handle, magic, sizeof magic) == (ssize_t)sizeof magic && memcmp(magic, "PAR1", 4) == 0;
    struct stat info;
    const bool is_file = fstat(handle, &info) == 0 && S_ISREG(info.st_mode);
    close(handle);
    MS_FAIL_IF(!is_file, MS_ERR_IO, err, "%s: not a regular file", ms_str_shown(ms_str_of(path)).text);
    return MS_OK;
}

ms_status ms_table_read(ms_table **out, const char *path, const ms_column_spec *columns, size_t n_columns, ms_err *err) {
    return ms_table_read_some(out, path, columns, n_columns, NULL, err);
}

ms_status ms_table_read_some(ms_table **out, const char *path, const ms_column_spec *columns, size_t n_columns,
                             ms_column_wanted *wanted, ms_err *err) {
    *out = NULL;
    bool parquet;
    MS_TRY(is_parquet(path, &parquet, err));
    if (parquet || ms_str_ends_with(ms_str_of(path), MS_STR(".parquet")))
        return ms_table_from_parquet(out, path, columns, n_columns, wanted, err);
    ms_buf bytes = {0};
    ms_status status = ms_files_read(&bytes, path, LARGEST_CSV, err);
    if (status == MS_OK) status = ms_table_from_csv(out, ms_buf_str(&bytes), path, columns, n_columns, err);
    ms_buf_free(&bytes);
    return status;
}
