/* A starter's own choice of GPUs travels with the processes it starts.
 *
 * A program that changes CUDA_VISIBLE_DEVICES after troupe_init means the processes it starts from
 * then on. The runner shares the chosen GPUs out as it would have at the start of the world, so
 * each rank gets its own of them; without GPUs the choice is passed on as it is. */
#ifndef TROUPE_OBJECT_PROCESS_GPUS_H
#define TROUPE_OBJECT_PROCESS_GPUS_H

#include <stddef.h>
#include <stdint.h>

/* The bytes of the value with its final zero, or one of these, which are no lengths of one. */
#define MASK_AS_PLANNED 0
#define MASK_UNSET UINT64_MAX

/* Takes the caller's value as the plan's: only a later change travels. Call it again once the rank
 * has its own mask, or a keeper the node's. */
void process_mask_remember(void);

/* What the starter chose since. text is the environment's; set when the result is a length. */
uint64_t process_mask_choose(const char **text);

/* How many bytes a mask takes behind the argument. */
static inline size_t process_mask_size(uint64_t mask)
{
    return mask == MASK_UNSET ? 0 : (size_t)mask;
}

/* The runner's own values, while a process with another choice runs. */
struct process_mask_kept {
    char *mask, *order, *gpu; /* NULL: not set */
};

/* Sets the runner's environment for a process, and back. rank is the runner's.
 *
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  the choice names no GPUs of this node; the sentence says why
 *             TROUPE_CUDA_STARTED  CUDA already runs here with another choice
 * Threads     one at a time: the environment is the process's */
int process_mask_set(uint64_t mask, const char *text, struct process_mask_kept *kept);
void process_mask_restore(uint64_t mask, struct process_mask_kept *kept);

#endif
