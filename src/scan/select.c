#include "select.h"

#include <math.h>
#include <string.h>

#include "mem.h"
#include "rank.h"

enum {
    DIGIT = 15,
    BINS = 1 << DIGIT,
    HIGH_BINS = 1 << 16,
    FEEDER_ROOM = 1 << 14,
    TAIL_SHIFT = 11, /* of `limit`: an eighth of an octave, in which the tail of a normal distribution halves at 99 % */
};

/* ---- small tools ---- */

void ms_select_place(double percent, uint64_t n, uint64_t *low, uint64_t *high, double *fraction) {
    const double position = percent / 100 * (double)(n - 1);
    uint64_t at = position > 0 ? (uint64_t)position : 0;
    if (at > n - 1) at = n - 1;
    *low = at;
    *high = at + 1 < n ? at + 1 : at;
    *fraction = position - (double)at;
}

double ms_select_between(double low, double high, double fraction) {
    return fraction < 0.5 ? low + (high - low) * fraction : high - (high - low) * (1 - fraction);
}

static uint64_t count_below(const uint32_t *keys, size_t n, uint32_t limit) {
    uint64_t n_below = 0;
    uint32_t none[MS_BRACKET_SLACK + MS_SELECT_RUN];
    const ms_bracket b = {limit, limit, UINT32_MAX};
    for (size_t i = 0; i < n; i += MS_SELECT_RUN)
        ms_bracket_u32(keys + i, n - i < MS_SELECT_RUN ? n - i : MS_SELECT_RUN, &b, &n_below, none);
    return n_below;
}

/* ---- one stream ---- */

static bool is_narrow(const ms_select *select) { return select->options.key_bits == DIGIT; }

static ms_status need_bins(ms_select *select, size_t n, ms_err *err) {
    if (select->n_bins < n) {
        ms_mem_free(select->bins);
        select->bins = ms_mem_alloc_array(n, sizeof *select->bins);
        select->n_bins = select->bins ? n : 0;
        select->bins_are_clear = false;
        if (!select->bins) return ms_err_memory(err, "counting weights");
    }
    if (!select->bins_are_clear) memset(select->bins, 0, n * sizeof *select->bins);
    select->bins_are_clear = false;
    return MS_OK;
}

static ms_status need_room(ms_select *select, ms_err *err) {
    const size_t room = select->options.n < MS_SELECT_ROOM ? (size_t)select->options.n : MS_SELECT_ROOM;
    if (select->kept && select->room >= room) return MS_OK;
    ms_mem_free(select->kept);
    ms_mem_free(select->spare);
    select->kept = ms_mem_alloc_array(room + MS_BRACKET_SLACK, sizeof *select->kept);
    select->spare = ms_mem_alloc_array(room + MS_BRACKET_SLACK, sizeof *select->spare);
    select->room = room;
    return select->kept && select->spare ? MS_OK : ms_err_memory(err, "keeping weights near a percentile");
}

ms_status ms_select_begin(ms_select *select, const ms_select_options *options, ms_err *err) {
    if (!select->has_lock) select->has_lock = pthread_mutex_init(&select->lock, NULL) == 0;
    if (!select->has_lock) return ms_err_memory(err, "a lock");
    select->options = *options;
    select->bracket = (ms_bracket){0, options->limit, options->limit};
    select->pass = select->n_prefix = 0;
    select->aimed = select->moved = false;
    select->n_below = select->n_kept = select->n_fed = select->n_numbers = 0;
    select->overflow = false;
    memset(select->low, 0, sizeof select->low);
    memset(select->high, 0, sizeof select->high);
    memset(select->fraction, 0, sizeof select->fraction);
    return is_narrow(select) ? need_bins(select, BINS, err) : need_room(select, err);
}

/* The sample's rank of a percent, moved by four standard deviations and two places; -1 or n when outside. */
static int64_t rank_in_sample(double percent, size_t n, int direction) {
    const double p = percent / 100, margin = 4 * sqrt((double)n * p * (1 - p)) + 2;
    const double at = p * (double)(n - 1) + direction * margin;
    return at < 0 ? -1 : at >= (double)n ? (int64_t)n : (int64_t)at;
}

