/*
 * numpy_random: numpy.random.default_rng(seed).choice(n, k, replace=False), number for number.
 *
 *     int64_t *positions;
 *     MS_TRY(ms_numpy_choice(&positions, 1572864, 8192, 1337, err));     // 415002, 654383, 82246, ...
 *     ms_mem_free(positions);
 *
 * So a sample drawn here is the sample that NumPy (1.17 to 2.x; SeedSequence, PCG64 XSL-RR, Generator) draws.
 */
#ifndef MS_NUMPY_RANDOM_H
#define MS_NUMPY_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

typedef struct ms_numpy_random { /* PCG64 with the buffered upper half that 32-bit draws leave behind */
    unsigned __int128 state, increment;
    bool has_half;
    uint32_t half;
} ms_numpy_random;

/* As numpy.random.PCG64(seed). */
void ms_numpy_random_init(ms_numpy_random *random, uint64_t seed);
uint64_t ms_numpy_random_u64(ms_numpy_random *random);

/* Uniform in 0 .. limit, both included; Generator's bounded draw (Lemire's method, 32-bit words while they suffice). */
uint64_t ms_numpy_random_below_or_at(ms_numpy_random *random, uint64_t limit);

/* k different numbers of 0 .. n-1 in the generator's order. MS_ERR_USAGE unless 0 <= k <= n; MS_ERR_MEMORY: n numbers are held
 * while it runs when k > n / 50, else k. *out: [k], owned. */
ms_status ms_numpy_choice(int64_t **out, int64_t n, int64_t k, uint64_t seed, ms_err *err);

#endif
