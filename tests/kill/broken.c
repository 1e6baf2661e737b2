/* Operations with a fault that only a kill between two instructions shows: the harness must find
 * each, or it proves nothing. */
#include "harness.h"
#include "shelf.h"

#include "core/heap_private.h"
#include "core/lock.h"
#include "core/recover.h"
#include "core/tx.h"

#define RESUME_COUNT 1

/* Links the block before it notes that it will: killed in between, the block is lost or doubled. */
static void link_before_note(struct kill_world *world)
{
    struct actor *actor = &world->victim;
    uint64_t offset;

    if (tx_alloc(actor, NEW_BYTES, &offset) != TROUPE_OK)
        return;
    atomic_store(&shelf_of(world)->cells[0], offset);
    tx_commit(actor);
}

static bool linked_once(struct kill_world *world, bool done)
{
    return kill_expect(world, (atomic_load(&shelf_of(world)->cells[0]) != 0) == done,
                       "the cell is wrong") &&
           kill_expect_heap(world, done, done ? heap_class_bytes(1) : 0);
}

/* Takes a block's state without a note: killed afterwards, nobody knows of it. */
static void take_without_note(struct kill_world *world)
{
    uint64_t place = world->memo[MEMO_OLD] - world->arena.header->heap;
    uint32_t span = (uint32_t)(place / SPAN_BYTES);
    uint64_t klass = span_class_of(*span_at(&world->arena, span));

    atomic_store(state_at(&world->arena, span,
                          (uint32_t)(place % SPAN_BYTES / heap_class_bytes((uint32_t)klass))),
                 (uint16_t)world->victim.number);
}

static bool whatever(struct kill_world *world, bool done)
{
    (void)world;
    (void)done;
    return true;
}

/* Two words of one thing, changed one after the other. */
static void two_stores(struct kill_world *world)
{
    atomic_store(&shelf_of(world)->cells[0], 1);
    atomic_store(&shelf_of(world)->cells[1], 1);
}

static bool both_or_none(struct kill_world *world, bool done)
{
    return shelf_cell(world, 0, done) && shelf_cell(world, 1, done);
}

/* Work that is resumed by counting on, and not by looking what was done: a recoverer that dies
 * after its count makes the next one count again. Only the second kill shows it. */
static void count_on(struct actor *actor, uint64_t place)
{
    struct shelf *shelf = arena_at(&actor->arena, place);

    atomic_store(&shelf->cells[0], atomic_load(&shelf->cells[0]) + 1);
}

static void resumed(struct kill_world *world)
{
    resume_begin(&world->victim, RESUME_COUNT, world->memo[MEMO_SHELF]);
}

static bool counted_once(struct kill_world *world, bool done)
{
    return shelf_cell(world, 0, done);
}

/* A lock word taken without an entry in the slot is never released. */
static void take_without_entry(struct kill_world *world)
{
    atomic_store(&shelf_of(world)->lock.word, world->victim.number);
    atomic_store(&shelf_of(world)->lock.word, 0);
}

static bool unlocked(struct kill_world *world, bool done)
{
    (void)done;
    return shelf_unlocked(world);
}

static const struct kill_case cases[] = {
    { .name = "link_before_note",
      .prepare = shelf_make,
      .operation = link_before_note,
      .check = linked_once },
    { .name = "take_without_note",
      .prepare = shelf_fill,
      .operation = take_without_note,
      .check = whatever },
    { .name = "two_stores", .prepare = shelf_make, .operation = two_stores, .check = both_or_none },
    { .name = "resume_counts", .prepare = shelf_make, .operation = resumed, .check = counted_once },
    { .name = "lock_without_entry",
      .prepare = shelf_make,
      .operation = take_without_entry,
      .check = unlocked },
};

int main(int argc, char **argv)
{
    recover_register(RESUME_COUNT, count_on);
    return kill_main_broken(argc, argv, cases, sizeof cases / sizeof *cases);
}
