#include "model_summary.h"

#include "family.h"
#include "files.h"
#include "json_put.h"
#include "parameters.h"
#include "run_folder.h"

/* The config's number, or the first of a list by layer; null when it does not say. */
static void put_first(ms_json_out *out, const char *key, const ms_config_ints *value) {
    ms_json_out_key(out, key);
    if (value->known && (!value->is_list || value->n > 0)) ms_json_out_i64(out, value->items[0]);
    else ms_json_out_null(out);
}

static ms_status write_file(const ms_checkpoint *ckpt, const ms_parameters *parameters, ms_str run_dir, ms_err *err) {
    ms_buf json = {0}, reason = {0};
    ms_json_out out = {.buf = &json, .indent = 2};
    ms_family_reason(ckpt, &reason);
    ms_json_out_begin_object(&out);
    ms_json_put_word(&out, "schema", MS_STR("moescope.model_summary"));
    ms_json_put_u64(&out, "version", 1);
    ms_json_put_word(&out, "architecture", ckpt->model.architecture);
    ms_json_put_word(&out, "model_type", ckpt->model.model_type);
    ms_json_put_word(&out, "family", ms_str_of(ckpt->family ? ckpt->family->name : NULL));
    ms_json_put_word(&out, "family_reason", ms_buf_str(&reason));
    put_first(&out, "experts", &ckpt->model.experts);
    put_first(&out, "top_k", &ckpt->model.top_k);
    ms_parameters_put(&out, parameters);
    ms_json_out_end(&out);
    json.failed |= reason.failed;
    const ms_status status = ms_run_write_json(run_dir, "logs/model_summary.json", &json, false, err);
    ms_buf_free(&json);
    ms_buf_free(&reason);
    return status;
}

ms_status ms_model_summary_write(const ms_checkpoint *ckpt, ms_str run_dir, ms_err *err) {
    ms_parameters parameters;
    if (ckpt && ckpt->patterns) {
        MS_TRY(ms_parameters_count(&parameters, ckpt, err));
        return write_file(ckpt, &parameters, run_dir, err);
    }
    ms_arena arena = {0};
    const ms_str path = ms_files_join(&arena, run_dir, MS_STR("logs/model_summary.json"));
    const ms_status status = path.text ? ms_files_remove(path.text, err) : ms_err_memory(err, "a path");
    ms_arena_free(&arena);
    return status;
}
