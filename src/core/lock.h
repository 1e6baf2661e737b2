/* Mutual exclusion that survives its holder.
 *
 * What always holds: the word is 0, or the holder's slot number with LOCK_CONTENDED when somebody
 * may sleep on it. The holder's slot names the lock before the word does and until after the word
 * does not, so recovery releases what a dead slot holds, after it has settled the slot's
 * transaction. A lock is held for one transaction, never while waiting for anything but another
 * lock. */
#ifndef TROUPE_CORE_LOCK_H
#define TROUPE_CORE_LOCK_H

#include "core/slot.h"

/* Takes the lock; spins briefly, then sleeps. The holder's death ends the wait. */
void lock_take(struct actor *actor, struct lock *lock);

/* Takes it if nobody holds it. */
bool lock_try(struct actor *actor, struct lock *lock);

void lock_give(struct actor *actor, struct lock *lock);

/* Releases a lock on behalf of a dead slot, and wakes everybody who sleeps on it. */
void lock_bury(struct lock *lock, uint32_t number);

#endif
