/* Docks: where bulk that another node sends lands in the arena itself, in the block that will keep
 * it, rather than in memory of this process from where it would be copied.
 *
 * What always holds: a dock is an actor of its own with at most one block in flight, and whoever
 * applies the request that landed there does so with that actor, so a commit or an abort of
 * somebody else's has nothing to do with the block. If the process dies, recovery frees it with the
 * slot. One thread of the rank that leads its node, which has the engine's turn, comes here. */
#ifndef TROUPE_CORE_DOCK_H
#define TROUPE_CORE_DOCK_H

#include "core/service.h"
#include "core/slot.h"

#include <stdbool.h>

struct dock {
    struct actor actor;
    uint64_t block; /* in flight with the actor until the request is applied */
    unsigned char *data;
    bool open, taken;
};

/* Has requests of this kind, if their data comes in bulk, land so many bytes behind the beginning
 * of a block. Their handler finds the block in request.landed. */
void dock_allow(enum service_op op, size_t head);

/* From here on there are docks in this arena. */
void dock_begin(const struct arena *arena);

/* A dock with a block for the data of a request; NULL when it has no place there: the request is of
 * another kind, every dock is taken, or the arena is full. */
struct dock *dock_take(uint32_t op, uint64_t bytes);

/* The request is over. Frees the block, unless it was linked. */
void dock_give(struct dock *dock);

/* Gives the slots back. A dock that is taken keeps its own: MPI may still write there. */
void dock_end(void);

#endif
