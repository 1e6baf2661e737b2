/* The two halves of a deal are transport problems: ranks to GPUs, and cores to ranks. Costs are
 * distances, scaled so that whole units of distance outweigh every preference among equals; the
 * preferences put neighbouring ranks on neighbouring GPUs, and make the result the only one. */
#include "topo/deal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "topo/flow.h"

/* Cores that are the same to every GPU, and on one NUMA node: dealt as one heap. */
struct heap {
    size_t first; /* a core of it */
    size_t count;
    size_t centre; /* twice the mean position of its cores */
};

struct heaps {
    struct heap *items;
    size_t count;
    size_t *of_core; /* [cores_count] */
};

static int no_memory(size_t ranks)
{
    return fail(TROUPE_NO_MEMORY, "topo: no memory for a plan of %zu ranks", ranks);
}

static size_t difference(size_t a, size_t b)
{
    return a > b ? a - b : b - a;
}

/* ---- the first cut ---------------------------------------------------------------------- */

/* Blocks of equal size, one after another. */
static void cut_even(struct deal *deal)
{
    size_t cores = deal->machine->cores_count;

    for (size_t i = 0; i < cores; i++)
        deal->core_rank[i] = ((i + 1) * deal->ranks - 1) / cores;
}

/* The cores from first on that share its NUMA node. */
static size_t run_length(const struct machine *machine, size_t first)
{
    size_t last = first;

    while (last < machine->cores_count && machine->cores[last].numa == machine->cores[first].numa)
        last++;
    return last - first;
}

/* Cuts each NUMA node's cores into whole ranks where the sizes allow it, so that no rank straddles
 * two nodes; false when they do not. A node of c cores holds m ranks of q or q + 1 cores exactly
 * when m * q <= c <= m * (q + 1). */
static bool cut_by_numa(struct deal *deal)
{
    const struct machine *machine = deal->machine;
    size_t share = machine->cores_count / deal->ranks, least = 0, most = 0, spare, rank = 0;

    for (size_t i = 0, run; i < machine->cores_count; i += run) {
        run = run_length(machine, i);
        least += (run + share) / (share + 1);
        most += run / share;
        if ((run + share) / (share + 1) > run / share)
            return false;
    }
    if (deal->ranks < least || deal->ranks > most)
        return false;
    spare = deal->ranks - least;
    for (size_t i = 0, run; i < machine->cores_count; i += run) {
        size_t here, extra;

        run = run_length(machine, i);
        here = (run + share) / (share + 1);
        extra = run / share - here < spare ? run / share - here : spare;
        here += extra;
        spare -= extra;
        for (size_t j = 0; j < run; j++)
            deal->core_rank[i + j] = rank + ((j + 1) * here - 1) / run;
        rank += here;
    }
    return true;
}

/* ---- ranks to GPUs ---------------------------------------------------------------------- */

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

/* Arcs of a node that must carry `least` and may carry `most`. What must be carried earns more than
 * everything else costs. */
static int bounded_arcs(struct flow *flow, size_t from, size_t to, size_t least, size_t most,
                        int64_t reward)
{
    int result = flow_arc_add(flow, from, to, (int64_t)least, -reward, NULL);

    if (result == TROUPE_OK && most > least)
        result = flow_arc_add(flow, from, to, (int64_t)(most - least), 0, NULL);
    return result;
}

/* How far aside a GPU lies of where a rank would look for it if nothing else counted: each at its
 * share of the pool, or, when GPUs will stay idle, one beside the other from the first on. */