void ms_select_aim(ms_select *select, uint32_t *sample, size_t n_sample, uint32_t *spare) {
    ms_bracket *const b = &select->bracket;
    if (n_sample == 0 || select->options.n_percent == 0) return;
    const double *const percent = select->options.percent;
    const int64_t n = (int64_t)n_sample, lo = rank_in_sample(percent[0], n_sample, -1),
                  hi = rank_in_sample(percent[0], n_sample, 1);
    const int64_t tail = select->options.n_percent > 1 ? rank_in_sample(percent[1], n_sample, -1) : n;
    uint64_t ranks[3] = {lo < 0 ? 0 : (uint64_t)lo, hi < n ? (uint64_t)hi : (uint64_t)n - 1, 0};
    ranks[2] = tail < 0 || (uint64_t)tail < ranks[1] ? ranks[1] : tail < n ? (uint64_t)tail : (uint64_t)n - 1;
    uint32_t keys[3];
    ms_rank_keys(sample, n_sample, ranks, 3, spare, keys);
    if (lo >= 0) b->lo = keys[0];
    if (hi < n) b->hi = keys[1] + 1;
    if (select->options.n_percent > 1) b->tail = keys[2];
    if (b->hi > b->tail) b->hi = b->tail;
    select->aimed = true;
}

/* ---- feeding ---- */

static ms_status need_feeder(const ms_select *select, ms_select_feeder *feeder, ms_err *err) {
    if (!feeder->kept) feeder->kept = ms_mem_alloc_array(FEEDER_ROOM + MS_SELECT_RUN + MS_BRACKET_SLACK, sizeof(uint32_t));
    if (is_narrow(select) && !feeder->bins) feeder->bins = ms_mem_zalloc_array(BINS, sizeof *feeder->bins);
    return feeder->kept && (feeder->bins || !is_narrow(select)) ? MS_OK
                                                                : ms_err_memory(err, "keeping weights near a percentile");
}

/* Passes 1 and 2, one thread: counts by digit. */
static void count_digits(ms_select *select, const void *patterns, size_t n) {
    const uint16_t *const narrow = patterns;
    const uint32_t *const wide = patterns;
    for (size_t i = 0; i < n; i++) {
        const uint32_t key = is_narrow(select) ? narrow[i] & 0x7FFFu : wide[i] & 0x7FFFFFFFu;
        if (is_narrow(select)) select->bins[key]++;
        else if (select->pass == 1) select->bins[key >> DIGIT]++;
        else
            for (int p = 0; p < select->n_prefix; p++)
                if (key >> DIGIT == select->prefix[p]) select->bins[p * BINS + (int)(key & (BINS - 1))]++;
    }
}

ms_status ms_select_feed(ms_select *select, ms_select_feeder *feeder, const void *patterns, size_t n, ms_err *err) {
    if (select->pass > 0) {
        count_digits(select, patterns, n);
        return MS_OK;
    }
    MS_TRY(need_feeder(select, feeder, err));
    feeder->n_fed += n;
    if (is_narrow(select)) {
        uint16_t *const kept = feeder->kept;
        uint32_t *const bins = feeder->bins;
        const size_t n_kept = ms_bracket_u16(patterns, n, &select->bracket, &feeder->n_below, kept);
        for (size_t i = 0; i < n_kept; i++) bins[kept[i]]++;
        feeder->n_kept += n_kept;
        return MS_OK;
    }
    uint32_t *const kept = (uint32_t *)feeder->kept + feeder->n_kept;
    feeder->n_kept += ms_bracket_u32(patterns, n, &select->bracket, &feeder->n_below, kept);
    return feeder->n_kept > FEEDER_ROOM ? ms_select_flush(select, feeder, err) : MS_OK;
}

/* Adds the bins from `begin` on to the select's until `left` keys are accounted for, and clears them. */
static void move_bins(uint64_t *to, uint32_t *from, uint32_t begin, uint64_t left) {
    for (uint32_t b = begin; b < BINS && left > 0; b++) {
        to[b] += from[b];
        left -= from[b];
        from[b] = 0;
    }
}

static void flush_narrow(ms_select *select, ms_select_feeder *feeder) {
    const ms_bracket *const b = &select->bracket;
    uint64_t n_mid = 0;
    for (uint32_t key = b->lo; key < b->hi; key++) n_mid += feeder->bins[key];
    move_bins(select->bins, feeder->bins, b->lo, n_mid);
    move_bins(select->bins, feeder->bins, b->tail, feeder->n_kept - n_mid);
}

ms_status ms_select_flush(ms_select *select, ms_select_feeder *feeder, ms_err *err) {
    (void)err;
    if (select->pass > 0) return MS_OK;
    pthread_mutex_lock(&select->lock);
    if (is_narrow(select)) {
        if (feeder->n_kept) flush_narrow(select, feeder);
    } else if (select->overflow || feeder->n_kept > select->room - select->n_kept) {
        select->overflow = true;
    } else if (feeder->n_kept) {
        memcpy(select->kept + select->n_kept, feeder->kept, feeder->n_kept * sizeof *select->kept);
    }
    select->n_kept += feeder->n_kept;
    select->n_below += feeder->n_below;
    select->n_fed += feeder->n_fed;
    pthread_mutex_unlock(&select->lock);
    feeder->n_kept = 0;
    feeder->n_below = feeder->n_fed = 0;
    return MS_OK;
}

