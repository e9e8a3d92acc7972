/*
 * How much the largest weight of a group stands out. For every run of G consecutive weights of a row
 *     ratio = max|w| / (mean|w| + eps)        over the finite ones of the run; runs without any are left out
 * with the sum in f64, mean + eps rounded once to f32, the quotient in f32. The columns are the P-th percentile of all ratios
 * of the matrix (exact; NumPy's linear rule) and the largest. NaN when G does not divide the row length.
 */
#include <math.h>

#include "half.h"
#include "lens.h"
#include "rank.h"
#include "select.h"

enum {
    ROOM = 1 << 18,     /* ratios that are kept, all of them */
    LIMIT = 0x7F800000, /* for a ratio that is no number: a group without a finite weight */
    PILOT_MIN = 2048,
    PILOT_MAX = 1 << 14,
};

typedef struct groups {
    uint64_t size; /* G; 0: no groups in this matrix */
    double one_over_size, eps;
    uint64_t n_groups, n_none; /* n_none: without a ratio */
    float largest;
    uint32_t *ratios, *narrowed; /* owned; [room + MS_BRACKET_SLACK]; bits of f32, in the order of the groups; when they fit */
    size_t room;
    ms_select select;        /* when they do not */
    uint32_t *pilot, *spare; /* owned; [PILOT_MAX] */
    float *weights;          /* owned; [MS_PANEL_MAX]: part of a pilot group */
} groups;

typedef struct open_group { /* begun in a panel, not complete */
    float max;
    double sum;
    uint64_t n_seen, n_finite;
} open_group;

typedef struct part {
    bool begun;
    uint64_t next; /* group */
    uint64_t n_none;
    float largest;
    open_group open;
} part;

typedef struct feeder {
    ms_select_feeder select;
    _Alignas(64) uint32_t ratios[MS_PANEL_MAX + MS_BRACKET_SLACK]; /* bits of f32 */
} feeder;

/* ---- which group sizes ---- */

static bool is_repeated(const ms_scan_options *o, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (o->group_sizes[k] == o->group_sizes[i]) return true;
    return false;
}

static size_t count(const ms_scan_options *options) {
    size_t n = 0;
    for (size_t i = 0; i < options->n_group_sizes; i++) n += !is_repeated(options, i);
    return n;
}

/* The index-th different size. */
static int64_t size_at(const ms_scan_options *options, size_t index) {
    size_t i = 0;
    while (is_repeated(options, i) || index-- > 0) i++;
    return options->group_sizes[i];
}

static bool fits(int64_t size, uint64_t cols) { return size > 0 && cols > 0 && cols % (uint64_t)size == 0; }

static uint64_t unit(const ms_scan_options *options, size_t index, uint64_t cols) {
    const int64_t size = size_at(options, index);
    return fits(size, cols) ? (uint64_t)size : 1;
}

static bool in_blocks(uint64_t size) { return size % MS_PANEL_BLOCK == 0; }

static ms_lens_wants wants(const ms_scan_options *options, size_t index) {
    const int64_t size = size_at(options, index);
    return (ms_lens_wants){.facts = size > 0, .f32 = size > 0 && !in_blocks((uint64_t)size)};
}

/* ---- ratios ---- */

static void open_add(open_group *g, float max, double sum, uint64_t n, uint64_t n_finite) {
    if (max > g->max) g->max = max;
    g->sum += sum;
    g->n_seen += n;
    g->n_finite += n_finite;
}

/* Closes the group: its ratio goes to ratios[*n]. */
static void open_end(const groups *s, open_group *g, uint32_t *ratios, size_t *n, part *p) {
    const double mean = g->n_finite == s->size ? g->sum * s->one_over_size : g->sum / (double)g->n_finite;
    const float ratio = g->max / (float)(mean + s->eps);
    const bool none = g->n_finite == 0 || ms_f32_bits(ratio) >= LIMIT;
    ratios[(*n)++] = none ? LIMIT : ms_f32_bits(ratio);
    if (!none && ratio > p->largest) p->largest = ratio;
    p->n_none += none;
    *g = (open_group){0};
}

static size_t ratios_by_block(const groups *s, part *p, const ms_lens_panel *panel, uint32_t *ratios) {
    open_group *const open = &p->open;
    size_t n = 0;
    for (size_t b = 0; b * MS_PANEL_BLOCK < panel->n; b++) {
        open_add(open, panel->facts->block_max[b], panel->facts->block_sum[b], MS_PANEL_BLOCK, panel->facts->block_finite[b]);
        if (open->n_seen == s->size) open_end(s, open, ratios, &n, p);
    }
    return n;
}

