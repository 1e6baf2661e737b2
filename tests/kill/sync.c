/* Locks, semaphores and events, killed at every instruction.
 *
 * What is looked at after every recovery: the word is what it was before the operation or after it,
 * a lock of the dead is free and says so, and whoever slept on the bell has been rung for if the
 * object can be had. */
#include "harness.h"

#include "base/clock.h"
#include "core/table.h"
#include "object/event_local.h"
#include "object/mutex.h"
#include "object/semaphore_local.h"
#include "object/word.h"

enum { MEMO_OBJECT, MEMO_BELL, MEMO_MADE };
#define BELL_WAITED 1u

static void prepare(struct kill_world *world)
{
    party_register(OBJECT_LOCK, mutex_party_end);
    table_format(&world->bystander, 0);
}

static struct record *record_of(struct kill_world *world)
{
    struct record *record = NULL;

    table_find(&world->bystander, world->memo[MEMO_OBJECT], handle_kind(world->memo[MEMO_OBJECT]),
               &record);
    return record;
}

static uint64_t word_of(struct kill_world *world)
{
    return atomic_load(&record_of(world)->word);
}

/* As if somebody slept on the bell. */
static void sleep_on_bell(struct kill_world *world)
{
    struct bell *bell = &record_of(world)->bell;

    atomic_fetch_or(&bell->word, BELL_WAITED);
    world->memo[MEMO_BELL] = atomic_load(&bell->word);
}

static bool was_rung(struct kill_world *world)
{
    return kill_expect(world,
                       (atomic_load(&record_of(world)->bell.word) & ~BELL_WAITED) !=
                           (world->memo[MEMO_BELL] & ~BELL_WAITED),
                       "the object can be had, and who sleeps was not rung for");
}

static uint64_t records_live(struct kill_world *world)
{
    uint64_t index = 0, count = 0;

    while (table_next(&world->arena, &index) != NULL)
        count++;
    return count;
}

/* ---- locks ------------------------------------------------------------------------------ */

static void lock_make(struct kill_world *world, bool recursive)
{
    prepare(world);
    mutex_make(&world->bystander, recursive, &world->memo[MEMO_OBJECT]);
}

static int lock_take_by(struct kill_world *world, struct actor *actor, uint64_t deadline)
{
    struct mutex_holder holder = mutex_holder_of(actor);

    return mutex_acquire(actor, record_of(world), world->memo[MEMO_OBJECT], &holder, deadline);
}

static void lock_give_by(struct kill_world *world, struct actor *actor)
{
    struct mutex_holder holder = mutex_holder_of(actor);
    bool own;

    mutex_release(actor, record_of(world), world->memo[MEMO_OBJECT], &holder, &own);
}

static void plain_lock(struct kill_world *world)
{
    lock_make(world, false);
}

static void held_lock(struct kill_world *world)
{
    lock_make(world, false);
    lock_take_by(world, &world->victim, BELL_NO_WAIT);
    sleep_on_bell(world);
}

static void held_twice(struct kill_world *world)
{
    lock_make(world, true);
    lock_take_by(world, &world->victim, BELL_NO_WAIT);
    lock_take_by(world, &world->victim, BELL_NO_WAIT);
    sleep_on_bell(world);
}

static void bystander_holds(struct kill_world *world)
{
    lock_make(world, false);
    lock_take_by(world, &world->bystander, BELL_NO_WAIT);
}

static void bystander_gives(struct kill_world *world)
{
    if (word_value(word_of(world)) == party_of(&world->bystander))
        lock_give_by(world, &world->bystander);
}

static void operate_acquire(struct kill_world *world)
{
    lock_take_by(world, &world->victim, CLOCK_FOREVER);
}

static void operate_release(struct kill_world *world)
{
    lock_give_by(world, &world->victim);
}

static void operate_release_twice(struct kill_world *world)
{
    lock_give_by(world, &world->victim);
    lock_give_by(world, &world->victim);
}

static bool is_free(struct kill_world *world, bool died)
{
    uint64_t word = word_of(world);

    return kill_expect(world, word_value(word) == 0, "the lock is held by party %llx",
                       (unsigned long long)word_value(word)) &&
           kill_expect(world, ((word & WORD_DIED) != 0) == died,
                       died ? "the death is not told" : "a death is told that touched nothing") &&
           kill_expect_heap(world, 0, 0);
}

static bool check_acquire(struct kill_world *world, bool done)
{
    return is_free(world, done);
}

static bool check_release(struct kill_world *world, bool done)
{
    return is_free(world, !done) && was_rung(world);
}

