/* The parts of the runtime: who does what between troupe_init and the last process's end.
 *
 * mpirun starts a keeper, the keeper forks the rank before MPI_Init, and rank 0's keeper is the
 * parent. The rank makes the world with the other ranks and reports its arena to the keeper. */
#ifndef TROUPE_RUNTIME_RUNTIME_H
#define TROUPE_RUNTIME_RUNTIME_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core/world.h"
#include "fabric/fabric.h"
#include "job/place.h"
#include "runtime/report.h"
#include "topo/place.h"
#include "topo/shares.h"
#include "troupe/troupe.h"

/* What a process that a launcher started knows before the world stands. */
struct start {
    struct job_place job;
    struct topo_place place;
    uint64_t arena_bytes; /* 0: by the environment and the machine */
    char **argv;
};

/* ---- rank.c: the rank ------------------------------------------------------------------- */

/* Makes the world together with the other ranks: MPI, the arena, the node's record; joins it in the
 * role. All ranks return the same result. report is filled either way. */
int rank_world_make(const struct start *start, enum world_role role, struct report *report,
                    struct fabric_segment *segment, struct actor **actor);

/* Starts and ends the rank's engine, and the leader's service thread; nothing in a world of one
 * node. */
int rank_service_start(void);
void rank_service_end(void);

/* The whole life of a rank in its own process: never returns. */
void rank_main(const struct start *start, int pipe) __attribute__((noreturn));

/* ---- fresh_gpus.c: the GPUs of fresh processes --------------------------------------------- */

/* A keeper's. The strings are what the environment was when the world began; NULL: not set. */
struct fresh_gpus {
    const struct start *start;
    struct topo_options options;
    char *mask, *order, *topology;
    pthread_mutex_t lock; /* guards shares */
    struct topo_shares *shares;
};

/* Reads the environment; called before the program goes on. */
int fresh_gpus_init(const struct start *start, struct fresh_gpus *gpus);
void fresh_gpus_fini(struct fresh_gpus *gpus);

#define FRESH_LINES 4

/* What one process is told: "NAME=value", or "NAME" for a variable that it is not to have. */
struct fresh_lines {
    char *text[FRESH_LINES];
    struct topo_taken taken;
    bool chosen; /* by its start, and not by the plan */
};

/* Works out a process's variables, and gives back what they hold once it has ended. */
int fresh_gpus_take(struct fresh_gpus *gpus, struct actor *actor, uint64_t handle,
                    struct fresh_lines *lines);
void fresh_gpus_give(struct fresh_gpus *gpus, struct fresh_lines *lines);

/* ---- keeper.c: rank's watcher and fresh processes' parent ------------------------------- */

struct keeper;

/* Joins the world that the rank reported, as keeper or parent, and watches the rank. */
int keeper_open(const struct start *start, const struct report *report, pid_t rank,
                enum world_role role, struct keeper **keeper);

/* Starts fresh processes and waits for ends, until the world has ended and the rank with it. */
void keeper_run(struct keeper *keeper);

/* After a loss ranks leave without MPI_Finalize, and a launcher ends the whole job at the first
 * exit of such a process: so the parent's must be first, or its status is lost. Waits for that
 * end; on another host, where the world goes on without this node, until the launcher ends it. */
void keeper_outwait_parent(const struct keeper *keeper);

/* The same as keeper_run in a thread; keeper_wait returns when it is over. */
int keeper_run_beside(struct keeper *keeper);
void keeper_wait(struct keeper *keeper);

/* Leaves the world and frees what keeper_open took. */
void keeper_close(struct keeper *keeper);

/* ---- fresh.c: processes of their own (method spawn) --------------------------------------- */

/* Forks and executes this program for one process. Returns its pid, or -1 with the sentence. The
 * calling thread must live as long as the child, which dies with it. */
pid_t fresh_start(struct actor *actor, const struct start *start, const char *address, int local,
                  uint64_t handle, const struct fresh_lines *lines);

/* In a process that fresh_start made: runs the process and exits; returns in any other. */
void fresh_main(void);

/* Whether fresh_start made this process, so that troupe_init will run its process: for a program
 * that has something else to do before, when a person started it. */
bool runtime_is_fresh(void);

/* ---- init.c ------------------------------------------------------------------------------ */

/* Registers every object's handlers and recovery: the one table of the house. */
void runtime_register(void);

#endif
