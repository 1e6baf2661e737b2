/* Ending processes from outside: cancel, terminate, kill.
 *
 * One that waits for a rank is handed to a keeper instead, which sees what was noted and ends it;
 * so does whoever was about to run it.
 *
 * What always holds: a signal is sent under the locks that the process's end and the reuse of its
 * pid take, too, so it never meets another process, nor a rank's next target. */
#include "object/process.h"

#include "base/error.h"
#include "core/lock.h"
#include "object/home.h"

#include <signal.h>
#include <stdlib.h>

/* WAY_BEREAVE: its group has lost a member. One that has the group's communicator may wait in MPI
 * for the dead, where nothing can wake it. */
enum way { WAY_CANCEL = 0, WAY_TERMINATE = 1, WAY_KILL = 2, WAY_BEREAVE = 3 };

static int signal_of(enum way way)
{
    return way == WAY_KILL ? SIGKILL : SIGTERM;
}

/* Sequentially consistent: a member notes that it uses MPI and then looks whether it is bereaved,
 * so either it sees that, or we see its note. */
static bool is_bereaved_in_mpi(struct process *process)
{
    atomic_store(&process->bereaved, 1);
    return atomic_load(&process->uses_mpi) != 0;
}

/* The caller holds the record's lock, and the process runs. */
static void cancel_running(struct actor *actor, struct process *process)
{
    atomic_store(&process->cancelled, 1);
    bell_ring_party(&actor->arena, (uint32_t)atomic_load(&process->pid));
}

/* The rank's pid is taken away under its lock before it can be another's. */
static void kill_rank(struct actor *actor, struct process *process)
{
    uint32_t rank = (uint32_t)atomic_load(&process->place) - 1;
    struct rank_record *seat;
    int node, local;

    node_place(&actor->arena, (int)rank, &node, &local);
    seat = &node_of(&actor->arena)->ranks[local];
    atomic_store(&process->ended_by, SIGKILL);
    lock_take(actor, &seat->lock);
    if (atomic_load(&seat->pid) != 0)
        kill(atomic_load(&seat->pid), SIGKILL);
    lock_give(actor, &seat->lock);
}

static void signal_running(struct actor *actor, struct process *process, enum way way)
{
    bool on_rank = atomic_load(&process->place) >> 32 == TROUPE_METHOD_RANK;

    if (way == WAY_BEREAVE)
        way = is_bereaved_in_mpi(process) ? WAY_KILL : WAY_CANCEL;
    if (way == WAY_CANCEL || (way == WAY_TERMINATE && on_rank))
        cancel_running(actor, process);
    else if (on_rank)
        kill_rank(actor, process);
    else if (atomic_load(&process->reaped) == 0) {
        atomic_store(&process->ended_by, (uint64_t)signal_of(way));
        kill((pid_t)atomic_load(&process->pid), signal_of(way));
    }
}

/* For whoever would run it. */
static void end_note(struct process *process, enum way way)
{
    if (way == WAY_CANCEL || way == WAY_BEREAVE)
        atomic_store(&process->cancelled, 1);
    else
        atomic_store(&process->ended_by, (uint64_t)signal_of(way));
}

/* runner is the node that runs it, or -1. */
static int signal_local(struct actor *actor, uint64_t handle, enum way way, int *runner)
{
    struct record *record;
    struct process *process;
    uint64_t state;
    int result = table_lock(actor, handle, OBJECT_PROCESS, &record);

    *runner = -1;
    if (result != TROUPE_OK)
        return result;
    process = process_of(record);
    state = atomic_load(&process->state);
    if (state < TROUPE_STATE_DONE)
        *runner = (int)atomic_load(&process->runner) - 1;
    if (state == TROUPE_STATE_RUNNING && *runner < 0)
        signal_running(actor, process, way);
    if (state == TROUPE_STATE_WAITING && *runner < 0)
        end_note(process, way);
    lock_give(actor, &record->lock);
    if (state == TROUPE_STATE_WAITING && *runner < 0)
        process_divert(actor, record);
    return TROUPE_OK;
}

static int signal_at(struct actor *actor, int node, uint64_t handle, enum way way, int *runner)
{
    struct request request = { .op = SERVICE_PROCESS_SIGNAL,
                               .object = handle,
                               .words = { (uint64_t)way } };
    struct answer answer;
    int result;

    if (node == world_here.node)
        return signal_local(actor, handle, way, runner);
    result = service_call(actor, node, &request, BELL_NO_WAIT, &answer);
    *runner = result == TROUPE_OK ? (int)answer.words[0] - 1 : -1;
    free(answer.data);
    return result;
}

/* The home knows who runs it. A runner that has forgotten it has ended it. */
static int signal_send(uint64_t handle, enum way way)
{
    struct actor *actor;
    int unused, runner, result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    if (handle_kind(handle) != OBJECT_PROCESS || handle_node(handle) >= world_here.nodes)
        return table_refuse(handle, OBJECT_PROCESS);
    result = signal_at(actor, handle_node(handle), handle, way, &runner);
    if (result == TROUPE_OK && runner >= 0)
        signal_at(actor, runner, handle, way, &unused);
    return result;
}

void process_bereave(uint64_t handle)
{
    signal_send(handle, WAY_BEREAVE);
}

int troupe_process_cancel(troupe_process process)
{
    return signal_send(process.id, WAY_CANCEL);
}

int troupe_process_terminate(troupe_process process)
{
    return signal_send(process.id, WAY_TERMINATE);
}

int troupe_process_kill(troupe_process process)
{
    return signal_send(process.id, WAY_KILL);
}

static int signal_handler(struct actor *actor, const struct request *request, bool last,
                          struct answer *answer, struct bell **bell)
{
    int runner, result;

    (void)last, (void)bell;
    if (request->words[0] > WAY_BEREAVE)
        return fail(TROUPE_BAD_ARGUMENT, "way %llu to end a process is none",
                    (unsigned long long)request->words[0]);
    result = signal_local(actor, request->object, (enum way)request->words[0], &runner);
    answer->words[0] = (uint64_t)(runner + 1);
    return result;
}

void process_signal_register(void)
{
    service_register(SERVICE_PROCESS_SIGNAL, signal_handler);
}

/* ---- daemons ------------------------------------------------------------------------------ */

void process_daemons_signal(struct actor *actor, bool kills)
{
    struct record *record;
    uint64_t index = 0;
    int unused;

    while ((record = process_unfinished_next(actor, &index, true)) != NULL)
        signal_local(actor, atomic_load(&record->handle), kills ? WAY_KILL : WAY_TERMINATE,
                     &unused);
}

void process_kill_all(struct actor *actor)
{
    for (int daemons = 0; daemons <= 1; daemons++) {
        struct record *record;
        uint64_t index = 0;
        int unused;

        while ((record = process_unfinished_next(actor, &index, daemons != 0)) != NULL)
            signal_local(actor, atomic_load(&record->handle), WAY_KILL, &unused);
    }
}
