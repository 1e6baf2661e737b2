/* What is to be seen of the node without hwloc: affinities of processes, and the kernel's lists. */
#include "topo/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

#define NODE_PATH 128
#define NODE_LINE 8192

/* A rank of srun itself: mpirun inside a Slurm job inherits Slurm's variables. */
static bool is_slurm_task(void)
{
    return getenv("SLURM_LOCALID") != NULL && getenv("OMPI_COMM_WORLD_RANK") == NULL;
}

/* srun writes "none", or what it bound by: "mask_cpu:", "quiet,map_cpu:". */
bool node_slurm_binds(void)
{
    const char *kind = getenv("SLURM_CPU_BIND_TYPE");

    return is_slurm_task() && kind != NULL && *kind != '\0' && strncmp(kind, "none", 4) != 0;
}

static bool daemon_has_more(void)
{
    struct cpus own = { 0 }, daemon = { 0 };
    bool more = cpus_of_process(0, &own) == TROUPE_OK &&
                cpus_of_process(getppid(), &daemon) == TROUPE_OK && daemon.count > own.count &&
                cpus_contains_all(&daemon, &own);

    cpus_free(&own);
    cpus_free(&daemon);
    return more;
}

/* PRRTE names its jobs after its programs: prterun-host-1234@1, prte-… */
static bool is_prrte_rank(void)
{
    const char *job = getenv("PMIX_NAMESPACE");

    return job != NULL && strncmp(job, "prte", 4) == 0;
}

bool node_launcher_binds(void)
{
    const char *bound = getenv("OMPI_MCA_orte_bound_at_launch");

    if (bound != NULL)
        return strcmp(bound, "0") != 0;
    return node_slurm_binds() || (is_prrte_rank() && daemon_has_more());
}

int node_cpus(bool narrowed, struct cpus *cpus)
{
    struct cpus daemon = { 0 };
    int result = cpus_of_process(0, cpus);

    if (result == TROUPE_OK && narrowed && !is_slurm_task() &&
        cpus_of_process(getppid(), &daemon) == TROUPE_OK)
        result = cpus_add_all(cpus, &daemon);
    cpus_free(&daemon);
    return result;
}

int node_unbind(void)
{
    struct cpus own = { 0 }, node = { 0 };
    int result = cpus_of_process(0, &own);

    if (result == TROUPE_OK)
        result = node_cpus(true, &node);
    if (result == TROUPE_OK && node.count > own.count)
        result = cpus_bind(&node);
    cpus_free(&own);
    cpus_free(&node);
    return result;
}

/* ---- NUMA nodes, as the kernel lists them ----------------------------------------------- */

static int sysfs_list(const char *path, struct cpus *cpus)
{
    char line[NODE_LINE];
    FILE *file = fopen(path, "re");
    bool read;

    if (file == NULL)
        return TROUPE_OK; /* a kernel without NUMA, or /sys not mounted: nothing to say */
    read = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    return read ? cpus_read_list(line, cpus) : TROUPE_OK;
}

int node_numa_of(const struct cpus *cpus, struct cpus *numa)
{
    struct cpus online = { 0 };
    int result = sysfs_list("/sys/devices/system/node/online", &online);

    for (size_t i = 0; i < online.count && result == TROUPE_OK; i++) {
        struct cpus own = { 0 };
        char path[NODE_PATH];

        snprintf(path, sizeof path, "/sys/devices/system/node/node%d/cpulist", online.ids[i]);
        result = sysfs_list(path, &own);
        if (result == TROUPE_OK && cpus_meet(&own, cpus))
            result = cpus_add(numa, online.ids[i]);
        cpus_free(&own);
    }
    cpus_free(&online);
    return result;
}

int node_here(char **cpus, char **numa)
{
    struct cpus own = { 0 }, nodes = { 0 };
    int result = cpus_of_process(0, &own);

    if (result == TROUPE_OK)
        result = node_numa_of(&own, &nodes);
    if (result == TROUPE_OK) {
        *cpus = cpus_list(&own);
        *numa = cpus_list(&nodes);
        if (*cpus == NULL || *numa == NULL)
            result = fail(TROUPE_NO_MEMORY, "topo: no memory for a list of CPUs");
    }
    cpus_free(&own);
    cpus_free(&nodes);
    return result;
}
