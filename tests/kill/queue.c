/* The queue, killed at every instruction of its making, its puts and gets, its leases, its close
 * and its end.
 *
 * After every recovery the ring is walked: from the get end the heads lead to an empty one, the
 * counts are those of the messages on the way and of those that came back, each message is whole,
 * and the heap holds what the queue holds and nothing else. */
#include "harness.h"

#include "core/party.h"
#include "core/recover.h"
#include "core/root.h"
#include "core/table.h"
#include "object/queue_local.h"
#include "object/queue_ring.h"

#include <string.h>

#define SMALL 40u
#define BLOCK 2000u     /* in a block of its own, which is then of 2560 bytes */
#define LARGE 33000u    /* with a span of its own */
#define FREED_LEAST 64u /* records that must be free before one is used again */

#define BLOCK_BYTES 2560
#define LEASE_BYTES 1280 /* of the block that a small message is leased in */
#define MANY 3u

enum { MEMO_QUEUE, MEMO_MESSAGES, MEMO_MADE, MEMO_TICKET };

/* Zeros, as fresh memory is: the copy of a large message changes nothing, and so makes no
 * images. */
static const unsigned char pattern[LARGE];

/* ---- tools ------------------------------------------------------------------------------ */

static void put(struct kill_world *world, struct actor *actor, size_t size)
{
    struct queue_put message = { .handle = world->memo[MEMO_QUEUE], .data = pattern, .size = size };

    queue_put_try(actor, &message);
}

static bool take(struct kill_world *world, struct actor *actor)
{
    static unsigned char into[LARGE];
    struct queue_get message = { .handle = world->memo[MEMO_QUEUE],
                                 .buffer = into,
                                 .capacity = LARGE };

    if (queue_get_try(actor, &message) != TROUPE_OK)
        return false;
    queue_copy(actor, &message, into);
    return true;
}

static bool lease(struct kill_world *world, struct actor *actor)
{
    static unsigned char into[LARGE];
    struct queue_lease made = {
        .get = { .handle = world->memo[MEMO_QUEUE], .buffer = into, .capacity = LARGE }
    };

    if (queue_lease_try(actor, &made) != TROUPE_OK)
        return false;
    world->memo[MEMO_TICKET] = made.ticket;
    return true;
}

static void on_party_end(struct actor *actor, struct record *record, uint64_t party,
                         enum party_end end)
{
    (void)end;
    queue_return(actor, record, party);
}

static void prepare(struct kill_world *world, unsigned messages)
{
    recover_register(RESUME_QUEUE_END, queue_end);
    party_register(OBJECT_QUEUE, on_party_end);
    table_format(&world->bystander, 0);
    queue_make(&world->bystander, NULL, &world->memo[MEMO_QUEUE]);
    for (unsigned i = 0; i < messages; i++)
        put(world, &world->bystander, SMALL);
    world->memo[MEMO_MESSAGES] = messages;
}

static void prepare_empty(struct kill_world *world)
{
    prepare(world, 0);
}

static void prepare_one(struct kill_world *world)
{
    prepare(world, 1);
}

static void prepare_two(struct kill_world *world)
{
    prepare(world, 2);
}

static void prepare_block(struct kill_world *world)
{
    prepare(world, 0);
    put(world, &world->bystander, BLOCK);
    world->memo[MEMO_MESSAGES] = 1;
}

/* A segment in which no message of QUEUE_INLINE_MOST fits any more, nor, full to the last head, one
 * in a block. */
static void fill(struct kill_world *world, bool to_the_last)
{
    uint64_t place = 0, span = HEAD_BYTES + QUEUE_INLINE_MOST;

    prepare(world, 0);
    for (; place + span + HEAD_BYTES <= SEGMENT_BYTES; place += span) {
        put(world, &world->bystander, QUEUE_INLINE_MOST);
        world->memo[MEMO_MESSAGES]++;
    }
    if (!to_the_last)
        return;
    put(world, &world->bystander, SEGMENT_BYTES - place - 3 * HEAD_BYTES);
    world->memo[MEMO_MESSAGES]++;
}

static void prepare_full(struct kill_world *world)
{
    fill(world, false);
}

static void prepare_full_to_the_last(struct kill_world *world)
{
    fill(world, true);
}

/* The get end is at the link to the next segment, which has one message. */
static void prepare_link(struct kill_world *world)
{
    fill(world, false);
    put(world, &world->bystander, QUEUE_INLINE_MOST);
    while (world->memo[MEMO_MESSAGES]-- > 0)
        take(world, &world->bystander);
    world->memo[MEMO_MESSAGES] = 1;
}

static void prepare_leased(struct kill_world *world)
{
    prepare(world, 1);
    lease(world, &world->victim);
}

