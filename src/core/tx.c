/* The redo list lives in the slot. redo_count is stored before the phase (release), so whoever sees
 * TX_COMMITTED sees the whole list; it is cleared after the phase went back to TX_OPEN. */
#include "core/tx.h"

#include <assert.h>

int tx_alloc(struct actor *actor, uint64_t bytes, uint64_t *offset)
{
    return heap_alloc(actor, bytes, offset);
}

void tx_set_aside(struct actor *actor, uint64_t offset)
{
    heap_role_set(actor, offset, ROLE_ALONE);
}

void tx_enlist(struct actor *actor, uint64_t offset)
{
    heap_role_set(actor, offset, ROLE_NEW);
}

void tx_retire(struct actor *actor, uint64_t offset)
{
    heap_claim_linked(actor, offset, ROLE_OLD);
}

void tx_take(struct actor *actor, uint64_t offset)
{
    heap_claim_linked(actor, offset, ROLE_TAKE);
}

void tx_write(struct actor *actor, _Atomic uint64_t *word, uint64_t value)
{
    struct slot *slot = actor->slot;
    uint32_t count = atomic_load_explicit(&slot->redo_count, memory_order_relaxed);

    assert(count < SLOT_WRITES);
    slot->redo[count].place = arena_offset(&actor->arena, word);
    slot->redo[count].value = value;
    atomic_store_explicit(&slot->redo_count, count + 1, memory_order_release);
}

void tx_redo(const struct arena *arena, struct slot *slot)
{
    uint32_t count = atomic_load_explicit(&slot->redo_count, memory_order_acquire);

    for (uint32_t i = 0; i < count; i++)
        atomic_store_explicit((_Atomic uint64_t *)arena_at(arena, slot->redo[i].place),
                              slot->redo[i].value, memory_order_release);
}

void tx_commit(struct actor *actor)
{
    struct slot *slot = actor->slot;

    if (actor->witness.word != NULL) {
        tx_write(actor, actor->witness.word, actor->witness.value);
        actor->witness.word = NULL;
    }
    atomic_store_explicit(&slot->tx_phase, TX_COMMITTED, memory_order_release);
    tx_redo(&actor->arena, slot);
    heap_settle(actor, slot, actor->number, true);
    atomic_store_explicit(&slot->tx_phase, TX_OPEN, memory_order_release);
    atomic_store_explicit(&slot->redo_count, 0, memory_order_release);
}

void tx_abort(struct actor *actor)
{
    actor->witness.word = NULL;
    atomic_store_explicit(&actor->slot->redo_count, 0, memory_order_release);
    heap_settle(actor, actor->slot, actor->number, false);
}
