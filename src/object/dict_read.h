/* Looking at one bucket without its lock. */
#ifndef TROUPE_OBJECT_DICT_READ_H
#define TROUPE_OBJECT_DICT_READ_H

#include "object/dict_share.h"

/* A bucket as it was found. Nothing read through it is true before the whole look is. */
struct reading {
    const struct share *share;
    const struct bucket *bucket;
    uint64_t buckets; /* the state at the time */
    uint64_t version;
    uint64_t more;
};

/* What a look returns when it met something that no whole bucket holds. */
#define LOOK_AGAIN 1

/* Looks at a bucket: returns LOOK_AGAIN or anything that makes sense to its caller. It may run
 * several times and sets nothing that the next run does not set anew. */
typedef int (*dict_look_at)(const struct reading *reading, void *context);

/* Looks at the bucket of a hash until what was seen is whole, and returns what the look returned;
 * or TROUPE_BAD_HANDLE when the dict is gone. After some vain looks it takes the bucket's lock,
 * which also recovers a writer that died. */
int dict_look(const struct share *share, uint64_t hash, dict_look_at look, void *context);

/* Whether all that was read so far is whole. */
bool reading_holds(const struct reading *reading);

/* The word of a cell, or 0. */
uint64_t reading_cell(const struct reading *reading, uint32_t at);

/* The entry of a cell with its sizes, or NULL when there cannot be one. */
const struct entry *reading_entry(const struct reading *reading, uint64_t cell, uint64_t *sizes);

#endif
