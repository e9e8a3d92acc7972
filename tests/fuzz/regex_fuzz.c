/* PATTERN, a zero byte, SUBJECT: groups lie in the subject, and the two ways to match agree. */
#include <string.h>

#include "fuzz.h"
#include "regex.h"

static void check_match(const ms_regex *regex, const ms_regex_match *m, ms_str subject) {
    if (!m->matched) return;
    FUZZ_CHECK(m->n_groups == ms_regex_n_groups(regex) + 1 && m->n_groups <= MS_REGEX_MAX_GROUPS);
    FUZZ_CHECK(m->groups[0].text);
    for (int i = 0; i < m->n_groups; i++) {
        if (!m->groups[i].text) continue;
        FUZZ_CHECK(m->groups[i].text >= subject.text && m->groups[i].text <= subject.text + subject.size);
        FUZZ_CHECK(m->groups[i].size <= (size_t)(subject.text + subject.size - m->groups[i].text));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *const zero = size ? memchr(data, 0, size) : NULL;
    const size_t n_pattern = zero ? (size_t)(zero - data) : size;
    const ms_str pattern = {size ? (const char *)data : "", n_pattern};
    const ms_str subject = zero ? (ms_str){(const char *)zero + 1, size - n_pattern - 1} : MS_STR("");
    ms_err err = {0};
    ms_regex *regex = NULL;
    const ms_status status = ms_regex_compile(&regex, pattern, &err);
    if (status != MS_OK) {
        FUZZ_CHECK(status == MS_ERR_USAGE && strncmp(err.text, "pattern '", 9) == 0);
        FUZZ_CHECK(ms_str_is_utf8(ms_str_of(err.text), NULL));
        return 0;
    }
    ms_regex_match anywhere = {0}, at_start = {0}, later = {0};
    const ms_status searched = ms_regex_search(regex, subject, &anywhere, &err);
    const ms_status started = ms_regex_match_start(regex, subject, &at_start, &err);
    FUZZ_CHECK(searched == MS_OK || searched == MS_ERR_USAGE);
    FUZZ_CHECK(started == MS_OK || started == MS_ERR_USAGE);
    if (searched == MS_OK) check_match(regex, &anywhere, subject);
    if (started == MS_OK) check_match(regex, &at_start, subject);
    if (started == MS_OK && at_start.matched) FUZZ_CHECK(at_start.groups[0].text == subject.text);
    if (searched == MS_OK && started == MS_OK && at_start.matched)
        FUZZ_CHECK(anywhere.matched && anywhere.groups[0].text == subject.text &&
                   anywhere.groups[0].size == at_start.groups[0].size);
    if (ms_regex_search_from(regex, subject, subject.size / 2, &later, &err) == MS_OK) check_match(regex, &later, subject);
    ms_regex_destroy(regex);
    return 0;
}
