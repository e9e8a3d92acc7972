#include "lockdown.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "door.h"
#include "mem.h"
#include "source.h"
#include "test.h"

#ifdef __linux__

enum { LOCK_FAILED = 99 };

/* wait()'s status of a locked child that exits with what `act` returns. */
static int locked(int (*act)(void), ms_lockdown_budget budget) {
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) _exit(ms_lockdown(&budget, NULL) == MS_OK ? act() : LOCK_FAILED);
    int status = 0;
    waitpid(child, &status, 0);
    return status;
}

static bool exits(int (*act)(void), int code) {
    const int status = locked(act, (ms_lockdown_budget){0});
    return WIFEXITED(status) && WEXITSTATUS(status) == code;
}

static bool is_killed(int (*act)(void)) {
    const int status = locked(act, (ms_lockdown_budget){0});
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static int do_nothing(void) { return 7; }

static int open_new_file(void) { return open("/etc/passwd", O_RDONLY) < 0 ? errno : 0; }
static int make_file_(void) { return open("made", O_WRONLY | O_CREAT, 0600) < 0 ? errno : 0; }
static int look_at_file(void) {
    struct stat info;
    return stat("/etc/passwd", &info) != 0 ? errno : 0;
}
static int list_root(void) {
    char bytes[1024];
    return syscall(SYS_getdents64, STDIN_FILENO, bytes, sizeof bytes) < 0 ? errno : 0;
}
static int remove_file(void) { return unlink("made") != 0 ? errno : 0; }
static int move_limit(void) {
    const uint64_t limit[2] = {1 << 30, 1 << 30};
    return syscall(SYS_prlimit64, 0, 4 /* RLIMIT_CORE */, limit, NULL) != 0 ? errno : 0;
}
static int write_elsewhere(void) { return write(5, "x", 1) < 0 ? errno : 0; }
static int run_pages(void) {
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
}
static int make_page_runnable(void) {
    void *const page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return mprotect(page, 4096, PROT_READ | PROT_EXEC) != 0 ? errno : 0;
}
static int type_into_terminal(void) { return syscall(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, "x") != 0 ? errno : 0; }
static int unknown_call(void) { return syscall(SYS_clone3, NULL, 0) != 0 ? errno : 0; }

static int make_socket(void) { return socket(AF_INET, SOCK_STREAM, 0); }
static int run_program(void) {
    char *const words[] = {NULL};
    return execve("/bin/true", words, words);
}
static int make_process(void) { return fork(); }
static int signal_parent(void) { return kill(getppid(), 0); }
static int trace_parent(void) { return (int)syscall(SYS_ptrace, 16 /* PTRACE_ATTACH */, getppid(), 0, 0); }
static int read_parent(void) { return (int)syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0); }
static int clone_process(void) { return (int)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L); }
static int clone_with_namespace(void) { return (int)syscall(SYS_clone, 0x10000100L | 0x10000L, 0L, 0L, 0L, 0L); }

TEST(a_locked_process_is_refused_what_takes_a_path) {
    if (ms_lockdown_why_not()) return;
    CHECK(exits(do_nothing, 7));
    CHECK(exits(open_new_file, EACCES));
    CHECK(exits(make_file_, EACCES));
    CHECK(exits(look_at_file, EACCES));
    CHECK(exits(list_root, EACCES));
    CHECK(exits(remove_file, EACCES));
    CHECK(exits(write_elsewhere, EACCES));
    CHECK(exits(run_pages, EACCES));
    CHECK(exits(make_page_runnable, EACCES));
    CHECK(exits(move_limit, EACCES));
    CHECK(exits(type_into_terminal, EACCES));
    CHECK(exits(unknown_call, ENOSYS));
}

TEST(a_locked_process_is_killed_for_what_no_reading_needs) {
    if (ms_lockdown_why_not()) return;
    CHECK(is_killed(make_socket));
    CHECK(is_killed(run_program));
    CHECK(is_killed(make_process));
    CHECK(is_killed(signal_parent));
    CHECK(is_killed(trace_parent));
    CHECK(is_killed(read_parent));
    CHECK(is_killed(clone_process));
    CHECK(is_killed(clone_with_namespace));
}

#ifdef __x86_64__
static int call_x32(void) { return (int)syscall(0x40000000L + SYS_getpid); }
static int call_i386(void) { /* number 20 is getpid there, writev here */
    int result = 20;
    __asm__ volatile("int $0x80" : "+a"(result) : : "memory");
    return result;
}

