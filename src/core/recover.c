#include "core/recover.h"

#include "base/clock.h"
#include "core/bell.h"
#include "core/call.h"
#include "core/futex.h"
#include "core/heap_private.h"
#include "core/lock.h"
#include "core/party.h"
#include "core/table.h"
#include "core/tx.h"

#define RESUME_SHIFT 56
#define TURN_PATIENCE_MS 200 /* then the other recoverer is looked at again */
#define TURN_ROUNDS 5

static recover_handler handlers[RESUME_KINDS];

void recover_register(int kind, recover_handler handler)
{
    handlers[kind] = handler;
}

static uint64_t resume_word(int kind, uint64_t place)
{
    return (uint64_t)kind << RESUME_SHIFT | place;
}

void resume_begin(struct actor *actor, int kind, uint64_t place)
{
    atomic_store(&actor->slot->resume, resume_word(kind, place));
}

void resume_end(struct actor *actor)
{
    atomic_store_explicit(&actor->slot->resume, 0, memory_order_release);
}

bool resume_is_named(const struct actor *actor, int kind, uint64_t place)
{
    uint32_t high = atomic_load(&actor->arena.header->slot_high);

    for (uint32_t number = SLOT_FIRST; number < high; number++) {
        struct slot *slot = slot_at(&actor->arena, number);

        if (number != actor->number && atomic_load(&slot->resume) == resume_word(kind, place) &&
            slot_state_of(atomic_load(&slot->identity)) == SLOT_LIVE)
            return true;
    }
    return false;
}

static uint64_t claim_word(const struct arena *arena, uint32_t number)
{
    uint64_t identity = atomic_load(&slot_at(arena, number)->identity);

    return (uint64_t)slot_incarnation_of(identity) << 32 | number;
}

/* Whether the claim is that of a slot that lives and has not changed hands since. */
static bool claimant_lives(const struct arena *arena, uint64_t claim)
{
    uint64_t identity = atomic_load(&slot_at(arena, (uint32_t)claim)->identity);

    return slot_state_of(identity) == SLOT_LIVE && slot_incarnation_of(identity) == claim >> 32;
}

static void recovery_release(struct slot *slot)
{
    atomic_store(&slot->recoverer, 0);
    atomic_fetch_add(&slot->turns, 1);
    futex_wake(&slot->turns, FUTEX_ALL);
}

/* One recoverer at a time; one that died is replaced. The slot is looked at again after the claim,
 * for an earlier recoverer may just have freed it. */
static bool recovery_claim(struct actor *actor, struct slot *slot)
{
    uint64_t own = claim_word(&actor->arena, actor->number), seen = 0;

    if (slot_state_of(atomic_load(&slot->identity)) != SLOT_DEAD)
        return false;
    while (!atomic_compare_exchange_strong(&slot->recoverer, &seen, own))
        if (seen != 0 && claimant_lives(&actor->arena, seen))
            return false;
    if (slot_state_of(atomic_load(&slot->identity)) == SLOT_DEAD)
        return true;
    recovery_release(slot);
    return false;
}

/* For a recoverer that must see the slot freed. A thread that waits for a lock may be at it
 * (recover_locks), and leaves the rest undone; so we wait for our turn. Not for ever: if that
 * thread dies meanwhile, whoever buries it recovers both, and that may be us. */
static bool recovery_await(struct actor *actor, struct slot *slot)
{
    for (int round = 0; round < TURN_ROUNDS; round++) {
        uint32_t turn = atomic_load(&slot->turns);
        uint64_t patience = clock_deadline(TURN_PATIENCE_MS);

        if (recovery_claim(actor, slot))
            return true;
        if (slot_state_of(atomic_load(&slot->identity)) != SLOT_DEAD)
            return false;
        while (atomic_load(&slot->turns) == turn && futex_wait(&slot->turns, turn, patience))
            ;
    }
    return false;
}

