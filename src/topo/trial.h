/* Trying a topology file where it can do no harm. hwloc 2.9 trusts its files: some that were cut,
 * edited or written by another program make it end by a signal. */
#ifndef TROUPE_TOPO_TRIAL_H
#define TROUPE_TOPO_TRIAL_H

/* Loads the file in a child of its own. For those who own their children: commands, and troupe_init
 * in the processes that it forks from anyway.
 *
 * xml         NULL: there is no file, and nothing to try
 * Returns     as machine_load; TROUPE_BAD_ARGUMENT also when hwloc ended by a signal, or was not
 *             done within TRIAL_SECONDS */
int topology_try(const char *xml);

#define TRIAL_SECONDS 10

#endif
