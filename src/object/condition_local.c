#include "object/condition_local.h"

#include "base/error.h"
#include "core/futex.h"
#include "core/lock.h"
#include "core/recover.h"
#include "core/root.h"
#include "core/tx.h"
#include "object/word.h"

enum condition_state { CONDITION_OPEN = 0, CONDITION_ENDING = 1 };

struct condition {
    struct mutex mutex; /* unused with a lock of the user's */
    _Atomic uint64_t lock;
    _Atomic uint64_t state;
    _Atomic uint64_t first, last;
    _Atomic uint64_t tickets; /* given so far */
    _Atomic uint64_t served;
};
_Static_assert(sizeof(struct condition) <= RECORD_ROOM, "a condition fits its record");

struct waiter {
    _Atomic uint64_t next;
    uint64_t ticket;
    uint64_t party;
    uint64_t slot; /* SLOT_NONE on another node */
};

static struct condition *condition_of(struct record *record)
{
    return (struct condition *)record->body;
}

static struct waiter *waiter_at(const struct arena *arena, uint64_t place)
{
    return arena_at(arena, place);
}

static int is_ending(void)
{
    return fail(TROUPE_BAD_HANDLE, "the condition is being destroyed");
}

int condition_make(struct actor *actor, uint64_t lock, uint64_t *handle)
{
    struct record *record;
    int result = lock != 0 ? table_find(actor, lock, OBJECT_LOCK, &record) : TROUPE_OK;

    if (result == TROUPE_OK)
        result = table_reserve(actor, &record);
    if (result != TROUPE_OK)
        return result;
    atomic_store(&condition_of(record)->lock, lock);
    atomic_store(&condition_of(record)->mutex.recursive, 1);
    word_begin(actor, record, 0);
    table_publish(actor, record, OBJECT_CONDITION, 0, handle);
    return TROUPE_OK;
}

int condition_lock_find(struct actor *actor, uint64_t handle, struct record **lock,
                        uint64_t *lock_handle)
{
    int result = table_find(actor, handle, OBJECT_CONDITION, lock);
    uint64_t own;

    if (result != TROUPE_OK)
        return result;
    own = atomic_load(&condition_of(*lock)->lock);
    *lock_handle = own != 0 ? own : handle;
    return own != 0 ? table_find(actor, own, OBJECT_LOCK, lock) : TROUPE_OK;
}

static int lock_held_find(struct actor *actor, uint64_t handle, const struct mutex_holder *holder,
                          struct record **lock)
{
    uint64_t lock_handle;
    int result = condition_lock_find(actor, handle, lock, &lock_handle);

    if (result != TROUPE_OK || mutex_is_held(*lock, holder))
        return result;
    return fail(TROUPE_BAD_ARGUMENT,
                "the caller does not hold the condition's lock; acquire it first");
}

/* Finds the condition and locks its record. */
static int open_lock(struct actor *actor, uint64_t handle, struct record **record)
{
    int result = table_lock(actor, handle, OBJECT_CONDITION, record);

    if (result != TROUPE_OK || atomic_load(&condition_of(*record)->state) == CONDITION_OPEN)
        return result;
    lock_give(actor, &(*record)->lock);
    return is_ending();
}

/* ---- the chain: under the record's lock -------------------------------------------------- */

static void chain_append(struct actor *actor, struct condition *condition, uint64_t place)
{
    uint64_t last = atomic_load(&condition->last);

    if (last != 0)
        tx_write(actor, &waiter_at(&actor->arena, last)->next, place);
    else
        tx_write(actor, &condition->first, place);
    tx_write(actor, &condition->last, place);
}

/* Unlinks the waiter behind `before` (0: the first) and frees its block with the commit. */
static void chain_remove(struct actor *actor, struct condition *condition, uint64_t before,
                         uint64_t place)
{
    uint64_t next = atomic_load(&waiter_at(&actor->arena, place)->next);

    if (before != 0)
        tx_write(actor, &waiter_at(&actor->arena, before)->next, next);
    else
        tx_write(actor, &condition->first, next);
    if (next == 0)
        tx_write(actor, &condition->last, before);
    tx_retire(actor, place);
}

/* The ticket up to which n more waiters are served, of those behind the served. */
static uint64_t served_with(const struct arena *arena, const struct condition *condition,
                            uint64_t n)
{
    uint64_t served = atomic_load(&condition->served), place = atomic_load(&condition->first);

    for (; place != 0 && n > 0; place = atomic_load(&waiter_at(arena, place)->next)) {
        const struct waiter *waiter = waiter_at(arena, place);

        if (waiter->ticket < atomic_load(&condition->served))
            continue;
        served = waiter->ticket + 1;
        n--;
    }
    return served;
}

/* Rings for the waiters whose tickets are from `from` to below `to`. They want the lock of the user
 * first, which whoever notifies still holds. */
