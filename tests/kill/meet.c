/* Barriers and conditions, killed at every instruction: a party that dies breaks its barrier, and a
 * notification reaches somebody who lives. */
#include "harness.h"

#include "base/clock.h"
#include "core/recover.h"
#include "core/root.h"
#include "core/table.h"
#include "object/barrier_local.h"
#include "object/condition_local.h"
#include "object/word.h"

enum { MEMO_OBJECT, MEMO_MADE, MEMO_ROUND, MEMO_BREAKS, MEMO_TICKET, MEMO_DOORBELL };
#define PLACES_BYTES 64 /* of a barrier for two */

static void prepare(struct kill_world *world)
{
    party_register(OBJECT_BARRIER, barrier_party_end);
    party_register(OBJECT_CONDITION, condition_party_end);
    recover_register(RESUME_CONDITION_RING, condition_resume_ring);
    recover_register(RESUME_CONDITION_END, condition_resume_end);
    table_format(&world->bystander, 0);
}

static uint64_t records_live(struct kill_world *world)
{
    uint64_t index = 0, count = 0;

    while (table_next(&world->arena, &index) != NULL)
        count++;
    return count;
}

/* ---- barriers --------------------------------------------------------------------------- */

static void barrier_of_two(struct kill_world *world)
{
    prepare(world);
    barrier_make(&world->bystander, 2, &world->memo[MEMO_OBJECT]);
}

static struct barrier_round round_of(struct kill_world *world)
{
    return (struct barrier_round){ .handle = world->memo[MEMO_OBJECT],
                                   .number = world->memo[MEMO_ROUND],
                                   .breaks = world->memo[MEMO_BREAKS] };
}

static void bystander_waits(struct kill_world *world)
{
    struct barrier_round round;

    barrier_of_two(world);
    round = round_of(world);
    barrier_arrive(&world->bystander, party_of(&world->bystander), &round);
    world->memo[MEMO_ROUND] = round.number;
    world->memo[MEMO_BREAKS] = round.breaks;
}

static void operate_make(struct kill_world *world)
{
    barrier_make(&world->victim, 2, &world->memo[MEMO_MADE]);
}

static bool check_make(struct kill_world *world, bool done)
{
    return kill_expect(world, records_live(world) == 1 + (uint64_t)done, "%u records live",
                       (unsigned)records_live(world)) &&
           kill_expect_heap(world, done, done ? PLACES_BYTES : 0);
}

static void operate_arrive(struct kill_world *world)
{
    struct barrier_round round = round_of(world);

    barrier_arrive(&world->victim, party_of(&world->victim), &round);
}

static bool is_broken(struct kill_world *world, bool broken, uint32_t waiting)
{
    troupe_barrier_status status;

    barrier_status(&world->bystander, world->memo[MEMO_OBJECT], &status);
    return kill_expect(world, status.broken == broken, "the barrier is %s broken",
                       status.broken ? "" : "not") &&
           kill_expect(world, status.waiting == waiting, "%u wait at it", status.waiting) &&
           kill_expect_heap(world, 0, 0);
}

static bool check_arrive(struct kill_world *world, bool done)
{
    return is_broken(world, done, 0);
}

/* The round of the last to come is over, also when that one dies. */
static bool check_arrive_last(struct kill_world *world, bool done)
{
    struct barrier_round round = round_of(world);
    int seen = barrier_look(&world->bystander, &round);

    return kill_expect(world, seen == (done ? TROUPE_OK : TROUPE_TIMEOUT), "the waiter reads %s",
                       troupe_result_name(seen)) &&
           is_broken(world, done, done ? 0 : 1);
}

static void operate_abort(struct kill_world *world)
{
    barrier_change(&world->victim, world->memo[MEMO_OBJECT], BARRIER_ABORT, 0);
}

static bool check_abort(struct kill_world *world, bool done)
{
    struct barrier_round round = round_of(world);
    int seen = barrier_look(&world->bystander, &round);

    return kill_expect(world, seen == (done ? TROUPE_BROKEN : TROUPE_TIMEOUT),
                       "the waiter reads %s", troupe_result_name(seen)) &&
           is_broken(world, done, done ? 0 : 1);
}

