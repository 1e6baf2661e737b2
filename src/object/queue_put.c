/* The put end.
 *
 * A message that lies in the ring is published by the store of its head (release): before that
 * store nothing has happened, after it the message is in, whoever dies. What changes more than that
 * word, a block's state or a link, is a transaction that writes the head. So blocks are made, and
 * filled, before the end is claimed; if the claimed end then asks for a segment, it is given back
 * first, for the arena may have to grow. */
#include "object/queue_local.h"

#include "base/clock.h"
#include "base/error.h"
#include "core/futex.h"
#include "core/ledger.h"
#include "core/tx.h"
#include "object/queue_ring.h"

#include <string.h>

/* The put end is at the end of a segment, and the caller has none in flight: not a result. */
#define SEGMENT_WANTED 1

#define BATCH_MOST 64    /* messages put under one claim */
#define AHEAD_BYTES 576u /* eight messages of 64 bytes */

/* ---- the end ---------------------------------------------------------------------------- */

void queue_catch_up(struct actor *actor, struct queue *queue)
{
    struct point point = end_point(&queue->put);
    uint64_t head;

    while ((head = atomic_load_explicit(head_at(&actor->arena, point.place),
                                        memory_order_relaxed)) != 0) {
        point.place += head_span(head_kind_of(head), head_value_of(head));
        point.messages++;
        point.bytes += head_value_of(head);
        end_move(&queue->put, point);
    }
}

/* Claims the put end of a queue that is open. */
static int put_claim(struct actor *actor, uint64_t handle, struct record **record,
                     struct point *point)
{
    int result = table_lock(actor, handle, OBJECT_QUEUE, record);
    struct queue *queue;
    uint64_t state;

    if (result != TROUPE_OK)
        return result;
    queue = queue_of(*record);
    state = atomic_load_explicit(&queue->state, memory_order_relaxed);
    if (state != QUEUE_OPEN) {
        lock_give(actor, &(*record)->lock);
        return state == QUEUE_ENDING ? queue_is_ending()
                                     : fail(TROUPE_CLOSED, "the queue is closed for puts");
    }
    *point = end_point(&queue->put);
    if (atomic_load_explicit(head_at(&actor->arena, point->place), memory_order_relaxed) != 0) {
        queue_catch_up(actor, queue);
        *point = end_point(&queue->put);
    }
    return TROUPE_OK;
}

/* Whether something of this span fits behind the place, and a head behind that. */
static bool fits(const struct arena *arena, const struct queue *queue, uint64_t place,
                 uint64_t span)
{
    return place != arena_offset(arena, &queue->stub) &&
           place % SEGMENT_BYTES + span + HEAD_BYTES <= SEGMENT_BYTES;
}

/* ---- limits ----------------------------------------------------------------------------- */

static bool within(const struct queue *queue, const struct point *point, size_t size)
{
    uint64_t messages = atomic_load_explicit(&queue->taken_messages, memory_order_relaxed);
    uint64_t bytes = atomic_load_explicit(&queue->taken_bytes, memory_order_relaxed);

    return (queue->max_messages == 0 || point->messages - messages < queue->max_messages) &&
           (queue->max_bytes == 0 || point->bytes - bytes + size <= queue->max_bytes);
}

static void taken_look(struct queue *queue)
{
    struct point taken = end_look(&queue->get);

    atomic_store_explicit(&queue->taken_messages, taken.messages, memory_order_relaxed);
    atomic_store_explicit(&queue->taken_bytes, taken.bytes, memory_order_relaxed);
}

/* The getters' counts are looked at again only when the last ones would not do. */
static bool has_room(struct record *record, const struct point *point, size_t size, bool sure)
{
    struct queue *queue = queue_of(record);

    if ((queue->max_messages == 0 && queue->max_bytes == 0) || within(queue, point, size))
        return true;
    if (sure)
        lock_touch(&record->other_lock);
    taken_look(queue);
    return within(queue, point, size);
}

