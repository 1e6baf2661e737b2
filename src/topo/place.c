/* From options, environment and machine to one rank's place. */
#include "topo/place.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "topo/mask.h"
#include "topo/node.h"
#include "topo/placed.h"

#define PLACE_MODE "TROUPE_GPU_MODE"
#define PLACE_PER_RANK "TROUPE_GPUS_PER_RANK"
#define PLACE_BIND "TROUPE_BIND"
#define PLACE_TOPOLOGY "TROUPE_TOPOLOGY"
#define PLACE_GPUS_MOST 1024

static int no_memory(void)
{
    return fail(TROUPE_NO_MEMORY, "topo: no memory for a rank's place");
}

/* ---- options ---------------------------------------------------------------------------- */

int topo_options_read(struct topo_options *options)
{
    struct topo_options read = { .mode = PLAN_ISOLATE, .bind = PLAN_BIND_NONE };
    const char *mode = getenv(PLACE_MODE), *bind = getenv(PLACE_BIND);
    const char *per_rank = getenv(PLACE_PER_RANK);
    long count = 0;

    if (mode != NULL && !plan_mode_read(mode, &read.mode))
        return fail(TROUPE_BAD_ARGUMENT,
                    PLACE_MODE "=%s is no mode; write isolate, peer or ordered", mode);
    if (bind != NULL && !plan_bind_read(bind, &read.bind))
        return fail(TROUPE_BAD_ARGUMENT, PLACE_BIND "=%s is no binding; write core, numa or none",
                    bind);
    if (per_rank != NULL && !text_to_long(per_rank, 1, PLACE_GPUS_MOST, &count))
        return fail(TROUPE_BAD_ARGUMENT, PLACE_PER_RANK "=%s is no number of GPUs; write 1 to %d",
                    per_rank, PLACE_GPUS_MOST);
    read.gpus_per_rank = (size_t)count;
    read.topology = getenv(PLACE_TOPOLOGY);
    if (read.topology != NULL && *read.topology == '\0')
        read.topology = NULL;
    *options = read;
    return TROUPE_OK;
}

/* ---- a place without hwloc -------------------------------------------------------------- */

/* True when nothing is to be looked up: no GPU, and no binding, for nobody asked for it or there
 * are more ranks than CPUs. */
static int place_is_plain(int local_size, const struct topo_options *options, bool *plain)
{
    struct cpus cpus = { 0 };
    int result;

    *plain = false;
    if (options->topology != NULL || machine_has_nvidia())
        return TROUPE_OK;
    result = node_cpus(node_launcher_binds(), &cpus);
    if (result == TROUPE_OK)
        *plain = options->bind == PLAN_BIND_NONE || (size_t)local_size > cpus.count;
    cpus_free(&cpus);
    return result;
}

static int place_plain(int local_size, const struct topo_options *options, struct topo_place *place)
{
    struct text reason = { 0 };
    int result = node_here(&place->cpus, &place->numa);

    if (result != TROUPE_OK)
        return result;
    place->here = true;
    text_append(&reason, "no GPU: the machine has none; ");
    if (options->bind == PLAN_BIND_NONE)
        text_append(&reason, "%s",
                    node_launcher_binds() ? "bound by the launcher" : "not bound here");
    else
        text_append(&reason, "not bound: %d ranks on fewer CPUs", local_size);
    place->reason = reason.data;
    place->gpu = strdup("none");
    return !reason.broken && place->gpu != NULL ? TROUPE_OK : no_memory();
}

/* ---- a place from the plan -------------------------------------------------------------- */

/* Takes the CPUs that the plan gives, when they are this process's to take: a topology file of
 * another machine names CPUs that are not here. */
static int place_cpus(const struct topo_options *options, const struct plan *plan, size_t line,
                      bool ours, struct topo_place *place)
{
    const struct plan_rank *rank = &plan->ranks[line];

    place->bind = plan->bound && ours;
    place->here = plan->bound ? ours : options->topology == NULL;
    if (!plan->bound && options->topology == NULL)
        return node_here(&place->cpus, &place->numa);
    place->cpus = cpus_list(&rank->cpus);
    place->numa = cpus_list(&rank->numa);
    return place->cpus != NULL && place->numa != NULL ? TROUPE_OK : no_memory();
}

