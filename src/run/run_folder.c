#include "run_folder.h"

#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "expert_widths.h"
#include "files.h"
#include "json.h"
#include "run_config.h"
#include "run_path.h"

static const char *const folders[] = {
    "logs",  "data",          "tables",       "cache",        "cache/sampled_indices",
    "plots", "plots/summary", "plots/global", "plots/block4", "plots/layer",
};

enum { MANIFEST_VERSION = 2, MANIFEST_MAX_BYTES = 1 << 20 };

ms_utc_text ms_utc_now(bool with_microseconds) {
    ms_utc_text out;
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    const size_t n = strftime(out.text, sizeof out.text, "%Y-%m-%dT%H:%M:%S", &utc);
    if (with_microseconds) snprintf(out.text + n, sizeof out.text - n, ".%06ldZ", now.tv_nsec / 1000);
    else snprintf(out.text + n, sizeof out.text - n, "Z");
    return out;
}

/* ---- files of a run ---- */

static ms_status sort_keys_of(ms_buf *json, ms_err *err) {
    ms_arena arena = {0};
    ms_buf sorted = {0};
    const ms_json_value *value;
    const ms_status status = ms_json_parse(&value, json->bytes, json->size, &arena, err);
    if (status == MS_OK) {
        ms_json_out out = {.buf = &sorted, .indent = 2};
        ms_json_out_value(&out, value, true);
    }
    ms_arena_free(&arena);
    ms_buf_free(json);
    *json = sorted;
    return status;
}

ms_status ms_run_write_json(ms_str run_dir, const char *name, ms_buf *json, bool sort_keys, ms_err *err) {
    ms_arena arena = {0};
    ms_status status = json->failed ? ms_err_memory(err, name) : MS_OK;
    if (status == MS_OK && sort_keys) status = sort_keys_of(json, err);
    ms_buf_put_char(json, '\n');
    const ms_str path = ms_files_join(&arena, run_dir, ms_str_of(name));
    if (status == MS_OK && (json->failed || !path.text)) status = ms_err_memory(err, name);
    if (status == MS_OK) status = ms_files_write(path.text, json->bytes, json->size, MS_FILES_NO_SYNC, err);
    ms_arena_free(&arena);
    ms_buf_free(json);
    return status;
}

void ms_run_remove(ms_str run_dir, const char *name) {
    ms_arena arena = {0};
    struct stat info;
    const ms_str path = ms_files_join(&arena, run_dir, ms_str_of(name));
    if (path.text && lstat(path.text, &info) == 0 && !S_ISDIR(info.st_mode)) unlink(path.text);
    ms_arena_free(&arena);
}

void ms_run_remove_table(ms_str run_dir, const char *name) {
    char file[256];
    snprintf(file, sizeof file, "%s.parquet", name);
    ms_run_remove(run_dir, file);
    snprintf(file, sizeof file, "%s.csv", name);
    ms_run_remove(run_dir, file);
}

static bool get_text(const ms_json_value *root, const char *key, ms_str *out, ms_arena *arena) {
    const ms_json_value *const v = ms_json_get(root, key);
    if (!v || v->kind != MS_JSON_STRING) return false;
    const ms_str copy = ms_arena_copy(arena, v->string);
    if (!copy.text) return false;
    *out = copy;
    return true;
}

ms_run_manifest ms_run_manifest_read(ms_str run_dir, ms_arena *arena) {
    ms_run_manifest out = {MS_STR(""), MS_STR(""), MS_STR(""), false, false, false};
    ms_arena scratch = {0};
    ms_buf text = {0};
    const ms_json_value *root;
    const ms_str path = ms_files_join(&scratch, run_dir, MS_STR("manifest.json"));
    if (path.text && ms_files_read(&text, path.text, MANIFEST_MAX_BYTES, NULL) == MS_OK &&
        ms_json_parse(&root, text.bytes, text.size, &scratch, NULL) == MS_OK) {
        out.has_model_id = get_text(root, "model_id", &out.model_id, arena);
        out.has_run_name = get_text(root, "run_name", &out.run_name, arena);
        out.has_created_at = get_text(root, "created_at", &out.created_at, arena);
    }
    ms_arena_free(&scratch);
    ms_buf_free(&text);
    return out;
}

