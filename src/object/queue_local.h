/* Queues on their own node: a chain of messages in the arena.
 *
 * What always holds, under the record's lock: head leads through `next` to tail; messages and bytes
 * count what is between; each message is one linked block. A put copies its message before it takes
 * the lock and links it by one transaction; a get unlinks the first message by one transaction and
 * copies it afterwards, from a block that is by then its own. So the lock is held for a few stores,
 * whatever the size. record->bell rings for getters, record->room for putters.
 *
 * Results, limits and sentences are those of troupe/troupe.h. */
#ifndef TROUPE_OBJECT_QUEUE_LOCAL_H
#define TROUPE_OBJECT_QUEUE_LOCAL_H

#include "core/bell.h"
#include "troupe/troupe.h"

/* A message on its way in. */
struct queue_put {
    uint64_t handle;
    const void *data; /* [size] */
    size_t size;
    bool arena_full; /* out: the last try met a full arena, not a full queue */
};

/* A message on its way out. */
struct queue_get {
    uint64_t handle;
    size_t capacity;
    size_t size;    /* out: the message's, also when it is larger than capacity */
    uint64_t place; /* out, on TROUPE_OK: the message is the actor's, see queue_copy */
};

int queue_make(struct actor *actor, const troupe_queue_options *options, uint64_t *handle);

/* Puts, waiting for room until the deadline of base/clock.h, or BELL_NO_WAIT. */
int queue_put(struct actor *actor, struct queue_put *put, uint64_t deadline);

/* Tries once. */
int queue_put_try(struct actor *actor, struct queue_put *put);

/* The bell that rings when a put that met TROUPE_FULL may be tried again; NULL: the queue is
 * gone. */
struct bell *queue_room(struct actor *actor, const struct queue_put *put);

/* Takes the oldest message, waiting for one until the deadline. */
int queue_get(struct actor *actor, struct queue_get *get, uint64_t deadline);

/* Tries once. TROUPE_EMPTY comes without a sentence. */
int queue_get_try(struct actor *actor, struct queue_get *get);

/* The bell that rings when a message comes; NULL: the queue is gone. */
struct bell *queue_arrivals(struct actor *actor, const struct queue_get *get);

/* Copies a message that was taken to buffer[get->size] and frees it; NULL only frees it. */
void queue_copy(struct actor *actor, const struct queue_get *get, void *buffer);

int queue_count(struct actor *actor, uint64_t handle, uint64_t *messages);
int queue_close(struct actor *actor, uint64_t handle);

/* Frees the messages one by one, then the record: work that recovery resumes by queue_end. */
int queue_destroy(struct actor *actor, uint64_t handle);
void queue_end(struct actor *actor, uint64_t place);

#endif
