/* Stays with a world from its start to its end: starts mpirun under a janitor, prints for its
 * processes, passes signals on, and returns the parent's true status. */
#ifndef TROUPE_JOB_SUPERVISE_H
#define TROUPE_JOB_SUPERVISE_H

#include "job/run.h"

/* Runs a command on ranks and returns when nothing of it is left.
 *
 * status      the exit status for the caller: the parent's own; else mpirun's; 128 + the signal
 *             that ended the world; what the failure asks for. Always set.
 * Returns     TROUPE_OK      the world ran; lines for people are already printed
 *             anything else  it did not start: troupe_last_error() says why
 * Threads     call it before any other thread exists */
int job_supervise(const struct job_run *run, int *status);

#endif
