/*
 * The work of a scan: items of the plan are dealt to the threads of the pool. The first item of a matrix makes a job for it,
 * the last one to end merges the chunks in their order and finishes the lenses. As items are dealt in order, there are never
 * more jobs than threads, plus one.
 */
#include "guard.h"
#include "rank.h"
#include "scan_impl.h"

typedef struct job { /* one matrix under way */
    bool in_use;
    size_t place;        /* in the plan's order */
    uint64_t items_left; /* guarded by the run's lock */
    pthread_mutex_t lock;
    bool begun;       /* guarded by lock, as is the fault */
    ms_status status; /* of the failing item with the lowest number */
    uint64_t failed_item;
    ms_err fault;

    ms_scan_cut cut;
    ms_lens_matrix matrix;
    const ms_sample *sample;
    uint8_t *states; /* owned; one block, zeroed at first */
    uint8_t *parts;  /* owned; [n_chunks] blocks */
    size_t parts_room;
} job;

/* Few places, since each costs a walk through the page tables; a line of 16-bit elements at each comes at no price. Should the
 * places mislead, select.h aims once more. */
enum { PILOT_RUN = 32, PILOT_RUNS = 128, PILOT = PILOT_RUN * PILOT_RUNS, PILOT_ALL = 8192 /* up to here all are taken */ };

typedef struct pilot { /* of the matrix that this thread began last */
    uint64_t n;        /* elements of the matrices that the positions are for */
    int64_t positions[PILOT];
    uint32_t keys[PILOT_ALL], spare[PILOT_ALL];
} pilot;

typedef struct worker {
    ms_feed feed;
    uint8_t *feeders; /* owned */
    ms_panel_facts facts;
    pilot pilot;
} worker;

typedef struct run {
    ms_scan *scan;
    const ms_checkpoint *ckpt;
    const ms_matrix *matrices;
    ms_scan_plan plan;
    ms_lookahead *ahead;
    pthread_mutex_t lock;
    job *jobs; /* owned; [n_jobs] */
    size_t n_jobs;
    worker *workers; /* owned; [n_workers] */
    size_t n_workers;
} run;

static const ms_scan_instance *instance(const run *r, size_t k) { return &r->scan->instances[k]; }

/* ---- cutting ---- */

static uint64_t joint_unit(const ms_scan *scan, uint64_t cols) {
    uint64_t unit = 1;
    for (size_t k = 0; k < scan->n_instances; k++) {
        const ms_scan_instance *const i = &scan->instances[k];
        uint64_t u = i->lens->unit ? i->lens->unit(&scan->options, i->index, cols) : 1, a = unit, b = u;
        if (u <= 1) continue;
        while (b) {
            const uint64_t rest = a % b;
            a = b;
            b = rest;
        }
        if (__builtin_mul_overflow(unit, u / a, &unit)) return UINT64_MAX;
    }
    return unit;
}

static ms_scan_cut cut_of(const ms_scan *scan, const ms_matrix *m) {
    return ms_scan_cut_of(m->rows * m->cols, joint_unit(scan, m->cols));
}

static uint64_t items_of(const void *scan, const ms_matrix *m) { return cut_of(scan, m).n_items; }

/* ---- beginning a matrix ---- */

/* A run of each of equal stretches. Not at even distances: rows have a period. */
static void place_pilot(pilot *p, uint64_t n) {
    const uint64_t stretch = n / PILOT_RUNS;
    if (p->n == n) return;
    p->n = n;
    for (uint64_t r = 0; r < PILOT_RUNS; r++) {
        const uint64_t first = r * stretch + ms_lens_mix(r) % (stretch - PILOT_RUN + 1);
        for (uint64_t i = 0; i < PILOT_RUN; i++) p->positions[r * PILOT_RUN + i] = (int64_t)(first + i);
    }
}

