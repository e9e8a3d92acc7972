/*
 * pool: a fixed set of threads that take numbered work items in order.
 *
 *     static ms_status scan_item(void *context, size_t item, int worker, ms_err *err) { ... }
 *     ms_pool *pool;
 *     MS_TRY(ms_pool_create(&pool, n_threads, err));
 *     MS_TRY(ms_pool_run(pool, n_items, scan_item, context, &cancel, err));
 *     ms_pool_destroy(pool);
 *
 * Items are started in the order 0, 1, 2, ...; who takes which is not determined, so results are kept per item and merged in
 * item order: numbers then do not depend on the thread count. The failure of the lowest-numbered failing item wins; after a
 * failure no new item starts.
 */
#ifndef MS_POOL_H
#define MS_POOL_H

#include <stdatomic.h>
#include <stddef.h>

#include "err.h"

typedef struct ms_pool ms_pool;

/* worker is 0 .. n_threads - 1, for scratch memory. */
typedef ms_status ms_pool_item(void *context, size_t item, int worker, ms_err *err);

/* n_threads <= 0: as many as there are processors. The caller's thread is one of them. Owned. */
ms_status ms_pool_create(ms_pool **out, int n_threads, ms_err *err);
int ms_pool_threads(const ms_pool *pool);

/* Returns when all items are done. cancel (may be NULL): set by anyone (a signal handler), stops new items and gives
 * MS_ERR_INTERRUPTED. One run at a time; an item must not call ms_pool_run on its own pool. */
ms_status ms_pool_run(ms_pool *pool, size_t n_items, ms_pool_item *item, void *context, const atomic_bool *cancel, ms_err *err);

void ms_pool_destroy(ms_pool *pool);

#endif
