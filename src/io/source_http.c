#include "source_http.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "checked.h"
#include "mem.h"
#include "vec.h"

enum {
    FIRST_SPAN = 64 << 10, /* what headers mostly take */
    LEAST_SPAN = 32 << 10, /* a request costs more than these bytes do */
    LEAST_HINT = 4 << 10,  /* by which formats are told, which is looked at first; more is known by who hints */
    MOST_SPAN = 4 << 20,
    VIEW_AHEAD = 32 << 20, /* of one large view, asked for before it is there */
};
static const uint64_t budget = 512ull << 20;   /* bytes of spans, of all sources */
static const uint64_t kept_read = 64ull << 20; /* of them, what may have been read in full: headers are read more than once */
static atomic_uint_least64_t n_held;

typedef enum span_state { PENDING, READY, FAILED } span_state;

typedef struct http_source http_source;
typedef struct span {
    http_source *owner;
    uint64_t begin;
    size_t n;
    char *bytes; /* [n] */
    span_state state;
    uint64_t n_read, used_at; /* bytes handed out so far; by the source's clock */
    int n_users;              /* threads that wait for it or copy from it */
    bool unlisted;            /* the source is closed: freed when the transfer ends */
    ms_err err;
} span;

struct http_source {
    ms_source base;
    ms_http *http; /* borrowed */
    char *name, *url, *commit, *etag;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    MS_VEC(span *) spans; /* by begin, never overlapping */
    uint64_t clock;
    int n_pending; /* transfers under way, each of which refers to the source */
    bool closed;
    ms_buf place;       /* a signed address that worked last */
    char far_etag[160]; /* of what it gives */
};

/* ---- spans; the lock is held ---- */

static void free_span(span *s) {
    atomic_fetch_sub(&n_held, s->n);
    ms_mem_free(s->bytes);
    ms_mem_free(s);
}

static void free_source(http_source *h) {
    MS_VEC_FREE(&h->spans);
    ms_buf_free(&h->place);
    pthread_cond_destroy(&h->changed);
    pthread_mutex_destroy(&h->lock);
    ms_mem_free(h->name), ms_mem_free(h->url), ms_mem_free(h->commit), ms_mem_free(h->etag);
    ms_mem_free(h);
}

/* The first span that ends after `at`. */
static size_t index_at(const http_source *h, uint64_t at) {
    size_t low = 0, high = h->spans.n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (h->spans.items[middle]->begin + h->spans.items[middle]->n <= at) low = middle + 1;
        else high = middle;
    }
    return low;
}

static void remove_at(http_source *h, size_t i) {
    free_span(h->spans.items[i]);
    memmove(&h->spans.items[i], &h->spans.items[i + 1], (--h->spans.n - i) * sizeof *h->spans.items);
}

/* Room for n more: what was used longest ago goes, but nothing that nobody has read yet. */
static bool make_room(http_source *h, uint64_t n) {
    while (atomic_load(&n_held) + n > budget) {
        size_t oldest = SIZE_MAX;
        for (size_t i = 0; i < h->spans.n; i++) {
            const span *const s = h->spans.items[i];
            if (s->state != READY || s->n_users || s->n_read == 0) continue;
            if (oldest == SIZE_MAX || s->used_at < h->spans.items[oldest]->used_at) oldest = i;
        }
        if (oldest == SIZE_MAX) return false;
        remove_at(h, oldest);
    }
    return true;
}

/* ---- what comes ---- */

/* All bytes of a source are of one file: the same size, and the same tag from the same server. */
static void check_same_file(http_source *h, span *s, const ms_http_answer *answer) {
    const bool same_place = h->place.size && answer->place.size &&
                            strcspn(h->place.bytes, "?") == strcspn(answer->place.bytes, "?") &&
                            strncmp(h->place.bytes, answer->place.bytes, strcspn(h->place.bytes, "?")) == 0;
    if (answer->n_total != UINT64_MAX && answer->n_total != h->base.size) {
        ms_err_set(&s->err, MS_ERR_NETWORK, "%s: has %llu bytes now, was listed with %llu; versions are not mixed, start again",
                   h->name, (unsigned long long)answer->n_total, (unsigned long long)h->base.size);
        s->state = FAILED;
    } else if (same_place && *h->far_etag && *answer->far_etag && strcmp(h->far_etag, answer->far_etag) != 0) {
        ms_err_set(&s->err, MS_ERR_NETWORK, "%s: became another version while it was read; versions are not mixed, start again",
                   h->name);
        s->state = FAILED;
    }
}