static ms_status read_all(ms_feed *feed, const ms_lens_keys *of, uint32_t *keys, size_t n, ms_err *err) {
    for (size_t at = 0; at < n; at += MS_PANEL_MAX) {
        const size_t n_panel = n - at < MS_PANEL_MAX ? n - at : MS_PANEL_MAX;
        const void *w;
        MS_TRY(ms_feed_panel(feed, at, n_panel, &w, err));
        ms_lens_keys_read(of, w, n_panel, keys + at);
    }
    return MS_OK;
}

static ms_status take_pilot(job *j, worker *w, ms_err *err) {
    pilot *const p = &w->pilot;
    const bool is_all = j->cut.n <= PILOT_ALL;
    const size_t n = is_all ? (size_t)j->cut.n : PILOT;
    if (is_all) MS_TRY(read_all(&w->feed, &j->matrix.keys, p->keys, n, err));
    else place_pilot(p, j->cut.n);
    if (!is_all) MS_TRY(ms_feed_gather_keys(&w->feed, p->positions, n, p->keys, err));
    const size_t n_keys = ms_lens_keys_finite(&j->matrix.keys, p->keys, n);
    if (is_all) ms_rank_sort(p->keys, p->spare, n_keys);
    j->matrix.pilot = (ms_lens_pilot){.keys = p->keys, .spare = p->spare, .n = n_keys, .is_all = is_all};
    return MS_OK;
}

static ms_status need_parts(run *r, job *j, ms_err *err) {
    const size_t n_chunks = j->cut.n_chunks ? (size_t)j->cut.n_chunks : 1;
    if (!j->states) j->states = ms_mem_zalloc(r->scan->state_size);
    if (j->parts_room < n_chunks || !j->parts) {
        ms_mem_free(j->parts);
        j->parts = ms_mem_alloc_array(n_chunks, r->scan->part_size);
        j->parts_room = j->parts ? n_chunks : 0;
    }
    return j->states && j->parts ? MS_OK : ms_err_memory(err, "a matrix");
}

static ms_status begin_job(run *r, job *j, worker *w, ms_err *err) {
    const ms_matrix *const m = &r->matrices[r->plan.order[j->place]];
    MS_TRY(need_parts(r, j, err));
    j->matrix =
        (ms_lens_matrix){.options = &r->scan->options, .rows = m->rows, .cols = m->cols, .n = j->cut.n, .feed = &w->feed};
    j->matrix.stored = w->feed.stored;
    j->matrix.n_alike = m->n_alike;
    j->matrix.keys = ms_lens_keys_of(w->feed.dtype);
    if (r->scan->wants.sample && j->cut.n > 0) MS_TRY(ms_samples_get(&r->scan->samples, j->cut.n, &j->sample, err));
    j->matrix.sample = j->sample;
    if (r->scan->wants.pilot && j->cut.n > 0) MS_TRY(take_pilot(j, w, err));
    for (size_t k = 0; k < r->scan->n_instances; k++) {
        const ms_scan_instance *const i = instance(r, k);
        if (i->lens->begin) MS_TRY(i->lens->begin(j->states + i->state_at, i->index, &j->matrix, err));
    }
    return MS_OK;
}

/* ---- panels ---- */

/* All instances, or the one given (for another pass), over elements [first, end). */
static ms_status scan_range(run *r, job *j, worker *w, uint64_t first, uint64_t end, uint8_t *part,
                            const ms_scan_instance *only, ms_err *err) {
    const ms_lens_wants wants = only ? only->wants : r->scan->wants;
    for (uint64_t at = first; at < end; at += MS_PANEL_MAX) {
        ms_lens_panel panel = {.first = at, .n = end - at < MS_PANEL_MAX ? (size_t)(end - at) : MS_PANEL_MAX};
        MS_TRY(ms_feed_panel(&w->feed, at, panel.n, &panel.w, err));
        if (wants.f32) MS_TRY(ms_feed_as_f32(&w->feed, panel.w, panel.n, &panel.f32, err));
        if (wants.facts) ms_panel_measure(&w->facts, w->feed.dtype, panel.w, panel.n);
        panel.facts = wants.facts ? &w->facts : NULL;
        for (size_t k = 0; k < r->scan->n_instances; k++) {
            const ms_scan_instance *const i = instance(r, k);
            if ((only && i != only) || !i->lens->add) continue;
            MS_TRY(
                i->lens->add(j->states + i->state_at, part + i->part_at, w->feeders + i->feeder_at, &j->matrix, &panel, err));
        }
    }
    return MS_OK;
}

