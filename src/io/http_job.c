#ifdef MS_HAVE_CURL
#include "http_job.h"

#include <stdio.h>
#include <stdlib.h>

#include "mem.h"

enum {
    MAX_HOPS = 8,
    MAX_RENEWALS = 3,
    FIRST_PAUSE_MS = 1000,
    LONGEST_PAUSE_MS = 8000,
    LONGEST_WAIT_MS = 600 * 1000,
    CONNECT_TIMEOUT_S = 10,
    LOW_SPEED = 512,         /* bytes a second, below which nothing counts as coming */
    MOST_SKIPPED = 16 << 20, /* bytes of a 200 that are read though not wanted */
    BUFFER_BYTES = 512 << 10,
};

/* ---- addresses ---- */

static bool is_loopback(const char *host) {
    unsigned a, b, c, d;
    char rest;
    if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0) return true;
    return sscanf(host, "%3u.%3u.%3u.%3u%c", &a, &b, &c, &d, &rest) == 4 && a == 127;
}

static bool origin_of(char out[static MS_ORIGIN_BYTES], CURLU *parsed, const char **why) {
    char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL;
    *why = "it is no web address";
    bool good = curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    if (good && curl_url_get(parsed, CURLUPART_USER, &user, 0) == CURLUE_OK) {
        *why = "it names a user";
        good = false;
    }
    for (char *p = good ? host : NULL; p && *p; p++)
        if (*p >= 'A' && *p <= 'Z') *p = (char)(*p - 'A' + 'a');
    if (good && strcmp(scheme, "https") != 0 && !(strcmp(scheme, "http") == 0 && is_loopback(host))) {
        *why = "only https is taken, and http on the loopback interface";
        good = false;
    }
    if (good) good = snprintf(out, MS_ORIGIN_BYTES, "%s://%s:%s", scheme, host, port) < MS_ORIGIN_BYTES;
    curl_free(scheme), curl_free(host), curl_free(port), curl_free(user);
    return good;
}

bool ms_http_origin(char out[static MS_ORIGIN_BYTES], const char *url, const char **why) {
    CURLU *const parsed = curl_url();
    *why = "it is no web address";
    const bool good = parsed && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK && origin_of(out, parsed, why);
    curl_url_cleanup(parsed);
    return good;
}

/* ---- making ---- */

static char *copy(const char *text) { return text ? ms_mem_copy_text(text, strlen(text)) : NULL; }

static bool go_to(ms_http_job *job, const char *url) {
    char *const text = copy(url);
    if (!text) return false;
    ms_mem_free(job->current);
    job->current = text;
    return true;
}

ms_http_job *ms_http_job_make(const ms_http_settings *settings, const ms_http_request *request) {
    ms_http_job *const job = ms_mem_zalloc(sizeof *job);
    if (!job) return NULL;
    job->settings = settings;
    job->url = copy(request->url), job->place = copy(request->place);
    job->commit = copy(request->commit), job->etag = copy(request->etag);
    job->into = request->into, job->take = request->take, job->take_context = request->take_context;
    job->is_range = job->into || job->take;
    job->begin = request->begin, job->n = request->n;
    job->max_body = request->max_body, job->urgent = request->urgent;
    job->max_tries = request->max_tries ? request->max_tries : settings->max_tries;
    job->answer.n_total = UINT64_MAX;
    const bool good = job->url && (job->place || !request->place) && (job->commit || !request->commit) &&
                      (job->etag || !request->etag) && go_to(job, job->place ? job->place : job->url);
    if (good) return job;
    ms_http_job_free(job);
    return NULL;
}

void ms_http_job_free(ms_http_job *job) {
    if (!job) return;
    if (job->easy) curl_easy_cleanup(job->easy);
    curl_slist_free_all(job->lines);
    ms_mem_free(job->url), ms_mem_free(job->place), ms_mem_free(job->commit), ms_mem_free(job->etag);
    ms_mem_free(job->current);
    ms_http_head_free(&job->head);
    ms_http_answer_free(&job->answer);
    ms_mem_free(job);
}

/* ---- what comes in ---- */

static size_t on_header(char *line, size_t one, size_t n, void *context) {
    (void)one;
    ms_http_head_line(&((ms_http_job *)context)->head, (ms_str){line, n});
    return n;
}

static size_t refuse(ms_http_job *job, ms_status status, const char *why) {
    job->refused = true;
    job->answer.status = ms_err_set(&job->answer.err, status, "%s: %s", job->url, why);
    return 0;
}

