/*
 * lookahead: brings bytes from disk before they are read, along a planned order, and lets go of them behind.
 *
 *     ms_lookahead *ahead;
 *     MS_TRY(ms_lookahead_create(&ahead, ranges, n_ranges, NULL, err));       // in the order they will be read
 *     ... each work item, when it starts, on any thread:
 *     ms_lookahead_move(ahead, bytes_of_the_plan_before_this_item);
 *     ms_lookahead_destroy(ahead);
 *
 * A window ahead of the furthest position is asked for in steps of 1 MiB (one large request is cut short by the kernel). When
 * the plan is larger than half of the memory, what lies a window behind is dropped, from this process and from the page
 * cache, so that a scan of 1 TB does not push everything else out. Only hints: a reader that is late reads the file again.
 */
#ifndef MS_LOOKAHEAD_H
#define MS_LOOKAHEAD_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "source.h"

typedef struct ms_range {
    ms_source *source; /* borrowed */
    uint64_t offset, n_bytes;
} ms_range;

typedef struct ms_lookahead_options {
    uint64_t window;         /* bytes ahead, and kept behind; 0: 128 MiB */
    uint64_t memory;         /* bytes that count as the machine's; 0: ms_ram_limit() */
    uint64_t n_bytes_in_all; /* when this plan is a part of a larger one: the bytes of that; 0: it is not */
} ms_lookahead_options;

typedef struct ms_lookahead ms_lookahead;

/* ranges: [n], copied. options may be NULL. Asks for the first window at once. Owned. */
ms_status ms_lookahead_create(ms_lookahead **out, const ms_range *ranges, size_t n, const ms_lookahead_options *options,
                              ms_err *err);

/* Reading has come to this byte of the plan (a position lower than an earlier one is fine). Thread-safe; returns at once when
 * another thread is at it. */
void ms_lookahead_move(ms_lookahead *ahead, uint64_t position);

typedef struct ms_lookahead_state { /* bytes of the plan; for tests and logs */
    uint64_t n_total, n_requested, n_dropped;
    bool drops;
} ms_lookahead_state;
ms_lookahead_state ms_lookahead_state_of(ms_lookahead *ahead);

void ms_lookahead_destroy(ms_lookahead *ahead); /* NULL-safe */

#endif
