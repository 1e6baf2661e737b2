/* The steps of a deal, for deal.c alone: each sets one half of it, and leaves the other. */
#ifndef TROUPE_TOPO_DEAL_PARTS_H
#define TROUPE_TOPO_DEAL_PARTS_H

#include "topo/deal.h"
#include "topo/flow.h"

/* Records that memory ran out; returns TROUPE_NO_MEMORY. */
int deal_no_memory(const struct deal *deal);

/* Cuts the cores into blocks, on NUMA nodes' borders where that is balanced. */
void deal_cut(struct deal *deal);

/* Cuts the cores into blocks of equal size, one after another. */
void deal_cut_even(struct deal *deal);

/* Gives each rank its cores, exactly: for these GPUs there is no nearer balanced cut. */
int deal_recut(struct deal *deal);

/* Gives each rank its GPUs, exactly: for these cores there is no nearer balanced assignment. */
int deal_assign(struct deal *deal);

/* Gives each rank its GPUs without regard to distance: neighbours on neighbours. */
void deal_assign_in_order(struct deal *deal);

/* The distance of a core to all GPUs of a rank. */
int64_t deal_core_cost(const struct deal *deal, size_t core, size_t rank);

/* Adds arcs that must carry `least` and may carry `most`: what must be carried earns the reward,
 * which is to exceed all that anything else costs. */
int deal_bounded_arcs(struct flow *flow, size_t from, size_t to, size_t least, size_t most,
                      int64_t reward);

static inline size_t deal_difference(size_t a, size_t b)
{
    return a > b ? a - b : b - a;
}

#endif
