#include "fault.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

/* Test hook; process-wide, as that of mem.c is. */
static atomic_int_least64_t n_readings, failing_reading;
static void (*action)(void *context);
static void *action_context;

void ms_fault_do(int64_t k, void (*act)(void *context), void *context) {
    action = act;
    action_context = context;
    atomic_store(&n_readings, 0);
    atomic_store(&failing_reading, k);
}

void ms_fault_at(int64_t k) { ms_fault_do(k, NULL, NULL); }

int64_t ms_fault_count(void) { return atomic_load(&n_readings); }

bool ms_fault_strikes(void) {
    const int64_t failing = atomic_load_explicit(&failing_reading, memory_order_relaxed);
    if (failing == 0 || atomic_fetch_add(&n_readings, 1) + 1 != failing) return false;
    if (action) {
        action(action_context);
        return false;
    }
    errno = EIO;
    return true;
}
