/*
 * map: text to a size_t, for names that come from files (name_index.h: for very many of them).
 *
 *     ms_map by_name = {0};
 *     size_t *slot; bool is_new;
 *     if (!ms_map_add(&by_name, name, i, &slot, &is_new)) return ms_err_memory(err, "names");
 *     if (!is_new) ... *slot is the value of the first one ...
 *     const size_t *found = ms_map_find(&by_name, name);      // NULL when absent
 *     ms_map_free(&by_name);
 *
 * Keys are borrowed and must outlive the map. Hashed with SipHash-1-3 under a random key per map (siphash.h), so that a
 * hostile file cannot make it slow. Not to be iterated: keep a vector beside it, so that output never depends on the hash.
 */
#ifndef MS_MAP_H
#define MS_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "str.h"

typedef struct ms_map {
    struct ms_map_slot *slots; /* owned; [n_slots], n_slots a power of two or 0 */
    size_t n_slots, n;
    uint64_t key[2];
} ms_map;

/* False when memory is short. *slot (may be NULL): where the value lies, valid until the next add. */
bool ms_map_add(ms_map *map, ms_str key, size_t value, size_t **slot, bool *is_new);
size_t *ms_map_find(const ms_map *map, ms_str key);
void ms_map_free(ms_map *map);

#endif
