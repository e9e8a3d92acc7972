/*
 * sample: which elements of a matrix the sampled percentiles look at: NumPy's choice for its size, the same for all matrices of
 * that size, kept on disk as idx_N{N}_k{k}_seed{seed}.npy (int64, in the generator's order) for whoever wants to repeat it.
 *
 *     ms_samples samples;
 *     MS_TRY(ms_samples_init(&samples, 8192, 1337, "run/cache/sampled_indices", n_threads + 1, err));
 *     const ms_sample *sample;
 *     MS_TRY(ms_samples_get(&samples, rows * cols, &sample, err));
 *     ... sample->positions ...
 *     ms_samples_release(&samples, sample);
 *     ms_samples_free(&samples);
 *
 * Thread-safe between init and free. Holds a bounded number of samples, however many sizes there are.
 */
#ifndef MS_SAMPLE_H
#define MS_SAMPLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

typedef struct ms_sample {
    uint64_t n;               /* of the population: rows * cols */
    const int64_t *positions; /* [n_positions], ascending; NULL: all of them */
    size_t n_positions;
    int n_users;
    uint64_t used_at;
} ms_sample;

typedef struct ms_samples {
    int64_t k;
    uint64_t seed;
    const char *folder; /* borrowed; NULL: nothing on disk */
    pthread_mutex_t lock;
    ms_sample *items; /* owned; [n_items] */
    size_t n_items;
    uint64_t clock;
    ms_err cache_error; /* the first failure to keep a sample on disk: a run goes on without */
} ms_samples;

/* n_users: how many are held at the same time at most. k >= 0. */
ms_status ms_samples_init(ms_samples *samples, int64_t k, uint64_t seed, const char *folder, size_t n_users, ms_err *err);

/* The sample of min(k, n) of n elements. Borrowed until released. */
ms_status ms_samples_get(ms_samples *samples, uint64_t n, const ms_sample **out, ms_err *err);
void ms_samples_release(ms_samples *samples, const ms_sample *sample); /* NULL-safe */
void ms_samples_free(ms_samples *samples);

#endif
