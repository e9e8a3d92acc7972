/*
 * matrix: strided windows into tensors, read as f32 rows.
 *
 * Where columns lie next to each other rows are decoded in place. Where they do not (stored [in, out]) the work goes tile by
 * tile: runs along the stored rows are decoded into a small square, which is turned as it is written out, so that every cache
 * line of the file is used whole.
 */
#include "bank.h"
#include "checked.h"
#include "decode.h"
#include "decoders.h"
#include "half.h"
#include "turn.h"

enum { TILE = 64, TILE_WIDE = 128, LARGEST_ELEMENT = 8, RUN_LONG = 128, RUN_WIDE = 32 };

typedef struct ms_reading { /* what every read of a matrix needs */
    const ms_tensor *tensor;
    const ms_matrix *matrix;
    ms_scratch *scratch;
    ms_decoding *decoding; /* of the tensor; opened for the whole read */
    ms_err *err;
} ms_reading;

static ms_status run(const ms_reading *r, uint64_t first, size_t n, float *out) {
    return ms_decoding_run(r->decoding, first, n, out, r->err);
}

static ms_status rows_straight(const ms_reading *r, uint64_t row, uint64_t n, float *out) {
    const ms_matrix *const m = r->matrix;
    const uint64_t first = m->first + row * m->row_stride;
    if (m->row_stride == m->cols) return run(r, first, (size_t)(n * m->cols), out);
    for (uint64_t i = 0; i < n; i++) MS_TRY(run(r, first + i * m->row_stride, (size_t)m->cols, out + i * m->cols));
    return MS_OK;
}

/* A tile of n_rows x n_cols: one run of the file a column. Rows lie row_stride apart in it: 1, or 2 where gate and up
 * alternate. */
static ms_status tile(const ms_reading *r, uint64_t row, uint64_t n_rows, uint64_t col, uint64_t n_cols, float *out) {
    float runs[RUN_WIDE * RUN_LONG];
    const ms_matrix *const m = r->matrix;
    const size_t length = (size_t)((n_rows - 1) * m->row_stride + 1);
    for (uint64_t c = 0; c < n_cols; c++)
        MS_TRY(run(r, m->first + row * m->row_stride + (col + c) * m->col_stride, length, runs + c * length));
    ms_turn(out, (size_t)m->cols, runs, length, (size_t)m->row_stride, (size_t)n_rows, (size_t)n_cols, sizeof *out);
    return MS_OK;
}

static ms_status rows_turned(const ms_reading *r, uint64_t row, uint64_t n, float *out) {
    const ms_matrix *const m = r->matrix;
    const uint64_t high = m->row_stride == 0 || m->row_stride > RUN_LONG / 4 ? 1 : RUN_LONG / m->row_stride;
    for (uint64_t i = 0; i < n; i += high)
        for (uint64_t c = 0; c < m->cols; c += RUN_WIDE) {
            const uint64_t n_rows = n - i < high ? n - i : high, n_cols = m->cols - c < RUN_WIDE ? m->cols - c : RUN_WIDE;
            MS_TRY(tile(r, row + i, n_rows, c, n_cols, out + i * m->cols + c));
        }
    return MS_OK;
}

/* Bytes of an element of a plain tensor, when they are whole ones and not shared by several (block types, F4); else 0. */
static size_t element_size(const ms_tensor *t) {
    const ms_dtype_info *const info = ms_dtype_info_of(t->stored->dtype);
    return info->block || info->bits % 8 || info->bits / 8 > LARGEST_ELEMENT ? 0 : info->bits / 8;
}

/* Asks for the file's bytes of the tile at column c: its short runs lie too far apart for the processor to foresee. */
static void prefetch_tile(const ms_matrix *m, const uint8_t *bytes, size_t size, uint64_t row, uint64_t n_rows, uint64_t c) {
    enum { LINE = 64 };
    for (uint64_t k = c; k < m->cols && k < c + TILE_WIDE; k++) {
        const uint8_t *const run_bytes = bytes + (m->first + row * m->row_stride + k * m->col_stride) * size;
        for (uint64_t at = 0; at < n_rows * m->row_stride * size; at += LINE) __builtin_prefetch(run_bytes + at);
    }
}

