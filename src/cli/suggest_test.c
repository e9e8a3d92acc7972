#include "suggest.h"

#include "test.h"

static const char *const words[] = {"inspect", "init", NULL, "collect", "tables", "tensors", "report", "no-color"};
enum { N_WORDS = sizeof words / sizeof words[0] };

TEST(suggest_counts_single_slips) {
    CHECK_EQ_I64(ms_suggest_distance("", ""), 0);
    CHECK_EQ_I64(ms_suggest_distance("", "abc"), 3);
    CHECK_EQ_I64(ms_suggest_distance("inspcet", "inspect"), 1); /* swapped */
    CHECK_EQ_I64(ms_suggest_distance("inspet", "inspect"), 1);  /* left out */
    CHECK_EQ_I64(ms_suggest_distance("insspect", "inspect"), 1);
    CHECK_EQ_I64(ms_suggest_distance("inspext", "inspect"), 1);
    CHECK_EQ_I64(ms_suggest_distance("kitten", "sitting"), 3);
}

TEST(suggest_finds_the_nearest_and_nothing_far) {
    CHECK_EQ_TEXT(ms_suggest("inspcet", words, N_WORDS), "inspect");
    CHECK_EQ_TEXT(ms_suggest("insp", words, N_WORDS), "inspect");
    CHECK_EQ_TEXT(ms_suggest("colect", words, N_WORDS), "collect");
    CHECK_EQ_TEXT(ms_suggest("tenors", words, N_WORDS), "tensors");
    CHECK(ms_suggest("frobnicate", words, N_WORDS) == NULL);
    CHECK(ms_suggest("x", words, N_WORDS) == NULL);
    CHECK(ms_suggest("", words, N_WORDS) == NULL);
}

TEST(suggest_takes_words_of_any_length) {
    char long_word[200];
    memset(long_word, 'a', sizeof long_word);
    long_word[sizeof long_word - 1] = 0;
    CHECK_EQ_I64(ms_suggest_distance(long_word, "a"), 99);
    CHECK(ms_suggest(long_word, words, N_WORDS) == NULL);
}

/* Distance is symmetric, zero only for equals, at most the longer length, and one edit away is one. */
PROPERTY(suggest_distance_is_a_distance, 300) {
    char a[12], b[12];
    const size_t n_a = gen_below(g, 10), n_b = gen_below(g, 10);
    for (size_t i = 0; i < n_a; i++) a[i] = (char)('a' + gen_below(g, 3));
    for (size_t i = 0; i < n_b; i++) b[i] = (char)('a' + gen_below(g, 3));
    a[n_a] = b[n_b] = 0;
    const int d = ms_suggest_distance(a, b);
    CHECK_EQ_I64(d, ms_suggest_distance(b, a));
    CHECK((d == 0) == (strcmp(a, b) == 0));
    CHECK(d <= (int)(n_a > n_b ? n_a : n_b));
    CHECK(d >= (int)(n_a > n_b ? n_a - n_b : n_b - n_a));
}
