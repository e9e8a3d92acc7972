/*
 * cgroup: what the control groups (containers, batch systems) of this process allow it; version 1 and 2.
 *
 * A limit holds for a group and all groups below it, so the lowest one from our own group up to the root counts.
 * /proc/self/cgroup has a line "ID:CONTROLLERS:PATH" for each tree; version 2 has ID 0 and no controllers.
 */
#ifndef MS_CGROUP_H
#define MS_CGROUP_H

#include <stdint.h>

#include "str.h"

/* Each UINT64_MAX when there is no limit. */
uint64_t ms_cgroup_memory(void); /* bytes */
uint64_t ms_cgroup_cpus(void);   /* thousandths of a processor: 2500 is the time of two and a half */

/* The same from the text of /proc/self/cgroup and the limit files under `root` (/sys/fs/cgroup). Apart for tests. */
uint64_t ms_cgroup_memory_in(ms_str groups, const char *root);
uint64_t ms_cgroup_cpus_in(ms_str groups, const char *root);

#endif
