#include "object/barrier_local.h"

#include "base/clock.h"
#include "base/error.h"
#include "core/futex.h"
#include "core/lock.h"
#include "core/table.h"
#include "core/tx.h"

#include <string.h>

struct barrier {
    _Atomic uint64_t parties;
    _Atomic uint64_t waiting;
    _Atomic uint64_t number;
    _Atomic uint64_t breaks;
    _Atomic uint64_t broke_at; /* the round that the last break ended */
    _Atomic uint64_t broken;
    _Atomic uint64_t places;     /* offset of places[2][parties] */
    _Atomic uint64_t last_known; /* the other half holds the parties of the last round */
};

static struct barrier *barrier_of(struct record *record)
{
    return (struct barrier *)record->body;
}

/* The half of a round's parity. */
static _Atomic uint64_t *half(struct actor *actor, const struct barrier *barrier, uint64_t number)
{
    _Atomic uint64_t *places = arena_at(&actor->arena, atomic_load(&barrier->places));

    return places + (number & 1) * atomic_load(&barrier->parties);
}

static bool stands_in(const _Atomic uint64_t *places, uint64_t count, uint64_t party)
{
    for (uint64_t i = 0; i < count; i++)
        if (atomic_load(&places[i]) == party)
            return true;
    return false;
}

int barrier_make(struct actor *actor, uint32_t parties, uint64_t *handle)
{
    uint64_t bytes = 2 * parties * sizeof(uint64_t), places;
    struct record *record;
    int result = table_reserve(actor, &record);

    if (result != TROUPE_OK)
        return result;
    result = tx_alloc(actor, bytes, &places);
    if (result != TROUPE_OK) {
        table_drop(actor, record);
        return result;
    }
    memset(arena_at(&actor->arena, places), 0, bytes);
    atomic_store(&barrier_of(record)->parties, parties);
    atomic_store(&barrier_of(record)->places, places);
    table_publish(actor, record, OBJECT_BARRIER, 0, handle);
    return TROUPE_OK;
}

/* ---- rounds ----------------------------------------------------------------------------- */

static int is_broken(void)
{
    return fail(TROUPE_BROKEN, "the barrier is broken: a party died, gave up, or broke it; "
                               "troupe_barrier_reset makes it as new");
}

static int is_late(void)
{
    return fail(TROUPE_TIMEOUT, "not all parties came to the barrier in time; it is broken now");
}

/* Notes what a break writes; the caller holds the lock, commits and rings. */
static void break_note(struct actor *actor, struct record *record, bool broken)
{
    struct barrier *barrier = barrier_of(record);

    bell_promise(actor, &record->bell);
    tx_write(actor, &barrier->broke_at, atomic_load(&barrier->number));
    tx_write(actor, &barrier->breaks, atomic_load(&barrier->breaks) + 1);
    tx_write(actor, &barrier->waiting, 0);
    tx_write(actor, &barrier->broken, broken);
}

static void release_and_ring(struct actor *actor, struct record *record)
{
    lock_give(actor, &record->lock);
    bell_redeem_asleep(actor, FUTEX_ALL);
}

/* Comes to a barrier that is whole; the caller holds the lock. A name beyond `waiting` is nobody's,
 * so it is written before the commit. */
static void come(struct actor *actor, struct record *record, uint64_t party,
                 struct barrier_round *round)
{
    struct barrier *barrier = barrier_of(record);

    round->index = atomic_load(&barrier->waiting);
    round->number = atomic_load(&barrier->number);
    round->breaks = atomic_load(&barrier->breaks);
    atomic_store(&half(actor, barrier, round->number)[round->index], party);
    if (round->index + 1 < atomic_load(&barrier->parties)) {
        tx_write(actor, &barrier->waiting, round->index + 1);
    } else {
        bell_promise(actor, &record->bell);
        tx_write(actor, &barrier->waiting, 0);
        tx_write(actor, &barrier->last_known, 1);
        tx_write(actor, &barrier->number, round->number + 1);
    }
    tx_commit(actor);
}

