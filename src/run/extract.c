#include "extract.h"

#include <stdio.h>
#include <stdlib.h>

#include "extract_cut.h"
#include "mem.h"

static const char no_match[] = "no_rule_match_or_proj_infer";
static const char strict_unmapped[] = "proj_group_strict_unmapped";
static const char strict_no_alias_map[] = "proj_group_strict_no_alias_map";
static const char empty_tensor[] = "empty_tensor";
static const char too_many_matrices[] = "too_many_matrices";
static const char quantisation_companion[] = "quantization_companion";
static const char expert_bias[] = "expert_bias";
const char ms_extract_unsupported_storage[] = "unsupported_storage";

enum { MAX_MATRICES_A_TENSOR = 1 << 20 }; /* more than any model has; a bound on what a hostile shape may cost */

const char *ms_extract_via_name(ms_extract_via via) {
    static const char *const names[] = {"none", "rule", "family", "fallback"};
    return names[via];
}

/* ---- names ---- */

typedef struct companion {
    const char *tail, *reason;
} companion;

static const companion companions[] = {
    {"scale", quantisation_companion},       {"scales", quantisation_companion},
    {"scale_inv", quantisation_companion},   {"scales_inv", quantisation_companion},
    {"biases", quantisation_companion},      {"zero_point", quantisation_companion},
    {"zero_points", quantisation_companion}, {"zeros", quantisation_companion},
    {"qzeros", quantisation_companion},      {"weight_shape", quantisation_companion},
    {"g_idx", quantisation_companion},       {"absmax", quantisation_companion},
    {"quant_map", quantisation_companion},   {"quant_state", quantisation_companion},
    {"scale_2", quantisation_companion},     {"bias", expert_bias},
};

/* The last part is the tail, or ends with "_" and the tail. */
static bool has_tail(ms_str last, ms_str tail) {
    if (!ms_str_ends_with(last, tail)) return false;
    return last.size == tail.size || last.text[last.size - tail.size - 1] == '_';
}

const char *ms_extract_companion_reason(ms_str name) {
    size_t at = name.size;
    while (at > 0 && name.text[at - 1] != '.') at--;
    const ms_str last = ms_str_sub(name, at, name.size);
    for (size_t i = 0; i < sizeof companions / sizeof *companions; i++)
        if (has_tail(last, ms_str_of(companions[i].tail))) return companions[i].reason;
    return NULL;
}

void ms_extract_derived_name(ms_str name, ms_split split, ms_str proj, ms_buf *out) {
    static const char *const middles[] = {
        [MS_SPLIT_NONE] = "::",
        [MS_SPLIT_ROWS] = "::split[rows]::",
        [MS_SPLIT_COLS] = "::split[cols]::",
        [MS_SPLIT_ROWS_INTERLEAVED] = "::split[rows,interleaved]::",
        [MS_SPLIT_COLS_INTERLEAVED] = "::split[cols,interleaved]::",
    };
    ms_buf_put_str(out, name);
    ms_buf_put_text(out, middles[split]);
    ms_buf_put_str(out, proj);
}

static bool is_shared_by_name(const ms_run_config *config, ms_str name) {
    for (size_t i = 0; i < config->parsing.n_shared_keywords; i++)
        if (!ms_str_contains_nocase(name, config->parsing.shared_keywords[i])) return false;
    return config->parsing.n_shared_keywords > 0; /* no words: nothing is shared */
}

bool ms_extract_is_shared(const ms_extractor *extractor, const ms_extract_source *source) {
    return source->role == MS_ROLE_SHARED_EXPERT || is_shared_by_name(extractor->config, source->name);
}

/* The number in group 1 of the first match; false when there is none. */
static ms_status number_in_name(ms_regex *regex, ms_str name, bool *found, int32_t *out, ms_err *err) {
    ms_regex_match m;
    int64_t n;
    *found = false;
    MS_TRY(ms_regex_search(regex, name, &m, err));
    if (m.matched && m.n_groups > 1 && m.groups[1].text && ms_str_to_i64(m.groups[1], &n) && n >= INT32_MIN && n <= INT32_MAX) {
        *found = true;
        *out = (int32_t)n;
    }
    return MS_OK;
}

