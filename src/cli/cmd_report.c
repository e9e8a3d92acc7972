/* moescope report: one self-contained HTML file from a run. */
#include "arena.h"
#include "cli.h"
#include "files.h"
#include "report.h"

static ms_status run(ms_cli *cli, ms_err *err) {
    const char *const folder = ms_args_argument(&cli->args, 0);
    const char *out = ms_args_text(&cli->args, "output");
    ms_arena arena = {0};
    if (!out) {
        out = ms_files_join(&arena, ms_str_of(folder), MS_STR("report.html")).text;
        if (!out) return ms_err_memory(err, "a path");
    }
    const ms_report_options options = {.title = ms_args_text(&cli->args, "title"),
                                       .no_charts = ms_args_flag(&cli->args, "no-charts")};
    ms_report_summary summary;
    const ms_status status = ms_report_write(folder, out, &options, &summary, err);
    if (status == MS_OK) ms_cli_out(cli, "%s\n", out);
    ms_arena_free(&arena);
    return status;
}

static const ms_positional positionals[] = {
    {.name = "RUN",
     .help = "folder of a run, made by analyze, or by init and collect",
     .min = 1,
     .max = 1,
     .complete = MS_COMPLETE_FOLDER},
    {0},
};

static const ms_opt options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = MS_OPT_PATH,
     .value = "FILE",
     .help = "where to write; RUN/report.html when not given"},
    {.name = "title", .kind = MS_OPT_TEXT, .value = "TEXT", .help = "heading of the page; the model's name when not given"},
    {.name = "no-charts", .help = "tables only: a smaller page without any script"},
    {0},
};

static const ms_example examples[] = {
    {"report moescope-runs/mixtral", "writes moescope-runs/mixtral/report.html"},
    {"report moescope-runs/mixtral -o mixtral.html --title 'Mixtral 8x7B'", "elsewhere, under another heading"},
    {0},
};

const ms_command ms_cmd_report = {
    .name = "report",
    .section = "Measure",
    .summary = "one self-contained HTML page from a run",
    .description = "Reads the tables and logs of a run and writes one HTML file that needs no network and no other file: what "
                   "the model is, what stands "
                   "out, every expert as a heat map, how layers differ, what quantisation would cost, findings about names and "
                   "index, warnings, and how "
                   "it was made. It can be printed and follows the dark or light setting of the reader.",
    .examples = examples,
    .positionals = positionals,
    .options = options,
    .run = run,
};
