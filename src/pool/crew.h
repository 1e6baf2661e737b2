/* The crew: the processes that are a pool's workers, started and replaced.
 *
 * Nobody watches them all the time. Whoever waits for a result, and every worker without work,
 * looks whether one has ended and starts another; so as long as somebody waits or works, the crew
 * is whole, or the pool says that none can be had. */
#ifndef TROUPE_POOL_CREW_H
#define TROUPE_POOL_CREW_H

#include "pool/pool_local.h"

/* word: the process's handle, 0: none yet, or the tag of whoever starts it (a handle's upper bits
 * say that it is one). */
struct crew_entry {
    _Atomic uint64_t word;
};

/* What a worker is started with. */
struct crew_order {
    uint64_t pool;
    uint64_t index;
};

/* Looks after every place of the crew, and starts who is missing. Breaks the pool when nobody is
 * left and nobody can be started. */
void crew_look(uint64_t handle);

/* Ends the tasks that run, the pool having been terminated: a worker by fork or spawn that is in
 * one gets SIGTERM, a rank is asked to end by cancellation. */
void crew_terminate(uint64_t handle);

/* Waits for the end of all workers; kills those of a terminated pool that take too long. */
int crew_join(uint64_t handle, uint64_t deadline);

/* Replaces one worker, which is about to leave, by a new one. */
void crew_replace(uint64_t handle, uint64_t index);

/* Closes the processes' handles: the last thing of a pool. */
void crew_end(struct actor *actor, struct record *record);

/* Whether any worker on another node has not ended. */
bool crew_lives_on(struct actor *actor, const struct pool *pool, int node);

/* The worker's life: the target of its process. */
int pool_worker(const void *argument, size_t bytes);

#endif
