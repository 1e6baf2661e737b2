/* GPUs to ranks: exactly for given cores, or simply in order. */
#include "topo/deal_parts.h"

#include <stdlib.h>
#include <string.h>

#include "troupe/troupe.h"

/* The number of incidences of ranks and GPUs. */
static size_t deal_pairs(const struct deal *deal)
{
    return deal->gpus_least == deal->gpus_most ? deal->ranks * deal->gpus_most : deal->pool_count;
}

/* costs[rank * pool_count + gpu]: the sum over the rank's cores. */
static void rank_costs(const struct deal *deal, int64_t *costs)
{
    memset(costs, 0, deal->ranks * deal->pool_count * sizeof *costs);
    for (size_t core = 0; core < deal->machine->cores_count; core++)
        for (size_t gpu = 0; gpu < deal->pool_count; gpu++)
            costs[deal->core_rank[core] * deal->pool_count + gpu] +=
                machine_distance(deal->machine, core, deal->pool[gpu]);
}

/* How far aside a GPU lies of where a rank would look for it if nothing else counted: each at its
 * share of the pool, or, when GPUs will stay idle, one beside the other from the first on. */
static size_t rank_aside(const struct deal *deal, size_t rank, size_t gpu)
{
    size_t ranks = deal->ranks, gpus = deal->pool_count;

    if (deal_pairs(deal) < gpus)
        return deal_difference((2 * rank + 1) * deal->gpus_most, 2 * gpu + 1);
    return deal_difference((2 * rank + 1) * gpus, (2 * gpu + 1) * ranks);
}

static int assign_network(const struct deal *deal, const int64_t *costs, struct flow *flow,
                          size_t *arcs)
{
    size_t ranks = deal->ranks, gpus = deal->pool_count, source = ranks + gpus, sink = source + 1;
    size_t pairs = deal_pairs(deal);
    int64_t scale = 1 + (int64_t)(pairs * 2 * ranks * gpus), reward = scale;
    int result = TROUPE_OK;

    for (size_t i = 0; i < ranks * gpus; i++)
        reward += costs[i] * scale;
    for (size_t rank = 0; rank < ranks && result == TROUPE_OK; rank++) {
        result = deal_bounded_arcs(flow, source, rank, deal->gpus_least, deal->gpus_most, reward);
        for (size_t gpu = 0; gpu < gpus && result == TROUPE_OK; gpu++) {
            int64_t cost = costs[rank * gpus + gpu] * scale;

            result =
                flow_arc_add(flow, rank, ranks + gpu, 1,
                             cost + (int64_t)rank_aside(deal, rank, gpu), &arcs[rank * gpus + gpu]);
        }
    }
    for (size_t gpu = 0; gpu < gpus && result == TROUPE_OK; gpu++)
        result = deal_bounded_arcs(flow, ranks + gpu, sink, pairs / gpus,
                                   pairs / gpus + (pairs % gpus > 0), reward);
    return result;
}

int deal_assign(struct deal *deal)
{
    size_t cells = deal->ranks * deal->pool_count;
    size_t *arcs = calloc(cells, sizeof *arcs);
    int64_t *costs = calloc(cells, sizeof *costs);
    struct flow flow = { 0 };
    int result = arcs != NULL && costs != NULL ? TROUPE_OK : deal_no_memory(deal);

    if (result == TROUPE_OK)
        result = flow_init(&flow, deal->ranks + deal->pool_count + 2);
    if (result == TROUPE_OK) {
        rank_costs(deal, costs);
        result = assign_network(deal, costs, &flow, arcs);
    }
    if (result == TROUPE_OK)
        result = flow_solve(&flow, flow.nodes - 2, flow.nodes - 1, NULL);
    for (size_t i = 0; i < cells && result == TROUPE_OK; i++)
        deal->has[i] = flow_on(&flow, arcs[i]) > 0;
    flow_fini(&flow);
    free(costs);
    free(arcs);
    return result;
}

void deal_assign_in_order(struct deal *deal)
{
    size_t gpus = deal->pool_count, ranks = deal->ranks;

    memset(deal->has, 0, ranks * gpus * sizeof *deal->has);
    if (deal->gpus_least != deal->gpus_most) {
        for (size_t gpu = 0; gpu < gpus; gpu++)
            deal->has[gpu * ranks / gpus * gpus + gpu] = true;
    } else if (deal->gpus_most == 1) {
        for (size_t rank = 0; rank < ranks; rank++)
            deal->has[rank * gpus + (ranks >= gpus ? rank * gpus / ranks : rank)] = true;
    } else {
        for (size_t i = 0; i < ranks * deal->gpus_most; i++)
            deal->has[i / deal->gpus_most * gpus + i % gpus] = true;
    }
}
