/* Waiting for the first of several things of every kind, killed at every instruction: a waiter that
 * dies does not keep others who watch the same things from being woken. */
#include "harness.h"

#include "base/clock.h"
#include "core/table.h"
#include "core/world.h"
#include "object/event_local.h"
#include "object/pipe_local.h"
#include "object/process.h"
#include "object/queue_local.h"
#include "object/wait.h"

/* memo: two events, a queue, an end of a pipe and a process, which are waited for; the queue of
 * that end. */
enum {
    MEMO_FIRST,
    MEMO_SECOND,
    MEMO_EVENTS,
    MEMO_QUEUE = MEMO_EVENTS,
    MEMO_END,
    MEMO_PROCESS,
    MEMO_COUNT,
    MEMO_WAY = MEMO_COUNT
};
#define DOORBELL_WAITED 1u

static struct record *record_of(struct kill_world *world, int memo)
{
    uint64_t handle = world->memo[memo];
    struct record *record = NULL;

    table_find(&world->bystander, handle, handle_kind(handle), &record);
    return record;
}

/* As if the bystander slept after it had begun to watch. */
static void bystander_watches(struct kill_world *world)
{
    struct slot *slot = world->bystander.slot;

    world_here.nodes = 1;
    table_format(&world->bystander, 0);
    event_make(&world->bystander, &world->memo[MEMO_FIRST]);
    event_make(&world->bystander, &world->memo[MEMO_SECOND]);
    atomic_store(&slot->watching, 1);
    bell_watch(&world->bystander, &record_of(world, MEMO_FIRST)->bell);
    atomic_fetch_or(&slot->doorbell.word, DOORBELL_WAITED);
}

static void put(struct kill_world *world, int memo)
{
    struct queue_put message = { .handle = world->memo[memo], .data = "x", .size = 1 };

    queue_put_try(&world->bystander, &message);
}

/* A message has been there: the next one needs no memory. */
static void used_once(struct kill_world *world, int memo)
{
    char into[1];
    struct queue_get message = { .handle = world->memo[memo], .buffer = into, .capacity = 1 };

    put(world, memo);
    queue_get_try(&world->bystander, &message);
    bell_watch(&world->bystander, &record_of(world, memo)->bell);
}

static void bystander_watches_all(struct kill_world *world)
{
    struct pipe_ways ways;
    struct record *process;
    uint64_t ends[2];

    bystander_watches(world);
    queue_make(&world->bystander, NULL, &world->memo[MEMO_QUEUE]);
    pipe_make(&world->bystander, NULL, ends);
    pipe_hold(&world->bystander, ends[0], party_of(&world->bystander), &ways);
    pipe_hold(&world->victim, ends[0], party_of(&world->victim), &ways);
    world->memo[MEMO_END] = ends[0];
    world->memo[MEMO_WAY] = ways.in;
    table_reserve(&world->bystander, &process);
    table_publish(&world->bystander, process, OBJECT_PROCESS, 0, &world->memo[MEMO_PROCESS]);
    bell_watch(&world->bystander, &process->bell);
    used_once(world, MEMO_QUEUE);
    used_once(world, MEMO_WAY);
}

/* One is set before the wait begins, which then does not sleep. */
static void second_is_set(struct kill_world *world)
{
    bystander_watches(world);
    event_change(&world->bystander, world->memo[MEMO_SECOND], true);
}

static void operate_wait(struct kill_world *world)
{
    size_t index;

    wait_first(&world->victim, world->memo, MEMO_EVENTS, CLOCK_FOREVER, &index);
}

/* Sleeps until its time is over, which it is when it first looks. */
static void operate_wait_shortly(struct kill_world *world)
{
    size_t index;

    wait_first(&world->victim, world->memo, MEMO_EVENTS, clock_now(), &index);
}

static void operate_wait_all(struct kill_world *world)
{
    size_t index;

    wait_first(&world->victim, world->memo, MEMO_COUNT, CLOCK_FOREVER, &index);
}

static void bystander_puts(struct kill_world *world)
{
    put(world, MEMO_QUEUE);
    bell_ring(&world->arena, &record_of(world, MEMO_QUEUE)->bell, 1);
}

static void bystander_sends(struct kill_world *world)
{
    put(world, MEMO_WAY);
    bell_ring(&world->arena, &record_of(world, MEMO_WAY)->bell, 1);
}

static void process_ends(struct kill_world *world)
{
    struct record *record = record_of(world, MEMO_PROCESS);

    atomic_store(&process_of(record)->state, TROUPE_STATE_DONE);
    bell_ring(&world->arena, &record->bell, 1);
}

static void bystander_sets(struct kill_world *world)
{
    event_change(&world->bystander, world->memo[MEMO_SECOND], true);
}

/* Rings, and puts everything back: whether the bystander would be woken. */
static bool bystander_hears(struct kill_world *world, int memo)
{
    struct bell *bell = &record_of(world, memo)->bell;
    struct bell *doorbell = &world->bystander.slot->doorbell;
    uint32_t word = atomic_load(&bell->word), watched = atomic_load(&bell->watched);
    uint32_t before = atomic_load(&doorbell->word);
    bool heard;

    bell_ring(&world->arena, bell, 1);
    heard = atomic_load(&doorbell->word) != before;
    atomic_store(&bell->word, word);
    atomic_store(&bell->watched, watched);
    atomic_store(&doorbell->word, before);
    return kill_expect(world, heard, "who watches is not woken (watched %08x)", watched);
}

static bool check(struct kill_world *world, bool done)
{
    (void)done;
    return bystander_hears(world, MEMO_FIRST) && kill_expect_heap(world, 0, 0);
}

static bool check_all(struct kill_world *world, bool done)
{
    return check(world, done) && bystander_hears(world, MEMO_QUEUE) &&
           bystander_hears(world, MEMO_WAY) && bystander_hears(world, MEMO_PROCESS);
}

int main(int argc, char **argv)
{
    static const struct kill_case cases[] = {
        { .name = "wait_first",
          .prepare = bystander_watches,
          .operation = operate_wait,
          .check = check,
          .rescue = bystander_sets },
        { .name = "wait_first_ready",
          .prepare = second_is_set,
          .operation = operate_wait,
          .check = check },
        { .name = "wait_first_late",
          .prepare = bystander_watches,
          .operation = operate_wait_shortly,
          .check = check },
        { .name = "wait_first_message",
          .prepare = bystander_watches_all,
          .operation = operate_wait_all,
          .check = check_all,
          .rescue = bystander_puts },
        { .name = "wait_first_pipe",
          .prepare = bystander_watches_all,
          .operation = operate_wait_all,
          .check = check_all,
          .rescue = bystander_sends },
        { .name = "wait_first_process",
          .prepare = bystander_watches_all,
          .operation = operate_wait_all,
          .check = check_all,
          .rescue = process_ends },
    };

    return kill_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
