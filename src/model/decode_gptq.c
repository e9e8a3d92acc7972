/*
 * GPTQ and AWQ: "qweight" I32, "qzeros" I32, "scales" F16; w = scale * (code - zero), one product in f32.
 *
 *   gptq       qweight [in * bits / 32, out]: a bit stream down each column (3 bits cross words); qzeros [groups, out * bits /
 * 32]: a bit stream along each row; scales [groups, out]; group of a row: g_idx[in], or in / group size. Format "gptq" (v1, the
 * default) stores zeros minus one; all ones then mean 2^bits. "gptq_v2" stores them as they are. Stored transposed: [in, out].
 *   awq        qweight [in, out / 8], qzeros [groups, out / 8], scales [groups, out]; column c of eight lies in nibble
 *              0 4 1 5 2 6 3 7 [c]. Stored transposed.
 *   awq_gemv   qweight [out, in / 8] in natural order, qzeros [out, words], scales [out, 8 * words]: padded groups
 *
 * gptq_p (planar) and Marlin files are other layouts and refused. Sources: GPTQModel, AutoAWQ.
 *
 * gptq and awq are read in narrow strips down the rows, for they are turned as they are read; so scales and zeros of a strip
 * are decoded once a group, not once a row.
 */
#include "checked.h"
#include "decoders.h"
#include "mem.h"
#include "scheme.h"
#include "side.h"

typedef enum gptq_kind { GPTQ, AWQ, AWQ_GEMV } gptq_kind;

enum { STRIP = 64 }; /* columns */

typedef struct gptq_strips { /* scales and zeros of one strip, [groups][STRIP] */
    float *scale, *zero;     /* owned */
    uint32_t *stamp;         /* [groups] owned; equals `now` where the two are of this strip */
    uint32_t now;
    uint64_t strip; /* which; UINT64_MAX: none yet */
} gptq_strips;

typedef struct gptq_layout {
    gptq_kind kind;
    uint64_t rows, cols; /* as stored: in x out, gemv: out x in */
    unsigned bits;
    bool zeros_minus_one;
    uint64_t groups, group;
    ms_side codes, more_codes, zeros, scales, index;
    uint32_t *group_of; /* owned; [rows] under an index, else NULL */
    gptq_strips strips;
} gptq_layout;

static const uint8_t awq_nibble[8] = {0, 4, 1, 5, 2, 6, 3, 7}; /* of column c % 8 */

static ms_status check_format(gptq_layout *l, const ms_checkpoint *ckpt, ms_err *err) {
    const ms_json_value *const q = ckpt->model.quantization;
    const ms_str named = ms_json_as_str(ms_json_get(q, "format"), MS_STR("gptq"));
    const ms_str format = ms_json_as_str(ms_json_get(q, "checkpoint_format"), named);
    const ms_str packing = ms_json_as_str(ms_json_get(q, "packing_format"), MS_STR("auto_round:auto_gptq"));
    MS_FAIL_IF(ms_str_is(format, "gptq_p") || ms_str_contains(format, MS_STR("marlin")), MS_ERR_UNSUPPORTED, err,
               "checkpoint_format '%s' is shuffled for its kernels and cannot be decoded", ms_str_shown(format).text);
    /* AutoRound's own form and GPTQModel's keep zero points as they are */
    l->zeros_minus_one =
        !ms_str_is(format, "gptq_v2") && !ms_str_is(packing, "auto_round") && !ms_str_is(packing, "auto_round:gptqmodel");
    return MS_OK;
}

/* gemv pads its groups to whole words of zero points, and those to a multiple of 128 / group size; without a config that tells the
 * group size, unless two fit. 0: not told. */
static uint64_t gemv_group(const gptq_layout *l, const ms_checkpoint *ckpt) {
    const ms_json_value *const q = ckpt->model.quantization;
    const int64_t told = ms_json_as_i64(ms_json_get(q, "group_size"), ms_json_as_i64(ms_json_get(q, "q_group_size"), 0));
    uint64_t found = 0;
    if (told > 0) return (uint64_t)told;
    for (uint64_t size = 32; size <= 128; size *= 2) {
        const uint64_t words = (l->cols / size + 7) / 8, multiple = 128 / size,
                       padded = (words + multiple - 1) / multiple * multiple;
        if (l->cols % size != 0 || padded * 8 != l->groups) continue;
        if (found) return 0;
        found = size;
    }
    return found;
}

