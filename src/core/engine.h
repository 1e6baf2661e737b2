/* A rank's engine: what moves requests and answers between this rank and other nodes.
 *
 * Every rank of a world of several nodes has one. Whoever waits, drives: a thread that waits for an
 * answer, or for anything else on a rank that leads its node, takes the turn again and again, moves
 * what there is, and finds its answer when it has come. The service's thread (service.c) drives
 * only while nobody waits. So a request costs two messages and no change of threads, on either
 * side.
 *
 * What always holds: everything in the engine, MPI among it, belongs to the thread that has the
 * turn. On the rank that leads its node (engine_lead) the engine also does what the leader has to
 * (lead.h), with an actor of its own, since the driving thread may be in the middle of something.
 *
 * A leader may die. Every engine looks, at the beginning of each turn, whether one has changed
 * (leader.h). What its callers had asked of that node, or, if it was their own node's leader, of
 * any, they send again, under a new sequence, and take no answer to the old one from then on. */
#ifndef TROUPE_CORE_ENGINE_H
#define TROUPE_CORE_ENGINE_H

#include "core/service.h"

#include <stdbool.h>

/* Makes the engine of this process, a rank among so many. Takes a slot. */
int engine_open(const struct arena *arena, int rank, int ranks);

/* This rank leads its node, if it was named (leader.h); an engine that is driven sees that by
 * itself. */
int engine_lead(void);

/* Nobody drives any more. */
void engine_close(void);

bool engine_is_open(void);

/* In a forked child of a rank, which has no MPI: it calls other nodes through the arena. */
void engine_forsake(void);

/* The call of service.h, sent by this rank itself. */
int engine_call(struct actor *actor, int node, const struct request *request, uint64_t deadline,
                struct answer *answer);

/* The turn, for something of MPI's that is done at once. */
void engine_hold(void);
void engine_let(void);

/* ---- the service's thread ------------------------------------------------------------------- */

/* Whether another thread drives, or did a moment ago. */
bool engine_is_driven(void);

/* One turn. Returns whether anything moved. */
bool engine_step(void);

/* Does what the passing of time asks of a leader (lead.h), if it is time. */
void engine_tick(uint64_t now);

/* Whether the last traffic is so recent that more is to be expected. */
bool engine_is_hot(uint64_t now);

/* When the last traffic was. */
uint64_t engine_traffic(void);

/* Whether everything given has left. */
bool engine_is_idle(void);

/* Sleeps on the service's bell if nothing rang since the last turn. */
void engine_nap(uint64_t nanoseconds);

/* Sleeps for less than a second, whatever happens: what MPI brings rings no bell. */
void engine_pause(uint64_t nanoseconds);

/* Lets others run between two looks in vain. Where others want this core, a thread that spins gets
 * it for half of the time, and waits for milliseconds in the other half; one that sleeps between
 * its looks uses little, and so is run as soon as it wakes. So after the first loss of the core the
 * rests are sleeps for a while. */
struct rest {
    uint64_t looked; /* when a look was lately: clock_now() at first */
    uint32_t looks;
    bool is_crowded; /* as it was when the time was asked for last */
};
void engine_rest(struct rest *rest);

#endif
