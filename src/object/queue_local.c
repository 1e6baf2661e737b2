#include "object/queue_local.h"

#include "base/clock.h"
#include "base/error.h"
#include "core/futex.h"
#include "core/lock.h"
#include "core/recover.h"
#include "core/root.h"
#include "core/table.h"
#include "core/tx.h"

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

static int message_make(struct actor *actor, struct queue_put *put, uint64_t *place)
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

int queue_put_try(struct actor *actor, struct queue_put *put)
{
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

static int put_attempt(struct actor *actor, void *context)
{
    return queue_put_try(actor, context);
}

/* A full queue is waited for at its own bell, a full arena at the arena's. */
struct bell *queue_room(struct actor *actor, const struct queue_put *put)
{
    struct record *record;

    if (put->arena_full) {
        atomic_store(&actor->arena.header->starved, 1);
        return &actor->arena.header->room;
    }
    return table_find(actor, put->handle, OBJECT_QUEUE, &record) == TROUPE_OK ? &record->room
                                                                              : NULL;
}

int queue_put(struct actor *actor, struct queue_put *put, uint64_t deadline)
{
    int result = queue_put_try(actor, put);

    while (result == TROUPE_FULL && deadline != BELL_NO_WAIT && clock_left(deadline) > 0) {
        struct bell *bell = queue_room(actor, put);

        if (bell == NULL)
            return TROUPE_BAD_HANDLE;
        result = bell_await(actor, bell, deadline, TROUPE_FULL, put_attempt, put);
    }
    return result;
}

/* ---- get -------------------------------------------------------------------------------- */

static int get_locked(struct actor *actor, struct record *record, struct queue_get *get)
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

int queue_get_try(struct actor *actor, struct queue_get *get)
{
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
    struct queue_get *get = context;
    struct record *record;
    int result = table_find(actor, get->handle, OBJECT_QUEUE, &record);

    if (result != TROUPE_OK)
        return result;
    if (atomic_load(&queue_of(record)->head) == 0 &&
        atomic_load(&queue_of(record)->state) == QUEUE_OPEN)
        return TROUPE_EMPTY;
    return queue_get_try(actor, get);
}

int queue_get(struct actor *actor, struct queue_get *get, uint64_t deadline)
{
    struct record *record;
    int result = table_find(actor, get->handle, OBJECT_QUEUE, &record);

    if (result == TROUPE_OK)
        result = bell_await(actor, &record->bell, deadline, TROUPE_EMPTY, get_look, get);
    return result == TROUPE_EMPTY ? fail(result, "the queue is empty") : result;
}

void queue_copy(struct actor *actor, const struct queue_get *get, void *buffer)
{
    const struct message *message = arena_at(&actor->arena, get->place);

    if (buffer != NULL && get->size > 0)
        memcpy(buffer, message->data, get->size);
    heap_release(actor, get->place);
}

struct bell *queue_arrivals(struct actor *actor, const struct queue_get *get)
{
    struct record *record;

    return table_find(actor, get->handle, OBJECT_QUEUE, &record) == TROUPE_OK ? &record->bell
                                                                              : NULL;
}

/* ---- the rest --------------------------------------------------------------------------- */

int queue_make(struct actor *actor, const troupe_queue_options *options, uint64_t *handle)
{
    struct record *record;
    int result = table_reserve(actor, &record);

    if (result != TROUPE_OK)
        return result;
    if (options != NULL) {
        queue_of(record)->max_messages = options->max_messages;
        queue_of(record)->max_bytes = options->max_bytes;
    }
    table_publish(actor, record, OBJECT_QUEUE, 0, handle);
    return TROUPE_OK;
}

int queue_count(struct actor *actor, uint64_t handle, uint64_t *messages)
{
    struct record *record;
    int result = table_find(actor, handle, OBJECT_QUEUE, &record);

    if (result == TROUPE_OK)
        *messages = atomic_load(&queue_of(record)->messages);
    return result;
}

int queue_close(struct actor *actor, uint64_t handle)
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
void queue_end(struct actor *actor, uint64_t place)
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

int queue_destroy(struct actor *actor, uint64_t handle)
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
    queue_end(actor, arena_offset(&actor->arena, record));
    resume_end(actor);
    return TROUPE_OK;
}
