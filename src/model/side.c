#include "side.h"

#include "checked.h"
#include "decode.h"
#include "half.h"
#include "scheme.h"

void ms_side_over(ms_side *out, const ms_tensor *tensor) { *out = (ms_side){.stored = tensor ? tensor->stored : NULL}; }

void ms_side_open_optional(ms_side *out, const ms_checkpoint *ckpt, const ms_tensor *tensor, const char *leaf) {
    ms_side_over(out, ms_companion(ckpt, tensor, leaf));
}

ms_status ms_side_open_any(ms_side *out, const ms_checkpoint *ckpt, const ms_tensor *tensor, const char *const *leaves,
                           ms_err *err) {
    for (size_t i = 0; leaves[i]; i++) {
        ms_side_open_optional(out, ckpt, tensor, leaves[i]);
        if (out->stored) return MS_OK;
    }
    return ms_err_set(err, MS_ERR_DAMAGED, "quantised as %s, but the tensor '...%s' beside it is missing", tensor->scheme,
                      leaves[0]);
}

ms_status ms_side_open(ms_side *out, const ms_checkpoint *ckpt, const ms_tensor *tensor, const char *leaf, ms_err *err) {
    return ms_side_open_any(out, ckpt, tensor, (const char *const[]){leaf, NULL}, err);
}

void ms_side_close(ms_side *side) { ms_scratch_free(&side->scratch); }

uint64_t ms_side_n(const ms_side *side) {
    uint64_t n = 1;
    for (uint32_t i = 0; i < side->stored->rank; i++)
        if (!ms_mul_u64(n, side->stored->shape[i], &n)) return UINT64_MAX;
    return n;
}

uint64_t ms_side_dim(const ms_side *side, uint32_t from_last) {
    const ms_stored *const s = side->stored;
    return from_last < s->rank ? s->shape[s->rank - 1 - from_last] : 1;
}

ms_status ms_side_bytes(ms_side *side, uint64_t first, uint64_t n, const uint8_t **out, ms_err *err) {
    const ms_stored *const s = side->stored;
    const void *bytes;
    MS_FAIL_IF(
        !ms_range_inside(first, n, s->n_bytes), MS_ERR_DAMAGED, err,
        "bytes %llu to %llu of '%s' are needed, it has %llu: the shapes of a quantised tensor and what lies beside it disagree",
        (unsigned long long)first, (unsigned long long)(first + n), ms_str_shown(s->name).text, (unsigned long long)s->n_bytes);
    MS_TRY(ms_source_view(s->source, s->offset + first, (size_t)n, &side->scratch, &bytes, err));
    *out = bytes;
    return MS_OK;
}

ms_status ms_side_f32(ms_side *side, uint64_t first, size_t n, float *out, ms_err *err) {
    uint64_t offset, n_bytes, begin;
    const uint8_t *bytes;
    MS_FAIL_IF(!ms_dtype_range(side->stored->dtype, first, n, &offset, &n_bytes, &begin), MS_ERR_UNSUPPORTED, err,
               "'%s': elements of type %s cannot be read", ms_str_shown(side->stored->name).text,
               ms_str_shown(side->stored->dtype_name).text);
    MS_TRY(ms_side_bytes(side, offset, n_bytes, &bytes, err));
    return ms_decode_f32(side->stored->dtype, bytes, (size_t)begin, n, out, err);
}

ms_status ms_side_exponents(ms_side *side, uint64_t first, size_t n, float *out, ms_err *err) {
    if (side->stored->dtype != MS_DTYPE_U8) return ms_side_f32(side, first, n, out, err);
    const uint8_t *bytes;
    MS_TRY(ms_side_bytes(side, first, n, &bytes, err));
    for (size_t i = 0; i < n; i++) out[i] = ms_f32_from_e8m0(bytes[i]);
    return MS_OK;
}

ms_status ms_side_codes(ms_side *side, uint64_t byte, unsigned bits, uint64_t first, size_t n, uint8_t *out, ms_err *err) {
    uint64_t begin_bit, end_bit;
    const uint8_t *p;
    if (n == 0) return MS_OK;
    MS_FAIL_IF(!ms_mul_u64(first, bits, &begin_bit) || !ms_mul_u64(first + n, bits, &end_bit) ||
                   byte > UINT64_MAX - end_bit / 8 - 1,
               MS_ERR_DAMAGED, err, "'%s': its shape overflows", ms_str_shown(side->stored->name).text);
    const uint64_t begin = begin_bit / 8, end = (end_bit + 7) / 8;
    MS_TRY(ms_side_bytes(side, byte + begin, end - begin, &p, err));
    const unsigned mask = (1u << bits) - 1;
    uint64_t at = begin_bit % 8;
    for (size_t i = 0; i < n; i++, at += bits) {
        unsigned word = p[at / 8];
        if (at % 8 + bits > 8) word |= (unsigned)p[at / 8 + 1] << 8;
        out[i] = (uint8_t)(word >> at % 8 & mask);
    }
    return MS_OK;
}

static ms_segment cut(ms_segment s, size_t left, uint64_t cols) {
    const uint64_t in_row = cols - s.col;
    s.n = left < in_row ? left : (size_t)in_row;
    if (s.n > MS_SEGMENT_MOST) s.n = MS_SEGMENT_MOST;
    s.left = left - s.n;
    return s;
}

ms_segment ms_segment_first(uint64_t first, size_t n, uint64_t cols) {
    return cut((ms_segment){.row = first / cols, .col = first % cols}, n, cols);
}

ms_segment ms_segment_next(ms_segment s, uint64_t cols) {
    ms_segment next = {.row = s.row, .col = s.col + s.n, .done = s.done + s.n};
    if (next.col == cols) next.row++, next.col = 0;
    return cut(next, s.left, cols);
}
