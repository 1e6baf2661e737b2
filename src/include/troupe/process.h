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
    TROUPE_METHOD_DEFAULT = 0, /* troupe_set_start_method's; without it an idle rank */
    TROUPE_METHOD_RANK = 1,    /* a rank; it keeps what older targets left in its memory */
    TROUPE_METHOD_FORK = 2,    /* a copy of the caller, on its node, without its other threads */
    TROUPE_METHOD_SPAWN = 3    /* a fresh process of the same program */
};

/* What happens when no rank is idle. The default: a process by TROUPE_METHOD_DEFAULT is spawned,
 * one by TROUPE_METHOD_RANK or for a certain rank waits. */
enum {
    TROUPE_BUSY_DEFAULT = 0,
    TROUPE_BUSY_SPAWN = 1, /* a fresh process at once */
    TROUPE_BUSY_WAIT = 2,  /* until a rank is idle */
    TROUPE_BUSY_ERROR = 3  /* troupe_process_start returns TROUPE_BUSY */
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
    int when_busy;        /* TROUPE_BUSY_… */
    int is_daemon;    /* troupe_finalize ends it instead of waiting; what it starts is one, too */
    int with_threads; /* fork: also where threads run that the child will not have */
    unsigned cpu_seconds;  /* fork, spawn: SIGXCPU after so much processor time; 0: never */
    size_t memory_bytes;   /* fork, spawn: of its own in all, what it inherits included;
                                       then malloc fails; 0: any */
    const char *directory; /* spawn: where it works; NULL: where the program was started */
    const char *const *environment; /* spawn: lines NAME=value, or NAME to take one away; the last
                                       is NULL */
} troupe_process_options;

enum {
    TROUPE_STATE_WAITING = 0, /* for a rank */
    TROUPE_STATE_RUNNING = 1,
    TROUPE_STATE_DONE = 2,   /* the target returned, or called exit: see exit_code */
    TROUPE_STATE_KILLED = 3, /* a signal ended it: see signal */
    TROUPE_STATE_FAILED = 4, /* it could not be run, or was cancelled before: see reason */
    TROUPE_STATE_LOST = 5    /* its node is gone */
};

#define TROUPE_NAME_SIZE 64
#define TROUPE_HOST_SIZE 65
#define TROUPE_REASON_SIZE 320

typedef struct troupe_process_status {
    int state;     /* TROUPE_STATE_… */
    int exit_code; /* 0 to 255 when DONE, else -1 */
    int signal;    /* when KILLED, else 0 */
    int rank;      /* the rank it runs or ran on; of a fresh process, its keeper's; -1 before */
    int method;    /* TROUPE_METHOD_RANK, _FORK or _SPAWN, once it runs */
    int attempt;   /* 1 for the first run */
    int pid;       /* on its host; 0 before it runs */
    char host[TROUPE_HOST_SIZE];
    char reason[TROUPE_REASON_SIZE]; /* one sentence when KILLED, FAILED or LOST; when DONE
                                      * with a code, troupe_process_fail's or its last failure */
} troupe_process_status;

/* Runs target in another process and returns at once.
 *
 * target      a function of this program or of a library that it links
 * argument    [bytes] copied before the call returns; may be NULL when bytes is 0
 * options     may be NULL
 * process     the handle; troupe_process_close gives back what it holds
 *
 * By TROUPE_METHOD_FORK the child goes on from here: it sees all that the caller had set, loaded
 * and opened, the argument where it lies, and what it changes is its own. It has no MPI. It belongs
 * to a keeper, not to the caller, and outlives it. It ends by _exit: what the caller registered
 * with atexit is the caller's.
 *
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  the target lies in no loaded object; an option is wrong; or fork
 *                                  while threads run here that the child would not have: the
 *                                  sentence names them (see with_threads)
 *             TROUPE_NO_RANK       no rank is left, or under troupe_attach
 *             TROUPE_BUSY          no rank is idle, and when_busy says TROUPE_BUSY_ERROR
 *             TROUPE_EFORKED       fork after the caller used CUDA: use TROUPE_METHOD_SPAWN
 *             TROUPE_FULL          the arena has no room for the argument
 *             TROUPE_SYSTEM        the system made no process
 * Threads     any; any process of the world */
TROUPE_API int troupe_process_start(troupe_target target, const void *argument, size_t bytes,
                                    const troupe_process_options *options, troupe_process *process);

