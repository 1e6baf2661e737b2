/* Queues: messages from any process of the world to any other. */
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

/* Makes a queue that lives on the caller's node. options may be NULL. */
TROUPE_API int troupe_queue_create(const troupe_queue_options *options, troupe_queue *queue);

/* Appends a copy of a message.
 *
 * message     [size] bytes; zero bytes are a message too
 * timeout_ms  how long to wait for room: TROUPE_NO_WAIT, TROUPE_FOREVER, or milliseconds
 * Returns     TROUPE_OK        accepted: it survives the caller's death
 *             TROUPE_FULL      no room in time; nothing was put
 *             TROUPE_CLOSED    closed for puts
 *             TROUPE_TOO_LONG  larger than max_bytes or than the arena could ever hold
 * Threads     any; blocks without using the CPU. Messages of one producer keep their order. */
TROUPE_API int troupe_queue_put(troupe_queue queue, const void *message, size_t size,
                                long timeout_ms);

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
 * Threads     any; blocks without using the CPU */
TROUPE_API int troupe_queue_get(troupe_queue queue, void *message, size_t capacity, size_t *size,
                                long timeout_ms);

/* The number of messages in it. */
TROUPE_API int troupe_queue_size(troupe_queue queue, uint64_t *messages);

/* Whether it is empty, 1 or 0: true at the moment of looking, as in Python. */
TROUPE_API int troupe_queue_empty(troupe_queue queue, int *empty);

/* Ends puts; gets drain what is left and then return TROUPE_CLOSED. Closing twice is no error. */
TROUPE_API int troupe_queue_close(troupe_queue queue);

/* Ends the queue and frees what is in it. Blocked callers return TROUPE_BAD_HANDLE. */
TROUPE_API int troupe_queue_destroy(troupe_queue queue);

#ifdef __cplusplus
}
#endif

#endif
