/* The worker: a fresh process beside each rank, the child of a keeper, that runs one command after
 * the other. It has no MPI, so that it may die, with its command, at no cost to the world. */
#ifndef TROUPE_LAUNCH_MAP_WORKER_H
#define TROUPE_LAUNCH_MAP_WORKER_H

#include <stddef.h>

/* The target; its argument is a struct map_worker_order with what belongs behind it. Ends when its
 * inbox is closed and empty. */
int map_worker(const void *argument, size_t bytes);

#endif
