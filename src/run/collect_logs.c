/* The JSON logs of collect. */
#include <stdio.h>

#include "collect_impl.h"
#include "files.h"
#include "json_put.h"
#include "run_log.h"

/* ---- pieces ---- */

static void begin_run(ms_json_out *json, const ms_collect_state *c) { ms_run_log_begin_run(json, c->run_dir, &c->manifest); }

static void put_model_path(ms_json_out *json, const ms_collect_state *c) {
    ms_json_put_begin(json, "model_path");
    ms_json_put_known(json, "configured", c->configured_path, c->configured_path.size > 0);
    ms_json_put_known(json, "resolved", c->model_path, c->model_path.size > 0);
    ms_json_put_text(json, "source", c->override_path.size > 0 ? "cli_override" : "config");
    ms_json_out_end(json);
}

static void put_overrides(ms_json_out *json, const ms_collect_state *c) {
    ms_json_put_begin(json, "cli_overrides");
    if (c->override_path.size > 0) ms_json_put_str(json, "model_path", c->override_path);
    ms_json_out_end(json);
}

static void put_index(ms_json_out *json, const ms_run_plan *plan) {
    ms_json_put_begin(json, "index");
    ms_json_put_text(json, "status", ms_index_status_name(plan->status));
    ms_json_put_bool(json, "searched", plan->searched);
    ms_json_put_bool(json, "found", plan->found);
    ms_json_put_bool(json, "parsed", plan->parsed);
    ms_json_put_bool(json, "active", plan->used);
    ms_json_put_bool(json, "used_for_scan", plan->used);
    ms_json_put_known(json, "index_path", plan->index_path, plan->index_path.size > 0);
    if (plan->index_error.size > 0) ms_json_put_str(json, "error", plan->index_error);
    ms_json_out_end(json);
}

static void put_config_used(ms_json_out *json, const ms_collect_state *c) {
    ms_json_out_key(json, "config_used");
    if (c->has_config) ms_json_out_value(json, c->config.effective, true);
    else ms_json_out_null(json);
}

/* ---- run_context.json ---- */

static void put_scanned_examples(ms_json_out *json, ms_collect_state *c) {
    ms_json_out_key(json, "scanned_files_example");
    ms_json_out_begin_array(json);
    for (size_t i = 0; i < c->plan.n_files && i < 3; i++) {
        const ms_str path = ms_files_relative(&c->arena, c->plan.files[i].path, c->plan.folder);
        ms_json_out_str(json, path.text ? path : c->plan.files[i].path);
    }
    ms_json_out_end(json);
}

static void put_scan_plan(ms_json_out *json, ms_collect_state *c) {
    const ms_run_config *const config = &c->config;
    ms_json_put_begin(json, "scan_plan");
    ms_json_put_bool(json, "use_safetensors_index_json", config->scan.use_index);
    ms_json_put_bool(json, "strict_index", config->scan.strict_index);
    ms_json_put_text(json, "model_path_kind", c->plan.model_is_file ? "file" : "dir");
    ms_json_put_bool(json, "index_discovered_but_ignored_due_to_file_model_path", c->plan.parsed && c->plan.model_is_file);
    ms_json_put_strs(json, "extensions", config->scan.extensions, config->scan.n_extensions);
    ms_json_out_key(json, "max_files");
    if (config->scan.max_files >= 0) ms_json_out_i64(json, config->scan.max_files);
    else ms_json_out_null(json);
    ms_json_put_bool(json, "experts_only", config->scan.experts_only);
    ms_json_put_bool(json, "include_shared_expert", config->scan.include_shared_expert);
    ms_json_put_bool(json, "inventory_all_tensors", config->scan.inventory_all_tensors);
    ms_json_put_text(json, "scan_mode", c->plan.used ? "index" : "walk");
    ms_json_put_u64(json, "scanned_files_count", c->plan.n_files);
    put_scanned_examples(json, c);
    if (c->plan.skipped.n > 0) ms_json_put_strs(json, "skipped_by_max_files", c->plan.skipped.items, c->plan.skipped.n);
    ms_json_out_end(json);
}