static int is_full(const struct queue *queue, const struct point *point)
{
    return fail(TROUPE_FULL, "the queue holds %llu messages of %llu bytes, its limit",
                (unsigned long long)(point->messages - atomic_load(&queue->taken_messages)),
                (unsigned long long)(point->bytes - atomic_load(&queue->taken_bytes)));
}

static int never_fits(const struct arena *arena, const struct queue *queue, size_t size)
{
    if (queue->max_bytes != 0 && size > queue->max_bytes)
        return fail(TROUPE_TOO_LONG,
                    "a message of %zu bytes can never fit a queue of max_bytes %llu", size,
                    (unsigned long long)queue->max_bytes);
    if (size > arena->header->bytes - sizeof(struct message))
        return fail(TROUPE_TOO_LONG,
                    "a message of %zu bytes can never fit an arena of %llu bytes; start with a "
                    "larger one (TROUPE_ARENA)",
                    size, (unsigned long long)arena->header->bytes);
    return TROUPE_OK;
}

/* ---- one message ------------------------------------------------------------------------ */

/* Asks for the line that a later message will be written to: a getter had it last, and every claim
 * of the end waits until all stores before it have found their lines. */
static void line_ahead(const struct arena *arena, uint64_t place)
{
    const unsigned char *line = arena_at(arena, place + AHEAD_BYTES);

#if defined(__x86_64__)
    /* What __builtin_prefetch makes of a write only for processors that are named to the compiler;
     * the others take it for nothing. */
    __asm__ volatile("prefetchw %0" : : "m"(*line));
#else
    __builtin_prefetch(line, 1);
#endif
}

/* Writes a message that lies in the ring behind the place, with nothing behind it. */
static void write_inline(const struct arena *arena, uint64_t place, const void *data, size_t size)
{
    uint64_t next = place + head_span(HEAD_INLINE, size);

    if (size > 0)
        memcpy(arena_at(arena, place + HEAD_BYTES), data, size);
    atomic_store_explicit(head_at(arena, next), 0, memory_order_relaxed);
}

/* The same, and publishes it. */
static void publish_inline(const struct arena *arena, uint64_t place, const void *data, size_t size)
{
    write_inline(arena, place, data, size);
    atomic_store_explicit(head_at(arena, place), head_make(HEAD_INLINE, size),
                          memory_order_release);
}

static void point_pass(struct point *point, uint64_t span, size_t size)
{
    point->place += span;
    point->messages++;
    point->bytes += size;
}

/* The coming commit is the effect of a put for another node: the answer counts what is in. */
static void put_witness(struct actor *actor, uint64_t messages)
{
    ledger_word_write(actor, 0, messages);
    ledger_witness(actor);
}

/* For another node: publishes a message that was written at the place, and what was published
 * behind it, which nobody sees before, together with the answer that so many messages are in. */
static void publish_witnessed(struct actor *actor, struct queue *queue, struct point point,
                              uint64_t place, size_t size, uint64_t messages)
{
    tx_write(actor, head_at(&actor->arena, place), head_make(HEAD_INLINE, size));
    tx_write(actor, &queue->put.turn, end_prepare(&queue->put, point));
    put_witness(actor, messages);
    tx_commit(actor);
}

/* The head and the offset of a message in a block; the head is returned, to be written last. */
static uint64_t prepare_block(const struct arena *arena, uint64_t place,
                              const struct queue_put *put)
{
    atomic_store_explicit(head_at(arena, place + HEAD_BYTES), put->block, memory_order_relaxed);
    atomic_store_explicit(head_at(arena, place + 2 * HEAD_BYTES), 0, memory_order_relaxed);
    return head_make(HEAD_BLOCK, put->size);
}

static void put_block(struct actor *actor, struct queue *queue, struct point point,
                      const struct queue_put *put)
{
    uint64_t head = prepare_block(&actor->arena, point.place, put);
    _Atomic uint64_t *place = head_at(&actor->arena, point.place);

    point_pass(&point, head_span(HEAD_BLOCK, put->size), put->size);
    tx_write(actor, place, head);
    tx_write(actor, &queue->put.turn, end_prepare(&queue->put, point));
    put_witness(actor, put->before + 1);
    tx_commit(actor);
}

