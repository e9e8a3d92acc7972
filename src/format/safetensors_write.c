#include "safetensors_write.h"

#include <stdlib.h>

#include "checked.h"
#include "map.h"
#include "mem.h"
#include "safetensors.h"

bool ms_safetensors_size(const ms_safetensors_tensor *tensor, uint64_t *n_bytes) {
    uint64_t n = 1;
    for (uint32_t i = 0; i < tensor->rank; i++)
        if (!ms_mul_u64(n, tensor->shape[i], &n)) return false;
    if (!ms_mul_u64(n, ms_dtype_info_of(tensor->dtype)->bits, &n) || n % 8 != 0) return false;
    *n_bytes = n / 8;
    return true;
}

/* As serde_json writes text: only what must be escaped is, in lower-case hexadecimal. */
static void put_string(ms_buf *out, ms_str s) {
    static const char letters[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    ms_buf_put_char(out, '"');
    for (size_t i = 0; i < s.size; i++) {
        const char c = s.text[i];
        const char *const letter = c ? strchr(letters, c) : NULL;
        if (letter) ms_buf_printf(out, "\\%c", names[letter - letters]);
        else if ((unsigned char)c < 0x20) ms_buf_printf(out, "\\u%04x", (unsigned)c);
        else ms_buf_put_char(out, c);
    }
    ms_buf_put_char(out, '"');
}

static void put_metadata(ms_buf *out, const ms_metadata *metadata, size_t n) {
    ms_buf_put_text(out, "\"__metadata__\":{");
    for (size_t i = 0; i < n; i++) {
        if (i > 0) ms_buf_put_char(out, ',');
        put_string(out, metadata[i].key);
        ms_buf_put_char(out, ':');
        put_string(out, metadata[i].value);
    }
    ms_buf_put_char(out, '}');
}

static void put_tensor(ms_buf *out, const ms_safetensors_tensor *t, uint64_t begin, uint64_t end) {
    put_string(out, t->name);
    ms_buf_printf(out, ":{\"dtype\":\"%s\",\"shape\":[", ms_dtype_info_of(t->dtype)->name);
    for (uint32_t i = 0; i < t->rank; i++) ms_buf_printf(out, "%s%llu", i ? "," : "", (unsigned long long)t->shape[i]);
    ms_buf_printf(out, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)begin, (unsigned long long)end);
}

typedef struct place {
    const ms_safetensors_tensor *tensor;
    size_t index;
} place;

static int compare_places(const void *a, const void *b) {
    const place *const x = a, *const y = b;
    if (x->tensor->dtype != y->tensor->dtype) return x->tensor->dtype > y->tensor->dtype ? -1 : 1;
    return ms_str_compare(x->tensor->name, y->tensor->name);
}

static ms_status check_names(const ms_safetensors_tensor *tensors, size_t n, ms_err *err) {
    ms_map names = {0};
    ms_status status = MS_OK;
    for (size_t i = 0; i < n && status == MS_OK; i++) {
        const ms_str name = tensors[i].name;
        bool is_new;
        if (!ms_map_add(&names, name, i, NULL, &is_new)) status = ms_err_memory(err, "tensor names");
        else if (!is_new || ms_str_is(name, "__metadata__") || !ms_str_is_utf8(name, NULL))
            status = ms_err_set(err, MS_ERR_USAGE, "tensor '%s' cannot be written: the name %s", ms_str_shown(name).text,
                                !is_new ? "occurs twice" : "is reserved or no UTF-8");
        else if (tensors[i].dtype == MS_DTYPE_UNKNOWN)
            status =
                ms_err_set(err, MS_ERR_USAGE, "tensor '%s' cannot be written: its type is unknown", ms_str_shown(name).text);
    }
    ms_map_free(&names);
    return status;
}

/* Puts the sorted tensors one after the other; the length is filled in at the end. */
static ms_status put_header(ms_safetensors_header *out, const place *places, size_t n, const ms_metadata *metadata,
                            size_t n_metadata, ms_err *err) {
    ms_buf *const b = &out->bytes;
    const uint64_t no_length = 0;
    ms_buf_put(b, &no_length, sizeof no_length);
    ms_buf_put_char(b, '{');
    if (n_metadata > 0) put_metadata(b, metadata, n_metadata);
    for (size_t i = 0; i < n; i++) {
        const ms_safetensors_tensor *const t = places[i].tensor;
        uint64_t n_bytes, end;
        MS_FAIL_IF(!ms_safetensors_size(t, &n_bytes) || !ms_add_u64(out->n_data, n_bytes, &end), MS_ERR_USAGE, err,
                   "tensor '%s' cannot be written: its shape overflows or does not fill whole bytes",
                   ms_str_shown(t->name).text);
        if (i > 0 || n_metadata > 0) ms_buf_put_char(b, ',');
        put_tensor(b, t, out->n_data, end);
        out->order[i] = places[i].index;
        out->n_data = end;
    }
    ms_buf_put_char(b, '}');
    while (b->size % 8 != 0 && !b->failed) ms_buf_put_char(b, ' ');
    if (b->failed) return ms_err_memory(err, "a safetensors header");
    const uint64_t length = b->size - sizeof length;
    MS_FAIL_IF(length > MS_SAFETENSORS_MAX_HEADER, MS_ERR_USAGE, err, "a header of %llu bytes is above the cap of %d",
               (unsigned long long)length, MS_SAFETENSORS_MAX_HEADER);
    memcpy(b->bytes, &length, sizeof length);
    return MS_OK;
}

ms_status ms_safetensors_header_make(ms_safetensors_header *out, const ms_safetensors_tensor *tensors, size_t n,
                                     const ms_metadata *metadata, size_t n_metadata, ms_err *err) {
    *out = (ms_safetensors_header){0};
    MS_TRY(check_names(tensors, n, err));
    out->order = ms_mem_alloc_array(n, sizeof *out->order);
    place *const places = ms_mem_alloc_array(n, sizeof *places);
    ms_status status = out->order && places ? MS_OK : ms_err_memory(err, "a safetensors header");
    if (status == MS_OK) {
        for (size_t i = 0; i < n; i++) places[i] = (place){&tensors[i], i};
        if (n > 1) qsort(places, n, sizeof *places, compare_places);
        status = put_header(out, places, n, metadata, n_metadata, err);
    }
    ms_mem_free(places);
    if (status != MS_OK) ms_safetensors_header_free(out);
    return status;
}

void ms_safetensors_header_free(ms_safetensors_header *header) {
    ms_buf_free(&header->bytes);
    ms_mem_free(header->order);
    *header = (ms_safetensors_header){0};
}

ms_status ms_safetensors_write(ms_buf *out, const ms_safetensors_tensor *tensors, size_t n, const ms_metadata *metadata,
                               size_t n_metadata, ms_err *err) {
    ms_safetensors_header header;
    MS_TRY(ms_safetensors_header_make(&header, tensors, n, metadata, n_metadata, err));
    ms_buf_put_str(out, ms_buf_str(&header.bytes));
    for (size_t i = 0; i < n; i++) {
        const ms_safetensors_tensor *const t = &tensors[header.order[i]];
        uint64_t n_bytes = 0;
        if (ms_safetensors_size(t, &n_bytes)) ms_buf_put(out, t->bytes, n_bytes);
    }
    ms_safetensors_header_free(&header);
    return out->failed ? ms_err_memory(err, "a safetensors file") : MS_OK;
}
