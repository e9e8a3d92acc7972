#include "pool.h"

#include <pthread.h>
#include <stdint.h>

#include "cpu.h"
#include "mem.h"

typedef struct worker {
    ms_pool *pool;
    pthread_t thread;
    int index;
} worker;

struct ms_pool {
    int n_threads;
    worker *workers; /* [n_threads]; worker 0 is the caller and has no thread */
    int n_started;

    pthread_mutex_t lock;
    pthread_cond_t wake, idle;
    uint64_t generation; /* counts runs; guarded by lock, as are the next three */
    int n_busy;
    bool stopping;

    size_t n_items;
    ms_pool_item *item;
    void *context;
    const atomic_bool *cancel;
    atomic_size_t next;
    atomic_bool failed;
    size_t failed_item; /* guarded by lock, as is the error */
    ms_status status;
    ms_err error;
};

static void note_failure(ms_pool *pool, size_t item, ms_status status, const ms_err *error) {
    pthread_mutex_lock(&pool->lock);
    if (pool->status == MS_OK || item < pool->failed_item) {
        pool->status = status;
        pool->failed_item = item;
        pool->error = *error;
    }
    pthread_mutex_unlock(&pool->lock);
    atomic_store(&pool->failed, true);
}

static void work(ms_pool *pool, int index) {
    for (;;) {
        if (atomic_load(&pool->failed)) return;
        if (pool->cancel && atomic_load(pool->cancel)) return;
        const size_t item = atomic_fetch_add(&pool->next, 1);
        if (item >= pool->n_items) return;
        ms_err error = {0};
        const ms_status status = pool->item(pool->context, item, index, &error);
        if (status != MS_OK) note_failure(pool, item, status, &error);
    }
}

static void *thread_main(void *argument) {
    worker *const self = argument;
    ms_pool *const pool = self->pool;
    uint64_t seen = 0;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->stopping && pool->generation == seen) pthread_cond_wait(&pool->wake, &pool->lock);
        if (pool->stopping) break;
        seen = pool->generation;
        pthread_mutex_unlock(&pool->lock);
        work(pool, self->index);
        pthread_mutex_lock(&pool->lock);
        if (--pool->n_busy == 0) pthread_cond_signal(&pool->idle);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

ms_status ms_pool_create(ms_pool **out, int n_threads, ms_err *err) {
    if (n_threads <= 0) n_threads = ms_cpu_count();
    if (n_threads > 1024) n_threads = 1024;
    ms_pool *const pool = ms_mem_zalloc(sizeof *pool);
    worker *const workers = ms_mem_zalloc_array((size_t)n_threads, sizeof *workers);
    if (!pool || !workers) {
        ms_mem_free(pool);
        ms_mem_free(workers);
        return ms_err_memory(err, "threads");
    }
    pool->n_threads = n_threads;
    pool->workers = workers;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->idle, NULL);
    pool->n_started = 1;
    for (int i = 1; i < n_threads; i++) {
        workers[i] = (worker){.pool = pool, .index = i};
        if (pthread_create(&workers[i].thread, NULL, thread_main, &workers[i]) != 0) break; /* go on with fewer */
        pool->n_started++;
    }
    *out = pool;
    return MS_OK;
}

int ms_pool_threads(const ms_pool *pool) { return pool->n_started; }

ms_status ms_pool_run(ms_pool *pool, size_t n_items, ms_pool_item *item, void *context, const atomic_bool *cancel,
                      ms_err *err) {
    pthread_mutex_lock(&pool->lock);
    pool->n_items = n_items;
    pool->item = item;
    pool->context = context;
    pool->cancel = cancel;
    atomic_store(&pool->next, 0);
    atomic_store(&pool->failed, false);
    pool->status = MS_OK;
    pool->n_busy = pool->n_started - 1;
    pool->generation++;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);

    work(pool, 0);

    pthread_mutex_lock(&pool->lock);
    while (pool->n_busy > 0) pthread_cond_wait(&pool->idle, &pool->lock);
    const ms_status status = pool->status;
    if (status != MS_OK && err) *err = pool->error;
    pthread_mutex_unlock(&pool->lock);
    if (status == MS_OK && cancel && atomic_load(cancel)) return ms_err_set(err, MS_ERR_INTERRUPTED, "interrupted");
    return status;
}

void ms_pool_destroy(ms_pool *pool) {
    if (!pool) return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 1; i < pool->n_started; i++) pthread_join(pool->workers[i].thread, NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->wake);
    pthread_cond_destroy(&pool->idle);
    ms_mem_free(pool->workers);
    ms_mem_free(pool);
}