/* The new segment begins with the message; its link publishes both. */
static void put_linked(struct actor *actor, struct queue *queue, struct point point,
                       const struct queue_put *put)
{
    enum head_kind kind = put->block != 0 ? HEAD_BLOCK : HEAD_INLINE;
    _Atomic uint64_t *link = head_at(&actor->arena, point.place);

    point.place = put->segment;
    if (kind == HEAD_BLOCK)
        atomic_store_explicit(head_at(&actor->arena, point.place),
                              prepare_block(&actor->arena, point.place, put), memory_order_relaxed);
    else
        publish_inline(&actor->arena, point.place, put->data, put->size);
    point_pass(&point, head_span(kind, put->size), put->size);
    tx_write(actor, link, head_make(HEAD_LINK, put->segment));
    tx_write(actor, &queue->put.turn, end_prepare(&queue->put, point));
    put_witness(actor, put->before + 1);
    tx_commit(actor);
}

static void put_inline(struct actor *actor, struct queue *queue, struct point point,
                       const struct queue_put *put)
{
    uint64_t place = point.place;

    line_ahead(&actor->arena, place);
    point_pass(&point, head_span(HEAD_INLINE, put->size), put->size);
    if (ledger_serves(actor)) {
        write_inline(&actor->arena, place, put->data, put->size);
        publish_witnessed(actor, queue, point, place, put->size, put->before + 1);
        return;
    }
    publish_inline(&actor->arena, place, put->data, put->size);
    end_move(&queue->put, point);
}

/* The put end is claimed. A segment that is not wanted any more must not be linked by the commit.
 */
static int put_claimed(struct actor *actor, struct record *record, struct point point,
                       struct queue_put *put)
{
    struct queue *queue = queue_of(record);
    uint64_t span = head_span(put->block != 0 ? HEAD_BLOCK : HEAD_INLINE, put->size);

    if (!has_room(record, &point, put->size, put->sure)) {
        int result = never_fits(&actor->arena, queue, put->size);

        return result != TROUPE_OK ? result : is_full(queue, &point);
    }
    if (!fits(&actor->arena, queue, point.place, span) && put->segment == 0)
        return SEGMENT_WANTED;
    bell_promise(actor, &record->bell);
    if (!fits(&actor->arena, queue, point.place, span)) {
        put_linked(actor, queue, point, put);
        return TROUPE_OK;
    }
    if (put->segment != 0)
        heap_release(actor, put->segment);
    if (put->block != 0) {
        put_block(actor, queue, point, put);
        return TROUPE_OK;
    }
    put_inline(actor, queue, point, put);
    return TROUPE_OK;
}

static int put_once(struct actor *actor, struct queue_put *put)
{
    struct record *record;
    struct point point;
    int result = put_claim(actor, put->handle, &record, &point);

    if (result != TROUPE_OK)
        return result;
    result = put_claimed(actor, record, point, put);
    lock_give(actor, &record->lock);
    if (result == TROUPE_OK)
        bell_redeem_asleep(actor, 1);
    return result;
}

static int block_alloc(struct actor *actor, struct queue_put *put, uint64_t bytes, uint64_t *place)
{
    int result = tx_alloc(actor, bytes, place);

    put->arena_full = result == TROUPE_FULL;
    return result;
}

/* Fills in what stands before the message in its block. */
static struct message *block_begin(struct actor *actor, const struct queue_put *put)
{
    struct message *message = arena_at(&actor->arena, put->block);

    atomic_store_explicit(&message->order, 0, memory_order_relaxed);
    atomic_store_explicit(&message->attempt, 0, memory_order_relaxed);
    message->size = put->size;
    return message;
}

