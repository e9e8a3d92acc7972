/*
 * turn: a small matrix with its axes exchanged, elements as they are stored.
 *
 *     ms_turn(tile, 128, bytes, pitch, 1, 64, 128, 2);          // bf16: tile [64, 128] from 128 runs of 64
 *
 * Meant for tiles that fit the nearest cache; cutting a large matrix into such tiles is the caller's.
 */
#ifndef MS_TURN_H
#define MS_TURN_H

#include <stddef.h>

/* out[r * out_pitch + c] = in[c * in_pitch + r * in_step] for r < n_rows, c < n_cols; pitches and step in elements of `size`
 * bytes (1, 2, 4 or 8). Neither needs to be aligned; they must not overlap. */
void ms_turn(void *out, size_t out_pitch, const void *in, size_t in_pitch, size_t in_step, size_t n_rows, size_t n_cols,
             size_t size);

/* The same element by element: what ms_turn is checked against. */
void ms_turn_scalar(void *out, size_t out_pitch, const void *in, size_t in_pitch, size_t in_step, size_t n_rows, size_t n_cols,
                    size_t size);

#endif
