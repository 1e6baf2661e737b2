/* Ends of pipes, killed at every instruction while they are made, held, let go, and ended: an end
 * whose last holder died is closed, and a pipe with two closed ends is gone with its messages. */
#include "harness.h"

#include "core/recover.h"
#include "core/root.h"
#include "core/table.h"
#include "counts.h"
#include "object/pipe_local.h"
#include "object/queue_local.h"

enum { MEMO_OWN, MEMO_OTHER, MEMO_WAY, MEMO_LIVE };
enum { USUAL = 3 /* the cases behind take minutes */ };

static uint64_t records_live(struct kill_world *world)
{
    uint64_t index = 0, count = 0;

    while (table_next(&world->arena, &index) != NULL)
        count++;
    return count;
}

/* A pipe whose second end the victim is to hold. */
static void prepare(struct kill_world *world)
{
    static const troupe_pipe_options one_way = { .one_way = 1 };
    uint64_t ends[2];
    struct pipe_ways ways;

    recover_register(RESUME_QUEUE_END, queue_end);
    party_register(OBJECT_PIPE, pipe_party_end);
    table_format(&world->bystander, 0);
    pipe_make(&world->bystander, &one_way, ends);
    pipe_ways_of(&world->bystander, ends[0], &ways);
    world->memo[MEMO_OTHER] = ends[0];
    world->memo[MEMO_OWN] = ends[1];
    world->memo[MEMO_WAY] = ways.in;
    world->memo[MEMO_LIVE] = records_live(world);
}

static void hold_by(struct actor *actor, uint64_t end)
{
    struct pipe_ways ways;

    pipe_hold(actor, end, party_of(actor), &ways);
}

static void victim_holds(struct kill_world *world)
{
    prepare(world);
    hold_by(&world->victim, world->memo[MEMO_OWN]);
}

static void both_hold(struct kill_world *world)
{
    victim_holds(world);
    hold_by(&world->bystander, world->memo[MEMO_OWN]);
}

/* The other end is closed, and a message that nobody receives is under way. */
static void other_closed(struct kill_world *world)
{
    struct queue_put put = { .data = "x", .size = 1 };
    bool held;

    victim_holds(world);
    put.handle = world->memo[MEMO_WAY];
    queue_put_try(&world->bystander, &put);
    hold_by(&world->bystander, world->memo[MEMO_OTHER]);
    pipe_close(&world->bystander, world->memo[MEMO_OTHER], party_of(&world->bystander), &held);
}

static void operate_hold(struct kill_world *world)
{
    hold_by(&world->victim, world->memo[MEMO_OWN]);
}

static void operate_close(struct kill_world *world)
{
    bool held;

    pipe_close(&world->victim, world->memo[MEMO_OWN], party_of(&world->victim), &held);
}

static void operate_destroy(struct kill_world *world)
{
    pipe_destroy(&world->victim, world->memo[MEMO_OWN]);
}

/* TROUPE_CLOSED, TROUPE_EMPTY of an open one without messages, or TROUPE_BAD_HANDLE. */
static int way_is_at(struct kill_world *world)
{
    bool ready = false;
    int result = queue_ready(&world->bystander, world->memo[MEMO_WAY], false, &ready);

    return result != TROUPE_OK ? result : ready ? TROUPE_CLOSED : TROUPE_EMPTY;
}

static bool way_is(struct kill_world *world, int expected)
{
    int seen = way_is_at(world);

    return kill_expect(world, seen == expected, "the way between the ends is %s",
                       troupe_result_name(seen));
}

/* Held or not when it died, the end was the dead one's alone: closed, or nobody's yet. */
static bool check_hold(struct kill_world *world, bool done)
{
    return way_is(world, done ? TROUPE_CLOSED : TROUPE_EMPTY) && kill_expect_heap(world, 0, 0);
}

static bool check_close(struct kill_world *world, bool done)
{
    (void)done;
    return way_is(world, TROUPE_CLOSED) && kill_expect_heap(world, 0, 0);
}

static bool check_close_shared(struct kill_world *world, bool done)
{
    (void)done;
    return way_is(world, TROUPE_EMPTY) && kill_expect_heap(world, 0, 0);
}

static bool is_gone(struct kill_world *world)
{
    return way_is(world, TROUPE_BAD_HANDLE) &&
           kill_expect(world, records_live(world) == world->memo[MEMO_LIVE] - 3,
                       "%u records live of %u", (unsigned)records_live(world),
                       (unsigned)world->memo[MEMO_LIVE]);
}

static bool check_gone(struct kill_world *world, bool done)
{
    (void)done;
    return is_gone(world);
}

/* Nothing done: the victim's own end is closed by its death, for it held it. */
static bool check_destroy(struct kill_world *world, bool done)
{
    return done ? is_gone(world) : way_is(world, TROUPE_CLOSED);
}

int main(int argc, char **argv)
{
    static const struct kill_case cases[] = {
        { .name = "hold",
          .prepare = prepare,
          .operation = operate_hold,
          .check = check_hold,
          .literally = true },
        { .name = "close",
          .prepare = victim_holds,
          .operation = operate_close,
          .check = check_close },
        { .name = "close_shared",
          .prepare = both_hold,
          .operation = operate_close,
          .check = check_close_shared },
        { .name = "close_last",
          .prepare = other_closed,
          .operation = operate_close,
          .check = check_gone },
        { .name = "destroy",
          .prepare = victim_holds,
          .operation = operate_destroy,
          .check = check_destroy },
    };

    return kill_main(argc, argv, cases, (size_t)test_count(USUAL, sizeof cases / sizeof *cases));
}
