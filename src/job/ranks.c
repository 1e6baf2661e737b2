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

/* The GPUs and cores that a rank of this machine, or of the file's, may use. */
static int machine_count(const char *topology, size_t *gpus, size_t *cores)
{
    struct cpus allowed = { 0 };
    struct machine machine;
    int result = machine_load(topology, &machine);

    *gpus = 0;
    if (result != TROUPE_OK)
        return result;
    if (topology == NULL)
        result = cpus_of_process(0, &allowed);
    if (result == TROUPE_OK && machine.gpus_count > 0)
        result = gpus_count(&machine, gpus);
    if (result == TROUPE_OK && topology == NULL)
        machine_restrict(&machine, &allowed);
    *cores = machine.cores_count;
    cpus_free(&allowed);
    machine_free(&machine);
    return result;
}

static int product(const char *what, long long each, int hosts, int *ranks)
{
    if (each * hosts > INT_MAX)
        return fail(TROUPE_BAD_ARGUMENT, "%s: %lld ranks on each of %d hosts are too many", what,
                    each, hosts);
    *ranks = (int)(each * hosts);
    return TROUPE_OK;
}

static int ranks_by_machine(const struct job_ranks_wanted *wanted, int hosts, int *ranks)
{
    size_t gpus = (size_t)wanted->gpus_each, cores = 0;
    int result = gpus == 0 ? machine_count(wanted->topology, &gpus, &cores) : TROUPE_OK;

    return result == TROUPE_OK ? product("the default", gpus > 0 ? gpus : cores, hosts, ranks)
                               : result;
}

/* One host alone needs no limit for each. */
static int ranks_per_gpu(const struct job_ranks_wanted *wanted, int hosts, int *ranks,
                         int *per_node)
{
    size_t gpus = (size_t)wanted->gpus_each, cores = 0;
    int result = gpus == 0 ? machine_count(wanted->topology, &gpus, &cores) : TROUPE_OK;

    if (result == TROUPE_OK && gpus == 0)
        result = fail(TROUPE_BAD_ARGUMENT, "--per-gpu %d: there is no GPU to count by; write -n 4",
                      wanted->per_gpu);
    if (result == TROUPE_OK)
        result = product("--per-gpu", (long long)gpus * wanted->per_gpu, 1, per_node);
    return result == TROUPE_OK ? product("--per-gpu", *per_node, hosts, ranks) : result;
}

static int wanted_check(const struct job_ranks_wanted *wanted, int hosts)
{
    if (wanted->per_gpu > 0 && (wanted->ranks > 0 || wanted->per_node > 0))
        return fail(TROUPE_BAD_ARGUMENT,
                    "--per-gpu %d and %s both say how many ranks; write one of them",
                    wanted->per_gpu, wanted->ranks > 0 ? "-n" : "--per-node");
    if (wanted->per_node > 0 && wanted->ranks > (long long)wanted->per_node * hosts)
        return fail(TROUPE_BAD_ARGUMENT,
                    "-n %d: with --per-node %d there are %lld ranks on %d host%s; name more hosts",
                    wanted->ranks, wanted->per_node, (long long)wanted->per_node * hosts, hosts,
                    hosts == 1 ? "" : "s");
    return TROUPE_OK;
}

static int ranks_choose(const struct job_ranks_wanted *wanted, int hosts, int *ranks)
{
    const char *chosen = getenv("TROUPE_WORKERS");

    if (wanted->per_node > 0 && wanted->ranks == 0)
        return product("--per-node", wanted->per_node, hosts, ranks);
    *ranks = wanted->ranks > 0 ? wanted->ranks : wanted->slots;
    if (wanted->ranks == 0 && chosen != NULL && *chosen != '\0')
        return job_ranks_read("TROUPE_WORKERS", chosen, ranks);
    return *ranks > 0 ? TROUPE_OK : ranks_by_machine(wanted, hosts, ranks);
}

int job_ranks_decide(const struct job_ranks_wanted *wanted, int *ranks, int *per_node)
{
    int hosts = wanted->hosts > 0 ? wanted->hosts : 1, result = wanted_check(wanted, hosts);

    *per_node = wanted->per_node;
    if (result != TROUPE_OK)
        return result;
    if (wanted->per_gpu > 0)
        return ranks_per_gpu(wanted, hosts, ranks, per_node);
    result = ranks_choose(wanted, hosts, ranks);
    if (result == TROUPE_OK && *per_node == 0 && hosts > 1 &&
        wanted->slots_most > wanted->gpus_each && *ranks <= (long long)wanted->gpus_each * hosts)
        *per_node = wanted->gpus_each;
    return result;
}

int job_ranks_default(int *ranks)
{
    const char *topology = getenv("TROUPE_TOPOLOGY");
    const struct job_ranks_wanted nothing = { .topology = topology != NULL && *topology != '\0'
                                                              ? topology
                                                              : NULL };
    int per_node;

    return job_ranks_decide(&nothing, ranks, &per_node);
}

void job_ranks_want_hosts(const struct hostfile *hosts, bool has_tasks, int gpus_each,
                          struct job_ranks_wanted *wanted)
{
    wanted->hosts = (int)hosts->count;
    wanted->slots = has_tasks ? hostfile_slots(hosts) : 0;
    wanted->gpus_each = gpus_each;
    for (size_t i = 0; i < hosts->count; i++)
        if (hosts->hosts[i].slots > wanted->slots_most)
            wanted->slots_most = hosts->hosts[i].slots;
}
