/* What the parent and its crew say to each other, through queues: a worker's inbox has tasks and
 * orders in it, the one queue of results has what every worker tells. A message is one of these
 * structs with its bytes behind it; a queue hands messages out at multiples of 8 bytes. */
#ifndef TROUPE_LAUNCH_MAP_MESSAGE_H
#define TROUPE_LAUNCH_MAP_MESSAGE_H

#include <stdint.h>

#include "troupe/queue.h"

enum map_message_kind {
    MAP_TASK = 1, /* to a worker: run this */
    MAP_STOP =
        2, /* to a worker: end this task, if it still runs. A SIGTERM beside it says "look" */
    MAP_PIECE = 3, /* from a worker: a piece of a task's output */
    MAP_END = 4    /* from a worker: the task has ended; what is left of its output */
};

/* Behind a task: its columns' sizes, uint32_t each, then the columns' bytes. */
struct map_task_message {
    uint64_t
        place; /* in the list; seq is the number it goes by, which an earlier run may have given */
    uint64_t seq;
    uint64_t timeout_us; /* 0: none */
    uint32_t kind;
    uint32_t attempt;
    uint32_t columns;
    uint32_t bytes; /* of all columns */
};

enum map_stream { MAP_OUT, MAP_ERR, MAP_STREAMS };

/* Who ended a task's command, when somebody did. */
enum map_ended_by { MAP_BY_ITSELF, MAP_BY_TIMEOUT, MAP_BY_ORDER };

struct map_result_message {
    uint64_t place;
    uint32_t kind;
    uint32_t worker;
    uint32_t attempt;
    uint32_t sizes[MAP_STREAMS]; /* of the bytes behind it: standard output's, then error's */
    int32_t exit_code;           /* 0 to 255; -1 when a signal ended it */
    int32_t signal;
    uint32_t ended_by;
    int64_t start_us; /* wall clock */
    int64_t run_us;
};

/* The most bytes of a stream in one message. */
enum { MAP_PIECE_BYTES = 64 << 10 };

/* What a worker is started with. Behind it, each ended by a zero: the GPU mask, then the command's
 * words. */
struct map_worker_order {
    troupe_queue inbox, results;
    uint32_t worker, rank;
    uint64_t run;          /* a number of this run's own */
    uint32_t is_successor; /* another worker of this number has died */
    uint32_t word_count;
    uint32_t shell;
    uint32_t has_mask;
    uint32_t cpu_seconds; /* a command may use; 0: any */
    uint64_t memory_bytes;
    uint64_t grace_us; /* from SIGTERM to SIGKILL */
    uint64_t cpus[16]; /* a bit for each processor of the rank's; none: all */
};

#endif
