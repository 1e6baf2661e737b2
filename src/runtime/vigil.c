#include "runtime/vigil.h"

#include "base/clock.h"
#include "base/log.h"
#include "core/leader.h"
#include "core/signs.h"

#include <signal.h>

#define LOOK_MS 1000
#define LOOKS_LEAST 3 /* a tick and a look may miss each other by one */

static uint64_t larger(uint64_t looks, uint64_t least)
{
    return looks < least ? least : looks;
}

/* Of TROUPE_SILENCE a leader has a half, and its successor time to be heard before the parent's
 * node has four fifths. */
void vigil_begin(struct vigil *vigil, const struct node *node, int local)
{
    uint64_t silence = signs_silence();

    *vigil =
        (struct vigil){ .next = CLOCK_FOREVER, .still_most = larger(silence / 2, LOOKS_LEAST) };
    vigil->silent_most = larger(silence * 4 / 5, vigil->still_most + LOOKS_LEAST);
    if (node->nodes > 1 && local == 0)
        vigil->next = clock_deadline(LOOK_MS);
}

/* Counts the looks that found the same. */
static uint64_t looks_alike(uint64_t *known, uint64_t *looks, uint64_t now)
{
    *looks = *known == now ? *looks + 1 : 0;
    *known = now;
    return *looks;
}

/* The leader's seat, when another rank of the node can take its place; else NULL. */
static struct rank_record *replaceable_leader(const struct arena *arena)
{
    struct node *node = node_of(arena);
    int leader = leader_of(arena, (int)node->number), others = 0;
    struct rank_record *found = NULL;

    for (uint32_t local = 0; local < node->local_size; local++)
        if ((int)node->ranks[local].rank == leader)
            found = &node->ranks[local];
        else
            others += atomic_load(&node->ranks[local].pid) != 0;
    return others > 0 ? found : NULL;
}

/* Under the seat's lock its pid is nobody else's. */
static void leader_kill(const struct vigil *vigil, struct actor *actor)
{
    struct rank_record *seat = replaceable_leader(&actor->arena);
    pid_t pid;

    if (seat == NULL)
        return;
    lock_take(actor, &seat->lock);
    pid = atomic_load(&seat->pid);
    if (pid != 0) {
        log_warning("rank %u, pid %d on %s leads its node and has stood still for %llu s: it is "
                    "ended, and another rank leads",
                    seat->rank, (int)pid, node_of(&actor->arena)->host,
                    (unsigned long long)vigil->still);
        kill(pid, SIGKILL);
    }
    lock_give(actor, &seat->lock);
}

void vigil_keep(struct vigil *vigil, struct actor *actor)
{
    struct node *node = node_of(&actor->arena);
    uint64_t now = clock_now();

    if (now < vigil->next)
        return;
    vigil->next = clock_deadline(LOOK_MS);
    if (atomic_load(&node->state) != NODE_RUNNING) {
        vigil->next = CLOCK_FOREVER;
        return;
    }
    if (looks_alike(&vigil->ticks, &vigil->still, atomic_load(&node->leader_ticks)) ==
        vigil->still_most)
        leader_kill(vigil, actor);
    if (looks_alike(&vigil->heard, &vigil->silent, atomic_load(&node->parent_heard)) <
            vigil->silent_most ||
        node->number == NODE_OF_PARENT)
        return;
    log_error("node %u, %s: nothing was heard of the parent's node for %llu s: its ranks end",
              node->number, node->host, (unsigned long long)vigil->silent);
    node_give_up(actor);
}
