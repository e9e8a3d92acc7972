/*
 * hub_env: where the Hub is, who asks, and where the cache lies: from the environment, as huggingface_hub reads it.
 *
 *   endpoint  HF_ENDPOINT                                      https://huggingface.co
 *   cache     HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE              $HF_HOME/hub; HF_HOME: $XDG_CACHE_HOME or ~/.cache, /huggingface
 *   token     HF_TOKEN, HUGGING_FACE_HUB_TOKEN, the file HF_TOKEN_PATH ($HF_HOME/token); HF_HUB_DISABLE_IMPLICIT_TOKEN: none
 *   offline   HF_HUB_OFFLINE, where that is empty TRANSFORMERS_OFFLINE
 *   trust     REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE (a file, or a folder), SSL_CERT_DIR: the system's certificates
 *   timeout   HF_HUB_DOWNLOAD_TIMEOUT                          10 seconds without a byte
 *
 * Paths expand ~ and $NAME. True is 1, on, yes or true. The token is never printed.
 */
#ifndef MS_HUB_ENV_H
#define MS_HUB_ENV_H

#include <stdbool.h>

#include "arena.h"
#include "err.h"
#include "hub_address.h"
#include "str.h"

typedef const char *ms_env_get(const char *name); /* getenv, or a test's own */

typedef struct ms_hub_env { /* texts are terminated and lie in the caller's arena */
    ms_str endpoint;        /* without a slash at its end */
    ms_str token;           /* "" for none */
    ms_str cache;           /* "" when there is not even a home folder */
    ms_str home;            /* the user's; "" when unknown */
    ms_str user_agent;
    ms_str ca_file, ca_folder; /* "" for the system's */
    ms_str token_from;         /* the variable or the file that the token is of; "" for none */
    bool offline;
    bool links; /* false: HF_HUB_DISABLE_SYMLINKS */
    int timeout_s;
} ms_hub_env;

/* MS_ERR_USAGE when a variable cannot be: an endpoint that is no http address, a token with blanks inside. */
ms_status ms_hub_env_read(ms_hub_env *out, ms_arena *arena, ms_env_get *get, ms_err *err);

#endif
