#include "core/party.h"

#define ABROAD_BITS 64u

static party_handler handlers[OBJECT_KINDS];
static bool any_handler;
static _Atomic int64_t inherited; /* what ended threads took and did not give back */
static _Atomic uint64_t runs;

void party_register(enum object_kind kind, party_handler handler)
{
    handlers[kind] = handler;
    any_handler = true;
}

uint64_t party_name(const struct arena *arena, uint32_t process)
{
    return party_name_at(table_node(arena), process);
}

uint64_t party_of(const struct actor *actor)
{
    return party_name(&actor->arena, actor->party);
}

void party_ended(struct actor *actor, uint64_t party, enum party_end end)
{
    uint64_t index = 0;
    struct record *record;

    while ((record = table_next(&actor->arena, &index)) != NULL) {
        enum object_kind kind = handle_kind(atomic_load(&record->handle));

        if (handlers[kind] != NULL)
            handlers[kind](actor, record, party, end);
    }
}

/* Worlds of more nodes than bits share them: a node is then told of parties it does not know. */
static uint64_t abroad_bit(int node)
{
    return (uint64_t)1 << (uint32_t)node % ABROAD_BITS;
}

void party_abroad(struct actor *actor, int node)
{
    uint64_t bit = abroad_bit(node);

    if ((atomic_load_explicit(&actor->slot->abroad, memory_order_relaxed) & bit) == 0)
        atomic_fetch_or(&actor->slot->abroad, bit);
}

bool party_is_abroad(uint64_t abroad, int node)
{
    return (abroad & abroad_bit(node)) != 0;
}

bool party_leave_here(struct actor *actor)
{
    if (atomic_exchange(&inherited, 0) == 0 && actor->holds == 0)
        return false;
    actor->holds = 0;
    atomic_fetch_add(&runs, 1);
    party_ended(actor, party_of(actor), PARTY_LEFT);
    return true;
}

uint64_t party_run(void)
{
    return atomic_load_explicit(&runs, memory_order_relaxed);
}

void party_inherit(struct actor *leaving, struct slot *process)
{
    atomic_fetch_add(&inherited, leaving->holds);
    if (process != leaving->slot)
        atomic_fetch_or(&process->abroad, atomic_load(&leaving->slot->abroad));
}

void party_bury(struct actor *actor, struct slot *slot)
{
    uint32_t process = slot_party_of(atomic_load(&slot->identity));

    if (any_handler)
        party_ended(actor, party_name(&actor->arena, process), PARTY_DIED);
}