/* ---- banks ---- */

typedef struct placing { /* what the banks of one tensor have in common */
    const ms_extract_source *source;
    ms_origin origin;
    bool is_shared;
    bool has_layer, has_id; /* layer: of the name; id: of the one expert */
    int32_t layer, id;
} placing;

/* MTP blocks count their layers from 0 again: such a number is no layer of the model. */
static bool layer_counts(const ms_extract_source *source) {
    return strcmp(source->section, "mtp") != 0 || !ms_str_contains(source->name, MS_STR("mtp"));
}

static ms_status placing_of(ms_extractor *x, const ms_extract_source *source, ms_origin origin, placing *out, ms_err *err) {
    *out = (placing){.source = source, .origin = origin, .is_shared = ms_extract_is_shared(x, source)};
    MS_TRY(number_in_name(x->layer_regex, source->name, &out->has_layer, &out->layer, err));
    out->has_layer = out->has_layer && layer_counts(source);
    return MS_OK;
}

/* One bank for each layer of the cut. split: how the cut came about. */
static ms_status add_banks(ms_extractor *x, const placing *p, const ms_cut *cut, ms_str proj, ms_split split, ms_err *err) {
    const ms_str kept = ms_arena_copy(&x->banks.arena, proj);
    if (!kept.text) return ms_err_memory(err, "the banks");
    for (uint64_t li = 0; li < cut->layers; li++) {
        const int64_t layer = cut->rank == 4 ? (p->has_layer ? p->layer : 0) + (int64_t)li : p->has_layer ? p->layer : -1;
        const ms_bank bank = {.layer = layer <= INT32_MAX ? (int32_t)layer : -1,
                              .section = p->source->section,
                              .proj = kept,
                              .role = p->is_shared ? MS_ROLE_SHARED_EXPERT : MS_ROLE_EXPERT,
                              .split = split,
                              .origin = p->origin,
                              .first_matrix = x->banks.matrices.n,
                              .n_matrices = cut->experts};
        if (!MS_VEC_RESERVE(&x->banks, 1) || !MS_VEC_RESERVE(&x->banks.matrices, cut->experts))
            return ms_err_memory(err, "the banks");
        for (uint64_t e = 0; e < cut->experts; e++)
            x->banks.matrices.items[x->banks.matrices.n++] =
                (ms_matrix){.tensor = p->source->tensor,
                            .expert = p->is_shared                     ? -1
                                      : p->has_id && cut->experts == 1 ? p->id
                                                                       : (int32_t)e,
                            .bank = (uint32_t)x->banks.n,
                            .rows = cut->rows,
                            .cols = cut->cols,
                            .first = cut->first + li * cut->layer_stride + e * cut->expert_stride,
                            .row_stride = cut->row_stride,
                            .col_stride = cut->col_stride};
        x->banks.items[x->banks.n++] = bank;
    }
    return MS_OK;
}

/* NULL when it can be used. */
static const char *unusable(const ms_cut *cut) {
    if (cut->layers == 0 || cut->experts == 0 || cut->rows == 0 || cut->cols == 0) return empty_tensor;
    uint64_t n;
    if (__builtin_mul_overflow(cut->layers, cut->experts, &n) || n > MAX_MATRICES_A_TENSOR) return too_many_matrices;
    return NULL;
}

/* ---- rules ---- */

typedef enum outcome {
    EXTRACTED,
    NEXT_STAGE,
    STOP, /* no stage follows; the reason is in the result */
} outcome;

static void warn(ms_extractor *x, const ms_extract_source *source, const char *code, const char *text, const char *what) {
    if (x->again) return;
    ms_notes_add(x->warnings, MS_NOTE_WARNING, code, source->file, source->name, MS_NOTE_NO_OFFSET, "[extract] %s%s: %s", text,
                 ms_str_shown(source->name).text, what);
}

