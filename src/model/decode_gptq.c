/*
 * GPTQ and AWQ: "qweight" I32, "qzeros" I32, "scales" F16; w = scale * (code - zero), one product in f32.
 *
 *   gptq       qweight [in * bits / 32, out]: a bit stream down each column (3 bits cross words); qzeros [groups, out * bits /
 * 32]: a bit stream along each row; scales [groups, out]; group of a row: g_idx[in], or in / group size. Format "gptq" (v1, the
 * default) stores zeros minus one; all ones then mean 2^bits. "gptq_v2" stores them as they are. Stored transposed: [in, out].
 *   awq        qweight [in, out / 8], qzeros [groups, out / 8], scales [groups, out]; column c of eight lies in nibble 0 4 1 5
 * 2 6 3 7 [c]. Stored transposed. awq_gemv   qweight [out, in / 8] in natural order, qzeros [out, words], scales [out, 8 *
 * words]: padded groups
 *
 * gptq_p (planar) and Marlin files are other layouts and refused. Sources: GPTQModel, AutoAWQ.
 */
#include "decoders.h"
#include "scheme.h"
#include "side.h"

typedef enum gptq_kind { GPTQ, AWQ, AWQ_GEMV } gptq_kind;

typedef struct gptq_layout {
    gptq_kind kind;
    uint64_t rows, cols; /* as stored: in x out, gemv: out x in */
    unsigned bits;
    bool zeros_minus_one;
    uint64_t groups, group;
    ms_side codes, zeros, scales, index;
} gptq_layout;

static const uint8_t awq_nibble[8] = {0, 4, 1, 5, 2, 6, 3, 7}; /* of column c % 8 */

static ms_status check_format(gptq_layout *l, const ms_checkpoint *ckpt, ms_err *err) {
    const ms_str format = ms_json_as_str(ms_json_get(ckpt->model.quantization, "checkpoint_format"), MS_STR("gptq"));
    MS_FAIL_IF(ms_str_is(format, "gptq_p") || ms_str_contains(format, MS_STR("marlin")), MS_ERR_UNSUPPORTED, err,
               "checkpoint_format '%s' is shuffled for its kernels and cannot be decoded", ms_str_shown(format).text);
    l->zeros_minus_one = !ms_str_is(format, "gptq_v2");
    return MS_OK;
}

static ms_status lay_out(gptq_layout *l, const ms_checkpoint *ckpt, const ms_tensor *tensor, ms_err *err) {
    const ms_logical shape = ms_logical_shape(ckpt, tensor);
    MS_FAIL_IF(shape.rank != 2 || shape.shape[0] == 0 || shape.shape[1] == 0, MS_ERR_UNSUPPORTED, err,
               "the shape of its weights cannot be told");
    l->rows = shape.shape[0], l->cols = shape.shape[1];
    ms_side_over(&l->codes, tensor);
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
    const int64_t told = ms_json_as_i64(ms_json_get(ckpt->model.quantization, "group_size"), 0);
    l->groups = l->kind == AWQ_GEMV ? ms_side_dim(&l->scales, 0) : ms_side_dim(&l->scales, 1);
    MS_FAIL_IF(l->groups == 0, MS_ERR_DAMAGED, err, "it has no scales");
    l->group = in / l->groups + (in % l->groups != 0);
    if (told > 0 && l->kind == AWQ_GEMV) l->group = (uint64_t)told; /* groups are padded there */
    return MS_OK;
}

/* Stored code number `at` of a bit stream whose words lie `stride` words apart, the first at `word`. */
static ms_status code_down(ms_side *side, uint64_t word, uint64_t stride, uint64_t at, unsigned bits, unsigned *code,
                           ms_err *err) {
    *code = 0;
    for (unsigned k = 0; k < bits;) {
        const uint64_t bit = at * bits + k;
        const unsigned in_word = bit % 32, taken = bits - k < 32 - in_word ? bits - k : 32 - in_word;
        const uint8_t *bytes;
        uint32_t value;
        MS_TRY(ms_side_bytes(side, (word + bit / 32 * stride) * 4, 4, &bytes, err));
        memcpy(&value, bytes, sizeof value);
        *code |= (value >> in_word & ((1u << taken) - 1)) << k;
        k += taken;
    }
    return MS_OK;
}

