/*
 * format_helper: lets the oracle scripts ask the readers and decoders.
 *
 *     format_helper list      records NAME NUL CONTENT on stdin; a line of JSON each: {"status", "error", "notes", "metadata",
 *                             "tensors": [[name, type, shape, column major, bytes, CRC of them, CRC of them as f32 or null]]}
 *     format_helper lenient   the same, lenient
 *     format_helper files     the same for each path that stands in a record of its own; tensors above 64 MiB get null for CRCs
 *     format_helper rewrite   records of safetensors; a line each: the file that our writer makes of it, in hexadecimal
 *     format_helper decode    records TYPE NUL BYTES; a line each: the f32 values in hexadecimal, or "!" and the message
 *     format_helper npy       records "TYPE EXTENT EXTENT ...", terminated; a line each: the npy header, in hexadecimal
 *
 * A record is a u32, little-endian, and as many bytes. A NaN counts as 7FC00000, whatever its payload.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "decode.h"
#include "json.h"
#include "mem.h"
#include "npy.h"
#include "reader.h"
#include "safetensors_write.h"
#include "zip.h"

enum { MOST_CHECKED = 64 << 20 };

static bool read_record(ms_buf *out) {
    uint32_t n;
    ms_buf_clear(out);
    ms_buf_put(out, "", 0);
    if (fread(&n, sizeof n, 1, stdin) != 1) return false;
    char block[4096];
    for (size_t left = n; left > 0;) {
        const size_t got = fread(block, 1, left < sizeof block ? left : sizeof block, stdin);
        if (got == 0) return false;
        ms_buf_put(out, block, got);
        left -= got;
    }
    return !out->failed;
}

static void put_hex(ms_buf *out, const void *bytes, size_t n) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        const unsigned byte = ((const uint8_t *)bytes)[i];
        ms_buf_put(out, (const char[]){digits[byte >> 4], digits[byte & 15]}, 2);
    }
}

static ms_status decode_all(ms_dtype dtype, const void *bytes, size_t n_bytes, float **out, size_t *n, ms_err *err) {
    const unsigned bits = ms_dtype_info_of(dtype)->bits;
    *n = bits ? n_bytes * 8 / bits : 0;
    *out = ms_mem_alloc_array(*n, sizeof **out);
    if (!*out) return ms_err_memory(err, "values");
    const ms_status status = ms_decode_f32(dtype, bytes, 0, *n, *out, err);
    for (size_t i = 0; status == MS_OK && i < *n; i++)
        if (isnan((*out)[i])) (*out)[i] = NAN;
    return status;
}

/* ---- list ---- */

static void show_checksums(ms_json_out *json, const ms_stored *t) {
    ms_scratch scratch = {0};
    ms_err err = {0};
    const void *bytes;
    if (t->n_bytes > MOST_CHECKED) {
        ms_json_out_null(json), ms_json_out_null(json);
        return;
    }
    if (ms_source_view(t->source, t->offset, (size_t)t->n_bytes, &scratch, &bytes, &err) != MS_OK) {
        ms_json_out_text(json, err.text), ms_json_out_null(json);
    } else {
        float *values = NULL;
        size_t n;
        ms_json_out_i64(json, ms_zip_crc(0, bytes, (size_t)t->n_bytes));
        if (decode_all(t->dtype, bytes, (size_t)t->n_bytes, &values, &n, &err) == MS_OK)
            ms_json_out_i64(json, ms_zip_crc(0, values, n * sizeof *values));
        else ms_json_out_null(json);
        ms_mem_free(values);
    }
    ms_scratch_free(&scratch);
}

static void show_tensor(ms_json_out *json, const ms_stored *t) {
    ms_json_out_begin_array(json);
    ms_json_out_str(json, t->name);
    ms_json_out_text(json, ms_dtype_info_of(t->dtype)->name);
    ms_json_out_begin_array(json);
    for (uint32_t i = 0; i < t->rank; i++) ms_json_out_u64(json, t->shape[i]);
    ms_json_out_end(json);
    ms_json_out_bool(json, t->column_major);
    ms_json_out_u64(json, t->n_bytes);
    show_checksums(json, t);
    ms_json_out_end(json);
}

static void show_reader(ms_json_out *json, const ms_reader *reader) {
    ms_json_out_key(json, "tensors");
    ms_json_out_begin_array(json);
    for (size_t i = 0; i < reader->n_tensors; i++) show_tensor(json, &reader->tensors[i]);
    ms_json_out_end(json);
    ms_json_out_key(json, "metadata");
    ms_json_out_begin_object(json);
    for (size_t i = 0; i < reader->n_metadata; i++) {
        ms_json_out_key_str(json, reader->metadata[i].key);
        ms_json_out_str(json, reader->metadata[i].value);
    }
    ms_json_out_end(json);
}

