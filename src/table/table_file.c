/* Tables as files: which format, where, and what happens when Parquet is not to be had. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "files.h"
#include "table_impl.h"

enum { ROWS_AT_ONCE = 1024 };   /* of CSV text between two writes */
enum { LARGEST_CSV = 1 << 30 }; /* bytes; more belongs into Parquet */

/* ---- writing ---- */

static ms_status put_csv(const ms_table *table, ms_files_writer *file, ms_buf *text, ms_err *err) {
    ms_csv_put_header(table, text);
    for (size_t row = 0; row < table->n_rows; row += ROWS_AT_ONCE) {
        const size_t end = row + ROWS_AT_ONCE < table->n_rows ? row + ROWS_AT_ONCE : table->n_rows;
        ms_csv_put_rows(table, row, end, text);
        if (text->failed) return ms_err_memory(err, "a table as CSV");
        MS_TRY(ms_files_writer_put(file, text->bytes, text->size, err));
        ms_buf_clear(text);
    }
    if (text->failed) return ms_err_memory(err, "a table as CSV");
    return text->size ? ms_files_writer_put(file, text->bytes, text->size, err) : MS_OK; /* the header of an empty table */
}

static ms_status write_csv(const ms_table *table, const char *path, ms_err *err) {
    ms_files_writer file;
    MS_TRY(ms_files_writer_open(&file, path, err));
    ms_buf text = {0};
    ms_status status = put_csv(table, &file, &text, err);
    if (status == MS_OK) status = ms_files_writer_commit(&file, MS_FILES_NO_SYNC, err);
    ms_files_writer_abort(&file);
    ms_buf_free(&text);
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
    *out = NULL;
    bool parquet;
    MS_TRY(is_parquet(path, &parquet, err));
    if (parquet || ms_str_ends_with(ms_str_of(path), MS_STR(".parquet")))
        return ms_table_from_parquet(out, path, columns, n_columns, err);
    ms_buf bytes = {0};
    ms_status status = ms_files_read(&bytes, path, LARGEST_CSV, err);
    if (status == MS_OK) status = ms_table_from_csv(out, ms_buf_str(&bytes), path, columns, n_columns, err);
    ms_buf_free(&bytes);
    return status;
}
