/*
 * ram: how much memory this process may count on.
 *
 * The machine's, or the lower limit of the control groups (containers, batch systems) it runs in; version 1 and 2.
 */
#ifndef MS_RAM_H
#define MS_RAM_H

#include <stdint.h>

#include "str.h"

/* Bytes; asked once. Thread-safe. */
uint64_t ms_ram_limit(void);

/* The lowest limit found from the text of /proc/self/cgroup and the limit files under `root` (/sys/fs/cgroup): at each group's
 * folder and all above it. UINT64_MAX when there is none. Apart for tests. */
uint64_t ms_ram_group_limit(ms_str groups, const char *root);

#endif
