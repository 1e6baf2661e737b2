/* A worker of a pool, as its process knows itself. */
#ifndef TROUPE_POOL_WORKER_H
#define TROUPE_POOL_WORKER_H

#include "pool/pool_local.h"

/* Exit codes of a worker that did not work. */
enum { WORKER_FAILED = 120, WORKER_NOT_INITIALIZED = 121 };

struct worker {
    struct actor *actor; /* its own, see worker.c */
    uint64_t handle, index;
    bool is_shared;   /* its node is not the pool's: the record is the node's share */
    long patience_ms; /* see share.c */
    struct record *record;
    struct pool *pool;
    struct seat *seat;
    uint64_t ran;
    /* The job at hand, and the task. */
    struct record *job_record;
    struct job *job;
    _Atomic unsigned char *states;
    const unsigned char *inputs;
    unsigned char *outputs;
    troupe_task function;
    uint64_t task;
    int attempt;
    char told[POOL_REASON_BYTES]; /* by troupe_task_fail */
};

/* Runs what its seat has before it, until that is empty, its job stopped or the worker worn out. */
void worker_run(struct worker *worker);

/* Leaves the job whose tasks are run, and takes the next ones. False when there are none. */
bool worker_next(struct worker *worker);

/* Gives the seat up. */
void worker_stand_up(struct worker *worker);

/* Whether the calling thread runs a task of this pool. */
bool pool_worker_is_in(uint64_t handle);

#endif
