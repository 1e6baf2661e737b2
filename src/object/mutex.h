/* The locks that programs use (troupe_lock); core/lock.h has the library's own.
 *
 * What always holds: the record's word has as its value the party that holds the lock, or 0, so
 * taking and giving are one swap each, and a death leaves the lock held by a party that is dead:
 * the party's end (core/party.h) frees it with WORD_DIED, which the next taker is told. The body
 * begins with struct mutex; its thread and depth are written by the holder alone, and mean nothing
 * while the word's value is 0. record->bell rings for one waiter at each release.
 *
 * A condition without a lock of its own is one: these functions take its record, too. */
#ifndef TROUPE_OBJECT_MUTEX_H
#define TROUPE_OBJECT_MUTEX_H

#include "core/party.h"
#include "core/table.h"

struct mutex {
    _Atomic uint64_t thread; /* of a recursive lock's holder */
    _Atomic uint64_t depth;
    _Atomic uint64_t recursive;
};

static inline struct mutex *mutex_of(struct record *record)
{
    return (struct mutex *)record->body;
}

/* Who takes or gives, wherever it is. */
struct mutex_holder {
    uint64_t party;
    uint64_t thread; /* node (16) | slot (16) | incarnation (32) */
};

struct mutex_holder mutex_holder_of(const struct actor *actor);

int mutex_make(struct actor *actor, bool recursive, uint64_t *handle);

/* Tries once: TROUPE_OK, TROUPE_OWNER_DIED, TROUPE_TIMEOUT (without a sentence), or
 * TROUPE_BAD_HANDLE. */
int mutex_try(struct record *record, uint64_t handle, const struct mutex_holder *holder);

/* The same for a request of another node in which the service's last leader died (core/ledger.h):
 * if it had the lock already, TROUPE_OWNER_DIED, since nobody knows whether that was to be told.
 * TROUPE_LOST: it cannot be known how often a recursive lock was taken. */
int mutex_try_again(struct record *record, uint64_t handle, const struct mutex_holder *holder);

/* Waits until the deadline of base/clock.h, or BELL_NO_WAIT. */
int mutex_acquire(struct actor *actor, struct record *record, uint64_t handle,
                  const struct mutex_holder *holder, uint64_t deadline);

/* own tells whether the holder gave back what it had taken itself. */
int mutex_release(struct actor *actor, struct record *record, uint64_t handle,
                  const struct mutex_holder *holder, bool *own);
int mutex_release_again(struct actor *actor, struct record *record, uint64_t handle,
                        const struct mutex_holder *holder, bool *own);

/* Whether the holder has it: a plain lock is its process's, a recursive one its thread's. */
bool mutex_is_held(struct record *record, const struct mutex_holder *holder);

/* Gives it back at once, however often it was taken, and tells how often. */
void mutex_release_all(struct actor *actor, struct record *record, uint64_t *depth);

/* For party_register. */
void mutex_party_end(struct actor *actor, struct record *record, uint64_t party,
                     enum party_end end);

#endif