/* The common case: groups that are whole blocks, none of them open, everything finite. False when it is not that. */
static bool ratios_at_once(const groups *s, part *p, const ms_lens_panel *panel, uint32_t *ratios, size_t *n) {
    if (p->open.n_seen > 0 || panel->n % s->size != 0 || panel->facts->n_nan || panel->facts->n_inf) return false;
    *n = panel->n / s->size;
    const uint32_t largest = ms_panel_ratios(panel->facts, s->size / MS_PANEL_BLOCK, *n, s->eps, ratios);
    if (largest >= LIMIT) return false;
    if (ms_f32_from_bits(largest) > p->largest) p->largest = ms_f32_from_bits(largest);
    return true;
}

static size_t ratios_by_element(const groups *s, part *p, const float *w, size_t n_w, uint32_t *ratios) {
    open_group *const open = &p->open;
    size_t n = 0;
    for (size_t i = 0; i < n_w; i++) {
        const float magnitude = fabsf(w[i]);
        const bool finite = isfinite(w[i]);
        open_add(open, finite ? magnitude : 0, finite ? (double)magnitude : 0, 1, finite);
        if (open->n_seen == s->size) open_end(s, open, ratios, &n, p);
    }
    return n;
}

/* ---- the lens ---- */

/* The ratio of one group, read on its own. */
static ms_status pilot_ratio(groups *s, ms_feed *feed, uint64_t group, size_t *n, ms_err *err) {
    part alone = {0};
    int64_t positions[256];
    for (uint64_t at = 0; at < s->size;) {
        const size_t take = s->size - at < 256 ? (size_t)(s->size - at) : 256;
        for (size_t i = 0; i < take; i++) positions[i] = (int64_t)(group * s->size + at + i);
        MS_TRY(ms_feed_gather(feed, positions, take, s->weights, err));
        *n += ratios_by_element(s, &alone, s->weights, take, s->pilot + *n);
        at += take;
    }
    *n -= alone.n_none;
    return MS_OK;
}

/* More groups than fit: a sample of them tells where the percentile lies. One group of each of n equal stretches. */
static ms_status aim(groups *s, const ms_lens_matrix *matrix, ms_err *err) {
    if (!s->pilot) s->pilot = ms_mem_alloc_array(PILOT_MAX + 1, sizeof *s->pilot);
    if (!s->spare) s->spare = ms_mem_alloc_array(PILOT_MAX, sizeof *s->spare);
    if (!s->weights) s->weights = ms_mem_alloc_array(256, sizeof *s->weights);
    if (!s->pilot || !s->spare || !s->weights) return ms_err_memory(err, "a sample of groups");
    uint64_t n_pilot = s->n_groups >> 9;
    if (n_pilot < PILOT_MIN) n_pilot = PILOT_MIN;
    if (n_pilot > PILOT_MAX) n_pilot = PILOT_MAX;
    if (s->size > 4096) n_pilot = PILOT_MIN;
    const uint64_t stretch = s->n_groups / n_pilot;
    size_t n = 0;
    for (uint64_t i = 0; i < n_pilot; i++)
        MS_TRY(pilot_ratio(s, matrix->feed, i * stretch + ms_lens_mix(i) % stretch, &n, err));
    ms_select_aim(&s->select, s->pilot, n, s->spare);
    return MS_OK;
}

static ms_status begin_select(groups *s, const ms_lens_matrix *matrix, ms_err *err) {
    const ms_select_options options = {.key_bits = 31,
                                       .limit = LIMIT,
                                       .n = s->n_groups,
                                       .percent = {matrix->options->group_outlier_percentile},
                                       .n_percent = 1};
    MS_TRY(ms_select_begin(&s->select, &options, err));
    return aim(s, matrix, err);
}

static ms_status need_room(groups *s, ms_err *err) {
    if (s->room >= s->n_groups) return MS_OK;
    ms_mem_free(s->ratios);
    ms_mem_free(s->narrowed);
    s->ratios = ms_mem_alloc_array((size_t)s->n_groups + MS_BRACKET_SLACK, sizeof *s->ratios);
    s->narrowed = ms_mem_alloc_array((size_t)s->n_groups + MS_BRACKET_SLACK, sizeof *s->narrowed);
    s->room = s->ratios && s->narrowed ? (size_t)s->n_groups : 0;
    return s->room > 0 ? MS_OK : ms_err_memory(err, "the ratios of groups");
}

static bool all_fit(const groups *s) { return s->n_groups <= ROOM; }

static ms_status begin(void *state, size_t index, const ms_lens_matrix *matrix, ms_err *err) {
    groups *const s = state;
    const int64_t size = size_at(matrix->options, index);
    s->size = fits(size, matrix->cols) && matrix->n > 0 ? (uint64_t)size : 0;
    s->largest = 0;
    s->n_none = 0;
    if (s->size == 0) return MS_OK;
    s->one_over_size = 1 / (double)s->size;
    s->eps = matrix->options->eps;
    s->n_groups = matrix->n / s->size;
    return all_fit(s) ? need_room(s, err) : begin_select(s, matrix, err);
}

