#include "collect.h"

#include <stdio.h>

#include "collect_impl.h"
#include "files.h"
#include "mem.h"
#include "meta_stage.h"
#include "model_summary.h"
#include "run_path.h"

void ms_collect_say(const ms_collect_state *c, const char *format, ...) {
    if (!c->options->talk.say) return;
    ms_buf line = {0};
    va_list args;
    va_start(args, format);
    ms_buf_vprintf(&line, format, args);
    va_end(args);
    if (!line.failed) c->options->talk.say(c->options->talk.context, ms_buf_str(&line).text);
    ms_buf_free(&line);
}

double ms_collect_seconds(const ms_collect_state *c) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - c->began.tv_sec) + 1e-9 * (double)(now.tv_nsec - c->began.tv_nsec);
}

/* ---- the configuration and the model ---- */

static ms_status resolve(ms_collect_state *c, const char *path, ms_str *out, ms_err *err) {
    return ms_path_resolve(out, &c->arena, path, err);
}

static ms_status make_folders(ms_collect_state *c, ms_err *err) {
    static const char *const folders[] = {"data", "logs", "cache/sampled_indices"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        const ms_str folder = ms_files_join(&c->arena, c->run_dir, ms_str_of(folders[i]));
        if (!folder.text) return ms_err_memory(err, "a path");
        MS_TRY(ms_files_make_folder(folder.text, err));
    }
    return MS_OK;
}

static ms_status read_config(ms_collect_state *c, ms_err *err) {
    MS_TRY(resolve(c, c->options->run_dir, &c->run_dir, err));
    if (c->options->model_path) MS_TRY(resolve(c, c->options->model_path, &c->override_path, err));
    const ms_str path = ms_files_join(&c->arena, c->run_dir, MS_STR("analysis_config.json"));
    if (!path.text) return ms_err_memory(err, "a path");
    c->manifest = ms_run_manifest_read(c->run_dir, &c->arena);
    MS_TRY(ms_run_config_read(&c->config, path.text, c->options->model_path ? c->override_path.text : NULL, err));
    c->has_config = true;
    return make_folders(c, err);
}

static ms_status find_model(ms_collect_state *c, ms_err *err) {
    const ms_str configured = ms_arena_copy(&c->arena, c->config.configured_model_path);
    if (!configured.text) return ms_err_memory(err, "a path");
    if (configured.size > 0) MS_TRY(resolve(c, configured.text, &c->configured_path, err));
    c->model_path = c->override_path.size > 0 ? c->override_path : c->configured_path;
    MS_FAIL_IF(c->model_path.size == 0, MS_ERR_NOT_FOUND, err,
               "no model_path: set it in %s/analysis_config.json, or give --model-path", c->run_dir.text);
    MS_FAIL_IF(!ms_files_exists(c->model_path.text), MS_ERR_NOT_FOUND, err, "model_path does not exist: %s",
               ms_str_shown(c->model_path).text);
    return MS_OK;
}

