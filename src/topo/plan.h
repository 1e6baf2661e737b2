/* The plan: which rank of a node gets which cores and GPUs, and why.
 *
 * Every rank of a node computes the same plan from the same machine and options, and takes its own
 * line: nothing is sent. deal.h says what is balanced and near; here ranks get their numbers
 * (neighbouring ranks on neighbouring GPUs) and every line its reason. */
#ifndef TROUPE_TOPO_PLAN_H
#define TROUPE_TOPO_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "topo/machine.h"

/* What a rank's CUDA shows. */
enum plan_mode {
    PLAN_ISOLATE, /* its own GPUs alone */
    PLAN_PEER,    /* all, its own first */
    PLAN_ORDERED  /* one list for all ranks of the node: device i is local rank i's */
};

enum plan_bind { PLAN_BIND_CORE, PLAN_BIND_NUMA, PLAN_BIND_NONE };

struct plan_options {
    size_t ranks;         /* of this node, at least 1 */
    size_t gpus_per_rank; /* 0: one each, or all GPUs spread where there are fewer ranks */
    enum plan_mode mode;
    enum plan_bind bind;
    const char *no_gpu; /* why the pool is empty; NULL: the machine has none */
    size_t first;       /* the number of this node's first rank, for the reasons */
};

struct plan_rank {
    size_t *gpus; /* its own, positions in machine.gpus, nearest first */
    size_t gpus_count;
    struct cpus cpus; /* what it is to run on: all allowed ones when it is not bound */
    struct cpus numa;
    size_t *shared_with; /* local ranks that have one of its GPUs too */
    size_t shared_count;
    char *reason; /* one sentence */
};

struct plan {
    struct plan_rank *ranks;
    size_t ranks_count;
    size_t *order; /* [order_count] the pool's GPUs as PLAN_ORDERED lists them */
    size_t order_count;
    size_t *idle; /* GPUs of the pool that no rank has */
    size_t idle_count;
    bool bound;          /* the ranks' cpus are theirs alone (core), or their NUMA nodes' (numa) */
    double score, naive; /* 1: all near, 0: all far; naive is local_rank % n */
};

/* Makes the plan of one node.
 *
 * pool        [pool_count] the GPUs to hand out, positions in machine.gpus, in this order
 * plan        freed by plan_free
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  no ranks, more GPUs per rank than there are, or an order that
 *                                  several GPUs per rank do not have
 *             TROUPE_NO_MEMORY */
int plan_make(const struct machine *machine, const size_t *pool, size_t pool_count,
              const struct plan_options *asked, struct plan *plan);

void plan_free(struct plan *plan);

/* Reads "isolate", "peer", "ordered"; false for another word. */
bool plan_mode_read(const char *text, enum plan_mode *mode);

/* Reads "core", "numa", "none"; false for another word. */
bool plan_bind_read(const char *text, enum plan_bind *bind);

const char *plan_mode_name(enum plan_mode mode);
const char *plan_bind_name(enum plan_bind bind);

#endif
