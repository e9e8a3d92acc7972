#include "run_plan.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "file_set.h"
#include "files.h"
#include "mem.h"
#include "run_path.h"
#include "vec.h"

static const char index_name[] = "model.safetensors.index.json";
static const char index_tail[] = ".safetensors.index.json";

const char *ms_index_status_name(ms_index_status status) {
    static const char *const names[] = {"disabled", "not_found", "error", "active"};
    return names[status];
}

typedef MS_VEC(ms_str) names;

static int compare_names(const void *a, const void *b) { return ms_str_compare(*(const ms_str *)a, *(const ms_str *)b); }

/* Sorted copy in the arena; frees the vector. */
static ms_status keep_names(ms_arena *arena, names *from, ms_name_list *out, ms_err *err) {
    ms_str *const items = ms_arena_alloc_array(arena, from->n + 1, sizeof *items);
    if (items && from->n > 0) {
        memcpy(items, from->items, from->n * sizeof *items);
        qsort(items, from->n, sizeof *items, compare_names);
    }
    *out = (ms_name_list){items, items ? from->n : 0};
    MS_VEC_FREE(from);
    return items ? MS_OK : ms_err_memory(err, "a list of files");
}

bool ms_name_list_has(const ms_name_list *list, ms_str name) {
    return list->n > 0 && bsearch(&name, list->items, list->n, sizeof *list->items, compare_names) != NULL;
}

static bool has_accepted_suffix(const ms_run_config *config, ms_str path) {
    const ms_str suffix = ms_path_suffix(path);
    for (size_t i = 0; i < config->scan.n_extensions; i++)
        if (ms_str_equal(suffix, config->scan.extensions[i])) return true;
    return false;
}

/* ---- index ---- */

/* The usual name, else the first of the others; text NULL when there is none. */
static ms_status find_index(ms_run_plan *plan, const ms_files_list *list, ms_err *err) {
    const ms_files_entry *found = NULL;
    for (size_t i = 0; i < list->n; i++) {
        const ms_files_entry *const entry = &list->items[i];
        const bool usual = ms_str_is(entry->name, index_name);
        if (usual || (!found && ms_str_ends_with(entry->name, ms_str_of(index_tail)))) found = entry;
        if (usual) break;
    }
    if (!found) return MS_OK;
    plan->index_path = ms_files_join(&plan->arena, plan->folder, found->name);
    plan->found = true;
    return plan->index_path.text ? MS_OK : ms_err_memory(err, "a path");
}

/* MS_OK also when it cannot be parsed: then the status says so. */
static ms_status parse_index(ms_run_plan *plan, ms_notes *warnings, ms_err *err) {
    ms_err why = {0};
    ms_status status = ms_index_open(&plan->index, plan->index_path.text, &why);
    if (status == MS_OK) status = ms_index_read(&plan->index, &why);
    if (status == MS_ERR_MEMORY) return ms_err_memory(err, "the index");
    plan->parsed = status == MS_OK;
    plan->status = plan->parsed ? MS_INDEX_ACTIVE : MS_INDEX_ERROR;
    if (plan->parsed) return MS_OK;
    ms_notes_add(warnings, MS_NOTE_WARNING, "index.unparsable", plan->index_path, MS_STR(""), MS_NOTE_NO_OFFSET,
                 "[index] failed to parse index %s: %s", plan->index_path.text, why.text);
    plan->index_error = ms_arena_copy(&plan->arena, ms_str_of(why.text));
    return plan->index_error.text ? MS_OK : ms_err_memory(err, "the index");
}

static ms_str without_dot(ms_str shard) {
    return ms_str_starts_with(shard, MS_STR("./")) ? ms_str_sub(shard, 2, shard.size) : shard;
}

/* Safetensors files beside the index that are no shards of it. */
static ms_status list_extra(ms_run_plan *plan, const ms_files_list *list, ms_err *err) {
    names extra = {0};
    for (size_t i = 0; i < list->n; i++) {
        const ms_files_entry *const entry = &list->items[i];
        if (!entry->is_regular || !ms_str_is(ms_path_suffix(entry->name), ".safetensors")) continue;
        bool expected = ms_name_list_has(&plan->expected, entry->name);
        for (size_t k = 0; !expected && k < plan->expected.n; k++)
            expected =
                plan->expected.items[k].text[0] == '.' && ms_str_equal(without_dot(plan->expected.items[k]), entry->name);
        const ms_str name = expected ? MS_STR("") : ms_arena_copy(&plan->arena, entry->name);
        if (!name.text || (!expected && !MS_VEC_PUSH(&extra, name))) {
            MS_VEC_FREE(&extra);
            return ms_err_memory(err, "a list of files");
        }
    }
    return keep_names(&plan->arena, &extra, &plan->extra_on_disk, err);
}

