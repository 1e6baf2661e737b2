/* How many ranks a run has when nobody says. */
#ifndef TROUPE_JOB_RANKS_H
#define TROUPE_JOB_RANKS_H

/* TROUPE_WORKERS; else one for each GPU that CUDA_VISIBLE_DEVICES shows; else one for each core
 * that this process may use.
 *
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  TROUPE_WORKERS or CUDA_VISIBLE_DEVICES is wrong
 *             TROUPE_SYSTEM, TROUPE_NO_MEMORY */
int job_ranks_default(int *ranks);

/* Reads a number of ranks: 1 or more.
 *
 * source      what the sentence calls it, "-n" or "TROUPE_WORKERS"
 * Returns     TROUPE_OK or TROUPE_BAD_ARGUMENT */
int job_ranks_read(const char *source, const char *text, int *ranks);

#endif
