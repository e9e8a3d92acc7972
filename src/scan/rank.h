/*
 * rank: the keys of given ranks among keys that lie in memory.
 *
 *     ms_rank_pair(keys, n, rank, rank + 1, spare, at);                   // two neighbours among many
 *     ms_rank_keys(keys, n, ranks, n_ranks, spare, at);                   // several among some thousand
 *
 * A key is a number below 2^31; ranks count from 0 in ascending order of the keys.
 */
#ifndef MS_RANK_H
#define MS_RANK_H

#include <stddef.h>
#include <stdint.h>

#include "bracket.h"

/* keys: [n > 0]; low <= high < n, close together. spare: [n + MS_BRACKET_SLACK]. */
void ms_rank_pair(const uint32_t *keys, size_t n, uint64_t low, uint64_t high, uint32_t *spare, uint32_t out[2]);

/* keys: [n > 0], put in another order; ranks: [n_ranks], below n, ascending or nearly so; spare: [n]; out: [n_ranks]. */
void ms_rank_keys(uint32_t *keys, size_t n, const uint64_t *ranks, size_t n_ranks, uint32_t *spare, uint32_t *out);

/* Sorts keys: [n] < 2^31; spare: [n]. */
void ms_rank_sort(uint32_t *keys, uint32_t *spare, size_t n);

#endif
