/* Transactions and slots, killed at every instruction: several writes with new, old and taken
 * blocks, an abort, work of several transactions, opening and closing an actor. */
#include "harness.h"
#include "shelf.h"

#include "core/heap_private.h"
#include "core/lock.h"
#include "core/recover.h"
#include "core/tx.h"

#define RESUME_STAIRS 1
#define STAIRS 3

static int64_t class_bytes(uint64_t bytes)
{
    uint32_t klass = 0;

    while (heap_class_bytes(klass) < bytes)
        klass++;
    return heap_class_bytes(klass);
}

/* ---- one transaction with everything ----------------------------------------------------- */

/* Takes the locks, puts a new block and its mark into the shelf, and begins to take the others
 * out. */
static void exchange_begin(struct kill_world *world)
{
    struct shelf *shelf = shelf_of(world);
    struct actor *actor = &world->victim;
    uint64_t offset;

    lock_take(actor, &shelf->lock);
    lock_take(actor, &shelf->second);
    if (tx_alloc(actor, NEW_BYTES, &offset) != TROUPE_OK)
        return;
    *(uint64_t *)arena_at(&world->arena, offset) = ~offset;
    tx_retire(actor, atomic_load(&shelf->cells[1]));
    tx_take(actor, atomic_load(&shelf->cells[2]));
    tx_write(actor, &shelf->cells[0], offset);
    tx_write(actor, &shelf->cells[1], 0);
    tx_write(actor, &shelf->cells[2], 0);
    for (uint64_t cell = 3; cell < SHELF_CELLS; cell++)
        tx_write(actor, &shelf->cells[cell], cell);
}

static void exchange_end(struct kill_world *world)
{
    lock_give(&world->victim, &shelf_of(world)->second);
    lock_give(&world->victim, &shelf_of(world)->lock);
}

static void exchange(struct kill_world *world)
{
    exchange_begin(world);
    tx_commit(&world->victim);
    exchange_end(world);
    heap_release(&world->victim, world->memo[MEMO_TAKEN]);
}

static void exchange_aborted(struct kill_world *world)
{
    exchange_begin(world);
    tx_abort(&world->victim);
    exchange_end(world);
}

static bool exchange_did_not(struct kill_world *world)
{
    bool same = shelf_cell(world, 0, 0) && shelf_cell(world, 1, world->memo[MEMO_OLD]) &&
                shelf_cell(world, 2, world->memo[MEMO_TAKEN]);

    for (int cell = 3; cell < SHELF_CELLS; cell++)
        same = same && shelf_cell(world, cell, 0);
    return same && shelf_unlocked(world) && kill_expect_heap(world, 0, 0);
}

static bool exchange_did(struct kill_world *world)
{
    uint64_t offset = atomic_load(&shelf_of(world)->cells[0]);
    bool same = kill_expect(world, offset != 0, "the new block is not in the shelf") &&
                kill_expect(world, *(uint64_t *)arena_at(&world->arena, offset) == ~offset,
                            "the new block has lost its mark") &&
                shelf_cell(world, 1, 0) && shelf_cell(world, 2, 0);

    for (int cell = 3; cell < SHELF_CELLS; cell++)
        same = same && shelf_cell(world, cell, (uint64_t)cell);
    return same && shelf_unlocked(world) &&
           kill_expect_heap(world, -1,
                            class_bytes(NEW_BYTES) - class_bytes(OLD_BYTES) -
                                class_bytes(TAKEN_BYTES));
}

static bool exchange_check(struct kill_world *world, bool done)
{
    return done ? exchange_did(world) : exchange_did_not(world);
}

static bool aborted_check(struct kill_world *world, bool done)
{
    (void)done;
    return exchange_did_not(world);
}

/* ---- work of several transactions -------------------------------------------------------- */

/* Each step of the stairs fills one cell with a block of its own; the cells are the progress. */
static void stairs_climb(struct actor *actor, uint64_t place)
{
    struct shelf *shelf = arena_at(&actor->arena, place);
    uint64_t offset;

    for (int step = 0; step < STAIRS; step++) {
        lock_take(actor, &shelf->lock);
        if (atomic_load(&shelf->cells[step]) == 0 &&
            tx_alloc(actor, NEW_BYTES, &offset) == TROUPE_OK) {
            tx_write(actor, &shelf->cells[step], offset);
            tx_commit(actor);
        }
        lock_give(actor, &shelf->lock);
    }
}

static void stairs(struct kill_world *world)
{
    resume_begin(&world->victim, RESUME_STAIRS, world->memo[MEMO_SHELF]);
    stairs_climb(&world->victim, world->memo[MEMO_SHELF]);
    resume_end(&world->victim);
}

static bool stairs_check(struct kill_world *world, bool done)
{
    for (int step = 0; step < STAIRS; step++)
        if (!kill_expect(world, (atomic_load(&shelf_of(world)->cells[step]) != 0) == done,
                         "step %d of the stairs is wrong", step))
            return false;
    return shelf_unlocked(world) &&
           kill_expect_heap(world, done ? STAIRS : 0, done ? STAIRS * class_bytes(NEW_BYTES) : 0);
}

/* ---- slots ------------------------------------------------------------------------------- */

/* A second thread of the victim's process. */
static void come_and_go(struct kill_world *world)
{
    struct actor second;

    if (actor_open(&world->arena, world->victim.party, &second) != TROUPE_OK)
        return;
    actor_close(&second);
}

static void come_and_stay(struct kill_world *world)
{
    struct actor second;
    uint64_t offset;

    if (actor_open(&world->arena, world->victim.party, &second) == TROUPE_OK)
        tx_alloc(&second, NEW_BYTES, &offset);
}

static bool only_bystander(struct kill_world *world, bool done)
{
    uint32_t high = atomic_load(&world->arena.header->slot_high);

    (void)done;
    for (uint32_t number = SLOT_FIRST; number < high; number++) {
        uint64_t identity = atomic_load(&slot_at(&world->arena, number)->identity);

        if (!kill_expect(world,
                         slot_state_of(identity) == SLOT_FREE ||
                             number == world->bystander.number || number == world->recoverer.number,
                         "slot %u is taken", number))
            return false;
    }
    return kill_expect_heap(world, 0, 0);
}

static const struct kill_case cases[] = {
    { .name = "exchange", .prepare = shelf_fill, .operation = exchange, .check = exchange_check },
    { .name = "exchange_aborted",
      .prepare = shelf_fill,
      .operation = exchange_aborted,
      .check = aborted_check },
    { .name = "stairs", .prepare = shelf_make, .operation = stairs, .check = stairs_check },
    { .name = "actor_open_close",
      .prepare = shelf_make,
      .operation = come_and_go,
      .check = only_bystander },
    { .name = "actor_open_alloc",
      .prepare = shelf_make,
      .operation = come_and_stay,
      .check = only_bystander },
};

int main(int argc, char **argv)
{
    recover_register(RESUME_STAIRS, stairs_climb);
    return kill_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