static void chain_ring(struct actor *actor, struct record *record, uint64_t from, uint64_t to)
{
    uint64_t place = atomic_load(&condition_of(record)->first);
    bool elsewhere = false;

    for (; place != 0; place = atomic_load(&waiter_at(&actor->arena, place)->next)) {
        const struct waiter *waiter = waiter_at(&actor->arena, place);

        if (waiter->ticket < from || waiter->ticket >= to)
            continue;
        if (waiter->slot != SLOT_NONE)
            bell_ring(&actor->arena, &slot_at(&actor->arena, (uint32_t)waiter->slot)->doorbell,
                      FUTEX_ALL);
        else
            elsewhere = true;
    }
    if (elsewhere)
        bell_ring(&actor->arena, &record->room, FUTEX_ALL);
}

/* ---- waiting ---------------------------------------------------------------------------- */

static int chain_enter(struct actor *actor, struct record *record, struct condition_wait *wait)
{
    struct condition *condition = condition_of(record);
    struct waiter *waiter;
    uint64_t place;
    int result = tx_alloc(actor, sizeof *waiter, &place);

    if (result != TROUPE_OK)
        return result;
    wait->ticket = atomic_load(&condition->tickets);
    waiter = waiter_at(&actor->arena, place);
    atomic_store(&waiter->next, 0);
    waiter->ticket = wait->ticket;
    waiter->party = wait->holder.party;
    waiter->slot = wait->slot;
    chain_append(actor, condition, place);
    tx_write(actor, &condition->tickets, wait->ticket + 1);
    tx_commit(actor);
    return TROUPE_OK;
}

int condition_enter(struct actor *actor, struct condition_wait *wait)
{
    struct record *record, *lock;
    int result = lock_held_find(actor, wait->handle, &wait->holder, &lock);

    if (result == TROUPE_OK)
        result = open_lock(actor, wait->handle, &record);
    if (result != TROUPE_OK)
        return result;
    result = chain_enter(actor, record, wait);
    lock_give(actor, &record->lock);
    if (result == TROUPE_OK)
        mutex_release_all(actor, lock, &wait->depth);
    return result;
}

int condition_look(struct actor *actor, const struct condition_wait *wait)
{
    struct record *record;
    int result = table_find(actor, wait->handle, OBJECT_CONDITION, &record);

    if (result != TROUPE_OK)
        return result;
    if (atomic_load(&condition_of(record)->state) != CONDITION_OPEN)
        return is_ending();
    return wait->ticket < atomic_load(&condition_of(record)->served) ? TROUPE_OK : TROUPE_TIMEOUT;
}

static int attempt(struct actor *actor, void *context)
{
    return condition_look(actor, context);
}

int condition_sleep(struct actor *actor, struct condition_wait *wait, uint64_t deadline)
{
    return bell_await(actor, &actor->slot->doorbell, deadline, TROUPE_TIMEOUT, attempt, wait);
}

struct bell *condition_bell(struct actor *actor, const struct condition_wait *wait)
{
    struct record *record;

    return table_find(actor, wait->handle, OBJECT_CONDITION, &record) == TROUPE_OK ? &record->room
                                                                                   : NULL;
}

/* The waiter of a ticket, and the one before it; both 0 when it is in the chain no more. */
static uint64_t chain_find(const struct arena *arena, const struct condition *condition,
                           uint64_t ticket, uint64_t *before)
{
    uint64_t place = atomic_load(&condition->first);

    *before = 0;
    while (place != 0 && waiter_at(arena, place)->ticket != ticket) {
        *before = place;
        place = atomic_load(&waiter_at(arena, place)->next);
    }
    return place;
}

int condition_leave(struct actor *actor, const struct condition_wait *wait)
{
    struct record *record, *lock;
    uint64_t before, place, lock_handle;
    int result = condition_lock_find(actor, wait->handle, &lock, &lock_handle);

    if (result == TROUPE_OK)
        result = open_lock(actor, wait->handle, &record);
    if (result != TROUPE_OK)
        return result;
    atomic_store_explicit(&mutex_of(lock)->depth, wait->depth, memory_order_relaxed);
    result = wait->ticket < atomic_load(&condition_of(record)->served) ? TROUPE_OK : TROUPE_TIMEOUT;
    place = chain_find(&actor->arena, condition_of(record), wait->ticket, &before);
    if (place != 0) {
        chain_remove(actor, condition_of(record), before, place);
        tx_commit(actor);
    }
    lock_give(actor, &record->lock);
    return result == TROUPE_OK ? result : fail(result, "the condition was not notified in time");
}

/* ---- notifying -------------------------------------------------------------------------- */