TEST(calls_of_another_architecture_are_killed) {
    if (ms_lockdown_why_not()) return;
    CHECK(is_killed(call_x32));
    const int status = locked(call_i386, (ms_lockdown_budget){0}); /* SIGSEGV where the kernel has no such calls */
    CHECK(WIFSIGNALED(status) && (WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV));
}
#endif

static int lock_again(void) {
    ms_err err = {0};
    const ms_status status = ms_lockdown(&(ms_lockdown_budget){0}, &err);
    return status == MS_ERR_UNSUPPORTED && strstr(err.text, "cannot lock this process in") && ms_lockdown_why_not() ? 0 : 1;
}

/* Behind the filter there is no seccomp: as on a kernel, or in a container, without it. */
TEST(where_there_are_no_filters_a_lock_is_refused) {
    if (ms_lockdown_why_not()) return;
    CHECK(exits(lock_again, 0));
}

static int spin(void) {
    for (volatile uint64_t i = 0; i < UINT64_MAX; i++) continue;
    return 0;
}

static int take_memory(void) {
    void *const block = ms_mem_alloc(UINT64_C(4) << 30);
    const int code = block == NULL;
    ms_mem_free(block);
    return code;
}

TEST(budgets_end_what_takes_too_much) {
    if (ms_lockdown_why_not()) return;
    int status = locked(spin, (ms_lockdown_budget){.cpu_seconds = 1});
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    status = locked(take_memory, (ms_lockdown_budget){.memory = UINT64_C(1) << 30});
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    status = locked(take_memory, (ms_lockdown_budget){.memory = UINT64_C(8) << 30});
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
#else
    (void)take_memory;
#endif
}

#ifndef __SANITIZE_THREAD__ /* which forbids threads in a child */
static void *add_one(void *number) {
    ++*(int *)number;
    return NULL;
}

static int use_threads(void) {
    int number = 0;
    for (int i = 0; i < 4; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, add_one, &number) != 0) return 1;
        pthread_join(thread, NULL);
    }
    return number == 4 ? 0 : 2;
}

TEST(a_locked_process_may_have_threads) {
    if (ms_lockdown_why_not()) return;
    CHECK(exits(use_threads, 0));
}
#endif

static const char *model_folder;

/* Everything that readers do to a file, behind the door. */
static int read_what_was_taken(void) {
    ms_arena arena = {0};
    ms_buf text = {0};
    ms_source *source;
    ms_scratch scratch = {0};
    const void *bytes;
    const char *const path = ms_files_join(&arena, ms_str_of(model_folder), MS_STR("a.bin")).text;
    if (ms_files_read(&text, path, 100, NULL) != MS_OK || !ms_str_is(ms_buf_str(&text), "hello")) return 1;
    if (ms_source_open_file(&source, path, NULL) != MS_OK) return 2;
    if (ms_source_view(source, 0, 5, &scratch, &bytes, NULL) != MS_OK || memcmp(bytes, "hello", 5) != 0) return 3;
    if (ms_source_unchanged(source, NULL) != MS_OK) return 4;
    ms_source_drop(source, 0, 5);
    ms_source_close(source);
    return 0;
}

static int read_behind_door(void) {
    ms_door_close();
    return read_what_was_taken();
}

TEST(a_locked_process_reads_what_was_taken_before) {
    if (ms_lockdown_why_not()) return;
    ms_arena arena = {0};
    ms_err err = {0};
    ms_door_taken taken;
    model_folder = test_folder();
    CHECK_OK(ms_files_write(ms_files_join(&arena, ms_str_of(model_folder), MS_STR("a.bin")).text, "hello", 5, MS_FILES_NO_SYNC,
                            &err),
             &err);
    CHECK_OK(ms_door_take(&taken, model_folder, &err), &err);
    CHECK(taken.n_files == 1 && taken.n_bytes == 5);
    CHECK(exits(read_behind_door, 0));
    ms_door_forget();
    ms_arena_free(&arena);
}

/* docs/security.md lists the calls: all of these and, of the allowed ones, no others. */
TEST(the_document_lists_the_calls_of_the_table) {
    ms_buf page = {0};
    ms_err err = {0};
    CHECK_OK(ms_files_read(&page, MS_SOURCE_DIR "/docs/security.md", 1 << 20, &err), &err);
    const ms_str text = ms_buf_str(&page);
    const char *name;
    ms_lockdown_verdict verdict;
    for (size_t i = 0; ms_lockdown_row(i, &name, &verdict); i++) {
        char quoted[64];
        snprintf(quoted, sizeof quoted, "`%s`", name);
        CHECK_MSG(ms_str_contains(text, ms_str_of(quoted)), "docs/security.md does not list %s", quoted);
    }
    ms_buf_free(&page);
}

#endif
