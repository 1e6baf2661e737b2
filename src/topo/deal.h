/* Dealing cores and GPUs to ranks: balanced first, near second.
 *
 * What always holds of a deal: GPU loads differ by at most one, and so do the ranks' numbers of
 * cores and of GPUs; every core belongs to one rank, or, when there are more ranks than cores, to
 * none. Among such deals it is one of least total distance: for fixed cores the GPUs are assigned
 * exactly, for fixed GPUs the cores are, in turns until neither improves. */
#ifndef TROUPE_TOPO_DEAL_H
#define TROUPE_TOPO_DEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "topo/machine.h"

struct deal {
    const struct machine *machine;
    const size_t *pool; /* [pool_count] positions in machine.gpus, in the order to hand them out */
    size_t pool_count;
    size_t ranks;
    size_t gpus_least, gpus_most; /* per rank */
    size_t *core_rank;            /* [cores_count]; NULL when ranks share all cores */
    bool *has;                    /* [ranks * pool_count] */
};

/* Deals a machine's cores and a pool of its GPUs.
 *
 * gpus_per_rank  0: one for each rank, or all GPUs spread where there are fewer ranks
 * deal           freed by deal_free; keeps machine and pool by pointer
 * Returns        TROUPE_OK
 *                TROUPE_BAD_ARGUMENT  gpus_per_rank exceeds the pool
 *                TROUPE_NO_MEMORY */
int deal_make(const struct machine *machine, const size_t *pool, size_t pool_count, size_t ranks,
              size_t gpus_per_rank, struct deal *deal);

/* What local_rank % n and equal blocks of cores would give: the yardstick of the score. */
int deal_make_naive(const struct deal *like, struct deal *naive);

/* The sum of the distances of each core to each GPU of its rank. */
uint64_t deal_distance(const struct deal *deal);

/* 1 when every core is beside its rank's GPUs, 0 when each is as far as can be. */
double deal_score(const struct deal *deal);

void deal_free(struct deal *deal);

#endif
