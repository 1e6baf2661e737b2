/* The roll: where each rank stands, told by the ranks themselves once the world is there. Workers
 * take their rank's place over: its processors and its GPUs. */
#ifndef TROUPE_LAUNCH_MAP_ROLL_H
#define TROUPE_LAUNCH_MAP_ROLL_H

#include <stdbool.h>
#include <stdint.h>

#include "troupe/troupe.h"

enum { ROLL_CPU_WORDS = 16, ROLL_MASK_SIZE = 1024 };

struct roll_place {
    uint32_t rank, node;
    uint32_t gpus;
    bool has_mask;
    char mask[ROLL_MASK_SIZE];     /* CUDA_VISIBLE_DEVICES */
    uint64_t cpus[ROLL_CPU_WORDS]; /* a bit for each processor; none: not known */
    char host[TROUPE_HOST_SIZE];
};

struct roll {
    struct roll_place *places; /* [size] by rank */
    uint32_t size;
    const char **hosts; /* [nodes] by node */
    uint32_t nodes;
};

/* Returns     TROUPE_OK, or as troupe_process_start; a rank that has ended meanwhile is on its node
 *             without processors of its own */
int roll_call(struct roll *roll);
void roll_free(struct roll *roll);

#endif
