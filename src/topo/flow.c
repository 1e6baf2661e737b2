/* Successive shortest paths, each found by Bellman and Ford's rule with a queue: networks here have
 * a few hundred nodes, and negative costs come for free. The result is exact. */
#include "topo/flow.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

struct search {
    int64_t *distance;
    size_t *by; /* the arc that reached the node */
    size_t *queue;
    bool *queued;
};

int flow_init(struct flow *flow, size_t nodes)
{
    *flow = (struct flow){ .nodes = nodes, .first = malloc(nodes * sizeof *flow->first) };
    if (flow->first == NULL)
        return fail(TROUPE_NO_MEMORY, "topo: no memory for a network of %zu nodes", nodes);
    for (size_t i = 0; i < nodes; i++)
        flow->first[i] = FLOW_NONE;
    return TROUPE_OK;
}

static int flow_reserve(struct flow *flow)
{
    size_t capacity = flow->arcs_capacity > 0 ? flow->arcs_capacity * 2 : 64;
    struct flow_arc *arcs;

    if (flow->arcs_count + 2 <= flow->arcs_capacity)
        return TROUPE_OK;
    arcs = realloc(flow->arcs, capacity * sizeof *arcs);
    if (arcs == NULL)
        return fail(TROUPE_NO_MEMORY, "topo: no memory for a network of %zu arcs", capacity);
    flow->arcs = arcs;
    flow->arcs_capacity = capacity;
    return TROUPE_OK;
}

int flow_arc_add(struct flow *flow, size_t from, size_t to, int64_t capacity, int64_t cost,
                 size_t *arc)
{
    int result = flow_reserve(flow);

    if (result != TROUPE_OK)
        return result;
    if (arc != NULL)
        *arc = flow->arcs_count;
    flow->arcs[flow->arcs_count] = (struct flow_arc){ to, flow->first[from], capacity, cost };
    flow->first[from] = flow->arcs_count++;
    flow->arcs[flow->arcs_count] = (struct flow_arc){ from, flow->first[to], 0, -cost };
    flow->first[to] = flow->arcs_count++;
    return TROUPE_OK;
}

/* The cheapest path with room; false when there is none. The queue is a ring: a node stands in it
 * once at most. */
static bool path_find(const struct flow *flow, struct search *search, size_t source, size_t sink)
{
    size_t head = 0, waiting = 1;

    for (size_t i = 0; i < flow->nodes; i++) {
        search->distance[i] = INT64_MAX;
        search->queued[i] = false;
    }
    search->distance[source] = 0;
    search->queue[0] = source;
    while (waiting > 0) {
        size_t node = search->queue[head];

        head = (head + 1) % flow->nodes;
        waiting--;
        search->queued[node] = false;
        for (size_t i = flow->first[node]; i != FLOW_NONE; i = flow->arcs[i].next) {
            const struct flow_arc *arc = &flow->arcs[i];

            if (arc->room == 0 || search->distance[node] + arc->cost >= search->distance[arc->to])
                continue;
            search->distance[arc->to] = search->distance[node] + arc->cost;
            search->by[arc->to] = i;
            if (!search->queued[arc->to]) {
                search->queue[(head + waiting++) % flow->nodes] = arc->to;
                search->queued[arc->to] = true;
            }
        }
    }
    return search->distance[sink] != INT64_MAX;
}

static int64_t path_fill(struct flow *flow, const struct search *search, size_t source, size_t sink)
{
    int64_t least = INT64_MAX;

    for (size_t node = sink; node != source; node = flow->arcs[search->by[node] ^ 1].to)
        if (flow->arcs[search->by[node]].room < least)
            least = flow->arcs[search->by[node]].room;
    for (size_t node = sink; node != source; node = flow->arcs[search->by[node] ^ 1].to) {
        flow->arcs[search->by[node]].room -= least;
        flow->arcs[search->by[node] ^ 1].room += least;
    }
    return least;
}

int flow_solve(struct flow *flow, size_t source, size_t sink, int64_t *amount)
{
    struct search search = { malloc(flow->nodes * sizeof *search.distance),
                             malloc(flow->nodes * sizeof *search.by),
                             malloc(flow->nodes * sizeof *search.queue),
                             malloc(flow->nodes * sizeof *search.queued) };
    int64_t sent = 0;
    int result = TROUPE_OK;

    if (search.distance == NULL || search.by == NULL || search.queue == NULL ||
        search.queued == NULL)
        result = fail(TROUPE_NO_MEMORY, "topo: no memory to search %zu nodes", flow->nodes);
    else
        while (path_find(flow, &search, source, sink))
            sent += path_fill(flow, &search, source, sink);
    free(search.distance);
    free(search.by);
    free(search.queue);
    free(search.queued);
    if (result == TROUPE_OK && amount != NULL)
        *amount = sent;
    return result;
}

int64_t flow_on(const struct flow *flow, size_t arc)
{
    return flow->arcs[arc ^ 1].room;
}

void flow_fini(struct flow *flow)
{
    free(flow->first);
    free(flow->arcs);
    memset(flow, 0, sizeof *flow);
}
