/*
 * ram: how much memory this process may count on: the machine's, or the lower limit of its control groups.
 */
#ifndef MS_RAM_H
#define MS_RAM_H

#include <stdint.h>

/* Bytes; asked once. Thread-safe. */
uint64_t ms_ram_limit(void);

#endif
