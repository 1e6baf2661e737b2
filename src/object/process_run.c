/* Running processes and writing their ends. */
#include "object/process.h"

#include "base/error.h"
#include "core/futex.h"
#include "core/oom.h"
#include "core/party.h"
#include "core/service.h"
#include "core/tx.h"
#include "core/world.h"
#include "device/device.h"
#include "object/process_gpus.h"
#include "object/process_group.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void (*process_sync_output)(void);

static _Thread_local uint64_t current;

uint64_t process_current(void)
{
    return current;
}

/* ---- ends ------------------------------------------------------------------------------- */

/* What is known of a signal beyond its name. */
static void signal_explain(const struct process *process, const struct process_end *end, char *text,
                           size_t size)
{
    int asked = (int)atomic_load(&process->ended_by);

    text[0] = '\0';
    if (end->reason != NULL)
        snprintf(text, size, ", %s", end->reason);
    else if (end->signal == asked && atomic_load(&process->bereaved) != 0)
        snprintf(text, size, ", for its group had lost a member");
    else if (end->signal == asked)
        snprintf(text, size, ", by troupe_process_%s", asked == SIGKILL ? "kill" : "terminate");
    else if (end->signal == SIGKILL && oom_struck())
        snprintf(text, size, OOM_NOTE);
    else if (end->signal == SIGXCPU && process->order.cpu_seconds != 0)
        snprintf(text, size, ": it had its %llu s of processor time",
                 (unsigned long long)process->order.cpu_seconds);
}

