/* What a call to a list of another node and its answer share. */
#ifndef TROUPE_OBJECT_LIST_REMOTE_H
#define TROUPE_OBJECT_LIST_REMOTE_H

#include "object/list_local.h"

/* list_item_get or list_item_pop. */
typedef int (*list_taking)(struct actor *actor, uint64_t handle, int64_t index,
                           struct list_buffer *buffer);

/* Takes an item of at most `most` bytes into memory of its size, from malloc and the caller's. On
 * failure buffer->data is NULL. */
int list_take_alloc(struct actor *actor, uint64_t handle, int64_t index, list_taking here,
                    size_t most, struct list_buffer *buffer);

/* The failure of a message that cannot be one; what it was to do. */
int list_bad_request(const char *what);

#endif