/* Plain elements in memory. bytes: the tensor's; the caller has checked that the matrix lies inside. */
static ms_status rows_turned_raw(const ms_reading *r, const uint8_t *bytes, size_t size, uint64_t row, uint64_t n, float *out) {
    uint8_t turned[TILE * TILE_WIDE * LARGEST_ELEMENT];
    const ms_matrix *const m = r->matrix;
    for (uint64_t i = 0; i < n; i += TILE)
        for (uint64_t c = 0; c < m->cols; c += TILE_WIDE) {
            const size_t n_rows = n - i < TILE ? (size_t)(n - i) : TILE;
            const size_t n_cols = m->cols - c < TILE_WIDE ? (size_t)(m->cols - c) : TILE_WIDE;
            const uint64_t first = m->first + (row + i) * m->row_stride + c * m->col_stride;
            prefetch_tile(m, bytes, size, row + i, n_rows, c + TILE_WIDE);
            ms_turn(turned, n_cols, bytes + first * size, (size_t)m->col_stride, (size_t)m->row_stride, n_rows, n_cols, size);
            for (size_t k = 0; k < n_rows; k++)
                MS_TRY(ms_decode_f32(r->tensor->stored->dtype, turned + k * n_cols * size, 0, n_cols,
                                     out + (i + k) * m->cols + c, r->err));
        }
    return MS_OK;
}

/* The last element that rows [row, row + n) touch, or UINT64_MAX. */
static uint64_t last_element(const ms_matrix *m, uint64_t row, uint64_t n) {
    uint64_t down, right, last;
    const bool ok = ms_mul_u64(row + n - 1, m->row_stride, &down) && ms_mul_u64(m->cols - 1, m->col_stride, &right) &&
                    ms_add_u64(down, right, &last) && ms_add_u64(last, m->first, &last);
    return ok ? last : UINT64_MAX;
}

static const uint8_t *mapped_bytes(const ms_tensor *t);

static ms_status rows_across(const ms_reading *r, uint64_t row, uint64_t n, float *out) {
    const uint8_t *const bytes = mapped_bytes(r->tensor);
    const size_t size = bytes ? element_size(r->tensor) : 0;
    const uint64_t last = last_element(r->matrix, row, n);
    if (size == 0 || last >= r->tensor->stored->n_bytes / size) return rows_turned(r, row, n, out);
    MS_TRY(rows_turned_raw(r, bytes, size, row, n, out));
    const void *seen; /* a file that shrank meanwhile is noticed here */
    return ms_source_view(r->tensor->stored->source, r->tensor->stored->offset, 1, r->scratch, &seen, r->err);
}

ms_status ms_matrix_rows(const ms_checkpoint *ckpt, const ms_matrix *matrix, uint64_t row, uint64_t n, ms_scratch *scratch,
                         float *out, ms_err *err) {
    ms_decoding decoding;
    const ms_reading r = {&ckpt->tensors[matrix->tensor], matrix, scratch, &decoding, err};
    MS_FAIL_IF(!ms_range_inside(row, n, matrix->rows), MS_ERR_USAGE, err, "rows %llu to %llu of a matrix of %llu rows",
               (unsigned long long)row, (unsigned long long)(row + n), (unsigned long long)matrix->rows);
    if (n == 0 || matrix->cols == 0) return ms_decoders_check(r.tensor, err);
    MS_TRY(ms_decoding_open(&decoding, ckpt, r.tensor, scratch, err));
    const bool straight = matrix->col_stride == 1 || matrix->cols == 1;
    const ms_status status = straight ? rows_straight(&r, row, n, out) : rows_across(&r, row, n, out);
    ms_decoding_close(&decoding);
    return status;
}

/* ---- single elements ---- */

/* All bytes of a plain tensor that lies in memory, else NULL. */
static const uint8_t *mapped_bytes(const ms_tensor *t) {
    const ms_stored *const s = t->stored;
    if (!ms_tensor_is_plain(t) || !s->source->map || !ms_range_inside(s->offset, s->n_bytes, s->source->size)) return NULL;
    return (const uint8_t *)s->source->map + s->offset;
}

