#include "http.h"

#include <pthread.h>

#include "mem.h"

void ms_http_answer_free(ms_http_answer *answer) {
    ms_buf_free(&answer->body);
    ms_buf_free(&answer->place);
    ms_buf_free(&answer->next);
}

#ifdef MS_HAVE_CURL
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "http_job.h"

enum { TIMEOUT_S = 10, MAX_IN_FLIGHT = 16, MAX_TRIES = 5, LONGEST_SLEEP_MS = 1000 };

struct ms_http {
    ms_http_settings settings;
    CURLM *multi;
    pthread_t thread;
    bool runs;
    atomic_uint_least64_t n_moved;
    pthread_mutex_t lock;
    bool stops;           /* guarded by lock, as is the next */
    ms_http_job *arrived; /* newest first */
    /* the thread's own: */
    ms_http_job *waiting; /* in the order in which they may start; those that wait for a time among them */
    ms_http_job *active;  /* in flight */
    int n_in_flight;
    int64_t hold_until; /* ms: the endpoint said to wait */
};

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- the thread ---- */

/* Behind all that are as urgent, before all that are less so. */
static void enqueue(ms_http *http, ms_http_job *job) {
    ms_http_job **at = &http->waiting;
    while (*at && (!job->urgent || (*at)->urgent)) at = &(*at)->next;
    job->next = *at;
    *at = job;
}

static void finish(ms_http_job *job) {
    job->done(job->context, &job->answer);
    ms_http_job_free(job);
}

static void take_arrived(ms_http *http, bool *stops) {
    pthread_mutex_lock(&http->lock);
    ms_http_job *job = http->arrived;
    http->arrived = NULL;
    *stops = http->stops;
    pthread_mutex_unlock(&http->lock);
    ms_http_job *in_order = NULL;
    while (job) {
        ms_http_job *const next = job->next;
        job->next = in_order;
        in_order = job;
        job = next;
    }
    while (in_order) {
        ms_http_job *const next = in_order->next;
        enqueue(http, in_order);
        in_order = next;
    }
}

static void start(ms_http *http, ms_http_job *job) {
    if (!ms_http_job_begin(job)) {
        finish(job);
    } else if (curl_multi_add_handle(http->multi, job->easy) != CURLM_OK) {
        job->answer.status = ms_err_memory(&job->answer.err, "a transfer");
        finish(job);
    } else {
        job->next = http->active;
        http->active = job;
        http->n_in_flight++;
    }
}

static void take_out(ms_http *http, ms_http_job *job) {
    ms_http_job **at = &http->active;
    while (*at != job) at = &(*at)->next;
    *at = job->next;
    job->next = NULL;
    curl_multi_remove_handle(http->multi, job->easy);
    http->n_in_flight--;
}

/* Starts what may start; returns the ms until another one may. */
static int64_t start_ready(ms_http *http) {
    const int64_t now = now_ms();
    int64_t sleep = LONGEST_SLEEP_MS;
    for (ms_http_job **at = &http->waiting; *at && http->n_in_flight < http->settings.max_in_flight;) {
        ms_http_job *const job = *at;
        const int64_t ready = job->ready_at > http->hold_until ? job->ready_at : http->hold_until;
        if (ready > now) {
            if (ready - now < sleep) sleep = ready - now;
            at = &job->next;
            continue;
        }
        *at = job->next;
        job->next = NULL;
        start(http, job);
    }
    return sleep;
}

static void end_transfer(ms_http *http, ms_http_job *job, CURLcode code) {
    const int64_t now = now_ms();
    take_out(http, job);
    const ms_http_verdict verdict = ms_http_job_end(job, code, now);
    if (verdict == MS_HTTP_LATER && job->answer.code == 429 && job->ready_at > http->hold_until)
        http->hold_until = job->ready_at;
    if (verdict == MS_HTTP_DONE) finish(job);
    else if (verdict == MS_HTTP_AGAIN) start(http, job);
    else enqueue(http, job);
}

