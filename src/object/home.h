/* The way to an object that lives on one node, its home: there everybody works on it in the arena;
 * from elsewhere a call asks that node's service, which does the same there. */
#ifndef TROUPE_OBJECT_HOME_H
#define TROUPE_OBJECT_HOME_H

#include "core/service.h"
#include "core/table.h"
#include "core/world.h"

static inline bool home_is_here(uint64_t handle)
{
    return handle_node(handle) == world_here.node;
}

/* Asks the home of request->object.
 *
 * deadline    as service_call's
 * answer      its data is the caller's, from malloc; all zero when there is none
 * Returns     TROUPE_BAD_HANDLE for a handle of another kind; else what service_call returns */
int home_ask(struct actor *actor, enum object_kind kind, const struct request *request,
             uint64_t deadline, struct answer *answer);

/* A whole call that takes nothing but the handle: here by `local`, elsewhere by `op`. */
int home_do(uint64_t handle, enum object_kind kind, enum service_op op,
            int (*local)(struct actor *actor, uint64_t handle));

/* The same for a destroy: afterwards the object's name is free, if it had one. */
int home_end(uint64_t handle, enum object_kind kind, enum service_op op,
             int (*local)(struct actor *actor, uint64_t handle));

/* The same for a call that answers with one number, in the answer's first word. */
int home_count(uint64_t handle, enum object_kind kind, enum service_op op,
               int (*local)(struct actor *actor, uint64_t handle, uint64_t *count),
               uint64_t *count);

/* The deadline of a public timeout. */
uint64_t home_deadline(long timeout_ms);

#endif
