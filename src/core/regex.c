#include "regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdint.h>
#include <stdio.h>

#include "mem.h"
#include "regex_python.h"

/* PCRE2 has no clock: these bound one match to about 2 ms with its JIT compiler, 20 ms without. */
enum {
    MATCH_LIMIT = 1000000,
    DEPTH_LIMIT = 100000,
    HEAP_LIMIT_KIB = 16 * 1024,
    JIT_STACK_LEAST = 32 * 1024,
    JIT_STACK_MOST = 1024 * 1024,
    MAX_PATTERN = 16 * 1024, /* bytes */
};

enum { SEARCH, MATCH_START, N_MODES };

struct ms_regex {
    ms_regex_python python; /* the pattern as PCRE2 gets it */
    char *pattern;          /* owned: as it was given, for messages */
    size_t n_pattern;
    pcre2_general_context *general;
    pcre2_compile_context *compile;
    pcre2_match_context *match;
    pcre2_jit_stack *jit_stack;
    pcre2_match_data *data;
    /* Anchoring at match time would bypass the JIT compiler, so each mode has its own code, made when first needed. */
    pcre2_code *code[N_MODES];
    int n_groups;
    bool out_of_memory; /* an allocation of PCRE2's failed */
};

static void *take(size_t n, void *context) {
    void *const p = ms_mem_alloc(n);
    if (!p) ((ms_regex *)context)->out_of_memory = true;
    return p;
}

static void give_back(void *p, void *context) {
    (void)context;
    ms_mem_free(p);
}

static ms_str pattern_of(const ms_regex *regex) { return (ms_str){regex->pattern, regex->n_pattern}; }

static ms_status compile_error(const ms_regex *regex, int code, size_t at, ms_err *err) {
    if (regex->out_of_memory) return ms_err_memory(err, "a pattern");
    char why[160];
    if (pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why) < 0) snprintf(why, sizeof why, "error %d", code);
    const size_t n = regex->python.origins.n;
    return ms_regex_python_complain(pattern_of(regex), at < n ? regex->python.origins.items[at] : regex->n_pattern, why, err);
}

/* Makes the code of a mode unless it is there. */
static ms_status prepare(ms_regex *regex, int mode, ms_err *err) {
    if (regex->code[mode]) return MS_OK;
    /* 10.42 counts a letter that must come first by a look-ahead and one that must come last as two: (?=a)b?a is not found in
     * "a". */
    const uint32_t unoptimized = regex->python.looks_ahead ? PCRE2_NO_START_OPTIMIZE : 0;
    const uint32_t options = unoptimized | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C |
                             PCRE2_ALT_CIRCUMFLEX | PCRE2_UCP | (mode == MATCH_START ? PCRE2_ANCHORED : 0);
    const ms_str text = ms_buf_str(&regex->python.text);
    int code;
    size_t at;
    regex->code[mode] = pcre2_compile((PCRE2_SPTR)text.text, text.size, options, &code, &at, regex->compile);
    if (!regex->code[mode]) return compile_error(regex, code, at, err);
    pcre2_jit_compile(regex->code[mode], PCRE2_JIT_COMPLETE); /* where it may not make code, the interpreter runs */
    return regex->out_of_memory ? ms_err_memory(err, "a pattern") : MS_OK;
}

