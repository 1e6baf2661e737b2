/* Storing: set, and set on a condition.
 *
 * Blocks are made before the bucket is locked. If the bucket turns out to need another block of
 * cells, the lock is given back while that is made, and the bucket is looked at afresh. Under the
 * lock there is one search and one transaction. */
#include "object/dict_held.h"
#include "object/dict_seal.h"

#include "base/error.h"
#include "core/futex.h"
#include "core/ledger.h"

#define CELLS_AHEAD 8u /* room that a new block of cells has beyond what is needed now */

/* ---- the entry -------------------------------------------------------------------------- */

/* An entry on its way into a bucket. */
struct linking {
    uint64_t offset;
    uint64_t version;     /* of its seal; 0: it has none */
    uint64_t spare;       /* a block of cells made ahead; 0: none */
    uint64_t spare_bytes; /* what the last look asked for */
    bool crowded;         /* the bucket has outgrown its own cells by this entry */
    bool awaited;         /* its coming is to be announced */
};

static int entry_make(const struct share *share, const struct dict_put *put,
                      struct linking *linking)
{
    const struct dict_key *key = put->key;
    struct actor *actor = share->actor;
    uint64_t size = put->value.size, bytes = entry_bytes(key->size, size), sizes;
    bool sealed = seals_are_on(&actor->arena) && bytes <= SEAL_MOST - sizeof(struct seal);
    struct entry *entry;
    int result;

    if (size > ENTRY_VALUE_MAX)
        return fail(TROUPE_FULL, "dict: a value of %zu bytes is more than any arena holds",
                    put->value.size);
    result = tx_alloc(actor, bytes + (sealed ? sizeof(struct seal) : 0), &linking->offset);
    if (result != TROUPE_OK)
        return result;
    sizes = sizes_make(key->size, 0, size) | (sealed ? ENTRY_SEALED : 0);
    entry = arena_at(&actor->arena, linking->offset);
    atomic_store_explicit(&entry->hash, key->hash, memory_order_release);
    atomic_store_explicit(&entry->sizes, sizes, memory_order_release);
    words_store(entry->words, key->data, key->size);
    words_store(entry->words + words_for(key->size), put->value.data, size);
    if (sealed)
        linking->version = seal_make(share, entry, sizes);
    return TROUPE_OK;
}

/* Gives an entry that is still private its place among those of the same hash. */
static void entry_order(const struct held *held, uint64_t offset, uint64_t order)
{
    struct entry *entry = arena_at(&held->share->actor->arena, offset);
    uint64_t sizes = atomic_load_explicit(&entry->sizes, memory_order_relaxed);

    atomic_store_explicit(&entry->sizes, sizes | order << ENTRY_VALUE_BITS, memory_order_release);
}

static bool order_taken(const struct held *held, uint64_t hash, uint64_t order)
{
    for (uint32_t at = 0; at < held->entries; at++) {
        uint64_t cell = held_load(held, at);

        if (held_matches(held, cell, hash) &&
            sizes_order(atomic_load_explicit(&held_entry(held, cell)->sizes,
                                             memory_order_relaxed)) == order)
            return true;
    }
    return false;
}

/* The least order that no entry of this hash has: all but always the first that is tried.
 * ENTRY_ORDERS when all are in use. */
static uint64_t order_find(const struct held *held, uint64_t hash)
{
    uint64_t order = 0;

    while (order < ENTRY_ORDERS && order_taken(held, hash, order))
        order++;
    return order;
}

static void entry_replace(struct held *held, uint32_t at, const struct linking *linking,
                          uint64_t hash)
{
    uint64_t old = cell_entry(held_load(held, at));
    uint64_t sizes = atomic_load_explicit(&held_entry(held, old)->sizes, memory_order_relaxed);

    entry_order(held, linking->offset, sizes_order(sizes));
    seal_kill(held_entry(held, old));
    change_begin(held);
    tx_write(held->share->actor, held_cell(held, at), cell_make(hash, linking->offset));
    seal_revive(held->share->actor, held_entry(held, linking->offset), linking->version);
    tx_retire(held->share->actor, old);
    ledger_witness(held->share->actor);
    change_end(held);
    held_give(held);
}

/* Bytes of the block of cells that one more entry needs; 0 when there is room as it is. */
static uint64_t cells_needed(const struct held *held)
{
    uint64_t cells = more_cells(held->more), outside;

    if (held->entries < DICT_INLINE)
        return 0;
    outside = held->entries - DICT_INLINE;
    if (cells != 0 &&
        (outside + 1) * sizeof(uint64_t) <= heap_block_bytes(&held->share->actor->arena, cells))
        return 0;
    return (outside + CELLS_AHEAD) * sizeof(uint64_t);
}

/* Moves the cells outside the bucket to a new block, as part of the transaction. */
static void cells_move(struct held *held, uint64_t block)
{
    struct actor *actor = held->share->actor;
    uint64_t old = more_cells(held->more);
    _Atomic uint64_t *to = arena_at(&actor->arena, block);

    for (uint32_t at = DICT_INLINE; at < held->entries; at++)
        atomic_store_explicit(&to[at - DICT_INLINE], held_load(held, at), memory_order_release);
    if (old != 0)
        tx_retire(actor, old);
    held->more = more_make(held->entries, block);
}

