/* Sleeping until something may have changed: an event count in the arena.
 *
 * A waiter announces itself, looks at the condition once more, and sleeps; whoever changes the
 * condition rings afterwards. No wake is missed: announcing sets the word's lowest bit and adds
 * two, ringing adds two, both sequentially consistent, so either the ringer sees the bit and wakes,
 * or the waiter's second look sees the change. A waiter that dies after it was woken takes that
 * wake with it, and a changer that dies before it rings owes one: the slots name both bells, and
 * recovery rings them for all. */
#ifndef TROUPE_CORE_BELL_H
#define TROUPE_CORE_BELL_H

#include "core/slot.h"

/* A deadline that has always passed: look once, never wait. */
#define BELL_NO_WAIT 0

/* Looks for what the caller waits for. */
typedef int (*bell_attempt)(struct actor *actor, void *context);

/* Calls attempt until it returns something other than again, spinning briefly and then sleeping
 * between the calls, or until the deadline (base/clock.h) has passed: then again is returned. */
int bell_await(struct actor *actor, struct bell *bell, uint64_t deadline, int again,
               bell_attempt attempt, void *context);

/* Promises to ring, before the change is committed. At most SLOT_PROMISES at a time. */
void bell_promise(struct actor *actor, struct bell *bell);

/* Rings what was promised, each bell for at most count waiters. */
void bell_redeem(struct actor *actor, int count);

/* Wakes at most count waiters, and the node's service if it watches this bell. */
void bell_ring(const struct arena *arena, struct bell *bell, int count);

#endif
