/* Queues on their own node: a chain of messages in the arena.
 *
 * What always holds, under the record's lock: head leads through `next` to tail; messages and bytes
 * count what is between; each message is one linked block. A put copies its message before it takes
 * the lock and links it by one transaction; a get unlinks the first message by one transaction and
 * copies it afterwards, from a block that is by then its own. So the lock is held for a few stores,
 * whatever the size. record->bell rings for getters, record->room for putters. */
#include "object/queue.h"

#include "base/clock.h"
#include "base/error.h"
#include "core/futex.h"
#include "core/lock.h"
#include "core/recover.h"
#include "core/root.h"
#include "core/service.h"
#include "core/table.h"
#include "core/tx.h"
#include "core/world.h"

#include <stdlib.h>
#include <string.h>

enum queue_state { QUEUE_OPEN = 0, QUEUE_CLOSED = 1, QUEUE_ENDING = 2 };

struct queue {
    _Atomic uint64_t state;
    _Atomic uint64_t head, tail;
    _Atomic uint64_t messages, bytes;
    uint64_t max_messages, max_bytes;
};
_Static_assert(sizeof(struct queue) <= RECORD_ROOM, "a queue fits its record");

struct message {
    _Atomic uint64_t next;
    uint64_t size;
    unsigned char data[];
};

static struct queue *queue_of(struct record *record)
{
    return (struct queue *)record->body;
}

static int is_ending(void)
{
    return fail(TROUPE_BAD_HANDLE, "the queue is being destroyed");
}

/* ---- put -------------------------------------------------------------------------------- */

struct put {
    uint64_t handle;
    const void *data;
    size_t size;
    bool arena_full; /* the last attempt met a full arena, not a full queue */
};

static bool has_room(const struct queue *queue, size_t size)
{
    return (queue->max_messages == 0 || atomic_load(&queue->messages) < queue->max_messages) &&
           (queue->max_bytes == 0 || atomic_load(&queue->bytes) + size <= queue->max_bytes);
}

static int queue_full(const struct queue *queue)
{
    return fail(TROUPE_FULL, "the queue holds %llu messages of %llu bytes, its limit",
                (unsigned long long)atomic_load(&queue->messages),
                (unsigned long long)atomic_load(&queue->bytes));
}

static void message_link(struct actor *actor, struct record *record, uint64_t place, size_t size)
{
    struct queue *queue = queue_of(record);
    uint64_t tail = atomic_load(&queue->tail);

    bell_promise(actor, &record->bell);
    if (tail != 0)
        tx_write(actor, &((struct message *)arena_at(&actor->arena, tail))->next, place);
    else
        tx_write(actor, &queue->head, place);
    tx_write(actor, &queue->tail, place);
    tx_write(actor, &queue->messages, atomic_load(&queue->messages) + 1);
    tx_write(actor, &queue->bytes, atomic_load(&queue->bytes) + size);
    tx_commit(actor);
}

/* The queue's state decides; the caller holds its lock and has the message in flight. */
static int put_locked(struct actor *actor, struct record *record, uint64_t place, size_t size)
{
    struct queue *queue = queue_of(record);

    if (atomic_load(&queue->state) == QUEUE_ENDING)
        return is_ending();
    if (atomic_load(&queue->state) == QUEUE_CLOSED)
        return fail(TROUPE_CLOSED, "the queue is closed for puts");
    if (!has_room(queue, size))
        return queue_full(queue);
    message_link(actor, record, place, size);
    return TROUPE_OK;
}

/* What can be refused without a copy of the message. */
static int put_check(const struct queue *queue, size_t size)
{
    if (queue->max_bytes != 0 && size > queue->max_bytes)
        return fail(TROUPE_TOO_LONG,
                    "a message of %zu bytes can never fit a queue of max_bytes %llu", size,
                    (unsigned long long)queue->max_bytes);
    if (atomic_load(&queue->state) == QUEUE_OPEN && !has_room(queue, size))
        return queue_full(queue);
    return TROUPE_OK;
}

