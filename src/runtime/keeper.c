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

#define KEEPER_STACK (256u << 10)
#define RANK_GRACE_MS 5000 /* for a rank to leave a world that lost somebody */

struct keeper {
    const struct start *start;
    struct fresh_gpus gpus;
    struct fabric_segment segment;
    struct actor *actor;
    struct rank_record *seat;
    struct node *node;
    struct vigil vigil;
    int local;
    pid_t rank, parent;
    _Atomic bool rank_ended;
    _Atomic int children; /* fresh processes */
    pthread_t watcher, thread;
    bool has_thread;
};

/* A fresh process and the thread that keeps it. */
struct nurse {
    struct keeper *keeper;
    uint64_t handle;
};

/* Waits for a child's end and leaves it a zombie: its pid cannot come back before it is buried.
 * Returns false when the program has waited for our child itself: its end is then unknown. */
static bool end_await(pid_t pid)
{
    siginfo_t end;
    int result;

    do
        result = waitid(P_PID, (id_t)pid, &end, WEXITED | WNOWAIT);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

static int reap(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return status;
}

/* Waits for the end of a child and settles what it left half done in the arena. A slot may be in
 * the hands of a waiter that recovers its locks: recover_all gives that one its time. The child is
 * still to be reaped. */
static void end_and_bury(struct actor *actor, pid_t child)
{
    uint32_t party = (uint32_t)child;

    end_await(child);
    slots_bury(&actor->arena, party);
    while (slots_are_dead(&actor->arena, party))
        recover_all(actor);
}

/* A thread of ours takes no signal of the program's. */
static int thread_start(pthread_t *thread, void *(*body)(void *), void *argument, bool detached)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    int error;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, KEEPER_STACK);
    if (detached)
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(thread, &attributes, body, argument);
    if (error == 0 && !detached)
        pthread_setname_np(*thread, THREAD_NAME); /* before the program can count it */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error == 0 ? TROUPE_OK
                      : fail(TROUPE_SYSTEM, "no thread for a keeper: %s", strerror(error));
}

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
    return reap(keeper->rank);
}

static void *rank_watch(void *argument)
{
    struct keeper *keeper = argument;
    struct actor *actor;

    process_thread_own();
    if (world_enter(&actor) == TROUPE_OK) {
        end_and_bury(actor, keeper->rank);
        rank_end(keeper, actor, rank_reap(keeper, actor));
        atomic_store(&keeper->rank_ended, true);
        bell_ring(&actor->arena, &keeper->seat->keeper_bell, FUTEX_ALL);
    }
    return NULL;
}

/* ---- fresh and forked processes ----------------------------------------------------------- */

/* A signal that nobody asked for is told, and counted before the end is published. */
static void crash_tell(struct keeper *keeper, struct actor *actor, uint64_t handle, int number)
{
    char name[TROUPE_NAME_SIZE];
    int pid;

    if (!process_is_crash(actor, handle, number, name, &pid))
        return;
    atomic_fetch_add(&keeper->node->crashed, 1);
    log_warning("%s, pid %d on %s was ended by signal %d (%s)%s", name, pid, keeper->node->host,
                number, strsignal(number), number == SIGKILL && oom_struck() ? OOM_NOTE : "");
}

static void fresh_end(struct keeper *keeper, struct actor *actor, uint64_t handle, int status)
{
    struct process_end end = { TROUPE_STATE_DONE, -1, 0, NULL, false };

    if (WIFSIGNALED(status)) {
        end.state = TROUPE_STATE_KILLED;
        end.signal = WTERMSIG(status);
        crash_tell(keeper, actor, handle, end.signal);
    } else
        end.exit_code = WEXITSTATUS(status);
    process_finish(actor, handle, &end);
}

static void fresh_failed(struct actor *actor, uint64_t handle)
{
    struct process_end end = { TROUPE_STATE_FAILED, -1, 0, troupe_last_error(), false };

    process_finish(actor, handle, &end);
}