static ms_status leave(run *r, job *j, worker *w, ms_err *err) {
    ms_status status = MS_OK; /* every feeder is emptied, also after a failure */
    for (size_t k = 0; k < r->scan->n_instances; k++) {
        const ms_scan_instance *const i = instance(r, k);
        if (!i->lens->leave) continue;
        const ms_status s = i->lens->leave(j->states + i->state_at, w->feeders + i->feeder_at, err);
        if (status == MS_OK) status = s;
    }
    return status;
}

static ms_status scan_chunks(run *r, job *j, worker *w, uint64_t item, ms_err *err) {
    const uint64_t begin = item * j->cut.per_item, end = begin + j->cut.per_item;
    ms_status status = MS_OK;
    for (uint64_t c = begin; c < end && c < j->cut.n_chunks && status == MS_OK; c++) {
        uint8_t *const part = j->parts + c * r->scan->part_size;
        const uint64_t first = c * j->cut.chunk, left = j->cut.n - first;
        memset(part, 0, r->scan->part_size);
        status = scan_range(r, j, w, first, first + (left < j->cut.chunk ? left : j->cut.chunk), part, NULL, err);
    }
    const ms_status left = leave(r, j, w, status == MS_OK ? err : NULL);
    return status == MS_OK ? left : status;
}

/* ---- ending a matrix ---- */

static ms_status run_again(run *r, job *j, worker *w, const ms_scan_instance *i, ms_err *err) {
    memset(j->parts, 0, r->scan->part_size);
    MS_TRY(scan_range(r, j, w, 0, j->cut.n, j->parts, i, err));
    if (i->lens->leave) MS_TRY(i->lens->leave(j->states + i->state_at, w->feeders + i->feeder_at, err));
    if (i->lens->merge) i->lens->merge(j->states + i->state_at, j->parts + i->part_at);
    return MS_OK;
}

static ms_status note_failure_text(run *r, size_t matrix, const ms_scan_instance *i, const char *text, ms_err *err) {
    pthread_mutex_lock(&r->lock);
    const ms_str copy = ms_arena_copy(&r->scan->arena, ms_str_of(text));
    r->scan->failures[matrix * r->scan->options.n_schemes + i->index] = copy.text;
    pthread_mutex_unlock(&r->lock);
    return copy.text ? MS_OK : ms_err_memory(err, "an error text");
}

static ms_status finish_lenses(run *r, job *j, worker *w, ms_err *err) {
    const size_t matrix = r->plan.order[j->place];
    double *const values = r->scan->values + matrix * r->scan->n_values;
    for (uint64_t c = 0; c < j->cut.n_chunks; c++)
        for (size_t k = 0; k < r->scan->n_instances; k++) {
            const ms_scan_instance *const i = instance(r, k);
            if (i->lens->merge) i->lens->merge(j->states + i->state_at, j->parts + c * r->scan->part_size + i->part_at);
        }
    for (size_t k = 0; k < r->scan->n_instances; k++) {
        const ms_scan_instance *const i = instance(r, k);
        void *const state = j->states + i->state_at;
        bool again = false;
        MS_TRY(i->lens->finish(state, &j->matrix, values + i->first_value, &again, err));
        while (again) {
            MS_TRY(run_again(r, j, w, i, err));
            again = false;
            MS_TRY(i->lens->finish(state, &j->matrix, values + i->first_value, &again, err));
        }
        const char *const text = i->lens->failure ? i->lens->failure(state) : NULL;
        if (text) MS_TRY(note_failure_text(r, matrix, i, text, err));
    }
    return MS_OK;
}

