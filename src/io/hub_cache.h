/*
 * hub_cache: the folder where huggingface_hub keeps what it downloaded, read as it is laid out.
 *
 *   CACHE/models--OWNER--NAME/refs/REVISION          the commit (40 hex digits) that a branch or tag stood for
 *   CACHE/models--OWNER--NAME/snapshots/COMMIT/PATH  a link into blobs/, or a plain file
 *   CACHE/models--OWNER--NAME/blobs/ETAG             the bytes; ETAG.incomplete while they come
 *   CACHE/models--OWNER--NAME/.no_exist/COMMIT/PATH  known not to exist
 *   CACHE/blobs/xx/HASH                              what several repositories share: their blobs are links to it
 *
 * Links are followed only where they lead to a file inside the repository's own folder or what is shared. A snapshot may be
 * partial.
 */
#ifndef MS_HUB_CACHE_H
#define MS_HUB_CACHE_H

#include <stdbool.h>

#include "arena.h"
#include "err.h"
#include "hub_address.h"
#include "vec.h"

typedef struct ms_hub_cached {
    ms_str path; /* inside the repository */
    uint64_t n_bytes;
} ms_hub_cached;
typedef MS_VEC(ms_hub_cached) ms_hub_cached_list;

/* CACHE/models--OWNER--NAME; text is NULL when memory is short. */
ms_str ms_hub_cache_folder(ms_arena *arena, ms_str cache, const ms_hub_address *address);

/* The commit that the revision stands for, as last seen; "" when the cache does not know. Never guesses. */
ms_status ms_hub_cache_commit(ms_str *out, ms_arena *arena, ms_str folder, ms_str revision, ms_err *err);

/* Where the file lies, links not resolved; "" when it is not there, is no regular file, or leads out of the folder. */
ms_status ms_hub_cache_file(ms_str *out, ms_arena *arena, ms_str folder, ms_str commit, ms_str path, ms_err *err);

/* Every usable file of a snapshot, sorted by path; none when there is no such snapshot. */
ms_status ms_hub_cache_list(ms_hub_cached_list *out, ms_arena *arena, ms_str folder, ms_str commit, ms_err *err);

/* ---- writing ---- */

/* blobs/ETAG, with the folders above it made. etag: 40 or 64 hex digits. */
ms_status ms_hub_cache_blob(ms_str *out, ms_arena *arena, ms_str folder, ms_str etag, ms_err *err);

/* Puts snapshots/COMMIT/PATH there: a link to the blob, or (links false) the blob itself, moved. Replaces what is there. */
ms_status ms_hub_cache_link(ms_arena *arena, ms_str folder, ms_str commit, ms_str path, ms_str etag, bool links, ms_err *err);

/* The folders of the cache and of the repository, tagged as a cache for those who make backups. */
ms_status ms_hub_cache_make(ms_arena *arena, ms_str cache, ms_str folder, ms_err *err);

/* refs/REVISION = commit; nothing when the revision is a commit itself, or when it is that already. */
ms_status ms_hub_cache_set_commit(ms_arena *arena, ms_str folder, ms_str revision, ms_str commit, ms_err *err);

#endif
