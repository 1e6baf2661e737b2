/* Starting processes, here and for other nodes. */
#include "object/process.h"

#include "base/error.h"
#include "core/recover.h"
#include "core/root.h"
#include "core/service.h"
#include "core/tx.h"
#include "core/world.h"
#include "object/process_debug.h"
#include "object/process_gpus.h"
#include "object/process_group.h"
#include "object/process_start.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- making a record ---------------------------------------------------------------------- */

/* What a call to start comes to on one node. */
struct placing {
    enum process_mode mode;
    int node, local;
    int rank; /* the idle rank that was found */
};

int process_record_make(struct actor *actor, const struct order *order, struct record **record,
                        uint64_t *handle)
{
    struct process *process;
    uint64_t bytes = order_bytes(&order->head), place = 0;
    int result = table_reserve(actor, record);

    if (result != TROUPE_OK)
        return result;
    if (bytes > 0)
        result = tx_alloc(actor, bytes, &place);
    if (result != TROUPE_OK) {
        tx_abort(actor);
        table_drop(actor, *record);
        return result;
    }
    if (bytes > 0)
        order_write(order, arena_at(&actor->arena, place));
    process = process_of(*record);
    process->order = order->head;
    atomic_store(&process->group, order->head.group);
    atomic_store(&process->argument, place);
    if (order->head.group != 0 && order->foreign == 0)
        process_group_count(actor, order->head.group);
    else
        resume_begin(actor, RESUME_PROCESS_START, arena_offset(&actor->arena, *record));
    table_publish(actor, *record, OBJECT_PROCESS, order->foreign, handle);
    return TROUPE_OK;
}

/* Takes a record back that nobody has been told of; its lock is taken, and given. */
static void record_drop(struct actor *actor, struct record *record)
{
    uint64_t argument = atomic_load(&process_of(record)->argument);

    lock_take(actor, &record->lock);
    if (argument != 0)
        tx_retire(actor, argument);
    table_retire(actor, record);
}

/* The starter died between making the record and finding a runner. A service that started it for
 * another node is asked for it again, or nobody is there to ask (core/ledger.h). */
static void start_resume(struct actor *actor, uint64_t place)
{
    static const struct process_end end = { TROUPE_STATE_FAILED, -1, 0,
                                            "the process that started it died before it ran",
                                            false };
    struct record *record = arena_at(&actor->arena, place);
    uint64_t handle = atomic_load(&record->handle);

    if (handle_kind(handle) != OBJECT_PROCESS || atomic_load(&process_of(record)->assigned) != 0)
        return;
    if (handle_node(handle) == table_node(&actor->arena))
        process_finish(actor, handle, &end);
    else
        record_drop(actor, record);
}

/* Undoes process_record_make when nobody can run it; the sentence of the failure stays. */
static int record_unmake(struct actor *actor, struct record *record, int result)
{
    record_drop(actor, record);
    resume_end(actor);
    return result;
}

/* ---- other nodes ------------------------------------------------------------------------ */

/* Asks a node to run a process that has its home here. */
static int remote_offer(struct actor *actor, const struct order *order, struct record *record,
                        struct placing *placing)
{
    struct answer answer;
    struct request request = {
        .op = SERVICE_PROCESS_START,
        .object = atomic_load(&record->handle),
        .words = { placing->mode, (uint64_t)placing->local },
        .size = sizeof order->head + order_bytes(&order->head),
    };
    unsigned char *data = malloc(request.size);
    int result;

    if (data == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for an argument of %zu bytes", request.size);
    memcpy(data, &order->head, sizeof order->head);
    order_write(order, data + sizeof order->head);
    request.data = data;
    result = service_call(actor, placing->node, &request, BELL_NO_WAIT, &answer);
    free(data);
    if (result != TROUPE_OK)
        return result;
    free(answer.data);
    placing->rank = (int)answer.words[0] - 1;
    atomic_store(&process_of(record)->runner, (uint64_t)placing->node + 1);
    atomic_store(&process_of(record)->assigned, 1);
    return TROUPE_OK;
}

static int order_read(const struct request *request, struct order *order)
{
    if (request->size < sizeof order->head)
        return fail(TROUPE_BAD_ARGUMENT, "a request to start a process came without its order");
    memcpy(&order->head, request->data, sizeof order->head);
    order->head.name[TROUPE_NAME_SIZE - 1] = '\0';
    if (order_bytes(&order->head) != request->size - sizeof order->head)
        return fail(TROUPE_BAD_ARGUMENT,
                    "a request to start a process came with %zu bytes, not %zu",
                    request->size - sizeof order->head, order_bytes(&order->head));
    order_view(order, (const unsigned char *)request->data + sizeof order->head);
    order->foreign = request->object;
    return TROUPE_OK;
}

static int start_handler(struct actor *actor, const struct request *request, bool last,
                         struct answer *answer, struct bell **bell)
{
    struct order order;
    struct record *record;
    uint64_t handle;
    int rank, result = order_read(request, &order);