static bool is_hex(const char *s) { return strspn(s, "0123456789abcdef") == strlen(s); }

/* The endpoint's own answer says which version it is about. Other servers' tags (of mirrors, of other forms) say nothing. */
static bool same_version(ms_http_job *job) {
    const ms_http_head *const head = &job->head;
    if (!job->is_home) return true;
    const char *const etag = *head->linked_etag ? head->linked_etag : head->etag;
    char why[512];
    if (job->commit && *head->commit && strcmp(job->commit, head->commit) != 0) {
        snprintf(why, sizeof why, "is of commit '%s' now, was of %s; versions are not mixed, start again",
                 ms_str_shown(ms_str_of(head->commit)).text, job->commit);
        refuse(job, MS_ERR_NETWORK, why);
        return false;
    }
    const bool comparable = job->etag && strlen(job->etag) == strlen(etag) && is_hex(etag);
    if (comparable && strcmp(job->etag, etag) != 0) {
        snprintf(why, sizeof why, "is version '%s' now, was %s; versions are not mixed, start again",
                 ms_str_shown(ms_str_of(etag)).text, job->etag);
        refuse(job, MS_ERR_NETWORK, why);
        return false;
    }
    if (*head->commit) memcpy(job->answer.commit, head->commit, sizeof job->answer.commit);
    if (*etag) snprintf(job->answer.etag, sizeof job->answer.etag, "%s", etag);
    return true;
}

/* A 200 where a 206 was asked for: what is wanted may be in it. */
static bool take_whole_for_range(ms_http_job *job) {
    if (!job->take && job->begin + job->n > MOST_SKIPPED) {
        job->answer.no_ranges = true;
        refuse(job, MS_ERR_NETWORK,
               "the server sends the whole file where a part was asked for (200 instead of 206); a proxy or mirror may be the "
               "cause: use --download, which can do without parts");
        return false;
    }
    job->to_skip = job->begin + job->got;
    if (job->head.length >= 0) job->answer.n_total = (uint64_t)job->head.length;
    return true;
}

/* Before the first byte of a body. */
static bool check_body(ms_http_job *job, long code) {
    const ms_http_head *const head = &job->head;
    if (!same_version(job)) return false;
    if (!job->is_range) return true;
    if (head->is_encoded) {
        refuse(job, MS_ERR_NETWORK, "the server compresses what was asked for as it is; a proxy or mirror may be the cause");
        return false;
    }
    if (code == 200) return take_whole_for_range(job);
    const uint64_t first = job->begin + job->got, last = job->begin + job->n - 1;
    if (code != 206 || !head->has_range || head->first != first || head->last < first || head->last > last) {
        char why[256];
        snprintf(why, sizeof why, "bytes %llu to %llu were asked for, the answer (%ld) is about %llu to %llu",
                 (unsigned long long)first, (unsigned long long)last, code, (unsigned long long)head->first,
                 (unsigned long long)head->last);
        refuse(job, MS_ERR_NETWORK, why);
        return false;
    }
    job->answer.n_total = head->total;
    return true;
}

static size_t take_range(ms_http_job *job, const char *bytes, size_t n) {
    size_t skip = job->to_skip < n ? (size_t)job->to_skip : n;
    job->to_skip -= skip;
    const uint64_t left = job->n - job->got;
    const size_t k = n - skip < left ? n - skip : (size_t)left;
    if (k && job->into) memcpy(job->into + job->got, bytes + skip, k);
    if (k && job->take && !job->take(job->take_context, bytes + skip, k))
        return refuse(job, MS_ERR_IO, "what came was not taken");
    job->got += k;
    job->full = job->got == job->n;
    return job->full && k < n - skip ? 0 : n; /* more than wanted: that is the end */
}

static size_t on_body(char *bytes, size_t one, size_t n, void *context) {
    (void)one;
    ms_http_job *const job = context;
    long code = 0;
    curl_easy_getinfo(job->easy, CURLINFO_RESPONSE_CODE, &code);
    atomic_fetch_add(job->n_moved, n);
    job->answer.n_moved += n;
    if (code < 200 || code > 299) return n; /* what errors and redirects say is not used */
    if (!job->body_begun && !check_body(job, code)) return 0;
    job->body_begun = true;
    if (job->is_range) return take_range(job, bytes, n);
    if (n > job->max_body - job->answer.body.size) return refuse(job, MS_ERR_NETWORK, "the answer is longer than can be right");
    ms_buf_put(&job->answer.body, bytes, n);
    return job->answer.body.failed ? refuse(job, MS_ERR_MEMORY, "memory is short") : n;
}

