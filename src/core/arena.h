/*
 * arena: many small things that die together (parsed metadata of one checkpoint, a DOM).
 *
 *     ms_arena arena = {0};
 *     ms_thing *t = ms_arena_alloc(&arena, sizeof *t);      // 16-byte aligned; NULL when memory is short
 *     ...
 *     ms_arena_free(&arena);
 *
 * Chained blocks; what is handed out never moves. One thread at a time.
 */
#ifndef MS_ARENA_H
#define MS_ARENA_H

#include <stddef.h>

#include "str.h"

typedef struct ms_arena {
    struct ms_arena_block *newest;
    size_t n_bytes; /* handed out so far */
    size_t budget;  /* 0: none; else NULL comes back once n_bytes would exceed it */
} ms_arena;

void *ms_arena_alloc(ms_arena *arena, size_t n_bytes);
void *ms_arena_zalloc(ms_arena *arena, size_t n_bytes);
void *ms_arena_alloc_array(ms_arena *arena, size_t n, size_t size);

/* A copy, terminated by a 0 that `size` does not count; text is NULL when memory is short. */
ms_str ms_arena_copy(ms_arena *arena, ms_str s);

/* printf into the arena; text is NULL when memory is short. */
ms_str ms_arena_printf(ms_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

void ms_arena_free(ms_arena *arena);

#endif
