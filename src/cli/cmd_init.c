/* moescope init: makes the folder of a run, with a configuration to edit. */
#include "cli.h"
#include "json_put.h"
#include "models.h"
#include "run_folder.h"

static ms_status answer(ms_cli *cli, const char *run_dir, bool config_kept, ms_err *err) {
    if (cli->format != MS_FORMAT_JSON) {
        if (config_kept)
            ms_cli_out(cli, "[init_run] config already exists at %s/analysis_config.json (left unchanged)\n", run_dir);
        else ms_cli_out(cli, "[init_run] wrote config template to %s/analysis_config.json\n", run_dir);
        ms_cli_out(cli, "[init_run] run directory: %s\n", run_dir);
        return MS_OK;
    }
    ms_buf text = {0};
    ms_json_out json = {.buf = &text, .indent = 2};
    ms_cli_begin_json(&json, "init", 1);
    ms_json_put_text(&json, "run_dir", run_dir);
    ms_json_put_bool(&json, "config_kept", config_kept);
    return ms_cli_end_json(cli, &json, err);
}

static ms_status run(ms_cli *cli, ms_err *err) {
    const ms_run_init_options options = {
        .root = ms_args_text(&cli->args, "root"),
        .model_id = ms_args_text(&cli->args, "model-id"),
        .run_name = ms_args_text(&cli->args, "run-name"),
        .model_path = ms_args_text(&cli->args, "model-path"),
        .expert_widths = ms_args_text(&cli->args, "expert-widths"),
    };
    ms_arena arena = {0};
    ms_str run_dir;
    bool config_kept = false;
    ms_status status = ms_run_init(&run_dir, &config_kept, &options, &arena, err);
    if (status == MS_OK) status = answer(cli, run_dir.text, config_kept, err);
    ms_arena_free(&arena);
    return status;
}

static const ms_opt options[] = {
    {.name = "root",
     .kind = MS_OPT_PATH,
     .value = "DIR",
     .required = true,
     .help = "folder that holds all runs; made when missing",
     .complete = MS_COMPLETE_FOLDER},
    {.name = "model-id",
     .kind = MS_OPT_TEXT,
     .value = "ID",
     .required = true,
     .help = "name of the model; may hold slashes, as in 'Qwen/Qwen3-30B-A3B'"},
    {.name = "run-name", .kind = MS_OPT_TEXT, .value = "NAME", .required = true, .help = "name of this run"},
    {.name = "model-path",
     .kind = MS_OPT_PATH,
     .value = "PATH",
     .help = "folder or weight file of the model, for the configuration",
     .complete = MS_COMPLETE_MODEL},
    MS_OPT_EXPERT_WIDTHS,
    {0},
};

static const ms_example examples[] = {
    {"init --root runs --model-id tiny --run-name first --model-path examples/tiny-qwen2-moe",
     "then: moescope collect --run-dir runs/tiny/first"},
    {0},
};

const ms_command ms_cmd_init = {
    .name = "init",
    .section = "Measure",
    .summary = "make the folder of a run",
    .description =
        "Makes ROOT/ID/NAME with manifest.json and, unless there is one, an analysis_config.json that holds every key "
        "with its default.\n\nNext: edit the configuration if you like, then 'moescope collect --run-dir ROOT/ID/NAME'.",
    .examples = examples,
    .options = options,
    .takes = MS_TAKES_JSON | MS_TAKES_THREADS,
    .run = run,
};
