/* Ranks are numbered along the hosts, as mpirun numbers them. Hosts with equally many ranks have
 * equal plans but for the numbers; each is made anew, for plans are cheap. */
#include "plan_world.h"

#include <stdlib.h>
#include <string.h>

#include "topo/mask.h"
#include "troupe/troupe.h"

/* A host without a rank lets all its GPUs idle. */
static int node_idle(const struct plan_request *request, struct plan_node *node)
{
    size_t count = request->pool.count;

    node->plan.idle = calloc(count + 1, sizeof *node->plan.idle);
    if (node->plan.idle == NULL)
        return TROUPE_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        node->plan.idle[i] = request->pool.gpus[i];
    node->plan.idle_count = count;
    return TROUPE_OK;
}

static int node_plan(const struct plan_request *request, size_t ranks, struct plan_node *node)
{
    struct plan_options options = { .ranks = ranks,
                                    .gpus_per_rank = request->options.gpus_per_rank,
                                    .mode = request->options.mode,
                                    .bind = request->options.bind,
                                    .first = node->first };

    if (ranks == 0)
        return node_idle(request, node);
    if (request->machine.gpus_count > 0)
        options.no_gpu = MASK_VARIABLE " hides them all";
    return plan_make(&request->machine, request->pool.gpus, request->pool.count, &options,
                     &node->plan);
}

static void counts_deal(const struct plan_request *request, const struct hostfile *hosts, int ranks,
                        int per_node, int *counts)
{
    if (per_node == 0) {
        hostfile_deal(hosts, ranks, (int)request->machine.cores_count, counts);
        return;
    }
    for (size_t i = 0; i < hosts->count; i++) {
        counts[i] = ranks < per_node ? ranks : per_node;
        ranks -= counts[i];
    }
}

int plan_world_make(const struct plan_request *request, const struct hostfile *hosts, int ranks,
                    int per_node, struct plan_world *world)
{
    size_t count = hosts->count > 0 ? hosts->count : 1, first = 0;
    struct plan_world made = { calloc(count, sizeof *made.nodes), count };
    int *counts = calloc(count, sizeof *counts);
    int result = made.nodes != NULL && counts != NULL ? TROUPE_OK : TROUPE_NO_MEMORY;

    if (result == TROUPE_OK && hosts->count > 0)
        counts_deal(request, hosts, ranks, per_node, counts);
    else if (result == TROUPE_OK)
        counts[0] = ranks;
    for (size_t i = 0; i < count && result == TROUPE_OK; i++) {
        made.nodes[i].name = hosts->count > 0 ? hosts->hosts[i].name : request->machine.name;
        made.nodes[i].first = first;
        result = node_plan(request, (size_t)counts[i], &made.nodes[i]);
        first += (size_t)counts[i];
    }
    free(counts);
    if (result == TROUPE_OK)
        *world = made;
    else
        plan_world_free(&made);
    return result;
}

void plan_world_free(struct plan_world *world)
{
    for (size_t i = 0; world->nodes != NULL && i < world->count; i++)
        plan_free(&world->nodes[i].plan);
    free(world->nodes);
    *world = (struct plan_world){ 0 };
}