static int place_reason(const struct topo_options *options, const struct plan *plan, size_t line,
                        bool ours, struct topo_place *place)
{
    struct text text = { 0 };

    text_append(&text, "%s%s%s", plan->ranks[line].reason,
                plan->bound && !ours
                    ? "; not bound: the topology file describes CPUs that are not all ours"
                    : "",
                options->own_mask ? "; the launcher gave each rank a mask of its own" : "");
    place->reason = text.data;
    return text.broken ? no_memory() : TROUPE_OK;
}

static int place_mask(const struct machine *machine, const struct mask_given *given,
                      const struct mask_pool *pool, const struct plan *plan, size_t line,
                      enum plan_mode mode, struct topo_place *place)
{
    const char *order = NULL;
    int result;

    if (machine->gpus_count == 0)
        return TROUPE_OK;
    result =
        mask_write(machine, given, pool, plan, mode, line, &place->cuda_visible_devices, &order);
    if (result == TROUPE_OK && place->cuda_visible_devices != NULL)
        result = placed_keep(MASK_VARIABLE, &place->mask_before);
    if (result != TROUPE_OK || order == NULL)
        return result;
    place->cuda_device_order = strdup(order);
    return place->cuda_device_order != NULL ? placed_keep(MASK_ORDER_VARIABLE, &place->order_before)
                                            : no_memory();
}

/* Why no rank gets a GPU of a machine that has some; NULL when the machine has none. */
static const char *why_no_gpu(const struct machine *machine, const struct mask_given *given)
{
    if (machine->gpus_count == 0)
        return machine->denied_count > 0 ? "this process may not open the machine's" : NULL;
    return given->several_nodes ? MASK_VARIABLE " names none of this node"
                                : MASK_VARIABLE " hides them all";
}

/* Makes the plan and takes the rank's line of it. Where each rank has a mask of its own, nobody
 * knows the others', and the plan is of this rank alone. */
static int place_planned(const struct machine *machine, const struct mask_given *given,
                         const struct mask_pool *pool, int local_size,
                         const struct topo_options *options, bool ours, struct topo_place *place)
{
    size_t line = options->own_mask ? 0 : (size_t)place->local_rank;
    struct plan_options plan_options = { .ranks = options->own_mask ? 1 : (size_t)local_size,
                                         .gpus_per_rank = options->gpus_per_rank,
                                         .mode = options->mode,
                                         .bind = options->bind,
                                         .no_gpu = why_no_gpu(machine, given) };
    struct plan plan;
    int result = plan_make(machine, pool->gpus, pool->count, &plan_options, &plan);

    if (result != TROUPE_OK)
        return result;
    result = place_cpus(options, &plan, line, ours, place);
    if (result == TROUPE_OK)
        result = place_reason(options, &plan, line, ours, place);
    if (result == TROUPE_OK)
        result = machine_gpus_text(machine, plan.ranks[line].gpus, plan.ranks[line].gpus_count,
                                   &place->gpu);
    if (result == TROUPE_OK)
        result = place_mask(machine, given, pool, &plan, line, options->mode, place);
    plan_free(&plan);
    return result;
}

/* Leaves of the machine what this node's ranks may use. A topology file is taken whole: *ours says
 * whether its CPUs are. When the launcher binds, only GPUs are planned, and the machine's control
 * group alone counts, for it is the same for every rank. */
static int machine_narrow(struct machine *machine, const struct topo_options *options, bool *ours)
{
    struct cpus node = { 0 }, all = { 0 };
    int result = TROUPE_OK;

    *ours = true;
    if (options->bind == PLAN_BIND_NONE)
        return TROUPE_OK;
    result = node_cpus(node_launcher_binds(), &node);
    if (result == TROUPE_OK && options->topology == NULL)
        machine_restrict(machine, &node);
    if (result == TROUPE_OK)
        result = machine_cpus(machine, &all);
    if (result == TROUPE_OK)
        *ours = cpus_contains_all(&node, &all);
    cpus_free(&node);
    cpus_free(&all);
    return result;
}

