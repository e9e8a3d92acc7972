#include "regex.h"

#include "buf.h"
#include "test.h"
#include "torture.h"

/* "group 0|group 1|..." of the first match; "-" for a group that took no part; "no" without a match; else the message. */
static const char *found(const char *pattern, const char *subject, bool at_start) {
    static char text[1200];
    ms_err err = {0};
    ms_regex *regex = NULL;
    ms_regex_match m;
    ms_status status = ms_regex_compile(&regex, ms_str_of(pattern), &err);
    if (status == MS_OK)
        status = at_start ? ms_regex_match_start(regex, ms_str_of(subject), &m, &err)
                          : ms_regex_search(regex, ms_str_of(subject), &m, &err);
    size_t n = (size_t)snprintf(text, sizeof text, "%s", status != MS_OK ? err.text : m.matched ? "" : "no");
    for (int i = 0; status == MS_OK && m.matched && i < m.n_groups; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s", i ? "|" : "", m.groups[i].text ? (int)m.groups[i].size : 1,
                              m.groups[i].text ? m.groups[i].text : "-");
    ms_regex_destroy(regex);
    return text;
}

static const char *search(const char *pattern, const char *subject) { return found(pattern, subject, false); }

TEST(regex_finds_layers_and_experts) {
    static const char name[] = "model.layers.17.mlp.experts.5.down_proj.weight";
    CHECK_EQ_TEXT(search("(?:^|\\.)layers\\.(\\d+)(?:\\.|$)", name), ".layers.17.|17");
    CHECK_EQ_TEXT(search("(?:^|\\.)experts\\.(\\d+)(?:\\.|$)", name), ".experts.5.|5");
    CHECK_EQ_TEXT(found(".*experts\\.(\\d+)\\.(down_proj|gate_proj|up_proj)\\.weight$", name, true),
                  "model.layers.17.mlp.experts.5.down_proj.weight|5|down_proj");
    CHECK_EQ_TEXT(found("layers", name, true), "no");
    CHECK_EQ_TEXT(search("(a)|(b)", "b"), "b|-|b");
    CHECK_EQ_TEXT(search("", ""), "");
}

TEST(regex_costs_are_bounded) {
    const char *const text = search("^(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!");
    CHECK_MSG(strstr(text, "pattern '^(a+)+$' is too costly"), "%s", text);
}

TEST(regex_speaks_python) {
    CHECK_EQ_TEXT(search("a\\Z", "a\n"), "no");
    CHECK_EQ_TEXT(search("a$", "a\n"), "a");
    CHECK_EQ_TEXT(search("xa{,3}b", "xaab"), "xaab");
    CHECK_EQ_TEXT(search("a{,}", "aaa"), "aaa");
    CHECK_EQ_TEXT(search("x{}y{1z{", "x{}y{1z{"), "x{}y{1z{");
    CHECK_EQ_TEXT(search("\\u00e9\\U0001F389\\x41\\101", "\xC3\xA9\xF0\x9F\x8E\x89"
                                                         "AA"),
                  "\xC3\xA9\xF0\x9F\x8E\x89"
                  "AA");
    CHECK_EQ_TEXT(search("\\w+", "caf\xC3\xA9"), "caf\xC3\xA9");
    CHECK_EQ_TEXT(search("(?a)\\w+", "caf\xC3\xA9"), "caf");
    CHECK_EQ_TEXT(search("(?a)\\D\\W\\S", "\xC3\xA9\xC3\xA9\xC3\xA9"), "\xC3\xA9\xC3\xA9\xC3\xA9");
    CHECK_EQ_TEXT(search("(?u)(?i)A", "a"), "a");
    CHECK_EQ_TEXT(search("(?x) a # not ( this [\n b", "ab"), "ab");
    CHECK_EQ_TEXT(search("(?P<n>a)?(?(n)b|c)(?P=n)?", "ab"), "ab|a");
    CHECK_EQ_TEXT(search("[[:alpha:]]", "x:]"), ":]");
    CHECK_EQ_TEXT(search("[]a-]+", "a-]b"), "a-]");
    CHECK_EQ_TEXT(search("(?m)b?^", "a\n"), "");
    CHECK_EQ_TEXT(search("\\v", "\n"), "no");
    CHECK_EQ_TEXT(search("(?=a)b?a", "a"), "a");
    CHECK_EQ_TEXT(search("(?s)a.b(?#note)", "a\nb"), "a\nb");
}