static ms_status note_issue(ms_extractor *x, const ms_extract_source *source, const ms_extract_rule *rule,
                            ms_proj_context context, ms_proj_action action, ms_split split, ms_str raw, ms_str resolved,
                            ms_err *err) {
    if (x->again) return MS_OK;
    ms_buf derived = {0};
    ms_extract_derived_name(source->name, split, resolved, &derived);
    const ms_proj_issue issue = {.context = context,
                                 .action = action,
                                 .rule_name = rule->name,
                                 .raw_proj = raw,
                                 .resolved_proj = resolved,
                                 .example_file = source->file,
                                 .example_source_tensor = source->name,
                                 .example_derived_tensor = ms_buf_str(&derived)};
    const ms_status status = derived.failed ? ms_err_memory(err, "the canonicalisation report")
                                            : ms_proj_report_add(&x->report, &issue, &x->config->parsing.aliases, err);
    ms_buf_free(&derived);
    return status;
}

/* The canonical name of a token; text NULL when the map does not know it. */
static ms_str resolve(const ms_proj_aliases *aliases, ms_str token) {
    const ms_str canonical = ms_proj_canonical(aliases, token);
    return canonical.text ? canonical : ms_proj_infer(aliases, token);
}

/* The projection that group `proj_group` names. */
static ms_status proj_of_group(ms_extractor *x, const ms_extract_source *source, const ms_extract_rule *rule, ms_str raw,
                               ms_str *proj, ms_extract_result *result, outcome *out, ms_err *err) {
    const ms_proj_aliases *const aliases = &x->config->parsing.aliases;
    *out = EXTRACTED;
    *proj = resolve(aliases, raw);
    if (proj->text) return MS_OK;
    *proj = raw;
    const bool strict = x->config->parsing.proj_group_strict;
    if (strict) {
        *out = STOP;
        result->reason = aliases->n > 0 ? strict_unmapped : strict_no_alias_map;
        x->n_dropped_without_aliases += aliases->n == 0;
    }
    if (aliases->n == 0) return MS_OK; /* nothing it could have been: not worth a row */
    return note_issue(x, source, rule, MS_PROJ_GROUP, strict ? MS_PROJ_DROPPED_STRICT : MS_PROJ_KEPT_RAW, MS_SPLIT_NONE, raw,
                      raw, err);
}

static ms_status rule_layout(ms_extractor *x, const ms_extract_source *source, const ms_extract_rule *rule, ms_cut *cut,
                             ms_extract_result *result, outcome *out) {
    const ms_cut_shape shape = {source->shape, source->rank, source->column_major};
    char why[MS_CUT_WHY];
    *out = EXTRACTED;
    if (!ms_cut_layout(cut, rule, &shape, why)) {
        warn(x, source, "extract.layout", "rule application failed for ", why);
        *out = NEXT_STAGE;
    } else if ((result->reason = unusable(cut)) != NULL) {
        *out = STOP;
    }
    return MS_OK;
}

static ms_status apply_plain(ms_extractor *x, const placing *p, const ms_extract_rule *rule, const ms_regex_match *m,
                             ms_extract_result *result, outcome *out, ms_err *err) {
    ms_str proj;
    *out = NEXT_STAGE;
    if (rule->proj_group == MS_NO_GROUP) {
        proj = ms_proj_infer(&x->config->parsing.aliases, p->source->name);
        if (!proj.text) return MS_OK;
    } else if (rule->proj_group >= m->n_groups || rule->proj_group >= MS_REGEX_MAX_GROUPS) {
        warn(x, p->source, "extract.group", "rule application failed for ", "no such group as proj_group");
        return MS_OK;
    } else if (!m->groups[rule->proj_group].text) {
        warn(x, p->source, "extract.group", "rule application failed for ", "the group proj_group took no part in the match");
        return MS_OK;
    } else {
        MS_TRY(proj_of_group(x, p->source, rule, m->groups[rule->proj_group], &proj, result, out, err));
        if (*out != EXTRACTED) return MS_OK;
    }
    ms_cut cut;
    MS_TRY(rule_layout(x, p->source, rule, &cut, result, out));
    return *out == EXTRACTED ? add_banks(x, p, &cut, proj, MS_SPLIT_NONE, err) : MS_OK;
}

