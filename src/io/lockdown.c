/*
 * The filter is a program for the kernel's packet filter over
 *
 *   struct seccomp_data   nr: i32 | arch: u32 | instruction_pointer: u64 | args: 6 x u64
 *
 * made from a table: arch and nr are compared, then the low 32 bits of an argument where a row asks for it (the high ones too
 * where the kernel looks at them). It never returns to user space, so it sees registers only: no text of a path.
 */
#include "lockdown.h"

#if defined(__linux__) && defined(__has_include)
#if (defined(__x86_64__) && defined(__LP64__)) || (defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
#if __has_include(<linux/seccomp.h>) && __has_include(<linux/filter.h>) && __has_include(<linux/audit.h>)
#define CAN_LOCK 1
#endif
#endif
#endif

#ifdef CAN_LOCK

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "buf.h"
#include "files.h"

/* ---- the table ---- */

typedef enum rule {
    ALLOW,
    ALLOW_UNLESS_EXECUTABLE, /* mmap, mprotect: a third argument with PROT_EXEC is EACCES */
    ALLOW_TO_OUTPUTS,        /* write: to descriptors 1 and 2 only */
    ALLOW_THREADS,           /* clone: of threads; else killed */
    ALLOW_TO_ITSELF,         /* tgkill: to this process; else killed */
    ALLOW_ASKING,            /* prlimit64: of limits; setting them is EACCES */
    ALLOW_COPYING,           /* fcntl: F_GETFD, F_GETFL, F_DUPFD_CLOEXEC; else EACCES */
    REFUSE,
    KILL,
} rule;

