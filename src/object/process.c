/* The public calls of processes, and the same calls from other nodes. */
#include "object/process.h"

#include "base/clock.h"
#include "base/error.h"
#include "core/futex.h"
#include "core/recover.h"
#include "core/root.h"
#include "core/service.h"
#include "core/tx.h"
#include "core/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct process) <= RECORD_ROOM, "a process fits its record");

/* What a new process is, before it has a record. */
struct order {
    struct target target;
    const void *argument;
    size_t bytes;
    const char *mask_text;
    uint64_t mask; /* MASK_…, or the bytes of mask_text */
    char name[TROUPE_NAME_SIZE];
    uint64_t foreign; /* the handle its home gave it, or 0 */
};

/* ---- the starter's choice of GPUs ---------------------------------------------------------- */

#define MASK_VARIABLE "CUDA_VISIBLE_DEVICES"

static char *mask_at_init; /* NULL: it was not set */

void process_mask_remember(void)
{
    const char *text = getenv(MASK_VARIABLE);

    free(mask_at_init);
    mask_at_init = text != NULL ? strdup(text) : NULL;
}

static void mask_choose(struct order *order)
{
    const char *text = getenv(MASK_VARIABLE);

    if (text == NULL)
        order->mask = mask_at_init != NULL ? MASK_UNSET : MASK_AS_PLANNED;
    else if (mask_at_init == NULL || strcmp(text, mask_at_init) != 0) {
        order->mask_text = text;
        order->mask = strlen(text) + 1;
    }
}

static size_t mask_size(uint64_t mask)
{
    return mask == MASK_UNSET ? 0 : mask;
}

/* ---- making a record ---------------------------------------------------------------------- */

static int record_make(struct actor *actor, const struct order *order, struct record **record,
                       uint64_t *handle)
{
    struct process *process;
    uint64_t argument = 0;
    int result = table_reserve(actor, record);

    if (result != TROUPE_OK)
        return result;
    if (order->bytes + mask_size(order->mask) > 0)
        result = tx_alloc(actor, order->bytes + mask_size(order->mask), &argument);
    if (result != TROUPE_OK) {
        tx_abort(actor);
        table_drop(actor, *record);
        return result;
    }
    if (order->bytes > 0)
        memcpy(arena_at(&actor->arena, argument), order->argument, order->bytes);
    if (mask_size(order->mask) > 0)
        memcpy(arena_at(&actor->arena, argument + order->bytes), order->mask_text,
               mask_size(order->mask));
    process = process_of(*record);
    process->target = order->target;
    process->argument_bytes = order->bytes;
    process->mask = order->mask;
    atomic_store(&process->argument, argument);
    memcpy(process->name, order->name, sizeof process->name);
    resume_begin(actor, RESUME_PROCESS_START, arena_offset(&actor->arena, *record));
    table_publish(actor, *record, OBJECT_PROCESS, order->foreign, handle);
    return TROUPE_OK;
}

/* The starter died between making the record and finding a runner. */
static void start_resume(struct actor *actor, uint64_t place)
{
    static const struct process_end end = { TROUPE_STATE_FAILED, -1, 0,
                                            "the process that started it died before it ran" };
    struct record *record = arena_at(&actor->arena, place);
    uint64_t handle = atomic_load(&record->handle);

    if (handle_kind(handle) == OBJECT_PROCESS && atomic_load(&process_of(record)->assigned) == 0)
        process_finish(actor, handle, &end);
}

/* Undoes record_make when nobody can run it; the sentence of the failure stays. */
static int record_unmake(struct actor *actor, struct record *record, int result)
{
    uint64_t argument = atomic_load(&process_of(record)->argument);

    lock_take(actor, &record->lock);
    if (argument != 0)
        tx_retire(actor, argument);
    table_retire(actor, record);
    resume_end(actor);
    return result;
}

/* ---- other nodes ------------------------------------------------------------------------ */

/* Asks a node to run a process that has its home here. */
static int remote_offer(struct actor *actor, int node, const struct order *order,
                        struct record *record, enum process_mode mode, int local)
{
    struct answer answer;
    struct request request = {
        .op = SERVICE_PROCESS_START,
        .object = atomic_load(&record->handle),
        .words = { order->target.object, order->target.offset, mode, (uint64_t)local, order->mask },
        .size = TROUPE_NAME_SIZE + mask_size(order->mask) + order->bytes,
    };
    unsigned char *data = malloc(request.size);
    int result;

