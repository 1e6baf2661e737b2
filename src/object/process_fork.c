/* TROUPE_METHOD_FORK: the child is a copy of the calling thread and its process's memory.
 *
 * What always holds: the child's parent is a keeper, so its end is waited for by one who only
 * waits, its status is true, and it outlives its caller. The parent's main thread is its keeper's
 * own: it forks. Any other caller makes a go-between by vfork, which shares the caller's memory and
 * forks the child by the C library's fork, so that all handlers and locks of that library are in
 * order, and ends; the child then falls to the nearest ancestor that takes orphans
 * (PR_SET_CHILD_SUBREAPER): the keeper. The caller is stopped until the go-between has ended, and
 * copying memory once costs little more than a bare fork. The child touches nothing before it is
 * adopted; a caller that dies before leaves a record that recovery ends, which the child sees. */
#include "object/process.h"

#include "base/error.h"
#include "base/log.h"
#include "core/engine.h"
#include "core/party.h"
#include "core/world.h"
#include "device/device.h"
#include "fabric/fabric.h"
#include "job/stdio.h"
#include "object/process_threads.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define WHAT_SIZE 400

/* What the child needs; on the caller's stack, which the child has a copy of. */
struct forking {
    struct actor *actor; /* the caller's */
    struct record *record;
    uint64_t handle;
    troupe_target target;
    const void *argument;
    int seat;
    sigset_t mask; /* the caller's */
};

/* ---- whether ------------------------------------------------------------------------------ */

int process_seat(const struct arena *arena)
{
    int node, local;

    if (world_here.rank < 0)
        return 0; /* the parent is rank 0's keeper */
    node_place(arena, world_here.rank, &node, &local);
    return local;
}

static int threads_check(void)
{
    struct text text = { 0 };
    unsigned count = process_threads_foreign(&text);
    int result = TROUPE_OK;

    if (count > 0)
        result = fail(TROUPE_BAD_ARGUMENT,
                      "fork: %u other thread%s here that Troupe did not start, %s; the child would "
                      "not have them, only the locks they hold: end them before, set with_threads "
                      "if they hold none, or use TROUPE_METHOD_SPAWN",
                      count, count > 1 ? "s run" : " runs", text.data != NULL ? text.data : "?");
    text_free(&text);
    return result;
}

int process_fork_check(const troupe_process_options *options)
{
    const struct rank_record *seat;
    char what[WHAT_SIZE];

    if (device_cuda_runs(what, sizeof what))
        return fail(TROUPE_EFORKED,
                    "TROUPE_EFORKED: cannot re-initialize CUDA in a forked process, and the caller "
                    "has used it (%s); to use CUDA with processes, use TROUPE_METHOD_SPAWN",
                    what);
    seat = &node_of(&world_here.arena)->ranks[process_seat(&world_here.arena)];
    if (world_here.role == WORLD_SPMD || !process_keeper_is_there(seat))
        return fail(TROUPE_NO_RANK, "fork: no keeper is there to wait for the child; under "
                                    "troupe_attach there is none: use troupe_init");
    return options->with_threads != 0 ? TROUPE_OK : threads_check();
}

/* ---- the child ---------------------------------------------------------------------------- */

void process_limit(const struct process_order *order)
{
    struct rlimit cpu = { order->cpu_seconds, order->cpu_seconds + 1 };
    struct rlimit memory = { order->memory_bytes, order->memory_bytes };

    if (order->cpu_seconds != 0)
        setrlimit(RLIMIT_CPU, &cpu);
    if (order->memory_bytes != 0)
        setrlimit(RLIMIT_DATA, &memory);
}

enum { ADOPTED = 1, ORPHANED = 2 };

static int adopted_look(struct actor *actor, void *context)
{
    const struct forking *forking = context;
    const struct process *process = process_of(forking->record);

    (void)actor;
    if (atomic_load(&forking->record->handle) != forking->handle ||
        atomic_load(&process->state) >= TROUPE_STATE_DONE)
        return ORPHANED;
    return atomic_load(&process->assigned) != 0 ? ADOPTED : 0;
}

/* Once adopted, the child ends with its keeper. */
static bool adoption_await(struct actor *actor, struct forking *forking)
{
    const struct rank_record *seat = &node_of(&actor->arena)->ranks[forking->seat];

    if (bell_await(actor, &forking->record->bell, UINT64_MAX, 0, adopted_look, forking) != ADOPTED)
        return false;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return getppid() == atomic_load(&seat->keeper_pid);
}

/* It has the caller's copies of everything, and its own name in the world. */
static void child_settle(const struct forking *forking, int rank)
{
    fabric_forsake();
    log_set_name("troupe[fork]");
    job_stdio_follow(rank);
    process_limit(&process_of(forking->record)->order);
    sigprocmask(SIG_SETMASK, &forking->mask, NULL);
}

