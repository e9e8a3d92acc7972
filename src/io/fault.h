/*
 * fault: tests only: makes the k-th reading fail, as ms_mem_fail_at does for allocations, or lets something happen just
 * before it (a file is cut, say). Readings are the opening and mapping of files, views of sources, reads of small files and
 * of folders.
 *
 *     ms_fault_at(3);                         // the third reading from now fails with EIO; 0 switches it off
 *     ... ms_fault_count() readings have been tried since ...
 */
#ifndef MS_FAULT_H
#define MS_FAULT_H

#include <stdbool.h>
#include <stdint.h>

void ms_fault_at(int64_t k);
/* Before the k-th reading from now, which does not fail by itself. */
void ms_fault_do(int64_t k, void (*act)(void *context), void *context);
int64_t ms_fault_count(void);

/* For those who read: true (and errno EIO) when this reading is to fail. */
bool ms_fault_strikes(void);

#endif