static ms_status make_contexts(ms_regex *regex, ms_err *err) {
    regex->general = pcre2_general_context_create(take, give_back, regex);
    if (!regex->general) return ms_err_memory(err, "a pattern");
    regex->compile = pcre2_compile_context_create(regex->general);
    regex->match = pcre2_match_context_create(regex->general);
    regex->jit_stack = pcre2_jit_stack_create(JIT_STACK_LEAST, JIT_STACK_MOST, regex->general);
    if (!regex->compile || !regex->match || regex->out_of_memory) return ms_err_memory(err, "a pattern");
    pcre2_set_newline(regex->compile, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(regex->compile, MS_REGEX_PYTHON_MAX_NESTING + 1);
    pcre2_set_max_pattern_length(regex->compile, (size_t)8 * MAX_PATTERN);
    pcre2_set_match_limit(regex->match, MATCH_LIMIT);
    pcre2_set_depth_limit(regex->match, DEPTH_LIMIT);
    pcre2_set_heap_limit(regex->match, HEAP_LIMIT_KIB);
    if (regex->jit_stack) pcre2_jit_stack_assign(regex->match, NULL, regex->jit_stack);
    return MS_OK;
}

static ms_status count_groups(ms_regex *regex, ms_err *err) {
    uint32_t n_groups = 0;
    pcre2_pattern_info(regex->code[SEARCH], PCRE2_INFO_CAPTURECOUNT, &n_groups);
    MS_FAIL_IF(n_groups >= MS_REGEX_MAX_GROUPS, MS_ERR_USAGE, err, "pattern '%s' has %u groups, at most %d: write (?:...)",
               ms_str_shown(pattern_of(regex)).text, n_groups, MS_REGEX_MAX_GROUPS - 1);
    regex->n_groups = (int)n_groups;
    regex->data = pcre2_match_data_create_from_pattern(regex->code[SEARCH], regex->general);
    return regex->data ? MS_OK : ms_err_memory(err, "a pattern");
}

static ms_status build(ms_regex *regex, ms_str pattern, ms_err *err) {
    regex->pattern = ms_mem_copy_text(pattern.text, pattern.size);
    regex->n_pattern = pattern.size;
    if (!regex->pattern) return ms_err_memory(err, "a pattern");
    MS_TRY(ms_regex_python_translate(&regex->python, pattern, err));
    MS_TRY(make_contexts(regex, err));
    MS_TRY(prepare(regex, SEARCH, err));
    return count_groups(regex, err);
}

ms_status ms_regex_compile(ms_regex **out, ms_str pattern, ms_err *err) {
    MS_FAIL_IF(pattern.size > MAX_PATTERN, MS_ERR_USAGE, err, "pattern '%s' has %zu bytes, at most %d",
               ms_str_shown(pattern).text, pattern.size, MAX_PATTERN);
    ms_regex *const regex = ms_mem_zalloc(sizeof *regex);
    if (!regex) return ms_err_memory(err, "a pattern");
    const ms_status status = build(regex, pattern, err);
    if (status == MS_OK) *out = regex;
    else ms_regex_destroy(regex);
    return status;
}

int ms_regex_n_groups(const ms_regex *regex) { return regex->n_groups; }

static ms_status match_error(const ms_regex *regex, int code, ms_str subject, ms_err *err) {
    if (regex->out_of_memory) return ms_err_memory(err, "matching a pattern");
    switch (code) {
    case PCRE2_ERROR_MATCHLIMIT:
    case PCRE2_ERROR_DEPTHLIMIT:
    case PCRE2_ERROR_HEAPLIMIT:
    case PCRE2_ERROR_RECURSELOOP:
    case PCRE2_ERROR_JIT_STACKLIMIT:
        return ms_err_set(
            err, MS_ERR_USAGE,
            "pattern '%s' is too costly for '%s' (%d steps were not enough): avoid repeats within repeats, such as "
            "(a+)+",
            ms_str_shown(pattern_of(regex)).text, ms_str_shown(subject).text, MATCH_LIMIT);
    default: break;
    }
    char why[160];
    if (pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why) < 0) snprintf(why, sizeof why, "error %d", code);
    return ms_err_set(err, MS_ERR_USAGE, "pattern '%s' on '%s': %s", ms_str_shown(pattern_of(regex)).text,
                      ms_str_shown(subject).text, why);
}

static ms_status run(ms_regex *regex, int mode, ms_str subject, size_t from, ms_regex_match *out, ms_err *err) {
    regex->out_of_memory = false;
    MS_TRY(prepare(regex, mode, err));
    const PCRE2_SPTR text = (PCRE2_SPTR)(subject.text ? subject.text : "");
    const int n = pcre2_match(regex->code[mode], text, subject.size, from, 0, regex->data, regex->match);
    if (n < 0 && n != PCRE2_ERROR_NOMATCH) return match_error(regex, n, subject, err);
    *out = (ms_regex_match){.matched = n > 0, .n_groups = regex->n_groups + 1};
    const size_t *const ends = pcre2_get_ovector_pointer(regex->data);
    for (int i = 0; i < n; i++)
        if (ends[2 * i] != PCRE2_UNSET)
            out->groups[i] = ms_str_sub((ms_str){(const char *)text, subject.size}, ends[2 * i], ends[2 * i + 1]);
    return MS_OK;
}

ms_status ms_regex_search(ms_regex *regex, ms_str subject, ms_regex_match *out, ms_err *err) {
    return run(regex, SEARCH, subject, 0, out, err);
}

ms_status ms_regex_search_from(ms_regex *regex, ms_str subject, size_t from, ms_regex_match *out, ms_err *err) {
    return run(regex, SEARCH, subject, from, out, err);
}

ms_status ms_regex_match_start(ms_regex *regex, ms_str subject, ms_regex_match *out, ms_err *err) {
    return run(regex, MATCH_START, subject, 0, out, err);
}

void ms_regex_destroy(ms_regex *regex) {
    if (!regex) return;
    for (int mode = 0; mode < N_MODES; mode++) pcre2_code_free(regex->code[mode]);
    pcre2_match_data_free(regex->data);
    pcre2_jit_stack_free(regex->jit_stack);
    pcre2_match_context_free(regex->match);
    pcre2_compile_context_free(regex->compile);
    pcre2_general_context_free(regex->general);
    ms_regex_python_free(&regex->python);
    ms_mem_free(regex->pattern);
    ms_mem_free(regex);
}