static void settle(struct actor *actor, struct slot *slot, uint32_t number)
{
    bool committed = atomic_load(&slot->tx_phase) == TX_COMMITTED;

    large_settle_claim(&actor->arena, slot, number);
    if (committed)
        tx_redo(&actor->arena, slot);
    heap_settle(actor, slot, number, committed);
    atomic_store(&slot->tx_phase, TX_OPEN);
    atomic_store(&slot->redo_count, 0);
    heap_settle(actor, slot, number, false); /* what it had taken for itself alone */
}

static void locks_release(struct actor *actor, struct slot *slot, uint32_t number)
{
    for (int i = 0; i < SLOT_LOCKS; i++) {
        uint64_t place = atomic_load(&slot->locks[i]);

        if (place == 0)
            continue;
        lock_bury(arena_at(&actor->arena, place), number);
        atomic_store(&slot->locks[i], 0);
    }
}

static void ring(struct actor *actor, _Atomic uint64_t *entry)
{
    uint64_t place = atomic_load(entry);

    if (place != 0)
        bell_ring(&actor->arena, arena_at(&actor->arena, place), FUTEX_ALL);
    atomic_store(entry, 0);
}

/* The wakes it owed, and the one it may have taken with it. */
static void bells_ring(struct actor *actor, struct slot *slot)
{
    for (int i = 0; i < SLOT_PROMISES; i++)
        ring(actor, &slot->promises[i]);
    ring(actor, &slot->bell);
}

/* The dead slot goes on naming the work until it is done, so a recoverer that dies in it leaves it
 * to the next. */
static void resume(struct actor *actor, struct slot *slot)
{
    uint64_t work = atomic_load(&slot->resume);
    recover_handler handler = handlers[work >> RESUME_SHIFT];

    if (work != 0 && handler != NULL)
        handler(actor, work & (((uint64_t)1 << RESUME_SHIFT) - 1));
    atomic_store(&slot->resume, 0);
}

/* The identity goes first: until the claim is gone, too, nobody else may recover what is by then
 * the slot's next life. A slot that has been abroad keeps its party for the service to name. */
static void slot_free(struct actor *actor, struct slot *slot)
{
    uint64_t seen = atomic_load(&slot->identity);

    if (atomic_load(&slot->abroad) != 0) {
        bell_promise(actor, &actor->arena.header->service_bell);
        atomic_store(&slot->identity, (seen & ~(uint64_t)0xff) | SLOT_MOURNED);
        bell_redeem(actor, FUTEX_ALL);
    } else
        atomic_store(&slot->identity, (uint64_t)slot_incarnation_of(seen) << 32 | SLOT_FREE);
    recovery_release(slot);
}

void recover_locks(struct actor *actor, uint32_t number)
{
    struct slot *slot = slot_at(&actor->arena, number);

    if (number < SLOT_FIRST || number >= atomic_load(&actor->arena.header->slot_high) ||
        !recovery_claim(actor, slot))
        return;
    settle(actor, slot, number);
    locks_release(actor, slot, number);
    bells_ring(actor, slot);
    recovery_release(slot);
}

static void watches_bury(struct actor *actor, struct slot *slot)
{
    if (atomic_load(&slot->watching) == 0)
        return;
    table_bells_doubt(&actor->arena);
    atomic_store(&slot->watching, 0);
}

static void recover(struct actor *actor, uint32_t number)
{
    struct slot *slot = slot_at(&actor->arena, number);

    if (!recovery_await(actor, slot))
        return;
    settle(actor, slot, number);
    locks_release(actor, slot, number);
    bells_ring(actor, slot);
    resume(actor, slot);
    call_bury(actor, slot);
    party_bury(actor, slot);
    watches_bury(actor, slot);
    table_open_bury(&actor->arena, slot);
    slot_free(actor, slot);
}

/* The locks of all the dead go first: what is left of one may need a lock that another held. */
int recover_all(struct actor *actor)
{
    uint32_t high = atomic_load(&actor->arena.header->slot_high);
    int found = 0;

    for (uint32_t number = SLOT_FIRST; number < high; number++)
        recover_locks(actor, number);
    for (uint32_t number = SLOT_FIRST; number < high; number++) {
        if (slot_state_of(atomic_load(&slot_at(&actor->arena, number)->identity)) != SLOT_DEAD)
            continue;
        recover(actor, number);
        found++;
    }
    return found;
}