/* What the target left stays, unless there is something better. */
static void reason_write(char *reason, const struct process *process, const struct process_end *end)
{
    int rank = (int)(uint32_t)atomic_load(&process->place) - 1;
    char more[TROUPE_NAME_SIZE];

    signal_explain(process, end, more, sizeof more);
    if (end->signal != 0 && !end->is_told)
        snprintf(reason, TROUPE_REASON_SIZE,
                 "%s: rank %d, pid %d on %s was ended by signal %d (%.40s)%s", process->order.name,
                 rank, (int)atomic_load(&process->pid), process->host, end->signal,
                 strsignal(end->signal), more);
    else if (end->reason != NULL)
        snprintf(reason, TROUPE_REASON_SIZE, "%s", end->reason);
    else if (reason != process->reason)
        memcpy(reason, process->reason, TROUPE_REASON_SIZE);
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
    struct record *group = process_group_hold(actor, process);
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
    process_group_let_go(actor, group);
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

bool process_is_crash(struct actor *actor, uint64_t handle, int number, char *name, int *pid)
{
    struct record *record;
    bool crash;

    if (table_lock(actor, handle, OBJECT_PROCESS, &record) != TROUPE_OK)
        return false;
    crash = atomic_load(&process_of(record)->ended_by) != (uint64_t)number;
    memcpy(name, process_of(record)->order.name, TROUPE_NAME_SIZE);
    *pid = (int)atomic_load(&process_of(record)->pid);
    lock_give(actor, &record->lock);
    return crash;
}

int troupe_process_fail(const char *format, ...)
{
    struct actor *actor;
    struct record *record;
    va_list arguments;

    if (current == 0 || world_enter(&actor) != TROUPE_OK ||
        table_lock(actor, current, OBJECT_PROCESS, &record) != TROUPE_OK)
        return 1;
    va_start(arguments, format);
    vsnprintf(process_of(record)->reason, TROUPE_REASON_SIZE, format, arguments);
    va_end(arguments);
    lock_give(actor, &record->lock);
    return 1;
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

/* Under the lock, so that the copy is over for whoever uses the record again. */
int process_order_find(struct actor *actor, uint64_t handle, struct order *order)
{
    struct record *record;
    int result = table_lock(actor, handle, OBJECT_PROCESS, &record);

    if (result != TROUPE_OK)
        return result;
    order->head = process_of(record)->order;
    order_view(order, arena_at(&actor->arena, atomic_load(&process_of(record)->argument)));
    lock_give(actor, &record->lock);
    return TROUPE_OK;
}

/* A target that failed without a word of its own has that of its last failed call. */
static void failure_note(unsigned failures_before)
{
    char sentence[TROUPE_REASON_SIZE];

    if (error_count() == failures_before)
        return;
    snprintf(sentence, sizeof sentence, "%s", troupe_last_error());
    troupe_process_fail("its last failed call said: %s", sentence);
}

/* What the target leaves on a GPU goes with it: the rank lives on. */
static int function_call(troupe_target function, const struct process *process,
                         const void *argument)
{
    uint64_t mark = device_mark();
    unsigned failures = error_count();
    int code;

    device_range_begin(process->order.name);
    code = function(process->order.argument_bytes > 0 ? argument : NULL,
                    process->order.argument_bytes) &
           0xff;
    device_range_end();
    device_attest();
    device_release(mark);
    if (code != 0 && process->reason[0] == '\0')
        failure_note(failures);
    return code;
}

/* Somebody wished its end before it began. */
static bool is_ended_before(const struct process *process, struct process_end *end)
{
    int number = (int)atomic_load(&process->ended_by);

    if (number != 0)
        *end = (struct process_end){ TROUPE_STATE_KILLED, -1, number, "before it began", false };
    else if (atomic_load(&process->cancelled) != 0)
        *end = (struct process_end){ TROUPE_STATE_FAILED, -1, 0, "it was cancelled before it began",
                                     false };
    return end->state != TROUPE_STATE_DONE;
}

bool process_end_early(struct actor *actor, uint64_t handle)
{
    struct process_end end = { TROUPE_STATE_DONE, 0, 0, NULL, false };
    struct record *record;
    bool early = table_find(actor, handle, OBJECT_PROCESS, &record) == TROUPE_OK &&
                 is_ended_before(process_of(record), &end);

    if (early)
        process_finish(actor, handle, &end);
    return early;
}

struct process_end process_call(struct actor *actor, uint64_t handle, troupe_target function,
                                const void *argument)
{
    struct process_end end = { TROUPE_STATE_DONE, 0, 0, NULL, false };
    uint64_t outer = current;
    struct process *process;
    struct record *record;
    int method;

    if (table_find(actor, handle, OBJECT_PROCESS, &record) != TROUPE_OK)
        return (struct process_end){ TROUPE_STATE_FAILED, -1, 0, "its record is gone", false };
    process = process_of(record);
    if (is_ended_before(process, &end))
        return end;
    current = handle;
    method = process_start_method_set((int)process->order.start_method);
    bell_cancel_by(&process->cancelled);
    end.exit_code = function_call(function, process, argument);
    bell_cancel_by(NULL);
    process_start_method_set(method);
    current = outer;
    return end;
}

/* own_gpus: the caller's environment was made for this process. */
static struct process_end target_call(struct actor *actor, uint64_t handle, bool own_gpus)
{
    static const struct process_end gone = { TROUPE_STATE_FAILED, -1, 0, "its record is gone",
                                             false };
    struct process_end end = { TROUPE_STATE_FAILED, -1, 0, NULL, false };
    struct order order;
    troupe_target function;
    struct process_gpus_kept kept;
    uint64_t gpus;

    if (process_order_find(actor, handle, &order) != TROUPE_OK)
        return gone;
    if (target_find(&order.head.target, &function) != TROUPE_OK)
        return (struct process_end){ TROUPE_STATE_FAILED, -1, 0, troupe_last_error(), false };
    gpus = own_gpus ? 0 : order.head.gpus;
    if (process_gpus_set(gpus, order.gpus_text, &kept) != TROUPE_OK)
        end.reason = troupe_last_error();
    else
        end = process_call(actor, handle, function, order.argument);
    process_gpus_restore(gpus, &kept);
    return end;
}

int process_run(struct actor *actor, uint64_t handle, int method)
{
    struct process_end end = { TROUPE_STATE_FAILED, -1, 0, "its group did not come together",
                               false };

    if (process_group_join(actor, handle)) {
        process_running(actor, handle, world_here.rank, method, (int)getpid());
        end = target_call(actor, handle, method == TROUPE_METHOD_SPAWN);
        process_group_leave();
    }
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
