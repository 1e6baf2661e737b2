/* A program that nobody started as a rank, and that starts its world by itself: on this host; in a
 * job of a batch system on the job's hosts, as `troupe run` would. */
#ifndef TROUPE_JOB_SELF_H
#define TROUPE_JOB_SELF_H

#include "job/allocation.h"
#include "job/place.h"
#include "job/run.h"

struct job_self {
    struct job_run run;
    struct allocation allocation;
    struct text hosts; /* run.hosts points to it */
};

/* Decides how many ranks there are, and where. Starts from all zero; job_self_free is due.
 *
 * place       the calling process's: a task of srun's without PMIx is one of several that would
 *             each start a world
 * workers     0: TROUPE_WORKERS, or the tasks of the job, or one for each GPU, else core
 * self        run.ranks and run's hosts are set
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  as job_ranks_decide and allocation_find; such a task
 *             TROUPE_NOT_FOUND, TROUPE_SYSTEM, TROUPE_NO_MEMORY */
int job_self_decide(const struct job_place *place, int workers, struct job_self *self);

/* As job_supervise (supervise.h), for the calling program. run->command holds main's arguments; the
 * program is the running one, wherever its first argument says it is. */
int job_self_start(const struct job_run *run, int *status);

void job_self_free(struct job_self *self);

#endif
