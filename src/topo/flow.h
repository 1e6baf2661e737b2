/* Least-cost flow: the exact solver under every assignment of a plan.
 *
 * A network of numbered nodes with arcs of a capacity and a cost per unit; costs may be negative as
 * long as no circle of arcs has a negative sum. All is integer, so what it finds is whole units. */
#ifndef TROUPE_TOPO_FLOW_H
#define TROUPE_TOPO_FLOW_H

#include <stddef.h>
#include <stdint.h>

struct flow_arc {
    size_t to;
    size_t next; /* the node's next arc, or FLOW_NONE */
    int64_t room;
    int64_t cost;
};

#define FLOW_NONE ((size_t)-1)

struct flow {
    size_t nodes;
    size_t *first;         /* [nodes] */
    struct flow_arc *arcs; /* arc 2k, and 2k+1 its way back */
    size_t arcs_count, arcs_capacity;
};

/* An empty network of nodes. Returns TROUPE_OK or TROUPE_NO_MEMORY. */
int flow_init(struct flow *flow, size_t nodes);

/* Adds an arc; its number, for flow_on, goes to *arc unless that is NULL. */
int flow_arc_add(struct flow *flow, size_t from, size_t to, int64_t capacity, int64_t cost,
                 size_t *arc);

/* Sends as much as fits from source to sink, at the least cost.
 *
 * Returns     TROUPE_OK or TROUPE_NO_MEMORY; amount may be NULL */
int flow_solve(struct flow *flow, size_t source, size_t sink, int64_t *amount);

/* The units on an arc after flow_solve. */
int64_t flow_on(const struct flow *flow, size_t arc);

void flow_fini(struct flow *flow);

#endif
