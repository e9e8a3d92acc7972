/*
 * torture: makes each allocation, or each reading of a file, of an operation fail once in turn (SQLite's method).
 *
 *     static ms_status parse(void *context, ms_err *err) { ...; everything it made is freed again, failed or not... }
 *
 *     TEST(parsing_survives_failing_allocations) { CHECK_SURVIVES_MEMORY(parse, &bytes); }
 *     TEST(parsing_survives_failing_reads) { CHECK_SURVIVES_READS(parse, &bytes); }
 *
 * The operation is run with the 1st, 2nd, 3rd, ... of them failing until it succeeds. Each earlier run must return MS_ERR_MEMORY
 * or MS_ERR_IO with a message; what it leaks, the address sanitizer finds. One thread at a time: the hooks are global.
 */
#ifndef MS_TORTURE_H
#define MS_TORTURE_H

#include "fault.h"
#include "mem.h"
#include "test.h"

typedef ms_status (*torture_run)(void *context, ms_err *err);

typedef struct torture_hook {
    const char *what;
    void (*fail_at)(int64_t k);
    int64_t (*count)(void);
    ms_status status;
} torture_hook;

static const torture_hook torture_memory = {"allocation", ms_mem_fail_at, ms_mem_count, MS_ERR_MEMORY};
static const torture_hook torture_reads = {"reading", ms_fault_at, ms_fault_count, MS_ERR_IO};

enum { TORTURE_MOST = 100000 };

/* The number of runs that failed as they should, or -1 after reporting a fault at file:line. */
static inline int torture(const torture_hook *hook, torture_run run, void *context, const char *file, int line) {
    for (int k = 1; k <= TORTURE_MOST; k++) {
        ms_err err = {0};
        hook->fail_at(k);
        const ms_status status = run(context, &err);
        const bool reached = hook->count() >= k;
        hook->fail_at(0);
        if (!reached && status == MS_OK) return k - 1;
        if (reached && status == hook->status && err.text[0]) continue;
        ms_test_fail(file, line, "%s %d %s: got %s '%s', want %s", hook->what, k, reached ? "failed" : "was not reached",
                     ms_status_name(status), err.text, reached ? ms_status_name(hook->status) : "done");
        return -1;
    }
    ms_test_fail(file, line, "no end after %d failing %ss", TORTURE_MOST, hook->what);
    return -1;
}

#define CHECK_SURVIVES_(hook, run, context)                                                      \
    do {                                                                                         \
        const int n_survived_ = torture((hook), (run), (context), __FILE__, __LINE__);           \
        if (n_survived_ == 0) ms_test_fail(__FILE__, __LINE__, "%s: no %s", #run, (hook)->what); \
        if (n_survived_ <= 0) return;                                                            \
    } while (0)

#define CHECK_SURVIVES_MEMORY(run, context) CHECK_SURVIVES_(&torture_memory, run, context)
#define CHECK_SURVIVES_READS(run, context) CHECK_SURVIVES_(&torture_reads, run, context)

#endif
