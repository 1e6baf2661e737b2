/* A plan as JSON. jansson takes NULL for a part that could not be made and makes nothing of the
 * whole then, so that one check at the end suffices. */
#include <stdlib.h>

#include "plan_show.h"
#include "troupe/troupe.h"

static json_t *text_or_null(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

static json_t *list_json(const struct cpus *cpus)
{
    char *text = cpus_list(cpus);
    json_t *json = text_or_null(text);

    free(text);
    return json;
}

static json_t *gpu_json(const struct machine_gpu *gpu)
{
    json_t *numa = json_array();

    for (size_t i = 0; i < gpu->numa.count; i++)
        json_array_append_new(numa, json_integer(gpu->numa.ids[i]));
    return json_pack("{s:i, s:s, s:o, s:o, s:b, s:o}", "index", gpu->index, "pci", gpu->pci, "uuid",
                     text_or_null(gpu->uuid), "name", text_or_null(gpu->name), "mig", gpu->instance,
                     "numa", numa);
}

static json_t *gpus_short_json(const struct machine *machine, const size_t *gpus, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++) {
        const struct machine_gpu *gpu = &machine->gpus[gpus[i]];

        json_array_append_new(array, json_pack("{s:i, s:s, s:o}", "index", gpu->index, "pci",
                                               gpu->pci, "uuid", text_or_null(gpu->uuid)));
    }
    return array;
}

static json_t *rank_json(const struct plan_request *request, const struct plan_node *node,
                         size_t number)
{
    const struct plan *plan = &node->plan;
    const struct plan_rank *rank = &plan->ranks[number];
    json_t *shared = json_array(), *json;
    const char *order;
    char *mask;

    if (plan_show_mask(request, plan, number, &mask, &order) != TROUPE_OK) {
        json_decref(shared);
        return NULL;
    }
    for (size_t i = 0; i < rank->shared_count; i++)
        json_array_append_new(shared,
                              json_integer((json_int_t)(node->first + rank->shared_with[i])));
    json = json_pack("{s:I, s:I, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:s}", "rank",
                     (json_int_t)(node->first + number), "local_rank", (json_int_t)number, "cpus",
                     list_json(&rank->cpus), "numa", list_json(&rank->numa), "bound", plan->bound,
                     "gpus", gpus_short_json(&request->machine, rank->gpus, rank->gpus_count),
                     "cuda_visible_devices", text_or_null(mask), "cuda_device_order",
                     text_or_null(order), "shared_with", shared, "reason", rank->reason);
    free(mask);
    return json;
}

static json_t *node_json(const struct plan_request *request, const struct plan_node *node)
{
    const struct machine *machine = &request->machine;
    const struct plan *plan = &node->plan;
    json_t *gpus = json_array(), *ranks = json_array();

    for (size_t i = 0; i < machine->gpus_count; i++)
        json_array_append_new(gpus, gpu_json(&machine->gpus[i]));
    for (size_t i = 0; i < plan->ranks_count; i++)
        json_array_append_new(ranks, rank_json(request, node, i));
    return json_pack("{s:s, s:o, s:o, s:o}", "name", node->name, "gpus", gpus, "idle",
                     gpus_short_json(machine, plan->idle, plan->idle_count), "ranks", ranks);
}

int plan_show_json(const struct plan_request *request, const struct plan_world *world,
                   json_t **json)
{
    json_t *nodes = json_array();
    double score, naive;

    for (size_t i = 0; i < world->count; i++)
        json_array_append_new(nodes, node_json(request, &world->nodes[i]));
    plan_show_score(world, &score, &naive);
    *json = json_pack("{s:i, s:o, s:{s:f, s:f}}", "schema", PLAN_SCHEMA, "nodes", nodes, "score",
                      "plan", score, "naive", naive);
    return *json != NULL ? TROUPE_OK : TROUPE_NO_MEMORY;
}