    if (data == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for an argument of %zu bytes", order->bytes);
    memcpy(data, order->name, TROUPE_NAME_SIZE);
    if (mask_size(order->mask) > 0)
        memcpy(data + TROUPE_NAME_SIZE, order->mask_text, mask_size(order->mask));
    if (order->bytes > 0)
        memcpy(data + TROUPE_NAME_SIZE + mask_size(order->mask), order->argument, order->bytes);
    request.data = data;
    result = service_call(actor, node, &request, BELL_NO_WAIT, &answer);
    free(data);
    if (result != TROUPE_OK)
        return result;
    free(answer.data);
    atomic_store(&process_of(record)->runner, (uint64_t)node + 1);
    atomic_store(&process_of(record)->assigned, 1);
    return TROUPE_OK;
}

static int start_handler(struct actor *actor, const struct request *request, bool last,
                         struct answer *answer, struct bell **bell)
{
    struct order order = { .target = { request->words[0], request->words[1] },
                           .foreign = request->object };
    enum process_mode mode = (enum process_mode)request->words[2];
    struct record *record;
    uint64_t handle;
    int result;

    (void)last, (void)answer, (void)bell;
    order.mask = request->words[4];
    if (request->size < TROUPE_NAME_SIZE ||
        request->size - TROUPE_NAME_SIZE < mask_size(order.mask))
        return fail(TROUPE_BAD_ARGUMENT, "a request to start a process came without its name");
    memcpy(order.name, request->data, TROUPE_NAME_SIZE);
    order.name[TROUPE_NAME_SIZE - 1] = '\0';
    order.mask_text = (const char *)request->data + TROUPE_NAME_SIZE;
    order.argument = order.mask_text + mask_size(order.mask);
    order.bytes = request->size - TROUPE_NAME_SIZE - mask_size(order.mask);
    result = record_make(actor, &order, &record, &handle);
    if (result != TROUPE_OK)
        return result;
    result = process_assign(actor, record, mode, (int)request->words[3]);
    if (result != TROUPE_OK)
        return record_unmake(actor, record, result);
    resume_end(actor);
    return TROUPE_OK;
}

static int ended_handler(struct actor *actor, const struct request *request, bool last,
                         struct answer *answer, struct bell **bell)
{
    const struct process_where *where = request->data;
    struct process_end end = { (int)request->words[0], (int)request->words[1],
                               (int)request->words[2], NULL };
    struct record *record;

