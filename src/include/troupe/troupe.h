/* Troupe: Python's multiprocessing model on MPI clusters.
 *
 * Every function returns TROUPE_OK or a negative TROUPE_… unless its block says otherwise. The
 * function that first knew what went wrong left one sentence in troupe_last_error(). Outputs come
 * last and are set only on success, unless the block says otherwise. Sizes are bytes, times are
 * milliseconds. Handles are valid in every process of the world and may travel in arguments,
 * messages and values. */
#ifndef TROUPE_TROUPE_H
#define TROUPE_TROUPE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TROUPE_API __attribute__((visibility("default")))

/* ---- results ---------------------------------------------------------------------------- */

enum {
    TROUPE_OK = 0,
    TROUPE_EMPTY = -1,        /* nothing came in time */
    TROUPE_FULL = -2,         /* no room: queue limit or arena; what is in it stays */
    TROUPE_CLOSED = -3,       /* closed and drained, or closed for puts */
    TROUPE_TOO_LONG = -4,     /* does not fit the caller's buffer or a limit */
    TROUPE_NOT_FOUND = -5,    /* no such key */
    TROUPE_TIMEOUT = -6,      /* not finished in time */
    TROUPE_BAD_ARGUMENT = -7, /* an argument outside what the block allows */
    TROUPE_BAD_HANDLE = -8,   /* of another kind, destroyed, or never made */
    TROUPE_NO_MEMORY = -9,    /* the calling process is out of its own memory */
    TROUPE_NOT_RUNNING = -10, /* before troupe_init or after troupe_finalize */
    TROUPE_ALREADY = -11,     /* a second troupe_init */
    TROUPE_FORKED = -12,      /* in a process made by a bare fork() */
    TROUPE_LOST = -13,        /* the node or rank that held the answer is gone */
    TROUPE_SYSTEM = -14,      /* the operating system refused; the sentence names the call */
    TROUPE_LAUNCH = -15,      /* the world could not be started */
    TROUPE_MISMATCH = -16,    /* ranks run different binaries or versions */
    TROUPE_NO_RANK = -17,     /* no rank can run it */
    TROUPE_GPU = -18,         /* a CUDA call failed; the sentence has CUDA's name for it */
    TROUPE_NO_GPU = -19,      /* no device to do it with: do it on the CPU */
    TROUPE_EFORKED = -20,     /* CUDA in a child of a process that used it: spawn instead. Such a
                                 child may belong to the world; TROUPE_FORKED: it does not */
    TROUPE_CUDA_STARTED = -21 /* CUDA_VISIBLE_DEVICES would change where CUDA already runs */
};

/* Names a result, "TROUPE_EMPTY" for TROUPE_EMPTY.
 *
 * Returns     a static string; "TROUPE_UNKNOWN" for anything else
 * Threads     any */
TROUPE_API const char *troupe_result_name(int result);

/* The sentence of the calling thread's last failure: what happened, to what, what to do.
 *
 * Returns     a string owned by the thread, valid until its next failure; "" before the first
 * Threads     any; each has its own */
TROUPE_API const char *troupe_last_error(void);

/* The library's version, "0.1.0". */
TROUPE_API const char *troupe_version(void);

/* Timeouts: milliseconds, or one of these. */
#define TROUPE_NO_WAIT 0L
#define TROUPE_FOREVER (-1L)

/* ---- bytes ------------------------------------------------------------------------------ */

/* A view of somebody else's bytes; never owned, never kept beyond the call. */
typedef struct troupe_bytes {
    const void *data;
    size_t size;
} troupe_bytes;

/* Views size bytes at data. */
static inline troupe_bytes troupe_bytes_of(const void *data, size_t size)
{
    troupe_bytes view;
    view.data = data;
    view.size = size;
    return view;
}

/* Views a string without its final zero. */
static inline troupe_bytes troupe_text(const char *text)
{
    return troupe_bytes_of(text, strlen(text));
}

/* ---- the world -------------------------------------------------------------------------- */

typedef struct troupe_init_options {
    int workers; /* ranks when the program starts itself; 0: TROUPE_WORKERS, else one a core */
    size_t arena_bytes; /* shared memory to reserve on each node; 0: TROUPE_ARENA, else half of
                           memory */
} troupe_init_options;

