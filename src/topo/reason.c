/* Reasons say what a person would ask: is the GPU near, is it shared, and if it is neither near
 * nor alone, why not. */
#include "topo/reason.h"

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

static void gpu_append(struct text *text, const struct deal *deal, size_t dealt, size_t gpu)
{
    const struct machine_gpu *to = &deal->machine->gpus[gpu];
    struct nearness near;

    text_append(text, "GPU %s ", to->pci);
    if (!to->located) {
        text_append(text, "sits nowhere known: every core counts as equally near");
        return;
    }
    if (deal->core_rank == NULL) {
        text_append(text, "on ");
        numa_append(text, &to->numa);
        return;
    }
    near = nearness_of(deal, dealt, gpu);
    if (near.near == near.cores) {
        text_append(text, "is beside its cores, on ");
        numa_append(text, &to->numa);
        return;
    }
    text_append(text, "is on ");
    numa_append(text, &to->numa);
    text_append(text, ", %s for %zu of its %zu cores: nearer ones are other ranks' share",
                near.farthest >= MACHINE_OTHER_PACKAGE ? "another package" : "another NUMA node",
                near.cores - near.near, near.cores);
}

static void sharers_append(struct text *text, const struct plan_rank *rank)
{
    if (rank->shared_count == 0) {
        text_append(text, rank->gpus_count == 1 ? "; it has it alone" : "; it has them alone");
        return;
    }
    text_append(text, "; shared with rank%s ", rank->shared_count == 1 ? "" : "s");
    for (size_t i = 0; i < rank->shared_count; i++)
        text_append(text, "%s%zu", i > 0 ? "," : "", rank->shared_with[i]);
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

    for (size_t i = 0; i < rank->gpus_count; i++) {
        text_append(&text, i > 0 ? "; " : "");
        gpu_append(&text, deal, dealt, rank->gpus[i]);
    }
    if (rank->gpus_count > 0) {
        sharers_append(&text, rank);
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
