/* Running processes and writing their ends. */
#include "object/process.h"

#include "base/error.h"
#include "core/futex.h"
#include "core/party.h"
#include "core/service.h"
#include "core/tx.h"
#include "core/world.h"
#include "device/device.h"
#include "object/process_gpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void (*process_sync_output)(void);

static _Thread_local uint64_t current;

/* ---- ends ------------------------------------------------------------------------------- */

static void reason_write(char *reason, const struct process *process, const struct process_end *end)
{
    int rank = (int)(uint32_t)atomic_load(&process->place) - 1;

    if (end->reason != NULL)
        snprintf(reason, TROUPE_REASON_SIZE, "%s", end->reason);
    else if (end->signal != 0)
        snprintf(reason, TROUPE_REASON_SIZE,
                 "%s: rank %d, pid %d on %s was ended by signal %d (%s)", process->name, rank,
                 (int)atomic_load(&process->pid), process->host, end->signal,
                 strsignal(end->signal));
}

/* Tells the home of a process that ran here for another node. */
static void end_report(struct actor *actor, struct record *record, const struct process_end *end)
{
    struct process *process = process_of(record);
    struct answer answer;
    struct process_where where = { "", "" };
    struct request request = {
        .op = SERVICE_PROCESS_ENDED,
        .object = atomic_load(&record->handle),
        .words = { (uint64_t)end->state, (uint64_t)end->exit_code, (uint64_t)end->signal,
                   atomic_load(&process->place), atomic_load(&process->pid) },
        .data = &where,
        .size = sizeof where,
    };

    memcpy(where.host, process->host, sizeof where.host);
    reason_write(where.reason, process, end);
    if (service_call(actor, handle_node(request.object), &request, BELL_NO_WAIT, &answer) ==
        TROUPE_OK)
        free(answer.data);
}

/* The record is locked and not final: commits the end. */
static void end_write(struct actor *actor, struct record *record, const struct process_end *end)
{
    struct process *process = process_of(record);
    uint64_t argument = atomic_load(&process->argument);

    reason_write(process->reason, process, end);
    bell_promise(actor, &record->bell);
    if (argument != 0) {
        tx_retire(actor, argument);
        tx_write(actor, &process->argument, 0);
    }
    tx_write(actor, &process->exit,
             (uint64_t)(end->exit_code & 0xffff) << 16 | (uint64_t)(end->signal & 0xffff));
    tx_write(actor, &process->state, (uint64_t)end->state);
    tx_commit(actor);
}

void process_finish(struct actor *actor, uint64_t handle, const struct process_end *end)
{
    struct record *record;
    bool foreign = handle_node(handle) != table_node(&actor->arena);

    if (table_find(actor, handle, OBJECT_PROCESS, &record) != TROUPE_OK)
        return;
    if (foreign)
        end_report(actor, record, end);
    if (table_lock(actor, handle, OBJECT_PROCESS, &record) != TROUPE_OK)
        return;
    if (atomic_load(&process_of(record)->state) < TROUPE_STATE_DONE)
        end_write(actor, record, end);
    if (foreign || atomic_load(&process_of(record)->closed) != 0)
        table_retire(actor, record);
    else
        lock_give(actor, &record->lock);
    bell_redeem(actor, FUTEX_ALL);
}

/* ---- runs ------------------------------------------------------------------------------- */

void process_running(struct actor *actor, uint64_t handle, int rank, int method, int pid)
{
    struct record *record;
    struct process *process;

    if (table_lock(actor, handle, OBJECT_PROCESS, &record) != TROUPE_OK)
        return;
    process = process_of(record);
    if (atomic_load(&process->state) == TROUPE_STATE_WAITING) {
        snprintf(process->host, sizeof process->host, "%s", node_of(&actor->arena)->host);
        tx_write(actor, &process->place, (uint64_t)method << 32 | (uint32_t)(rank + 1));
        tx_write(actor, &process->pid, (uint64_t)pid);
        tx_write(actor, &process->state, TROUPE_STATE_RUNNING);
        tx_commit(actor);
    }
    lock_give(actor, &record->lock);
}

/* What the target leaves on a GPU goes with it: the rank lives on. */
static int function_call(troupe_target function, const struct process *process,
                         const void *argument)
{
    uint64_t mark = device_mark();
    int code;

    device_range_begin(process->name);
    code = function(process->argument_bytes > 0 ? argument : NULL, process->argument_bytes);
    device_range_end();
    device_attest();
    device_release(mark);
    return code & 0xff;
}

/* own_gpus: the caller's environment was made for this process. */
static struct process_end target_call(struct actor *actor, uint64_t handle, bool own_gpus)
{
    static const struct process_end gone = { TROUPE_STATE_FAILED, -1, 0, "its record is gone" };
    struct process_end end = { TROUPE_STATE_DONE, 0, 0, NULL };
    struct process *process;
    struct record *record;
    troupe_target function;
    struct process_gpus_kept kept;
    const void *argument;
    uint64_t gpus;

    if (table_find(actor, handle, OBJECT_PROCESS, &record) != TROUPE_OK)
        return gone;
    process = process_of(record);
    if (target_find(&process->target, &function) != TROUPE_OK)
        return (struct process_end){ TROUPE_STATE_FAILED, -1, 0, troupe_last_error() };
    argument = arena_at(&actor->arena, atomic_load(&process->argument));
    gpus = own_gpus ? 0 : process->gpus;
    if (process_gpus_set(gpus, (const char *)argument + process->argument_bytes, &kept) !=
        TROUPE_OK)
        end = (struct process_end){ TROUPE_STATE_FAILED, -1, 0, troupe_last_error() };
    else
        end.exit_code = function_call(function, process, argument);
    process_gpus_restore(gpus, &kept);
    return end;
}

int process_run(struct actor *actor, uint64_t handle, int method)
{
    uint64_t outer = current;
    struct process_end end;

    current = handle;
    process_running(actor, handle, world_here.rank, method, (int)getpid());
    end = target_call(actor, handle, method == TROUPE_METHOD_SPAWN);
    current = outer;
    party_leave(actor);
    if (process_sync_output != NULL)
        process_sync_output();
    if (method == TROUPE_METHOD_RANK || end.state != TROUPE_STATE_DONE)
        process_finish(actor, handle, &end);
    return end.exit_code;
}

struct serve {
    struct node *node;
    struct rank_record *rank;
};

/* Whether there is something to run (1), nothing any more (2), or nothing yet (0). */
static int serve_look(struct actor *actor, void *context)
{
    const struct serve *serve = context;

    (void)actor;
    if (atomic_load(&serve->rank->job) != 0)
        return 1;
    return atomic_load(&serve->node->state) != NODE_RUNNING ? 2 : 0;
}

void process_serve(struct actor *actor, int local)
{
    struct serve serve = { node_of(&actor->arena), NULL };

    serve.rank = &serve.node->ranks[local];
    while (bell_await(actor, &serve.rank->bell, UINT64_MAX, 0, serve_look, &serve) == 1) {
        process_run(actor, atomic_load(&serve.rank->job), TROUPE_METHOD_RANK);
        process_rank_next(actor, serve.rank);
    }
}

int troupe_process_current(troupe_process *process)
{
    struct actor *actor;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    if (current == 0)
        return fail(TROUPE_NOT_FOUND, "this thread runs no process's target");
    process->id = current;
    return TROUPE_OK;
}