/* Runs target in n processes that begin together, each on a rank of its own: all of them or none.
 * They know their places (troupe_process_group), and have a communicator of their own for MPI
 * (troupe_group_communicator in troupe/mpi.h).
 *
 * A member may return, fail or be cancelled by itself. But one that dies with its rank (by a
 * signal, by exit, by troupe_process_kill) leaves siblings that may wait for it in MPI, where
 * nothing can wake them. So then those that have asked for the communicator are ended by SIGKILL,
 * their ranks with them, and the others are cancelled.
 *
 * n           1 to the ranks of the world
 * argument    [bytes] the same for all
 * options     may be NULL. name: a member is called "<name>-<index>". where: TROUPE_ANYWHERE or
 *             TROUPE_ON_NODE. when_busy: TROUPE_BUSY_ERROR, or wait until n ranks are idle at the
 *             same time
 * processes   [n] the handles, in the order of the places; filled only on success
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  n or an option is wrong
 *             TROUPE_NO_RANK       so many ranks are not left, the caller's own not counted
 *             TROUPE_BUSY          so many are not idle, and when_busy says TROUPE_BUSY_ERROR
 *             TROUPE_FULL          the arena has no room
 *             TROUPE_CANCELLED     the caller's own process was cancelled
 * Threads     any; any process of the world */
TROUPE_API int troupe_process_start_group(int n, troupe_target target, const void *argument,
                                          size_t bytes, const troupe_process_options *options,
                                          troupe_process *processes);

/* The caller's place in the group that its process was started in.
 *
 * index, size  may be NULL
 * Returns     TROUPE_OK
 *             TROUPE_NOT_FOUND  it is in none */
TROUPE_API int troupe_process_group(int *index, int *size);

/* Waits until the process has ended, by whatever end.
 *
 * Returns     TROUPE_OK       it has ended; troupe_process_status tells how
 *             TROUPE_TIMEOUT  it has not ended in time
 *             TROUPE_DEADLOCK  without a timeout: it waits for a rank, and so does whatever every
 *                             rank waits for
 *             TROUPE_CANCELLED  the caller's own process was cancelled
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

/* The process that started the caller.
 *
 * Returns     TROUPE_NOT_FOUND  in the parent, and in what its main started */
TROUPE_API int troupe_process_parent(troupe_process *process);

/* The caller's next child that has not ended, for a walk over all of them: those that its target
 * started, or, in the parent, main.
 *
 * cursor      all zero at the beginning
 * Returns     TROUPE_OK
 *             TROUPE_NOT_FOUND  there is no further one */
TROUPE_API int troupe_process_children(troupe_cursor *cursor, troupe_process *process);

/* Asks the process to end: troupe_process_cancelled tells its target so, and every call in which it
 * blocks, or would, returns TROUPE_CANCELLED. One that has not begun ends as FAILED.
 *
 * Returns     TROUPE_OK  also when it has ended before
 *             TROUPE_BAD_HANDLE */
TROUPE_API int troupe_process_cancel(troupe_process process);

/* Sends SIGTERM to a process by fork or spawn; one that runs on a rank is cancelled, for the rank
 * is to live on. One that has not begun ends as KILLED. Returns as troupe_process_cancel. */
TROUPE_API int troupe_process_terminate(troupe_process process);

/* Ends the process by SIGKILL, wherever it is; one that runs on a rank takes the rank along.
 * Returns as troupe_process_cancel; its end is there a moment later. */
TROUPE_API int troupe_process_kill(troupe_process process);

/* Whether the process whose target runs here was cancelled: 1 or 0. Costs a few instructions.
 *
 * Threads     any thread of the process */
TROUPE_API int troupe_process_cancelled(void);

/* Leaves a sentence for the status of the process whose target runs here, as Python's remote
 * traceback. Without it the status of a target that returns a code other than 0 has the sentence of
 * its last failed call.
 *
 * format      as printf's; at most TROUPE_REASON_SIZE-1 bytes of it are kept
 * Returns     1, so that a target may end with: return troupe_process_fail("no file %s", path); */
TROUPE_API int troupe_process_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Chooses what TROUPE_METHOD_DEFAULT means in the calling process, and in those it starts from now
 * on.
 *
 * method      TROUPE_METHOD_…; _DEFAULT: as at first
 * Returns     TROUPE_OK; TROUPE_BAD_ARGUMENT */
TROUPE_API int troupe_set_start_method(int method);
TROUPE_API int troupe_get_start_method(void);

/* The processors of this node that the world may use. */
TROUPE_API int troupe_cpu_count(void);

/* Gives back what the handle holds. An unfinished process goes on; its end is then nobody's. */
TROUPE_API int troupe_process_close(troupe_process process);

#ifdef __cplusplus
}
#endif

#endif
