/* The pool on its own node: seats, jobs, and what is done when a worker dies.
 *
 * A job is one map: a record of its own, and a block with its inputs, outputs and a state for each
 * task. Its tasks are numbers. Those that nobody has are the job's bank; a worker takes part of it
 * into its seat's range, and its next tasks from that range by one compare-and-swap; a worker that
 * finds the bank empty takes half of the richest seat's range. So no worker holds what another
 * could run, and a task costs no message and no lock.
 *
 * What always holds: each task of an unfinished job that has no outcome is in exactly one of the
 * bank, a seat's range, or a living worker's claim. Banks, seats' jobs and owners, and the lists
 * change under the pool's lock by transactions; a range also by its owner's compare-and-swap,
 * unless it is held; a claim by its owner alone. A claim is stored before the range shrinks, and
 * while the range still begins with it, it does not count: so whoever finds a seat of the dead
 * knows what its worker had, at whatever instruction it died.
 *
 * A dead worker's seat keeps its range, which the others may take. A job is done when its bank is
 * empty and no seat is at it; the last to leave says so. */
#ifndef TROUPE_POOL_LOCAL_H
#define TROUPE_POOL_LOCAL_H

#include "core/table.h"
#include "core/target.h"
#include "pool/words.h"
#include "troupe/pool.h"

#define POOL_REASON_BYTES 200
#define POOL_HELD_MOST 4 /* parts of jobs that a share has at a time */

enum pool_state {
    POOL_OPEN = 0,
    POOL_CLOSED = 1,     /* no new jobs */
    POOL_TERMINATED = 2, /* no new tasks */
    POOL_BROKEN = 3      /* the same, since no worker could be had */
};

struct seat {
    _Alignas(2 * ARENA_LINE) _Atomic uint64_t range;
    _Atomic uint64_t claim;
    _Atomic uint64_t job;   /* offset of its record, 0: none */
    _Atomic uint64_t owner; /* the worker's slot, see actor_tag; 0: vacant */
    _Atomic uint64_t lease; /* the number of the lease that another node has of it, 0: none */
    _Atomic uint64_t node;  /* of the lease */
};

struct pool {
    _Atomic uint64_t state;
    _Atomic uint64_t owner;       /* the creator's slot; its death ends the pool */
    _Atomic uint64_t destroyed;   /* the last to leave frees it */
    _Atomic uint64_t first, last; /* jobs with tasks in their banks, oldest first: offsets */
    _Atomic uint64_t jobs;        /* that are not done */
    _Atomic uint64_t occupied;    /* seats */
    _Atomic uint64_t missing;     /* workers that died and were not replaced yet */
    _Atomic uint64_t vain;        /* workers started since the last one arrived */
    _Atomic uint64_t leases;      /* that were given so far */
    _Atomic uint64_t buyer;       /* of a share: the worker that asks its home for tasks */
    _Atomic uint64_t held[POOL_HELD_MOST]; /* of a share: its parts, offsets of jobs */
    _Atomic uint64_t seats;                /* offset */
    _Atomic uint64_t crew;                 /* offset of the workers, see crew.h */
    _Atomic uint64_t argument;             /* offset of the initializer's, 0: none */
    uint64_t argument_bytes;
    uint64_t seat_count, workers;
    uint64_t party; /* the run of a target that made it; 0 in a share */
    uint64_t tries, max_tasks;
    int32_t method, gpus, with_threads;
    int32_t broken;            /* why it is BROKEN */
    struct target initializer; /* all zero: none */
    char name[TROUPE_NAME_SIZE];
    char reason[POOL_REASON_BYTES];
};

/* NEW: its maker fills it; a maker that dies takes it along. */
enum job_state { JOB_NEW = 0, JOB_OPEN = 1, JOB_DONE = 2 };

struct job {
    _Atomic uint64_t state;
    _Atomic uint64_t bank;
    _Atomic uint64_t next;  /* in the pool's list */
    _Atomic uint64_t seats; /* that are at it */
    _Atomic uint64_t stop;  /* no further task of it begins */
    _Atomic uint64_t notes; /* offset of the first */
    _Atomic uint64_t failed, given_up;
    _Atomic uint64_t closed;          /* nobody will ask for its results */
    _Atomic uint64_t watched;         /* somebody waits for single results */
    _Atomic uint64_t cursor;          /* of an ordered iterator */
    _Atomic uint64_t data;            /* offset of the block */
    _Atomic uint64_t maker;           /* while NEW */
    uint64_t pool;                    /* offset of its record */
    uint64_t states, inputs, outputs; /* offsets */
    uint64_t n, input_bytes, output_bytes, chunk;
    uint64_t stop_at_failure, ordered;
    uint64_t first;       /* index of task 0, in a share's part of a job */
    uint64_t home, lease; /* of such a part: the pool's handle, the lease's number */
    struct target function;
};

/* What is told of a task that failed or was given up. */
struct note {
    _Atomic uint64_t next;
    uint64_t index;
    int64_t code;
    uint32_t outcome, attempts;
    uint64_t size; /* of the sentence, with its zero */
    char sentence[];
};

/* What a job is to be. */
struct job_order {
    struct target function;
    const void *inputs;
    uint64_t n, input_bytes, output_bytes, chunk;
    bool stop_at_failure, watched, ordered;
    const unsigned char *states; /* [n], or NULL: none ran before */
    uint64_t first, home, lease;
};

