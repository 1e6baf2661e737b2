/* CUDA_VISIBLE_DEVICES: reading the mask that we inherited, and writing each rank's.
 *
 * CUDA reads entries up to the first that it does not like and says nothing: a typo loses GPUs, a
 * name twice loses all. Here every such entry is an error that names it. The order of the entries
 * is kept, and a mask that already shows what it should is not rewritten. */
#ifndef TROUPE_TOPO_MASK_H
#define TROUPE_TOPO_MASK_H

#include <stdbool.h>
#include <stddef.h>

#include "topo/machine.h"
#include "topo/plan.h"

#define MASK_VARIABLE "CUDA_VISIBLE_DEVICES"
#define MASK_ORDER_VARIABLE "CUDA_DEVICE_ORDER"
#define MASK_ORDER_PCI "PCI_BUS_ID"

struct mask_given {
    const char *value;  /* of CUDA_VISIBLE_DEVICES; NULL when it is unset: all GPUs */
    const char *order;  /* of CUDA_DEVICE_ORDER; NULL when it is unset */
    bool several_nodes; /* UUIDs that are unknown here may be another node's */
};

struct mask_pool {
    size_t *gpus; /* positions in machine.gpus, in the mask's order */
    size_t count;
    size_t elsewhere; /* entries that name another node's GPUs */
    char *note;       /* what CUDA reads otherwise than it looks; NULL mostly */
};

/* Reads a mask.
 *
 * pool        freed by mask_pool_free
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  an entry that is empty, no number and no UUID, unknown,
 *                                  ambiguous, named twice, or of a GPU that we may not open
 *             TROUPE_NO_MEMORY */
int mask_read(const struct machine *machine, const struct mask_given *given,
              struct mask_pool *pool);

/* Writes the mask of one rank.
 *
 * value       the text of CUDA_VISIBLE_DEVICES, freed by the caller; NULL: leave the variable
 * order       the text of CUDA_DEVICE_ORDER, a constant; NULL: leave the variable
 * Returns     TROUPE_OK or TROUPE_NO_MEMORY */
int mask_write(const struct machine *machine, const struct mask_given *given,
               const struct mask_pool *pool, const struct plan *plan, enum plan_mode mode,
               size_t local_rank, char **value, const char **order);

/* Writes the mask that shows these GPUs, positions in machine.gpus, in this order. Outputs as
 * above; value is never NULL. */
int mask_write_list(const struct machine *machine, const size_t *list, size_t count, char **value,
                    const char **order);

void mask_pool_free(struct mask_pool *pool);

#endif
