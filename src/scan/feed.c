#include "feed.h"

#include "decode.h"
#include "decoders.h"
#include "half.h"
#include "mem.h"

enum {
    FETCH_AHEAD = 1024,    /* positions */
    AT_HAND = 1 << 18,     /* elements that are brought at a time, about */
    LONGEST_ROW = 1 << 22, /* elements; 16 MiB once decoded */
};

static ms_status need_buffers(ms_feed *feed, ms_err *err) {
    if (!feed->panel) feed->panel = ms_mem_alloc_array(MS_PANEL_MAX, sizeof(float));
    if (!feed->f32) feed->f32 = ms_mem_alloc_array(MS_PANEL_MAX, sizeof(float));
    if (!feed->positions) feed->positions = ms_mem_alloc_array(MS_PANEL_MAX, sizeof *feed->positions);
    return feed->panel && feed->f32 && feed->positions ? MS_OK : ms_err_memory(err, "reading a matrix");
}

/* A matrix that lies in memory as it is: no copies, no bounds to ask for again. */
static ms_status see_all(ms_feed *feed, ms_err *err) {
    const void *bytes;
    MS_TRY(ms_matrix_stored_rows(feed->ckpt, feed->matrix, 0, feed->matrix->rows, &feed->scratch, &bytes, err));
    if ((uintptr_t)bytes % (feed->dtype == MS_DTYPE_F32 ? 4 : 2) == 0) feed->all = bytes;
    return MS_OK;
}

ms_status ms_feed_open(ms_feed *feed, const ms_checkpoint *ckpt, const ms_matrix *matrix, ms_err *err) {
    MS_TRY(need_buffers(feed, err));
    const ms_tensor *const tensor = &ckpt->tensors[matrix->tensor];
    const bool plain = ms_tensor_is_plain(tensor);
    feed->ckpt = ckpt;
    feed->matrix = matrix;
    feed->stored = tensor->stored->dtype;
    feed->dtype = plain && ms_panel_takes(feed->stored) ? feed->stored : MS_DTYPE_F32;
    feed->n = matrix->rows * matrix->cols;
    feed->bytes = NULL;
    feed->base = feed->n_held = 0;
    feed->all = NULL;
    feed->kind = MS_FEED_ROWS;
    if (feed->n == 0) return MS_OK;
    const ms_dtype_info *const info = ms_dtype_info_of(feed->stored);
    if (plain && info->decodable && info->bits >= 8) {
        const void *bytes; /* two rows tell whether all follow each other without gaps */
        MS_TRY(ms_matrix_stored_rows(ckpt, matrix, 0, matrix->rows < 2 ? 1 : 2, &feed->scratch, &bytes, err));
        if (bytes) feed->kind = MS_FEED_STORED;
    }
    if (feed->kind != MS_FEED_STORED) feed->dtype = MS_DTYPE_F32;
    else if (feed->dtype == feed->stored && tensor->stored->source->map) MS_TRY(see_all(feed, err));
    if (feed->kind == MS_FEED_ROWS && matrix->cols > LONGEST_ROW) feed->kind = MS_FEED_GATHER;
    return MS_OK;
}

static ms_status decode_rows(ms_feed *feed, uint64_t row, uint64_t n_rows, ms_err *err) {
    const size_t n = (size_t)(n_rows * feed->matrix->cols);
    if (feed->rows_room < n) {
        ms_mem_free(feed->rows);
        feed->rows = ms_mem_alloc_array(n, sizeof *feed->rows);
        feed->rows_room = feed->rows ? n : 0;
        if (!feed->rows) return ms_err_memory(err, "decoding rows");
    }
    return ms_matrix_rows(feed->ckpt, feed->matrix, row, n_rows, &feed->row_scratch, feed->rows, err);
}

/* Brings the rows that hold [first, first + n) and some that follow. */
static ms_status hold(ms_feed *feed, uint64_t first, uint64_t n, ms_err *err) {
    const ms_matrix *const m = feed->matrix;
    const uint64_t row = first / m->cols, end_row = (first + n - 1) / m->cols + 1;
    uint64_t n_rows = end_row - row;
    if (n_rows < AT_HAND / m->cols) n_rows = AT_HAND / m->cols;
    if (n_rows > m->rows - row) n_rows = m->rows - row;
    feed->n_held = 0;
    if (feed->kind == MS_FEED_ROWS) MS_TRY(decode_rows(feed, row, n_rows, err));
    else MS_TRY(ms_matrix_stored_rows(feed->ckpt, m, row, n_rows, &feed->scratch, &feed->bytes, err));
    MS_FAIL_IF(feed->kind == MS_FEED_STORED && !feed->bytes, MS_ERR_IO, err, "rows %llu to %llu are not at hand as stored",
               (unsigned long long)row, (unsigned long long)(row + n_rows));
    feed->base = row * m->cols;
    feed->n_held = n_rows * m->cols;
    return MS_OK;
}

