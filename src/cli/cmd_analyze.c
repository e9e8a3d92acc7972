/* moescope analyze: init, collect, tables and report in one go. */
#include "cli.h"
#include "collect.h"
#include "collect_talk.h"
#include "files.h"
#include "json_put.h"
#include "models.h"
#include "report.h"
#include "run_folder.h"
#include "run_path.h"
#include "summary_tables.h"

typedef struct subject { /* what is to be analysed, and where the answers go */
    ms_arena arena;
    ms_str model; /* absolute: a folder, or a single file */
    ms_str name, run_dir, report;
    bool config_kept;
} subject;

/* ---- the model ---- */

static bool ends_with(ms_str s, const char *tail) { return ms_str_ends_with(s, ms_str_of(tail)); }

/* An index beside the file that names it. Broken indexes count as none: collect has its say about them. */
static bool is_shard(ms_arena *arena, ms_str file) {
    ms_files_list list;
    const ms_str folder = ms_arena_copy(arena, ms_files_folder_of(file));
    if (!folder.text || ms_files_list_folder(&list, folder.text, NULL) != MS_OK) return false;
    bool found = false;
    for (size_t i = 0; !found && i < list.n; i++) {
        if (!ends_with(list.items[i].name, ".safetensors.index.json")) continue;
        ms_buf text = {0};
        const ms_str path = ms_files_join(arena, folder, list.items[i].name);
        if (path.text && ms_files_read(&text, path.text, UINT64_C(1) << 30, NULL) == MS_OK)
            found = ms_str_contains(ms_buf_str(&text), ms_files_name_of(file));
        ms_buf_free(&text);
    }
    ms_files_list_free(&list);
    return found;
}

/* The folder's name, or the file's without its suffix; of the hub's cache the name of the repository. */
static ms_str name_of(ms_str model) {
    ms_str rest = model;
    while (rest.text) {
        const ms_str part = ms_str_cut(&rest, '/');
        if (ms_str_starts_with(part, MS_STR("models--"))) return ms_str_sub(part, 8, part.size);
    }
    ms_str name = ms_files_name_of(model);
    if (!ms_files_is_folder(model.text)) name.size -= ms_path_suffix(name).size;
    return name.size > 0 ? name : MS_STR("model");
}

static ms_status find_subject(subject *s, const char *model, const char *output, ms_err *err) {
    MS_TRY(ms_path_resolve(&s->model, &s->arena, model, err));
    MS_FAIL_IF(!ms_files_exists(s->model.text), MS_ERR_NOT_FOUND, err,
               "%s does not exist; expected a model's folder or a weight file", ms_str_shown(s->model).text);
    const bool whole_folder = ends_with(s->model, ".index.json") || is_shard(&s->arena, s->model);
    if (!ms_files_is_folder(s->model.text) && whole_folder) s->model = ms_arena_copy(&s->arena, ms_files_folder_of(s->model));
    if (!s->model.text) return ms_err_memory(err, "a path");
    s->name = ms_arena_copy(&s->arena, name_of(s->model));
    const ms_str folder = output || !s->name.text ? MS_STR("") : ms_files_join(&s->arena, MS_STR("moescope-runs"), s->name);
    if (!s->name.text || !folder.text) return ms_err_memory(err, "a path");
    MS_TRY(ms_path_resolve(&s->run_dir, &s->arena, output ? output : folder.text, err));
    s->report = ms_files_join(&s->arena, s->run_dir, MS_STR("report.html"));
    return s->report.text ? MS_OK : ms_err_memory(err, "a path");
}

/* ---- the steps ---- */

static ms_status make_run(ms_cli *cli, subject *s, ms_err *err) {
    const char *const widths = ms_args_text(&cli->args, "expert-widths");
    const ms_run_init_options options = {
        .model_id = s->name.text, .run_name = "analyze", .model_path = s->model.text, .expert_widths = widths};
    MS_TRY(ms_run_init_at(s->run_dir, &s->config_kept, &options, &s->arena, err));
    if (widths && s->config_kept)
        ms_cli_warn(cli, "%s has a configuration already; parsing.expert_widths counts as it is there",
                    ms_str_shown(s->run_dir).text);
    return MS_OK;
}

static void say(void *context, const char *line) {
    ms_cli *const cli = context;
    ms_cli_say(cli, "%s\n", line);
}

