/* The lock of the three states (free, held, held and contended) of Drepper's "Futexes are tricky",
 * with its holder named. */
#include "core/lock.h"

#include "base/clock.h"
#include "core/futex.h"
#include "core/recover.h"

#include <assert.h>

#define LOCK_SPINS 100
#define LOCK_PATIENCE_MS 200 /* then the sleeper looks whether the holder is dead */

_Atomic uint64_t *lock_entry_free(struct actor *actor)
{
    int i = 0;

    while (i < SLOT_LOCKS - 1 &&
           atomic_load_explicit(&actor->slot->locks[i], memory_order_relaxed) != 0)
        i++;
    assert(atomic_load(&actor->slot->locks[i]) == 0);
    return &actor->slot->locks[i];
}

_Atomic uint64_t *lock_entry_of(struct actor *actor, const struct lock *lock)
{
    uint64_t offset = arena_offset(&actor->arena, lock);
    int i = 0;

    while (i < SLOT_LOCKS - 1 &&
           atomic_load_explicit(&actor->slot->locks[i], memory_order_relaxed) != offset)
        i++;
    return &actor->slot->locks[i];
}

static bool word_take(struct actor *actor, struct lock *lock, uint32_t flag)
{
    uint32_t expected = 0;

    return atomic_compare_exchange_strong_explicit(&lock->word, &expected, actor->number | flag,
                                                   memory_order_acquire, memory_order_relaxed);
}

/* Sleeps until the word may be free. Whoever has slept takes the lock as contended, for others may
 * sleep still. Signals that interrupt the sleep do not put the look at the holder off. */
static void take_asleep(struct actor *actor, struct lock *lock)
{
    uint64_t patience = clock_deadline(LOCK_PATIENCE_MS);

    for (;;) {
        uint32_t seen = atomic_load_explicit(&lock->word, memory_order_relaxed);

        if (seen == 0) {
            if (word_take(actor, lock, LOCK_CONTENDED))
                return;
            continue;
        }
        if ((seen & LOCK_CONTENDED) == 0 &&
            !atomic_compare_exchange_strong(&lock->word, &seen, seen | LOCK_CONTENDED))
            continue;
        if (futex_wait(&lock->word, seen | LOCK_CONTENDED, patience))
            continue;
        recover_locks(actor, seen & ~LOCK_CONTENDED);
        patience = clock_deadline(LOCK_PATIENCE_MS);
    }
}

void lock_take_slowly(struct actor *actor, struct lock *lock)
{
    for (int spin = 0; spin < LOCK_SPINS; spin++) {
        if (atomic_load_explicit(&lock->word, memory_order_relaxed) == 0 &&
            word_take(actor, lock, 0))
            return;
        futex_spin_pause();
    }
    take_asleep(actor, lock);
}

bool lock_try(struct actor *actor, struct lock *lock)
{
    _Atomic uint64_t *entry = lock_entry_free(actor);

    atomic_store_explicit(entry, arena_offset(&actor->arena, lock), memory_order_release);
    if (word_take(actor, lock, 0))
        return true;
    atomic_store_explicit(entry, 0, memory_order_release);
    return false;
}

void lock_wake(struct lock *lock)
{
    futex_wake(&lock->word, 1);
}

void lock_bury(struct lock *lock, uint32_t number)
{
    uint32_t seen = atomic_load(&lock->word);

    while ((seen & ~LOCK_CONTENDED) == number &&
           !atomic_compare_exchange_weak(&lock->word, &seen, 0))
        ;
    futex_wake(&lock->word, FUTEX_ALL);
}
