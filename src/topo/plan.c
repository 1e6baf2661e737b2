/* A plan is a deal with numbers: whoever was dealt the first GPU is local rank 0. */
#include "topo/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "topo/deal.h"
#include "topo/reason.h"

/* What the numbering looks at. */
struct place_of {
    size_t dealt; /* its number in the deal */
    size_t gpu;   /* the first GPU it has, a position in the pool */
    size_t core;  /* its first core */
};

static int no_memory(const struct plan_options *options)
{
    return fail(TROUPE_NO_MEMORY, "topo: no memory for a plan of %zu ranks", options->ranks);
}

/* ---- numbers ---------------------------------------------------------------------------- */

static int place_compare(const void *left, const void *right)
{
    const struct place_of *a = left, *b = right;

    if (a->gpu != b->gpu)
        return a->gpu < b->gpu ? -1 : 1;
    if (a->core != b->core)
        return a->core < b->core ? -1 : 1;
    return a->dealt < b->dealt ? -1 : a->dealt > b->dealt;
}

static void places_find(const struct deal *deal, struct place_of *places)
{
    for (size_t rank = 0; rank < deal->ranks; rank++) {
        size_t gpu = 0, core = 0;

        while (gpu < deal->pool_count && !deal->has[rank * deal->pool_count + gpu])
            gpu++;
        while (deal->core_rank != NULL && core < deal->machine->cores_count &&
               deal->core_rank[core] != rank)
            core++;
        places[rank] = (struct place_of){ rank, gpu, core };
    }
    qsort(places, deal->ranks, sizeof *places, place_compare);
}

/* For programs that call cudaSetDevice(local_rank % devices): rank i must have the i-th GPU of the
 * list, round and round. GPUs with a rank more than others come first, for the last round is not
 * full. places is sorted by GPU on entry, in rank order on return; order gets the list. */
static int places_go_round(size_t count, struct place_of *places, size_t gpus, size_t *order)
{
    struct place_of *sorted = malloc(count * sizeof *sorted);
    size_t *load = calloc(gpus, sizeof *load), *first = calloc(gpus, sizeof *first);
    size_t listed = 0, placed = 0, most = 0;
    int result = sorted != NULL && load != NULL && first != NULL ? TROUPE_OK : TROUPE_NO_MEMORY;

    if (result == TROUPE_OK) {
        memcpy(sorted, places, count * sizeof *sorted);
        for (size_t i = count; i-- > 0;) {
            first[sorted[i].gpu] = i;
            if (++load[sorted[i].gpu] > most)
                most = load[sorted[i].gpu];
        }
        for (size_t wanted = most + 1; wanted-- > 0;)
            for (size_t gpu = 0; gpu < gpus; gpu++)
                if (load[gpu] == wanted)
                    order[listed++] = gpu;
        for (size_t round = 0; placed < count; round++)
            for (size_t i = 0; i < gpus; i++)
                if (load[order[i]] > round)
                    places[placed++] = sorted[first[order[i]] + round];
    }
    free(sorted);
    free(load);
    free(first);
    return result == TROUPE_OK ? result : fail(result, "topo: no memory for %zu ranks", count);
}

/* ---- one rank's line -------------------------------------------------------------------- */

static uint64_t rank_distance(const struct deal *deal, size_t dealt, size_t gpu)
{
    uint64_t sum = 0;

    for (size_t core = 0; deal->core_rank != NULL && core < deal->machine->cores_count; core++)
        if (deal->core_rank[core] == dealt)
            sum += machine_distance(deal->machine, core, gpu);
    return sum;
}

/* Its GPUs, nearest first, as the pool has them among equals. In the ordered mode the first must
 * be the one it was numbered for, so the pool's order stays. */
static int rank_gpus(const struct deal *deal, size_t dealt, enum plan_mode mode,
                     struct plan_rank *rank)
{
    rank->gpus = calloc(deal->gpus_most, sizeof *rank->gpus);
    if (rank->gpus == NULL)
        return fail(TROUPE_NO_MEMORY, "topo: no memory for the GPUs of a rank");
    for (size_t i = 0; i < deal->pool_count; i++) {
        size_t gpu = deal->pool[i], at = rank->gpus_count;

        if (!deal->has[dealt * deal->pool_count + i])
            continue;
        while (mode != PLAN_ORDERED && at > 0 &&
               rank_distance(deal, dealt, gpu) < rank_distance(deal, dealt, rank->gpus[at - 1])) {
            rank->gpus[at] = rank->gpus[at - 1];
            at--;
        }
        rank->gpus[at] = gpu;
        rank->gpus_count++;
    }
    return TROUPE_OK;
}