/* ---- results ---- */

/* Where the ranks lie among the kept keys. */
typedef struct layout {
    uint64_t n_mid, n_tail, n_gap; /* kept of the bracket; kept numbers of the tail; not kept, between them */
} layout;

/* The rank among the kept keys, or UINT64_MAX when it was not kept. */
static uint64_t rank_among_kept(const ms_select *select, const layout *l, uint64_t rank) {
    if (rank < select->n_below) return UINT64_MAX;
    if (rank < select->n_below + l->n_mid) return rank - select->n_below;
    if (rank < select->n_below + l->n_mid + l->n_gap) return UINT64_MAX;
    return rank - select->n_below - l->n_gap;
}

/* The first key whose cumulated count exceeds the rank: bins [begin, end). */
static uint32_t key_in_bins(const uint64_t *bins, uint32_t begin, uint64_t rank) {
    uint32_t key = begin;
    for (; rank >= bins[key]; key++) rank -= bins[key];
    return key;
}

/* Clears bins from begin on until they have given up `left` keys: a small part of all of them. */
static void clear_bins(uint64_t *bins, uint32_t begin, uint64_t left) {
    for (uint32_t b = begin; left > 0; b++) {
        left -= bins[b];
        bins[b] = 0;
    }
}

/* Of 15-bit keys: the bins that the bracket filled. */
static void clear_kept(ms_select *select, const layout *l) {
    clear_bins(select->bins, select->bracket.lo, l->n_mid);
    clear_bins(select->bins, select->bracket.tail, select->n_kept - l->n_mid);
}

static uint64_t sum_of(const uint64_t *bins, uint32_t begin, uint32_t end) {
    uint64_t sum = 0;
    for (uint32_t b = begin; b < end; b++) sum += bins[b];
    return sum;
}

static layout layout_of(ms_select *select) {
    const ms_bracket *const b = &select->bracket;
    const uint32_t limit = select->options.limit;
    layout l;
    uint64_t n_numbers_kept;
    if (is_narrow(select)) {
        l.n_mid = sum_of(select->bins, b->lo, b->hi);
        n_numbers_kept = select->n_kept - sum_of(select->bins, limit, BINS);
    } else {
        l.n_mid = count_below(select->kept, select->n_kept, b->hi);
        n_numbers_kept = count_below(select->kept, select->n_kept, limit);
    }
    l.n_tail = n_numbers_kept - l.n_mid;
    select->n_numbers = select->n_fed - (select->n_kept - n_numbers_kept);
    l.n_gap = select->n_numbers - select->n_below - n_numbers_kept;
    return l;
}

/* False when a rank was not kept. */
static bool finish_from_kept(ms_select *select, const layout *l) {
    for (int i = 0; i < select->options.n_percent && select->n_numbers > 0; i++) {
        uint64_t low, high;
        uint32_t keys[2];
        ms_select_place(select->options.percent[i], select->n_numbers, &low, &high, &select->fraction[i]);
        low = rank_among_kept(select, l, low);
        high = rank_among_kept(select, l, high);
        if (low == UINT64_MAX || high == UINT64_MAX) return false;
        if (is_narrow(select)) {
            keys[0] = key_in_bins(select->bins, select->bracket.lo, low);
            keys[1] = key_in_bins(select->bins, select->bracket.lo, high);
        } else {
            ms_rank_pair(select->kept, select->n_kept, low, high, select->spare, keys);
        }
        select->low[i] = keys[0];
        select->high[i] = keys[1];
    }
    if (is_narrow(select)) clear_kept(select, l);
    select->bins_are_clear = is_narrow(select);
    return true;
}

/* How many keys more than `width` of them, which hold n, hold about n_missing; twice that, to be sure. */
static uint64_t reach(uint64_t width, uint64_t n, uint64_t n_missing) {
    return width + (uint64_t)(2 * (double)(width + 1) * (double)n_missing / (double)(n + 1));
}

