#include "proj_alias.h"

#include "mem.h"
#include "test.h"

static const ms_str down[] = {{"down_proj", 9}, {"w2", 2}, {".down.", 6}, {"ffn_down", 8}};
static const ms_str gate[] = {{"gate_proj", 9}, {"w1", 2}, {".gate.", 6}, {"ffn_gate", 8}};
static const ms_str up[] = {{"up_proj", 7}, {"w3", 2}, {".up.", 4}, {"ffn_up", 6}};
static const ms_proj_alias items[] = {{{"down_proj", 9}, down, 4}, {{"gate_proj", 9}, gate, 4}, {{"up_proj", 7}, up, 4}};
static const ms_proj_aliases map = {items, 3};

static const char *infer(const char *name) {
    const ms_str found = ms_proj_infer(&map, ms_str_of(name));
    return found.text ? found.text : "none";
}

TEST(proj_alias_finds_whole_tokens_only) {
    CHECK_EQ_TEXT(infer("model.layers.0.mlp.experts.3.down_proj.weight"), "down_proj");
    CHECK_EQ_TEXT(infer("layers.0.experts.3.w1.weight"), "gate_proj");
    CHECK_EQ_TEXT(infer("layers.0.experts.3.w13.weight"), "none");
    CHECK_EQ_TEXT(infer("experts.down_proj_bias"), "none");
    CHECK_EQ_TEXT(infer("experts.gate_up_proj"), "none");
    CHECK_EQ_TEXT(infer("W3"), "up_proj");
    CHECK_EQ_TEXT(infer("w2"), "down_proj");
    CHECK_EQ_TEXT(infer("experts-w2/weight"), "down_proj");
    CHECK_EQ_TEXT(infer(""), "none");
}

TEST(proj_alias_between_dots_is_a_plain_substring) {
    CHECK_EQ_TEXT(infer("mlp.gate.weight"), "gate_proj");
    CHECK_EQ_TEXT(infer("mlp.gate"), "none");
    CHECK_EQ_TEXT(infer("x.UP.y"), "up_proj");
}

TEST(proj_alias_first_canonical_of_the_map_wins) { CHECK_EQ_TEXT(infer("up_proj.w2.gate_proj"), "down_proj"); }

TEST(proj_alias_knows_canonical_names_in_any_case) {
    CHECK_EQ_STR(ms_proj_canonical(&map, MS_STR("Gate_Proj")), "gate_proj");
    CHECK(!ms_proj_canonical(&map, MS_STR("w1")).text);
}

/* Values of Python's difflib.SequenceMatcher(None, a, b).ratio(). */
TEST(proj_alias_ratio_is_that_of_difflib) {
    static const struct {
        const char *a, *b;
        double ratio;
    } cases[] = {
        {"w3", "w13", 0.8},
        {".up.", "up", 2.0 / 3},
        {"gate_proj", "gate_up_proj", 0.8571428571428571},
        {"", "", 1.0},
        {"", "x", 0.0},
        {"abcd", "bcde", 0.75},
        {"qabxcd", "abycdf", 2.0 / 3},
        {"private Thread currentThread;", "private volatile Thread currentThread;", 0.8656716417910447},
        {"ffn_down", "down_ffn", 0.5},
        {"\xC3\xA9t\xC3\xA9", "\xC3\xA9", 0.5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double ratio;
        ms_err err;
        CHECK_OK(ms_text_ratio(ms_str_of(cases[i].a), ms_str_of(cases[i].b), &ratio, &err), &err);
        CHECK_NEAR(ratio, cases[i].ratio, 0);
    }
}

/* 240 characters: "a" makes up more than 1 % + 1 of b and begins no match, yet grows one. */
TEST(proj_alias_ratio_passes_over_popular_characters_of_long_texts) {
    char b[241] = {0};
    for (size_t i = 0; i < 240; i++) b[i] = (char)(i % 2 ? 'a' : (char)('\x21' + i / 2 % 90));
    double ratio;
    ms_err err;
    CHECK_OK(ms_text_ratio(MS_STR("aaaaaaaa"), ms_str_of(b), &ratio, &err), &err);
    CHECK_NEAR(ratio, 0, 0);
    CHECK_OK(ms_text_ratio(MS_STR("aza"), ms_str_of(b), &ratio, &err), &err);
    CHECK_NEAR(ratio, 2.0 * 3 / 243, 0);
}

TEST(proj_alias_suggests_the_closest) {
    static const struct {
        const char *token, *proj, *match;
    } cases[] = {
        {"w13", "up_proj", "w3"},
        {"up", "up_proj", ".up."},
        {"gate_up_proj", "gate_proj", "gate_proj"},
        {"W999", "", ""},
        {"", "", ""},
        {"DOWN_PROJECTION", "down_proj", "down_proj"},
        {"fnn_up", "up_proj", "ffn_up"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ms_str proj, match;
        ms_err err;
        CHECK_OK(ms_proj_suggest(&map, ms_str_of(cases[i].token), &proj, &match, &err), &err);
        CHECK_EQ_STR(proj, cases[i].proj);
        CHECK_EQ_STR(match, cases[i].match);
    }
}

TEST(proj_alias_suggestion_without_memory_says_so) {
    ms_err err;
    ms_str proj, match;
    ms_mem_fail_at(0);
    (void)!ms_proj_suggest(&map, MS_STR("w13"), &proj, &match, &err);
    const int64_t n = ms_mem_count();
    for (int64_t k = 1; k <= n; k++) {
        ms_mem_fail_at(k);
        const ms_status status = ms_proj_suggest(&map, MS_STR("w13"), &proj, &match, &err);
        ms_mem_fail_at(0);
        CHECK_EQ_I64(status, MS_ERR_MEMORY);
    }
}