static inline struct pool *pool_of(struct record *record)
{
    return (struct pool *)record->body;
}

static inline struct job *job_of(struct record *record)
{
    return (struct job *)record->body;
}

static inline struct record *record_at(const struct arena *arena, uint64_t place)
{
    return arena_at(arena, place);
}

static inline struct seat *seat_at(const struct arena *arena, const struct pool *pool,
                                   uint64_t index)
{
    return (struct seat *)arena_at(arena, atomic_load(&pool->seats)) + index;
}

static inline _Atomic unsigned char *job_states(const struct arena *arena, const struct job *job)
{
    return arena_at(arena, job->states);
}

/* Whether its workers may leave. */
static inline bool pool_is_over(const struct pool *pool)
{
    uint64_t state = atomic_load(&pool->state);

    return state >= POOL_TERMINATED || (state == POOL_CLOSED && atomic_load(&pool->jobs) == 0);
}

/* incarnation (32) | slot (32): who somebody is, and whether that one still lives. */
uint64_t actor_tag(const struct actor *actor);
bool actor_tag_lives(const struct arena *arena, uint64_t tag);

/* Names work in the caller's slot, unless that is a worker's: it names its pool already, and
 * mending the pool does it all. Whether it did, and so the caller is to end it. */
bool actor_resume(struct actor *actor, int kind, uint64_t place);

/* ---- pool_local.c: the pool ---------------------------------------------------------------- */

/* Makes the record and its blocks; the caller has filled `made` with what does not change. From
 * then on the actor's slot names the pool: when that actor dies, it is mended. */
int pool_make(struct actor *actor, const struct pool *made, const void *argument, uint64_t foreign,
              uint64_t *handle);

/* No new jobs; POOL_CLOSED or POOL_TERMINATED. */
int pool_shut(struct actor *actor, uint64_t handle, enum pool_state state);

/* No worker can be had: everybody who waits gets result and sentence. */
void pool_break(struct actor *actor, uint64_t handle, int result, const char *sentence);

/* Terminates, and frees it as soon as no worker is in it. */
int pool_destroy(struct actor *actor, uint64_t handle);

/* Does what the dead left undone. Recovery's handler; the place is the pool's record. */
void pool_mend(struct actor *actor, uint64_t place);

/* Frees the pool if it was destroyed and nobody is in it. The caller holds its lock, which is
 * given. */
void pool_leave_record(struct actor *actor, struct record *record);

/* ---- seat.c: seats; the caller holds the pool's lock unless it says otherwise -------------- */

/* The worker takes a vacant seat, one with work if there is one. NULL when all are taken. */
struct seat *seat_take(struct actor *actor, struct record *record);

/* The worker goes; its range stays for the others. */
void seat_vacate(struct actor *actor, struct record *record, struct seat *seat);

/* How much a seat takes: of a bank 1 / divisor of what is left; inputs or outputs of so many bytes
 * at most, 0 for any. */
struct seat_part {
    uint64_t divisor, bytes;
};

/* Fills an empty seat, at no job, from a bank, or from the richest seat, of which it takes half. */
bool seat_fill(struct actor *actor, struct record *record, struct seat *seat,
               const struct seat_part *part);

/* The seat, which is empty, is at its job no longer. The bells that this promises are the caller's
 * to redeem, for all, after the lock. */
void seat_leave(struct actor *actor, struct record *record, struct seat *seat);

/* Takes the next tasks, at most most, from the own range. Without the lock. */
bool seat_claim(struct actor *actor, struct record *record, struct seat *seat,
                const _Atomic unsigned char *states, uint64_t most, uint64_t *low, uint64_t *count);

/* Empties the own range: the job is stopped. Without the lock. */
void seat_drop(struct actor *actor, struct record *record, struct seat *seat);

/* Recovers the seat of a dead worker, or of a lease that will not be fulfilled. */
void seat_give_back(struct actor *actor, struct record *record, struct seat *seat);

/* Empties a seat without a worker: its job is stopped or the pool terminated. */
void seat_clear(struct actor *actor, struct record *record, struct seat *seat);

/* Whether a worker could find something to do. Without the lock. */
bool seats_have_work(const struct arena *arena, const struct pool *pool);

/* ---- job.c: jobs --------------------------------------------------------------------------- */

/* Makes a job and puts its tasks into the pool. */
int job_submit(struct actor *actor, uint64_t pool, const struct job_order *order, uint64_t *handle);

/* The caller holds the pool's lock in all that follow. */

/* One seat less is at it: in the open transaction. True when it is done by that. */
bool job_seat_left(struct actor *actor, struct record *pool, uint64_t place);

/* No further task of it begins: empties its bank, takes it off the list. */
void job_stop(struct actor *actor, struct record *pool, struct record *job);

/* Notes how a task ended without success. */
void job_note(struct actor *actor, struct record *job, const struct note *note,
              const char *sentence);
const struct note *job_note_find(const struct arena *arena, const struct job *job, uint64_t index);

/* Frees it, if it is done and closed. */
void job_end(struct actor *actor, struct record *job);

/* Recovery's handler for a job whose maker died. */
void job_mend(struct actor *actor, uint64_t place);

#endif
