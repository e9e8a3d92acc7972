/*
 * joined: a source whose bytes are those of several pieces, taken in turn: `chunk` bytes of the first, of the second, ..., then
 * the next `chunk` bytes of each. Matrices [R, C_i] side by side have one row of each as its chunk; those one below the other
 * are one chunk each.
 *
 *     const ms_joined_piece pieces[] = {{a, 0, 4 * 3}, {b, 128, 4 * 5}};
 *     MS_TRY(ms_source_over_joined(&source, pieces, 2, n_rows, "model: tensor 'w2'", err));
 */
#ifndef MS_JOINED_H
#define MS_JOINED_H

#include "source.h"

typedef struct ms_joined_piece {
    ms_source *base; /* borrowed: must outlive the joined source */
    uint64_t offset; /* of the piece in its base */
    uint64_t chunk;  /* bytes taken in each turn */
} ms_joined_piece;

/* The caller has checked that every piece has n_turns chunks in its base and that the sum fits 64 bits. pieces: [n], copied, at
 * least one byte in all; path: copied. Owned. */
ms_status ms_source_over_joined(ms_source **out, const ms_joined_piece *pieces, size_t n, uint64_t n_turns, const char *path,
                                ms_err *err);

#endif
