/* The public calls about processes that were started, and the same calls from other nodes. */
#include "object/process.h"

#include "base/clock.h"
#include "base/error.h"
#include "core/service.h"
#include "core/world.h"
#include "object/process_gpus.h"
#include "object/process_group.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct process) <= RECORD_ROOM, "a process fits its record");

/* ---- join, status, name, close ---------------------------------------------------------- */

struct awaited {
    struct record *record;
    uint64_t handle;
    bool forever; /* the caller's own process waits for nothing else */
};

/* A process that waits for a rank may do so in a circle, and only its joiners can see that. */
static int ended_look(struct actor *actor, void *context)
{
    const struct awaited *awaited = context;

    if (atomic_load(&awaited->record->handle) != awaited->handle)
        return TROUPE_BAD_HANDLE;
    if (atomic_load(&process_of(awaited->record)->state) >= TROUPE_STATE_DONE)
        return TROUPE_OK;
    if (awaited->forever && process_is_deadlocked(actor, process_current()))
        return TROUPE_DEADLOCK;
    return TROUPE_TIMEOUT;
}

int process_await(struct actor *actor, struct record *record, uint64_t handle, uint64_t deadline)
{
    struct awaited awaited = { record, handle, false };
    struct record *own = NULL;
    int result;

    if (process_current() != 0 && deadline == CLOCK_FOREVER &&
        table_find(actor, process_current(), OBJECT_PROCESS, &own) == TROUPE_OK)
        atomic_store(&process_of(own)->awaits, handle);
    awaited.forever = own != NULL;
    result = bell_await(actor, &record->bell, deadline, TROUPE_TIMEOUT, ended_look, &awaited);
    if (own != NULL)
        atomic_store(&process_of(own)->awaits, 0);
    return result;
}

static int join_local(struct actor *actor, uint64_t handle, uint64_t deadline)
{
    struct record *record;
    int result = table_find(actor, handle, OBJECT_PROCESS, &record);

    if (result != TROUPE_OK)
        return result;
    result = process_await(actor, record, handle, deadline);
    switch (result) {
    case TROUPE_TIMEOUT:
        return fail(result, "process %s has not ended in time", process_of(record)->order.name);
    case TROUPE_DEADLOCK:
        return fail(result,
                    "process %s waits for a rank, and every rank waits for a process that does; "
                    "start with more ranks, or with when_busy = TROUPE_BUSY_SPAWN",
                    process_of(record)->order.name);
    case TROUPE_BAD_HANDLE:
        return fail(result, "the process was closed while it was waited for");
    default:
        return result;
    }
}

static int home_check(uint64_t handle)
{
    if (handle_kind(handle) != OBJECT_PROCESS || handle_node(handle) >= world_here.nodes)
        return fail(TROUPE_BAD_HANDLE,
                    "handle %016llx is no process's; pass one that "
                    "troupe_process_start made",
                    (unsigned long long)handle);
    return TROUPE_OK;
}

/* The same request for a process whose home is another node. */
static int ask_home(struct actor *actor, enum service_op op, uint64_t handle, uint64_t deadline,
                    struct answer *answer)
{
    struct request request = { .op = op, .object = handle };
    int result = home_check(handle);

    memset(answer, 0, sizeof *answer);
    if (result != TROUPE_OK)
        return result;
    return service_call(actor, handle_node(handle), &request, deadline, answer);
}

int troupe_process_join(troupe_process process, long timeout_ms)
{
    uint64_t deadline = timeout_ms == TROUPE_NO_WAIT ? BELL_NO_WAIT : clock_deadline(timeout_ms);
    struct answer answer = { .data = NULL };
    struct actor *actor;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    if (handle_node(process.id) == world_here.node)
        return join_local(actor, process.id, deadline);
    result = ask_home(actor, SERVICE_PROCESS_JOIN, process.id, deadline, &answer);
    free(answer.data);
    return result;
}

static int join_handler(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    struct record *record;
    int result = table_find(actor, request->object, OBJECT_PROCESS, &record);

    (void)answer;
    if (result != TROUPE_OK)
        return result;
    if (atomic_load(&process_of(record)->state) >= TROUPE_STATE_DONE)
        return TROUPE_OK;
    *bell = &record->bell;
    return last ? fail(TROUPE_TIMEOUT, "process %s has not ended in time",
                       process_of(record)->order.name)
                : SERVICE_PARK;
}

/* runner is the node that knows more of it, or -1. */
static int status_local(struct actor *actor, uint64_t handle, troupe_process_status *status,
                        int *runner)
{
    struct record *record;
    const struct process *process;
    uint64_t place, end;
    int result = table_lock(actor, handle, OBJECT_PROCESS, &record);

    if (result != TROUPE_OK)
        return result;
    process = process_of(record);
    place = atomic_load(&process->place);
    end = atomic_load(&process->exit);
    memset(status, 0, sizeof *status);
    status->state = (int)atomic_load(&process->state);
    status->exit_code = status->state == TROUPE_STATE_DONE ? (int)(end >> 16) : -1;
    status->signal = status->state == TROUPE_STATE_KILLED ? (int)(end & 0xffff) : 0;
    status->rank = (int)(uint32_t)place - 1;
    status->method = (int)(place >> 32);
    status->attempt = 1;
    status->pid = (int)atomic_load(&process->pid);
    memcpy(status->host, process->host, sizeof status->host);
    memcpy(status->reason, process->reason, sizeof status->reason);
    *runner = status->state < TROUPE_STATE_DONE ? (int)atomic_load(&process->runner) - 1 : -1;
    lock_give(actor, &record->lock);
    return TROUPE_OK;
}

