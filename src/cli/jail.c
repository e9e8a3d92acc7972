#include "jail.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include "cpu.h"
#include "door.h"
#include "hub.h"
#include "lockdown.h"
#include "ram.h"
#include "sha256.h"

/* ---- the budget; docs/security.md tells users ---- */

static const uint64_t GiB = UINT64_C(1) << 30, MiB = UINT64_C(1) << 20;

enum { CPU_SECONDS = 600, SPARE_DESCRIPTORS = 64 };
static const uint64_t bytes_per_second = 10000000; /* slower than anything that is done to a byte */

static uint64_t cpu_seconds(uint64_t n_bytes) { return CPU_SECONDS + n_bytes / bytes_per_second; }

/* Files are mapped, some of them twice; each thread has a stack and a heap of its own. */
static uint64_t memory(uint64_t n_bytes, int n_threads) {
    uint64_t work = ms_ram_limit();
    if (work > 16 * GiB) work = 16 * GiB;
    if (work < 2 * GiB) work = 2 * GiB;
    return work + 2 * n_bytes + (uint64_t)n_threads * 160 * MiB;
}

/* ---- inside ---- */

/* Whatever else the parent had open: nothing of it is needed, and all of it could be read. */
static void close_others(void) {
#ifdef SYS_close_range
    if (syscall(SYS_close_range, 3u, ~0u, 0u) == 0) return;
#endif
    const long most = sysconf(_SC_OPEN_MAX);
    for (int fd = 3; fd < (most > 0 ? (int)most : 1024); fd++) close(fd);
}

/* Libraries read what they want to know (processors, limits, their configuration) when they are used first: now. */
static void warm_up(void) {
    ms_sha256 *hash;
    ms_ram_limit();
    ms_cpu_count();
    ms_cpu_isa();
    if (ms_sha256_available() && ms_sha256_create(&hash, NULL) == MS_OK) ms_sha256_destroy(hash);
}

static ms_status lock_in(const ms_cli *cli, const char *model, ms_err *err) {
    ms_door_taken taken;
    warm_up();
    MS_TRY(ms_door_take(&taken, model, err));
    const int n_threads = cli->threads > 0 ? cli->threads : ms_cpu_count();
    const ms_lockdown_budget budget = {.memory = memory(taken.n_bytes, n_threads),
                                       .cpu_seconds = cpu_seconds(taken.n_bytes),
                                       .max_open = (uint64_t)(taken.highest > 2 ? taken.highest : 2) + 1 + SPARE_DESCRIPTORS};
    ms_door_close();
    return ms_lockdown(&budget, err);
}

/* out, errors: the ends of the pipes to write to. */
static ms_status become_inmate(ms_cli *cli, const char *model, int out, int errors, pid_t parent, ms_err *err) {
    cli->side = MS_INSIDE;
    setpgid(0, 0); /* Ctrl-C reaches the parent, which passes it on once */
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
#endif
    if (getppid() != parent) _exit(130); /* it died before that */
    const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const bool ok = dup2(out, STDOUT_FILENO) >= 0 && dup2(errors, STDERR_FILENO) >= 0 && dup2(nothing, STDIN_FILENO) >= 0;
    close_others();
    MS_FAIL_IF(!ok, MS_ERR_IO, err, "cannot give the jail its pipes");
    return lock_in(cli, model, err);
}

void ms_jail_leave(int code) { _exit(code); }

/* ---- what comes out ---- */

enum { TEXT, ESCAPE, SEQUENCE, LEAD_C2 };

static void let_go(ms_jail_filter *f, ms_buf *out, bool harmless) {
    if (harmless) ms_buf_put(out, f->held, f->n_held);
    else ms_buf_put_char(out, '?');
    f->n_held = 0;
    f->state = TEXT;
}