/* ---- an attempt ---- */

static bool add_line(ms_http_job *job, const char *line) {
    struct curl_slist *const more = curl_slist_append(job->lines, line);
    if (more) job->lines = more;
    return more != NULL;
}

static bool set_headers(ms_http_job *job) {
    curl_slist_free_all(job->lines);
    job->lines = NULL;
    bool good = (!job->is_range || add_line(job, "Accept-Encoding: identity")) && add_line(job, "Accept: */*");
    if (job->is_home && *job->settings->token) {
        ms_buf line = {0};
        ms_buf_printf(&line, "Authorization: Bearer %s", job->settings->token);
        good = good && !line.failed && add_line(job, line.bytes);
        ms_buf_free(&line);
    }
    if (good) curl_easy_setopt(job->easy, CURLOPT_HTTPHEADER, job->lines);
    return good;
}

static void set_options(ms_http_job *job, bool loopback) {
    CURL *const easy = job->easy;
    const ms_http_settings *const s = job->settings;
    curl_easy_setopt(easy, CURLOPT_URL, job->current);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, s->user_agent);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https,http");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1); /* several connections: CDNs limit each */
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, (long)LOW_SPEED);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)s->timeout_s);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)BUFFER_BYTES);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, job->curl_error);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, job);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, job);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, job);
    if (loopback) curl_easy_setopt(easy, CURLOPT_PROXY, "");
    if (*s->ca_file) curl_easy_setopt(easy, CURLOPT_CAINFO, s->ca_file);
    if (*s->ca_folder) curl_easy_setopt(easy, CURLOPT_CAPATH, s->ca_folder);
    if (*s->ca_file) curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, s->ca_file);
    if (!job->is_range) curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, ""); /* all that this libcurl decodes */
    if (job->is_range) {
        char range[64];
        const unsigned long long first = job->begin + job->got, last = job->begin + job->n - 1;
        snprintf(range, sizeof range, "%llu-%llu", first, last);
        curl_easy_setopt(easy, CURLOPT_RANGE, range);
    }
}

bool ms_http_job_begin(ms_http_job *job) {
    char origin[MS_ORIGIN_BYTES];
    const char *why;
    ms_http_head_clear(&job->head);
    job->curl_error[0] = 0;
    job->body_begun = job->full = false;
    job->to_skip = 0;
    job->got_before = job->got;
    if (!job->is_range) ms_buf_clear(&job->answer.body);
    if (!ms_http_origin(origin, job->current, &why)) {
        job->answer.status =
            ms_err_set(&job->answer.err, MS_ERR_NETWORK, "%s: '%s' is not asked: %s", job->url,
                       job->n_hops ? "the place it leads to" : ms_str_shown(ms_str_of(job->current)).text, why);
        return false;
    }
    job->is_home = strcmp(origin, job->settings->origin) == 0;
    if (!job->easy) job->easy = curl_easy_init();
    else curl_easy_reset(job->easy);
    if (!job->easy || !set_headers(job)) {
        job->answer.status = ms_err_memory(&job->answer.err, "a request");
        return false;
    }
    set_options(job, strncmp(origin, "http://", 7) == 0);
    return true;
}

/* ---- what to do next ---- */

static ms_http_verdict fail(ms_http_job *job, ms_status status, const char *why) {
    job->answer.status = ms_err_set(&job->answer.err, status, "%s: %s", job->url, why);
    return MS_HTTP_DONE;
}

static ms_http_verdict later(ms_http_job *job, int64_t now, const char *why) {
    char text[512];
    const int64_t wait = job->head.wait_ms;
    if (job->got > job->got_before) job->n_tries = 0; /* it goes on, if slowly */
    if (++job->n_tries >= job->max_tries) {
        snprintf(text, sizeof text, "%s; given up after %d tries", why, job->n_tries);
        return fail(job, MS_ERR_NETWORK, text);
    }
    if (wait > LONGEST_WAIT_MS) {
        snprintf(text, sizeof text,
                 "%s; the server says to come back in %lld seconds: try again then, or set HF_TOKEN, which raises "
                 "the limits",
                 why, (long long)wait / 1000);
        return fail(job, MS_ERR_NETWORK, text);
    }
    const int64_t doubled = (int64_t)FIRST_PAUSE_MS << (job->n_tries - 1);
    const int64_t pause = doubled < LONGEST_PAUSE_MS ? doubled : LONGEST_PAUSE_MS;
    const int64_t jitter = (int64_t)(((uint64_t)now * 2654435761u + (uintptr_t)job / 64) % 1000);
    job->ready_at = now + (wait >= 0 ? wait + jitter / 10 : pause / 2 + pause * jitter / 2000);
    job->n_hops = 0;
    if (job->n_tries >= 2 && !job->is_home && !go_to(job, job->url)) return fail(job, MS_ERR_MEMORY, "memory is short");
    return MS_HTTP_LATER;
}

