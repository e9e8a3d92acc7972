#include "meta_stage.h"

#include "files.h"
#include "model_config.h"
#include "run_folder.h"
#include "run_path.h"

enum { CONFIG_MAX_BYTES = 64 << 20, MAX_LOGGED_CHARS = 200000 };

static const char missing[] = "meta.missing";
static const char raw_log[] = "logs/model_config.raw.json", budget_log[] = "logs/model_shape_budget.json";

/* What stays of a config too long to be logged whole. */
static const char *const logged_keys[] = {
    "num_hidden_layers",
    "n_layer",
    "num_layers",
    "hidden_size",
    "d_model",
    "num_experts",
    "n_routed_experts",
    "num_local_experts",
    "num_experts_per_tok",
    "experts_per_token",
    "moe_intermediate_size",
    "expert_intermediate_size",
    "shared_expert_intermediate_size",
    "n_shared_experts",
    "decoder_sparse_step",
    "full_attention_interval",
    "first_k_dense_replace",
    "mlp_only_layers",
    "model_type",
    "architectures",
};

static void warn(ms_notes *warnings, ms_str file, const char *code, const char *text, const char *path) {
    ms_notes_add(warnings, MS_NOTE_WARNING, code, file, MS_STR(""), MS_NOTE_NO_OFFSET, "[meta] %s%s", text, path);
}

/* ---- which file ---- */

/* text NULL when there is none. */
static ms_status find_config(const ms_run_config *config, ms_str folder, ms_arena *arena, ms_notes *warnings, ms_str *out,
                             ms_err *err) {
    static const char *const places[] = {"config.json", "model/config.json", "configs/config.json", "config/config.json",
                                         "hf/config.json"};
    *out = MS_STR_NONE;
    if (config->metadata.config_path.size > 0) {
        const ms_str terminated = ms_arena_copy(arena, config->metadata.config_path);
        const bool from_folder = terminated.text && terminated.text[0] != '/' && terminated.text[0] != '~';
        const ms_str whole = from_folder ? ms_files_join(arena, folder, terminated) : terminated;
        if (!whole.text) return ms_err_memory(err, "a path");
        ms_str path;
        MS_TRY(ms_path_resolve(&path, arena, whole.text, err));
        if (ms_files_exists(path.text)) return *out = path, MS_OK;
        warn(warnings, path, "meta.config_path", "config_path not found: ", path.text);
    }
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const ms_str path = ms_files_join(arena, folder, ms_str_of(places[i]));
        if (!path.text) return ms_err_memory(err, "a path");
        if (ms_files_is_regular(path.text)) return *out = path, MS_OK;
    }
    return MS_OK;
}

/* *root NULL when it is unreadable, empty or no object. */
static ms_status read_config(const char *path, ms_buf *text, ms_arena *arena, const ms_json_value **root, ms_err *err) {
    ms_err why = {0};
    *root = NULL;
    ms_status status = ms_files_read(text, path, CONFIG_MAX_BYTES, &why);
    if (status == MS_OK) status = ms_json_parse(root, ms_buf_str(text).text, text->size, arena, &why);
    if (status == MS_ERR_MEMORY) return ms_err_memory(err, "the model's config");
    if (status != MS_OK || (*root)->kind != MS_JSON_OBJECT || (*root)->object.n == 0) *root = NULL;
    return MS_OK;
}

/* ---- what is logged ---- */

/* Characters of the config without any blanks between its parts. */
static size_t chars_of(const ms_json_value *root) {
    ms_buf text = {0};
    ms_json_out json = {.buf = &text, .indent = -1};
    ms_json_out_value(&json, root, false);
    const size_t n = text.failed ? SIZE_MAX : text.size; /* all of it ASCII */
    ms_buf_free(&text);
    return n;
}

static ms_status write_raw(ms_str run_dir, const ms_json_value *root, ms_err *err) {
    const size_t n_chars = chars_of(root);
    ms_buf text = {0};
    ms_json_out json = {.buf = &text, .indent = 2};
    if (n_chars <= MAX_LOGGED_CHARS) {
        ms_json_out_value(&json, root, false);
        return ms_run_write_json(run_dir, raw_log, &text, false, err);
    }
    ms_json_out_begin_object(&json);
    for (size_t i = 0; i < sizeof logged_keys / sizeof *logged_keys; i++) {
        const ms_json_value *const value = ms_json_get(root, logged_keys[i]);
        if (!value) continue;
        ms_json_out_key(&json, logged_keys[i]);
        ms_json_out_value(&json, value, false);
    }
    ms_json_out_key(&json, "_meta_trimmed");
    ms_json_out_begin_object(&json);
    ms_json_out_key(&json, "original_keys");
    ms_json_out_u64(&json, root->object.n);
    ms_json_out_key(&json, "original_chars");
    ms_json_out_u64(&json, n_chars);
    ms_json_out_end(&json);
    ms_json_out_end(&json);
    return ms_run_write_json(run_dir, raw_log, &text, false, err);
}

