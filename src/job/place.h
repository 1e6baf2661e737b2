/* Where the calling process stands, as far as its launcher says so in the environment, before MPI
 * has started. Only the variables that Open MPI and PMIx set for the processes they start make a
 * process a rank: Slurm sets SLURM_PROCID=0 in a batch script too. */
#ifndef TROUPE_JOB_PLACE_H
#define TROUPE_JOB_PLACE_H

#include <stdbool.h>

enum job_launcher {
    JOB_LAUNCHER_NONE,
    JOB_LAUNCHER_MPIRUN, /* Open MPI's or PRRTE's mpirun */
    JOB_LAUNCHER_SLURM,  /* srun */
    JOB_LAUNCHER_FLUX,   /* flux run */
    JOB_LAUNCHER_PALS,   /* Cray's aprun and mpiexec */
    JOB_LAUNCHER_HYDRA,  /* MPICH's and Intel's mpiexec */
    JOB_LAUNCHER_PMIX    /* any other that speaks PMIx */
};

struct job_place {
    enum job_launcher launcher;
    bool is_rank; /* an MPI_Init here would join a world */
    int rank;     /* -1 where the launcher does not say */
    int size;     /* -1 likewise */
    int local_rank;
    int local_size;
    bool own_mask; /* the launcher gave each rank of the node a CUDA_VISIBLE_DEVICES of its own */
};

/* Reads the environment.
 *
 * Returns     TROUPE_OK            also in a process that no launcher started: launcher is
 *                                  JOB_LAUNCHER_NONE and every number is -1
 *             TROUPE_BAD_ARGUMENT  a variable is not a number: the sentence names it */
int job_place_detect(struct job_place *place);

/* "mpirun", "srun" … for people. */
const char *job_launcher_name(enum job_launcher launcher);

#endif
