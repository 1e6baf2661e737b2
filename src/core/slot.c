/* Taking, giving back and burying slots. */
#include "core/slot.h"

#include "base/error.h"

#include <string.h>
#include <unistd.h>

static uint64_t identity_make(uint32_t incarnation, uint32_t party, enum slot_state state)
{
    return (uint64_t)incarnation << 32 | (uint64_t)party << 8 | state;
}

/* The table is committed page by page, in order, as slots come into use for the first time. A slot
 * that is raised but not taken by us is simply found free by the next one. */
static int slot_raise(const struct arena *arena, uint32_t number)
{
    uint32_t high = atomic_load(&arena->header->slot_high);
    int result;

    if (number < high)
        return TROUPE_OK;
    result = arena_commit(arena, arena_offset(arena, slot_at(arena, number)), sizeof(struct slot));
    if (result == TROUPE_OK)
        atomic_compare_exchange_strong(&arena->header->slot_high, &high, number + 1);
    return result;
}

static bool slot_take(struct slot *slot, uint32_t number, uint32_t party)
{
    uint64_t seen = atomic_load(&slot->identity);
    uint32_t incarnation = slot_incarnation_of(seen) + 1;

    if (slot_state_of(seen) != SLOT_FREE)
        return false;
    return atomic_compare_exchange_strong(
        &slot->identity, &seen,
        identity_make(incarnation, party != SLOT_NONE ? party : number, SLOT_LIVE));
}

int actor_open(const struct arena *arena, uint32_t party, struct actor *actor)
{
    uint32_t count = arena->header->slot_count;

    for (uint32_t number = SLOT_FIRST; number < count; number++) {
        struct slot *slot = slot_at(arena, number);
        int result = slot_raise(arena, number);

        if (result != TROUPE_OK)
            return result;
        if (!slot_take(slot, number, party))
            continue;
        memset(actor, 0, sizeof *actor);
        actor->arena = *arena;
        actor->slot = slot;
        actor->number = number;
        actor->party = party != SLOT_NONE ? party : number;
        atomic_store(&slot->pid, (int32_t)getpid());
        return TROUPE_OK;
    }
    return fail(TROUPE_FULL,
                "all %u slots of this node are taken by processes and threads; end some, or give "
                "the node a larger arena (TROUPE_ARENA)",
                count - SLOT_FIRST);
}

void actor_close(struct actor *actor)
{
    uint64_t seen = atomic_load(&actor->slot->identity);

    atomic_store(&actor->slot->abroad, 0);
    atomic_store(&actor->slot->identity, identity_make(slot_incarnation_of(seen), 0, SLOT_FREE));
    actor->slot = NULL;
}

int slots_bury(const struct arena *arena, uint32_t party)
{
    uint32_t high = atomic_load(&arena->header->slot_high);
    int buried = 0;

    for (uint32_t number = SLOT_FIRST; party != SLOT_NONE && number < high; number++) {
        struct slot *slot = slot_at(arena, number);
        uint64_t seen = atomic_load(&slot->identity);

        if (slot_state_of(seen) != SLOT_LIVE || slot_party_of(seen) != party)
            continue;
        if (atomic_compare_exchange_strong(
                &slot->identity, &seen,
                identity_make(slot_incarnation_of(seen), party, SLOT_DEAD))) {
            atomic_fetch_add(&arena->header->deaths, 1);
            buried++;
        }
    }
    return buried;
}

void slot_forget(struct slot *slot)
{
    uint64_t seen = atomic_load(&slot->identity);

    atomic_store(&slot->abroad, 0);
    atomic_store(&slot->identity, identity_make(slot_incarnation_of(seen), 0, SLOT_FREE));
}

bool slots_are_dead(const struct arena *arena, uint32_t party)
{
    uint32_t high = atomic_load(&arena->header->slot_high);

    for (uint32_t number = SLOT_FIRST; number < high; number++) {
        uint64_t seen = atomic_load(&slot_at(arena, number)->identity);

        if (slot_state_of(seen) == SLOT_DEAD && slot_party_of(seen) == party)
            return true;
    }
    return false;
}
