/* moescope completion: a script that teaches a shell our commands and options. */
#include "cli.h"
#include "complete.h"

static const char *const shells[] = {"bash", "zsh", "fish", NULL};

static ms_status run(ms_cli *cli, ms_err *err) {
    static void (*const writers[])(ms_buf *out, const ms_command_set *set) = {ms_complete_bash, ms_complete_zsh,
                                                                              ms_complete_fish};
    const char *const shell = ms_args_argument(&cli->args, 0);
    ms_buf script = {0};
    for (size_t i = 0; shells[i]; i++)
        if (strcmp(shell, shells[i]) == 0) writers[i](&script, cli->set);
    return ms_cli_put_and_free(cli, &script, "the script", err);
}

static const ms_positional positionals[] = {
    {.name = "SHELL", .help = "bash, zsh or fish", .min = 1, .max = 1, .choices = shells},
    {0},
};

static const ms_example examples[] = {
    {"completion bash > ~/.local/share/bash-completion/completions/moescope", "bash, from the next session on"},
    {"completion zsh > ~/.zfunc/_moescope", "zsh, with ~/.zfunc in fpath"},
    {"completion fish > ~/.config/fish/completions/moescope.fish", "fish"},
    {0},
};

const ms_command ms_cmd_completion = {
    .name = "completion",
    .section = "Help",
    .summary = "a script that teaches a shell the commands and options",
    .description =
        "The script goes to standard output. An installed moescope has brought it along already. To try it out in the "
        "running session: source <(moescope completion bash)",
    .examples = examples,
    .positionals = positionals,
    .run = run,
};
