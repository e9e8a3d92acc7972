/* moescope tables: condenses the tables of a run. */
#include "cli.h"
#include "json_put.h"
#include "summary_tables.h"

static void say(void *context, const char *line) {
    ms_cli *const cli = context;
    ms_cli_say(cli, "%s\n", line);
}

static ms_status answer_json(ms_cli *cli, const ms_tables_summary *s, ms_err *err) {
    ms_buf text = {0};
    ms_json_out json = {.buf = &text, .indent = 2};
    ms_cli_begin_json(&json, "tables", 1);
    ms_json_put_text(&json, "run_dir", ms_args_text(&cli->args, "run-dir"));
    ms_json_put_begin(&json, "rows");
    for (size_t i = 0; i < MS_TABLES_COUNT - (s->wrote_deltas ? 0 : 1); i++) {
        ms_json_put_u64(&json, ms_tables_name(i), s->rows[i]);
    }
    ms_json_out_end(&json);
    ms_json_put_u64(&json, "warnings", s->n_warnings);
    return ms_cli_end_json(cli, &json, err);
}

static ms_status run(ms_cli *cli, ms_err *err) {
    const ms_tables_options options = {.run_dir = ms_args_text(&cli->args, "run-dir"), .context = cli, .say = say};
    ms_tables_summary summary;
    const ms_status status = ms_tables_build(&options, &summary, err);
    if (status != MS_OK) return status;
    if (cli->format == MS_FORMAT_JSON) return answer_json(cli, &summary, err);
    ms_cli_out(cli, "[build_tables] wrote tables/ A_* and B_*\n");
    return MS_OK;
}

static const ms_opt options[] = {
    {.name = "run-dir",
     .kind = MS_OPT_PATH,
     .value = "RUN",
     .required = true,
     .help = "folder of the run, after 'moescope collect'",
     .complete = MS_COMPLETE_FOLDER},
    {0},
};

static const ms_example examples[] = {
    {"tables --run-dir runs/tiny/first", "then: moescope report runs/tiny/first"},
    {0},
};

const ms_command ms_cmd_tables = {
    .name = "tables",
    .section = "Measure",
    .summary = "condense the tables of a run",
    .description =
        "Reads RUN/data/matrix_stats and quant_sim, writes RUN/tables: weights (A_*) and quantisation (B_*) by layer, by "
        "four layers and as a whole, and the differences between schemes that delta_pairs names.",
    .examples = examples,
    .options = options,
    .takes = MS_TAKES_JSON | MS_TAKES_THREADS,
    .run = run,
};
