#include "runtime/vigil.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/procfs.h"
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
    vigil->deaf_most = 2 * silence;
    if (node->nodes > 1 && local == 0)
        vigil->next = clock_deadline(LOOK_MS);
}

static struct rank_record *leader_seat(const struct arena *arena)
{
    struct node *node = node_of(arena);
    int leader = leader_of(arena, (int)node->number);

    for (uint32_t local = 0; local < node->local_size; local++)
        if ((int)node->ranks[local].rank == leader)
            return &node->ranks[local];
    return NULL;
}

/* Whether another rank of the node can take the seat's place. */
static bool is_replaceable(const struct node *node, const struct rank_record *seat)
{
    for (uint32_t local = 0; local < node->local_size; local++)
        if (&node->ranks[local] != seat && atomic_load(&node->ranks[local].pid) != 0)
            return true;
    return false;
}

/* Whether a leader that has not ticked is at work all the same; called at every look. */
static bool leader_works(struct vigil *vigil, const struct rank_record *seat)
{
    pid_t pid = atomic_load(&seat->pid);
    struct procfs_process process;
    uint64_t before = vigil->cpu;

    if (pid == 0 || !procfs_process(pid, &process))
        return false;
    vigil->cpu = process.cpu;
    return process.cpu != before || procfs_is_busy(pid);
}

/* Under the seat's lock its pid is nobody else's. */
static void leader_kill(const struct vigil *vigil, struct actor *actor, struct rank_record *seat)
{
    pid_t pid;

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

/* Returns whether the node can hear others now, or will not any more. */
static bool leader_look(struct vigil *vigil, struct actor *actor)
{
    struct node *node = node_of(&actor->arena);
    struct rank_record *seat = leader_seat(&actor->arena);
    bool works = seat != NULL && leader_works(vigil, seat), replaceable;
    uint64_t ticks = atomic_load(&node->leader_ticks);
    bool ticked = ticks != vigil->ticks;

    vigil->ticks = ticks;
    vigil->still = ticked || works ? 0 : vigil->still + 1;
    replaceable = seat == NULL || is_replaceable(node, seat);
    if (seat != NULL && replaceable && vigil->still == vigil->still_most)
        leader_kill(vigil, actor, seat);
    return ticked || !(works || replaceable);
}

/* Returns whether the node is to be given up. */
static bool parent_look(struct vigil *vigil, const struct node *node, bool listened)
{
    uint64_t heard = atomic_load(&node->parent_heard);

    if (heard != vigil->heard)
        vigil->silent = vigil->deaf = 0;
    else if (listened)
        vigil->silent++;
    else
        vigil->deaf++;
    vigil->heard = heard;
    return node->number != NODE_OF_PARENT &&
           (vigil->silent >= vigil->silent_most || vigil->deaf >= vigil->deaf_most);
}

void vigil_keep(struct vigil *vigil, struct actor *actor)
{
    struct node *node = node_of(&actor->arena);

    if (clock_now() < vigil->next)
        return;
    vigil->next = clock_deadline(LOOK_MS);
    if (atomic_load(&node->state) != NODE_RUNNING) {
        vigil->next = CLOCK_FOREVER;
        return;
    }
    if (!parent_look(vigil, node, leader_look(vigil, actor)))
        return;
    log_error("node %u, %s: nothing was heard of the parent's node for %llu s: its ranks end",
              node->number, node->host, (unsigned long long)(vigil->silent + vigil->deaf));
    node_give_up(actor);
}
