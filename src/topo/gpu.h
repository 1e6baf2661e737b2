/* Finding the GPUs of a loaded hwloc topology; machine.c's own helper. */
#ifndef TROUPE_TOPO_GPU_H
#define TROUPE_TOPO_GPU_H

#include <hwloc.h>

#include "topo/machine.h"

/* Fills machine->gpus and machine->denied; cores and NUMA nodes are there already.
 * live: ask the driver of this machine too. */
int gpu_find_all(hwloc_topology_t topology, bool live, struct machine *machine);

void gpu_free(struct machine_gpu *gpu);

#endif
