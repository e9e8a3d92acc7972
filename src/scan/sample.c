#include "sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "files.h"
#include "mem.h"
#include "numpy_random.h"

enum {
    SPARE = 8,              /* samples kept beyond those in use */
    MOST_IN_ORDER = 1 << 20 /* positions that are all of them: a longer file would tell nobody anything */
};

ms_status ms_samples_init(ms_samples *samples, int64_t k, uint64_t seed, const char *folder, size_t n_users, ms_err *err) {
    *samples = (ms_samples){.k = k, .seed = seed, .folder = folder, .n_items = n_users + SPARE};
    samples->items = ms_mem_zalloc_array(samples->n_items, sizeof *samples->items);
    if (!samples->items) return ms_err_memory(err, "samples");
    pthread_mutex_init(&samples->lock, NULL);
    return MS_OK;
}

static int by_value(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The file as numpy.save writes it: version 1.0, header padded to a multiple of 64 bytes. */
static void put_npy(ms_buf *out, const int64_t *positions, size_t n) {
    char header[128];
    memset(header, ' ', sizeof header);
    memcpy(header, "\x93NUMPY\x01\x00\x76\x00", 10);
    char text[100];
    const int length = snprintf(text, sizeof text, "{'descr': '<i8', 'fortran_order': False, 'shape': (%zu,), }", n);
    memcpy(header + 10, text, (size_t)length);
    header[sizeof header - 1] = '\n';
    ms_buf_put(out, header, sizeof header);
    ms_buf_put(out, positions, n * sizeof *positions);
}

/* Writes the file unless it is there already, byte for byte. */
static ms_status keep_on_disk(const ms_samples *samples, uint64_t n, const int64_t *positions, size_t k, ms_err *err) {
    ms_buf path = {0}, wanted = {0}, found = {0};
    ms_buf_printf(&path, "%s/idx_N%llu_k%lld_seed%llu.npy", samples->folder, (unsigned long long)n, (long long)samples->k,
                  (unsigned long long)samples->seed);
    put_npy(&wanted, positions, k);
    ms_status status = MS_OK;
    if (path.failed || wanted.failed) {
        status = ms_err_memory(err, "the file of a sample");
    } else {
        const bool is_there = ms_files_exists(path.bytes) && ms_files_read(&found, path.bytes, wanted.size, NULL) == MS_OK;
        if (!is_there || !ms_str_equal(ms_buf_str(&found), ms_buf_str(&wanted))) {
            status = ms_files_make_folder(samples->folder, err);
            if (status == MS_OK) status = ms_files_write(path.bytes, wanted.bytes, wanted.size, MS_FILES_NO_SYNC, err);
        }
    }
    ms_buf_free(&path), ms_buf_free(&wanted), ms_buf_free(&found);
    return status;
}

/* A run goes on without its cache. */
static void keep(ms_samples *samples, uint64_t n, const int64_t *positions, size_t k) {
    ms_err why = {0};
    if (!samples->folder || k == 0) return;
    const ms_status status = keep_on_disk(samples, n, positions, k, &why);
    if (status != MS_OK && samples->cache_error.status == MS_OK) samples->cache_error = why;
}

static ms_status take_all(ms_samples *samples, ms_sample *item, uint64_t n, ms_err *err) {
    *item = (ms_sample){.n = n, .n_positions = (size_t)n};
    if (!samples->folder || n == 0 || n > MOST_IN_ORDER) return MS_OK;
    int64_t *const positions = ms_mem_alloc_array((size_t)n, sizeof *positions);
    if (!positions) return ms_err_memory(err, "a sample");
    for (uint64_t i = 0; i < n; i++) positions[i] = (int64_t)i;
    keep(samples, n, positions, (size_t)n);
    ms_mem_free(positions);
    return MS_OK;
}

static ms_status draw(ms_samples *samples, ms_sample *item, uint64_t n, ms_err *err) {
    if (samples->k >= 0 && (uint64_t)samples->k >= n) return take_all(samples, item, n, err);
    int64_t *positions;
    MS_TRY(ms_numpy_choice(&positions, (int64_t)n, samples->k, samples->seed, err));
    keep(samples, n, positions, (size_t)samples->k);
    qsort(positions, (size_t)samples->k, sizeof *positions, by_value);
    *item = (ms_sample){.n = n, .positions = positions, .n_positions = (size_t)samples->k};
    return MS_OK;
}

/* The item of that size; else a free one, the one unused for longest. */
static ms_sample *find_item(ms_samples *samples, uint64_t n) {
    ms_sample *oldest = NULL;
    for (size_t i = 0; i < samples->n_items; i++) {
        ms_sample *const item = &samples->items[i];
        if (item->used_at && item->n == n) return item;
        if (item->n_users == 0 && (!oldest || item->used_at < oldest->used_at)) oldest = item;
    }
    return oldest;
}

ms_status ms_samples_get(ms_samples *samples, uint64_t n, const ms_sample **out, ms_err *err) {
    ms_status status = MS_OK;
    pthread_mutex_lock(&samples->lock);
    ms_sample *const item = find_item(samples, n);
    if (!item) {
        status = ms_err_set(err, MS_ERR_USAGE, "more samples in use than announced");
    } else if (!item->used_at || item->n != n) {
        ms_mem_free((void *)item->positions);
        *item = (ms_sample){0};
        status = draw(samples, item, n, err);
    }
    if (status == MS_OK) {
        item->n_users++;
        item->used_at = ++samples->clock;
        *out = item;
    }
    pthread_mutex_unlock(&samples->lock);
    return status;
}

void ms_samples_release(ms_samples *samples, const ms_sample *sample) {
    if (!sample) return;
    pthread_mutex_lock(&samples->lock);
    ((ms_sample *)sample)->n_users--;
    pthread_mutex_unlock(&samples->lock);
}

void ms_samples_free(ms_samples *samples) {
    if (!samples->items) return;
    for (size_t i = 0; i < samples->n_items; i++) ms_mem_free((void *)samples->items[i].positions);
    ms_mem_free(samples->items);
    pthread_mutex_destroy(&samples->lock);
    samples->items = NULL;
}