/* A packed split that does not fit: fatal, or a warning and the next stage. */
static ms_status split_failed(ms_extractor *x, const ms_extract_source *source, const ms_extract_rule *rule, const char *text,
                              const char *why, ms_err *err) {
    const ms_shown rule_name = ms_str_shown(rule->name), name = ms_str_shown(source->name);
    if (x->config->parsing.strict_packed_split)
        return ms_err_set(
            err, MS_ERR_USAGE,
            "%s for rule=%s tensor=%s%s; correct the rule, or set parsing.strict_packed_split=false to go on without it", text,
            rule_name.text, name.text, why);
    ms_notes_add(x->warnings, MS_NOTE_WARNING, "extract.split", source->file, source->name, MS_NOTE_NO_OFFSET,
                 "[extract] %s for rule=%s tensor=%s%s", text, rule_name.text, name.text, why);
    return MS_OK;
}

static ms_split split_kind(const ms_packed_split *split) {
    if (split->interleave) return split->rows ? MS_SPLIT_ROWS_INTERLEAVED : MS_SPLIT_COLS_INTERLEAVED;
    return split->rows ? MS_SPLIT_ROWS : MS_SPLIT_COLS;
}

static ms_status apply_split(ms_extractor *x, const placing *p, const ms_extract_rule *rule, ms_extract_result *result,
                             outcome *out, ms_err *err) {
    ms_cut cut;
    MS_TRY(rule_layout(x, p->source, rule, &cut, result, out));
    if (*out != EXTRACTED) return MS_OK;
    const ms_packed_split *const split = &rule->split;
    char why[MS_CUT_WHY], tail[MS_CUT_WHY + 2];
    *out = NEXT_STAGE;
    if (!ms_cut_check_split(&cut, split, why)) {
        snprintf(tail, sizeof tail, ": %s", why);
        return split_failed(x, p->source, rule, "packed_split failed", tail, err);
    }
    if (ms_cut_n_parts(split) != split->n_projs)
        return split_failed(x, p->source, rule, "packed_split projs and splits length mismatch", "", err);
    const ms_proj_aliases *const aliases = &x->config->parsing.aliases;
    for (size_t k = 0; k < split->n_projs; k++) {
        ms_str proj = resolve(aliases, split->projs[k]);
        const bool unmapped = !proj.text;
        if (unmapped) proj = split->projs[k];
        if (unmapped && aliases->n > 0)
            MS_TRY(note_issue(x, p->source, rule, MS_PROJ_PACKED_SPLIT, MS_PROJ_KEPT_RAW, split_kind(split), proj, proj, err));
        const ms_cut part = ms_cut_part(&cut, split, k);
        MS_TRY(add_banks(x, p, &part, proj, split_kind(split), err));
    }
    *out = EXTRACTED;
    return MS_OK;
}

static ms_status apply_rules(ms_extractor *x, const ms_extract_source *source, ms_extract_result *result, outcome *out,
                             ms_err *err) {
    *out = NEXT_STAGE;
    for (size_t i = 0; i < x->n_rules; i++) {
        const ms_extract_rule *const rule = x->rules[i].rule;
        if (rule->ndim != MS_ANY_NDIM && rule->ndim != (int64_t)source->rank) continue;
        ms_regex_match m;
        MS_TRY(ms_regex_match_start(x->rules[i].regex, source->name, &m, err));
        if (!m.matched) continue;
        placing p;
        MS_TRY(placing_of(x, source, MS_ORIGIN_RULE, &p, err));
        int64_t id;
        if (rule->expert_group >= 0 && rule->expert_group < m.n_groups && rule->expert_group < MS_REGEX_MAX_GROUPS &&
            m.groups[rule->expert_group].text && ms_str_to_i64(m.groups[rule->expert_group], &id) && id >= INT32_MIN &&
            id <= INT32_MAX)
            p.has_id = true, p.id = (int32_t)id;
        result->rule = rule->name;
        return rule->split.wanted ? apply_split(x, &p, rule, result, out, err) : apply_plain(x, &p, rule, &m, result, out, err);
    }
    return MS_OK;
}

/* ---- families, fallback ---- */

