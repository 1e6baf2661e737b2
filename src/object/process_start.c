/* Starting processes, here and for other nodes. */
#include "object/process.h"

#include "base/error.h"
#include "core/recover.h"
#include "core/root.h"
#include "core/service.h"
#include "core/tx.h"
#include "core/world.h"
#include "object/process_gpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a new process is, before it has a record. */
struct order {
    struct target target;
    const void *argument;
    size_t bytes;
    const char *gpus_text;
    uint64_t gpus; /* see process_gpus.h */
    char name[TROUPE_NAME_SIZE];
    uint64_t foreign; /* the handle its home gave it, or 0 */
};

/* ---- making a record ---------------------------------------------------------------------- */

static int record_make(struct actor *actor, const struct order *order, struct record **record,
                       uint64_t *handle)
{
    struct process *process;
    uint64_t argument = 0;
    int result = table_reserve(actor, record);

    if (result != TROUPE_OK)
        return result;
    if (order->bytes + gpus_text_size(order->gpus) > 0)
        result = tx_alloc(actor, order->bytes + gpus_text_size(order->gpus), &argument);
    if (result != TROUPE_OK) {
        tx_abort(actor);
        table_drop(actor, *record);
        return result;
    }
    if (order->bytes > 0)
        memcpy(arena_at(&actor->arena, argument), order->argument, order->bytes);
    if (gpus_text_size(order->gpus) > 0)
        memcpy(arena_at(&actor->arena, argument + order->bytes), order->gpus_text,
               gpus_text_size(order->gpus));
    process = process_of(*record);
    process->target = order->target;
    process->argument_bytes = order->bytes;
    process->gpus = order->gpus;
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
        .words = { order->target.object, order->target.offset, mode, (uint64_t)local, order->gpus },
        .size = TROUPE_NAME_SIZE + gpus_text_size(order->gpus) + order->bytes,
    };
    unsigned char *data = malloc(request.size);
    int result;

    if (data == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for an argument of %zu bytes", order->bytes);
    memcpy(data, order->name, TROUPE_NAME_SIZE);
    if (gpus_text_size(order->gpus) > 0)
        memcpy(data + TROUPE_NAME_SIZE, order->gpus_text, gpus_text_size(order->gpus));
    if (order->bytes > 0)
        memcpy(data + TROUPE_NAME_SIZE + gpus_text_size(order->gpus), order->argument,
               order->bytes);
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
    order.gpus = request->words[4];
    if (request->size < TROUPE_NAME_SIZE ||
        request->size - TROUPE_NAME_SIZE < gpus_text_size(order.gpus))
        return fail(TROUPE_BAD_ARGUMENT, "a request to start a process came without its name");
    memcpy(order.name, request->data, TROUPE_NAME_SIZE);
    order.name[TROUPE_NAME_SIZE - 1] = '\0';
    order.gpus_text = (const char *)request->data + TROUPE_NAME_SIZE;
    order.argument = order.gpus_text + gpus_text_size(order.gpus);
    order.bytes = request->size - TROUPE_NAME_SIZE - gpus_text_size(order.gpus);
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
    if (result == TROUPE_OK)
        result = process_gpus_choose(chosen, &order.gpus, &order.gpus_text);
    if (result == TROUPE_OK && argument == NULL && bytes > 0)
        result = fail(TROUPE_BAD_ARGUMENT, "the argument is NULL but has %zu bytes", bytes);
    if (result != TROUPE_OK)
        return result;
    name_choose(chosen, order.name);
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

void process_start_register(void)
{
    recover_register(RESUME_PROCESS_START, start_resume);
    service_register(SERVICE_PROCESS_START, start_handler);
    service_register(SERVICE_PROCESS_ENDED, ended_handler);
}