/* True when somebody waits for a key like this one. */
static bool entry_insert(struct held *held, const struct linking *linking, uint64_t hash)
{
    struct actor *actor = held->share->actor;
    bool awaited;

    change_begin(held);
    if (linking->spare != 0)
        cells_move(held, linking->spare);
    tx_write(actor, held_cell(held, held->entries), cell_make(hash, linking->offset));
    seal_revive(actor, held_entry(held, linking->offset), linking->version);
    tx_write(actor, &held->bucket->more, more_make(held->entries + 1, more_cells(held->more)));
    awaited = count_one_more(held);
    ledger_witness(actor);
    change_end(held);
    held_give(held);
    return awaited;
}

/* What keeps a new key out of a bucket for good. */
static int refuse(const struct held *held, uint64_t order)
{
    if (order == ENTRY_ORDERS)
        return fail(TROUPE_FULL, "dict: %u keys with one and the same 64-bit hash are the most",
                    ENTRY_ORDERS);
    if (held->entries == DICT_COUNT_MAX)
        return fail(TROUPE_FULL,
                    "dict: a bucket holds %u entries and could not be split, for the "
                    "arena has no room; free entries or use a larger arena (TROUPE_ARENA)",
                    DICT_COUNT_MAX);
    return TROUPE_OK;
}

static void spare_drop(struct actor *actor, struct linking *linking)
{
    if (linking->spare != 0)
        heap_release(actor, linking->spare);
    linking->spare = 0;
}

/* Adds the entry to a bucket without its key, or asks for a spare (LINK_WANTS) if there is no room
 * in its cells. */
#define LINK_WANTS 1
static int link_new(struct held *held, const struct dict_key *key, struct linking *linking)
{
    uint64_t order = order_find(held, key->hash), needed = cells_needed(held);
    int result = refuse(held, order);

    if (result == TROUPE_OK && needed > 0 &&
        (linking->spare == 0 || needed > linking->spare_bytes)) {
        linking->spare_bytes = needed;
        result = LINK_WANTS;
    }
    if (result != TROUPE_OK) {
        held_give(held);
        return result;
    }
    if (needed == 0)
        spare_drop(held->share->actor, linking);
    linking->crowded = held->entries >= DICT_INLINE;
    entry_order(held, linking->offset, order);
    linking->awaited = entry_insert(held, linking, key->hash);
    return TROUPE_OK;
}

/* What the condition says to a bucket that has the key at a place, or has it not. */
static int condition_check(const struct held *held, const struct dict_put *put, uint32_t at)
{
    bool there = at < held->entries;

    if (put->when == DICT_IF_ABSENT && there)
        return TROUPE_DIFFERS;
    if (put->when != DICT_IF_EQUAL)
        return TROUPE_OK;
    if (!there)
        return TROUPE_NOT_FOUND;
    return held_equals(held, at, put->expected) ? TROUPE_OK : TROUPE_DIFFERS;
}

/* One look at the key's bucket, which it gives back. */
static int link_try(const struct share *share, const struct dict_put *put, struct linking *linking)
{
    struct held held;
    uint32_t at;
    int result = held_take(share, put->key->hash, &held);

    if (result != TROUPE_OK)
        return result;
    at = held_find(&held, put->key);
    result = condition_check(&held, put, at);
    if (result != TROUPE_OK) {
        held_give(&held);
        return result;
    }
    if (at == held.entries)
        return link_new(&held, put->key, linking);
    spare_drop(share->actor, linking);
    entry_replace(&held, at, linking, put->key->hash);
    return TROUPE_OK;
}

int dict_share_put(const struct share *share, const struct dict_put *put)
{
    struct linking linking = { 0 };
    int result = entry_make(share, put, &linking);

    if (result == TROUPE_OK)
        result = link_try(share, put, &linking);
    while (result == LINK_WANTS) {
        spare_drop(share->actor, &linking);
        result = tx_alloc(share->actor, linking.spare_bytes, &linking.spare);
        if (result == TROUPE_OK)
            result = link_try(share, put, &linking);
    }
    if (result != TROUPE_OK)
        tx_abort(share->actor);
    if (linking.awaited)
        bell_redeem(share->actor, FUTEX_ALL);
    if (linking.crowded)
        dict_grow(share);
    return result;
}

/* Looks first: the usual case needs neither the lock nor a block. Whoever removes the key between
 * the look and the put makes us look again. */
int dict_share_default(const struct share *share, const struct dict_put *put,
                       struct dict_buffer *found, bool *stored)
{
    int result;

    do {
        *stored = false;
        result = dict_share_fetch(share, put->key, found);
        if (result != TROUPE_NOT_FOUND)
            return result;
        result = dict_share_put(share, put);
        *stored = result == TROUPE_OK;
    } while (result == TROUPE_DIFFERS);
    return result;
}
