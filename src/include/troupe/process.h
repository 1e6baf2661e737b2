/* Processes: targets that run beside the caller, on an idle rank or in a process of their own. */
#ifndef TROUPE_PROCESS_H
#define TROUPE_PROCESS_H

#include "troupe/types.h"

#ifdef __cplusplus
extern "C" {
#endif

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
    int gpus;         /* with TROUPE_METHOD_SPAWN: how many GPUs of its node it is to have; 0: those
                       * of the rank beside it */
    const char *gpu_list; /* with TROUPE_METHOD_SPAWN: or these, as in CUDA_VISIBLE_DEVICES: "2,0",
                           * "" for none; NULL: as many as `gpus` says */
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

#ifdef __cplusplus
}
#endif

#endif
