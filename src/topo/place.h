/* One rank's place on its node: the one entry for the runtime, `troupe wrap` and `troupe env`.
 *
 * Call topo_place_compute in the process that the launcher started, before it forks anything and
 * before MPI_Init; it changes nothing. Then topo_place_apply in the process that is to be the rank.
 * Every rank computes the whole node's plan by itself and takes its own line, so all ranks of a
 * node must see the same environment, machine and local size. A place that was applied is
 * inherited: below `troupe wrap` a program's own call finds it and changes nothing. */
#ifndef TROUPE_TOPO_PLACE_H
#define TROUPE_TOPO_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "topo/plan.h"

struct topo_options {
    enum plan_mode mode;
    size_t gpus_per_rank; /* 0: as plan.h says */
    enum plan_bind bind;  /* PLAN_BIND_NONE leaves the launcher's binding */
    const char *topology; /* an hwloc XML file in place of this machine, or NULL */
    bool several_nodes;   /* a mask's UUIDs may be another node's */
    bool own_mask;        /* the launcher gave each rank a mask of its own (srun --gpus-per-task) */
    const char *mask;     /* in place of CUDA_VISIBLE_DEVICES and of a place applied before: what a
                           * starter chose since; NULL mostly */
};

struct topo_place {
    char *cpus; /* "0-3,8": what the rank runs on once the place is applied */
    char *numa; /* their NUMA nodes, a list too */
    char *gpu;  /* "none", or name and PCI address of each: "NVIDIA H200 0000:1b:00.0" */
    char *cuda_visible_devices; /* NULL: leave the variable; never NULL when options had a mask */
    char *cuda_device_order;    /* NULL: leave the variable */
    char *reason;
    char *note;        /* what is odd about the mask, for local rank 0 alone to say; or NULL */
    bool bind;         /* applying binds to cpus */
    bool here;         /* cpus are this process's: not those of a topology file */
    char *identity;    /* the job and the local rank that it was made for */
    char *mask_before; /* what the two variables were: "=0,1", "" when unset; NULL when they stay */
    char *order_before;
    int local_rank;
};

/* What applying a place sets. */
struct topo_variable {
    const char *name;
    const char *value; /* NULL: leave the variable as it is */
};

#define TOPO_VARIABLES 8

/* Reads TROUPE_GPU_MODE, TROUPE_GPUS_PER_RANK, TROUPE_BIND and TROUPE_TOPOLOGY. Unset means
 * isolate, the default number, none, and this machine; several_nodes and own_mask become false.
 *
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  a variable has a value that it cannot have */
int topo_options_read(struct topo_options *options);

/* Computes a rank's place. Without an NVIDIA device, and with nothing to bind, hwloc is not loaded
 * and it costs microseconds.
 *
 * local_rank  0 to local_size - 1
 * options     NULL: from the environment
 * place       freed by topo_place_free
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  local rank, options, mask or topology file are wrong
 *             TROUPE_NOT_FOUND     the topology file cannot be opened
 *             TROUPE_SYSTEM, TROUPE_NO_MEMORY
 * Threads     before other threads exist */
int topo_place_compute(int local_rank, int local_size, const struct topo_options *options,
                       struct topo_place *place);

/* Sets the environment, binds the calling thread when place->bind, and warns of place->note.
 *
 * Threads     before other threads exist */
int topo_place_apply(const struct topo_place *place);

/* Lists what topo_place_apply sets, for `troupe env`; the place keeps the text. */
void topo_place_variables(const struct topo_place *place,
                          struct topo_variable variables[TOPO_VARIABLES]);

void topo_place_free(struct topo_place *place);

/* Gives a keeper or the parent the whole node again: the CPUs of its launcher's daemon, and the
 * CUDA_VISIBLE_DEVICES that `troupe wrap` found, for neither is to stand on one rank's share. Call
 * it in the process that the launcher started, once the rank is forked.
 *
 * Returns     TROUPE_OK      also when the daemon cannot be looked at: the CPUs stay then
 *             TROUPE_SYSTEM  the kernel refused
 *             TROUPE_NO_MEMORY
 * Threads     before other threads exist */
int topo_unbind(void);

#endif
