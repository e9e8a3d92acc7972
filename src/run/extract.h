/*
 * extract: which tensors hold expert matrices, and where in them, by the rules of a run.
 *
 *     ms_extractor *extractor;
 *     MS_TRY(ms_extractor_create(&extractor, &config, &warnings, err));
 *     ms_extractor_use_families(extractor, cutter);                                        // unless there are none
 *     for each tensor: MS_TRY(ms_extract(extractor, &source, &result, err));
 *     ... extractor->banks: the matrices of all of them, in order, until ms_extractor_clear ...
 *     ... extractor->report: tokens nobody could resolve ...
 *     ms_extractor_destroy(extractor);
 *
 * The user's enabled rules come first, in order: the first whose pattern matches at the start of the name and whose ndim fits
 * decides. Then the family tables, when the run wants them. Then a guess from name and shape: three axes are (E, R, C), two are
 * (R, C). Rules and guesses look at tensors of floating type only.
 *
 *   no rule names a projection      the rule stage ends, no later rule is tried
 *   the layout does not fit         a warning; then the next stage
 *   the packed split does not fit   fatal when strict_packed_split, else a warning; then the next stage
 *   an unmapped token of proj_group kept as it is, or, when proj_group_strict, the tensor is dropped and no stage follows
 *
 * What is no weight (scales, zero points, biases, by role or by name) is never guessed at.
 */
#ifndef MS_EXTRACT_H
#define MS_EXTRACT_H

#include <stdbool.h>
#include <stdint.h>

#include "bank.h"
#include "notes.h"
#include "proj_report.h"
#include "regex.h"
#include "run_config.h"

typedef enum __attribute__((packed)) ms_extract_via { MS_VIA_NONE, MS_VIA_RULE, MS_VIA_FAMILY, MS_VIA_FALLBACK } ms_extract_via;
const char *ms_extract_via_name(ms_extract_via via); /* "none", "rule", "family", "fallback" */

typedef struct ms_extract_source { /* one tensor; texts borrowed for the call */
    ms_str file, name;
    uint32_t tensor; /* its index in the checkpoint */
    const uint64_t *shape;
    uint32_t rank;
    bool column_major;
    bool is_float;       /* 16 bits or more, as stored */
    ms_role role;        /* OTHER when the families have not been asked */
    const char *section; /* "" likewise */
} ms_extract_source;

typedef struct ms_extract_result {
    ms_extract_via via;
    ms_str rule;        /* the name of the rule that did it; "" otherwise */
    const char *reason; /* why not: "no_rule_match_or_proj_infer", ...; NULL when extracted */
    size_t first_bank, n_banks;
} ms_extract_result;

typedef struct ms_compiled_rule {
    const ms_extract_rule *rule;
    ms_regex *regex;
} ms_compiled_rule;

typedef struct ms_extractor {
    const ms_run_config *config;
    ms_regex *layer_regex, *expert_regex;
    ms_compiled_rule *rules; /* [n_rules], the enabled ones */
    size_t n_rules;
    ms_bank_cutter *families; /* borrowed, or NULL */
    ms_notes *warnings;       /* borrowed */
    bool again;               /* what is done now was done before: nothing is to be said or counted */
    ms_banks banks;           /* what was extracted since it was cleared; a bank never spans tensors */
    ms_proj_report report;
    size_t n_dropped_without_aliases;
} ms_extractor;

/* config and warnings must outlive the extractor. MS_ERR_USAGE for a broken pattern, naming its key. Owned. */
ms_status ms_extractor_create(ms_extractor **out, const ms_run_config *config, ms_notes *warnings, ms_err *err);
/* The family tables; borrowed until the last extraction. */
void ms_extractor_use_families(ms_extractor *extractor, ms_bank_cutter *cutter);
void ms_extractor_destroy(ms_extractor *extractor);

/* Does it look like weights of experts? By its name ("experts" in it, or all words of a shared expert), by its role, or because
 * an enabled rule fits it. */
ms_status ms_extract_is_expertish(ms_extractor *extractor, const ms_extract_source *source, bool *yes, ms_err *err);
bool ms_extract_is_shared(const ms_extractor *extractor, const ms_extract_source *source);

/* MS_ERR_USAGE: a packed split that does not fit, under strict_packed_split; a pattern that costs too much. */
ms_status ms_extract(ms_extractor *extractor, const ms_extract_source *source, ms_extract_result *result, ms_err *err);

/* The same once more of a tensor that was extracted via `via`, without a warning. */
ms_status ms_extract_again(ms_extractor *extractor, const ms_extract_source *source, ms_extract_via via,
                           ms_extract_result *result, ms_err *err);

/* Forgets the banks, and so first_bank of all results. */
void ms_extractor_clear(ms_extractor *extractor);

/* Takes the last extraction back: its tensor turned out to be unreadable. */
void ms_extract_undo(ms_extractor *extractor, ms_extract_result *result, const char *reason);

/* "<name>::<proj>", "<name>::split[rows]::<proj>": the name of a matrix in the tables. */
void ms_extract_derived_name(ms_str name, ms_split split, ms_str proj, ms_buf *out);

/* Scales, zero points, group indexes, biases, by the last part of the name: the reason why it is no weight; else NULL. */
const char *ms_extract_companion_reason(ms_str name);

/* The reason in unmatched_tensors of a tensor whose storage has no decoder yet. */
extern const char ms_extract_unsupported_storage[];

#endif
