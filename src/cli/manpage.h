/*
 * manpage: the manual in mdoc, from the same tables as the help: moescope.1 and one page a command (moescope-inspect.1).
 */
#ifndef MS_MANPAGE_H
#define MS_MANPAGE_H

#include "buf.h"
#include "command.h"

/* The page of one command, or the program's own when command is NULL. */
void ms_manpage(ms_buf *out, const ms_command_set *set, const ms_command *command);

/* "moescope-gates-index.1"; "moescope.1" for NULL. */
void ms_manpage_name(char out[static 64], const ms_command *command);

#endif