static ms_status add(void *state, void *part_, void *feeder_, const ms_lens_matrix *matrix, const ms_lens_panel *panel,
                     ms_err *err) {
    groups *const s = state;
    part *const p = part_;
    feeder *const f = feeder_;
    size_t n;
    (void)matrix;
    if (s->size == 0) return MS_OK;
    if (!p->begun) p->next = panel->first / s->size; /* no group is cut by a chunk */
    p->begun = true;
    uint32_t *const ratios = all_fit(s) ? s->ratios + p->next : f->ratios;
    if (!in_blocks(s->size)) n = ratios_by_element(s, p, panel->f32, panel->n, ratios);
    else if (!ratios_at_once(s, p, panel, ratios, &n)) n = ratios_by_block(s, p, panel, ratios);
    p->next += n;
    return all_fit(s) ? MS_OK : ms_select_feed(&s->select, &f->select, ratios, n, err);
}

static ms_status leave(void *state, void *feeder_, ms_err *err) {
    groups *const s = state;
    return s->size && !all_fit(s) ? ms_select_flush(&s->select, &((feeder *)feeder_)->select, err) : MS_OK;
}

static void merge(void *state, const void *part_) {
    groups *const s = state;
    const part *const p = part_;
    if (p->largest > s->largest) s->largest = p->largest;
    s->n_none += p->n_none;
}

static double ratio_between(uint32_t low, uint32_t high, double fraction) {
    return ms_select_between((double)ms_f32_from_bits(low), (double)ms_f32_from_bits(high), fraction);
}

static ms_status finish(void *state, const ms_lens_matrix *matrix, double *out, bool *again, ms_err *err) {
    groups *const s = state;
    out[0] = out[1] = NAN;
    if (s->size == 0) return MS_OK;
    if (all_fit(s)) {
        uint64_t low, high;
        uint32_t keys[2];
        double fraction;
        if (s->n_none == s->n_groups) return MS_OK;
        ms_select_place(matrix->options->group_outlier_percentile, s->n_groups - s->n_none, &low, &high, &fraction);
        ms_rank_pair(s->ratios, (size_t)s->n_groups, low, high, s->narrowed, keys);
        out[0] = ratio_between(keys[0], keys[1], fraction);
    } else {
        const ms_select *const select = &s->select;
        MS_TRY(ms_select_finish(&s->select, again, err));
        if (*again || select->n_numbers == 0) return MS_OK;
        out[0] = ratio_between(select->low[0], select->high[0], select->fraction[0]);
    }
    out[1] = (double)s->largest;
    return MS_OK;
}

static void free_state(void *state) {
    groups *const s = state;
    ms_select_free(&s->select);
    ms_mem_free(s->ratios);
    ms_mem_free(s->narrowed);
    ms_mem_free(s->pilot);
    ms_mem_free(s->spare);
    ms_mem_free(s->weights);
}

static void free_feeder(void *feeder_) { ms_select_feeder_free(&((feeder *)feeder_)->select); }

static bool columns(const ms_scan_options *options, size_t index, ms_arena *arena, ms_lens_columns *out) {
    const long long size = size_at(options, index);
    const int order = 200 + 2 * (int)index;
    const ms_str percentile = ms_arena_printf(arena, "g%lld_p%d_outlier", size, (int)options->group_outlier_percentile);
    const ms_str largest = ms_arena_printf(arena, "g%lld_max_outlier", size);
    const ms_str percentile_help =
        ms_arena_printf(arena, "percentile %g, over runs of %lld weights of a row, of max|w| / (mean|w| + eps)",
                        options->group_outlier_percentile, size);
    const ms_str largest_help =
        ms_arena_printf(arena, "largest max|w| / (mean|w| + eps) of a run of %lld weights of a row", size);
    if (!percentile.text || !largest.text || !percentile_help.text || !largest_help.text) return false;
    return MS_VEC_PUSH(out, (ms_lens_column){order, {percentile.text, MS_COLUMN_F64, "ratio", percentile_help.text}}) &&
           MS_VEC_PUSH(out, (ms_lens_column){order + 1, {largest.text, MS_COLUMN_F64, "ratio", largest_help.text}});
}

const ms_lens ms_lens_groups = {
    .name = "groups",
    .help = "how far the largest weight of a group stands out",
    .state_size = sizeof(groups),
    .part_size = sizeof(part),
    .feeder_size = sizeof(feeder),
    .count = count,
    .wants = wants,
    .columns = columns,
    .unit = unit,
    .begin = begin,
    .add = add,
    .leave = leave,
    .merge = merge,
    .finish = finish,
    .free_state = free_state,
    .free_feeder = free_feeder,
};
