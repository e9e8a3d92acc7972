/*
 * http: GET with everything that goes wrong on the way: retries, resumption, redirects, signed addresses that expire.
 *
 *     ms_http *http;
 *     MS_TRY(ms_http_create(&http, &options, err));
 *     ms_http_answer answer = {0};
 *     status = ms_http_get(http, &(ms_http_request){.url = url, .max_body = 1 << 20}, &answer, err);
 *     ... answer.body ...
 *     ms_http_answer_free(&answer);
 *
 * One thread of its own drives all transfers (libcurl, multi interface); any thread may ask. Up to max_in_flight at a time,
 * urgent ones first.
 *
 *   tried again    408, 429, 500, 502, 503, 504 and failures of the connection, after 1, 2, 4, 8 s (with jitter) or what
 *                  Retry-After says; an attempt that brought bytes does not count; a range goes on at the byte received
 *   redirects      by hand, at most 8; https, and http on the loopback interface only; never from https to http
 *   certificates   always verified: no option, no variable switches that off
 *   compression    of whole bodies (listings, texts) as libcurl decodes it; never of ranges
 *   token          only to the origin (scheme, host, port) of the endpoint: never follows a redirect to another
 *   signed places  401, 403, 404, 410 from another origin: back to the first address for a new signature, at most 3 times
 *   ranges         206 with the Content-Range that was asked for; of a 200 (the server ignores ranges) what comes before is
 *                  passed over, when it is no more than 16 MiB or when who asks takes bytes as they come; else it is an error
 *   versions       commit and etag, when given, must be those of the answer
 */
#ifndef MS_HTTP_H
#define MS_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "str.h"

typedef struct ms_http ms_http;

typedef struct ms_http_options { /* texts are copied */
    ms_str endpoint;             /* whose origin may see the token */
    ms_str token;                /* "" for none */
    ms_str user_agent;
    ms_str ca_file;    /* certificates to trust instead of the system's; "" for none */
    ms_str ca_folder;  /* a folder of such, by their hashes (c_rehash); "" for none */
    int timeout_s;     /* without a byte; 0: 10 */
    int max_in_flight; /* 0: 16 */
    int max_tries;     /* without progress; 0: 5 */
} ms_http_options;

typedef struct ms_http_answer {
    ms_status status;
    ms_err err;
    int code;           /* of the last answer; 0: there was none */
    ms_buf body;        /* of what is no range */
    uint64_t n_total;   /* bytes of the whole thing, by Content-Range; UINT64_MAX when unknown */
    bool no_ranges;     /* it failed because the server ignores ranges */
    bool is_of_hub;     /* the endpoint's last answer had X-Error-Code: it understood what was asked */
    char commit[64];    /* X-Repo-Commit of the endpoint's answer; "" when it has none */
    char etag[160];     /* X-Linked-Etag, else ETag, of the endpoint's answer; without W/ and quotes */
    char far_etag[160]; /* ETag of another origin that sent the bytes; "" when the endpoint did */
    ms_buf place;       /* that address, which may be used again until it expires; empty when the endpoint sent the bytes */
    ms_buf next;        /* Link: <...>; rel="next" */
    uint64_t n_moved;   /* bytes of bodies, failed attempts included */
} ms_http_answer;

typedef void ms_http_done(void *context, ms_http_answer *answer); /* may take buffers out of the answer */

/* Bytes of a range as they come, in order, each once; on the client's thread, which waits for it. false: no more, it failed. */
typedef bool ms_http_take(void *context, const void *bytes, size_t n);

typedef struct ms_http_request { /* texts are copied */
    const char *url;
    const char *place;  /* where an earlier answer came from: tried first; NULL for none */
    void *into;         /* a range: [n] bytes, filled; borrowed until it is done; NULL: the whole body */
    ms_http_take *take; /* a range that is not kept; into: NULL then */
    void *take_context;
    uint64_t begin, n;         /* bytes of a range */
    size_t max_body;           /* what is no range: more is an error */
    const char *commit, *etag; /* expected of the endpoint; NULL: anything */
    bool urgent;               /* before those that are not */
    int max_tries;             /* 0: the client's */
} ms_http_request;

/* MS_ERR_UNSUPPORTED in a program built without libcurl. Owned. */
ms_status ms_http_create(ms_http **out, const ms_http_options *options, ms_err *err);

/* Waits. answer: zeroed; to be freed in any case. MS_ERR_NETWORK, MS_ERR_NOT_FOUND, ... with what to do about it. */
ms_status ms_http_get(ms_http *http, const ms_http_request *request, ms_http_answer *answer, ms_err *err);

/* Does not wait: done is called on the client's thread, once, whatever happens, but not when this fails. It must not wait. */
ms_status ms_http_start(ms_http *http, const ms_http_request *request, ms_http_done *done, void *context, ms_err *err);

void ms_http_answer_free(ms_http_answer *answer);

/* Bytes of bodies moved so far. */
uint64_t ms_http_n_moved(ms_http *http);

/* Transfers under way end as MS_ERR_INTERRUPTED. NULL-safe. */
void ms_http_destroy(ms_http *http);

#endif
