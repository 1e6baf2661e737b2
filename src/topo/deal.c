/* The two halves of a deal are transport problems: ranks to GPUs, and cores to ranks. Costs are
 * distances, scaled so that whole units of distance outweigh every preference among equals; the
 * preferences put neighbouring ranks on neighbouring GPUs, and make the result the only one. */
#include "topo/deal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "topo/deal_parts.h"

int deal_no_memory(const struct deal *deal)
{
    return fail(TROUPE_NO_MEMORY, "topo: no memory for a plan of %zu ranks", deal->ranks);
}

int64_t deal_core_cost(const struct deal *deal, size_t core, size_t rank)
{
    int64_t cost = 0;

    for (size_t gpu = 0; gpu < deal->pool_count; gpu++)
        if (deal->has[rank * deal->pool_count + gpu])
            cost += machine_distance(deal->machine, core, deal->pool[gpu]);
    return cost;
}

int deal_bounded_arcs(struct flow *flow, size_t from, size_t to, size_t least, size_t most,
                      int64_t reward)
{
    int result = flow_arc_add(flow, from, to, (int64_t)least, -reward, NULL);

    if (result == TROUPE_OK && most > least)
        result = flow_arc_add(flow, from, to, (int64_t)(most - least), 0, NULL);
    return result;
}

static int deal_allocate(struct deal *deal)
{
    size_t cores = deal->machine->cores_count;

    if (deal->ranks <= cores) {
        deal->core_rank = calloc(cores, sizeof *deal->core_rank);
        if (deal->core_rank == NULL)
            return deal_no_memory(deal);
    }
    deal->has = calloc(deal->ranks * deal->pool_count + 1, sizeof *deal->has);
    return deal->has != NULL ? TROUPE_OK : deal_no_memory(deal);
}

static int deal_copy(const struct deal *from, struct deal *to)
{
    int result;

    *to = *from;
    to->core_rank = NULL;
    to->has = NULL;
    result = deal_allocate(to);
    if (result != TROUPE_OK) {
        deal_free(to);
        return result;
    }
    if (from->core_rank != NULL)
        memcpy(to->core_rank, from->core_rank, from->machine->cores_count * sizeof *to->core_rank);
    memcpy(to->has, from->has, from->ranks * from->pool_count * sizeof *to->has);
    return TROUPE_OK;
}

/* Cores, then GPUs, in turns, while the distance shrinks. A turn that only equals is not taken:
 * the first cut keeps ranks on one NUMA node where it can. */
static int deal_improve(struct deal *deal)
{
    int result = TROUPE_OK;
    bool better = true;

    while (better && result == TROUPE_OK) {
        struct deal next;

        result = deal_copy(deal, &next);
        if (result != TROUPE_OK)
            return result;
        result = deal_recut(&next);
        if (result == TROUPE_OK)
            result = deal_assign(&next);
        better = result == TROUPE_OK && deal_distance(&next) < deal_distance(deal);
        if (better) {
            struct deal old = *deal;

            *deal = next;
            next = old;
        }
        deal_free(&next);
    }
    return result;
}

/* From the cores: cut them, then give each block the nearest GPUs. */
static int deal_from_cores(struct deal *deal)
{
    int result;

    deal_cut(deal);
    if (deal->pool_count == 0)
        return TROUPE_OK;
    result = deal_assign(deal);
    return result == TROUPE_OK ? deal_improve(deal) : result;
}

/* From the GPUs: hand them out in order, then give each the nearest cores. */
static int deal_from_gpus(struct deal *deal)
{
    int result;

    deal_assign_in_order(deal);
    result = deal_recut(deal);
    if (result == TROUPE_OK)
        result = deal_assign(deal);
    return result == TROUPE_OK ? deal_improve(deal) : result;
}

/* Turns can end where only a change of both at once would help; a second start from the other side
 * ends elsewhere, and the nearer of the two is taken. */
static int deal_search(struct deal *deal)
{
    struct deal other;
    int result = deal_from_cores(deal);

    if (result != TROUPE_OK || deal->pool_count == 0 || deal_distance(deal) == 0)
        return result;
    result = deal_copy(deal, &other);
    if (result != TROUPE_OK)
        return result;
    result = deal_from_gpus(&other);
    if (result == TROUPE_OK && deal_distance(&other) < deal_distance(deal)) {
        struct deal old = *deal;

        *deal = other;
        other = old;
    }
    deal_free(&other);
    return result;
}

int deal_make(const struct machine *machine, const size_t *pool, size_t pool_count, size_t ranks,
              size_t gpus_per_rank, struct deal *deal)
{
    struct deal made = {
        .machine = machine, .pool = pool, .pool_count = pool_count, .ranks = ranks
    };
    int result;

    if (gpus_per_rank > pool_count && pool_count > 0)
        return fail(TROUPE_BAD_ARGUMENT,
                    "gpus-per-rank %zu: %s offers %zu GPUs; ask for at most that many",
                    gpus_per_rank, machine->name, pool_count);
    made.gpus_least = made.gpus_most = gpus_per_rank > 0 ? gpus_per_rank : 1;
    if (gpus_per_rank == 0 && pool_count > ranks) {
        made.gpus_least = pool_count / ranks;
        made.gpus_most = made.gpus_least + (pool_count % ranks > 0);
    }
    result = deal_allocate(&made);
    if (result == TROUPE_OK && made.core_rank != NULL)
        result = deal_search(&made);
    else if (result == TROUPE_OK && pool_count > 0)
        deal_assign_in_order(&made);
    if (result == TROUPE_OK)
        *deal = made;
    else
        deal_free(&made);
    return result;
}

int deal_make_naive(const struct deal *like, struct deal *naive)
{
    size_t gpus = like->pool_count;
    int result = deal_copy(like, naive);

    if (result != TROUPE_OK)
        return result;
    if (naive->core_rank != NULL)
        deal_cut_even(naive);
    memset(naive->has, 0, naive->ranks * gpus * sizeof *naive->has);
    for (size_t rank = 0; rank < naive->ranks; rank++)
        for (size_t i = 0, next = rank; i < gpus; i++)
            if (like->has[rank * gpus + i]) {
                naive->has[rank * gpus + next % gpus] = true;
                next += naive->ranks;
            }
    return TROUPE_OK;
}

uint64_t deal_distance(const struct deal *deal)
{
    uint64_t sum = 0;

    if (deal->core_rank == NULL)
        return 0;
    for (size_t core = 0; core < deal->machine->cores_count; core++)
        sum += (uint64_t)deal_core_cost(deal, core, deal->core_rank[core]);
    return sum;
}

double deal_score(const struct deal *deal)
{
    uint64_t pairs = 0;

    for (size_t core = 0; deal->core_rank != NULL && core < deal->machine->cores_count; core++)
        for (size_t gpu = 0; gpu < deal->pool_count; gpu++)
            pairs += deal->has[deal->core_rank[core] * deal->pool_count + gpu];
    return pairs > 0 ? 1.0 - (double)deal_distance(deal) / (double)(pairs * MACHINE_FARTHEST) : 1.0;
}

void deal_free(struct deal *deal)
{
    free(deal->core_rank);
    free(deal->has);
    deal->core_rank = NULL;
    deal->has = NULL;
}
