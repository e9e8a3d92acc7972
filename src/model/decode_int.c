/*
 * compressed-tensors integers: w = (q - zero) * scale, one product in f32.
 *
 *   int2_pack .. int8_pack   "weight_packed" I32 [out, words]: stored code = q + 2^(bits - 1); 32 / bits codes a word, or
 * (2026) a dense bit stream: the width tells them apart. "weight_zero_point" I32, packed the same way along axis 0: [words,
 * groups] int8_scaled              "weight" I8 [out, in], "weight_zero_point" I8 [out, groups]
 *
 * "weight_scale": one, [out, 1], or [out, groups]; "weight_g_idx" [in] (older files) says the group of each column.
 */
#include "decoders.h"
#include "scheme.h"
#include "side.h"

typedef struct int_layout {
    uint64_t rows, cols, words; /* words of a row of codes */
    unsigned bits;
    bool is_packed, is_dense;
    uint64_t groups, group; /* scales of a row; columns of a group */
    bool one_scale;
    ms_side codes, scales, zeros, index;
} int_layout;

static bool ceil_is(uint64_t n, uint64_t per, uint64_t want) { return per > 0 && n / per + (n % per != 0) == want; }

static unsigned bits_of(const char *scheme) {
    return strncmp(scheme, "int", 3) == 0 && scheme[3] >= '2' && scheme[3] <= '8' ? (unsigned)(scheme[3] - '0') : 0;
}

static ms_status lay_out_codes(int_layout *l, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err) {
    const ms_logical shape = ms_logical_shape(ckpt, tensor);
    MS_FAIL_IF(shape.rank < 2 || shape.shape[shape.rank - 1] == 0, MS_ERR_UNSUPPORTED, err,
               "the shape of its weights cannot be told");
    l->cols = shape.shape[shape.rank - 1], l->rows = shape.shape[shape.rank - 2];
    l->is_packed = strcmp(tensor->scheme, "int8_scaled") != 0;
    l->bits = l->is_packed ? bits_of(tensor->scheme) : 8;
    MS_FAIL_IF(l->bits == 0, MS_ERR_UNSUPPORTED, err, "the config does not say how many bits a code has");
    ms_side_over(&l->codes, tensor);
    l->words = ms_side_dim(&l->codes, 0);
    l->is_dense = ceil_is(l->cols * l->bits, 32, l->words);
    MS_FAIL_IF(l->is_packed && !l->is_dense && !ceil_is(l->cols, 32 / l->bits, l->words), MS_ERR_DAMAGED, err,
               "%llu words cannot hold %llu codes of %u bits", (unsigned long long)l->words, (unsigned long long)l->cols,
               l->bits);
    return MS_OK;
}

static ms_status lay_out(int_layout *l, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err) {
    MS_TRY(lay_out_codes(l, ckpt, tensor, err));
    MS_TRY(ms_side_open(&l->scales, ckpt, tensor, ".weight_scale", err));
    ms_side_open_optional(&l->zeros, ckpt, tensor, ".weight_zero_point");
    ms_side_open_optional(&l->index, ckpt, tensor, ".weight_g_idx");
    l->one_scale = ms_side_n(&l->scales) == 1;
    l->groups = l->one_scale ? 1 : l->scales.stored->rank < 2 ? 1 : ms_side_dim(&l->scales, 0);
    MS_FAIL_IF(l->groups == 0, MS_ERR_DAMAGED, err, "it has no scales");
    l->group = l->cols / l->groups + (l->cols % l->groups != 0);
    return MS_OK;
}

/* q of codes [col, col + n) of a row. */
static ms_status codes_of(int_layout *l, uint64_t row, uint64_t col, size_t n, int *q, ms_err *err) {
    uint8_t codes[MS_SEGMENT_MOST];
    if (!l->is_packed) {
        const uint8_t *bytes;
        MS_TRY(ms_side_bytes(&l->codes, row * l->cols + col, n, &bytes, err));
        for (size_t i = 0; i < n; i++) q[i] = bytes[i] < 128 ? bytes[i] : bytes[i] - 256;
        return MS_OK;
    }
    if (l->is_dense) {
        MS_TRY(ms_side_codes(&l->codes, row * l->words * 4, l->bits, col, n, codes, err));
    } else {
        const uint64_t per_word = 32 / l->bits;
        for (size_t i = 0; i < n;) {
            const uint64_t at = (col + i) % per_word, left = per_word - at;
            const size_t k = left < n - i ? (size_t)left : n - i;
            MS_TRY(ms_side_codes(&l->codes, (row * l->words + (col + i) / per_word) * 4, l->bits, at, k, codes + i, err));
            i += k;
        }
    }
    for (size_t i = 0; i < n; i++) q[i] = (int)codes[i] - (1 << (l->bits - 1));
    return MS_OK;
}

