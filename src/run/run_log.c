#include "run_log.h"

#include <stdio.h>

#include "json_put.h"

typedef struct place {                /* where a table goes, and how */
    char stem[1000], compression[64]; /* the suffix must fit into ms_table_written.path */
    ms_table_format format;
} place;

static ms_status place_of(place *out, ms_str run_dir, const char *folder, const char *name, const ms_run_config *config,
                          ms_err *err) {
    snprintf(out->compression, sizeof out->compression, "%.*s", (int)config->output.compression.size,
             config->output.compression.text);
    const int n = snprintf(out->stem, sizeof out->stem, "%s/%s/%s", run_dir.text, folder, name);
    MS_FAIL_IF(n < 0 || (size_t)n >= sizeof out->stem, MS_ERR_USAGE, err,
               "the path of the run is too long: %zu bytes, at most 900", run_dir.size);
    out->format = ms_str_is(config->output.format, "parquet") ? MS_TABLE_PARQUET : MS_TABLE_CSV;
    return MS_OK;
}

ms_status ms_run_log_write_table(const ms_table *table, ms_str run_dir, const char *folder, const char *name,
                                 const ms_run_config *config, ms_table_written *written, ms_err *err) {
    place p;
    MS_TRY(place_of(&p, run_dir, folder, name, config, err));
    return ms_table_write(table, p.stem, p.format, p.compression, written, err);
}

ms_status ms_run_log_open_table(ms_table_sink **out, ms_table *table, ms_str run_dir, const char *folder, const char *name,
                                const ms_run_config *config, ms_table_written *written, ms_err *err) {
    place p;
    MS_TRY(place_of(&p, run_dir, folder, name, config, err));
    return ms_table_sink_open(out, table, p.stem, p.format, p.compression, written, err);
}

void ms_run_log_begin_run(ms_json_out *json, ms_str run_dir, const ms_run_manifest *manifest) {
    ms_json_put_begin(json, "run");
    ms_json_put_str(json, "run_dir", run_dir);
    ms_json_put_known(json, "model_id", manifest->model_id, manifest->has_model_id);
    ms_json_put_known(json, "run_name", manifest->run_name, manifest->has_run_name);
    ms_json_put_known(json, "created_at", manifest->created_at, manifest->has_created_at);
}

void ms_run_log_requested(ms_json_out *json, const ms_run_config *config) {
    ms_json_put_str(json, "requested_format", config->output.format);
    ms_json_put_known(json, "requested_compression", config->output.compression, config->output.has_compression);
}

ms_str ms_run_log_below(ms_str run_dir, const char *path) {
    const ms_str whole = ms_str_of(path);
    if (!ms_str_starts_with(whole, run_dir) || whole.size <= run_dir.size) return whole;
    return ms_str_sub(whole, run_dir.size + 1, whole.size);
}

void ms_run_log_artifact(ms_json_out *json, const char *name, ms_str run_dir, const ms_table_written *written) {
    ms_json_put_begin(json, name);
    ms_json_put_str(json, "path", ms_run_log_below(run_dir, written->path));
    ms_json_put_text(json, "format", written->format == MS_TABLE_PARQUET ? "parquet" : "csv");
    ms_json_put_bool(json, "fallback", written->fallback);
    ms_json_put_text(json, "error", written->error);
    ms_json_put_u64(json, "rows", written->n_rows);
    ms_json_out_end(json);
}

void ms_run_log_error(ms_json_out *json, ms_status status, const ms_err *failure, const char *stage) {
    ms_json_put_begin(json, "error");
    ms_json_put_text(json, "type", ms_status_name(status));
    ms_json_put_text(json, "message", failure->text);
    ms_json_put_u64(json, "exit_code", (uint64_t)ms_status_exit_code(status));
    ms_json_out_end(json);
    ms_buf trace = {0};
    ms_buf_printf(&trace, "moescope " MS_VERSION ", while %s\n%s: %s", stage, ms_status_name(status), failure->text);
    ms_json_put_str(json, "traceback", ms_buf_str(&trace));
    ms_buf_free(&trace);
}