/* Of two messages one is on lease to the bystander, and one came back. */
static void prepare_both(struct kill_world *world)
{
    struct record *record;

    prepare(world, 2);
    lease(world, &world->victim);
    table_find(&world->bystander, world->memo[MEMO_QUEUE], OBJECT_QUEUE, &record);
    queue_return(&world->bystander, record, party_of(&world->victim));
    lease(world, &world->bystander);
    lease(world, &world->victim);
    queue_return(&world->bystander, record, party_of(&world->victim));
    put(world, &world->bystander, BLOCK);
}

static struct queue *queue_now(struct kill_world *world)
{
    struct record *record;

    return table_find(&world->bystander, world->memo[MEMO_QUEUE], OBJECT_QUEUE, &record) ==
                   TROUPE_OK
               ? queue_of(record)
               : NULL;
}

/* The messages that the heads lead to, and those that came back. */
static uint64_t walk(struct kill_world *world, struct queue *queue)
{
    uint64_t place = end_point(&queue->get).place, back = atomic_load(&queue->returned), head;
    uint64_t count = 0;

    while ((head = atomic_load(head_at(&world->arena, place))) != 0) {
        if (head_kind_of(head) == HEAD_LINK) {
            place = head_value_of(head);
            continue;
        }
        place += head_span(head_kind_of(head), head_value_of(head));
        count++;
    }
    for (; back != 0; count++)
        back = atomic_load(&((struct message *)arena_at(&world->arena, back))->next);
    return count;
}

/* Whether the queue lives and holds this many messages, in this much of the heap. */
static bool holds(struct kill_world *world, uint64_t messages, int64_t more_blocks,
                  int64_t more_bytes)
{
    struct queue *queue = queue_now(world);
    uint64_t counted = 0;

    return kill_expect(world,
                       queue != NULL && queue_count(&world->bystander, world->memo[MEMO_QUEUE],
                                                    &counted) == TROUPE_OK,
                       "the queue is gone") &&
           kill_expect(world, counted == messages, "%u messages are counted, not %u",
                       (unsigned)counted, (unsigned)messages) &&
           kill_expect(world, walk(world, queue) == messages, "%u messages are there, not %u",
                       (unsigned)walk(world, queue), (unsigned)messages) &&
           kill_expect_heap(world, more_blocks, more_bytes);
}

/* ---- put -------------------------------------------------------------------------------- */

static void operate_put(struct kill_world *world)
{
    put(world, &world->victim, SMALL);
}

static bool check_put_first(struct kill_world *world, bool done)
{
    return holds(world, done, done, done ? SEGMENT_BYTES : 0);
}

static bool check_put(struct kill_world *world, bool done)
{
    return holds(world, world->memo[MEMO_MESSAGES] + done, 0, 0);
}

static void operate_put_block(struct kill_world *world)
{
    put(world, &world->victim, BLOCK);
}

static bool check_put_block(struct kill_world *world, bool done)
{
    return holds(world, world->memo[MEMO_MESSAGES] + done, done, done ? BLOCK_BYTES : 0);
}

static void operate_put_large(struct kill_world *world)
{
    put(world, &world->victim, LARGE);
}

static bool check_put_large(struct kill_world *world, bool done)
{
    return holds(world, world->memo[MEMO_MESSAGES] + done, done, done ? SPAN_BYTES : 0);
}

static void operate_put_link(struct kill_world *world)
{
    put(world, &world->victim, QUEUE_INLINE_MOST);
}

static bool check_put_link(struct kill_world *world, bool done)
{
    return holds(world, world->memo[MEMO_MESSAGES] + done, done, done ? SEGMENT_BYTES : 0);
}

static bool check_put_link_block(struct kill_world *world, bool done)
{
    return holds(world, world->memo[MEMO_MESSAGES] + done, done ? 2 : 0,
                 done ? SEGMENT_BYTES + BLOCK_BYTES : 0);
}

static void operate_put_many(struct kill_world *world)
{
    troupe_bytes messages[MANY] = { { pattern, SMALL }, { pattern, 0 }, { pattern, SMALL } };
    struct queue_put_many several = { .handle = world->memo[MEMO_QUEUE],
                                      .messages = messages,
                                      .count = MANY };

    queue_put_many_try(&world->victim, &several);
}

/* So many messages as the queue counts; the caller tells which counts may be. */
static uint64_t counted(struct kill_world *world)
{
    uint64_t messages = 0;

    queue_count(&world->bystander, world->memo[MEMO_QUEUE], &messages);
    return messages;
}

/* Each of them is one put: some may be in. */
static bool check_put_many(struct kill_world *world, bool done)
{
    uint64_t now = counted(world), before = world->memo[MEMO_MESSAGES];

    return kill_expect(world, done ? now == before + MANY : now < before + MANY,
                       "%u messages are counted", (unsigned)now) &&
           holds(world, now, 0, 0);
}

