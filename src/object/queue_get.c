/* The get end.
 *
 * A get copies the message first and moves the end afterwards, by one store: before it nothing has
 * happened, after it the message is gone, with the getter if that dies. What also takes a block or
 * frees a segment is a transaction that writes the turn. */
#include "object/queue_local.h"

#include "base/error.h"
#include "core/futex.h"
#include "core/ledger.h"
#include "core/tx.h"
#include "object/queue_ring.h"

#include <stddef.h>
#include <string.h>

#define BATCH_MOST 256 /* messages taken under one claim */
#define VIEW_ALIGN 8u  /* of messages that are packed into one buffer */

/* See linger. */
#define COPY_PIECE 131072u
#define LINGER_LOOKS 256
#define LINGER_TIGHT 8 /* looks between two pauses */
#define LINGER_QUICK 8
#define STREAM_WAITS 8
#define LULL_PAUSES 40

/* ---- the end ---------------------------------------------------------------------------- */

int queue_claim_get(struct actor *actor, uint64_t handle, struct record **record)
{
    int result = table_find(actor, handle, OBJECT_QUEUE, record);
    bool lives;

    if (result != TROUPE_OK)
        return result;
    lock_take(actor, &(*record)->other_lock);
    lives = atomic_load_explicit(&(*record)->handle, memory_order_acquire) == handle;
    if (lives &&
        atomic_load_explicit(&queue_of(*record)->state, memory_order_relaxed) != QUEUE_ENDING)
        return TROUPE_OK;
    lock_give(actor, &(*record)->other_lock);
    return lives ? queue_is_ending() : table_refuse(handle, OBJECT_QUEUE);
}

/* Who waits for room in a queue with a limit of bytes may need that of several messages. */
static int room_wakes(const struct queue *queue)
{
    return queue->max_bytes != 0 ? FUTEX_ALL : 1;
}

/* Before messages are taken: whom that concerns. Those who join only when nothing seems to be left;
 * whoever of them is woken wakes the next. */
static void taken_promise(struct actor *actor, struct record *record, bool is_last)
{
    const struct queue *queue = queue_of(record);

    if (queue->max_messages != 0 || queue->max_bytes != 0)
        bell_promise(actor, &record->room);
    if (is_last)
        bell_promise(actor, &record->idle);
}

/* Gives the end back after it, and wakes them. */
static void taken_give(struct actor *actor, struct record *record)
{
    int wakes = room_wakes(queue_of(record));

    lock_give(actor, &record->other_lock);
    bell_redeem_asleep(actor, wakes);
}

static bool is_last(const struct arena *arena, struct point point, uint64_t head)
{
    uint64_t next = point.place + head_span(head_kind_of(head), head_value_of(head));

    return atomic_load_explicit(head_at(arena, next), memory_order_relaxed) == 0;
}

void queue_follow(struct actor *actor, struct record *record, struct point *point)
{
    struct queue *queue = queue_of(record);
    uint64_t old = point->place & ~(uint64_t)(SEGMENT_BYTES - 1);
    bool from_stub = point->place == arena_offset(&actor->arena, &queue->stub);

    putters_pass(actor, record);
    point->place = head_value_of(
        atomic_load_explicit(head_at(&actor->arena, point->place), memory_order_acquire));
    if (!from_stub)
        tx_retire(actor, old);
    tx_write(actor, &queue->get.turn, end_prepare(&queue->get, *point));
    tx_commit(actor);
}

static uint64_t head_look(struct actor *actor, struct record *record, struct point *point)
{
    uint64_t head;

    for (;;) {
        head = atomic_load_explicit(head_at(&actor->arena, point->place), memory_order_acquire);
        if (head_kind_of(head) != HEAD_LINK)
            return head;
        queue_follow(actor, record, point);
    }
}

uint64_t queue_head(struct actor *actor, struct record *record, struct point *point, bool sure)
{
    uint64_t head;

    *point = end_point(&queue_of(record)->get);
    head = head_look(actor, record, point);
    if (head != 0 || !sure)
        return head;
    lock_touch(&record->lock);
    return head_look(actor, record, point);
}

/* ---- one message ------------------------------------------------------------------------ */

static void point_pass(struct point *point, uint64_t head)
{
    point->place += head_span(head_kind_of(head), head_value_of(head));
    point->messages++;
    point->bytes += head_value_of(head);
}

uint64_t queue_block_at(const struct arena *arena, uint64_t place)
{
    return atomic_load_explicit(head_at(arena, place + HEAD_BYTES), memory_order_relaxed);
}

