#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "help.h"
#include "hub.h"
#include "jail.h"
#include "json.h"
#include "models.h"

/* ---- writing ---- */

static void note_out_error(ms_cli *cli) {
    if (!cli->out_errno) cli->out_errno = errno ? errno : EIO;
}

void ms_cli_put(ms_cli *cli, const void *bytes, size_t n) {
    if (cli->out_errno || n == 0) return;
    errno = 0;
    if (fwrite(bytes, 1, n, stdout) != n) note_out_error(cli);
}

void ms_cli_out(ms_cli *cli, const char *format, ...) {
    if (cli->out_errno) return;
    errno = 0;
    va_list args;
    va_start(args, format);
    if (vfprintf(stdout, format, args) < 0) note_out_error(cli);
    va_end(args);
}

ms_status ms_cli_put_and_free(ms_cli *cli, ms_buf *b, const char *what, ms_err *err) {
    const bool failed = b->failed;
    if (!failed) ms_cli_put_buf(cli, b);
    ms_buf_free(b);
    return failed ? ms_err_memory(err, what) : MS_OK;
}

MS_PRINTF(3, 0) static void talk(ms_cli *cli, const char *head, const char *format, va_list args) {
    ms_buf line = {0};
    ms_buf_put_text(&line, head);
    ms_buf_vprintf(&line, format, args);
    if (!line.failed && line.size && line.bytes[line.size - 1] != '\n') ms_buf_put_char(&line, '\n');
    ms_progress_hide(&cli->progress);
    fflush(stdout); /* results that came before stand before, where both streams go to one place */
    fwrite(line.bytes, 1, line.size, stderr);
    ms_buf_free(&line);
}

void ms_cli_say(ms_cli *cli, const char *format, ...) {
    if (cli->quiet) return;
    va_list args;
    va_start(args, format);
    talk(cli, "", format, args);
    va_end(args);
}

void ms_cli_warn(ms_cli *cli, const char *format, ...) {
    if (cli->quiet) return;
    char head[96];
    snprintf(head, sizeof head, "moescope %s: warning: ", cli->command->name);
    va_list args;
    va_start(args, format);
    talk(cli, head, format, args);
    va_end(args);
}

const char *ms_cli_style(const ms_cli *cli, ms_style style) { return ms_term_style(cli->color, style); }

void ms_cli_begin_json(ms_json_out *out, const char *name, int version) {
    char schema[64];
    snprintf(schema, sizeof schema, "moescope.%s", name);
    ms_json_out_begin_object(out);
    ms_json_out_key(out, "schema");
    ms_json_out_text(out, schema);
    ms_json_out_key(out, "version");
    ms_json_out_i64(out, version);
}

ms_status ms_cli_end_json(ms_cli *cli, ms_json_out *out, ms_err *err) {
    ms_json_out_end(out);
    ms_buf_put_char(out->buf, '\n');
    return ms_cli_put_and_free(cli, out->buf, "the answer", err);
}

/* ---- the frame ---- */

/* A closed standard stream would be given to the next file that is opened, and our text written into it. So each is opened,
 * in the direction in which using it fails. */
static void open_standard_streams(void) {
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF) (void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

/* "moescope inspect: message", once what was printed before is out. */
static int complain(const char *command, ms_status status, const ms_err *err) {
    if (err->text[0]) {
        fflush(stdout);
        fprintf(stderr, "moescope%s%s: %s\n", *command ? " " : "", command, err->text);
    }
    return ms_status_exit_code(status);
}

static int usage(const char *command, const ms_err *err) {
    complain(command, MS_ERR_USAGE, err);
    if (*command) fprintf(stderr, "Try 'moescope %s -h'.\n", command);
    return ms_status_exit_code(MS_ERR_USAGE);
}

/* Everything is out, or the exit code says that it is not. */
static int finish_output(ms_cli *cli, const char *command, int code) {
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout)) note_out_error(cli);
    if (!cli->out_errno && close(STDOUT_FILENO) != 0 && errno != EBADF) note_out_error(cli); /* network file systems */
    if (cli->out_errno == EPIPE) ms_interrupt_die_of_pipe();
    if (!cli->out_errno) return code;
    ms_err err;
    ms_err_set(&err, MS_ERR_IO, "cannot write to standard output: %s", strerror(cli->out_errno));
    const int io_code = complain(command, MS_ERR_IO, &err);
    return code == 0 || code == 1 ? io_code : code;
}

static void read_common_options(ms_cli *cli) {
    const ms_args *const args = &cli->args;
    const unsigned takes = cli->command->takes;
    if (takes & MS_TAKES_FORMAT) cli->format = (ms_cli_format)ms_args_choice(args, "format");
    if (takes & MS_TAKES_FORMAT && ms_args_flag(args, "csv")) cli->format = MS_FORMAT_CSV;
    if (takes & (MS_TAKES_JSON | MS_TAKES_FORMAT) && ms_args_flag(args, "json")) cli->format = MS_FORMAT_JSON;
    if (takes & MS_TAKES_THREADS) cli->threads = (int)ms_args_int(args, "threads");
    cli->quiet = ms_args_flag(args, "quiet");
    const ms_color_choice choice = (ms_color_choice)ms_args_choice(args, "color");
    cli->color = ms_term_color(choice, STDOUT_FILENO);
    const bool progress = !cli->quiet && ms_term_is_terminal(STDERR_FILENO);
    ms_progress_init(&cli->progress, progress, cli->unicode, ms_term_color(choice, STDERR_FILENO),
                     ms_term_columns(STDERR_FILENO));
}

