/*
 * name_index: finds the number of a name in a list of the caller's. A map (map.h) of a million names takes 64 MiB; this takes
 * 16, because the names stay where they are.
 *
 *     static ms_str name_of(const void *list, uint32_t number) { return ((const thing *)list)[number].name; }
 *     ms_name_index index = {.list = things, .name_of = name_of};
 *     bool is_new[N];
 *     if (!ms_name_index_add(&index, first, n, is_new)) return ms_err_memory(err, "names");
 *     const uint32_t number = ms_name_index_find(&index, name);      // MS_NO_NUMBER when absent
 *     ms_name_index_free(&index);
 *
 * Names in the list must not change while they are in the index. Hashed as in map.h.
 */
#ifndef MS_NAME_INDEX_H
#define MS_NAME_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "str.h"

#define MS_NO_NUMBER UINT32_MAX

typedef struct ms_name_index {
    const void *list; /* borrowed; may move between two calls */
    ms_str (*name_of)(const void *list, uint32_t number);
    uint64_t *slots; /* owned; [n_slots], a power of two or 0; half a hash above the number + 1, 0: free */
    size_t n_slots, n;
    uint64_t key[2];
} ms_name_index;

/* Room for n names in all. False when memory is short. */
bool ms_name_index_reserve(ms_name_index *index, size_t n);

/* Puts in the numbers first .. first + n - 1, all below MS_NO_NUMBER. A name that is there already keeps its number, and is_new
 * says so: [n], may be NULL. False when memory is short. */
bool ms_name_index_add(ms_name_index *index, uint32_t first, size_t n, bool *is_new);

uint32_t ms_name_index_find(const ms_name_index *index, ms_str name);

/* From now on the name that both numbers have leads to `number`. */
void ms_name_index_replace(ms_name_index *index, uint32_t old, uint32_t number);

void ms_name_index_free(ms_name_index *index);

#endif
