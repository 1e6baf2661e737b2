/* Calls between nodes.
 *
 * A rank sends its request to the other node's leader itself and drives its engine until the answer
 * is there (engine.h). A process without MPI leaves it in its mailbox in the arena (call.h), from
 * where the service of its node, a thread of the leader, sends it. The other node's leader applies
 * it and answers (desk.h). One request at a time for each slot, numbered: (node, slot, incarnation,
 * sequence). A world of one node has no service. */
#ifndef TROUPE_CORE_SERVICE_H
#define TROUPE_CORE_SERVICE_H

#include "core/bell.h"
#include "core/slot.h"
#include "troupe/troupe.h"

#include <stdbool.h>

#define SERVICE_WORDS 6

/* What a request asks for; the numbers travel. One handler each, registered by the object's file.
 */
enum service_op {
    SERVICE_QUEUE_PUT = 1,
    SERVICE_QUEUE_GET = 2,
    SERVICE_QUEUE_SIZE = 3,
    SERVICE_QUEUE_CLOSE = 4,
    SERVICE_QUEUE_DESTROY = 5,
    SERVICE_DICT_CREATE = 10,
    SERVICE_DICT_SET = 11,
    SERVICE_DICT_GET = 12,
    SERVICE_DICT_DELETE = 13,
    SERVICE_DICT_SIZE = 14,
    SERVICE_DICT_NEXT = 15,
    SERVICE_DICT_DESTROY = 16,
    SERVICE_PROCESS_START = 20,
    SERVICE_PROCESS_JOIN = 21,
    SERVICE_PROCESS_STATUS = 22,
    SERVICE_PROCESS_NAME = 23,
    SERVICE_PROCESS_CLOSE = 24,
    SERVICE_PROCESS_ENDED = 25,
    SERVICE_NODE_DRAIN = 30,
    SERVICE_NODE_END = 31,
    SERVICE_QUEUE_PUT_MANY = 40,
    SERVICE_QUEUE_GET_MANY = 41,
    SERVICE_QUEUE_LEASE = 42,
    SERVICE_QUEUE_DONE = 43,
    SERVICE_QUEUE_JOIN = 44,
    SERVICE_QUEUE_FULL = 45,
    SERVICE_DICT_DEFAULT = 50,
    SERVICE_DICT_POP = 51,
    SERVICE_DICT_ADD = 52,
    SERVICE_DICT_WAIT = 53,
    SERVICE_DICT_CLEAR = 54,
    SERVICE_DICT_GET_MANY = 55,
    SERVICE_DICT_SET_MANY = 56,
    SERVICE_NAMES_LIVES = 58,
    SERVICE_NAMES_FORGET = 59,
    SERVICE_LIST_INSERT = 60,
    SERVICE_LIST_EXTEND = 61,
    SERVICE_LIST_SET = 62,
    SERVICE_LIST_GET = 63,
    SERVICE_LIST_POP = 64,
    SERVICE_LIST_SIZE = 65,
    SERVICE_LIST_CLEAR = 66,
    SERVICE_LIST_DESTROY = 67,
    SERVICE_ARRAY_GET = 70,
    SERVICE_ARRAY_SET = 71,
    SERVICE_ARRAY_ADD = 72,
    SERVICE_ARRAY_COMPARE_AND_SET = 73,
    SERVICE_ARRAY_LENGTH = 74,
    SERVICE_ARRAY_DESTROY = 75,
    SERVICE_SYNC_DESTROY = 81,
    SERVICE_LOCK_ACQUIRE = 82,
    SERVICE_LOCK_RELEASE = 83,
    SERVICE_SEMAPHORE_ACQUIRE = 84,
    SERVICE_SEMAPHORE_RELEASE = 85,
    SERVICE_SEMAPHORE_VALUE = 86,
    SERVICE_EVENT_CHANGE = 87,
    SERVICE_EVENT_LOOK = 88,
    SERVICE_EVENT_WAIT = 89,
    SERVICE_BARRIER_ARRIVE = 90,
    SERVICE_BARRIER_WAIT = 91,
    SERVICE_BARRIER_CHANGE = 92,
    SERVICE_BARRIER_STATUS = 93,
    SERVICE_CONDITION_CREATE = 94,
    SERVICE_CONDITION_ACQUIRE = 95,
    SERVICE_CONDITION_RELEASE = 96,
    SERVICE_CONDITION_ENTER = 97,
    SERVICE_CONDITION_WAIT = 98,
    SERVICE_CONDITION_NOTIFY = 99,
    SERVICE_PIPE_HOLD = 100,
    SERVICE_PIPE_CLOSE = 101,
    SERVICE_PIPE_DESTROY = 102,
    SERVICE_CONDITION_ABANDON = 103,
    SERVICE_CONDITION_RETURN = 104,
    SERVICE_CONDITION_DESTROY = 105,
    SERVICE_BARRIER_DESTROY = 106,
    SERVICE_WAIT = 107,
    SERVICE_WAIT_WATCH = 108,
    SERVICE_UNWATCH = 109,
    SERVICE_PROCESS_SIGNAL = 110,
    SERVICE_NODE_DAEMONS = 111,
    SERVICE_GROUP_JOIN = 112,
    SERVICE_GROUP_BEREAVE = 113,
    SERVICE_NODE_IDLE = 114,
    SERVICE_PIPE_PEER = 115,
    SERVICE_POOL_MAKE = 120,
    SERVICE_POOL_LEASE = 121,
    SERVICE_POOL_RESULTS = 122,
    SERVICE_POOL_END = 123,
    SERVICE_PARTY_LEFT = 140,
    SERVICE_OPS = 160
};

