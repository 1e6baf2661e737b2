/* The dict's way to other nodes: what a call asks (dict_remote.c), and what a node answers
 * (dict_serve.c). */
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

/* Where the parts of a request lie. Of several views in the data the key comes first, and what is
 * left after the others is the value. */
enum {
    DICT_WORD_HASH = 0,
    DICT_WORD_KEY = 1,      /* bytes of the key */
    DICT_WORD_MOST = 2,     /* the largest value that may come back */
    DICT_WORD_WHEN = 3,     /* enum dict_when */
    DICT_WORD_EXPECTED = 4, /* bytes of the expected value */
    DICT_WORD_AMOUNT = 5,   /* what is added */

    /* of the answer */
    DICT_WORD_SIZE = 0, /* the value's bytes, also when it is too long */
    DICT_WORD_STORED = 1,
    DICT_WORD_SUM = 2,
    DICT_WORD_PLACE = 3, /* of the entry at its home, and its bytes, see dict_seal.h */
    DICT_WORD_BYTES = 4
};

/* The same as the calls of dict_share.h, on the key's home or the named node. */
int dict_remote_put(struct actor *actor, uint64_t handle, const struct dict_put *put);
int dict_remote_default(struct actor *actor, uint64_t handle, const struct dict_put *put,
                        struct dict_buffer *found, bool *stored);
int dict_remote_delete(struct actor *actor, uint64_t handle, const struct dict_key *key,
                       const troupe_bytes *expected);
int dict_remote_fetch(struct actor *actor, uint64_t handle, const struct dict_key *key,
                      struct dict_buffer *value);
int dict_remote_pop(struct actor *actor, uint64_t handle, const struct dict_key *key,
                    struct dict_buffer *value);
int dict_remote_add(struct actor *actor, uint64_t handle, const struct dict_key *key,
                    int64_t amount, int64_t *sum);
int dict_remote_wait(struct actor *actor, uint64_t handle, const struct dict_key *key,
                     uint64_t deadline);
int dict_remote_next(struct actor *actor, uint64_t handle, int node, struct dict_position *position,
                     struct dict_buffer *key, struct dict_buffer *value);

/* Asks the nodes below `nodes`, but for our own, until one refuses or none is left. */
int dict_remote_ask(struct actor *actor, const struct request *request, int nodes, int *refused);

/* The failure of whoever meets a message that no node of this version sends. */
int dict_malformed(const char *what);

#endif