static ms_status stored_panel(ms_feed *feed, uint64_t at, size_t n, const void **w, ms_err *err) {
    if (feed->dtype != feed->stored) {
        *w = feed->panel;
        return ms_decode_f32(feed->stored, feed->bytes, at, n, feed->panel, err);
    }
    const size_t size = feed->stored == MS_DTYPE_F32 ? 4 : 2;
    const uint8_t *const bytes = (const uint8_t *)feed->bytes + at * size;
    *w = bytes;
    if ((uintptr_t)bytes % size != 0) *w = memcpy(feed->panel, bytes, n * size); /* safetensors data may lie anywhere */
    return MS_OK;
}

ms_status ms_feed_panel(ms_feed *feed, uint64_t first, size_t n, const void **w, ms_err *err) {
    if (feed->all) {
        *w = (const uint8_t *)feed->all + first * (feed->dtype == MS_DTYPE_F32 ? 4 : 2);
        return MS_OK;
    }
    const bool at_hand = first >= feed->base && first + n <= feed->base + feed->n_held;
    if (!at_hand && feed->kind != MS_FEED_GATHER) MS_TRY(hold(feed, first, n, err));
    if (feed->kind == MS_FEED_STORED) return stored_panel(feed, first - feed->base, n, w, err);
    if (feed->kind == MS_FEED_ROWS) {
        *w = feed->rows + (first - feed->base);
        return MS_OK;
    }
    for (size_t i = 0; i < n; i++) feed->positions[i] = (int64_t)(first + i);
    *w = feed->panel;
    return ms_matrix_gather(feed->ckpt, feed->matrix, feed->positions, n, &feed->row_scratch, feed->panel, err);
}

ms_status ms_feed_as_f32(ms_feed *feed, const void *w, size_t n, const float **f32, ms_err *err) {
    *f32 = feed->dtype == MS_DTYPE_F32 ? w : feed->f32;
    return feed->dtype == MS_DTYPE_F32 ? MS_OK : ms_decode_f32(feed->dtype, w, 0, n, feed->f32, err);
}

void ms_feed_keys(const ms_feed *feed, const float *w, size_t n, uint32_t *out) {
    for (size_t i = 0; i < n; i++) {
        if (feed->dtype == MS_DTYPE_F16) out[i] = ms_f16_from_f32(w[i]) & 0x7FFFu;
        else if (feed->dtype == MS_DTYPE_BF16) out[i] = ms_f32_bits(w[i]) >> 16 & 0x7FFFu;
        else out[i] = ms_f32_bits(w[i]) & 0x7FFFFFFFu;
    }
}

ms_status ms_feed_gather_keys(ms_feed *feed, const int64_t *positions, size_t n, uint32_t *out, ms_err *err) {
    if (!feed->all) {
        for (size_t at = 0; at < n; at += MS_PANEL_MAX) {
            const size_t n_part = n - at < MS_PANEL_MAX ? n - at : MS_PANEL_MAX;
            MS_TRY(ms_feed_gather(feed, positions + at, n_part, feed->f32, err));
            ms_feed_keys(feed, feed->f32, n_part, out + at);
        }
        return MS_OK;
    }
    const uint16_t *const narrow = feed->all;
    const uint32_t *const wide = feed->all;
    const size_t size = feed->dtype == MS_DTYPE_F32 ? 4 : 2;
    for (size_t i = 0; i < n; i++) { /* a little ahead: what is waited for then comes at the same time */
        const size_t later = i + FETCH_AHEAD < n ? i + FETCH_AHEAD : n - 1;
        __builtin_prefetch((const uint8_t *)feed->all + (uint64_t)positions[later] * size);
        out[i] = size == 4 ? wide[positions[i]] & 0x7FFFFFFFu : narrow[positions[i]] & 0x7FFFu;
    }
    return MS_OK;
}

ms_status ms_feed_gather(ms_feed *feed, const int64_t *positions, size_t n, float *out, ms_err *err) {
    return ms_matrix_gather(feed->ckpt, feed->matrix, positions, n, &feed->row_scratch, out, err);
}

void ms_feed_free(ms_feed *feed) {
    ms_mem_free(feed->rows);
    ms_mem_free(feed->panel);
    ms_mem_free(feed->f32);
    ms_mem_free(feed->positions);
    ms_scratch_free(&feed->scratch);
    ms_scratch_free(&feed->row_scratch);
    *feed = (ms_feed){0};
}