static ms_status list_expected(ms_run_plan *plan, const ms_run_config *config, ms_err *err) {
    names expected = {0};
    for (size_t i = 0; i < plan->index.n_shards; i++)
        if (has_accepted_suffix(config, plan->index.shards[i]) && !MS_VEC_PUSH(&expected, plan->index.shards[i])) {
            MS_VEC_FREE(&expected);
            return ms_err_memory(err, "the shards");
        }
    return keep_names(&plan->arena, &expected, &plan->expected, err);
}

static ms_status index_stage(ms_run_plan *plan, const ms_run_config *config, const ms_files_list *list, ms_notes *warnings,
                             ms_err *err) {
    if (!config->scan.use_index) return MS_OK;
    plan->searched = true;
    plan->status = MS_INDEX_NOT_FOUND;
    MS_TRY(find_index(plan, list, err));
    if (plan->found) MS_TRY(parse_index(plan, warnings, err));
    MS_FAIL_IF(config->scan.strict_index && !plan->parsed, plan->found ? MS_ERR_DAMAGED : MS_ERR_NOT_FOUND, err,
               "strict_index requires an active index (status: %s); %s%s, or set scan.strict_index=false",
               ms_index_status_name(plan->status), plan->found ? "repair " : "put a *.safetensors.index.json into ",
               plan->found ? plan->index_path.text : plan->folder.text);
    if (!plan->parsed) return MS_OK;
    MS_TRY(list_expected(plan, config, err));
    plan->used = !plan->model_is_file;
    return plan->used ? list_extra(plan, list, err) : MS_OK;
}

/* ---- files by index ---- */

static void hint_at_case(const ms_run_plan *plan, ms_str shard, const ms_files_list *list, ms_notes *warnings) {
    for (size_t i = 0; i < list->n; i++)
        if (ms_str_equal_nocase(list->items[i].name, without_dot(shard)))
            ms_notes_add(warnings, MS_NOTE_WARNING, "index.case", plan->index_path, MS_STR(""), MS_NOTE_NO_OFFSET,
                         "[index] shard '%s' is missing, but '%s' is there: the names differ in upper and lower case only",
                         ms_str_shown(shard).text, ms_str_shown(list->items[i].name).text);
}

/* As many as an error message has room for; then how many more there are. */
static void join_names(const ms_name_list *list, ms_buf *out) {
    enum { ROOM = 600 };
    for (size_t i = 0; i < list->n; i++) {
        if (out->size > ROOM) {
            ms_buf_printf(out, " and %zu more", list->n - i);
            return;
        }
        ms_buf_put_text(out, i ? ", " : "");
        ms_buf_put_text(out, ms_str_shown(list->items[i]).text);
    }
}

static ms_status missing_is_fatal(const ms_run_plan *plan, ms_err *err) {
    ms_buf text = {0};
    join_names(&plan->missing, &text);
    const ms_status status = ms_err_set(
        err, MS_ERR_NOT_FOUND, "[index] missing shard(s) referenced by index: %s; fetch them, or set scan.strict_index=false",
        ms_buf_str(&text).text);
    ms_buf_free(&text);
    return status;
}

static ms_status files_of_index(ms_run_plan *plan, const ms_run_config *config, const ms_files_list *list, ms_notes *warnings,
                                ms_err *err) {
    ms_plan_file *const files = ms_arena_alloc_array(&plan->arena, plan->expected.n + 1, sizeof *files);
    names missing = {0};
    ms_status status = files ? MS_OK : ms_err_memory(err, "the shards");
    for (size_t i = 0; status == MS_OK && i < plan->expected.n; i++) {
        const ms_str shard = plan->expected.items[i];
        const bool inside = ms_index_shard_is_inside(shard);
        const ms_str path = inside ? ms_files_join(&plan->arena, plan->folder, without_dot(shard)) : MS_STR("");
        if (!path.text) status = ms_err_memory(err, "the shards");
        else if (inside && ms_files_exists(path.text)) files[plan->n_files++] = (ms_plan_file){path, shard};
        else if (!MS_VEC_PUSH(&missing, shard)) status = ms_err_memory(err, "the shards");
        else if (inside) hint_at_case(plan, shard, list, warnings);
        else
            ms_notes_add(warnings, MS_NOTE_WARNING, "index.outside", plan->index_path, MS_STR(""), MS_NOTE_NO_OFFSET,
                         "[index] shard '%s' lies outside the model folder: not read, counted as missing",
                         ms_str_shown(shard).text);
    }
    plan->files = files;
    if (status != MS_OK) {
        MS_VEC_FREE(&missing);
        return status;
    }
    MS_TRY(keep_names(&plan->arena, &missing, &plan->missing, err));
    return config->scan.strict_index && plan->missing.n > 0 ? missing_is_fatal(plan, err) : MS_OK;
}

