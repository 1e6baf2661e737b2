/* A bucket whose stripe the caller has locked, and the transaction that changes it.
 *
 * What always holds: between change_begin and change_end the caller notes all its writes; the first
 * makes the bucket's version odd, the last makes it even again, and readers see them in the order
 * in which they were noted. The lock is given only after the transaction's blocks are settled. */
#ifndef TROUPE_OBJECT_DICT_HELD_H
#define TROUPE_OBJECT_DICT_HELD_H

#include "core/tx.h"
#include "object/dict_share.h"

struct held {
    const struct share *share;
    struct bucket *bucket;
    struct lock *lock;
    _Atomic uint64_t *count; /* of the stripe's entries */
    uint64_t version, more;
    uint32_t entries;
};

static inline void held_view(const struct share *share, uint64_t index, struct lock *lock,
                             struct held *held)
{
    uint64_t counts = atomic_load_explicit(&share->dict->counts, memory_order_acquire);

    held->share = share;
    held->bucket = dict_bucket(share, index);
    held->lock = lock;
    held->count = (_Atomic uint64_t *)arena_at(&share->actor->arena, counts) + index % DICT_STRIPES;
    held->version = atomic_load_explicit(&held->bucket->version, memory_order_relaxed);
    held->more = atomic_load_explicit(&held->bucket->more, memory_order_relaxed);
    held->entries = more_count(held->more);
}

/* Locks the bucket of a hash. */
static inline int held_take(const struct share *share, uint64_t hash, struct held *held)
{
    struct lock *lock;
    uint64_t index;
    int result = dict_hold(share, hash, &index, &lock);

    if (result == TROUPE_OK)
        held_view(share, index, lock, held);
    return result;
}

static inline void held_give(struct held *held)
{
    lock_give(held->share->actor, held->lock);
}

static inline _Atomic uint64_t *held_cell(const struct held *held, uint32_t at)
{
    if (at < DICT_INLINE)
        return &held->bucket->cells[at];
    return (_Atomic uint64_t *)arena_at(&held->share->actor->arena, more_cells(held->more)) +
           (at - DICT_INLINE);
}

static inline uint64_t held_load(const struct held *held, uint32_t at)
{
    return atomic_load_explicit(held_cell(held, at), memory_order_relaxed);
}

static inline struct entry *held_entry(const struct held *held, uint64_t cell)
{
    return arena_at(&held->share->actor->arena, cell_entry(cell));
}

/* Whether the cell leads to an entry of this very hash. */
static inline bool held_matches(const struct held *held, uint64_t cell, uint64_t hash)
{
    return cell >> DICT_OFFSET_BITS == cell_tag(hash) &&
           atomic_load_explicit(&held_entry(held, cell)->hash, memory_order_relaxed) == hash;
}

/* The key's place among the cells, or the number of them. */
static inline uint32_t held_find(const struct held *held, const struct dict_key *key)
{
    uint32_t at;

    for (at = 0; at < held->entries; at++) {
        uint64_t cell = held_load(held, at);
        struct entry *entry = held_entry(held, cell);

        if (held_matches(held, cell, key->hash) &&
            sizes_key(atomic_load_explicit(&entry->sizes, memory_order_relaxed)) == key->size &&
            words_equal(entry->words, key->data, key->size))
            break;
    }
    return at;
}

/* An entry's value, and how many bytes it has. */
static inline _Atomic uint64_t *held_value(const struct held *held, uint32_t at, uint64_t *size)
{
    struct entry *entry = held_entry(held, held_load(held, at));
    uint64_t sizes = atomic_load_explicit(&entry->sizes, memory_order_relaxed);

    *size = sizes_value(sizes);
    return entry->words + words_for(sizes_key(sizes));
}

static inline bool held_equals(const struct held *held, uint32_t at, troupe_bytes expected)
{
    uint64_t size;
    const _Atomic uint64_t *value = held_value(held, at, &size);

    return size == expected.size && words_equal(value, expected.data, expected.size);
}

/* ---- its transaction -------------------------------------------------------------------- */

static inline void change_begin(struct held *held)
{
    tx_write(held->share->actor, &held->bucket->version, held->version + 1);
}

static inline void change_end(struct held *held)
{
    tx_write(held->share->actor, &held->bucket->version, held->version + 2);
    tx_commit(held->share->actor);
}

/* Entries that go. */
static inline void count_less(struct held *held, uint32_t entries)
{
    tx_write(held->share->actor, held->count,
             atomic_load_explicit(held->count, memory_order_relaxed) -
                 (uint64_t)entries * COUNT_ENTRY);
}

/* One that comes: whoever waits for a key of this stripe is promised a look. True when the caller
 * has to redeem that once it has given the lock. */
static inline bool count_one_more(struct held *held)
{
    struct actor *actor = held->share->actor;
    uint64_t word = atomic_load_explicit(held->count, memory_order_relaxed);
    bool awaited = (word & COUNT_AWAITED) != 0;

    if (awaited)
        bell_promise(actor, dict_bell_of(held->share, held->lock));
    tx_write(actor, held->count, (word & ~(uint64_t)COUNT_AWAITED) + COUNT_ENTRY);
    return awaited;
}

/* Frees the last entries of the bucket, as many as one transaction may; returns how many are left.
 * The view is stale afterwards. */
uint32_t held_shorten(struct held *held);

#endif