/* ---- init ---- */

/* Relative, and every part a name of its own. */
static bool stays_inside(const char *name) {
    ms_str rest = ms_str_of(name);
    if (rest.size == 0 || name[0] == '/') return false;
    while (rest.text) {
        const ms_str part = ms_str_cut(&rest, '/');
        if (part.size == 0 || ms_str_is(part, ".") || ms_str_is(part, "..")) return false;
    }
    return true;
}

static ms_status write_manifest(ms_str run_dir, const ms_run_init_options *options, ms_err *err) {
    ms_buf text = {0};
    ms_json_out json = {.buf = &text, .indent = 2};
    ms_json_out_begin_object(&json);
    ms_json_out_key(&json, "model_id");
    ms_json_out_text(&json, options->model_id);
    ms_json_out_key(&json, "run_name");
    ms_json_out_text(&json, options->run_name);
    ms_json_out_key(&json, "created_at");
    ms_json_out_text(&json, ms_utc_now(true).text);
    ms_json_out_key(&json, "version");
    ms_json_out_i64(&json, MANIFEST_VERSION);
    ms_json_out_end(&json);
    return ms_run_write_json(run_dir, "manifest.json", &text, false, err);
}

static ms_status write_config(ms_str run_dir, const ms_run_init_options *options, ms_arena *arena, ms_err *err) {
    ms_str absolute = MS_STR("");
    if (options->model_path) MS_TRY(ms_path_resolve(&absolute, arena, options->model_path, err));
    ms_expert_widths widths; /* a list that cannot be read is refused here, not when it is used */
    if (options->expert_widths) MS_TRY(ms_expert_widths_parse(&widths, ms_str_of(options->expert_widths), arena, err));
    ms_buf text = {0};
    ms_status status = ms_run_config_template(&text, absolute.text, options->expert_widths, err);
    if (status == MS_OK) status = ms_run_write_json(run_dir, "analysis_config.json", &text, false, err);
    ms_buf_free(&text);
    return status;
}

ms_status ms_run_init_at(ms_str run_dir, bool *config_kept, const ms_run_init_options *options, ms_arena *arena, ms_err *err) {
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        const ms_str folder = ms_files_join(arena, run_dir, ms_str_of(folders[i]));
        if (!folder.text) return ms_err_memory(err, "a path");
        MS_TRY(ms_files_make_folder(folder.text, err));
    }
    MS_TRY(write_manifest(run_dir, options, err));
    const ms_str config = ms_files_join(arena, run_dir, MS_STR("analysis_config.json"));
    if (!config.text) return ms_err_memory(err, "a path");
    *config_kept = ms_files_exists(config.text);
    return *config_kept ? MS_OK : write_config(run_dir, options, arena, err);
}

ms_status ms_run_init(ms_str *run_dir, bool *config_kept, const ms_run_init_options *options, ms_arena *arena, ms_err *err) {
    MS_FAIL_IF(!stays_inside(options->model_id), MS_ERR_USAGE, err,
               "--model-id '%s': expected a name, or names separated by single slashes, without '.' and '..'",
               ms_str_shown(ms_str_of(options->model_id)).text);
    MS_FAIL_IF(!stays_inside(options->run_name), MS_ERR_USAGE, err,
               "--run-name '%s': expected a name, or names separated by single slashes, without '.' and '..'",
               ms_str_shown(ms_str_of(options->run_name)).text);
    ms_str root;
    MS_TRY(ms_path_resolve(&root, arena, options->root, err));
    const ms_str model = ms_files_join(arena, root, ms_str_of(options->model_id));
    *run_dir = model.text ? ms_files_join(arena, model, ms_str_of(options->run_name)) : MS_STR_NONE;
    if (!run_dir->text) return ms_err_memory(err, "a path");
    return ms_run_init_at(*run_dir, config_kept, options, arena, err);
}
