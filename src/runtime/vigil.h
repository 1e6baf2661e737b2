/* The vigil: the first keeper of each node looks every second whether the node's leader still runs,
 * and whether it still hears the parent's node.
 *
 * A leader that stands still, stopped or held by a debugger, speaks for nobody. While the node has
 * another rank it is ended, seen gone as any rank is, and another one leads; should it have been
 * about to go on, it cannot do any harm. One that is slow is left alone: a page of new memory may
 * take its time (a busy hypervisor, swap), and who waits for that uses a core or waits in the
 * kernel.
 *
 * A node that hears nothing of the parent's is cut off or given up: its ranks end, so that none
 * stays for ever. Both come before the parent's node gives this one up for its silence
 * (TROUPE_SILENCE, core/signs.h). Looks are counted, not seconds: a host that stood still as a
 * whole has missed nothing. */
#ifndef TROUPE_RUNTIME_VIGIL_H
#define TROUPE_RUNTIME_VIGIL_H

#include "core/node.h"

struct vigil {
    uint64_t next;         /* when to look again; CLOCK_FOREVER: this keeper does not */
    uint64_t ticks, heard; /* what the node's record said at the last look that changed */
    uint64_t cpu;          /* what its leader had used at the last look */
    uint64_t still;        /* looks since the leader ticked, or was slow */
    uint64_t silent, deaf; /* looks since the parent's node was heard: while somebody listened, or
                              never will; and while the leader was slow, or is to be replaced */
    uint64_t still_most, silent_most, deaf_most;
};

void vigil_begin(struct vigil *vigil, const struct node *node, int local);

/* When vigil_keep is to be called next. */
static inline uint64_t vigil_deadline(const struct vigil *vigil)
{
    return vigil->next;
}

/* Looks, if it is time. */
void vigil_keep(struct vigil *vigil, struct actor *actor);

#endif
