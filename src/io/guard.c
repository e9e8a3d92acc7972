/*
 * The handler runs on the faulting thread, so it may use that thread's depth; it reads the list of maps without a lock. Slots
 * are therefore never freed, only used again, and a slot's begin is written last and cleared first.
 *
 * The list, the counter and the handler are process-wide because signals are.
 */
#include "guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "door.h"
#include "mem.h"
#include "str.h"

struct ms_guard_map {
    atomic_uintptr_t begin; /* 0: the slot is free */
    atomic_uintptr_t end;
    atomic_bool failed;
    const char *path; /* guarded by `lock` */
    size_t n_bytes;
};

enum { BLOCK_SLOTS = 128 };
typedef struct block {
    ms_guard_map slots[BLOCK_SLOTS];
    _Atomic(struct block *) next;
} block;

static block first_block;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of adding, removing and naming; the handler takes none */
static atomic_uint_least64_t n_failures;
static struct sigaction previous;
static uintptr_t page_size;
static _Thread_local volatile int depth;

static ms_guard_map *map_of(uintptr_t address) {
    for (block *b = &first_block; b; b = atomic_load(&b->next))
        for (int i = 0; i < BLOCK_SLOTS; i++) {
            ms_guard_map *const map = &b->slots[i];
            const uintptr_t begin = atomic_load(&map->begin);
            if (begin != 0 && address >= begin && address < atomic_load(&map->end)) return map;
        }
    return NULL;
}

/* Zeros from the missing page to the end of the mapping. The system call is made directly: mmap() itself is not on the list of
 * functions that a handler may call. */
static bool patch(const ms_guard_map *map, uintptr_t address) {
    const uintptr_t page = address & ~(page_size - 1), end = (atomic_load(&map->end) + page_size - 1) & ~(page_size - 1);
    const long got = syscall(SYS_mmap, page, end - page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0L);
    return (uintptr_t)got == page;
}

static void on_sigbus(int signal, siginfo_t *info, void *context) {
    const int saved = errno;
    ms_guard_map *const map = depth > 0 ? map_of((uintptr_t)info->si_addr) : NULL;
    if (map) {
        /* Told before the zeros are there: another thread that reads them must not end its guard without a word. */
        atomic_store(&map->failed, true);
        atomic_fetch_add(&n_failures, 1);
        if (patch(map, (uintptr_t)info->si_addr)) {
            errno = saved;
            return;
        }
    }
    if (previous.sa_flags & SA_SIGINFO && previous.sa_sigaction) previous.sa_sigaction(signal, info, context);
    else sigaction(SIGBUS, &previous, NULL); /* the access is repeated and now ends as it would have without us */
    errno = saved;
}

static void install(void) {
    page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &previous);
}

static ms_guard_map *free_slot(void) {
    block *b = &first_block;
    for (;;) {
        for (int i = 0; i < BLOCK_SLOTS; i++)
            if (atomic_load(&b->slots[i].begin) == 0) return &b->slots[i];
        block *next = atomic_load(&b->next);
        if (!next) {
            next = ms_mem_zalloc(sizeof *next); /* lives as long as the process, as the list does */
            if (!next) return NULL;
            atomic_store(&b->next, next);
        }
        b = next;
    }
}

ms_guard_map *ms_guard_watch(const void *begin, size_t n, const char *path) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
    pthread_mutex_lock(&lock);
    ms_guard_map *const map = free_slot();
    if (map) {
        map->path = path;
        map->n_bytes = n;
        atomic_store(&map->failed, false);
        atomic_store(&map->end, (uintptr_t)begin + n);
        atomic_store(&map->begin, (uintptr_t)begin);
    }
    pthread_mutex_unlock(&lock);
    return map;
}

void ms_guard_forget(ms_guard_map *map) {
    if (!map) return;
    pthread_mutex_lock(&lock);
    atomic_store(&map->begin, 0);
    map->path = NULL;
    pthread_mutex_unlock(&lock);
}

static ms_status describe(const ms_guard_map *map, ms_err *err) {
    struct stat now;
    const bool known = ms_door_stat(map->path, &now) == 0;
    if (known && (uint64_t)now.st_size < map->n_bytes)
        return ms_err_set(err, MS_ERR_IO,
                          "%s: the file was cut from %zu to %lld bytes while it was being read; make sure that nothing "
                          "writes to it and run again",
                          ms_str_shown(ms_str_of(map->path)).text, map->n_bytes, (long long)now.st_size);
    return ms_err_set(err, MS_ERR_IO,
                      "%s: a part of the file could not be read from its device, or the file changed while it was being read; "
                      "check the disk or the network and run again",
                      ms_str_shown(ms_str_of(map->path)).text);
}

ms_status ms_guard_check(const ms_guard_map *map, ms_err *err) {
    if (!atomic_load_explicit(&map->failed, memory_order_relaxed)) return MS_OK;
    return describe(map, err);
}

ms_guard ms_guard_begin(void) {
    depth++;
    return (ms_guard){.n_failures = atomic_load(&n_failures)};
}

/* The failed file with the lowest slot; its error, or a general one when it was closed already. */
static ms_status describe_any(ms_err *err) {
    ms_status status = ms_err_set(err, MS_ERR_IO, "a mapped file was cut short while it was being read");
    pthread_mutex_lock(&lock);
    for (const block *b = &first_block; b; b = atomic_load(&b->next))
        for (int i = 0; i < BLOCK_SLOTS; i++) {
            const ms_guard_map *const map = &b->slots[i];
            if (atomic_load(&map->begin) == 0 || !atomic_load(&map->failed)) continue;
            status = describe(map, err);
            goto done;
        }
done:
    pthread_mutex_unlock(&lock);
    return status;
}

ms_status ms_guard_end(ms_guard *guard, ms_status status, ms_err *err) {
    depth--;
    return atomic_load(&n_failures) == guard->n_failures ? status : describe_any(err);
}