static int message_make(struct actor *actor, struct put *put, uint64_t *place)
{
    struct message *message;
    int result;

    if (put->size > actor->arena.header->bytes - sizeof *message)
        return fail(TROUPE_TOO_LONG,
                    "a message of %zu bytes can never fit an arena of %llu bytes; "
                    "start with a larger one (TROUPE_ARENA)",
                    put->size, (unsigned long long)actor->arena.header->bytes);
    result = tx_alloc(actor, sizeof *message + put->size, place);
    put->arena_full = result == TROUPE_FULL;
    if (result != TROUPE_OK)
        return result;
    message = arena_at(&actor->arena, *place);
    atomic_store_explicit(&message->next, 0, memory_order_relaxed);
    message->size = put->size;
    if (put->size > 0)
        memcpy(message->data, put->data, put->size);
    return TROUPE_OK;
}

static int put_attempt(struct actor *actor, void *context)
{
    struct put *put = context;
    struct record *record;
    uint64_t place;
    int result = table_find(actor, put->handle, OBJECT_QUEUE, &record);

    put->arena_full = false;
    if (result == TROUPE_OK)
        result = put_check(queue_of(record), put->size);
    if (result == TROUPE_OK)
        result = message_make(actor, put, &place);
    if (result != TROUPE_OK)
        return result;
    result = table_lock(actor, put->handle, OBJECT_QUEUE, &record);
    if (result == TROUPE_OK) {
        result = put_locked(actor, record, place, put->size);
        lock_give(actor, &record->lock);
    }
    if (result == TROUPE_OK)
        bell_redeem(actor, 1);
    else
        tx_abort(actor);
    return result;
}

/* A full queue is waited for at its own bell, a full arena at the arena's. */
static int put_local(struct actor *actor, struct put *put, uint64_t deadline)
{
    struct record *record;
    int result = put_attempt(actor, put);

    while (result == TROUPE_FULL && deadline != BELL_NO_WAIT && clock_left(deadline) > 0) {
        struct bell *bell = &actor->arena.header->room;

        if (put->arena_full)
            atomic_store(&actor->arena.header->starved, 1);
        else if ((result = table_find(actor, put->handle, OBJECT_QUEUE, &record)) == TROUPE_OK)
            bell = &record->room;
        else
            return result;
        result = bell_await(actor, bell, deadline, TROUPE_FULL, put_attempt, put);
    }
    return result;
}

static int remote_check(uint64_t handle)
{
    if (handle_kind(handle) != OBJECT_QUEUE || handle_node(handle) >= world_here.nodes)
        return fail(TROUPE_BAD_HANDLE,
                    "handle %016llx is no queue's; pass one that "
                    "troupe_queue_create made",
                    (unsigned long long)handle);
    return TROUPE_OK;
}

static int call_home(struct actor *actor, const struct request *request, uint64_t deadline,
                     struct answer *answer)
{
    int result = remote_check(request->object);

    memset(answer, 0, sizeof *answer);
    return result != TROUPE_OK
               ? result
               : service_call(actor, handle_node(request->object), request, deadline, answer);
}

static uint64_t deadline_of(long timeout_ms)
{
    return timeout_ms == TROUPE_NO_WAIT ? BELL_NO_WAIT : clock_deadline(timeout_ms);
}

int troupe_queue_put(troupe_queue queue, const void *message, size_t size, long timeout_ms)
{
    struct put put = { .handle = queue.id, .data = message, .size = size };
    struct request request = { SERVICE_QUEUE_PUT, queue.id, { 0 }, message, size };
    struct answer answer;
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK && message == NULL && size > 0)
        result = fail(TROUPE_BAD_ARGUMENT, "the message is NULL but has %zu bytes", size);
    if (result != TROUPE_OK)
        return result;
    if (handle_node(queue.id) == world_here.node)
        return put_local(actor, &put, deadline_of(timeout_ms));
    result = call_home(actor, &request, deadline_of(timeout_ms), &answer);
    free(answer.data);
    return result;
}

