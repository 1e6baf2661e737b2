/* The keeper: waits for its rank and for the fresh processes it starts, and tells the world their
 * true ends. It never touches MPI or CUDA.
 *
 * What always holds: each child has a thread of its own that made it (the rank: the thread that
 * called troupe_init) and, for the rank, one that waits for it; a fresh process dies with its
 * thread, a rank with the keeper. The keeper leaves when the world has ended, its rank is gone
 * and no fresh process is left. */
#include "runtime/runtime.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "core/call.h"
#include "core/futex.h"
#include "core/leader.h"
#include "core/lock.h"
#include "core/node.h"
#include "core/oom.h"
#include "core/recover.h"
#include "object/process.h"
#include "object/process_threads.h"
#include "runtime/nurses.h"
#include "runtime/vigil.h"
#include "topo/cpus.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define RANK_GRACE_MS 5000 /* for a rank to leave a world that lost somebody */

struct keeper {
    struct nurses nurses;
    struct fabric_segment segment;
    struct actor *actor;
    struct rank_record *seat;
    struct node *node;
    struct vigil vigil;
    int local;
    pid_t rank, parent;
    _Atomic bool rank_ended;
    pthread_t watcher, thread;
    bool has_thread;
};

/* ---- the rank --------------------------------------------------------------------------- */

static void loss_tell(const struct keeper *keeper, int status, const char *outcome)
{
    const char *way = WIFSIGNALED(status) ? "was ended by signal" : "left with status";
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    bool memory = WIFSIGNALED(status) && number == SIGKILL && oom_struck();

    log_warning("rank %u, pid %d on %s %s %d%s%s%s%s; %s", keeper->seat->rank, (int)keeper->rank,
                keeper->node->host, way, number, WIFSIGNALED(status) ? " (" : "",
                WIFSIGNALED(status) ? strsignal(number) : "", WIFSIGNALED(status) ? ")" : "",
                memory ? OOM_NOTE : "", outcome);
}

/* The parent speaks to other nodes through its own node's leader: when no rank of it is left, the
 * world ends, at once. Another node that nobody leads is given up by the others (core/lead.h). */
static void leaderless(const struct keeper *keeper, struct actor *actor)
{
    call_post_again(actor, CALL_ANYWHERE); /* who waits for another node is to see it */
    if (keeper->node->number != NODE_OF_PARENT)
        return;
    log_error("no rank is left on the parent's node to speak to the other nodes: the world ends");
    _exit(1);
}

/* What its rank led, another one does: before anything else, since the end of what the rank ran may
 * have to be told to another node. */
static const char *leader_end(const struct keeper *keeper, struct actor *actor)
{
    int next;

    if (keeper->node->nodes == 1 || !leader_succeed(actor, (uint32_t)keeper->local))
        return "the world goes on with fewer ranks";
    next = leader_of(&actor->arena, (int)keeper->node->number);
    if (next >= 0)
        return "it led its node, which another rank does from now on";
    leaderless(keeper, actor);
    return "it was the last rank of its node";
}

/* A loss is counted before the end is published: whoever learns of the end and finalizes shall know
 * that MPI cannot be left by the regular way. */
