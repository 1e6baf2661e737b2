/* What a batch system has given to this job: its hosts and their slots, as the variables say that
 * it sets.
 *
 *   Slurm  SLURM_JOB_NODELIST, with SLURM_TASKS_PER_NODE or SLURM_JOB_CPUS_PER_NODE
 *   LSF    LSB_DJOB_HOSTFILE, a file; else LSB_MCPU_HOSTS, "host1 4 host2 2"
 *   SGE    PE_HOSTFILE, a file
 *   PBS    PBS_NODEFILE, a file */
#ifndef TROUPE_JOB_ALLOCATION_H
#define TROUPE_JOB_ALLOCATION_H

#include "job/hostfile.h"

struct allocation {
    const char *scheduler; /* "Slurm"; NULL: this is no job of a batch system's */
    const char *variable;  /* that named the hosts */
    struct hostfile hosts;
    bool is_known;  /* Open MPI of any distribution finds it by itself */
    bool has_tasks; /* the job asked for a number of tasks, which the slots are */
    int gpus_each;  /* GPUs that the job has on each host; 0: not said, or not equally many */
    /* Slurm: GPUs that mpirun's daemons, a step on all hosts but this one, are to ask for so that
     * their ranks have what the job has there; 0: they get them unasked. */
    int gpus_elsewhere;
};

/* Finds the allocation of this process.
 *
 * Returns     TROUPE_OK, also when there is none; allocation_free is due
 *             TROUPE_BAD_ARGUMENT, TROUPE_NOT_FOUND  a variable, or the file that it names, is
 *                                  wrong: the sentence begins with its name */
int allocation_find(struct allocation *allocation);

void allocation_free(struct allocation *allocation);

#endif
