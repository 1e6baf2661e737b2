/* The variables by which torch.distributed (init_method "env://") finds its world: RANK,
 * WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, and where rank 0 listens: MASTER_ADDR, MASTER_PORT.
 * What the user set of the last two stands. */
#ifndef TROUPE_LAUNCH_TORCH_H
#define TROUPE_LAUNCH_TORCH_H

#include "job/place.h"
#include "job/words.h"
#include "topo/place.h"

/* Scripts call torch.cuda.set_device(LOCAL_RANK): device i must be local rank i's. Sets the mode so
 * unless TROUPE_GPU_MODE is set. */
void torch_mode_default(struct topo_options *options);

/* Chooses where the ranks of a run meet, for all of them together.
 *
 * first_host  the host of rank 0; NULL: this one, for all ranks
 * settings    gets MASTER_ADDR and MASTER_PORT, unless they are there or in the environment
 * Returns     TROUPE_OK
 *             TROUPE_SYSTEM  this host has no free port */
int torch_meeting_choose(const char *first_host, struct words *settings);

/* Sets one rank's variables. Without a meeting place from above, ranks of one node meet at a port
 * that all of them compute from the job's name.
 *
 * Returns     TROUPE_OK
 *             TROUPE_LAUNCH  the launcher does not say how many ranks there are, or they are on
 *                            several nodes and MASTER_ADDR is not set
 *             TROUPE_NO_MEMORY */
int torch_variables_set(const struct job_place *place);

#endif
