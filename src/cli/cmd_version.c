/* moescope version: which program this is; with --verbose what it was built with and what it runs on. */
#include "build_info.h"
#include "cli.h"
#include "cpu.h"
#include "json_put.h"
#include "lockdown.h"

typedef struct feature {
    const char *name, *state, *detail;
} feature;

static const feature features[] = {MS_BUILD_FEATURES{NULL, NULL, NULL}};

static ms_status put_json(ms_cli *cli, ms_err *err) {
    char model[64];
    ms_cpu_model(model);
    ms_buf text = {0};
    ms_json_out out = {.buf = &text, .indent = 2};
    ms_cli_begin_json(&out, "version", 1);
    ms_json_put_text(&out, "release", MS_VERSION);
    ms_json_put_text(&out, "build", MS_BUILD_TYPE);
    ms_json_put_text(&out, "compiler", MS_BUILD_COMPILER);
    ms_json_put_text(&out, "processor", model);
    ms_json_put_text(&out, "isa", ms_isa_name(ms_cpu_isa()));
    ms_json_put_begin(&out, "features");
    for (const feature *f = features; f->name; f++) {
        ms_json_put_bool(&out, f->name, strcmp(f->state, "on") == 0);
    }
    ms_json_out_end(&out);
    ms_json_put_bool(&out, "jail", ms_lockdown_why_not() == NULL);
    return ms_cli_end_json(cli, &out, err);
}

static ms_status run(ms_cli *cli, ms_err *err) {
    if (cli->format == MS_FORMAT_JSON) return put_json(cli, err);
    ms_cli_out(cli, "moescope %s\n", MS_VERSION);
    if (!ms_args_flag(&cli->args, "verbose")) return MS_OK;
    char model[64];
    ms_cpu_model(model);
    ms_cli_out(cli, "build      %s, %s\n", MS_BUILD_TYPE, MS_BUILD_COMPILER);
    ms_cli_out(cli, "processor  %s\n", model);
    ms_cli_out(cli, "kernels    %s\n", ms_isa_name(ms_cpu_isa()));
    for (const feature *f = features; f->name; f++) ms_cli_out(cli, "%-9s  %-3s  %s\n", f->name, f->state, f->detail);
    const char *const why_not = ms_lockdown_why_not();
    ms_cli_out(cli, "%-9s  %-3s  %s\n", "jail", why_not ? "off" : "on", why_not ? why_not : "--jail, by seccomp");
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