#define GATHER(type, convert)                                                                                    \
    for (size_t i = 0; i < n; i++) {                                                                             \
        const uint64_t r = (uint64_t)positions[i] / cols, c = (uint64_t)positions[i] % cols;                     \
        type value;                                                                                              \
        memcpy(&value, bytes + (m->first + r * m->row_stride + c * m->col_stride) * sizeof value, sizeof value); \
        out[i] = convert(value);                                                                                 \
    }

/* The common types without a call an element. False when it is another type. */
static bool gather_plain(ms_dtype dtype, const uint8_t *bytes, const ms_matrix *m, const int64_t *positions, size_t n,
                         float *out) {
    const uint64_t cols = m->cols;
    switch (dtype) {
    case MS_DTYPE_BF16: GATHER(uint16_t, ms_f32_from_bf16) return true;
    case MS_DTYPE_F16: GATHER(uint16_t, ms_f32_from_f16) return true;
    case MS_DTYPE_F32: GATHER(float, ) return true;
    default: return false;
    }
}

ms_status ms_matrix_gather(const ms_checkpoint *ckpt, const ms_matrix *matrix, const int64_t *positions, size_t n,
                           ms_scratch *scratch, float *out, ms_err *err) {
    const ms_tensor *const tensor = &ckpt->tensors[matrix->tensor];
    const uint64_t size = matrix->rows * matrix->cols;
    for (size_t i = 0; i < n; i++)
        MS_FAIL_IF(positions[i] < 0 || (uint64_t)positions[i] >= size, MS_ERR_USAGE, err, "element %lld of a matrix of %llu",
                   (long long)positions[i], (unsigned long long)size);
    const uint8_t *const bytes = mapped_bytes(tensor);
    if (bytes && gather_plain(tensor->stored->dtype, bytes, matrix, positions, n, out)) return MS_OK;
    ms_decoding decoding;
    MS_TRY(ms_decoding_open(&decoding, ckpt, tensor, scratch, err));
    ms_status status = MS_OK;
    for (size_t i = 0; i < n && status == MS_OK; i++) {
        const uint64_t row = (uint64_t)positions[i] / matrix->cols, col = (uint64_t)positions[i] % matrix->cols;
        status =
            ms_decoding_run(&decoding, matrix->first + row * matrix->row_stride + col * matrix->col_stride, 1, &out[i], err);
    }
    ms_decoding_close(&decoding);
    return status;
}

ms_status ms_matrix_stored_rows(const ms_checkpoint *ckpt, const ms_matrix *matrix, uint64_t row, uint64_t n,
                                ms_scratch *scratch, const void **bytes, ms_err *err) {
    const ms_tensor *const t = &ckpt->tensors[matrix->tensor];
    const ms_stored *const s = t->stored;
    uint64_t offset, n_bytes, begin;
    *bytes = NULL;
    MS_FAIL_IF(!ms_range_inside(row, n, matrix->rows), MS_ERR_USAGE, err, "rows %llu to %llu of a matrix of %llu rows",
               (unsigned long long)row, (unsigned long long)(row + n), (unsigned long long)matrix->rows);
    const bool dense = (matrix->col_stride == 1 || matrix->cols == 1) && (matrix->row_stride == matrix->cols || n == 1);
    if (!ms_tensor_is_plain(t) || !dense || n == 0 || matrix->cols == 0) return MS_OK;
    if (!ms_dtype_range(s->dtype, matrix->first + row * matrix->row_stride, n * matrix->cols, &offset, &n_bytes, &begin) ||
        begin)
        return MS_OK;
    MS_FAIL_IF(!ms_range_inside(offset, n_bytes, s->n_bytes), MS_ERR_DAMAGED, err,
               "tensor '%s': rows lie outside its %llu bytes", ms_str_shown(s->name).text, (unsigned long long)s->n_bytes);
    return ms_source_view(s->source, s->offset + offset, (size_t)n_bytes, scratch, bytes, err);
}
