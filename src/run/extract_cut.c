#include "extract_cut.h"

#include <stdio.h>

enum { MAX_RANK = 4 };

typedef struct axes { /* of the tensor, after row_stack */
    uint64_t extent[MAX_RANK], stride[MAX_RANK];
    int n;
} axes;

/* Strides of the stored order. False when there are more axes than a layout can name. */
static bool axes_of(axes *out, const ms_cut_shape *shape) {
    if (shape->rank > MAX_RANK) return false;
    *out = (axes){.n = (int)shape->rank};
    uint64_t stride = 1;
    for (int i = 0; i < out->n; i++) {
        const int k = shape->column_major ? i : out->n - 1 - i;
        out->extent[k] = shape->extents[k];
        out->stride[k] = stride;
        stride *= shape->extents[k]; /* the product of all was checked when the file was opened */
    }
    return true;
}

bool ms_cut_plain(ms_cut *out, const ms_cut_shape *shape) {
    axes a;
    if (shape->rank < 2 || shape->rank > 3 || !axes_of(&a, shape)) return false;
    const int rows = a.n - 2, cols = a.n - 1;
    *out = (ms_cut){.rank = a.n,
                    .layers = 1,
                    .experts = a.n == 3 ? a.extent[0] : 1,
                    .rows = a.extent[rows],
                    .cols = a.extent[cols],
                    .expert_stride = a.n == 3 ? a.stride[0] : 0,
                    .row_stride = a.stride[rows],
                    .col_stride = a.stride[cols]};
    return true;
}

/* Axis 0 holds n pieces one after the other: it becomes two axes. */
static bool stack_rows(axes *a, int64_t n, char why[static MS_CUT_WHY]) {
    if (a->n < 1 || a->n >= MAX_RANK || a->extent[0] % (uint64_t)n != 0) {
        snprintf(why, MS_CUT_WHY, "row_stack %lld does not divide axis 0 of length %llu", (long long)n,
                 (unsigned long long)(a->n ? a->extent[0] : 0));
        return false;
    }
    for (int i = a->n; i > 0; i--) {
        a->extent[i] = a->extent[i - 1];
        a->stride[i] = a->stride[i - 1];
    }
    a->n++;
    a->extent[1] = a->extent[0] / (uint64_t)n;
    a->extent[0] = (uint64_t)n;
    a->stride[0] = a->stride[1] * a->extent[1];
    return true;
}

/* "[0, 1, 2]" */
static const char *list_text(char out[static 64], const int32_t *axis, int n) {
    int at = snprintf(out, 64, "[");
    for (int i = 0; i < n; i++) at += snprintf(out + at, 64 - (size_t)at, "%s%d", i ? ", " : "", (int)axis[i]);
    snprintf(out + at, 64 - (size_t)at, "]");
    return out;
}

/* The layout's axes as numbers from 0: each once, all of them. */
static bool check_axes(int32_t *axis, int n, int rank, char why[static MS_CUT_WHY]) {
    char text[64];
    if (n != rank) {
        snprintf(why, MS_CUT_WHY, "layout axes %s do not cover ndim=%d", list_text(text, axis, n), rank);
        return false;
    }
    unsigned seen = 0;
    for (int i = 0; i < n; i++) {
        const int32_t from_start = axis[i] < 0 ? axis[i] + rank : axis[i];
        if (from_start < 0 || from_start >= rank) {
            snprintf(why, MS_CUT_WHY, "axis %d is out of bounds for array of dimension %d", (int)axis[i], rank);
            return false;
        }
        if (seen >> from_start & 1u) {
            snprintf(why, MS_CUT_WHY, "repeated axis in layout %s", list_text(text, axis, n));
            return false;
        }
        seen |= 1u << from_start;
        axis[i] = from_start;
    }
    return true;
}