/* The block goes to the caller, or, for another node, to the ledger. */
static void message_keep(struct actor *actor, const struct queue_get *get)
{
    ledger_keep(actor, get->place, offsetof(struct message, data), get->size);
    ledger_word(actor, 0, get->size);
    ledger_witness(actor);
}

static void block_take(struct actor *actor, struct record *record, struct point point,
                       uint64_t head, struct queue_get *get)
{
    struct queue *queue = queue_of(record);

    putters_pass(actor, record);
    get->place = queue_block_at(&actor->arena, point.place);
    point_pass(&point, head);
    message_keep(actor, get);
    tx_write(actor, &queue->get.turn, end_prepare(&queue->get, point));
    tx_commit(actor);
}

/* The first of those that came back. */
static int returned_take(struct actor *actor, struct record *record, uint64_t place,
                         struct queue_get *get)
{
    struct queue *queue = queue_of(record);
    struct message *message = arena_at(&actor->arena, place);
    struct point point = end_point(&queue->get);

    get->size = message->size;
    if (get->size > get->capacity)
        return queue_too_long(get->size, get->capacity);
    taken_promise(actor, record, true);
    point.messages++;
    point.bytes += get->size;
    get->place = place;
    message_keep(actor, get);
    tx_write(actor, &queue->returned, atomic_load(&message->next));
    tx_write(actor, &queue->get.turn, end_prepare(&queue->get, point));
    tx_commit(actor);
    return TROUPE_OK;
}

/* Moves the end over a message that was copied out of the ring; for another node together with the
 * answer. */
static void inline_taken(struct actor *actor, struct queue *queue, struct point point,
                         const struct queue_get *get)
{
    if (!ledger_has_room(actor, get->size)) {
        end_move(&queue->get, point);
        return;
    }
    ledger_data(actor, get->buffer, get->size);
    ledger_word(actor, 0, get->size);
    tx_write(actor, &queue->get.turn, end_prepare(&queue->get, point));
    ledger_witness(actor);
    tx_commit(actor);
}

static int ring_take(struct actor *actor, struct record *record, struct queue_get *get)
{
    struct queue *queue = queue_of(record);
    uint64_t state = atomic_load_explicit(&queue->state, memory_order_acquire);
    struct point point;
    uint64_t head = queue_head(actor, record, &point, get->sure);

    if (head == 0)
        return queue_nothing(actor, queue, state, get->holder);
    get->size = head_value_of(head);
    if (get->size > get->capacity)
        return queue_too_long(get->size, get->capacity);
    taken_promise(actor, record, is_last(&actor->arena, point, head));
    if (head_kind_of(head) == HEAD_BLOCK) {
        block_take(actor, record, point, head, get);
        return TROUPE_OK;
    }
    get->place = 0;
    if (get->size > 0)
        memcpy(get->buffer, arena_at(&actor->arena, point.place + HEAD_BYTES), get->size);
    point_pass(&point, head);
    inline_taken(actor, queue, point, get);
    return TROUPE_OK;
}

/* A getter that leaves what it was woken for wakes another one. */
static int not_taken(struct actor *actor, struct record *record, int result)
{
    lock_give(actor, &record->other_lock);
    if (result == TROUPE_TOO_LONG || result == TROUPE_CLOSED)
        bell_ring(&actor->arena, &record->bell, 1);
    return result;
}

int queue_get_try(struct actor *actor, struct queue_get *get)
{
    struct record *record;
    uint64_t returned;
    int result = queue_claim_get(actor, get->handle, &record);

    if (result != TROUPE_OK)
        return result;
    returned = atomic_load_explicit(&queue_of(record)->returned, memory_order_relaxed);
    result =
        returned != 0 ? returned_take(actor, record, returned, get) : ring_take(actor, record, get);
    if (result != TROUPE_OK)
        return not_taken(actor, record, result);
    actor->gets_run++;
    taken_give(actor, record);
    return TROUPE_OK;
}

/* While one message of another node is copied here, the next one is on its way: between two pieces
 * whoever sends it gets its answers. */
static void long_copy(unsigned char *to, const unsigned char *from, size_t size)
{
    bool looks = true;

    while (size > COPY_PIECE) {
        memcpy(to, from, COPY_PIECE);
        if (looks)
            looks = bell_drive_once();
        to += COPY_PIECE;
        from += COPY_PIECE;
        size -= COPY_PIECE;
    }
    memcpy(to, from, size);
}