static ms_status make_schemes(ms_collect_state *c, ms_err *err) {
    const ms_run_config *const config = &c->config;
    const bool gpu = ms_str_is(config->mlx.device, "gpu");
    ms_dtype compute;
    MS_FAIL_IF(!gpu && !ms_str_is(config->mlx.device, "cpu"), MS_ERR_USAGE, err,
               "key 'mlx.device': expected \"cpu\" or \"gpu\", found \"%s\"", ms_str_shown(config->mlx.device).text);
    MS_FAIL_IF(!ms_mlx_compute_by_name(config->stats.compute_dtype, &compute), MS_ERR_USAGE, err,
               "key 'stats.quant_compute_dtype': expected \"bf16\", \"fp16\", \"fp32\" or \"native\", found \"%s\"",
               ms_str_shown(config->stats.compute_dtype).text);
    c->profile = gpu ? MS_MLX_METAL : MS_MLX_CPU;
    MS_FAIL_IF(
        config->mlx.profile.size > 0 && !ms_mlx_profile_by_name(config->mlx.profile, &c->profile), MS_ERR_USAGE, err,
        "key 'mlx.profile': expected \"cpu\", \"cpu-0.32.1\", \"cpu-0.29.0\", \"metal\" or \"metal-0.32.0\", found \"%s\"",
        ms_str_shown(config->mlx.profile).text);
    c->schemes = ms_mem_alloc_array(config->n_schemes, sizeof *c->schemes);
    if (!c->schemes) return ms_err_memory(err, "the schemes");
    c->n_schemes = config->mlx.enabled ? config->n_schemes : 0;
    for (size_t i = 0; i < c->n_schemes; i++) {
        const ms_quant_scheme *const s = &config->schemes[i];
        c->schemes[i] = ms_mlx_scheme_make(s->name, s->mode, (int)s->bits, (int)s->group_size);
        c->schemes[i].profile = c->profile;
        c->schemes[i].compute = compute;
        c->schemes[i].global_scale = s->global_scale;
    }
    return MS_OK;
}

/* ---- the stages ---- */

/* What only the whole configuration can tell: patterns, profiles, settings that exclude each other. */
static ms_status use_config(ms_collect_state *c, ms_err *err) {
    MS_FAIL_IF(c->config.scan.strict_index && !c->config.scan.use_index, MS_ERR_USAGE, err,
               "strict_index requires use_safetensors_index_json=true");
    MS_TRY(ms_extractor_create(&c->extractor, &c->config, &c->warnings, err));
    return make_schemes(c, err);
}

static ms_status prepare(ms_collect_state *c, ms_err *err) {
    MS_TRY(read_config(c, err));
    MS_TRY(ms_collect_write_running(c, err));
    MS_TRY(find_model(c, err));
    MS_TRY(ms_collect_write_running(c, err));
    const ms_status status = use_config(c, err);
    if (status != MS_ERR_USAGE) return status;
    return ms_err_within(err, status, "%s/analysis_config.json", ms_str_shown(c->run_dir).text);
}

static ms_status read_metadata(ms_collect_state *c, ms_err *err) {
    const bool is_file = !ms_files_is_folder(c->model_path.text);
    ms_str folder = c->model_path;
    if (is_file) folder = ms_arena_copy(&c->arena, ms_files_folder_of(c->model_path));
    if (!folder.text) return ms_err_memory(err, "a path");
    ms_buf line = {0};
    const ms_status status = ms_meta_stage_run(c->run_dir, &c->config, folder, &c->warnings, &line, err);
    if (line.size > 0) ms_collect_say(c, "%s", line.bytes);
    ms_buf_free(&line);
    return status;
}

static ms_status make_plan(ms_collect_state *c, ms_err *err) {
    MS_TRY(ms_run_plan_make(&c->plan, &c->config, c->model_path, &c->warnings, err));
    if (c->plan.parsed && c->plan.model_is_file)
        ms_collect_say(c,
                       "[index] index found at %s; but model_path is a file; scanning only the anchor file. Pass the directory "
                       "to scan the indexed shard set.",
                       c->plan.index_path.text);
    c->summary->files_scanned = c->plan.n_files;
    ms_collect_say(c, "[collect] scanning %zu file%s under %s", c->plan.n_files, c->plan.n_files == 1 ? "" : "s",
                   c->model_path.text);
    return MS_OK;
}

static ms_status write_results(ms_collect_state *c, ms_err *err) {
    MS_TRY(ms_collect_write_tables(c, err));
    c->summary->seconds = ms_collect_seconds(c);
    return ms_collect_write_logs(c, err);
}

static ms_status summarise_model(ms_collect_state *c, ms_err *err) {
    ms_buf line = {0};
    const ms_status status = ms_meta_stage_embedded(c->run_dir, c->ckpt, &c->warnings, &line, err);
    if (line.size > 0) ms_collect_say(c, "%s", line.bytes);
    ms_buf_free(&line);
    MS_TRY(status);
    return ms_model_summary_write(c->ckpt, c->run_dir, err);
}

