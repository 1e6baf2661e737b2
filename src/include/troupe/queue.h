/* Queues: messages from any process of the world to any other.
 *
 * A queue lives on its creator's node. Messages have 0 bytes to 1 GiB, and come out in the order in
 * which the queue accepted them, those of one producer in its order; each is given to one consumer.
 * A put returns when the message is accepted: from then on it survives the caller. Blocked calls
 * use no CPU; those that name a timeout may also end with
 *   TROUPE_BAD_HANDLE  destroyed, also meanwhile
 *   TROUPE_CANCELLED   troupe_process_cancel woke the call */
#ifndef TROUPE_QUEUE_H
#define TROUPE_QUEUE_H

#include "troupe/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct troupe_queue {
    uint64_t id;
} troupe_queue;

typedef struct troupe_queue_options {
    uint64_t max_messages; /* 0: bounded by the arena alone */
    uint64_t max_bytes;    /* sum of the messages' sizes; 0: bounded by the arena alone */
} troupe_queue_options;

/* A message that was handed out and is not done. */
typedef struct troupe_lease {
    uint64_t id;
    uint64_t attempt; /* 1 when the message is handed out for the first time */
} troupe_lease;

/* Makes a queue that lives on the caller's node. options may be NULL. */
TROUPE_API int troupe_queue_create(const troupe_queue_options *options, troupe_queue *queue);

/* Finds the queue of this name, the same in the whole world, or makes it on the caller's node: of
 * several callers at once one makes it. Options count only for whoever makes it. Its destroy
 * releases the name.
 *
 * Returns     TROUPE_OK; TROUPE_BAD_ARGUMENT for no name, or one that is too long */
TROUPE_API int troupe_queue_open(const char *name, const troupe_queue_options *options,
                                 troupe_queue *queue);

/* Appends a copy of a message.
 *
 * message     [size] bytes; zero bytes are a message too
 * timeout_ms  how long to wait for room: TROUPE_NO_WAIT, TROUPE_FOREVER, or milliseconds
 * Returns     TROUPE_OK        accepted: it survives the caller's death
 *             TROUPE_FULL      no room in time; nothing was put
 *             TROUPE_CLOSED    closed for puts
 *             TROUPE_TOO_LONG  larger than max_bytes or than the arena could ever hold
 * Threads     any */
TROUPE_API int troupe_queue_put(troupe_queue queue, const void *message, size_t size,
                                long timeout_ms);

/* Appends copies of several messages, in order; others' messages may come between them.
 *
 * messages    [count]
 * done        how many were accepted, the first ones, also when not all were; may be NULL
 * timeout_ms  for all of them together
 * Returns     TROUPE_OK        all of them are in
 *             as troupe_queue_put, for the first that is not in */
TROUPE_API int troupe_queue_put_many(troupe_queue queue, const troupe_bytes *messages, size_t count,
                                     size_t *done, long timeout_ms);

/* Takes the oldest message.
 *
 * queue       from troupe_queue_create, in any process of the world
 * message     [capacity] bytes; filled only on success
 * size        the message's bytes, also when it did not fit; may be NULL
 * timeout_ms  TROUPE_NO_WAIT, TROUPE_FOREVER, or milliseconds
 * Returns     TROUPE_OK
 *             TROUPE_EMPTY     nothing came in time
 *             TROUPE_TOO_LONG  *size exceeds capacity; it stays in the queue
 *             TROUPE_CLOSED    closed and drained
 * Threads     any. Who dies in it may take that one message along: see troupe_queue_lease */
TROUPE_API int troupe_queue_get(troupe_queue queue, void *message, size_t capacity, size_t *size,
                                long timeout_ms);

/* Takes the oldest message into memory of its size.
 *
 * message     from malloc, to be freed by the caller; never NULL on success, also for zero bytes
 * Returns     as troupe_queue_get, without TROUPE_TOO_LONG
 *             TROUPE_NO_MEMORY  the message is lost */
TROUPE_API int troupe_queue_get_alloc(troupe_queue queue, void **message, size_t *size,
                                      long timeout_ms);

/* Takes several messages: waits for the first, and takes what else is there and fits.
 *
 * buffer      [capacity] the messages, one after the other, each at a multiple of 8 bytes
 * messages    [most] on success, the first *count of them view the messages in buffer
 * Returns     as troupe_queue_get; TROUPE_TOO_LONG: the first message alone does not fit, and
 *             messages[0].size tells its bytes */
TROUPE_API int troupe_queue_get_many(troupe_queue queue, void *buffer, size_t capacity,
                                     troupe_bytes *messages, size_t most, size_t *count,
                                     long timeout_ms);

/* Hands out the oldest message until troupe_queue_done. If the process ends before that, in any
 * way, or its target returns, the message is at the front of the queue again, its attempt number
 * raised. So each message is handed out at least once, and never to two at a time. Messages on
 * lease do not count in the queue's size and limits.
 *
 * lease       names it; any thread of the process may say done
 * Returns     as troupe_queue_get; TROUPE_CLOSED when nothing is left, also not on lease with other
 *             processes; TROUPE_FULL: the arena has no room to keep the message meanwhile */
TROUPE_API int troupe_queue_lease(troupe_queue queue, void *message, size_t capacity, size_t *size,
                                  troupe_lease *lease, long timeout_ms);

/* Ends a lease: the message is done and never comes back.
 *
 * Returns     TROUPE_OK
 *             TROUPE_NOT_FOUND  done already, or the calling process has no such lease */
TROUPE_API int troupe_queue_done(troupe_queue queue, troupe_lease lease);

/* Waits until the queue is empty and no message is on lease. A message taken by a plain get is done
 * as soon as it is taken.
 *
 * Returns     TROUPE_OK
 *             TROUPE_TIMEOUT  not in time */
TROUPE_API int troupe_queue_join(troupe_queue queue, long timeout_ms);

/* The number of messages in it. */
TROUPE_API int troupe_queue_size(troupe_queue queue, uint64_t *messages);

/* Whether it is empty, 1 or 0: true at the moment of looking, as in Python. */
TROUPE_API int troupe_queue_empty(troupe_queue queue, int *empty);

/* Whether max_messages or max_bytes is reached, 1 or 0: true at the moment of looking. */
TROUPE_API int troupe_queue_full(troupe_queue queue, int *full);

/* Ends puts; gets drain what is left and then return TROUPE_CLOSED. Closing twice is no error. */
TROUPE_API int troupe_queue_close(troupe_queue queue);

/* Ends the queue and frees what is in it. Blocked callers return TROUPE_BAD_HANDLE. */
TROUPE_API int troupe_queue_destroy(troupe_queue queue);

#ifdef __cplusplus
}
#endif

#endif
