/* Taking entries out of a share: delete, pop, clear. */
#include "object/dict_held.h"

#include "core/ledger.h"
#include "object/dict_remote.h"
#include "object/dict_seal.h"

#define CLEAR_BATCH 12u    /* entries freed by one transaction; leaves room in SLOT_BLOCKS */
#define CLEAR_BUCKETS 512u /* of one call: a service that clears answers others in between */

/* Notes that a cell goes, and with it perhaps the block of cells outside the bucket; the last cell
 * takes its place. What becomes of the entry is the caller's to note. */
static void cell_remove(struct held *held, uint32_t at)
{
    struct actor *actor = held->share->actor;
    uint32_t last = held->entries - 1;
    uint64_t cells = more_cells(held->more);

    if (at != last)
        tx_write(actor, held_cell(held, at), held_load(held, last));
    if (last <= DICT_INLINE && cells != 0) {
        tx_retire(actor, cells);
        cells = 0;
    }
    tx_write(actor, &held->bucket->more, more_make(last, cells));
    count_less(held, 1);
}

int dict_share_delete(const struct share *share, const struct dict_key *key,
                      const troupe_bytes *expected)
{
    struct held held;
    uint64_t old;
    uint32_t at;
    int result = held_take(share, key->hash, &held);

    if (result != TROUPE_OK)
        return result;
    at = held_find(&held, key);
    if (at == held.entries)
        result = TROUPE_NOT_FOUND;
    else if (expected != NULL && !held_equals(&held, at, *expected))
        result = TROUPE_DIFFERS;
    if (result == TROUPE_OK) {
        old = cell_entry(held_load(&held, at));
        seal_kill(held_entry(&held, old));
        change_begin(&held);
        cell_remove(&held, at);
        tx_retire(share->actor, old);
        ledger_witness(share->actor);
        change_end(&held);
    }
    held_give(&held);
    return result;
}

/* ---- pop -------------------------------------------------------------------------------- */

/* Unlinks the entry, which is then the actor's alone. */
static int entry_take(struct held *held, const struct dict_key *key, struct dict_buffer *value,
                      uint64_t *entry)
{
    uint32_t at = held_find(held, key);
    struct actor *actor = held->share->actor;
    const _Atomic uint64_t *words;
    uint64_t size;

    if (at == held->entries)
        return TROUPE_NOT_FOUND;
    words = held_value(held, at, &size);
    value->size = size;
    if (size > value->capacity)
        return TROUPE_TOO_LONG;
    *entry = cell_entry(held_load(held, at));
    seal_kill(held_entry(held, *entry));
    change_begin(held);
    cell_remove(held, at);
    ledger_keep(actor, *entry, arena_offset(&actor->arena, words) - *entry, size);
    ledger_word(actor, DICT_WORD_SIZE, size);
    ledger_witness(actor);
    change_end(held);
    return TROUPE_OK;
}

/* The lock is held for the unlinking, not for the copy, whatever the size. */
static int pop_once(const struct share *share, const struct dict_key *key,
                    struct dict_buffer *value)
{
    const struct entry *entry;
    struct held held;
    uint64_t offset;
    int result = held_take(share, key->hash, &held);

    if (result != TROUPE_OK)
        return result;
    result = entry_take(&held, key, value, &offset);
    held_give(&held);
    if (result != TROUPE_OK)
        return result;
    entry = arena_at(&share->actor->arena, offset);
    words_load(value->data, entry->words + words_for(key->size), value->size);
    ledger_release(share->actor, offset);
    return TROUPE_OK;
}

int dict_share_pop(const struct share *share, const struct dict_key *key, struct dict_buffer *value)
{
    return dict_buffer_fill(share, key, value, pop_once);
}

/* ---- clear ------------------------------------------------------------------------------ */

uint32_t held_shorten(struct held *held)
{
    struct actor *actor = held->share->actor;
    uint64_t cells = more_cells(held->more);
    uint32_t left = held->entries > CLEAR_BATCH ? held->entries - CLEAR_BATCH : 0;

    for (uint32_t at = left; at < held->entries; at++)
        seal_kill(held_entry(held, held_load(held, at)));
    change_begin(held);
    for (uint32_t at = left; at < held->entries; at++)
        tx_retire(actor, cell_entry(held_load(held, at)));
    if (left <= DICT_INLINE && cells != 0) {
        tx_retire(actor, cells);
        cells = 0;
    }
    tx_write(actor, &held->bucket->more, more_make(left, cells));
    count_less(held, held->entries - left);
    change_end(held);
    return left;
}

/* A bucket's number is a hash that leads to it. */
static int bucket_clear(const struct share *share, uint64_t index)
{
    struct held held;
    uint32_t left = 0;
    int result;

    do {
        result = held_take(share, index, &held);
        if (result != TROUPE_OK)
            return result;
        left = held.entries > 0 ? held_shorten(&held) : 0;
        held_give(&held);
    } while (left > 0);
    return TROUPE_OK;
}

/* Splits move entries from a bucket to a later one only, so going upwards meets all of them. */
int dict_share_clear(const struct share *share, uint64_t *bucket)
{
    uint64_t end = *bucket + CLEAR_BUCKETS, state = DICT_ENDING;
    int result = TROUPE_OK;

    for (; result == TROUPE_OK && *bucket < end; (*bucket)++) {
        state = atomic_load_explicit(&share->dict->state, memory_order_acquire);
        if (*bucket >= state)
            break;
        result = bucket_clear(share, *bucket);
    }
    if (*bucket >= state)
        *bucket = 0;
    return result;
}
