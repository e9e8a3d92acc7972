/*
 * mem: the one place that calls malloc, so that tests can make any allocation fail.
 *
 *     float *row = ms_mem_alloc_array(n_cols, sizeof *row);
 *     if (!row) return ms_err_memory(err, "a row");
 *     ...
 *     ms_mem_free(row);
 *
 * All blocks are 64-byte aligned (one cache line, one AVX-512 register). Thread-safe.
 */
#ifndef MS_MEM_H
#define MS_MEM_H

#include <stddef.h>
#include <stdint.h>

/* NULL when memory is short, or when n * size overflows. Never NULL for 0 bytes. Contents are indeterminate. Owned. */
void *ms_mem_alloc(size_t n_bytes);
void *ms_mem_alloc_array(size_t n, size_t size);

/* The same, zeroed. */
void *ms_mem_zalloc(size_t n_bytes);
void *ms_mem_zalloc_array(size_t n, size_t size);

/* Grows or makes (p == NULL) an array; the old block stays valid when NULL comes back. n_old elements are kept. */
void *ms_mem_grow_array(void *p, size_t n_old, size_t n_new, size_t size);

/* NULL-safe. */
void ms_mem_free(void *p);

/* A copy of n bytes plus a terminating 0. Owned. */
char *ms_mem_copy_text(const char *text, size_t n);

/* For a program, once, before all else; a library leaves the allocator of its host alone. Blocks of 128 KiB and more go back to
 * the system when they are freed: else small blocks that live on settle in the holes of large ones that come and go, and a run
 * over a million matrices held 100 MiB that nobody used. */
void ms_mem_return_large_blocks(void);

/* Tests only: the k-th allocation from now (1 = the next) fails, all others succeed; 0 switches this off.
 * ms_mem_count counts allocations since the last call of ms_mem_fail_at. */
void ms_mem_fail_at(int64_t k);
int64_t ms_mem_count(void);

#endif
