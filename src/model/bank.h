/*
 * bank: one projection of one layer as E matrices of R x C, whatever the storage: one tensor per expert, stacked, fused halves,
 * interleaved, transposed, row-stacked, experts of different widths.
 *
 *     ms_banks banks;
 *     MS_TRY(ms_banks_from_family(&banks, ckpt, err));
 *     for (size_t b = 0; b < banks.n; b++)
 *         for (size_t m = 0; m < banks.items[b].n_matrices; m++) use(&banks.matrices[banks.items[b].first_matrix + m]);
 *     ms_banks_free(&banks);
 *
 * A matrix is a strided window into one tensor; reading it decodes to f32 rows [R, C] with C the input axis of the projection
 * (the one that quantisation groups run along): R = out features, C = in features.
 */
#ifndef MS_BANK_H
#define MS_BANK_H

#include "checkpoint.h"
#include "vec.h"

typedef struct ms_matrix {
    uint32_t tensor;  /* index into the checkpoint's tensors */
    int32_t expert;   /* global id in its layer; -1: shared */
    uint32_t bank;    /* index into the banks */
    uint32_t n_alike; /* matrices that its bank was stored with, for messages; 0 not told */
    uint64_t rows, cols;
    uint64_t first;                  /* element [0, 0], in elements of the tensor in storage order */
    uint64_t row_stride, col_stride; /* elements */
} ms_matrix;

typedef enum ms_split { /* how a matrix was cut out of a fused tensor; part of its derived name */
                        MS_SPLIT_NONE,
                        MS_SPLIT_ROWS,
                        MS_SPLIT_COLS,
                        MS_SPLIT_ROWS_INTERLEAVED,
                        MS_SPLIT_COLS_INTERLEAVED,
} ms_split;

typedef enum ms_origin { MS_ORIGIN_FAMILY, MS_ORIGIN_RULE, MS_ORIGIN_FALLBACK } ms_origin;

typedef struct ms_bank {
    int32_t layer; /* -1 unknown */
    const char *section;
    ms_str proj; /* "gate_proj", "up_proj", "down_proj", "router", or a raw token of a user's rule; owned by the banks' arena */
    ms_role role; /* EXPERT, SHARED_EXPERT or ROUTER */
    ms_split split;
    ms_origin origin;
    uint64_t rows, cols; /* of each matrix; MS_BANK_VARIES when they are not all alike */
    size_t first_matrix, n_matrices;
} ms_bank;

#define MS_BANK_VARIES UINT64_MAX

typedef struct ms_banks {
    ms_arena arena;
    ms_bank *items; /* owned */
    size_t n, capacity;
    MS_VEC(ms_matrix) matrices;
    ms_notes notes; /* tensors that could not be cut into matrices, and why */
} ms_banks;

/* All banks that the family tables see, ordered by section, layer, role, projection (gate, up, down, router), expert. */
ms_status ms_banks_from_family(ms_banks *out, const ms_checkpoint *ckpt, ms_err *err);
/* The same banks without their matrices: n_matrices counts them, `matrices` stays empty. For those who need shapes only. */
ms_status ms_banks_outline(ms_banks *out, const ms_checkpoint *ckpt, ms_err *err);
void ms_banks_free(ms_banks *banks);

/* The same banks for those who cannot hold all matrices at once, tensor by tensor:
 *
 *     MS_TRY(ms_bank_cutter_open(&cutter, ckpt, err));
 *     MS_TRY(ms_bank_cutter_cut(cutter, tensor, err));
 *     for (size_t m = 0; m < cutter->n_matrices; m++) use(&cutter->matrices[m]);     // in the order of the banks
 *     ms_bank_cutter_close(cutter);
 */
typedef struct ms_bank_cutter {
    ms_banks outline;          /* all banks, as ms_banks_outline makes them; what `bank` of a matrix counts */
    const ms_matrix *matrices; /* [n_matrices] of the tensor that was cut last */
    size_t n_matrices;
    struct ms_builder *builder; /* owned */
} ms_bank_cutter;
/* Owned. */
ms_status ms_bank_cutter_open(ms_bank_cutter **out, const ms_checkpoint *ckpt, ms_err *err);
/* tensor: an index into the checkpoint's; it may hold no matrices. */
ms_status ms_bank_cutter_cut(ms_bank_cutter *cutter, uint32_t tensor, ms_err *err);
void ms_bank_cutter_close(ms_bank_cutter *cutter); /* NULL-safe */

/* "<tensor>::<proj>" or "<tensor>::split[rows]::<proj>" (cols; "rows,interleaved"). Written to *out. */
void ms_matrix_derived_name(const ms_checkpoint *ckpt, const ms_banks *banks, const ms_matrix *matrix, ms_buf *out);

/* Rows [row, row + n) as f32, contiguous, out: [n, cols]. One scratch per thread. MS_ERR_UNSUPPORTED when the storage has no
 * decoder. */
ms_status ms_matrix_rows(const ms_checkpoint *ckpt, const ms_matrix *matrix, uint64_t row, uint64_t n, ms_scratch *scratch,
                         float *out, ms_err *err);

/* Single elements: out[i] = element positions[i] of the row-major flattening 0 .. rows*cols-1; positions in any order. */
ms_status ms_matrix_gather(const ms_checkpoint *ckpt, const ms_matrix *matrix, const int64_t *positions, size_t n,
                           ms_scratch *scratch, float *out, ms_err *err);

/* The stored bytes of the rows when they lie as [n, cols] elements of the tensor's dtype without gaps, else *bytes = NULL. For
 * kernels that take the stored type itself. Borrowed until the scratch is used again. */
ms_status ms_matrix_stored_rows(const ms_checkpoint *ckpt, const ms_matrix *matrix, uint64_t row, uint64_t n,
                                ms_scratch *scratch, const void **bytes, ms_err *err);

#endif