static void put_ints(ms_json_out *json, const ms_config_ints *value) {
    if (!value->known) {
        ms_json_out_null(json);
    } else if (!value->is_list) {
        ms_json_out_i64(json, value->items[0]);
    } else {
        ms_json_out_begin_array(json);
        for (size_t i = 0; i < value->n; i++) ms_json_out_i64(json, value->items[i]);
        ms_json_out_end(json);
    }
}

static ms_status write_budget(ms_str run_dir, const char *path, const ms_shape_budget_field *fields, ms_err *err) {
    ms_buf text = {0};
    ms_json_out json = {.buf = &text, .indent = 2};
    ms_json_out_begin_object(&json);
    ms_json_out_key(&json, "config_path");
    ms_json_out_text(&json, path);
    ms_json_out_key(&json, "shape_budget");
    ms_json_out_begin_object(&json);
    for (size_t i = 0; i < MS_SHAPE_BUDGET_FIELDS; i++) {
        ms_json_out_key(&json, fields[i].name);
        put_ints(&json, &fields[i].value);
    }
    ms_json_out_end(&json);
    ms_json_out_end(&json);
    return ms_run_write_json(run_dir, budget_log, &text, false, err);
}

/* The fields that the summary line names, in its order. */
static void put_line(const ms_shape_budget_field *fields, ms_buf *line) {
    static const struct {
        const char *field, *label;
    } parts[] = {{"hidden_size", "hidden"},
                 {"num_hidden_layers", "layers"},
                 {"moe_intermediate_size", "moe_int"},
                 {"shared_expert_intermediate_size", "shared_int"},
                 {"num_experts", "experts"},
                 {"num_experts_per_tok", "topk"}};
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
        for (size_t i = 0; i < MS_SHAPE_BUDGET_FIELDS; i++)
            if (strcmp(fields[i].name, parts[p].field) == 0 && fields[i].value.known && !fields[i].value.is_list)
                ms_buf_printf(line, "%s%s=%lld", line->size ? " " : "[meta] ", parts[p].label,
                              (long long)fields[i].value.items[0]);
}

static ms_status log_config(ms_str run_dir, const char *path, const ms_json_value *root, ms_arena *arena, ms_notes *warnings,
                            ms_buf *line, ms_err *err) {
    ms_shape_budget_field fields[MS_SHAPE_BUDGET_FIELDS];
    MS_TRY(ms_model_shape_budget(fields, root, arena, err));
    MS_TRY(write_raw(run_dir, root, err));
    MS_TRY(write_budget(run_dir, path, fields, err));
    put_line(fields, line);
    if (line->size == 0) warn(warnings, ms_str_of(path), "meta.no_fields", "no recognized fields in ", path);
    return MS_OK;
}

ms_status ms_meta_stage_run(ms_str run_dir, const ms_run_config *config, ms_str model_folder, ms_notes *warnings, ms_buf *line,
                            ms_err *err) {
    ms_arena arena = {0};
    ms_buf text = {0};
    ms_str path = MS_STR_NONE;
    const ms_json_value *root = NULL;
    ms_run_remove(run_dir, raw_log);
    ms_run_remove(run_dir, budget_log);
    if (!config->metadata.enabled) return MS_OK;
    ms_status status = find_config(config, model_folder, &arena, warnings, &path, err);
    if (status == MS_OK && !path.text) warn(warnings, model_folder, missing, "config.json not found; skipping", "");
    if (status == MS_OK && path.text) {
        status = read_config(path.text, &text, &arena, &root, err);
        if (status == MS_OK && !root) warn(warnings, path, "meta.invalid", "config.json empty or invalid: ", path.text);
    }
    if (root) status = log_config(run_dir, path.text, root, &arena, warnings, line, err);
    ms_buf_free(&text);
    ms_arena_free(&arena);
    return status;
}

ms_status ms_meta_stage_embedded(ms_str run_dir, const ms_checkpoint *ckpt, ms_notes *warnings, ms_buf *line, ms_err *err) {
    if (!ckpt || !ckpt->config || ckpt->config->kind != MS_JSON_OBJECT || ckpt->config_path.size) return MS_OK;
    if (!ms_notes_drop(warnings, missing)) return MS_OK;
    ms_arena arena = {0};
    const ms_status status = log_config(run_dir, ckpt->files[0].path.text, ckpt->config, &arena, warnings, line, err);
    ms_arena_free(&arena);
    return status;
}