/* --json --csv, --csv --format json: which one? Saying the same twice is fine. */
static ms_status check_one_format(const ms_cli *cli, ms_err *err) {
    if (!(cli->command->takes & MS_TAKES_FORMAT)) return MS_OK;
    const bool json = ms_args_flag(&cli->args, "json"), csv = ms_args_flag(&cli->args, "csv");
    const bool other = ms_args_given(&cli->args, "format") && ms_args_choice(&cli->args, "format") != (int)cli->format;
    MS_FAIL_IF((json && csv) || other, MS_ERR_USAGE, err, "two formats asked for: give one of --json, --csv, --format");
    return MS_OK;
}

static void look_around(ms_cli *cli) {
    cli->unicode = ms_term_unicode();
    cli->columns = ms_term_columns(STDOUT_FILENO);
    cli->to_terminal = ms_term_is_terminal(STDOUT_FILENO);
    cli->color = ms_term_color(MS_COLOR_AUTO, STDOUT_FILENO);
}

static ms_status show_help(ms_cli *cli, ms_err *err) {
    ms_buf text = {0};
    const ms_help_look look = {.columns = cli->columns, .color = cli->color};
    if (ms_args_given(&cli->args, "help-json")) ms_help_json(&text, cli->set, cli->command);
    else if (ms_args_by_letter(&cli->args, "help")) ms_help_short(&text, cli->command, &look);
    else ms_help_long(&text, cli->command, &look);
    return ms_cli_put_and_free(cli, &text, "the help", err);
}

/* Arguments are argv: [argc], after the command's name. */
static int run_command(ms_cli *cli, int argc, char *const *argv) {
    ms_err err = {0};
    ms_command_common(cli->command, cli->common);
    cli->args.tables[0] = cli->command->options;
    cli->args.tables[1] = cli->common;
    cli->args.positionals = cli->command->positionals;
    const ms_status parsed = ms_args_parse(&cli->args, argc, argv, &err);
    if (parsed == MS_ERR_USAGE) return usage(cli->command->name, &err);
    if (parsed != MS_OK) return complain(cli->command->name, parsed, &err);

    read_common_options(cli);
    if (ms_args_given(&cli->args, "help") || ms_args_given(&cli->args, "help-json"))
        return complain(cli->command->name, show_help(cli, &err), &err);
    if (check_one_format(cli, &err) != MS_OK) return usage(cli->command->name, &err);

    ms_arena addresses = {0};
    int code = 0; /* of the child in the jail */
    const bool in_jail = cli->command->takes & MS_TAKES_JAIL && ms_args_flag(&cli->args, "jail");
    ms_status status = in_jail ? ms_jail_possible(cli, &err) : MS_OK;
    if (status == MS_OK) status = ms_models_resolve(cli, &addresses, &err);
    if (status == MS_OK && in_jail) status = ms_jail_enter(cli, &addresses, &code, &err);
    if (status == MS_OK && cli->side != MS_OUTSIDE) status = cli->command->run(cli, &err);
    ms_progress_end(&cli->progress);
    ms_arena_free(&addresses);
    ms_hub_end();
    if (status == MS_OK) return code;
    return complain(cli->command->name, status, &err);
}

static int overview(ms_cli *cli) {
    ms_err err = {0};
    ms_buf text = {0};
    ms_help_overview(&text, cli->set, &(ms_help_look){.columns = cli->columns, .color = cli->color});
    return complain("", ms_cli_put_and_free(cli, &text, "the help", &err), &err);
}

/* argv: [argc], after the program's name. Words before the command: --help, --version, and nothing else. */
static int run_line(ms_cli *cli, int argc, char *const *argv) {
    ms_err err = {0};
    static char word[] = "version";
    char *version[] = {word, NULL};
    const char *const first = argc > 0 ? argv[0] : "--help";
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0) return overview(cli);
    if (strcmp(first, "--version") == 0 || strcmp(first, "-V") == 0) argv = version, argc = 1;
    else if (strcmp(first, "--help-json") == 0) {
        ms_buf text = {0};
        ms_help_json(&text, cli->set, NULL);
        return complain("", ms_cli_put_and_free(cli, &text, "the help", &err), &err);
    } else if (first[0] == '-') {
        ms_err_set(&err, MS_ERR_USAGE, "unknown option '%s' (options stand after the command: moescope COMMAND [OPTION...])",
                   ms_str_shown(ms_str_of(first)).text);
        return usage("", &err);
    }
    int n_words = 0;
    cli->command = ms_command_find(cli->set, argc, argv, &n_words, &err);
    if (!cli->command) return usage("", &err);
    return run_command(cli, argc - n_words, argv + n_words);
}

int ms_cli_main(const ms_command_set *set, int argc, char *const *argv) {
    open_standard_streams();
    ms_interrupt_install();
    ms_cli cli = {.set = set};
    look_around(&cli);
    const int code = run_line(&cli, argc > 0 ? argc - 1 : 0, argc > 0 ? argv + 1 : argv);
    const int final = finish_output(&cli, cli.command ? cli.command->name : "", code);
    ms_args_free(&cli.args);
    if (cli.side == MS_INSIDE) ms_jail_leave(final);
    return final;
}
