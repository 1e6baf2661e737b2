/* What locks, semaphores, events, conditions and barriers share inside the library. */
#ifndef TROUPE_OBJECT_SYNC_H
#define TROUPE_OBJECT_SYNC_H

#include "object/home.h"

/* Asks an object's home a question whose answer is words alone, or none: words may be NULL. The
 * caller may come to hold something there, so the home will hear of its end. */
int sync_ask(struct actor *actor, enum object_kind kind, const struct request *request,
             uint64_t deadline, uint64_t *words);

/* Ends an object that holds nothing outside its record. */
int sync_destroy(uint64_t handle, enum object_kind kind);

/* Registers the handlers for calls from other nodes, and for the ends of parties. */
void sync_register(void);

/* Its parts, one in each object's file. */
void lock_register(void);
void semaphore_register(void);
void event_register(void);
void condition_register(void);
void barrier_register(void);

#endif
