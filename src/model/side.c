#include "side.h"

#include "checked.h"
#include "decode.h"
#include "half.h"
#include "mem.h"
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

/* ---- codes ---- */

/* Eight codes that begin a byte take `bits` bytes. */
static inline __attribute__((always_inline)) void unpack_eights(const uint8_t *p, unsigned bits, size_t n, uint8_t *out) {
    const uint64_t mask = (1u << bits) - 1;
    for (size_t i = 0; i < n; i += 8, p += bits) {
        uint64_t word = 0;
        memcpy(&word, p, bits);
        for (unsigned k = 0; k < 8; k++) out[i + k] = (uint8_t)(word >> k * bits & mask);
    }
}

static void unpack_one_by_one(const uint8_t *p, size_t bit, unsigned bits, size_t n, uint8_t *out) {
    const unsigned mask = (1u << bits) - 1;
    for (size_t i = 0; i < n; i++, bit += bits) {
        unsigned word = p[bit / 8];
        if (bit % 8 + bits > 8) word |= (unsigned)p[bit / 8 + 1] << 8;
        out[i] = (uint8_t)(word >> bit % 8 & mask);
    }
}

void ms_side_unpack(const uint8_t *p, unsigned bit, unsigned bits, size_t n, uint8_t *out) {
    size_t head = 0; /* codes before one that begins a byte: at most seven */
    while (head < n && head < 8 && (bit + head * bits) % 8 != 0) head++;
    const size_t whole = head == 8 ? 0 : (n - head) / 8 * 8, tail = head + whole;
    unpack_one_by_one(p, bit, bits, head, out);
    const uint8_t *const q = p + (bit + head * bits) / 8;
    switch (bits) { /* a constant width lets the compiler unroll */
    case 1: unpack_eights(q, 1, whole, out + head); break;
    case 2: unpack_eights(q, 2, whole, out + head); break;
    case 3: unpack_eights(q, 3, whole, out + head); break;
    case 4: unpack_eights(q, 4, whole, out + head); break;
    case 5: unpack_eights(q, 5, whole, out + head); break;
    case 6: unpack_eights(q, 6, whole, out + head); break;
    case 7: unpack_eights(q, 7, whole, out + head); break;
    default: memcpy(out + head, q, whole); break;
    }
    unpack_one_by_one(p, bit + tail * bits, bits, n - tail, out + tail);
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
    ms_side_unpack(p, begin_bit % 8, bits, n, out);
    return MS_OK;
}

ms_status ms_side_groups(ms_side *side, size_t n, uint64_t limit, uint32_t **out, ms_err *err) {
    float values[MS_SEGMENT_MOST];
    *out = NULL;
    MS_FAIL_IF(ms_side_n(side) < n, MS_ERR_DAMAGED, err, "'%s' has %llu groups for %zu columns",
               ms_str_shown(side->stored->name).text, (unsigned long long)ms_side_n(side), n);
    uint32_t *const groups = ms_mem_alloc_array(n, sizeof *groups);
    if (!groups) return ms_err_memory(err, "the groups of columns");
    for (size_t i = 0; i < n; i++) {
        const size_t at = i % MS_SEGMENT_MOST;
        ms_status status = MS_OK;
        if (at == 0) status = ms_side_f32(side, i, n - i < MS_SEGMENT_MOST ? n - i : MS_SEGMENT_MOST, values, err);
        if (status == MS_OK && i == 0 && values[0] == -1) break;
        if (status == MS_OK && !(values[at] >= 0 && values[at] < (float)limit))
            status = ms_err_set(err, MS_ERR_DAMAGED, "column %zu belongs to group %g of %llu", i, (double)values[at],
                                (unsigned long long)limit);
        if (status != MS_OK) return ms_mem_free(groups), status;
        groups[i] = (uint32_t)values[at];
        if (i + 1 == n) *out = groups;
    }
    if (!*out) ms_mem_free(groups);
    return MS_OK;
}

void ms_pairs_fill(ms_pairs *out, const float *values, bool high_first) {
    for (unsigned byte = 0; byte < 256; byte++) {
        out->of[byte][high_first] = values[byte & 15];
        out->of[byte][!high_first] = values[byte >> 4];
    }
}

void ms_pairs_scaled(const ms_pairs *pairs, const uint8_t *bytes, size_t skip, size_t n, float scale, float *out) {
    size_t i = 0;
    if (skip && n > 0) out[i++] = pairs->of[*bytes++][1] * scale;
    for (; i + 2 <= n; i += 2, bytes++) {
        out[i] = pairs->of[*bytes][0] * scale;
        out[i + 1] = pairs->of[*bytes][1] * scale;
    }
    if (i < n) out[i] = pairs->of[*bytes][0] * scale;
}

/* ---- walking ---- */

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