static int status_at(struct actor *actor, int node, uint64_t handle, troupe_process_status *status,
                     int *runner)
{
    struct request request = { .op = SERVICE_PROCESS_STATUS, .object = handle };
    struct answer answer;
    int result;

    if (node == world_here.node)
        return status_local(actor, handle, status, runner);
    result = service_call(actor, node, &request, BELL_NO_WAIT, &answer);
    if (result == TROUPE_OK) {
        memcpy(status, answer.data, sizeof *status);
        *runner = (int)answer.words[0] - 1;
    }
    free(answer.data);
    return result;
}

/* The home learns of the end; what happens before, the node that runs it knows. When that has
 * forgotten it, the end has come home. A process that asks for itself may be faster than the word
 * of where it runs. */
int troupe_process_status_get(troupe_process process, troupe_process_status *status)
{
    int home = handle_node(process.id), runner, unused;
    troupe_process_status seen;
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = home_check(process.id);
    if (process.id == process_current())
        home = world_here.node;
    if (result == TROUPE_OK)
        result = status_at(actor, home, process.id, &seen, &runner);
    if (result == TROUPE_OK && runner >= 0 &&
        status_at(actor, runner, process.id, &seen, &unused) != TROUPE_OK)
        result = status_at(actor, home, process.id, &seen, &unused);
    if (result == TROUPE_OK)
        *status = seen;
    return result;
}

static int status_handler(struct actor *actor, const struct request *request, bool last,
                          struct answer *answer, struct bell **bell)
{
    troupe_process_status status;
    int runner, result = status_local(actor, request->object, &status, &runner);

    (void)last, (void)bell;
    if (result != TROUPE_OK)
        return result;
    answer->data = malloc(sizeof status);
    if (answer->data == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for an answer");
    memcpy(answer->data, &status, sizeof status);
    answer->size = sizeof status;
    answer->words[0] = (uint64_t)(runner + 1);
    return TROUPE_OK;
}

static int name_local(struct actor *actor, uint64_t handle, char *name)
{
    struct record *record;
    int result = table_lock(actor, handle, OBJECT_PROCESS, &record);

    if (result != TROUPE_OK)
        return result;
    memcpy(name, process_of(record)->order.name, TROUPE_NAME_SIZE);
    lock_give(actor, &record->lock);
    return TROUPE_OK;
}

int troupe_process_name(troupe_process process, char *name)
{
    struct answer answer;
    struct actor *actor;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    if (handle_node(process.id) == world_here.node)
        return name_local(actor, process.id, name);
    result = ask_home(actor, SERVICE_PROCESS_NAME, process.id, BELL_NO_WAIT, &answer);
    if (result == TROUPE_OK)
        memcpy(name, answer.data, TROUPE_NAME_SIZE);
    free(answer.data);
    return result;
}

static int name_handler(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    char *name = malloc(TROUPE_NAME_SIZE);
    int result;

    (void)last, (void)bell;
    if (name == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for an answer");
    result = name_local(actor, request->object, name);
    if (result != TROUPE_OK) {
        free(name);
        return result;
    }
    answer->data = name;
    answer->size = TROUPE_NAME_SIZE;
    return TROUPE_OK;
}

int process_close_here(struct actor *actor, uint64_t handle)
{
    struct record *record;
    int result = table_lock(actor, handle, OBJECT_PROCESS, &record);

    if (result != TROUPE_OK)
        return result;
    if (atomic_load(&process_of(record)->state) >= TROUPE_STATE_DONE) {
        table_retire(actor, record);
        return TROUPE_OK;
    }
    atomic_store(&process_of(record)->closed, 1);
    lock_give(actor, &record->lock);
    return TROUPE_OK;
}

int troupe_process_close(troupe_process process)
{
    struct answer answer = { .data = NULL };
    struct actor *actor;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    if (handle_node(process.id) == world_here.node)
        return process_close_here(actor, process.id);
    result = ask_home(actor, SERVICE_PROCESS_CLOSE, process.id, BELL_NO_WAIT, &answer);
    free(answer.data);
    return result;
}

static int close_handler(struct actor *actor, const struct request *request, bool last,
                         struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    return process_close_here(actor, request->object);
}

void process_register(void)
{
    process_gpus_remember();
    process_start_register();
    service_register(SERVICE_PROCESS_JOIN, join_handler);
    service_register(SERVICE_PROCESS_STATUS, status_handler);
    service_register(SERVICE_PROCESS_NAME, name_handler);
    service_register(SERVICE_PROCESS_CLOSE, close_handler);
    process_signal_register();
    process_drain_register();
    process_group_register();
}
