/* Pipes: two ends that talk to each other, messages in order, as Python's multiprocessing.Pipe.
 *
 * An end is a handle that travels. It belongs to the processes that hold it: a process takes hold
 * of an end with its first call on it (other than close and destroy), and lets go by
 * troupe_pipe_close, by its death, or when its target returns. When the last holder has let go, the
 * end is closed for ever, and the other end reads to the end of file. An end that nobody has held
 * yet stays open: whoever makes a pipe for others need not close its own copies.
 *
 * Both ends live on their creator's node. Blocked calls use no CPU. */
#ifndef TROUPE_PIPE_H
#define TROUPE_PIPE_H

#include "troupe/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One end. */
typedef struct troupe_pipe {
    uint64_t id;
} troupe_pipe;

typedef struct troupe_pipe_options {
    int one_way;           /* 1: the first end receives, the second sends; 0: both do both */
    uint64_t max_messages; /* under way in a direction; 0: bounded by the arena alone */
    uint64_t max_bytes;    /* likewise, the sum of their sizes */
} troupe_pipe_options;

/* How many processes may hold an end at a time. */
#define TROUPE_PIPE_HOLDERS 64

/* Makes a pipe. options may be NULL. The caller holds neither end yet. */
TROUPE_API int troupe_pipe_create(const troupe_pipe_options *options, troupe_pipe *first,
                                  troupe_pipe *second);

/* Finds the pipe of this name, the same in the whole world, or makes it on the caller's node: of
 * several callers at once one makes it, and all get both its ends. Options count only for whoever
 * makes it. Who opens agree on who takes which end. The name is free again when the pipe is gone:
 * both ends closed, or destroyed.
 *
 * Returns     TROUPE_OK; TROUPE_BAD_ARGUMENT for no name, or one that is too long */
TROUPE_API int troupe_pipe_open(const char *name, const troupe_pipe_options *options,
                                troupe_pipe *first, troupe_pipe *second);

/* Takes hold of an end, as its first use does: for a process that keeps an end open while others
 * come and go.
 *
 * Returns     TROUPE_OK      also when the caller holds it already
 *             TROUPE_CLOSED  the end is closed
 *             TROUPE_FULL    TROUPE_PIPE_HOLDERS processes hold it */
TROUPE_API int troupe_pipe_hold(troupe_pipe end);

/* Sends a copy of a message to the other end.
 *
 * message     [size] bytes; zero bytes are a message too
 * timeout_ms  how long to wait for room: TROUPE_NO_WAIT, TROUPE_FOREVER, or milliseconds
 * Returns     TROUPE_OK
 *             TROUPE_FULL          no room in time
 *             TROUPE_CLOSED        the other end, or this one, is closed
 *             TROUPE_TOO_LONG      larger than max_bytes or than the arena could ever hold
 *             TROUPE_BAD_ARGUMENT  this end only receives
 * Threads     any */
TROUPE_API int troupe_pipe_send(troupe_pipe end, const void *message, size_t size, long timeout_ms);

/* Receives the oldest message.
 *
 * message     [capacity] bytes; filled only on success
 * size        the message's bytes, also when it did not fit; may be NULL
 * Returns     TROUPE_OK
 *             TROUPE_EMPTY         nothing came in time
 *             TROUPE_CLOSED        end of file: the other end is closed, and all is received
 *             TROUPE_TOO_LONG      *size exceeds capacity; it stays in the pipe
 *             TROUPE_BAD_ARGUMENT  this end only sends
 * Threads     any */
TROUPE_API int troupe_pipe_receive(troupe_pipe end, void *message, size_t capacity, size_t *size,
                                   long timeout_ms);

/* Waits until troupe_pipe_receive would not wait: for a message, or the end of file.
 *
 * Returns     TROUPE_OK
 *             TROUPE_EMPTY         neither came in time
 *             TROUPE_BAD_ARGUMENT  this end only sends
 * Threads     any */
TROUPE_API int troupe_pipe_poll(troupe_pipe end, long timeout_ms);

/* Lets go of an end. If the caller was its last holder, the end is closed; when both ends are, the
 * pipe is gone, with what nobody received. Nothing happens if the caller does not hold it. */
TROUPE_API int troupe_pipe_close(troupe_pipe end);

/* Ends the pipe at once, both ends, whoever holds them. Blocked callers return
 * TROUPE_BAD_HANDLE. */
TROUPE_API int troupe_pipe_destroy(troupe_pipe end);

#ifdef __cplusplus
}
#endif

#endif