bool ms_cut_layout(ms_cut *out, const ms_extract_rule *rule, const ms_cut_shape *shape, char why[static MS_CUT_WHY]) {
    if (rule->rows_axis == MS_NO_AXIS || rule->cols_axis == MS_NO_AXIS) {
        snprintf(why, MS_CUT_WHY, "layout must include rows_axis and cols_axis");
        return false;
    }
    int32_t axis[MAX_RANK];
    int n = 0;
    if (rule->layer_axis != MS_NO_AXIS) axis[n++] = rule->layer_axis;
    if (rule->expert_axis != MS_NO_AXIS) axis[n++] = rule->expert_axis;
    axis[n++] = rule->rows_axis;
    axis[n++] = rule->cols_axis;
    axes a = {.n = (int)(shape->rank < 1000 ? shape->rank : 1000)};
    if (shape->rank <= MAX_RANK) axes_of(&a, shape);
    if (rule->row_stack > 0 && shape->rank <= MAX_RANK && !stack_rows(&a, rule->row_stack, why)) return false;
    if (!check_axes(axis, n, a.n, why)) return false;

    *out = (ms_cut){.rank = n, .layers = 1, .experts = 1};
    int at = 0;
    if (n == 4) out->layers = a.extent[axis[at]], out->layer_stride = a.stride[axis[at]], at++;
    if (n >= 3) out->experts = a.extent[axis[at]], out->expert_stride = a.stride[axis[at]], at++; /* (L, R, C) counts as this */
    out->rows = a.extent[axis[at]], out->row_stride = a.stride[axis[at]], at++;
    out->cols = a.extent[axis[at]], out->col_stride = a.stride[axis[at]];
    return true;
}

/* ---- splits ---- */

size_t ms_cut_n_parts(const ms_packed_split *split) { return split->equal ? split->n_projs : split->n_sizes; }

static uint64_t length_of(const ms_cut *cut, const ms_packed_split *split) { return split->rows ? cut->rows : cut->cols; }

static int axis_of(const ms_cut *cut, const ms_packed_split *split) { return split->rows ? cut->rank - 2 : cut->rank - 1; }

static bool check_equal(const ms_cut *cut, const ms_packed_split *split, char why[static MS_CUT_WHY]) {
    const uint64_t length = length_of(cut, split), n = split->n_projs;
    if (n > 0 && length % n == 0) return true;
    snprintf(why, MS_CUT_WHY, "%llu equal parts do not divide %llu along axis %d", (unsigned long long)n,
             (unsigned long long)length, axis_of(cut, split));
    return false;
}

static bool check_sizes(const ms_cut *cut, const ms_packed_split *split, char why[static MS_CUT_WHY]) {
    if (split->n_sizes == 0 && !split->bad_size.text) {
        snprintf(why, MS_CUT_WHY, "splits must be non-empty");
        return false;
    }
    uint64_t total = 0;
    for (size_t i = 0; i < split->n_sizes; i++) {
        if (split->sizes[i] <= 0) {
            snprintf(why, MS_CUT_WHY, "split sizes must be positive; got %lld", (long long)split->sizes[i]);
            return false;
        }
        if (__builtin_add_overflow(total, (uint64_t)split->sizes[i], &total)) total = UINT64_MAX;
    }
    if (split->bad_size.text) {
        snprintf(why, MS_CUT_WHY, "split sizes must be integers; got %.*s", (int)split->bad_size.size, split->bad_size.text);
        return false;
    }
    if (total == length_of(cut, split)) return true;
    snprintf(why, MS_CUT_WHY, "split sizes sum to %llu, expected %llu along axis %d", (unsigned long long)total,
             (unsigned long long)length_of(cut, split), axis_of(cut, split));
    return false;
}

bool ms_cut_check_split(const ms_cut *cut, const ms_packed_split *split, char why[static MS_CUT_WHY]) {
    if (split->equal) return check_equal(cut, split, why);
    if (!check_sizes(cut, split, why)) return false;
    for (size_t i = 1; split->interleave && i < split->n_sizes; i++)
        if (split->sizes[i] != split->sizes[0]) {
            snprintf(why, MS_CUT_WHY, "interleaved parts must be equal; got sizes %lld and %lld", (long long)split->sizes[0],
                     (long long)split->sizes[i]);
            return false;
        }
    return true;
}

ms_cut ms_cut_part(const ms_cut *cut, const ms_packed_split *split, size_t k) {
    ms_cut part = *cut;
    uint64_t *const length = split->rows ? &part.rows : &part.cols, *const stride =
                                                                        split->rows ? &part.row_stride : &part.col_stride;
    const uint64_t n = ms_cut_n_parts(split);
    if (split->interleave) {
        part.first += k * *stride;
        *length /= n;
        *stride *= n;
        return part;
    }
    uint64_t begin = 0;
    for (size_t i = 0; i < k; i++) begin += split->equal ? *length / n : (uint64_t)split->sizes[i];
    part.first += begin * *stride;
    *length = split->equal ? *length / n : (uint64_t)split->sizes[k];
    return part;
}
