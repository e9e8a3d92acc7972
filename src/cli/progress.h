/*
 * progress: one line on a terminal that says how far a long command is; elsewhere nothing.
 *
 *     ms_progress_begin(&cli->progress, "collect", n_bytes);     // 0 bytes: the total is not known
 *     ... ms_progress_add(&cli->progress, n) from any thread ...
 *     ms_progress_end(&cli->progress);                           // the line is gone
 *
 *     collect  ━━━━━━━━━━━───────────  47 %   1.64 of 3.49 GB   2.10 GB/s   0:01 left
 *
 * Drawn at most ten times a second, by whoever adds; nobody waits for it.
 */
#ifndef MS_PROGRESS_H
#define MS_PROGRESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ms_progress {
    atomic_bool enabled; /* set before begin: stderr is a terminal and --quiet was not given */
    bool unicode, color;
    int columns;
    char label[48];
    uint64_t total; /* bytes */
    atomic_uint_least64_t done;
    atomic_int_least64_t drawn_at; /* ns, monotonic; INT64_MAX while no line is running */
    int64_t began_at;
    double rate;        /* bytes a second, smoothed; as are the next two guarded by lock */
    uint64_t rate_done; /* done and time at the last look */
    int64_t rate_at;
    pthread_mutex_t lock;
} ms_progress;

void ms_progress_init(ms_progress *p, bool enabled, bool unicode, bool color, int columns);
void ms_progress_begin(ms_progress *p, const char *label, uint64_t total);
/* Thread-safe, cheap when it is not yet time to draw. */
void ms_progress_add(ms_progress *p, uint64_t n_bytes);
/* Clears the line, so that text can be written; the next add draws it again. */
void ms_progress_hide(ms_progress *p);
/* Idempotent. */
void ms_progress_end(ms_progress *p);

/* The line itself: at most `columns` cells, no newline. elapsed, left in seconds; left < 0: not known. For tests. */
void ms_progress_format(char *out, size_t size, const ms_progress *p, uint64_t done, double rate, double left);

#endif
