/* Plans: what always holds, for every drawn machine and every number of ranks from 1 to 64; and
 * beside every other balanced plan, on machines small enough to try them all. */
#include "topo_test.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "topo/deal.h"
#include "topo/plan.h"

/* Every number of ranks; sanitizers, for which all of them take minutes, see the first and some. */
#ifndef RANKS_STEP
#define RANKS_STEP 1
#endif

enum {
    RANKS_FIRST = 4,
    RANKS_MOST = 64,
    GPUS_MOST = 64,
    SMALL_CORES = 6,
    SMALL_GPUS = 3,
    SMALL_RANKS = 4
};

/* ---- what always holds ------------------------------------------------------------------ */

struct bounds {
    size_t least, most;
};

static void bounds_take(struct bounds *bounds, size_t value)
{
    if (value < bounds->least)
        bounds->least = value;
    if (value > bounds->most)
        bounds->most = value;
}

static void gpus_are_balanced(const struct plan *plan, const size_t *pool, size_t pool_count,
                              size_t per_rank)
{
    struct bounds ranks = { SIZE_MAX, 0 }, loads = { SIZE_MAX, 0 };
    size_t load[GPUS_MOST] = { 0 }, idle = 0;

    for (size_t i = 0; i < plan->ranks_count; i++) {
        bounds_take(&ranks, plan->ranks[i].gpus_count);
        for (size_t j = 0; j < plan->ranks[i].gpus_count; j++)
            load[plan->ranks[i].gpus[j]]++;
    }
    for (size_t i = 0; i < pool_count; i++) {
        bounds_take(&loads, load[pool[i]]);
        idle += load[pool[i]] == 0;
    }
    assert_true(ranks.least >= 1);
    assert_true(loads.most - loads.least <= 1);
    assert_int_equal(plan->idle_count, idle);
    if (per_rank > 0)
        assert_true(ranks.least == per_rank && ranks.most == per_rank);
    else
        assert_true(ranks.most - ranks.least <= 1);
    if (per_rank == 0 || plan->ranks_count * per_rank >= pool_count)
        assert_int_equal(idle, 0);
}

/* How many of a core's PUs a rank has. */
static size_t pus_of(const struct plan_rank *rank, const struct machine_core *core)
{
    size_t count = 0;

    for (size_t i = 0; i < core->pus.count; i++)
        count += cpus_contains(&rank->cpus, core->pus.ids[i]);
    return count;
}

static void cores_are_whole_and_disjoint(const struct machine *machine, const struct plan *plan)
{
    struct bounds shares = { SIZE_MAX, 0 };

    if (!plan->bound) {
        assert_true(plan->ranks_count > machine->cores_count);
        return;
    }
    for (size_t core = 0; core < machine->cores_count; core++) {
        size_t owners = 0;

        for (size_t i = 0; i < plan->ranks_count; i++) {
            size_t count = pus_of(&plan->ranks[i], &machine->cores[core]);

            assert_true(count == 0 || count == machine->cores[core].pus.count);
            owners += count > 0;
        }
        assert_int_equal(owners, 1);
    }
    for (size_t i = 0; i < plan->ranks_count; i++) {
        size_t share = 0;

        for (size_t core = 0; core < machine->cores_count; core++)
            share += pus_of(&plan->ranks[i], &machine->cores[core]) > 0;
        bounds_take(&shares, share);
        assert_true(plan->ranks[i].numa.count > 0);
    }
    assert_true(shares.most - shares.least <= 1);
}

static bool has(const size_t *list, size_t count, size_t item)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == item)
            return true;
    return false;
}

static void sharers_are_named(const struct plan *plan)
{
    for (size_t a = 0; a < plan->ranks_count; a++) {
        const struct plan_rank *rank = &plan->ranks[a];

        assert_true(rank->reason != NULL && *rank->reason != '\0');
        for (size_t b = 0; b < plan->ranks_count; b++) {
            bool shared = false;

            for (size_t i = 0; i < rank->gpus_count; i++)
                shared |= has(plan->ranks[b].gpus, plan->ranks[b].gpus_count, rank->gpus[i]);
            assert_int_equal(has(rank->shared_with, rank->shared_count, b), shared && a != b);
        }
    }
}

static size_t position(const size_t *pool, size_t gpu)
{
    size_t at = 0;

    while (pool[at] != gpu)
        at++;
    return at;
}

/* The first GPU of the pool that a rank has. */
static size_t first_gpu(const struct plan_rank *rank, const size_t *pool)
{
    size_t first = SIZE_MAX;

    for (size_t i = 0; i < rank->gpus_count; i++)
        if (position(pool, rank->gpus[i]) < first)
            first = position(pool, rank->gpus[i]);
    return first;
}

static void numbers_follow_the_pool(const struct plan *plan, const size_t *pool,
                                    enum plan_mode mode)
{
    for (size_t i = 0; i < plan->ranks_count; i++)
        if (mode == PLAN_ORDERED)
            assert_int_equal(plan->ranks[i].gpus[0], plan->order[i % plan->order_count]);
        else if (i > 0)
            assert_true(first_gpu(&plan->ranks[i - 1], pool) <= first_gpu(&plan->ranks[i], pool));
}

