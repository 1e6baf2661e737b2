/* Pipes on their own node: a record for each end, a queue for each direction.
 *
 * What always holds: an end's queues do not change. Its holders stand in its record, under the
 * record's lock. `state` leaves PIPE_OPEN once, when the last holder lets go; whoever sees an end
 * that is closed may do what is left to do (pipe_finish): close its queues, and, when both ends are
 * closed, end the queues and the records. All of that can be done twice, and the end of whichever
 * party dies in it makes everybody's closed ends be finished again. */
#ifndef TROUPE_OBJECT_PIPE_LOCAL_H
#define TROUPE_OBJECT_PIPE_LOCAL_H

#include "core/party.h"
#include "troupe/pipe.h"

/* What a holder needs: the queues it sends to and receives from, 0 where it does not. */
struct pipe_ways {
    uint64_t out, in;
};

int pipe_make(struct actor *actor, const troupe_pipe_options *options, uint64_t ends[2]);

/* Notes the party as a holder. */
int pipe_hold(struct actor *actor, uint64_t handle, uint64_t party, struct pipe_ways *ways);

/* The end's queues, for whoever only looks. */
int pipe_ways_of(struct actor *actor, uint64_t handle, struct pipe_ways *ways);

/* The other end. */
int pipe_peer(struct actor *actor, uint64_t handle, uint64_t *peer);

/* The party lets go; held tells whether it was a holder. */
int pipe_close(struct actor *actor, uint64_t handle, uint64_t party, bool *held);

int pipe_destroy(struct actor *actor, uint64_t handle);

/* For party_register. */
void pipe_party_end(struct actor *actor, struct record *record, uint64_t party, enum party_end end);

#endif
