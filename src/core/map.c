#include "map.h"

#include <sys/random.h>

#include "mem.h"

typedef struct ms_map_slot {
    ms_str key; /* text NULL: free */
    uint64_t hash;
    size_t value;
} ms_map_slot;

static inline uint64_t rotl(uint64_t x, int n) { return x << n | x >> (64 - n); }

static inline void sip_round(uint64_t v[static 4]) {
    v[0] += v[1], v[1] = rotl(v[1], 13) ^ v[0], v[0] = rotl(v[0], 32);
    v[2] += v[3], v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = rotl(v[1], 17) ^ v[2], v[2] = rotl(v[2], 32);
}

/* SipHash-1-3 (Aumasson, Bernstein 2012). */
static uint64_t sip_hash(const uint64_t key[static 2], ms_str s) {
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du, key[0] ^ 0x6c7967656e657261u,
                     key[1] ^ 0x7465646279746573u};
    size_t i = 0;
    for (; i + 8 <= s.size; i += 8) {
        uint64_t word;
        memcpy(&word, s.text + i, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)s.size << 56;
    for (size_t k = 0; i + k < s.size; k++) last |= (uint64_t)(unsigned char)s.text[i + k] << (8 * k);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_round(v), sip_round(v), sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The slot of the key, or the free one where it belongs. There always is a free one: the table is at most 3/4 full. */
static ms_map_slot *probe(const ms_map *map, ms_str key, uint64_t hash) {
    size_t i = (size_t)hash & (map->n_slots - 1);
    for (;; i = (i + 1) & (map->n_slots - 1)) {
        ms_map_slot *const slot = &map->slots[i];
        if (!slot->key.text || (slot->hash == hash && ms_str_equal(slot->key, key))) return slot;
    }
}

static bool grow_to(ms_map *map, size_t n_slots) {
    ms_map bigger = *map;
    bigger.n_slots = n_slots;
    bigger.slots = ms_mem_zalloc_array(bigger.n_slots, sizeof *bigger.slots);
    if (!bigger.slots) return false;
    if (map->n_slots == 0 && getrandom(bigger.key, sizeof bigger.key, GRND_NONBLOCK) != sizeof bigger.key)
        bigger.key[0] = (uint64_t)(uintptr_t)bigger.slots; /* no entropy yet: the address will do */
    for (size_t i = 0; i < map->n_slots; i++)
        if (map->slots[i].key.text) *probe(&bigger, map->slots[i].key, map->slots[i].hash) = map->slots[i];
    ms_mem_free(map->slots);
    *map = bigger;
    return true;
}

static bool grow(ms_map *map) { return grow_to(map, map->n_slots ? map->n_slots * 2 : 64); }

bool ms_map_reserve(ms_map *map, size_t n) {
    size_t n_slots = 64;
    while (n_slots / 4 * 3 < n) {
        if (n_slots > SIZE_MAX / 2) return false;
        n_slots *= 2;
    }
    return n_slots <= map->n_slots || grow_to(map, n_slots);
}

static bool add_hashed(ms_map *map, ms_str key, uint64_t hash, size_t value, size_t **slot_out, bool *is_new) {
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

static bool has_room(const ms_map *map) { return map->n + 1 <= map->n_slots / 4 * 3; }

bool ms_map_add(ms_map *map, ms_str key, size_t value, size_t **slot, bool *is_new) {
    if (!has_room(map) && !grow(map)) return false;
    if (!key.text) key.text = "";
    return add_hashed(map, key, sip_hash(map->key, key), value, slot, is_new);
}

bool ms_map_add_many(ms_map *map, const ms_str *keys, size_t n, size_t first_value, bool *is_new) {
    enum { AHEAD = 16 };
    uint64_t hashes[AHEAD];
    if (!ms_map_reserve(map, map->n + n)) return false;
    for (size_t from = 0; from < n; from += AHEAD) {
        const size_t count = n - from < AHEAD ? n - from : AHEAD;
        for (size_t i = 0; i < count; i++) {
            hashes[i] = sip_hash(map->key, keys[from + i]);
            __builtin_prefetch(&map->slots[(size_t)hashes[i] & (map->n_slots - 1)], 1);
        }
        for (size_t i = 0; i < count; i++) {
            const ms_str key = keys[from + i].text ? keys[from + i] : MS_STR("");
            add_hashed(map, key, hashes[i], first_value + from + i, NULL, &is_new[from + i]);
        }
    }
    return true;
}

size_t *ms_map_find(const ms_map *map, ms_str key) {
    if (map->n == 0) return NULL;
    if (!key.text) key.text = "";
    ms_map_slot *const slot = probe(map, key, sip_hash(map->key, key));
    return slot->key.text ? &slot->value : NULL;
}

void ms_map_free(ms_map *map) {
    ms_mem_free(map->slots);
    *map = (ms_map){0};
}