static int put_handler(struct actor *actor, const struct request *request, bool last,
                       struct answer *answer, struct bell **bell)
{
    struct put put = { .handle = request->object, .data = request->data, .size = request->size };
    struct record *record;
    int result = put_attempt(actor, &put);

    (void)answer;
    if (result != TROUPE_FULL || last)
        return result;
    if (table_find(actor, request->object, OBJECT_QUEUE, &record) != TROUPE_OK)
        return TROUPE_BAD_HANDLE;
    if (put.arena_full)
        atomic_store(&actor->arena.header->starved, 1);
    *bell = put.arena_full ? &actor->arena.header->room : &record->room;
    return SERVICE_PARK;
}

/* ---- get -------------------------------------------------------------------------------- */

struct get {
    uint64_t handle;
    size_t capacity;
    size_t size;
    uint64_t place; /* the message, taken */
};

static int get_locked(struct actor *actor, struct record *record, struct get *get)
{
    struct queue *queue = queue_of(record);
    uint64_t head = atomic_load(&queue->head), next;
    struct message *message = arena_at(&actor->arena, head);

    if (atomic_load(&queue->state) == QUEUE_ENDING)
        return is_ending();
    if (head == 0)
        return atomic_load(&queue->state) == QUEUE_CLOSED
                   ? fail(TROUPE_CLOSED, "the queue is closed and drained")
                   : TROUPE_EMPTY;
    get->size = message->size;
    if (message->size > get->capacity)
        return fail(TROUPE_TOO_LONG,
                    "the message has %zu bytes, the buffer %zu; it stays in the "
                    "queue",
                    get->size, get->capacity);
    next = atomic_load(&message->next);
    bell_promise(actor, &record->room);
    tx_take(actor, head);
    tx_write(actor, &queue->head, next);
    if (next == 0)
        tx_write(actor, &queue->tail, 0);
    tx_write(actor, &queue->messages, atomic_load(&queue->messages) - 1);
    tx_write(actor, &queue->bytes, atomic_load(&queue->bytes) - get->size);
    tx_commit(actor);
    get->place = head;
    return TROUPE_OK;
}

static int get_attempt(struct actor *actor, void *context)
{
    struct get *get = context;
    struct record *record;
    int result = table_lock(actor, get->handle, OBJECT_QUEUE, &record);

    if (result != TROUPE_OK)
        return result;
    result = get_locked(actor, record, get);
    lock_give(actor, &record->lock);
    bell_redeem(actor, 1);
    return result;
}

/* A look without the lock first: an empty queue is polled without disturbing anybody. */
static int get_look(struct actor *actor, void *context)
{
    const struct get *get = context;
    struct record *record;
    int result = table_find(actor, get->handle, OBJECT_QUEUE, &record);

    if (result != TROUPE_OK)
        return result;
    if (atomic_load(&queue_of(record)->head) == 0 &&
        atomic_load(&queue_of(record)->state) == QUEUE_OPEN)
        return TROUPE_EMPTY;
    return get_attempt(actor, context);
}

static int get_local(struct actor *actor, struct get *get, uint64_t deadline)
{
    struct record *record;
    int result = table_find(actor, get->handle, OBJECT_QUEUE, &record);

    if (result == TROUPE_OK)
        result = bell_await(actor, &record->bell, deadline, TROUPE_EMPTY, get_look, get);
    return result == TROUPE_EMPTY ? fail(result, "the queue is empty") : result;
}

static void taken_copy(struct actor *actor, const struct get *get, void *buffer)
{
    const struct message *message = arena_at(&actor->arena, get->place);

    if (get->size > 0)
        memcpy(buffer, message->data, get->size);
    heap_release(actor, get->place);
}

