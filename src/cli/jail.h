/*
 * jail: --jail: the model is read in a child that can do nothing but read it (lockdown.h).
 *
 *     int code;
 *     MS_TRY(ms_jail_possible(cli, &err));
 *     MS_TRY(ms_jail_enter(cli, &arena, &code, err));
 *     if (cli->side == MS_OUTSIDE) return code;      // the child has ended: everything is said, this is its exit code
 *     ... the command, as ever; then ms_jail_leave(code) ...
 *
 * What the child writes comes to the parent through two pipes, and from there to the standard streams; on a terminal only
 * text, line ends and the colours that we use get through. A child that is killed becomes an error that says what happened.
 * Ctrl-C and a reader that goes away (SIGPIPE) reach the child.
 */
#ifndef MS_JAIL_H
#define MS_JAIL_H

#include "arena.h"
#include "cli.h"

/* Before anything is fetched: MS_ERR_UNSUPPORTED when this machine has no jail, MS_ERR_USAGE for options that cannot go with it. */
ms_status ms_jail_possible(const ms_cli *cli, ms_err *err);

/* Forks. Comes back twice: inside (cli->side is MS_INSIDE), and outside once the child has ended. The model is the first
 * argument of the command; of the Hub it must be in the local cache, and its name there takes the argument's place. */
ms_status ms_jail_enter(ms_cli *cli, ms_arena *arena, int *code, ms_err *err);

/* Ends the child; what is buffered must have been written. */
_Noreturn void ms_jail_leave(int code);

/* ---- apart for tests ---- */

/* What the end of the child, as wait() tells it, means: its exit code with MS_OK, else an error. */
ms_status ms_jail_verdict(int *code, int wait_status, ms_err *err);

typedef struct ms_jail_filter { /* zero it */
    int state;
    char held[32]; /* a sequence that may become a colour */
    size_t n_held;
} ms_jail_filter;

/* Appends to `out` what a terminal may see of the next bytes of a stream: other control characters become '?'. */
void ms_jail_clean(ms_jail_filter *filter, ms_buf *out, const char *bytes, size_t n);

#endif
