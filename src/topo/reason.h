/* The sentence beside each line of a plan; plan.c's own helper. */
#ifndef TROUPE_TOPO_REASON_H
#define TROUPE_TOPO_REASON_H

#include "topo/deal.h"
#include "topo/plan.h"

/* Writes the reason of one rank, whose other fields are there. dealt is its number in the deal. */
int reason_write(const struct deal *deal, size_t dealt, const struct plan_options *options,
                 struct plan_rank *rank);

#endif
