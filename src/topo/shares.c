#include "topo/shares.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "topo/mask.h"

struct topo_shares {
    struct machine machine;
    struct topo_options options;
    const char *order;
    size_t *uses; /* of each of the machine's GPUs, by processes that live */
    int local_rank, local_size;
};

static int no_memory(void)
{
    return fail(TROUPE_NO_MEMORY, "topo: no memory for a process's GPUs");
}

int topo_shares_open(int local_rank, int local_size, const struct topo_options *options,
                     const char *order, struct topo_shares **shares)
{
    struct topo_shares *made = calloc(1, sizeof *made);
    int result;

    if (made == NULL)
        return no_memory();
    made->options = *options;
    made->order = order;
    made->local_rank = local_rank;
    made->local_size = local_size;
    result = machine_load(options->topology, &made->machine);
    if (result == TROUPE_OK) {
        made->uses = calloc(made->machine.gpus_count + 1, sizeof *made->uses);
        result = made->uses != NULL ? TROUPE_OK : no_memory();
    }
    if (result == TROUPE_OK)
        *shares = made;
    else
        topo_shares_close(made);
    return result;
}

void topo_shares_close(struct topo_shares *shares)
{
    if (shares == NULL)
        return;
    machine_free(&shares->machine);
    free(shares->uses);
    free(shares);
}

/* ---- what a process is told -------------------------------------------------------------- */

/* A process can use one MIG instance, and CUDA ignores the rest of its list without a word. */
static int instances_check(const struct machine *machine, const size_t *gpus, size_t count)
{
    for (size_t i = 0; count > 1 && i < count; i++)
        if (machine->gpus[gpus[i]].instance)
            return fail(
                TROUPE_BAD_ARGUMENT,
                "%zu GPUs for one process: %s is a MIG instance, of which a process can use "
                "one; ask for 1",
                count, machine->gpus[gpus[i]].pci);
    return TROUPE_OK;
}

static int place_write(const struct machine *machine, const size_t *gpus, size_t count,
                       const char *reason, struct topo_place *place)
{
    const char *order = NULL;
    int result = instances_check(machine, gpus, count);

    if (result == TROUPE_OK)
        result = mask_write_list(machine, gpus, count, &place->cuda_visible_devices, &order);
    if (result == TROUPE_OK)
        result = machine_gpus_text(machine, gpus, count, &place->gpu);
    if (result != TROUPE_OK)
        return result;
    place->cuda_device_order = order != NULL ? strdup(order) : NULL;
    place->reason = strdup(reason);
    return place->reason != NULL && (order == NULL || place->cuda_device_order != NULL)
               ? TROUPE_OK
               : no_memory();
}

/* Where there is nothing to choose from, what was asked is for others to judge: see place.c. */
static int place_pass(const char *mask, struct topo_place *place)
{
    place->cuda_visible_devices = mask != NULL ? strdup(mask) : NULL;
    place->gpu = strdup("none");
    place->reason = strdup("no GPU: the machine has none");
    return place->gpu != NULL && place->reason != NULL &&
                   (mask == NULL || place->cuda_visible_devices != NULL)
               ? TROUPE_OK
               : no_memory();
}

static bool has_gpus(const struct machine *machine)
{
    return machine->gpus_count + machine->denied_count > 0;
}

/* ---- so many GPUs ------------------------------------------------------------------------- */

static bool list_has(const size_t *list, size_t count, size_t gpu)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == gpu)
            return true;
    return false;
}

static size_t pool_position(const struct mask_pool *pool, size_t gpu)
{
    size_t position = 0;

    while (position < pool->count && pool->gpus[position] != gpu)
        position++;
    return position;
}