static size_t rank_aside(const struct deal *deal, size_t rank, size_t gpu)
{
    size_t ranks = deal->ranks, gpus = deal->pool_count;

    if (deal_pairs(deal) < gpus)
        return difference((2 * rank + 1) * deal->gpus_most, 2 * gpu + 1);
    return difference((2 * rank + 1) * gpus, (2 * gpu + 1) * ranks);
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
        result = bounded_arcs(flow, source, rank, deal->gpus_least, deal->gpus_most, reward);
        for (size_t gpu = 0; gpu < gpus && result == TROUPE_OK; gpu++) {
            int64_t cost = costs[rank * gpus + gpu] * scale;

            result =
                flow_arc_add(flow, rank, ranks + gpu, 1,
                             cost + (int64_t)rank_aside(deal, rank, gpu), &arcs[rank * gpus + gpu]);
        }
    }
    for (size_t gpu = 0; gpu < gpus && result == TROUPE_OK; gpu++)
        result = bounded_arcs(flow, ranks + gpu, sink, pairs / gpus,
                              pairs / gpus + (pairs % gpus > 0), reward);
    return result;
}

/* Gives each rank its GPUs, exactly: for these cores there is no nearer balanced assignment. */
static int assign_gpus(struct deal *deal)
{
    size_t cells = deal->ranks * deal->pool_count;
    size_t *arcs = calloc(cells, sizeof *arcs);
    int64_t *costs = calloc(cells, sizeof *costs);
    struct flow flow = { 0 };
    int result = arcs != NULL && costs != NULL ? TROUPE_OK : no_memory(deal->ranks);

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

/* Without regard to distance: neighbours on neighbours. */
static void assign_in_order(struct deal *deal)
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

/* ---- cores to ranks --------------------------------------------------------------------- */

static bool same_heap(const struct deal *deal, size_t a, size_t b)
{
    const struct machine *machine = deal->machine;

    if (machine->cores[a].numa != machine->cores[b].numa ||
        machine->cores[a].package != machine->cores[b].package)
        return false;
    for (size_t gpu = 0; gpu < deal->pool_count; gpu++)
        if (machine_distance(machine, a, deal->pool[gpu]) !=
            machine_distance(machine, b, deal->pool[gpu]))
            return false;
    return true;
}

static int heaps_make(const struct deal *deal, struct heaps *heaps)
{
    size_t cores = deal->machine->cores_count;

    heaps->items = calloc(cores, sizeof *heaps->items);
    heaps->of_core = calloc(cores, sizeof *heaps->of_core);
    if (heaps->items == NULL || heaps->of_core == NULL)
        return no_memory(deal->ranks);
    for (size_t core = 0; core < cores; core++) {
        size_t heap = 0;

        while (heap < heaps->count && !same_heap(deal, heaps->items[heap].first, core))
            heap++;
        if (heap == heaps->count)
            heaps->items[heaps->count++].first = core;
        heaps->items[heap].count++;
        heaps->items[heap].centre += 2 * core;
        heaps->of_core[core] = heap;
    }
    for (size_t heap = 0; heap < heaps->count; heap++)
        heaps->items[heap].centre /= heaps->items[heap].count;
    return TROUPE_OK;
}

static void heaps_free(struct heaps *heaps)
{
    free(heaps->items);
    free(heaps->of_core);
}

static int64_t heap_cost(const struct deal *deal, size_t core, size_t rank)
{
    int64_t cost = 0;

    for (size_t gpu = 0; gpu < deal->pool_count; gpu++)
        if (deal->has[rank * deal->pool_count + gpu])
            cost += machine_distance(deal->machine, core, deal->pool[gpu]);
    return cost;
}

static int recut_network(const struct deal *deal, const struct heaps *heaps, struct flow *flow,
                         size_t *arcs)
{
    size_t ranks = deal->ranks, cores = deal->machine->cores_count;
    size_t source = heaps->count + ranks, sink = source + 1;
    int64_t scale = 1 + (int64_t)(cores * 2 * cores);
    int64_t farthest = MACHINE_FARTHEST * (int64_t)(deal->pool_count + 1);
    int64_t reward = scale * farthest * (int64_t)cores;
    int result = TROUPE_OK;

    for (size_t heap = 0; heap < heaps->count && result == TROUPE_OK; heap++) {
        const struct heap *item = &heaps->items[heap];

        result = flow_arc_add(flow, source, heap, (int64_t)item->count, 0, NULL);
        for (size_t rank = 0; rank < ranks && result == TROUPE_OK; rank++) {
            size_t aside = difference(item->centre, (2 * rank + 1) * cores / ranks);

            result = flow_arc_add(flow, heap, heaps->count + rank, (int64_t)item->count,
                                  heap_cost(deal, item->first, rank) * scale + (int64_t)aside,
                                  &arcs[heap * ranks + rank]);
        }
    }
    for (size_t rank = 0; rank < ranks && result == TROUPE_OK; rank++)
        result = bounded_arcs(flow, heaps->count + rank, sink, cores / ranks,
                              cores / ranks + (cores % ranks > 0), reward);
    return result;
}

/* Hands out each heap's cores to the ranks that are to get some, in order. */
static void recut_apply(struct deal *deal, const struct heaps *heaps, const struct flow *flow,
                        const size_t *arcs, int64_t *left)
{
    for (size_t heap = 0; heap < heaps->count; heap++) {
        size_t rank = 0;

        for (size_t i = 0; i < deal->ranks; i++)
            left[i] = flow_on(flow, arcs[heap * deal->ranks + i]);
        for (size_t core = 0; core < deal->machine->cores_count; core++) {
            if (heaps->of_core[core] != heap)
                continue;
            while (left[rank] == 0)
                rank++;
            deal->core_rank[core] = rank;
            left[rank]--;
        }
    }
}

/* Gives each rank its cores, exactly: for these GPUs there is no nearer balanced cut. */
static int recut_cores(struct deal *deal)
{
    struct heaps heaps = { 0 };
    struct flow flow = { 0 };
    size_t *arcs = NULL;
    int64_t *left = calloc(deal->ranks, sizeof *left);
    int result = left != NULL ? heaps_make(deal, &heaps) : no_memory(deal->ranks);

    if (result == TROUPE_OK) {
        arcs = calloc(heaps.count * deal->ranks, sizeof *arcs);
        result =
            arcs != NULL ? flow_init(&flow, heaps.count + deal->ranks + 2) : no_memory(deal->ranks);
    }
    if (result == TROUPE_OK)
        result = recut_network(deal, &heaps, &flow, arcs);
    if (result == TROUPE_OK)
        result = flow_solve(&flow, flow.nodes - 2, flow.nodes - 1, NULL);
    if (result == TROUPE_OK)
        recut_apply(deal, &heaps, &flow, arcs, left);
    flow_fini(&flow);
    heaps_free(&heaps);
    free(arcs);
    free(left);
    return result;
}

/* ---- the deal --------------------------------------------------------------------------- */

static int deal_allocate(struct deal *deal)
{
    size_t cores = deal->machine->cores_count;

    if (deal->ranks <= cores) {
        deal->core_rank = calloc(cores, sizeof *deal->core_rank);
        if (deal->core_rank == NULL)
            return no_memory(deal->ranks);
    }
    deal->has = calloc(deal->ranks * deal->pool_count + 1, sizeof *deal->has);
    return deal->has != NULL ? TROUPE_OK : no_memory(deal->ranks);
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
        result = recut_cores(&next);
        if (result == TROUPE_OK)
            result = assign_gpus(&next);
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

    if (!cut_by_numa(deal))
        cut_even(deal);
    if (deal->pool_count == 0)
        return TROUPE_OK;
    result = assign_gpus(deal);
    return result == TROUPE_OK ? deal_improve(deal) : result;
}

/* From the GPUs: hand them out in order, then give each the nearest cores. */
static int deal_from_gpus(struct deal *deal)
{
    int result;

    assign_in_order(deal);
    result = recut_cores(deal);
    if (result == TROUPE_OK)
        result = assign_gpus(deal);
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
        assign_in_order(&made);
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
        cut_even(naive);
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
        sum += (uint64_t)heap_cost(deal, core, deal->core_rank[core]);
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
