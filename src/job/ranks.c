#include "job/ranks.h"

#include <limits.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "topo/machine.h"
#include "topo/mask.h"

int job_ranks_read(const char *source, const char *text, int *ranks)
{
    long number;

    if (!text_to_long(text, 1, INT_MAX, &number))
        return fail(TROUPE_BAD_ARGUMENT, "%s %s is not a number of ranks; give 1 or more", source,
                    text);
    *ranks = (int)number;
    return TROUPE_OK;
}

/* The GPUs that the inherited mask leaves. */
static int gpus_count(const struct machine *machine, size_t *count)
{
    struct mask_given given = { getenv(MASK_VARIABLE), getenv(MASK_ORDER_VARIABLE), false };
    struct mask_pool pool;
    int result = mask_read(machine, &given, &pool);

    if (result != TROUPE_OK)
        return result;
    *count = pool.count;
    mask_pool_free(&pool);
    return TROUPE_OK;
}

int job_ranks_default(int *ranks)
{
    const char *chosen = getenv("TROUPE_WORKERS");
    struct cpus allowed = { 0 };
    struct machine machine;
    size_t gpus = 0;
    int result;

    if (chosen != NULL && *chosen != '\0')
        return job_ranks_read("TROUPE_WORKERS", chosen, ranks);
    result = machine_load(NULL, &machine);
    if (result != TROUPE_OK)
        return result;
    result = cpus_of_process(0, &allowed);
    if (result == TROUPE_OK && machine.gpus_count > 0)
        result = gpus_count(&machine, &gpus);
    if (result == TROUPE_OK) {
        machine_restrict(&machine, &allowed);
        *ranks = (int)(gpus > 0 ? gpus : machine.cores_count);
    }
    cpus_free(&allowed);
    machine_free(&machine);
    return result;
}
