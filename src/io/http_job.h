/*
 * http_job: one request on its way: what an answer's headers say, and what to do next. Private to http*.c.
 */
#ifndef MS_HTTP_JOB_H
#define MS_HTTP_JOB_H

#include <curl/curl.h>
#include <stdatomic.h>

#include "http.h"
#include "http_head.h"

enum { MS_ORIGIN_BYTES = 512 };

typedef struct ms_http_settings { /* of a client; constant once it runs */
    char *token, *user_agent, *ca_file, *ca_folder;
    char origin[MS_ORIGIN_BYTES]; /* of the endpoint */
    int timeout_s, max_in_flight, max_tries;
} ms_http_settings;

typedef struct ms_http_job {
    const ms_http_settings *settings;
    atomic_uint_least64_t *n_moved; /* of the client */
    char *url, *place, *commit, *etag;
    char *into;
    ms_http_take *take;
    void *take_context;
    bool is_range; /* into or take */
    uint64_t begin, n;
    size_t max_body;
    bool urgent;
    int max_tries;
    ms_http_done *done;
    void *context;

    char *current; /* the address that is asked now */
    bool is_home;  /* it has the endpoint's origin */
    int n_hops, n_renewals, n_tries;
    int64_t ready_at;               /* ms, monotonic: not before */
    uint64_t got, got_before;       /* bytes of the range: now, and when this attempt began */
    uint64_t to_skip;               /* of a 200: bytes before the range */
    bool body_begun, refused, full; /* refused: answer.err says why; full: all that was wanted is here */
    ms_http_head head;
    char curl_error[CURL_ERROR_SIZE];
    CURL *easy;
    struct curl_slist *lines;
    ms_http_answer answer;
    struct ms_http_job *next;
} ms_http_job;

typedef enum ms_http_verdict { MS_HTTP_DONE, MS_HTTP_AGAIN, MS_HTTP_LATER } ms_http_verdict; /* LATER: at job->ready_at */

/* NULL when memory is short. */
ms_http_job *ms_http_job_make(const ms_http_settings *settings, const ms_http_request *request);
void ms_http_job_free(ms_http_job *job);

/* Sets job->easy up for the next attempt; false and a failed answer when it cannot be made. */
bool ms_http_job_begin(ms_http_job *job);
/* The attempt is over. DONE: answer.status is set, also for failures. `now`: ms, monotonic. */
ms_http_verdict ms_http_job_end(ms_http_job *job, CURLcode code, int64_t now);

/* "https://host:port", lower case; false when it is no address that may be asked (why: a literal). */
bool ms_http_origin(char out[static MS_ORIGIN_BYTES], const char *url, const char **why);

#endif
