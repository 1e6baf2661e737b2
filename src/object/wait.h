/* Waiting for any of several things, inside the library. */
#ifndef TROUPE_OBJECT_WAIT_H
#define TROUPE_OBJECT_WAIT_H

#include <stddef.h>
#include <stdint.h>

#include "core/slot.h"

/* troupe_wait by an actor, until a deadline of base/clock.h or BELL_NO_WAIT. *index is set with
 * TROUPE_OK and TROUPE_BAD_HANDLE. */
int wait_first(struct actor *actor, const uint64_t *items, size_t count, uint64_t deadline,
               size_t *index);

/* Registers the handlers for calls from other nodes. */
void wait_register(void);

#endif