/* The pool in the order of this rank's liking: its own, nearest first, then round from there. */
static int candidates_list(const struct topo_shares *shares, const struct mask_pool *pool,
                           bool planned, size_t *list)
{
    struct plan_options options = { .ranks = (size_t)shares->local_size,
                                    .gpus_per_rank = planned ? shares->options.gpus_per_rank : 0,
                                    .mode = PLAN_ISOLATE,
                                    .bind = PLAN_BIND_NONE };
    struct plan plan;
    size_t own, from;
    int result = plan_make(&shares->machine, pool->gpus, pool->count, &options, &plan);

    if (result != TROUPE_OK)
        return result;
    own = plan.ranks[shares->local_rank].gpus_count;
    memcpy(list, plan.ranks[shares->local_rank].gpus, own * sizeof *list);
    plan_free(&plan);
    from = own > 0 ? pool_position(pool, list[own - 1]) + 1 : 0;
    for (size_t i = 0, count = own; i < pool->count; i++) {
        size_t gpu = pool->gpus[(from + i) % pool->count];

        if (!list_has(list, own, gpu))
            list[count++] = gpu;
    }
    return TROUPE_OK;
}

/* Moves the count candidates that the fewest processes use to the front, in their order. */
static void least_used_first(const size_t *uses, size_t *list, size_t size, size_t count)
{
    for (size_t taken = 0; taken < count; taken++) {
        size_t best = taken, gpu;

        for (size_t i = taken + 1; i < size; i++)
            if (uses[list[i]] < uses[list[best]])
                best = i;
        gpu = list[best];
        memmove(list + taken + 1, list + taken, (best - taken) * sizeof *list);
        list[taken] = gpu;
    }
}

static int pool_take(struct topo_shares *shares, const struct mask_pool *pool, bool planned,
                     size_t count, size_t *list, struct topo_place *place)
{
    int result;

    if (pool->count < count)
        return fail(TROUPE_BAD_ARGUMENT,
                    "%zu GPUs for one process, where this node has %zu to give; ask for fewer",
                    count, pool->count);
    result = candidates_list(shares, pool, planned, list);
    if (result != TROUPE_OK)
        return result;
    least_used_first(shares->uses, list, pool->count, count);
    return place_write(&shares->machine, list, count, "as many GPUs as its start asked for", place);
}

int topo_shares_take(struct topo_shares *shares, const char *pool_mask, size_t count,
                     struct topo_taken *taken, struct topo_place *place)
{
    struct mask_given given = { pool_mask != NULL ? pool_mask : shares->options.mask, shares->order,
                                shares->options.several_nodes };
    struct mask_pool pool = { 0 };
    struct topo_place made = { 0 };
    size_t *list = NULL;
    int result;

    if (!has_gpus(&shares->machine))
        return place_pass(pool_mask, place);
    result = mask_read(&shares->machine, &given, &pool);
    if (result == TROUPE_OK) {
        list = calloc(pool.count + 1, sizeof *list);
        result = list != NULL ? pool_take(shares, &pool, pool_mask == NULL, count, list, &made)
                              : no_memory();
    }
    mask_pool_free(&pool);
    if (result != TROUPE_OK) {
        free(list);
        topo_place_free(&made);
        return result;
    }
    for (size_t i = 0; i < count; i++)
        shares->uses[list[i]]++;
    *taken = (struct topo_taken){ list, count };
    *place = made;
    return TROUPE_OK;
}

void topo_shares_give(struct topo_shares *shares, struct topo_taken *taken)
{
    for (size_t i = 0; i < taken->count; i++)
        shares->uses[taken->gpus[i]]--;
    free(taken->gpus);
    *taken = (struct topo_taken){ 0 };
}

/* ---- these GPUs --------------------------------------------------------------------------- */

int topo_shares_name(const struct topo_shares *shares, const char *list, struct topo_place *place)
{
    struct mask_given given = { list, shares->order, false };
    struct mask_pool pool = { 0 };
    struct topo_place made = { 0 };
    int result;

    if (!has_gpus(&shares->machine))
        return place_pass(list, place);
    result = mask_read(&shares->machine, &given, &pool);
    if (result == TROUPE_OK)
        result = place_write(&shares->machine, pool.gpus, pool.count,
                             "the GPUs that its start named", &made);
    mask_pool_free(&pool);
    if (result == TROUPE_OK)
        *place = made;
    else
        topo_place_free(&made);
    return result;
}
