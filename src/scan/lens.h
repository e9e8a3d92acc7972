/*
 * lens: one measurement over matrices. To add one: a file lens_NAME.c with a `const ms_lens ms_lens_NAME`, and its line in
 * lens_list.c; its columns then appear in matrix_stats, its words in the documentation.
 *
 * The engine (scan.c) cuts a matrix, by its shape alone, into chunks, and a chunk into panels of up to MS_PANEL_MAX elements in
 * row-major order. For every matrix it calls
 *
 *     begin(state)                                        one thread
 *     add(state, part, feeder, panel)  for every panel    any thread; the panels of a chunk in order, from one thread
 *     leave(state, feeder)                                each thread after its share of the matrix
 *     merge(state, part)  for every chunk, in order       one thread
 *     finish(state, out, &again)                          one thread; again: all panels in order once more (part 0), then
 * finish
 *
 * part:    what a chunk adds up where the order of additions matters; small; zeroed before the first panel
 * state:   one matrix; zeroed once, then reused for other matrices: begin sets what it needs. During add it may be written only
 *          under a lock of its own, or at places that belong to the panel at hand
 * feeder:  scratch of one thread; zeroed once
 *
 * Columns have an order key: first those of the contract in its order, extras from MS_LENS_EXTRA on.
 */
#ifndef MS_LENS_H
#define MS_LENS_H

#include "arena.h"
#include "feed.h"
#include "panel.h"
#include "sample.h"
#include "scan.h"

enum { MS_LENS_EXTRA = 1000 };

typedef struct ms_lens_panel {
    uint64_t first;              /* its first element, in the row-major flattening of the matrix */
    size_t n;                    /* elements; MS_PANEL_MAX but for the last of a chunk */
    const void *w;               /* [n] of matrix->keys.dtype, aligned */
    const float *f32;            /* [n] the same as f32; NULL unless a lens wants it */
    const ms_panel_facts *facts; /* NULL unless a lens wants them */
} ms_lens_panel;

typedef struct ms_lens_keys { /* |w| as an integer: the bits without the sign, in the type that panels have */
    ms_dtype dtype;           /* BF16, F16, F32 */
    int bits;                 /* 15, 31 */
    uint32_t limit;           /* first key that is no finite number */
} ms_lens_keys;
ms_lens_keys ms_lens_keys_of(ms_dtype dtype);
double ms_lens_key_value(const ms_lens_keys *keys, uint32_t key);
/* The keys of a panel's elements w: [n]. */
void ms_lens_keys_read(const ms_lens_keys *keys, const void *w, size_t n, uint32_t *out);
static inline uint32_t ms_lens_key_at(const ms_lens_keys *keys, const void *w, size_t i) {
    return keys->bits == 15 ? ((const uint16_t *)w)[i] & 0x7FFFu : ((const uint32_t *)w)[i] & 0x7FFFFFFFu;
}
/* Keeps those of finite numbers, in their order; returns how many. */
size_t ms_lens_keys_finite(const ms_lens_keys *keys, uint32_t *items, size_t n);

typedef struct ms_lens_pilot { /* a few elements that tell about where all lie; for begin */
    uint32_t *keys, *spare;    /* [n] keys of finite elements, to be reordered at will; as much room */
    size_t n;
    bool is_all; /* these are all finite elements there are, ascending; then valid until the end of the matrix */
} ms_lens_pilot;

typedef struct ms_lens_matrix { /* the matrix at hand */
    const ms_scan_options *options;
    uint64_t rows, cols, n;
    uint32_t n_alike; /* ms_matrix */
    ms_dtype stored;
    ms_lens_keys keys;
    ms_lens_pilot pilot;     /* empty unless a lens wants it */
    const ms_sample *sample; /* NULL unless a lens wants it */
    ms_feed *feed;           /* of the calling thread, for begin */
} ms_lens_matrix;

typedef struct ms_lens_column {
    int order;
    ms_column_spec spec; /* I64 or F64 */
} ms_lens_column;

typedef MS_VEC(ms_lens_column) ms_lens_columns;
/* False when memory is short. */
bool ms_lens_put_columns(ms_lens_columns *out, const ms_lens_column *items, size_t n);

typedef struct ms_lens_wants {
    bool facts, f32, pilot, sample;
} ms_lens_wants;

typedef struct ms_lens {
    const char *name;
    const char *help;
    bool is_quant; /* its columns belong to quant_sim, it exists once per scheme */
    size_t state_size, part_size, feeder_size;

    /* How often it exists under these options (once per group size, per scheme); NULL: once. `index` below counts them. */
    size_t (*count)(const ms_scan_options *options);
    ms_lens_wants (*wants)(const ms_scan_options *options, size_t index);
    /* Texts from the arena or literals. False when memory is short. */
    bool (*columns)(const ms_scan_options *options, size_t index, ms_arena *arena, ms_lens_columns *out);
    /* Runs of so many elements must not be cut by a chunk; 0 or 1: any cut will do. NULL: the same. */
    uint64_t (*unit)(const ms_scan_options *options, size_t index, uint64_t cols);

    /* NULL where there is nothing to do. */
    ms_status (*begin)(void *state, size_t index, const ms_lens_matrix *matrix, ms_err *err);
    ms_status (*add)(void *state, void *part, void *feeder, const ms_lens_matrix *matrix, const ms_lens_panel *panel,
                     ms_err *err);
    ms_status (*leave)(void *state, void *feeder, ms_err *err);
    void (*merge)(void *state, const void *part);
    /* out: a number per column; ms_lens_null() for null. */
    ms_status (*finish)(void *state, const ms_lens_matrix *matrix, double *out, bool *again, ms_err *err);
    /* Of a quant lens: why the simulation failed, for the error column, or NULL. Asked after finish. */
    const char *(*failure)(const void *state);
    void (*free_state)(void *state);
    void (*free_feeder)(void *feeder);
} ms_lens;

/* NULL-terminated. */
extern const ms_lens *const ms_lenses[];

/* Percentiles of |w| by NumPy's linear rule, when matrix->pilot.is_all; left alone when nothing is finite. out: [n] */
void ms_lens_percentiles_of_all(const ms_lens_matrix *matrix, const double *percents, int n, double *out);

/* A number that looks drawn at random from 0 .. 2^64 - 1: splitmix64's finaliser. */
uint64_t ms_lens_mix(uint64_t z);

double ms_lens_null(void); /* a NaN with a payload of its own */
bool ms_lens_is_null(double value);

#endif