static int get_here(struct actor *actor, uint64_t handle, void *buffer, size_t capacity,
                    size_t *size, uint64_t deadline)
{
    struct get get = { .handle = handle, .capacity = capacity };
    int result = get_local(actor, &get, deadline);

    if (result == TROUPE_OK)
        taken_copy(actor, &get, buffer);
    if (size != NULL && (result == TROUPE_OK || result == TROUPE_TOO_LONG))
        *size = get.size;
    return result;
}

static int get_there(struct actor *actor, uint64_t handle, void *buffer, size_t capacity,
                     size_t *size, uint64_t deadline)
{
    struct request request = { SERVICE_QUEUE_GET, handle, { capacity }, NULL, 0 };
    struct answer answer;
    int result = call_home(actor, &request, deadline, &answer);

    if (result == TROUPE_OK && answer.size > 0)
        memcpy(buffer, answer.data, answer.size);
    if (size != NULL && (result == TROUPE_OK || result == TROUPE_TOO_LONG))
        *size = answer.words[0];
    free(answer.data);
    return result;
}

int troupe_queue_get(troupe_queue queue, void *message, size_t capacity, size_t *size,
                     long timeout_ms)
{
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK && message == NULL && capacity > 0)
        result =
            fail(TROUPE_BAD_ARGUMENT, "the buffer is NULL but has room for %zu bytes", capacity);
    if (result != TROUPE_OK)
        return result;
    if (handle_node(queue.id) == world_here.node)
        return get_here(actor, queue.id, message, capacity, size, deadline_of(timeout_ms));
    return get_there(actor, queue.id, message, capacity, size, deadline_of(timeout_ms));
}

static int get_handler(struct actor *actor, const struct request *request, bool last,
                       struct answer *answer, struct bell **bell)
{
    struct get get = { .handle = request->object, .capacity = request->words[0] };
    struct record *record;
    int result = get_attempt(actor, &get);

    answer->words[0] = get.size;
    if (result == TROUPE_EMPTY && !last &&
        table_find(actor, request->object, OBJECT_QUEUE, &record) == TROUPE_OK) {
        *bell = &record->bell;
        return SERVICE_PARK;
    }
    if (result == TROUPE_EMPTY)
        return fail(result, "the queue is empty");
    if (result != TROUPE_OK)
        return result;
    answer->size = get.size;
    answer->data = malloc(get.size > 0 ? get.size : 1);
    if (answer->data == NULL) {
        heap_release(actor, get.place);
        return fail(TROUPE_NO_MEMORY, "no memory for a message of %zu bytes", get.size);
    }
    taken_copy(actor, &get, answer->data);
    return TROUPE_OK;
}

/* ---- the rest --------------------------------------------------------------------------- */

int troupe_queue_create(const troupe_queue_options *options, troupe_queue *queue)
{
    struct actor *actor;
    struct record *record;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = table_reserve(actor, &record);
    if (result != TROUPE_OK)
        return result;
    if (options != NULL) {
        queue_of(record)->max_messages = options->max_messages;
        queue_of(record)->max_bytes = options->max_bytes;
    }
    table_publish(actor, record, OBJECT_QUEUE, 0, &queue->id);
    return TROUPE_OK;
}

static int size_local(struct actor *actor, uint64_t handle, uint64_t *messages)
{
    struct record *record;
    int result = table_find(actor, handle, OBJECT_QUEUE, &record);

    if (result == TROUPE_OK)
        *messages = atomic_load(&queue_of(record)->messages);
    return result;
}

int troupe_queue_size(troupe_queue queue, uint64_t *messages)
{
    struct request request = { SERVICE_QUEUE_SIZE, queue.id, { 0 }, NULL, 0 };
    struct answer answer;
    struct actor *actor;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    if (handle_node(queue.id) == world_here.node)
        return size_local(actor, queue.id, messages);
    result = call_home(actor, &request, BELL_NO_WAIT, &answer);
    if (result == TROUPE_OK)
        *messages = answer.words[0];
    free(answer.data);
    return result;
}

