/*
 * hub_listing: what the Hub's API answers about a repository: its commit, its files, the address of the next page.
 *
 *   GET ENDPOINT/api/models/OWNER/NAME/revision/REVISION            {"sha": COMMIT, ...}
 *   GET ENDPOINT/api/models/OWNER/NAME/tree/COMMIT?recursive=true   [{"type": "file", "path": ..., "size": n, "oid": GIT,
 *                                                                     "lfs": {"oid": SHA256, "size": n}}, ...]
 *   Link: <URL>; rel="next"                                         of a page that is not the last
 *
 * Read without a tree in memory, for the answers are hostile input like any other. Entries that are no files, and files whose
 * names lead out of the repository or that have no size, are passed over. Private to hub*.c.
 */
#ifndef MS_HUB_LISTING_H
#define MS_HUB_LISTING_H

#include "arena.h"
#include "buf.h"
#include "err.h"
#include "vec.h"

enum { MS_HUB_MOST_FILES = 1 << 20 }; /* of one repository; more are refused */

typedef struct ms_hub_file {
    ms_str path; /* inside the repository */
    uint64_t n_bytes;
    ms_str etag;  /* sha256 of the content (64 hex digits) or git's id of it (40); "" from the cache */
    ms_str local; /* where the cache has it, or "" */
    ms_buf text;  /* its bytes, once ms_hub_read brought them, when they are no more than some MiB; not changed after */
} ms_hub_file;
typedef MS_VEC(ms_hub_file) ms_hub_files;

/* Appends the files of one page. Texts go to the arena. MS_ERR_NETWORK when it is no listing. */
ms_status ms_hub_listing_take(ms_hub_files *out, ms_arena *arena, ms_str body, ms_err *err);

/* 40 hex digits. MS_ERR_NETWORK when the answer names none. */
ms_status ms_hub_listing_commit(ms_str *out, ms_arena *arena, ms_str body, ms_err *err);

/*
 * url: the page that was read, replaced by the next one's address, which must stay below the endpoint: a mirror that passes on
 * the Hub's own address, or one without a host, is understood. MS_ERR_NETWORK for any other place.
 */
ms_status ms_hub_listing_next(ms_buf *url, ms_str next, ms_str endpoint, ms_err *err);

#endif
