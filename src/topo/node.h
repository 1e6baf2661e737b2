/* The node as the calling process stands in it; place.c's own helper. */
#ifndef TROUPE_TOPO_NODE_H
#define TROUPE_TOPO_NODE_H

#include <stdbool.h>

#include "topo/cpus.h"

/* Whether the launcher has already given each rank its own CPUs: then what this process may use is
 * its rank's share and not the node's. Open MPI 4 and Slurm say so; PRRTE, which Open MPI 5 starts,
 * is told by its daemon's CPUs being more than ours. */
bool node_launcher_binds(void);

/* Whether that launcher is Slurm. Its daemon stands outside of the job, so nothing tells what the
 * node's other ranks may use: what it gave a rank stays. */
bool node_slurm_binds(void);

/* The CPUs of all ranks of the node: what this process may use, and when the launcher has narrowed
 * that down, what its daemon may. The daemon keeps what the user allowed it (taskset, a batch
 * system's share), which the bare control group would not know. */
int node_cpus(bool narrowed, struct cpus *cpus);

/* Gives the calling thread the node's CPUs as far as the launcher's daemon has them. */
int node_unbind(void);

/* The NUMA nodes that a set of CPUs is on, as the kernel lists them; none where it lists none. */
int node_numa_of(const struct cpus *cpus, struct cpus *numa);

/* What this process may use now and the NUMA nodes of that, as lists to be freed. */
int node_here(char **cpus, char **numa);

#endif