static ms_status measure(ms_cli *cli, const subject *s, ms_collect_summary *summary, ms_err *err) {
    const ms_collect_options collect = {.run_dir = s->run_dir.text,
                                        .model_path = s->config_kept ? s->model.text : NULL,
                                        .n_threads = cli->threads,
                                        .cancel = ms_interrupt_cancel(),
                                        .talk = ms_collect_talk_to(cli)};
    MS_TRY(ms_collect(&collect, summary, err));
    const ms_tables_options tables = {.run_dir = s->run_dir.text, .context = cli, .say = say};
    ms_tables_summary ignored;
    MS_TRY(ms_tables_build(&tables, &ignored, err));
    ms_buf command = {0};
    ms_buf_printf(&command, "moescope analyze %s", ms_str_shown(s->model).text);
    const ms_report_options report = {.title = s->name.text, .command = ms_buf_str(&command).text};
    const ms_status status = ms_report_write(s->run_dir.text, s->report.text, &report, NULL, err);
    ms_buf_free(&command);
    return status;
}

static ms_status answer_json(ms_cli *cli, const subject *s, const ms_collect_summary *summary, ms_err *err) {
    ms_buf text = {0};
    ms_json_out json = {.buf = &text, .indent = 2};
    ms_cli_begin_json(&json, "analyze", 1);
    ms_json_put_str(&json, "run_dir", s->run_dir);
    ms_json_put_str(&json, "report", s->report);
    ms_json_put_u64(&json, "matrix_stats_rows", summary->matrix_stats_rows);
    ms_json_put_u64(&json, "quant_sim_rows", summary->quant_sim_rows);
    ms_json_put_u64(&json, "warnings_rows", summary->warnings_rows);
    return ms_cli_end_json(cli, &json, err);
}

static void answer_text(ms_cli *cli, const subject *s, const ms_collect_summary *summary) {
    if (summary->matrix_stats_rows == 0)
        ms_cli_warn(cli, "no expert matrices were found; 'moescope inspect %s' shows what is there",
                    ms_str_shown(s->model).text);
    ms_cli_out(cli, "%zu expert %s measured in %.1f s, %zu quantisation result%s\n", summary->matrix_stats_rows,
               summary->matrix_stats_rows == 1 ? "matrix" : "matrices", summary->seconds, summary->quant_sim_rows,
               summary->quant_sim_rows == 1 ? "" : "s");
    if (summary->warnings_rows > 0)
        ms_cli_out(cli, "%zu warning%s: %s/%s\n", summary->warnings_rows, summary->warnings_rows == 1 ? "" : "s",
                   s->run_dir.text, summary->warnings_path);
    ms_cli_out(cli, "tables: %s/data and %s/tables\n", s->run_dir.text, s->run_dir.text);
    ms_cli_out(cli, "report: %s\n", s->report.text);
}

static ms_status analyze(ms_cli *cli, subject *s, ms_err *err) {
    ms_collect_summary summary;
    MS_TRY(find_subject(s, ms_args_argument(&cli->args, 0), ms_args_text(&cli->args, "output"), err));
    MS_TRY(make_run(cli, s, err));
    MS_TRY(measure(cli, s, &summary, err));
    if (cli->format == MS_FORMAT_JSON) return answer_json(cli, s, &summary, err);
    answer_text(cli, s, &summary);
    return MS_OK;
}

static ms_status run(ms_cli *cli, ms_err *err) {
    subject s = {0};
    const ms_status status = analyze(cli, &s, err);
    ms_arena_free(&s.arena);
    return status;
}

static const ms_positional positionals[] = {
    {.name = "MODEL",
     .help = "folder of a model, any of its shards, its index, or a single weight file",
     .min = 1,
     .max = 1,
     .complete = MS_COMPLETE_MODEL},
    {0},
};

static const ms_opt options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = MS_OPT_PATH,
     .value = "RUN",
     .help = "folder for the answers; moescope-runs/NAME when not given",
     .complete = MS_COMPLETE_FOLDER},
    MS_OPT_EXPERT_WIDTHS,
    {0},
};

static const ms_example examples[] = {
    {"analyze examples/tiny-qwen2-moe", "report in moescope-runs/tiny-qwen2-moe/report.html"},
    {"analyze /models/mixtral -o runs/mixtral", "answers go to runs/mixtral"},
    {0},
};

const ms_command ms_cmd_analyze = {
    .name = "analyze",
    .section = "Measure",
    .summary = "measure all experts of a model and write a report",
    .description =
        "Statistics of every expert matrix, what quantisation would do to it, tables, logs and one HTML page. The same as "
        "init, collect, tables and report.\n\nWhen the folder for the answers holds an analysis_config.json, its settings "
        "are used; edit it and run the command again.",
    .examples = examples,
    .positionals = positionals,
    .options = options,
    .takes = MS_TAKES_JSON | MS_TAKES_THREADS,
    .run = run,
};
