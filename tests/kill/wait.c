/* Locks and bells, killed at every instruction: free, contended, given on, held by the dead;
 * waiting, being woken, ringing what was promised. */
#include "harness.h"
#include "shelf.h"

#include "base/clock.h"
#include "core/bell.h"
#include "core/lock.h"
#include "core/recover.h"
#include "core/tx.h"

#define VALUE 77u
#define CELL_RUNG 5
#define A_RING_ADDS 2 /* core/bell.h */

/* memo: the block that somebody allocated who died before, see dead_holds. */
enum { MEMO_BLOCK = MEMO_TAKEN + 1 };

/* ---- locks ------------------------------------------------------------------------------- */

static void bystander_holds(struct kill_world *world)
{
    shelf_make(world);
    lock_take(&world->bystander, &shelf_of(world)->lock);
}

static void bystander_gives(struct kill_world *world)
{
    struct lock *lock = &shelf_of(world)->lock;

    if (atomic_load(&world->bystander.slot->locks[0]) != 0)
        lock_give(&world->bystander, lock);
}

/* Somebody died who held the lock and had committed a transaction, but not yet made its writes. */
static void dead_holds(struct kill_world *world)
{
    struct actor dead;

    shelf_make(world);
    if (actor_open(&world->arena, SLOT_NONE, &dead) != TROUPE_OK)
        return;
    lock_take(&dead, &shelf_of(world)->lock);
    if (tx_alloc(&dead, NEW_BYTES, &world->memo[MEMO_BLOCK]) != TROUPE_OK)
        return;
    tx_write(&dead, &shelf_of(world)->cells[0], world->memo[MEMO_BLOCK]);
    atomic_store(&dead.slot->tx_phase, TX_COMMITTED);
    kill_bury(world, &dead);
}

static void take_and_give(struct kill_world *world)
{
    lock_take(&world->victim, &shelf_of(world)->lock);
    lock_give(&world->victim, &shelf_of(world)->lock);
}

static void try_and_give(struct kill_world *world)
{
    if (lock_try(&world->victim, &shelf_of(world)->lock))
        lock_give(&world->victim, &shelf_of(world)->lock);
}

static void victim_holds_contended(struct kill_world *world)
{
    shelf_make(world);
    lock_take(&world->victim, &shelf_of(world)->lock);
    atomic_fetch_or(&shelf_of(world)->lock.word, 0x80000000u);
}

static void give(struct kill_world *world)
{
    lock_give(&world->victim, &shelf_of(world)->lock);
}

static bool unlocked(struct kill_world *world, bool done)
{
    (void)done;
    return shelf_unlocked(world) && kill_expect_heap(world, 0, 0);
}

/* The bystander may hold it still. */
static bool not_the_dead(struct kill_world *world, bool done)
{
    uint32_t holder = shelf_of(world)->lock.word & 0xffffu;

    (void)done;
    return kill_expect(world, holder == 0 || holder == world->bystander.number,
                       "the lock is held by slot %u", holder);
}

static bool dead_was_finished(struct kill_world *world, bool done)
{
    struct heap_usage now;

    (void)done;
    heap_usage_get(&world->arena, &now);
    return shelf_unlocked(world) && shelf_cell(world, 0, world->memo[MEMO_BLOCK]) &&
           kill_expect(world, now.linked_blocks == 2 && now.flight_blocks == 0,
                       "%llu blocks are linked and not 2", (unsigned long long)now.linked_blocks);
}

/* ---- bells ------------------------------------------------------------------------------- */

/* Takes the value from cell 0 when it is there. */
static int collect(struct actor *actor, void *context)
{
    struct shelf *shelf = context;
    uint64_t value;

    lock_take(actor, &shelf->lock);
    value = atomic_load(&shelf->cells[0]);
    if (value != 0) {
        tx_write(actor, &shelf->cells[0], 0);
        tx_write(actor, &shelf->cells[1], value);
        tx_commit(actor);
    }
    lock_give(actor, &shelf->lock);
    return value != 0 ? TROUPE_OK : TROUPE_EMPTY;
}

