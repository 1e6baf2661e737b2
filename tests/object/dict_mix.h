/* Random operations of all kinds on a dict by one of several workers, against a reference.
 *
 * A worker owns its keys: nobody else changes them, so it knows what every call must return. Half
 * of the operations are on a few keys that all workers change: their values tell by themselves
 * whether they are whole, and one is a counter, whose sum must be that of all additions. It uses
 * the public calls alone, so a worker may be a thread, a process, or a rank of another node. */
#ifndef TROUPE_TESTS_OBJECT_DICT_MIX_H
#define TROUPE_TESTS_OBJECT_DICT_MIX_H

#include "troupe/troupe.h"

#include <stdbool.h>

enum { MIX_KEYS = 1000, MIX_SHARED_KEYS = 8 };

/* What a worker knows. It may lie in memory that outlives the worker. */
struct mix_reference {
    volatile uint64_t editions[MIX_KEYS]; /* what stands under each key; 0: nothing */
    uint64_t next;                        /* the last edition given out */
    volatile uint64_t added;              /* to the common counter, as far as acknowledged */
    uint64_t unsure; /* additions of which nobody knows whether they were done */
    uint64_t faults;

    /* What the operation under way makes of some keys, as soon as it is done. */
    volatile struct {
        uint64_t key, count, edition, added;
    } pending;
};

struct mix {
    troupe_dict dict;
    int worker;
    struct mix_reference *reference;
    uint64_t random;
    unsigned char *buffer, *expected;
};

/* False without memory. The reference is the caller's, zeroed. */
bool mix_begin(struct mix *mix, troupe_dict dict, int worker, struct mix_reference *reference);
void mix_end(struct mix *mix);

/* Does so many operations; counts those that did not do what they should, and tells of the first.
 */
void mix_run(struct mix *mix, long operations);

/* Looks at each of the worker's keys: whether what stands there was acknowledged, or is what the
 * operation under way would make. Returns the entries that stand, or -1 after a line on stderr. */
long mix_count(struct mix *mix);

/* Takes what stands under its keys, after mix_count, for acknowledged: the worker died in the
 * middle of an operation, and another one goes on in its place. */
void mix_accept(struct mix *mix);

/* The common counter; 0 when nobody has added. */
int64_t mix_sum(troupe_dict dict);

/* The entries of common keys, the counter included. */
long mix_count_shared(troupe_dict dict);

#endif