/* What can be refused without a copy of the message is. */
static int block_make(struct actor *actor, struct queue_put *put)
{
    struct record *record;
    struct point point;
    int result = put_claim(actor, put->handle, &record, &point);

    if (result != TROUPE_OK)
        return result;
    result = never_fits(&actor->arena, queue_of(record), put->size);
    if (result == TROUPE_OK && !has_room(record, &point, put->size, put->sure))
        result = is_full(queue_of(record), &point);
    lock_give(actor, &record->lock);
    if (result == TROUPE_OK)
        result = block_alloc(actor, put, sizeof(struct message) + put->size, &put->block);
    if (result != TROUPE_OK)
        return result;
    memcpy(block_begin(actor, put)->data, put->data, put->size);
    return TROUPE_OK;
}

static int put_with_segment(struct actor *actor, struct queue_put *put)
{
    int result = block_alloc(actor, put, SEGMENT_BYTES, &put->segment);

    return result == TROUPE_OK ? put_once(actor, put) : result;
}

/* A message that is not in. A block that it came with stays in flight: it may be tried again. */
static void put_abort(struct actor *actor, const struct queue_put *put)
{
    if (put->landed == 0)
        tx_abort(actor);
    else if (put->segment != 0)
        heap_release(actor, put->segment);
}

int queue_put_try(struct actor *actor, struct queue_put *put)
{
    int result = TROUPE_OK;

    put->arena_full = false;
    put->segment = 0;
    put->block = put->landed;
    if (put->landed != 0)
        block_begin(actor, put);
    else if (put->size > QUEUE_INLINE_MOST)
        result = block_make(actor, put);
    if (result == TROUPE_OK)
        result = put_once(actor, put);
    if (result == SEGMENT_WANTED)
        result = put_with_segment(actor, put);
    if (result != TROUPE_OK && (put->block | put->segment) != 0)
        put_abort(actor, put);
    return result;
}

/* ---- several ---------------------------------------------------------------------------- */

/* Puts messages in the ring as long as they lie in it and fit, under one claim; the end moves once.
 * For another node the first is published last, with the end. Returns how many. */
static size_t put_run(struct actor *actor, struct record *record, struct point *point,
                      const struct queue_put_many *put)
{
    struct queue *queue = queue_of(record);
    uint64_t first = point->place;
    size_t done = 0;

    while (done < BATCH_MOST && put->done + done < put->count) {
        const troupe_bytes *message = &put->messages[put->done + done];
        uint64_t span = head_span(HEAD_INLINE, message->size);

        if (message->size > QUEUE_INLINE_MOST || !fits(&actor->arena, queue, point->place, span) ||
            !has_room(record, point, message->size, false))
            break;
        line_ahead(&actor->arena, point->place);
        if (done == 0 && ledger_serves(actor))
            write_inline(&actor->arena, point->place, message->data, message->size);
        else
            publish_inline(&actor->arena, point->place, message->data, message->size);
        point_pass(point, span, message->size);
        done++;
    }
    if (done > 0 && ledger_serves(actor))
        publish_witnessed(actor, queue, *point, first, put->messages[put->done].size,
                          put->done + done);
    else if (done > 0)
        end_move(&queue->put, *point);
    return done;
}

static int run_once(struct actor *actor, struct queue_put_many *put, size_t *done)
{
    struct record *record;
    struct point point;
    int result = put_claim(actor, put->handle, &record, &point);

    if (result != TROUPE_OK)
        return result;
    bell_promise(actor, &record->bell);
    *done = put_run(actor, record, &point, put);
    lock_give(actor, &record->lock);
    bell_redeem_asleep(actor, (int)*done);
    return TROUPE_OK;
}

/* What a run leaves to it: a block, a new segment, or the reason why it does not fit. */
static int single_once(struct actor *actor, struct queue_put_many *put)
{
    const troupe_bytes *message = &put->messages[put->done];
    struct queue_put single = { .handle = put->handle,
                                .data = message->data,
                                .size = message->size,
                                .sure = put->sure,
                                .before = put->done };
    int result = queue_put_try(actor, &single);

    put->arena_full = single.arena_full;
    return result;
}