static ms_http_verdict follow(ms_http_job *job) {
    char origin[MS_ORIGIN_BYTES];
    const char *why = "its place is no web address";
    char *whole = NULL;
    if (!same_version(job)) return MS_HTTP_DONE;
    if (++job->n_hops > MAX_HOPS) return fail(job, MS_ERR_NETWORK, "it leads from one place to the next without end");
    CURLU *const parsed = curl_url();
    const bool was_https = strncmp(job->current, "https:", 6) == 0;
    bool good = parsed && !job->head.location.failed && curl_url_set(parsed, CURLUPART_URL, job->current, 0) == CURLUE_OK &&
                curl_url_set(parsed, CURLUPART_URL, job->head.location.bytes, 0) == CURLUE_OK &&
                origin_of(origin, parsed, &why) && curl_url_get(parsed, CURLUPART_URL, &whole, 0) == CURLUE_OK;
    curl_url_cleanup(parsed);
    if (good && was_https && strncmp(origin, "https:", 6) != 0) {
        good = false;
        why = "it leads from https to http";
    }
    const bool moved = good && go_to(job, whole);
    curl_free(whole);
    if (!good) return fail(job, MS_ERR_NETWORK, why);
    return moved ? MS_HTTP_AGAIN : fail(job, MS_ERR_MEMORY, "memory is short");
}

/* The repository's page, to be opened in a browser: ENDPOINT[/api/models]/OWNER/NAME, without what follows it in job->url. */
static ms_shown page_of(const ms_http_job *job) {
    static const char *const ends[] = {"/resolve/", "/revision/", "/tree/"};
    char page[256];
    const char *const api = strstr(job->url, "/api/"), *rest = api ? api + 5 : job->url;
    if (api && strncmp(rest, "models/", 7) == 0) rest += 7;
    size_t n = strlen(rest);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const char *const end = strstr(rest, ends[i]);
        if (end && (size_t)(end - rest) < n) n = (size_t)(end - rest);
    }
    snprintf(page, sizeof page, "%.*s%.*s", api ? (int)(api - job->url + 1) : 0, job->url, (int)n, rest);
    return ms_str_shown(ms_str_of(page));
}

/* 401, 403 and 404 of the endpoint itself, with what to do. */
static ms_http_verdict denied(ms_http_job *job, long code) {
    const ms_http_head *const head = &job->head;
    const bool has_token = *job->settings->token != 0;
    const ms_shown message = ms_str_shown(ms_str_of(head->error_message));
    char text[768];
    if (strcmp(head->error_code, "GatedRepo") == 0) {
        snprintf(text, sizeof text, "the repository is gated: open %s, accept the conditions%s", page_of(job).text,
                 has_token ? " with the account that the token belongs to" : ", then set HF_TOKEN to a token of that account");
        return fail(job, MS_ERR_NETWORK, text);
    }
    if (strcmp(head->error_code, "EntryNotFound") == 0) return fail(job, MS_ERR_NOT_FOUND, "the repository has no such file");
    if (strcmp(head->error_code, "RevisionNotFound") == 0)
        return fail(job, MS_ERR_NOT_FOUND, "the repository has no such branch, tag or commit");
    if (ms_str_contains_nocase(ms_str_of(head->error_message), MS_STR("disabled"))) {
        snprintf(text, sizeof text, "the Hub has closed access to it: %s", message.text);
        return fail(job, MS_ERR_NETWORK, text);
    }
    if (code == 401 && has_token && ms_str_contains_nocase(ms_str_of(head->error_message), MS_STR("credential")))
        return fail(job, MS_ERR_NETWORK, "the token is not valid (any more): set HF_TOKEN to another, or unset it");
    if (code == 403) {
        snprintf(text, sizeof text, "the Hub refuses (403)%s%s; %s", *message.text ? ": " : "", message.text,
                 has_token ? "the token lacks the permission to read this repository: make one that has it"
                           : "set HF_TOKEN to a token that may read it");
        return fail(job, MS_ERR_NETWORK, text);
    }
    snprintf(text, sizeof text, "there is no such repository%s",
             has_token ? ", or the token's account may not see it"
                       : ", or it is private: then set HF_TOKEN to a token that may read it");
    return fail(job, MS_ERR_NOT_FOUND, text);
}

