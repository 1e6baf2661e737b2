/* The keeper's threads that look after fresh and forked processes, one thread each.
 *
 * What always holds: a fresh process is forked by the thread that waits for it, and dies with it. A
 * thread whose process has ended waits for the next, if few others do: a process costs no thread
 * then. */
#ifndef TROUPE_RUNTIME_NURSES_H
#define TROUPE_RUNTIME_NURSES_H

#include "core/node.h"
#include "runtime/runtime.h"

#include <pthread.h>
#include <stdatomic.h>

/* Set by nurses_init, and the middle by the keeper before the first process. */
struct nurses {
    const struct start *start;
    struct fresh_gpus gpus;

    const char *address; /* the arena's */
    struct rank_record *seat;
    struct node *node;
    int local;

    _Atomic int children;
    pthread_mutex_t lock;
    pthread_cond_t offered, left;
    uint64_t offer; /* a process for whoever is idle; 0: none */
    int idle;
    bool closed;
};

int nurses_init(struct nurses *nurses, const struct start *start);

/* Starts a fresh process, or takes a forked one, and tells its end. By the keeper's thread
 * alone. */
void nurses_begin(struct nurses *nurses, struct actor *actor, uint64_t handle);

/* With no process left: the threads leave. */
void nurses_dismiss(struct nurses *nurses);
void nurses_fini(struct nurses *nurses);

/* ---- what a keeper's threads share --------------------------------------------------------- */

/* Waits for the end of a child and settles what it left half done in the arena. The child is still
 * to be reaped: its pid cannot come back before. Its end is unknown when the program has waited for
 * our child itself. */
void child_bury(struct actor *actor, pid_t child);

/* Returns its wait status, -1 when it is unknown. */
int child_reap(pid_t child);

/* A thread of ours takes no signal of the program's. */
int keeper_thread(pthread_t *thread, void *(*body)(void *), void *argument, bool detached);

#endif