void queue_copy(struct actor *actor, const struct queue_get *get, void *buffer)
{
    const struct message *message = arena_at(&actor->arena, get->place);

    if (get->place == 0 && buffer != NULL && buffer != get->buffer && get->size > 0)
        memcpy(buffer, get->buffer, get->size);
    if (get->place == 0)
        return;
    if (buffer != NULL && get->drives)
        long_copy(buffer, message->data, get->size);
    else if (buffer != NULL)
        memcpy(buffer, message->data, get->size);
    ledger_release(actor, get->place);
}

/* ---- several ---------------------------------------------------------------------------- */

/* Copies what lies in the ring and fits, behind one another; the end moves once. */
static size_t get_run(struct actor *actor, struct record *record, struct queue_get_many *get)
{
    size_t used = 0, count = 0;
    struct point point;
    uint64_t head = queue_head(actor, record, &point, false);

    while (count < get->most && count < BATCH_MOST && head_kind_of(head) == HEAD_INLINE) {
        size_t size = head_value_of(head);
        unsigned char *to = (unsigned char *)get->buffer + used;

        if (used > get->capacity || size > get->capacity - used)
            break;
        if (size > 0)
            memcpy(to, arena_at(&actor->arena, point.place + HEAD_BYTES), size);
        get->messages[count++] = troupe_bytes_of(to, size);
        used += (size + VIEW_ALIGN - 1) & ~(size_t)(VIEW_ALIGN - 1);
        point_pass(&point, head);
        head = head_look(actor, record, &point);
    }
    if (count > 0)
        end_move(&queue_of(record)->get, point);
    return count;
}

static int run_once(struct actor *actor, struct queue_get_many *get)
{
    struct record *record;
    int result = queue_claim_get(actor, get->handle, &record);

    if (result != TROUPE_OK)
        return result;
    taken_promise(actor, record, true);
    if (atomic_load_explicit(&queue_of(record)->returned, memory_order_relaxed) == 0)
        get->count = get_run(actor, record, get);
    actor->gets_run += (uint32_t)get->count;
    taken_give(actor, record);
    return TROUPE_OK;
}

/* What a run leaves to it: a block, one that came back, or the reason why there is none. */
static int single_once(struct actor *actor, struct queue_get_many *get)
{
    struct queue_get single = { .handle = get->handle,
                                .buffer = get->buffer,
                                .capacity = get->capacity,
                                .sure = get->sure,
                                .holder = get->holder };
    int result = queue_get_try(actor, &single);

    get->size = single.size;
    if (result != TROUPE_OK)
        return result;
    queue_copy(actor, &single, get->buffer);
    get->messages[0] = troupe_bytes_of(get->buffer, single.size);
    get->count = 1;
    return TROUPE_OK;
}

int queue_get_many_try(struct actor *actor, struct queue_get_many *get)
{
    int result;

    get->count = 0;
    result = run_once(actor, get);
    return result == TROUPE_OK && get->count == 0 ? single_once(actor, get) : result;
}

/* ---- waiting ---------------------------------------------------------------------------- */

/* Whether nothing comes any more. A closed queue's leases may come back. */
static bool is_over(const struct queue *queue)
{
    uint64_t state = atomic_load_explicit(&queue->state, memory_order_acquire);

    return state == QUEUE_ENDING ||
           (state == QUEUE_CLOSED &&
            atomic_load_explicit(&queue->leases, memory_order_relaxed) == 0);
}

static bool is_readable(const struct arena *arena, uint64_t place)
{
    const struct arena_header *header = arena->header;
    uint64_t ready = atomic_load_explicit(&header->spans_ready, memory_order_acquire);

    return place % HEAD_BYTES == 0 && place >= header->heap &&
           place < header->heap + (ready << SPAN_SHIFT);
}

/* Whether a look is worth a claim. The record may be another object's by now, so the place is
 * judged first: what is committed stays so. It may also be in a segment that was freed since, and
 * is somebody else's: what is read there is dropped, for the turn has changed. That read is no race
 * that matters, but ThreadSanitizer would call it one with the new owner. */
__attribute__((no_sanitize("thread"))) static bool arrived(const struct arena *arena,
                                                           const struct queue *queue)
{
    for (;;) {
        uint64_t turn = atomic_load_explicit(&queue->get.turn, memory_order_acquire);
        uint64_t place =
            atomic_load_explicit(&queue->get.moments[turn & 1].place, memory_order_acquire);

        if (!is_readable(arena, place) ||
            atomic_load_explicit(head_at(arena, place), memory_order_acquire) != 0 ||
            atomic_load_explicit(&queue->returned, memory_order_relaxed) != 0 || is_over(queue))
            return true;
        if (atomic_load_explicit(&queue->get.turn, memory_order_relaxed) == turn)
            return false;
    }
}

