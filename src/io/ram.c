#include "ram.h"

#include <pthread.h>
#include <unistd.h>

#include "cgroup.h"

static uint64_t asked;

static void ask(void) {
    const long n_pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    asked = n_pages > 0 && page > 0 ? (uint64_t)n_pages * (uint64_t)page : UINT64_MAX;
    const uint64_t limit = ms_cgroup_memory();
    if (limit < asked) asked = limit;
}

uint64_t ms_ram_limit(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, ask);
    return asked;
}
