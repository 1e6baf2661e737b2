/* How many ranks a run has: as asked, or when nobody says. */
#ifndef TROUPE_JOB_RANKS_H
#define TROUPE_JOB_RANKS_H

#include "job/hostfile.h"

/* What was asked; 0 everywhere means nothing was. */
struct job_ranks_wanted {
    int ranks;            /* in all */
    int per_node;         /* on each host */
    int per_gpu;          /* on each host, for each GPU that CUDA_VISIBLE_DEVICES shows */
    int hosts;            /* 0 counts as 1 */
    int slots;            /* of all hosts together, where they say */
    int slots_most;       /* of the host that has most */
    int gpus_each;        /* of each host, where a batch system says; else 0 */
    const char *topology; /* an hwloc XML file in place of this machine, or NULL */
};

/* TROUPE_WORKERS; else one for each GPU that CUDA_VISIBLE_DEVICES shows; else one for each core
 * that this process may use. TROUPE_TOPOLOGY stands in for this machine.
 *
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  TROUPE_WORKERS, CUDA_VISIBLE_DEVICES or the file is wrong
 *             TROUPE_NOT_FOUND     the file cannot be read
 *             TROUPE_SYSTEM, TROUPE_NO_MEMORY */
int job_ranks_default(int *ranks);

/* Notes the hosts of a run. With has_tasks their slots are what was asked for. */
void job_ranks_want_hosts(const struct hostfile *hosts, bool has_tasks, int gpus_each,
                          struct job_ranks_wanted *wanted);

/* Decides by what was asked, and by the default above where nothing was; every host is taken to be
 * like this one.
 *
 * A batch system may have packed the tasks of a job: 15 of 16 on the first of two hosts, with eight
 * GPUs each. Where one for each GPU is enough, no host gets more.
 *
 * ranks       in all
 * per_node    on each host, at most; 0 when the hosts' slots decide
 * Returns     as job_ranks_default; TROUPE_BAD_ARGUMENT also when the wishes contradict each other,
 *             or there is no GPU to count by */
int job_ranks_decide(const struct job_ranks_wanted *wanted, int *ranks, int *per_node);

/* Reads a number of ranks: 1 or more.
 *
 * source      what the sentence calls it, "-n" or "TROUPE_WORKERS"
 * Returns     TROUPE_OK or TROUPE_BAD_ARGUMENT */
int job_ranks_read(const char *source, const char *text, int *ranks);

#endif