static ms_status codes_of(gptq_layout *l, ms_segment s, uint8_t *codes, ms_err *err) {
    if (l->kind == AWQ_GEMV) return ms_side_codes(&l->codes, s.row * (l->cols / 8) * 4, 4, s.col, s.n, codes, err);
    if (l->kind == AWQ) {
        const uint64_t begin = s.col / 8, end = (s.col + s.n + 7) / 8;
        const uint8_t *bytes;
        MS_TRY(ms_side_bytes(&l->codes, (s.row * (l->cols / 8) + begin) * 4, (end - begin) * 4, &bytes, err));
        for (size_t i = 0; i < s.n; i++) {
            const uint64_t c = s.col + i;
            const unsigned nibble = awq_nibble[c % 8];
            codes[i] = bytes[(c / 8 - begin) * 4 + nibble / 2] >> 4 * (nibble % 2) & 15;
        }
        return MS_OK;
    }
    /* One row of codes: the same bits of neighbouring words, of two rows of words where a code crosses. */
    const uint64_t bit = s.row * l->bits;
    const unsigned in_word = bit % 32, low = l->bits < 32 - in_word ? l->bits : 32 - in_word;
    const uint8_t *bytes;
    MS_TRY(ms_side_bytes(&l->codes, (bit / 32 * l->cols + s.col) * 4, s.n * 4, &bytes, err));
    for (size_t i = 0; i < s.n; i++) {
        uint32_t word;
        memcpy(&word, bytes + 4 * i, sizeof word);
        codes[i] = (uint8_t)(word >> in_word & ((1u << low) - 1));
    }
    if (low == l->bits) return MS_OK;
    MS_TRY(ms_side_bytes(&l->codes, ((bit / 32 + 1) * l->cols + s.col) * 4, s.n * 4, &bytes, err));
    for (size_t i = 0; i < s.n; i++) {
        uint32_t word;
        memcpy(&word, bytes + 4 * i, sizeof word);
        codes[i] |= (uint8_t)((word & ((1u << (l->bits - low)) - 1)) << low);
    }
    return MS_OK;
}

static ms_status zero_of(gptq_layout *l, uint64_t group, uint64_t col, unsigned *zero, ms_err *err) {
    const uint64_t words = ms_side_dim(&l->zeros, 0);
    if (l->kind != GPTQ) {
        const uint64_t row = l->kind == AWQ ? group : col;
        const uint64_t at = l->kind == AWQ ? col / 8 * 8 + awq_nibble[col % 8] : group;
        return code_down(&l->zeros, row * words, 1, at, 4, zero, err);
    }
    MS_TRY(code_down(&l->zeros, group * words, 1, col, l->bits, zero, err));
    if (l->zeros_minus_one) ++*zero; /* a field of all ones means 2^bits */
    return MS_OK;
}

static ms_status group_of(gptq_layout *l, uint64_t in, uint64_t *group, ms_err *err) {
    *group = in / l->group;
    if (l->index.stored) {
        float value;
        MS_TRY(ms_side_f32(&l->index, in, 1, &value, err));
        MS_FAIL_IF(value < 0 || value >= (float)l->groups, MS_ERR_DAMAGED, err, "input %llu belongs to group %g of %llu",
                   (unsigned long long)in, (double)value, (unsigned long long)l->groups);
        *group = (uint64_t)value;
    }
    MS_FAIL_IF(*group >= l->groups, MS_ERR_DAMAGED, err, "input %llu has no group", (unsigned long long)in);
    return MS_OK;
}

static ms_status segment(gptq_layout *l, ms_segment s, float *out, ms_err *err) {
    uint8_t codes[MS_SEGMENT_MOST];
    float scales[MS_SEGMENT_MOST];
    uint64_t group = 0;
    MS_TRY(codes_of(l, s, codes, err));
    if (l->kind != AWQ_GEMV) {
        MS_TRY(group_of(l, s.row, &group, err));
        MS_TRY(ms_side_f32(&l->scales, group * l->cols + s.col, s.n, scales, err));
    }
    unsigned zero = 0;
    for (size_t i = 0; i < s.n; i++) {
        const uint64_t col = s.col + i;
        if (l->kind != AWQ_GEMV) {
            MS_TRY(zero_of(l, group, col, &zero, err));
        } else if (i == 0 || col % l->group == 0) {
            MS_TRY(group_of(l, col, &group, err));
            MS_TRY(ms_side_f32(&l->scales, s.row * l->groups + group, 1, &scales[i], err));
            MS_TRY(zero_of(l, group, s.row, &zero, err));
        } else {
            scales[i] = scales[i - 1];
        }
        out[i] = (float)((int)codes[i] - (int)zero) * scales[i];
    }
    return MS_OK;
}

static ms_status run(const ms_checkpoint *ckpt, const ms_tensor *tensor, uint64_t first, size_t n, ms_scratch *scratch,
                     float *out, ms_err *err) {
    (void)scratch;
    gptq_layout l = {.kind = strcmp(tensor->scheme, "gptq") == 0 ? GPTQ : strcmp(tensor->scheme, "awq") == 0 ? AWQ : AWQ_GEMV};
    ms_status status = lay_out(&l, ckpt, tensor, err);
    if (status == MS_OK)
        for (ms_segment s = ms_segment_first(first, n, l.cols); s.n > 0 && status == MS_OK; s = ms_segment_next(s, l.cols))
            status = segment(&l, s, out + s.done, err);
    ms_side *const sides[] = {&l.codes, &l.scales, &l.zeros, &l.index};
    for (int i = 0; i < 4; i++) ms_side_close(sides[i]);
    return status;
}

const ms_decoder ms_decode_gptq = {.scheme = "gptq", .run = run};
const ms_decoder ms_decode_awq = {.scheme = "awq", .run = run};
const ms_decoder ms_decode_awq_gemv = {.scheme = "awq_gemv", .run = run};
