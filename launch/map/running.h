/* A run's state, for the three files that it is made of: run.c has its beginning, its loop and its
 * end, give.c the way of tasks from the list to the workers, ends.c their way from there on.
 *
 * What always holds: a task is in one place at a time, in `ready`, with a worker, or ended and
 * waiting for its turn to be printed; the turns have them all. One thread does everything. */
#ifndef TROUPE_LAUNCH_MAP_RUNNING_H
#define TROUPE_LAUNCH_MAP_RUNNING_H

#include "crew.h"
#include "journal.h"
#include "options.h"
#include "output.h"
#include "task.h"
#include "tell.h"

enum { RUN_RESULTS_BYTES = 1 << 20 }; /* taken at a time */

struct run {
    const struct map_options *options;
    struct crew crew;
    struct tell tell;
    struct outputs *outputs;
    struct journal *journal; /* NULL: none */
    struct inputs *inputs;
    struct turns turns;
    struct task_list ready; /* to be run again, or taken back */
    uint64_t salt;          /* of the keys */
    uint64_t running;       /* tasks with workers */
    uint64_t good, bad;
    int64_t pace_us; /* how long a task takes, of late */
    uint64_t next_start, next_tick;
    bool list_ended, list_waits;
    enum halt_how halt;
    int signals; /* that were heeded */
    int failed;  /* what stops the run, told at the end */
    char sentence[512];
    char *results;
};

/* ---- run.c ---------------------------------------------------------------------------------- */

/* Stops the run, unless the result is TROUPE_OK; the first failure's sentence is kept. */
void run_fail(struct run *run, int result);

/* Halts it, if that is more than it is halted already. */
void run_halt(struct run *run, enum halt_how how);

/* ---- give.c --------------------------------------------------------------------------------- */

/* Gives workers what they have room for. */
void run_feed(struct run *run);

/* How many microseconds a task may take; 0: any. */
uint64_t run_timeout(const struct run *run);

/* ---- ends.c --------------------------------------------------------------------------------- */

/* Waits for what workers tell, and takes what is there; whether anything was. */
bool run_listen(struct run *run, long timeout_ms);

/* Buries a worker and gives its tasks to others. */
void run_mourn(struct run *run, uint32_t worker);

/* The output of a task that has ended goes where it belongs, and then its record. */
void run_deliver(struct run *run, struct map_task *task);

#endif