/* scales [groups, out] and qzeros [groups, words]; gemv: [out, groups], [out, words]. */
static ms_status check_sides(const gptq_layout *l, ms_err *err) {
    const bool gemv = l->kind == AWQ_GEMV;
    const uint64_t n_out = gemv ? l->rows : l->cols, across = ms_side_dim(&l->scales, gemv ? 1 : 0);
    const uint64_t n_rows = gemv ? n_out : l->groups, n_zeros = gemv ? l->groups : n_out;
    const uint64_t rows = ms_side_dim(&l->zeros, 1), words = ms_side_dim(&l->zeros, 0);
    MS_FAIL_IF(across != n_out, MS_ERR_UNSUPPORTED, err,
               "%llu scales across for %llu outputs: another layout than the known ones", (unsigned long long)across,
               (unsigned long long)n_out);
    MS_FAIL_IF(rows != n_rows || words < n_zeros * l->bits / 32, MS_ERR_UNSUPPORTED, err,
               "zero points of %llu x %llu words for %llu x %llu scales: another layout than the known ones",
               (unsigned long long)rows, (unsigned long long)words, (unsigned long long)n_rows, (unsigned long long)n_zeros);
    return MS_OK;
}

static ms_status lay_out(gptq_layout *l, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err) {
    const ms_logical shape = ms_logical_shape(ckpt, tensor);
    MS_FAIL_IF(shape.rank != 2 || shape.shape[0] == 0 || shape.shape[1] == 0, MS_ERR_UNSUPPORTED, err,
               "the shape of its weights cannot be told");
    l->rows = shape.shape[0], l->cols = shape.shape[1];
    ms_side_over(&l->codes, tensor);
    ms_side_over(&l->more_codes, tensor);
    MS_TRY(ms_side_open(&l->scales, ckpt, tensor, ".scales", err));
    MS_TRY(ms_side_open(&l->zeros, ckpt, tensor, ".qzeros", err));
    if (l->kind == GPTQ) {
        MS_TRY(check_format(l, ckpt, err));
        ms_side_open_optional(&l->index, ckpt, tensor, ".g_idx");
        l->bits = (unsigned)(ms_side_dim(&l->codes, 1) * 32 / l->rows);
        MS_FAIL_IF(l->bits < 2 || l->bits > 8, MS_ERR_UNSUPPORTED, err, "codes of %u bits", l->bits);
    } else {
        l->bits = 4;
    }
    const uint64_t in = l->kind == AWQ_GEMV ? l->cols : l->rows;
    l->groups = l->kind == AWQ_GEMV ? ms_side_dim(&l->scales, 0) : ms_side_dim(&l->scales, 1);
    MS_FAIL_IF(l->groups == 0, MS_ERR_DAMAGED, err, "it has no scales");
    MS_TRY(check_sides(l, err));
    l->group = l->kind == AWQ_GEMV ? gemv_group(l, ckpt) : ms_scheme_group(ckpt, in, l->groups);
    MS_FAIL_IF(l->group == 0, MS_ERR_UNSUPPORTED, err, "neither the config nor the width of its scales tells the group size");
    return MS_OK;
}

/* ---- gptq and awq: strips ---- */

static ms_status open_strips(gptq_layout *l, ms_err *err) {
    const uint64_t in = l->rows;
    MS_FAIL_IF(l->groups > in, MS_ERR_DAMAGED, err, "%llu groups of scales for %llu inputs", (unsigned long long)l->groups,
               (unsigned long long)in);
    MS_FAIL_IF((in - 1) / l->group >= l->groups && !l->index.stored, MS_ERR_DAMAGED, err, "input %llu has no group",
               (unsigned long long)(in - 1));
    if (l->index.stored) MS_TRY(ms_side_groups(&l->index, (size_t)in, l->groups, &l->group_of, err));
    gptq_strips *const s = &l->strips;
    const size_t wide = l->cols < STRIP ? (size_t)l->cols : STRIP;
    size_t n;
    s->strip = UINT64_MAX;
    if (!ms_mul_size((size_t)l->groups, wide, &n)) return ms_err_memory(err, "the scales of a strip");
    s->scale = ms_mem_alloc_array(n, sizeof *s->scale);
    s->zero = ms_mem_alloc_array(n, sizeof *s->zero);
    s->stamp = ms_mem_zalloc_array((size_t)l->groups, sizeof *s->stamp);
    return s->scale && s->zero && s->stamp ? MS_OK : ms_err_memory(err, "the scales of a strip");
}