/* ---- files by walk ---- */

typedef struct walk {
    names folders; /* still to be looked at */
    MS_VEC(ms_plan_file) files;
} walk;

static bool is_link(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
}

static ms_status walk_folder(walk *w, ms_run_plan *plan, const ms_run_config *config, ms_str folder, ms_err *err) {
    ms_files_list list;
    const ms_status status = ms_files_list_folder(&list, folder.text, err);
    if (status == MS_ERR_MEMORY) return status;
    if (status != MS_OK) return ms_str_equal(folder, plan->folder) ? status : MS_OK; /* no permission below: passed over */
    bool fine = true;
    for (size_t i = 0; fine && i < list.n; i++) {
        const ms_files_entry *const entry = &list.items[i];
        if (!entry->is_folder && !has_accepted_suffix(config, entry->name)) continue;
        const ms_str path = ms_files_join(&plan->arena, folder, entry->name);
        if (!path.text) fine = false;
        else if (!entry->is_folder) fine = MS_VEC_PUSH(&w->files, (ms_plan_file){path, MS_STR("")});
        else if (!is_link(path.text)) fine = MS_VEC_PUSH(&w->folders, path);
    }
    ms_files_list_free(&list);
    return fine ? MS_OK : ms_err_memory(err, "a list of files");
}

static int compare_paths(const void *a, const void *b) {
    return ms_path_compare(((const ms_plan_file *)a)->path, ((const ms_plan_file *)b)->path);
}

static ms_status files_of_walk(ms_run_plan *plan, const ms_run_config *config, ms_err *err) {
    walk w = {0};
    ms_status status = MS_OK;
    if (!plan->model_is_file) {
        if (!MS_VEC_PUSH(&w.folders, plan->folder)) status = ms_err_memory(err, "a list of files");
    } else if (has_accepted_suffix(config, plan->model_path) &&
               !MS_VEC_PUSH(&w.files, (ms_plan_file){plan->model_path, MS_STR("")})) {
        status = ms_err_memory(err, "a list of files");
    }
    while (status == MS_OK && w.folders.n > 0) {
        const ms_str folder = w.folders.items[--w.folders.n];
        status = walk_folder(&w, plan, config, folder, err);
    }
    if (status == MS_OK) {
        ms_plan_file *const files = ms_arena_alloc_array(&plan->arena, w.files.n + 1, sizeof *files);
        if (!files) status = ms_err_memory(err, "a list of files");
        if (files && w.files.n > 0) {
            memcpy(files, w.files.items, w.files.n * sizeof *files);
            qsort(files, w.files.n, sizeof *files, compare_paths);
        }
        plan->files = files;
        plan->n_files = files ? w.files.n : 0;
    }
    MS_VEC_FREE(&w.folders);
    MS_VEC_FREE(&w.files);
    return status;
}

/* ---- both ---- */

/* The formats that the pipeline's configurations list. */
static bool is_usual(ms_str path) {
    const ms_str suffix = ms_path_suffix(path);
    return ms_str_is(suffix, ".safetensors") || ms_str_is(suffix, ".npz");
}

static bool has_safetensors(const ms_run_plan *plan) {
    for (size_t i = 0; i < plan->n_files; i++)
        if (ms_str_is(ms_path_suffix(plan->files[i].path), ".safetensors")) return true;
    return false;
}

static ms_status take_set(ms_run_plan *plan, const ms_file_set *set, const ms_notes *notes, ms_notes *warnings, ms_err *err) {
    ms_plan_file *const files = ms_arena_alloc_array(&plan->arena, set->files.n, sizeof *files);
    if (!files) return ms_err_memory(err, "a list of files");
    for (size_t i = 0; i < set->files.n; i++) files[i] = (ms_plan_file){set->files.items[i].path, MS_STR("")};
    plan->files = files;
    plan->n_files = set->files.n;
    for (size_t i = 0; i < notes->n; i++)
        if (notes->items[i].severity >= MS_NOTE_WARNING)
            ms_notes_add(warnings, notes->items[i].severity, notes->items[i].code, notes->items[i].file, MS_STR(""),
                         MS_NOTE_NO_OFFSET, "[collect] %s", notes->items[i].message.text);
    return MS_OK;
}