static void list_source(ms_source *source, bool lenient) {
    ms_buf text = {0};
    ms_json_out json = {.buf = &text};
    ms_reader *reader = NULL;
    ms_notes notes = {0};
    ms_err err = {0};
    const ms_status status = ms_reader_open(&reader, source, &(ms_read_options){.lenient = lenient}, &notes, &err);
    ms_json_out_begin_object(&json);
    ms_json_out_key(&json, "status"), ms_json_out_text(&json, ms_status_name(status));
    ms_json_out_key(&json, "error"), ms_json_out_text(&json, err.text);
    ms_json_out_key(&json, "notes"), ms_json_out_i64(&json, (int64_t)notes.n);
    if (reader) show_reader(&json, reader);
    ms_json_out_end(&json);
    puts(text.bytes);
    ms_reader_close(reader);
    ms_notes_free(&notes);
    ms_buf_free(&text);
}

static void list_records(bool lenient) {
    ms_buf record = {0};
    while (read_record(&record)) {
        const size_t n_name = strlen(record.bytes) + 1;
        ms_source *source;
        if (ms_source_over_memory(&source, record.bytes + n_name, record.size - n_name, record.bytes, NULL) != MS_OK) exit(2);
        list_source(source, lenient);
    }
    ms_buf_free(&record);
}

static void list_files(void) {
    ms_buf record = {0};
    while (read_record(&record)) {
        ms_source *source;
        ms_err err;
        if (ms_source_open_file(&source, record.bytes, &err) == MS_OK) list_source(source, false);
        else printf("{\"status\": \"%s\"}\n", ms_status_name(err.status));
    }
    ms_buf_free(&record);
}

/* ---- rewrite ---- */

static void rewrite(ms_str file) {
    ms_source *source;
    ms_reader *reader;
    ms_err err = {0};
    ms_buf again = {0}, hex = {0};
    if (ms_source_over_memory(&source, file.text, file.size, "x.safetensors", &err) != MS_OK) exit(2);
    if (ms_reader_open(&reader, source, NULL, NULL, &err) != MS_OK) {
        printf("!%s\n", err.text);
        return;
    }
    ms_safetensors_tensor *const tensors = ms_mem_zalloc_array(reader->n_tensors, sizeof *tensors);
    if (!tensors) exit(2);
    for (size_t i = 0; i < reader->n_tensors; i++) {
        const ms_stored *const t = &reader->tensors[i];
        tensors[i] = (ms_safetensors_tensor){t->name, t->dtype, t->rank, t->shape, file.text + t->offset};
    }
    const ms_status status =
        ms_safetensors_write(&again, tensors, reader->n_tensors, reader->metadata, reader->n_metadata, &err);
    put_hex(&hex, again.bytes, again.size);
    puts(status == MS_OK ? hex.bytes : err.text);
    ms_mem_free(tensors);
    ms_reader_close(reader);
    ms_buf_free(&again), ms_buf_free(&hex);
}

static void rewrite_records(void) {
    ms_buf record = {0};
    while (read_record(&record)) rewrite(ms_buf_str(&record));
    ms_buf_free(&record);
}

/* ---- decode ---- */

static void decode_records(void) {
    ms_buf record = {0}, hex = {0};
    while (read_record(&record)) {
        const size_t n_name = strlen(record.bytes) + 1;
        const ms_dtype dtype = ms_dtype_by_name(ms_str_of(record.bytes));
        ms_err err = {0};
        float *values = NULL;
        size_t n;
        ms_buf_clear(&hex);
        ms_buf_put(&hex, "", 0);
        if (decode_all(dtype, record.bytes + n_name, record.size - n_name, &values, &n, &err) == MS_OK) {
            put_hex(&hex, values, n * sizeof *values);
            puts(hex.bytes);
        } else {
            printf("!%s\n", err.text);
        }
        ms_mem_free(values);
    }
    ms_buf_free(&record), ms_buf_free(&hex);
}

/* ---- npy ---- */

static void put_npy_headers(void) {
    ms_buf record = {0}, header = {0}, hex = {0};
    while (read_record(&record)) {
        ms_str rest = ms_str_of(record.bytes);
        const ms_dtype dtype = ms_dtype_by_name(ms_str_cut(&rest, ' '));
        uint64_t shape[8];
        uint32_t rank = 0;
        int64_t extent;
        while (rest.text && ms_str_to_i64(ms_str_cut(&rest, ' '), &extent)) shape[rank++] = (uint64_t)extent;
        ms_buf_clear(&header), ms_buf_clear(&hex);
        if (ms_npy_put_header(&header, dtype, false, rank, shape, NULL) != MS_OK) exit(2);
        put_hex(&hex, header.bytes, header.size);
        puts(hex.bytes);
    }
    ms_buf_free(&record), ms_buf_free(&header), ms_buf_free(&hex);
}

int main(int argc, char **argv) {
    const char *const mode = argc == 2 ? argv[1] : "";
    if (strcmp(mode, "list") == 0) list_records(false);
    else if (strcmp(mode, "lenient") == 0) list_records(true);
    else if (strcmp(mode, "files") == 0) list_files();
    else if (strcmp(mode, "rewrite") == 0) rewrite_records();
    else if (strcmp(mode, "decode") == 0) decode_records();
    else if (strcmp(mode, "npy") == 0) put_npy_headers();
    else return 2;
    return 0;
}