static const struct row {
    const char *name;
    int nr;
    rule rule;
} table[] = {
#define ROW(call, what) {#call, SYS_##call, what}
    /* in the order of how often they are made */
    ROW(futex, ALLOW),
    ROW(madvise, ALLOW),
    ROW(mmap, ALLOW_UNLESS_EXECUTABLE),
    ROW(munmap, ALLOW),
    ROW(mincore, ALLOW),
    ROW(pread64, ALLOW),
    ROW(read, ALLOW),
    ROW(write, ALLOW_TO_OUTPUTS),
    ROW(writev, ALLOW_TO_OUTPUTS),
    ROW(fcntl, ALLOW_COPYING),
    ROW(fstat, ALLOW),
    ROW(close, ALLOW),
    ROW(brk, ALLOW),
    ROW(mremap, ALLOW),
    ROW(mprotect, ALLOW_UNLESS_EXECUTABLE),
    ROW(fadvise64, ALLOW),
    ROW(lseek, ALLOW),
    ROW(clock_gettime, ALLOW),
    ROW(gettimeofday, ALLOW),
    ROW(clock_nanosleep, ALLOW),
    ROW(nanosleep, ALLOW),
    ROW(sched_yield, ALLOW),
    ROW(sched_getaffinity, ALLOW),
    ROW(getcpu, ALLOW),
    ROW(getpid, ALLOW),
    ROW(gettid, ALLOW),
    ROW(getrandom, ALLOW),
    ROW(getrusage, ALLOW),
    ROW(rt_sigaction, ALLOW),
    ROW(rt_sigprocmask, ALLOW),
    ROW(rt_sigreturn, ALLOW),
    ROW(sigaltstack, ALLOW),
    ROW(tgkill, ALLOW_TO_ITSELF),
    ROW(clone, ALLOW_THREADS),
    ROW(set_robust_list, ALLOW),
    ROW(set_tid_address, ALLOW),
    ROW(prlimit64, ALLOW_ASKING),
    ROW(restart_syscall, ALLOW),
    ROW(exit, ALLOW),
    ROW(exit_group, ALLOW),
#ifdef SYS_rseq
    ROW(rseq, ALLOW),
#endif
#ifdef SYS_membarrier
    ROW(membarrier, ALLOW),
#endif

    ROW(openat, REFUSE),
    ROW(newfstatat, REFUSE),
    ROW(statx, REFUSE),
    ROW(faccessat, REFUSE),
    ROW(readlinkat, REFUSE),
    ROW(getdents64, REFUSE),
    ROW(statfs, REFUSE),
    ROW(getcwd, REFUSE),
    ROW(chdir, REFUSE),
    ROW(fchdir, REFUSE),
    ROW(mkdirat, REFUSE),
    ROW(mknodat, REFUSE),
    ROW(unlinkat, REFUSE),
    ROW(symlinkat, REFUSE),
    ROW(linkat, REFUSE),
    ROW(renameat2, REFUSE),
    ROW(truncate, REFUSE),
    ROW(ftruncate, REFUSE),
    ROW(fchmodat, REFUSE),
    ROW(fchownat, REFUSE),
    ROW(utimensat, REFUSE),
    ROW(memfd_create, REFUSE),
    ROW(inotify_add_watch, REFUSE),
    ROW(ioctl, REFUSE),
#ifdef SYS_openat2
    ROW(openat2, REFUSE),
#endif
#ifdef SYS_faccessat2
    ROW(faccessat2, REFUSE),
#endif
#ifdef SYS_renameat
    ROW(renameat, REFUSE),
#endif
#ifdef SYS_open /* x86-64 has the old ones, too */
    ROW(open, REFUSE),
    ROW(creat, REFUSE),
    ROW(stat, REFUSE),
    ROW(lstat, REFUSE),
    ROW(access, REFUSE),
    ROW(readlink, REFUSE),
    ROW(getdents, REFUSE),
    ROW(mkdir, REFUSE),
    ROW(mknod, REFUSE),
    ROW(rmdir, REFUSE),
    ROW(unlink, REFUSE),
    ROW(symlink, REFUSE),
    ROW(link, REFUSE),
    ROW(rename, REFUSE),
    ROW(chmod, REFUSE),
    ROW(chown, REFUSE),
    ROW(lchown, REFUSE),
    ROW(utime, REFUSE),
    ROW(utimes, REFUSE),
#endif

    ROW(execve, KILL),
    ROW(execveat, KILL),
    ROW(ptrace, KILL),
    ROW(process_vm_readv, KILL),
    ROW(process_vm_writev, KILL),
    ROW(kill, KILL),
    ROW(tkill, KILL),
    ROW(rt_sigqueueinfo, KILL),
    ROW(rt_tgsigqueueinfo, KILL),
    ROW(socket, KILL),
    ROW(socketpair, KILL),
    ROW(connect, KILL),
    ROW(bind, KILL),
    ROW(listen, KILL),
    ROW(accept, KILL),
    ROW(accept4, KILL),
    ROW(sendto, KILL),
    ROW(sendmsg, KILL),
    ROW(sendmmsg, KILL),
    ROW(recvfrom, KILL),
    ROW(recvmsg, KILL),
    ROW(recvmmsg, KILL),
    ROW(open_by_handle_at, KILL),
    ROW(name_to_handle_at, KILL),
    ROW(mount, KILL),
    ROW(umount2, KILL),
    ROW(pivot_root, KILL),
    ROW(chroot, KILL),
    ROW(unshare, KILL),
    ROW(setns, KILL),
    ROW(init_module, KILL),
    ROW(finit_module, KILL),
    ROW(delete_module, KILL),
    ROW(kexec_load, KILL),
    ROW(reboot, KILL),
    ROW(swapon, KILL),
    ROW(swapoff, KILL),
    ROW(bpf, KILL),
    ROW(perf_event_open, KILL),
    ROW(userfaultfd, KILL),
    ROW(keyctl, KILL),
    ROW(add_key, KILL),
    ROW(request_key, KILL),
    ROW(personality, KILL),
    ROW(setuid, KILL),
    ROW(setgid, KILL),
    ROW(setreuid, KILL),
    ROW(setregid, KILL),
    ROW(setresuid, KILL),
    ROW(setresgid, KILL),
    ROW(setgroups, KILL),
    ROW(capset, KILL),
    ROW(io_setup, KILL),
    ROW(io_submit, KILL),
    ROW(shmget, KILL),
    ROW(shmat, KILL),
    ROW(msgget, KILL),
    ROW(semget, KILL),
    ROW(mq_open, KILL),
    ROW(pkey_mprotect, KILL),
    ROW(remap_file_pages, KILL),
#ifdef SYS_io_uring_setup
    ROW(io_uring_setup, KILL),
    ROW(io_uring_enter, KILL),
    ROW(io_uring_register, KILL),
#endif
#ifdef SYS_pidfd_open
    ROW(pidfd_open, KILL),
#endif
#ifdef SYS_pidfd_getfd
    ROW(pidfd_getfd, KILL),
#endif
#ifdef SYS_pidfd_send_signal
    ROW(pidfd_send_signal, KILL),
#endif
#ifdef SYS_fork
    ROW(fork, KILL),
    ROW(vfork, KILL),
    ROW(modify_ldt, KILL),
    ROW(ioperm, KILL),
    ROW(iopl, KILL),
#endif
#undef ROW
};
enum { N_ROWS = sizeof table / sizeof *table };