static bool has_instances(const struct machine *machine, const size_t *pool, size_t pool_count)
{
    for (size_t i = 0; i < pool_count; i++)
        if (machine->gpus[pool[i]].instance)
            return true;
    return false;
}

static void one_plan_holds(const struct machine *machine, const size_t *pool, size_t pool_count,
                           const struct plan_options *options)
{
    struct plan plan;

    if (plan_make(machine, pool, pool_count, options, &plan) != TROUPE_OK)
        fail_msg("%s, %zu ranks: %s", machine->name, options->ranks, troupe_last_error());
    assert_int_equal(plan.ranks_count, options->ranks);
    cores_are_whole_and_disjoint(machine, &plan);
    sharers_are_named(&plan);
    if (pool_count > 0) {
        size_t per_rank = has_instances(machine, pool, pool_count) ? 1 : options->gpus_per_rank;

        gpus_are_balanced(&plan, pool, pool_count, per_rank);
        numbers_follow_the_pool(&plan, pool, options->mode);
        if (options->gpus_per_rank < 2 && options->ranks >= pool_count)
            assert_true(plan.score >= plan.naive - 1e-9);
    }
    plan_free(&plan);
}

static void pool_plans_hold(const struct machine *machine, const size_t *pool, size_t pool_count)
{
    bool instances = has_instances(machine, pool, pool_count);
    size_t most = pool_count == 0 || instances ? 1 : pool_count < 3 ? pool_count : 3;

    for (size_t ranks = 1; ranks <= RANKS_MOST; ranks += ranks < RANKS_FIRST ? 1 : RANKS_STEP)
        for (size_t per_rank = 0; per_rank <= most; per_rank++) {
            struct plan_options options = {
                ranks, per_rank, PLAN_ISOLATE, PLAN_BIND_CORE, NULL, 0
            };

            one_plan_holds(machine, pool, pool_count, &options);
            options.mode = PLAN_ORDERED;
            if (!instances && (per_rank < 2 || ranks * per_rank <= pool_count))
                one_plan_holds(machine, pool, pool_count, &options);
        }
}

static void file_plans_hold(const char *name)
{
    size_t pool[GPUS_MOST], count;
    struct machine machine;

    machine_of(name, &machine);
    count = machine.gpus_count;
    assert_true(count <= GPUS_MOST);
    for (size_t i = 0; i < count; i++)
        pool[i] = i;
    pool_plans_hold(&machine, pool, count);
    for (size_t i = 0; i < count; i++)
        pool[i] = count - 1 - i;
    pool_plans_hold(&machine, pool, count);
    pool_plans_hold(&machine, pool, count / 2);
    machine_free(&machine);
}

static void every_machine_and_number_of_ranks(void **state)
{
    DIR *folder = opendir(TOPO_DATA "/topologies");
    const struct dirent *entry;
    size_t files = 0;

    (void)state;
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        const char *ending = strstr(entry->d_name, ".xml");
        char name[256];

        if (ending == NULL)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(ending - entry->d_name), entry->d_name);
        file_plans_hold(name);
        files++;
    }
    closedir(folder);
    assert_true(files >= 7);
}

/* ---- against every other balanced plan -------------------------------------------------- */

/* A machine of 2 to 6 cores on up to 3 NUMA nodes, with 1 to 3 GPUs somewhere. */
static void small_machine(unsigned *seed, struct machine *machine)
{
    static char name[] = "small";
    size_t numas = 1 + (size_t)rand_r(seed) % 3, node = 0;

    *machine = (struct machine){ .name = strdup(name) };
    machine->cores_count = 2 + (size_t)rand_r(seed) % (SMALL_CORES - 1);
    machine->gpus_count = 1 + (size_t)rand_r(seed) % SMALL_GPUS;
    machine->cores = calloc(machine->cores_count, sizeof *machine->cores);
    machine->gpus = calloc(machine->gpus_count, sizeof *machine->gpus);
    machine->numa = calloc(numas, sizeof *machine->numa);
    machine->numa_count = numas;
    for (size_t i = 0; i < machine->cores_count; i++) {
        if (i > 0 && node + 1 < numas && rand_r(seed) % 2 == 0)
            node++;
        machine->cores[i].numa = node;
        machine->cores[i].package = node / 2;
        assert_int_equal(cpus_add(&machine->cores[i].pus, (int)i), TROUPE_OK);
        assert_int_equal(cpus_add(&machine->numa[node].pus, (int)i), TROUPE_OK);
    }
    for (size_t i = 0; i < numas; i++)
        machine->numa[i].os_index = (int)i;
    for (size_t i = 0; i < machine->gpus_count; i++) {
        struct machine_gpu *gpu = &machine->gpus[i];

        gpu->near_numa = (size_t)rand_r(seed) % numas;
        gpu->located = rand_r(seed) % 8 != 0;
        gpu->package = gpu->near_numa / 2;
        if (gpu->located) {
            assert_int_equal(cpus_add_all(&gpu->near, &machine->numa[gpu->near_numa].pus),
                             TROUPE_OK);
            assert_int_equal(cpus_add(&gpu->numa, (int)gpu->near_numa), TROUPE_OK);
        }
    }
}