static bool is_on(const struct machine *machine, size_t core, const struct cpus *numa)
{
    return cpus_contains(numa, machine->numa[machine->cores[core].numa].os_index);
}

static int rank_cpus(const struct deal *deal, size_t dealt, enum plan_bind bind,
                     struct plan_rank *rank)
{
    const struct machine *machine = deal->machine;
    bool all = deal->core_rank == NULL || bind == PLAN_BIND_NONE;
    int result = TROUPE_OK;

    for (size_t core = 0; core < machine->cores_count && result == TROUPE_OK; core++) {
        if (!all && deal->core_rank[core] != dealt)
            continue;
        result = cpus_add(&rank->numa, machine->numa[machine->cores[core].numa].os_index);
        if (result == TROUPE_OK)
            result = cpus_add_all(&rank->cpus, &machine->cores[core].pus);
    }
    for (size_t core = 0; bind == PLAN_BIND_NUMA && core < machine->cores_count; core++)
        if (result == TROUPE_OK && is_on(machine, core, &rank->numa))
            result = cpus_add_all(&rank->cpus, &machine->cores[core].pus);
    return result;
}

static bool has_gpu(const struct plan_rank *rank, size_t gpu)
{
    for (size_t i = 0; i < rank->gpus_count; i++)
        if (rank->gpus[i] == gpu)
            return true;
    return false;
}

static bool share_gpu(const struct plan_rank *a, const struct plan_rank *b)
{
    for (size_t i = 0; i < a->gpus_count; i++)
        if (has_gpu(b, a->gpus[i]))
            return true;
    return false;
}

static int rank_sharers(struct plan *plan, size_t number)
{
    struct plan_rank *rank = &plan->ranks[number];

    rank->shared_with = calloc(plan->ranks_count, sizeof *rank->shared_with);
    if (rank->shared_with == NULL)
        return fail(TROUPE_NO_MEMORY, "topo: no memory for a plan of %zu ranks", plan->ranks_count);
    for (size_t other = 0; other < plan->ranks_count; other++)
        if (other != number && share_gpu(rank, &plan->ranks[other]))
            rank->shared_with[rank->shared_count++] = other;
    return TROUPE_OK;
}

/* ---- the plan --------------------------------------------------------------------------- */

static int ranks_fill(const struct deal *deal, const struct place_of *places,
                      const struct plan_options *options, struct plan *plan)
{
    int result = TROUPE_OK;

    for (size_t i = 0; i < plan->ranks_count && result == TROUPE_OK; i++) {
        result = rank_gpus(deal, places[i].dealt, options->mode, &plan->ranks[i]);
        if (result == TROUPE_OK)
            result = rank_cpus(deal, places[i].dealt, options->bind, &plan->ranks[i]);
    }
    for (size_t i = 0; i < plan->ranks_count && result == TROUPE_OK; i++) {
        result = rank_sharers(plan, i);
        if (result == TROUPE_OK)
            result = reason_write(deal, places[i].dealt, options, &plan->ranks[i]);
    }
    return result;
}

static void idle_find(const struct deal *deal, struct plan *plan)
{
    for (size_t i = 0; i < deal->pool_count; i++) {
        bool used = false;

        for (size_t rank = 0; rank < deal->ranks && !used; rank++)
            used = deal->has[rank * deal->pool_count + i];
        if (!used)
            plan->idle[plan->idle_count++] = deal->pool[i];
    }
}

static int plan_number(const struct deal *deal, const struct plan_options *options,
                       struct place_of *places, struct plan *plan)
{
    int result = TROUPE_OK;

    places_find(deal, places);
    plan->order_count = deal->pool_count;
    for (size_t i = 0; i < deal->pool_count; i++)
        plan->order[i] = i;
    if (options->mode == PLAN_ORDERED && deal->pool_count > 0)
        result = places_go_round(deal->ranks, places, deal->pool_count, plan->order);
    for (size_t i = 0; i < deal->pool_count; i++)
        plan->order[i] = deal->pool[plan->order[i]];
    return result;
}

static int plan_fill(const struct deal *deal, const struct plan_options *options, struct plan *plan)
{
    struct place_of *places = calloc(deal->ranks, sizeof *places);
    struct deal naive;
    int result = places != NULL ? deal_make_naive(deal, &naive) : no_memory(options);

    if (result == TROUPE_OK) {
        plan->score = deal_score(deal);
        plan->naive = deal_score(&naive);
        deal_free(&naive);
        plan->bound = deal->core_rank != NULL && options->bind != PLAN_BIND_NONE;
        idle_find(deal, plan);
        result = plan_number(deal, options, places, plan);
    }
    if (result == TROUPE_OK)
        result = ranks_fill(deal, places, options, plan);
    free(places);
    return result;
}

