#include "select.h"

#include <stdlib.h>

#include "mem.h"
#include "test.h"

static int by_value(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

typedef struct trial {
    int bits;
    uint32_t limit;
    uint32_t *keys; /* [n] */
    size_t n;
    double percent[3];
} trial;

/* Runs a select over the keys, dealt to two feeders; returns how many extra passes it took, -1 on failure. */
static int run(ms_select *select, const trial *t, uint32_t *sample, size_t n_sample) {
    ms_err err;
    ms_select_feeder feeders[2] = {0};
    uint16_t narrow[MS_SELECT_RUN];
    const ms_select_options options = {.key_bits = t->bits,
                                       .limit = t->limit,
                                       .n = t->n,
                                       .percent = {t->percent[0], t->percent[1], t->percent[2]},
                                       .n_percent = 3};
    bool again = true;
    int passes = -1;
    if (ms_select_begin(select, &options, &err) != MS_OK) return -1;
    static uint32_t spare[8192];
    if (n_sample) ms_select_aim(select, sample, n_sample, spare);
    for (; again; passes++) {
        for (size_t at = 0, k = 0; at < t->n; at += MS_SELECT_RUN, k++) {
            const size_t n = t->n - at < MS_SELECT_RUN ? t->n - at : MS_SELECT_RUN;
            for (size_t i = 0; i < n; i++) narrow[i] = (uint16_t)(t->keys[at + i] | (i % 2 ? 0x8000 : 0));
            const void *const from = t->bits == 15 ? (const void *)narrow : t->keys + at;
            if (ms_select_feed(select, &feeders[k % 2], from, n, &err) != MS_OK) return -1;
        }
        for (int k = 0; k < 2; k++)
            if (ms_select_flush(select, &feeders[k], &err) != MS_OK) return -1;
        if (ms_select_finish(select, &again, &err) != MS_OK) return -1;
    }
    ms_select_feeder_free(&feeders[0]), ms_select_feeder_free(&feeders[1]);
    return passes;
}

static bool is_right(const ms_select *select, const trial *t) {
    uint32_t *const sorted = ms_mem_alloc_array(t->n, sizeof *sorted);
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        if (t->keys[i] < t->limit) sorted[n++] = t->keys[i];
    qsort(sorted, n, sizeof *sorted, by_value);
    bool right = select->n_numbers == n;
    for (int i = 0; i < 3 && n > 0; i++) {
        uint64_t low, high;
        double fraction;
        ms_select_place(t->percent[i], n, &low, &high, &fraction);
        right = right && select->low[i] == sorted[low] && select->high[i] == sorted[high] && select->fraction[i] == fraction;
    }
    ms_mem_free(sorted);
    return right;
}

/* Keys of many kinds; a sample that is fair, foul, or absent: the answer is always exact. */
PROPERTY(select_is_exact_whatever_the_sample_says, 150) {
    static uint32_t keys[40000], sample[2000];
    static ms_select select; /* reused from seed to seed, as the engine does */
    trial t = {.bits = gen_below(g, 2) ? 15 : 31, .keys = keys, .n = 1 + gen_below(g, 40000), .percent = {50, 99, 99.9}};
    t.limit = t.bits == 15 ? 0x7F80 : 0x7F800000;
    if (gen_below(g, 4) == 0) t.percent[0] = 0, t.percent[1] = gen_unit(g) * 100, t.percent[2] = 100;
    const size_t kind = gen_below(g, 5);
    for (size_t i = 0; i < t.n; i++) {
        const float f = (float)fabs(kind == 0   ? gen_normal(g)
                                    : kind == 1 ? 1.5
                                    : kind == 2 ? (double)gen_below(g, 3)
                                                : 0.1 * (double)i);
        memcpy(&keys[i], &f, 4);
        if (kind == 4 && gen_below(g, 100) == 0) keys[i] = 0x7F800000 + (uint32_t)gen_below(g, 9);
        if (t.bits == 15) keys[i] >>= 16;
    }
    size_t n_sample = gen_below(g, 3) ? gen_below(g, 2000) : 0, m = 0;
    const size_t reach = gen_below(g, 3) ? t.n : 1 + t.n / 10; /* foul: from a corner only */
    for (size_t i = 0; i < n_sample; i++) {
        sample[m] = keys[gen_below(g, reach)];
        m += sample[m] < t.limit;
    }
    const int passes = run(&select, &t, sample, m);
    CHECK(passes >= 0 && passes <= (t.bits == 15 ? 2 : 3));
    CHECK(is_right(&select, &t));
}

TEST(a_fair_sample_saves_the_second_pass) {
    static uint32_t keys[200000], sample[8192];
    for (size_t i = 0; i < 200000; i++) {
        const float f = (float)fabs(gen_normal(g));
        memcpy(&keys[i], &f, 4);
    }
    for (size_t i = 0; i < 8192; i++) sample[i] = keys[gen_below(g, 200000)];
    ms_select select = {0};
    trial t = {.bits = 31, .limit = 0x7F800000, .keys = keys, .n = 200000, .percent = {50, 99, 99.9}};
    CHECK_EQ_I64(run(&select, &t, sample, 8192), 0);
    CHECK(is_right(&select, &t));
    CHECK(select.n_kept < 20000);
    ms_select_free(&select);
}

/* What a sample of few places may be off by: a second bracket finds the ranks, and keeps little. */
TEST(a_sample_that_is_a_little_off_costs_one_more_bracket) {
    static uint32_t keys[200000], sample[4096];
    ms_select select = {0};
    for (int k = 0; k < 24; k++) {
        const int bits = k % 2 ? 15 : 31;
        const double scale = (double[]){0.6, 0.8, 0.9, 1.12, 1.25, 1.6}[k / 2 % 6]; /* of the sample, beside the keys */
        for (size_t i = 0; i < 200000; i++) {
            const float f = (float)fabs(gen_normal(g));
            memcpy(&keys[i], &f, 4);
            if (bits == 15) keys[i] >>= 16;
        }
        for (size_t i = 0; i < 4096; i++) {
            const float f = (float)fabs(scale * gen_normal(g));
            memcpy(&sample[i], &f, 4);
            if (bits == 15) sample[i] >>= 16;
        }
        trial t = {
            .bits = bits, .limit = bits == 15 ? 0x7F80 : 0x7F800000, .keys = keys, .n = 200000, .percent = {50, 99, 99.9}};
        CHECK_EQ_I64(run(&select, &t, sample, 4096), 1);
        CHECK(is_right(&select, &t));
        CHECK(select.moved && select.pass == 0);
        CHECK(fabs(scale - 1) > 0.15 || select.n_kept < 40000);
    }
    ms_select_free(&select);
}

/* More keys than there is room for, and no sample: two more passes. */
TEST(select_needs_no_memory_in_proportion) {
    const size_t n = MS_SELECT_ROOM + 100000;
    uint32_t *const keys = ms_mem_alloc_array(n, sizeof *keys);
    for (size_t i = 0; i < n; i++) keys[i] = (uint32_t)(gen_u64(g) >> 34);
    ms_select select = {0};
    trial t = {.bits = 31, .limit = 0x7F800000, .keys = keys, .n = n, .percent = {1, 50, 99}};
    CHECK_EQ_I64(run(&select, &t, NULL, 0), 2);
    CHECK(is_right(&select, &t));
    ms_select_free(&select);
    ms_mem_free(keys);
}

TEST(quantiles_follow_numpys_rule) {
    uint64_t low, high;
    double t;
    ms_select_place(99, 64, &low, &high, &t); /* 62.37 */
    CHECK(low == 62 && high == 63);
    CHECK_NEAR(t, 0.37, 1e-13);
    ms_select_place(100, 64, &low, &high, &t);
    CHECK(low == 63 && high == 63 && t == 0);
    ms_select_place(50, 1, &low, &high, &t);
    CHECK(low == 0 && high == 0 && t == 0);
    CHECK(ms_select_between(1, 2, 0.25) == 1.25 && ms_select_between(0.1, 0.3, 0.75) == 0.3 - (0.3 - 0.1) * 0.25);
}
