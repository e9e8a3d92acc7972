#include "mem.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 64, HUGE_PAGE = 2 << 20, LARGE = 2 * HUGE_PAGE };

/* Test hook: the only mutable globals beside the ISA table. */
static atomic_int_least64_t n_allocations;
static atomic_int_least64_t failing_allocation;

void ms_mem_fail_at(int64_t k) {
    atomic_store(&n_allocations, 0);
    atomic_store(&failing_allocation, k);
}

int64_t ms_mem_count(void) { return atomic_load(&n_allocations); }

/* Large blocks are filled soon after; half of that time went into faults of 4 kB pages. Only advice: errors do not matter. */
static void ask_for_huge_pages(void *p, size_t n) {
    const uintptr_t begin = ((uintptr_t)p + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
    const uintptr_t end = ((uintptr_t)p + n) & ~(uintptr_t)(HUGE_PAGE - 1);
    if (begin < end) madvise((void *)begin, end - begin, MADV_HUGEPAGE);
}

void *ms_mem_alloc(size_t n_bytes) {
    const int64_t failing = atomic_load_explicit(&failing_allocation, memory_order_relaxed);
    if (failing != 0 && atomic_fetch_add(&n_allocations, 1) + 1 == failing) return NULL;
    if (n_bytes > SIZE_MAX - ALIGNMENT) return NULL;
    const size_t rounded = (n_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    void *const p = aligned_alloc(ALIGNMENT, rounded ? rounded : ALIGNMENT);
    if (p && rounded >= LARGE) ask_for_huge_pages(p, rounded);
    return p;
}

void *ms_mem_alloc_array(size_t n, size_t size) {
    size_t n_bytes;
    return __builtin_mul_overflow(n, size, &n_bytes) ? NULL : ms_mem_alloc(n_bytes);
}

void *ms_mem_zalloc(size_t n_bytes) {
    void *const p = ms_mem_alloc(n_bytes);
    return p ? memset(p, 0, n_bytes) : NULL;
}

void *ms_mem_zalloc_array(size_t n, size_t size) {
    size_t n_bytes;
    return __builtin_mul_overflow(n, size, &n_bytes) ? NULL : ms_mem_zalloc(n_bytes);
}

void *ms_mem_grow_array(void *p, size_t n_old, size_t n_new, size_t size) {
    void *const grown = ms_mem_alloc_array(n_new, size);
    if (!grown) return NULL;
    if (p && n_old) memcpy(grown, p, n_old * size);
    ms_mem_free(p);
    return grown;
}

void ms_mem_return_large_blocks(void) {
#ifdef __GLIBC__
    enum { LARGE_BLOCK = 1 << 17 };
    mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK); /* also ends its growing by itself */
    mallopt(M_TRIM_THRESHOLD, LARGE_BLOCK);
#endif
}

void ms_mem_free(void *p) { free(p); }

char *ms_mem_copy_text(const char *text, size_t n) {
    char *const copy = ms_mem_alloc(n + 1);
    if (!copy) return NULL;
    if (n) memcpy(copy, text, n);
    copy[n] = 0;
    return copy;
}