static bool passes_by_waiting(long code) {
    return code == 408 || code == 429 || code == 500 || code == 502 || code == 503 || code == 504;
}

static ms_http_verdict judge_failure(ms_http_job *job, long code, int64_t now) {
    char text[512];
    job->answer.is_of_hub = job->is_home && *job->head.error_code;
    const bool maybe_expired = code == 401 || code == 403 || code == 404 || code == 410;
    if (!job->is_home && maybe_expired && job->n_renewals++ < MAX_RENEWALS) {
        job->n_hops = 0;
        return go_to(job, job->url) ? MS_HTTP_AGAIN : fail(job, MS_ERR_MEMORY, "memory is short");
    }
    snprintf(text, sizeof text, "the server answers %ld%s%s", code, *job->head.error_message ? ": " : "",
             ms_str_shown(ms_str_of(job->head.error_message)).text);
    if (passes_by_waiting(code)) return later(job, now, text);
    if (code == 416 && job->is_range)
        return fail(job, MS_ERR_NETWORK, "is shorter now than it was listed (416); versions are not mixed, start again");
    if (job->is_home && (code == 401 || code == 403 || code == 404)) return denied(job, code);
    return fail(job, MS_ERR_NETWORK, text);
}

static ms_http_verdict judge_success(ms_http_job *job, CURLcode code, long http_code, int64_t now) {
    char text[256];
    const bool complete = job->is_range ? job->full || job->got == job->n : code == CURLE_OK;
    if (!job->body_begun && code == CURLE_OK && !check_body(job, http_code)) return MS_HTTP_DONE; /* an empty body */
    if (!complete) {
        snprintf(text, sizeof text, "the connection ended %llu bytes early", (unsigned long long)(job->n - job->got));
        return later(job, now, job->is_range ? text : "the connection ended early");
    }
    if (!job->is_home) {
        snprintf(job->answer.far_etag, sizeof job->answer.far_etag, "%s", job->head.etag);
        ms_buf_clear(&job->answer.place);
        ms_buf_put_text(&job->answer.place, job->current);
        if (job->answer.place.failed) return fail(job, MS_ERR_MEMORY, "memory is short");
    }
    const ms_buf next = job->answer.next;
    job->answer.next = job->head.next;
    job->head.next = next;
    job->answer.status = MS_OK;
    return MS_HTTP_DONE;
}

static ms_http_verdict distrust(ms_http_job *job, const char *why) {
    char text[CURL_ERROR_SIZE + 256];
    snprintf(text, sizeof text,
             "the server's certificate is not trusted (%s); where a proxy or a mirror has an authority of its own, set "
             "SSL_CERT_FILE "
             "to the file of its certificate",
             why);
    return fail(job, MS_ERR_NETWORK, text);
}

ms_http_verdict ms_http_job_end(ms_http_job *job, CURLcode code, int64_t now) {
    long http_code = 0;
    char text[CURL_ERROR_SIZE + 64];
    curl_easy_getinfo(job->easy, CURLINFO_RESPONSE_CODE, &http_code);
    job->answer.code = (int)http_code;
    if (job->refused) return MS_HTTP_DONE;
    if (http_code >= 300 && http_code < 400 && job->head.location.size) return follow(job);
    if (http_code >= 400) return judge_failure(job, http_code, now);
    if (http_code >= 200 && http_code < 300) return judge_success(job, code, http_code, now);
    snprintf(text, sizeof text, "%s",
             code == CURLE_OK   ? "no answer that makes sense"
             : *job->curl_error ? job->curl_error
                                : curl_easy_strerror(code));
    const bool nobody = code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT || code == CURLE_SSL_CONNECT_ERROR;
    if (nobody && atomic_load(job->n_moved) == 0 && job->max_tries > 2) job->max_tries = 2; /* waiting will hardly help */
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) return distrust(job, text);
    return code == CURLE_OK ? fail(job, MS_ERR_NETWORK, text) : later(job, now, text);
}
#endif
