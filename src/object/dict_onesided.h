/* Gets that read the other node's memory themselves (docs/decisions/one-sided-reads.md).
 *
 * A node tells with the answer to a get where the entry lies. The process remembers that, and the
 * next get of the key is one read of that memory, which the entry's seal proves; what it does not
 * prove is asked for again by message, and the place learnt anew. */
#ifndef TROUPE_OBJECT_DICT_ONESIDED_H
#define TROUPE_OBJECT_DICT_ONESIDED_H

#include "object/dict_seal.h"

#define DICT_ASK 1 /* the key's home has to be asked */

/* Whether this process reads so at all. */
bool dict_onesided_is_on(void);

/* TROUPE_OK or TROUPE_TOO_LONG as dict_share_fetch would say there, or DICT_ASK. */
int dict_onesided_fetch(struct actor *actor, uint64_t handle, const struct dict_key *key,
                        struct dict_buffer *value);

/* Takes what a key's home told: where its entry lies, or that there is nothing to read. */
void dict_onesided_learn(uint64_t handle, const struct dict_key *key,
                         const struct dict_place *place);

/* What became of this process's attempts. */
struct dict_onesided_counts {
    uint64_t read;    /* answered by a read */
    uint64_t refused; /* read, but not proved: replaced or removed meanwhile */
    uint64_t late;    /* no read could be had in time */
};
void dict_onesided_count(struct dict_onesided_counts *counts);

#endif
