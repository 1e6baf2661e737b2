/* One row for each variable that names hosts, in the order in which they are looked for. Slurm is
 * first: it is the one that sites put compatible wrappers of the others around. */
#include "job/allocation.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "job/nodelist.h"

static int slurm_read(const char *variable, const char *value, struct hostfile *hosts)
{
    static const char *const slots[] = { "SLURM_TASKS_PER_NODE", "SLURM_JOB_CPUS_PER_NODE" };
    int result = nodelist_read(variable, value, hosts);

    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        const char *numbers = getenv(slots[i]);

        if (result == TROUPE_OK && numbers != NULL)
            return nodelist_slots(slots[i], numbers, hosts);
    }
    return result;
}

static int plain_file_read(const char *variable, const char *value, struct hostfile *hosts)
{
    (void)variable;
    return hostfile_read_form(value, HOSTFILE_PLAIN, hosts);
}

static int sge_file_read(const char *variable, const char *value, struct hostfile *hosts)
{
    (void)variable;
    return hostfile_read_form(value, HOSTFILE_SGE, hosts);
}

/* "host1 4 host2 2" */
static int pairs_read(const char *variable, const char *value, struct hostfile *hosts)
{
    char *copy = strdup(value), *rest = NULL, *name;
    int result = copy != NULL ? TROUPE_OK : hostfile_no_memory();

    name = copy != NULL ? strtok_r(copy, " ", &rest) : NULL;
    while (result == TROUPE_OK && name != NULL) {
        const char *number = strtok_r(NULL, " ", &rest);
        long slots;

        if (text_to_long(number, 1, INT_MAX, &slots))
            result = hostfile_add(variable, name, (int)slots, hosts);
        else
            result =
                fail(TROUPE_BAD_ARGUMENT, "%s: %s is followed by '%s' and not by a number of slots",
                     variable, name, number != NULL ? number : "");
        name = strtok_r(NULL, " ", &rest);
    }
    free(copy);
    return result;
}

struct source {
    const char *scheduler, *variable;
    int (*read)(const char *variable, const char *value, struct hostfile *hosts);
    bool is_known;
};

static const struct source sources[] = {
    { "Slurm", "SLURM_JOB_NODELIST", slurm_read, true },
    { "LSF", "LSB_DJOB_HOSTFILE", plain_file_read, false },
    { "LSF", "LSB_MCPU_HOSTS", pairs_read, false },
    { "SGE", "PE_HOSTFILE", sge_file_read, true },
    { "PBS", "PBS_NODEFILE", plain_file_read, false },
};

static bool is_slurm(const char *scheduler)
{
    return scheduler != NULL && strcmp(scheduler, "Slurm") == 0;
}

/* Slurm counts one task a node where nobody asked for any, and names the wish only where there was
 * one. The others count slots. */
static bool tasks_were_asked(const char *scheduler)
{
    return !is_slurm(scheduler) || getenv("SLURM_NTASKS") != NULL ||
           getenv("SLURM_NTASKS_PER_NODE") != NULL;
}

/* ---- Slurm's GPUs ------------------------------------------------------------------------- */

/* A number of GPUs, which may have a type: "a100:4". 0 when there is none. */
static long gpus_read(const char *variable)
{
    const char *text = getenv(variable), *behind = text != NULL ? strrchr(text, ':') : NULL;
    long gpus;

    return text_to_long(behind != NULL ? behind + 1 : text, 1, INT_MAX, &gpus) ? gpus : 0;
}

/* Slurm tells the GPUs of this host, which are the others' unless they follow the tasks or a number
 * in all. On a login host only the wish is told. */
static long slurm_gpus_each(const struct hostfile *hosts)
{
    long here = gpus_read("SLURM_GPUS_ON_NODE"), all = gpus_read("SLURM_GPUS");

    if (getenv("SLURM_GPUS_PER_TASK") != NULL || (all > 0 && all != here * (long)hosts->count))
        return 0;
    return here > 0 ? here : gpus_read("SLURM_GPUS_PER_NODE");
}

/* A step gets its share of what a job has for each task or in all, not the GPUs of its hosts. */
static long slurm_gpus_elsewhere(const struct hostfile *hosts)
{
    long for_task = gpus_read("SLURM_GPUS_PER_TASK"), all = gpus_read("SLURM_GPUS");
    long tasks = 0;

    for (size_t i = 0; i < hosts->count; i++)
        if (!hostfile_is_here(hosts->hosts[i].name))
            tasks += hosts->hosts[i].slots;
    if (for_task > 0)
        return for_task * tasks;
    return all > 0 ? all - gpus_read("SLURM_GPUS_ON_NODE") : 0;
}

static void slurm_gpus_note(struct allocation *allocation)
{
    allocation->gpus_each = (int)slurm_gpus_each(&allocation->hosts);
    allocation->gpus_elsewhere = (int)slurm_gpus_elsewhere(&allocation->hosts);
}

int allocation_find(struct allocation *allocation)
{
    struct allocation found = { 0 };
    int result = TROUPE_OK;

    for (size_t i = 0; i < sizeof sources / sizeof *sources && found.scheduler == NULL; i++) {
        const char *value = getenv(sources[i].variable);

        if (value == NULL || *value == '\0')
            continue;
        found.scheduler = sources[i].scheduler;
        found.variable = sources[i].variable;
        found.is_known = sources[i].is_known;
        found.has_tasks = tasks_were_asked(sources[i].scheduler);
        result = sources[i].read(sources[i].variable, value, &found.hosts);
        if (result == TROUPE_OK && found.hosts.count == 0)
            result = fail(TROUPE_BAD_ARGUMENT, "%s: names no host", sources[i].variable);
    }
    if (result == TROUPE_OK && is_slurm(found.scheduler))
        slurm_gpus_note(&found);
    if (result == TROUPE_OK)
        *allocation = found;
    else
        hostfile_free(&found.hosts);
    return result;
}

void allocation_free(struct allocation *allocation)
{
    hostfile_free(&allocation->hosts);
    *allocation = (struct allocation){ 0 };
}