static void look_at_ended(ms_http *http) {
    int n_left;
    for (CURLMsg *message; (message = curl_multi_info_read(http->multi, &n_left)) != NULL;) {
        if (message->msg != CURLMSG_DONE) continue;
        const CURLcode code = message->data.result;
        void *job = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&job);
        end_transfer(http, job, code); /* the message is gone after this */
    }
}

static void *run(void *context) {
    ms_http *const http = context;
    for (;;) {
        bool stops;
        int n_running;
        take_arrived(http, &stops);
        if (stops) return NULL;
        const int64_t sleep = start_ready(http);
        if (curl_multi_perform(http->multi, &n_running) != CURLM_OK) n_running = 0;
        const int n_before = http->n_in_flight;
        look_at_ended(http);
        if (http->n_in_flight == n_before) curl_multi_poll(http->multi, NULL, 0, (int)sleep, NULL);
    }
}

/* ---- asking ---- */

ms_status ms_http_start(ms_http *http, const ms_http_request *request, ms_http_done *done, void *context, ms_err *err) {
    ms_http_job *const job = ms_http_job_make(&http->settings, request);
    if (!job) return ms_err_memory(err, "a request");
    job->n_moved = &http->n_moved;
    job->done = done;
    job->context = context;
    pthread_mutex_lock(&http->lock);
    job->next = http->arrived;
    http->arrived = job;
    pthread_mutex_unlock(&http->lock);
    curl_multi_wakeup(http->multi);
    return MS_OK;
}

typedef struct wait { /* for one answer */
    pthread_mutex_t lock;
    pthread_cond_t came;
    bool is_here;
    ms_http_answer *answer;
} wait;

static void hand_over(void *context, ms_http_answer *answer) {
    wait *const w = context;
    pthread_mutex_lock(&w->lock);
    *w->answer = *answer;
    *answer = (ms_http_answer){0};
    w->is_here = true;
    pthread_cond_signal(&w->came);
    pthread_mutex_unlock(&w->lock);
}

ms_status ms_http_get(ms_http *http, const ms_http_request *request, ms_http_answer *answer, ms_err *err) {
    wait w = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER, .answer = answer};
    ms_status status = ms_http_start(http, request, hand_over, &w, err);
    if (status == MS_OK) {
        pthread_mutex_lock(&w.lock);
        while (!w.is_here) pthread_cond_wait(&w.came, &w.lock);
        pthread_mutex_unlock(&w.lock);
        status = answer->status;
        if (status != MS_OK) ms_err_set(err, status, "%s", answer->err.text);
    }
    pthread_cond_destroy(&w.came);
    pthread_mutex_destroy(&w.lock);
    return status;
}

uint64_t ms_http_n_moved(ms_http *http) { return atomic_load(&http->n_moved); }

/* ---- making ---- */

static void init_curl(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }

static bool copy_settings(ms_http_settings *out, const ms_http_options *options) {
    out->token = ms_mem_copy_text(options->token.text ? options->token.text : "", options->token.size);
    out->user_agent = ms_mem_copy_text(options->user_agent.text ? options->user_agent.text : "", options->user_agent.size);
    out->ca_file = ms_mem_copy_text(options->ca_file.text ? options->ca_file.text : "", options->ca_file.size);
    out->ca_folder = ms_mem_copy_text(options->ca_folder.text ? options->ca_folder.text : "", options->ca_folder.size);
    out->timeout_s = options->timeout_s ? options->timeout_s : TIMEOUT_S;
    out->max_in_flight = options->max_in_flight ? options->max_in_flight : MAX_IN_FLIGHT;
    out->max_tries = options->max_tries ? options->max_tries : MAX_TRIES;
    return out->token && out->user_agent && out->ca_file && out->ca_folder;
}

