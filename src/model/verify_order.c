/*
 * Gate and up in one tensor: as halves, or in turn, row by row? The family says; here the values are asked.
 *
 * Gates and ups of trained models mostly differ in size. Where they do, the sizes of rows (the root mean square of each) differ
 * between the halves of a tensor that holds halves, and between even and odd rows of one where they alternate. Both differences
 * are measured in their standard errors; a verdict against the family needs one that is large, and far larger than the other.
 * Which of the two is the gate no values tell.
 */
#include <math.h>

#include "bank.h"
#include "family.h"
#include "mem.h"
#include "verify.h"

enum { MOST_TENSORS = 8, MOST_ROWS = 1 << 14, MOST_COLS = 1 << 18, LEAST_ROWS = 16, AT_HAND = 1 << 18 };
static const double clear = 12, clearer = 5; /* standard errors; times the other difference */

typedef struct ms_order { /* differences, in standard errors */
    double halves, in_turn;
} ms_order;

/* Between rows 0 .. n/2 and the others, when `step` is n/2; between even and odd ones, when it is 1. */
static double difference(const double *size, uint64_t n, uint64_t step) {
    double sum[2] = {0, 0}, squares = 0;
    const double half = (double)n / 2;
    for (uint64_t i = 0; i < n; i++) sum[i / step % 2] += size[i];
    for (uint64_t i = 0; i < n; i++) {
        const double off = size[i] - sum[i / step % 2] / half;
        squares += off * off;
    }
    const double gap = fabs(sum[0] - sum[1]) / half, error = sqrt(squares / (double)n / half * 2);
    return error > 0 ? gap / error : gap > 0 ? INFINITY : 0;
}

/* The matrix that the first gate and up of banks b and b + 1 were cut from. */
static ms_matrix whole_of(const ms_banks *banks, size_t b) {
    const ms_split split = banks->items[b].split;
    ms_matrix whole = banks->matrices.items[banks->items[b].first_matrix];
    const ms_matrix *const up = &banks->matrices.items[banks->items[b + 1].first_matrix];
    if (up->first < whole.first) whole.first = up->first; /* up comes first in some */
    whole.rows *= 2;
    if (split == MS_SPLIT_ROWS_INTERLEAVED || split == MS_SPLIT_COLS_INTERLEAVED) whole.row_stride /= 2;
    return whole;
}

/* sizes: [m->rows] root mean squares. */
static ms_status size_rows(double *sizes, float *rows, uint64_t at_once, const ms_checkpoint *ckpt, const ms_matrix *m,
                           ms_err *err) {
    ms_scratch scratch = {0};
    ms_status status = MS_OK;
    for (uint64_t r = 0; r < m->rows && status == MS_OK; r += at_once) {
        const uint64_t n = m->rows - r < at_once ? m->rows - r : at_once;
        status = ms_matrix_rows(ckpt, m, r, n, &scratch, rows, err);
        for (uint64_t i = 0; i < n && status == MS_OK; i++) {
            double squares = 0;
            for (uint64_t c = 0; c < m->cols; c++) squares += (double)rows[i * m->cols + c] * (double)rows[i * m->cols + c];
            sizes[r + i] = sqrt(squares / (double)m->cols);
        }
    }
    ms_scratch_free(&scratch);
    return status;
}

/* *order stays as it is where a row has no size (NaN). */
static ms_status measure(ms_order *order, const ms_checkpoint *ckpt, const ms_matrix *m, ms_err *err) {
    const uint64_t at_once = m->cols < AT_HAND ? AT_HAND / m->cols : 1;
    double *const sizes = ms_mem_alloc_array((size_t)m->rows, sizeof *sizes);
    float *const rows = ms_mem_alloc_array((size_t)(at_once * m->cols), sizeof *rows);
    const ms_status status =
        sizes && rows ? size_rows(sizes, rows, at_once, ckpt, m, err) : ms_err_memory(err, "sizes of rows");
    bool sound = status == MS_OK;
    for (uint64_t r = 0; r < m->rows && sound; r++) sound = isfinite(sizes[r]);
    if (sound) *order = (ms_order){difference(sizes, m->rows, m->rows / 2), difference(sizes, m->rows, 1)};
    ms_mem_free(sizes), ms_mem_free(rows);
    return status;
}

static void judge(ms_verify *v, const ms_checkpoint *ckpt, const ms_bank *bank, const ms_matrix *m, ms_order order) {
    const bool in_turn = bank->split == MS_SPLIT_ROWS_INTERLEAVED || bank->split == MS_SPLIT_COLS_INTERLEAVED;
    const double claimed = in_turn ? order.in_turn : order.halves, other = in_turn ? order.halves : order.in_turn;
    if (other < clear || other < clearer * claimed) return;
    const ms_tensor *const t = &ckpt->tensors[m->tensor];
    ms_notes_add(&v->findings, MS_NOTE_WARNING, "experts.order", ckpt->files[t->file].name, t->stored->name, MS_NOTE_NO_OFFSET,
                 "taken for gate and up %s, but the sizes of its rows say %s (%.0f standard errors against %.0f)",
                 in_turn ? "in turn" : "one after the other", in_turn ? "one after the other" : "in turn", other, claimed);
}

/* Gate and up of one tensor, of a size worth measuring. */
static bool is_pair(const ms_banks *banks, size_t b) {
    const ms_bank *const gate = &banks->items[b], *const up = &banks->items[b + 1];
    const ms_matrix *const m = &banks->matrices.items[gate->first_matrix];
    if (gate->role != MS_ROLE_EXPERT || gate->split == MS_SPLIT_NONE || gate->n_matrices == 0 || up->n_matrices == 0)
        return false;
    const ms_matrix *const other = &banks->matrices.items[up->first_matrix];
    return ms_str_is(gate->proj, ms_proj_name(MS_PROJ_GATE)) && ms_str_is(up->proj, ms_proj_name(MS_PROJ_UP)) &&
           other->tensor == m->tensor && other->rows == m->rows && m->cols <= MOST_COLS && m->rows >= LEAST_ROWS / 2 &&
           m->rows <= MOST_ROWS / 2;
}

/* One expert of each of some layers. What cannot be read is told by those who read all values. */
ms_status ms_verify_order(ms_verify *v, const ms_checkpoint *ckpt, ms_err *err) {
    ms_banks banks;
    MS_TRY(ms_banks_from_family(&banks, ckpt, err));
    ms_status status = MS_OK;
    for (size_t b = 0, n = 0; b + 1 < banks.n && n < MOST_TENSORS && status == MS_OK; b++) {
        if (!is_pair(&banks, b)) continue;
        const ms_matrix whole = whole_of(&banks, b);
        ms_order order = {0, 0};
        ms_err why = {0};
        n++;
        const ms_status measured = measure(&order, ckpt, &whole, &why);
        if (measured == MS_ERR_MEMORY) status = ms_err_memory(err, "the sizes of rows");
        if (measured == MS_OK) judge(v, ckpt, &banks.items[b], &whole, order);
    }
    ms_banks_free(&banks);
    return status;
}