int barrier_arrive(struct actor *actor, uint64_t party, struct barrier_round *round)
{
    struct record *record;
    int result = table_lock(actor, round->handle, OBJECT_BARRIER, &record);

    if (result != TROUPE_OK)
        return result;
    if (atomic_load(&barrier_of(record)->broken) != 0)
        result = is_broken();
    else
        come(actor, record, party, round);
    release_and_ring(actor, record);
    return result;
}

/* The round's number moved: it is over. A break moved `breaks`: the only one since tells its round,
 * and of several the first is taken to be ours. The caller holds the lock. */
static int outcome(const struct barrier *barrier, const struct barrier_round *round)
{
    uint64_t breaks = atomic_load(&barrier->breaks) - round->breaks;

    if (breaks == 0)
        return atomic_load(&barrier->number) == round->number ? TROUPE_TIMEOUT : TROUPE_OK;
    if (breaks == 1 && atomic_load(&barrier->broke_at) != round->number)
        return TROUPE_OK;
    return is_broken();
}

int barrier_look(struct actor *actor, const struct barrier_round *round)
{
    struct record *record;
    int result = table_lock(actor, round->handle, OBJECT_BARRIER, &record);

    if (result != TROUPE_OK)
        return result;
    result = outcome(barrier_of(record), round);
    lock_give(actor, &record->lock);
    return result;
}

int barrier_give_up(struct actor *actor, const struct barrier_round *round)
{
    struct record *record;
    int result = table_lock(actor, round->handle, OBJECT_BARRIER, &record);

    if (result != TROUPE_OK)
        return result;
    result = outcome(barrier_of(record), round);
    if (result == TROUPE_TIMEOUT) {
        break_note(actor, record, true);
        tx_commit(actor);
    }
    release_and_ring(actor, record);
    return result == TROUPE_TIMEOUT ? is_late() : result;
}

int barrier_is_abandoned(int result)
{
    return result == TROUPE_TIMEOUT
               ? fail(TROUPE_CANCELLED, "the process was cancelled (troupe_process_cancel) at the "
                                        "barrier, which is broken now")
               : result;
}

struct barrier_wait {
    struct record *record;
    struct barrier_round round;
};

static bool peek(struct actor *actor, void *context)
{
    const struct barrier_wait *wait = context;
    const struct barrier *barrier = barrier_of(wait->record);

    (void)actor;
    return atomic_load(&barrier->number) != wait->round.number ||
           atomic_load(&barrier->breaks) != wait->round.breaks ||
           atomic_load(&wait->record->handle) != wait->round.handle;
}

/* The last look before a sleep takes the lock, see bell_redeem_asleep. */
static int attempt(struct actor *actor, void *context)
{
    const struct barrier_wait *wait = context;

    return bell_announced(actor) || peek(actor, context) ? barrier_look(actor, &wait->round)
                                                         : TROUPE_TIMEOUT;
}

int barrier_wait(struct actor *actor, uint64_t handle, uint64_t deadline, uint64_t *index)
{
    struct barrier_wait wait = { NULL, { .handle = handle } };
    int result = table_find(actor, handle, OBJECT_BARRIER, &wait.record);

    if (result == TROUPE_OK)
        result = barrier_arrive(actor, party_of(actor), &wait.round);
    if (result != TROUPE_OK)
        return result;
    result =
        bell_await_peek(actor, &wait.record->bell, deadline, TROUPE_TIMEOUT, attempt, peek, &wait);
    if (result == TROUPE_CANCELLED)
        result = barrier_is_abandoned(barrier_give_up(actor, &wait.round));
    else if (result == TROUPE_TIMEOUT)
        result = barrier_give_up(actor, &wait.round);
    *index = wait.round.index;
    return result;
}

struct bell *barrier_bell(struct actor *actor, const struct barrier_round *round)
{
    struct record *record;

    return table_find(actor, round->handle, OBJECT_BARRIER, &record) == TROUPE_OK ? &record->bell
                                                                                  : NULL;
}

/* ---- changes ---------------------------------------------------------------------------- */

