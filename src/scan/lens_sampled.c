/*
 * Percentiles of |w| over a sample of the elements (sample.h), which NumPy would draw too; NumPy's linear rule. What is not
 * finite in the sample is left out.
 */
#include <math.h>

#include "lens.h"
#include "mem.h"
#include "rank.h"
#include "select.h"

static const double percents[] = {50, 99, 99.9};
enum { N = sizeof percents / sizeof *percents };

typedef struct sampled {
    uint32_t *keys, *spare; /* owned; [room]: of the sampled elements, in the order of their positions */
    size_t room;
} sampled;

typedef struct part {
    bool begun;
    size_t next; /* the first position that no panel has reached */
} part;

/* Then the engine has the keys of all elements in order. */
static bool is_all(const ms_lens_matrix *m) { return m->pilot.is_all && m->sample->n_positions == m->n; }

static ms_status begin(void *state, size_t index, const ms_lens_matrix *matrix, ms_err *err) {
    sampled *const s = state;
    (void)index;
    if (matrix->n == 0 || is_all(matrix) || s->room >= matrix->sample->n_positions) return MS_OK;
    ms_mem_free(s->keys);
    ms_mem_free(s->spare);
    s->keys = ms_mem_alloc_array(matrix->sample->n_positions, sizeof *s->keys);
    s->spare = ms_mem_alloc_array(matrix->sample->n_positions, sizeof *s->spare);
    s->room = s->keys && s->spare ? matrix->sample->n_positions : 0;
    return s->room > 0 ? MS_OK : ms_err_memory(err, "a sample");
}

static size_t first_from(const ms_sample *sample, uint64_t element) {
    size_t low = 0, high = sample->n_positions;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if ((uint64_t)sample->positions[middle] < element) low = middle + 1;
        else high = middle;
    }
    return low;
}

static ms_status add(void *state, void *part_, void *feeder, const ms_lens_matrix *matrix, const ms_lens_panel *panel,
                     ms_err *err) {
    const sampled *const s = state;
    part *const p = part_;
    const ms_sample *const sample = matrix->sample;
    (void)feeder, (void)err;
    if (is_all(matrix)) return MS_OK;
    if (sample->n_positions == matrix->n) {
        ms_lens_keys_read(&matrix->keys, panel->w, panel->n, s->keys + panel->first);
        return MS_OK;
    }
    if (!p->begun) *p = (part){true, first_from(sample, panel->first)};
    const uint64_t end = panel->first + panel->n;
    size_t i = p->next;
    for (; i < sample->n_positions && (uint64_t)sample->positions[i] < end; i++)
        s->keys[i] = ms_lens_key_at(&matrix->keys, panel->w, (size_t)((uint64_t)sample->positions[i] - panel->first));
    p->next = i;
    return MS_OK;
}

/* values: [N]; left alone when nothing is finite. */
static void percentiles(const ms_lens_matrix *m, sampled *s, double *values) {
    const size_t n = m->n > 0 ? ms_lens_keys_finite(&m->keys, s->keys, m->sample->n_positions) : 0;
    uint64_t ranks[2 * N];
    uint32_t keys[2 * N];
    double fraction[N];
    if (n == 0) return;
    for (int i = 0; i < N; i++) ms_select_place(percents[i], n, &ranks[2 * i], &ranks[2 * i + 1], &fraction[i]);
    ms_rank_keys(s->keys, n, ranks, (size_t)2 * N, s->spare, keys);
    for (int i = 0; i < N; i++)
        values[i] = ms_select_between(ms_lens_key_value(&m->keys, keys[2 * i]), ms_lens_key_value(&m->keys, keys[2 * i + 1]),
                                      fraction[i]);
}

static ms_status finish(void *state, const ms_lens_matrix *matrix, double *out, bool *again, ms_err *err) {
    const double eps = matrix->options->eps;
    (void)again, (void)err;
    out[0] = out[1] = out[2] = NAN;
    if (matrix->n > 0 && is_all(matrix)) ms_lens_percentiles_of_all(matrix, percents, N, out);
    else percentiles(matrix, state, out);
    out[3] = out[1] / (out[0] + eps);
    out[4] = out[2] / (out[0] + eps);
    return MS_OK;
}

static void free_state(void *state) {
    sampled *const s = state;
    ms_mem_free(s->keys);
    ms_mem_free(s->spare);
}

static ms_lens_wants wants(const ms_scan_options *options, size_t index) {
    (void)options, (void)index;
    return (ms_lens_wants){.pilot = true, .sample = true};
}

static bool columns(const ms_scan_options *options, size_t index, ms_arena *arena, ms_lens_columns *out) {
    static const ms_lens_column all[] = {
        {60, {"p50_abs", MS_COLUMN_F64, "weight", "median of |w| over the sample"}},
        {70, {"p99_abs", MS_COLUMN_F64, "weight", "99th percentile of |w| over the sample"}},
        {80, {"p999_abs", MS_COLUMN_F64, "weight", "99.9th percentile of |w| over the sample"}},
        {100, {"outlier_p99_over_median", MS_COLUMN_F64, "ratio", "p99_abs / (p50_abs + eps)"}},
        {110, {"outlier_p999_over_median", MS_COLUMN_F64, "ratio", "p999_abs / (p50_abs + eps)"}},
    };
    (void)options, (void)index, (void)arena;
    return ms_lens_put_columns(out, all, sizeof all / sizeof *all);
}

const ms_lens ms_lens_sampled = {
    .name = "sampled",
    .help = "percentiles of a sample, as NumPy draws it",
    .state_size = sizeof(sampled),
    .part_size = sizeof(part),
    .wants = wants,
    .columns = columns,
    .begin = begin,
    .add = add,
    .finish = finish,
    .free_state = free_state,
};
