/*
 * extract_cut: where the matrices of a rule lie in a tensor: its layout applied, then its packed split.
 *
 *     ms_cut cut;
 *     char why[MS_CUT_WHY];
 *     if (!ms_cut_layout(&cut, rule, &shape, why)) ...        // L x E x R x C, with strides
 *     if (!ms_cut_part(&part, &cut, &rule->split, k, why)) ... // the k-th projection of it
 *
 * No element is touched: a cut is four extents and four strides, in elements of the tensor in storage order.
 */
#ifndef MS_EXTRACT_CUT_H
#define MS_EXTRACT_CUT_H

#include <stdbool.h>
#include <stdint.h>

#include "run_config.h"

enum { MS_CUT_WHY = 200 };

typedef struct ms_cut {
    int rank;                             /* of the canonical shape: 2 (R,C), 3 (E,R,C), 4 (L,E,R,C) */
    uint64_t layers, experts, rows, cols; /* 1 where the rank has no such axis */
    uint64_t first;                       /* element [0, 0, 0, 0] */
    uint64_t layer_stride, expert_stride, row_stride, col_stride;
} ms_cut;

typedef struct ms_cut_shape {
    const uint64_t *extents; /* [rank] */
    uint32_t rank;
    bool column_major; /* the first axis is the fastest */
} ms_cut_shape;

/* As stored: (R, C) or (E, R, C). False for other ranks. */
bool ms_cut_plain(ms_cut *out, const ms_cut_shape *shape);

/* By the rule's layout and row_stack. False, with a reason, when they do not fit the shape. */
bool ms_cut_layout(ms_cut *out, const ms_extract_rule *rule, const ms_cut_shape *shape, char why[static MS_CUT_WHY]);

/* False, with a reason, when the split does not fit the cut; asked once before the parts. */
bool ms_cut_check_split(const ms_cut *cut, const ms_packed_split *split, char why[static MS_CUT_WHY]);

/* The k-th part, k < the number of parts, of a split that fits. */
ms_cut ms_cut_part(const ms_cut *cut, const ms_packed_split *split, size_t k);
/* How many parts the sizes make; "equal" makes as many as there are projections. */
size_t ms_cut_n_parts(const ms_packed_split *split);

#endif
