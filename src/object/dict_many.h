/* Many keys in one message: how they lie in it.
 *
 * A request is a row of items, each a header and what it announces; parts lie anywhere, so they are
 * copied out. Both sides cut: the caller after DICT_MANY_BYTES of items, the node after as many
 * bytes of answers, of which it tells how many there are in the answer's first word. Each message
 * carries one item at least, whatever its size. */
#ifndef TROUPE_OBJECT_DICT_MANY_H
#define TROUPE_OBJECT_DICT_MANY_H

#include "core/service.h"

#define DICT_MANY_BYTES ((size_t)128 << 10)

/* Before a key, and in set_many its value. */
struct dict_item {
    uint64_t hash;
    uint64_t key;   /* bytes */
    uint64_t value; /* bytes; in get_many the most that may come back */
};

/* Before a value in the answer of get_many; the value is there when result is TROUPE_OK. */
struct dict_found {
    int64_t result;
    uint64_t size;
};

int dict_serve_get_many(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell);
int dict_serve_set_many(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell);

#endif
