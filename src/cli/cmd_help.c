/* moescope help: all commands, or one in full; as text, JSON or man page. */
#include "cli.h"
#include "files.h"
#include "help.h"
#include "manpage.h"

#include <stdio.h>

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

static ms_status write_page(const ms_command_set *set, const ms_command *command, const char *folder, ms_err *err) {
    char path[1024], name[64];
    ms_manpage_name(name, command);
    const int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    MS_FAIL_IF(n >= (int)sizeof path, MS_ERR_USAGE, err, "the name of the folder is too long");
    ms_buf page = {0};
    ms_manpage(&page, set, command);
    if (page.failed) {
        ms_buf_free(&page);
        return ms_err_memory(err, "a man page");
    }
    const ms_status status = ms_files_write(path, page.bytes, page.size, MS_FILES_NO_SYNC, err);
    ms_buf_free(&page);
    return status;
}

static ms_status write_pages(const ms_command_set *set, const char *folder, ms_err *err) {
    MS_TRY(write_page(set, NULL, folder, err));
    for (const ms_command *const *c = set->commands; *c; c++)
        if (!(*c)->hidden) MS_TRY(write_page(set, *c, folder, err));
    return MS_OK;
}

static ms_status run(ms_cli *cli, ms_err *err) {
    const ms_command *command;
    MS_TRY(named_command(cli, &command, err));
    const char *const folder = ms_args_text(&cli->args, "man-folder");
    if (folder) return write_pages(cli->set, folder, err);
    const ms_help_look look = {.columns = cli->columns, .color = cli->color};
    ms_buf text = {0};
    if (cli->format == MS_FORMAT_JSON) ms_help_json(&text, cli->set, command);
    else if (ms_args_flag(&cli->args, "man")) ms_manpage(&text, cli->set, command);
    else if (command) ms_help_long(&text, command, &look);
    else ms_help_overview(&text, cli->set, &look);
    return ms_cli_put_and_free(cli, &text, "the help", err);
}

static const ms_positional positionals[] = {
    {.name = "COMMAND", .help = "the command to explain; without it all are listed", .max = 2, .complete = MS_COMPLETE_COMMAND},
    {0},
};

static const ms_opt options[] = {
    {.name = "man", .help = "write the man page (mdoc)"},
    {.name = "man-folder",
     .kind = MS_OPT_PATH,
     .value = "FOLDER",
     .hidden = true,
     .complete = MS_COMPLETE_FOLDER,
     .help = "write all man pages into FOLDER"},
    {0},
};

static const ms_example examples[] = {
    {"help", "all commands"},
    {"help version", "one command, with examples"},
    {"help --man version | man -l -", "its man page"},
    {0},
};

const ms_command ms_cmd_help = {
    .name = "help",
    .section = "Help",
    .summary = "all commands, or one in full",
    .examples = examples,
    .positionals = positionals,
    .options = options,
    .takes = MS_TAKES_JSON,
    .run = run,
};
