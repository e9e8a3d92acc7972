/*
 * feed: one matrix as runs of elements in row-major order, whatever its storage: as they lie in the mapped file where the type
 * and layout allow, else decoded to f32.
 *
 *     ms_feed feed = {0};                                            // one per thread, reused
 *     MS_TRY(ms_feed_open(&feed, ckpt, matrix, err));
 *     for (first = 0; first < feed.n; first += n) {
 *         const void *w;
 *         MS_TRY(ms_feed_panel(&feed, first, n, &w, err));           // aligned, of feed.dtype; valid until the next call
 *     }
 *     ms_feed_free(&feed);
 */
#ifndef MS_FEED_H
#define MS_FEED_H

#include "bank.h"
#include "panel.h"

typedef enum ms_feed_kind {
    MS_FEED_STORED, /* elements lie in row-major order; panels point at them or are decoded from them */
    MS_FEED_ROWS,   /* rows are decoded by the bank */
    MS_FEED_GATHER, /* the same, rows too long to decode one */
} ms_feed_kind;

typedef struct ms_feed {
    const ms_checkpoint *ckpt; /* borrowed, as is the matrix */
    const ms_matrix *matrix;
    ms_feed_kind kind;
    ms_dtype stored, dtype; /* of the tensor; of panels: BF16, F16 or F32 */
    uint64_t n;             /* elements */

    uint64_t base, n_held; /* elements that are at hand: whole rows */
    const void *bytes;     /* STORED: theirs */
    const void *all;       /* STORED, in memory, aligned, dtype as stored: the elements of the whole matrix; else NULL */
    float *rows;           /* owned; [rows_room]; ROWS: theirs, decoded */
    size_t rows_room;
    void *panel;        /* owned; [MS_PANEL_MAX] of up to 4 bytes */
    float *f32;         /* owned; [MS_PANEL_MAX] */
    int64_t *positions; /* owned; [MS_PANEL_MAX]; GATHER */
    ms_scratch scratch, row_scratch;
} ms_feed;

/* ckpt and matrix: borrowed while the feed is used on them. */
ms_status ms_feed_open(ms_feed *feed, const ms_checkpoint *ckpt, const ms_matrix *matrix, ms_err *err);

/* Elements [first, first + n), 0 < n <= MS_PANEL_MAX, as feed->dtype. Ascending calls read every row once. */
ms_status ms_feed_panel(ms_feed *feed, uint64_t first, size_t n, const void **w, ms_err *err);
/* The same panel as f32; w: what ms_feed_panel gave. */
ms_status ms_feed_as_f32(ms_feed *feed, const void *w, size_t n, const float **f32, ms_err *err);

/* out[i] = element positions[i], as f32; ascending positions are fastest. */
ms_status ms_feed_gather(ms_feed *feed, const int64_t *positions, size_t n, float *out, ms_err *err);
/* The same, as bits without the sign, of feed->dtype. */
ms_status ms_feed_gather_keys(ms_feed *feed, const int64_t *positions, size_t n, uint32_t *out, ms_err *err);
/* out[i] = the bits without the sign of w[i], n values that feed->dtype holds. out may be w. */
void ms_feed_keys(const ms_feed *feed, const float *w, size_t n, uint32_t *out);

void ms_feed_free(ms_feed *feed);

#endif
