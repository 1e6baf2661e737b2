/* GPUs for processes apart from the plan: fresh processes that asked for GPUs of their own.
 *
 * Who starts such processes beside a rank keeps one of these. It knows the node's GPUs, and how
 * many of the processes that it started use each: so many at a time go to those that the fewest
 * use, the rank's own first. Keepers do not tell each other; each begins with its own rank's GPUs
 * and goes on with those behind them, so that the keepers of a node together come out even. */
#ifndef TROUPE_TOPO_SHARES_H
#define TROUPE_TOPO_SHARES_H

#include <stddef.h>

#include "topo/place.h"

struct topo_shares;

/* What topo_shares_take took: positions among the machine's GPUs. Zero: nothing. */
struct topo_taken {
    size_t *gpus;
    size_t count;
};

/* Loads the machine as the rank's plan saw it.
 *
 * options     its topology, mask and gpus_per_rank count; the mask NULL: none was set
 * order       what CUDA_DEVICE_ORDER was, or NULL
 * Returns     TROUPE_OK, or as topo_place_compute
 * Threads     this and the following: one at a time for each topo_shares */
int topo_shares_open(int local_rank, int local_size, const struct topo_options *options,
                     const char *order, struct topo_shares **shares);
void topo_shares_close(struct topo_shares *shares);

/* Takes count GPUs of the node for one process.
 *
 * pool        a mask in place of the options', or NULL
 * place       its variables, its gpu and its reason are set; freed by topo_place_free. On a machine
 *             without GPUs the mask is passed on
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  there are fewer, the pool is wrong, or they are MIG instances,
 *                                  of which a process can use one */
int topo_shares_take(struct topo_shares *shares, const char *pool, size_t count,
                     struct topo_taken *taken, struct topo_place *place);
void topo_shares_give(struct topo_shares *shares, struct topo_taken *taken);

/* The place of a process that named its GPUs, in the order of the list. Errors are the mask's. */
int topo_shares_name(const struct topo_shares *shares, const char *list, struct topo_place *place);

#endif