/* ---- get -------------------------------------------------------------------------------- */

static void operate_get(struct kill_world *world)
{
    take(world, &world->victim);
}

static bool check_get(struct kill_world *world, bool done)
{
    return holds(world, world->memo[MEMO_MESSAGES] - done, 0, 0);
}

static bool check_get_block(struct kill_world *world, bool done)
{
    return holds(world, 1 - (uint64_t)done, -(int64_t)done, done ? -BLOCK_BYTES : 0);
}

/* The old segment goes before the message does. */
static bool check_get_link(struct kill_world *world, bool done)
{
    struct heap_usage now;
    bool gone;

    heap_usage_get(&world->arena, &now);
    gone = done || now.linked_blocks < world->before.linked_blocks;
    return holds(world, 1 - (uint64_t)done, gone ? -1 : 0, gone ? -(int64_t)SEGMENT_BYTES : 0);
}

static void operate_get_many(struct kill_world *world)
{
    unsigned char buffer[MANY * SMALL];
    troupe_bytes messages[MANY];
    struct queue_get_many several = { .handle = world->memo[MEMO_QUEUE],
                                      .buffer = buffer,
                                      .capacity = sizeof buffer,
                                      .messages = messages,
                                      .most = MANY };

    queue_get_many_try(&world->victim, &several);
}

static bool check_get_many(struct kill_world *world, bool done)
{
    return holds(world, done ? 0 : 2, 0, 0);
}

/* Both in turn, so that the end of one and the start of the other are met, too. */
static void operate_turn(struct kill_world *world)
{
    operate_get(world);
    operate_put(world);
}

static bool check_turn(struct kill_world *world, bool done)
{
    uint64_t now = counted(world);

    (void)done;
    return kill_expect(world, now == 1 || now == 2, "%u messages are counted", (unsigned)now) &&
           holds(world, now, 0, 0);
}

/* The victim sleeps, and a message comes: whether before the death, only the image knows. */
static void operate_get_wait(struct kill_world *world)
{
    static unsigned char into[SMALL];
    struct queue_get message = { .handle = world->memo[MEMO_QUEUE],
                                 .buffer = into,
                                 .capacity = SMALL };

    queue_get(&world->victim, &message, UINT64_MAX);
}

static void rescue_by_put(struct kill_world *world)
{
    put(world, &world->bystander, SMALL);
}

static bool check_get_wait(struct kill_world *world, bool done)
{
    uint64_t now = counted(world);

    return kill_expect(world, now <= (done ? 0u : 1u), "%u messages are counted", (unsigned)now) &&
           holds(world, now, 0, 0);
}

static void prepare_wait(struct kill_world *world)
{
    prepare(world, 1);
    take(world, &world->bystander);
}

/* ---- leases ----------------------------------------------------------------------------- */

static void operate_lease(struct kill_world *world)
{
    lease(world, &world->victim);
}

/* The victim is dead: the message is back, in a block when it had been leased. */
static bool check_lease(struct kill_world *world, bool done)
{
    return holds(world, 1, done, done ? LEASE_BYTES : 0);
}

static bool check_lease_block(struct kill_world *world, bool done)
{
    (void)done;
    return holds(world, 1, 0, 0);
}

static void operate_done(struct kill_world *world)
{
    queue_done(&world->victim, world->memo[MEMO_QUEUE], world->memo[MEMO_TICKET],
               party_of(&world->victim));
}

/* What was not done is back, what was is gone. */
static bool check_done(struct kill_world *world, bool done)
{
    return holds(world, 1 - (uint64_t)done, -(int64_t)done, done ? -LEASE_BYTES : 0);
}

static void operate_get_returned(struct kill_world *world)
{
    take(world, &world->victim);
}

static bool check_get_returned(struct kill_world *world, bool done)
{
    return holds(world, 2 - (uint64_t)done, -(int64_t)done, done ? -LEASE_BYTES : 0);
}

static void operate_lease_returned(struct kill_world *world)
{
    lease(world, &world->victim);
}

static bool check_lease_returned(struct kill_world *world, bool done)
{
    (void)done;
    return holds(world, 2, 0, 0);
}

static void operate_join(struct kill_world *world)
{
    queue_join_try(&world->victim, world->memo[MEMO_QUEUE]);
}

static bool check_join(struct kill_world *world, bool done)
{
    (void)done;
    return holds(world, world->memo[MEMO_MESSAGES], 0, 0);
}

/* ---- making, closing, ending --------------------------------------------------------------- */

