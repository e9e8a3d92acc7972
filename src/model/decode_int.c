/*
 * compressed-tensors integers: w = (q - zero) * scale, one product in f32.
 *
 *   int1_pack .. int8_pack   "weight_packed" I32 [out, words]: stored code = q + 2^(bits - 1); a dense bit stream (2026), or
 *                            32 / bits codes a word: the width tells them apart. "weight_zero_point" I32, packed the same way
 *                            along axis 0: [words, groups]
 *   int8_scaled              "weight" I8 [out, in], "weight_zero_point" I8 [out, groups]
 *
 * "weight_scale": one, [out, 1], or [out, groups]; "weight_g_idx" [in] (older files) says the group of each column.
 */
#include "decoders.h"
#include "mem.h"
#include "scheme.h"
#include "side.h"

typedef struct int_layout {
    uint64_t rows, cols, words; /* words of a row of codes */
    unsigned bits;
    bool is_packed, is_dense;
    uint64_t groups, group; /* scales of a row; columns of a group */
    bool one_scale;
    ms_side codes, scales, zeros, index;
    uint32_t *group_of;  /* owned; [cols] under an index, else NULL */
    uint64_t row;        /* whose scales and zeros are at hand; UINT64_MAX: none */
    float *scale, *zero; /* owned; [groups]; zero as a stored code: w = (code - zero) * scale */
} int_layout;

static bool ceil_is(uint64_t n, uint64_t per, uint64_t want) { return per > 0 && n / per + (n % per != 0) == want; }

