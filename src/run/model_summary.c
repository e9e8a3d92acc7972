#include "model_summary.h"

#include "family.h"
#include "files.h"
#include "parameters.h"
#include "run_folder.h"

static void put_text(ms_json_out *out, const char *key, ms_str text) {
    ms_json_out_key(out, key);
    if (text.size) ms_json_out_str(out, text);
    else ms_json_out_null(out);
}

static void put_count(ms_json_out *out, const char *key, uint64_t n) {
    ms_json_out_key(out, key);
    ms_json_out_u64(out, n);
}

static void put_parameters(ms_json_out *out, const ms_parameters *p) {
    ms_json_out_key(out, "parameters");
    ms_json_out_begin_object(out);
    put_count(out, "total", p->total);
    if (p->active_known) {
        put_count(out, "active", p->active);
    } else {
        ms_json_out_key(out, "active");
        ms_json_out_null(out);
    }
    put_count(out, "routed", p->routed);
    put_count(out, "shared", p->shared);
    put_count(out, "router", p->router);
    put_count(out, "attention", p->attention);
    put_count(out, "embedding", p->embedding);
    put_count(out, "other", p->other);
    ms_json_out_end(out);
}

static ms_status write_file(const ms_checkpoint *ckpt, const ms_parameters *parameters, ms_str run_dir, ms_err *err) {
    ms_buf json = {0}, reason = {0};
    ms_json_out out = {.buf = &json, .indent = 2};
    ms_family_reason(ckpt, &reason);
    ms_json_out_begin_object(&out);
    put_text(&out, "schema", MS_STR("moescope.model_summary"));
    put_count(&out, "version", 1);
    put_text(&out, "architecture", ckpt->model.architecture);
    put_text(&out, "model_type", ckpt->model.model_type);
    put_text(&out, "family", ms_str_of(ckpt->family ? ckpt->family->name : NULL));
    put_text(&out, "family_reason", ms_buf_str(&reason));
    put_parameters(&out, parameters);
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
