/* moescope verify: is a model well-formed, and what it claims to be? */
#include "files.h"
#include "verify_out.h"

static void begin(void *context, uint64_t n_bytes) { ms_progress_begin(context, "verify", n_bytes); }
static void advance(void *context, uint64_t n_bytes) { ms_progress_add(context, n_bytes); }

static ms_status show(ms_cli *cli, const ms_verify *verify, ms_err *err) {
    if (ms_args_flag(&cli->args, "sarif")) return ms_verify_sarif(cli, verify, err);
    if (cli->format == MS_FORMAT_JSON) return ms_verify_json(cli, verify, err);
    return ms_verify_text(cli, verify, err);
}

/* --strict: warnings are errors, in what is shown and in what counts. */
static void harden(ms_notes *findings) {
    for (size_t i = 0; i < findings->n; i++)
        if (findings->items[i].severity == MS_NOTE_WARNING) findings->items[i].severity = MS_NOTE_ERROR;
}

static ms_status work(ms_cli *cli, ms_err *err) {
    const ms_args *const args = &cli->args;
    const ms_verify_options options = {.values = ms_args_flag(args, "values"),
                                       .hash = ms_args_flag(args, "hash"),
                                       .threads = cli->threads,
                                       .cancel = ms_interrupt_cancel(),
                                       .begin = begin,
                                       .advance = advance,
                                       .context = &cli->progress};
    ms_verify verify;
    ms_status status = ms_verify_run(&verify, ms_args_argument(args, 0), &options, err);
    ms_progress_end(&cli->progress);
    if (status == MS_OK) {
        if (ms_args_flag(args, "strict")) harden(&verify.findings);
        status = show(cli, &verify, err);
        const ms_severity least = ms_args_choice(args, "fail-on") == 1 ? MS_NOTE_ERROR : MS_NOTE_WARNING;
        if (status == MS_OK && ms_notes_count(&verify.findings, least)) {
            if (err) *err = (ms_err){.status = MS_ERR_FINDING};
            status = MS_ERR_FINDING; /* silent: the findings are the message */
        }
    }
    ms_verify_free(&verify);
    return status;
}

static ms_status run(ms_cli *cli, ms_err *err) {
    MS_FAIL_IF(ms_args_flag(&cli->args, "json") && ms_args_flag(&cli->args, "sarif"), MS_ERR_USAGE, err,
               "two formats asked for: give one of --json and --sarif");
    return work(cli, err);
}

static const ms_positional positionals[] = {
    {.name = "MODEL", .help = "a folder, a file, any shard, or an index", .min = 1, .max = 1, .complete = MS_COMPLETE_MODEL},
    {0},
};

static const char *const severities[] = {"warn", "error", NULL};

static const ms_opt options[] = {
    {.name = "values", .help = "read every weight and count NaN and infinities"},
    {.name = "hash", .help = "compute the SHA-256 of every file and compare it with what the hub's cache or SHA256SUMS says"},
    {.name = "strict", .help = "warnings are errors"},
    {.name = "fail-on",
     .kind = MS_OPT_CHOICE,
     .choices = severities,
     .fallback = "error",
     .help = "the least severity that makes the exit code 1"},
    {.name = "sarif", .help = "findings as SARIF 2.1.0, for code scanning services"},
    {0},
};

static const ms_example examples[] = {
    {"verify examples/tiny-qwen2-moe", "one line a finding, the last line counts"},
    {"verify model.gguf --strict", "warnings count, too"},
    {"verify model --values --hash", "every byte: NaN, infinities, SHA-256 as the hub knows it"},
    {"verify model --sarif >findings.sarif", "for a code scanning service"},
    {0},
};

const ms_command ms_cmd_verify = {
    .name = "verify",
    .section = "Look",
    .summary = "is a model well-formed and what it claims to be",
    .description =
        "Every rule of the file formats, of the index and of the config that the model breaks is a finding with a stable code, "
        "a "
        "severity, and the byte where it is; docs/verify.md explains each. Nothing in the files is run.\n\n"
        "The exit code is 1 when there is an error among the findings (see --fail-on), also when a file cannot be read at all: "
        "finding that out is what this command is for.",
    .examples = examples,
    .positionals = positionals,
    .options = options,
    .takes = MS_TAKES_JSON | MS_TAKES_THREADS | MS_TAKES_JAIL,
    .run = run,
};
