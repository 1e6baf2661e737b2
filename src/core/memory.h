/* How much memory the machine and our control groups would still give. */
#ifndef TROUPE_CORE_MEMORY_H
#define TROUPE_CORE_MEMORY_H

#include <stdint.h>

/* Bytes that can be used now before the machine (MemAvailable) or a control group of this process
 * (memory.max less what it uses, version 1 or 2, ancestors included) would kill for lack of memory.
 */
uint64_t memory_available(void);

/* The most that this process could ever use: physical memory or the smallest group limit. */
uint64_t memory_total(void);

#endif
