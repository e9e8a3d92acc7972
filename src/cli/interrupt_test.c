#include "interrupt.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* How a child ends that does this: its exit code, or minus the signal that killed it. */
static int ends_with(void (*child)(void)) {
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        for (int i = 1; i < 32; i++) signal(i, SIG_DFL); /* whatever the test's own parents ignore */
        child();
        _exit(99);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) return 999;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void nobody_listens(void) {
    ms_interrupt_install();
    raise(SIGINT);
}

static void somebody_listens(void) {
    ms_interrupt_install();
    const atomic_bool *const cancel = ms_interrupt_cancel();
    if (atomic_load(cancel) || ms_interrupt_seen()) _exit(1);
    raise(SIGTERM);
    _exit(atomic_load(cancel) && ms_interrupt_seen() ? 7 : 2);
}

static void second_time(void) {
    ms_interrupt_install();
    ms_interrupt_cancel();
    raise(SIGINT);
    raise(SIGINT);
}

static void released(void) {
    ms_interrupt_install();
    ms_interrupt_cancel();
    ms_interrupt_release();
    raise(SIGINT);
}

static void released_too_late(void) {
    ms_interrupt_install();
    ms_interrupt_cancel();
    raise(SIGINT);
    ms_interrupt_release();
}

static void ignored_before(void) {
    signal(SIGINT, SIG_IGN);
    ms_interrupt_install();
    raise(SIGINT);
    _exit(ms_interrupt_seen() ? 1 : 8);
}

static void blocked_pipe(void) {
    sigset_t set;
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    ms_interrupt_install();
    ms_interrupt_die_of_pipe();
}

TEST(interrupt_ends_at_once_when_nobody_listens) { CHECK_EQ_I64(ends_with(nobody_listens), 130); }
TEST(interrupt_ends_at_once_when_the_work_is_done) {
    CHECK_EQ_I64(ends_with(released), 130);
    CHECK_EQ_I64(ends_with(released_too_late), 130);
}
TEST(interrupt_sets_the_flag_for_who_listens) { CHECK_EQ_I64(ends_with(somebody_listens), 7); }
TEST(interrupt_ends_at_once_the_second_time) { CHECK_EQ_I64(ends_with(second_time), 130); }
TEST(interrupt_stays_ignored_when_it_was) { CHECK_EQ_I64(ends_with(ignored_before), 8); }
TEST(interrupt_dies_of_a_closed_pipe_even_when_blocked) { CHECK_EQ_I64(ends_with(blocked_pipe), -SIGPIPE); }
