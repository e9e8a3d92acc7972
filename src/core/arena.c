#include "arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "mem.h"

enum { UNIT = 16, FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 20 };

typedef struct ms_arena_block {
    struct ms_arena_block *older;
    size_t used, size; /* bytes of data, which follows the header at the next UNIT */
} ms_arena_block;

enum { HEADER = (sizeof(ms_arena_block) + UNIT - 1) / UNIT * UNIT };

static ms_arena_block *add_block(ms_arena *arena, size_t least) {
    size_t size = arena->newest ? arena->newest->size * 2 : FIRST_BLOCK;
    if (size > LARGEST_BLOCK) size = LARGEST_BLOCK;
    if (size < least) size = least;
    ms_arena_block *const block = ms_mem_alloc(HEADER + size);
    if (!block) return NULL;
    *block = (ms_arena_block){.older = arena->newest, .size = size};
    return arena->newest = block;
}

void *ms_arena_alloc(ms_arena *arena, size_t n_bytes) {
    if (n_bytes > SIZE_MAX / 2) return NULL;
    const size_t rounded = (n_bytes + UNIT - 1) / UNIT * UNIT;
    if (arena->budget && rounded > arena->budget - (arena->n_bytes < arena->budget ? arena->n_bytes : arena->budget))
        return NULL;
    ms_arena_block *block = arena->newest;
    if (!block || rounded > block->size - block->used) block = add_block(arena, rounded);
    if (!block) return NULL;
    void *const p = (char *)block + HEADER + block->used;
    block->used += rounded;
    arena->n_bytes += rounded;
    return p;
}

void *ms_arena_zalloc(ms_arena *arena, size_t n_bytes) {
    void *const p = ms_arena_alloc(arena, n_bytes);
    return p ? memset(p, 0, n_bytes) : NULL;
}

void *ms_arena_alloc_array(ms_arena *arena, size_t n, size_t size) {
    size_t n_bytes;
    return __builtin_mul_overflow(n, size, &n_bytes) ? NULL : ms_arena_alloc(arena, n_bytes);
}

ms_str ms_arena_copy(ms_arena *arena, ms_str s) {
    if (s.size == SIZE_MAX) return MS_STR_NONE;
    char *const text = ms_arena_alloc(arena, s.size + 1);
    if (!text) return MS_STR_NONE;
    if (s.size) memcpy(text, s.text, s.size);
    text[s.size] = 0;
    return (ms_str){text, s.size};
}

ms_str ms_arena_printf(ms_arena *arena, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *const text = n < 0 ? NULL : ms_arena_alloc(arena, (size_t)n + 1);
    if (text) vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text ? (ms_str){text, (size_t)n} : MS_STR_NONE;
}

void ms_arena_free(ms_arena *arena) {
    for (ms_arena_block *block = arena->newest; block;) {
        ms_arena_block *const older = block->older;
        ms_mem_free(block);
        block = older;
    }
    *arena = (ms_arena){.budget = arena->budget};
}