/* Moves the bracket to where the ranks must lie by what was counted. */
static void move_bracket(ms_select *select, const layout *l) {
    ms_bracket *const b = &select->bracket;
    const uint64_t width = b->hi - b->lo, n_not_tail = select->n_below + l->n_mid + l->n_gap;
    uint64_t low, high, next_low, next_high;
    double fraction;
    ms_select_place(select->options.percent[0], select->n_numbers, &low, &high, &fraction);
    const uint32_t lo = b->lo, hi = b->hi;
    if (low < select->n_below) {
        const uint64_t far = reach(width, l->n_mid, select->n_below - low);
        b->lo = far < lo ? lo - (uint32_t)far : 0;
        if (high < select->n_below) b->hi = lo;
    }
    if (high >= select->n_below + l->n_mid) {
        const uint64_t far = reach(width, l->n_mid, high + 1 - select->n_below - l->n_mid);
        b->hi = far < b->tail - hi ? hi + (uint32_t)far : b->tail;
        if (low >= select->n_below + l->n_mid) b->lo = hi;
    }
    if (select->options.n_percent < 2) return;
    ms_select_place(select->options.percent[1], select->n_numbers, &next_low, &next_high, &fraction);
    if (next_low >= n_not_tail || next_low < select->n_below + l->n_mid) return;
    const uint64_t far = reach(select->options.limit >> TAIL_SHIFT, l->n_tail, n_not_tail - next_low);
    b->tail = far < b->tail - b->hi ? b->tail - (uint32_t)far : b->hi;
}

/* True when the stream is to be read once more with a bracket that is likely to hold the ranks. */
static bool aim_again(ms_select *select, const layout *l) {
    if (!select->aimed || select->moved) return false;
    if (is_narrow(select)) clear_kept(select, l);
    move_bracket(select, l);
    select->n_below = select->n_kept = select->n_fed = 0;
    return select->moved = true;
}

/* Pass 1 of wide keys: notes the high digits that ranks fall into. */
static void note_prefixes(ms_select *select) {
    const uint32_t end = select->options.limit >> DIGIT;
    select->n_prefix = 0;
    select->n_numbers = sum_of(select->bins, 0, end);
    for (int i = 0; i < 2 * select->options.n_percent && select->n_numbers > 0; i++) {
        uint64_t ranks[2], before = 0;
        ms_select_place(select->options.percent[i / 2], select->n_numbers, &ranks[0], &ranks[1], &select->fraction[i / 2]);
        uint32_t digit = 0;
        for (; ranks[i % 2] >= before + select->bins[digit]; digit++) before += select->bins[digit];
        if (select->n_prefix && select->prefix[select->n_prefix - 1] == digit) continue;
        select->prefix[select->n_prefix] = digit;
        select->before[select->n_prefix++] = before;
    }
}

static uint32_t key_of_rank_by_prefix(const ms_select *select, uint64_t rank) {
    int p = select->n_prefix - 1;
    while (select->before[p] > rank) p--;
    return select->prefix[p] << DIGIT | key_in_bins(select->bins + p * BINS, 0, rank - select->before[p]);
}

static void finish_from_digits(ms_select *select) {
    if (is_narrow(select)) select->n_numbers = sum_of(select->bins, 0, select->options.limit);
    for (int i = 0; i < select->options.n_percent && select->n_numbers > 0; i++) {
        uint64_t low, high;
        ms_select_place(select->options.percent[i], select->n_numbers, &low, &high, &select->fraction[i]);
        if (is_narrow(select)) {
            select->low[i] = key_in_bins(select->bins, 0, low);
            select->high[i] = key_in_bins(select->bins, 0, high);
        } else {
            select->low[i] = key_of_rank_by_prefix(select, low);
            select->high[i] = key_of_rank_by_prefix(select, high);
        }
    }
}

ms_status ms_select_finish(ms_select *select, bool *again, ms_err *err) {
    *again = false;
    if (select->pass == 0) {
        const layout l = select->overflow ? (layout){0} : layout_of(select);
        if (!select->overflow && finish_from_kept(select, &l)) return MS_OK;
        *again = true;
        if (!select->overflow && aim_again(select, &l)) return MS_OK;
        select->pass = 1;
        return need_bins(select, is_narrow(select) ? BINS : HIGH_BINS, err);
    }
    if (select->pass == 1 && !is_narrow(select)) {
        note_prefixes(select);
        *again = select->n_prefix > 0;
        select->pass = 2;
        return *again ? need_bins(select, (size_t)select->n_prefix * BINS, err) : MS_OK;
    }
    finish_from_digits(select);
    return MS_OK;
}

void ms_select_free(ms_select *select) {
    if (select->has_lock) pthread_mutex_destroy(&select->lock);
    ms_mem_free(select->kept);
    ms_mem_free(select->spare);
    ms_mem_free(select->bins);
    *select = (ms_select){0};
}

void ms_select_feeder_free(ms_select_feeder *feeder) {
    ms_mem_free(feeder->kept);
    ms_mem_free(feeder->bins);
    *feeder = (ms_select_feeder){0};
}