/* The tensor's part of each bank that the families see: matrices of one bank stand together. */
static ms_status apply_family(ms_extractor *x, const ms_extract_source *source, outcome *out, ms_err *err) {
    *out = NEXT_STAGE;
    if (!x->families) return MS_OK;
    size_t last_bank = SIZE_MAX;
    MS_TRY(ms_bank_cutter_cut(x->families, source->tensor, err));
    for (size_t i = 0; i < x->families->n_matrices; i++) {
        ms_matrix m = x->families->matrices[i];
        const ms_bank *const from = &x->families->outline.items[m.bank];
        if ((from->role != MS_ROLE_EXPERT && from->role != MS_ROLE_SHARED_EXPERT) || m.rows == 0 || m.cols == 0) continue;
        if (last_bank != m.bank) {
            ms_bank bank = *from;
            bank.origin = MS_ORIGIN_FAMILY;
            bank.first_matrix = x->banks.matrices.n;
            bank.n_matrices = 0;
            if (!layer_counts(source)) bank.layer = -1;
            if (!MS_VEC_RESERVE(&x->banks, 1)) return ms_err_memory(err, "the banks");
            x->banks.items[x->banks.n++] = bank;
            last_bank = m.bank;
        }
        m.bank = (uint32_t)(x->banks.n - 1);
        if (!MS_VEC_PUSH(&x->banks.matrices, m)) return ms_err_memory(err, "the banks");
        x->banks.items[m.bank].n_matrices++;
        *out = EXTRACTED;
    }
    return MS_OK;
}

static ms_status apply_fallback(ms_extractor *x, const ms_extract_source *source, ms_extract_result *result, outcome *out,
                                ms_err *err) {
    *out = NEXT_STAGE;
    const ms_cut_shape shape = {source->shape, source->rank, source->column_major};
    const ms_str proj = ms_proj_infer(&x->config->parsing.aliases, source->name);
    ms_cut cut;
    if (!proj.text || !ms_cut_plain(&cut, &shape)) return MS_OK;
    if ((result->reason = ms_extract_companion_reason(source->name)) != NULL || (result->reason = unusable(&cut)) != NULL)
        return *out = STOP, MS_OK;
    placing p;
    MS_TRY(placing_of(x, source, MS_ORIGIN_FALLBACK, &p, err));
    if (cut.rank == 2) MS_TRY(number_in_name(x->expert_regex, source->name, &p.has_id, &p.id, err));
    *out = EXTRACTED;
    return add_banks(x, &p, &cut, proj, MS_SPLIT_NONE, err);
}

/* What the families know it to be instead of a weight; NULL: nothing, or a weight. */
static const char *reason_of_role(ms_role role) {
    switch (role) {
    case MS_ROLE_QUANT_AUX: return quantisation_companion;
    case MS_ROLE_EXPERT_BIAS: return expert_bias;
    case MS_ROLE_SHARED_GATE: return "shared_expert_gate";
    case MS_ROLE_ROUTER: return "router";
    case MS_ROLE_ROUTER_AUX: return "router_aux";
    default: return NULL;
    }
}

ms_status ms_extract(ms_extractor *x, const ms_extract_source *source, ms_extract_result *result, ms_err *err) {
    *result = (ms_extract_result){.rule = MS_STR(""), .first_bank = x->banks.n};
    outcome out = NEXT_STAGE;
    if (source->is_float) MS_TRY(apply_rules(x, source, result, &out, err));
    if (out == EXTRACTED) result->via = MS_VIA_RULE;
    if (out == NEXT_STAGE) {
        result->rule = MS_STR("");
        MS_TRY(apply_family(x, source, &out, err));
        if (out == EXTRACTED) result->via = MS_VIA_FAMILY;
    }
    if (out == NEXT_STAGE && (result->reason = reason_of_role(source->role)) != NULL) out = STOP;
    if (out == NEXT_STAGE && source->is_float) {
        MS_TRY(apply_fallback(x, source, result, &out, err));
        if (out == EXTRACTED) result->via = MS_VIA_FALLBACK;
    }
    result->n_banks = x->banks.n - result->first_bank;
    if (out == EXTRACTED) result->reason = NULL;
    else if (!result->reason) result->reason = no_match;
    return MS_OK;
}

ms_status ms_extract_again(ms_extractor *x, const ms_extract_source *source, ms_extract_via via, ms_extract_result *result,
                           ms_err *err) {
    *result = (ms_extract_result){.via = via, .rule = MS_STR(""), .first_bank = x->banks.n};
    outcome out;
    ms_status status = MS_OK;
    x->again = true;
    if (via == MS_VIA_RULE) status = apply_rules(x, source, result, &out, err);
    if (via == MS_VIA_FAMILY) status = apply_family(x, source, &out, err);
    if (via == MS_VIA_FALLBACK) status = apply_fallback(x, source, result, &out, err);
    x->again = false;
    result->n_banks = x->banks.n - result->first_bank;
    return status;
}

