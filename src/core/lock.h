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

#define LOCK_CONTENDED 0x80000000u

/* The parts that are called when a lock is held by somebody, or the slot holds several. */
void lock_take_slowly(struct actor *actor, struct lock *lock);
_Atomic uint64_t *lock_entry_free(struct actor *actor);
_Atomic uint64_t *lock_entry_of(struct actor *actor, const struct lock *lock);
void lock_wake(struct lock *lock);

/* Takes the lock; spins briefly, then sleeps. The holder's death ends the wait.
 *
 * Memory orders: the slot's entry is stored with release before the swap that takes, and the swap
 * acquires. */
static inline void lock_take(struct actor *actor, struct lock *lock)
{
    _Atomic uint64_t *entry = &actor->slot->locks[0];
    uint32_t expected = 0;

    if (atomic_load_explicit(entry, memory_order_relaxed) != 0)
        entry = lock_entry_free(actor);
    atomic_store_explicit(entry, arena_offset(&actor->arena, lock), memory_order_release);
    if (!atomic_compare_exchange_strong_explicit(&lock->word, &expected, actor->number,
                                                 memory_order_acquire, memory_order_relaxed))
        lock_take_slowly(actor, lock);
}

/* Takes it if nobody holds it. */
bool lock_try(struct actor *actor, struct lock *lock);

/* Gives the lock back. The exchange releases, and acquires too: who has given a lock sees what was
 * written before any earlier exchange of its word (lock_touch). The entry is cleared after it. */
static inline void lock_give(struct actor *actor, struct lock *lock)
{
    _Atomic uint64_t *entry = &actor->slot->locks[0];

    if (atomic_load_explicit(entry, memory_order_relaxed) != arena_offset(&actor->arena, lock))
        entry = lock_entry_of(actor, lock);
    if (atomic_exchange_explicit(&lock->word, 0, memory_order_acq_rel) & LOCK_CONTENDED)
        lock_wake(lock);
    atomic_store_explicit(entry, 0, memory_order_release);
}

/* For whoever looks without the lock, before it sleeps: after this, it sees what was done under the
 * lock by everybody who gave it before; whoever gives it later sees what the caller wrote before.
 * The word's value stays. */
static inline void lock_touch(struct lock *lock)
{
    atomic_fetch_or_explicit(&lock->word, 0, memory_order_acq_rel);
}

/* Releases a lock on behalf of a dead slot, and wakes everybody who sleeps on it. */
void lock_bury(struct lock *lock, uint32_t number);

#endif
