/* What the files of queues' public calls share. */
#ifndef TROUPE_OBJECT_QUEUE_CALLS_H
#define TROUPE_OBJECT_QUEUE_CALLS_H

#include "core/bell.h"
#include "core/service.h"

/* TROUPE_BAD_ARGUMENT for a capacity without a buffer. */
int queue_check_buffer(const void *buffer, size_t capacity);

/* What a handler returns after FULL or EMPTY: it waits for the bell, or for nothing any more. */
int queue_park_put(struct actor *actor, uint64_t handle, bool arena_full, struct bell **bell);
int queue_park_get(struct actor *actor, uint64_t handle, bool last, struct bell **bell);

/* TROUPE_TIMEOUT of a join, with its sentence. */
int queue_not_done(void);

void queue_many_register(void);
void queue_lease_register(void);

#endif
