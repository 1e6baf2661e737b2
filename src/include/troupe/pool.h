/* Pools: a crew of workers, and functions mapped over arrays.
 *
 * A task is one call of a function on one input. Its worker may die: then the task runs again, on
 * another worker, so often as the pool's options say. Each task ends in exactly one way (done,
 * failed or given up) and has one result, but it may run more than once: what it changes elsewhere
 * should bear that. */
#ifndef TROUPE_POOL_H
#define TROUPE_POOL_H

#include "troupe/process.h"
#include "troupe/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct troupe_pool {
    uint64_t id;
} troupe_pool;

/* What a map or a call has led to, or will. */
typedef struct troupe_result {
    uint64_t id;
} troupe_result;

/* A task: reads its input and writes its output, in memory that the pool holds. Returns 0, or any
 * other number for a failure; see troupe_task_fail. The output has what was there before, not
 * zeros. */
typedef int (*troupe_task)(const void *input, size_t input_bytes, void *output,
                           size_t output_bytes);

typedef struct troupe_pool_options {
    const char *name; /* NULL: "pool"; the workers are "<name>-<n>" */
    int workers;      /* 0: one for each rank of the world */
    int method;       /* TROUPE_METHOD_…: how workers are started */
    troupe_target
        initializer;      /* each worker runs it before its first task; not 0 ends the worker */
    const void *argument; /* the initializer's; copied */
    size_t argument_bytes;
    int gpus; /* with TROUPE_METHOD_SPAWN: how many GPUs each worker is to have of its own */
    int with_threads; /* with TROUPE_METHOD_FORK: see troupe_process_options */
    int max_tasks;    /* then a worker leaves and another one is started; 0: no limit */
    int tries;        /* how often a task may be begun, at most 31; 0: 3 */
} troupe_pool_options;

/* Makes a pool and starts its workers. It lives on the caller's node, and as long as the caller's
 * process at most.
 *
 * options     may be NULL
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  an option is wrong
 *             TROUPE_NO_RANK       no worker can be started
 *             TROUPE_FULL          the arena has no room
 * Threads     any */
TROUPE_API int troupe_pool_create(const troupe_pool_options *options, troupe_pool *pool);

/* ---- maps that wait ------------------------------------------------------------------------ */

/* Runs task on each of n inputs and waits for all.
 *
 * inputs      [n * input_bytes]; may be NULL when there are none
 * outputs     [n * output_bytes], in the order of the inputs; those of tasks that did not end well
 *             are left as they were
 * Returns     TROUPE_OK        every task is done
 *             TROUPE_FAILED    a task failed: the sentence is that of the first one; the others ran
 *             TROUPE_GIVEN_UP  a task's workers died too often; the same
 *             TROUPE_CLOSED    the pool was closed, or terminated meanwhile
 *             TROUPE_NO_RANK   all workers have died, and no other can be started
 *             TROUPE_DEADLOCK  called by a task of this very pool
 *             TROUPE_FULL      the arena has no room for inputs and outputs
 * Threads     any of the pool's node; blocks without using the CPU */
TROUPE_API int troupe_pool_map(troupe_pool pool, troupe_task task, const void *inputs,
                               size_t input_bytes, size_t n, void *outputs, size_t output_bytes);

/* Runs task once, on one input. Returns as troupe_pool_map. */
TROUPE_API int troupe_pool_apply(troupe_pool pool, troupe_task task, const void *input,
                                 size_t input_bytes, void *output, size_t output_bytes);

/* ---- maps that do not wait ----------------------------------------------------------------- */

typedef struct troupe_map_options {
    size_t chunksize;    /* how many tasks a worker claims at a time; 0: 1. Tasks of a claim cannot
                            go to another worker that has nothing to do */
    int stop_at_failure; /* begin no further task once one has failed */
    /* Called by troupe_result_wait and _get, in their thread: now and then while they wait, and
     * once when they find the map ended. */
    void (*progress)(uint64_t ended, uint64_t tasks, void *context);
    void (*ended)(troupe_result result, void *context);
    void *context;
} troupe_map_options;

/* The same as troupe_pool_map, but returns at once. The inputs are copied.
 *
 * options     may be NULL
 * result      troupe_result_close gives back what it holds */
TROUPE_API int troupe_pool_map_async(troupe_pool pool, troupe_task task, const void *inputs,
                                     size_t input_bytes, size_t n, size_t output_bytes,
                                     const troupe_map_options *options, troupe_result *result);

/* The same as troupe_pool_apply, but returns at once. */
TROUPE_API int troupe_pool_apply_async(troupe_pool pool, troupe_task task, const void *input,
                                       size_t input_bytes, size_t output_bytes,
                                       troupe_result *result);

