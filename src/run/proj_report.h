/*
 * proj_report: projection tokens that the alias map could not resolve, counted: proj_canonicalization_report.
 *
 *     ms_proj_report_add(&report, &(ms_proj_issue){.context = MS_PROJ_GROUP, .action = MS_PROJ_KEPT_RAW, ...}, &aliases, err);
 *
 * Rows are keyed by (context, rule, raw token, resolved token, action) and stand in order of first sight; the examples are
 * those of the first sight.
 */
#ifndef MS_PROJ_REPORT_H
#define MS_PROJ_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "err.h"
#include "map.h"
#include "proj_alias.h"
#include "vec.h"

typedef enum ms_proj_context { MS_PROJ_PACKED_SPLIT, MS_PROJ_GROUP } ms_proj_context;
typedef enum ms_proj_action { MS_PROJ_KEPT_RAW, MS_PROJ_DROPPED_STRICT } ms_proj_action;

typedef struct ms_proj_issue {
    ms_proj_context context;
    ms_proj_action action;
    ms_str rule_name, raw_proj, resolved_proj;
    ms_str example_file, example_source_tensor, example_derived_tensor;
    ms_str suggested_proj, suggested_match; /* filled by ms_proj_report_add */
    int64_t count;                          /* likewise */
} ms_proj_issue;

typedef struct ms_proj_report { /* zero it before first use */
    ms_arena arena;
    MS_VEC(ms_proj_issue) rows;
    ms_map by_key;
} ms_proj_report;

/* Texts are copied. */
ms_status ms_proj_report_add(ms_proj_report *report, const ms_proj_issue *issue, const ms_proj_aliases *aliases, ms_err *err);
void ms_proj_report_free(ms_proj_report *report);

const char *ms_proj_context_name(ms_proj_context context); /* "packed_split", "proj_group" */
const char *ms_proj_action_name(ms_proj_action action);    /* "kept_raw", "dropped_strict" */

typedef struct ms_proj_counts {
    int64_t packed_split, proj_group; /* occurrences */
    size_t unique;                    /* distinct raw tokens */
} ms_proj_counts;

/* Of the rows with that action. */
ms_status ms_proj_report_count(const ms_proj_report *report, ms_proj_action action, ms_proj_counts *out, ms_err *err);

#endif
