/* Waiting for the first of several things, killed at every instruction: a waiter that dies does not
 * keep others who watch the same thing from being woken. */
#include "harness.h"

#include "base/clock.h"
#include "core/table.h"
#include "core/world.h"
#include "object/event_local.h"
#include "object/wait.h"

/* memo: two events, the first of which the bystander watches, too. */
enum { MEMO_FIRST, MEMO_SECOND, MEMO_COUNT };
#define DOORBELL_WAITED 1u

static struct record *record_of(struct kill_world *world, int memo)
{
    struct record *record = NULL;

    table_find(&world->bystander, world->memo[memo], OBJECT_EVENT, &record);
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

/* One is set before the wait begins, which then does not sleep. */
static void second_is_set(struct kill_world *world)
{
    bystander_watches(world);
    event_change(&world->bystander, world->memo[MEMO_SECOND], true);
}

static void operate_wait(struct kill_world *world)
{
    size_t index;

    wait_first(&world->victim, world->memo, MEMO_COUNT, CLOCK_FOREVER, &index);
}

/* Sleeps until its time is over, which it is when it first looks. */
static void operate_wait_shortly(struct kill_world *world)
{
    size_t index;

    wait_first(&world->victim, world->memo, MEMO_COUNT, clock_now(), &index);
}

static void bystander_sets(struct kill_world *world)
{
    event_change(&world->bystander, world->memo[MEMO_SECOND], true);
}

/* Rings, and puts everything back: whether the bystander would be woken. */
static bool bystander_hears(struct kill_world *world)
{
    struct bell *bell = &record_of(world, MEMO_FIRST)->bell;
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
    return bystander_hears(world) && kill_expect_heap(world, 0, 0);
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
    };

    return kill_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