/* The pre-tokeniser patterns of GPT-4 and Llama 3 have what Python's re has not. */
TEST(regex_knows_what_tokenizers_use) {
    static const char *const gpt4 = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}+|"
                                    " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    static const char *const want[] = {"It", "'s", " ", "123", "45", " caf\xC3\xA9", "!", "  ", " x"};
    const ms_str text = MS_STR("It's 12345 caf\xC3\xA9!   x");
    ms_err err = {0};
    ms_regex *regex = NULL;
    ms_regex_match m;
    CHECK_OK(ms_regex_compile(&regex, ms_str_of(gpt4), &err), &err);
    size_t n = 0;
    for (size_t at = 0; at < text.size; at += m.groups[0].size, n++) {
        CHECK_OK(ms_regex_search_from(regex, text, at, &m, &err), &err);
        CHECK(m.matched && n < sizeof want / sizeof *want && m.groups[0].text == text.text + at);
        CHECK_EQ_STR(m.groups[0], want[n]);
    }
    CHECK_EQ_I64(n, 9);
    ms_regex_destroy(regex);
}

TEST(regex_refuses_what_python_refuses_and_says_where) {
    CHECK_EQ_TEXT(search("a(b", ""), "pattern 'a(b': position 3: missing closing parenthesis");
    CHECK_EQ_TEXT(search("a{,2}(b", ""), "pattern 'a{,2}(b': position 7: missing closing parenthesis");
    CHECK_EQ_TEXT(search("a)", ""), "pattern 'a)': position 1: unmatched closing parenthesis");
    CHECK_EQ_TEXT(search("ab[c", ""), "pattern 'ab[c': position 2: the [ is not closed");
    CHECK_EQ_TEXT(search("a\\q", ""), "pattern 'a\\q': position 1: bad escape \\q");
    CHECK_EQ_TEXT(search("\\N{DIGIT ONE}", ""),
                  "pattern '\\N{DIGIT ONE}': position 0: bad escape \\N{...}: write the character itself or \\uXXXX");
    CHECK_EQ_TEXT(search("\\", ""), "pattern '\\': position 0: a backslash at the end of the pattern");
    static const char *const refused[] = {
        "(*ACCEPT)a", "x(*UTF)", "(?R)",  "(?1)",     "(?|a)",  "(?C)",       "(?P>a)",
        "(?'a'b)",    "\\Qa\\E", "\\Ka",  "\\C",      "a(?i)b", "(?L)a",      "(?au)a",
        "\\x4",       "\\u12",   "[\\Z]", "[a-\\d]",  "[z-a]",  "*a",         "(?P<a>a)(?P<a>b)",
        "(?P=a)",     "\\400",   "(?",    "(?<=a+)b", "a\xFF",  "\\U00110000"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        CHECK_MSG(strncmp(search(refused[i], "a"), "pattern '", 9) == 0, "%s: %s", refused[i], search(refused[i], "a"));
}

TEST(regex_sizes_are_bounded) {
    ms_buf b = {0};
    ms_regex *regex = NULL;
    ms_err err = {0};
    for (int i = 0; i < 20000; i++) ms_buf_put_char(&b, 'a');
    CHECK_FAILS(ms_regex_compile(&regex, ms_buf_str(&b), &err), MS_ERR_USAGE, &err, "has 20000 bytes, at most 16384");
    ms_buf_clear(&b);
    for (int i = 0; i < 1000; i++) ms_buf_put_char(&b, '(');
    CHECK_FAILS(ms_regex_compile(&regex, ms_buf_str(&b), &err), MS_ERR_USAGE, &err, "nested too deep");
    ms_buf_clear(&b);
    for (int i = 0; i < MS_REGEX_MAX_GROUPS; i++) ms_buf_put_text(&b, "(a)");
    CHECK_FAILS(ms_regex_compile(&regex, ms_buf_str(&b), &err), MS_ERR_USAGE, &err, "has 32 groups, at most 31");
    CHECK_FAILS(ms_regex_compile(&regex, MS_STR("((a{1000}){1000}){1000}"), &err), MS_ERR_USAGE, &err, "too large");
    ms_buf_free(&b);
}

TEST(regex_costs_are_bounded_in_every_shape) {
    static const char *const costly[] = {"^(a+)+$",       "(a|aa)+$",         "^(a|a?)+$", "(.*)(.*)(.*)(.*)(.*)(.*)[^a!]$",
                                         "(?:(?:a*)*)*b", "^(?:a?){40}a{40}$"};
    for (size_t i = 0; i < sizeof costly / sizeof *costly; i++) {
        const char *const text = search(costly[i], "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!");
        CHECK_MSG(strcmp(text, "no") == 0 || strstr(text, "is too costly for 'aaa"), "%s: %s", costly[i], text);
    }
    ms_buf long_subject = {0}; /* runs out of the compiler's stack, not of steps */
    ms_regex *regex = NULL;
    ms_regex_match m;
    ms_err err = {0};
    for (int i = 0; i < 300000; i++) ms_buf_put_text(&long_subject, "ab");
    CHECK_OK(ms_regex_compile(&regex, MS_STR("^(?:(a)|b)*c"), &err), &err);
    CHECK_FAILS(ms_regex_search(regex, ms_buf_str(&long_subject), &m, &err), MS_ERR_USAGE, &err, "too costly");
    CHECK_OK(ms_regex_search(regex, MS_STR("abc"), &m, &err), &err); /* and works again */
    CHECK(m.matched);
    ms_regex_destroy(regex);
    ms_buf_free(&long_subject);
}

TEST(regex_subjects_may_be_anything) {
    CHECK_EQ_TEXT(search("b+", "\xFF\xC3"
                               "bb\xE2\x82"),
                  "bb");
    CHECK_EQ_TEXT(search("^\\w+$", "a\xFF"), "no");
    CHECK_EQ_TEXT(search(".", "\xFF"), "no");
    ms_regex *regex = NULL;
    ms_regex_match m;
    CHECK(ms_regex_compile(&regex, MS_STR("^$"), NULL) == MS_OK);
    CHECK(ms_regex_search(regex, MS_STR_NONE, &m, NULL) == MS_OK && m.matched && m.groups[0].text);
    ms_regex_destroy(regex);
    CHECK(ms_regex_compile(&regex, MS_STR("a.b"), NULL) == MS_OK);
    CHECK(ms_regex_match_start(regex, MS_STR("a\0b"), &m, NULL) == MS_OK && m.matched && m.groups[0].size == 3);
    ms_regex_destroy(regex);
}

static ms_status find_expert(void *context, ms_err *err) {
    ms_regex *regex = NULL;
    ms_regex_match m;
    (void)context;
    ms_status status = ms_regex_compile(&regex, MS_STR("(?i)experts\\.(\\d+)\\.(?:w1|w2|[a-z_]+){,3}"), err);
    if (status == MS_OK) status = ms_regex_search(regex, MS_STR("mlp.experts.5.down_proj"), &m, err);
    if (status == MS_OK) status = ms_regex_match_start(regex, MS_STR("experts.5.w1"), &m, err);
    ms_regex_destroy(regex);
    return status;
}

TEST(regex_survives_failing_allocations) { CHECK_SURVIVES_MEMORY(find_expert, NULL); }