static void remember_place(http_source *h, ms_http_answer *answer) {
    const ms_buf old = h->place;
    if (answer->place.size == 0) return;
    h->place = answer->place;
    answer->place = old;
    memcpy(h->far_etag, answer->far_etag, sizeof h->far_etag);
}

static void span_came(void *context, ms_http_answer *answer) {
    span *const s = context;
    http_source *const h = s->owner;
    pthread_mutex_lock(&h->lock);
    s->state = answer->status == MS_OK ? READY : FAILED;
    if (s->state == FAILED) ms_err_set(&s->err, answer->status, "%s", answer->err.text);
    else check_same_file(h, s, answer);
    if (s->state == READY) remember_place(h, answer);
    if (s->unlisted) free_span(s);
    const bool last = --h->n_pending == 0 && h->closed;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
    if (last) free_source(h);
}

/* A span [begin, begin + n), asked for, at place i of the list. */
static ms_status add_span(http_source *h, size_t i, uint64_t begin, size_t n, bool urgent, ms_err *err) {
    span *const s = MS_VEC_RESERVE(&h->spans, 1) ? ms_mem_zalloc(sizeof *s) : NULL;
    char *const bytes = s ? ms_mem_alloc(n) : NULL;
    if (!bytes) {
        ms_mem_free(s);
        return ms_err_memory(err, "bytes from the Hub");
    }
    *s = (span){.owner = h, .begin = begin, .n = n, .bytes = bytes, .state = PENDING};
    atomic_fetch_add(&n_held, n);
    const ms_http_request request = {.url = h->url,
                                     .place = h->place.size ? h->place.bytes : NULL,
                                     .into = bytes,
                                     .begin = begin,
                                     .n = n,
                                     .commit = h->commit,
                                     .etag = h->etag,
                                     .urgent = urgent};
    const ms_status status = ms_http_start(h->http, &request, span_came, s, err);
    if (status != MS_OK) {
        free_span(s);
        return status;
    }
    memmove(&h->spans.items[i + 1], &h->spans.items[i], (h->spans.n - i) * sizeof *h->spans.items);
    h->spans.items[i] = s;
    h->spans.n++;
    h->n_pending++;
    return MS_OK;
}

/* Asks for what of [from, to) is not there. Ahead of need (not urgent): only as far as there is room. */
static ms_status ask_for(http_source *h, uint64_t from, uint64_t to, bool urgent, ms_err *err) {
    size_t i = index_at(h, from);
    for (uint64_t at = from; at < to;) {
        const span *const here = i < h->spans.n ? h->spans.items[i] : NULL;
        if (here && here->begin <= at) {
            at = here->begin + here->n;
            i++;
            continue;
        }
        const uint64_t limit = here ? here->begin : h->base.size, wanted = (to < limit ? to : limit) - at;
        const uint64_t least = !urgent ? LEAST_HINT : at == 0 ? FIRST_SPAN : LEAST_SPAN;
        uint64_t n = wanted > MOST_SPAN ? MOST_SPAN : wanted < least ? least : wanted;
        if (n > limit - at) n = limit - at;
        if (!make_room(h, n) && !urgent) return MS_OK;
        i = index_at(h, at);
        MS_TRY(add_span(h, i, at, (size_t)n, urgent, err));
    }
    return MS_OK;
}

/* ---- the source ---- */

