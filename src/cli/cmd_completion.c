/* moescope completion: a script that teaches a shell our commands and options. */
#include "checkpoint.h"
#include "cli.h"
#include "complete.h"

static const char *const shells[] = {"bash", "zsh", "fish", NULL};

/* The names of a model's tensors, one a line; those that would upset a shell are left out. */
static ms_status list_tensors(ms_cli *cli, const char *model, ms_err *err) {
    const ms_open_options options = {.lenient = true, .no_family = true};
    ms_checkpoint *ckpt;
    MS_TRY(ms_checkpoint_open(&ckpt, model, &options, err));
    for (size_t i = 0; i < ckpt->n_tensors && !ms_cli_out_failed(cli); i++) {
        const ms_str name = ckpt->tensors[i].stored->name;
        bool plain = name.size > 0;
        for (size_t k = 0; k < name.size; k++) {
            const unsigned char c = (unsigned char)name.text[k];
            plain = plain && c > ' ' && c < 0x7f && !strchr("'\"`\\$;&|<>(){}*?!", c);
        }
        if (plain) ms_cli_out(cli, "%.*s\n", (int)name.size, name.text);
    }
    ms_checkpoint_close(ckpt);
    return MS_OK;
}

static ms_status run(ms_cli *cli, ms_err *err) {
    static void (*const writers[])(ms_buf *out, const ms_command_set *set) = {ms_complete_bash, ms_complete_zsh,
                                                                              ms_complete_fish};
    const char *const model = ms_args_text(&cli->args, "tensors");
    if (model) return list_tensors(cli, model, err);
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

static const ms_opt options[] = {
    {.name = "tensors",
     .kind = MS_OPT_PATH,
     .value = "MODEL",
     .help = "list the tensors of a model, as the scripts ask for it",
     .complete = MS_COMPLETE_MODEL,
     .excuses = true,
     .hidden = true},
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
    .options = options,
    .run = run,
};
