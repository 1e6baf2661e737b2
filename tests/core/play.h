/* Random play with blocks: a table of cells, each under its lock, into which players put blocks,
 * and replace, move and take them out.
 *
 * What always holds while a cell's lock is free: the cell is 0, or names a linked block that is
 * filled with what the block says of itself. So the heap's figures follow from the cells alone. */
#ifndef TROUPE_TESTS_CORE_PLAY_H
#define TROUPE_TESTS_CORE_PLAY_H

#include "sandbox.h"

#define PLAY_CELLS 48

struct play_cell {
    struct lock lock;
    _Atomic uint64_t block;
};

struct play_table {
    struct play_cell cells[PLAY_CELLS];
};

struct player {
    struct actor actor;
    struct play_table *table;
    uint64_t random;
    uint64_t moves;
    uint64_t refused; /* the arena was full */
};

/* A linked, empty table. */
struct play_table *play_table_make(struct actor *actor);

/* One random move. False when a block was not what it said. */
bool play_move(struct player *player);

/* With nobody else at play: every block as it says, and the heap's figures exact. Fails the test
 * otherwise. */
void play_check(struct actor *actor, const struct play_table *table);

#endif
