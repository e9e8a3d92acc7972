#include "name_index.h"

#include "mem.h"
#include "siphash.h"

/* A slot holds the lower half of the hash, which also says where it belongs: so a table grows without its names. */
static uint64_t slot_of(uint64_t hash, uint32_t number) { return hash << 32 | ((uint64_t)number + 1); }

static uint32_t number_of(uint64_t slot) { return (uint32_t)slot - 1; }

/* The place of the name, or the free one where it belongs. There always is a free one: the table is at most 3/4 full. */
static uint64_t *probe(const ms_name_index *index, ms_str name, uint64_t hash) {
    const size_t mask = index->n_slots - 1;
    for (size_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        uint64_t *const slot = &index->slots[i];
        if (*slot == 0) return slot;
        if (*slot >> 32 == (uint32_t)hash && ms_str_equal(index->name_of(index->list, number_of(*slot)), name)) return slot;
    }
}

static bool grow_to(ms_name_index *index, size_t n_slots) {
    uint64_t *const slots = ms_mem_zalloc_array(n_slots, sizeof *slots);
    if (!slots) return false;
    if (index->n_slots == 0) ms_siphash_new_key(index->key, slots);
    for (size_t i = 0; i < index->n_slots; i++) {
        if (index->slots[i] == 0) continue;
        size_t at = (size_t)(index->slots[i] >> 32) & (n_slots - 1);
        while (slots[at]) at = (at + 1) & (n_slots - 1);
        slots[at] = index->slots[i];
    }
    ms_mem_free(index->slots);
    index->slots = slots;
    index->n_slots = n_slots;
    return true;
}

bool ms_name_index_reserve(ms_name_index *index, size_t n) {
    size_t n_slots = index->n_slots ? index->n_slots : 64;
    while (n_slots / 4 * 3 < n) {
        if (n_slots > SIZE_MAX / 2) return false;
        n_slots *= 2;
    }
    return n_slots == index->n_slots || grow_to(index, n_slots);
}

/* A few at a time: the places of all of them are fetched while the first is put in. */
bool ms_name_index_add(ms_name_index *index, uint32_t first, size_t n, bool *is_new) {
    enum { AHEAD = 16 };
    uint64_t hashes[AHEAD];
    if (!ms_name_index_reserve(index, index->n + n)) return false;
    for (size_t from = 0; from < n; from += AHEAD) {
        const size_t count = n - from < AHEAD ? n - from : AHEAD;
        const uint32_t number = first + (uint32_t)from;
        for (size_t i = 0; i < count; i++) {
            hashes[i] = ms_siphash(index->key, index->name_of(index->list, number + (uint32_t)i));
            __builtin_prefetch(&index->slots[(uint32_t)hashes[i] & (index->n_slots - 1)], 1);
        }
        for (size_t i = 0; i < count; i++) {
            uint64_t *const slot = probe(index, index->name_of(index->list, number + (uint32_t)i), hashes[i]);
            const bool fresh = *slot == 0;
            if (fresh) *slot = slot_of(hashes[i], number + (uint32_t)i);
            index->n += fresh;
            if (is_new) is_new[from + i] = fresh;
        }
    }
    return true;
}

uint32_t ms_name_index_find(const ms_name_index *index, ms_str name) {
    if (index->n == 0) return MS_NO_NUMBER;
    const uint64_t *const slot = probe(index, name, ms_siphash(index->key, name));
    return *slot ? number_of(*slot) : MS_NO_NUMBER;
}

void ms_name_index_replace(ms_name_index *index, uint32_t old, uint32_t number) {
    const ms_str name = index->name_of(index->list, old);
    uint64_t *const slot = probe(index, name, ms_siphash(index->key, name));
    if (*slot) *slot = *slot >> 32 << 32 | ((uint64_t)number + 1);
}

void ms_name_index_free(ms_name_index *index) {
    ms_mem_free(index->slots);
    index->slots = NULL;
    index->n_slots = index->n = 0;
}
