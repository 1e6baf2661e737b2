/* Which GPUs a process gets, other than its runner's own.
 *
 * A program that changes CUDA_VISIBLE_DEVICES after troupe_init means the processes it starts from
 * then on. The runner shares the chosen GPUs out as it would have at the start of the world, so
 * each rank gets its own of them; without GPUs the choice is passed on as it is. A fresh process
 * may ask for so many GPUs of its own, or for certain ones: its keeper sets that before it starts
 * the program (runtime/fresh_gpus.c).
 *
 * A choice travels as one word and, behind the process's argument, a text: what
 * CUDA_VISIBLE_DEVICES is to be, or to be taken from. */
#ifndef TROUPE_OBJECT_PROCESS_GPUS_H
#define TROUPE_OBJECT_PROCESS_GPUS_H

#include <stddef.h>
#include <stdint.h>

#include "core/slot.h"
#include "troupe/process.h"

enum gpus_kind {
    GPUS_AS_PLANNED = 0,
    GPUS_UNSET = 1, /* the starter unset the variable */
    GPUS_POOL = 2,  /* the text is what the ranks share out */
    GPUS_LIST = 3,  /* the text is this process's own */
    GPUS_COUNT = 4  /* so many; of the text where there is one, else of the plan's */
};

/* The word: kind (8) | number of GPUs (24) | bytes of the text with its final zero (32). */
#define GPUS_COUNT_MOST 0xffffff

static inline enum gpus_kind gpus_kind(uint64_t word)
{
    return (enum gpus_kind)(word >> 56);
}

static inline size_t gpus_count(uint64_t word)
{
    return word >> 32 & GPUS_COUNT_MOST;
}

static inline size_t gpus_text_size(uint64_t word)
{
    return (uint32_t)word;
}

/* Takes the caller's value as the plan's: only a later change travels. Call it again once the rank
 * has its own mask, or a keeper the node's. */
void process_gpus_remember(void);

/* What the starter chose. text is the options' or the environment's; set when the word has one.
 *
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  the options ask for GPUs in another way than they can */
int process_gpus_choose(const troupe_process_options *options, uint64_t *word, const char **text);

/* What was chosen for a process that this node is to run; text is freed by the caller, NULL when
 * the word has none.
 *
 * Returns     TROUPE_OK, TROUPE_NO_MEMORY, or TROUPE_BAD_HANDLE when its record is gone */
int process_gpus_of(struct actor *actor, uint64_t handle, uint64_t *word, char **text);

/* In a fresh process: its environment was chosen for it, and is what those get that it starts. */
void process_gpus_chosen(void);

/* The runner's own values, while a process with another choice runs. */
struct process_gpus_kept {
    char *mask, *order, *gpu; /* NULL: not set */
};

/* Sets a rank's environment for a process, and back.
 *
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  the choice names no GPUs of this node; the sentence says why
 *             TROUPE_CUDA_STARTED  CUDA already runs here with another choice
 * Threads     one at a time: the environment is the process's */
int process_gpus_set(uint64_t word, const char *text, struct process_gpus_kept *kept);
void process_gpus_restore(uint64_t word, struct process_gpus_kept *kept);

#endif