/* Scales and zeros of a group's columns [first, first + n), which are a strip. */
static ms_status fill(gptq_layout *l, uint64_t group, uint64_t first, size_t n, float *scale, float *zero, ms_err *err) {
    const uint64_t words = ms_side_dim(&l->zeros, 0);
    uint8_t codes[STRIP];
    MS_TRY(ms_side_f32(&l->scales, group * l->cols + first, n, scale, err));
    if (l->kind == GPTQ) {
        MS_TRY(ms_side_codes(&l->zeros, group * words * 4, l->bits, first, n, codes, err));
        for (size_t i = 0; i < n; i++) zero[i] = (float)(codes[i] + l->zeros_minus_one); /* all ones mean 2^bits */
        return MS_OK;
    }
    MS_TRY(ms_side_codes(&l->zeros, group * words * 4, 4, first, n, codes, err));
    for (size_t i = 0; i < n; i++) zero[i] = (float)codes[i - i % 8 + awq_nibble[i % 8]];
    return MS_OK;
}

/* Those of a row's strip, decoded if they are not at hand. */
static ms_status strip_of(gptq_layout *l, uint64_t row, uint64_t strip, const float **scale, const float **zero, ms_err *err) {
    gptq_strips *const s = &l->strips;
    const uint64_t group = l->group_of ? l->group_of[row] : row / l->group, first = strip * STRIP;
    const size_t n = l->cols - first < STRIP ? (size_t)(l->cols - first) : STRIP;
    const size_t at = (size_t)group * (l->cols < STRIP ? (size_t)l->cols : STRIP);
    if (s->strip != strip) {
        s->strip = strip;
        if (++s->now == 0) { /* after 2^32 strips the stamps begin anew */
            memset(s->stamp, 0, (size_t)l->groups * sizeof *s->stamp);
            s->now = 1;
        }
    }
    *scale = s->scale + at, *zero = s->zero + at;
    if (s->stamp[group] == s->now) return MS_OK;
    MS_TRY(fill(l, group, first, n, s->scale + at, s->zero + at, err));
    s->stamp[group] = s->now;
    return MS_OK;
}

/* One row of codes: the same bits of neighbouring words, of two rows of words where a code crosses. */
static ms_status gptq_codes(gptq_layout *l, uint64_t row, uint64_t col, size_t n, float *out, ms_err *err) {
    const uint64_t bit = row * l->bits, at = bit / 32 * l->cols + col;
    const unsigned in_word = bit % 32;
    const uint32_t mask = (1u << l->bits) - 1;
    const uint8_t *bytes, *more;
    MS_TRY(ms_side_bytes(&l->codes, at * 4, n * 4, &bytes, err));
    if (in_word + l->bits <= 32) {
        for (size_t i = 0; i < n; i++) {
            uint32_t word;
            memcpy(&word, bytes + 4 * i, sizeof word);
            out[i] = (float)(int)(word >> in_word & mask);
        }
        return MS_OK;
    }
    MS_TRY(ms_side_bytes(&l->more_codes, (at + l->cols) * 4, n * 4, &more, err));
    for (size_t i = 0; i < n; i++) {
        uint32_t low, high;
        memcpy(&low, bytes + 4 * i, sizeof low);
        memcpy(&high, more + 4 * i, sizeof high);
        out[i] = (float)(int)((low >> in_word | high << (32 - in_word)) & mask);
    }
    return MS_OK;
}

/* The eight codes of a word in the order of their columns. */
static void awq_word(const uint8_t *word, uint8_t out[static 8]) {
    for (int k = 0; k < 2; k++) {
        out[4 * k] = word[k] & 15, out[4 * k + 2] = word[k] >> 4;
        out[4 * k + 1] = word[k + 2] & 15, out[4 * k + 3] = word[k + 2] >> 4;
    }
}

/* Columns [col, col + n) of a strip. */
static ms_status awq_codes(gptq_layout *l, uint64_t row, uint64_t col, size_t n, float *out, ms_err *err) {
    const uint64_t begin = col / 8, end = (col + n + 7) / 8;
    uint8_t codes[STRIP + 8];
    const uint8_t *bytes;
    MS_TRY(ms_side_bytes(&l->codes, (row * (l->cols / 8) + begin) * 4, (end - begin) * 4, &bytes, err));
    for (uint64_t w = 0; w < end - begin; w++) awq_word(bytes + 4 * w, codes + 8 * w);
    const uint8_t *const first = codes + col % 8;
    for (size_t i = 0; i < n; i++) out[i] = (float)first[i];
    return MS_OK;
}

