/* Which tensors there are, and which of them hold expert matrices. */
#include <stdlib.h>

#include "collect_impl.h"
#include "mem.h"

/* ---- order ---- */

static int compare_names(const void *a, const void *b, void *tensors) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const ms_tensor *const all = tensors;
    const int order = ms_str_compare(all[x].stored->name, all[y].stored->name);
    return order ? order : x < y ? -1 : 1;
}

/* Files in the order of the plan; a safetensors file by name, as its own library lists it, others as they are stored. */
static ms_status make_order(ms_collect_state *c, ms_err *err) {
    const ms_checkpoint *const ckpt = c->ckpt;
    c->order = ms_mem_alloc_array(ckpt->n_tensors + 1, sizeof *c->order);
    if (!c->order) return ms_err_memory(err, "the list of tensors");
    for (size_t i = 0; i < ckpt->n_tensors; i++) c->order[i] = (uint32_t)i;
    for (size_t f = 0; f < ckpt->n_files; f++) {
        const ms_file *const file = &ckpt->files[f];
        if (file->n_tensors > 1 && file->reader && strcmp(file->reader->format->name, "safetensors") == 0)
            qsort_r(c->order + file->first_tensor, file->n_tensors, sizeof *c->order, compare_names, ckpt->tensors);
    }
    return MS_OK;
}

/* ---- opening ---- */

static const char unexplained[] = "family.unexplained";

static void take_note(ms_collect_state *c, const ms_note *n) {
    const ms_str about = n->tensor.size ? n->tensor : n->file;
    ms_notes_add(&c->warnings, n->severity, n->code, n->file, n->tensor, n->offset, "[model] %s%s%s",
                 about.size ? ms_str_shown(about).text : "", about.size ? ": " : "", ms_str_shown(n->message).text);
}

/* What the readers and the family tables noticed. The index and the config have stages of their own; whether a name that no
 * family knows is left out remains to be seen. */
static void take_notes(ms_collect_state *c, const ms_notes *notes) {
    static const char *const elsewhere[] = {"index.", "files.", "config.", unexplained};
    for (size_t i = 0; i < notes->n; i++) {
        const ms_note *const n = &notes->items[i];
        bool skip = n->severity < MS_NOTE_WARNING;
        for (size_t k = 0; k < sizeof elsewhere / sizeof *elsewhere; k++)
            skip |= strncmp(n->code, elsewhere[k], strlen(elsewhere[k])) == 0;
        if (!skip) take_note(c, n);
    }
}

static bool was_extracted(const ms_collect_state *c, ms_str name) {
    for (size_t i = 0; i < c->tensors.n; i++)
        if (ms_str_equal(c->ckpt->tensors[c->tensors.items[i].tensor].stored->name, name)) return true;
    return false;
}

/* Names that neither a family nor a rule nor a guess took. */
static void take_unexplained(ms_collect_state *c) {
    for (size_t i = 0; i < c->ckpt->notes.n; i++) {
        const ms_note *const n = &c->ckpt->notes.items[i];
        if (strcmp(n->code, unexplained) == 0 && !was_extracted(c, n->tensor)) take_note(c, n);
    }
}

static ms_status open_files(ms_collect_state *c, ms_err *err) {
    const char **const paths = ms_mem_alloc_array(c->plan.n_files, sizeof *paths);
    if (!paths) return ms_err_memory(err, "the list of files");
    for (size_t i = 0; i < c->plan.n_files; i++) paths[i] = c->plan.files[i].path.text;
    const ms_open_options options = {.no_family = !c->config.parsing.families,
                                     .expert_widths = c->config.parsing.expert_widths};
    const ms_status status = ms_checkpoint_open_files(&c->ckpt, paths, c->plan.n_files, c->plan.folder.text, &options, err);
    ms_mem_free(paths);
    MS_TRY(status);
    take_notes(c, &c->ckpt->notes);
    if (!c->config.parsing.families) return MS_OK;
    MS_TRY(ms_bank_cutter_open(&c->families, c->ckpt, err));
    take_notes(c, &c->families->outline.notes);
    ms_extractor_use_families(c->extractor, c->families);
    return MS_OK;
}

