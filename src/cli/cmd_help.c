/* moescope help: all commands, or one in full; as text, JSON or man page. */
#include "cli.h"
#include "help.h"

/* The command that the arguments name; MS_OK and NULL for none. */
static ms_status named_command(const ms_cli *cli, const ms_command **out, ms_err *err) {
    *out = NULL;
    char *words[2] = {0};
    const size_t n = ms_args_n_arguments(&cli->args);
    for (size_t i = 0; i < n; i++) words[i] = (char *)(uintptr_t)ms_args_argument(&cli->args, i);
    if (n == 0) return MS_OK;
    int n_words = 0;
    *out = ms_command_find(cli->set, (int)n, words, &n_words, err);
    if (!*out) return MS_ERR_USAGE;
    MS_FAIL_IF(n_words < (int)n, MS_ERR_USAGE, err, "'%s' is one word; unexpected '%s'", words[0],
               ms_str_shown(ms_str_of(words[1])).text);
    return MS_OK;
}

static ms_status run(ms_cli *cli, ms_err *err) {
    const ms_command *command;
    MS_TRY(named_command(cli, &command, err));
    const ms_help_look look = {.columns = cli->columns, .color = cli->color};
    ms_buf text = {0};
    if (cli->format == MS_FORMAT_JSON) ms_help_json(&text, cli->set, command);
    else if (command) ms_help_long(&text, command, &look);
    else ms_help_overview(&text, cli->set, &look);
    return ms_cli_put_and_free(cli, &text, "the help", err);
}

static const ms_positional positionals[] = {
    {.name = "COMMAND", .help = "the command to explain; without it all are listed", .max = 2, .complete = MS_COMPLETE_COMMAND},
    {0},
};

static const ms_example examples[] = {
    {"help", "all commands"},
    {"help version", "one command, with examples"},
    {0},
};

const ms_command ms_cmd_help = {
    .name = "help",
    .section = "Help",
    .summary = "all commands, or one in full",
    .examples = examples,
    .positionals = positionals,
    .takes = MS_TAKES_JSON,
    .run = run,
};
