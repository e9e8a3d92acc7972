/*
 * inflate: deflated members of archives, unpacked when they are first read, within a budget.
 *
 *     ms_inflate_cache *cache;                                        // one per archive
 *     MS_TRY(ms_inflate_cache_create(&cache, budget, err));
 *     ms_source *member;
 *     MS_TRY(ms_inflate_source(&member, cache, archive, offset, n_packed, n_bytes, crc, "w.npz: member 'a.npy'", err));
 *     ... ms_source_view(member, ...) as with any other source, from any thread ...
 *     ms_source_close(member), ms_inflate_cache_destroy(cache);        // in this order
 *
 * A view is a copy, so unpacked members that were not used for the longest time can go when the budget is full. A member larger
 * than the whole budget is MS_ERR_UNSUPPORTED. What does not unpack to exactly n_bytes with that CRC is MS_ERR_DAMAGED.
 */
#ifndef MS_INFLATE_H
#define MS_INFLATE_H

#include "source.h"

typedef struct ms_inflate_cache ms_inflate_cache;

bool ms_inflate_available(void); /* false when built without zlib: all calls below are MS_ERR_UNSUPPORTED then */

ms_status ms_inflate_cache_create(ms_inflate_cache **out, uint64_t budget, ms_err *err);
void ms_inflate_cache_destroy(ms_inflate_cache *cache);  /* NULL-safe */
uint64_t ms_inflate_cache_used(ms_inflate_cache *cache); /* bytes held now */

/* archive: borrowed, must outlive the source; path: for messages, copied. Nothing is unpacked yet. Owned. */
ms_status ms_inflate_source(ms_source **out, ms_inflate_cache *cache, ms_source *archive, uint64_t offset, uint64_t n_packed,
                            uint64_t n_bytes, uint32_t crc, const char *path, ms_err *err);

/* The first n bytes of a deflated member into out: [n]; *n_got is less when it ends before. */
ms_status ms_inflate_head(ms_source *archive, uint64_t offset, uint64_t n_packed, void *out, size_t n, size_t *n_got,
                          ms_err *err);

#endif