/* A folder may hold a model twice (consolidated.safetensors beside its shards). Where an index chose the files it says so. */
static void warn_of_twins(ms_collect_state *c) {
    const ms_checkpoint *const ckpt = c->ckpt;
    const ms_tensor *first = NULL, *twin = NULL;
    size_t n = 0;
    if (!c->config.parsing.families || c->plan.used) return;
    for (size_t i = 0; i < c->tensors.n; i++) {
        const ms_tensor *const t = &ckpt->tensors[c->tensors.items[i].tensor];
        const ms_tensor *const own = t->shadowed ? ms_checkpoint_find(ckpt, t->stored->name) : NULL;
        if (own && own->file != t->file && n++ == 0) first = own, twin = t;
    }
    if (n > 0)
        ms_notes_add(
            &c->warnings, MS_NOTE_WARNING, "model.twins", c->model_path, first->stored->name, MS_NOTE_NO_OFFSET,
            "[model] expert tensors in more than one file: %zu, the first is '%s', in '%s' and in '%s'; each is measured", n,
            ms_str_shown(first->stored->name).text, ms_str_shown(ckpt->files[first->file].name).text,
            ms_str_shown(ckpt->files[twin->file].name).text);
}

static ms_status compare_with_index(ms_collect_state *c, ms_err *err) {
    MS_TRY(ms_index_report_make(&c->index, &c->plan, c->ckpt, err));
    ms_index_forget_entries(&c->plan.index);
    return MS_OK;
}

/* ---- looking at each tensor ---- */

static void add_example(ms_collect_examples *examples, ms_str name) {
    if (examples->n >= MS_COLLECT_MAX_EXAMPLES) return;
    for (size_t i = 0; i < examples->n; i++)
        if (ms_str_equal(examples->items[i], name)) return;
    examples->items[examples->n++] = name;
}

/* Might it be a part of experts, whatever the configuration thinks? */
static bool is_candidate(const ms_extract_source *source) {
    static const ms_str words[] = {{"expert", 6}, {"moe", 3}, {"switch_mlp", 10}, {"switch_glu", 10}, {"ffn_gate_exps", 13}};
    if (source->rank < 2) return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (ms_str_contains_nocase(source->name, words[i])) return true;
    return false;
}

static bool is_wanted(ms_collect_state *c, const ms_extract_source *source, bool expertish) {
    if (!c->config.scan.experts_only) return true;
    return expertish && (c->config.scan.include_shared_expert || !ms_extract_is_shared(c->extractor, source));
}

/* Tries to decode one row of a tensor that is not stored as plain floats. MS_ERR_UNSUPPORTED when nothing can read it. */
static ms_status try_to_decode(ms_collect_state *c, const ms_extract_result *result, ms_err *why) {
    const ms_bank *const bank = &c->extractor->banks.items[result->first_bank];
    const ms_matrix *const m = &c->extractor->banks.matrices.items[bank->first_matrix];
    ms_scratch scratch = {0};
    float *const row = ms_mem_alloc_array(m->cols, sizeof *row);
    const ms_status status = row ? ms_matrix_rows(c->ckpt, m, 0, 1, &scratch, row, why) : ms_err_memory(why, "a row");
    ms_mem_free(row);
    ms_scratch_free(&scratch);
    return status;
}

static ms_status check_storage(ms_collect_state *c, const ms_extract_source *source, const ms_tensor *tensor,
                               ms_extract_result *result, ms_err *err) {
    if (result->via == MS_VIA_NONE || (source->is_float && (!tensor->scheme || !tensor->scheme[0]))) return MS_OK;
    ms_err why = {0};
    const ms_status status = try_to_decode(c, result, &why);
    if (status == MS_OK) return MS_OK;
    if (status != MS_ERR_UNSUPPORTED) return ms_err_set(err, status, "%s", why.text);
    ms_notes_add(&c->warnings, MS_NOTE_WARNING, "extract.storage", source->file, source->name, MS_NOTE_NO_OFFSET,
                 "[extract] cannot decode %s (%s): %s", ms_str_shown(source->name).text,
                 tensor->scheme && tensor->scheme[0] ? tensor->scheme : ms_str_shown(tensor->stored->dtype_name).text,
                 why.text);
    ms_extract_undo(c->extractor, result, ms_extract_unsupported_storage);
    return MS_OK;
}

static void count(ms_collect_state *c, const ms_extract_source *source, const ms_extract_result *result) {
    switch (result->via) {
    case MS_VIA_RULE: c->summary->extracted_by_rule++, add_example(&c->by_rule, source->name); break;
    case MS_VIA_FAMILY: c->summary->extracted_by_family++, add_example(&c->by_family, source->name); break;
    case MS_VIA_FALLBACK: c->summary->extracted_by_fallback++, add_example(&c->by_fallback, source->name); break;
    case MS_VIA_NONE:
        c->summary->unmatched_expertish++;
        add_example(&c->unmatched, source->name);
        break;
    }
}

