/* What the upper floors ask of the GPU. Nothing here opens or initialises CUDA. */
#ifndef TROUPE_DEVICE_DEVICE_H
#define TROUPE_DEVICE_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether CUDA was initialised in this process, by Troupe or by anything else that is linked in.
 *
 * what        [size] then says what and where: "device 0 … was opened by troupe_gpu_open …" */
bool device_cuda_runs(char *what, size_t size);

/* Compares the device that CUDA has opened here with the plan's. One line on standard error when
 * they differ, with the likely cause, once in a process; nothing else changes. Costs nothing where
 * no GPU was planned, and little where CUDA does not run.
 *
 * Returns     TROUPE_OK        also where there is nothing to compare
 *             TROUPE_MISMATCH  CUDA has opened another, and not the planned one */
int device_attest(void);

/* The moment before a target runs, and the freeing of all that was taken since and is still held:
 * memory, pinned memory, opened shares, streams, events. Costs nothing where CUDA was not used.
 *
 * Threads     those of the target have ended, or no longer use the GPU */
uint64_t device_mark(void);
void device_release(uint64_t mark);

/* Whether memory that Troupe took on a GPU for this process begins at the address. */
bool device_has_memory(uint64_t address);

/* A named range on the calling thread, for a profiler; nests. Nothing where none listens. */
void device_range_begin(const char *name);
void device_range_end(void);

#endif