struct request {
    enum service_op op;
    uint64_t object; /* a handle, or 0 */
    uint64_t words[SERVICE_WORDS];
    const void *data; /* [size] the caller's; of any size */
    size_t size;
    uint64_t landed; /* for handlers: the block that data lies in (dock.h), or 0 */
};

struct answer {
    uint64_t words[SERVICE_WORDS];
    void *data; /* [size] from malloc, the receiver frees it; NULL when size is 0 */
    size_t size;
};

/* Asks a node and waits for the answer.
 *
 * deadline    of base/clock.h, for requests that the other node may park; BELL_NO_WAIT: it answers
 *             at once. A request without an answer when its node is lost ends with TROUPE_LOST.
 * Returns     what the handler returned there, its sentence in troupe_last_error() if negative;
 *             answer is filled on TROUPE_OK and TROUPE_TOO_LONG, else zero */
int service_call(struct actor *actor, int node, const struct request *request, uint64_t deadline,
                 struct answer *answer);

/* Applies a request on this node. Runs in any thread of the leader that drives the engine, with the
 * actor it is given, and must not wait. To let the request
 * wait it returns SERVICE_PARK and names the bell that announces a change; it is called again when
 * that bell has rung, and a last time with last = true when the request's time is over: then the
 * handler returns its EMPTY, FULL or TIMEOUT. */
#define SERVICE_PARK 1

/* For a caller that waits for other things, too: a handler that returns SERVICE_WATCH parks the
 * request as SERVICE_PARK does, and has SERVICE_WATCH answered at once. When it returns anything
 * else later, the caller's doorbell is rung (call_ring, with the request's first word), and the
 * request is over. SERVICE_UNWATCH, which the service answers itself, ends all that the calling
 * thread watches at that node. */
#define SERVICE_WATCH 2

typedef int (*service_handler)(struct actor *actor, const struct request *request, bool last,
                               struct answer *answer, struct bell **bell);
void service_register(enum service_op op, service_handler handler);

/* Sleeps until the rank leads its node; false: the service was stopped before. Every rank of a
 * world of several nodes has a thread for this: its turn may come. */
bool service_await_lead(const struct arena *arena, int rank);

/* Runs the service in the calling thread until service_stop, after engine_lead. */
void service_run(void);
void service_stop(const struct arena *arena);

#endif