static void clean_text(ms_jail_filter *f, ms_buf *out, unsigned char c) {
    const bool plain = (c >= 32 && c != 127) || c == '\n' || c == '\r' || c == '\t';
    if (c == 0x1B || c == 0xC2) { /* U+0080 to U+009F, of which terminals obey some, are C2 80 to C2 9F */
        f->held[f->n_held++] = (char)c;
        f->state = c == 0x1B ? ESCAPE : LEAD_C2;
    } else {
        ms_buf_put_char(out, plain ? (char)c : '?');
    }
}

/* "ESC [ digits and semicolons m" is a colour, the same with K clears a line. */
void ms_jail_clean(ms_jail_filter *f, ms_buf *out, const char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)bytes[i];
        if (f->state == TEXT) {
            clean_text(f, out, c);
            continue;
        }
        const bool goes_on = f->state == ESCAPE ? c == '[' : f->state == SEQUENCE && ((c >= '0' && c <= '9') || c == ';');
        const bool ends = (f->state == SEQUENCE && (c == 'm' || c == 'K')) || (f->state == LEAD_C2 && c >= 0xA0 && c <= 0xBF);
        if ((!goes_on && !ends) || f->n_held == sizeof f->held) {
            const bool is_control = f->state == LEAD_C2 && c >= 0x80 && c < 0xA0;
            let_go(f, out, false);
            if (!is_control) clean_text(f, out, c);
            continue;
        }
        f->held[f->n_held++] = (char)c;
        if (ends) let_go(f, out, true);
        else f->state = SEQUENCE;
    }
}

typedef struct stream {
    int from, to;
    bool clean;
    ms_jail_filter filter;
    int failed; /* errno of the first write that failed */
} stream;

static void write_all(stream *s, const char *bytes, size_t n) {
    while (n > 0 && !s->failed) {
        const ssize_t put = write(s->to, bytes, n);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) s->failed = errno ? errno : EIO;
        else bytes += put, n -= (size_t)put;
    }
}

static void end_stream(stream *s) {
    if (s->from >= 0) close(s->from);
    s->from = -1;
}

/* Passes on what there is. What nobody takes is not asked for any more, so that the child notices. */
static void pass_on(stream *s) {
    char bytes[1 << 16];
    for (;;) {
        const ssize_t n = s->from < 0 ? 0 : read(s->from, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) break;
        ms_buf text = {0};
        if (s->clean) ms_jail_clean(&s->filter, &text, bytes, (size_t)n);
        write_all(s, s->clean ? text.bytes : bytes, s->clean ? text.size : (size_t)n);
        ms_buf_free(&text);
        if (s->failed) break;
    }
    end_stream(s);
}

/* ---- outside ---- */

ms_status ms_jail_verdict(int *code, int wait_status, ms_err *err) {
    *code = 0;
    if (WIFEXITED(wait_status)) {
        *code = WEXITSTATUS(wait_status);
        return MS_OK;
    }
    const int number = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
    switch (number) {
    case SIGPIPE:
    case SIGINT:
    case SIGTERM:
    case SIGHUP: return ms_err_set(err, MS_ERR_INTERRUPTED, "interrupted");
    case SIGSYS:
        return ms_err_set(
            err, MS_ERR_DAMAGED,
            "the jail killed the reader, because it tried what no reading needs (a program, a process, the network); "
            "treat these files as an attack, and report them (docs/security.md)");
    case SIGXCPU:
        return ms_err_set(err, MS_ERR_MEMORY,
                          "the reader used up the processor time that the jail allows (docs/security.md); these files are made "
                          "to take long, or too large for --jail");
    case SIGKILL: return ms_err_set(err, MS_ERR_MEMORY, "the reader was killed in its jail, by lack of memory perhaps");
    default:
        return ms_err_set(
            err, MS_ERR_DAMAGED,
            "the reader crashed in its jail (%s); these files trigger a fault of moescope, and harmed nothing: do not "
            "open them without --jail, and report them (docs/security.md)",
            number ? strsignal(number) : "for no known reason");
    }
}