static unsigned bits_of(const char *scheme) {
    return strncmp(scheme, "int", 3) == 0 && scheme[3] >= '1' && scheme[3] <= '8' ? (unsigned)(scheme[3] - '0') : 0;
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

/* Of all matrices; the product was checked by the reader. */
static uint64_t n_rows_of(const ms_stored *s) {
    uint64_t n = 1;
    for (uint32_t i = 0; i + 1 < s->rank; i++) n *= s->shape[i];
    return n;
}

static ms_status lay_out(int_layout *l, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err) {
    MS_TRY(lay_out_codes(l, ckpt, tensor, err));
    MS_TRY(ms_side_open_any(&l->scales, ckpt, tensor, (const char *const[]){".weight_scale", "_scale", "._weight_scale", NULL},
                            err));
    ms_side_open_optional(&l->zeros, ckpt, tensor, ".weight_zero_point");
    if (!l->zeros.stored) ms_side_open_optional(&l->zeros, ckpt, tensor, "_zero_point");
    if (!l->zeros.stored) ms_side_open_optional(&l->zeros, ckpt, tensor, "._weight_zero_point");
    ms_side_open_optional(&l->index, ckpt, tensor, ".weight_g_idx");
    l->one_scale = ms_side_n(&l->scales) == 1;
    l->groups = l->one_scale ? 1 : l->scales.stored->rank < 2 ? 1 : ms_side_dim(&l->scales, 0);
    MS_FAIL_IF(l->groups == 0, MS_ERR_DAMAGED, err, "it has no scales");
    MS_FAIL_IF(l->groups > l->cols, MS_ERR_DAMAGED, err, "%llu scales for the %llu weights of a row",
               (unsigned long long)l->groups, (unsigned long long)l->cols);
    const uint64_t n_rows = n_rows_of(tensor->stored);
    MS_FAIL_IF(!l->one_scale && ms_side_n(&l->scales) / l->groups != n_rows, MS_ERR_UNSUPPORTED, err,
               "%llu scales, %llu a row, for %llu rows: another layout than the known ones",
               (unsigned long long)ms_side_n(&l->scales), (unsigned long long)l->groups, (unsigned long long)n_rows);
    l->group = ms_scheme_group(ckpt, l->cols, l->groups);
    return MS_OK;
}

/* Codes [col, col + n) of a row, as numbers. */
static ms_status codes_of(int_layout *l, uint64_t row, uint64_t col, size_t n, float *out, ms_err *err) {
    uint8_t codes[MS_SEGMENT_MOST];
    if (!l->is_packed) return ms_side_f32(&l->codes, row * l->cols + col, n, out, err);
    if (l->is_dense) {
        MS_TRY(ms_side_codes(&l->codes, row * l->words * 4, l->bits, col, n, codes, err));
    } else {
        const uint64_t per_word = 32 / l->bits, first = (row * l->words + col / per_word) * 4;
        const uint8_t *bytes;
        MS_TRY(ms_side_bytes(&l->codes, first, ((col + n - 1) / per_word - col / per_word + 1) * 4, &bytes, err));
        size_t at = (size_t)(col % per_word); /* in the word */
        for (size_t i = 0; i < n; bytes += 4, at = 0) {
            const size_t left = (size_t)per_word - at, k = left < n - i ? left : n - i;
            ms_side_unpack(bytes + at * l->bits / 8, at * l->bits % 8, l->bits, k, codes + i);
            i += k;
        }
    }
    for (size_t i = 0; i < n; i++) out[i] = (float)codes[i];
    return MS_OK;
}

/* Packed zero points run down the rows: the same bits of neighbouring words are those of a row's groups. */
static ms_status packed_zeros(int_layout *l, uint64_t row, ms_err *err) {
    const uint64_t matrix = row / l->rows, r = row % l->rows, n_words = ms_side_dim(&l->zeros, 1);
    const bool dense = ceil_is(l->rows * l->bits, 32, n_words);
    const uint64_t bit = dense ? r * l->bits : r / (32 / l->bits) * 32 + r % (32 / l->bits) * l->bits;
    for (uint64_t g = 0; g < l->groups; g++) l->zero[g] = 0;
    for (unsigned k = 0; k < l->bits;) { /* a code may lie in two words, which are `groups` words apart */
        const uint64_t at = bit + k;
        const unsigned in_word = at % 32, taken = l->bits - k < 32 - in_word ? l->bits - k : 32 - in_word;
        const uint8_t *bytes;
        MS_TRY(ms_side_bytes(&l->zeros, (matrix * n_words + at / 32) * l->groups * 4, l->groups * 4, &bytes, err));
        for (uint64_t g = 0; g < l->groups; g++) {
            uint32_t word;
            memcpy(&word, bytes + 4 * g, sizeof word);
            l->zero[g] += (float)((word >> in_word & ((1u << taken) - 1)) << k);
        }
        k += taken;
    }
    return MS_OK;
}

/* Scales and zero points of a row's groups. */
static ms_status bring_row(int_layout *l, uint64_t row, ms_err *err) {
    if (row == l->row || (l->one_scale && l->row != UINT64_MAX && !l->zeros.stored)) return MS_OK;
    const float middle = l->is_packed ? (float)(1 << (l->bits - 1)) : 0; /* the code that means 0 */
    l->row = UINT64_MAX;
    MS_TRY(ms_side_f32(&l->scales, l->one_scale ? 0 : row * l->groups, (size_t)l->groups, l->scale, err));
    if (!l->zeros.stored) {
        for (uint64_t g = 0; g < l->groups; g++) l->zero[g] = middle;
    } else if (l->is_packed && l->zeros.stored->dtype == MS_DTYPE_I32) {
        MS_TRY(packed_zeros(l, row, err));
    } else {
        MS_TRY(ms_side_f32(&l->zeros, l->one_scale ? 0 : row * l->groups, (size_t)l->groups, l->zero, err));
        for (uint64_t g = 0; g < l->groups; g++) l->zero[g] += middle;
    }
    l->row = row;
    return MS_OK;
}

static ms_status segment(int_layout *l, ms_segment s, float *out, ms_err *err) {
    MS_TRY(bring_row(l, s.row, err));
    MS_TRY(codes_of(l, s.row, s.col, s.n, out, err));
    if (l->group_of) {
        const uint32_t *const group_of = l->group_of + s.col;
        for (size_t i = 0; i < s.n; i++) out[i] = (out[i] - l->zero[group_of[i]]) * l->scale[group_of[i]];
        return MS_OK;
    }
    uint64_t group = s.col / l->group, n_alike = l->group - s.col % l->group;
    for (size_t i = 0; i < s.n; group++, n_alike = l->group) {
        const float scale = l->scale[group], zero = l->zero[group];
        for (const size_t end = n_alike < s.n - i ? i + (size_t)n_alike : s.n; i < end; i++) out[i] = (out[i] - zero) * scale;
    }
    return MS_OK;
}

static ms_status open(void *state, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err) {
    int_layout *const l = state;
    l->row = UINT64_MAX;
    MS_TRY(lay_out(l, ckpt, tensor, err));
    l->scale = ms_mem_alloc_array((size_t)l->groups, sizeof *l->scale);
    l->zero = ms_mem_alloc_array((size_t)l->groups, sizeof *l->zero);
    if (!l->scale || !l->zero) return ms_err_memory(err, "the scales of a row");
    const bool ordered = !l->index.stored || l->groups == 1;
    return ordered ? MS_OK : ms_side_groups(&l->index, (size_t)l->cols, l->groups, &l->group_of, err);
}

static ms_status run(void *state, uint64_t first, size_t n, float *out, ms_err *err) {
    int_layout *const l = state;
    for (ms_segment s = ms_segment_first(first, n, l->cols); s.n > 0; s = ms_segment_next(s, l->cols))
        MS_TRY(segment(l, s, out + s.done, err));
    return MS_OK;
}

static void close(void *state) {
    int_layout *const l = state;
    ms_side *const sides[] = {&l->codes, &l->scales, &l->zeros, &l->index};
    for (int i = 0; i < 4; i++) ms_side_close(sides[i]);
    ms_mem_free(l->group_of), ms_mem_free(l->scale), ms_mem_free(l->zero);
}

#define DECODER(id)                     \
    const ms_decoder ms_decode_##id = { \
        .scheme = #id, .state_size = sizeof(int_layout), .open = open, .run = run, .close = close}
DECODER(int1_pack);
DECODER(int2_pack);
DECODER(int3_pack);
DECODER(int4_pack);
DECODER(int5_pack);
DECODER(int6_pack);
DECODER(int7_pack);
DECODER(int8_pack);
DECODER(int8_scaled);