static ms_extract_source source_of(const ms_collect_state *c, uint32_t index) {
    const ms_tensor *const t = &c->ckpt->tensors[index];
    const bool asked = c->config.parsing.families;
    return (ms_extract_source){.file = c->ckpt->files[t->file].path,
                               .name = t->stored->name,
                               .tensor = index,
                               .shape = t->stored->shape,
                               .rank = t->stored->rank,
                               .column_major = t->stored->column_major,
                               .is_float = ms_dtype_info_of(t->stored->dtype)->is_float,
                               .role = asked ? t->role : MS_ROLE_OTHER,
                               .section = asked && t->section ? t->section : ""};
}

/* Scales and the like belong to a tensor that has a row of its own. */
static bool is_companion(const ms_extract_source *source) { return source->role == MS_ROLE_QUANT_AUX; }

/* Those of the tensor that was extracted last: they are made again when their turn comes. */
static void count_matrices(ms_collect_state *c, uint32_t index) {
    const ms_banks *const banks = &c->extractor->banks;
    const ms_tensor *const t = &c->ckpt->tensors[index];
    c->n_matrices += banks->matrices.n;
    for (size_t i = 0; i < banks->matrices.n; i++)
        c->n_bytes[t->file] +=
            banks->matrices.items[i].rows * banks->matrices.items[i].cols * ms_dtype_info_of(t->stored->dtype)->bits / 8;
}

static ms_status look_at(ms_collect_state *c, uint32_t index, ms_err *err) {
    const ms_extract_source source = source_of(c, index);
    const bool by_family = source.role == MS_ROLE_EXPERT || source.role == MS_ROLE_SHARED_EXPERT;
    if (!source.is_float && !by_family) return MS_OK;
    if (c->config.scan.experts_only && source.is_float && is_candidate(&source)) {
        c->n_candidates++;
        add_example(&c->candidates, source.name);
    }
    bool expertish;
    MS_TRY(ms_extract_is_expertish(c->extractor, &source, &expertish, err));
    if (!is_wanted(c, &source, expertish)) return MS_OK;
    ms_extract_result result;
    ms_extractor_clear(c->extractor);
    MS_TRY(ms_extract(c->extractor, &source, &result, err));
    MS_TRY(check_storage(c, &source, &c->ckpt->tensors[index], &result, err));
    const bool unmatched = result.via == MS_VIA_NONE;
    if (unmatched && (!c->config.scan.experts_only || !expertish || is_companion(&source))) return MS_OK;
    count(c, &source, &result);
    count_matrices(c, index);
    const bool fine = unmatched ? MS_VEC_PUSH(&c->left_out, (ms_collect_left_out){index, result.reason})
                                : MS_VEC_PUSH(&c->tensors, (ms_collect_tensor){index, result.via});
    return fine ? MS_OK : ms_err_memory(err, "the list of tensors");
}

ms_status ms_collect_extract_again(ms_collect_state *c, size_t i, ms_extract_result *result, ms_err *err) {
    const ms_collect_tensor *const from = &c->tensors.items[i];
    const ms_extract_source source = source_of(c, from->tensor);
    return ms_extract_again(c->extractor, &source, from->via, result, err);
}

ms_status ms_collect_tensors(ms_collect_state *c, ms_err *err) {
    if (c->plan.n_files == 0) return compare_with_index(c, err);
    MS_TRY(open_files(c, err));
    c->n_bytes = ms_mem_zalloc_array(c->ckpt->n_files, sizeof *c->n_bytes);
    if (!c->n_bytes) return ms_err_memory(err, "the files");
    MS_TRY(make_order(c, err));
    MS_TRY(compare_with_index(c, err));
    c->summary->tensors_observed = c->ckpt->n_tensors;
    for (size_t i = 0; i < c->ckpt->n_tensors; i++) {
        if (c->options->cancel && atomic_load_explicit(c->options->cancel, memory_order_relaxed))
            return ms_err_set(err, MS_ERR_INTERRUPTED, "interrupted while looking at the tensors");
        MS_TRY(look_at(c, c->order[i], err));
    }
    take_unexplained(c);
    warn_of_twins(c);
    return MS_OK;
}