static void operate_barrier_destroy(struct kill_world *world)
{
    barrier_destroy(&world->victim, world->memo[MEMO_OBJECT]);
}

static bool check_barrier_destroy(struct kill_world *world, bool done)
{
    return kill_expect(world, records_live(world) == !done, "%u records live",
                       (unsigned)records_live(world)) &&
           kill_expect_heap(world, -(int64_t)done, done ? -PLACES_BYTES : 0);
}

/* ---- conditions ------------------------------------------------------------------------- */

#define WAITER_BYTES 64

static struct condition_wait wait_by(struct kill_world *world, const struct actor *actor)
{
    return (struct condition_wait){ .handle = world->memo[MEMO_OBJECT],
                                    .holder = mutex_holder_of(actor),
                                    .slot = actor->number,
                                    .depth = 1 };
}

static void condition_take(struct kill_world *world, struct actor *actor)
{
    struct mutex_holder holder = mutex_holder_of(actor);
    struct record *lock;
    uint64_t handle;

    condition_lock_find(actor, world->memo[MEMO_OBJECT], &lock, &handle);
    mutex_acquire(actor, lock, handle, &holder, CLOCK_FOREVER);
}

static void condition_give(struct kill_world *world, struct actor *actor)
{
    struct mutex_holder holder = mutex_holder_of(actor);
    struct record *lock;
    uint64_t handle;
    bool own;

    condition_lock_find(actor, world->memo[MEMO_OBJECT], &lock, &handle);
    mutex_release(actor, lock, handle, &holder, &own);
}

static void enter(struct kill_world *world, struct actor *actor, uint64_t *ticket)
{
    struct condition_wait wait = wait_by(world, actor);

    condition_enter(actor, &wait);
    *ticket = wait.ticket;
}

static void victim_holds(struct kill_world *world)
{
    prepare(world);
    condition_make(&world->bystander, 0, &world->memo[MEMO_OBJECT]);
    condition_take(world, &world->victim);
}

/* The bystander waits, and is about to sleep; the victim holds the lock. */
static void bystander_in_chain(struct kill_world *world)
{
    prepare(world);
    condition_make(&world->bystander, 0, &world->memo[MEMO_OBJECT]);
    condition_take(world, &world->bystander);
    enter(world, &world->bystander, &world->memo[MEMO_TICKET]);
    condition_take(world, &world->victim);
    world->memo[MEMO_DOORBELL] = atomic_load(&world->bystander.slot->doorbell.word);
}

/* The victim waits before the bystander, is notified, and has the lock again. */
static void victim_notified(struct kill_world *world)
{
    struct mutex_holder holder;

    victim_holds(world);
    enter(world, &world->victim, &world->memo[MEMO_MADE]);
    condition_take(world, &world->bystander);
    enter(world, &world->bystander, &world->memo[MEMO_TICKET]);
    condition_take(world, &world->bystander);
    holder = mutex_holder_of(&world->bystander);
    condition_notify(&world->bystander, world->memo[MEMO_OBJECT], &holder, 1);
    condition_give(world, &world->bystander);
    condition_take(world, &world->victim);
    world->memo[MEMO_DOORBELL] = atomic_load(&world->bystander.slot->doorbell.word);
}

static bool is_notified(struct kill_world *world, bool notified)
{
    struct condition_wait wait = wait_by(world, &world->bystander);
    int seen;

    wait.ticket = world->memo[MEMO_TICKET];
    seen = condition_look(&world->bystander, &wait);
    return kill_expect(world, seen == (notified ? TROUPE_OK : TROUPE_TIMEOUT),
                       "the waiter reads %s", troupe_result_name(seen)) &&
           kill_expect(world,
                       !notified || atomic_load(&world->bystander.slot->doorbell.word) !=
                                        world->memo[MEMO_DOORBELL],
                       "the waiter was not rung for");
}

