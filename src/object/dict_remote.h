/* The dict's way to other nodes: what a call asks, and what a node answers. */
#ifndef TROUPE_OBJECT_DICT_REMOTE_H
#define TROUPE_OBJECT_DICT_REMOTE_H

#include "core/service.h"
#include "core/world.h"
#include "object/dict_share.h"

/* The node that holds a key's entry: by the hash's high bits, which choose no bucket. */
static inline int dict_home(uint64_t hash)
{
    return (int)((hash >> 32) * (uint64_t)world_here.nodes >> 32);
}

/* The same as the calls of dict_share.h, on the key's home or the named node. */
int dict_remote_set(struct actor *actor, uint64_t handle, const struct dict_key *key,
                    troupe_bytes value);
int dict_remote_delete(struct actor *actor, uint64_t handle, const struct dict_key *key);
int dict_remote_get(struct actor *actor, uint64_t handle, const struct dict_key *key,
                    struct dict_buffer *value);
int dict_remote_next(struct actor *actor, uint64_t handle, int node, struct dict_position *position,
                     struct dict_buffer *key, struct dict_buffer *value);

/* Asks the nodes below `nodes`, but for our own, until one refuses or none is left. */
int dict_remote_ask(struct actor *actor, const struct request *request, int nodes, int *refused);

#endif
