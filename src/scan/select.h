/*
 * select: exact order statistics, and from them quantiles, of a stream of keys in bounded memory.
 *
 *     ms_select select = {0};                                               // once; reused from stream to stream
 *     MS_TRY(ms_select_begin(&select, &(ms_select_options){.key_bits = 15, .limit = 0x7F80, .n = n, .percent = {50, 99},
 *                                                          .n_percent = 2}, err));
 *     ms_select_aim(&select, sample, n_sample, spare);                      // keys of a sample: where to look
 *     ... any thread, each with its feeder:  MS_TRY(ms_select_feed(&select, &feeder, keys, n, err));
 *     ... each feeder, when it leaves:       MS_TRY(ms_select_flush(&select, &feeder, err));
 *     bool again;
 *     MS_TRY(ms_select_finish(&select, &again, err));      // again: feed it all once more, from one thread, and finish again
 *     use(select.low[0], select.high[0], select.fraction[0]);
 *     ms_select_free(&select);
 *
 * Keys are patterns of |w| (bracket.h). Those from `limit` on (Inf, NaN) are left out.
 * The first pass counts what lies below the sample's bracket and keeps what lies inside. Should a rank lie elsewhere, the
 * counts tell how far the bracket has to move, and it is tried once more. Should that fail too, or more be kept than there is
 * room for, the stream is read again digit by digit: once for 15-bit keys, twice for 31-bit ones. The result is the same in
 * every case.
 */
#ifndef MS_SELECT_H
#define MS_SELECT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bracket.h"
#include "err.h"

enum {
    MS_SELECT_MAX = 4,        /* quantiles */
    MS_SELECT_RUN = 4096,     /* keys a call */
    MS_SELECT_ROOM = 1 << 18, /* 31-bit keys that are kept at most */
};

typedef struct ms_select_options {
    int key_bits;                  /* 15: uint16_t patterns, 31: uint32_t patterns; the sign bit above is ignored */
    uint32_t limit;                /* the first key that is no number */
    uint64_t n;                    /* keys that will be fed at most */
    double percent[MS_SELECT_MAX]; /* 0 .. 100, ascending */
    int n_percent;
} ms_select_options;

typedef struct ms_select_feeder { /* one thread's; zeroed before first use; between two streams it must have been flushed */
    void *kept;                   /* owned */
    uint32_t *bins;               /* owned; [2^15] counts of 15-bit keys */
    size_t n_kept;
    uint64_t n_below, n_fed;
} ms_select_feeder;

typedef struct ms_select {
    ms_select_options options;
    ms_bracket bracket;
    int pass;          /* 0: bracket and tail are kept; 1: counts by high digit; 2: counts by low digit */
    bool aimed, moved; /* the bracket: by a sample; by what the first pass found */
    bool has_lock;
    pthread_mutex_t lock; /* guards what follows, up to the results */
    uint64_t n_below, n_kept, n_fed;
    uint32_t *kept;  /* owned; [room + MS_BRACKET_SLACK]; 31-bit keys, in any order */
    uint32_t *spare; /* owned; as large */
    size_t room;
    bool overflow;
    uint64_t *bins; /* owned; [n_bins] */
    size_t n_bins;
    bool bins_are_clear;                /* all of them, between two streams */
    uint32_t prefix[2 * MS_SELECT_MAX]; /* pass 2: the high digits to look into, ascending */
    uint64_t before[2 * MS_SELECT_MAX]; /* keys with a smaller high digit */
    int n_prefix;

    uint64_t n_numbers;                               /* result: keys below the limit */
    uint32_t low[MS_SELECT_MAX], high[MS_SELECT_MAX]; /* result: the keys at both sides of percent[i]; 0 when n_numbers is 0 */
    double fraction[MS_SELECT_MAX];                   /* result: how far between them, 0 <= t < 1 */
} ms_select;

ms_status ms_select_begin(ms_select *select, const ms_select_options *options, ms_err *err);

/* sample: [n_sample] keys below the limit, drawn from the stream without preference; put in another order. spare: as many. */
void ms_select_aim(ms_select *select, uint32_t *sample, size_t n_sample, uint32_t *spare);

/* patterns: [n <= MS_SELECT_RUN] of uint16_t or uint32_t. */
ms_status ms_select_feed(ms_select *select, ms_select_feeder *feeder, const void *patterns, size_t n, ms_err *err);
ms_status ms_select_flush(ms_select *select, ms_select_feeder *feeder, ms_err *err);
ms_status ms_select_finish(ms_select *select, bool *again, ms_err *err);
void ms_select_free(ms_select *select);
void ms_select_feeder_free(ms_select_feeder *feeder);

/* Where percent q lies in n > 0 sorted values: between ranks *low and *high, *fraction of the way. NumPy's linear rule. */
void ms_select_place(double percent, uint64_t n, uint64_t *low, uint64_t *high, double *fraction);
/* low + (high - low) * fraction, computed from the nearer end as NumPy does. */
double ms_select_between(double low, double high, double fraction);

#endif