    (void)last, (void)bell;
    if (result == TROUPE_OK)
        result = process_record_make(actor, &order, &record, &handle);
    if (result != TROUPE_OK)
        return result;
    result = process_assign(actor, record, (enum process_mode)request->words[0],
                            (int)request->words[1], &rank);
    if (result != TROUPE_OK)
        return record_unmake(actor, record, result);
    answer->words[0] = (uint64_t)(rank + 1);
    resume_end(actor);
    return TROUPE_OK;
}

static int ended_handler(struct actor *actor, const struct request *request, bool last,
                         struct answer *answer, struct bell **bell)
{
    const struct process_where *where = request->data;
    struct process_end end = { (int)request->words[0], (int)request->words[1],
                               (int)request->words[2], where->reason, true };
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
    process_finish(actor, request->object, &end);
    return TROUPE_OK;
}

/* ---- finding a runner ---------------------------------------------------------------------- */

static int place_on(struct actor *actor, const struct order *order, struct record *record,
                    struct placing *placing)
{
    if (placing->node == world_here.node)
        return process_assign(actor, record, placing->mode, placing->local, &placing->rank);
    return remote_offer(actor, order, record, placing);
}

/* How far beyond the own node this process last found an idle rank. The nodes before that one were
 * busy; to ask them again for every process would take messages with the square of the nodes. */
static _Atomic int idle_from;

/* An idle rank of any other node; a node that is lost has none. */
static int elsewhere_find(struct actor *actor, const struct order *order, struct record *record,
                          struct placing *placing)
{
    int from = atomic_load_explicit(&idle_from, memory_order_relaxed);
    int others = world_here.nodes - 1, result = TROUPE_BUSY;

    for (int step = 0; result == TROUPE_BUSY && step < others; step++) {
        int beyond = (from + step) % others;

        placing->node = (world_here.node + 1 + beyond) % world_here.nodes;
        result = place_on(actor, order, record, placing);
        if (result == TROUPE_OK)
            atomic_store_explicit(&idle_from, beyond, memory_order_relaxed);
        if (result == TROUPE_LOST)
            result = TROUPE_BUSY;
    }
    return result;
}

/* The caller's own node comes first, the others in turn from the one that had an idle rank last. */
int process_idle_find(struct actor *actor, const struct order *order, struct record *record,
                      int node, int *rank)
{
    struct placing placing = { .mode = MODE_IDLE_RANK, .node = node >= 0 ? node : world_here.node };
    int result = place_on(actor, order, record, &placing);

    if (result == TROUPE_BUSY && node < 0)
        result = elsewhere_find(actor, order, record, &placing);
    *rank = placing.rank;
    return result;
}

/* What to do when no rank is idle. */
static int busy_of(const troupe_process_options *options)
{
    if (options->when_busy != TROUPE_BUSY_DEFAULT)
        return options->when_busy;
    return options->method == TROUPE_METHOD_DEFAULT ? TROUPE_BUSY_SPAWN : TROUPE_BUSY_WAIT;
}

static int on_a_rank(struct actor *actor, const struct order *order, struct record *record,
                     const troupe_process_options *options)
{
    int busy = busy_of(options), rank;
    struct placing placing = { busy == TROUPE_BUSY_SPAWN ? MODE_FRESH : MODE_ANY_RANK,
                               world_here.node, 0, 0 };
    int result = process_idle_find(actor, order, record,
                                   options->where == TROUPE_ON_NODE ? options->place : -1, &rank);

    if (result != TROUPE_BUSY || busy == TROUPE_BUSY_ERROR)
        return result;
    if (options->where == TROUPE_ON_NODE)
        placing.node = options->place;
    return place_on(actor, order, record, &placing);
}

static int runner_find(struct actor *actor, const struct order *order, struct record *record,
                       const troupe_process_options *options)
{
    struct placing placing = { MODE_FRESH, world_here.node, 0, 0 };

    if (options->where == TROUPE_ON_RANK) {
        node_place(&actor->arena, options->place, &placing.node, &placing.local);
        placing.mode =
            options->when_busy == TROUPE_BUSY_ERROR ? MODE_THIS_RANK_NOW : MODE_THIS_RANK;
        return place_on(actor, order, record, &placing);
    }
    if (options->method != TROUPE_METHOD_SPAWN)
        return on_a_rank(actor, order, record, options);
    if (options->where == TROUPE_ON_NODE)
        placing.node = options->place;
    return place_on(actor, order, record, &placing);
}

/* ---- start -------------------------------------------------------------------------------- */

static bool is_daemon(struct actor *actor, uint64_t handle)
{
    struct record *record;

    return handle != 0 && table_find(actor, handle, OBJECT_PROCESS, &record) == TROUPE_OK &&
           process_of(record)->order.is_daemon != 0;
}

void process_head_fill(struct actor *actor, const troupe_process_options *options,
                       struct process_order *head)
{
    static _Atomic uint32_t count;

