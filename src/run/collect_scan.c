/*
 * Reads the matrices and writes their rows, batch by batch, so that memory does not grow with the model: a batch is the files
 * that follow each other until it has some thousand matrices, or a part of a file that has more.
 */
#include <pthread.h>

#include "collect_impl.h"
#include "files.h"
#include "mem.h"

enum { BATCH = 1 << 12, MOST = 2 * BATCH }; /* matrices, about */

/* ---- what is said meanwhile ---- */

typedef struct announcer { /* says which file is being read */
    const ms_collect_state *c;
    pthread_mutex_t lock;
    uint64_t done;
    const uint64_t *begins; /* [n_files]: bytes of matrices in the files before it */
    size_t next;
} announcer;

/* Under the lock. */
static void announce(announcer *a) {
    const ms_run_plan *const plan = &a->c->plan;
    const int64_t every = a->c->config.debug.progress_every;
    for (; a->next < plan->n_files && a->begins[a->next] <= a->done; a->next++)
        if (every > 0 && (a->next == 0 || (int64_t)(a->next + 1) % every == 0))
            ms_collect_say(a->c, "[collect] (%zu/%zu) %s", a->next + 1, plan->n_files, plan->files[a->next].path.text);
}

static void advance(void *context, uint64_t n_bytes) {
    announcer *const a = context;
    pthread_mutex_lock(&a->lock);
    a->done += n_bytes;
    announce(a);
    pthread_mutex_unlock(&a->lock);
    if (a->c->options->talk.advance) a->c->options->talk.advance(a->c->options->talk.context, n_bytes);
}

/* ---- options ---- */

/* begins: [n_files + 1], in bytes as stored. */
static void add_bytes(const ms_collect_state *c, uint64_t *begins) {
    begins[0] = 0;
    for (size_t f = 0; f < c->plan.n_files; f++) begins[f + 1] = begins[f] + c->n_bytes[f];
}

static ms_scan_options scan_options(const ms_collect_state *c, const char *cache, announcer *a) {
    ms_scan_options options = ms_scan_options_default();
    options.n_threads = c->options->n_threads;
    options.eps = c->config.stats.eps;
    options.quant_floor = c->config.stats.relative_den_floor;
    options.sample_per_matrix = c->config.stats.sample_per_matrix;
    options.sample_seed = c->config.stats.sample_seed;
    options.sample_cache = cache;
    options.group_outlier_percentile = c->config.stats.group_outlier_percentile;
    options.group_sizes = c->config.stats.group_sizes;
    options.n_group_sizes = c->config.stats.n_group_sizes;
    options.schemes = c->schemes;
    options.n_schemes = c->n_schemes;
    options.cancel = c->options->cancel;
    options.progress = (ms_scan_progress){advance, a};
    options.n_bytes_in_all = c->summary->weight_bytes;
    return options;
}

/* ---- batches ---- */

static uint32_t file_of(const ms_collect_state *c, size_t tensor) {
    return c->ckpt->tensors[c->tensors.items[tensor].tensor].file;
}

static void tell_matrices_of_banks(ms_banks *banks) {
    for (size_t b = 0; b < banks->n; b++)
        for (size_t i = 0; i < banks->items[b].n_matrices; i++)
            banks->matrices.items[banks->items[b].first_matrix + i].n_alike = (uint32_t)banks->items[b].n_matrices;
}

/* The batch that follows the one at hand; without tensors at the end. */
static ms_status next_batch(ms_collect_state *c, ms_collect_batch *batch, ms_err *err) {
    const ms_banks *const banks = &c->extractor->banks;
    size_t i = batch->first_tensor = batch->end_tensor;
    batch->results.n = 0;
    ms_extractor_clear(c->extractor);
    for (; i < c->tensors.n; i++) {
        const bool file_begins = i > batch->first_tensor && file_of(c, i) != file_of(c, i - 1);
        if (banks->matrices.n >= (file_begins ? BATCH : MOST)) break;
        ms_extract_result result;
        MS_TRY(ms_collect_extract_again(c, i, &result, err));
        if (!MS_VEC_PUSH(&batch->results, result)) return ms_err_memory(err, "a batch of tensors");
    }
    batch->end_tensor = i;
    tell_matrices_of_banks(&c->extractor->banks);
    return MS_OK;
}

static ms_status scan_batch(ms_collect_state *c, const ms_collect_batch *batch, ms_collect_rows *rows, ms_err *err) {
    const ms_banks *const banks = &c->extractor->banks;
    if (banks->matrices.n > 0) {
        const ms_status status = ms_scan_run(c->scan, c->ckpt, banks->matrices.items, banks->matrices.n, err);
        if (status != MS_OK && status != MS_ERR_INTERRUPTED) return status;
        c->interrupted = status == MS_ERR_INTERRUPTED;
    }
    return ms_collect_rows_put(rows, batch, err);
}

static ms_status scan_all(ms_collect_state *c, ms_collect_rows *rows, ms_err *err) {
    ms_collect_batch batch = {0};
    ms_status status;
    do {
        status = next_batch(c, &batch, err);
        if (status == MS_OK) status = scan_batch(c, &batch, rows, err);
    } while (status == MS_OK && batch.end_tensor < c->tensors.n && !c->interrupted);
    MS_VEC_FREE(&batch.results);
    MS_TRY(status);
    return c->ckpt ? ms_checkpoint_unchanged(c->ckpt, err) : MS_OK; /* else the rows may be a mixture of two models */
}

static ms_status run_scan(ms_collect_state *c, announcer *a, ms_err *err) {
    const ms_collect_talk *const talk = &c->options->talk;
    ms_collect_rows rows;
    MS_TRY(ms_collect_rows_open(&rows, c, err));
    if (talk->begin) talk->begin(talk->context, c->summary->weight_bytes);
    pthread_mutex_lock(&a->lock);
    announce(a);
    pthread_mutex_unlock(&a->lock);
    ms_status status = scan_all(c, &rows, err);
    if (status == MS_OK && !c->interrupted) {
        a->done = UINT64_MAX;
        announce(a);
    }
    if (talk->end) talk->end(talk->context);
    if (status == MS_OK) status = ms_collect_write_inventory(c, err);
    if (status == MS_OK) status = ms_collect_rows_close(&rows, err);
    ms_collect_rows_abort(&rows);
    return status;
}

ms_status ms_collect_scan(ms_collect_state *c, ms_err *err) {
    const ms_str cache = ms_files_join(&c->arena, c->run_dir, MS_STR("cache/sampled_indices"));
    uint64_t *const begins = ms_mem_zalloc_array(c->plan.n_files + 1, sizeof *begins);
    if (!cache.text || !begins) {
        ms_mem_free(begins);
        return ms_err_memory(err, "the scan");
    }
    add_bytes(c, begins);
    c->summary->weight_bytes = begins[c->plan.n_files];
    announcer a = {.c = c, .lock = PTHREAD_MUTEX_INITIALIZER, .begins = begins};
    const ms_scan_options options = scan_options(c, cache.text, &a);
    ms_status status = ms_scan_create(&c->scan, &options, err);
    if (status == MS_OK) status = run_scan(c, &a, err);
    if (c->scan && ms_scan_cache_error(c->scan))
        ms_notes_add(&c->warnings, MS_NOTE_WARNING, "cache", cache, MS_STR(""), MS_NOTE_NO_OFFSET, "[cache] %s",
                     ms_scan_cache_error(c->scan)->text);
    ms_scan_destroy(c->scan);
    c->scan = NULL;
    pthread_mutex_destroy(&a.lock);
    ms_mem_free(begins);
    return status;
}
