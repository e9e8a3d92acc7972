/*
 * hub_repo: one repository at one commit: its files, from the Hub or from the cache. Private to hub*.c and source_http.c.
 */
#ifndef MS_HUB_REPO_H
#define MS_HUB_REPO_H

#include <pthread.h>

#include "http.h"
#include "hub_address.h"
#include "hub_env.h"
#include "hub_listing.h"
#include "vec.h"

typedef struct ms_hub_repo {
    ms_arena arena;
    ms_hub_address address; /* path "" */
    ms_str commit;          /* 40 hex digits */
    ms_str folder;          /* of the cache; "" when there is none */
    ms_str remark;
    ms_hub_files files; /* sorted by path */
    struct ms_hub_repo *next;
} ms_hub_repo;

typedef struct ms_hub { /* of the process */
    pthread_mutex_t lock;
    ms_arena arena;
    ms_hub_env env; /* once ready */
    bool ready;
    ms_http *http;      /* made when first needed */
    ms_hub_repo *repos; /* owned, never removed */
} ms_hub;

/* The process's own, environment read. */
ms_status ms_hub_get(ms_hub **out, ms_err *err);

/* The client, made when first asked for. The lock must be held. MS_ERR_UNSUPPORTED without libcurl. */
ms_status ms_hub_http(ms_http **out, ms_hub *hub, ms_err *err);

/* The repository, looked up when it is new. Borrowed for the life of the process. */
ms_status ms_hub_repo_of(ms_hub_repo **out, ms_hub *hub, const ms_hub_address *address, ms_err *err);

/* A new one, from the Hub or the cache. The lock must be held. */
ms_status ms_hub_repo_open(ms_hub_repo **out, ms_hub *hub, const ms_hub_address *address, ms_err *err);

/* NULL when there is none. */
const ms_hub_file *ms_hub_repo_find(const ms_hub_repo *repo, ms_str path);

/* "hf://owner/name@COMMIT/path", and the address to fetch it from. Text NULL when memory is short. */
ms_str ms_hub_repo_path(ms_arena *arena, const ms_hub_repo *repo, ms_str path);
ms_str ms_hub_repo_url(ms_arena *arena, const ms_hub *hub, const ms_hub_repo *repo, ms_str path);

#endif