    if (options->name != NULL)
        snprintf(head->name, sizeof head->name, "%s", options->name);
    else
        snprintf(head->name, sizeof head->name, "process-%u", atomic_fetch_add(&count, 1) + 1);
    head->parent = process_current();
    head->start_method = (uint64_t)troupe_get_start_method();
    head->is_daemon = options->is_daemon != 0 || is_daemon(actor, head->parent);
    head->cpu_seconds = options->cpu_seconds;
    head->memory_bytes = options->memory_bytes;
}

/* A fork takes its argument along where it lies; only the target's own, which is freed when the
 * target ends, lies in memory that is shared. */
static int fork_start(struct actor *actor, struct order *order, troupe_target target,
                      struct record **record, uint64_t *handle)
{
    size_t bytes = order->head.argument_bytes;
    void *copy = NULL;
    int result;

    if (bytes > 0 && arena_offset(&actor->arena, order->argument) < actor->arena.header->bytes) {
        copy = malloc(bytes);
        if (copy == NULL)
            return fail(TROUPE_NO_MEMORY, "no memory for an argument of %zu bytes", bytes);
        memcpy(copy, order->argument, bytes);
    }
    order->head.argument_bytes = 0;
    order->head.gpus = 0; /* its environment is the caller's */
    result = process_record_make(actor, order, record, handle);
    if (result == TROUPE_OK) {
        process_of(*record)->order.argument_bytes = bytes;
        result =
            process_fork(actor, *record, *handle, target, copy != NULL ? copy : order->argument);
        if (result != TROUPE_OK)
            result = record_unmake(actor, *record, result);
    }
    free(copy);
    return result;
}

static int begin(struct actor *actor, struct order *order, troupe_target target,
                 const troupe_process_options *options, uint64_t *handle)
{
    struct record *record;
    int result;

    if (process_sync_output != NULL)
        process_sync_output();
    if (options->method == TROUPE_METHOD_FORK) {
        result = fork_start(actor, order, target, &record, handle);
    } else {
        result = process_record_make(actor, order, &record, handle);
        if (result != TROUPE_OK)
            return result;
        result = runner_find(actor, order, record, options);
        if (result != TROUPE_OK)
            result = record_unmake(actor, record, result);
    }
    if (result == TROUPE_OK)
        resume_end(actor);
    return result;
}

int troupe_process_start(troupe_target target, const void *argument, size_t bytes,
                         const troupe_process_options *options, troupe_process *process)
{
    troupe_process_options chosen = { .name = NULL };
    struct order order = { .argument = argument, .head.argument_bytes = bytes };
    struct actor *actor;
    char *setting = NULL;
    uint64_t handle = 0;
    int result = world_enter(&actor);

    if (options != NULL)
        chosen = *options;
    if (result == TROUPE_OK)
        result = order_options_check(&chosen, &chosen.method);
    if (result == TROUPE_OK)
        result = target_name(target, &order.head.target);
    if (result == TROUPE_OK)
        result = process_gpus_choose(&chosen, &order.head.gpus, &order.gpus_text);
    if (result == TROUPE_OK && argument == NULL && bytes > 0)
        result = fail(TROUPE_BAD_ARGUMENT, "the argument is NULL but has %zu bytes", bytes);
    if (result == TROUPE_OK && chosen.method == TROUPE_METHOD_FORK)
        result = process_fork_check(&chosen);
    if (result == TROUPE_OK)
        result = order_setting_make(&chosen, &setting, &order.head.setting_bytes);
    if (result != TROUPE_OK)
        return result;
    process_head_fill(actor, &chosen, &order.head);
    order.setting = setting;
    if (chosen.method != TROUPE_METHOD_FORK)
        process_argument_check(order.head.name, argument, bytes);
    result = begin(actor, &order, target, &chosen, &handle);
    free(setting);
    if (result == TROUPE_OK)
        process->id = handle;
    return result;
}

void process_start_register(void)
{
    recover_register(RESUME_PROCESS_START, start_resume);
    service_register(SERVICE_PROCESS_START, start_handler);
    service_register(SERVICE_PROCESS_ENDED, ended_handler);
}
