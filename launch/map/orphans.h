/* What a dead worker's command leaves behind. The command itself dies with its worker; what it had
 * started does not, and would still run beside the next attempt. All of it carries a mark. */
#ifndef TROUPE_LAUNCH_MAP_ORPHANS_H
#define TROUPE_LAUNCH_MAP_ORPHANS_H

#include <stdint.h>

/* Marks what this process will start. The mark is a worker's of one run, and its successors'. */
void orphans_mark(uint64_t run, uint32_t worker);

/* Ends every process of this host that carries the mark; before this process starts any. */
void orphans_end(uint64_t run, uint32_t worker);

#endif