/* Taken once less: still held by a dead one. */
static bool check_release_once(struct kill_world *world, bool done)
{
    (void)done;
    return is_free(world, true) && was_rung(world);
}

/* The bystander may hold it still; when it has given it, nobody else does. */
static bool check_wait(struct kill_world *world, bool done)
{
    uint64_t value = word_value(word_of(world));

    (void)done;
    return kill_expect(world, value == 0 || value == party_of(&world->bystander),
                       "the lock is held by party %llx", (unsigned long long)value) &&
           kill_expect_heap(world, 0, 0);
}

/* ---- semaphores ------------------------------------------------------------------------- */

static void semaphore_of_two(struct kill_world *world)
{
    prepare(world);
    semaphore_make(&world->bystander, 2, false, &world->memo[MEMO_OBJECT]);
    sleep_on_bell(world);
}

static void operate_semaphore_acquire(struct kill_world *world)
{
    semaphore_acquire(&world->victim, world->memo[MEMO_OBJECT], CLOCK_FOREVER);
}

static void operate_semaphore_release(struct kill_world *world)
{
    semaphore_release(&world->victim, world->memo[MEMO_OBJECT], 3);
}

static bool holds(struct kill_world *world, uint64_t value)
{
    return kill_expect(world, word_value(word_of(world)) == value, "the value is %llu, not %llu",
                       (unsigned long long)word_value(word_of(world)), (unsigned long long)value) &&
           kill_expect_heap(world, 0, 0);
}

static bool check_semaphore_acquire(struct kill_world *world, bool done)
{
    return holds(world, done ? 1 : 2);
}

static bool check_semaphore_release(struct kill_world *world, bool done)
{
    return holds(world, done ? 5 : 2) && (!done || was_rung(world));
}

/* ---- events ----------------------------------------------------------------------------- */

static void clear_event(struct kill_world *world)
{
    prepare(world);
    event_make(&world->bystander, &world->memo[MEMO_OBJECT]);
    sleep_on_bell(world);
}

static void operate_set(struct kill_world *world)
{
    event_change(&world->victim, world->memo[MEMO_OBJECT], true);
}

static bool check_set(struct kill_world *world, bool done)
{
    return holds(world, done ? 1u << 1 | EVENT_SET : 0) && (!done || was_rung(world));
}

static void operate_wait(struct kill_world *world)
{
    event_await(&world->victim, world->memo[MEMO_OBJECT], CLOCK_FOREVER);
}

static void bystander_sets(struct kill_world *world)
{
    event_change(&world->bystander, world->memo[MEMO_OBJECT], true);
}

static bool check_event_wait(struct kill_world *world, bool done)
{
    (void)done;
    return kill_expect_heap(world, 0, 0);
}

/* ---- making ----------------------------------------------------------------------------- */

static void operate_make(struct kill_world *world)
{
    semaphore_make(&world->victim, 1, true, &world->memo[MEMO_MADE]);
}

static bool check_make(struct kill_world *world, bool done)
{
    return kill_expect(world, records_live(world) == 1 + (uint64_t)done, "%u records live",
                       (unsigned)records_live(world)) &&
           kill_expect_heap(world, 0, 0);
}

int main(int argc, char **argv)
{
    static const struct kill_case cases[] = {
        { .name = "acquire",
          .prepare = plain_lock,
          .operation = operate_acquire,
          .check = check_acquire,
          .literally = true },
        { .name = "acquire_wait",
          .prepare = bystander_holds,
          .operation = operate_acquire,
          .check = check_wait,
          .rescue = bystander_gives },
        { .name = "release",
          .prepare = held_lock,
          .operation = operate_release,
          .check = check_release,
          .literally = true },
        { .name = "release_once",
          .prepare = held_twice,
          .operation = operate_release,
          .check = check_release_once },
        { .name = "release_twice",
          .prepare = held_twice,
          .operation = operate_release_twice,
          .check = check_release },
        { .name = "semaphore_acquire",
          .prepare = semaphore_of_two,
          .operation = operate_semaphore_acquire,
          .check = check_semaphore_acquire },
        { .name = "semaphore_release",
          .prepare = semaphore_of_two,
          .operation = operate_semaphore_release,
          .check = check_semaphore_release },
        { .name = "event_set",
          .prepare = clear_event,
          .operation = operate_set,
          .check = check_set },
        { .name = "event_wait",
          .prepare = clear_event,
          .operation = operate_wait,
          .check = check_event_wait,
          .rescue = bystander_sets },
        { .name = "make", .prepare = plain_lock, .operation = operate_make, .check = check_make },
    };

    return kill_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