static void operate_make(struct kill_world *world)
{
    queue_make(&world->victim, NULL, &world->memo[MEMO_MADE]);
}

static uint64_t records_live(struct kill_world *world)
{
    uint64_t index = 0, count = 0;

    while (table_next(&world->arena, &index) != NULL)
        count++;
    return count;
}

static bool check_make(struct kill_world *world, bool done)
{
    return kill_expect(world, records_live(world) == 1 + (uint64_t)done, "%u records live",
                       (unsigned)records_live(world)) &&
           kill_expect_heap(world, 0, 0);
}

static void operate_close(struct kill_world *world)
{
    queue_close(&world->victim, world->memo[MEMO_QUEUE]);
}

/* An open queue that is empty says EMPTY, a closed one CLOSED. */
static bool check_close(struct kill_world *world, bool done)
{
    struct queue_get look = { .handle = world->memo[MEMO_QUEUE] };
    int expected = done ? TROUPE_CLOSED : TROUPE_EMPTY;
    int seen = queue_get_try(&world->bystander, &look);

    return kill_expect(world, seen == expected, "an empty queue says %s",
                       troupe_result_name(seen)) &&
           kill_expect_heap(world, 0, 0);
}

static void operate_destroy(struct kill_world *world)
{
    queue_destroy(&world->victim, world->memo[MEMO_QUEUE]);
}

/* Begun is as good as done: recovery finishes it. */
static bool check_destroy(struct kill_world *world, bool done)
{
    uint64_t now;
    int seen = queue_count(&world->bystander, world->memo[MEMO_QUEUE], &now);
    bool both = world->memo[MEMO_TICKET] != 0;

    if (!done)
        return kill_expect(world, seen == TROUPE_OK && now == 2, "the queue is not whole") &&
               kill_expect_heap(world, 0, 0);
    return kill_expect(world, seen == TROUPE_BAD_HANDLE, "the queue still lives") &&
           kill_expect(world, records_live(world) == 0, "its record is not free") &&
           kill_expect_heap(world, both ? -4 : -1,
                            -(int64_t)SEGMENT_BYTES - (both ? 2 * LEASE_BYTES + BLOCK_BYTES : 0));
}

/* The table's free list, once records are used again: made from a record that lived before. */
static void prepare_reuse(struct kill_world *world)
{
    uint64_t handles[FREED_LEAST + 1];

    prepare(world, 0);
    for (unsigned i = 0; i <= FREED_LEAST; i++)
        queue_make(&world->bystander, NULL, &handles[i]);
    for (unsigned i = 0; i <= FREED_LEAST; i++)
        queue_destroy(&world->bystander, handles[i]);
}

/* What belongs together stands on one line. */
/* clang-format off */
static const struct kill_case cases[] = {
    { "put_first", prepare_empty, operate_put, check_put_first, NULL, false },
    { "put_next", prepare_one, operate_put, check_put, NULL, true },
    { "put_block", prepare_one, operate_put_block, check_put_block, NULL, false },
    { "put_large", prepare_one, operate_put_large, check_put_large, NULL, false },
    { "put_link", prepare_full, operate_put_link, check_put_link, NULL, false },
    { "put_link_block", prepare_full_to_the_last, operate_put_block, check_put_link_block, NULL,
      false },
    { "put_many", prepare_one, operate_put_many, check_put_many, NULL, false },
    { "get_last", prepare_one, operate_get, check_get, NULL, true },
    { "get_first", prepare_two, operate_get, check_get, NULL, false },
    { "get_block", prepare_block, operate_get, check_get_block, NULL, false },
    { "get_link", prepare_link, operate_get, check_get_link, NULL, false },
    { "get_many", prepare_two, operate_get_many, check_get_many, NULL, false },
    { "get_wait", prepare_wait, operate_get_wait, check_get_wait, rescue_by_put, false },
    { "turn", prepare_two, operate_turn, check_turn, NULL, false },
    { "lease", prepare_one, operate_lease, check_lease, NULL, false },
    { "lease_block", prepare_block, operate_lease, check_lease_block, NULL, false },
    { "done", prepare_leased, operate_done, check_done, NULL, false },
    { "get_returned", prepare_both, operate_get_returned, check_get_returned, NULL, false },
    { "lease_returned", prepare_both, operate_lease_returned, check_lease_returned, NULL, false },
    { "join", prepare_two, operate_join, check_join, NULL, false },
    { "make", prepare_empty, operate_make, check_make, NULL, false },
    { "make_reused", prepare_reuse, operate_make, check_make, NULL, false },
    { "close", prepare_empty, operate_close, check_close, NULL, false },
    { "destroy", prepare_both, operate_destroy, check_destroy, NULL, false },
};
/* clang-format on */

int main(int argc, char **argv)
{
    return kill_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
