/*
 * scan_plan: in which portions matrices are read, and in which order.
 *
 *     matrix   in the order of their bytes on disk
 *     item     what one thread takes at a time: some chunks of one matrix, about 4 M elements
 *     chunk    what is summed up on its own; the partial sums of a matrix are merged in the order of its chunks
 *     panel    MS_PANEL_MAX elements: what lenses see at once
 *
 * Chunks depend on the shape of the matrix and on the options alone, so numbers do not depend on the thread count.
 */
#ifndef MS_SCAN_PLAN_H
#define MS_SCAN_PLAN_H

#include "bank.h"
#include "lookahead.h"

typedef struct ms_scan_cut {
    uint64_t n;     /* elements of the matrix */
    uint64_t chunk; /* elements of a chunk; the last one is shorter */
    uint64_t n_chunks;
    uint64_t per_item; /* chunks */
    uint64_t n_items;  /* at least 1 */
} ms_scan_cut;

/* unit: no chunk but the last may end elsewhere than at a multiple. */
ms_scan_cut ms_scan_cut_of(uint64_t n, uint64_t unit);

typedef struct ms_scan_plan {
    size_t n_matrices;
    uint32_t *order;      /* owned; [n_matrices]: the matrix that is read k-th */
    uint64_t *first_item; /* owned; [n_matrices + 1]: of the k-th in order */
    uint64_t *first_byte; /* owned; [n_matrices + 1]: of the k-th in order, in bytes of the plan */
    ms_range *ranges;     /* owned; [n_matrices]: where the k-th in order lies */
} ms_scan_plan;

/* cut: gives the number of items of a matrix. */
typedef uint64_t ms_scan_items_of(const void *context, const ms_matrix *matrix);
ms_status ms_scan_plan_make(ms_scan_plan *out, const ms_checkpoint *ckpt, const ms_matrix *matrices, size_t n_matrices,
                            ms_scan_items_of *items_of, const void *context, ms_err *err);

/* The place in the order of the matrix that an item belongs to. */
size_t ms_scan_plan_place(const ms_scan_plan *plan, uint64_t item);
void ms_scan_plan_free(ms_scan_plan *plan);

#endif
