/* Tables as files: which format, where, and what happens when Parquet is not to be had. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "mem.h"
#include "replace.h"
#include "table_impl.h"

enum { ROWS_AT_ONCE = 1024 }; /* of CSV text between two writes */

/* ---- writing ---- */

static ms_status write_csv(const ms_table *table, const char *path, ms_err *err) {
    ms_replace file;
    MS_TRY(ms_replace_begin(&file, path, err));
    ms_buf text = {0};
    ms_csv_put_header(table, &text);
    for (size_t row = 0; row < table->n_rows && !text.failed; row += ROWS_AT_ONCE) {
        const size_t end = row + ROWS_AT_ONCE < table->n_rows ? row + ROWS_AT_ONCE : table->n_rows;
        ms_csv_put_rows(table, row, end, &text);
        if (text.failed) break;
        fwrite(text.bytes, 1, text.size, file.stream);
        ms_buf_clear(&text);
    }
    const bool failed = text.failed;
    if (!failed && text.size) fwrite(text.bytes, 1, text.size, file.stream); /* the header of an empty table */
    ms_buf_free(&text);
    if (!failed) return ms_replace_commit(&file, err);
    ms_replace_abandon(&file);
    return ms_err_within(err, ms_err_memory(err, "a table as CSV"), "%s", ms_str_shown(ms_str_of(path)).text);
}

static ms_status write_json(const ms_table *table, const char *path, ms_err *err) {
    ms_buf text = {0};
    ms_status status = ms_table_to_json(table, &text, err);
    if (status == MS_OK) status = ms_replace_file(path, ms_buf_str(&text), err);
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
        ms_err reason;
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

/* The whole file. bytes: owned by the caller, also on failure. */
static ms_status read_file(const char *path, FILE *stream, ms_buf *bytes, ms_err *err) {
    enum { BLOCK = 1 << 18, LARGEST = 1 << 30 };
    char *const block = ms_mem_alloc(BLOCK);
    if (!block) return ms_err_memory(err, "a table");
    size_t n;
    while ((n = fread(block, 1, BLOCK, stream)) > 0 && bytes->size <= LARGEST && !bytes->failed) ms_buf_put(bytes, block, n);
    const int reason = ferror(stream) ? errno : 0;
    ms_mem_free(block);
    MS_FAIL_IF(bytes->size > LARGEST, MS_ERR_UNSUPPORTED, err, "%s: a CSV table of over 1 GiB; write it as Parquet",
               ms_str_shown(ms_str_of(path)).text);
    MS_FAIL_IF(reason, MS_ERR_IO, err, "%s: cannot read: %s", ms_str_shown(ms_str_of(path)).text, strerror(reason));
    return bytes->failed ? ms_err_memory(err, "a table") : MS_OK;
}

static ms_status open_file(FILE **out, const char *path, ms_err *err) {
    struct stat info;
    const int handle = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* opening a pipe must not hang */
    *out = handle >= 0 ? fdopen(handle, "rb") : NULL;
    const int reason = errno;
    if (handle >= 0 && !*out) close(handle);
    MS_FAIL_IF(!*out, reason == ENOENT ? MS_ERR_NOT_FOUND : MS_ERR_IO, err, "%s: %s", ms_str_shown(ms_str_of(path)).text,
               strerror(reason));
    if (fstat(fileno(*out), &info) == 0 && S_ISREG(info.st_mode)) return MS_OK;
    fclose(*out);
    return ms_err_set(err, MS_ERR_IO, "%s: not a regular file", ms_str_shown(ms_str_of(path)).text);
}

ms_status ms_table_read(ms_table **out, const char *path, const ms_column_spec *columns, size_t n_columns, ms_err *err) {
    *out = NULL;
    FILE *stream;
    MS_TRY(open_file(&stream, path, err));
    char magic[4] = "";
    const bool parquet = fread(magic, 1, 4, stream) == 4 && memcmp(magic, "PAR1", 4) == 0;
    if (parquet || ms_str_ends_with(ms_str_of(path), MS_STR(".parquet"))) {
        fclose(stream);
        return ms_table_from_parquet(out, path, columns, n_columns, err);
    }
    rewind(stream);
    ms_buf bytes = {0};
    ms_status status = read_file(path, stream, &bytes, err);
    fclose(stream);
    if (status == MS_OK) status = ms_table_from_csv(out, ms_buf_str(&bytes), path, columns, n_columns, err);
    ms_buf_free(&bytes);
    return status;
}
