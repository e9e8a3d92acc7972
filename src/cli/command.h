/*
 * command: what a command is. One file a command: cmd_NAME.c defines one `const ms_command ms_cmd_NAME` and commands.c lists
 * it.
 *
 *     static const ms_positional positionals[] = {{.name = "MODEL", .help = "file, folder, any shard or index", .min = 1, .max
 * = 1, .complete = MS_COMPLETE_MODEL}, {0}}; static const ms_opt options[] = {{.name = "tensors", .letter = 't', .help = "list
 * every tensor"}, {0}}; static const ms_example examples[] = {{"inspect model.gguf", "architecture, experts, sizes"}, {0}};
 *
 *     static ms_status run(ms_cli *cli, ms_err *err) {
 *         const char *const path = ms_args_argument(&cli->args, 0);
 *         ...
 *         ms_cli_out(cli, "%d experts\n", n);           // results
 *         ms_cli_say(cli, "reading %s\n", path);        // talk; silent under --quiet
 *         return MS_OK;                                 // else: the message in err is printed, the status is the exit code
 *     }
 *
 *     const ms_command ms_cmd_inspect = {.name = "inspect", .section = "Look", .summary = "what is in a model", ..., .run =
 * run};
 *
 * The common options (--help, --quiet, --color; --json, --csv, --format, --threads for those who take them) are added and
 * read by cli.c; a command finds them in ms_cli.
 */
#ifndef MS_COMMAND_H
#define MS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "opt.h"

struct ms_cli;

enum {
    MS_TAKES_JSON = 1,    /* --json */
    MS_TAKES_FORMAT = 2,  /* --format text|json|csv, --json, --csv */
    MS_TAKES_THREADS = 4, /* --threads N */
    MS_TAKES_JAIL = 8,    /* --jail; the model is its first argument */
};

typedef struct ms_command {
    const char *name;           /* "inspect"; two words for a command of a group: "gates index" */
    const char *section;        /* heading in the overview: commands of one section stand together in commands.c */
    const char *summary;        /* one line: lower case, no full stop */
    const char *description;    /* for --help and the man page; paragraphs separated by an empty line; may be NULL */
    const ms_example *examples; /* end with {0}; may be NULL, as may the next two */
    const ms_positional *positionals;
    const ms_opt *options;
    unsigned takes; /* MS_TAKES_... */
    bool hidden;
    ms_status (*run)(struct ms_cli *cli, ms_err *err);
} ms_command;

typedef struct ms_command_set {
    const ms_command *const *commands; /* ends with NULL */
    const char *summary;               /* of the whole program */
    const char *description;
} ms_command_set;

/* The commands of moescope. */
extern const ms_command_set ms_commands;

/* The command that argv begins with, and how many words its name has; NULL and a message (unknown, nearest spelling). */
const ms_command *ms_command_find(const ms_command_set *set, int argc, char *const *argv, int *n_words, ms_err *err);

/* What the exit codes mean (frozen: scripts rely on them), and the environment variables we look at. End with NULL. */
typedef struct ms_exit_code {
    int code;
    const char *meaning;
} ms_exit_code;
extern const ms_exit_code ms_exit_codes[];

typedef struct ms_variable {
    const char *name, *meaning;
} ms_variable;
extern const ms_variable ms_variables[];

/* The options that the command shares with others, ended by {0}. */
enum { MS_COMMON_MAX = 12 };
void ms_command_common(const ms_command *command, ms_opt out[static MS_COMMON_MAX]);

#endif
