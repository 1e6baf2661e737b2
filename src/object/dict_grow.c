/* Growth: one bucket more, made from the one bucket whose entries may belong to it.
 *
 * The new bucket is out of everybody's reach until the state counts it, so it is filled in place;
 * the old one and the state change in one transaction. Both buckets' locks are held until its
 * blocks are settled: a writer may come to the new bucket as soon as the state counts it. */
#include "object/dict_share.h"

#include "core/futex.h"
#include "core/tx.h"

/* One of the two buckets that the entries of one go to. */
struct half {
    uint64_t cells[DICT_INLINE];
    uint64_t block; /* for the rest; 0: none was made */
    uint32_t room;  /* cells of the block */
    uint32_t count;
};

struct split {
    const struct share *share;
    uint64_t buckets; /* before */
    uint64_t index;   /* of the old one */
    struct bucket *old, *fresh;
    struct half stays, goes;
};

static int half_prepare(struct actor *actor, uint32_t room, struct half *half)
{
    half->count = half->room = 0;
    half->block = 0;
    if (room == 0)
        return TROUPE_OK;
    half->room = room;
    return tx_alloc(actor, room * sizeof(uint64_t), &half->block);
}

/* Blocks are made before the bucket is locked, by what it holds now. */
static int split_prepare(struct split *split)
{
    struct actor *actor = split->share->actor;
    uint32_t count = more_count(atomic_load_explicit(&split->old->more, memory_order_acquire));
    uint32_t room = count > DICT_INLINE ? count - DICT_INLINE : 0;
    uint64_t chunk;
    int result = half_prepare(actor, room, &split->stays);

    if (result == TROUPE_OK)
        result = half_prepare(actor, room, &split->goes);
    if (result != TROUPE_OK)
        return result;
    if (split->buckets % DICT_CHUNK != 0) {
        split->fresh = dict_bucket(split->share, split->buckets);
        return TROUPE_OK;
    }
    result = dict_chunk_add(split->share, split->buckets / DICT_CHUNK, &chunk);
    if (result == TROUPE_OK)
        split->fresh = arena_at(&actor->arena, chunk);
    return result;
}

static bool half_add(const struct arena *arena, struct half *half, uint64_t cell)
{
    uint32_t at = half->count++;
    _Atomic uint64_t *cells;

    if (at < DICT_INLINE) {
        half->cells[at] = cell;
        return true;
    }
    if (at - DICT_INLINE >= half->room)
        return false;
    cells = arena_at(arena, half->block);
    atomic_store_explicit(&cells[at - DICT_INLINE], cell, memory_order_release);
    return true;
}

/* Deals the entries; false when more came in than was prepared for. */
static bool split_deal(struct split *split)
{
    const struct arena *arena = &split->share->actor->arena;
    uint64_t more = atomic_load_explicit(&split->old->more, memory_order_relaxed);
    const _Atomic uint64_t *outside = arena_at(arena, more_cells(more));
    bool room = true;

    for (uint32_t at = 0; room && at < more_count(more); at++) {
        uint64_t cell = atomic_load_explicit(at < DICT_INLINE ? &split->old->cells[at]
                                                              : &outside[at - DICT_INLINE],
                                             memory_order_relaxed);
        const struct entry *entry = arena_at(arena, cell_entry(cell));
        uint64_t hash = atomic_load_explicit(&entry->hash, memory_order_relaxed);
        bool goes = dict_index(split->buckets + 1, hash) == split->buckets;

        room = half_add(arena, goes ? &split->goes : &split->stays, cell);
    }
    return room;
}

/* Drops a block that was not needed after all; returns the half's `more`. */
static uint64_t half_more(struct actor *actor, struct half *half)
{
    if (half->block != 0 && half->count <= DICT_INLINE) {
        heap_release(actor, half->block);
        half->block = 0;
    }
    return more_make(half->count, half->block);
}

static void fresh_fill(struct actor *actor, struct half *half, uint64_t version,
                       struct bucket *fresh)
{
    for (uint32_t at = 0; at < half->count && at < DICT_INLINE; at++)
        atomic_store_explicit(&fresh->cells[at], half->cells[at], memory_order_release);
    atomic_store_explicit(&fresh->more, half_more(actor, half), memory_order_release);
    atomic_store_explicit(&fresh->version, version, memory_order_release);
}

/* Their key may be the fresh bucket's from now on. */
static void waiters_promise(struct split *split)
{
    struct actor *actor = split->share->actor;
    uint64_t counts = atomic_load_explicit(&split->share->dict->counts, memory_order_acquire), word;
    _Atomic uint64_t *count =
        (_Atomic uint64_t *)arena_at(&actor->arena, counts) + split->index % DICT_STRIPES;

    word = atomic_load_explicit(count, memory_order_relaxed);
    if ((word & COUNT_AWAITED) == 0)
        return;
    bell_promise(actor, dict_bell_of(split->share, dict_lock_of(split->share, split->index)));
    tx_write(actor, count, word & ~(uint64_t)COUNT_AWAITED);
}

static void split_commit(struct split *split)
{
    struct actor *actor = split->share->actor;
    struct bucket *old = split->old;
    uint64_t version = atomic_load_explicit(&old->version, memory_order_relaxed);
    uint64_t cells = more_cells(atomic_load_explicit(&old->more, memory_order_relaxed));

    waiters_promise(split);
    fresh_fill(actor, &split->goes, version + 2, split->fresh);
    tx_write(actor, &old->version, version + 1);
    for (uint32_t at = 0; at < split->stays.count && at < DICT_INLINE; at++)
        tx_write(actor, &old->cells[at], split->stays.cells[at]);
    tx_write(actor, &old->more, half_more(actor, &split->stays));
    tx_write(actor, &split->share->dict->state, split->buckets + 1);
    tx_write(actor, &old->version, version + 2);
    if (cells != 0)
        tx_retire(actor, cells);
    tx_commit(actor);
}

/* Takes the two buckets' locks by address; a small dict has one for both. */
static void locks_take(struct actor *actor, struct lock *one, struct lock *other)
{
    lock_take(actor, one < other ? one : other);
    if (one != other)
        lock_take(actor, one < other ? other : one);
}

static void locks_give(struct actor *actor, struct lock *one, struct lock *other)
{
    lock_give(actor, one);
    if (one != other)
        lock_give(actor, other);
}

/* The record's lock is held, so the state stays. */
static void split_one(const struct share *share, uint64_t buckets)
{
    struct split split = { .share = share, .buckets = buckets };
    uint64_t index = buckets - dict_round(buckets);
    struct lock *old = dict_lock_of(share, index), *fresh = dict_lock_of(share, buckets);

    split.index = index;
    split.old = dict_bucket(share, index);
    if (split_prepare(&split) != TROUPE_OK) {
        tx_abort(share->actor);
        return;
    }
    locks_take(share->actor, old, fresh);
    if (split_deal(&split))
        split_commit(&split);
    else
        tx_abort(share->actor);
    locks_give(share->actor, old, fresh);
    bell_redeem(share->actor, FUTEX_ALL);
}

void dict_grow(const struct share *share)
{
    uint64_t state;

    if (!lock_try(share->actor, &share->record->lock))
        return;
    state = atomic_load_explicit(&share->dict->state, memory_order_acquire);
    if (atomic_load_explicit(&share->record->handle, memory_order_acquire) == share->handle &&
        dict_lives(state))
        split_one(share, state);
    lock_give(share->actor, &share->record->lock);
}