static ms_status set_up(ms_http *http, const ms_http_options *options, ms_err *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const char *why;
    pthread_once(&once, init_curl);
    if (!copy_settings(&http->settings, options)) return ms_err_memory(err, "a client");
    const char *const trust[] = {http->settings.ca_file, http->settings.ca_folder};
    for (int i = 0; i < 2; i++)
        MS_FAIL_IF(*trust[i] && access(trust[i], R_OK) != 0, MS_ERR_USAGE, err,
                   "%s: the certificates that REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE or SSL_CERT_DIR name cannot be "
                   "read: %s",
                   ms_str_shown(ms_str_of(trust[i])).text, strerror(errno));
    char *const endpoint = ms_mem_copy_text(options->endpoint.text, options->endpoint.size);
    if (!endpoint) return ms_err_memory(err, "a client");
    const bool good = ms_http_origin(http->settings.origin, endpoint, &why);
    if (!good)
        ms_err_set(err, MS_ERR_USAGE, "HF_ENDPOINT '%s' cannot be used: %s", ms_str_shown(ms_str_of(endpoint)).text, why);
    ms_mem_free(endpoint);
    if (!good) return MS_ERR_USAGE;
    http->multi = curl_multi_init();
    if (!http->multi) return ms_err_memory(err, "a client");
    curl_multi_setopt(http->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)http->settings.max_in_flight);
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, 2L * http->settings.max_in_flight);
    http->runs = pthread_create(&http->thread, NULL, run, http) == 0;
    MS_FAIL_IF(!http->runs, MS_ERR_IO, err, "no thread can be started for the network");
    return MS_OK;
}

ms_status ms_http_create(ms_http **out, const ms_http_options *options, ms_err *err) {
    ms_http *const http = ms_mem_zalloc(sizeof *http);
    *out = NULL;
    if (!http) return ms_err_memory(err, "a client");
    pthread_mutex_init(&http->lock, NULL);
    const ms_status status = set_up(http, options, err);
    if (status == MS_OK) *out = http;
    else ms_http_destroy(http);
    return status;
}

static void give_up(ms_http_job *job) {
    while (job) {
        ms_http_job *const next = job->next;
        job->answer.status = ms_err_set(&job->answer.err, MS_ERR_INTERRUPTED, "%s: not fetched", job->url);
        finish(job);
        job = next;
    }
}

void ms_http_destroy(ms_http *http) {
    if (!http) return;
    if (http->runs) {
        pthread_mutex_lock(&http->lock);
        http->stops = true;
        pthread_mutex_unlock(&http->lock);
        curl_multi_wakeup(http->multi);
        pthread_join(http->thread, NULL);
        while (http->active) {
            ms_http_job *const job = http->active;
            take_out(http, job);
            give_up(job);
        }
        give_up(http->waiting);
        give_up(http->arrived);
    }
    if (http->multi) curl_multi_cleanup(http->multi);
    pthread_mutex_destroy(&http->lock);
    ms_mem_free(http->settings.token), ms_mem_free(http->settings.user_agent), ms_mem_free(http->settings.ca_file);
    ms_mem_free(http->settings.ca_folder);
    ms_mem_free(http);
}

#else

ms_status ms_http_create(ms_http **out, const ms_http_options *options, ms_err *err) {
    (void)options;
    *out = NULL;
    return ms_err_set(err, MS_ERR_UNSUPPORTED,
                      "this program was built without libcurl, so it cannot ask the Hub; install "
                      "libcurl's headers and build again, or download the model first");
}

ms_status ms_http_start(ms_http *http, const ms_http_request *request, ms_http_done *done, void *context, ms_err *err) {
    (void)http, (void)request, (void)done, (void)context;
    return ms_err_set(err, MS_ERR_UNSUPPORTED, "this program was built without libcurl");
}

ms_status ms_http_get(ms_http *http, const ms_http_request *request, ms_http_answer *answer, ms_err *err) {
    (void)answer;
    return ms_http_start(http, request, NULL, NULL, err);
}

uint64_t ms_http_n_moved(ms_http *http) {
    (void)http;
    return 0;
}
void ms_http_destroy(ms_http *http) { (void)http; }

#endif
