/* The queue, killed at every instruction of its making, its puts and gets, its close and its end.
 *
 * After every recovery the chain is walked: head leads to tail, the counts are the chain's, each
 * message is whole, and the heap holds those messages and nothing else. */
#include "harness.h"

#include "core/recover.h"
#include "core/root.h"
#include "core/table.h"
#include "object/queue_local.h"

#define SMALL 40u
#define LARGE 33000u    /* a message with a span of its own */
#define FREED_LEAST 64u /* records that must be free before one is used again */

enum { MEMO_QUEUE, MEMO_MESSAGES };

/* Zeros, as fresh memory is: the copy of a large message changes nothing, and so makes no
 * images. */
static const unsigned char pattern[LARGE];

/* ---- tools ------------------------------------------------------------------------------ */

static void put(struct kill_world *world, struct actor *actor, size_t size)
{
    struct queue_put message = { .handle = world->memo[MEMO_QUEUE], .data = pattern, .size = size };

    queue_put_try(actor, &message);
}

static bool take(struct kill_world *world, struct actor *actor, unsigned char *into)
{
    struct queue_get message = { .handle = world->memo[MEMO_QUEUE], .capacity = LARGE };

    if (queue_get_try(actor, &message) != TROUPE_OK)
        return false;
    queue_copy(actor, &message, into);
    return true;
}

static void prepare(struct kill_world *world, unsigned messages)
{
    recover_register(RESUME_QUEUE_END, queue_end);
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

/* Whether the queue lives and holds this many messages. A look that takes them all out and puts
 * them back would change the arena, so it counts them by the queue's own count and the heap's
 * blocks. */
static bool holds(struct kill_world *world, uint64_t messages, int64_t more_blocks,
                  int64_t more_bytes)
{
    uint64_t counted = 0;

    return kill_expect(world,
                       queue_count(&world->bystander, world->memo[MEMO_QUEUE], &counted) ==
                           TROUPE_OK,
                       "the queue is gone") &&
           kill_expect(world, counted == messages, "%u messages are counted, not %u",
                       (unsigned)counted, (unsigned)messages) &&
           kill_expect_heap(world, more_blocks, more_bytes);
}

/* ---- put and get ------------------------------------------------------------------------- */

static void operate_put(struct kill_world *world)
{
    put(world, &world->victim, SMALL);
}

static bool check_put(struct kill_world *world, bool done)
{
    return holds(world, world->memo[MEMO_MESSAGES] + done, done, done ? 64 : 0);
}

static void operate_put_large(struct kill_world *world)
{
    put(world, &world->victim, LARGE);
}

static bool check_put_large(struct kill_world *world, bool done)
{
    return holds(world, world->memo[MEMO_MESSAGES] + done, done, done ? SPAN_BYTES : 0);
}

static void operate_get(struct kill_world *world)
{
    static unsigned char into[LARGE];

    take(world, &world->victim, into);
}

static bool check_get(struct kill_world *world, bool done)
{
    return holds(world, world->memo[MEMO_MESSAGES] - done, -(int64_t)done, done ? -64 : 0);
}

/* Both in turn, so that the end of one and the start of the other are met, too. */
static void operate_turn(struct kill_world *world)
{
    operate_get(world);
    put(world, &world->victim, SMALL);
}

static bool check_turn(struct kill_world *world, bool done)
{
    uint64_t counted = 0;

    (void)done;
    queue_count(&world->bystander, world->memo[MEMO_QUEUE], &counted);
    return kill_expect(world, counted == 1 || counted == 2, "%u messages are counted",
                       (unsigned)counted) &&
           kill_expect_heap(world, (int64_t)counted - 2, ((int64_t)counted - 2) * 64);
}

/* ---- making, closing, ending --------------------------------------------------------------- */

static void operate_make(struct kill_world *world)
{
    queue_make(&world->victim, NULL, &world->memo[MEMO_MESSAGES + 1]);
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
    struct queue_get look = { .handle = world->memo[MEMO_QUEUE], .capacity = LARGE };
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
    uint64_t counted;
    int seen = queue_count(&world->bystander, world->memo[MEMO_QUEUE], &counted);

    if (!done)
        return kill_expect(world, seen == TROUPE_OK && counted == 2, "the queue is not whole") &&
               kill_expect_heap(world, 0, 0);
    return kill_expect(world, seen == TROUPE_BAD_HANDLE, "the queue still lives") &&
           kill_expect(world, records_live(world) == 0, "its record is not free") &&
           kill_expect_heap(world, -2, -128);
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

int main(int argc, char **argv)
{
    static const struct kill_case cases[] = {
        { .name = "put_first",
          .prepare = prepare_empty,
          .operation = operate_put,
          .check = check_put },
        { .name = "put_next",
          .prepare = prepare_one,
          .operation = operate_put,
          .check = check_put },
        { .name = "put_large",
          .prepare = prepare_one,
          .operation = operate_put_large,
          .check = check_put_large },
        { .name = "get_last",
          .prepare = prepare_one,
          .operation = operate_get,
          .check = check_get,
          .literally = true },
        { .name = "get_first",
          .prepare = prepare_two,
          .operation = operate_get,
          .check = check_get },
        { .name = "turn", .prepare = prepare_two, .operation = operate_turn, .check = check_turn },
        { .name = "make",
          .prepare = prepare_empty,
          .operation = operate_make,
          .check = check_make },
        { .name = "make_reused",
          .prepare = prepare_reuse,
          .operation = operate_make,
          .check = check_make },
        { .name = "close",
          .prepare = prepare_empty,
          .operation = operate_close,
          .check = check_close },
        { .name = "destroy",
          .prepare = prepare_two,
          .operation = operate_destroy,
          .check = check_destroy },
    };

    return kill_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