static ms_status write_context(ms_collect_state *c, ms_err *err) {
    ms_buf text = {0};
    ms_json_out json = {.buf = &text, .indent = 2};
    ms_json_out_begin_object(&json);
    ms_json_put_text(&json, "generated_at", ms_utc_now(false).text);
    begin_run(&json, c);
    ms_json_out_end(&json);
    put_model_path(&json, c);
    put_overrides(&json, c);
    put_scan_plan(&json, c);
    put_index(&json, &c->plan);
    ms_json_out_end(&json);
    return ms_run_write_json(c->run_dir, "logs/run_context.json", &text, true, err);
}

/* ---- write_manifest.json ---- */

static ms_status write_manifest(ms_collect_state *c, ms_err *err) {
    ms_buf text = {0};
    ms_json_out json = {.buf = &text, .indent = 2};
    ms_json_out_begin_object(&json);
    ms_json_put_text(&json, "generated_at", ms_utc_now(false).text);
    ms_run_log_requested(&json, &c->config);
    ms_json_put_begin(&json, "artifacts");
    for (ms_artifact a = 0; a < MS_ARTIFACT_COUNT; a++)
        if (c->artifacts[a].exists) ms_run_log_artifact(&json, ms_artifact_name(a), c->run_dir, &c->artifacts[a].written);
    ms_json_out_end(&json);
    ms_json_out_end(&json);
    return ms_run_write_json(c->run_dir, "logs/write_manifest.json", &text, true, err);
}

/* ---- run_health.json ---- */

static void begin_health(ms_json_out *json, const ms_collect_state *c, const char *status) {
    ms_json_out_begin_object(json);
    ms_json_put_text(json, "status", status);
    ms_json_put_text(json, "generated_at", ms_utc_now(false).text);
    begin_run(json, c);
    ms_json_put_known(json, "model_path", c->model_path, c->model_path.size > 0);
    ms_json_out_end(json);
    put_config_used(json, c);
    ms_json_put_text(json, "program", "moescope " MS_VERSION);
}

ms_status ms_collect_write_running(ms_collect_state *c, ms_err *err) {
    ms_buf text = {0};
    ms_json_out json = {.buf = &text, .indent = 2};
    begin_health(&json, c, "running");
    ms_json_out_end(&json);
    return ms_run_write_json(c->run_dir, "logs/run_health.json", &text, true, err);
}

static void put_summaries(ms_json_out *json, const ms_collect_state *c) {
    const ms_collect_summary *const s = c->summary;
    ms_json_put_begin(json, "scan_summary");
    ms_json_put_u64(json, "files_scanned", s->files_scanned);
    ms_json_put_u64(json, "tensors_observed", s->tensors_observed);
    if (c->interrupted) ms_json_put_u64(json, "matrices_wanted", c->n_matrices);
    ms_json_out_end(json);
    ms_json_put_begin(json, "extraction_summary");
    ms_json_put_u64(json, "extracted_by_rule", s->extracted_by_rule);
    if (c->config.parsing.families) ms_json_put_u64(json, "extracted_by_family", s->extracted_by_family);
    ms_json_put_u64(json, "extracted_by_fallback", s->extracted_by_fallback);
    ms_json_put_u64(json, "unmatched_expertish", s->unmatched_expertish);
    ms_json_out_end(json);
    ms_json_put_begin(json, "outputs_written");
    ms_json_put_str(json, "format", c->config.output.format);
    ms_json_put_u64(json, "tensor_inventory_rows", s->tensor_inventory_rows);
    ms_json_put_u64(json, "matrix_stats_rows", s->matrix_stats_rows);
    ms_json_put_u64(json, "quant_sim_rows", s->quant_sim_rows);
    ms_json_put_u64(json, "unmatched_tensors_rows", s->unmatched_tensors_rows);
    ms_json_put_u64(json, "warnings_rows", s->warnings_rows);
    ms_json_put_bool(json, "wrote_unmatched_tensors", s->wrote_unmatched);
    ms_json_put_bool(json, "wrote_warnings", s->warnings_rows > 0);
    ms_json_put_bool(json, "wrote_index_report", c->plan.used);
    ms_json_out_end(json);
}

