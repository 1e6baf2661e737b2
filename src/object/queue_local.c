/* Making, looking at and ending queues. */
#include "object/queue_local.h"

#include "base/error.h"
#include "core/futex.h"
#include "core/recover.h"
#include "core/root.h"
#include "core/tx.h"
#include "object/queue_ring.h"

int queue_is_ending(void)
{
    return fail(TROUPE_BAD_HANDLE, "the queue is being destroyed");
}

int queue_too_long(uint64_t size, size_t capacity)
{
    return fail(TROUPE_TOO_LONG,
                "the message has %llu bytes, the buffer %zu; it stays in the queue",
                (unsigned long long)size, capacity);
}

/* ---- making ----------------------------------------------------------------------------- */

int queue_make(struct actor *actor, const troupe_queue_options *options, uint64_t *handle)
{
    struct record *record;
    struct queue *queue;
    int result = table_reserve(actor, &record);

    if (result != TROUPE_OK)
        return result;
    queue = queue_of(record);
    if (options != NULL) {
        queue->max_messages = options->max_messages;
        queue->max_bytes = options->max_bytes;
    }
    end_move(&queue->put, (struct point){ .place = arena_offset(&actor->arena, &queue->stub) });
    end_move(&queue->get, (struct point){ .place = arena_offset(&actor->arena, &queue->stub) });
    table_publish(actor, record, OBJECT_QUEUE, 0, handle);
    return TROUPE_OK;
}

/* ---- looking ---------------------------------------------------------------------------- */

/* What is in the queue; the put end is claimed for the moment, and so up to date. */
static int held_look(struct actor *actor, uint64_t handle, struct record **record,
                     struct point *held)
{
    struct point taken;
    int result = table_lock(actor, handle, OBJECT_QUEUE, record);

    if (result != TROUPE_OK)
        return result;
    if (atomic_load(&queue_of(*record)->state) == QUEUE_ENDING) {
        lock_give(actor, &(*record)->lock);
        return queue_is_ending();
    }
    queue_catch_up(actor, queue_of(*record));
    *held = end_point(&queue_of(*record)->put);
    taken = end_look(&queue_of(*record)->get);
    lock_give(actor, &(*record)->lock);
    held->messages -= taken.messages;
    held->bytes -= taken.bytes;
    return TROUPE_OK;
}

int queue_count(struct actor *actor, uint64_t handle, uint64_t *messages)
{
    struct record *record;
    struct point held;
    int result = held_look(actor, handle, &record, &held);

    if (result == TROUPE_OK)
        *messages = held.messages;
    return result;
}

int queue_is_full(struct actor *actor, uint64_t handle, uint64_t *full)
{
    struct record *record;
    struct point held;
    int result = held_look(actor, handle, &record, &held);
    const struct queue *queue;

    if (result != TROUPE_OK)
        return result;
    queue = queue_of(record);
    *full = (queue->max_messages != 0 && held.messages >= queue->max_messages) ||
            (queue->max_bytes != 0 && held.bytes >= queue->max_bytes);
    return TROUPE_OK;
}

/* ---- ending ----------------------------------------------------------------------------- */

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

/* Frees the messages of a list one by one. */
static void list_end(struct actor *actor, _Atomic uint64_t *first)
{
    uint64_t place;

    while ((place = atomic_load(first)) != 0) {
        struct message *message = arena_at(&actor->arena, place);

        tx_retire(actor, place);
        tx_write(actor, first, atomic_load(&message->next));
        tx_commit(actor);
    }
}

/* Frees what lies between the ends; no putter comes any more. */
static void ring_end(struct actor *actor, struct record *record)
{
    struct queue *queue = queue_of(record);
    uint64_t stub = arena_offset(&actor->arena, &queue->stub), head, place;
    struct point point;

    while ((head = queue_head(actor, record, &point, false)) != 0) {
        place = point.place;
        point.place += head_span(head_kind_of(head), head_value_of(head));
        if (head_kind_of(head) == HEAD_BLOCK)
            tx_retire(actor, queue_block_at(&actor->arena, place));
        tx_write(actor, &queue->get.turn, end_prepare(&queue->get, point));
        tx_commit(actor);
    }
    if (point.place == stub)
        return;
    tx_retire(actor, point.place & ~(uint64_t)(SEGMENT_BYTES - 1));
    point.place = stub;
    tx_write(actor, &queue->stub, 0);
    tx_write(actor, &queue->get.turn, end_prepare(&queue->get, point));
    tx_commit(actor);
}

/* Whoever claims an end from now on finds that the queue is ending. Recovery comes here again if we
 * die, and finds less to do. */
void queue_end(struct actor *actor, uint64_t place)
{
    struct record *record = arena_at(&actor->arena, place);
    struct queue *queue = queue_of(record);

    lock_take(actor, &record->other_lock);
    if (handle_kind(atomic_load(&record->handle)) == OBJECT_QUEUE &&
        atomic_load(&queue->state) == QUEUE_ENDING) {
        ring_end(actor, record);
        list_end(actor, &queue->returned);
        for (unsigned i = 0; i < QUEUE_CHAINS; i++)
            list_end(actor, &queue->chains[i]);
        lock_take(actor, &record->lock);
        table_retire(actor, record);
    }
    lock_give(actor, &record->other_lock);
}

int queue_destroy(struct actor *actor, uint64_t handle)
{
    struct record *record;
    int result = table_lock(actor, handle, OBJECT_QUEUE, &record);

    if (result != TROUPE_OK)
        return result;
    if (atomic_load(&queue_of(record)->state) == QUEUE_ENDING) {
        lock_give(actor, &record->lock);
        return queue_is_ending();
    }
    resume_begin(actor, RESUME_QUEUE_END, arena_offset(&actor->arena, record));
    bell_promise(actor, &record->idle);
    tx_write(actor, &queue_of(record)->state, QUEUE_ENDING);
    tx_commit(actor);
    lock_give(actor, &record->lock);
    bell_redeem(actor, FUTEX_ALL);
    queue_end(actor, arena_offset(&actor->arena, record));
    resume_end(actor);
    return TROUPE_OK;
}
