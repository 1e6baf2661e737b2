#include "core/leader.h"

#include "base/clock.h"
#include "core/futex.h"

#include <string.h>

#define FIRST_EPOCH 1

static uint64_t word_make(uint32_t epoch, int rank)
{
    return (uint64_t)epoch << 32 | (uint32_t)(rank + 1);
}

void leaders_format(_Atomic uint64_t *words, const uint32_t *places, uint32_t world_size)
{
    for (uint32_t rank = 0; rank < world_size; rank++)
        if ((places[rank] & 0xffff) == 0)
            atomic_store(&words[places[rank] >> 16], word_make(FIRST_EPOCH, (int)rank));
}

static _Atomic uint64_t *word_at(const struct arena *arena, int node)
{
    return (_Atomic uint64_t *)arena_at(arena, node_of(arena)->leaders) + node;
}

uint64_t leader_word(const struct arena *arena, int node)
{
    return atomic_load_explicit(word_at(arena, node), memory_order_acquire);
}

int leader_of(const struct arena *arena, int node)
{
    return leader_rank(leader_word(arena, node));
}

uint64_t leader_changes(const struct arena *arena)
{
    return atomic_load_explicit(&node_of(arena)->leader_changes, memory_order_acquire);
}

/* After the word: who sees the count sees that, too. Whoever died between the two is made up for by
 * the next news, so these count even if they are known. */
static void changes_tell(const struct arena *arena)
{
    struct node *node = node_of(arena);

    atomic_fetch_add(&node->leader_changes, 1);
    bell_ring(arena, &node->leader_bell, FUTEX_ALL);
    bell_ring(arena, &arena->header->service_bell, FUTEX_ALL);
}

void leader_learn(const struct arena *arena, int node, uint64_t word)
{
    _Atomic uint64_t *known = word_at(arena, node);
    uint64_t seen = atomic_load(known);

    while (leader_epoch(seen) < leader_epoch(word) &&
           !atomic_compare_exchange_weak(known, &seen, word))
        ;
    changes_tell(arena);
}

void leader_lose(const struct arena *arena, int node)
{
    leader_learn(arena, node, word_make(leader_epoch(leader_word(arena, node)) + 1, -1));
}

/* The lowest local rank whose keeper has not seen its end; -1: there is none. One that has ended
 * meanwhile is found to lead by its own keeper, which waits for our lock. */
static int living_rank(const struct node *node)
{
    for (uint32_t local = 0; local < node->local_size; local++)
        if (atomic_load(&node->ranks[local].pid) != 0)
            return (int)node->ranks[local].rank;
    return -1;
}

bool leader_succeed(struct actor *actor, uint32_t local)
{
    struct node *node = node_of(&actor->arena);
    _Atomic uint64_t *word = word_at(&actor->arena, (int)node->number);
    bool led;

    lock_take(actor, &node->leader_lock);
    led = leader_rank(atomic_load(word)) == (int)node->ranks[local].rank;
    if (led)
        atomic_store(word, word_make(leader_epoch(atomic_load(word)) + 1, living_rank(node)));
    lock_give(actor, &node->leader_lock);
    if (led)
        changes_tell(&actor->arena);
    return led;
}

uint32_t leader_ticket(const struct arena *arena)
{
    return bell_announce(&node_of(arena)->leader_bell);
}

void leader_await(const struct arena *arena, uint32_t seen)
{
    futex_wait(&node_of(arena)->leader_bell.word, seen, CLOCK_FOREVER);
}