static void put_name_formats(ms_json_out *json, const ms_collect_state *c) {
    ms_json_put_begin(json, "tensor_name_formats");
    ms_json_put_str(json, "layer_regex", c->config.parsing.layer_regex);
    ms_json_put_str(json, "expert_regex", c->config.parsing.expert_regex);
    ms_json_out_key(json, "enabled_extract_rules");
    ms_json_out_begin_array(json);
    for (size_t i = 0; i < c->config.n_rules; i++) {
        const ms_extract_rule *const rule = &c->config.rules[i];
        if (!rule->enabled) continue;
        ms_json_out_begin_object(json);
        ms_json_put_str(json, "name", rule->name);
        ms_json_put_str(json, "match", rule->match);
        ms_json_out_key(json, "ndim");
        if (rule->ndim == MS_ANY_NDIM) ms_json_out_null(json);
        else ms_json_out_i64(json, rule->ndim);
        ms_json_out_end(json);
    }
    ms_json_out_end(json);
    ms_json_put_begin(json, "proj_aliases");
    for (size_t i = 0; i < c->config.parsing.aliases.n; i++) {
        const ms_proj_alias *const alias = &c->config.parsing.aliases.items[i];
        ms_json_out_key_str(json, alias->canonical);
        ms_json_out_begin_array(json);
        for (size_t k = 0; k < alias->n_aliases; k++) ms_json_out_str(json, alias->aliases[k]);
        ms_json_out_end(json);
    }
    ms_json_out_end(json);
    ms_json_out_end(json);
}

static void put_name_examples(ms_json_out *json, const ms_collect_state *c) {
    ms_json_put_begin(json, "tensor_name_examples");
    ms_json_put_strs(json, "rule_extracted", c->by_rule.items, c->by_rule.n);
    if (c->config.parsing.families) ms_json_put_strs(json, "family_extracted", c->by_family.items, c->by_family.n);
    ms_json_put_strs(json, "fallback_extracted", c->by_fallback.items, c->by_fallback.n);
    ms_json_put_strs(json, "unmatched_expertish", c->unmatched.items, c->unmatched.n);
    ms_json_out_end(json);
    ms_json_out_key(json, "derived_tensor_formats");
    ms_json_out_begin_array(json);
    ms_json_out_text(json, "<raw_tensor_name>::<proj>");
    ms_json_out_text(json, "<raw_tensor_name>::split[rows]::<proj>");
    ms_json_out_text(json, "<raw_tensor_name>::split[cols]::<proj>");
    ms_json_out_end(json);
}

static void put_index_summary(ms_json_out *json, const ms_collect_state *c) {
    const ms_run_plan *const plan = &c->plan;
    ms_json_put_begin(json, "index_summary");
    ms_json_put_bool(json, "active", plan->used);
    ms_json_put_bool(json, "parsed", plan->parsed);
    ms_json_put_bool(json, "used_for_scan", plan->used);
    ms_json_put_known(json, "index_path", plan->index_path, plan->parsed);
    ms_json_put_bool(json, "strict_index", c->config.scan.strict_index);
    ms_json_put_u64(json, "expected_shards_count", plan->used ? plan->expected.n : 0);
    ms_json_put_u64(json, "scanned_shards_count", c->index.scanned.n);
    ms_json_put_u64(json, "missing_shards_count", plan->missing.n);
    ms_json_put_u64(json, "extra_scanned_shards_count", 0);
    ms_json_put_u64(json, "missing_tensors_count", c->index.missing_tensors.n);
    ms_json_put_u64(json, "extra_tensors_count", c->index.extra_tensors.n);
    ms_json_put_u64(json, "extra_safetensors_files_on_disk_count", plan->extra_on_disk.n);
    if (plan->parsed && plan->index.metadata && plan->index.metadata->object.n > 0) {
        ms_json_out_key(json, "index_metadata");
        ms_json_out_value(json, plan->index.metadata, true);
    }
    ms_json_out_end(json);
}

