#include "numpy_random.h"

#include "mem.h"
#include "test.h"

/* All vectors: NumPy 2.4.6, default_rng(1337); the first five also 1.24. */
static const struct {
    int64_t n, k;
    int64_t first[10];
    int n_first;
    int64_t sum;
} vectors[] = {
    {1000, 10, {917, 721, 184, 874, 390, 944, 289, 541, 871, 537}, 10, 6268},
    {1572864, 8192, {415002, 654383, 82246, 1496244, 892846}, 5, 6377547472},
    {786432, 8192, {686411, 541022, 340594, 639215, 46452}, 5, 3190894602},
    {200000, 8192, {94036, 58899, 173678, 82514}, 4, 808375893},
    {5000000, 8192, {3811755, 3875309, 685587}, 3, 20282020686},
    {10, 10, {3, 2, 9, 5, 6, 1, 7, 0, 4, 8}, 10, 45},
    {10001, 201, {2050, 3859, 466, 8918, 218, 9513, 2394, 1295, 8275, 5907}, 10, 957233},
    {10001, 200, {5547, 2536, 6260, 1701, 9284, 1735, 9095, 7605, 3937, 2192}, 10, 972873},
    {1, 1, {0}, 1, 0},
    {5, 0, {0}, 0, 0},
};

TEST(samples_are_those_of_numpy) {
    for (size_t v = 0; v < sizeof vectors / sizeof *vectors; v++) {
        ms_err err;
        int64_t *got;
        CHECK_OK(ms_numpy_choice(&got, vectors[v].n, vectors[v].k, 1337, &err), &err);
        int64_t sum = 0;
        for (int64_t i = 0; i < vectors[v].k; i++) sum += got[i];
        for (int i = 0; i < vectors[v].n_first; i++)
            CHECK_MSG(got[i] == vectors[v].first[i], "n %lld, place %d", (long long)vectors[v].n, i);
        CHECK_EQ_I64(sum, vectors[v].sum);
        ms_mem_free(got);
    }
}

PROPERTY(a_sample_has_no_number_twice, 50) {
    ms_err err;
    const int64_t n = 1 + (int64_t)gen_below(g, 30000), k = (int64_t)gen_below(g, (size_t)n + 1);
    int64_t *got;
    CHECK_OK(ms_numpy_choice(&got, n, k, gen_u64(g), &err), &err);
    static bool seen[30000];
    memset(seen, 0, sizeof seen);
    bool fine = true;
    for (int64_t i = 0; i < k; i++) {
        fine = fine && got[i] >= 0 && got[i] < n && !seen[got[i]];
        if (fine) seen[got[i]] = true;
    }
    ms_mem_free(got);
    CHECK(fine);
}

TEST(a_sample_larger_than_its_population_is_refused) {
    ms_err err;
    int64_t *got = NULL;
    CHECK_FAILS(ms_numpy_choice(&got, 3, 4, 1, &err), MS_ERR_USAGE, &err, "4 of 3");
    CHECK_FAILS(ms_numpy_choice(&got, 3, -1, 1, &err), MS_ERR_USAGE, &err, "-1 of 3");
}

TEST(a_sample_survives_failing_allocations) {
    const int64_t sizes[][2] = {{20000, 1000}, {20000, 10}};
    for (int v = 0; v < 2; v++)
        for (int64_t at = 1; at <= 2; at++) {
            ms_err err;
            int64_t *got = NULL;
            ms_mem_fail_at(at);
            const ms_status status = ms_numpy_choice(&got, sizes[v][0], sizes[v][1], 1, &err);
            ms_mem_fail_at(0);
            CHECK(status == MS_ERR_MEMORY && !got);
        }
}