/* A process can use one MIG instance, and CUDA ignores the rest of its list without a word. */
static int instances_check(const struct machine *machine, const size_t *pool, size_t pool_count,
                           struct plan_options *options)
{
    for (size_t i = 0; i < pool_count; i++) {
        if (!machine->gpus[pool[i]].instance)
            continue;
        if (options->gpus_per_rank > 1)
            return fail(TROUPE_BAD_ARGUMENT,
                        "gpus-per-rank %zu: GPU %s is cut into MIG instances, of which a process "
                        "can use one; ask for 1",
                        options->gpus_per_rank, machine->gpus[pool[i]].pci);
        if (options->mode == PLAN_ORDERED && pool_count > 1)
            return fail(TROUPE_BAD_ARGUMENT,
                        "gpu-mode ordered: GPU %s is cut into MIG instances, of which a process "
                        "can see one; use isolate",
                        machine->gpus[pool[i]].pci);
        options->gpus_per_rank = 1;
        return TROUPE_OK;
    }
    return TROUPE_OK;
}

int plan_make(const struct machine *machine, const size_t *pool, size_t pool_count,
              const struct plan_options *asked, struct plan *plan)
{
    struct plan_options checked = *asked, *options = &checked;
    struct plan made = { .ranks_count = options->ranks };
    struct deal deal;
    int result = instances_check(machine, pool, pool_count, options);

    if (result != TROUPE_OK)
        return result;
    if (options->ranks == 0)
        return fail(TROUPE_BAD_ARGUMENT, "plan: 0 ranks; ask for at least 1");
    if (options->mode == PLAN_ORDERED && options->gpus_per_rank > 1 && pool_count > 0 &&
        options->gpus_per_rank * options->ranks > pool_count)
        return fail(TROUPE_BAD_ARGUMENT,
                    "gpu-mode ordered: %zu ranks with %zu GPUs each need %zu GPUs, %zu are here; "
                    "one list cannot order shared ones: use isolate",
                    options->ranks, options->gpus_per_rank, options->ranks * options->gpus_per_rank,
                    pool_count);
    result = deal_make(machine, pool, pool_count, options->ranks, options->gpus_per_rank, &deal);
    if (result != TROUPE_OK)
        return result;
    made.ranks = calloc(options->ranks, sizeof *made.ranks);
    made.order = calloc(pool_count + 1, sizeof *made.order);
    made.idle = calloc(pool_count + 1, sizeof *made.idle);
    result = made.ranks != NULL && made.order != NULL && made.idle != NULL
                 ? plan_fill(&deal, options, &made)
                 : no_memory(options);
    deal_free(&deal);
    if (result == TROUPE_OK)
        *plan = made;
    else
        plan_free(&made);
    return result;
}

void plan_free(struct plan *plan)
{
    for (size_t i = 0; plan->ranks != NULL && i < plan->ranks_count; i++) {
        free(plan->ranks[i].gpus);
        free(plan->ranks[i].shared_with);
        free(plan->ranks[i].reason);
        cpus_free(&plan->ranks[i].cpus);
        cpus_free(&plan->ranks[i].numa);
    }
    free(plan->ranks);
    free(plan->order);
    free(plan->idle);
    memset(plan, 0, sizeof *plan);
}

/* ---- words ------------------------------------------------------------------------------ */

static const char *const mode_names[] = { "isolate", "peer", "ordered" };
static const char *const bind_names[] = { "core", "numa", "none" };

bool plan_mode_read(const char *text, enum plan_mode *mode)
{
    for (size_t i = 0; i < sizeof mode_names / sizeof *mode_names; i++)
        if (strcmp(text, mode_names[i]) == 0) {
            *mode = (enum plan_mode)i;
            return true;
        }
    return false;
}

bool plan_bind_read(const char *text, enum plan_bind *bind)
{
    for (size_t i = 0; i < sizeof bind_names / sizeof *bind_names; i++)
        if (strcmp(text, bind_names[i]) == 0) {
            *bind = (enum plan_bind)i;
            return true;
        }
    return false;
}

const char *plan_mode_name(enum plan_mode mode)
{
    return mode_names[mode];
}

const char *plan_bind_name(enum plan_bind bind)
{
    return bind_names[bind];
}
