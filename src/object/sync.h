/* What locks, semaphores, events, conditions and barriers share inside the library. */
#ifndef TROUPE_OBJECT_SYNC_H
#define TROUPE_OBJECT_SYNC_H

#include "object/home.h"
#include "object/names.h"

/* Asks an object's home a question whose answer is words alone, or none: words may be NULL. The
 * caller may come to hold something there, so the home will hear of its end. */
int sync_ask(struct actor *actor, enum object_kind kind, const struct request *request,
             uint64_t deadline, uint64_t *words);

/* Finds the object of a name, or makes it; see names.h. */
int sync_open(const struct named *named, const char *name, const void *options, uint64_t *handle);

/* Ends an object that holds nothing outside its record, and its name. */
int sync_destroy(uint64_t handle, enum object_kind kind);
int sync_destroy_here(struct actor *actor, uint64_t handle);

/* For a destroy that has `result`: releases the name, if the object is gone. Returns result. */
int sync_forget(int result, uint64_t handle);

/* Registers the handlers for calls from other nodes, and for the ends of parties. */
void sync_register(void);

/* Its parts, one in each object's file. */
void lock_register(void);
void semaphore_register(void);
void event_register(void);
void condition_register(void);
void barrier_register(void);

#endif