static int place_from_machine(int local_size, const struct topo_options *options,
                              struct topo_place *place)
{
    struct mask_given given = { options->mask != NULL ? options->mask : getenv(MASK_VARIABLE),
                                getenv(MASK_ORDER_VARIABLE), options->several_nodes };
    struct mask_pool pool = { 0 };
    struct machine machine;
    bool ours = false;
    int result = machine_load(options->topology, &machine);

    if (result != TROUPE_OK)
        return result;
    result = machine_narrow(&machine, options, &ours);
    /* A mask on a machine without GPUs is not for us to judge: it goes on to whom it is for. */
    if (result == TROUPE_OK && machine.gpus_count + machine.denied_count > 0)
        result = mask_read(&machine, &given, &pool);
    if (place->local_rank == 0) {
        place->note = pool.note;
        pool.note = NULL;
    }
    if (result == TROUPE_OK)
        result = place_planned(&machine, &given, &pool, local_size, options, ours, place);
    mask_pool_free(&pool);
    machine_free(&machine);
    return result;
}

/* A rank's own share of the CPUs cannot be cut for it when nobody knows the other ranks'. */
static struct topo_options options_bound(const struct topo_options *asked)
{
    struct topo_options options = *asked;

    if (options.own_mask || node_slurm_binds())
        options.bind = PLAN_BIND_NONE;
    return options;
}

/* ---- the entry -------------------------------------------------------------------------- */

int topo_place_compute(int local_rank, int local_size, const struct topo_options *options,
                       struct topo_place *place)
{
    struct topo_place made = { .local_rank = local_rank };
    struct topo_options read, bound;
    bool plain = false, placed;
    int result = TROUPE_OK;

    if (local_rank < 0 || local_rank >= local_size)
        return fail(TROUPE_BAD_ARGUMENT, "topo: local rank %d of %d; count from 0 to %d",
                    local_rank, local_size, local_size - 1);
    if (options == NULL) {
        result = topo_options_read(&read);
        options = &read;
    }
    if (result == TROUPE_OK) {
        bound = options_bound(options);
        options = &bound;
    }
    if (result == TROUPE_OK)
        result = placed_identify(&made);
    placed = result == TROUPE_OK && options->mask == NULL && placed_already(&made);
    if (result == TROUPE_OK && !placed)
        result = place_is_plain(local_size, options, &plain);
    if (result == TROUPE_OK)
        result = placed  ? placed_inherit(&made)
                 : plain ? place_plain(local_size, options, &made)
                         : place_from_machine(local_size, options, &made);
    if (result == TROUPE_OK && options->mask != NULL && made.cuda_visible_devices == NULL) {
        made.cuda_visible_devices = strdup(options->mask);
        result = made.cuda_visible_devices != NULL ? TROUPE_OK : no_memory();
    }
    if (result == TROUPE_OK)
        *place = made;
    else
        topo_place_free(&made);
    return result;
}

int topo_place_apply(const struct topo_place *place)
{
    struct topo_variable variables[TOPO_VARIABLES];
    struct cpus cpus = { 0 };
    int result;

    if (place->note != NULL)
        log_warning("%s", place->note);
    topo_place_variables(place, variables);
    for (size_t i = 0; i < TOPO_VARIABLES; i++)
        if (variables[i].value != NULL && setenv(variables[i].name, variables[i].value, 1) != 0)
            return no_memory();
    if (!place->bind)
        return TROUPE_OK;
    result = cpus_read_list(place->cpus, &cpus);
    if (result == TROUPE_OK)
        result = cpus_bind(&cpus);
    cpus_free(&cpus);
    return result;
}

void topo_place_free(struct topo_place *place)
{
    free(place->cpus);
    free(place->numa);
    free(place->gpu);
    free(place->cuda_visible_devices);
    free(place->cuda_device_order);
    free(place->reason);
    free(place->note);
    free(place->identity);
    free(place->mask_before);
    free(place->order_before);
    memset(place, 0, sizeof *place);
}
