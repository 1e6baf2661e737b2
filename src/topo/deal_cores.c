/* Cores to ranks: a first cut, and the exact one for given GPUs. */
#include "topo/deal_parts.h"

#include <stdlib.h>

#include "troupe/troupe.h"

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

/* ---- the first cut ---------------------------------------------------------------------- */

void deal_cut_even(struct deal *deal)
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

void deal_cut(struct deal *deal)
{
    if (!cut_by_numa(deal))
        deal_cut_even(deal);
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
        return deal_no_memory(deal);
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
            size_t aside = deal_difference(item->centre, (2 * rank + 1) * cores / ranks);

            result = flow_arc_add(flow, heap, heaps->count + rank, (int64_t)item->count,
                                  deal_core_cost(deal, item->first, rank) * scale + (int64_t)aside,
                                  &arcs[heap * ranks + rank]);
        }
    }
    for (size_t rank = 0; rank < ranks && result == TROUPE_OK; rank++)
        result = deal_bounded_arcs(flow, heaps->count + rank, sink, cores / ranks,
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

int deal_recut(struct deal *deal)
{
    struct heaps heaps = { 0 };
    struct flow flow = { 0 };
    size_t *arcs = NULL;
    int64_t *left = calloc(deal->ranks, sizeof *left);
    int result = left != NULL ? heaps_make(deal, &heaps) : deal_no_memory(deal);

    if (result == TROUPE_OK) {
        arcs = calloc(heaps.count * deal->ranks, sizeof *arcs);
        result =
            arcs != NULL ? flow_init(&flow, heaps.count + deal->ranks + 2) : deal_no_memory(deal);
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
