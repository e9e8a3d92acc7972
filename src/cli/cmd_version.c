/* moescope version: which program this is; with --verbose what it was built with and what it runs on. */
#include "build_info.h"
#include "cli.h"
#include "cpu.h"
#include "json.h"

typedef struct feature {
    const char *name, *state, *detail;
} feature;

static const feature features[] = {MS_BUILD_FEATURES{NULL, NULL, NULL}};

static void put_json(ms_buf *text) {
    char model[64];
    ms_cpu_model(model);
    ms_json_out out = {.buf = text, .indent = 2};
    ms_cli_begin_json(&out, "version", 1);
    ms_json_out_key(&out, "release");
    ms_json_out_text(&out, MS_VERSION);
    ms_json_out_key(&out, "build");
    ms_json_out_text(&out, MS_BUILD_TYPE);
    ms_json_out_key(&out, "compiler");
    ms_json_out_text(&out, MS_BUILD_COMPILER);
    ms_json_out_key(&out, "processor");
    ms_json_out_text(&out, model);
    ms_json_out_key(&out, "isa");
    ms_json_out_text(&out, ms_isa_name(ms_cpu_isa()));
    ms_json_out_key(&out, "features");
    ms_json_out_begin_object(&out);
    for (const feature *f = features; f->name; f++) {
        ms_json_out_key(&out, f->name);
        ms_json_out_bool(&out, strcmp(f->state, "on") == 0);
    }
    ms_json_out_end(&out);
    ms_json_out_end(&out);
    ms_buf_put_char(text, '\n');
}

static ms_status run(ms_cli *cli, ms_err *err) {
    if (cli->format == MS_FORMAT_JSON) {
        ms_buf text = {0};
        put_json(&text);
        return ms_cli_put_and_free(cli, &text, "the answer", err);
    }
    ms_cli_out(cli, "moescope %s\n", MS_VERSION);
    if (!ms_args_flag(&cli->args, "verbose")) return MS_OK;
    char model[64];
    ms_cpu_model(model);
    ms_cli_out(cli, "build      %s, %s\n", MS_BUILD_TYPE, MS_BUILD_COMPILER);
    ms_cli_out(cli, "processor  %s\n", model);
    ms_cli_out(cli, "kernels    %s\n", ms_isa_name(ms_cpu_isa()));
    for (const feature *f = features; f->name; f++) ms_cli_out(cli, "%-9s  %-3s  %s\n", f->name, f->state, f->detail);
    return MS_OK;
}

static const ms_opt options[] = {
    {.name = "verbose", .letter = 'v', .help = "also the compiler, the optional parts, and the processor"},
    {0},
};

static const ms_example examples[] = {
    {"version", "one line"},
    {"version --verbose", "what to put into a bug report"},
    {0},
};

const ms_command ms_cmd_version = {
    .name = "version",
    .section = "Help",
    .summary = "which program this is, and what it can do",
    .examples = examples,
    .options = options,
    .takes = MS_TAKES_JSON,
    .run = run,
};