static void operate_enter(struct kill_world *world)
{
    enter(world, &world->victim, &world->memo[MEMO_MADE]);
}

/* Whatever it came to, the dead one is in no chain and holds no lock. */
static bool check_enter(struct kill_world *world, bool done)
{
    struct record *record;

    (void)done;
    table_find(&world->bystander, world->memo[MEMO_OBJECT], OBJECT_CONDITION, &record);
    return kill_expect(world, word_value(atomic_load(&record->word)) == 0, "the lock is held") &&
           kill_expect_heap(world, 0, 0);
}

static void operate_notify(struct kill_world *world)
{
    struct mutex_holder holder = mutex_holder_of(&world->victim);

    condition_notify(&world->victim, world->memo[MEMO_OBJECT], &holder, 1);
}

static bool check_notify(struct kill_world *world, bool done)
{
    return is_notified(world, done) && kill_expect_heap(world, 0, 0);
}

static void operate_leave(struct kill_world *world)
{
    struct condition_wait wait = wait_by(world, &world->victim);

    wait.ticket = world->memo[MEMO_MADE];
    condition_leave(&world->victim, &wait);
}

/* A victim that had not left takes no notification with it. */
static bool check_leave(struct kill_world *world, bool done)
{
    return is_notified(world, !done) && kill_expect_heap(world, -1, -WAITER_BYTES);
}

static void operate_wait(struct kill_world *world)
{
    struct condition_wait wait = wait_by(world, &world->victim);

    condition_enter(&world->victim, &wait);
    condition_sleep(&world->victim, &wait, CLOCK_FOREVER);
    condition_take(world, &world->victim);
    condition_leave(&world->victim, &wait);
}

static void bystander_notifies(struct kill_world *world)
{
    struct mutex_holder holder = mutex_holder_of(&world->bystander);

    condition_take(world, &world->bystander);
    condition_notify(&world->bystander, world->memo[MEMO_OBJECT], &holder, UINT64_MAX);
    condition_give(world, &world->bystander);
}

static void operate_destroy(struct kill_world *world)
{
    condition_destroy(&world->victim, world->memo[MEMO_OBJECT]);
}

static bool check_destroy(struct kill_world *world, bool done)
{
    struct condition_wait wait = wait_by(world, &world->bystander);

    wait.ticket = world->memo[MEMO_TICKET];
    if (!done)
        return is_notified(world, false) && kill_expect_heap(world, 0, 0);
    return kill_expect(world,
                       condition_look(&world->bystander, &wait) == TROUPE_BAD_HANDLE &&
                           records_live(world) == 0,
                       "the condition lives") &&
           kill_expect_heap(world, -1, -WAITER_BYTES);
}

int main(int argc, char **argv)
{
    static const struct kill_case cases[] = {
        { .name = "barrier_make",
          .prepare = barrier_of_two,
          .operation = operate_make,
          .check = check_make },
        { .name = "arrive",
          .prepare = barrier_of_two,
          .operation = operate_arrive,
          .check = check_arrive,
          .literally = true },
        { .name = "arrive_last",
          .prepare = bystander_waits,
          .operation = operate_arrive,
          .check = check_arrive_last },
        { .name = "abort",
          .prepare = bystander_waits,
          .operation = operate_abort,
          .check = check_abort },
        { .name = "barrier_destroy",
          .prepare = barrier_of_two,
          .operation = operate_barrier_destroy,
          .check = check_barrier_destroy },
        { .name = "enter",
          .prepare = victim_holds,
          .operation = operate_enter,
          .check = check_enter },
        { .name = "notify",
          .prepare = bystander_in_chain,
          .operation = operate_notify,
          .check = check_notify },
        { .name = "leave",
          .prepare = victim_notified,
          .operation = operate_leave,
          .check = check_leave },
        { .name = "wait",
          .prepare = victim_holds,
          .operation = operate_wait,
          .check = check_enter,
          .rescue = bystander_notifies },
        { .name = "condition_destroy",
          .prepare = bystander_in_chain,
          .operation = operate_destroy,
          .check = check_destroy },
    };

    return kill_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
