/* Pipes inside the library. */
#ifndef TROUPE_OBJECT_PIPE_H
#define TROUPE_OBJECT_PIPE_H

#include "core/slot.h"

/* Takes hold of an end for the calling process, and tells the queue that it receives from. */
int pipe_receives_from(struct actor *actor, uint64_t handle, uint64_t *queue);

/* Registers the handlers for calls from other nodes, and for the ends of parties. */
void pipe_register(void);

#endif
