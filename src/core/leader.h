/* Which rank leads each node: talks for it to the others.
 *
 * What always holds: a node's leader is named by a word, epoch (32) | rank + 1 (32), of which each
 * node has a copy; a word of a higher epoch replaces one of a lower, and nothing else changes it.
 * Who leads a node is decided on that node alone: the keeper of a leader that has ended, which it
 * knows from waitpid, names the lowest local rank that lives, in the arena of the node, under a
 * lock. So no two ranks ever lead a node at once, and an epoch has one leader. A node that nobody
 * leads any more has the rank part 0. leader_changes grows after a word has changed, so who sees
 * the same count twice need not look at the words in between. */
#ifndef TROUPE_CORE_LEADER_H
#define TROUPE_CORE_LEADER_H

#include "core/node.h"

/* Everybody's first leader: local rank 0. words[nodes]. */
void leaders_format(_Atomic uint64_t *words, const uint32_t *places, uint32_t world_size);

static inline uint32_t leader_epoch(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

/* -1: nobody leads. */
static inline int leader_rank(uint64_t word)
{
    return (int)(uint32_t)word - 1;
}

uint64_t leader_word(const struct arena *arena, int node);

/* The rank that leads the node, as far as this node knows; -1: it is lost. */
int leader_of(const struct arena *arena, int node);

/* Counts what was heard of leaders. */
uint64_t leader_changes(const struct arena *arena);

/* Takes news of a node's leader, be they old or new. */
void leader_learn(const struct arena *arena, int node, uint64_t word);

/* A node that nobody can hear any more. */
void leader_lose(const struct arena *arena, int node);

/* The rank with that local number has ended, and its seat says so. If it led the node, the next one
 * does from here on. Returns whether it did. */
bool leader_succeed(struct actor *actor, uint32_t local);

/* Sleeps until this node's leader may have changed; seen is the bell's word before the caller
 * looked at that. */
void leader_await(const struct arena *arena, uint32_t seen);
uint32_t leader_ticket(const struct arena *arena);

#endif
