/* Variables that serve mpirun itself and are nothing for the ranks.
 *
 * Before it starts anything mpirun looks at the machine's PCI devices and graphics drivers, for the
 * choice of a network card and for maps by distance from a device: a quarter of its time. A run
 * that stays on this host and asks for no such map does without: HWLOC_COMPONENTS says so to
 * mpirun, TROUPE_LAUNCHER_ONLY names it, and each rank forgets both before it looks at the machine
 * itself.
 *
 * mpirun's session files go to a folder that our janitor removes. On this host alone Open MPI is
 * told so by a parameter of its own. It would tell that to its daemons on other hosts, where nobody
 * removes the folder; so where it goes to them by ssh it is mpirun's TMPDIR instead, which ssh does
 * not carry, and TROUPE_LAUNCHER_TMPDIR keeps the user's. A batch system does carry it: there the
 * files lie in the user's TMPDIR, and the batch system tidies up.
 *
 * What the user has set stands, everywhere. */
#ifndef TROUPE_JOB_LAUNCHER_ONLY_H
#define TROUPE_JOB_LAUNCHER_ONLY_H

#include "job/run.h"

/* Adds them to the environment that mpirun gets. session may be NULL: then nothing is private. */
void launcher_only_set(const struct job_run *run, const char *session, struct words *environment);

/* Removes them from this process's environment: first thing in whatever mpirun has started. */
void launcher_only_forget(void);

#endif