/* Notes the party among those of the last round, in the place of one that left. */
static int attend(struct actor *actor, struct record *record, uint64_t party)
{
    struct barrier *barrier = barrier_of(record);
    _Atomic uint64_t *last = half(actor, barrier, atomic_load(&barrier->number) + 1);
    uint64_t count = atomic_load(&barrier->parties), i = 0;

    if (atomic_load(&barrier->last_known) == 0)
        for (uint64_t k = 0; k < count; k++)
            atomic_store(&last[k], 0);
    if (stands_in(last, count, party))
        return TROUPE_OK;
    while (i < count && atomic_load(&last[i]) != 0)
        i++;
    if (i == count)
        return fail(TROUPE_FULL, "the barrier knows its %llu parties already",
                    (unsigned long long)count);
    tx_write(actor, &last[i], party);
    tx_write(actor, &barrier->last_known, 1);
    tx_commit(actor);
    return TROUPE_OK;
}

static void reset(struct actor *actor, struct record *record)
{
    struct barrier *barrier = barrier_of(record);

    if (atomic_load(&barrier->waiting) > 0)
        break_note(actor, record, false);
    else
        tx_write(actor, &barrier->broken, 0);
    tx_write(actor, &barrier->last_known, 0);
    tx_commit(actor);
}

int barrier_change(struct actor *actor, uint64_t handle, enum barrier_change what, uint64_t party)
{
    struct record *record;
    int result = table_lock(actor, handle, OBJECT_BARRIER, &record);

    if (result != TROUPE_OK)
        return result;
    if (what == BARRIER_ATTEND) {
        result = attend(actor, record, party);
    } else if (what == BARRIER_RESET) {
        reset(actor, record);
    } else if (atomic_load(&barrier_of(record)->broken) == 0) {
        break_note(actor, record, true);
        tx_commit(actor);
    }
    release_and_ring(actor, record);
    return result;
}

int barrier_status(struct actor *actor, uint64_t handle, troupe_barrier_status *status)
{
    struct record *record;
    const struct barrier *barrier;
    int result = table_lock(actor, handle, OBJECT_BARRIER, &record);

    if (result != TROUPE_OK)
        return result;
    barrier = barrier_of(record);
    status->parties = (uint32_t)atomic_load(&barrier->parties);
    status->waiting = (uint32_t)atomic_load(&barrier->waiting);
    status->broken = atomic_load(&barrier->broken) != 0;
    lock_give(actor, &record->lock);
    return TROUPE_OK;
}

int barrier_destroy(struct actor *actor, uint64_t handle)
{
    struct record *record;
    int result = table_lock(actor, handle, OBJECT_BARRIER, &record);

    if (result != TROUPE_OK)
        return result;
    tx_retire(actor, atomic_load(&barrier_of(record)->places));
    table_retire(actor, record);
    return TROUPE_OK;
}

/* ---- ends of parties -------------------------------------------------------------------- */

static void forget(_Atomic uint64_t *places, uint64_t count, uint64_t party)
{
    for (uint64_t i = 0; i < count; i++)
        if (atomic_load(&places[i]) == party)
            atomic_store(&places[i], 0);
}

/* A target that has returned is missed by nobody; a dead one breaks what it belonged to. */
void barrier_party_end(struct actor *actor, struct record *record, uint64_t party,
                       enum party_end end)
{
    struct barrier *barrier = barrier_of(record);
    uint64_t last_count, number;

    lock_take(actor, &record->lock);
    if (handle_kind(atomic_load(&record->handle)) == OBJECT_BARRIER &&
        atomic_load(&barrier->broken) == 0) {
        number = atomic_load(&barrier->number);
        last_count = atomic_load(&barrier->last_known) != 0 ? atomic_load(&barrier->parties) : 0;
        if (end == PARTY_LEFT) {
            forget(half(actor, barrier, number + 1), last_count, party);
        } else if (stands_in(half(actor, barrier, number + 1), last_count, party) ||
                   stands_in(half(actor, barrier, number), atomic_load(&barrier->waiting), party)) {
            break_note(actor, record, true);
            tx_commit(actor);
        }
    }
    release_and_ring(actor, record);
}
