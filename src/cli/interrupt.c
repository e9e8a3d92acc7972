#include "interrupt.h"

#include <signal.h>
#include <unistd.h>

enum { EXIT_INTERRUPTED = 130 };

static atomic_bool cancel, listening, line_open;

static void end_at_once(void) {
    if (atomic_load(&line_open) && write(STDERR_FILENO, "\r\x1b[K", 4) < 0) _exit(EXIT_INTERRUPTED);
    _exit(EXIT_INTERRUPTED);
}

static void on_signal(int number) {
    (void)number;
    const bool again = atomic_exchange(&cancel, true);
    if (again || !atomic_load(&listening)) end_at_once();
}

/* A signal that was ignored from the start (nohup, a background job of a script) stays ignored. */
static void handle(int number) {
    struct sigaction old;
    if (sigaction(number, NULL, &old) == 0 && old.sa_handler == SIG_IGN) return;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

void ms_interrupt_install(void) {
    handle(SIGINT);
    handle(SIGTERM);
    handle(SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

const atomic_bool *ms_interrupt_cancel(void) {
    atomic_store(&listening, true);
    return &cancel;
}

void ms_interrupt_release(void) {
    atomic_store(&listening, false);
    if (atomic_load(&cancel)) end_at_once();
}

bool ms_interrupt_seen(void) { return atomic_load(&cancel); }

void ms_interrupt_line_open(bool open) { atomic_store(&line_open, open); }

void ms_interrupt_die_of_pipe(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
    _exit(128 + SIGPIPE);
}
