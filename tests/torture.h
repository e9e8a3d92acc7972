/*
 * torture: makes each allocation of an operation fail once in turn (SQLite's method).
 *
 *     static ms_status parse(void *context, ms_err *err) { ...; everything it made is freed again, failed or not... }
 *
 *     TEST(parsing_survives_failing_allocations) { CHECK_SURVIVES_MEMORY(parse, &bytes); }
 *
 * The operation is run with the 1st, 2nd, 3rd, ... allocation failing until it succeeds. Each earlier run must return
 * MS_ERR_MEMORY with a message; what it leaks, the address sanitizer finds. One thread at a time: the hook is global.
 */
#ifndef MS_TORTURE_H
#define MS_TORTURE_H

#include "mem.h"
#include "test.h"

typedef ms_status (*torture_run)(void *context, ms_err *err);

enum { TORTURE_MOST = 100000 };

/* The number of runs that failed as they should, or -1 after reporting a fault at file:line. */
static inline int torture_memory(torture_run run, void *context, const char *file, int line) {
    for (int k = 1; k <= TORTURE_MOST; k++) {
        ms_err err = {0};
        ms_mem_fail_at(k);
        const ms_status status = run(context, &err);
        const bool reached = ms_mem_count() >= k;
        ms_mem_fail_at(0);
        if (!reached && status == MS_OK) return k - 1;
        if (reached && status == MS_ERR_MEMORY && err.text[0]) continue;
        ms_test_fail(file, line, "allocation %d %s: got %s '%s', want %s", k, reached ? "failed" : "was not reached",
                     ms_status_name(status), err.text, reached ? "out of memory, with a message" : "done");
        return -1;
    }
    ms_test_fail(file, line, "no end after %d failing allocations", TORTURE_MOST);
    return -1;
}

#define CHECK_SURVIVES_MEMORY(run, context)                                                   \
    do {                                                                                      \
        const int n_survived_ = torture_memory((run), (context), __FILE__, __LINE__);         \
        if (n_survived_ == 0) ms_test_fail(__FILE__, __LINE__, "%s allocates nothing", #run); \
        if (n_survived_ <= 0) return;                                                         \
    } while (0)

#endif