int condition_notify(struct actor *actor, uint64_t handle, const struct mutex_holder *holder,
                     uint64_t n)
{
    struct record *record, *lock;
    uint64_t from, to;
    int result = lock_held_find(actor, handle, holder, &lock);

    if (result == TROUPE_OK)
        result = open_lock(actor, handle, &record);
    if (result != TROUPE_OK)
        return result;
    from = atomic_load(&condition_of(record)->served);
    to = served_with(&actor->arena, condition_of(record), n);
    if (to != from) {
        resume_begin(actor, RESUME_CONDITION_RING, arena_offset(&actor->arena, record));
        tx_write(actor, &condition_of(record)->served, to);
        tx_commit(actor);
        chain_ring(actor, record, from, to);
        resume_end(actor);
    }
    lock_give(actor, &record->lock);
    return TROUPE_OK;
}

/* Who died may have owed any of the served a ring. */
static void served_ring(struct actor *actor, struct record *record)
{
    chain_ring(actor, record, 0, atomic_load(&condition_of(record)->served));
}

void condition_resume_ring(struct actor *actor, uint64_t place)
{
    struct record *record = arena_at(&actor->arena, place);

    lock_take(actor, &record->lock);
    if (handle_kind(atomic_load(&record->handle)) == OBJECT_CONDITION)
        served_ring(actor, record);
    lock_give(actor, &record->lock);
}

/* ---- ends ------------------------------------------------------------------------------- */

/* The waiters see the state, and leave the chain to us. */
void condition_resume_end(struct actor *actor, uint64_t place)
{
    struct record *record = arena_at(&actor->arena, place);
    struct condition *condition = condition_of(record);
    uint64_t first;

    lock_take(actor, &record->lock);
    if (handle_kind(atomic_load(&record->handle)) != OBJECT_CONDITION ||
        atomic_load(&condition->state) != CONDITION_ENDING) {
        lock_give(actor, &record->lock);
        return;
    }
    chain_ring(actor, record, 0, UINT64_MAX);
    while ((first = atomic_load(&condition->first)) != 0) {
        chain_remove(actor, condition, 0, first);
        tx_commit(actor);
    }
    table_retire(actor, record);
}

int condition_destroy(struct actor *actor, uint64_t handle)
{
    struct record *record;
    int result = open_lock(actor, handle, &record);

    if (result != TROUPE_OK)
        return result;
    resume_begin(actor, RESUME_CONDITION_END, arena_offset(&actor->arena, record));
    tx_write(actor, &condition_of(record)->state, CONDITION_ENDING);
    tx_commit(actor);
    lock_give(actor, &record->lock);
    condition_resume_end(actor, arena_offset(&actor->arena, record));
    resume_end(actor);
    return TROUPE_OK;
}

/* Takes a dead waiter out; its notification goes to the next, by the same commit. Returns what
 * stands behind it. */
static uint64_t bury(struct actor *actor, struct record *record, uint64_t before, uint64_t place)
{
    struct condition *condition = condition_of(record);
    const struct waiter *waiter = waiter_at(&actor->arena, place);
    uint64_t next = atomic_load(&waiter->next);

    if (waiter->ticket < atomic_load(&condition->served))
        tx_write(actor, &condition->served, served_with(&actor->arena, condition, 1));
    chain_remove(actor, condition, before, place);
    tx_commit(actor);
    return next;
}

int condition_abandon(struct actor *actor, const struct condition_wait *wait)
{
    struct record *record;
    uint64_t before, place;
    int result = open_lock(actor, wait->handle, &record);

    if (result != TROUPE_OK)
        return result;
    resume_begin(actor, RESUME_CONDITION_RING, arena_offset(&actor->arena, record));
    place = chain_find(&actor->arena, condition_of(record), wait->ticket, &before);
    if (place != 0)
        bury(actor, record, before, place);
    served_ring(actor, record);
    resume_end(actor);
    lock_give(actor, &record->lock);
    return TROUPE_OK;
}

/* The rings come last, and for all of the served: whoever does this again after a death between a
 * commit and its ring, makes up for it. */
void condition_party_end(struct actor *actor, struct record *record, uint64_t party,
                         enum party_end end)
{
    uint64_t place, before = 0;

    mutex_party_end(actor, record, party, end);
    lock_take(actor, &record->lock);
    place = handle_kind(atomic_load(&record->handle)) == OBJECT_CONDITION
                ? atomic_load(&condition_of(record)->first)
                : 0;
    while (place != 0) {
        if (waiter_at(&actor->arena, place)->party == party) {
            place = bury(actor, record, before, place);
            continue;
        }
        before = place;
        place = atomic_load(&waiter_at(&actor->arena, place)->next);
    }
    if (handle_kind(atomic_load(&record->handle)) == OBJECT_CONDITION)
        served_ring(actor, record);
    lock_give(actor, &record->lock);
}
