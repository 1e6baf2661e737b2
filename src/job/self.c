#include "job/self.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "job/ranks.h"
#include "job/supervise.h"

static int alone_check(const struct job_place *place)
{
    if (place->launcher != JOB_LAUNCHER_SLURM || place->size <= 1)
        return TROUPE_OK;
    return fail(TROUPE_BAD_ARGUMENT,
                "srun started %d of these without PMIx, and each would start a world of its own; "
                "write srun --mpi=pmix, or troupe run without srun",
                place->size);
}

static int hosts_write(struct job_self *self)
{
    int result;

    if (self->allocation.scheduler == NULL || self->run.hosts_are_known)
        return TROUPE_OK;
    result = hostfile_write(&self->allocation.hosts, &self->hosts);
    self->run.hosts = self->hosts.data;
    return result;
}

int job_self_decide(const struct job_place *place, int workers, struct job_self *self)
{
    const char *topology = getenv("TROUPE_TOPOLOGY");
    struct job_ranks_wanted wanted = { .ranks = workers };
    int result = alone_check(place);

    if (topology != NULL && *topology != '\0')
        wanted.topology = topology;
    if (result == TROUPE_OK)
        result = allocation_find(&self->allocation);
    if (result != TROUPE_OK)
        return result;
    self->run.hosts_are_known = self->allocation.is_known;
    self->run.gpus_elsewhere = self->allocation.gpus_elsewhere;
    self->run.goes_elsewhere = hostfile_goes_elsewhere(&self->allocation.hosts);
    job_ranks_want_hosts(&self->allocation.hosts, self->allocation.has_tasks,
                         self->allocation.gpus_each, &wanted);
    result = hosts_write(self);
    return result == TROUPE_OK ? job_ranks_decide(&wanted, &self->run.ranks, &self->run.per_node)
                               : result;
}

int job_self_start(const struct job_run *run, int *status)
{
    struct job_run itself = *run;
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    struct words command = { 0 };
    int result;

    *status = JOB_STATUS_LAUNCHER_FAILED;
    if (length < 0)
        return fail_errno(TROUPE_SYSTEM, "cannot tell the running program's path: /proc/self/exe");
    program[length] = '\0';
    words_append(&command, program);
    words_append_all(&command, run->command + 1);
    itself.command = command.data;
    result =
        command.broken ? fail(TROUPE_NO_MEMORY, "out of memory") : job_supervise(&itself, status);
    words_free(&command);
    return result;
}

void job_self_free(struct job_self *self)
{
    allocation_free(&self->allocation);
    text_free(&self->hosts);
}
