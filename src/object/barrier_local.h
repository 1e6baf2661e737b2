/* Barriers on their own node.
 *
 * What always holds, under the record's lock: `waiting` parties of round `number` have come and
 * their names stand at the head of places[round]; the parties of the last round, as far as they
 * live, stand in the other half, for their death breaks the barrier, too. A round ends once: by its
 * last party, which moves `number`, or by a break, which moves `breaks` and notes the round. So
 * whoever waits knows from both, however late it looks, how its round ended. record->bell rings for
 * all when a round ends. */
#ifndef TROUPE_OBJECT_BARRIER_LOCAL_H
#define TROUPE_OBJECT_BARRIER_LOCAL_H

#include "core/bell.h"
#include "core/party.h"
#include "troupe/sync.h"

/* A party's place in a round. */
struct barrier_round {
    uint64_t handle;
    uint64_t index;
    uint64_t number, breaks; /* the barrier's when the party came */
};

enum barrier_change { BARRIER_ABORT = 1, BARRIER_RESET = 2, BARRIER_ATTEND = 3 };

int barrier_make(struct actor *actor, uint32_t parties, uint64_t *handle);

/* Comes and waits. */
int barrier_wait(struct actor *actor, uint64_t handle, uint64_t deadline, uint64_t *index);

/* Comes: the party is one of round->number from now on. TROUPE_OK or TROUPE_BROKEN. */
int barrier_arrive(struct actor *actor, uint64_t party, struct barrier_round *round);

/* How the round ended: TROUPE_OK, TROUPE_BROKEN, or TROUPE_TIMEOUT: not yet, without a sentence. */
int barrier_look(struct actor *actor, const struct barrier_round *round);

/* The party's time is over: breaks the round, unless it has ended. */
int barrier_give_up(struct actor *actor, const struct barrier_round *round);

/* What the party is told if it gave up because it was cancelled: `result` is barrier_give_up's. */
int barrier_is_abandoned(int result);

/* The bell that rings when the round ends; NULL: the barrier is gone. */
struct bell *barrier_bell(struct actor *actor, const struct barrier_round *round);

int barrier_change(struct actor *actor, uint64_t handle, enum barrier_change what, uint64_t party);
int barrier_status(struct actor *actor, uint64_t handle, troupe_barrier_status *status);
int barrier_destroy(struct actor *actor, uint64_t handle);

/* For party_register. */
void barrier_party_end(struct actor *actor, struct record *record, uint64_t party,
                       enum party_end end);

#endif
