/* Processes inside the library: how one is placed, run and ended.
 *
 * What always holds: a process has a record on the node of its starter (its home), under its
 * handle; when it runs on another node that node has a record under the same handle, which ends
 * with the run. Its state, result and argument change under the record's lock; who may run it is
 * decided once, by the transaction that puts it into a rank's job or into a list (`assigned`). The
 * process ends exactly once: whoever sees the end first (the rank, its keeper, recovery) writes it.
 */
#ifndef TROUPE_OBJECT_PROCESS_H
#define TROUPE_OBJECT_PROCESS_H

#include "core/node.h"
#include "core/table.h"
#include "core/target.h"

struct process {
    _Atomic uint64_t state; /* TROUPE_STATE_… */
    _Atomic uint64_t exit;  /* exit code (16) | signal (16) */
    _Atomic uint64_t place; /* rank + 1 (32) | method (32) */
    _Atomic uint64_t pid;
    _Atomic uint64_t assigned; /* somebody will run it */
    _Atomic uint64_t runner;   /* at home: 1 + the other node that runs it, or 0 */
    _Atomic uint64_t closed;   /* nobody will ask for its end */
    _Atomic uint64_t argument; /* offset of the bytes, 0 when there are none */
    _Atomic uint64_t next;     /* in a list of the node */
    uint64_t argument_bytes;
    uint64_t gpus; /* a choice; its text stands behind the argument: see process_gpus.h */
    struct target target;
    char name[TROUPE_NAME_SIZE];
    char host[TROUPE_HOST_SIZE];
    char reason[TROUPE_REASON_SIZE];
};

static inline struct process *process_of(struct record *record)
{
    return (struct process *)record->body;
}

/* How a process ended. */
struct process_end {
    int state; /* TROUPE_STATE_DONE, _KILLED, _FAILED, _LOST */
    int exit_code;
    int signal;
    const char *reason; /* may be NULL */
};

/* What goes home with the end of a process that ran on another node. */
struct process_where {
    char host[TROUPE_HOST_SIZE];
    char reason[TROUPE_REASON_SIZE];
};

/* Which run a new process may take on this node. */
enum process_mode {
    MODE_IDLE_RANK = 0, /* a rank that is idle now, or none */
    MODE_ANY_RANK = 1,  /* the next rank of the node to be idle */
    MODE_THIS_RANK = 2,
    MODE_FRESH = 3 /* a process of its own, made by a keeper */
};

/* Finds a runner on this node, in one transaction. local is the rank of MODE_THIS_RANK.
 * TROUPE_NO_RANK when there is none. */
int process_assign(struct actor *actor, struct record *record, enum process_mode mode, int local);

/* Writes the end, frees the argument, wakes joiners; a second end is ignored. */
void process_finish(struct actor *actor, uint64_t handle, const struct process_end *end);

/* Marks it running, here and now. */
void process_running(struct actor *actor, uint64_t handle, int rank, int method, int pid);

/* Ends the rank's present job and gives it the next one that waits, if any. */
void process_rank_next(struct actor *actor, struct rank_record *rank);

/* A rank's life: runs what it is given until the world ends. */
void process_serve(struct actor *actor, int local);

/* Runs one process in the calling thread: what ranks and fresh processes do. A rank ends it here; a
 * fresh process has ended when its keeper has waited for it, and what it held, GPU memory too, is
 * given back. Returns its exit code. */
int process_run(struct actor *actor, uint64_t handle, int method);

/* The rank died: ends what it ran, and finds other runners for what waited for it. */
void process_rank_lost(struct actor *actor, int local, int exit_code, int signal);

/* The next process that the keeper of a local rank is to start afresh; 0 when there is none. */
uint64_t process_next_fresh(struct actor *actor, int local);

/* How many processes of this node's table have not ended. */
uint64_t process_unfinished(struct actor *actor);

/* Waits until none is left. */
void process_drain(struct actor *actor);

/* Registers the handlers for calls from other nodes, and recovery. */
void process_register(void);

/* The part of it that process_start.c answers. */
void process_start_register(void);

/* Called when a target has returned, before its end is published, and before a process starts:
 * what was printed so far shall come first. NULL: nothing to do. */
extern void (*process_sync_output)(void);

#endif