static void await(struct kill_world *world)
{
    bell_await(&world->victim, &shelf_of(world)->bell, CLOCK_FOREVER, TROUPE_EMPTY, collect,
               shelf_of(world));
}

static void deliver(struct actor *actor, struct shelf *shelf)
{
    lock_take(actor, &shelf->lock);
    bell_promise(actor, &shelf->bell);
    tx_write(actor, &shelf->cells[0], VALUE);
    tx_commit(actor);
    lock_give(actor, &shelf->lock);
}

/* Notes how the bell will stand after its ring, which is for one waiter: the victim. Noted after
 * it, the victim might run in between, for the ring wakes it. */
static void bystander_delivers(struct kill_world *world)
{
    struct shelf *shelf = shelf_of(world);

    if (atomic_load(&shelf->cells[CELL_RUNG]) != 0)
        return;
    deliver(&world->bystander, shelf);
    atomic_store(&shelf->cells[CELL_RUNG], atomic_load(&shelf->bell.word) + A_RING_ADDS);
    bell_redeem(&world->bystander, 1);
}

static void deliver_to_sleeper(struct kill_world *world)
{
    deliver(&world->victim, shelf_of(world));
    bell_redeem(&world->victim, 1);
}

/* The value, once delivered, is in one of the cells. While it is still to be taken, the victim has
 * taken its wake to the grave, so the bell must have been rung again. */
static bool collected(struct kill_world *world, bool done)
{
    struct shelf *shelf = shelf_of(world);
    uint64_t rung = atomic_load(&shelf->cells[CELL_RUNG]);
    bool waiting = atomic_load(&shelf->cells[0]) != 0;

    if (done)
        return shelf_unlocked(world) && shelf_cell(world, 1, VALUE) && shelf_cell(world, 0, 0);
    return shelf_unlocked(world) && shelf_cell(world, 1, 0) &&
           shelf_cell(world, 0, rung != 0 ? VALUE : 0) &&
           kill_expect(world, !waiting || atomic_load(&shelf->bell.word) != rung,
                       "the value waits and nobody else was rung for");
}

static void somebody_sleeps(struct kill_world *world)
{
    shelf_make(world);
    atomic_store(&shelf_of(world)->bell.word, 1); /* announced: its bit is set */
}

/* Whoever sees the value must have been rung for: the bell has moved. */
static bool delivered(struct kill_world *world, bool done)
{
    return shelf_unlocked(world) && shelf_cell(world, 0, done ? VALUE : 0) &&
           kill_expect(world, !done || shelf_of(world)->bell.word != 1,
                       "the value came and nobody was rung for");
}

static const struct kill_case cases[] = {
    { .name = "lock_free",
      .prepare = shelf_make,
      .operation = take_and_give,
      .check = unlocked,
      .literally = true },
    { .name = "lock_contended",
      .prepare = bystander_holds,
      .operation = take_and_give,
      .check = not_the_dead,
      .rescue = bystander_gives },
    { .name = "lock_of_the_dead",
      .prepare = dead_holds,
      .operation = take_and_give,
      .check = dead_was_finished },
    { .name = "lock_try", .prepare = shelf_make, .operation = try_and_give, .check = unlocked },
    { .name = "lock_try_refused",
      .prepare = bystander_holds,
      .operation = try_and_give,
      .check = not_the_dead },
    { .name = "lock_give_contended",
      .prepare = victim_holds_contended,
      .operation = give,
      .check = unlocked },
    { .name = "bell_await",
      .prepare = shelf_make,
      .operation = await,
      .check = collected,
      .rescue = bystander_delivers },
    { .name = "bell_ring",
      .prepare = somebody_sleeps,
      .operation = deliver_to_sleeper,
      .check = delivered },
};

int main(int argc, char **argv)
{
    return kill_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