/* Starts the world, and returns in the parent alone.
 *
 * Without a launcher the program starts itself under mpirun on this host, and the original process
 * supervises it: it exits with the parent's status and never returns from here. Under mpirun or
 * srun each process becomes a keeper with a rank as its child; ranks run targets and leave by
 * exit(). The parent is rank 0's keeper. Code before troupe_init therefore runs in every process:
 * keep it short, and call troupe_init first thing in main.
 *
 * argc, argv  main's; kept for processes that are started fresh
 * Returns     TROUPE_OK
 *             TROUPE_ALREADY   a second call
 *             TROUPE_LAUNCH    no mpirun, or a rank could not start
 *             TROUPE_MISMATCH  ranks run different binaries
 * Threads     call it before any other thread exists */
TROUPE_API int troupe_init(int *argc, char ***argv);

/* The same with options; options may be NULL. */
TROUPE_API int troupe_init_with(int *argc, char ***argv, const troupe_init_options *options);

/* Starts the world of an SPMD program: returns on every rank, before or after the program's own
 * MPI_Init_thread. There is no keeper and no idle rank then: troupe_process_start finds none.
 *
 * Returns     TROUPE_OK
 *             TROUPE_LAUNCH    MPI was initialised below MPI_THREAD_MULTIPLE, or no launcher
 *             TROUPE_ALREADY   a second call */
TROUPE_API int troupe_attach(void);

/* Ends the world: waits for every process, ends the ranks, leaves nothing behind.
 *
 * status      what main is to return
 * Returns     status, so that main ends with: return troupe_finalize(0);
 * Threads     the thread that called troupe_init */
TROUPE_API int troupe_finalize(int status);

/* The rank this process belongs to, 0 to troupe_world_size()-1; -1 in the parent. */
TROUPE_API int troupe_rank(void);

/* The number of ranks the world started with; 0 outside a world. */
TROUPE_API int troupe_world_size(void);

/* The node of the calling process, 0 to troupe_world_nodes()-1; -1 outside a world. */
TROUPE_API int troupe_node(void);
TROUPE_API int troupe_world_nodes(void);

/* ---- processes -------------------------------------------------------------------------- */

typedef struct troupe_process {
    uint64_t id;
} troupe_process;

/* What a process runs. The argument is a copy that ends with the target; the result, 0 to 255, is
 * the exit code. A pointer inside the argument means nothing in another process. */
typedef int (*troupe_target)(const void *argument, size_t bytes);

enum {
    TROUPE_METHOD_DEFAULT = 0, /* an idle rank; _SPAWN when none is idle */
    TROUPE_METHOD_RANK = 1,    /* a rank, waiting for one when all are busy */
    TROUPE_METHOD_SPAWN = 3    /* a fresh process of the same program */
};

enum {
    TROUPE_ANYWHERE = 0,
    TROUPE_ON_RANK = 1, /* place is a rank; the process waits for it when it is busy */
    TROUPE_ON_NODE = 2  /* place is a node */
};

typedef struct troupe_process_options {
    const char *name; /* at most 63 bytes; NULL: "process-<n>" */
    int method;       /* TROUPE_METHOD_… */
    int where;        /* TROUPE_ANYWHERE, TROUPE_ON_RANK, TROUPE_ON_NODE */
    int place;        /* the rank or node that `where` speaks of */
} troupe_process_options;

enum {
    TROUPE_STATE_WAITING = 0, /* for a rank */
    TROUPE_STATE_RUNNING = 1,
    TROUPE_STATE_DONE = 2,   /* the target returned, or called exit: see exit_code */
    TROUPE_STATE_KILLED = 3, /* a signal ended it: see signal */
    TROUPE_STATE_FAILED = 4, /* it could not be run: see reason */
    TROUPE_STATE_LOST = 5    /* its node is gone */
};

#define TROUPE_NAME_SIZE 64
#define TROUPE_HOST_SIZE 65
#define TROUPE_REASON_SIZE 200

typedef struct troupe_process_status {
    int state;     /* TROUPE_STATE_… */
    int exit_code; /* 0 to 255 when DONE, else -1 */
    int signal;    /* when KILLED, else 0 */
    int rank;      /* the rank it runs or ran on; of a fresh process, its keeper's; -1 before */
    int method;    /* TROUPE_METHOD_RANK or TROUPE_METHOD_SPAWN, once it runs */
    int attempt;   /* 1 for the first run */
    int pid;       /* on its host; 0 before it runs */
    char host[TROUPE_HOST_SIZE];
    char reason[TROUPE_REASON_SIZE]; /* one sentence when KILLED, FAILED or LOST */
} troupe_process_status;

