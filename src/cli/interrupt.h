/*
 * interrupt: Ctrl-C, kill and hang-up. (Signal handlers need a place of their own: the one state of cli/ that is not passed.)
 *
 * The first SIGINT, SIGTERM or SIGHUP sets the flag that ms_interrupt_cancel gave out, and the command ends in its own time,
 * with what it has; the second, or the first when nobody asked for the flag, ends the program at once with exit code 130.
 * SIGPIPE and SIGXFSZ are ignored: writing to a closed pipe or beyond the limit for files is an error like any other (cli.c
 * turns the first back into a silent end).
 */
#ifndef MS_INTERRUPT_H
#define MS_INTERRUPT_H

#include <stdatomic.h>
#include <stdbool.h>

void ms_interrupt_install(void);
/* For ms_pool_run and the like. From this call on the command promises to look at it. */
const atomic_bool *ms_interrupt_cancel(void);
/* The work that looked at the flag is done: a signal ends the program at once again, and so does one that came too late to be
 * looked at. */
void ms_interrupt_release(void);
bool ms_interrupt_seen(void);
/* A progress line is on the terminal: it is cleared when the program is ended at once. */
void ms_interrupt_line_open(bool open);
/* Ends the process as if the reader of its pipe had gone: by SIGPIPE. */
_Noreturn void ms_interrupt_die_of_pipe(void);

#endif
