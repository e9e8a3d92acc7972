/*
 * test: tests that are sentences; they register themselves and run under `moescope_tests [-v] [GLOB ...]`.
 *
 *     TEST(moments_of_nothing_are_nan) { CHECK(isnan(ms_moments_mean(&m))); }
 *
 *     PROPERTY(merge_is_concatenation, 200) { const size_t n = gen_below(g, 300); ... }     // 200 seeds; g: ms_gen *
 *
 *     ISA_TEST(moments_kernels_agree) { want = moments_scalar(...); got = kernels[isa](...); }
 *         // once per instruction set of this machine above scalar; g is there too
 *
 * A failing CHECK prints both sides and ends the test (CHECK returns from the test function, so use it there, or in a helper
 * that returns void). The last line of a run is "N passed, N failed".
 */
#ifndef MS_TEST_H
#define MS_TEST_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "cpu.h"
#include "err.h"
#include "str.h"

typedef struct ms_gen { /* splitmix64 */
    uint64_t state;
} ms_gen;

uint64_t gen_u64(ms_gen *g);
size_t gen_below(ms_gen *g, size_t limit); /* 0 .. limit-1; limit > 0 */
double gen_unit(ms_gen *g);                /* [0, 1) */
double gen_normal(ms_gen *g);              /* mean 0, deviation 1 */
/* Fills up to n_max weights of a random kind: normal, heavy-tailed, tiny, with zeros, constant, with NaN and Inf. Returns n. */
size_t gen_weights(ms_gen *g, float *w, size_t n_max);
/* The same, finite values only. */
size_t gen_finite_weights(ms_gen *g, float *w, size_t n_max);

typedef struct ms_test ms_test;
struct ms_test {
    const char *name, *file;
    void (*run)(ms_gen *g, ms_isa isa);
    int n_seeds;
    bool every_isa;
    ms_test *next;
};
void ms_test_register(ms_test *test);
MS_PRINTF(3, 4) void ms_test_fail(const char *file, int line, const char *format, ...);
/* False, after reporting it, when they differ. A function, so that a temporary such as ms_str_shown(x).text lives long enough.
 */
bool ms_test_same_text(const char *file, int line, const char *what, const char *got, const char *want);

#define MS_TEST_DEFINE_(test_name, seeds, isas)                                                                   \
    static void test_##test_name(ms_gen *g, ms_isa isa);                                                          \
    static ms_test entry_##test_name = {                                                                          \
        .name = #test_name, .file = __FILE__, .run = test_##test_name, .n_seeds = (seeds), .every_isa = (isas)};  \
    __attribute__((constructor)) static void register_##test_name(void) { ms_test_register(&entry_##test_name); } \
    static void test_##test_name(__attribute__((unused)) ms_gen *g, __attribute__((unused)) ms_isa isa)

#define TEST(name) MS_TEST_DEFINE_(name, 1, false)
#define PROPERTY(name, n_seeds) MS_TEST_DEFINE_(name, n_seeds, false)
#define ISA_TEST(name) MS_TEST_DEFINE_(name, 20, true)

#define CHECK(condition)                                        \
    do {                                                        \
        if (!(condition)) {                                     \
            ms_test_fail(__FILE__, __LINE__, "%s", #condition); \
            return;                                             \
        }                                                       \
    } while (0)

#define CHECK_MSG(condition, ...)                          \
    do {                                                   \
        if (!(condition)) {                                \
            ms_test_fail(__FILE__, __LINE__, __VA_ARGS__); \
            return;                                        \
        }                                                  \
    } while (0)

#define CHECK_EQ_I64(got, want)                                                                       \
    do {                                                                                              \
        const int64_t got_ = (int64_t)(got), want_ = (int64_t)(want);                                 \
        CHECK_MSG(got_ == want_, "%s: got %lld, want %lld", #got, (long long)got_, (long long)want_); \
    } while (0)

/* Equal within `tolerance` absolute; NaN equals NaN. */
#define CHECK_NEAR(got, want, tolerance)                                                                \
    do {                                                                                                \
        const double got_ = (got), want_ = (want);                                                      \
        CHECK_MSG((isnan(got_) && isnan(want_)) || got_ == want_ || fabs(got_ - want_) <= (tolerance),  \
                  "%s: got %.17g, want %.17g, tolerance %.3g", #got, got_, want_, (double)(tolerance)); \
    } while (0)

/* The same bits, except that any NaN equals any NaN. */
#define CHECK_EQ_F32(got, want)                                                                                    \
    do {                                                                                                           \
        const float got_ = (got), want_ = (want);                                                                  \
        CHECK_MSG((isnan(got_) && isnan(want_)) || memcmp(&got_, &want_, 4) == 0, "%s: got %.9g, want %.9g", #got, \
                  (double)got_, (double)want_);                                                                    \
    } while (0)

/* Terminated texts. */
#define CHECK_EQ_TEXT(got, want)                                                 \
    do {                                                                         \
        if (!ms_test_same_text(__FILE__, __LINE__, #got, (got), (want))) return; \
    } while (0)

#define CHECK_EQ_STR(got, want)                                                                                \
    do {                                                                                                       \
        const ms_str got_ = (got), want_ = ms_str_of(want);                                                    \
        CHECK_MSG(ms_str_equal(got_, want_), "%s: got '%s', want '%s'", #got, ms_str_shown(got_).text, #want); \
    } while (0)

#define CHECK_OK(call, err)                                                                     \
    do {                                                                                        \
        const ms_status status_ = (call);                                                       \
        CHECK_MSG(status_ == MS_OK, "%s: %s: %s", #call, ms_status_name(status_), (err)->text); \
    } while (0)

/* The call fails with that status, and its message holds `part`. */
#define CHECK_FAILS(call, want_status, err, part)                                                                       \
    do {                                                                                                                \
        (err)->text[0] = 0;                                                                                             \
        const ms_status status_ = (call);                                                                               \
        CHECK_MSG(status_ == (want_status) && strstr((err)->text, (part)), "%s: got %s '%s', want %s with '%s'", #call, \
                  ms_status_name(status_), (err)->text, ms_status_name(want_status), (part));                           \
    } while (0)

/* A fresh folder for this test, removed when the program ends; valid until the next call. */
const char *test_folder(void);

/* Replaces the contents of *out (an empty buf, or one of an earlier call) by those of a file; false, reported, when it cannot.
 */
bool test_read_file(ms_buf *out, const char *path);

#endif
