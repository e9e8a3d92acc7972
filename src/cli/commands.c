/* The commands in the order in which the overview shows them. A new one: cmd_NAME.c, and a line in each of the two lists. */
#include "command.h"

extern const ms_command ms_cmd_analyze;
extern const ms_command ms_cmd_collect;
extern const ms_command ms_cmd_completion;
extern const ms_command ms_cmd_doctor;
extern const ms_command ms_cmd_dump;
extern const ms_command ms_cmd_help;
extern const ms_command ms_cmd_init;
extern const ms_command ms_cmd_inspect;
extern const ms_command ms_cmd_report;
extern const ms_command ms_cmd_tables;
extern const ms_command ms_cmd_verify;
extern const ms_command ms_cmd_version;

static const ms_command *const commands[] = {
    /* Look */
    &ms_cmd_inspect,
    &ms_cmd_dump,
    &ms_cmd_verify,

    /* Measure */
    &ms_cmd_analyze,
    &ms_cmd_init,
    &ms_cmd_collect,
    &ms_cmd_tables,
    &ms_cmd_report,

    /* Help */
    &ms_cmd_help,
    &ms_cmd_completion,
    &ms_cmd_doctor,
    &ms_cmd_version,
    NULL,
};

const ms_command_set ms_commands = {
    .commands = commands,
    .summary = "a microscope for Mixture-of-Experts checkpoints",
    .description = "Any checkpoint, wherever it lies and however it is quantised, becomes one catalog of expert matrices; one "
                   "pass over the "
                   "bytes answers every question about them; every answer is a table, a picture or a new checkpoint.",
};
