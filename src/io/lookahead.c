#include "lookahead.h"

#include <pthread.h>
#include <string.h>

#include "checked.h"
#include "mem.h"
#include "ram.h"

static const uint64_t default_window = 128ull << 20;

typedef struct place { /* a byte of the plan */
    size_t range;
    uint64_t in_range; /* bytes of that range before it */
    uint64_t position; /* bytes of the plan before it */
} place;

struct ms_lookahead {
    ms_range *ranges; /* [n] */
    size_t n;
    uint64_t n_total, window;
    bool drops;
    pthread_mutex_t lock;
    place requested, dropped; /* guarded by lock; everything before has been asked for, or let go of */
};

typedef void advise(ms_source *source, uint64_t offset, uint64_t n);

/* Gives the advice for everything from *at to `position` and moves *at there. */
static void advise_until(ms_lookahead *ahead, place *at, uint64_t position, advise *give) {
    while (at->position < position && at->range < ahead->n) {
        const ms_range *const range = &ahead->ranges[at->range];
        const uint64_t left = range->n_bytes - at->in_range, wanted = position - at->position;
        const uint64_t n = left < wanted ? left : wanted;
        if (n > 0) give(range->source, range->offset + at->in_range, n);
        at->position += n;
        at->in_range += n;
        if (at->in_range == range->n_bytes) at->range++, at->in_range = 0;
    }
}

/* Requests are given out in quarters of the window, drops too: few calls, and whole steps of 1 MiB within ranges. */
static void follow(ms_lookahead *ahead, uint64_t position) {
    const uint64_t step = ahead->window / 4;
    uint64_t until;
    if (!ms_add_u64(position, ahead->window, &until) || until > ahead->n_total) until = ahead->n_total;
    if (until >= ahead->requested.position + step || until == ahead->n_total)
        advise_until(ahead, &ahead->requested, until, ms_source_will_need);
    if (ahead->drops && position > ahead->window && position - ahead->window >= ahead->dropped.position + step)
        advise_until(ahead, &ahead->dropped, position - ahead->window, ms_source_drop);
}

ms_status ms_lookahead_create(ms_lookahead **out, const ms_range *ranges, size_t n, const ms_lookahead_options *options,
                              ms_err *err) {
    ms_lookahead *const ahead = ms_mem_zalloc(sizeof *ahead);
    if (!ahead) return ms_err_memory(err, "the look-ahead");
    ahead->ranges = ms_mem_alloc_array(n, sizeof *ranges);
    if (!ahead->ranges) {
        ms_mem_free(ahead);
        return ms_err_memory(err, "the look-ahead");
    }
    if (n) memcpy(ahead->ranges, ranges, n * sizeof *ranges);
    ahead->n = n;
    for (size_t i = 0; i < n; i++)
        if (!ms_add_u64(ahead->n_total, ranges[i].n_bytes, &ahead->n_total)) ahead->n_total = UINT64_MAX;
    ahead->window = options && options->window ? options->window : default_window;
    const uint64_t memory = options && options->memory ? options->memory : ms_ram_limit();
    const uint64_t in_all = options ? options->n_bytes_in_all : 0;
    ahead->drops = ahead->n_total > memory / 2 || in_all > memory / 2;
    pthread_mutex_init(&ahead->lock, NULL);
    follow(ahead, 0);
    *out = ahead;
    return MS_OK;
}

void ms_lookahead_move(ms_lookahead *ahead, uint64_t position) {
    if (pthread_mutex_trylock(&ahead->lock) != 0) return;
    follow(ahead, position);
    pthread_mutex_unlock(&ahead->lock);
}

ms_lookahead_state ms_lookahead_state_of(ms_lookahead *ahead) {
    pthread_mutex_lock(&ahead->lock);
    const ms_lookahead_state state = {.n_total = ahead->n_total,
                                      .n_requested = ahead->requested.position,
                                      .n_dropped = ahead->dropped.position,
                                      .drops = ahead->drops};
    pthread_mutex_unlock(&ahead->lock);
    return state;
}

void ms_lookahead_destroy(ms_lookahead *ahead) {
    if (!ahead) return;
    pthread_mutex_destroy(&ahead->lock);
    ms_mem_free(ahead->ranges);
    ms_mem_free(ahead);
}
