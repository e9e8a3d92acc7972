/*
 * help: what the tables say, for people: the overview of commands, -h, --help; and as JSON.
 *
 *     ms_buf text = {0};
 *     ms_help_long(&text, command, &(ms_help_look){.columns = 80});
 */
#ifndef MS_HELP_H
#define MS_HELP_H

#include <stdbool.h>

#include "buf.h"
#include "command.h"

typedef struct ms_help_look {
    int columns; /* lines are broken at this width, or at 100 when it is wider */
    bool color;  /* headings in bold */
} ms_help_look;

void ms_help_overview(ms_buf *out, const ms_command_set *set, const ms_help_look *look);
void ms_help_short(ms_buf *out, const ms_command *command, const ms_help_look *look);
void ms_help_long(ms_buf *out, const ms_command *command, const ms_help_look *look);
/* One command, or all of them when it is NULL. */
void ms_help_json(ms_buf *out, const ms_command_set *set, const ms_command *command);

/* "moescope inspect [OPTION...] MODEL [TENSOR]", without a newline. */
void ms_help_usage(ms_buf *out, const ms_command *command);

/* Everything said behind the help text of an option: " (default 4; 1 to 64; one of a, b)", or nothing. */
void ms_help_facts(ms_buf *out, const ms_opt *opt);

/* The two option tables of a command in turn, hidden ones left out: NULL at the end. Zero *at to begin. */
typedef struct ms_help_options {
    const ms_opt *own;
    ms_opt common[MS_COMMON_MAX];
    size_t at;
} ms_help_options;
void ms_help_options_init(ms_help_options *o, const ms_command *command);
const ms_opt *ms_help_options_next(ms_help_options *o);

#endif
