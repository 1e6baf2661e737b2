/* Slurm's lists of nodes and of tasks.
 *
 *   tux[01-03,7],gpu          tux01 tux02 tux03 tux7 gpu
 *   rack[1-2]node[0-1]        rack1node0 rack1node1 rack2node0 rack2node1
 *   4(x2),1                   4 4 1
 *
 * Numbers keep the width of the range's first. A list of more than HOSTFILE_HOSTS_MAX names is
 * refused. */
#ifndef TROUPE_JOB_NODELIST_H
#define TROUPE_JOB_NODELIST_H

#include "job/hostfile.h"

/* Adds each node of a list.
 *
 * where       the list's name in sentences: "SLURM_JOB_NODELIST"
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  the sentence says what is wrong, and at which character
 *             TROUPE_NO_MEMORY */
int nodelist_read(const char *where, const char *list, struct hostfile *hostfile);

/* Gives the hosts their slots, in order: as many numbers as hosts. Returns as nodelist_read. */
int nodelist_slots(const char *where, const char *numbers, struct hostfile *hostfile);

#endif