    (void)last, (void)answer, (void)bell;
    if (request->size != sizeof *where || where->host[sizeof where->host - 1] != '\0' ||
        where->reason[sizeof where->reason - 1] != '\0')
        return fail(TROUPE_BAD_ARGUMENT, "the end of a process came without its place");
    if (table_lock(actor, request->object, OBJECT_PROCESS, &record) == TROUPE_OK) {
        atomic_store(&process_of(record)->place, request->words[3]);
        atomic_store(&process_of(record)->pid, request->words[4]);
        memcpy(process_of(record)->host, where->host, sizeof where->host);
        lock_give(actor, &record->lock);
    }
    end.reason = where->reason;
    process_finish(actor, request->object, &end);
    return TROUPE_OK;
}

/* ---- start ------------------------------------------------------------------------------ */

/* Tries this node's idle ranks, then other nodes'. */
static int idle_find(struct actor *actor, const struct order *order, struct record *record)
{
    int result = process_assign(actor, record, MODE_IDLE_RANK, 0);

    for (int step = 1; result == TROUPE_NO_RANK && step < world_here.nodes; step++)
        result = remote_offer(actor, (world_here.node + step) % world_here.nodes, order, record,
                              MODE_IDLE_RANK, 0);
    return result;
}

static int on_node(struct actor *actor, const struct order *order, struct record *record, int node,
                   enum process_mode mode, int local)
{
    if (node == world_here.node)
        return process_assign(actor, record, mode, local);
    return remote_offer(actor, node, order, record, mode, local);
}

static int anywhere(struct actor *actor, const struct order *order, struct record *record,
                    int method)
{
    int result = TROUPE_NO_RANK;

    if (method != TROUPE_METHOD_SPAWN)
        result = idle_find(actor, order, record);
    if (result == TROUPE_NO_RANK)
        result = process_assign(actor, record,
                                method == TROUPE_METHOD_RANK ? MODE_ANY_RANK : MODE_FRESH, 0);
    return result;
}

static int runner_find(struct actor *actor, const struct order *order, struct record *record,
                       const troupe_process_options *options)
{
    int node, local, result;

    if (options->where == TROUPE_ANYWHERE)
        return anywhere(actor, order, record, options->method);
    if (options->where == TROUPE_ON_RANK) {
        node_place(&actor->arena, options->place, &node, &local);
        return on_node(actor, order, record, node, MODE_THIS_RANK, local);
    }
    node = options->place;
    result = TROUPE_NO_RANK;
    if (options->method != TROUPE_METHOD_SPAWN)
        result = on_node(actor, order, record, node, MODE_IDLE_RANK, 0);
    if (result == TROUPE_NO_RANK)
        result = on_node(actor, order, record, node,
                         options->method == TROUPE_METHOD_RANK ? MODE_ANY_RANK : MODE_FRESH, 0);
    return result;
}

static int options_check(const troupe_process_options *options)
{
    int most;

    if (options->method != TROUPE_METHOD_DEFAULT && options->method != TROUPE_METHOD_RANK &&
        options->method != TROUPE_METHOD_SPAWN)
        return fail(TROUPE_BAD_ARGUMENT,
                    "method %d is none; use TROUPE_METHOD_DEFAULT, _RANK or "
                    "_SPAWN",
                    options->method);
    if (options->where < TROUPE_ANYWHERE || options->where > TROUPE_ON_NODE)
        return fail(TROUPE_BAD_ARGUMENT,
                    "where is %d; use TROUPE_ANYWHERE, TROUPE_ON_RANK or "
                    "TROUPE_ON_NODE",
                    options->where);
    most = options->where == TROUPE_ON_RANK ? world_here.size : world_here.nodes;
    if (options->where != TROUPE_ANYWHERE && (options->place < 0 || options->place >= most))
        return fail(TROUPE_BAD_ARGUMENT, "place %d is no %s of this world; it has 0 to %d",
                    options->place, options->where == TROUPE_ON_RANK ? "rank" : "node", most - 1);
    if (options->where == TROUPE_ON_RANK && options->method == TROUPE_METHOD_SPAWN)
        return fail(TROUPE_BAD_ARGUMENT, "a fresh process cannot run on a rank; use "
                                         "TROUPE_ON_NODE, or another method");
    if (options->name != NULL && strlen(options->name) >= TROUPE_NAME_SIZE)
        return fail(TROUPE_BAD_ARGUMENT, "the name \"%s\" has %zu bytes; use at most %d",
                    options->name, strlen(options->name), TROUPE_NAME_SIZE - 1);
    return TROUPE_OK;
}

static void name_choose(const troupe_process_options *options, char *name)
{
    static _Atomic uint32_t count;

    if (options->name != NULL)
        snprintf(name, TROUPE_NAME_SIZE, "%s", options->name);
    else
        snprintf(name, TROUPE_NAME_SIZE, "process-%u", atomic_fetch_add(&count, 1) + 1);
}

int troupe_process_start(troupe_target target, const void *argument, size_t bytes,
                         const troupe_process_options *options, troupe_process *process)
{
    static const troupe_process_options defaults;
    const troupe_process_options *chosen = options != NULL ? options : &defaults;
    struct order order = { .argument = argument, .bytes = bytes };
    struct actor *actor;
    struct record *record;
    uint64_t handle;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = options_check(chosen);
    if (result == TROUPE_OK)
        result = target_name(target, &order.target);
    if (result == TROUPE_OK && argument == NULL && bytes > 0)
        result = fail(TROUPE_BAD_ARGUMENT, "the argument is NULL but has %zu bytes", bytes);
    if (result != TROUPE_OK)
        return result;
    name_choose(chosen, order.name);
    mask_choose(&order);
    if (process_sync_output != NULL)
        process_sync_output();
    result = record_make(actor, &order, &record, &handle);
    if (result != TROUPE_OK)
        return result;
    result = runner_find(actor, &order, record, chosen);
    if (result != TROUPE_OK)
        return record_unmake(actor, record, result);
    resume_end(actor);
    process->id = handle;
    return TROUPE_OK;
}

/* ---- join, status, name, close ---------------------------------------------------------- */

struct awaited {
    struct record *record;
    uint64_t handle;
};

static int ended_look(struct actor *actor, void *context)
{
    const struct awaited *awaited = context;

    (void)actor;
    if (atomic_load(&awaited->record->handle) != awaited->handle)
        return TROUPE_BAD_HANDLE;
    return atomic_load(&process_of(awaited->record)->state) >= TROUPE_STATE_DONE ? TROUPE_OK
                                                                                 : TROUPE_TIMEOUT;
}

static int join_local(struct actor *actor, uint64_t handle, uint64_t deadline)
{
    struct awaited awaited = { NULL, handle };
    int result = table_find(actor, handle, OBJECT_PROCESS, &awaited.record);

    if (result != TROUPE_OK)
        return result;
    result =
        bell_await(actor, &awaited.record->bell, deadline, TROUPE_TIMEOUT, ended_look, &awaited);
    if (result == TROUPE_TIMEOUT)
        return fail(result, "process %s has not ended in time", process_of(awaited.record)->name);
    return result == TROUPE_OK ? result
                               : fail(result, "the process was closed while it was waited for");
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
    return last ? fail(TROUPE_TIMEOUT, "process %s has not ended in time", process_of(record)->name)
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
 * forgotten it, the end has come home. */
int troupe_process_status_get(troupe_process process, troupe_process_status *status)
{
    int home = handle_node(process.id), runner, unused;
    troupe_process_status seen;
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = home_check(process.id);
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
    memcpy(name, process_of(record)->name, TROUPE_NAME_SIZE);
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

static int close_local(struct actor *actor, uint64_t handle)
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
        return close_local(actor, process.id);
    result = ask_home(actor, SERVICE_PROCESS_CLOSE, process.id, BELL_NO_WAIT, &answer);
    free(answer.data);
    return result;
}

static int close_handler(struct actor *actor, const struct request *request, bool last,
                         struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    return close_local(actor, request->object);
}

/* ---- all of them ------------------------------------------------------------------------ */

static struct record *unfinished_next(struct actor *actor, uint64_t *index)
{
    struct record *record;

    while ((record = table_next(&actor->arena, index)) != NULL)
        if (handle_kind(atomic_load(&record->handle)) == OBJECT_PROCESS &&
            atomic_load(&process_of(record)->state) < TROUPE_STATE_DONE)
            return record;
    return NULL;
}

uint64_t process_unfinished(struct actor *actor)
{
    uint64_t index = 0, count = 0;

    while (unfinished_next(actor, &index) != NULL)
        count++;
    return count;
}

/* Processes may start others meanwhile, so it begins again until a whole walk finds none. */
void process_drain(struct actor *actor)
{
    struct awaited awaited;
    uint64_t index = 0;

    while ((awaited.record = unfinished_next(actor, &index)) != NULL) {
        awaited.handle = atomic_load(&awaited.record->handle);
        bell_await(actor, &awaited.record->bell, CLOCK_FOREVER, TROUPE_TIMEOUT, ended_look,
                   &awaited);
        index = 0;
    }
}

static int drain_handler(struct actor *actor, const struct request *request, bool last,
                         struct answer *answer, struct bell **bell)
{
    uint64_t index = 0;
    struct record *record = unfinished_next(actor, &index);

    (void)request;
    answer->words[0] = atomic_load(&node_of(&actor->arena)->lost);
    if (record == NULL)
        return TROUPE_OK;
    *bell = &record->bell;
    return last ? TROUPE_TIMEOUT : SERVICE_PARK;
}

void process_register(void)
{
    process_mask_remember();
    recover_register(RESUME_PROCESS_START, start_resume);
    service_register(SERVICE_PROCESS_START, start_handler);
    service_register(SERVICE_PROCESS_ENDED, ended_handler);
    service_register(SERVICE_PROCESS_JOIN, join_handler);
    service_register(SERVICE_PROCESS_STATUS, status_handler);
    service_register(SERVICE_PROCESS_NAME, name_handler);
    service_register(SERVICE_PROCESS_CLOSE, close_handler);
    service_register(SERVICE_NODE_DRAIN, drain_handler);
}