/* Runs target in another process and returns at once.
 *
 * target      a function of this program or of a library that it links
 * argument    [bytes] copied before the call returns; may be NULL when bytes is 0
 * options     may be NULL
 * process     the handle; troupe_process_close gives back what it holds
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  the target lies in no loaded object, or an option is wrong
 *             TROUPE_NO_RANK       no rank is left, or under troupe_attach
 *             TROUPE_FULL          the arena has no room for the argument
 * Threads     any; any process of the world */
TROUPE_API int troupe_process_start(troupe_target target, const void *argument, size_t bytes,
                                    const troupe_process_options *options, troupe_process *process);

/* Waits until the process has ended, by whatever end.
 *
 * Returns     TROUPE_OK       it has ended; troupe_process_status tells how
 *             TROUPE_TIMEOUT  it has not ended in time
 *             TROUPE_BAD_HANDLE
 * Threads     any, also several at once; blocks without using the CPU */
TROUPE_API int troupe_process_join(troupe_process process, long timeout_ms);

/* Tells how the process is or how it ended; never waits. */
TROUPE_API int troupe_process_status_get(troupe_process process, troupe_process_status *status);

/* Copies the process's name, with its final zero, into name[TROUPE_NAME_SIZE]. */
TROUPE_API int troupe_process_name(troupe_process process, char *name);

/* The process the caller is: the one whose target runs on this thread.
 *
 * Returns     TROUPE_NOT_FOUND  in the parent, and on threads that run no target */
TROUPE_API int troupe_process_current(troupe_process *process);

/* Gives back what the handle holds. An unfinished process goes on; its end is then nobody's. */
TROUPE_API int troupe_process_close(troupe_process process);

/* ---- queues ----------------------------------------------------------------------------- */

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

/* ---- dicts ------------------------------------------------------------------------------ */

typedef struct troupe_dict {
    uint64_t id;
} troupe_dict;

/* Room for later options; none yet. */
typedef struct troupe_dict_options {
    uint64_t expected_entries; /* a hint that saves growing; 0: none */
} troupe_dict_options;

/* Where a walk over a dict stands. Start with all zero: troupe_cursor cursor = { 0 }; */
typedef struct troupe_cursor {
    uint64_t position[4];
} troupe_cursor;

#define TROUPE_KEY_MAX 65536

/* Makes a dict whose entries are spread over the nodes by a hash of their keys. */
TROUPE_API int troupe_dict_create(const troupe_dict_options *options, troupe_dict *dict);

/* Stores a copy of value under key, replacing what was there.
 *
 * key         1 to TROUPE_KEY_MAX bytes of anything
 * value       0 or more bytes of anything
 * Returns     TROUPE_OK        stored: it survives the caller's death
 *             TROUPE_FULL      the arena of the key's node has no room; the old value stays
 *             TROUPE_BAD_ARGUMENT  the key has 0 or more than TROUPE_KEY_MAX bytes
 * Threads     any; waits for nobody longer than one bucket's change takes */
TROUPE_API int troupe_dict_set(troupe_dict dict, troupe_bytes key, troupe_bytes value);

/* Copies the value of key.
 *
 * value       [capacity] bytes; filled only on success
 * size        the value's bytes, also when it did not fit; may be NULL
 * Returns     TROUPE_OK
 *             TROUPE_NOT_FOUND
 *             TROUPE_TOO_LONG   *size exceeds capacity */
TROUPE_API int troupe_dict_get(troupe_dict dict, troupe_bytes key, void *value, size_t capacity,
                               size_t *size);

/* Removes key. Returns TROUPE_NOT_FOUND when it was not there. */
TROUPE_API int troupe_dict_delete(troupe_dict dict, troupe_bytes key);

/* The number of entries, true at some moment on each node. */
TROUPE_API int troupe_dict_size(troupe_dict dict, uint64_t *entries);

/* Steps to the next entry, in no order. An entry that is there throughout the walk is seen once,
 * also while the dict grows; one set or deleted meanwhile is seen once or not at all.
 *
 * cursor      zero before the first call
 * key         [key_capacity]; key_size may be NULL
 * value       [value_capacity]; value_size may be NULL
 * Returns     TROUPE_OK
 *             TROUPE_EMPTY     the walk is over
 *             TROUPE_TOO_LONG  the sizes are set, the cursor stays before this entry */
TROUPE_API int troupe_dict_next(troupe_dict dict, troupe_cursor *cursor, void *key,
                                size_t key_capacity, size_t *key_size, void *value,
                                size_t value_capacity, size_t *value_size);

/* Ends the dict and frees its entries. */
TROUPE_API int troupe_dict_destroy(troupe_dict dict);

#ifdef __cplusplus
}
#endif

#endif
