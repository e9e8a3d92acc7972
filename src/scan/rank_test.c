#include "rank.h"

#include <stdlib.h>

#include "test.h"

static int by_value(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

enum { MOST = 60000 };

/* Keys of many kinds, and the same sorted: all over the range, close together, hardly different, all alike. */
static size_t make_keys(ms_gen *g, uint32_t *keys, uint32_t *sorted) {
    const size_t n = 1 + gen_below(g, gen_below(g, 2) ? MOST : 3000), kind = gen_below(g, 5);
    for (size_t i = 0; i < n; i++) {
        const uint64_t any = gen_u64(g) & 0x7FFFFFFF;
        const float ratio = 3 + (float)gen_normal(g) / 4;
        keys[i] = (uint32_t)(kind == 0 ? any >> gen_below(g, 31) : kind == 1 ? 15000 + any % 3000 : kind == 2 ? any % 3 : 77);
        if (kind == 4) memcpy(&keys[i], &ratio, sizeof ratio);
    }
    memcpy(sorted, keys, n * sizeof *keys);
    qsort(sorted, n, sizeof *sorted, by_value);
    return n;
}

PROPERTY(rank_sort_sorts, 50) {
    static uint32_t keys[MOST], sorted[MOST], spare[MOST];
    const size_t n = make_keys(g, keys, sorted);
    ms_rank_sort(keys, spare, n);
    CHECK(memcmp(keys, sorted, n * sizeof *keys) == 0);
}

PROPERTY(rank_keys_are_those_of_the_sorted_list, 50) {
    static uint32_t keys[MOST], sorted[MOST], spare[MOST];
    const size_t n = make_keys(g, keys, sorted);
    uint64_t ranks[4] = {0, gen_below(g, n), 0, n - 1};
    uint32_t found[4];
    ranks[2] = ranks[1] + gen_below(g, n - ranks[1]);
    ms_rank_keys(keys, n, ranks, 4, spare, found);
    for (int r = 0; r < 4; r++) CHECK_EQ_I64(found[r], sorted[ranks[r]]);
}

/* As the neighbours of two percentiles of few keys: 0.99 and 0.999 of 7 keys lie both between the last two. */
PROPERTY(rank_keys_may_step_back, 50) {
    static uint32_t keys[MOST], sorted[MOST], spare[MOST];
    const size_t n = make_keys(g, keys, sorted);
    const uint64_t low = gen_below(g, n), high = low + 1 < n ? low + 1 : low, ranks[4] = {low, high, low, high};
    uint32_t found[4];
    ms_rank_keys(keys, n, ranks, 4, spare, found);
    for (int r = 0; r < 4; r++) CHECK_EQ_I64(found[r], sorted[ranks[r]]);
}

PROPERTY(rank_pair_finds_two_neighbours_and_leaves_the_keys_alone, 100) {
    static uint32_t keys[MOST], before[MOST], sorted[MOST], spare[MOST + MS_BRACKET_SLACK];
    const size_t n = make_keys(g, keys, sorted);
    const uint64_t low = gen_below(g, 3) ? gen_below(g, n) : gen_below(g, 2) ? n - 1 : 0, high = low + 1 < n ? low + 1 : low;
    uint32_t found[2];
    memcpy(before, keys, n * sizeof *keys);
    ms_rank_pair(keys, n, low, high, spare, found);
    CHECK_EQ_I64(found[0], sorted[low]);
    CHECK_EQ_I64(found[1], sorted[high]);
    CHECK(memcmp(keys, before, n * sizeof *keys) == 0);
}
