#include "core/node.h"

#include "core/futex.h"
#include "core/leader.h"
#include "core/ledger.h"
#include "core/root.h"
#include "core/tx.h"

#include <string.h>
#include <unistd.h>

struct node *node_of(const struct arena *arena)
{
    return arena_at(arena,
                    atomic_load_explicit(&arena->header->roots[ROOT_NODE], memory_order_acquire));
}

static uint32_t locals_count(const uint32_t *places, uint32_t world_size, uint32_t node)
{
    uint32_t count = 0;

    for (uint32_t rank = 0; rank < world_size; rank++)
        count += places[rank] >> 16 == node;
    return count;
}

static void ranks_format(struct node *node, const uint32_t *places)
{
    for (uint32_t rank = 0; rank < node->world_size; rank++) {
        struct rank_record *record = &node->ranks[places[rank] & 0xffff];

        if (places[rank] >> 16 != node->number)
            continue;
        record->rank = rank;
        atomic_store(&record->job, RANK_STARTING);
    }
}

int node_format(struct actor *actor, uint32_t number, uint32_t nodes, uint32_t world_size,
                const uint32_t *places)
{
    uint32_t locals = locals_count(places, world_size, number);
    uint64_t bytes = sizeof(struct node) + locals * sizeof(struct rank_record), offset, copy;
    uint64_t leaders = 0, chains = 0, chain_count = ledger_chains_for(nodes, world_size);
    struct node *node;
    int result = tx_alloc(actor, bytes, &offset);

    if (result == TROUPE_OK)
        result = tx_alloc(actor, world_size * sizeof *places, &copy);
    if (result == TROUPE_OK)
        result = tx_alloc(actor, nodes * sizeof(uint64_t), &leaders);
    if (result == TROUPE_OK)
        result = tx_alloc(actor, chain_count * sizeof(uint64_t), &chains);
    if (result != TROUPE_OK) {
        tx_abort(actor);
        return result;
    }
    node = arena_at(&actor->arena, offset);
    memset(node, 0, bytes);
    memcpy(arena_at(&actor->arena, copy), places, world_size * sizeof *places);
    node->number = number;
    node->nodes = nodes;
    node->world_size = world_size;
    node->local_size = locals;
    node->places = copy;
    node->leaders = leaders;
    leaders_format(arena_at(&actor->arena, leaders), places, world_size);
    node->ledger = chains;
    node->ledger_chains = chain_count;
    memset(arena_at(&actor->arena, chains), 0, chain_count * sizeof(uint64_t));
    gethostname(node->host, sizeof node->host - 1);
    ranks_format(node, places);
    tx_write(actor, &actor->arena.header->roots[ROOT_NODE], offset);
    tx_commit(actor);
    return TROUPE_OK;
}

void node_place(const struct arena *arena, int rank, int *node, int *local)
{
    const struct node *own = node_of(arena);
    const uint32_t *places = arena_at(arena, own->places);

    *node = *local = -1;
    if (rank < 0 || (uint32_t)rank >= own->world_size)
        return;
    *node = (int)(places[rank] >> 16);
    *local = (int)(places[rank] & 0xffff);
}

void list_append(struct actor *actor, struct process_list *list, uint64_t place,
                 _Atomic uint64_t *(*next)(const struct arena *, uint64_t))
{
    uint64_t last = atomic_load(&list->last);

    tx_write(actor, next(&actor->arena, place), 0);
    if (last != 0)
        tx_write(actor, next(&actor->arena, last), place);
    else
        tx_write(actor, &list->first, place);
    tx_write(actor, &list->last, place);
}

void list_pop(struct actor *actor, struct process_list *list, _Atomic uint64_t *next)
{
    uint64_t second = atomic_load(next);

    tx_write(actor, &list->first, second);
    if (second == 0)
        tx_write(actor, &list->last, 0);
}

void node_state_set(struct actor *actor, enum node_state state)
{
    struct node *node = node_of(&actor->arena);

    atomic_store(&node->state, state);
    bell_ring(&actor->arena, &node->bell, FUTEX_ALL);
    for (uint32_t local = 0; local < node->local_size; local++) {
        bell_ring(&actor->arena, &node->ranks[local].bell, FUTEX_ALL);
        bell_ring(&actor->arena, &node->ranks[local].keeper_bell, FUTEX_ALL);
    }
}

void node_give_up(struct actor *actor)
{
    atomic_store(&node_of(&actor->arena)->given_up, 1);
    node_state_set(actor, NODE_ABORTED);
}
