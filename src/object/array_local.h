/* An array on its own node.
 *
 * What always holds:
 * - Type, length and the elements' block stay from the making to the end.
 * - The record's word is the array's lock (object/mutex.h), which guards nothing by itself.
 * - Nobody locks anything to use the elements. Who does names the record in its slot as work under
 *   way (RESUME_ARRAY_USE), and then looks whether the array is ending; who ends it says so first,
 *   and then looks for such names. Who is done changes the name (_LEAVE) before it looks whether
 *   the array has begun to end meanwhile. So whoever comes last frees the block, the one who ended
 *   the array or a user who was still at it, and if that one dies, its recovery does. */
#ifndef TROUPE_OBJECT_ARRAY_LOCAL_H
#define TROUPE_OBJECT_ARRAY_LOCAL_H

#include "core/table.h"
#include "troupe/troupe.h"

/* Elements from an index on, and the piece of them that a call moves. */
struct array_range {
    uint64_t index;
    uint64_t whole; /* bytes of all */
    uint64_t skip;  /* bytes before the piece */
    uint64_t bytes; /* of the piece */
};

/* options: a troupe_array_options, or NULL. */
int array_make(struct actor *actor, const void *options, uint64_t *handle);

int array_get(struct actor *actor, uint64_t handle, const struct array_range *range, void *to);
int array_set(struct actor *actor, uint64_t handle, const struct array_range *range,
              const void *from);

/* amount and sum are an int64_t or a double, by the type that the array must have. */
int array_add(struct actor *actor, uint64_t handle, uint64_t index, int type, uint64_t amount,
              uint64_t *sum);

/* expected and desired: the bytes of one element. */
int array_compare_and_set(struct actor *actor, uint64_t handle, uint64_t index, uint64_t expected,
                          uint64_t desired, uint64_t bytes);

int array_length(struct actor *actor, uint64_t handle, uint64_t *length);
int array_pointer(struct actor *actor, uint64_t handle, void **pointer);
int array_destroy(struct actor *actor, uint64_t handle);

/* Frees what is ending and used by nobody; place is the record's offset. For recovery, too. */
void array_end(struct actor *actor, uint64_t place);

#endif
