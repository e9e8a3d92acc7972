/* moescope collect: measures the expert matrices of a run. */
#include "cli.h"
#include "collect.h"
#include "collect_talk.h"
#include "json_put.h"

static void answer_text(ms_cli *cli, const ms_collect_summary *s) {
    ms_cli_out(cli, "[collect] done in %.1fs\n", s->seconds);
    ms_cli_out(cli, "[collect] tensor_inventory rows: %zu\n", s->tensor_inventory_rows);
    ms_cli_out(cli, "[collect] matrix_stats rows:     %zu\n", s->matrix_stats_rows);
    ms_cli_out(cli, "[collect] quant_sim rows:        %zu\n", s->quant_sim_rows);
    if (s->wrote_unmatched) ms_cli_out(cli, "[collect] unmatched rows:        %zu\n", s->unmatched_tensors_rows);
    if (s->warnings_rows > 0)
        ms_cli_out(cli, "[collect] warnings:              %zu (%s)\n", s->warnings_rows, s->warnings_path);
}

static ms_status answer_json(ms_cli *cli, const ms_collect_summary *s, ms_err *err) {
    ms_buf text = {0};
    ms_json_out json = {.buf = &text, .indent = 2};
    ms_cli_begin_json(&json, "collect", 1);
    ms_json_put_text(&json, "run_dir", ms_args_text(&cli->args, "run-dir"));
    ms_json_put_u64(&json, "files_scanned", s->files_scanned);
    ms_json_put_u64(&json, "tensors_observed", s->tensors_observed);
    ms_json_put_u64(&json, "extracted_by_rule", s->extracted_by_rule);
    ms_json_put_u64(&json, "extracted_by_family", s->extracted_by_family);
    ms_json_put_u64(&json, "extracted_by_fallback", s->extracted_by_fallback);
    ms_json_put_u64(&json, "unmatched_expertish", s->unmatched_expertish);
    ms_json_put_u64(&json, "tensor_inventory_rows", s->tensor_inventory_rows);
    ms_json_put_u64(&json, "matrix_stats_rows", s->matrix_stats_rows);
    ms_json_put_u64(&json, "quant_sim_rows", s->quant_sim_rows);
    ms_json_put_u64(&json, "unmatched_tensors_rows", s->unmatched_tensors_rows);
    ms_json_put_u64(&json, "warnings_rows", s->warnings_rows);
    ms_json_put_u64(&json, "weight_bytes", s->weight_bytes);
    ms_json_put_f64(&json, "duration_seconds", s->seconds);
    return ms_cli_end_json(cli, &json, err);
}

static ms_status run(ms_cli *cli, ms_err *err) {
    const ms_collect_options options = {.run_dir = ms_args_text(&cli->args, "run-dir"),
                                        .model_path = ms_args_text(&cli->args, "model-path"),
                                        .n_threads = cli->threads,
                                        .cancel = ms_interrupt_cancel(),
                                        .talk = ms_collect_talk_to(cli)};
    ms_collect_summary summary;
    const ms_status status = ms_collect(&options, &summary, err);
    if (status != MS_OK) return status;
    if (cli->format == MS_FORMAT_JSON) return answer_json(cli, &summary, err);
    answer_text(cli, &summary);
    return MS_OK;
}

static const ms_opt options[] = {
    {.name = "run-dir",
     .kind = MS_OPT_PATH,
     .value = "RUN",
     .required = true,
     .help = "folder of the run, made by 'moescope init'",
     .complete = MS_COMPLETE_FOLDER},
    {.name = "model-path",
     .kind = MS_OPT_PATH,
     .value = "PATH",
     .help = "read this model instead of the configuration's",
     .complete = MS_COMPLETE_MODEL},
    {0},
};

static const ms_example examples[] = {
    {"collect --run-dir runs/tiny/first", "then: moescope tables --run-dir runs/tiny/first"},
    {"collect --run-dir runs/tiny/first --model-path other/model", "the same settings, another model"},
    {0},
};

const ms_command ms_cmd_collect = {
    .name = "collect",
    .section = "Measure",
    .summary = "measure the expert matrices of a run",
    .description =
        "Reads RUN/analysis_config.json and the model that it names; writes the tables under RUN/data and the logs under "
        "RUN/logs: every tensor, statistics of every expert matrix, what quantisation would do to it, and what was not "
        "understood. Ctrl-C leaves what was measured by then, and exit code 130.",
    .examples = examples,
    .options = options,
    .takes = MS_TAKES_JSON | MS_TAKES_THREADS,
    .run = run,
};