int queue_ready(struct actor *actor, uint64_t handle, bool sure, bool *ready)
{
    struct record *record;
    int result = table_find(actor, handle, OBJECT_QUEUE, &record);

    if (result != TROUPE_OK)
        return result;
    if (sure) {
        lock_touch(&record->lock);
        lock_touch(&record->other_lock);
    }
    *ready = arrived(&actor->arena, queue_of(record));
    return TROUPE_OK;
}

bool queue_peek(struct actor *actor, uint64_t handle)
{
    struct record *record;

    return table_find(actor, handle, OBJECT_QUEUE, &record) != TROUPE_OK ||
           arrived(&actor->arena, queue_of(record));
}

struct bell *queue_arrivals(struct actor *actor, uint64_t handle)
{
    struct record *record;

    return table_find(actor, handle, OBJECT_QUEUE, &record) == TROUPE_OK ? &record->bell : NULL;
}

static int get_attempt(struct actor *actor, void *context)
{
    struct queue_get *get = context;

    get->sure = bell_announced(actor);
    return queue_get_try(actor, get);
}

static bool get_peek(struct actor *actor, void *context)
{
    const struct queue_get *get = context;

    return queue_peek(actor, get->handle);
}

static int is_empty(void)
{
    return fail(TROUPE_EMPTY, "the queue is empty");
}

/* Looks for an instant before it waits like others; true when there is something.
 *
 * A getter that keeps up with a stream takes the line of the next head away from the putter again
 * and again, while that writes it: each message then costs both of them two misses. So a getter
 * that found nothing several times running, each time for hardly a moment, leaves the line alone
 * for a little longer and finds several messages. When it finds one only, it was no stream: who
 * answers to what it got takes longer than LINGER_QUICK looks, so that round trips never pause.
 * Who got the last one from another node goes to look for the next one there. */
static bool linger(struct actor *actor, const struct record *record)
{
    const struct queue *queue = (const struct queue *)record->body;
    bool in_stream = actor->quick_waits >= STREAM_WAITS && actor->gets_run > 1;

    if (actor->was_brought)
        return false;
    if (!in_stream && actor->quick_waits >= STREAM_WAITS)
        actor->quick_waits = 0;
    actor->gets_run = 0;
    for (int i = 0; in_stream && i < LULL_PAUSES; i++)
        futex_spin_pause();
    for (int i = 0; i < LINGER_LOOKS; i++) {
        if (!arrived(&actor->arena, queue)) {
            if (i % LINGER_TIGHT == LINGER_TIGHT - 1)
                futex_spin_pause();
            continue;
        }
        if (!in_stream)
            actor->quick_waits = i < LINGER_QUICK ? actor->quick_waits + 1 : 0;
        return true;
    }
    actor->quick_waits = 0;
    return false;
}

int queue_get(struct actor *actor, struct queue_get *get, uint64_t deadline)
{
    int result = queue_get_try(actor, get);

    if (result == TROUPE_EMPTY && deadline != BELL_NO_WAIT)
        result = queue_await(actor, get->handle, deadline, get_attempt, get_peek, get);
    return result == TROUPE_EMPTY ? is_empty() : result;
}

static int many_attempt(struct actor *actor, void *context)
{
    struct queue_get_many *get = context;

    get->sure = bell_announced(actor);
    return queue_get_many_try(actor, get);
}

static bool many_peek(struct actor *actor, void *context)
{
    const struct queue_get_many *get = context;

    return queue_peek(actor, get->handle);
}

int queue_get_many(struct actor *actor, struct queue_get_many *get, uint64_t deadline)
{
    int result = queue_get_many_try(actor, get);

    if (result == TROUPE_EMPTY && deadline != BELL_NO_WAIT)
        result = queue_await(actor, get->handle, deadline, many_attempt, many_peek, get);
    return result == TROUPE_EMPTY ? is_empty() : result;
}

int queue_await(struct actor *actor, uint64_t handle, uint64_t deadline, bell_attempt attempt,
                bell_peek peek, void *context)
{
    struct record *record;
    int result = table_find(actor, handle, OBJECT_QUEUE, &record);

    if (result != TROUPE_OK)
        return result;
    result = linger(actor, record) ? attempt(actor, context) : TROUPE_EMPTY;
    return result == TROUPE_EMPTY ? bell_await_peek(actor, &record->bell, deadline, TROUPE_EMPTY,
                                                    attempt, peek, context)
                                  : result;
}