bool ms_lockdown_row(size_t i, const char **name, ms_lockdown_verdict *verdict) {
    if (i >= N_ROWS) return false;
    *name = table[i].name;
    *verdict = table[i].rule == KILL ? MS_LOCKDOWN_KILLED : table[i].rule == REFUSE ? MS_LOCKDOWN_REFUSED : MS_LOCKDOWN_ALLOWED;
    return true;
}

/* ---- the program ---- */

#ifdef __x86_64__
static const uint32_t this_arch = AUDIT_ARCH_X86_64;
#else
static const uint32_t this_arch = AUDIT_ARCH_AARCH64;
#endif

enum { X32_BIT = 0x40000000, MOST = 8 * N_ROWS + 16 };

/* All that pthread_create of glibc and musl sets; nothing of namespaces, no signal to the parent. */
static const uint32_t thread_flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                                     CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_DETACHED;

typedef struct program {
    struct sock_filter code[MOST];
    unsigned short n;
} program;

static void emit(program *p, uint16_t code, uint32_t k, uint8_t if_true, uint8_t if_false) {
    if (p->n < MOST) p->code[p->n++] = (struct sock_filter){code, if_true, if_false, k};
}

static void load(program *p, size_t offset) { emit(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0); }
static void load_argument(program *p, size_t i) { load(p, offsetof(struct seccomp_data, args) + 8 * i); } /* its low half */
static void give(program *p, uint32_t what) { emit(p, BPF_RET | BPF_K, what, 0, 0); }
static void fail(program *p, int number) { give(p, SECCOMP_RET_ERRNO | (uint32_t)number); }

/* The next instruction only when the loaded value is (is not) k; has (has not) one of the bits. */
static void when_is(program *p, uint32_t k) { emit(p, BPF_JMP | BPF_JEQ | BPF_K, k, 0, 1); }
static void when_not(program *p, uint32_t k) { emit(p, BPF_JMP | BPF_JEQ | BPF_K, k, 1, 0); }
static void when_has(program *p, uint32_t bits) { emit(p, BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1); }
static void when_has_not(program *p, uint32_t bits) { emit(p, BPF_JMP | BPF_JSET | BPF_K, bits, 1, 0); }

/* What happens to a call of that rule; ends in a return on every way. */
static void decide(program *p, rule what) {
    switch (what) {
    case ALLOW_UNLESS_EXECUTABLE: load_argument(p, 2), when_has(p, PROT_EXEC), fail(p, EACCES); break;
    case ALLOW_TO_OUTPUTS:
        load_argument(p, 0), when_is(p, STDOUT_FILENO), give(p, SECCOMP_RET_ALLOW);
        when_not(p, STDERR_FILENO), fail(p, EACCES);
        break;
    case ALLOW_THREADS:
        load_argument(p, 0), when_has(p, ~thread_flags), give(p, SECCOMP_RET_KILL_PROCESS);
        when_has_not(p, CLONE_THREAD), give(p, SECCOMP_RET_KILL_PROCESS);
        break;
    case ALLOW_TO_ITSELF: load_argument(p, 0), when_not(p, (uint32_t)getpid()), give(p, SECCOMP_RET_KILL_PROCESS); break;
    case ALLOW_ASKING:
        load_argument(p, 2), when_not(p, 0), fail(p, EACCES);
        load(p, offsetof(struct seccomp_data, args[2]) + 4), when_not(p, 0), fail(p, EACCES);
        break;
    case ALLOW_COPYING:
        load_argument(p, 1), when_is(p, F_GETFD), give(p, SECCOMP_RET_ALLOW);
        when_is(p, F_GETFL), give(p, SECCOMP_RET_ALLOW), when_not(p, F_DUPFD_CLOEXEC), fail(p, EACCES);
        break;
    case REFUSE: fail(p, EACCES); return;
    case KILL: give(p, SECCOMP_RET_KILL_PROCESS); return;
    case ALLOW: break;
    }
    give(p, SECCOMP_RET_ALLOW);
}

static void write_program(program *p) {
    load(p, offsetof(struct seccomp_data, arch));
    when_not(p, this_arch), give(p, SECCOMP_RET_KILL_PROCESS); /* calls of another architecture have other numbers */
    load(p, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
    when_has(p, X32_BIT), give(p, SECCOMP_RET_KILL_PROCESS);
#endif
    for (size_t i = 0; i < N_ROWS; i++) {
        const unsigned short at = p->n;
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)table[i].nr, 0, 0);
        decide(p, table[i].rule);
        if (at < MOST) p->code[at].jf = (uint8_t)(p->n - at - 1);
    }
    fail(p, ENOSYS);
}

