/* A small object for the cases: two locks, a bell, and cells that transactions write. */
#ifndef TROUPE_TESTS_KILL_SHELF_H
#define TROUPE_TESTS_KILL_SHELF_H

#include "harness.h"

#define SHELF_CELLS 8

struct shelf {
    struct lock lock, second;
    struct bell bell;
    _Atomic uint64_t cells[SHELF_CELLS];
};

/* memo: where the shelf is, and blocks that the case knows. */
enum { MEMO_SHELF, MEMO_OLD, MEMO_TAKEN };

#define OLD_BYTES 500
#define TAKEN_BYTES 3000
#define NEW_BYTES 100

static inline struct shelf *shelf_of(struct kill_world *world)
{
    return arena_at(&world->arena, world->memo[MEMO_SHELF]);
}

static inline void shelf_make(struct kill_world *world)
{
    world->memo[MEMO_SHELF] = kill_block(world, sizeof(struct shelf));
}

/* A shelf whose cells 1 and 2 hold blocks. */
static inline void shelf_fill(struct kill_world *world)
{
    shelf_make(world);
    world->memo[MEMO_OLD] = kill_block(world, OLD_BYTES);
    world->memo[MEMO_TAKEN] = kill_block(world, TAKEN_BYTES);
    atomic_store(&shelf_of(world)->cells[1], world->memo[MEMO_OLD]);
    atomic_store(&shelf_of(world)->cells[2], world->memo[MEMO_TAKEN]);
}

static inline bool shelf_unlocked(struct kill_world *world)
{
    return kill_expect(world, shelf_of(world)->lock.word == 0 && shelf_of(world)->second.word == 0,
                       "a lock of the shelf is still held");
}

static inline bool shelf_cell(struct kill_world *world, int cell, uint64_t value)
{
    uint64_t is = atomic_load(&shelf_of(world)->cells[cell]);

    return kill_expect(world, is == value, "cell %d is %llx and not %llx", cell,
                       (unsigned long long)is, (unsigned long long)value);
}

#endif
