#include "map.h"

#include "mem.h"
#include "siphash.h"

typedef struct ms_map_slot {
    ms_str key; /* text NULL: free */
    uint64_t hash;
    size_t value;
} ms_map_slot;

/* The slot of the key, or the free one where it belongs. There always is a free one: the table is at most 3/4 full. */
static ms_map_slot *probe(const ms_map *map, ms_str key, uint64_t hash) {
    size_t i = (size_t)hash & (map->n_slots - 1);
    for (;; i = (i + 1) & (map->n_slots - 1)) {
        ms_map_slot *const slot = &map->slots[i];
        if (!slot->key.text || (slot->hash == hash && ms_str_equal(slot->key, key))) return slot;
    }
}

static bool grow(ms_map *map) {
    ms_map bigger = *map;
    bigger.n_slots = map->n_slots ? map->n_slots * 2 : 64;
    bigger.slots = ms_mem_zalloc_array(bigger.n_slots, sizeof *bigger.slots);
    if (!bigger.slots) return false;
    if (map->n_slots == 0) ms_siphash_new_key(bigger.key, bigger.slots);
    for (size_t i = 0; i < map->n_slots; i++)
        if (map->slots[i].key.text) *probe(&bigger, map->slots[i].key, map->slots[i].hash) = map->slots[i];
    ms_mem_free(map->slots);
    *map = bigger;
    return true;
}

static bool has_room(const ms_map *map) { return map->n + 1 <= map->n_slots / 4 * 3; }

bool ms_map_add(ms_map *map, ms_str key, size_t value, size_t **slot_out, bool *is_new) {
    if (!has_room(map) && !grow(map)) return false;
    if (!key.text) key.text = "";
    const uint64_t hash = ms_siphash(map->key, key);
    ms_map_slot *const slot = probe(map, key, hash);
    const bool fresh = !slot->key.text;
    if (fresh) {
        *slot = (ms_map_slot){.key = key, .hash = hash, .value = value};
        map->n++;
    }
    if (slot_out) *slot_out = &slot->value;
    if (is_new) *is_new = fresh;
    return true;
}

size_t *ms_map_find(const ms_map *map, ms_str key) {
    if (map->n == 0) return NULL;
    if (!key.text) key.text = "";
    ms_map_slot *const slot = probe(map, key, ms_siphash(map->key, key));
    return slot->key.text ? &slot->value : NULL;
}

void ms_map_free(ms_map *map) {
    ms_mem_free(map->slots);
    *map = (ms_map){0};
}
