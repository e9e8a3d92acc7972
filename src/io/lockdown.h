/*
 * lockdown: from here on this process can compute, read what is open already, and write to its two outputs; nothing else.
 *
 *     MS_TRY(ms_door_take(&taken, path, err));       // door.h: what is to be read
 *     ms_door_close();
 *     MS_TRY(ms_lockdown(&budget, err));             // cannot be undone
 *
 * Two locks of the Linux kernel. Resource limits: memory, processor time, no core file, no growing of files. And a filter of
 * system calls (seccomp), on x86-64 and aarch64:
 *
 *   allowed    what reading mapped files on several threads needs; some with arguments held to what is harmless: mappings that
 *              cannot be run, writing to descriptors 1 and 2, threads but no processes, signals to itself
 *   refused    calls that take the name of a file: EACCES, so that they fail with a message
 *   absent     what nobody thought of: ENOSYS, as by a kernel that does not have it
 *   killed     programs, processes, sockets, tracing, the memory of others, namespaces, kernel modules: SIGSYS
 *
 * docs/security.md lists them; a test holds it to the table here.
 */
#ifndef MS_LOCKDOWN_H
#define MS_LOCKDOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

typedef struct ms_lockdown_budget {
    uint64_t memory;      /* bytes of address space beyond what is mapped now; 0: no limit */
    uint64_t cpu_seconds; /* of all threads together; 0: no limit */
    uint64_t max_open;    /* one more than the highest descriptor; 0: no limit */
} ms_lockdown_budget;

/* NULL when this build, processor and kernel can; else why not. */
const char *ms_lockdown_why_not(void);

/* MS_ERR_UNSUPPORTED when any of the locks cannot be had: what runs on then is not locked. Call it with one thread. */
ms_status ms_lockdown(const ms_lockdown_budget *budget, ms_err *err);

typedef enum ms_lockdown_verdict { MS_LOCKDOWN_ALLOWED, MS_LOCKDOWN_REFUSED, MS_LOCKDOWN_KILLED } ms_lockdown_verdict;

/* The i-th row of the table, for tests and documents; false behind the end. */
bool ms_lockdown_row(size_t i, const char **name, ms_lockdown_verdict *verdict);

#endif
