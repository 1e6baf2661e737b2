/* Queues on their own node. queue_ring.h has what they are made of and what always holds.
 *
 * Results, limits and sentences are those of troupe/queue.h. What is called _try tries once; a
 * caller that will sleep after EMPTY or FULL has announced itself at the bell and sets `sure`. */
#ifndef TROUPE_OBJECT_QUEUE_LOCAL_H
#define TROUPE_OBJECT_QUEUE_LOCAL_H

#include "core/bell.h"
#include "core/table.h"
#include "troupe/queue.h"

/* Messages up to this size lie in the ring, larger ones in blocks of their own. */
#define QUEUE_INLINE_MOST 1024u

/* A message on its way in. */
struct queue_put {
    uint64_t handle;
    const void *data; /* [size] */
    size_t size;
    size_t before; /* messages of the same call that are in already */
    bool sure;
    uint64_t landed;         /* the block that data lies in, in flight with the actor; or 0 */
    bool arena_full;         /* out: the last try met a full arena, not a full queue */
    uint64_t block, segment; /* of the try under way: in flight, or 0 */
};

/* Several, in order. */
struct queue_put_many {
    uint64_t handle;
    const troupe_bytes *messages; /* [count] */
    size_t count;
    size_t done; /* in and out: so many of them are in */
    bool sure;
    bool arena_full;
};

/* A message on its way out. */
struct queue_get {
    uint64_t handle;
    void *buffer; /* room for the smaller of capacity and QUEUE_INLINE_MOST */
    size_t capacity;
    bool sure;
    uint64_t holder; /* the party that asks; 0: the actor's own */
    bool drives;     /* no handler asks: other work may be done while a long message is copied */
    size_t size;     /* out: the message's, also when it is larger than capacity */
    uint64_t place;  /* out, on TROUPE_OK: 0, the message is in buffer; else see queue_copy */
};

/* Several, packed into one buffer. */
struct queue_get_many {
    uint64_t handle;
    void *buffer;
    size_t capacity;
    troupe_bytes *messages; /* [most] */
    size_t most;
    bool sure;
    uint64_t holder; /* as of queue_get */
    size_t count;    /* out */
    size_t size;     /* out: of the first message, if it does not fit */
};

/* A message on its way to a holder. */
struct queue_lease {
    struct queue_get get; /* its holder will have the message */
    uint64_t ticket;      /* out: names the lease */
    uint64_t attempt;     /* out */
    uint64_t block;       /* of the try under way: in flight, or 0 */
};

int queue_make(struct actor *actor, const troupe_queue_options *options, uint64_t *handle);

/* Puts, waiting for room until the deadline of base/clock.h, or BELL_NO_WAIT. */
int queue_put(struct actor *actor, struct queue_put *put, uint64_t deadline);
int queue_put_try(struct actor *actor, struct queue_put *put);

/* Puts what fits; TROUPE_OK when all of it is in. The tries return TROUPE_OK when at least one
 * message went in. */
int queue_put_many(struct actor *actor, struct queue_put_many *put, uint64_t deadline);
int queue_put_many_try(struct actor *actor, struct queue_put_many *put);

/* The bell that rings when a put that met TROUPE_FULL may be tried again; NULL: the queue is
 * gone. */
struct bell *queue_room(struct actor *actor, uint64_t handle, bool arena_full);

/* Takes the oldest message, waiting for one until the deadline. */
int queue_get(struct actor *actor, struct queue_get *get, uint64_t deadline);

/* TROUPE_EMPTY comes without a sentence. */
int queue_get_try(struct actor *actor, struct queue_get *get);

/* Takes those that are there and fit, waiting for the first. */
int queue_get_many(struct actor *actor, struct queue_get_many *get, uint64_t deadline);
int queue_get_many_try(struct actor *actor, struct queue_get_many *get);

/* The bell that rings when a message comes; NULL: the queue is gone. */
struct bell *queue_arrivals(struct actor *actor, uint64_t handle);

/* Whether a get would not wait: there is a message, or an end of waiting for one. Without locks;
 * with sure, as of queue_get. */
int queue_ready(struct actor *actor, uint64_t handle, bool sure, bool *ready);

/* Brings a message that was taken to buffer[get->size], and frees its block; NULL only frees it. */
void queue_copy(struct actor *actor, const struct queue_get *get, void *buffer);

/* Leases the oldest message: it is copied to get.buffer[get.size], whatever its size; capacity is
 * that of the buffer. */
int queue_lease(struct actor *actor, struct queue_lease *lease, uint64_t deadline);
int queue_lease_try(struct actor *actor, struct queue_lease *lease);
int queue_done(struct actor *actor, uint64_t handle, uint64_t ticket, uint64_t holder);

/* Waits until nothing is in the queue or on lease. */
int queue_join(struct actor *actor, uint64_t handle, uint64_t deadline);
int queue_join_try(struct actor *actor, uint64_t handle);
struct bell *queue_quiet(struct actor *actor, uint64_t handle);

/* Returns what a party has on lease to the front of a queue. */
void queue_return(struct actor *actor, struct record *record, uint64_t holder);

int queue_count(struct actor *actor, uint64_t handle, uint64_t *messages);

/* Whether a put of one byte would meet a limit of the queue, now. */
int queue_is_full(struct actor *actor, uint64_t handle, uint64_t *full);

int queue_close(struct actor *actor, uint64_t handle);

/* Frees the messages one by one, then the record: work that recovery resumes by queue_end. */
int queue_destroy(struct actor *actor, uint64_t handle);
void queue_end(struct actor *actor, uint64_t place);

#endif
