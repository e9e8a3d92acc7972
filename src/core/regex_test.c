#include "regex.h"

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
