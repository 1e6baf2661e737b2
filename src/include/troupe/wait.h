/* Waiting for the first of several things. */
#ifndef TROUPE_WAIT_H
#define TROUPE_WAIT_H

#include "troupe/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Waits until one of the items is ready, as Python's multiprocessing.connection.wait:
 *   a queue            when a get would not wait: for a message, or because it is closed
 *   an end of a pipe   when a receive would not wait: for a message, or the end of file
 *   a process          when it has ended
 *   an event           when it is set
 *
 * items       [count] the handles' id fields, of any kinds mixed, on any nodes; at least one
 * timeout_ms  TROUPE_NO_WAIT, TROUPE_FOREVER, or milliseconds
 * index       which one, the first of those that were ready; also of the one that was refused. Who
 *             else takes from it may be faster: use TROUPE_NO_WAIT for what follows
 * Returns     TROUPE_OK
 *             TROUPE_TIMEOUT       none was ready in time
 *             TROUPE_BAD_HANDLE    an item was destroyed, or is of another kind
 *             TROUPE_BAD_ARGUMENT  no items, or an end that only sends
 * Threads     any; blocks without using the CPU */
TROUPE_API int troupe_wait(const uint64_t *items, size_t count, long timeout_ms, size_t *index);

#ifdef __cplusplus
}
#endif

#endif