/* Copies what the span that holds `at` has of [at, end). Waits for it. */
static ms_status read_span(http_source *h, uint64_t at, uint64_t end, char *to, size_t *n_copied, ms_err *err) {
    const size_t i = index_at(h, at);
    span *const s = h->spans.items[i];
    s->n_users++;
    while (s->state == PENDING) pthread_cond_wait(&h->changed, &h->lock);
    const uint64_t span_end = s->begin + s->n, until = end < span_end ? end : span_end;
    ms_status status = MS_OK;
    if (s->state == READY) {
        pthread_mutex_unlock(&h->lock);
        memcpy(to, s->bytes + (at - s->begin), (size_t)(until - at));
        pthread_mutex_lock(&h->lock);
        s->n_read += until - at;
        s->used_at = ++h->clock;
    } else {
        status = ms_err_set(err, s->err.status, "%s", s->err.text);
    }
    *n_copied = (size_t)(until - at);
    const bool is_over = s->state == FAILED || (s->n_read >= s->n && atomic_load(&n_held) > kept_read);
    if (--s->n_users == 0 && is_over) remove_at(h, index_at(h, s->begin));
    return status;
}

static ms_status http_view(ms_source *self, uint64_t offset, size_t n, ms_scratch *scratch, const void **out, ms_err *err) {
    http_source *const h = (http_source *)self;
    if (!ms_scratch_reserve(scratch, n)) return ms_err_memory(err, "bytes from the Hub");
    *out = scratch->bytes;
    const uint64_t end = offset + n;
    ms_status status = MS_OK;
    pthread_mutex_lock(&h->lock);
    for (uint64_t at = offset; at < end && status == MS_OK;) {
        const uint64_t ahead = end - at > VIEW_AHEAD ? at + VIEW_AHEAD : end;
        size_t n_copied = 0;
        status = ask_for(h, at, ahead, true, err);
        if (status == MS_OK) status = read_span(h, at, end, (char *)scratch->bytes + (at - offset), &n_copied, err);
        at += n_copied;
    }
    pthread_mutex_unlock(&h->lock);
    return status;
}

static void http_will_need(ms_source *self, uint64_t offset, uint64_t n) {
    http_source *const h = (http_source *)self;
    pthread_mutex_lock(&h->lock);
    (void)ask_for(h, offset, offset + n, false, NULL); /* a hint */
    pthread_mutex_unlock(&h->lock);
}

static void http_drop(ms_source *self, uint64_t offset, uint64_t n) {
    http_source *const h = (http_source *)self;
    pthread_mutex_lock(&h->lock);
    for (size_t i = index_at(h, offset); i < h->spans.n && h->spans.items[i]->begin < offset + n;) {
        const span *const s = h->spans.items[i];
        const bool inside = s->begin >= offset && s->begin + s->n <= offset + n;
        if (inside && s->state == READY && s->n_users == 0) remove_at(h, i);
        else i++;
    }
    pthread_mutex_unlock(&h->lock);
}

static void http_close(ms_source *self) {
    http_source *const h = (http_source *)self;
    pthread_mutex_lock(&h->lock);
    for (size_t i = 0; i < h->spans.n; i++) {
        if (h->spans.items[i]->state == PENDING) h->spans.items[i]->unlisted = true;
        else free_span(h->spans.items[i]);
    }
    h->spans.n = 0;
    h->closed = true;
    const bool last = h->n_pending == 0;
    pthread_mutex_unlock(&h->lock);
    if (last) free_source(h);
}

static const ms_source_ops http_ops = {.view = http_view, .will_need = http_will_need, .drop = http_drop, .close = http_close};

static char *copy(const char *text) { return text ? ms_mem_copy_text(text, strlen(text)) : NULL; }

ms_status ms_source_open_http(ms_source **out, ms_http *http, uint64_t n_bytes, const ms_source_place *place, ms_err *err) {
    http_source *const h = ms_mem_zalloc(sizeof *h);
    if (!h) return ms_err_memory(err, "a source");
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->changed, NULL);
    h->http = http;
    h->name = copy(place->name), h->url = copy(place->url);
    h->commit = copy(place->commit), h->etag = copy(place->etag);
    h->base = (ms_source){.ops = &http_ops, .size = n_bytes, .path = h->name, .map = NULL};
    if (!h->name || !h->url || (place->commit && !h->commit) || (place->etag && !h->etag)) {
        free_source(h);
        return ms_err_memory(err, "a source");
    }
    *out = &h->base;
    return MS_OK;
}