static int size_handler(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    (void)last, (void)bell;
    return size_local(actor, request->object, &answer->words[0]);
}

int troupe_queue_empty(troupe_queue queue, int *empty)
{
    uint64_t messages;
    int result = troupe_queue_size(queue, &messages);

    if (result == TROUPE_OK)
        *empty = messages == 0;
    return result;
}

static int close_local(struct actor *actor, uint64_t handle)
{
    struct record *record;
    int result = table_lock(actor, handle, OBJECT_QUEUE, &record);

    if (result != TROUPE_OK)
        return result;
    bell_promise(actor, &record->bell);
    bell_promise(actor, &record->room);
    if (atomic_load(&queue_of(record)->state) == QUEUE_OPEN)
        tx_write(actor, &queue_of(record)->state, QUEUE_CLOSED);
    tx_commit(actor);
    lock_give(actor, &record->lock);
    bell_redeem(actor, FUTEX_ALL);
    return TROUPE_OK;
}

/* Frees the messages one by one, then the record. Recovery comes here again if we die. */
static void end_resume(struct actor *actor, uint64_t place)
{
    struct record *record = arena_at(&actor->arena, place);
    struct queue *queue = queue_of(record);
    uint64_t head;

    lock_take(actor, &record->lock);
    if (handle_kind(atomic_load(&record->handle)) != OBJECT_QUEUE ||
        atomic_load(&queue->state) != QUEUE_ENDING) {
        lock_give(actor, &record->lock);
        return;
    }
    while ((head = atomic_load(&queue->head)) != 0) {
        struct message *message = arena_at(&actor->arena, head);

        tx_retire(actor, head);
        tx_write(actor, &queue->head, atomic_load(&message->next));
        tx_commit(actor);
    }
    table_retire(actor, record);
}

static int destroy_local(struct actor *actor, uint64_t handle)
{
    struct record *record;
    int result = table_lock(actor, handle, OBJECT_QUEUE, &record);

    if (result != TROUPE_OK)
        return result;
    if (atomic_load(&queue_of(record)->state) == QUEUE_ENDING) {
        lock_give(actor, &record->lock);
        return is_ending();
    }
    resume_begin(actor, RESUME_QUEUE_END, arena_offset(&actor->arena, record));
    tx_write(actor, &queue_of(record)->state, QUEUE_ENDING);
    tx_commit(actor);
    lock_give(actor, &record->lock);
    end_resume(actor, arena_offset(&actor->arena, record));
    resume_end(actor);
    return TROUPE_OK;
}

static int at_home(uint64_t handle, enum service_op op,
                   int (*local)(struct actor *actor, uint64_t handle))
{
    struct request request = { op, handle, { 0 }, NULL, 0 };
    struct answer answer;
    struct actor *actor;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    if (handle_node(handle) == world_here.node)
        return local(actor, handle);
    result = call_home(actor, &request, BELL_NO_WAIT, &answer);
    free(answer.data);
    return result;
}

int troupe_queue_close(troupe_queue queue)
{
    return at_home(queue.id, SERVICE_QUEUE_CLOSE, close_local);
}

int troupe_queue_destroy(troupe_queue queue)
{
    return at_home(queue.id, SERVICE_QUEUE_DESTROY, destroy_local);
}

static int close_handler(struct actor *actor, const struct request *request, bool last,
                         struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    return close_local(actor, request->object);
}

static int destroy_handler(struct actor *actor, const struct request *request, bool last,
                           struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    return destroy_local(actor, request->object);
}

void queue_register(void)
{
    recover_register(RESUME_QUEUE_END, end_resume);
    service_register(SERVICE_QUEUE_PUT, put_handler);
    service_register(SERVICE_QUEUE_GET, get_handler);
    service_register(SERVICE_QUEUE_SIZE, size_handler);
    service_register(SERVICE_QUEUE_CLOSE, close_handler);
    service_register(SERVICE_QUEUE_DESTROY, destroy_handler);
}