static void child_main(struct forking *forking) __attribute__((noreturn));
static void child_main(struct forking *forking)
{
    int rank = (int)node_of(&world_here.arena)->ranks[forking->seat].rank;
    struct process_end end;
    struct actor *actor;

    bell_cancel_by(NULL);
    engine_forsake();
    process_threads_forked();
    if (world_rejoin(rank, &actor) != TROUPE_OK) {
        log_error("%s", troupe_last_error());
        _exit(1);
    }
    if (!adoption_await(actor, forking))
        _exit(1);
    child_settle(forking, rank);
    process_running(actor, forking->handle, rank, TROUPE_METHOD_FORK, (int)getpid());
    end = process_call(actor, forking->handle, forking->target, forking->argument);
    party_leave(actor);
    fflush(NULL);
    if (process_sync_output != NULL)
        process_sync_output();
    if (end.state != TROUPE_STATE_DONE)
        process_finish(actor, forking->handle, &end);
    world_leave();
    _exit(end.exit_code);
}

/* ---- the caller --------------------------------------------------------------------------- */

/* In the go-between: tells the child's pid where the caller finds it also if a sanitizer made a
 * fork of the vfork. */
static void between_become(struct forking *forking) __attribute__((noreturn));
static void between_become(struct forking *forking)
{
    pid_t child = fork();

    if (child == 0)
        child_main(forking);
    if (child < 0)
        _exit(errno & 0xff);
    atomic_store(&process_of(forking->record)->pid, (uint64_t)child);
    _exit(0);
}

/* A function of its own: what it keeps in registers, the go-between may change. */
static pid_t between_make(struct forking *forking)
{
    pid_t between = vfork();

    if (between == 0)
        between_become(forking);
    return between;
}

/* Returns errno of what failed, or 0. The go-between's end is after the child has a new parent. A
 * handler of the program's may have waited for it, so the pid alone tells success. */
static int fork_between(struct forking *forking)
{
    pid_t between = between_make(forking);
    int status = 0, failed = errno;

    if (between < 0)
        return failed;
    while (waitpid(between, &status, 0) < 0 && errno == EINTR)
        ;
    if (atomic_load(&process_of(forking->record)->pid) != 0)
        return 0;
    return WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : EAGAIN;
}

/* The first thread of the keeper itself, the parent's main, needs nobody between: the child would
 * fall to that very thread. One of another thread would end with its maker. */
static bool is_keeper(const struct forking *forking)
{
    const struct rank_record *seat = &node_of(&forking->actor->arena)->ranks[forking->seat];

    return getpid() == atomic_load(&seat->keeper_pid) && gettid() == getpid();
}

static int fork_directly(struct forking *forking)
{
    pid_t child = fork();

    if (child == 0)
        child_main(forking);
    if (child < 0)
        return errno;
    atomic_store(&process_of(forking->record)->pid, (uint64_t)child);
    return 0;
}

/* What stdio holds back would be written by both. Signals wait: a handler must not run in the
 * go-between, on the caller's memory. */
int process_fork(struct actor *actor, struct record *record, uint64_t handle, troupe_target target,
                 const void *argument)
{
    struct forking forking = { actor,    record,   handle,
                               target,   argument, process_seat(&actor->arena),
                               { { 0 } } };
    sigset_t all;
    int failed;

    fflush(NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &forking.mask);
    atomic_store(&process_of(record)->place,
                 (uint64_t)TROUPE_METHOD_FORK << 32 |
                     (node_of(&actor->arena)->ranks[forking.seat].rank + 1));
    failed = is_keeper(&forking) ? fork_directly(&forking) : fork_between(&forking);
    pthread_sigmask(SIG_SETMASK, &forking.mask, NULL);
    if (failed != 0)
        return fail(TROUPE_SYSTEM, "fork: no process: %s", strerror(failed));
    process_adopt(actor, record, forking.seat);
    return TROUPE_OK;
}

/* ---- the keeper --------------------------------------------------------------------------- */

int process_forked_pid(struct actor *actor, uint64_t handle)
{
    struct record *record;

    if (table_find(actor, handle, OBJECT_PROCESS, &record) != TROUPE_OK ||
        atomic_load(&process_of(record)->place) >> 32 != TROUPE_METHOD_FORK)
        return 0;
    return (int)atomic_load(&process_of(record)->pid);
}

void process_reaped(struct actor *actor, uint64_t handle)
{
    struct record *record;

    if (table_lock(actor, handle, OBJECT_PROCESS, &record) != TROUPE_OK)
        return;
    atomic_store(&process_of(record)->reaped, 1);
    lock_give(actor, &record->lock);
}
