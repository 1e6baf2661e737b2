#include "play.h"

#include "core/heap.h"
#include "core/lock.h"
#include "core/tx.h"

#include <string.h>

#define RUN_ODDS 24 /* one block in so many takes whole spans */
#define SMALL_BYTES_MOST 9000u
#define RUN_BYTES_MOST 300000u
#define ABORT_ODDS 8

struct play_block {
    uint64_t bytes;
    uint64_t serial;
    unsigned char filling[];
};

/* xorshift64 */
static uint64_t draw(struct player *player, uint64_t below)
{
    player->random ^= player->random << 13;
    player->random ^= player->random >> 7;
    player->random ^= player->random << 17;
    return player->random % below;
}

struct play_table *play_table_make(struct actor *actor)
{
    struct play_table *table;
    uint64_t offset;

    assert_int_equal(tx_alloc(actor, sizeof *table, &offset), TROUPE_OK);
    table = arena_at(&actor->arena, offset);
    memset(table, 0, sizeof *table);
    tx_commit(actor);
    return table;
}

static bool block_true(const struct arena *arena, uint64_t offset)
{
    const struct play_block *block = arena_at(arena, offset);

    if (block->bytes < sizeof *block || block->bytes > heap_block_bytes(arena, offset))
        return false;
    for (uint64_t i = 0; i < block->bytes - sizeof *block; i++)
        if (block->filling[i] != (unsigned char)block->serial)
            return false;
    return true;
}

static int block_make(struct player *player, uint64_t *offset)
{
    uint64_t most = draw(player, RUN_ODDS) == 0 ? RUN_BYTES_MOST : SMALL_BYTES_MOST;
    uint64_t bytes = sizeof(struct play_block) + draw(player, most);
    struct play_block *block;
    int result = tx_alloc(&player->actor, bytes, offset);

    if (result != TROUPE_OK) {
        player->refused++;
        return result;
    }
    block = arena_at(&player->actor.arena, *offset);
    block->bytes = bytes;
    block->serial = draw(player, UINT64_MAX);
    memset(block->filling, (unsigned char)block->serial, bytes - sizeof *block);
    return TROUPE_OK;
}

/* Puts a new block into the cell, in place of what was there. */
static bool move_put(struct player *player, struct play_cell *cell)
{
    uint64_t old, offset;

    lock_take(&player->actor, &cell->lock);
    old = atomic_load(&cell->block);
    if (block_make(player, &offset) == TROUPE_OK) {
        if (old != 0)
            tx_retire(&player->actor, old);
        tx_write(&player->actor, &cell->block, offset);
        if (draw(player, ABORT_ODDS) == 0)
            tx_abort(&player->actor);
        else
            tx_commit(&player->actor);
    }
    lock_give(&player->actor, &cell->lock);
    return true;
}

/* Takes the block out, and reads it when nobody else can reach it. */
static bool move_take(struct player *player, struct play_cell *cell)
{
    uint64_t old;
    bool good;

    lock_take(&player->actor, &cell->lock);
    old = atomic_load(&cell->block);
    if (old != 0) {
        tx_take(&player->actor, old);
        tx_write(&player->actor, &cell->block, 0);
        tx_commit(&player->actor);
    }
    lock_give(&player->actor, &cell->lock);
    if (old == 0)
        return true;
    good = block_true(&player->actor.arena, old);
    heap_release(&player->actor, old);
    return good;
}

/* Swaps the blocks of two cells, the lower one locked first. */
static bool move_swap(struct player *player, struct play_cell *a, struct play_cell *b)
{
    struct play_cell *low = a < b ? a : b, *high = a < b ? b : a;
    uint64_t was;

    if (a == b)
        return true;
    lock_take(&player->actor, &low->lock);
    lock_take(&player->actor, &high->lock);
    was = atomic_load(&low->block);
    tx_write(&player->actor, &low->block, atomic_load(&high->block));
    tx_write(&player->actor, &high->block, was);
    tx_commit(&player->actor);
    lock_give(&player->actor, &high->lock);
    lock_give(&player->actor, &low->lock);
    return true;
}

static bool move_read(struct player *player, struct play_cell *cell)
{
    uint64_t block;
    bool good = true;

    if (!lock_try(&player->actor, &cell->lock))
        return true;
    block = atomic_load(&cell->block);
    if (block != 0)
        good = block_true(&player->actor.arena, block);
    lock_give(&player->actor, &cell->lock);
    return good;
}

bool play_move(struct player *player)
{
    struct play_cell *cell = &player->table->cells[draw(player, PLAY_CELLS)];

    player->moves++;
    switch (draw(player, 8)) {
    case 0:
    case 1:
    case 2:
        return move_put(player, cell);
    case 3:
    case 4:
        return move_take(player, cell);
    case 5:
        return move_swap(player, cell, &player->table->cells[draw(player, PLAY_CELLS)]);
    default:
        return move_read(player, cell);
    }
}

void play_check(struct actor *actor, const struct play_table *table)
{
    uint64_t blocks = 1,
             bytes = heap_block_bytes(&actor->arena, arena_offset(&actor->arena, table));
    struct heap_usage usage;

    for (int i = 0; i < PLAY_CELLS; i++) {
        uint64_t block = atomic_load(&table->cells[i].block);

        assert_int_equal(atomic_load(&table->cells[i].lock.word), 0);
        if (block == 0)
            continue;
        assert_true(block_true(&actor->arena, block));
        blocks++;
        bytes += heap_block_bytes(&actor->arena, block);
    }
    heap_usage_get(&actor->arena, &usage);
    assert_int_equal(usage.flight_blocks, 0);
    assert_int_equal(usage.linked_blocks, blocks);
    assert_int_equal(usage.linked_bytes, bytes);
}
