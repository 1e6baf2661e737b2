/* Reasons say what a person would ask: is the GPU near, is it shared, and if it is neither near
 * nor alone, why not. */
#include "topo/reason.h"

#include <string.h>

#include "base/error.h"

/* How many of the rank's cores are as near to the GPU as can be, and how far the farthest is. */
struct nearness {
    size_t cores, near;
    unsigned farthest;
};

static struct nearness nearness_of(const struct deal *deal, size_t dealt, size_t gpu)
{
    struct nearness found = { 0 };

    for (size_t core = 0; core < deal->machine->cores_count; core++) {
        unsigned distance;

        if (deal->core_rank[core] != dealt)
            continue;
        distance = machine_distance(deal->machine, core, gpu);
        found.cores++;
        found.near += distance == 0;
        if (distance > found.farthest)
            found.farthest = distance;
    }
    return found;
}

static void numa_append(struct text *text, const struct cpus *numa)
{
    text_append(text, numa->count == 1 ? "NUMA node " : "NUMA nodes ");
    cpus_append_list(text, numa);
}

static bool has_near_core(const struct machine *machine, size_t gpu)
{
    for (size_t core = 0; core < machine->cores_count; core++)
        if (machine_distance(machine, core, gpu) == 0)
            return true;
    return false;
}

/* What is said of a GPU behind its name; the same for all GPUs that are alike to the rank. */
static void nearness_append(struct text *text, const struct deal *deal, size_t dealt, size_t gpu)
{
    const struct machine_gpu *to = &deal->machine->gpus[gpu];
    struct nearness near;

    if (!to->located) {
        text_append(text, "of unknown place: every core counts as equally near");
        return;
    }
    text_append(text, "on ");
    numa_append(text, &to->numa);
    if (deal->core_rank == NULL)
        return;
    near = nearness_of(deal, dealt, gpu);
    if (near.near == near.cores)
        text_append(text, ", beside its cores");
    else if (near.near > 0)
        text_append(text, ", beside %zu of its %zu cores", near.near, near.cores);
    else
        text_append(text, ", on another %s than its cores: %s",
                    near.farthest >= MACHINE_OTHER_PACKAGE ? "package" : "NUMA node",
                    has_near_core(deal->machine, gpu) ? "those beside it are other ranks'"
                                                      : "none beside it is allowed");
}

/* Names the rank's GPUs, those that are alike in one go; false when memory ran out. */
static bool gpus_append(struct text *text, const struct deal *deal, size_t dealt,
                        const struct plan_rank *rank)
{
    struct text said = { 0 }, next = { 0 };
    bool whole;

    for (size_t i = 0; i < rank->gpus_count; i++) {
        next.size = 0;
        nearness_append(&next, deal, dealt, rank->gpus[i]);
        if (next.broken || said.broken)
            break;
        if (i > 0 && strcmp(said.data, next.data) != 0) {
            text_append(text, " %s; ", said.data);
            said.size = 0;
        }
        text_append(text, "%s%s", said.size == 0 ? "GPU " : ", ",
                    deal->machine->gpus[rank->gpus[i]].pci);
        if (said.size == 0)
            text_append_bytes(&said, next.data, next.size);
    }
    if (rank->gpus_count > 0 && said.data != NULL)
        text_append(text, " %s", said.data);
    whole = !said.broken && !next.broken;
    text_free(&said);
    text_free(&next);
    return whole;
}

static void sharers_append(struct text *text, const struct plan_rank *rank, size_t first)
{
    if (rank->shared_count == 0) {
        text_append(text, "; not shared");
        return;
    }
    text_append(text, "; shared with rank%s ", rank->shared_count == 1 ? "" : "s");
    for (size_t i = 0; i < rank->shared_count; i++)
        text_append(text, "%s%zu", i > 0 ? "," : "", first + rank->shared_with[i]);
}

static void cores_append(struct text *text, const struct deal *deal,
                         const struct plan_options *options)
{
    size_t cores = deal->machine->cores_count;

    if (deal->core_rank == NULL)
        text_append(text, "; not bound: %zu ranks on %zu core%s", deal->ranks, cores,
                    cores == 1 ? "" : "s");
    else if (options->bind == PLAN_BIND_NONE)
        text_append(text, "; not bound here");
}

int reason_write(const struct deal *deal, size_t dealt, const struct plan_options *options,
                 struct plan_rank *rank)
{
    struct text text = { 0 };

    text.broken = !gpus_append(&text, deal, dealt, rank);
    if (rank->gpus_count > 0) {
        sharers_append(&text, rank, options->first);
    } else {
        text_append(&text, "no GPU: %s",
                    options->no_gpu != NULL ? options->no_gpu : "the machine has none");
        if (deal->core_rank != NULL && options->bind != PLAN_BIND_NONE) {
            text_append(&text, "; its share of the cores, on ");
            numa_append(&text, &rank->numa);
        }
    }
    cores_append(&text, deal, options);
    if (text.broken || text.data == NULL) {
        text_free(&text);
        return fail(TROUPE_NO_MEMORY, "topo: no memory for the reasons of a plan");
    }
    rank->reason = text.data;
    return TROUPE_OK;
}