/* ---- jobs ---- */

/* The job of a place, made when it is the first item. */
static job *take_job(run *r, size_t place) {
    job *found = NULL, *spare = NULL;
    pthread_mutex_lock(&r->lock);
    for (size_t k = 0; k < r->n_jobs; k++) {
        if (r->jobs[k].in_use && r->jobs[k].place == place) found = &r->jobs[k];
        if (!r->jobs[k].in_use && !spare) spare = &r->jobs[k];
    }
    if (!found && spare) {
        found = spare;
        found->in_use = true;
        found->place = place;
        found->cut = cut_of(r->scan, &r->matrices[r->plan.order[place]]);
        found->items_left = found->cut.n_items;
        found->begun = false;
        found->status = MS_OK;
        found->sample = NULL;
    }
    pthread_mutex_unlock(&r->lock);
    return found;
}

static void note_fault(job *j, uint64_t item, ms_status status, const ms_err *fault) {
    pthread_mutex_lock(&j->lock);
    if (j->status == MS_OK || item < j->failed_item) {
        j->status = status;
        j->failed_item = item;
        j->fault = *fault;
    }
    pthread_mutex_unlock(&j->lock);
}

static ms_status begin_once(run *r, job *j, worker *w, ms_err *err) {
    pthread_mutex_lock(&j->lock);
    ms_status status = MS_OK;
    if (!j->begun) status = begin_job(r, j, w, err);
    j->begun = true;
    if (status == MS_OK && j->status != MS_OK) status = ms_err_set(err, j->status, "%s", j->fault.text);
    pthread_mutex_unlock(&j->lock);
    return status;
}

/* True for the last item of the matrix. */
static bool end_item(run *r, job *j) {
    pthread_mutex_lock(&r->lock);
    const bool last = --j->items_left == 0;
    pthread_mutex_unlock(&r->lock);
    return last;
}

static ms_status end_job(run *r, job *j, worker *w, ms_err *err) {
    const size_t matrix = r->plan.order[j->place];
    ms_status status = j->status;
    if (status == MS_OK) {
        ms_guard guard = ms_guard_begin();
        status = finish_lenses(r, j, w, &j->fault);
        status = ms_guard_end(&guard, status, &j->fault);
    }
    ms_samples_release(&r->scan->samples, j->sample);
    j->sample = NULL;
    if (status != MS_OK && status != MS_ERR_MEMORY) {
        r->scan->errors[matrix] = ms_mem_alloc(sizeof j->fault);
        if (!r->scan->errors[matrix]) return ms_err_memory(err, "an error");
        *r->scan->errors[matrix] = j->fault;
        r->scan->errors[matrix]->status = status;
    }
    r->scan->done[matrix] = status != MS_ERR_MEMORY;
    if (status == MS_ERR_MEMORY) return ms_err_set(err, status, "%s", j->fault.text);
    pthread_mutex_lock(&r->lock);
    j->in_use = false;
    pthread_mutex_unlock(&r->lock);
    return MS_OK;
}

static void advance(run *r, size_t place, uint64_t item, uint64_t n_items) {
    const ms_scan_progress *const progress = &r->scan->options.progress;
    const uint64_t n = r->plan.first_byte[place + 1] - r->plan.first_byte[place];
    const uint64_t each = n / n_items; /* the last item takes what is left */
    if (progress->advance) progress->advance(progress->context, item + 1 < n_items ? each : n - each * (n_items - 1));
}