static ms_status run_stages(ms_collect_state *c, ms_err *err) {
    static const struct {
        const char *name;
        ms_status (*run)(ms_collect_state *c, ms_err *err);
    } stages[] = {
        {"reading the configuration", prepare},
        {"reading the model's config.json", read_metadata},
        {"choosing the files", make_plan},
        {"looking at the tensors", ms_collect_tensors},
        {"summing up the model", summarise_model},
        {"measuring the matrices", ms_collect_scan},
        {"writing the tables and logs", write_results},
    };
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        c->stage = stages[i].name;
        MS_TRY(stages[i].run(c, err));
    }
    return MS_OK;
}

/* How often the text of warning i stands in the list; 0 when it stood there before. */
static size_t times_said(const ms_notes *notes, size_t i) {
    size_t n = 0;
    for (size_t k = 0; k < notes->n; k++) {
        if (!ms_str_equal(notes->items[k].message, notes->items[i].message)) continue;
        if (k < i) return 0;
        n++;
    }
    return n;
}

/* The first ones, each once; all of them are in logs/warnings.*. */
static void say_warnings(const ms_collect_state *c) {
    enum { MAX_SAID = 12, MAX_COMPARED = 2000 };
    size_t n = 0, n_left_out = 0;
    for (size_t i = 0; i < c->warnings.n; i++) {
        if (c->warnings.items[i].severity < MS_NOTE_WARNING) continue;
        const size_t times = i < MAX_COMPARED ? times_said(&c->warnings, i) : 1;
        if (times == 0) continue;
        if (n++ >= MAX_SAID) n_left_out++;
        else if (times == 1) ms_collect_say(c, "[warn] %s", c->warnings.items[i].message.text);
        else ms_collect_say(c, "[warn] %s (%zu times)", c->warnings.items[i].message.text, times);
    }
    if (n_left_out > 0) ms_collect_say(c, "[warn] and %zu more in %s", n_left_out, c->summary->warnings_path);
}

static void free_state(ms_collect_state *c) {
    ms_scan_destroy(c->scan);
    ms_extractor_destroy(c->extractor);
    ms_bank_cutter_close(c->families);
    ms_checkpoint_close(c->ckpt);
    ms_index_report_free(&c->index);
    ms_run_plan_free(&c->plan);
    ms_run_config_free(&c->config);
    ms_notes_free(&c->warnings);
    ms_mem_free(c->order);
    ms_mem_free(c->n_bytes);
    ms_mem_free(c->schemes);
    MS_VEC_FREE(&c->tensors);
    MS_VEC_FREE(&c->left_out);
    ms_arena_free(&c->arena);
}

ms_status ms_collect(const ms_collect_options *options, ms_collect_summary *summary, ms_err *err) {
    ms_err failure = {0};
    ms_collect_state *const c = ms_mem_zalloc(sizeof *c);
    if (!c) return ms_err_memory(err, "a run");
    *summary = (ms_collect_summary){0};
    c->options = options;
    c->summary = summary;
    c->run_dir = c->model_path = c->configured_path = c->override_path = MS_STR("");
    c->plan.index_path = c->plan.index_error = MS_STR("");
    clock_gettime(CLOCK_MONOTONIC, &c->began);
    ms_status status = run_stages(c, &failure);
    say_warnings(c);
    if (status != MS_OK) ms_collect_write_failure(c, status, &failure);
    else if (c->interrupted)
        status = ms_err_set(&failure, MS_ERR_INTERRUPTED,
                            "interrupted: %zu of %zu expert matrices are done and written to %s; run it again for the rest",
                            summary->matrix_stats_rows, c->n_matrices, ms_str_shown(c->run_dir).text);
    free_state(c);
    ms_mem_free(c);
    return status == MS_OK ? MS_OK : ms_err_set(err, status, "%s", failure.text);
}