static ms_status run_strips(void *state, uint64_t first, size_t n, float *out, ms_err *err) {
    gptq_layout *const l = state;
    uint64_t row = first / l->cols, col = first % l->cols;
    while (n > 0) {
        const uint64_t in_row = l->cols - col, in_strip = STRIP - col % STRIP, most = in_row < in_strip ? in_row : in_strip;
        const size_t count = n < most ? n : (size_t)most;
        const float *scale, *zero;
        MS_TRY(strip_of(l, row, col / STRIP, &scale, &zero, err));
        MS_TRY(l->kind == GPTQ ? gptq_codes(l, row, col, count, out, err) : awq_codes(l, row, col, count, out, err));
        scale += col % STRIP, zero += col % STRIP;
        for (size_t i = 0; i < count; i++) out[i] = (out[i] - zero[i]) * scale[i];
        out += count, n -= count, col += count;
        if (col == l->cols) row++, col = 0;
    }
    return MS_OK;
}

/* ---- awq_gemv: rows ---- */

static ms_status gemv_segment(gptq_layout *l, ms_segment s, float *out, ms_err *err) {
    float scales[MS_SEGMENT_MOST + 1];
    uint8_t codes[MS_SEGMENT_MOST], zeros[MS_SEGMENT_MOST + 1];
    const uint64_t first = s.col / l->group, last = (s.col + s.n - 1) / l->group;
    const size_t n_groups = (size_t)(last - first + 1);
    MS_FAIL_IF(last >= l->groups, MS_ERR_DAMAGED, err, "input %llu has no group", (unsigned long long)(s.col + s.n - 1));
    MS_TRY(ms_side_codes(&l->codes, s.row * (l->cols / 8) * 4, 4, s.col, s.n, codes, err));
    MS_TRY(ms_side_f32(&l->scales, s.row * l->groups + first, n_groups, scales, err));
    MS_TRY(ms_side_codes(&l->zeros, s.row * ms_side_dim(&l->zeros, 0) * 4, 4, first, n_groups, zeros, err));
    uint64_t n_alike = l->group - s.col % l->group;
    for (size_t i = 0, g = 0; i < s.n; g++, n_alike = l->group) {
        const float scale = scales[g], zero = (float)zeros[g];
        for (const size_t end = n_alike < s.n - i ? i + (size_t)n_alike : s.n; i < end; i++)
            out[i] = ((float)codes[i] - zero) * scale;
    }
    return MS_OK;
}

static ms_status run_gemv(void *state, uint64_t first, size_t n, float *out, ms_err *err) {
    gptq_layout *const l = state;
    for (ms_segment s = ms_segment_first(first, n, l->cols); s.n > 0; s = ms_segment_next(s, l->cols))
        MS_TRY(gemv_segment(l, s, out + s.done, err));
    return MS_OK;
}

/* ---- */

static ms_status open(void *state, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err) {
    gptq_layout *const l = state;
    l->kind = strcmp(tensor->scheme, "gptq") == 0 ? GPTQ : strcmp(tensor->scheme, "awq") == 0 ? AWQ : AWQ_GEMV;
    MS_TRY(lay_out(l, ckpt, tensor, err));
    return l->kind == AWQ_GEMV ? MS_OK : open_strips(l, err);
}

static void close(void *state) {
    gptq_layout *const l = state;
    ms_side *const sides[] = {&l->codes, &l->more_codes, &l->zeros, &l->scales, &l->index};
    for (int i = 0; i < 5; i++) ms_side_close(sides[i]);
    ms_mem_free(l->group_of), ms_mem_free(l->strips.scale), ms_mem_free(l->strips.zero), ms_mem_free(l->strips.stamp);
}

#define DECODER(id, how)                \
    const ms_decoder ms_decode_##id = { \
        .scheme = #id, .state_size = sizeof(gptq_layout), .open = open, .run = how, .close = close}
DECODER(gptq, run_strips);
DECODER(awq, run_strips);
DECODER(awq_gemv, run_gemv);