static ms_status work_item(void *context, size_t number, int worker_index, ms_err *err) {
    run *const r = context;
    worker *const w = &r->workers[worker_index];
    const size_t place = ms_scan_plan_place(&r->plan, number);
    const uint64_t item = number - r->plan.first_item[place];
    job *const j = take_job(r, place);
    MS_FAIL_IF(!j, MS_ERR_USAGE, err, "more matrices under way than threads");
    const uint64_t n_items = j->cut.n_items, n_bytes = r->plan.first_byte[place + 1] - r->plan.first_byte[place];
    ms_lookahead_move(r->ahead, r->plan.first_byte[place] + n_bytes / n_items * item);

    ms_err fault = {0};
    ms_guard guard = ms_guard_begin();
    ms_status status = ms_feed_open(&w->feed, r->ckpt, &r->matrices[r->plan.order[place]], &fault);
    if (status == MS_OK) status = begin_once(r, j, w, &fault);
    if (status == MS_OK) status = scan_chunks(r, j, w, item, &fault);
    status = ms_guard_end(&guard, status, &fault);
    if (status != MS_OK) note_fault(j, item, status, &fault);
    status = end_item(r, j) ? end_job(r, j, w, err) : MS_OK;
    advance(r, place, item, n_items);
    return status;
}

/* ---- a run ---- */

static ms_status open_run(run *r, ms_err *err) {
    r->n_workers = (size_t)ms_pool_threads(r->scan->pool);
    r->n_jobs = r->n_workers + 1;
    r->workers = ms_mem_zalloc_array(r->n_workers, sizeof *r->workers);
    r->jobs = ms_mem_zalloc_array(r->n_jobs, sizeof *r->jobs);
    if (!r->workers || !r->jobs) return ms_err_memory(err, "the threads of a scan");
    for (size_t k = 0; k < r->n_jobs; k++) pthread_mutex_init(&r->jobs[k].lock, NULL);
    for (size_t k = 0; k < r->n_workers; k++) {
        r->workers[k].feeders = ms_mem_zalloc(r->scan->feeder_size);
        if (!r->workers[k].feeders) return ms_err_memory(err, "the threads of a scan");
    }
    MS_TRY(ms_scan_plan_make(&r->plan, r->ckpt, r->matrices, r->scan->n_matrices, items_of, r->scan, err));
    const ms_lookahead_options ahead = {.n_bytes_in_all = r->scan->options.n_bytes_in_all};
    return ms_lookahead_create(&r->ahead, r->plan.ranges, r->plan.n_matrices, &ahead, err);
}

static void close_worker(run *r, worker *w) {
    for (size_t k = 0; w->feeders && k < r->scan->n_instances; k++) {
        const ms_scan_instance *const i = instance(r, k);
        if (i->lens->free_feeder) i->lens->free_feeder(w->feeders + i->feeder_at);
    }
    ms_feed_free(&w->feed);
    ms_mem_free(w->feeders);
}

static void close_job(run *r, job *j) {
    for (size_t k = 0; j->states && k < r->scan->n_instances; k++) {
        const ms_scan_instance *const i = instance(r, k);
        if (i->lens->free_state) i->lens->free_state(j->states + i->state_at);
    }
    if (j->in_use) ms_samples_release(&r->scan->samples, j->sample); /* interrupted */
    ms_mem_free(j->states);
    ms_mem_free(j->parts);
    pthread_mutex_destroy(&j->lock);
}

static void close_run(run *r) {
    for (size_t k = 0; r->workers && k < r->n_workers; k++) close_worker(r, &r->workers[k]);
    for (size_t k = 0; r->jobs && k < r->n_jobs; k++) close_job(r, &r->jobs[k]);
    ms_lookahead_destroy(r->ahead);
    ms_scan_plan_free(&r->plan);
    ms_mem_free(r->workers);
    ms_mem_free(r->jobs);
    pthread_mutex_destroy(&r->lock);
}

ms_status ms_scan_work(ms_scan *scan, const ms_checkpoint *ckpt, const ms_matrix *matrices, ms_err *err) {
    run r = {.scan = scan, .ckpt = ckpt, .matrices = matrices};
    pthread_mutex_init(&r.lock, NULL);
    ms_status status = open_run(&r, err);
    if (status == MS_OK)
        status = ms_pool_run(scan->pool, r.plan.first_item[r.plan.n_matrices], work_item, &r, scan->options.cancel, err);
    close_run(&r);
    return status;
}
