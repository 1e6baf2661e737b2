/* Semaphores on their own node. What always holds: the value is the record's word's, and changes by
 * one swap; the most it may be stands in the body. record->bell rings for as many waiters as units
 * came. */
#ifndef TROUPE_OBJECT_SEMAPHORE_LOCAL_H
#define TROUPE_OBJECT_SEMAPHORE_LOCAL_H

#include "core/bell.h"
#include "core/table.h"
#include "troupe/sync.h"

int semaphore_make(struct actor *actor, uint32_t value, bool bounded, uint64_t *handle);

/* Tries once; TROUPE_TIMEOUT, which semaphore_is_empty puts into words, without a sentence. */
int semaphore_try(struct record *record, uint64_t handle);
int semaphore_is_empty(void);

/* Waits until the deadline of base/clock.h, or BELL_NO_WAIT. */
int semaphore_acquire(struct actor *actor, uint64_t handle, uint64_t deadline);
int semaphore_release(struct actor *actor, uint64_t handle, uint64_t n);
int semaphore_value(struct actor *actor, uint64_t handle, uint64_t *value);

#endif
