/*
 * Sources: numpy/random/bit_generator.pyx (SeedSequence), src/pcg64/pcg64.h, src/distributions/distributions.c
 * (random_bounded_uint64), _generator.pyx (Generator.choice), as of NumPy 1.17 to 2.4.
 */
#include "numpy_random.h"

#include <string.h>

#include "mem.h"

/* ---- SeedSequence: an integer becomes eight well-mixed words ---- */

enum { POOL = 4, STATE_WORDS = 8 };

static uint32_t mix_hash(uint32_t value, uint32_t *constant, uint32_t multiplier) {
    value ^= *constant;
    *constant *= multiplier;
    value *= *constant;
    return value ^ value >> 16;
}

static uint32_t mix_pair(uint32_t x, uint32_t y) {
    const uint32_t mixed = 0xca01f9ddu * x - 0x4973f715u * y;
    return mixed ^ mixed >> 16;
}

static void seed_words(uint64_t seed, uint32_t words[static STATE_WORDS]) {
    const uint32_t entropy[POOL] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t pool[POOL], constant = 0x43b0d7e5u;
    for (int i = 0; i < POOL; i++) pool[i] = mix_hash(entropy[i], &constant, 0x931e8875u);
    for (int from = 0; from < POOL; from++)
        for (int to = 0; to < POOL; to++)
            if (from != to) pool[to] = mix_pair(pool[to], mix_hash(pool[from], &constant, 0x931e8875u));
    constant = 0x8b51f9ddu;
    for (int i = 0; i < STATE_WORDS; i++) words[i] = mix_hash(pool[i % POOL], &constant, 0x58f38dedu);
}

/* ---- PCG64 ---- */

static unsigned __int128 join(uint64_t high, uint64_t low) { return (unsigned __int128)high << 64 | low; }

static void step(ms_numpy_random *random) {
    random->state = random->state * join(2549297995355413924u, 4865540595714422341u) + random->increment;
}

void ms_numpy_random_init(ms_numpy_random *random, uint64_t seed) {
    uint32_t w[STATE_WORDS];
    uint64_t v[4]; /* high and low word of the state, of the stream */
    seed_words(seed, w);
    for (int i = 0; i < 4; i++) v[i] = (uint64_t)w[2 * i + 1] << 32 | w[2 * i];
    *random = (ms_numpy_random){.increment = join(v[2], v[3]) << 1 | 1};
    step(random);
    random->state += join(v[0], v[1]);
    step(random);
}

uint64_t ms_numpy_random_u64(ms_numpy_random *random) {
    step(random);
    const uint64_t folded = (uint64_t)(random->state >> 64) ^ (uint64_t)random->state;
    const unsigned turn = (unsigned)(random->state >> 122);
    return folded >> turn | folded << (-turn & 63);
}

/* The low half of a word first, then the high half that was kept. */
static uint32_t next_u32(ms_numpy_random *random) {
    if (random->has_half) {
        random->has_half = false;
        return random->half;
    }
    const uint64_t word = ms_numpy_random_u64(random);
    random->has_half = true;
    random->half = (uint32_t)(word >> 32);
    return (uint32_t)word;
}

uint64_t ms_numpy_random_below_or_at(ms_numpy_random *random, uint64_t limit) {
    if (limit == 0) return 0;
    if (limit == UINT32_MAX) return next_u32(random);
    if (limit == UINT64_MAX) return ms_numpy_random_u64(random);
    if (limit < UINT32_MAX) {
        const uint32_t range = (uint32_t)limit + 1, reject = (UINT32_MAX - (uint32_t)limit) % range;
        uint64_t product = (uint64_t)next_u32(random) * range;
        while ((uint32_t)product < reject) product = (uint64_t)next_u32(random) * range;
        return product >> 32;
    }
    const uint64_t range = limit + 1, reject = (UINT64_MAX - limit) % range;
    unsigned __int128 product = (unsigned __int128)ms_numpy_random_u64(random) * range;
    while ((uint64_t)product < reject) product = (unsigned __int128)ms_numpy_random_u64(random) * range;
    return (uint64_t)(product >> 64);
}

/* ---- Generator.choice ---- */

static void swap(int64_t *a, int64_t *b) {
    const int64_t t = *a;
    *a = *b;
    *b = t;
}

/* The last k places of a Fisher-Yates shuffle of 0 .. n-1. */
static ms_status choose_by_shuffle(int64_t *out, ms_numpy_random *random, int64_t n, int64_t k, ms_err *err) {
    int64_t *const all = ms_mem_alloc_array((size_t)n, sizeof *all);
    if (!all) return ms_err_memory(err, "drawing a sample");
    for (int64_t i = 0; i < n; i++) all[i] = i;
    const int64_t stop = n - k > 1 ? n - k : 1;
    for (int64_t i = n - 1; i >= stop; i--) swap(&all[i], &all[ms_numpy_random_below_or_at(random, (uint64_t)i)]);
    memcpy(out, all + (n - k), (size_t)k * sizeof *out);
    ms_mem_free(all);
    return MS_OK;
}

/* Adds to an open-addressing set; false when it was there. empty slots hold -1. */
static bool set_add(int64_t *set, uint64_t mask, int64_t value) {
    uint64_t at = (uint64_t)value * 0x9E3779B97F4A7C15u & mask;
    for (; set[at] >= 0; at = (at + 1) & mask)
        if (set[at] == value) return false;
    set[at] = value;
    return true;
}

/* Floyd: k draws, then a full shuffle of them. */
static ms_status choose_by_floyd(int64_t *out, ms_numpy_random *random, int64_t n, int64_t k, ms_err *err) {
    uint64_t n_slots = 16;
    while (n_slots < 2 * (uint64_t)k) n_slots *= 2;
    int64_t *const set = ms_mem_alloc_array(n_slots, sizeof *set);
    if (!set) return ms_err_memory(err, "drawing a sample");
    memset(set, 0xFF, n_slots * sizeof *set);
    for (int64_t i = 0; i < k; i++) {
        const int64_t j = n - k + i, drawn = (int64_t)ms_numpy_random_below_or_at(random, (uint64_t)j);
        const bool is_new = set_add(set, n_slots - 1, drawn);
        if (!is_new) set_add(set, n_slots - 1, j);
        out[i] = is_new ? drawn : j;
    }
    for (int64_t i = k - 1; i >= 1; i--) swap(&out[i], &out[ms_numpy_random_below_or_at(random, (uint64_t)i)]);
    ms_mem_free(set);
    return MS_OK;
}

ms_status ms_numpy_choice(int64_t **out, int64_t n, int64_t k, uint64_t seed, ms_err *err) {
    MS_FAIL_IF(k < 0 || k > n || n > INT64_MAX / 16, MS_ERR_USAGE, err, "cannot choose %lld of %lld without replacement",
               (long long)k, (long long)n);
    int64_t *const chosen = ms_mem_alloc_array((size_t)k, sizeof *chosen);
    if (!chosen) return ms_err_memory(err, "a sample");
    ms_numpy_random random;
    ms_numpy_random_init(&random, seed);
    const bool shuffle = n > 10000 && k > n / 50;
    const ms_status status =
        shuffle ? choose_by_shuffle(chosen, &random, n, k, err) : choose_by_floyd(chosen, &random, n, k, err);
    if (status != MS_OK) {
        ms_mem_free(chosen);
        return status;
    }
    *out = chosen;
    return MS_OK;
}
