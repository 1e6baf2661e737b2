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
#include "object/process_order.h"

struct process {
    _Atomic uint64_t state; /* TROUPE_STATE_… */
    _Atomic uint64_t exit;  /* exit code (16) | signal (16) */
    _Atomic uint64_t place; /* rank + 1 (32) | method (32) */
    _Atomic uint64_t pid;
    _Atomic uint64_t assigned;  /* somebody will run it */
    _Atomic uint64_t runner;    /* at home: 1 + the other node that runs it, or 0 */
    _Atomic uint64_t closed;    /* nobody will ask for its end */
    _Atomic uint64_t argument;  /* offset of the order's bytes, 0 when there are none */
    _Atomic uint64_t next;      /* in a list of the node */
    _Atomic uint64_t cancelled; /* its waits end, see core/bell.h */
    _Atomic uint64_t ended_by;  /* the signal that somebody asked for */
    _Atomic uint64_t reaped;    /* its pid may be another's by now */
    _Atomic uint64_t awaits;    /* the process that its target joins, without a timeout */
    _Atomic uint64_t uses_mpi;  /* of a group's member, where it runs: it has its communicator */
    _Atomic uint64_t bereaved;  /* its group has lost a member */
    _Atomic uint64_t group; /* the order's, for whoever ends the process, or looks for members */
    struct process_order order;
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
    const char *reason; /* may be NULL; of a signal, what is known beyond its name */
    bool is_told;       /* the reason is a whole sentence, which another node wrote */
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
    MODE_THIS_RANK = 2, /* that rank, once it is idle */
    MODE_FRESH = 3,     /* a process of its own, made by a keeper */
    MODE_THIS_RANK_NOW = 4
};

/* Finds a runner on this node, in one transaction. local is the rank of MODE_THIS_RANK. rank: the
 * idle rank that was found; -1 in other modes.
 *
 * Returns     TROUPE_OK
 *             TROUPE_NO_RANK  there is none
 *             TROUPE_BUSY     none is idle now */
int process_assign(struct actor *actor, struct record *record, enum process_mode mode, int local,
                   int *rank);

/* Gives the handle back, here at its home. */
int process_close_here(struct actor *actor, uint64_t handle);

/* Tells a process that its group has lost a member: it is cancelled, or, when it uses the group's
 * communicator, killed. */
void process_bereave(uint64_t handle);

/* Writes the end, frees the argument, wakes joiners; a second end is ignored. */
void process_finish(struct actor *actor, uint64_t handle, const struct process_end *end);

/* Whether a signal that ended it was one that nobody asked for. name is [TROUPE_NAME_SIZE]. */
bool process_is_crash(struct actor *actor, uint64_t handle, int number, char *name, int *pid);

/* Ends, here at their home, the processes that a node ran which is lost. */
void process_node_lost(struct actor *actor, int node);

/* Marks it running, here and now. */
void process_running(struct actor *actor, uint64_t handle, int rank, int method, int pid);

/* Ends the rank's present job and gives it the next one that waits, if any. */
void process_rank_next(struct actor *actor, struct rank_record *rank);

/* A rank's life: runs what it is given until the world ends. */
void process_serve(struct actor *actor, int local);

/* Whether the rank has a keeper that takes children. */
bool process_keeper_is_there(const struct rank_record *rank);

/* Hands a forked child, which waits for it, to the keeper of a local rank: another thread of the
 * keeper's waits for its end. */
void process_adopt(struct actor *actor, struct record *record, int local);

/* Hands a process that waits for a rank, and shall not run any more, to a keeper, which ends it.
 * Nothing when it waits for none. */
void process_divert(struct actor *actor, struct record *record);

/* Ends a process whose end was asked for before it began; false for others. */
bool process_end_early(struct actor *actor, uint64_t handle);

/* ---- fork ------------------------------------------------------------------------------------ */

/* The rank whose keeper has the caller's fork children. */
int process_seat(const struct arena *arena);

/* TROUPE_EFORKED, TROUPE_BAD_ARGUMENT or TROUPE_NO_RANK when the caller is not to be forked. */
int process_fork_check(const troupe_process_options *options);

/* Forks the calling thread for the process; the child never returns from here. TROUPE_SYSTEM. */
int process_fork(struct actor *actor, struct record *record, uint64_t handle, troupe_target target,
                 const void *argument);

/* The pid of a forked child that was handed over; 0 for a process that the keeper is to spawn. */
int process_forked_pid(struct actor *actor, uint64_t handle);

/* Before the child's end is waited for: nobody sends signals to its pid any more. */
void process_reaped(struct actor *actor, uint64_t handle);

/* Applies the limits to the calling process. Async-signal-safe. */
void process_limit(const struct process_order *order);

/* The order of a process and its bytes, in the arena. TROUPE_BAD_HANDLE when the record is gone. */
int process_order_find(struct actor *actor, uint64_t handle, struct order *order);

/* ---- runs ------------------------------------------------------------------------------------ */

/* The process whose target runs on this thread; 0: none. */
uint64_t process_current(void);

/* Runs its target here, as function(argument), and returns how it ended. */
struct process_end process_call(struct actor *actor, uint64_t handle, troupe_target function,
                                const void *argument);

/* TROUPE_BAD_ARGUMENT when the environment says it wrongly. */
int process_start_method_check(void);

/* What TROUPE_METHOD_DEFAULT means from now on; returns what it meant. */
int process_start_method_set(int method);

/* Whether the process waits for a rank in a circle. */
bool process_is_deadlocked(struct actor *actor, uint64_t handle);

/* Runs one process in the calling thread: what ranks and fresh processes do. A rank ends it here; a
 * fresh process has ended when its keeper has waited for it, and what it held, GPU memory too, is
 * given back. Returns its exit code. */
int process_run(struct actor *actor, uint64_t handle, int method);

/* The rank died: ends what it ran, and finds other runners for what waited for it. */
void process_rank_lost(struct actor *actor, int local, int exit_code, int signal);

/* The next process that the keeper of a local rank is to start afresh; 0 when there is none. */
uint64_t process_next_fresh(struct actor *actor, int local);

/* How many processes of this node's table have not ended; daemons are not counted. */
uint64_t process_unfinished(struct actor *actor);

/* Waits until none is left. */
void process_drain(struct actor *actor);

/* Waits for the end of one: TROUPE_OK, _TIMEOUT, _DEADLOCK, _CANCELLED; _BAD_HANDLE when it was
 * closed. No sentence is written. */
int process_await(struct actor *actor, struct record *record, uint64_t handle, uint64_t deadline);

/* The next of this node's processes that have not ended, after index; daemons, or the others. */
struct record *process_unfinished_next(struct actor *actor, uint64_t *index, bool daemons);

/* Ends this node's daemons: terminates them, and kills those that have not gone after a while. */
void process_daemons_end(struct actor *actor);
void process_daemons_signal(struct actor *actor, bool kills);

/* Kills whatever runs on this node. */
void process_kill_all(struct actor *actor);

/* Registers the handlers for calls from other nodes, and recovery. */
void process_register(void);

/* The part of it that process_start.c answers. */
void process_start_register(void);

/* The part of it that process_signal.c and process_drain.c answer. */
void process_signal_register(void);
void process_drain_register(void);

/* Called when a target has returned, before its end is published, and before a process starts:
 * what was printed so far shall come first. NULL: nothing to do. */
extern void (*process_sync_output)(void);

#endif