/* From a child's beginning to its end; returns how it ended. */
static int child_tend(struct keeper *keeper, struct actor *actor, uint64_t handle, int method,
                      pid_t child)
{
    process_running(actor, handle, (int)keeper->seat->rank, method, (int)child);
    end_and_bury(actor, child);
    process_reaped(actor, handle);
    return reap(child);
}

/* Its GPUs are given back before its end is published: whoever learns of it may ask for them. */
static void fresh_tend(struct keeper *keeper, struct actor *actor, uint64_t handle)
{
    struct fresh_lines lines;
    pid_t child = -1;
    int status = 0;

    if (fresh_gpus_take(&keeper->gpus, actor, handle, &lines) == TROUPE_OK) {
        child = fresh_start(actor, keeper->start, keeper->segment.address, keeper->local, handle,
                            &lines);
        if (child > 0)
            status = child_tend(keeper, actor, handle, TROUPE_METHOD_SPAWN, child);
        fresh_gpus_give(&keeper->gpus, &lines);
    }
    if (child > 0)
        fresh_end(keeper, actor, handle, status);
    else
        fresh_failed(actor, handle);
}

static void *fresh_nurse(void *argument)
{
    struct nurse nurse = *(struct nurse *)argument;
    struct keeper *keeper = nurse.keeper;
    struct actor *actor;
    pid_t child;

    process_thread_own();
    free(argument);
    if (world_enter(&actor) == TROUPE_OK) {
        child = process_forked_pid(actor, nurse.handle);
        if (child > 0)
            fresh_end(keeper, actor, nurse.handle,
                      child_tend(keeper, actor, nurse.handle, TROUPE_METHOD_FORK, child));
        else if (!process_end_early(actor, nurse.handle))
            fresh_tend(keeper, actor, nurse.handle);
    }
    atomic_fetch_sub(&keeper->children, 1);
    bell_ring(&keeper->actor->arena, &keeper->seat->keeper_bell, FUTEX_ALL);
    return NULL;
}

static void fresh_begin(struct keeper *keeper, uint64_t handle)
{
    struct nurse *nurse = malloc(sizeof *nurse);
    pthread_t thread;
    int result = TROUPE_OK;

    if (nurse == NULL)
        result = fail(TROUPE_NO_MEMORY, "no memory for a fresh process");
    atomic_fetch_add(&keeper->children, 1);
    if (result == TROUPE_OK) {
        *nurse = (struct nurse){ keeper, handle };
        result = thread_start(&thread, fresh_nurse, nurse, true);
    }
    if (result == TROUPE_OK)
        return;
    free(nurse);
    atomic_fetch_sub(&keeper->children, 1);
    fresh_failed(keeper->actor, handle);
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
    if (atomic_load(&keeper->rank_ended) && atomic_load(&keeper->children) == 0)
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
            fresh_begin(keeper, process_next_fresh(actor, keeper->local));
    }
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
    int result = thread_start(&keeper->thread, run_body, keeper, false);

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
    result = fresh_gpus_init(start, &made->gpus);
    if (result != TROUPE_OK)
        goto no_gpus;
    result = fabric_segment_attach(report->address, &made->segment);
    if (result != TROUPE_OK)
        goto no_segment;
    result = arena_view(made->segment.base, &world.arena);
    if (result == TROUPE_OK)
        result = world_join(&world, &made->actor);
    if (result != TROUPE_OK)
        goto no_world;
    made->start = start;
    made->rank = rank;
    made->parent = report->parent;
    made->local = report->place.local_rank;
    made->node = node_of(&world.arena);
    made->seat = &made->node->ranks[made->local];
    vigil_begin(&made->vigil, made->node, made->local);
    atomic_store(&made->node->cpus, (uint32_t)cpus_own_count());
    oom_watch();
    result = thread_start(&made->watcher, rank_watch, made, false);
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
    fresh_gpus_fini(&made->gpus);
no_gpus:
    free(made);
    return result;
}

void keeper_close(struct keeper *keeper)
{
    world_leave();
    fabric_segment_detach(&keeper->segment);
    fresh_gpus_fini(&keeper->gpus);
    free(keeper);
}