void ms_extract_undo(ms_extractor *x, ms_extract_result *result, const char *reason) {
    if (result->n_banks > 0) {
        x->banks.matrices.n = x->banks.items[result->first_bank].first_matrix;
        x->banks.n = result->first_bank;
    }
    *result = (ms_extract_result){.rule = MS_STR(""), .reason = reason, .first_bank = result->first_bank};
}

ms_status ms_extract_is_expertish(ms_extractor *x, const ms_extract_source *source, bool *yes, ms_err *err) {
    *yes = ms_str_contains_nocase(source->name, MS_STR("experts")) || ms_extract_is_shared(x, source) ||
           source->role == MS_ROLE_EXPERT;
    for (size_t i = 0; !*yes && source->is_float && i < x->n_rules; i++) {
        const ms_extract_rule *const rule = x->rules[i].rule;
        if (rule->ndim != MS_ANY_NDIM && rule->ndim != (int64_t)source->rank) continue;
        ms_regex_match m;
        MS_TRY(ms_regex_match_start(x->rules[i].regex, source->name, &m, err));
        *yes = m.matched;
    }
    return MS_OK;
}

/* ---- creation ---- */

static ms_status compile(ms_regex **out, const char *key, ms_str pattern, ms_err *err) {
    const ms_status status = ms_regex_compile(out, pattern, err);
    return status == MS_OK ? MS_OK : ms_err_within(err, status, "key '%s'", key);
}

static ms_status compile_rules(ms_extractor *x, ms_err *err) {
    x->rules = ms_mem_zalloc_array(x->config->n_rules + 1, sizeof *x->rules);
    if (!x->rules) return ms_err_memory(err, "the rules");
    for (size_t i = 0; i < x->config->n_rules; i++) {
        const ms_extract_rule *const rule = &x->config->rules[i];
        char key[64];
        snprintf(key, sizeof key, "extract_rules[%zu].match", i);
        ms_regex *regex;
        MS_TRY(compile(&regex, key, rule->match, err)); /* a broken pattern in a disabled rule is an error too */
        if (rule->enabled) x->rules[x->n_rules++] = (ms_compiled_rule){rule, regex};
        else ms_regex_destroy(regex);
    }
    return MS_OK;
}

void ms_extractor_use_families(ms_extractor *x, ms_bank_cutter *cutter) { x->families = cutter; }

void ms_extractor_clear(ms_extractor *x) {
    x->banks.n = 0;
    x->banks.matrices.n = 0;
    if (x->banks.arena.n_bytes > 0) ms_arena_free(&x->banks.arena);
}

ms_status ms_extractor_create(ms_extractor **out, const ms_run_config *config, ms_notes *warnings, ms_err *err) {
    ms_extractor *const x = ms_mem_zalloc(sizeof *x);
    if (!x) return ms_err_memory(err, "the rules");
    x->config = config;
    x->warnings = warnings;
    ms_status status;
    MS_GOTO(compile(&x->layer_regex, "parsing.layer_regex", config->parsing.layer_regex, err));
    MS_GOTO(compile(&x->expert_regex, "parsing.expert_regex", config->parsing.expert_regex, err));
    MS_GOTO(compile_rules(x, err));
    *out = x;
    return MS_OK;
done:
    ms_extractor_destroy(x);
    return status;
}

void ms_extractor_destroy(ms_extractor *x) {
    if (!x) return;
    ms_regex_destroy(x->layer_regex);
    ms_regex_destroy(x->expert_regex);
    for (size_t i = 0; i < x->n_rules; i++) ms_regex_destroy(x->rules[i].regex);
    ms_mem_free(x->rules);
    ms_mem_free(x->banks.items);
    MS_VEC_FREE(&x->banks.matrices);
    ms_arena_free(&x->banks.arena);
    ms_proj_report_free(&x->report);
    ms_mem_free(x);
}