/* The shards of an index of another format that are there. */
static ms_status add_shards(ms_file_set *set, ms_arena *arena, ms_err *err) {
    ms_index index;
    ms_status status = ms_index_open(&index, set->index_path.text, err);
    if (status == MS_OK) status = ms_index_read(&index, err);
    for (size_t i = 0; i < index.n_shards && status == MS_OK; i++) {
        const ms_str path = ms_files_join(arena, set->folder, index.shards[i]);
        if (!path.text) status = ms_err_memory(err, "a path");
        else if (ms_index_shard_is_inside(index.shards[i]) && ms_files_is_regular(path.text))
            status = ms_file_set_add(set, index.shards[i], arena, err);
    }
    ms_index_free(&index);
    return status;
}

/* With families the other formats count too: they are opened as all other commands do, a part with its whole set. A folder of
 * several models is an error; one of none is not, here. */
static ms_status files_of_other_formats(ms_run_plan *plan, ms_notes *warnings, ms_err *err) {
    ms_file_set set = {0};
    ms_notes notes = {0};
    ms_err why = {0};
    ms_status status = ms_file_set_find(&set, plan->model_path.text, &plan->arena, &notes, &why);
    if (status == MS_OK && set.index_path.size) status = add_shards(&set, &plan->arena, &why);
    if (status == MS_OK && set.files.n > 0 && !is_usual(set.files.items[0].path))
        status = take_set(plan, &set, &notes, warnings, &why);
    if (status == MS_ERR_MEMORY || (status == MS_ERR_UNSUPPORTED && plan->n_files == 0))
        ms_err_set(err, status, "%s", why.text);
    else status = MS_OK;
    ms_notes_free(&notes);
    ms_file_set_free(&set);
    return status;
}

static ms_status cut_to_max_files(ms_run_plan *plan, int64_t max_files, ms_err *err) {
    names skipped = {0};
    if (max_files < 0 || (size_t)max_files >= plan->n_files) return MS_OK;
    for (size_t i = (size_t)max_files; i < plan->n_files; i++) {
        const ms_str name =
            plan->used ? plan->files[i].shard : ms_files_relative(&plan->arena, plan->files[i].path, plan->folder);
        if (!name.text || !MS_VEC_PUSH(&skipped, name)) {
            MS_VEC_FREE(&skipped);
            return ms_err_memory(err, "a list of files");
        }
    }
    plan->n_files = (size_t)max_files;
    return keep_names(&plan->arena, &skipped, &plan->skipped, err);
}

ms_status ms_run_plan_make(ms_run_plan *out, const ms_run_config *config, ms_str model_path, ms_notes *warnings, ms_err *err) {
    *out = (ms_run_plan){.index_path = MS_STR(""), .index_error = MS_STR("")};
    MS_FAIL_IF(config->scan.strict_index && !config->scan.use_index, MS_ERR_USAGE, err,
               "strict_index requires use_safetensors_index_json=true");
    out->model_path = ms_arena_copy(&out->arena, model_path);
    if (!out->model_path.text) return ms_err_memory(err, "a path");
    out->model_is_file = !ms_files_is_folder(out->model_path.text);
    out->folder = out->model_path;
    if (out->model_is_file) out->folder = ms_arena_copy(&out->arena, ms_files_folder_of(out->model_path));
    if (!out->folder.text) return ms_err_memory(err, "a path");
    ms_files_list list;
    MS_TRY(ms_files_list_folder(&list, out->folder.text, err));
    ms_status status = index_stage(out, config, &list, warnings, err);
    if (status == MS_OK)
        status = out->used ? files_of_index(out, config, &list, warnings, err) : files_of_walk(out, config, err);
    if (status == MS_OK && !out->used && config->parsing.families && !has_safetensors(out))
        status = files_of_other_formats(out, warnings, err);
    if (status == MS_OK) status = cut_to_max_files(out, config->scan.max_files, err);
    ms_files_list_free(&list);
    return status;
}

void ms_run_plan_free(ms_run_plan *plan) {
    ms_index_free(&plan->index);
    ms_arena_free(&plan->arena);
    *plan = (ms_run_plan){0};
}