static void put_smoke_checks(ms_json_out *json, const ms_collect_state *c) {
    ms_json_put_begin(json, "smoke_checks");
    ms_json_put_begin(json, "effectively_empty_collect");
    ms_json_put_bool(json, "triggered",
                     c->config.scan.experts_only && c->n_candidates > 0 && c->summary->matrix_stats_rows == 0 &&
                         c->summary->unmatched_expertish == 0);
    ms_json_put_u64(json, "candidate_tensors_observed", c->n_candidates);
    ms_json_put_strs(json, "candidate_examples", c->candidates.items, c->candidates.n);
    ms_json_out_end(json);
    ms_json_out_end(json);
}

static void put_quantisation(ms_json_out *json, const ms_collect_state *c) {
    ms_json_put_begin(json, "quant_simulation");
    ms_json_put_bool(json, "enabled", c->n_schemes > 0);
    ms_json_put_text(json, "profile", ms_mlx_profile_name(c->profile));
    ms_json_put_str(json, "compute_dtype", c->config.stats.compute_dtype);
    ms_json_out_end(json);
}

static ms_status write_health(ms_collect_state *c, ms_err *err) {
    ms_buf text = {0};
    ms_json_out json = {.buf = &text, .indent = 2};
    begin_health(&json, c, c->interrupted ? "interrupted" : "success");
    ms_json_out_key(&json, "duration_seconds");
    ms_json_out_f64(&json, ms_collect_seconds(c));
    put_summaries(&json, c);
    put_name_formats(&json, c);
    put_name_examples(&json, c);
    put_index_summary(&json, c);
    put_smoke_checks(&json, c);
    put_quantisation(&json, c);
    ms_json_out_end(&json);
    return ms_run_write_json(c->run_dir, "logs/run_health.json", &text, true, err);
}

ms_status ms_collect_write_logs(ms_collect_state *c, ms_err *err) {
    if (c->plan.used) {
        ms_buf report = {0};
        ms_index_report_json(&c->index, &c->plan, &report);
        MS_TRY(ms_run_write_json(c->run_dir, "logs/index_report.json", &report, false, err));
    } else {
        ms_run_remove(c->run_dir, "logs/index_report.json");
    }
    MS_TRY(write_manifest(c, err));
    MS_TRY(write_context(c, err));
    MS_TRY(write_health(c, err));
    if (!c->interrupted) ms_run_remove(c->run_dir, "logs/run_failure.json");
    return MS_OK;
}

/* ---- failure ---- */

void ms_collect_write_failure(ms_collect_state *c, ms_status status, const ms_err *failure) {
    const char *const name = status == MS_ERR_INTERRUPTED ? "interrupted" : "error";
    ms_buf health = {0}, report = {0};
    if (c->run_dir.size == 0 || !ms_files_is_folder(c->run_dir.text)) return;
    const ms_str logs = ms_files_join(&c->arena, c->run_dir, MS_STR("logs"));
    if (!logs.text || ms_files_make_folder(logs.text, NULL) != MS_OK) return;

    ms_json_out json = {.buf = &health, .indent = 2};
    begin_health(&json, c, name);
    ms_run_log_error(&json, status, failure, c->stage);
    ms_json_out_end(&json);
    (void)!ms_run_write_json(c->run_dir, "logs/run_health.json", &health, true, NULL);

    json = (ms_json_out){.buf = &report, .indent = 2};
    ms_json_out_begin_object(&json);
    ms_json_put_text(&json, "generated_at", ms_utc_now(false).text);
    ms_json_put_text(&json, "status", name);
    begin_run(&json, c);
    ms_json_out_end(&json);
    put_model_path(&json, c);
    put_overrides(&json, c);
    put_index(&json, &c->plan);
    ms_run_log_error(&json, status, failure, c->stage);
    ms_json_out_end(&json);
    (void)!ms_run_write_json(c->run_dir, "logs/run_failure.json", &report, true, NULL);
}