/* The zero point of a row's group; packed ones run down the rows. */
static ms_status zero_of(int_layout *l, uint64_t row, uint64_t group, int *zero, ms_err *err) {
    const uint8_t *bytes;
    *zero = 0;
    if (!l->zeros.stored) return MS_OK;
    if (!l->is_packed || l->zeros.stored->dtype != MS_DTYPE_I32) {
        float value;
        MS_TRY(ms_side_f32(&l->zeros, l->one_scale ? 0 : row * l->groups + group, 1, &value, err));
        *zero = (int)value;
        return MS_OK;
    }
    const uint64_t matrix = row / l->rows, r = row % l->rows, n_words = ms_side_dim(&l->zeros, 1);
    const bool dense = ceil_is(l->rows * l->bits, 32, n_words);
    const uint64_t bit = dense ? r * l->bits : r / (32 / l->bits) * 32 + r % (32 / l->bits) * l->bits;
    unsigned code = 0;
    for (unsigned k = 0; k < l->bits;) { /* a code may lie in two words, which are `groups` words apart */
        const uint64_t at = bit + k, word = (matrix * n_words + at / 32) * l->groups + group;
        const unsigned in_word = at % 32, taken = l->bits - k < 32 - in_word ? l->bits - k : 32 - in_word;
        uint32_t value;
        MS_TRY(ms_side_bytes(&l->zeros, word * 4, 4, &bytes, err));
        memcpy(&value, bytes, sizeof value);
        code |= (value >> in_word & ((1u << taken) - 1)) << k;
        k += taken;
    }
    *zero = (int)code - (1 << (l->bits - 1));
    return MS_OK;
}

static ms_status group_of(int_layout *l, uint64_t col, uint64_t *group, size_t *n_alike, ms_err *err) {
    *group = col / l->group;
    *n_alike = (size_t)(l->group - col % l->group);
    if (!l->index.stored || l->groups == 1) return MS_OK;
    float value;
    MS_TRY(ms_side_f32(&l->index, col, 1, &value, err));
    *n_alike = 1;
    *group = value >= 0 ? (uint64_t)value : 0;
    MS_FAIL_IF(value < -1 || *group >= l->groups, MS_ERR_DAMAGED, err, "column %llu belongs to group %g of %llu",
               (unsigned long long)col, (double)value, (unsigned long long)l->groups);
    return MS_OK;
}

static ms_status segment(int_layout *l, ms_segment s, float *out, ms_err *err) {
    int q[MS_SEGMENT_MOST];
    MS_TRY(codes_of(l, s.row, s.col, s.n, q, err));
    for (size_t i = 0; i < s.n;) {
        uint64_t group;
        size_t n_alike;
        float scale;
        int zero;
        MS_TRY(group_of(l, s.col + i, &group, &n_alike, err));
        MS_TRY(ms_side_f32(&l->scales, l->one_scale ? 0 : s.row * l->groups + group, 1, &scale, err));
        MS_TRY(zero_of(l, s.row, group, &zero, err));
        for (const size_t end = n_alike < s.n - i ? i + n_alike : s.n; i < end; i++) out[i] = (float)(q[i] - zero) * scale;
    }
    return MS_OK;
}

static ms_status run(const ms_checkpoint *ckpt, const ms_tensor *tensor, uint64_t first, size_t n, ms_scratch *scratch,
                     float *out, ms_err *err) {
    (void)scratch;
    int_layout l = {0};
    ms_status status = lay_out(&l, ckpt, tensor, err);
    if (status == MS_OK)
        for (ms_segment s = ms_segment_first(first, n, l.cols); s.n > 0 && status == MS_OK; s = ms_segment_next(s, l.cols))
            status = segment(&l, s, out + s.done, err);
    ms_side *const sides[] = {&l.codes, &l.scales, &l.zeros, &l.index};
    for (int i = 0; i < 4; i++) ms_side_close(sides[i]);
    return status;
}

const ms_decoder ms_decode_int2_pack = {.scheme = "int2_pack", .run = run};
const ms_decoder ms_decode_int3_pack = {.scheme = "int3_pack", .run = run};
const ms_decoder ms_decode_int4_pack = {.scheme = "int4_pack", .run = run};
const ms_decoder ms_decode_int5_pack = {.scheme = "int5_pack", .run = run};
const ms_decoder ms_decode_int6_pack = {.scheme = "int6_pack", .run = run};
const ms_decoder ms_decode_int7_pack = {.scheme = "int7_pack", .run = run};
const ms_decoder ms_decode_int8_pack = {.scheme = "int8_pack", .run = run};
const ms_decoder ms_decode_int8_scaled = {.scheme = "int8_scaled", .run = run};