/* Steps a counter of `digits` digits to the base `base`; false after the last. */
static bool count_up(size_t *counter, size_t digits, size_t base)
{
    for (size_t i = 0; i < digits; i++) {
        if (++counter[i] < base)
            return true;
        counter[i] = 0;
    }
    return false;
}

static bool is_balanced(const size_t *of, size_t count, size_t bins)
{
    struct bounds bounds = { SIZE_MAX, 0 };
    size_t load[SMALL_CORES] = { 0 };

    for (size_t i = 0; i < count; i++)
        load[of[i]]++;
    for (size_t i = 0; i < bins; i++)
        bounds_take(&bounds, load[i]);
    return bounds.most - bounds.least <= 1;
}

/* The least distance for a cut: ranks choose GPUs, or GPUs choose ranks where there are fewer. */
static uint64_t least_for_cut(const struct machine *machine, size_t ranks, const size_t *core_rank)
{
    uint64_t costs[SMALL_RANKS][SMALL_GPUS] = { { 0 } }, best = UINT64_MAX;
    size_t gpus = machine->gpus_count, chosen[SMALL_CORES] = { 0 };
    size_t choosers = ranks >= gpus ? ranks : gpus, bins = ranks >= gpus ? gpus : ranks;

    for (size_t core = 0; core < machine->cores_count; core++)
        for (size_t gpu = 0; gpu < gpus; gpu++)
            costs[core_rank[core]][gpu] += machine_distance(machine, core, gpu);
    do {
        uint64_t sum = 0;

        if (!is_balanced(chosen, choosers, bins))
            continue;
        for (size_t i = 0; i < choosers; i++)
            sum += ranks >= gpus ? costs[i][chosen[i]] : costs[chosen[i]][i];
        if (sum < best)
            best = sum;
    } while (count_up(chosen, choosers, bins));
    return best;
}

static uint64_t least_of_all(const struct machine *machine, size_t ranks)
{
    size_t core_rank[SMALL_CORES] = { 0 };
    uint64_t best = UINT64_MAX;

    do {
        uint64_t least;

        if (!is_balanced(core_rank, machine->cores_count, ranks))
            continue;
        least = least_for_cut(machine, ranks, core_rank);
        if (least < best)
            best = least;
    } while (count_up(core_rank, machine->cores_count, ranks));
    return best;
}

static void no_balanced_plan_is_nearer(void **state)
{
    enum { MACHINES = 300 };
    static const size_t pool[SMALL_GPUS] = { 0, 1, 2 };
    unsigned seed = 20261122;

    (void)state;
    for (int i = 0; i < MACHINES; i++) {
        struct machine machine;

        small_machine(&seed, &machine);
        for (size_t ranks = 1; ranks <= SMALL_RANKS && ranks <= machine.cores_count; ranks++) {
            struct deal deal;

            assert_int_equal(deal_make(&machine, pool, machine.gpus_count, ranks, 0, &deal),
                             TROUPE_OK);
            if (deal_distance(&deal) != least_of_all(&machine, ranks))
                fail_msg("machine %d, %zu ranks: %ju, but %ju can be had", i, ranks,
                         (uintmax_t)deal_distance(&deal), (uintmax_t)least_of_all(&machine, ranks));
            deal_free(&deal);
        }
        machine_free(&machine);
    }
}

/* ---- what is refused -------------------------------------------------------------------- */

static void expect_refused(const char *machine_name, const struct plan_options *options,
                           const char *why)
{
    size_t pool[GPUS_MOST];
    struct machine machine;
    struct plan plan;

    machine_of(machine_name, &machine);
    for (size_t i = 0; i < machine.gpus_count; i++)
        pool[i] = i;
    assert_int_equal(plan_make(&machine, pool, machine.gpus_count, options, &plan),
                     TROUPE_BAD_ARGUMENT);
    assert_non_null(strstr(troupe_last_error(), why));
    machine_free(&machine);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    expect_refused("sixteen", &(struct plan_options){ .ranks = 0 }, "0 ranks");
    expect_refused("decoys", &(struct plan_options){ .ranks = 1, .gpus_per_rank = 3 },
                   "gpus-per-rank 3");
    expect_refused("decoys",
                   &(struct plan_options){ .ranks = 2, .gpus_per_rank = 2, .mode = PLAN_ORDERED },
                   "ordered");
    expect_refused("mig", &(struct plan_options){ .ranks = 2, .gpus_per_rank = 2 }, "MIG");
    expect_refused("mig", &(struct plan_options){ .ranks = 2, .mode = PLAN_ORDERED }, "MIG");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_machine_and_number_of_ranks),
        cmocka_unit_test(no_balanced_plan_is_nearer),
        cmocka_unit_test(what_cannot_be_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