/* The same as troupe_pool_map_async, for troupe_result_next: results one by one, in the order of
 * the inputs, or, unordered, as they come. */
TROUPE_API int troupe_pool_imap(troupe_pool pool, troupe_task task, const void *inputs,
                                size_t input_bytes, size_t n, size_t output_bytes,
                                const troupe_map_options *options, troupe_result *result);
TROUPE_API int troupe_pool_imap_unordered(troupe_pool pool, troupe_task task, const void *inputs,
                                          size_t input_bytes, size_t n, size_t output_bytes,
                                          const troupe_map_options *options, troupe_result *result);

/* Whether every task has ended, 1 or 0; never waits. */
TROUPE_API int troupe_result_ready(troupe_result result, int *ready);

/* Waits until every task has ended, in whatever way.
 *
 * Returns     TROUPE_OK, TROUPE_TIMEOUT, TROUPE_BAD_HANDLE; TROUPE_DEADLOCK as troupe_pool_map */
TROUPE_API int troupe_result_wait(troupe_result result, long timeout_ms);

/* Waits, and copies the outputs.
 *
 * outputs     [bytes], n * output_bytes of them
 * Returns     as troupe_pool_map
 *             TROUPE_TIMEOUT   not all have ended in time
 *             TROUPE_TOO_LONG  bytes are fewer than there are */
TROUPE_API int troupe_result_get(troupe_result result, void *outputs, size_t bytes,
                                 long timeout_ms);

/* Waits for the next result of an imap and copies its output.
 *
 * index       of its input; set with TROUPE_FAILED and TROUPE_GIVEN_UP, too
 * output      [bytes], at least output_bytes of them
 * Returns     TROUPE_OK
 *             TROUPE_FAILED, TROUPE_GIVEN_UP  this task's end; the next call goes on
 *             TROUPE_CLOSED    there is no further result
 *             TROUPE_TIMEOUT   it has not come in time
 *             TROUPE_TOO_LONG  bytes are too few; it stays
 * Threads     any, also several at once: each result is given to one */
TROUPE_API int troupe_result_next(troupe_result result, uint64_t *index, void *output, size_t bytes,
                                  long timeout_ms);

enum {
    TROUPE_TASK_WAITING = 0, /* has not ended */
    TROUPE_TASK_DONE = 1,
    TROUPE_TASK_FAILED = 2,
    TROUPE_TASK_GIVEN_UP = 3,
    TROUPE_TASK_DROPPED = 4 /* never ran: the map was stopped, or the pool terminated */
};

typedef struct troupe_task_status {
    int state;                       /* TROUPE_TASK_… */
    int code;                        /* what the task returned when FAILED, else 0 */
    int attempts;                    /* how often it was begun; 0 before */
    char reason[TROUPE_REASON_SIZE]; /* one sentence when FAILED or GIVEN_UP */
} troupe_task_status;

/* How one task stands or has ended; never waits. */
TROUPE_API int troupe_result_task(troupe_result result, uint64_t index, troupe_task_status *status);

/* Gives back what the result holds. Tasks that have not ended go on; their ends are then
 * nobody's. */
TROUPE_API int troupe_result_close(troupe_result result);

/* ---- the end ------------------------------------------------------------------------------- */

/* Takes no more tasks; those that were taken are run, then the workers leave. */
TROUPE_API int troupe_pool_close(troupe_pool pool);

/* Begins no more tasks, and ends those that run: a worker by fork or spawn that is in one gets
 * SIGTERM; one on a rank is cancelled, so that its task's waits end and troupe_process_cancelled
 * says so. Whoever has not left 2 seconds later is killed by troupe_pool_join, or by
 * troupe_finalize, and a rank goes with it. */
TROUPE_API int troupe_pool_terminate(troupe_pool pool);

/* Waits for the end of all workers.
 *
 * Returns     TROUPE_OK
 *             TROUPE_TIMEOUT       some have not ended in time
 *             TROUPE_BAD_ARGUMENT  the pool was neither closed nor terminated */
TROUPE_API int troupe_pool_join(troupe_pool pool, long timeout_ms);

/* Terminates, as troupe_pool_terminate, and frees the pool and its results; does not wait for
 * workers. */
TROUPE_API int troupe_pool_destroy(troupe_pool pool);

/* ---- what a task may ask ------------------------------------------------------------------- */

/* The index of the input that the calling thread works on; 0 outside of a task. */
TROUPE_API uint64_t troupe_task_index(void);

/* How often this task has been begun: 1 the first time; 0 outside of a task. */
TROUPE_API int troupe_task_attempt(void);

/* Keeps a sentence for whoever asks why the task failed, and returns code:
 * return troupe_task_fail(2, "%s is no number", text); */
TROUPE_API int troupe_task_fail(int code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif

#endif
