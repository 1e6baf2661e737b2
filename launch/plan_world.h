/* The nodes of a planned world: how many ranks each has, and the plan of each. */
#ifndef TROUPE_LAUNCH_PLAN_WORLD_H
#define TROUPE_LAUNCH_PLAN_WORLD_H

#include "job/hostfile.h"
#include "plan_show.h"

/* Plans ranks for hosts that are all like the request's machine.
 *
 * hosts       empty: one node, named as the machine
 * per_node    ranks on each host, at most; 0: by the hosts' slots, one for each core where a host
 *             does not say
 * world       freed by plan_world_free
 * Returns     TROUPE_OK or the error of plan_make */
int plan_world_make(const struct plan_request *request, const struct hostfile *hosts, int ranks,
                    int per_node, struct plan_world *world);

void plan_world_free(struct plan_world *world);

#endif