static ms_status no_lock(ms_err *err, const char *what) {
    return ms_err_set(err, MS_ERR_UNSUPPORTED,
                      "cannot lock this process in: %s: %s; without the jail it would run on unprotected", what,
                      strerror(errno));
}

static ms_status set_filter(ms_err *err) {
    program p = {.n = 0};
    write_program(&p);
    MS_FAIL_IF(p.n >= MOST, MS_ERR_UNSUPPORTED, err, "the filter of system calls has no room");
    const struct sock_fprog filter = {.len = p.n, .filter = p.code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return no_lock(err, "no_new_privs");
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0) return no_lock(err, "seccomp");
    return MS_OK;
}

const char *ms_lockdown_why_not(void) {
    uint32_t action = SECCOMP_RET_KILL_PROCESS;
    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0) return NULL;
    if (errno == EOPNOTSUPP) return "the kernel is older than 4.14: its filters cannot end a process";
    return errno == ENOSYS ? "the kernel has no seccomp filters" : "seccomp is forbidden here, by a container perhaps";
}

/* ---- limits ---- */

/* The address space of a sanitizer's shadow is as large as the machine can name. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool has_shadow = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
static const bool has_shadow = true;
#else
static const bool has_shadow = false;
#endif
#else
static const bool has_shadow = false;
#endif

/* Of the whole process, in bytes: the first number of /proc/self/statm is in pages. 0 when nobody tells. */
static uint64_t address_space(void) {
    ms_buf text = {0};
    int64_t n_pages = 0;
    if (ms_files_read(&text, "/proc/self/statm", 4096, NULL) == MS_OK) {
        ms_str rest = ms_buf_str(&text);
        if (!ms_str_to_i64(ms_str_cut(&rest, ' '), &n_pages)) n_pages = 0;
    }
    ms_buf_free(&text);
    return (uint64_t)n_pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* No more than what is set already, for both values. */
static ms_status limit(int what, const char *name, uint64_t soft, uint64_t hard, ms_err *err) {
    struct rlimit now;
    if (getrlimit(what, &now) != 0) return no_lock(err, name);
    if (now.rlim_max > hard) now.rlim_max = (rlim_t)hard;
    if (now.rlim_cur > soft) now.rlim_cur = (rlim_t)soft;
    if (now.rlim_cur > now.rlim_max) now.rlim_cur = now.rlim_max;
    return setrlimit(what, &now) == 0 ? MS_OK : no_lock(err, name);
}

static ms_status set_limits(const ms_lockdown_budget *b, ms_err *err) {
    const uint64_t now = address_space();
    if (b->memory && now && !has_shadow && b->memory < UINT64_MAX - now)
        MS_TRY(limit(RLIMIT_AS, "address space", now + b->memory, now + b->memory, err));
    if (b->cpu_seconds) MS_TRY(limit(RLIMIT_CPU, "processor time", b->cpu_seconds, b->cpu_seconds + 5, err));
    if (b->max_open) MS_TRY(limit(RLIMIT_NOFILE, "descriptors", b->max_open, b->max_open, err));
    MS_TRY(limit(RLIMIT_CORE, "core files", 0, 0, err));
    return limit(RLIMIT_FSIZE, "size of files", 0, 0, err);
}

ms_status ms_lockdown(const ms_lockdown_budget *budget, ms_err *err) {
    const char *const why_not = ms_lockdown_why_not();
    MS_FAIL_IF(why_not, MS_ERR_UNSUPPORTED, err, "cannot lock this process in: %s", why_not);
    MS_TRY(set_limits(budget, err));
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return no_lock(err, "dumpable");
    return set_filter(err);
}

#else

const char *ms_lockdown_why_not(void) { return "it needs Linux on x86-64 or aarch64"; }

ms_status ms_lockdown(const ms_lockdown_budget *budget, ms_err *err) {
    (void)budget;
    return ms_err_set(err, MS_ERR_UNSUPPORTED, "cannot lock this process in: %s", ms_lockdown_why_not());
}

bool ms_lockdown_row(size_t i, const char **name, ms_lockdown_verdict *verdict) {
    (void)i, (void)name, (void)verdict;
    return false;
}

#endif
