/* What processes leave behind when they have gone, if anything: descriptors, threads, children and
 * zombies of the parent, descriptors of rank 0, and what the arena holds. */
#ifndef TROUPE_TESTS_WORLD_FOOTPRINT_H
#define TROUPE_TESTS_WORLD_FOOTPRINT_H

#include <stdint.h>

struct footprint {
    int own_descriptors, rank_descriptors, threads, children;
    uint64_t linked_bytes, flight_blocks;
};

/* Of the parent, which calls it; one process is run on rank 0. */
struct footprint footprint_take(void);

/* Nothing grew. Threads of keepers may still be on their way out: they are not compared. */
void footprint_assert_same(const struct footprint *before, const struct footprint *after);

#endif
