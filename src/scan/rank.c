#include "rank.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { BINS = 1 << 15, SMALL = 1024, PILOT = 512 };

/* ---- by counting: keys that lie close together, as 15-bit ones do ---- */

/* False when they do not lie close together. count: [BINS], of keys from *low on. */
static bool count_keys(const uint32_t *keys, size_t n, uint32_t *count, uint32_t *low) {
    uint32_t least = UINT32_MAX, most = 0;
    for (size_t i = 0; i < n; i++) {
        least = keys[i] < least ? keys[i] : least;
        most = keys[i] > most ? keys[i] : most;
    }
    if (most - least >= BINS || (most - least) / 8 >= n) return false;
    memset(count, 0, (most - least + 1) * sizeof *count);
    for (size_t i = 0; i < n; i++) count[keys[i] - least]++;
    *low = least;
    return true;
}

static bool sort_by_counting(uint32_t *keys, size_t n) {
    uint32_t count[BINS], low;
    if (!count_keys(keys, n, count, &low)) return false;
    for (uint32_t key = low, *out = keys; out < keys + n; key++)
        for (uint32_t left = count[key - low]; left > 0; left--) *out++ = key;
    return true;
}

static bool ranks_by_counting(const uint32_t *keys, size_t n, const uint64_t *ranks, size_t n_ranks, uint32_t *out) {
    uint32_t count[BINS], low, bin = 0;
    uint64_t before = 0; /* keys in the bins before this one */
    if (!count_keys(keys, n, count, &low)) return false;
    for (size_t r = 0; r < n_ranks; r++) {
        while (ranks[r] < before) before -= count[--bin];
        for (; ranks[r] >= before + count[bin]; bin++) before += count[bin];
        out[r] = low + bin;
    }
    return true;
}

/* ---- by digits ---- */

/* Digits of 8 bits for few keys, of 11 bits for many; a digit that is alike in all keys is passed over. */
static void sort_by_digits(uint32_t *keys, uint32_t *spare, size_t n) {
    const int bits = n <= 2 * SMALL ? 8 : 11, n_digits = bits == 8 ? 4 : 3;
    const uint32_t mask = (1u << bits) - 1;
    uint32_t count[3 * 2048]; /* [n_digits, mask + 1] */
    uint32_t *from = keys, *to = spare;
    memset(count, 0, (size_t)n_digits * (mask + 1) * sizeof *count);
    for (size_t i = 0; i < n; i++)
        for (int d = 0; d < n_digits; d++) count[(uint32_t)d * (mask + 1) + (keys[i] >> d * bits & mask)]++;
    for (int d = 0; d < n_digits; d++) {
        uint32_t *const c = count + (uint32_t)d * (mask + 1);
        if (c[from[0] >> d * bits & mask] == n) continue;
        for (uint32_t b = 0, sum = 0; b <= mask; b++) {
            const uint32_t here = c[b];
            c[b] = sum;
            sum += here;
        }
        for (size_t i = 0; i < n; i++) to[c[from[i] >> d * bits & mask]++] = from[i];
        uint32_t *const t = from;
        from = to;
        to = t;
    }
    if (from != keys) memcpy(keys, from, n * sizeof *keys);
}

void ms_rank_sort(uint32_t *keys, uint32_t *spare, size_t n) {
    if (n > 1 && !sort_by_counting(keys, n)) sort_by_digits(keys, spare, n);
}

/* The key of that rank among keys: [n], digit by digit: for keys that hardly differ. */
static uint32_t key_by_digits(const uint32_t *keys, size_t n, uint64_t rank) {
    uint32_t found = 0, mask = 0;
    for (int shift = 24; shift >= 0; shift -= 8) {
        uint64_t count[256] = {0};
        for (size_t i = 0; i < n; i++) count[keys[i] >> shift & 255] += (keys[i] & mask) == found;
        uint32_t digit = 0;
        for (; rank >= count[digit]; digit++) rank -= count[digit];
        found |= digit << shift;
        mask |= 255u << shift;
    }
    return found;
}

/* ---- by narrowing ---- */

/* A sorted sample of keys: [n], one from each of equal stretches, not at even distances: rows have a period. */
static void take_pilot(uint32_t pilot[static PILOT], const uint32_t *keys, size_t n) {
    uint32_t spare[PILOT];
    const uint64_t stretch = n / PILOT;
    for (uint64_t i = 0; i < PILOT; i++) pilot[i] = keys[i * stretch + ((i + 1) * 0x9E3779B9u % 0x100000000u * stretch >> 32)];
    ms_rank_sort(pilot, spare, PILOT);
}

/* The keys of ranks low <= high, close together, among keys: [n]. Narrows by pilot samples into spare: [n + MS_BRACKET_SLACK].
 * False: that led nowhere. */
static bool ranks_by_narrowing(const uint32_t *keys, size_t n, uint64_t low, uint64_t high, uint32_t *spare, uint32_t out[2]) {
    uint32_t pilot[PILOT], scratch[SMALL];
    while (n > SMALL) {
        take_pilot(pilot, keys, n);
        const double size = (double)PILOT, p = (double)low / (double)n, margin = 4 * sqrt(size * p * (1 - p)) + 2;
        const int64_t from = (int64_t)(p * size - margin), to = (int64_t)(p * size + margin) + 1;
        const ms_bracket inside = {from > 0 ? pilot[from] : 0, to < PILOT ? pilot[to] + 1 : 0x80000000u, UINT32_MAX};
        uint64_t n_low = 0;
        /* into spare also from spare: what is kept never overtakes what is read */
        const size_t n_inside = ms_bracket_u32(keys, n, &inside, &n_low, spare);
        if (low < n_low || high >= n_low + n_inside || n_inside > n / 2) return false;
        n = n_inside;
        keys = spare;
        low -= n_low;
        high -= n_low;
    }
    if (keys != spare) memcpy(spare, keys, n * sizeof *keys);
    ms_rank_sort(spare, scratch, n);
    out[0] = spare[low];
    out[1] = spare[high];
    return true;
}

/* ---- all ways ---- */

void ms_rank_pair(const uint32_t *keys, size_t n, uint64_t low, uint64_t high, uint32_t *spare, uint32_t out[2]) {
    if (ranks_by_narrowing(keys, n, low, high, spare, out)) return;
    out[0] = key_by_digits(keys, n, low);
    out[1] = high == low ? out[0] : key_by_digits(keys, n, high);
}

void ms_rank_keys(uint32_t *keys, size_t n, const uint64_t *ranks, size_t n_ranks, uint32_t *spare, uint32_t *out) {
    if (ranks_by_counting(keys, n, ranks, n_ranks, out)) return;
    ms_rank_sort(keys, spare, n);
    for (size_t r = 0; r < n_ranks; r++) out[r] = keys[ranks[r]];
}
