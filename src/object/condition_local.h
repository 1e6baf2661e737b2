/* Conditions on their own node, which is their lock's.
 *
 * What always holds, under the record's lock: `first` leads through `next` to `last`, one block for
 * each thread that waits, in the order of their tickets; a waiter is notified when its ticket is
 * below `served`. It stays in the chain until it has the condition's lock again, so a notification
 * whose receiver dies before that is known, and passed on. A waiter of this node sleeps on its
 * slot's doorbell, so it is the one that is woken; one of another node is parked on record->room.
 * Rings may come more often than notifications.
 *
 * A condition without a lock of its own kind is a mutex itself (mutex.h): its body begins with one.
 */
#ifndef TROUPE_OBJECT_CONDITION_LOCAL_H
#define TROUPE_OBJECT_CONDITION_LOCAL_H

#include "core/bell.h"
#include "object/mutex.h"
#include "troupe/sync.h"

/* A wait, on its way through enter, look, and leave. */
struct condition_wait {
    uint64_t handle;
    struct mutex_holder holder;
    uint32_t slot;   /* of a waiter on this node, else SLOT_NONE */
    uint64_t ticket; /* out, by enter */
    uint64_t depth;  /* out, by enter: how often the lock was taken */
};

/* lock is a lock's handle of this node, or 0. */
int condition_make(struct actor *actor, uint64_t lock, uint64_t *handle);

/* Finds the condition and the record that is its lock, with that record's handle. */
int condition_lock_find(struct actor *actor, uint64_t handle, struct record **lock,
                        uint64_t *lock_handle);

/* Enters the chain and gives the lock back, all of it. */
int condition_enter(struct actor *actor, struct condition_wait *wait);

/* TROUPE_OK when notified; TROUPE_TIMEOUT, without a sentence, when not yet. */
int condition_look(struct actor *actor, const struct condition_wait *wait);

/* Sleeps until notified. */
int condition_sleep(struct actor *actor, struct condition_wait *wait, uint64_t deadline);

/* With the lock in hand again: leaves the chain, takes the lock's depth back, and tells whether it
 * was notified, TROUPE_OK, or not, TROUPE_TIMEOUT. */
int condition_leave(struct actor *actor, const struct condition_wait *wait);

/* Leaves the chain without the lock; a notification goes to the next. For a caller that was
 * cancelled. */
int condition_abandon(struct actor *actor, const struct condition_wait *wait);

/* The bell that parked waiters watch; NULL: the condition is gone. */
struct bell *condition_bell(struct actor *actor, const struct condition_wait *wait);

/* n may be more than wait. */
int condition_notify(struct actor *actor, uint64_t handle, const struct mutex_holder *holder,
                     uint64_t n);

int condition_destroy(struct actor *actor, uint64_t handle);

/* For recovery: rings, and ends, what a dead process did not come to. */
void condition_resume_ring(struct actor *actor, uint64_t place);
void condition_resume_end(struct actor *actor, uint64_t place);

/* For party_register. */
void condition_party_end(struct actor *actor, struct record *record, uint64_t party,
                         enum party_end end);

#endif