static void rank_end(struct keeper *keeper, struct actor *actor, int status)
{
    bool regular = atomic_load(&keeper->node->state) != NODE_RUNNING;
    const char *outcome = "the world goes on with fewer ranks";

    if (regular && status == 0)
        return;
    if (!regular) {
        atomic_fetch_add(&keeper->node->lost, 1);
        outcome = leader_end(keeper, actor);
    }
    process_rank_lost(actor, keeper->local, WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                      WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    if (!regular || atomic_load(&keeper->node->state) == NODE_ENDING)
        loss_tell(keeper, status, outcome);
    if (atomic_load(&keeper->node->state) == NODE_ENDING)
        node_state_set(actor, NODE_ABORTED);
}

/* From here on the rank's pid may be another's. */
static int rank_reap(struct keeper *keeper, struct actor *actor)
{
    lock_take(actor, &keeper->seat->lock);
    atomic_store(&keeper->seat->pid, 0);
    lock_give(actor, &keeper->seat->lock);
    return child_reap(keeper->rank);
}

static void *rank_watch(void *argument)
{
    struct keeper *keeper = argument;
    struct actor *actor;

    process_thread_own();
    if (world_enter(&actor) == TROUPE_OK) {
        child_bury(actor, keeper->rank);
        rank_end(keeper, actor, rank_reap(keeper, actor));
        atomic_store(&keeper->rank_ended, true);
        bell_ring(&actor->arena, &keeper->seat->keeper_bell, FUTEX_ALL);
    }
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------- */

enum { KEEPER_SPAWN = 1, KEEPER_LEAVE = 2, KEEPER_ABORT = 3 };

static int keeper_look(struct actor *actor, void *context)
{
    struct keeper *keeper = context;
    uint64_t state = atomic_load(&keeper->node->state);

    (void)actor;
    if (atomic_load(&keeper->seat->spawns.first) != 0)
        return KEEPER_SPAWN;
    if (state == NODE_RUNNING)
        return 0;
    if (atomic_load(&keeper->rank_ended) && atomic_load(&keeper->nurses.children) == 0)
        return KEEPER_LEAVE;
    return state == NODE_ABORTED ? KEEPER_ABORT : 0;
}

static int leave_look(struct actor *actor, void *context)
{
    int seen = keeper_look(actor, context);

    return seen == KEEPER_ABORT ? 0 : seen;
}

/* The world lost somebody: a rank that waits for the lost one in MPI would wait for ever. */
static int abort_await(struct keeper *keeper, struct actor *actor)
{
    int next;

    if (atomic_load(&keeper->node->given_up))
        process_kill_all(actor);
    next = bell_await(actor, &keeper->seat->keeper_bell, clock_deadline(RANK_GRACE_MS), 0,
                      leave_look, keeper);

    if (next == 0 && !atomic_load(&keeper->rank_ended)) {
        kill(keeper->rank, SIGKILL);
        next = bell_await(actor, &keeper->seat->keeper_bell, CLOCK_FOREVER, 0, leave_look, keeper);
    }
    return next;
}

void keeper_run(struct keeper *keeper)
{
    struct actor *actor;
    int next = 0;

    if (world_enter(&actor) != TROUPE_OK)
        return;
    while (next != KEEPER_LEAVE) {
        next = bell_await(actor, &keeper->seat->keeper_bell, vigil_deadline(&keeper->vigil), 0,
                          keeper_look, keeper);
        vigil_keep(&keeper->vigil, actor);
        if (next == KEEPER_ABORT)
            next = abort_await(keeper, actor);
        if (next == KEEPER_SPAWN)
            nurses_begin(&keeper->nurses, actor, process_next_fresh(actor, keeper->local));
    }
    nurses_dismiss(&keeper->nurses);
    pthread_join(keeper->watcher, NULL);
    atomic_store(&keeper->seat->keeper_state, KEEPER_DONE);
    bell_ring(&actor->arena, &keeper->node->bell, FUTEX_ALL);
}

void keeper_outwait_parent(const struct keeper *keeper)
{
    struct pollfd parent = { .fd = -1, .events = POLLIN };

    while (keeper->parent == 0 && atomic_load(&keeper->node->given_up))
        pause(); /* the launcher ends this process, or its own end does */
    if (atomic_load(&keeper->node->state) != NODE_ABORTED || keeper->parent == 0)
        return;
    parent.fd = (int)syscall(SYS_pidfd_open, keeper->parent, 0);
    if (parent.fd < 0)
        return; /* it has ended */
    while (poll(&parent, 1, -1) < 0 && errno == EINTR)
        ;
    close(parent.fd);
}

static void *run_body(void *argument)
{
    process_thread_own();
    keeper_run(argument);
    return NULL;
}

int keeper_run_beside(struct keeper *keeper)
{
    int result = keeper_thread(&keeper->thread, run_body, keeper, false);

    keeper->has_thread = result == TROUPE_OK;
    return result;
}

void keeper_wait(struct keeper *keeper)
{
    if (keeper->has_thread)
        pthread_join(keeper->thread, NULL);
    keeper->has_thread = false;
}

int keeper_open(const struct start *start, const struct report *report, pid_t rank,
                enum world_role role, struct keeper **keeper)
{
    struct world world = { .role = role,
                           .rank = -1,
                           .size = report->place.size,
                           .node = report->place.node,
                           .nodes = report->place.nodes };
    struct keeper *made = calloc(1, sizeof *made);
    int result;

    if (made == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for a keeper");
    result = nurses_init(&made->nurses, start);
    if (result != TROUPE_OK)
        goto no_nurses;
    result = fabric_segment_attach(report->address, &made->segment);
    if (result != TROUPE_OK)
        goto no_segment;
    result = arena_view(made->segment.base, &world.arena);
    if (result == TROUPE_OK)
        result = world_join(&world, &made->actor);
    if (result != TROUPE_OK)
        goto no_world;
    made->rank = rank;
    made->parent = report->parent;
    made->local = report->place.local_rank;
    made->node = node_of(&world.arena);
    made->seat = &made->node->ranks[made->local];
    vigil_begin(&made->vigil, made->node, made->local);
    made->nurses.address = made->segment.address;
    made->nurses.seat = made->seat;
    made->nurses.node = made->node;
    made->nurses.local = made->local;
    atomic_store(&made->node->cpus, (uint32_t)cpus_own_count());
    oom_watch();
    result = keeper_thread(&made->watcher, rank_watch, made, false);
    if (result != TROUPE_OK)
        goto no_thread;
    atomic_store(&made->seat->keeper_state, KEEPER_READY);
    *keeper = made;
    return TROUPE_OK;

no_thread:
    world_leave();
no_world:
    fabric_segment_detach(&made->segment);
no_segment:
    nurses_fini(&made->nurses);
no_nurses:
    free(made);
    return result;
}

void keeper_close(struct keeper *keeper)
{
    world_leave();
    fabric_segment_detach(&keeper->segment);
    nurses_fini(&keeper->nurses);
    free(keeper);
}
