/* Masks of any bytes, for libFuzzer; the corpus in tests/data/mask-corpus is replayed as a test.
 *
 * Whatever the bytes are: reading ends with an answer or one sentence; a pool has no GPU twice; and
 * the mask that a rank is given shows, when it is read again, just what was meant. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topo/mask.h"
#include "troupe/troupe.h"

enum { GPUS = 5, RANKS = 3, PCI_FIRST = 0x17 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "mask_fuzz: %s (%s)\n", what, troupe_last_error());
    abort();
}

/* GPUs 0 and 1, and GPU 2 cut into two instances; one GPU is denied. */
static struct machine machine_make(bool uuids, struct machine_gpu gpus[GPUS],
                                   struct machine_gpu *denied, struct machine_core *core,
                                   struct machine_numa *numa)
{
    static char names[GPUS][24] = { "GPU-12ab0000-0000", "GPU-12ab1111-0000", "MIG-00000001",
                                    "MIG-00000002", "GPU-3" };
    static const int indexes[GPUS] = { 0, 1, 2, 2, 3 };
    static char denied_name[] = "GPU-9", machine_name[] = "fuzzed";
    struct machine machine = { .name = machine_name,
                               .numa = numa,
                               .numa_count = 1,
                               .cores = core,
                               .cores_count = 1,
                               .gpus = gpus,
                               .gpus_count = GPUS,
                               .denied = denied,
                               .denied_count = 1 };

    for (size_t i = 0; i < GPUS; i++) {
        gpus[i] = (struct machine_gpu){ .index = indexes[i], .instance = i == 2 || i == 3 };
        gpus[i].uuid = uuids || gpus[i].instance ? names[i] : NULL;
        snprintf(gpus[i].pci, sizeof gpus[i].pci, "0000:%02x:00.0", PCI_FIRST + indexes[i]);
    }
    *denied = (struct machine_gpu){ .index = -1, .uuid = denied_name };
    return machine;
}

static void pool_check(const struct mask_pool *pool)
{
    for (size_t i = 0; i < pool->count; i++) {
        insist(pool->gpus[i] < GPUS, "a GPU that is none");
        for (size_t j = 0; j < i; j++)
            insist(pool->gpus[i] != pool->gpus[j], "a GPU twice");
    }
}

/* What a rank in the isolated mode is given shows its own GPUs, in order. */
static void rank_check(const struct machine *machine, const struct mask_given *given,
                       const struct mask_pool *pool, const struct plan *plan, size_t rank)
{
    struct mask_given again = { .order = MASK_ORDER_PCI };
    struct mask_pool seen;
    const char *order;
    char *value;

    insist(mask_write(machine, given, pool, plan, PLAN_ISOLATE, rank, &value, &order) == TROUPE_OK,
           "a mask that cannot be written");
    again.value = value != NULL ? value : given->value;
    again.several_nodes = value == NULL && given->several_nodes;
    insist(mask_read(machine, &again, &seen) == TROUPE_OK, "a written mask is refused");
    insist(seen.count == plan->ranks[rank].gpus_count, "a rank sees another number of GPUs");
    for (size_t i = 0; value != NULL && i < seen.count; i++)
        insist(machine->gpus[seen.gpus[i]].index == machine->gpus[plan->ranks[rank].gpus[i]].index,
               "a rank sees another GPU");
    mask_pool_free(&seen);
    free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plan_options options = { .ranks = RANKS };
    struct machine_gpu gpus[GPUS], denied;
    struct machine_core core = { 0 };
    struct machine_numa numa = { 0 };
    struct mask_given given = { 0 };
    struct machine machine;
    struct mask_pool pool;
    struct plan plan;
    char *value;

    if (size == 0)
        return 0;
    value = calloc(1, size);
    insist(value != NULL && cpus_add(&core.pus, 0) == TROUPE_OK, "no memory");
    memcpy(value, data + 1, size - 1);
    machine = machine_make((data[0] & 1) != 0, gpus, &denied, &core, &numa);
    given.value = value;
    given.several_nodes = (data[0] & 2) != 0;
    if (mask_read(&machine, &given, &pool) == TROUPE_OK) {
        pool_check(&pool);
        insist(plan_make(&machine, pool.gpus, pool.count, &options, &plan) == TROUPE_OK, "no plan");
        for (size_t rank = 0; rank < RANKS; rank++)
            rank_check(&machine, &given, &pool, &plan, rank);
        plan_free(&plan);
        mask_pool_free(&pool);
    }
    cpus_free(&core.pus);
    free(value);
    return 0;
}
