/*
 * cli: what every command gets: its arguments, where to write, how to look; and the frame that runs it.
 *
 * Results go to stdout through ms_cli_out, talk goes to stderr through ms_cli_say and ms_cli_warn; nothing else in the
 * program prints. A write that fails is remembered: output after it is dropped, and the program ends with exit code 6, or, when
 * the reader of a pipe has gone, silently as by SIGPIPE; so a command need not look, and what it writes to files is complete.
 *
 * A command that takes long shows progress and can be interrupted:
 *
 *     ms_progress_begin(&cli->progress, "collect", n_bytes);
 *     MS_TRY(ms_pool_run(pool, n, item, context, ms_interrupt_cancel(), err));     // items call ms_progress_add
 *     ms_progress_end(&cli->progress);                                            // also done when the command returns
 */
#ifndef MS_CLI_H
#define MS_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "command.h"
#include "err.h"
#include "interrupt.h"
#include "opt.h"
#include "progress.h"
#include "str.h"
#include "term.h"

typedef enum ms_cli_format { MS_FORMAT_TEXT, MS_FORMAT_JSON, MS_FORMAT_CSV } ms_cli_format;

typedef enum ms_cli_side { MS_NO_JAIL, MS_OUTSIDE, MS_INSIDE } ms_cli_side; /* of the jail (jail.h) this process is on */

typedef struct ms_cli {
    const ms_command_set *set;
    const ms_command *command;
    ms_args args;
    ms_opt common[MS_COMMON_MAX]; /* the table of the shared options */
    ms_cli_format format;
    int threads; /* --threads; 0: all processors, as ms_pool_create takes it */
    bool quiet;
    bool color;   /* on stdout */
    bool unicode; /* block characters will be shown */
    int columns;  /* width of stdout, or 80 when it is no terminal */
    bool to_terminal;
    ms_cli_side side;
    ms_progress progress;
    int out_errno; /* of the first failed write to stdout, or 0 */
} ms_cli;

/* stdout */
void ms_cli_out(ms_cli *cli, const char *format, ...) MS_PRINTF(2, 3);
void ms_cli_put(ms_cli *cli, const void *bytes, size_t n);
static inline void ms_cli_put_buf(ms_cli *cli, const ms_buf *b) { ms_cli_put(cli, b->bytes, b->size); }
/* The same, and MS_ERR_MEMORY naming `what` when the buffer had failed. Frees it. */
ms_status ms_cli_put_and_free(ms_cli *cli, ms_buf *b, const char *what, ms_err *err);
/* Nobody reads on, or the disk is full: a command with much left to say may stop. */
static inline bool ms_cli_out_failed(const ms_cli *cli) { return cli->out_errno != 0; }

/* stderr: whole lines. say: nothing under --quiet. warn: "moescope COMMAND: warning: ...", also nothing under --quiet. */
void ms_cli_say(ms_cli *cli, const char *format, ...) MS_PRINTF(2, 3);
void ms_cli_warn(ms_cli *cli, const char *format, ...) MS_PRINTF(2, 3);

/* "\x1b[1m" and the like where colour is wanted, else "". */
const char *ms_cli_style(const ms_cli *cli, ms_style style);

/* {"schema": "moescope.NAME", "version": N -- the beginning of every JSON answer; the object stays open. */
struct ms_json_out;
void ms_cli_begin_json(struct ms_json_out *out, const char *name, int version);
/* Closes that object and prints the answer; frees its buffer. */
ms_status ms_cli_end_json(ms_cli *cli, struct ms_json_out *out, ms_err *err);

/* Runs one command line and returns the exit code of the program. */
int ms_cli_main(const ms_command_set *set, int argc, char *const *argv);

#endif
