/*
 * regex: Python's `re` syntax on PCRE2, under limits, for patterns that come from configuration files.
 *
 *     ms_regex *regex;
 *     MS_TRY(ms_regex_compile(&regex, MS_STR("(?:^|\\.)layers\\.(\\d+)(?:\\.|$)"), err));
 *     ms_regex_match m;
 *     MS_TRY(ms_regex_search(regex, name, &m, err));
 *     if (m.matched) use(m.groups[1]);
 *     ms_regex_destroy(regex);
 *
 * Differences between Python and PCRE2 are translated (\Z, {,n}, \uXXXX, (?a), (?u)) or refused ((*VERB), \N{...}): the
 * table is in regex_python.h. What remains: \s does not match U+001C to U+001F, look-behind may have alternatives of
 * different widths, (?ai) still folds case beyond ASCII, \B matches in an empty subject (as in Python 3.14),
 * names of groups have at most 32 characters, repeats at most 65535.
 * Match, depth and heap limits: a pattern that costs too much is MS_ERR_USAGE naming the pattern.
 * Subjects are UTF-8; what is not in them never matches.
 * A compiled pattern may be used by one thread at a time.
 */
#ifndef MS_REGEX_H
#define MS_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "str.h"

typedef struct ms_regex ms_regex;

enum { MS_REGEX_MAX_GROUPS = 32 }; /* group 0 included; patterns with more are refused */

typedef struct ms_regex_match {
    bool matched;
    int n_groups;                       /* groups of the pattern, 0 included */
    ms_str groups[MS_REGEX_MAX_GROUPS]; /* borrowed from the subject; text NULL: group took no part */
} ms_regex_match;

/* MS_ERR_USAGE on a broken pattern, naming it and the position. Owned. */
ms_status ms_regex_compile(ms_regex **out, ms_str pattern, ms_err *err);
int ms_regex_n_groups(const ms_regex *regex); /* group 0 not counted */

/* As re.search and re.match (anchored at the start). MS_ERR_USAGE when the pattern is too costly for this subject. */
ms_status ms_regex_search(ms_regex *regex, ms_str subject, ms_regex_match *out, ms_err *err);
/* As pattern.search(subject, from): what stands before `from` is seen by look-behind, ^ and \b. `from` <= subject.size. */
ms_status ms_regex_search_from(ms_regex *regex, ms_str subject, size_t from, ms_regex_match *out, ms_err *err);
ms_status ms_regex_match_start(ms_regex *regex, ms_str subject, ms_regex_match *out, ms_err *err);

void ms_regex_destroy(ms_regex *regex);

#endif