/* Until the child has closed both streams. Signals are blocked but for the waiting, so that none is missed. */
static void watch(stream *out, stream *errors, pid_t child) {
    sigset_t ours, before;
    sigemptyset(&ours);
    sigaddset(&ours, SIGINT), sigaddset(&ours, SIGTERM), sigaddset(&ours, SIGHUP);
    sigprocmask(SIG_BLOCK, &ours, &before);
    for (bool told = false; out->from >= 0 || errors->from >= 0;) {
        if (ms_interrupt_seen() && !told) told = kill(child, SIGINT) == 0;
        struct pollfd wanted[] = {{.fd = out->from, .events = POLLIN}, {.fd = errors->from, .events = POLLIN}};
        if (ppoll(wanted, 2, NULL, &before) < 0) continue;
        if (wanted[0].revents || wanted[1].revents)
            pass_on(out); /* results first: they were written before what is said of them */
        if (wanted[1].revents) pass_on(errors);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static ms_status guard(ms_cli *cli, pid_t child, stream *out, stream *errors, int *code, ms_err *err) {
    int wait_status = 0;
    watch(out, errors, child);
    while (waitpid(child, &wait_status, 0) < 0 && errno == EINTR) continue;
    cli->out_errno = out->failed;
    const ms_status status = ms_jail_verdict(code, wait_status, err);
    return out->failed && status == MS_ERR_INTERRUPTED ? MS_OK : status; /* the frame says that nobody reads on */
}

static ms_status set_up_and_fork(ms_cli *cli, const char *model, int *code, ms_err *err) {
    int out[2], errors[2];
    MS_FAIL_IF(pipe2(out, O_CLOEXEC) != 0, MS_ERR_IO, err, "cannot make a pipe: %s", strerror(errno));
    if (pipe2(errors, O_CLOEXEC) != 0) {
        close(out[0]), close(out[1]);
        return ms_err_set(err, MS_ERR_IO, "cannot make a pipe: %s", strerror(errno));
    }
    fflush(stdout); /* not to be written by both */
    const pid_t parent = getpid(), child = fork();
    if (child == 0) return become_inmate(cli, model, out[1], errors[1], parent, err);
    const int why = errno;
    ms_interrupt_cancel(); /* from now on a signal is passed on, instead of ending us at once */
    close(out[1]), close(errors[1]);
    stream results = {.from = out[0], .to = STDOUT_FILENO, .clean = cli->to_terminal};
    stream talk = {.from = errors[0], .to = STDERR_FILENO, .clean = ms_term_is_terminal(STDERR_FILENO)};
    fcntl(out[0], F_SETFL, O_NONBLOCK), fcntl(errors[0], F_SETFL, O_NONBLOCK);
    const ms_status status = child < 0 ? ms_err_set(err, MS_ERR_IO, "cannot make a process for the jail: %s", strerror(why))
                                       : guard(cli, child, &results, &talk, code, err);
    end_stream(&results), end_stream(&talk);
    return status;
}

ms_status ms_jail_possible(const ms_cli *cli, ms_err *err) {
    const char *const why_not = ms_lockdown_why_not();
    MS_FAIL_IF(why_not, MS_ERR_UNSUPPORTED, err, "--jail is not possible here: %s; without it the files are read unprotected",
               why_not);
    MS_FAIL_IF(ms_args_flag(&cli->args, "download"), MS_ERR_USAGE, err,
               "--download reads the headers outside the jail; fetch the model first, then look at it with --jail");
    return MS_OK;
}

ms_status ms_jail_enter(ms_cli *cli, ms_arena *arena, int *code, ms_err *err) {
    ms_arg_value *const model = &cli->args.arguments.items[0];
    ms_str path;
    const ms_status status = ms_hub_local(&path, arena, model->text, err);
    if (status == MS_ERR_UNSUPPORTED)
        return ms_err_within(err, status, "--jail reads what is on this machine (see --download)");
    MS_TRY(status);
    model->text = path.text;
    ms_hub_end(); /* a child has one thread */
    cli->side = MS_OUTSIDE;
    return set_up_and_fork(cli, path.text, code, err);
}
