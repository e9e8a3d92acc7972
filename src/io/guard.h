/*
 * guard: a mapped file that shrinks while it is read is an error message, not a crash.
 *
 *     ms_guard guard = ms_guard_begin();
 *     ms_status status = read_from_views(...);            // anything: take locks, allocate, call libraries
 *     status = ms_guard_end(&guard, status, err);         // MS_ERR_IO naming the file when one was cut short meanwhile
 *
 * Touching a page that the file has no longer raises SIGBUS. Inside a guard the handler puts zeros in place of the missing
 * pages, marks the file as failed and lets the reader go on; ms_guard_end then discards what was read. So nothing is jumped
 * over and nothing leaks. From then on ms_source_view refuses the file, so take views inside the guard. Outside every guard
 * SIGBUS does what it always did.
 *
 * A guard costs some ten instructions: put one around every work item. Guards nest and belong to one thread. When a file
 * fails, all guards that are open at that moment report it, for they may have read the zeros too.
 */
#ifndef MS_GUARD_H
#define MS_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

typedef struct ms_guard {
    uint64_t n_failures; /* of the process, at the beginning */
} ms_guard;

ms_guard ms_guard_begin(void);

/* `status`, or MS_ERR_IO when a mapped file failed since the beginning; that wins over whatever the zeros led to. */
ms_status ms_guard_end(ms_guard *guard, ms_status status, ms_err *err);

/* ---- for sources that map ---- */

typedef struct ms_guard_map ms_guard_map;

/* Registers [begin, begin + n), a mapping of the file `path` (borrowed until ms_guard_forget). NULL when memory is short. */
ms_guard_map *ms_guard_watch(const void *begin, size_t n, const char *path);
void ms_guard_forget(ms_guard_map *map); /* NULL-safe */

/* MS_ERR_IO once a page of it was missing. */
ms_status ms_guard_check(const ms_guard_map *map, ms_err *err);

#endif