int queue_put_many_try(struct actor *actor, struct queue_put_many *put)
{
    size_t before = put->done, done = 0;
    int result = TROUPE_OK;

    put->arena_full = false;
    while (result == TROUPE_OK && put->done < put->count) {
        result = run_once(actor, put, &done);
        if (result != TROUPE_OK)
            break;
        put->done += done;
        if (done > 0)
            continue;
        result = single_once(actor, put);
        put->done += result == TROUPE_OK;
    }
    return put->done > before ? TROUPE_OK : result;
}

/* ---- waiting ---------------------------------------------------------------------------- */

/* A full queue is waited for at its own bell, a full arena at the arena's. */
struct bell *queue_room(struct actor *actor, uint64_t handle, bool arena_full)
{
    struct record *record;

    if (arena_full) {
        atomic_store(&actor->arena.header->starved, 1);
        return &actor->arena.header->room;
    }
    return table_find(actor, handle, OBJECT_QUEUE, &record) == TROUPE_OK ? &record->room : NULL;
}

/* A bounded queue's room, from outside: the limits are not judged, only whether anything moved. */
static bool put_peek(struct actor *actor, const struct queue_put *put)
{
    struct record *record;
    const struct queue *queue;

    if (table_find(actor, put->handle, OBJECT_QUEUE, &record) != TROUPE_OK)
        return true;
    queue = queue_of(record);
    return atomic_load_explicit(&queue->state, memory_order_relaxed) != QUEUE_OPEN ||
           end_look(&queue->get).messages !=
               atomic_load_explicit(&queue->taken_messages, memory_order_relaxed);
}

/* One wait is for one kind of full. An attempt that meets the other kind ends it. */
struct waiting {
    struct queue_put put;
    bool for_arena;
};
#define FULL_OTHERWISE 2

static int waiting_attempt(struct actor *actor, void *context)
{
    struct waiting *waiting = context;
    int result;

    waiting->put.sure = bell_announced(actor);
    result = queue_put_try(actor, &waiting->put);
    return result == TROUPE_FULL && waiting->put.arena_full != waiting->for_arena ? FULL_OTHERWISE
                                                                                  : result;
}

static bool waiting_peek(struct actor *actor, void *context)
{
    const struct waiting *waiting = context;

    return put_peek(actor, &waiting->put);
}

/* Waits once. Whoever was woken by a getter and now waits for the arena passes the wake on. */
static int room_await(struct actor *actor, struct waiting *waiting, uint64_t deadline)
{
    struct bell *bell = queue_room(actor, waiting->put.handle, waiting->for_arena);
    int result;

    if (bell == NULL)
        return TROUPE_BAD_HANDLE;
    if (waiting->for_arena)
        return bell_await(actor, bell, deadline, TROUPE_FULL, waiting_attempt, waiting);
    result =
        bell_await_peek(actor, bell, deadline, TROUPE_FULL, waiting_attempt, waiting_peek, waiting);
    if (result == FULL_OTHERWISE)
        bell_ring(&actor->arena, bell, 1);
    return result;
}

int queue_put(struct actor *actor, struct queue_put *put, uint64_t deadline)
{
    int result = queue_put_try(actor, put);

    while (result == TROUPE_FULL && deadline != BELL_NO_WAIT && clock_left(deadline) > 0) {
        struct waiting waiting = { *put, put->arena_full };

        result = room_await(actor, &waiting, deadline);
        put->arena_full = waiting.put.arena_full;
        result = result == FULL_OTHERWISE ? TROUPE_FULL : result;
    }
    return result;
}

/* What does not fit is waited for one by one. */
int queue_put_many(struct actor *actor, struct queue_put_many *put, uint64_t deadline)
{
    int result = TROUPE_OK;

    while (result == TROUPE_OK && put->done < put->count) {
        const troupe_bytes *next;

        result = queue_put_many_try(actor, put);
        if (result == TROUPE_FULL && deadline != BELL_NO_WAIT) {
            next = &put->messages[put->done];
            result = queue_put(actor,
                               &(struct queue_put){
                                   .handle = put->handle, .data = next->data, .size = next->size },
                               deadline);
            put->done += result == TROUPE_OK;
        }
    }
    return result;
}
