/* This process's place in the world: its role, its view of the node's arena, its threads' actors.
 *
 * What always holds: a process joins once (world_join, world_rejoin) and leaves once; between the
 * two every thread that calls in gets an actor of its own, given back when the thread ends. A child
 * made by a bare fork() has no actor: it must not touch the arena with its parent's identity, so
 * every entry point refuses with TROUPE_FORKED there. */
#ifndef TROUPE_CORE_WORLD_H
#define TROUPE_CORE_WORLD_H

#include "core/slot.h"

enum world_role {
    WORLD_NONE = 0,
    WORLD_PARENT = 1, /* runs the user's main */
    WORLD_KEEPER = 2,
    WORLD_RANK = 3,
    WORLD_SPAWN = 4, /* a fresh process */
    WORLD_SPMD = 5,  /* troupe_attach: a rank that runs the user's main */
    WORLD_FORK = 6   /* a child of one of the others (TROUPE_METHOD_FORK) */
};

struct world {
    enum world_role role;
    int rank; /* -1 in the parent and in keepers */
    int size;
    int node, nodes;
    struct arena arena;
};

/* The calling process's world; role WORLD_NONE outside. Constant between join and leave. */
extern struct world world_here;

/* Takes the process's first slot and makes the world current. arena is copied. */
int world_join(const struct world *world, struct actor **actor);

/* Makes a forked child a party of its own, with a slot of its own; until then it has none. The
 * child keeps its caller's node, and belongs to a rank. */
int world_rejoin(int rank, struct actor **actor);

/* Gives the calling thread's slot back; other threads must have ended or never called in. */
void world_leave(void);

/* What every public function calls first: the calling thread's actor.
 *
 * Returns     TROUPE_OK, TROUPE_NOT_RUNNING, TROUPE_FORKED, TROUPE_FULL (no slot left) */
int world_enter(struct actor **actor);

#endif
